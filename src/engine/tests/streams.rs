//! What a stream says does not depend on who is served beside it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::adapters::{Shape, tiny_adapter};
use super::{cpu, load, tiny};
use crate::engine::adapter::Adapter;
use crate::engine::cache::Cache;
use crate::engine::compute::OnCpu;
use crate::engine::decoder::{Decoder, Part, Precision, Room, Wanted};
use crate::engine::kernels::Cpu;
use crate::engine::prefix::Page;
use crate::engine::sample::{Sampler, Settings};
use crate::engine::schedule::{self, Ask, End, Load, Said};

/// Token by token, in a cache of its own, nobody beside it.
fn plainly(
    (decoder, cpu): (&Decoder, &Cpu),
    adapter: Option<&Adapter>,
    prompt: &[u32],
    settings: &Settings,
    most: usize,
) -> Vec<u32> {
    let pages: Vec<Page> = (0..8).map(Page).collect();
    let mut cache = Cache::new(decoder.config(), decoder.precision(), 8);
    let mut sampler = Sampler::new(settings.clone(), prompt);
    let (mut next, mut before, mut said) = (prompt.to_vec(), 0, Vec::new());
    for _ in 0..most {
        let part = Part {
            tokens: &next,
            past: before,
            pages: &pages,
            wanted: Wanted::Last,
        };
        let room = &mut Room::default();
        let mut logits = decoder
            .forward_with(&[part], &[adapter], &mut cache, cpu, room)
            .unwrap();
        before += next.len();
        next = vec![sampler.draw(&mut logits).unwrap().token];
        said.extend(&next);
    }
    said
}

fn decoder(kind: &str, precision: Precision, cpu: &Cpu) -> Decoder {
    let folder = tiny(kind, 7);
    load(folder.path(), precision, cpu)
}

#[test]
fn a_prompt_in_one_piece_and_token_by_token_gives_the_same_bits() {
    for kind in ["qwen2", "qwen3", "llama"] {
        for precision in [
            Precision::F32,
            Precision::Bf16,
            Precision::Q8_0,
            Precision::Q4_0,
        ] {
            let cpu = cpu(2);
            let decoder = decoder(kind, precision, &cpu);
            let tokens: Vec<u32> = (0..75).map(|at| (at * 37 + 11) % 190).collect();
            let pages = [Page(2), Page(0), Page(3)];
            let read_in = |pieces: &[usize]| {
                let mut cache = Cache::new(decoder.config(), decoder.precision(), 4);
                let (mut before, mut all) = (0, Vec::new());
                for piece in pieces {
                    let part = Part {
                        tokens: &tokens[before..before + piece],
                        past: before,
                        pages: &pages,
                        wanted: Wanted::All,
                    };
                    all.extend(
                        decoder
                            .forward(&[part], &mut cache, &cpu, &mut Room::default())
                            .unwrap(),
                    );
                    before += piece;
                }
                all.iter()
                    .map(|logit: &f32| logit.to_bits())
                    .collect::<Vec<u32>>()
            };
            let whole = read_in(&[75]);
            assert_eq!(whole, read_in(&[1; 75]), "{kind} {precision:?}");
            assert_eq!(whole, read_in(&[40, 3, 32]), "{kind} {precision:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_come_go_and_wait_say_what_they_would_say_alone() {
    storm(0, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_change_nothing_of_what_is_said_drawn_or_greedy() {
    let load = storm(8, 0).await;
    assert!(
        load.accepted > 100 && load.guessed > load.accepted,
        "{load:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_with_adapters_and_without_share_steps_and_change_nothing_of_each_other() {
    storm(0, 2).await;
    let load = storm(8, 2).await;
    assert!(load.accepted > 50, "{load:?}");
}

/// Requests that arrive at random, are cancelled at random and are read slowly at random: each says what its own text,
/// settings and adapter make it say.
#[expect(clippy::too_many_lines, reason = "a storm is one story")]
async fn storm(ahead: usize, adapters: usize) -> Load {
    let cpu_here = cpu(1);
    let alone = decoder("qwen2", Precision::Q8_0, &cpu_here);
    let adapters: Vec<Arc<Adapter>> = (0..adapters as u64)
        .map(|number| {
            let folder = tiny_adapter(&Shape::strong(number));
            Arc::new(Adapter::open(folder.path(), alone.config(), &cpu_here).unwrap())
        })
        .collect();
    // So few pages that streams have to wait for one another.
    let served = decoder("qwen2", Precision::Q8_0, &cpu(2));
    let served = Box::new(OnCpu::new(served, cpu(2), 24));
    let requests = schedule::start(served, 24, ahead).unwrap();
    let mut seed = 11u64;
    let mut draw = move |below: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut going = Vec::new();
    for number in 0..60u64 {
        let shared = draw(3) as u32;
        let mut prompt: Vec<u32> = (0..=draw(70) as u32)
            .map(|at| (at * 7 + shared * 31) % 190)
            .collect();
        prompt.push((number % 5) as u32);
        let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
        let cancelled = Arc::new(AtomicBool::new(false));
        let most = draw(30) as usize + 1;
        // Greedy ones, and such as draw in every way; few seeds, so that some are asked for again.
        let settings = match draw(3) {
            0 => Settings::default(),
            kind => Settings {
                temperature: 0.7 * kind as f32,
                top_p: [1.0, 0.9][draw(2) as usize],
                top_k: [0, 7][draw(2) as usize],
                min_p: [0.0, 0.1][draw(2) as usize],
                repetition: [1.0, 1.2][draw(2) as usize],
                frequency: [0.0, 0.4][draw(2) as usize],
                presence: [0.0, 0.4][draw(2) as usize],
                seed: draw(4),
                scores: draw(2) == 0,
                likeliest: 2,
            },
        };
        let adapter = adapters
            .get(draw(adapters.len() as u64 + 1) as usize)
            .cloned();
        let ask = Ask {
            prompt: prompt.clone(),
            settings: settings.clone(),
            adapter: adapter.clone(),
            constraint: None,
            most,
            ends: Vec::new(),
            reply: sender,
            cancelled: Arc::clone(&cancelled),
        };
        requests.ask(ask).unwrap();
        let stops_at = (draw(4) == 0).then(|| draw(10) as usize);
        let slow = draw(5) == 0;
        going.push(tokio::spawn(async move {
            let mut said = Vec::new();
            while let Some(piece) = receiver.recv().await {
                match piece {
                    Said::Begun { .. } => {}
                    Said::Token(drawn) => said.push(drawn.token),
                    Said::Over(End::Length) => {
                        return (prompt, settings, adapter, said, most, true);
                    }
                    Said::Over(end) => panic!("{end:?}"),
                }
                if slow {
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                }
                if stops_at.is_some_and(|at| said.len() >= at) {
                    cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
                    return (prompt, settings, adapter, said, most, false);
                }
            }
            (prompt, settings, adapter, said, most, false)
        }));
        if draw(3) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(draw(10))).await;
        }
    }
    let mut whole = 0;
    for one in going {
        let (prompt, settings, adapter, said, most, over) = one.await.unwrap();
        let expected = plainly(
            (&alone, &cpu_here),
            adapter.as_deref(),
            &prompt,
            &settings,
            said.len(),
        );
        assert_eq!(said, expected, "{settings:?}");
        if over {
            assert_eq!(said.len(), most);
            whole += 1;
        }
    }
    assert!(whole > 30, "{whole}");
    let load = loop {
        let load = requests.load().await;
        if load.streams == 0 {
            break load;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(
        (load.streams, load.waiting, load.pages.held),
        (0, 0, 0),
        "{load:?}"
    );
    assert!(load.pages.found > 0, "{load:?}");
    load
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_turn_reads_its_new_tokens_only() {
    let served = decoder("llama", Precision::F32, &cpu(1));
    let served = Box::new(OnCpu::new(served, cpu(1), 64));
    let requests = schedule::start(served, 64, 0).unwrap();
    let mut text: Vec<u32> = (0..100).map(|at| at % 190).collect();
    let (mut before, mut read) = (0, 0);
    for turn in 0..5 {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(64);
        let ask = Ask {
            prompt: text.clone(),
            settings: Settings::default(),
            adapter: None,
            constraint: None,
            most: 9,
            ends: Vec::new(),
            reply: sender,
            cancelled: Arc::default(),
        };
        let asked = text.len();
        requests.ask(ask).unwrap();
        let mut reply = Vec::new();
        while let Some(said) = receiver.recv().await {
            match said {
                Said::Token(drawn) => reply.push(drawn.token),
                Said::Begun { .. } => {}
                Said::Over(_) => break,
            }
        }
        let now = requests.load().await.read;
        let new = (asked - before) as u64;
        // The last token of a reply was never fed, and the last of a prompt is always computed.
        assert!(
            now - read <= new + 1,
            "turn {turn}: {} for {new} new ones",
            now - read
        );
        read = now;
        before = asked + reply.len();
        text.extend(reply);
        text.extend((0..13u32).map(|at| (at + turn) % 190));
    }
}

/// A thread's niceness, from the text of its `stat`: the state is the third field, this the nineteenth.
#[cfg(target_os = "linux")]
fn niceness(stat: &str) -> Option<i32> {
    stat.rsplit_once(") ")?.1.split(' ').nth(16)?.parse().ok()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_engine_s_own_thread_computes_below_the_screen() {
    let served = decoder("qwen2", Precision::F32, &cpu(1));
    let served = Box::new(OnCpu::new(served, cpu(1), 4));
    let requests = schedule::start(served, 4, 0).unwrap();
    let _ = requests.look().await;
    let mine = niceness(&std::fs::read_to_string("/proc/thread-self/stat").unwrap()).unwrap();
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let engines: Vec<i32> = threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok())
        .filter(|stat| stat.contains("(engine)"))
        .filter_map(|stat| niceness(&stat))
        .collect();
    assert!(
        engines.iter().any(|nice| *nice > mine) || mine == 19,
        "{mine} {engines:?}"
    );
}
