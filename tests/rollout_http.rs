//! Whole rollouts of the real program against a real HTTP server: conversations that solve a task through everything
//! that servers and networks do, ends of every kind, and requests that can be rebuilt byte for byte.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test that cannot go on should say where, and a conversation is told in one piece"
)]

mod model_server;
mod workbench;

use std::time::Duration;

use model_server::{ModelServer, Turn};
use serde_json::{Value, json};
use spotter::grade::Verdict;
use spotter::model::Delta;
use spotter::trajectory::event::{Ended, Event, Origin};
use workbench::{Bench, TASK, assert_rebuilt, ended, solving, solving_command};

const SUBMIT: &str = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT";

fn bash(command: &str) -> Turn {
    Turn::call("bash", json!({ "command": command }))
}

fn shell(command: &str) -> Turn {
    Turn::call("execute_bash", json!({ "command": command }))
}

fn finish() -> Turn {
    Turn::call("finish", json!({}))
}

/// The recorded conversation as a server streams it.
fn solving_turns() -> Vec<Turn> {
    solving()
        .iter()
        .map(|message| {
            let calls: Vec<(&str, &str)> = message
                .tool_calls
                .iter()
                .map(|call| (call.name.as_str(), call.arguments.as_str()))
                .collect();
            Turn::text_and_calls(&message.content, &calls)
        })
        .collect()
}

/// A call as a model without tool calls writes it.
fn xml(thought: &str, name: &str, arguments: &str) -> String {
    let arguments: serde_json::Map<String, Value> = serde_json::from_str(arguments).unwrap();
    let mut text = format!("{thought}\n\n<function={name}>\n");
    for (name, value) in arguments {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        text = format!("{text}<parameter={name}>{value}</parameter>\n");
    }
    text + "</function>"
}

#[tokio::test(flavor = "multi_thread")]
async fn codeact_with_native_calls_solves_a_task_through_everything_a_network_does() {
    let bench = Bench::new();
    let mut turns = solving_turns();
    // Trouble of each kind before the answer to one question.
    turns.insert(1, Turn::text("I was about to say").dropped());
    turns.insert(3, Turn::status(429, "slow down").header("retry-after", "1"));
    turns.insert(5, Turn::status(500, "oops"));
    turns.insert(7, Turn::garbage());
    // And of the model's own making: broken arguments, an unknown tool, words without a call.
    turns.insert(
        9,
        Turn::text_and_calls("", &[("execute_bash", "{\"command\": \"ls")]),
    );
    turns.insert(10, Turn::call("rm_rf", json!({"path": "/"})));
    turns.insert(11, Turn::text("I think that I am done.").reasoning("Am I?"));
    let server = ModelServer::start(turns).await;
    let ran = bench
        .spotter(&["run", TASK, "--model", &server.spec(), "--seed", "7"])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(server.left(), 0);

    let id = bench.only();
    let records = bench.records(&id);
    let state = bench.state(&id);
    assert_eq!(ended(&state), Ended::Submitted);
    assert_eq!(state.verdict, Some(Verdict::Resolved));
    assert_rebuilt(&records, &server.bodies());
    assert_eq!(
        server.bodies().len(),
        13,
        "nine questions, four of them twice"
    );
    assert_eq!(state.step, 9);

    // What was streamed before the break is void, and announced so.
    let restarts = records.iter().filter_map(|record| match &record.event {
        Event::Delta { deltas, .. } => Some(deltas),
        _ => None,
    });
    let restarts = restarts
        .flatten()
        .filter(|delta| matches!(delta, Delta::Restart { .. }));
    assert_eq!(restarts.count(), 1);
    let retried: Vec<u32> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Replied { retries, .. } => Some(*retries),
            _ => None,
        })
        .collect();
    assert_eq!(retried, [0, 1, 1, 1, 1, 0, 0, 0, 0]);
    // The server's wish to be left alone was heeded.
    assert!(records.iter().any(
        |record| matches!(record.event, Event::Replied { retries: 1, took_ms, .. } if took_ms >= 1000)
    ));
    // Two calls in one reply are one step with two actions.
    let actions = |wanted: u32| {
        state
            .actions
            .iter()
            .filter(|(step, _)| *step == wanted)
            .count()
    };
    assert_eq!(actions(1), 1);
    assert_eq!(actions(5), 2);
    // Each complaint was heard by the model, as the answer to the call that it is about where there is one.
    let last = server.requests().pop().unwrap();
    let heard = last["messages"].as_array().unwrap();
    let said = |role: &str, words: &str| {
        heard.iter().any(|message| {
            message["role"] == role && message["content"].as_str().unwrap_or("").contains(words)
        })
    };
    assert!(said("tool", "not valid JSON"), "{last:#}");
    assert!(said("tool", "There is no function `rm_rf`"), "{last:#}");
    assert!(said("user", "Go on with the task"), "{last:#}");
    // Every call has its one answer, in the order that servers insist on.
    let mut open: Vec<String> = Vec::new();
    for message in heard {
        if message["role"] == "tool" {
            let of = message["tool_call_id"].as_str().unwrap();
            assert!(open.iter().any(|id| id == of), "{message}");
            open.retain(|id| id != of);
        } else {
            assert!(open.is_empty(), "{open:?} unanswered before {message}");
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            open.push(call["id"].as_str().unwrap().to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codeact_in_text_form_solves_a_task_and_is_sent_no_tools() {
    let bench = Bench::new();
    let messages = solving();
    let mut turns: Vec<Turn> = messages
        .iter()
        .flat_map(|message| {
            message
                .tool_calls
                .iter()
                .map(|call| Turn::text(&xml(&message.content, &call.name, &call.arguments)))
        })
        .collect();
    // A server that obeys the stop phrase leaves the end of the call away.
    let stopped = xml(
        "Look again.",
        "execute_bash",
        &json!({"command": "git status --short"}).to_string(),
    );
    turns.insert(5, Turn::text(stopped.trim_end_matches("</function>")));
    turns.insert(2, Turn::text("partly <function=").dropped());
    let server = ModelServer::start(turns).await;
    let ran = bench
        .spotter(&[
            "run",
            TASK,
            "--model",
            &server.spec(),
            "--tool-form",
            "xml",
            "--json",
        ])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(server.left(), 0);
    let id = bench.only();
    let records = bench.records(&id);
    assert_eq!(bench.state(&id).verdict, Some(Verdict::Resolved));
    assert_rebuilt(&records, &server.bodies());
    for request in server.requests() {
        assert!(request.get("tools").is_none());
        assert_eq!(request["stop"], json!(["</function"]));
    }
    let last = server.requests().pop().unwrap();
    let heard = last["messages"].as_array().unwrap();
    assert!(heard[0]["content"].as_str().unwrap().contains("<function="));
    assert!(heard.iter().all(|message| message["role"] != "tool"));
    assert!(
        heard.iter().any(|message| {
            let text = message["content"].as_str().unwrap();
            text.starts_with("EXECUTION RESULT of [execute_bash]:\n")
                && text.contains("M tally/amounts.py")
        }),
        "{last:#}"
    );
    // Standard output is the trajectory and nothing else.
    let told: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(told.len(), records.len());
    for (told, record) in told.iter().zip(&records) {
        assert_eq!(told["seq"], record.seq);
        assert_eq!(told["rollout"], id.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bash_scaffold_solves_a_task_and_hands_it_in_by_the_line_it_prints() {
    let bench = Bench::new();
    let server = ModelServer::start(vec![
        bash("cd tally && ls"),
        bash("pwd").whole(),
        Turn::text("Nothing to call."),
        bash(&solving_command()),
        Turn::text_and_calls(
            "Both at once.",
            &[
                ("bash", &json!({"command": "git diff --stat"}).to_string()),
                (
                    "bash",
                    &json!({"command": "python3 -m unittest 2>&1 | tail -1"}).to_string(),
                ),
            ],
        ),
        bash(SUBMIT),
    ])
    .await;
    let ran = bench
        .spotter(&["run", TASK, "--model", &server.spec(), "--scaffold", "bash"])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let id = bench.only();
    let state = bench.state(&id);
    assert_eq!(ended(&state), Ended::Submitted);
    assert_eq!(state.verdict, Some(Verdict::Resolved));
    assert_rebuilt(&bench.records(&id), &server.bodies());
    let last = server.requests().pop().unwrap().to_string();
    assert!(last.contains("/testbed\\n"), "each command starts anew");
    assert!(last.contains("held no tool call"), "{last}");
    // The same answers again, from the trajectory alone, come to the same patch.
    let (_, patch) = state.ended.clone().unwrap();
    let again = format!(
        "recorded:{}",
        bench.store().folder(&id).join("events.jsonl").display()
    );
    let ran = bench
        .spotter(&["run", TASK, "--model", &again, "--scaffold", "bash"])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("recorded"), "{ran:?}");
    let ids = bench.store().list().unwrap();
    assert_eq!(bench.state(&ids[1]).ended.unwrap().1, patch);
}

/// Run the task against these turns with further arguments; the exit code, what was printed, and the bench.
async fn run(turns: Vec<Turn>, args: &[&str]) -> (workbench::Ran, Bench, ModelServer) {
    let bench = Bench::new();
    let server = ModelServer::start(turns).await;
    let spec = server.spec();
    let args: Vec<&str> = ["run", TASK, "--model", &spec]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    let ran = bench.spotter(&args).await;
    (ran, bench, server)
}

fn why(bench: &Bench) -> (String, String) {
    match ended(&bench.state(&bench.only())) {
        Ended::Error { part, why } => (part, why),
        Ended::Limit { which } => ("limit".into(), which),
        Ended::Stuck { rule } => ("stuck".into(), rule),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_and_an_unknown_model_end_as_errors_of_the_model() {
    let (ran, bench, server) = run(vec![Turn::status(401, "no")], &[]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let (part, sentence) = why(&bench);
    assert_eq!(part, "model");
    assert!(
        sentence.contains("401") && sentence.contains("key"),
        "{sentence}"
    );
    assert!(ran.out.contains(&sentence), "{ran:?}");
    assert!(matches!(
        bench.state(&bench.only()).verdict,
        Some(Verdict::NotGraded { .. })
    ));
    assert_rebuilt(&bench.records(&bench.only()), &server.bodies());

    let bench = Bench::new();
    let server = ModelServer::start(vec![finish()]).await;
    let spec = format!("{}#scripd", server.url());
    let ran = bench.spotter(&["run", TASK, "--model", &spec]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let (part, sentence) = why(&bench);
    assert_eq!(part, "model");
    assert!(
        sentence.contains("`scripd`") && sentence.contains("scripted"),
        "{sentence}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overflow_ends_the_bash_scaffold_and_halves_codeacts_conversation() {
    let (ran, bench, _) = run(vec![bash("ls"), Turn::overflow()], &["--scaffold", "bash"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(why(&bench), ("limit".into(), "context".into()));

    let (ran, bench, server) = run(
        vec![
            shell("echo one"),
            shell("echo two"),
            shell("echo three"),
            shell("echo four"),
            Turn::overflow(),
            finish(),
        ],
        &[],
    )
    .await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let id = bench.only();
    let records = bench.records(&id);
    assert_eq!(ended(&bench.state(&id)), Ended::Submitted);
    assert_rebuilt(&records, &server.bodies());
    let requests = server.requests();
    let heard = requests[5]["messages"].as_array().unwrap();
    assert_eq!(heard[..2], requests[0]["messages"].as_array().unwrap()[..]);
    let text = requests[5].to_string();
    assert!(!text.contains("echo one") && text.contains("echo four"));
    assert_eq!(heard[2]["role"], "assistant", "pairs stay together");
    assert!(
        ran.out.contains("the context is full") && ran.out.contains("4 messages left out"),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_patch_is_unresolved_and_no_patch_is_empty() {
    let wrong = std::fs::read_dir(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/sample_tasks/wrong/spotter__tally-108"
    ))
    .unwrap()
    .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
    .find(|text| text.starts_with("diff --git"))
    .unwrap();
    let apply = format!("git apply - <<'EOF'\n{wrong}EOF");
    let (ran, bench, _) = run(vec![shell(&apply), finish()], &[]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let state = bench.state(&bench.only());
    assert_eq!(ended(&state), Ended::Submitted);
    assert_eq!(state.verdict, Some(Verdict::Unresolved), "{ran:?}");
    assert!(ran.out.contains("unresolved"), "{ran:?}");

    let (ran, bench, _) = run(vec![finish()], &[]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(
        bench.state(&bench.only()).verdict,
        Some(Verdict::EmptyPatch)
    );
    assert!(ran.out.contains("empty patch"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_limit_ends_a_rollout_by_its_name() {
    let looks = |count: usize| -> Vec<Turn> {
        (0..count)
            .map(|number| shell(&format!("echo {number}")))
            .collect()
    };
    for (turns, args, which, asked) in [
        (looks(9), vec!["--turns", "2"], "turns", 2),
        (looks(9), vec!["--tokens", "20"], "tokens", 2),
        (
            looks(9),
            vec!["--cost", "0.00002", "--price", "1,1"],
            "cost",
            2,
        ),
        (
            (0..9)
                .map(|number| Turn::text(&format!("word {number}")))
                .collect(),
            vec![],
            "format errors",
            4,
        ),
    ] {
        let (ran, bench, server) = run(turns, &args).await;
        assert_eq!(ran.code, 3, "{ran:?}");
        assert_eq!(why(&bench), ("limit".into(), which.into()));
        assert_eq!(server.calls(), asked, "{which}");
        assert!(
            ran.out.contains(&format!("limit on {which} reached")),
            "{ran:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wall_clock_ends_a_model_and_a_command_that_take_too_long() {
    for turn in [Turn::silent(), shell("sleep 300; echo late")] {
        let began = std::time::Instant::now();
        let (ran, bench, _) = run(vec![turn, finish()], &["--wall", "2"]).await;
        assert_eq!(ran.code, 3, "{ran:?}");
        assert_eq!(why(&bench), ("limit".into(), "wall time".into()));
        assert!(
            began.elapsed() < Duration::from_secs(25),
            "{:?}",
            began.elapsed()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_ended_after_the_seconds_that_the_command_line_gives() {
    let (ran, bench, server) = run(
        vec![bash("sleep 300"), bash(SUBMIT)],
        &["--scaffold", "bash", "--command-seconds", "1"],
    )
    .await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let told = server.requests()[1].to_string();
    assert!(told.contains("more than 1 seconds"), "{told}");
    assert!(
        told.contains("ended after 1 seconds"),
        "the prompt says the same: {told}"
    );
    assert_eq!(ended(&bench.state(&bench.only())), Ended::Submitted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cost_limit_without_a_price_refuses_to_start() {
    let (ran, bench, server) = run(vec![finish()], &["--cost", "1"]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("--price"), "{ran:?}");
    assert_eq!(server.calls(), 0);
    assert!(bench.store().list().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_action_is_marked_at_three_and_stuck_at_four() {
    let turns = std::iter::repeat_with(|| shell("ls")).take(9).collect();
    let (ran, bench, server) = run(turns, &[]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let (what, rule) = why(&bench);
    assert_eq!(what, "stuck");
    assert!(rule.contains("same action"), "{rule}");
    assert_eq!(server.calls(), 4);
    let repeating: Vec<u32> = bench
        .records(&bench.only())
        .iter()
        .filter_map(|record| match record.event {
            Event::Repeating { step } => Some(step),
            _ => None,
        })
        .collect();
    assert_eq!(repeating, [3]);
    assert!(ran.out.contains("stuck"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_have_their_own_temperatures_and_seeds_and_print_one_object_a_line() {
    let turns = std::iter::repeat_with(finish).take(3).collect();
    let (ran, bench, server) = run(
        turns,
        &[
            "-k",
            "3",
            "--jobs",
            "2",
            "--temperature",
            "0,0.7",
            "--seed",
            "40",
            "--json",
        ],
    )
    .await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let mut settings: Vec<(String, u64)> = server
        .requests()
        .iter()
        .map(|request| {
            (
                request["temperature"].to_string(),
                request["seed"].as_u64().unwrap(),
            )
        })
        .collect();
    settings.sort();
    assert_eq!(
        settings,
        [
            ("0.0".to_owned(), 40),
            ("0.7".to_owned(), 41),
            ("0.7".to_owned(), 42)
        ]
    );
    let ids = bench.store().list().unwrap();
    assert_eq!(ids.len(), 3);
    let mut told = 0;
    for line in ran.out.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(ids.iter().any(|id| event["rollout"] == id.as_str()));
        told += 1;
    }
    let written: usize = ids.iter().map(|id| bench.records(id).len()).sum();
    assert_eq!(told, written);
    let mut attempts: Vec<(u32, u32, Option<String>)> = ids
        .iter()
        .map(|id| bench.state(id).start.unwrap())
        .map(|start| (start.attempt, start.of, start.batch))
        .collect();
    attempts.sort();
    assert_eq!(
        attempts
            .iter()
            .map(|(k, n, _)| (*k, *n))
            .collect::<Vec<_>>(),
        [(1, 3), (2, 3), (3, 3)]
    );
    assert!(attempts[0].2.is_some() && attempts.iter().all(|one| one.2 == attempts[0].2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_graded_is_told_before_anything_is_spent_on_it() {
    let (ran, bench, _) = run(vec![finish()], &["--rules", "r2e"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains(TASK), "{ran:?}");
    assert!(ran.err.contains("will not be graded"), "{ran:?}");
    assert!(matches!(
        bench.state(&bench.only()).verdict,
        Some(Verdict::NotGraded { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_rollout_goes_on_without_asking_twice() {
    let bench = Bench::new();
    let server = ModelServer::start(vec![
        shell("export KEPT=1; echo first > note.txt"),
        shell("sleep 4"),
        shell("cat note.txt"),
        finish(),
    ])
    .await;
    let spec = server.spec();
    let running = bench.start(&["run", TASK, "--model", &spec]);
    bench
        .until("the second command runs", |records| {
            records
                .iter()
                .any(|record| matches!(record.event, Event::Action { step: 2, .. }))
                .then_some(())
        })
        .await;
    drop(running);
    let id = bench.only();
    workbench::wait("the killed program lets go", || {
        (!bench.store().is_running(&id)).then_some(())
    })
    .await;
    let ran = bench
        .spotter(&["run", "--resume", "last", "--turns", "77"])
        .await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let state = bench.state(&id);
    assert_eq!(
        state.limits.as_ref().unwrap().turns,
        77,
        "limits of the command line go over the old ones"
    );
    assert_eq!(ended(&state), Ended::Submitted);
    let records = bench.records(&id);
    assert_rebuilt(&records, &server.bodies());
    assert_eq!(
        server.calls(),
        4,
        "the second answer was used, not asked again"
    );
    assert!(records.iter().any(
        |record| matches!(&record.event, Event::Message { origin: Origin::Observation, message, .. } if message.content.contains("first"))
    ));
}
