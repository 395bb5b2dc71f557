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
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::ask::Asked;
use super::carry::Carried;
use super::control::Desk;
use super::judge::judge;
use super::people::{Choice, Decision};
use super::{Attempt, Finished, Rollout, RolloutError, audit, stuck};
use crate::agent::{Hands, Outcome, Turn};
use crate::grade::Verdict;
use crate::model::{Finish, Message, Reply, Role, ToolCall};
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
    pub(super) watch: stuck::Watch,
    pub(super) abandon: CancellationToken,
    pub(super) sandbox: Arc<dyn Sandbox>,
    pub(super) format_errors: u32,
    pub(super) began: Instant,
    pub(super) earlier: Duration,
    pub(super) shown_paused: bool,
    pub(super) files: Vec<String>,
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
    let Rollout {
        id,
        attempt,
        writer,
        say,
        ..
    } = &rollout;
    let (id, attempt, writer, say) = (
        id.clone(),
        Arc::clone(attempt),
        Arc::clone(writer),
        say.clone(),
    );
    let mut branch = None;
    if !over {
        let folder = attempt.store.folder(&id).join("sandbox");
        match Driver::set_up(rollout, desk, abandon.clone()).await {
            Ok(mut driver) => {
                driver.desk.said.extend(say);
                let ended = driver.step_on().await;
                branch = driver.close(ended).await?;
            }
            Err((mut rollout, error)) => end_without_sandbox(&mut rollout, error)?,
        }
        let _ = sandbox::clear_layers(&folder);
    } else if settled {
        return Ok(Finished::Over(Box::new(rollout.state)));
    }
    let state = State::of(&attempt.store.read(&id)?);
    if let Some((how, patch)) = &state.ended {
        match how {
            _ if branch.is_some() => {
                let why = "it went on as a branch".to_owned();
                writer.append(Event::NotGraded {
                    verdict: Verdict::NotGraded { why },
                })?;
            }
            Ended::Error { part, why } => {
                let why = format!("the rollout ended with an error ({part}): {why}");
                writer.append(Event::NotGraded {
                    verdict: Verdict::NotGraded { why },
                })?;
            }
            _ => judge(&attempt, &id, &writer, patch, None, &abandon).await?,
        }
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
        let reply = Reply {
            message,
            finish: Finish::Stop,
            usage: None,
            logprobs: None,
            served_by: None,
            retries: 0,
        };
        Some(self.attempt.scaffold.read(&reply))
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
                    self.watch.human();
                    continue;
                }
                Choice::AsIs => (Author::Model, None),
                Choice::Edited { original } => (Author::Human, Some(original.clone())),
            };
            match self.carry(step, index, call, by, original).await? {
                Carried::Done { submitted: done } => submitted |= done,
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
        if self.watch.repeating() && !self.state.repeating {
            self.emit(Event::Repeating { step })?;
        }
        Ok(self
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
        let mut enough = false;
        if turn.calls.is_empty() {
            self.format_errors += 1;
            enough = self.format_errors >= self.limits().format_errors;
            if turn.problems.is_empty() {
                self.watch.words(&turn.thought);
                match self.attempt.scaffold.nudge(self.format_errors) {
                    Some(message) => words.push(message),
                    None => enough = true,
                }
            }
        } else {
            self.format_errors = 0;
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
        let files = self.changed_files(&snapshot).await?;
        let new: Vec<String> = files
            .iter()
            .filter(|file| !self.files.contains(file))
            .cloned()
            .collect();
        for mark in audit::of_files(step, &new) {
            self.emit(Event::Marked(mark))?;
        }
        self.files.clone_from(&files);
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

    fn stopped(&self) -> Ended {
        Ended::Stopped {
            why: self.desk.stop.clone().unwrap_or_default(),
        }
    }

    /// When the rollout's own time is over, if it has a limit.
    pub(super) fn deadline(&self) -> Option<tokio::time::Instant> {
        let limit = Duration::from_secs(self.limits().wall_seconds);
        let left = limit.saturating_sub(self.earlier);
        (!limit.is_zero()).then(|| tokio::time::Instant::from_std(self.began + left))
    }

    /// Put operations that were granted at once on record.
    pub(super) fn record_granted(&mut self) -> Result<(), RolloutError> {
        for op in std::mem::take(&mut self.desk.granted) {
            let op = serde_json::to_value(&op).unwrap_or_default();
            self.emit(Event::Control { op })?;
        }
        Ok(())
    }

    fn limit_reached(&self) -> Option<Ended> {
        let limits = self.limits();
        let (prompt, reply) = self.state.tokens;
        let seconds = (self.earlier + self.began.elapsed()).as_secs();
        let cost = self.attempt.price.map_or(0.0, |price| {
            (prompt as f64 * price.prompt + reply as f64 * price.reply) / 1e6
        });
        let which = if self.state.step >= limits.turns {
            "turns"
        } else if limits.tokens > 0 && prompt + reply >= limits.tokens {
            "tokens"
        } else if limits.wall_seconds > 0 && seconds >= limits.wall_seconds {
            "wall time"
        } else if limits.cost > 0.0 && cost >= limits.cost {
            "cost"
        } else {
            return None;
        };
        Some(Ended::Limit {
            which: which.into(),
        })
    }

    /// Grant wishes, wait while paused, look at the limits.
    async fn between_steps(&mut self) -> Result<Option<Ended>, RolloutError> {
        let doing = "between two steps";
        loop {
            self.update_summary();
            self.desk.drain(doing);
            self.record_granted()?;
            while let Some(order) = self.desk.kept.pop_front() {
                self.grant(order).await?;
            }
            if self.abandon.is_cancelled() {
                return Err(self.abandoned());
            }
            if self.desk.stop.is_some() {
                return Ok(Some(self.stopped()));
            }
            let waiting =
                self.taken.is_some() || self.desk.paused || self.desk.steps_left == Some(0);
            if !waiting {
                if let Some(ended) = self.limit_reached() {
                    return Ok(Some(ended));
                }
                break;
            }
            let why = if self.taken.is_some() {
                "a person has the shell"
            } else {
                "a person paused it"
            };
            self.show_paused(true, why)?;
            self.wait_for_news("paused").await?;
        }
        self.show_paused(false, "")?;
        for text in std::mem::take(&mut self.desk.said) {
            self.emit(Event::Control {
                op: serde_json::json!({"op": "say", "text": text}),
            })?;
            let id = self.state.next_message;
            let message = Message::text(Role::User, text);
            self.emit(Event::Message {
                id,
                origin: Origin::Human,
                message,
                replaces: None,
            })?;
            self.watch.human();
        }
        Ok(None)
    }

    pub(super) async fn wait_for_news(&mut self, doing: &str) -> Result<(), RolloutError> {
        tokio::select! {
            came = self.desk.news(doing) => {
                if !came {
                    // Nobody is left who could let it go on.
                    self.desk.stop = Some("paused, and nobody is left to resume it".into());
                }
                Ok(())
            }
            () = self.abandon.cancelled() => Err(self.abandoned()),
        }
    }

    pub(super) fn show_paused(&mut self, paused: bool, why: &str) -> Result<(), RolloutError> {
        if self.shown_paused != paused {
            self.shown_paused = paused;
            self.emit(Event::Paused {
                paused,
                why: why.into(),
            })?;
        }
        Ok(())
    }

    fn update_summary(&mut self) {
        let limits = self.limits();
        let summary = serde_json::json!({
            "rollout": self.id.as_str(),
            "task": self.attempt.task.instance_id,
            "step": self.state.step,
            "turns": limits.turns,
            "tokens": self.state.tokens.0 + self.state.tokens.1,
            "model": self.attempt.model.info(),
            "sandbox": self.sandbox.report().tier,
        });
        if let serde_json::Value::Object(summary) = summary {
            self.desk.summary = summary;
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
        self.record_granted()?;
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
