//! A tenth of the kill storm: the real program is killed at drawn moments and must go on as if nothing had happened.
//! The whole of it is `spotter bench kills`.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]
#![cfg(target_os = "linux")]

use std::process::Command;

use serde_json::Value;

fn storm(args: &[&str]) -> Value {
    let ran = Command::new(env!("CARGO_BIN_EXE_spotter"))
        .args(["bench", "kills", "--json"])
        .args(args)
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let complained = String::from_utf8_lossy(&ran.stderr);
    assert!(!said.is_empty(), "{complained}");
    let storm: Value = serde_json::from_str(&said).unwrap();
    assert!(ran.status.success(), "{storm:#}\n{complained}");
    storm
}

fn check(storm: &Value, moments: usize) {
    let came = storm["moments"].as_array().unwrap();
    assert!(came.len() >= moments, "{storm:#}");
    for phase in ["model", "exec", "grading"] {
        let hit = came.iter().filter(|one| one["phase"] == phase).count();
        assert!(hit >= moments / 5, "{phase}: {storm:#}");
    }
    for one in came {
        assert_eq!(one["lost"], 0, "{one:#}");
        assert_eq!(one["left_behind"], serde_json::json!([]), "{one:#}");
        assert_eq!(one["resumed"], true, "{one:#}");
        assert_eq!(one["answered_and_asked_again"], 0, "{one:#}");
    }
}

#[test]
fn rollouts_that_are_killed_at_any_moment_lose_nothing_and_go_on() {
    check(&storm(&["--moments", "5", "--seed", "11"]), 5);
}

#[test]
#[ignore = "needs a Docker daemon and the test image"]
fn rollouts_in_containers_go_on_as_well_and_leave_none_behind() {
    let args = ["--moments", "5", "--seed", "12", "--sandbox", "docker"];
    let image = ["--image", "spotter-test:latest"];
    check(&storm(&[args.as_slice(), &image].concat()), 5);
}
