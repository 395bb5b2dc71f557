//! The program as a command line: what each subcommand prints, and the exit codes that scripts rely on.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

mod workbench;

use serde_json::Value;
use spotter::grade::Verdict;
use spotter::model::ModelKind;
use spotter::trajectory::event::Ended;
use workbench::{Bench, TASK, solving_command};

const RECORDED: &str = concat!(
    "recorded:",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/recorded/spotter__tally-108.jsonl"
);

#[tokio::test(flavor = "multi_thread")]
async fn every_subcommand_has_help() {
    let bench = Bench::new();
    for name in [
        "run", "tasks", "list", "replay", "grade", "control", "doctor",
    ] {
        let ran = bench.spotter(&[name, "--help"]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("Usage: spotter"), "{ran:?}");
        assert!(bench.spotter(&["--help"]).await.out.contains(name));
    }
    assert_eq!(bench.spotter(&["lift"]).await.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_listed_filtered_and_shown() {
    let bench = Bench::new();
    let all = bench.spotter(&["tasks", "list"]).await;
    assert_eq!(all.code, 0, "{all:?}");
    assert!(all.out.contains("20 tasks"), "{all:?}");
    let some = bench
        .spotter(&["tasks", "list", "--filter", "repo:tally"])
        .await;
    assert!(
        some.out.contains(TASK) && !some.out.contains("rowql"),
        "{some:?}"
    );
    let wrong = bench
        .spotter(&["tasks", "list", "--filter", "colour:red"])
        .await;
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.err.contains("colour"), "{wrong:?}");
    let shown = bench.spotter(&["tasks", "show", TASK]).await;
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.out.contains("allocate()"), "{shown:?}");
    let missing = bench
        .spotter(&["tasks", "show", "spotter__tally-109"])
        .await;
    assert_eq!(missing.code, 2, "{missing:?}");
    assert!(missing.err.contains("did you mean"), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tasks_are_checked() {
    let bench = Bench::new();
    let ran = bench
        .spotter(&["tasks", "check", TASK, "spotter__rowql-88"])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_is_graded_from_everywhere_with_the_exit_codes_of_its_verdict() {
    let bench = Bench::new();
    let grade = ["grade", "--task", TASK, "--patch"];
    let with = |patch: &'static str| [&grade[..], &[patch]].concat();
    let gold = bench.spotter(&with("gold")).await;
    assert_eq!(gold.code, 0, "{gold:?}");
    assert!(gold.out.starts_with("✓ resolved"), "{gold:?}");
    let empty = bench.spotter(&with("empty")).await;
    assert_eq!(empty.code, 3, "{empty:?}");
    assert!(empty.out.contains("empty patch"), "{empty:?}");
    let wrong = bench
        .spotter_told(
            &with("-"),
            "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n",
        )
        .await;
    assert_eq!(wrong.code, 3, "{wrong:?}");
    let missing = bench.spotter(&with("no-such-file")).await;
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(missing.err.contains("no-such-file"), "{missing:?}");
    let report = bench
        .spotter(&["grade", "--task", TASK, "--swebench"])
        .await;
    let report: Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!(report[TASK]["resolved"], true, "{report:#}");
    assert_eq!(report[TASK]["patch_successfully_applied"], true);
    assert!(report[TASK]["tests_status"]["FAIL_TO_PASS"]["success"].is_array());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_replays_to_the_same_patch_and_is_judged_again_under_other_rules() {
    let bench = Bench::new();
    let ran = bench.spotter(&["run", TASK, "--model", RECORDED]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out
            .contains("recorded answers: no figure stands on them")
    );
    assert!(ran.out.contains("patch: 1 file,"), "{ran:?}");
    assert!(ran.out.contains("✓ 29 tests passed"), "{ran:?}");
    assert!(!ran.out.contains('\t'), "{ran:?}");
    let first = bench.only();
    let trajectory = format!("recorded:{}", bench.store().folder(&first).display());
    let ran = bench.spotter(&["run", TASK, "--model", &trajectory]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let again = bench.store().list().unwrap().pop().unwrap();
    assert_ne!(first, again);
    assert_eq!(bench.state(&first).ended, bench.state(&again).ended);
    let ran = bench
        .spotter(&["grade", "last", "--rules", "swebench-5"])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("swebench-5"), "{ran:?}");
    let ran = bench.spotter(&["grade", "zzzz"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("no rollout `zzzz`"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_can_be_the_model() {
    let bench = Bench::new();
    // A person types one line at a time; the fix has several.
    let script = spotter::text::hex::hex(solving_command().as_bytes());
    let told = format!(
        "/what\npython3 -c \"import subprocess as s; s.run(['bash', '-c', bytes.fromhex('{script}').decode()])\"\n/finish\n"
    );
    let ran = bench
        .spotter_told(&["run", TASK, "--model", "human"], &told)
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("`/what` is not known"), "{ran:?}");
    let state = bench.state(&bench.only());
    assert_eq!((state.verdict, state.step), (Some(Verdict::Resolved), 2));

    // One who leaves stops it, and what was done until then is graded.
    let ran = bench
        .spotter_told(&["run", TASK, "--model", "human"], "touch left\n")
        .await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let last = bench.store().list().unwrap().pop().unwrap();
    assert!(matches!(
        workbench::ended(&bench.state(&last)),
        Ended::Stopped { .. }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_it_found_as_json() {
    let bench = Bench::new();
    let ran = bench.spotter(&["doctor", "--json"]).await;
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    let whats: Vec<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|finding| finding["what"].as_str())
        .collect();
    for what in ["store", "python3", "local models", "GPU", "Docker"] {
        assert!(whats.contains(&what), "{found:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn started_with_nothing_to_do_in_a_pipe_the_bundled_policy_solves_a_task_in_plain_lines() {
    let bench = Bench::new();
    let ran = bench.spotter(&[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("policy-"), "{ran:?}");
    let state = bench.state(&bench.only());
    assert_eq!(state.verdict, Some(Verdict::Resolved));
    assert_eq!(state.start.unwrap().model.kind, ModelKind::Local);
}
