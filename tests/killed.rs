//! What a person was told "ok" to outlives a `kill -9`, and what the loop counts goes on where it was.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on should say where"
)]

mod model_server;
mod workbench;

use model_server::{ModelServer, Turn};
use serde_json::json;
use spotter::trajectory::event::{Ended, Event};
use std::time::Duration;
use workbench::{Bench, TASK, ended, wait};

fn shell(command: &str) -> Turn {
    Turn::call("execute_bash", json!({ "command": command }))
}

fn finish() -> Turn {
    Turn::call("finish", json!({}))
}

/// An answer that does not come while the test lasts.
fn stuck() -> Turn {
    Turn::text("word word word word").slow(Duration::from_secs(600))
}

/// Run until the rollout asks for its answer number `asks`, do something to it, and kill it.
async fn killed_after(
    bench: &Bench,
    server: &ModelServer,
    args: &[&str],
    asks: usize,
    ops: &[&[&str]],
) {
    let spec = server.spec();
    let args: Vec<&str> = ["run", TASK, "--model", &spec]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    let running = bench.start(&args);
    until_asked(server, asks).await;
    for op in ops {
        bench.granted(op).await;
    }
    drop(running);
    let id = bench.only();
    wait("it is dead", || {
        (!bench.store().is_running(&id)).then_some(())
    })
    .await;
}

/// The question is on record before it is sent; a test goes by what the server has.
async fn until_asked(server: &ModelServer, asks: usize) {
    let what = format!("question {asks}");
    wait(&what, || (server.calls() >= asks).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_were_accepted_and_not_yet_heard_are_heard_after_a_kill() {
    let bench = Bench::new();
    let server = ModelServer::start(vec![stuck(), shell("true"), finish()]).await;
    killed_after(&bench, &server, &[], 1, &[&["say", "mind the cents"]]).await;
    let ran = bench.spotter(&["run", "--resume", "last"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let heard = |request: &serde_json::Value| {
        let messages = request["messages"].as_array().unwrap().clone();
        let said = |message: &&serde_json::Value| message["content"] == "mind the cents";
        messages.iter().filter(said).count()
    };
    let requests = server.requests();
    assert_eq!(heard(&requests[1]), 1, "{:#}", requests[1]);
    assert_eq!(heard(&requests[2]), 1, "once is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_was_accepted_ends_the_rollout_after_a_kill() {
    let bench = Bench::new();
    // The command cannot be broken off at once, so that the kill comes before the end.
    let server = ModelServer::start(vec![shell("sleep 3"), finish()]).await;
    let id = {
        let spec = server.spec();
        let running = bench.start(&["run", TASK, "--model", &spec, "--step"]);
        bench.until_proposed(1).await;
        bench.granted(&["pause"]).await;
        drop(running);
        bench.only()
    };
    wait("it is dead", || {
        (!bench.store().is_running(&id)).then_some(())
    })
    .await;
    // As the file is when the program dies between its answer and the end.
    let (writer, _) = spotter::trajectory::Writer::open(&bench.store().folder(&id)).unwrap();
    let op = json!({"op": "stop", "why": "enough"});
    writer.append(Event::Control { op }).unwrap();
    drop(writer);
    bench.spotter(&["run", "--resume", "last"]).await;
    let why = "enough".into();
    assert_eq!(ended(&bench.state(&id)), Ended::Stopped { why });
    assert_eq!(server.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_did_in_the_shell_is_there_and_told_after_a_kill() {
    let bench = Bench::new();
    let server = ModelServer::start(vec![shell("true"), stuck(), finish()]).await;
    let spec = server.spec();
    let running = bench.start(&["run", TASK, "--model", &spec, "--step"]);
    bench.until_proposed(1).await;
    bench.granted(&["pause"]).await;
    bench.granted(&["approve"]).await;
    bench
        .until("it pauses after the step", |records| {
            let done = records
                .iter()
                .position(|record| matches!(record.event, Event::StepDone { .. }))?;
            records[done..]
                .iter()
                .any(|record| matches!(record.event, Event::Paused { paused: true, .. }))
                .then_some(())
        })
        .await;
    bench.granted(&["take-over"]).await;
    bench.granted(&["shell", "echo mine > person"]).await;
    bench.granted(&["hand-back"]).await;
    drop(running);
    let id = bench.only();
    wait("it is dead", || {
        (!bench.store().is_running(&id)).then_some(())
    })
    .await;
    let resumed = bench.start(&["run", "--resume", "last"]);
    until_asked(&server, 2).await;
    assert!(
        server.requests()[1]
            .to_string()
            .contains("echo mine > person")
    );
    bench.granted(&["stop"]).await;
    resumed.end().await;
    let patch = bench.state(&id).ended.unwrap().1;
    assert!(patch.contains("b/person"), "{patch}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branchs_first_words_outlive_a_kill_before_it_begins() {
    let bench = Bench::new();
    let server = ModelServer::start(vec![shell("true"), finish(), stuck(), finish()]).await;
    let spec = server.spec();
    bench.spotter(&["run", TASK, "--model", &spec]).await;
    let old = bench.only();
    let point = format!("{old}@1");
    let running = bench.start(&["run", "--branch", &point, "--say", "the other way"]);
    let new = wait("the branch is there", || {
        let ids = bench.store().list().unwrap();
        ids.into_iter().find(|id| {
            *id != old
                && bench.store().read(id).is_ok_and(|records| {
                    records
                        .iter()
                        .any(|record| matches!(record.event, Event::Control { .. }))
                })
        })
    })
    .await;
    drop(running);
    wait("it is dead", || {
        (!bench.store().is_running(&new)).then_some(())
    })
    .await;
    // As the file is when the program dies before the branch does anything.
    let events = bench.store().folder(&new).join("events.jsonl");
    let text = std::fs::read_to_string(&events).unwrap();
    let end = text.find("\"type\":\"control\"").unwrap();
    let end = end + text[end..].find('\n').unwrap() + 1;
    std::fs::write(&events, &text[..end]).unwrap();
    let asked = server.calls();
    let resumed = bench.start(&["run", "--resume", new.as_str()]);
    wait("it asks", || (server.calls() > asked).then_some(())).await;
    let last = server.requests().pop().unwrap();
    assert!(last.to_string().contains("the other way"), "{last:#}");
    drop(resumed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_is_seen_across_a_kill() {
    let bench = Bench::new();
    let again = || shell("cat nowhere");
    let server =
        ModelServer::start(vec![again(), again(), stuck(), again(), again(), finish()]).await;
    killed_after(&bench, &server, &[], 3, &[]).await;
    bench.spotter(&["run", "--resume", "last"]).await;
    let state = bench.state(&bench.only());
    assert!(
        matches!(ended(&state), Ended::Stuck { .. }),
        "{:?}",
        state.ended
    );
    assert_eq!(state.step, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_without_a_call_are_counted_across_a_kill() {
    let bench = Bench::new();
    let words = |number: u32| Turn::text(&format!("let me think, {number}"));
    let turns = vec![
        words(1),
        words(2),
        stuck(),
        words(3),
        words(4),
        words(5),
        words(6),
    ];
    let server = ModelServer::start(turns).await;
    killed_after(&bench, &server, &[], 3, &[]).await;
    bench.spotter(&["run", "--resume", "last"]).await;
    let state = bench.state(&bench.only());
    let which = "format errors".into();
    assert_eq!(ended(&state), Ended::Limit { which });
    let most = state.limits.unwrap().format_errors;
    assert!(state.step <= most, "{} of {most}", state.step);
}

#[tokio::test(flavor = "multi_thread")]
async fn step_mode_holds_after_a_kill() {
    let bench = Bench::new();
    let server = ModelServer::start(vec![stuck(), shell("echo x > x"), finish()]).await;
    killed_after(&bench, &server, &[], 1, &[&["step-mode", "on"]]).await;
    let resumed = bench.start(&["run", "--resume", "last"]);
    bench.until_proposed(1).await;
    bench.granted(&["resume"]).await;
    assert_eq!(resumed.end().await.code, 3);
}
