//! Stores that are made up: as many small trajectories as are wanted, the same ones for the same seed.
//!
//! They are for tests and measurements of lists. Nothing in them ever ran; they say *recorded* of their model.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::trajectory::Store;

/// Numbers that only look like chance.
struct Draw(u64);

impl Draw {
    /// From 0, below `end`.
    fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }
}

/// Put `count` trajectories into a store that has none of them yet.
///
/// # Errors
/// Where a file cannot be written.
pub fn fill(store: &Store, count: usize, seed: u64) -> std::io::Result<()> {
    let mut draw = Draw(seed);
    for number in 0..count {
        let folder = store.root().join("rollouts").join(format!("{number:026}"));
        fs::create_dir(&folder)?;
        write(&folder, number, &mut draw)?;
    }
    Ok(())
}

/// The trajectory of a folder: a start, some steps, an end.
fn write(folder: &Path, number: usize, draw: &mut Draw) -> std::io::Result<()> {
    let steps = 1 + draw.below(30);
    let mut events = vec![json!({
        "type": "started", "rollout": format!("{number:026}"), "spotter": env!("CARGO_PKG_VERSION"),
        "instance_id": format!("owner__project{}-{number}", draw.below(11)), "task_hash": "0", "tasks": "sample",
        "scaffold": "codeact", "scaffold_hash": "0", "tool_form": "native",
        "model": {"kind": "recorded", "name": format!("made-{}", draw.below(4)), "spec": "recorded:made", "context": null},
        "sampling": {"temperature": 0.0, "top_p": null, "max_tokens": null, "seed": null, "logprobs": false},
        "attempt": 1, "of": 1,
        "limits": {"turns": 30, "command_seconds": 300, "format_errors": 4},
        "sandbox": "local", "network": false,
        "sandbox_limits": {"memory": 1, "processes": 1, "disk": 1, "milli_cpus": 1},
        "base_commit": "0", "rules": "swe-gym",
    })];
    for step in 1..=steps {
        let snapshot = json!({"files": "0", "git": "0"});
        events.push(json!({"type": "step_done", "step": step, "snapshot": snapshot, "files": []}));
    }
    if draw.below(8) > 0 {
        events.push(json!({"type": "ended", "ended": "submitted", "patch": ""}));
        events.push(json!({"type": "not_graded", "verdict": "not_graded", "why": "made up"}));
    }
    let began = 1_767_300_000 + i64::try_from(number).unwrap_or(0) * 60;
    let mut text = String::new();
    for (seq, event) in events.iter().enumerate() {
        let at = jiff::Timestamp::from_second(began + i64::try_from(seq).unwrap_or(0));
        let at = at.map_err(std::io::Error::other)?;
        let mut record = json!({"seq": seq, "at": at});
        if let (Some(record), Some(event)) = (record.as_object_mut(), event.as_object()) {
            record.extend(event.clone());
        }
        text.push_str(&record.to_string());
        text.push('\n');
    }
    fs::write(folder.join("events.jsonl"), text)
}
