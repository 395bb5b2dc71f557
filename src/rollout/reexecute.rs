//! Carry the deeds of a recorded rollout out again, in order, and say what comes out otherwise.
//!
//! Mental model: the same driver, sandbox, hands and scaffold as in any rollout; only what to do next comes from a
//! [`Script`] instead of a model. The script is followed to its end whatever comes out, as the recorded agent could not
//! know better either; each observation, the workspace after each step and the verdict are compared with the recording.
//! It is a trajectory like any other: it can be watched, paused, interrupted and gone on with.
//!
//! What texts count as equal is the matter of [`super::sameness`].

use std::collections::HashMap;

use super::RolloutError;
use super::carry::Carried;
use super::drive::Driver;
use super::sameness::differences;
use super::script::{Deed, Script};
use crate::agent::Outcome;
use crate::model::{Message, Role};
use crate::sandbox::SnapshotId;
use crate::trajectory::comparison::{Comparison, Difference, is_same_verdict};
use crate::trajectory::event::{Ended, Event, Origin};
use crate::trajectory::fold::State;
use crate::trajectory::{RolloutId, Store, Writer};

/// Files that hold the time at which they were made: no two runs share them.
const MADE_ANEW: [&str; 2] = [".pyc", ".pyo"];

impl Driver {
    /// Follow the script to its end.
    pub(super) async fn re_execute(&mut self, script: &Script) -> Result<Ended, RolloutError> {
        let kept = self.state.snapshots.len();
        if kept == 0
            && let (Some(recorded), Some(now)) = (&script.base, self.state.base.clone())
        {
            self.compare_workspaces(0, recorded, &now).await?;
        }
        // Names of messages in the recording, and here.
        let mut names: HashMap<u32, u32> = HashMap::new();
        for deed in script.after(kept) {
            if let Some(ended) = self.act(deed, &mut names).await? {
                return Ok(ended);
            }
        }
        Ok(script.ended.clone())
    }

    async fn act(
        &mut self,
        deed: &Deed,
        names: &mut HashMap<u32, u32>,
    ) -> Result<Option<Ended>, RolloutError> {
        match deed {
            Deed::Message {
                id,
                origin,
                message,
                replaces,
            } => {
                let replaces = replaces.and_then(|old| names.get(&old).copied());
                if let Some(new) = self.say(*origin, message, replaces)? {
                    names.insert(*id, new);
                }
            }
            Deed::Proposed {
                step,
                thought,
                calls,
            } => {
                if let Some(ended) = self.between_steps().await? {
                    return Ok(Some(ended));
                }
                self.emit(Event::Proposed {
                    step: *step,
                    thought: thought.clone(),
                    calls: calls.clone(),
                })?;
            }
            Deed::Carried {
                step,
                index,
                call,
                by,
                original,
                outcome,
            } => match self
                .carry(*step, *index, call, *by, original.clone())
                .await?
            {
                Carried::Done(now) => self.compare(*step, Some(*index), outcome, &now)?,
                Carried::Stopped => return Ok(Some(self.stopped())),
                Carried::OutOfTime => {
                    return Ok(Some(Ended::Limit {
                        which: "wall time".into(),
                    }));
                }
            },
            Deed::Skipped {
                step,
                index,
                message,
            } => {
                if let Some(message) = names.get(message) {
                    self.emit(Event::Skipped {
                        step: *step,
                        index: *index,
                        message: *message,
                    })?;
                }
            }
            Deed::Typed { command, outcome } => {
                if let Some(ended) = self.between_steps().await? {
                    return Ok(Some(ended));
                }
                let now = self.run_typed(command).await?;
                self.compare(self.state.step, None, outcome, &now)?;
            }
            Deed::HandedBack { snapshot, told } => {
                let now = self.sandbox.snapshot().await?;
                let step = self.state.step;
                self.compare_workspaces(step, snapshot, &now).await?;
                self.emit(Event::HandedBack {
                    snapshot: now,
                    told: told.clone(),
                })?;
            }
            Deed::CommandSeconds(seconds) => {
                let mut limits = self.limits();
                limits.command_seconds = *seconds;
                self.emit(Event::LimitsChanged { limits })?;
            }
            Deed::WentOn => self.hands.reset().await,
            Deed::StepDone { step, snapshot } => {
                let now = self.sandbox.snapshot().await?;
                self.compare_workspaces(*step, snapshot, &now).await?;
                self.step_done(*step, now).await?;
            }
        }
        Ok(None)
    }

    /// A message comes into the context; its name there. None where it was kept from before an interruption.
    fn say(
        &mut self,
        origin: Origin,
        message: &Message,
        replaces: Option<u32>,
    ) -> Result<Option<u32>, RolloutError> {
        let by_a_person = message.role == Role::User && origin == Origin::Human;
        let parts = self.state.parts();
        let mut kept = self.state.unfinished.iter();
        if by_a_person && kept.any(|id| parts.message(*id) == Some(message)) {
            return Ok(None);
        }
        let id = self.state.next_message;
        self.emit(Event::Message {
            id,
            origin,
            message: message.clone(),
            replaces,
        })?;
        Ok(Some(id))
    }

    fn compare(
        &mut self,
        step: u32,
        index: Option<u32>,
        recorded: &Outcome,
        now: &Outcome,
    ) -> Result<(), RolloutError> {
        for difference in differences(recorded, now) {
            self.emit(Event::Diverged {
                step,
                index,
                difference,
            })?;
        }
        Ok(())
    }

    async fn compare_workspaces(
        &mut self,
        step: u32,
        recorded: &SnapshotId,
        now: &SnapshotId,
    ) -> Result<(), RolloutError> {
        if recorded.files == now.files {
            return Ok(());
        }
        let patch = self.sandbox.diff(recorded, now).await?;
        let mut files = crate::text::patch::summary(&patch).files;
        files.retain(|file| !MADE_ANEW.iter().any(|end| file.ends_with(end)));
        if files.is_empty() {
            return Ok(());
        }
        self.emit(Event::Diverged {
            step,
            index: None,
            difference: Difference::Workspace { files },
        })
    }
}

/// After the verdict: compare it, too, and sum up, once.
pub(super) fn conclude(
    store: &Store,
    id: &RolloutId,
    writer: &Writer,
    script: &Script,
) -> Result<(), RolloutError> {
    let records = store.read(id)?;
    let state = State::of(&records);
    let (Some(now), None) = (&state.verdict, &state.compared) else {
        return Ok(());
    };
    if let Some(recorded) = &script.verdict
        && !is_same_verdict(recorded, now)
    {
        writer.append(Event::Diverged {
            step: state.step,
            index: None,
            difference: Difference::Verdict {
                recorded: Box::new(recorded.clone()),
                now: Box::new(now.clone()),
            },
        })?;
    }
    let sum = Comparison::of(&records, script.observations(), script.verdict.as_ref());
    writer.append(Event::Compared(sum))?;
    Ok(())
}
