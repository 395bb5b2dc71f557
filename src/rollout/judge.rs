//! Grading within a trajectory: a fresh sandbox on the same ground, progress as events, the raw log beside the file.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Attempt, Ground, RolloutError};
use crate::grade::{self, Grading, Plan, Progress, Verdict};
use crate::sandbox;
use crate::task::Task;
use crate::trajectory::event::Event;
use crate::trajectory::{RolloutId, Store, TrajectoryError, Writer};

/// Progress messages that may wait; grading waits for the file.
const WAITING_PROGRESS: usize = 256;

/// Lines of the test log that go into the trajectory as they come; the whole log is in its own file.
const MOST_LINES: usize = 2_000;

/// What grading needs to know of a rollout.
pub struct Case<'a> {
    /// Where its trajectory is.
    pub store: &'a Store,
    /// The task.
    pub task: &'a Task,
    /// How it is graded, or why it cannot be.
    pub plan: &'a Result<Arc<Plan>, String>,
    /// How sandboxes are made.
    pub ground: &'a Ground,
    /// Nobody runs the rollout: it is graded afterwards.
    pub afterwards: bool,
}

impl<'a> From<&'a Attempt> for Case<'a> {
    fn from(attempt: &'a Attempt) -> Self {
        Self {
            store: &attempt.store,
            task: &attempt.task,
            plan: &attempt.plan,
            ground: &attempt.ground,
            afterwards: false,
        }
    }
}

/// Grade a patch and record it. `step` is `None` for the rollout's own end.
///
/// # Errors
/// Where the trajectory cannot be written, or it was abandoned.
pub async fn judge(
    case: impl Into<Case<'_>>,
    id: &RolloutId,
    writer: &Arc<Writer>,
    patch: &str,
    step: Option<u32>,
    abandon: &CancellationToken,
) -> Result<(), RolloutError> {
    let case = case.into();
    let plan = match case.plan {
        Ok(plan) => plan,
        Err(why) => {
            let verdict = Verdict::NotGraded { why: why.clone() };
            writer.append(Event::NotGraded { step, verdict })?;
            return Ok(());
        }
    };
    writer.append(Event::GradingStarted {
        rules: plan.rules,
        step,
        afterwards: case.afterwards,
    })?;
    let folder = case.store.folder(id);
    let name = match step {
        None => "grade-final".to_owned(),
        Some(step) => unused_name(&folder, step)?,
    };
    let state = folder.join(format!("{name}.sandbox"));
    let spec = case.ground.spec(state.clone(), id.as_str());
    let (sender, receiver) = mpsc::channel(WAITING_PROGRESS);
    let grading = async {
        match sandbox::start(spec).await {
            Ok(sandbox) => {
                let grading =
                    grade::grade(plan, case.task, patch, sandbox.as_ref(), sender, abandon).await;
                let _ = sandbox.stop().await;
                Ok(grading)
            }
            Err(error) => {
                drop(sender);
                Err(error.to_string())
            }
        }
    };
    let (grading, told) = tokio::join!(grading, tell(writer, receiver));
    told?;
    let _ = sandbox::clear(&state);
    if abandon.is_cancelled() {
        return Err(RolloutError::Abandoned(id.to_string()));
    }
    match grading {
        Ok(grading) => record(writer, &folder, &name, step, grading),
        Err(why) => {
            writer.append(Event::NotGraded {
                step,
                verdict: Verdict::InfrastructureError { why },
            })?;
            Ok(())
        }
    }
}

/// A name for the tests as of a step that no earlier or concurrent ones have: its log is made, empty.
fn unused_name(folder: &Path, step: u32) -> Result<String, RolloutError> {
    for number in 1.. {
        let name = match number {
            1 => format!("grade-step-{step}"),
            _ => format!("grade-step-{step}-{number}"),
        };
        let path = folder.join(format!("{name}.log"));
        match std::fs::File::create_new(&path) {
            Ok(_) => return Ok(name),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unwritten(&path, error).into()),
        }
    }
    Ok(format!("grade-step-{step}"))
}

fn unwritten(path: &Path, source: std::io::Error) -> TrajectoryError {
    TrajectoryError::File {
        path: path.display().to_string(),
        what: "write the test log",
        source,
    }
}

fn record(
    writer: &Writer,
    folder: &Path,
    name: &str,
    step: Option<u32>,
    mut grading: Grading,
) -> Result<(), RolloutError> {
    let log = format!("{name}.log");
    let path = folder.join(&log);
    let text = std::mem::take(&mut grading.raw_log);
    std::fs::write(&path, text).map_err(|error| unwritten(&path, error))?;
    writer.append(Event::Graded {
        step,
        grading: Box::new(grading),
        log: Some(log),
    })?;
    Ok(())
}

async fn tell(writer: &Writer, mut progress: mpsc::Receiver<Progress>) -> Result<(), RolloutError> {
    let mut lines = 0;
    while let Some(news) = progress.recv().await {
        if matches!(news, Progress::Line(_)) {
            lines += 1;
            if lines > MOST_LINES {
                continue;
            }
        }
        writer.append(Event::GradingProgress { progress: news })?;
    }
    Ok(())
}
