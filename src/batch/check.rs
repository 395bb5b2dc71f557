//! One task checked: gold and empty patch, several times, each in a fresh sandbox. Its caller keeps the result
//! ([`super::checks`]).

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::supply::{self, Telling};
use crate::grade::{self, Check, CheckRun, CheckedPatch, Grading, RuleSet};
use crate::rollout::Ground;
use crate::rollout::ground::Wishes;
use crate::sandbox;
use crate::task::Task;
use crate::trajectory::Store;

/// Check a task.
///
/// # Errors
/// Where it cannot be graded at all, or no sandbox starts.
pub async fn check(
    task: &Arc<Task>,
    store: &Store,
    wishes: &Wishes,
    times: u32,
    rules: Option<RuleSet>,
    telling: &Telling,
) -> Result<Check, String> {
    let plan = grade::plan(task, wishes.place(), rules).map_err(|why| why.to_string())?;
    let ground = supply::lay(task, wishes, store, telling)
        .await
        .map_err(|error| error.to_string())?;
    let mut runs = Vec::new();
    for _ in 0..times {
        for patch in [CheckedPatch::Gold, CheckedPatch::Empty] {
            let grading = one(task, &plan, &ground, patch).await?;
            runs.push(CheckRun::new(patch, &grading));
        }
    }
    Ok(Check::new(task, plan.rules, runs))
}

async fn one(
    task: &Task,
    plan: &grade::Plan,
    ground: &Ground,
    patch: CheckedPatch,
) -> Result<Grading, String> {
    let state = tempfile::Builder::new()
        .prefix("spotter-check-")
        .tempdir()
        .map_err(|error| error.to_string())?;
    let spec = ground.spec(state.path().join("sandbox"), "check");
    let sandbox = sandbox::start(spec)
        .await
        .map_err(|error| error.to_string())?;
    // Nobody watches: progress is dropped.
    let (sender, _) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    let grading = match patch {
        CheckedPatch::Gold => {
            grade::grade(
                plan,
                task,
                &task.gold_patch,
                sandbox.as_ref(),
                sender,
                &cancel,
            )
            .await
        }
        CheckedPatch::Empty => {
            grade::grade_unpatched(plan, task, sandbox.as_ref(), sender, &cancel).await
        }
    };
    let _ = sandbox.stop().await;
    let _ = sandbox::clear(state.path());
    Ok(grading)
}
