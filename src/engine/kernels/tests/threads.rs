//! The pool and the deal.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::super::deal::Deal;
use super::super::{KernelError, Pool, StartHook, Tier};

/// How often a job called each share, a byte for each.
fn times(pool: &Pool) -> usize {
    let seen = AtomicUsize::new(0);
    pool.run(&|share, shares| {
        assert_eq!(shares, pool.threads());
        seen.fetch_add(1 << (8 * share), Ordering::Relaxed);
    })
    .unwrap();
    seen.into_inner()
}

#[test]
fn every_share_of_every_job_is_done_once_whether_threads_spin_or_sleep() {
    for spin in [Duration::ZERO, Duration::from_millis(1)] {
        let pool = Pool::new(4, spin, None).unwrap();
        for round in 0..300 {
            if round % 100 == 0 {
                // Long enough that all have gone to sleep.
                std::thread::sleep(Duration::from_millis(5));
            }
            assert_eq!(times(&pool), 0x0101_0101);
        }
    }
}

#[test]
fn a_thread_that_does_not_run_holds_nobody_up() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    // The only worker waits before its first look for work.
    let hook: StartHook = Arc::new(move |_| {
        let _ = held.lock().unwrap().recv();
    });
    let pool = Pool::new(2, Duration::from_micros(50), Some(&hook)).unwrap();
    for _ in 0..10 {
        assert_eq!(times(&pool), 0x0101);
    }
    assert!(matches!(
        pool.run(&|share, _| assert_ne!(share, 1, "meant to happen")),
        Err(KernelError::Panicked)
    ));
    // And one that comes late finds the next job, not an old one.
    drop(release);
    for _ in 0..1000 {
        assert_eq!(times(&pool), 0x0101);
    }
}

#[test]
fn a_panic_in_any_thread_is_an_error_and_the_pool_goes_on() {
    let pool = Pool::new(3, Duration::from_micros(50), None).unwrap();
    for unlucky in 0..3 {
        let outcome = pool.run(&|thread, _| assert_ne!(thread, unlucky, "meant to happen"));
        assert!(matches!(outcome, Err(KernelError::Panicked)));
        pool.run(&|_, _| {}).unwrap();
    }
    let single = Pool::new(1, Duration::ZERO, None).unwrap();
    assert!(single.run(&|_, _| panic!("meant to happen")).is_err());
}

#[test]
fn a_job_inside_a_job_runs_on_its_own_thread() {
    let pool = Pool::new(2, Duration::ZERO, None).unwrap();
    let inner = AtomicUsize::new(0);
    pool.run(&|_, _| {
        pool.run(&|thread, threads| {
            assert_eq!((thread, threads), (0, 1));
            inner.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap();
    })
    .unwrap();
    assert_eq!(inner.load(Ordering::Relaxed), 2);
}

#[test]
fn callers_from_several_threads_take_turns() {
    let pool = Pool::new(2, Duration::from_micros(10), None).unwrap();
    let total = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..100 {
                    pool.run(&|_, _| {
                        total.fetch_add(1, Ordering::Relaxed);
                    })
                    .unwrap();
                }
            });
        }
    });
    assert_eq!(total.load(Ordering::Relaxed), 600);
}

#[test]
fn the_hook_runs_in_each_started_thread_and_its_panic_costs_none() {
    let started = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&started);
    let hook: StartHook = Arc::new(move |index: usize| {
        count.fetch_add(index, Ordering::SeqCst);
        assert_ne!(index, 1, "meant to happen");
    });
    let pool = Pool::new(3, Duration::ZERO, Some(&hook)).unwrap();
    pool.run(&|_, _| {}).unwrap();
    // A job waits for nobody who has not begun; the end of a pool does.
    drop(pool);
    assert_eq!(started.load(Ordering::SeqCst), 3);
}

#[test]
fn a_deal_covers_every_element_once() {
    for (rows, width, tile_rows, tile_columns) in
        [(1, 1, 1, 1), (7, 10, 3, 4), (5, 8, 9, 2), (3, 6, 1, 100)]
    {
        let mut data = vec![0_u32; rows * width];
        let deal = Deal::new(&mut data, width, tile_rows, tile_columns);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while let Some(mut tile) = deal.take() {
                        assert!(tile.row(rows).is_empty());
                        for row in tile.rows() {
                            for v in tile.row(row) {
                                *v += 1;
                            }
                        }
                    }
                });
            }
        });
        assert!(data.iter().all(|v| *v == 1));
    }
    assert!(Deal::<u8>::flat(&mut [], 3).take().is_none());
}

#[test]
fn tiers_have_names_and_the_portable_one_is_everywhere() {
    for tier in [Tier::Avx512Vnni, Tier::Avx2, Tier::Portable] {
        assert_eq!(tier.name().parse::<Tier>().unwrap(), tier);
    }
    assert!("sse9".parse::<Tier>().is_err());
    assert!(Tier::Portable.is_available());
    assert!(Tier::detect().is_available());
}
