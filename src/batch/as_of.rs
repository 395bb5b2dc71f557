//! The task's tests on the workspace that a stored rollout had after a step: what the workbench and `spotter grade` run.
//!
//! The rollout is held open for writing meanwhile, and what happens is appended to its trajectory: whoever follows it sees
//! the tests as they come.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::again::wishes_of;
use super::order::OrderError;
use super::supply::{self, Telling};
use crate::grade::{self, Grading, RuleSet, Verdict};
use crate::rollout::RolloutError;
use crate::rollout::judge::{Case, judge};
use crate::sandbox;
use crate::task::Task;
use crate::trajectory::event::Event;
use crate::trajectory::fold::State;
use crate::trajectory::{RolloutId, Store, Writer};

/// What the tests came to.
#[derive(Debug)]
pub struct AsOf {
    /// The task.
    pub task: Arc<Task>,
    /// What grading said, and the file of the rollout's folder that has the log; or why there was none.
    pub result: Result<(Box<Grading>, Option<String>), Verdict>,
}

/// Run the tests as of a step; `rules` go over those of the rollout.
///
/// # Errors
/// Where there is no such step, the task has changed, or another process runs the rollout.
pub async fn run(
    store: &Store,
    id: &RolloutId,
    step: u32,
    rules: Option<RuleSet>,
    telling: &Telling,
    cancel: &CancellationToken,
) -> Result<AsOf, OrderError> {
    let state = State::of(&store.read(id).map_err(OrderError::failed)?);
    let start = state
        .start
        .as_ref()
        .ok_or_else(|| OrderError::Failed(format!("rollout {id} never began")))?;
    let (Some(base), Some(snapshot)) = (&state.base, state.snapshot_at(step)) else {
        return Err(OrderError::Failed(format!(
            "rollout {id} has steps 0 to {}, not {step}",
            state.step
        )));
    };
    let (tasks, _) = supply::load(&start.tasks, telling).await?;
    let task = supply::find(&tasks, &start.instance_id)?;
    if task.hash != start.task_hash {
        return Err(OrderError::Failed(format!(
            "{} has changed in {} since the rollout began: its tests would judge another task",
            start.instance_id, start.tasks
        )));
    }
    let wishes = wishes_of(start);
    let plan = grade::plan(&task, wishes.place(), rules.or(start.rules))
        .map(Arc::new)
        .map_err(|why| why.to_string());
    let ground = supply::lay(&task, &wishes, store, telling).await?;
    let folder = store.folder(id);
    let patch = sandbox::stored_diff(&folder.join("sandbox"), base, snapshot);
    let patch = patch.map_err(OrderError::failed)?;
    let (writer, before) = Writer::open(&folder).map_err(OrderError::failed)?;
    let case = Case {
        store,
        task: &task,
        plan: &plan,
        ground: &ground,
        afterwards: true,
    };
    let writer = Arc::new(writer);
    let judged = judge(case, id, &writer, &patch, Some(step), cancel).await;
    if let Err(RolloutError::Abandoned(_)) = &judged {
        // Nobody comes back to these tests: they must not look as if they still ran.
        let why = "the tests were interrupted".into();
        let verdict = Verdict::NotGraded { why };
        let step = Some(step);
        let told = writer.append(Event::NotGraded { step, verdict });
        told.map_err(OrderError::failed)?;
    } else {
        judged.map_err(OrderError::failed)?;
    }
    drop(writer);
    let records = store.read(id).map_err(OrderError::failed)?;
    let new = records.into_iter().skip(before.len());
    let result = new.rev().find_map(|record| match record.event {
        Event::Graded { grading, log, .. } => Some(Ok((grading, log))),
        Event::NotGraded { verdict, .. } => Some(Err(verdict)),
        _ => None,
    });
    let result = result.ok_or_else(|| OrderError::Failed("no verdict was written".into()))?;
    Ok(AsOf { task, result })
}
