//! What is done with stored rollouts: lists of them, tests as of a step, checks; on the command line and as the workbench
//! asks for it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]
#![cfg(target_os = "linux")]

mod workbench;

use serde_json::Value;
use spotter::app::effect::Effect;
use spotter::app::executor::{Executor, Folders, WAITING};
use spotter::app::messages::Weight;
use spotter::app::news::News;
use spotter::sandbox::local::use_init_program;
use spotter::trajectory::event::Event;
use spotter::trajectory::index::{Index, made};
use workbench::{Bench, TASK};

const RECORDED: &str = concat!(
    "recorded:",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/recorded/spotter__tally-108.jsonl"
);

/// What the executor says when it has carried an effect out.
async fn said(bench: &Bench, effect: Effect) -> (Weight, String) {
    use_init_program(env!("CARGO_BIN_EXE_spotter"));
    let (sender, mut news) = tokio::sync::mpsc::channel(WAITING);
    let settings = spotter::config::Settings::default();
    let mut executor = Executor::new(bench.store(), settings, Folders::default(), sender);
    executor.carry_out(effect);
    loop {
        let next = tokio::time::timeout(std::time::Duration::from_secs(120), news.recv()).await;
        if let News::Message { weight, text } = next.expect("it ends").unwrap() {
            return (weight, text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_as_of_a_step_become_part_of_the_trajectory_and_change_nothing_else_of_it() {
    let bench = Bench::new();
    let ran = bench.spotter(&["run", TASK, "--model", RECORDED]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let id = bench.only();
    let before = bench.state(&id);
    let last = before.step;
    // The base: nothing was changed yet.
    let ran = bench
        .spotter(&["grade", "last", "--step", "0", "--json"])
        .await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let grading: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(grading["verdict"]["verdict"], "empty_patch", "{grading}");
    // The end, as the workbench asks for it.
    let effect = Effect::Test {
        id: id.to_string(),
        step: last,
    };
    let (weight, text) = said(&bench, effect).await;
    assert_eq!(weight, Weight::Info, "{text}");
    assert_eq!(text, format!("tests as of step {last}: resolved"));
    let after = bench.state(&id);
    assert_eq!(after.verdict, before.verdict);
    assert_eq!(after.worked, before.worked, "nobody worked on the rollout");
    let steps: Vec<u32> = after.step_gradings.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [0, last]);
    let records = bench.records(&id);
    let begun = records.iter().filter(|record| {
        matches!(
            record.event,
            Event::GradingStarted {
                step: Some(_),
                afterwards: true,
                ..
            }
        )
    });
    assert_eq!(begun.count(), 2);
    for record in &records {
        if let Event::Graded {
            log: Some(log),
            grading,
            ..
        } = &record.event
        {
            let log = bench.store().folder(&id).join(log);
            let length = std::fs::metadata(log).unwrap().len();
            assert_eq!(length > 0, !grading.tests.is_empty());
        }
    }
    // No such step, and nothing is written for it.
    let effect = Effect::Test {
        id: id.to_string(),
        step: last + 1,
    };
    let (weight, text) = said(&bench, effect).await;
    assert_eq!(weight, Weight::Error);
    assert!(text.contains(&format!("steps 0 to {last}")), "{text}");
    assert_eq!(bench.records(&id).len(), records.len());
    // While somebody holds it open, nobody else tests it.
    let writer = spotter::trajectory::Writer::open(&bench.store().folder(&id)).unwrap();
    let ran = bench.spotter(&["grade", "last", "--step", "0"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("another process"), "{ran:?}");
    drop(writer);
    // Told again, as plain lines.
    let ran = bench.spotter(&["replay", "last", "--plain"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains(TASK) && ran.out.contains("resolved"),
        "{ran:?}"
    );
    let ran = bench
        .spotter(&["replay", "last", "--plain", "--json"])
        .await;
    assert_eq!(ran.out.lines().count(), records.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_from_the_workbench_is_kept_and_told_in_words() {
    let bench = Bench::new();
    let effect = |task: &str| Effect::Check {
        source: "sample".into(),
        task: task.into(),
    };
    let (weight, text) = said(&bench, effect(TASK)).await;
    assert_eq!(weight, Weight::Info, "{text}");
    assert_eq!(
        text,
        format!("{TASK}: gold resolves, empty does not (1 times each)")
    );
    let kept = bench.store().checks().join(format!("{TASK}.json"));
    assert!(kept.exists());
    let (weight, text) = said(&bench, effect("spotter__tally-109")).await;
    assert_eq!(weight, Weight::Error);
    assert!(text.contains("did you mean"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_sorted_as_in_the_workbench() {
    let bench = Bench::new();
    made::fill(&bench.store(), 60, 5).unwrap();
    let rows = bench.spotter(&["list", "--json", "--sort", "-steps"]).await;
    assert_eq!(rows.code, 0, "{rows:?}");
    let steps: Vec<u64> = rows
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|row| row["steps"].as_u64().unwrap())
        .collect();
    assert_eq!(steps.len(), 60);
    assert!(steps.is_sorted_by(|a, b| a >= b), "{steps:?}");
    let few = steps.iter().filter(|steps| **steps < 10).count();
    assert!(few > 0 && few < 60);
    let some = bench.spotter(&["list", "--filter", "steps:<10"]).await;
    let told = format!("{few} of 60 rollouts");
    assert_eq!(some.out.lines().last(), Some(told.as_str()));
    assert_eq!(some.out.lines().count(), few + 2, "{some:?}");
    // It used the index that the workbench uses.
    assert_eq!(Index::open(&bench.store()).rows().len(), 60);
    let wrong = bench.spotter(&["list", "--filter", "colour:red"]).await;
    assert_eq!(wrong.code, 2, "{wrong:?}");
    let wrong = bench.spotter(&["list", "--sort", "colour"]).await;
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.err.contains("started, task, verdict"), "{wrong:?}");
}

/// A store whose index was being written when its process was killed opens, and nothing is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_killed_at_any_moment_leaves_an_index_that_can_be_used() {
    let bench = Bench::new();
    made::fill(&bench.store(), 800, 5).unwrap();
    for millis in [20, 60, 100, 150, 220] {
        let running = bench.start(&["list"]);
        tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
        // Dropping it kills it.
        drop(running);
        let mut index = Index::open(&bench.store());
        let mut told = index.rows().len();
        let done = index.refresh(&mut |rows| {
            told += rows.len();
            true
        });
        assert_eq!((done.unwrap().there, told), (800, 800));
        drop(index);
        std::fs::remove_file(bench.store().root().join("index.sqlite")).unwrap();
    }
}
