//! The recorded actions of a rollout carried out again by the real program: what is the same, what is named when it is
//! not, what people had done, and interruptions of both.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

mod model_server;
mod workbench;

use model_server::{ModelServer, Turn};
use serde_json::json;
use spotter::trajectory::comparison::{Comparison, Difference};
use spotter::trajectory::event::{Author, Event};
use spotter::trajectory::{Record, RolloutId};
use workbench::{Bench, TASK, wait};

fn shell(command: &str) -> Turn {
    Turn::call("execute_bash", json!({ "command": command }))
}

fn finish() -> Turn {
    Turn::call("finish", json!({}))
}

/// Run the task with these answers; the rollout.
async fn recorded(bench: &Bench, turns: Vec<Turn>) -> RolloutId {
    let server = ModelServer::start(turns).await;
    bench
        .spotter(&["run", TASK, "--model", &server.spec()])
        .await;
    bench.only()
}

/// The rollout that is not that one.
fn other(bench: &Bench, one: &RolloutId) -> RolloutId {
    let mut ids = bench.store().list().unwrap();
    ids.retain(|id| id != one);
    assert_eq!(ids.len(), 1, "{ids:?}");
    ids.remove(0)
}

fn compared(records: &[Record]) -> Comparison {
    match &records.last().unwrap().event {
        Event::Compared(comparison) => comparison.clone(),
        event => panic!("the last event is no sum: {event:?}"),
    }
}

fn differences(records: &[Record]) -> Vec<(u32, Option<u32>, Difference)> {
    records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Diverged {
                step,
                index,
                difference,
            } => Some((*step, *index, difference.clone())),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_solution_carried_out_again_is_the_same_in_every_observation_workspace_and_verdict() {
    let bench = Bench::new();
    let answers = concat!(
        "recorded:",
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/recorded/spotter__tally-108.jsonl"
    );
    let ran = bench.spotter(&["run", TASK, "--model", answers]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let first = bench.only();
    let before = bench.records(&first);
    let ran = bench.spotter(&["replay", "last", "--execute"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let again = other(&bench, &first);
    let records = bench.records(&again);
    let sum = compared(&records);
    let observed = |records: &[Record]| {
        let observed = |record: &&Record| matches!(record.event, Event::Observed { .. });
        u32::try_from(records.iter().filter(observed).count()).unwrap()
    };
    assert!(sum.observations > 3, "{sum:?}");
    assert_eq!(sum.observations, observed(&before));
    assert_eq!(sum.equal_observations, observed(&records));
    assert_eq!(sum.verdict, Some(true));
    assert!(sum.is_equal(), "{sum:?}");
    assert!(ran.out.contains(&sum.sentence()), "{ran:?}");
    assert!(ran.out.contains(first.as_str()), "{ran:?}");
    // No model was asked, and what was recorded is as it was.
    let asked = |record: &Record| matches!(record.event, Event::Asked { .. });
    assert!(!records.iter().any(asked));
    assert_eq!(bench.records(&first), before);
    // It is known for what it is.
    let ran = bench.spotter(&["list", "--filter", "again:yes"]).await;
    assert!(ran.out.contains(again.as_str()), "{ran:?}");
    assert!(!ran.out.contains(first.as_str()), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_out_otherwise_is_named_where_it_does_and_the_rest_is_carried_out_all_the_same()
{
    let bench = Bench::new();
    let chance = "cat /proc/sys/kernel/random/uuid > chance.txt";
    let first = recorded(
        &bench,
        vec![
            shell("sleep 0.2; echo 'one in 0.2s'"),
            shell(chance),
            shell("echo constant; cat chance.txt"),
            shell("echo the end"),
            finish(),
        ],
    )
    .await;
    let ran = bench
        .spotter(&["replay", first.as_str(), "--execute", "--json"])
        .await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let again = other(&bench, &first);
    let records = bench.records(&again);
    let found = differences(&records);
    let chance = |step| {
        let files = vec!["chance.txt".to_owned()];
        (step, None, Difference::Workspace { files })
    };
    assert_eq!(found[0], chance(2));
    let (
        step,
        index,
        Difference::Text {
            line,
            recorded,
            now,
        },
    ) = &found[1]
    else {
        panic!("{found:?}");
    };
    assert_eq!((*step, *index, *line), (3, Some(0), 2));
    assert_eq!((recorded.len(), now.len()), (36, 36));
    // The file stays another one.
    assert_eq!(found[2..], [chance(3), chance(4), chance(5)]);
    assert_eq!(
        compared(&records).sentence(),
        "4 of 5 observations and 1 of 5 workspaces equal, the same verdict; they part at step 2"
    );
    // Every line of the stream is an event of the new rollout.
    let told: Vec<serde_json::Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(told.len(), records.len());
    assert!(told.iter().all(|line| line["rollout"] == again.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_edited_skipped_and_typed_is_carried_out_as_they_left_it() {
    let bench = Bench::new();
    let server = ModelServer::start(vec![
        shell("echo as proposed > proposed.txt"),
        shell("rm -rf tally"),
        shell("export MARK=kept; cd tally"),
        shell("cat ../person.txt; pwd"),
        finish(),
    ])
    .await;
    let spec = server.spec();
    let running = bench.start(&["run", TASK, "--model", &spec, "--step"]);
    bench.until_proposed(1).await;
    let edit = json!({"command": "echo as edited > edited.txt"}).to_string();
    bench.granted(&["edit", &edit]).await;
    bench.until_proposed(2).await;
    bench.granted(&["skip"]).await;
    bench.until_proposed(3).await;
    bench.granted(&["say", "mind the cents"]).await;
    bench.granted(&["pause"]).await;
    bench.granted(&["approve"]).await;
    bench
        .until("step 3 is done and it waits", |records| {
            let done = |record: &Record| matches!(record.event, Event::StepDone { step: 3, .. });
            let at = records.iter().position(done)?;
            let waits =
                |record: &Record| matches!(record.event, Event::Paused { paused: true, .. });
            records[at..].iter().any(waits).then_some(())
        })
        .await;
    bench.granted(&["take-over"]).await;
    bench
        .granted(&["shell", "echo $MARK in $(pwd) | tee ../person.txt"])
        .await;
    bench.granted(&["hand-back"]).await;
    bench.granted(&["resume"]).await;
    running.end().await;
    let first = bench.only();

    let ran = bench.spotter(&["replay", "last", "--execute"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let again = other(&bench, &first);
    let records = bench.records(&again);
    let sum = compared(&records);
    assert!(sum.is_equal(), "{sum:?}");
    assert_eq!((sum.observations, sum.workspaces), (5, 5));
    let edited = records.iter().find_map(|record| match &record.event {
        Event::Action {
            step: 1,
            by,
            original,
            call,
            ..
        } => Some((*by, original.is_some(), call.arguments.contains("edited"))),
        _ => None,
    });
    assert_eq!(edited, Some((Author::Human, true, true)));
    let typed = records.iter().find_map(|record| match &record.event {
        Event::Typed { outcome, .. } => Some(outcome.text.trim().to_owned()),
        _ => None,
    });
    let typed = typed.unwrap();
    assert!(typed.starts_with("kept in /testbed/tally\n"), "{typed}");
    // The context is the recorded one, each word once.
    let texts = |id: &RolloutId| -> Vec<(spotter::model::Role, String)> {
        let messages = bench.state(id).messages();
        messages.into_iter().map(|m| (m.role, m.content)).collect()
    };
    assert_eq!(texts(&again), texts(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_re_execution_of_a_rollout_that_was_killed_goes_on_and_counts_everything_once() {
    let bench = Bench::new();
    let turns = vec![
        shell("echo one >> log.txt"),
        shell("echo two >> log.txt; sleep 2"),
        shell("cat log.txt"),
        finish(),
    ];
    let server = ModelServer::start(turns).await;
    let spec = server.spec();
    let sleeps = |records: &[Record]| {
        let sleeps = |record: &Record| matches!(&record.event, Event::Action { step: 2, .. });
        records.iter().any(sleeps).then_some(())
    };
    let running = bench.start(&["run", TASK, "--model", &spec]);
    bench.until("step 2 is carried out", sleeps).await;
    drop(running);
    let first = bench.only();
    dead(&bench, &first).await;
    let ran = bench.spotter(&["run", "--resume", "last"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");

    let running = bench.start(&["replay", first.as_str(), "--execute"]);
    let again = wait("it begins", || {
        let ids = bench.store().list().unwrap();
        ids.into_iter().find(|id| *id != first)
    })
    .await;
    bench
        .until_of(&again, "step 2 is carried out", sleeps)
        .await;
    let why = bench.control_of(again.as_str(), &["say", "faster"]).await["error"].to_string();
    assert!(why.contains("pause, resume, step, test and stop"), "{why}");
    drop(running);
    dead(&bench, &again).await;
    let ran = bench.spotter(&["run", "--resume", again.as_str()]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let records = bench.records(&again);
    let sum = compared(&records);
    assert_eq!(
        sum.sentence(),
        "4 of 4 observations and 4 of 4 workspaces equal, the same verdict"
    );
    assert!(sum.is_equal());
}

async fn dead(bench: &Bench, id: &RolloutId) {
    wait("it is dead", || {
        (!bench.store().is_running(id)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_carried_out_again_is_said_in_a_sentence() {
    let bench = Bench::new();
    let no_answers = bench.file("nothing.jsonl", "");
    let model = format!("recorded:{}", no_answers.display());
    bench.spotter(&["run", TASK, "--model", &model]).await;
    let ran = bench.spotter(&["replay", "last", "--execute"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("no action of it is on record"), "{ran:?}");
    bench.only();
    let ran = bench.spotter(&["replay", "nobody", "--execute"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("nobody"), "{ran:?}");
    let ran = bench.spotter(&["replay", "last", "--json"]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("--execute"), "{ran:?}");
}
