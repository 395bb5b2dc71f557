//! Training from outside: killed at a moment of its own, it goes on to the very weights of a run that was left alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should say where"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

fn train(folder: &Path, out: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spotter"));
    command
        .args([
            "train",
            "policy",
            "--json",
            "--threads",
            "2",
            "--steps",
            "14",
        ])
        .args(["--keep-every", "4", "--batch", "150", "--vocabulary", "280"])
        .args([
            "--layers",
            "1",
            "--width",
            "16",
            "--heads",
            "2",
            "--head-width",
            "16",
        ])
        .args(["--feed-forward", "16", "--context", "128", "--seed", "3"])
        .arg("--demonstrations")
        .arg(folder.join("said.jsonl"))
        .arg("--out")
        .arg(folder.join(out));
    command
}

#[test]
fn a_training_that_is_killed_goes_on_to_the_very_weights_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let said: Vec<String> = (0..60)
        .map(|at| {
            let turns = json!([
                {"role": "user", "content": format!("say {at}")},
                {"role": "assistant", "content": format!("{at} is said")},
            ]);
            json!({"messages": turns, "instance_id": format!("t{at}")}).to_string()
        })
        .collect();
    std::fs::write(folder.path().join("said.jsonl"), said.join("\n")).unwrap();
    let straight = train(folder.path(), "straight").output().unwrap();
    assert!(straight.status.success(), "{straight:?}");

    let mut killed = train(folder.path(), "killed")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(killed.stdout.take().unwrap()).lines();
    let after = |line: &str| -> Option<u64> {
        let told: Value = serde_json::from_str(line).unwrap();
        (told["what"] == "step").then(|| told["step"].as_u64().unwrap())
    };
    for line in lines {
        // After a checkpoint and before the next one.
        if after(&line.unwrap()).is_some_and(|step| step >= 6) {
            break;
        }
    }
    killed.kill().unwrap();
    killed.wait().unwrap();

    let again = train(folder.path(), "killed").output().unwrap();
    assert!(again.status.success(), "{again:?}");
    let told = String::from_utf8(again.stdout).unwrap();
    let first = told.lines().find_map(after).unwrap();
    assert!(first > 4, "it went on from a checkpoint: {told}");
    let weights = |out: &str| std::fs::read(folder.path().join(out).join("model.safetensors"));
    assert_eq!(weights("killed").unwrap(), weights("straight").unwrap());
}

#[test]
fn what_cannot_be_trained_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("said.jsonl"), "{}\n").unwrap();
    let bad = train(folder.path(), "out").output().unwrap();
    assert_eq!(bad.status.code(), Some(1));
    let words = String::from_utf8(bad.stderr).unwrap();
    assert!(words.contains("said.jsonl:1: no conversation"), "{words}");
    assert_eq!(words.lines().count(), 1, "{words}");
}
