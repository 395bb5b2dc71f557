//! The hash that says whether two tasks would be judged alike.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::Task;
use crate::text::hex::hex;

/// SHA-256 (hex) over what decides a verdict: the start, the tests, the way to run and read them, and the gold patch
/// that a check applies. The text, hints, dates and the place in a file do not decide one.
pub(super) fn of(task: &Task) -> String {
    // A JSON array is canonical here: fixed order, one way to write each text.
    let deciding = json!([
        "spotter task 1",
        task.key(),
        task.repo.to_lowercase(),
        task.base_commit,
        task.version,
        task.gold_patch,
        task.test_patch,
        task.fail_to_pass,
        task.pass_to_pass,
        task.family,
        task.image,
        task.eval_script,
        task.log_parser,
        task.eval_type,
        sorted(task),
    ]);
    let digest = Sha256::digest(deciding.to_string());
    hex(&digest)
}

/// Expected statuses by name: the row's order does not matter.
fn sorted(task: &Task) -> Vec<(&String, &serde_json::Value)> {
    let mut pairs: Vec<_> = task.expected_output.iter().flatten().collect();
    pairs.sort_by_key(|(name, _)| *name);
    pairs
}
