//! Steering a rollout of the real program from a second process: every operation in its place, and what it leaves in
//! the trajectory and in what the model sees next.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test that cannot go on should say where, and a conversation is told in one piece"
)]

mod model_server;
mod workbench;

use model_server::{ModelServer, Turn};
use serde_json::{Value, json};
use spotter::grade::Verdict;
use spotter::model::Role;
use spotter::trajectory::event::{Author, Ended, Event, Origin};
use spotter::trajectory::{Record, RolloutId};
use workbench::{Bench, Ran, Running, TASK, assert_rebuilt, ended, solving_command, wait};

fn shell(command: &str) -> Turn {
    Turn::call("execute_bash", json!({ "command": command }))
}

fn finish() -> Turn {
    Turn::call("finish", json!({}))
}

fn command(text: &str) -> String {
    json!({ "command": text }).to_string()
}

/// A rollout under way in the background.
struct Session {
    bench: Bench,
    server: ModelServer,
    running: Running,
}

impl Session {
    async fn start(turns: Vec<Turn>, args: &[&str]) -> Self {
        let bench = Bench::new();
        let server = ModelServer::start(turns).await;
        let spec = server.spec();
        let args: Vec<&str> = ["run", TASK, "--model", &spec]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        let running = bench.start(&args);
        let session = Self {
            bench,
            server,
            running,
        };
        wait("the rollout can be steered", || {
            let store = session.bench.store();
            let id = store.list().unwrap().pop()?;
            store
                .folder(&id)
                .join("control.sock")
                .exists()
                .then_some(())
        })
        .await;
        session
    }

    /// Wait for its end; what every test wants to be true of it.
    async fn end(self) -> (Ran, Bench, ModelServer, Vec<Record>) {
        let ran = self.running.end().await;
        let id = self.bench.store().list().unwrap()[0].clone();
        let records = self.bench.records(&id);
        (ran, self.bench, self.server, records)
    }

    async fn until_paused(&self) {
        self.bench
            .until("it pauses", |records| {
                let last = records.iter().rev().find_map(|record| match record.event {
                    Event::Paused { paused, .. } => Some(paused),
                    _ => None,
                });
                last.filter(|paused| *paused).map(|_| ())
            })
            .await;
    }

    async fn until_step(&self, step: u32) {
        self.bench
            .until(&format!("step {step} is done"), |records| {
                records
                    .iter()
                    .any(|record| matches!(record.event, Event::StepDone { step: done, .. } if done == step))
                    .then_some(())
            })
            .await;
    }
}

fn messages(request: &Value) -> &Vec<Value> {
    request["messages"].as_array().unwrap()
}

fn texts(request: &Value) -> Vec<String> {
    messages(request)
        .iter()
        .map(|message| message["content"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn approve_edit_and_skip_decide_what_is_carried_out_and_what_the_model_sees() {
    let session = Session::start(
        vec![
            shell("echo as proposed"),
            Turn::text_and_calls(
                "Two things.",
                &[
                    ("execute_bash", &command("echo untouched")),
                    ("execute_bash", &command("rm -rf /testbed/tally")),
                ],
            ),
            shell("echo never"),
            finish(),
        ],
        &["--step"],
    )
    .await;
    let bench = &session.bench;
    bench.until_proposed(1).await;
    let status = bench.granted(&["status"]).await;
    assert_eq!(status["doing"], "an action waits for approval");
    assert_eq!(status["step"], 0);
    assert_eq!(status["step_mode"], true);
    assert!(
        bench
            .refused(&["edit", "{}", "--index", "5"])
            .await
            .contains("no action 5")
    );
    assert!(
        bench
            .refused(&["edit", "{\"cmd\": \"ls\"}"])
            .await
            .contains("command")
    );
    assert!(
        bench
            .refused(&["edit", "{}", "--tool", "rm"])
            .await
            .contains("no function `rm`")
    );
    bench.granted(&["approve"]).await;
    bench.until_proposed(2).await;
    bench
        .granted(&["edit", &command("echo better"), "--index", "1"])
        .await;
    bench.until_proposed(3).await;
    bench.granted(&["skip"]).await;
    bench.until_proposed(4).await;
    bench.granted(&["step"]).await;
    let (ran, _bench, server, records) = session.end().await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_rebuilt(&records, &server.bodies());

    // The edit: what is carried out is the person's, the model's own is kept beside it.
    let edited: Vec<_> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Action {
                call,
                by: Author::Human,
                original: Some(original),
                ..
            } => Some((call.arguments.clone(), original.arguments.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(edited.len(), 1);
    assert!(edited[0].0.contains("echo better") && edited[0].1.contains("rm -rf"));
    let replaced: Vec<u32> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Message {
                replaces: Some(old),
                origin,
                message,
                ..
            } => {
                assert_eq!((*origin, message.role), (Origin::Human, Role::Assistant));
                Some(*old)
            }
            _ => None,
        })
        .collect();
    assert_eq!(replaced.len(), 1);
    let requests = server.requests();
    let seen = requests[2].to_string();
    assert!(seen.contains("echo better") && seen.contains("echo untouched"));
    assert!(seen.contains("Two things.") && !seen.contains("rm -rf"));
    // The original still stands in the file.
    assert!(
        records
            .iter()
            .any(|record| matches!(&record.event, Event::Message { id, .. } if *id == replaced[0]))
    );
    // The skip: nothing ran, and the model is told.
    assert!(
        !records
            .iter()
            .any(|record| matches!(record.event, Event::Action { step: 3, .. }))
    );
    let last = messages(&requests[3]).last().unwrap().to_string();
    assert!(
        last.contains("did not let this call be carried out"),
        "{last}"
    );
    assert!(ran.out.contains("edited by a person"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_taken_over_while_an_action_waits_leaves_it_waiting_until_it_is_handed_back() {
    let session = Session::start(
        vec![shell("cat made-by-a-person"), shell("echo next"), finish()],
        &["--step"],
    )
    .await;
    let bench = &session.bench;
    bench.until_proposed(1).await;
    bench.granted(&["take-over"]).await;
    let status = bench.granted(&["status"]).await;
    assert_eq!(status["doing"], "a person has the shell");
    bench
        .granted(&["shell", "echo found it > made-by-a-person"])
        .await;
    // Nothing that would let the action go is heard meanwhile, and leaving step mode does not either.
    for what in [&["approve"][..], &["skip"], &["retry"], &["step"]] {
        let why = bench.refused(what).await;
        assert!(why.contains("hand_back"), "{what:?}: {why}");
    }
    bench.granted(&["hand-back"]).await;
    let status = bench.granted(&["status"]).await;
    assert_eq!(status["doing"], "an action waits for approval");
    bench.granted(&["approve"]).await;
    bench.until_proposed(2).await;
    // A step mode that is left while the shell is held lets the action go with the hand-back.
    bench.granted(&["take-over"]).await;
    bench.granted(&["resume"]).await;
    let status = bench.granted(&["status"]).await;
    assert_eq!(status["doing"], "a person has the shell");
    bench.granted(&["hand-back"]).await;
    let (ran, _bench, server, records) = session.end().await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_rebuilt(&records, &server.bodies());
    let place = |wanted: &dyn Fn(&Event) -> bool| {
        let at = records.iter().position(|record| wanted(&record.event));
        at.unwrap()
    };
    let handed_back = place(&|event| matches!(event, Event::HandedBack { .. }));
    let acted = place(&|event| matches!(event, Event::Action { step: 1, .. }));
    assert!(handed_back < acted, "{handed_back} {acted}");
    assert!(matches!(
        &records[handed_back..acted]
            .iter()
            .rev()
            .find_map(|record| match &record.event {
                Event::Paused { paused: true, why } => Some(why.as_str()),
                _ => None,
            }),
        Some("an action waits for approval")
    ));
    // The action saw what the person had made, and the model hears of it after the action's answer.
    let second = &server.requests()[1];
    let said = messages(second);
    let answer = said.iter().position(|message| message["role"] == "tool");
    let told = said.iter().position(|message| {
        let text = message["content"].as_str().unwrap_or_default();
        text.contains("A person used your shell")
    });
    assert!(answer.unwrap() < told.unwrap(), "{second:#}");
    let output = said[answer.unwrap()]["content"].as_str().unwrap();
    assert!(output.contains("found it"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_ends_may_leave_step_mode_on() {
    let session = Session::start(
        vec![shell("echo one"), shell("echo two"), finish()],
        &["--step"],
    )
    .await;
    let bench = &session.bench;
    bench.until_proposed(1).await;
    bench.granted(&["pause"]).await;
    bench.granted(&["approve"]).await;
    session.until_step(1).await;
    session.until_paused().await;
    bench.granted(&["resume", "--keep-step-mode"]).await;
    bench.until_proposed(2).await;
    let status = bench.granted(&["status"]).await;
    assert_eq!(status["doing"], "an action waits for approval");
    assert_eq!(status["step_mode"], true);
    bench.granted(&["resume"]).await;
    let (_, bench, _, records) = session.end().await;
    let id = bench.only();
    assert!(!bench.state(&id).step_mode);
    assert!(spotter::trajectory::fold::State::of(&records[..records.len() / 2]).step_mode);
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_begin_no_faster_than_their_pace_and_a_stop_between_them_is_heard_at_once() {
    let session = Session::start(
        vec![shell("echo one"), shell("echo two"), finish()],
        &["--pace", "1"],
    )
    .await;
    let (_, bench, _, records) = session.end().await;
    let asked: Vec<_> = records
        .iter()
        .filter(|record| matches!(record.event, Event::Asked { .. }))
        .map(|record| record.at)
        .collect();
    assert_eq!(asked.len(), 3);
    assert!(asked[1].duration_since(asked[0]).as_secs_f64() > 0.9);
    assert_eq!(ended(&bench.state(&bench.only())), Ended::Submitted);

    // An hour's pace is not waited out: what ends this one is the word.
    let session = Session::start(vec![shell("echo one"), finish()], &["--pace", "3600"]).await;
    session.until_step(1).await;
    session.bench.granted(&["stop"]).await;
    let (_, bench, _, _) = session.end().await;
    assert!(matches!(
        ended(&bench.state(&bench.only())),
        Ended::Stopped { .. }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_beside_a_call_that_is_not_valid_leaves_each_answer_its_call() {
    let session = Session::start(
        vec![
            Turn::text_and_calls(
                "",
                &[
                    ("execute_bash", "{\"command\": \"ls"),
                    ("execute_bash", &command("echo first")),
                ],
            ),
            finish(),
        ],
        &["--step"],
    )
    .await;
    session.bench.until_proposed(1).await;
    session
        .bench
        .granted(&["edit", &command("echo second")])
        .await;
    session.bench.until_proposed(2).await;
    session.bench.granted(&["resume"]).await;
    let (_, _, server, _) = session.end().await;
    let request = &server.requests()[1];
    let called: Vec<&str> = messages(request)
        .iter()
        .flat_map(|message| message["tool_calls"].as_array().into_iter().flatten())
        .map(|call| call["id"].as_str().unwrap())
        .collect();
    let mut answered: Vec<&str> = messages(request)
        .iter()
        .filter_map(|message| message["tool_call_id"].as_str())
        .collect();
    assert_eq!(called.len(), 2, "{request:#}");
    answered.sort_by_key(|id| called.iter().position(|there| there == id));
    assert_eq!(called, answered);
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_say_take_over_hand_back_limits_and_step_between_steps() {
    let session = Session::start(
        vec![
            shell("cd tally && export MARK=kept"),
            shell("echo back in $(pwd)"),
            finish(),
        ],
        &["--step", "--turns", "1"],
    )
    .await;
    let bench = &session.bench;
    bench.until_proposed(1).await;
    bench.granted(&["pause"]).await;
    bench.granted(&["say", "look at the negative case"]).await;
    bench.granted(&["approve"]).await;
    session.until_step(1).await;
    session.until_paused().await;
    assert!(bench.refused(&["shell", "ls"]).await.contains("take_over"));
    assert!(bench.refused(&["hand-back"]).await.contains("take_over"));
    assert!(bench.refused(&["approve"]).await.contains("no action"));
    assert!(bench.refused(&["retry"]).await.contains("nothing to ask"));
    bench.granted(&["take-over"]).await;
    assert!(bench.refused(&["take-over"]).await.contains("already"));
    let typed = bench
        .granted(&["shell", "echo $MARK in $(pwd); touch person"])
        .await;
    assert!(
        typed["output"]
            .as_str()
            .unwrap()
            .contains("kept in /testbed/tally")
    );
    assert_eq!(typed["exit"], 0);
    bench.granted(&["hand-back"]).await;
    bench.granted(&["limits", "--turns", "9"]).await;
    bench.granted(&["resume"]).await;
    let (ran, bench, server, records) = session.end().await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_rebuilt(&records, &server.bodies());
    let heard = texts(&server.requests()[1]);
    assert!(heard.iter().any(|text| text == "look at the negative case"));
    let shell: Vec<&String> = heard
        .iter()
        .filter(|text| text.contains("touch person"))
        .collect();
    assert_eq!(shell.len(), 1, "{heard:#?}");
    assert!(shell[0].contains("kept in /testbed/tally"));
    let human = records.iter().filter(|record| matches!(
        &record.event, Event::Message { origin: Origin::Human, message, .. } if message.role == Role::User
    ));
    assert_eq!(human.count(), 2);
    assert!(
        texts(&server.requests()[2])
            .iter()
            .any(|text| text.contains("back in /testbed/tally"))
    );
    let state = bench.state(&bench.only());
    assert_eq!(ended(&state), Ended::Submitted);
    assert!(
        state.ended.unwrap().1.contains("tally/person"),
        "what a person did counts"
    );
    // It is over, and says so.
    let ran = bench.spotter(&["control", "last", "status"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("is over"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_drops_the_answer_tests_run_beside_it_and_a_stop_is_graded() {
    let session = Session::start(
        vec![
            shell("echo wrong way"),
            shell(&solving_command()),
            shell("echo unused"),
        ],
        &["--step"],
    )
    .await;
    let bench = &session.bench;
    bench.until_proposed(1).await;
    bench.granted(&["retry"]).await;
    bench
        .until("another answer is proposed", |records| {
            records
                .iter()
                .any(|record| matches!(&record.event, Event::Proposed { calls, .. } if calls[0].arguments.contains("amounts.py")))
                .then_some(())
        })
        .await;
    session.until_paused().await;
    bench.granted(&["approve"]).await;
    bench.until_proposed(2).await;
    assert!(bench.refused(&["test", "7"]).await.contains("no step 7"));
    assert_eq!(bench.granted(&["test"]).await["step"], 1);
    bench
        .until("the tests of step 1", |records| {
            records
                .iter()
                .any(|record| matches!(&record.event, Event::Graded { step: Some(1), grading, .. } if grading.verdict == Verdict::Resolved))
                .then_some(())
        })
        .await;
    bench.granted(&["stop", "--why", "good enough"]).await;
    let (ran, bench, server, records) = session.end().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_rebuilt(&records, &server.bodies());
    assert_eq!(
        server.bodies()[0],
        server.bodies()[1],
        "the old answer is not in the context"
    );
    let state = bench.state(&bench.only());
    assert_eq!(
        ended(&state),
        Ended::Stopped {
            why: "good enough".into()
        }
    );
    assert_eq!(state.verdict, Some(Verdict::Resolved));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewind_keeps_the_old_rollout_and_goes_on_from_the_step_as_a_new_one() {
    let session = Session::start(
        vec![
            shell("echo one > kept"),
            shell("echo two > lost"),
            shell("echo never"),
            finish(),
        ],
        &["--step"],
    )
    .await;
    let bench = &session.bench;
    for step in [1, 2] {
        bench.until_proposed(step).await;
        bench.granted(&["approve"]).await;
    }
    bench.until_proposed(3).await;
    assert!(bench.refused(&["rewind", "9"]).await.contains("not 9"));
    let old = bench.only();
    let answer = bench
        .granted(&["rewind", "1", "--say", "the other way"])
        .await;
    let new: RolloutId = bench
        .store()
        .find(answer["rollout"].as_str().unwrap())
        .unwrap();
    assert_ne!(old, new);
    bench
        .until_of(&new, "the branch proposes", |records| {
            records
                .iter()
                .rev()
                .take(1)
                .any(|record| matches!(record.event, Event::Paused { paused: true, .. }))
                .then_some(())
        })
        .await;
    let id = new.to_string();
    let answer = bench.control_of(&id, &["approve"]).await;
    assert_eq!(answer["ok"], true, "{answer}");
    let (_, bench, server, _) = session.end().await;
    let (parent, branch) = (bench.state(&old), bench.state(&new));
    assert!(matches!(ended(&parent), Ended::Stopped { why } if why.contains(&id)));
    assert_eq!(
        branch.start.as_ref().unwrap().parent.as_ref().unwrap().step,
        1
    );
    assert_eq!(ended(&branch), Ended::Submitted);
    let patch = branch.ended.as_ref().unwrap().1.clone();
    assert!(
        patch.contains("b/kept") && !patch.contains("b/lost"),
        "{patch}"
    );
    let last = server.requests().pop().unwrap();
    assert_eq!(texts(&last).last().unwrap(), "the other way");
    assert!(!last.to_string().contains("two > lost"));
    workbench::rebuilt(&bench.records(&new));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_action_is_skipped_and_step_mode_and_single_steps_are_switched_while_it_runs() {
    let session = Session::start(
        vec![
            Turn::text_and_calls(
                "",
                &[
                    ("execute_bash", &command("echo first > first")),
                    ("execute_bash", &command("echo second > second")),
                ],
            ),
            shell("echo freely > free"),
            shell("sleep 1"),
            shell("echo one > one"),
            shell("echo never > never"),
            finish(),
        ],
        &["--step"],
    )
    .await;
    let bench = &session.bench;
    bench.until_proposed(1).await;
    bench.granted(&["skip", "--index", "0"]).await;
    bench.until_proposed(2).await;
    // Without step mode nothing is asked any more; a pause still holds.
    bench.granted(&["step-mode", "off"]).await;
    session.until_step(2).await;
    bench.granted(&["pause"]).await;
    session.until_step(3).await;
    session.until_paused().await;
    assert_eq!(bench.granted(&["status"]).await["step_mode"], false);
    // One step, then it waits again.
    bench.granted(&["step"]).await;
    session.until_step(4).await;
    session.until_paused().await;
    assert_eq!(bench.granted(&["status"]).await["step"], 4);
    // With step mode again, what is proposed next waits.
    bench.granted(&["step-mode", "on"]).await;
    bench.granted(&["step"]).await;
    bench.until_proposed(5).await;
    bench.granted(&["skip"]).await;
    bench.granted(&["resume"]).await;
    let (_, bench, server, _) = session.end().await;
    let patch = bench.state(&bench.only()).ended.unwrap().1;
    for name in ["second", "free", "one"] {
        assert!(patch.contains(&format!("b/{name}")), "{name}: {patch}");
    }
    for name in ["first", "never"] {
        assert!(!patch.contains(&format!("b/{name}")), "{name}: {patch}");
    }
    let told = messages(&server.requests()[1])
        .iter()
        .filter(|message| message["role"] == "tool")
        .map(|message| message["content"].as_str().unwrap().to_owned())
        .collect::<Vec<_>>();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].contains("did not let this call be carried out"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_command_is_interrupted_and_the_shell_is_kept() {
    let session = Session::start(vec![shell("export MARK=kept"), finish()], &["--step"]).await;
    let bench = &session.bench;
    bench.until_proposed(1).await;
    bench.granted(&["pause"]).await;
    bench.granted(&["approve"]).await;
    session.until_step(1).await;
    session.until_paused().await;
    assert!(bench.refused(&["interrupt"]).await.contains("take_over"));
    bench.granted(&["take-over"]).await;
    let typed = bench.start(&[
        "control",
        "last",
        "--json",
        "shell",
        "echo begun; sleep 617",
    ]);
    wait("the command is running", || {
        let status = std::process::Command::new("pgrep")
            .args(["-f", "^sleep 617$"])
            .output();
        status
            .is_ok_and(|found| found.status.success())
            .then_some(())
    })
    .await;
    assert_eq!(
        bench.granted(&["status"]).await["doing"],
        "a person's command is running"
    );
    bench.granted(&["interrupt"]).await;
    let typed: Value = serde_json::from_str(&typed.end().await.out).unwrap();
    assert!(
        typed["output"].as_str().unwrap().contains("begun"),
        "{typed}"
    );
    let after = bench.granted(&["shell", "echo $MARK"]).await;
    assert!(
        after["output"].as_str().unwrap().contains("kept"),
        "{after}"
    );
    bench.granted(&["hand-back"]).await;
    bench.granted(&["resume"]).await;
    let (ran, ..) = session.end().await;
    assert_eq!(ran.code, 3, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_of_one_step_keep_their_logs_apart() {
    let session = Session::start(vec![shell(&solving_command()), finish()], &["--step"]).await;
    let bench = &session.bench;
    bench.until_proposed(1).await;
    bench.granted(&["approve"]).await;
    bench.until_proposed(2).await;
    bench.granted(&["test"]).await;
    bench.granted(&["test"]).await;
    bench.granted(&["resume"]).await;
    let (_, bench, _, records) = session.end().await;
    let mut logs: Vec<String> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Graded {
                step: Some(1), log, ..
            } => log.clone(),
            _ => None,
        })
        .collect();
    logs.sort();
    assert_eq!(logs, ["grade-step-1-2.log", "grade-step-1.log"]);
    let folder = bench.store().folder(&bench.only());
    for log in logs {
        assert!(std::fs::metadata(folder.join(log)).unwrap().len() > 0);
    }
    assert_eq!(bench.state(&bench.only()).step_gradings.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_branch_is_introduced_in_the_stream_and_whole_as_json() {
    let turns = || {
        vec![
            shell("echo one > kept"),
            shell("echo two > lost"),
            finish(),
            finish(),
        ]
    };
    for json in [false, true] {
        let args: &[&str] = if json {
            &["--step", "--json"]
        } else {
            &["--step"]
        };
        let session = Session::start(turns(), args).await;
        let bench = &session.bench;
        for step in [1, 2] {
            bench.until_proposed(step).await;
            bench.granted(&["approve"]).await;
        }
        bench.until_proposed(3).await;
        let old = bench.only();
        let answer = bench.granted(&["rewind", "1"]).await;
        let new = bench
            .store()
            .find(answer["rollout"].as_str().unwrap())
            .unwrap();
        bench
            .until_of(&new, "the branch waits", |records| {
                let last = records.last()?;
                matches!(last.event, Event::Paused { paused: true, .. }).then_some(())
            })
            .await;
        bench.control_of(new.as_str(), &["resume"]).await;
        let (ran, bench, ..) = session.end().await;
        if json {
            for id in [&old, &new] {
                let told: Vec<u64> = ran
                    .out
                    .lines()
                    .map(|line| serde_json::from_str::<Value>(line).unwrap())
                    .filter(|line| line["rollout"] == id.as_str())
                    .map(|line| line["seq"].as_u64().unwrap())
                    .collect();
                let all: Vec<u64> = (0..bench.records(id).len() as u64).collect();
                assert_eq!(told, all, "{id}");
            }
        } else {
            assert!(ran.out.contains(&format!("rollout {new}")), "{ran:?}");
            assert!(
                ran.out.contains(&format!("branch of {old} after step 1")),
                "{ran:?}"
            );
            assert_eq!(ran.out.matches("echo one > kept").count(), 1, "{ran:?}");
        }
    }
}
