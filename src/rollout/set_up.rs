//! From a rollout to a driver: the sandbox started or restored, the conversation opened.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::control::Desk;
use super::drive::Driver;
use super::memory::Memory;
use super::pace::Clock;
use super::{Rollout, RolloutError};
use crate::agent::{Hands, TaskView};
use crate::grade;
use crate::sandbox::{self, Sandbox};
use crate::trajectory::event::{Event, Origin};

impl Driver {
    /// Start or restore the sandbox and open the conversation.
    pub(super) async fn set_up(
        mut rollout: Rollout,
        mut desk: Desk,
        abandon: CancellationToken,
    ) -> Result<Self, (Box<Rollout>, RolloutError)> {
        let (sandbox, memory) = match Self::prepare(&mut rollout).await {
            Ok(prepared) => prepared,
            Err(error) => return Err((Box::new(rollout), error)),
        };
        let Rollout {
            id,
            attempt,
            writer,
            state,
            script,
            ..
        } = rollout;
        desk.scripted = script.is_some();
        let clock = Clock::after(state.worked);
        desk.stop.clone_from(&state.stopping);
        desk.keep_record(&writer);
        let hands = Hands::new(Arc::clone(&attempt.scaffold), Arc::clone(&sandbox));
        Ok(Self {
            id,
            attempt,
            writer,
            desk,
            state,
            hands,
            memory,
            abandon,
            sandbox,
            clock,
            taken: None,
            branch: None,
            tests: JoinSet::new(),
        })
    }

    async fn prepare(rollout: &mut Rollout) -> Result<(Arc<dyn Sandbox>, Memory), RolloutError> {
        let attempt = Arc::clone(&rollout.attempt);
        let folder = attempt.store.folder(&rollout.id).join("sandbox");
        // A branch restores its parent's workspaces, a re-execution compares with those of the recording.
        let other = rollout.state.start.as_ref().and_then(|start| {
            let parent = start.parent.as_ref().map(|parent| &parent.rollout);
            parent.or(start.reexecutes.as_ref()).cloned()
        });
        if let Some(other) = &other {
            let from = attempt.store.find(other)?;
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
        let memory = Memory::of(&attempt.store.read(&rollout.id)?, &attempt.scaffold);
        Ok((Arc::from(sandbox), memory))
    }
}
