//! People at a running rollout: their word on proposed actions, and the wishes that any safe point can grant.
//!
//! A decision keeps what the model proposed beside what a person made of it; whatever is granted is on record before it
//! is answered.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::control::{Answer, Op, Request, edited};
use super::drive::Driver;
use super::judge::judge;
use super::{Rollout, RolloutError, memory};
use crate::agent::{Outcome, Turn};
use crate::model::ToolCall;
use crate::trajectory::event::Event;

/// What a decision about proposed calls came to.
pub(super) enum Decision {
    Carry(Vec<(ToolCall, Choice)>),
    Again,
    Stopped,
}

#[derive(Clone)]
pub(super) enum Choice {
    AsIs,
    Edited { original: ToolCall },
    Skip,
}

/// Why a rollout waits in step mode.
const WAITS: &str = "an action waits for approval";

impl Driver {
    /// In step mode: wait for a person's word on what was proposed.
    pub(super) async fn decide(&mut self, turn: &Turn) -> Result<Decision, RolloutError> {
        let mut chosen: Vec<(ToolCall, Choice)> = turn
            .calls
            .iter()
            .map(|call| (call.clone(), Choice::AsIs))
            .collect();
        if !self.desk.step_mode || chosen.is_empty() {
            return Ok(Decision::Carry(chosen));
        }
        self.show_paused(true, WAITS)?;
        self.desk.deciding = true;
        let decision = loop {
            self.apply_granted();
            if self.desk.stop.is_some() {
                break Decision::Stopped;
            }
            if !self.desk.step_mode && self.taken.is_none() {
                break Decision::Carry(chosen);
            }
            let Some(request) = self.desk.kept.pop_front() else {
                let doing = self.waiting_for();
                self.wait_for_news(doing).await?;
                continue;
            };
            match &request.op {
                Op::Approve | Op::Edit { .. } | Op::Skip { .. } | Op::Retry
                    if self.taken.is_some() =>
                {
                    let why = "a person has the shell: hand_back comes first";
                    let _ = request.answer.send(Answer::refused(why));
                }
                // The action keeps waiting, and is asked about again when the agent has its shell back.
                Op::TakeOver | Op::HandBack => {
                    self.grant(request).await?;
                    self.show_waiting()?;
                }
                Op::Approve => {
                    self.accept(request)?;
                    break Decision::Carry(chosen);
                }
                Op::Edit {
                    index,
                    arguments,
                    name,
                } => {
                    let Some((call, choice)) = chosen.get_mut(*index as usize) else {
                        let _ = request
                            .answer
                            .send(Answer::refused(format!("this step has no action {index}")));
                        continue;
                    };
                    let new = edited(call, name.as_ref(), arguments);
                    if let Some(problem) = self.problem_with(&new) {
                        let _ = request.answer.send(Answer::refused(problem));
                        continue;
                    }
                    let original = match choice {
                        Choice::Edited { original } => original.clone(),
                        _ => call.clone(),
                    };
                    *call = new;
                    *choice = Choice::Edited { original };
                    self.accept(request)?;
                    break Decision::Carry(chosen);
                }
                Op::Skip { index } => {
                    for (number, (_, choice)) in (0u32..).zip(&mut chosen) {
                        if index.is_none_or(|index| index == number) {
                            *choice = Choice::Skip;
                        }
                    }
                    self.accept(request)?;
                    break Decision::Carry(chosen);
                }
                Op::Retry => {
                    let call = self.state.answer.as_ref().map_or(0, |answer| answer.call);
                    self.emit(Event::Dropped {
                        call,
                        why: "a person asked for another answer".into(),
                    })?;
                    self.accept(request)?;
                    break Decision::Again;
                }
                _ => self.grant(request).await?,
            }
        };
        self.desk.deciding = false;
        self.show_paused(false, "")?;
        Ok(decision)
    }

    /// What is waited for while an action waits.
    fn waiting_for(&self) -> &'static str {
        if self.taken.is_some() {
            "a person has the shell"
        } else {
            WAITS
        }
    }

    /// What is waited for may have changed without an end of the waiting.
    fn show_waiting(&mut self) -> Result<(), RolloutError> {
        self.emit(Event::Paused {
            paused: true,
            why: self.waiting_for().into(),
        })
    }

    fn problem_with(&self, call: &ToolCall) -> Option<String> {
        let message = self
            .attempt
            .scaffold
            .rewrite("", std::slice::from_ref(call));
        memory::read(&self.attempt.scaffold, message)
            .problems
            .into_iter()
            .next()
            .map(|(_, problem)| problem)
    }

    /// Put an operation on record and say yes.
    fn accept(&mut self, request: Request) -> Result<(), RolloutError> {
        self.accept_with(request, Answer::ok())
    }

    fn accept_with(&mut self, request: Request, answer: Answer) -> Result<(), RolloutError> {
        let op = serde_json::to_value(&request.op).unwrap_or_default();
        self.emit(Event::Control { op })?;
        let _ = request.answer.send(answer);
        Ok(())
    }

    /// Operations that any safe point can grant.
    pub(super) async fn grant(&mut self, request: Request) -> Result<(), RolloutError> {
        let refuse = |request: Request, why: &str| {
            let _ = request.answer.send(Answer::refused(why));
            Ok(())
        };
        match request.op.clone() {
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
                self.accept(request)
            }
            Op::TakeOver if self.taken.is_some() => {
                refuse(request, "a person has the shell already")
            }
            Op::TakeOver => {
                self.taken = Some(Vec::new());
                self.accept(request)
            }
            Op::Shell { command } => self.type_command(request, &command).await,
            Op::HandBack => match self.taken.take() {
                None => refuse(request, "nobody has the shell: take_over comes first"),
                Some(typed) => {
                    if !typed.is_empty() {
                        // What a person did is kept with what is told of it: a resume has both.
                        let snapshot = self.sandbox.snapshot().await?;
                        let told = told(&typed);
                        self.emit(Event::HandedBack { snapshot, told })?;
                    }
                    self.accept(request)
                }
            },
            Op::Interrupt => match self.taken {
                None => refuse(
                    request,
                    "no command of a person's runs: take_over comes first",
                ),
                // One that was quiet for long was left running.
                Some(_) => self.type_command(request, "ctrl+c").await,
            },
            Op::Rewind { step, say } => {
                match Rollout::branch(&self.id, step, say, Arc::clone(&self.attempt)) {
                    Ok(branch) => {
                        let answer = Answer::ok().with("rollout", branch.id.as_str());
                        self.desk.stop = Some(format!("branched at step {step} as {}", branch.id));
                        self.branch = Some(branch);
                        self.accept_with(request, answer)
                    }
                    Err(error) => refuse(request, &error.to_string()),
                }
            }
            Op::Test { step } => {
                let step = step.unwrap_or(self.state.step);
                let (Some(base), Some(snapshot)) = (
                    self.state.base.clone(),
                    self.state.snapshot_at(step).cloned(),
                ) else {
                    return refuse(
                        request,
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
                    judge(&*attempt, &id, &writer, &patch, Some(step), &abandon).await
                });
                self.accept_with(request, Answer::ok().with("step", step))
            }
            _ => refuse(request, "not now"),
        }
    }

    async fn type_command(&mut self, request: Request, command: &str) -> Result<(), RolloutError> {
        if self.taken.is_none() {
            let _ = request
                .answer
                .send(Answer::refused("take_over comes first"));
            return Ok(());
        }
        let outcome = self.run_typed(command).await?;
        let answer = Answer::ok()
            .with("output", outcome.text.clone())
            .with("exit", outcome.exit);
        if let Some(typed) = &mut self.taken {
            typed.push((command.to_owned(), outcome));
        }
        self.accept_with(request, answer)
    }

    /// Run a person's command in the agent's shell; it is on record then.
    pub(super) async fn run_typed(&mut self, command: &str) -> Result<Outcome, RolloutError> {
        let cancel = CancellationToken::new();
        let (live, mut chunks) = tokio::sync::mpsc::channel(64);
        self.hands.limit_commands(self.limits().command_seconds);
        self.desk.typing = true;
        let abandon = self.abandon.clone();
        let typing = self.hands.human(command, live, &cancel);
        let draining = async { while chunks.recv().await.is_some() {} };
        let both = async { tokio::join!(typing, draining) };
        let doing = "a person's command is running";
        let ((outcome, ()), _) = tokio::select! {
            done = self.desk.attend(&cancel, None, false, doing, both) => done,
            () = abandon.cancelled() => return Err(self.abandoned()),
        };
        self.desk.typing = false;
        self.apply_granted();
        let outcome = outcome?;
        self.emit(Event::Typed {
            command: command.into(),
            outcome: outcome.clone(),
        })?;
        Ok(outcome)
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
