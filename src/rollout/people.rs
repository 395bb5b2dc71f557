//! People at a running rollout: their word on proposed actions, and the wishes that any safe point can grant.
//!
//! A decision keeps what the model proposed beside what a person made of it; whatever is granted is on record before it
//! is answered.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::control::{Answer, Op, Order, edited};
use super::drive::Driver;
use super::judge::judge;
use super::{Rollout, RolloutError};
use crate::agent::{Outcome, Turn};
use crate::model::{Finish, Reply, ToolCall};
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
        self.show_paused(true, "an action waits for approval")?;
        self.desk.deciding = true;
        let decision = loop {
            self.record_granted()?;
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
    pub(super) async fn grant(&mut self, order: Order) -> Result<(), RolloutError> {
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
