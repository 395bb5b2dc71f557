//! A step that fails takes down the requests that it served, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, channel};

use super::{cpu, load, tiny};
use crate::engine::EngineError;
use crate::engine::adapter::Adapter;
use crate::engine::compute::{Compute, OnCpu};
use crate::engine::config::Config;
use crate::engine::decoder::{Part, Precision};
use crate::engine::prefix::Page;
use crate::engine::sample::Settings;
use crate::engine::schedule::{self, Ask, End, Requests, Said};

/// The kernels, but for two steps.
struct Failing {
    kernels: OnCpu,
    steps: u32,
    panics_at: u32,
    fails_at: u32,
    /// No step is taken as long as it is set.
    held: Arc<AtomicBool>,
}

impl Compute for Failing {
    fn config(&self) -> &Config {
        self.kernels.config()
    }

    fn step(
        &mut self,
        parts: &[Part<'_>],
        adapters: &[Option<&Adapter>],
    ) -> Result<Vec<f32>, EngineError> {
        while self.held.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.steps += 1;
        assert!(self.steps != self.panics_at, "on purpose");
        if self.steps == self.fails_at {
            return Err(EngineError::Computing("the device is gone".into()));
        }
        self.kernels.step(parts, adapters)
    }

    fn copy(&mut self, from: Page, to: Page, tokens: usize) -> Result<(), EngineError> {
        self.kernels.copy(from, to, tokens)
    }

    fn forget(&mut self) {
        self.kernels.forget();
    }
}

/// Serve a small decoder that panics and fails at these steps, 0 for never, and takes none as long as `held` is set.
fn serve(panics_at: u32, fails_at: u32, held: &Arc<AtomicBool>) -> Requests {
    let cpu = cpu(1);
    let decoder = load(tiny("qwen2", 7).path(), Precision::F32, &cpu);
    let failing = Failing {
        kernels: OnCpu::new(decoder, cpu, 32),
        steps: 0,
        panics_at,
        fails_at,
        held: Arc::clone(held),
    };
    schedule::start(Box::new(failing), 32, 0).unwrap()
}

/// Ask for five tokens.
fn ask(requests: &Requests, prompt: &[u32]) -> Receiver<Said> {
    let (sender, receiver) = channel(64);
    let ask = Ask {
        prompt: prompt.to_vec(),
        settings: Settings::default(),
        adapter: None,
        constraint: None,
        most: 5,
        ends: Vec::new(),
        reply: sender,
        cancelled: Arc::default(),
    };
    requests.ask(ask).unwrap();
    receiver
}

/// Tokens found, the reply, and what failed.
fn reply(mut pieces: Receiver<Said>) -> (usize, Vec<u32>, Option<String>) {
    let (mut there, mut said) = (0, Vec::new());
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Said::Begun { found } => there = found,
            Said::Token(drawn) => said.push(drawn.token),
            Said::Over(End::Failed(error)) => return (there, said, Some(error.to_string())),
            Said::Over(_) => return (there, said, None),
        }
    }
    panic!("the engine is gone");
}

#[test]
fn a_panic_and_a_failure_end_whom_they_served_and_the_next_finds_an_empty_cache() {
    let held = Arc::new(AtomicBool::new(false));
    // Five steps for each reply of five tokens.
    let requests = serve(12, 19, &held);
    let prompt: Vec<u32> = (0..70).map(|at| (at * 37 + 11) % 190).collect();
    let (found, right, why) = reply(ask(&requests, &prompt));
    assert_eq!((found, right.len(), why), (0, 5, None));
    let (found, said, _) = reply(ask(&requests, &prompt));
    assert!(found > 32, "{found}");
    assert_eq!(said, right);

    // The one that came first waits in step 11 until both are there; step 12 serves both, and panics.
    held.store(true, Ordering::Relaxed);
    let (one, other) = (ask(&requests, &prompt), ask(&requests, &prompt[1..]));
    held.store(false, Ordering::Relaxed);
    for pieces in [one, other] {
        let (_, _, why) = reply(pieces);
        let why = why.unwrap();
        assert!(why.contains("a step of the engine panicked"), "{why}");
    }
    let (found, said, why) = reply(ask(&requests, &prompt));
    assert_eq!((found, said, why), (0, right.clone(), None));

    let (_, _, why) = reply(ask(&requests, &prompt));
    let why = why.unwrap();
    assert!(why.contains("the device is gone"), "{why}");
    let (found, said, why) = reply(ask(&requests, &prompt));
    assert_eq!((found, said, why), (0, right, None));
}

#[test]
fn who_asks_for_a_token_that_there_is_not_is_refused_and_nobody_else() {
    let held = Arc::new(AtomicBool::new(true));
    let requests = serve(0, 0, &held);
    let sound = ask(&requests, &[1, 2, 3]);
    let unsound = ask(&requests, &[1, 190, 3]);
    held.store(false, Ordering::Relaxed);
    let (_, _, why) = reply(unsound);
    let why = why.unwrap();
    assert!(why.contains("token 190 is none of the 190"), "{why}");
    let (_, said, why) = reply(sound);
    assert_eq!((said.len(), why), (5, None));
}
