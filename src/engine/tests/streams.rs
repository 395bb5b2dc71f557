//! What a stream says does not depend on who is served beside it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{cpu, load, tiny};
use crate::engine::cache::Cache;
use crate::engine::compute::OnCpu;
use crate::engine::decoder::{Decoder, Part, Precision, Room, Wanted};
use crate::engine::kernels::Cpu;
use crate::engine::prefix::Page;
use crate::engine::sample::Settings;
use crate::engine::schedule::{self, Ask, End, Said};

/// Greedy, token by token, everything computed anew for each.
fn plainly(decoder: &Decoder, cpu: &Cpu, prompt: &[u32], most: usize) -> Vec<u32> {
    let mut text = prompt.to_vec();
    for _ in 0..most {
        let pages: Vec<Page> = (0..8).map(Page).collect();
        let mut cache = Cache::new(decoder.config(), decoder.precision(), 8);
        let part = Part {
            tokens: &text,
            past: 0,
            pages: &pages,
            wanted: Wanted::Last,
        };
        let logits = decoder
            .forward(&[part], &mut cache, cpu, &mut Room::default())
            .unwrap();
        let mut best = 0;
        for (id, logit) in logits.iter().enumerate() {
            if *logit > logits[best] {
                best = id;
            }
        }
        text.push(best as u32);
    }
    text.split_off(prompt.len())
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
    let cpu_here = cpu(1);
    let alone = decoder("qwen2", Precision::Q8_0, &cpu_here);
    // So few pages that streams have to wait for one another.
    let requests = schedule::start(
        Box::new(OnCpu::new(
            decoder("qwen2", Precision::Q8_0, &cpu(2)),
            cpu(2),
            24,
        )),
        24,
    )
    .unwrap();
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
        let most = draw(20) as usize + 1;
        let ask = Ask {
            prompt: prompt.clone(),
            settings: Settings::default(),
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
                    Said::Over(End::Length) => return (prompt, said, most, true),
                    Said::Over(end) => panic!("{end:?}"),
                }
                if slow {
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                }
                if stops_at.is_some_and(|at| said.len() >= at) {
                    cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
                    return (prompt, said, most, false);
                }
            }
            (prompt, said, most, false)
        }));
        if draw(3) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(draw(10))).await;
        }
    }
    let mut whole = 0;
    for one in going {
        let (prompt, said, most, over) = one.await.unwrap();
        let expected = plainly(&alone, &cpu_here, &prompt, said.len());
        assert_eq!(said, expected);
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
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_turn_reads_its_new_tokens_only() {
    let requests = schedule::start(
        Box::new(OnCpu::new(
            decoder("llama", Precision::F32, &cpu(1)),
            cpu(1),
            64,
        )),
        64,
    )
    .unwrap();
    let mut text: Vec<u32> = (0..100).map(|at| at % 190).collect();
    let (mut before, mut read) = (0, 0);
    for turn in 0..5 {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(64);
        let ask = Ask {
            prompt: text.clone(),
            settings: Settings::default(),
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
