//! Every operation of a live run has a key, and is sent once.

use super::bench::{Bench, bench};
use spotter::app::effect::{Effect, Screen};
use spotter::rollout::Op;
use spotter::trajectory::event::Event;

fn acting() -> Bench {
    let mut bench = bench(160, 48).live(|event| matches!(event, Event::Action { step: 3, .. }));
    bench.press("gl<Enter>");
    bench
}

fn waiting() -> Bench {
    let mut bench = bench(160, 48).live(|event| matches!(event, Event::Proposed { step: 3, .. }));
    bench.press("gl<Enter>");
    bench.tell(Event::Paused {
        paused: true,
        why: "an action waits for approval".into(),
    });
    bench
}

#[test]
fn keys_send_the_operations_of_the_table() {
    for (keys, wanted) in [
        ("<Space>", Op::Pause),
        ("n", Op::Step),
        ("m", Op::StepMode { on: true }),
        ("R", Op::Retry),
        (
            "ilook again<Enter>",
            Op::Say {
                text: "look again".into(),
            },
        ),
        (
            "Stoo slow<Enter>",
            Op::Stop {
                why: "too slow".into(),
            },
        ),
        (
            "L<C-u>80<Enter>",
            Op::Limits {
                turns: Some(80),
                tokens: None,
                wall_seconds: None,
                command_seconds: None,
            },
        ),
        ("t", Op::TakeOver),
        (
            "[[bdo it otherwise<Enter>",
            Op::Rewind {
                step: 1,
                say: Some("do it otherwise".into()),
            },
        ),
        ("[x", Op::Test { step: Some(2) }),
    ] {
        let mut bench = acting();
        bench.press(keys);
        assert_eq!(bench.ops(), [wanted], "{keys}");
    }
}

#[test]
fn a_waiting_action_is_approved_skipped_or_edited() {
    for (keys, wanted) in [
        ("a", Op::Approve),
        ("s", Op::Skip { index: None }),
        (
            "e<C-u>ls -la<Enter>",
            Op::Edit {
                index: 0,
                arguments: serde_json::json!({ "command": "ls -la" }),
                name: None,
            },
        ),
    ] {
        let mut bench = waiting();
        bench.press(keys);
        assert_eq!(bench.ops(), [wanted], "{keys}");
    }
    let mut bench = waiting();
    bench.press("<C-e>");
    assert!(
        matches!(
            bench.effects.last(),
            Some(Effect::Screen(Screen::Edit {
                suffix: ".json",
                ..
            }))
        ),
        "{:?}",
        bench.effects.last()
    );
}

#[test]
fn the_shell_is_held_until_an_empty_line_gives_it_back() {
    let mut bench = acting();
    bench.press("techo hi<Enter><Enter>");
    assert_eq!(
        bench.ops(),
        [
            Op::TakeOver,
            Op::Shell {
                command: "echo hi".into()
            },
            Op::HandBack
        ]
    );
    let screen = bench.screen();
    assert!(!screen.contains("$ █"), "{screen}");
}

fn paused_between_steps() -> Bench {
    let mut bench = bench(160, 48).live(|event| matches!(event, Event::StepDone { step: 2, .. }));
    bench.press("gl<Enter>");
    bench.tell(Event::Paused {
        paused: true,
        why: "a person paused it".into(),
    });
    bench
}

fn told(op: serde_json::Value) -> Event {
    Event::Control { op }
}

#[test]
fn going_on_after_a_pause_keeps_step_mode_and_its_own_key_leaves_it() {
    let mut bench = paused_between_steps();
    bench.press("m");
    bench.tell(told(serde_json::json!({ "op": "step_mode", "on": true })));
    bench.press("<Space>m");
    let go_on = Op::Resume {
        keep_step_mode: true,
    };
    assert_eq!(
        bench.ops(),
        [Op::StepMode { on: true }, go_on, Op::StepMode { on: false }]
    );
}

#[test]
fn the_shell_can_be_taken_while_an_action_waits_which_is_asked_about_afterwards() {
    let mut bench = waiting();
    bench.press("t");
    assert_eq!(bench.ops(), [Op::TakeOver]);
    bench.tell(told(serde_json::json!({ "op": "take_over" })));
    let screen = bench.press("<Esc>").screen();
    assert!(
        screen.contains("the shell is yours; an action waits") && screen.contains("T hand back"),
        "{screen}"
    );
    let screen = bench.press(":approve<Enter>").screen();
    assert!(screen.contains("T hands it back"), "{screen}");
    bench.press("<Esc>aT");
    assert_eq!(bench.ops(), [Op::TakeOver, Op::HandBack]);
    bench.tell(told(serde_json::json!({ "op": "hand_back" })));
    let screen = bench.press("").screen();
    assert!(screen.contains("a approve"), "{screen}");
    bench.press("a");
    assert_eq!(bench.ops().last(), Some(&Op::Approve));
}

#[test]
fn a_run_with_a_verdict_holds_nobody_back_though_its_process_is_not_gone_yet() {
    // Told as live up to its verdict: the lock goes a moment later.
    let mut bench = bench(160, 48).live(|event| matches!(event, Event::Graded { step: None, .. }));
    bench.press("gl<Enter>q");
    assert!(bench.state.run().unwrap().live);
    assert_eq!(bench.effects.last(), Some(&Effect::Screen(Screen::Quit)));
}

#[test]
fn what_cannot_be_done_says_why_and_which_key_helps() {
    let mut bench = bench(160, 48);
    let screen = bench.press("gl<Enter>i").screen();
    assert!(
        screen.contains("nobody works on this run: b branches off it"),
        "{screen}"
    );
    assert!(bench.ops().is_empty());
    let screen = acting().press(":approve<Enter>").screen();
    assert!(
        screen.contains("no action waits: m turns step mode on"),
        "{screen}"
    );
}

#[test]
fn a_stored_run_branches_and_is_tested_without_a_process_of_its_own() {
    let mut bench = bench(160, 48);
    bench.press("gl<Enter>]]bfrom here<Enter>x");
    assert!(bench.effects.iter().any(|effect| matches!(
        effect,
        Effect::Branch { step: 3, say: Some(say), .. } if say == "from here"
    )));
    assert!(
        bench
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Test { step: 3, .. }))
    );
}

#[test]
fn a_reader_who_scrolled_up_is_not_moved_by_what_comes() {
    let mut bench = acting();
    bench.resize(160, 20);
    bench.press("gg");
    let before: Vec<String> = bench
        .screen()
        .lines()
        .skip(5)
        .take(8)
        .map(str::to_owned)
        .collect();
    for _ in 0..30 {
        bench.tell(Event::Output {
            step: 3,
            index: 0,
            stream: spotter::sandbox::Stream::Stdout,
            text: "another line\n".into(),
        });
    }
    let screen = bench.screen();
    let after: Vec<String> = screen.lines().skip(5).take(8).map(str::to_owned).collect();
    assert_eq!(before, after);
    let screen = bench.press("F").screen();
    assert!(screen.contains("another line"), "{screen}");
}

#[test]
fn a_search_finds_folded_text_and_goes_round() {
    let mut bench = bench(160, 48);
    bench.press("gl<Enter>zm/copy_sign<Enter>");
    let first = bench.state.run().unwrap().transcript.cursor;
    bench.press("n");
    let second = bench.state.run().unwrap().transcript.cursor;
    assert_eq!(first, 4, "the edit of step 4 holds it");
    assert!(second == 4 || second > first, "{second}");
    let screen = bench.press("/no such words<Enter>").screen();
    assert!(screen.contains("is in no step"), "{screen}");
}

#[test]
fn copies_are_the_source_and_not_the_screen() {
    let mut bench = bench(80, 24);
    bench.press("gl<Enter>Gyd");
    let copied = bench.effects.iter().rev().find_map(|effect| match effect {
        Effect::Screen(Screen::Copy { text, .. }) => Some(text.clone()),
        _ => None,
    });
    let patch = copied.expect("nothing was copied");
    assert!(
        patch.starts_with("diff --git a/tally/amounts.py"),
        "{patch}"
    );
    assert!(patch.ends_with('\n'));
}

#[test]
fn counts_go_before_keys() {
    let mut bench = bench(160, 48);
    bench.press("gl<Enter>gg3]");
    let cursor = bench.state.run().unwrap().transcript.cursor;
    assert!((3..=4).contains(&cursor), "{cursor}");
    bench.press("5G");
    assert_eq!(bench.state.run().unwrap().transcript.cursor, 5);
}

#[test]
fn a_live_run_keeps_no_records_and_is_read_again_for_a_replay() {
    let mut bench = bench(160, 48).live(|_| false);
    bench.press("gl<Enter>");
    assert!(bench.state.run().unwrap().records.is_empty());
    bench.over();
    assert!(bench.state.run().unwrap().records.is_empty());
    bench.press("p<Space>");
    let run = bench.state.run().unwrap();
    assert!(run.replay.is_some());
    assert_eq!(run.records.len(), super::bench::stored().len());
}
