//! What `tasks check` found out about tasks, kept in the store; a task that failed its check is doubted before it is
//! attempted.

use std::path::PathBuf;

use crate::grade::{Check, CheckVerdict, CheckedPatch};
use crate::task::Task;
use crate::trajectory::Store;

fn file(store: &Store, task: &Task) -> PathBuf {
    let name: String = task
        .key()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    store.checks().join(format!("{name}.json"))
}

/// Keep a check. The error names the file.
pub fn keep(store: &Store, task: &Task, check: &Check) -> Result<(), String> {
    let path = file(store, task);
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(store.checks()).map_err(failed)?;
    let text = serde_json::to_vec_pretty(check).map_err(|error| error.to_string())?;
    let part = path.with_extension("part");
    std::fs::write(&part, text).map_err(failed)?;
    std::fs::rename(&part, &path).map_err(failed)
}

/// A warning where the task, as it is now, failed its check.
#[must_use]
pub fn doubt(store: &Store, task: &Task) -> Option<String> {
    let text = std::fs::read(file(store, task)).ok()?;
    let check: Check = serde_json::from_slice(&text).ok()?;
    (check.task_hash == task.hash && check.verdict != CheckVerdict::Sound).then(|| {
        format!(
            "warning: {} failed its check: {}",
            task.instance_id,
            words(&check)
        )
    })
}

/// What a check came to, in a few words.
#[must_use]
pub fn words(check: &Check) -> String {
    match &check.verdict {
        CheckVerdict::Sound => {
            let gold = check
                .runs
                .iter()
                .filter(|run| run.patch == CheckedPatch::Gold)
                .count();
            format!("gold resolves, empty does not ({gold} times each)")
        }
        CheckVerdict::Broken { why } => format!("broken: {why}"),
        CheckVerdict::Flaky { tests } => format!("flaky: {}", tests.join(", ")),
    }
}
