//! Requests that come together: what they have in common is read once, and short ones are not behind long ones.

use std::sync::Arc;

use tokio::sync::mpsc::{Sender, channel};

use super::{cpu, load, tiny};
use crate::engine::compute::OnCpu;
use crate::engine::decoder::Precision;
use crate::engine::sample::Settings;
use crate::engine::schedule::{self, Ask, Requests, Said};

fn serve() -> Requests {
    let cpu = cpu(1);
    let decoder = load(tiny("qwen2", 7).path(), Precision::F32, &cpu);
    schedule::start(Box::new(OnCpu::new(decoder, cpu, 256)), 256, 0).unwrap()
}

fn ask(requests: &Requests, prompt: &[u32], most: usize, reply: Sender<Said>) {
    let ask = Ask {
        prompt: prompt.to_vec(),
        settings: Settings::default(),
        adapter: None,
        constraint: None,
        most,
        ends: Vec::new(),
        reply,
        cancelled: Arc::default(),
    };
    requests.ask(ask).unwrap();
}

/// Asked at once: tokens that each was told were there already, and what it says.
async fn all(requests: &Requests, prompts: &[Vec<u32>], most: usize) -> Vec<(usize, Vec<u32>)> {
    let mut replies = Vec::new();
    for prompt in prompts {
        let (sender, receiver) = channel(64);
        ask(requests, prompt, most, sender);
        replies.push(receiver);
    }
    let mut heard = Vec::new();
    for mut reply in replies {
        let (mut found, mut said) = (None, Vec::new());
        while let Some(piece) = reply.recv().await {
            match piece {
                Said::Begun { found: there } => found = Some(there),
                Said::Token(drawn) => said.push(drawn.token),
                Said::Over(_) => break,
            }
        }
        heard.push((found.unwrap(), said));
    }
    heard
}

/// Tokens without a period.
fn text(seed: u32, length: u32) -> Vec<u32> {
    let mix = |at: u32| (at + seed * 7919).wrapping_mul(2_654_435_761) >> 16;
    (0..length).map(|at| mix(at) % 190).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_start_together_read_the_issue_once() {
    let issue = text(1, 600);
    let alone = all(&serve(), std::slice::from_ref(&issue), 5)
        .await
        .remove(0)
        .1;
    let requests = serve();
    let heard = all(&requests, &vec![issue; 8], 5).await;
    let read = requests.load().await.read;
    // The last token of a prompt is everybody's own, and who came while the rest was read may share a step with it.
    assert!(read <= 600 + 7 * 16, "{read}");
    for (found, said) in heard.iter().skip(1) {
        assert!(*found >= 600 - 16, "{found}");
        assert_eq!(*said, alone);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_start_together_each_next_turn_reads_its_new_tokens_only() {
    let requests = serve();
    let issue = text(1, 300);
    let mut texts: Vec<Vec<u32>> = (2..6)
        .map(|own| [issue.clone(), text(own, 60)].concat())
        .collect();
    all(&requests, &texts, 1).await;
    for turn in 0..3 {
        let before: Vec<usize> = texts.iter().map(Vec::len).collect();
        for (own, text_so_far) in (0..).zip(&mut texts) {
            text_so_far.extend(text(10 + own + 4 * turn, 45));
        }
        let heard = all(&requests, &texts, 1).await;
        for ((found, _), before) in heard.iter().zip(before) {
            assert!(*found >= before, "turn {turn}: {found} of {before}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_prompt_is_answered_before_a_long_one_that_came_first_is_read() {
    let requests = serve();
    // Both answer over one channel: the long one has one token to say, the short one three.
    let (sender, mut said) = channel(64);
    ask(&requests, &text(1, 3000), 1, sender.clone());
    ask(&requests, &text(2, 4), 3, sender);
    let mut pieces = String::new();
    while let Some(piece) = said.recv().await {
        pieces.push(match piece {
            Said::Begun { .. } => 'b',
            Said::Token(_) => 't',
            Said::Over(_) => 'o',
        });
    }
    assert_eq!(pieces, "btttobto");
}
