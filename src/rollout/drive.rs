//! The loop: ask, decide, carry out, snapshot; and what people want in between.
//!
//! ```text
//!            ┌── wait while paused, limits, stuck ──┐
//!   ask ─▶ decide (step mode) ─▶ carry out ─▶ snapshot ─▶ step done
//!    └── again: retry, overflow, format error ──────────────┘
//! ```
//!
//! Every arrow is an event on record before it is taken. A sandbox that fails ends the rollout as *error (sandbox)*,
//! a model that fails as *error (model)*; both can be resumed from the last whole step.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::ask::Asked;
use super::carry::Carried;
use super::control::Desk;
use super::judge::judge;
use super::memory::{self, Memory};
use super::pace::Clock;
use super::people::{Choice, Decision};
use super::{Attempt, Finished, Rollout, RolloutError, audit, reexecute};
use crate::agent::{Hands, Outcome, Turn};
use crate::grade::Verdict;
use crate::model::{Message, ToolCall};
use crate::sandbox::{self, Sandbox, SnapshotId};
use crate::trajectory::event::{Author, Ended, Event, Origin};
use crate::trajectory::fold::State;
use crate::trajectory::{RolloutId, Writer};

pub(super) struct Driver {
    pub(super) id: RolloutId,
    pub(super) attempt: Arc<Attempt>,
    pub(super) writer: Arc<Writer>,
    pub(super) desk: Desk,
    pub(super) state: State,
    pub(super) hands: Hands,
    pub(super) memory: Memory,
    pub(super) abandon: CancellationToken,
    pub(super) sandbox: Arc<dyn Sandbox>,
    pub(super) clock: Clock,
    pub(super) taken: Option<Vec<(String, Outcome)>>,
    pub(super) branch: Option<Rollout>,
    pub(super) tests: JoinSet<Result<(), RolloutError>>,
}

pub(super) async fn run(
    mut rollout: Rollout,
    desk: Desk,
    abandon: CancellationToken,
) -> Result<Finished, RolloutError> {
    if rollout.state.start.is_none() {
        let start = rollout.start_event();
        rollout.emit(start)?;
    }
    let over =
        matches!(&rollout.state.ended, Some((how, _)) if !matches!(how, Ended::Error { .. }));
    let settled = rollout.state.is_settled();
    let script = rollout.script.clone();
    let (id, attempt, writer) = (
        rollout.id.clone(),
        Arc::clone(&rollout.attempt),
        Arc::clone(&rollout.writer),
    );
    let mut branch = None;
    if !over {
        let folder = attempt.store.folder(&id).join("sandbox");
        match Driver::set_up(rollout, desk, abandon.clone()).await {
            Ok(mut driver) => {
                let ended = match &script {
                    Some(script) => driver.re_execute(script).await,
                    None => driver.step_on().await,
                };
                branch = driver.close(ended).await?;
            }
            Err((mut rollout, error)) => end_without_sandbox(&mut rollout, error)?,
        }
        let _ = sandbox::clear_layers(&folder);
    } else if settled && (script.is_none() || rollout.state.compared.is_some()) {
        return Ok(Finished::Over(Box::new(rollout.state)));
    }
    let state = State::of(&attempt.store.read(&id)?);
    if let Some((how, patch)) = &state.ended
        && !state.is_settled()
    {
        match how {
            _ if state.rewound => {
                let why = "it went on as a branch".to_owned();
                writer.append(Event::NotGraded {
                    step: None,
                    verdict: Verdict::NotGraded { why },
                })?;
            }
            Ended::Error { part, why } => {
                let why = format!("the rollout ended with an error ({part}): {why}");
                writer.append(Event::NotGraded {
                    step: None,
                    verdict: Verdict::NotGraded { why },
                })?;
            }
            _ => judge(&*attempt, &id, &writer, patch, None, &abandon).await?,
        }
    }
    if let Some(script) = &script {
        reexecute::conclude(&attempt.store, &id, &writer, script)?;
    }
    let state = Box::new(State::of(&attempt.store.read(&id)?));
    Ok(match branch {
        Some(branch) => Finished::Branched {
            parent: state,
            branch: Box::new(branch),
        },
        None => Finished::Over(state),
    })
}

fn end_without_sandbox(rollout: &mut Rollout, error: RolloutError) -> Result<(), RolloutError> {
    let part = match &error {
        RolloutError::Sandbox(_) => "sandbox",
        RolloutError::Scaffold(_) => "scaffold",
        _ => return Err(error),
    };
    rollout.emit(Event::Ended {
        how: Ended::Error {
            part: part.into(),
            why: error.to_string(),
        },
        patch: String::new(),
    })
}

impl Driver {
    pub(super) fn emit(&mut self, event: Event) -> Result<(), RolloutError> {
        let record = self.writer.append(event)?;
        self.state.apply(&record);
        Ok(())
    }

    pub(super) fn abandoned(&self) -> RolloutError {
        RolloutError::Abandoned(self.id.to_string())
    }

    async fn step_on(&mut self) -> Result<Ended, RolloutError> {
        loop {
            if let Some(ended) = self.between_steps().await? {
                return Ok(ended);
            }
            let step = self.state.step + 1;
            let turn = match self.answer_on_record() {
                Some(turn) => turn,
                None => match self.ask(step).await? {
                    Asked::Turn(turn) => turn,
                    Asked::Again => continue,
                    Asked::End(ended) => return Ok(ended),
                    Asked::Stopped => return Ok(self.stopped()),
                },
            };
            if let Some(ended) = self.take_step(step, &turn).await? {
                return Ok(ended);
            }
        }
    }

    /// An interrupted step's answer is used, not asked for again.
    fn answer_on_record(&self) -> Option<Turn> {
        let answer = self.state.answer.as_ref()?;
        let message = self.state.parts().message(answer.message)?.clone();
        Some(memory::read(&self.attempt.scaffold, message))
    }

    async fn take_step(&mut self, step: u32, turn: &Turn) -> Result<Option<Ended>, RolloutError> {
        self.emit(Event::Proposed {
            step,
            thought: turn.thought.clone(),
            calls: turn.calls.clone(),
        })?;
        let chosen = match self.decide(turn).await? {
            Decision::Carry(chosen) => chosen,
            Decision::Again => return Ok(None),
            Decision::Stopped => return Ok(Some(self.stopped())),
        };
        self.show_edits(turn, &chosen)?;
        let mut submitted = false;
        for (index, (call, choice)) in (0u32..).zip(&chosen) {
            let (by, original) = match choice {
                Choice::Skip => {
                    let id = self.state.next_message;
                    let message = self.attempt.scaffold.skipped(call);
                    self.emit(Event::Message {
                        id,
                        origin: Origin::Human,
                        message,
                        replaces: None,
                    })?;
                    self.emit(Event::Skipped {
                        step,
                        index,
                        message: id,
                    })?;
                    self.memory.watch.human();
                    continue;
                }
                Choice::AsIs => (Author::Model, None),
                Choice::Edited { original } => (Author::Human, Some(original.clone())),
            };
            match self.carry(step, index, call, by, original).await? {
                Carried::Done(outcome) => submitted |= outcome.submitted,
                Carried::Stopped => return Ok(Some(self.stopped())),
                Carried::OutOfTime => {
                    return Ok(Some(Ended::Limit {
                        which: "wall time".into(),
                    }));
                }
            }
        }
        let out_of_patience = self.answer_problems(turn)?;
        self.finish_step(step).await?;
        if submitted {
            return Ok(Some(Ended::Submitted));
        }
        if out_of_patience {
            return Ok(Some(Ended::Limit {
                which: "format errors".into(),
            }));
        }
        if self.memory.watch.repeating() && !self.state.repeating {
            self.emit(Event::Repeating { step })?;
        }
        Ok(self
            .memory
            .watch
            .stuck()
            .map(|rule| Ended::Stuck { rule: rule.into() }))
    }

    /// Calls that are not valid, and replies without any: what the model is told. `true` when that was once too often.
    fn answer_problems(&mut self, turn: &Turn) -> Result<bool, RolloutError> {
        let mut words: Vec<Message> = Vec::new();
        for (call, problem) in &turn.problems {
            words.push(self.attempt.scaffold.complain(Some(call), problem));
        }
        self.memory.spoke(turn);
        let mut enough = false;
        if turn.calls.is_empty() {
            enough = self.memory.format_errors >= self.limits().format_errors;
            if turn.problems.is_empty() {
                match self.attempt.scaffold.nudge(self.memory.format_errors) {
                    Some(message) => words.push(message),
                    None => enough = true,
                }
            }
        }
        for message in words {
            let id = self.state.next_message;
            self.emit(Event::Message {
                id,
                origin: Origin::Nudge,
                message,
                replaces: None,
            })?;
        }
        Ok(enough)
    }

    fn show_edits(
        &mut self,
        turn: &Turn,
        chosen: &[(ToolCall, Choice)],
    ) -> Result<(), RolloutError> {
        if !chosen
            .iter()
            .any(|(_, choice)| matches!(choice, Choice::Edited { .. }))
        {
            return Ok(());
        }
        // Calls that were not valid stay: their complaints answer them.
        let wrong = turn.problems.iter().map(|(call, _)| call);
        let calls: Vec<ToolCall> = chosen
            .iter()
            .map(|(call, _)| call)
            .chain(wrong)
            .cloned()
            .collect();
        let message = self.attempt.scaffold.rewrite(&turn.thought, &calls);
        let replaces = self.state.answer.as_ref().map(|answer| answer.message);
        let id = self.state.next_message;
        self.emit(Event::Message {
            id,
            origin: Origin::Human,
            message,
            replaces,
        })
    }

    async fn finish_step(&mut self, step: u32) -> Result<(), RolloutError> {
        let snapshot = self.sandbox.snapshot().await?;
        self.step_done(step, snapshot).await
    }

    /// The step is whole, with this workspace.
    pub(super) async fn step_done(
        &mut self,
        step: u32,
        snapshot: SnapshotId,
    ) -> Result<(), RolloutError> {
        let files = self.changed_files(&snapshot).await?;
        let new: Vec<String> = files
            .iter()
            .filter(|file| !self.memory.files.contains(file))
            .cloned()
            .collect();
        for mark in audit::of_files(step, &new) {
            self.emit(Event::Marked(mark))?;
        }
        self.memory.files.clone_from(&files);
        self.emit(Event::StepDone {
            step,
            snapshot,
            files,
        })?;
        if let Some(left) = &mut self.desk.steps_left {
            *left = left.saturating_sub(1);
        }
        Ok(())
    }

    async fn changed_files(&mut self, snapshot: &SnapshotId) -> Result<Vec<String>, RolloutError> {
        let Some(base) = &self.state.base else {
            return Ok(Vec::new());
        };
        let patch = self.sandbox.diff(base, snapshot).await?;
        Ok(crate::text::patch::summary(&patch).files)
    }

    pub(super) fn limits(&self) -> crate::agent::Limits {
        self.state
            .limits
            .clone()
            .unwrap_or_else(|| self.attempt.limits.clone())
    }

    pub(super) fn stopped(&self) -> Ended {
        Ended::Stopped {
            why: self.desk.stop.clone().unwrap_or_default(),
        }
    }

    /// Record the end, let go of the sandbox, wait for tests that still run.
    async fn close(
        mut self,
        ended: Result<Ended, RolloutError>,
    ) -> Result<Option<Rollout>, RolloutError> {
        let how = match ended {
            Ok(how) => how,
            Err(RolloutError::Sandbox(error)) => Ended::Error {
                part: "sandbox".into(),
                why: error.to_string(),
            },
            Err(RolloutError::Scaffold(error)) => Ended::Error {
                part: "scaffold".into(),
                why: error.to_string(),
            },
            Err(error) => {
                self.tests.abort_all();
                let _ = self.sandbox.stop().await;
                return Err(error);
            }
        };
        self.apply_granted();
        let patch = self.final_patch(&how).await;
        self.emit(Event::Ended { how, patch })?;
        let _ = self.sandbox.stop().await;
        while let Some(test) = self.tests.join_next().await {
            if let Ok(result) = test {
                result?;
            }
        }
        Ok(self.branch)
    }

    async fn final_patch(&mut self, how: &Ended) -> String {
        let Some(base) = &self.state.base else {
            return String::new();
        };
        let last = self.state.snapshot_at(self.state.step).cloned();
        // A stop can come in the middle of a step; what it had changed by then counts.
        let now = match how {
            Ended::Error { part, .. } if part == "sandbox" => None,
            _ => self.sandbox.snapshot().await.ok(),
        };
        match now.or(last) {
            Some(snapshot) => self.sandbox.diff(base, &snapshot).await.unwrap_or_default(),
            None => String::new(),
        }
    }
}
