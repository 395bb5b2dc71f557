//! Streams for which there are not pages enough give way to each other, and say what they would say alone.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Receiver, channel, error::TryRecvError};

use super::{cpu, load, tiny};
use crate::engine::compute::OnCpu;
use crate::engine::decoder::Precision;
use crate::engine::sample::Settings;
use crate::engine::schedule::{self, Ask, End, Requests, Said};

/// A small decoder with so many pages of 32 tokens.
fn serve(pages: u32) -> Requests {
    let cpu = cpu(1);
    let decoder = load(tiny("qwen2", 7).path(), Precision::F32, &cpu);
    schedule::start(Box::new(OnCpu::new(decoder, cpu, pages)), pages, 0).unwrap()
}

fn ask(requests: &Requests, prompt: &[u32], most: usize, seed: u64) -> Receiver<Said> {
    ask_with(requests, prompt, most, seed, 16)
}

/// The same, by somebody who has room for so many pieces that are not heard yet.
fn ask_with(
    requests: &Requests,
    prompt: &[u32],
    most: usize,
    seed: u64,
    room: usize,
) -> Receiver<Said> {
    let (sender, receiver) = channel(room);
    let ask = Ask {
        prompt: prompt.to_vec(),
        settings: Settings {
            temperature: 1.0,
            seed,
            ..Settings::default()
        },
        adapter: None,
        constraint: None,
        most,
        ends: Vec::new(),
        reply: sender,
        cancelled: std::sync::Arc::default(),
    };
    requests.ask(ask).unwrap();
    receiver
}

/// What each says, and why it failed where it did; all are listened to at once.
fn replies(all: Vec<Receiver<Said>>) -> Vec<(Vec<u32>, Option<String>)> {
    let began = Instant::now();
    let mut said = vec![(Vec::new(), None); all.len()];
    let mut open: Vec<_> = all.into_iter().enumerate().collect();
    while !open.is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "they wait for each other: {said:?}"
        );
        open.retain_mut(|(at, pieces)| match pieces.try_recv() {
            Ok(Said::Token(drawn)) => {
                said[*at].0.push(drawn.token);
                true
            }
            Ok(Said::Begun { .. }) | Err(TryRecvError::Empty) => true,
            Ok(Said::Over(End::Failed(error))) => {
                said[*at].1 = Some(error.to_string());
                false
            }
            Ok(Said::Over(_)) => false,
            Err(TryRecvError::Disconnected) => panic!("the engine is gone"),
        });
        std::thread::yield_now();
    }
    said
}

/// The same prompts with pages for all of them at once.
fn unhindered(prompts: &[Vec<u32>], most: usize) -> Vec<(Vec<u32>, Option<String>)> {
    let requests = serve(64);
    let asked = prompts.iter().zip(1..);
    replies(
        asked
            .map(|(prompt, seed)| ask(&requests, prompt, most, seed))
            .collect(),
    )
}

#[test]
fn streams_that_fit_one_by_one_only_all_come_to_their_end() {
    let common: Vec<u32> = (0..5).map(|at| (at * 37 + 11) % 190).collect();
    let own = |by: u32| (0..20).map(|at| (at * 31 + by) % 190).collect();
    for (prompts, most) in [
        (vec![common.clone(); 3], 88),
        (
            vec![common.clone(), own(1), own(2), common.clone(), own(3)],
            70,
        ),
    ] {
        let free = unhindered(&prompts, most);
        let requests = serve(3);
        let asked = prompts.iter().zip(1..);
        let hindered = replies(
            asked
                .map(|(prompt, seed)| ask(&requests, prompt, most, seed))
                .collect(),
        );
        assert_eq!(hindered, free);
    }
}

#[test]
fn who_needs_more_than_there_is_ends_and_the_others_go_on() {
    let prompt: Vec<u32> = (0..40).map(|at| (at * 37 + 11) % 190).collect();
    let short = unhindered(&[prompt[..5].to_vec()], 60);
    let requests = serve(3);
    for _ in 0..3 {
        let asked = vec![
            ask(&requests, &prompt, 80, 9),
            ask(&requests, &prompt[..5], 60, 1),
            ask(&requests, &prompt[1..], 80, 8),
        ];
        let said = replies(asked);
        assert_eq!(said[1], short[0]);
        for at in [0, 2] {
            let why = said[at].1.clone().unwrap();
            assert!(why.contains("need more pages than there are (3)"), "{why}");
        }
    }
}

#[test]
fn who_hears_slowly_is_waited_for_whenever_it_makes_room() {
    let requests = serve(3);
    for round in 0..24u32 {
        let mut pieces = ask_with(&requests, &[3, 14, 15], 60, 9, 2);
        let mut heard = 0;
        loop {
            // It makes room a little later each time: somewhen between the engine's looks at it.
            for _ in 0..round * 40 {
                std::hint::spin_loop();
            }
            match pieces.try_recv() {
                Ok(Said::Token(_)) => heard += 1,
                Ok(Said::Begun { .. }) | Err(TryRecvError::Empty) => {}
                Ok(Said::Over(End::Failed(error))) => panic!("{round}, {heard} tokens: {error}"),
                Ok(Said::Over(_)) => break,
                Err(TryRecvError::Disconnected) => panic!("the engine is gone"),
            }
        }
        assert_eq!(heard, 60);
    }
}

#[test]
fn whatever_comes_while_pages_are_short_somebody_goes_on() {
    let common: Vec<u32> = (0..150).map(|at| (at * 37 + 11) % 190).collect();
    let mut draw = 7_u64;
    let mut below = move |end: usize| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(draw >> 33).unwrap() % end
    };
    for _ in 0..60 {
        let pages = 4 + below(4);
        let requests = serve(u32::try_from(pages).unwrap());
        let room = pages * crate::engine::prefix::PAGE - 2;
        let all: Vec<_> = (0..6)
            .map(|number| {
                let shared = 1 + below((room - 30).min(149));
                let mut prompt = common[..shared].to_vec();
                prompt.extend((0..below(9)).map(|_| u32::try_from(below(190)).unwrap()));
                let most = 1 + below((room - prompt.len()).min(90));
                ask(&requests, &prompt, most, number)
            })
            .collect();
        for (_, why) in replies(all) {
            assert_eq!(why, None);
        }
    }
}
