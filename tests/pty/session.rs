//! Whole sessions: from the task list to the verdict with every way to steer, and from a second terminal.

use std::time::Duration;

use serde_json::json;
use spotter::model::ModelKind;
use spotter::trajectory::event::{Author, Ended, Event, Origin};

use crate::model_server::{ModelServer, Turn};
use crate::seat::{Seat, Sitting};
use crate::workbench::{Bench, TASK, ended, solving_command};

fn shell(command: &str) -> Turn {
    Turn::call("execute_bash", json!({ "command": command }))
}

fn said(words: &str, command: &str) -> Turn {
    Turn::text_and_calls(
        words,
        &[("execute_bash", &json!({ "command": command }).to_string())],
    )
}

/// Wait until step `number` waits for approval: its action stands under the transcript with its choices.
fn until_waits(seat: &Sitting, action: &str) {
    seat.wait_for(&format!("`{action}` to wait for approval"), |screen| {
        screen
            .lines()
            .any(|line| line.contains("‖ next") && line.contains(action))
    });
}

/// Wait until a step is whole, and have the next one done, which waits in its turn.
async fn next_after(bench: &Bench, seat: &Sitting, step: u32) {
    bench
        .until(&format!("step {step} is whole and it pauses"), |records| {
            let done = records.iter().position(
                |record| matches!(record.event, Event::StepDone { step: there, .. } if there == step),
            )?;
            records[done..]
                .iter()
                .any(|record| matches!(record.event, Event::Paused { paused: true, .. }))
                .then_some(())
        })
        .await;
    seat.press("n");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_task_list_to_a_graded_run_with_every_way_to_steer() {
    let server = ModelServer::start(vec![
        said("I look around first. ", "echo looked at $(pwd)").slow(Duration::from_millis(40)),
        shell("echo approved-as-is"),
        shell("rm -rf /testbed/tally"),
        shell("echo never-run"),
        shell(&solving_command()),
        Turn::text_and_calls("It is done.", &[("finish", "{}")]),
    ])
    .await;
    let bench = Bench::new();
    let mut seat = Seat::new(
        "session",
        bench.folder.path(),
        &["tui", "--tasks", "sample"],
    )
    .sit();

    // The first start greets, once.
    seat.see("Welcome to spotter")
        .press("<Enter>")
        .see_no("Welcome to spotter");
    seat.see("20 tasks").still("tasks");
    // A filter leaves one task, and the form changes the model.
    seat.press("/108<Enter>").see("1 of 1");
    seat.press("e").see("attempts at each task");
    seat.press("jl<C-u>").press(&server.spec()).press("<Enter>");
    seat.see("/v1#scripted").press("S");

    // The reply is seen while it comes.
    seat.wait_for("words of a reply that is not whole", |screen| {
        screen.contains("I look") && !screen.contains("looked at /testbed")
    });
    // A pause holds after the action that runs; step mode asks before each.
    seat.press("<Space>")
        .see("paused")
        .see("looked at /testbed");
    seat.press("mn");
    until_waits(&seat, "echo approved-as-is");
    seat.still("approve").press("a");
    next_after(&bench, &seat, 2).await;
    until_waits(&seat, "rm -rf /testbed/tally");
    // What the person writes is carried out in its place.
    seat.press("e<C-u>")
        .press("echo edited-by-hand > by-hand")
        .press("<Enter>");
    next_after(&bench, &seat, 3).await;
    until_waits(&seat, "echo never-run");
    seat.press("s");
    next_after(&bench, &seat, 4).await;
    until_waits(&seat, "python3 -");
    // Said now, heard at the next turn.
    seat.press("i").press("mind the refunds<Enter>");
    seat.press("a");
    next_after(&bench, &seat, 5).await;
    until_waits(&seat, "finish");
    // Tests of the workspace as it is, while the last action waits.
    let id = bench.only();
    seat.press("x");
    bench
        .until("tests as of a step", |records| {
            records
                .iter()
                .any(|record| matches!(record.event, Event::Graded { step: Some(_), .. }))
                .then_some(())
        })
        .await;
    seat.press("a")
        .see("resolved")
        .see("26/26")
        .see("stored")
        .still("graded");
    seat.quit();

    let records = bench.records(&id);
    let any = |what: &str, look: &dyn Fn(&Event) -> bool| {
        assert!(records.iter().any(|record| look(&record.event)), "{what}");
    };
    any(
        "what was edited was carried out, as a person's",
        &|event| matches!(event, Event::Action { by: Author::Human, call, .. } if call.arguments.contains("edited-by-hand")),
    );
    any("what was skipped is told as that", &|event| {
        matches!(event, Event::Skipped { step: 4, .. })
    });
    any(
        "what was said is in the context",
        &|event| matches!(event, Event::Message { origin: Origin::Human, message, .. } if message.content.contains("mind the refunds")),
    );
    assert!(
        !records.iter().any(|record| matches!(&record.event,
            Event::Action { call, .. } if call.arguments.contains("rm -rf") || call.arguments.contains("never-run"))),
        "what was edited away or skipped never ran"
    );
    assert_eq!(ended(&bench.state(&id)), Ended::Submitted);
    let heard = server.requests().pop().unwrap().to_string();
    assert!(heard.contains("mind the refunds"), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_another_terminal_is_attached_to_taken_over_stopped_and_branched() {
    let server = ModelServer::start(vec![
        shell("cd tally && export MARK=kept"),
        shell("echo second > second"),
        shell("echo third > third"),
        Turn::call("finish", json!({})),
    ])
    .await;
    let bench = Bench::new();
    let spec = server.spec();
    let running = bench.start(&["run", TASK, "--model", &spec, "--step"]);
    bench.until_proposed(1).await;
    let id = bench.only();
    let mut seat = Seat::new("attach", bench.folder.path(), &["tui", id.as_str()])
        .welcomed()
        .sit();
    until_waits(&seat, "export MARK=kept");
    // A pause before the next question; then the shell is the person's.
    seat.press("<Space>").press("a");
    bench
        .until("it pauses between two steps", |records| {
            records
                .iter()
                .any(|record| matches!(&record.event, Event::Paused { paused: true, why } if why.contains("a person")))
                .then_some(())
        })
        .await;
    seat.see_no("skip");
    seat.press("t").see("$");
    seat.press("echo $MARK in $(pwd); touch person<Enter>");
    seat.see("kept in /testbed/tally");
    seat.press("<Esc>").press("T");
    bench
        .until("the shell is handed back", |records| {
            records
                .iter()
                .any(|record| matches!(&record.event, Event::HandedBack { told, .. } if told.contains("touch person")))
                .then_some(())
        })
        .await;
    // One step in step mode: its action waits.
    seat.press("n");
    until_waits(&seat, "echo second");
    seat.press("a");
    next_after(&bench, &seat, 2).await;
    until_waits(&seat, "echo third");
    // Stop it, with a reason; it is graded.
    seat.press("S")
        .press("seen enough<Enter>")
        .see("unresolved");
    let ran = running.end().await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(
        ended(&bench.state(&id)),
        Ended::Stopped {
            why: "seen enough".into()
        }
    );
    // Back to step 1, and another branch from there.
    seat.press("1gs").press("b").see("branch after step 1");
    seat.press("another way<Enter>");
    let store = bench.store();
    let branch = crate::workbench::wait("the branch", || {
        store.list().unwrap().into_iter().find(|other| *other != id)
    })
    .await;
    bench
        .until_of(&branch, "the branch ends", |records| {
            records
                .iter()
                .any(|record| {
                    matches!(
                        record.event,
                        Event::Graded { step: None, .. } | Event::NotGraded { step: None, .. }
                    )
                })
                .then_some(())
        })
        .await;
    let state = bench.state(&branch);
    assert_eq!(
        state.start.as_ref().unwrap().parent.as_ref().unwrap().step,
        1
    );
    let patch = state.ended.unwrap().1;
    assert!(
        !patch.contains("b/tally/second"),
        "the workspace is that of step 1: {patch}"
    );
    seat.wait_for("the branch, stored", |screen| {
        screen.contains("stored") && screen.contains("this one")
    });
    seat.quit();
    assert!(
        server
            .requests()
            .pop()
            .unwrap()
            .to_string()
            .contains("another way")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_run_is_asked_again_given_more_steps_and_rewound_and_its_branch_is_carried_out_again()
 {
    let server = ModelServer::start(vec![
        shell("echo kept > kept"),
        shell("echo not-this-one"),
        shell("echo this-one > this"),
        shell("echo too-far > too-far"),
        shell(&solving_command()),
        Turn::call("finish", json!({})),
    ])
    .await;
    let bench = Bench::new();
    let spec = server.spec();
    let running = bench.start(&["run", TASK, "--model", &spec, "--step", "--turns", "3"]);
    bench.until_proposed(1).await;
    let first = bench.only();
    let mut seat = Seat::new("rewind", bench.folder.path(), &["tui", first.as_str()])
        .welcomed()
        .sit();
    until_waits(&seat, "echo kept");
    seat.press("a");
    // Not this answer: another.
    until_waits(&seat, "echo not-this-one");
    seat.press("R");
    until_waits(&seat, "echo this-one");
    // More steps than it was started with.
    seat.press("L<C-u>").press("7<Enter>").see("/7");
    seat.press("a");
    until_waits(&seat, "echo too-far");
    // That went wrong: back to the first step, while it runs. It goes on in a branch, in the same process.
    seat.press("1gs").press("b").see("branch after step 1");
    seat.press("mind the refunds<Enter>");
    let store = bench.store();
    let branch = crate::workbench::wait("the branch", || {
        store.list().unwrap().into_iter().find(|id| *id != first)
    })
    .await;
    bench
        .until_of(&branch, "the branch waits for approval", |records| {
            let waits = |record: &spotter::trajectory::Record| {
                matches!(record.event, Event::Paused { paused: true, .. })
            };
            records.iter().any(waits).then_some(())
        })
        .await;
    seat.quit();
    let mut seat = Seat::new("branch", bench.folder.path(), &["tui", branch.as_str()])
        .welcomed()
        .sit();
    until_waits(&seat, "python3 -");
    seat.press("a");
    until_waits(&seat, "finish");
    seat.press("a").see("resolved").see("stored");
    let ran = running.end().await;
    assert!(!ran.err.contains("error"), "{ran:?}");
    // What the branch did, again in a fresh sandbox; it is shown while it happens.
    seat.press("X")
        .see("carries out again")
        .see("compared with the recording")
        .see("3 of 3 observations and 3 of 3")
        .still("carried-out-again");
    seat.quit();

    let state = bench.state(&branch);
    assert_eq!(
        state.start.as_ref().unwrap().parent.as_ref().unwrap().step,
        1
    );
    let patch = &state.ended.as_ref().unwrap().1;
    assert!(
        patch.contains("b/kept") && !patch.contains("b/this"),
        "{patch}"
    );
    let records = bench.records(&first);
    let any = |look: &dyn Fn(&Event) -> bool| records.iter().any(|record| look(&record.event));
    assert!(
        any(&|event| matches!(event, Event::Dropped { .. })),
        "the answer was dropped"
    );
    assert!(any(
        &|event| matches!(event, Event::LimitsChanged { limits } if limits.turns == 7)
    ));
    assert!(bench.state(&first).rewound, "it went on as a branch");
    let ran_never = |record: &spotter::trajectory::Record| matches!(&record.event, Event::Action { call, .. } if call.arguments.contains("not-this-one"));
    assert!(
        !records.iter().any(ran_never),
        "what was asked again was never carried out"
    );
    assert!(
        server
            .requests()
            .pop()
            .unwrap()
            .to_string()
            .contains("mind the refunds")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn started_with_nothing_to_do_the_bundled_policy_solves_a_task_of_the_gym_before_one_s_eyes()
{
    let bench = Bench::new();
    let mut seat = Seat::new("demo", bench.folder.path(), &[]).welcomed().sit();
    seat.see("policy").see("gym__l");
    seat.see("resolved").see("stored");
    // The news at the bottom go by themselves, and then nothing is done any more: what looks at the files does not wake
    // itself.
    seat.see("quit").still("demo");
    let idle = seat.cpu();
    std::thread::sleep(Duration::from_secs(2));
    let spent = seat.cpu() - idle;
    assert!(
        spent <= 3,
        "{spent} hundredths of a second of processor time in two idle ones"
    );
    seat.quit();
    let state = bench.state(&bench.only());
    assert_eq!(ended(&state), Ended::Submitted);
    // Nothing of it was written down beforehand.
    assert_eq!(state.start.unwrap().model.kind, ModelKind::Local);
}
