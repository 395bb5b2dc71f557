//! From a rollout to a driver: the sandbox started or restored, the conversation opened.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::control::Desk;
use super::drive::Driver;
use super::{Rollout, RolloutError, stuck};
use crate::agent::{Hands, TaskView};
use crate::grade;
use crate::sandbox::{self, Sandbox};
use crate::trajectory::event::{Event, Origin};

impl Driver {
    /// Start or restore the sandbox and open the conversation.
    pub(super) async fn set_up(
        mut rollout: Rollout,
        desk: Desk,
        abandon: CancellationToken,
    ) -> Result<Self, (Box<Rollout>, RolloutError)> {
        let prepared = Self::prepare(&mut rollout).await;
        let sandbox = match prepared {
            Ok(sandbox) => sandbox,
            Err(error) => return Err((Box::new(rollout), error)),
        };
        let Rollout {
            id,
            attempt,
            writer,
            state,
            ..
        } = rollout;
        let earlier = state.worked;
        let hands = Hands::new(Arc::clone(&attempt.scaffold), Arc::clone(&sandbox));
        Ok(Self {
            id,
            attempt,
            writer,
            desk,
            state,
            hands,
            watch: stuck::Watch::default(),
            abandon,
            sandbox,
            format_errors: 0,
            began: Instant::now(),
            earlier,
            shown_paused: false,
            files: Vec::new(),
            taken: None,
            branch: None,
            tests: JoinSet::new(),
        })
    }

    async fn prepare(rollout: &mut Rollout) -> Result<Arc<dyn Sandbox>, RolloutError> {
        let attempt = Arc::clone(&rollout.attempt);
        let folder = attempt.store.folder(&rollout.id).join("sandbox");
        let parent = rollout
            .state
            .start
            .as_ref()
            .and_then(|start| start.parent.clone());
        if let Some(parent) = &parent {
            let from = attempt.store.find(&parent.rollout)?;
            sandbox::share_snapshots(&attempt.store.folder(&from).join("sandbox"), &folder)?;
        }
        let sandbox = sandbox::start(attempt.ground.spec(folder, rollout.id.as_str())).await?;
        if let Ok(plan) = &attempt.plan
            && grade::make_bug(plan, sandbox.as_ref())
                .await
                .map_err(RolloutError::Ground)?
        {
            grade::hide_changes(sandbox.as_ref())
                .await
                .map_err(RolloutError::Ground)?;
        }
        let base = sandbox.snapshot().await?;
        let known = rollout.state.base.is_some();
        let report = sandbox.report().clone();
        rollout.emit(Event::SandboxReady {
            report: report.clone(),
            base,
        })?;
        if rollout.state.next_call == 0 {
            let view = TaskView {
                instance_id: attempt.task.instance_id.clone(),
                repo: attempt.task.repo.clone(),
                problem_statement: attempt.task.problem_statement.clone(),
                hints: if attempt.hints {
                    attempt.task.hints_text.clone()
                } else {
                    String::new()
                },
                workdir: report.workdir,
                base_commit: attempt.task.base_commit.clone(),
            };
            let opening = attempt.scaffold.opening(&view)?;
            // The program may have died between two of its messages.
            for message in opening.into_iter().skip(rollout.state.opening) {
                let id = rollout.state.next_message;
                rollout.emit(Event::Message {
                    id,
                    origin: Origin::Scaffold,
                    message,
                    replaces: None,
                })?;
            }
        }
        if known {
            let step = rollout.state.step;
            let mut not_restored = sandbox::snapshot::not_held(attempt.ground.snapshot_ignored);
            if let Some(snapshot) = rollout.state.snapshot_at(step).cloned() {
                not_restored = sandbox.restore(&snapshot).await?.not_restored;
            }
            rollout.emit(Event::Resumed { step, not_restored })?;
        }
        Ok(Arc::from(sandbox))
    }
}
