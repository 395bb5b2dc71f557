//! Threads that work on one job together: spin shortly for the next, then sleep.
//!
//! A decoded token is some two hundred jobs of some tens of microseconds, so waking a thread for each would cost a tenth
//! of the time; spinning for ever would starve everyone else. The caller works too. A job has one share for each thread;
//! share 0 is the caller's, and so is each other one that its thread has not begun when the caller is done: where the
//! system runs something else in that thread's place, nobody waits for it. A job is a borrowed closure; [`Pool::run`]
//! returns when every share has been done, which is what makes the borrow sound. A panic in any thread is an error of
//! that call, and the pool stays usable.
//!
//! It does not queue: one job at a time, and a job started inside a job runs on its own thread alone.
#![expect(
    unsafe_code,
    reason = "threads that outlive the call borrow the closure of the caller"
)]

use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use super::error::KernelError;

type Job = *const (dyn Fn(usize, usize) + Sync);

/// Called by each thread of a pool as it starts, with its number (1 and up).
pub type StartHook = Arc<dyn Fn(usize) + Send + Sync>;

thread_local! {
    /// Whether this thread is inside a job.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// What the threads share.
struct Shared {
    /// Number of the current job; a change is the signal to start.
    epoch: AtomicUsize,
    /// The current job and who waits for it. Written by the caller while no share is being worked on.
    job: UnsafeCell<Option<(Job, Thread)>>,
    /// For each worker's share, the last job in which somebody has begun it.
    begun: Vec<AtomicUsize>,
    /// Shares of the current job, but for the caller's own, that are not done.
    left: AtomicUsize,
    panicked: AtomicBool,
    stop: AtomicBool,
    /// Whether the caller sleeps.
    caller_sleeps: AtomicBool,
    /// Whether each worker sleeps.
    sleeps: Vec<AtomicBool>,
    spin: Duration,
}

// SAFETY: `job` is the only part that is not `Sync` by itself. It is written under the caller's turn while `left` is
// zero, published by `epoch`, and read by a worker only between winning its share of that job and its decrement of `left`.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `job` is to a `Sync` closure, and is dereferenced only while its owner waits in `run`.
unsafe impl Send for Shared {}

impl Shared {
    /// Wait until `ready`: spin for the set time, then sleep, saying so in `sleeps`.
    fn wait(&self, sleeps: &AtomicBool, ready: impl Fn() -> bool) {
        let mut started: Option<Instant> = None;
        loop {
            for _ in 0..64 {
                if ready() {
                    return;
                }
                std::hint::spin_loop();
            }
            if started.get_or_insert_with(Instant::now).elapsed() >= self.spin {
                break;
            }
        }
        sleeps.store(true, Ordering::SeqCst);
        // The flag is up before this look, and a signal is followed by a look at the flag: one of the two is seen.
        while !ready() {
            thread::park();
        }
        sleeps.store(false, Ordering::SeqCst);
    }

    /// Whether whoever asks has won the share of worker `index` in job `epoch`: one does.
    fn begin(&self, index: usize, epoch: usize) -> bool {
        let Some(begun) = self.begun.get(index - 1) else {
            return false;
        };
        // Every share of every job is begun by somebody, so the one before this is what stands here; a worker that
        // comes late finds this job's number, or a later one's.
        let before = epoch.wrapping_sub(1);
        begun
            .compare_exchange(before, epoch, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    fn work(&self, index: usize, threads: usize) {
        INSIDE.set(true);
        let Some(sleeps) = self.sleeps.get(index - 1) else {
            return;
        };
        let mut seen = 0;
        loop {
            self.wait(sleeps, || self.epoch.load(Ordering::SeqCst) != seen);
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            seen = self.epoch.load(Ordering::SeqCst);
            if !self.begin(index, seen) {
                continue;
            }
            // SAFETY: a job was published with this epoch, and is not replaced before `left` reaches zero, which the
            // share that was just won keeps it from.
            let Some((job, caller)) = (unsafe { (*self.job.get()).clone() }) else {
                continue;
            };
            // SAFETY: the closure lives until the caller leaves `run`, which waits for `left` to reach zero.
            let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { (*job)(index, threads) }));
            if let Err(payload) = outcome {
                // Dropping a foreign payload may panic again, and nobody would be told.
                std::mem::forget(payload);
                self.panicked.store(true, Ordering::SeqCst);
            }
            if self.left.fetch_sub(1, Ordering::SeqCst) == 1
                && self.caller_sleeps.load(Ordering::SeqCst)
            {
                caller.unpark();
            }
        }
    }
}

/// A fixed number of threads that carry out jobs together.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    turn: Mutex<()>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads())
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// How long a thread spins before it sleeps, unless told otherwise.
    pub const SPIN: Duration = Duration::from_micros(100);

    /// The number of processors that this process may use.
    #[must_use]
    pub fn default_threads() -> usize {
        thread::available_parallelism().map_or(1, usize::from)
    }

    /// A pool of `threads` in all (at least one: the caller). `on_start` runs first in each thread that is started.
    pub fn new(
        threads: usize,
        spin: Duration,
        on_start: Option<&StartHook>,
    ) -> Result<Self, KernelError> {
        let threads = threads.max(1);
        let shared = Arc::new(Shared {
            epoch: AtomicUsize::new(0),
            job: UnsafeCell::new(None),
            begun: (1..threads).map(|_| AtomicUsize::new(0)).collect(),
            left: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            caller_sleeps: AtomicBool::new(false),
            sleeps: (1..threads).map(|_| AtomicBool::new(false)).collect(),
            spin,
        });
        // Built up in place, so that a failure half way stops what has been started.
        let mut pool = Self {
            shared,
            workers: Vec::with_capacity(threads - 1),
            turn: Mutex::new(()),
        };
        for index in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let hook = on_start.cloned();
            let worker = thread::Builder::new()
                .name(format!("kernel-{index}"))
                .spawn(move || {
                    if let Some(hook) = hook {
                        // A hook that fails must not cost a thread that others wait for.
                        let _ = catch_unwind(AssertUnwindSafe(|| hook(index)));
                    }
                    shared.work(index, threads);
                })
                .map_err(KernelError::Thread)?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// Threads in all, the caller's among them.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.sleeps.len() + 1
    }

    /// Call `job(share, shares)` once for every share, each on a thread of its own where there is one free, and wait for
    /// all. Allocates nothing.
    pub fn run(&self, job: &(dyn Fn(usize, usize) + Sync)) -> Result<(), KernelError> {
        if self.workers.is_empty() || INSIDE.get() {
            return catch_unwind(AssertUnwindSafe(|| job(0, 1)))
                .map_err(|_payload| KernelError::Panicked);
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = &*self.shared;
        let threads = self.threads();
        #[expect(
            clippy::transmute_ptr_to_ptr,
            reason = "a cast cannot lengthen the lifetime"
        )]
        // SAFETY: only the lifetime is changed. No worker uses the pointer after its decrement of `left`, and this
        // function does not return, by panic either, before `left` is zero.
        let erased: Job = unsafe {
            std::mem::transmute::<*const (dyn Fn(usize, usize) + Sync + '_), Job>(
                std::ptr::from_ref(job),
            )
        };
        // SAFETY: `left` is zero, so no worker reads the slot, and `turn` keeps other callers away.
        unsafe { *shared.job.get() = Some((erased, thread::current())) };
        shared.panicked.store(false, Ordering::SeqCst);
        shared.left.store(threads - 1, Ordering::SeqCst);
        let epoch = shared.epoch.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
        for (worker, sleeps) in self.workers.iter().zip(&shared.sleeps) {
            if sleeps.load(Ordering::SeqCst) {
                worker.thread().unpark();
            }
        }
        INSIDE.set(true);
        let mut own = catch_unwind(AssertUnwindSafe(|| job(0, threads)));
        for index in 1..threads {
            if shared.begin(index, epoch) {
                let share = catch_unwind(AssertUnwindSafe(|| job(index, threads)));
                own = own.and(share);
                shared.left.fetch_sub(1, Ordering::SeqCst);
            }
        }
        INSIDE.set(false);
        shared.wait(&shared.caller_sleeps, || {
            shared.left.load(Ordering::SeqCst) == 0
        });
        if own.is_err() || shared.panicked.load(Ordering::SeqCst) {
            return Err(KernelError::Panicked);
        }
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker catches what its jobs throw, so there is nothing to learn from joining.
            let _ = worker.join();
        }
    }
}
