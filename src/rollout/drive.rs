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
use super::control::{Answer, Desk, Op, Order, edited};
use super::judge::judge;
use super::{Attempt, Finished, Rollout, RolloutError, audit, stuck};
use crate::agent::{Hands, Outcome, TaskView, Turn};
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
    sandbox: Arc<dyn Sandbox>,
    format_errors: u32,
    began: Instant,
    earlier: Duration,
    shown_paused: bool,
    files: Vec<String>,
    taken: Option<Vec<(String, Outcome)>>,
    branch: Option<Rollout>,
    tests: JoinSet<Result<(), RolloutError>>,
}

/// What a decision about proposed calls came to.
enum Decision {
    Carry(Vec<(ToolCall, Choice)>),
    Again,
    Stopped,
}

#[derive(Clone)]
enum Choice {
    AsIs,
    Edited { original: ToolCall },
    Skip,
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
    let judged = rollout
        .state
        .verdict
        .as_ref()
        .is_some_and(|verdict| !matches!(verdict, Verdict::InfrastructureError { .. }));
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
    } else if judged {
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
    /// Start or restore the sandbox and open the conversation.
    async fn set_up(
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
        let earlier = state.span.map_or(Duration::ZERO, |(first, last)| {
            Duration::from_millis(
                u64::try_from(last.as_millisecond() - first.as_millisecond()).unwrap_or(0),
            )
        });
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
        let base = sandbox.snapshot().await?;
        let known = rollout.state.base.is_some();
        let report = sandbox.report().clone();
        rollout.emit(Event::SandboxReady {
            report: report.clone(),
            base,
        })?;
        if rollout.state.opening == 0 {
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
            for message in attempt.scaffold.opening(&view)? {
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

    /// What is left of the wall clock, where it is limited.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let most = Duration::from_secs(self.limits().wall_seconds);
        (!most.is_zero()).then(|| most.saturating_sub(self.earlier + self.began.elapsed()))
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

    async fn wait_for_news(&mut self, doing: &str) -> Result<(), RolloutError> {
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

    fn show_paused(&mut self, paused: bool, why: &str) -> Result<(), RolloutError> {
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

    /// In step mode: wait for a person's word on what was proposed.
    async fn decide(&mut self, turn: &Turn) -> Result<Decision, RolloutError> {
        let mut chosen: Vec<(ToolCall, Choice)> = turn
            .calls
            .iter()
            .map(|call| (call.clone(), Choice::AsIs))
            .collect();
        if !self.desk.step_mode || chosen.is_empty() {
            return Ok(Decision::Carry(chosen));
        }
        self.show_paused(true, "an action waits for approval")?;
        self.desk.deciding = true;
        let decision = loop {
            if self.desk.stop.is_some() {
                break Decision::Stopped;
            }
            if !self.desk.step_mode {
                break Decision::Carry(chosen);
            }
            let Some(order) = self.desk.kept.pop_front() else {
                self.wait_for_news("an action waits for approval").await?;
                continue;
            };
            match &order.op {
                Op::Approve => {
                    self.accept(order)?;
                    break Decision::Carry(chosen);
                }
                Op::Edit {
                    index,
                    arguments,
                    name,
                } => {
                    let Some((call, choice)) = chosen.get_mut(*index as usize) else {
                        let _ = order
                            .answer
                            .send(Answer::refused(format!("this step has no action {index}")));
                        continue;
                    };
                    let new = edited(call, name.as_ref(), arguments);
                    if let Some(problem) = self.problem_with(&new) {
                        let _ = order.answer.send(Answer::refused(problem));
                        continue;
                    }
                    let original = match choice {
                        Choice::Edited { original } => original.clone(),
                        _ => call.clone(),
                    };
                    *call = new;
                    *choice = Choice::Edited { original };
                    self.accept(order)?;
                    break Decision::Carry(chosen);
                }
                Op::Skip { index } => {
                    for (number, (_, choice)) in (0u32..).zip(&mut chosen) {
                        if index.is_none_or(|index| index == number) {
                            *choice = Choice::Skip;
                        }
                    }
                    self.accept(order)?;
                    break Decision::Carry(chosen);
                }
                Op::Retry => {
                    let call = self.state.answer.as_ref().map_or(0, |answer| answer.call);
                    self.accept(order)?;
                    self.emit(Event::Dropped {
                        call,
                        why: "a person asked for another answer".into(),
                    })?;
                    break Decision::Again;
                }
                _ => self.grant(order).await?,
            }
        };
        self.desk.deciding = false;
        self.show_paused(false, "")?;
        Ok(decision)
    }

    fn problem_with(&self, call: &ToolCall) -> Option<String> {
        let message = self
            .attempt
            .scaffold
            .rewrite("", std::slice::from_ref(call));
        let reply = Reply {
            message,
            finish: Finish::Stop,
            usage: None,
            logprobs: None,
            served_by: None,
            retries: 0,
        };
        self.attempt
            .scaffold
            .read(&reply)
            .problems
            .into_iter()
            .next()
            .map(|(_, problem)| problem)
    }

    /// Put an operation on record and say yes.
    fn accept(&mut self, order: Order) -> Result<(), RolloutError> {
        self.accept_with(order, Answer::ok())
    }

    fn accept_with(&mut self, order: Order, answer: Answer) -> Result<(), RolloutError> {
        let op = serde_json::to_value(&order.op).unwrap_or_default();
        self.emit(Event::Control { op })?;
        let _ = order.answer.send(answer);
        Ok(())
    }

    /// Operations that any safe point can grant.
    async fn grant(&mut self, order: Order) -> Result<(), RolloutError> {
        let refuse = |order: Order, why: &str| {
            let _ = order.answer.send(Answer::refused(why));
            Ok(())
        };
        match order.op.clone() {
            Op::Limits {
                turns,
                tokens,
                wall_seconds,
                command_seconds,
            } => {
                let mut limits = self.limits();
                limits.turns = turns.unwrap_or(limits.turns);
                limits.tokens = tokens.unwrap_or(limits.tokens);
                limits.wall_seconds = wall_seconds.unwrap_or(limits.wall_seconds);
                limits.command_seconds = command_seconds.unwrap_or(limits.command_seconds);
                self.emit(Event::LimitsChanged { limits })?;
                self.accept(order)
            }
            Op::TakeOver if self.desk.deciding => refuse(
                order,
                "an action waits for approval: approve, edit or skip it first",
            ),
            Op::TakeOver if self.taken.is_some() => refuse(order, "a person has the shell already"),
            Op::TakeOver => {
                self.taken = Some(Vec::new());
                self.accept(order)
            }
            Op::Shell { command } => self.type_command(order, &command).await,
            Op::HandBack => match self.taken.take() {
                None => refuse(order, "nobody has the shell: take_over comes first"),
                Some(typed) => {
                    if !typed.is_empty() {
                        self.desk.said.push(told(&typed));
                    }
                    self.accept(order)
                }
            },
            Op::Rewind { step, say } => {
                match Rollout::branch(&self.id, step, say, Arc::clone(&self.attempt)) {
                    Ok(branch) => {
                        let answer = Answer::ok().with("rollout", branch.id.as_str());
                        self.desk.stop = Some(format!("branched at step {step} as {}", branch.id));
                        self.branch = Some(branch);
                        self.accept_with(order, answer)
                    }
                    Err(error) => refuse(order, &error.to_string()),
                }
            }
            Op::Test { step } => {
                let step = step.unwrap_or(self.state.step);
                let (Some(base), Some(snapshot)) = (
                    self.state.base.clone(),
                    self.state.snapshot_at(step).cloned(),
                ) else {
                    return refuse(
                        order,
                        &format!(
                            "there is no step {step} yet: the last whole one is {}",
                            self.state.step
                        ),
                    );
                };
                let patch = self.sandbox.diff(&base, &snapshot).await?;
                let (attempt, id, writer, abandon) = (
                    Arc::clone(&self.attempt),
                    self.id.clone(),
                    Arc::clone(&self.writer),
                    self.abandon.clone(),
                );
                self.tests.spawn(async move {
                    judge(&attempt, &id, &writer, &patch, Some(step), &abandon).await
                });
                self.accept_with(order, Answer::ok().with("step", step))
            }
            _ => refuse(order, "not now"),
        }
    }

    async fn type_command(&mut self, order: Order, command: &str) -> Result<(), RolloutError> {
        if self.taken.is_none() {
            let _ = order.answer.send(Answer::refused("take_over comes first"));
            return Ok(());
        }
        let cancel = CancellationToken::new();
        let (live, mut chunks) = tokio::sync::mpsc::channel(64);
        self.hands.limit_commands(self.limits().command_seconds);
        let typing = self.hands.human(command, live, &cancel);
        let draining = async { while chunks.recv().await.is_some() {} };
        let (outcome, ()) = tokio::join!(typing, draining);
        let outcome = outcome?;
        let answer = Answer::ok()
            .with("output", outcome.text.clone())
            .with("exit", outcome.exit);
        self.emit(Event::Typed {
            command: command.into(),
            outcome: outcome.clone(),
        })?;
        if let Some(typed) = &mut self.taken {
            typed.push((command.to_owned(), outcome));
        }
        self.accept_with(order, answer)
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

/// What a person did in the shell, as one message to the agent.
fn told(typed: &[(String, Outcome)]) -> String {
    let mut text = String::from(
        "A person used your shell for a while. This is what was typed and what it printed:\n",
    );
    for (command, outcome) in typed {
        text.push_str("\n$ ");
        text.push_str(command);
        text.push('\n');
        text.push_str(outcome.text.trim_end());
        text.push('\n');
    }
    text.push_str("\nThe shell is yours again.");
    text
}
