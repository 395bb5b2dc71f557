//! Control of a running rollout: the operations, and the desk where they arrive.
//!
//! Mental model: operations come one at a time, each with a place for its answer, from a socket, a screen or a test; the
//! **desk** applies them at once where that is safe (say, limits, pause) and keeps the rest as wishes that the loop
//! grants at its next safe point. While the loop waits for a model or a command it listens at the desk
//! (`Desk::attend`), so that stop and retry need not wait.
//!
//! What an operation means for the trajectory is the loop's matter.

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::model::ToolCall;

/// Operations that may wait to be looked at; a client that sends more waits.
pub const WAITING_OPS: usize = 64;

/// What can be asked of a running rollout. Its JSON form is `{"op": "pause"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// What is it doing?
    Status,
    /// Wait after the action that now runs.
    Pause,
    /// Go on; leaves step mode.
    Resume,
    /// Do one step, then wait.
    Step,
    /// Wait for approval of each step's actions from now on.
    StepMode {
        /// On or off.
        on: bool,
    },
    /// Carry out the proposed actions.
    Approve,
    /// Replace one proposed action, then carry out.
    Edit {
        /// Which of the step's actions, from 0.
        #[serde(default)]
        index: u32,
        /// New arguments, as JSON text or object; the tool stays unless `name` is given.
        arguments: serde_json::Value,
        /// Another tool.
        #[serde(default)]
        name: Option<String>,
    },
    /// Do not carry out one proposed action (all of them without an index).
    Skip {
        /// Which of the step's actions, from 0.
        #[serde(default)]
        index: Option<u32>,
    },
    /// Say something to the agent; it hears it before its next turn.
    Say {
        /// The words.
        text: String,
    },
    /// Take the shell: the agent waits while a person types.
    TakeOver,
    /// Run a command in the agent's shell (after `take_over`).
    Shell {
        /// The command.
        command: String,
    },
    /// Give the shell back; what was typed becomes one message to the agent.
    HandBack,
    /// Raise or lower limits; what is not named stays.
    Limits {
        /// Turns.
        #[serde(default)]
        turns: Option<u32>,
        /// Tokens.
        #[serde(default)]
        tokens: Option<u64>,
        /// Seconds for the whole rollout.
        #[serde(default)]
        wall_seconds: Option<u64>,
        /// Seconds for one command.
        #[serde(default)]
        command_seconds: Option<u64>,
    },
    /// End the rollout; what it has done is kept and graded.
    Stop {
        /// Why.
        #[serde(default)]
        why: String,
    },
    /// Ask the model again for the step that is under way: its answer so far is dropped.
    Retry,
    /// Go back to a step and branch: this rollout ends, a new one goes on from there.
    Rewind {
        /// The last step that is kept.
        step: u32,
        /// Said to the agent in the branch.
        #[serde(default)]
        say: Option<String>,
    },
    /// Run the task's tests on the workspace as of a step (the last whole one without a number).
    Test {
        /// The step.
        #[serde(default)]
        step: Option<u32>,
    },
}

/// An answer: `{"ok": true, …}` or `{"ok": false, "error": "…"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether the operation was accepted.
    pub ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whatever the operation has to say.
    #[serde(default, flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

impl Answer {
    /// Accepted.
    #[must_use]
    pub fn ok() -> Self {
        Self {
            ok: true,
            error: None,
            more: serde_json::Map::new(),
        }
    }

    /// Accepted, with something to say.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.more.insert(name.into(), value.into());
        self
    }

    /// Refused; the reason says what to do instead.
    #[must_use]
    pub fn refused(why: impl Into<String>) -> Self {
        Self {
            ok: false,
            error: Some(why.into()),
            more: serde_json::Map::new(),
        }
    }
}

/// An operation with a place for its answer.
pub struct Order {
    /// What is asked.
    pub op: Op,
    /// Where the answer goes; nobody may be waiting any more.
    pub answer: oneshot::Sender<Answer>,
}

/// Sends operations to a rollout.
#[derive(Clone)]
pub struct Remote(mpsc::Sender<Order>);

impl Remote {
    /// Ask, and wait for the answer.
    pub async fn ask(&self, op: Op) -> Answer {
        let (answer, wait) = oneshot::channel();
        let over = || Answer::refused("the rollout is over");
        if self.0.send(Order { op, answer }).await.is_err() {
            return over();
        }
        wait.await.unwrap_or_else(|_| over())
    }
}

/// Where operations arrive.
pub struct Desk {
    orders: mpsc::Receiver<Order>,
    /// Operations that only the loop can answer, in order.
    pub(super) kept: std::collections::VecDeque<Order>,
    /// A person wants it to wait.
    pub(super) paused: bool,
    /// Steps that may still be done before it waits again.
    pub(super) steps_left: Option<u32>,
    /// Each step's actions wait for approval.
    pub(super) step_mode: bool,
    /// End it.
    pub(super) stop: Option<String>,
    /// Ask the model again.
    pub(super) retry: bool,
    /// Proposed actions wait for a decision.
    pub(super) deciding: bool,
    /// What people said and the agent has not heard yet.
    pub(super) said: Vec<String>,
    /// Operations that were granted at once and are not on record yet.
    pub(super) granted: Vec<Op>,
    /// What `status` answers, apart from what is being done.
    pub(super) summary: serde_json::Map<String, serde_json::Value>,
}

/// Why waiting was broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupt {
    Stop,
    Retry,
    /// The rollout's own time is over.
    Time,
}

/// A new desk and the way to reach it.
#[must_use]
pub fn desk(step_mode: bool) -> (Remote, Desk) {
    let (sender, orders) = mpsc::channel(WAITING_OPS);
    let desk = Desk {
        orders,
        kept: std::collections::VecDeque::new(),
        paused: false,
        steps_left: None,
        step_mode,
        stop: None,
        retry: false,
        deciding: false,
        said: Vec::new(),
        granted: Vec::new(),
        summary: serde_json::Map::new(),
    };
    (Remote(sender), desk)
}

impl Desk {
    /// Wait for `work`, taking operations meanwhile. A stop, the `deadline`, or (where `may_retry`) a retry fires
    /// `cancel`; `work` is then awaited to its own end, which must come soon.
    pub(super) async fn attend<T>(
        &mut self,
        cancel: &CancellationToken,
        deadline: Option<tokio::time::Instant>,
        may_retry: bool,
        doing: &str,
        work: impl Future<Output = T>,
    ) -> (T, Option<Interrupt>) {
        tokio::pin!(work);
        let mut interrupt = None;
        loop {
            tokio::select! {
                biased;
                result = &mut work => return (result, interrupt),
                () = tokio::time::sleep_until(deadline.unwrap_or_else(tokio::time::Instant::now)),
                    if deadline.is_some() && interrupt.is_none() =>
                {
                    interrupt = Some(Interrupt::Time);
                    cancel.cancel();
                }
                Some(order) = self.orders.recv() => {
                    self.take(order, may_retry, doing);
                    if self.stop.is_some() && interrupt.is_none() {
                        interrupt = Some(Interrupt::Stop);
                        cancel.cancel();
                    }
                    if self.retry && interrupt.is_none() {
                        self.retry = false;
                        interrupt = Some(Interrupt::Retry);
                        cancel.cancel();
                    }
                }
            }
        }
    }

    /// Wait until something was asked; `false` when every remote is gone.
    pub(super) async fn news(&mut self, doing: &str) -> bool {
        match self.orders.recv().await {
            Some(order) => {
                self.take(order, false, doing);
                true
            }
            None => false,
        }
    }

    /// Operations that have arrived, without waiting.
    pub(super) fn drain(&mut self, doing: &str) {
        while let Ok(order) = self.orders.try_recv() {
            self.take(order, false, doing);
        }
    }

    fn take(&mut self, order: Order, may_retry: bool, doing: &str) {
        let answer = match &order.op {
            Op::Pause => {
                self.paused = true;
                Answer::ok().with("state", format!("pausing: {doing} is finished first"))
            }
            Op::Resume => {
                self.paused = false;
                self.step_mode = false;
                self.steps_left = None;
                Answer::ok()
            }
            Op::Step if self.deciding => {
                // The step that is wanted is the one that waits.
                let approve = Order {
                    op: Op::Approve,
                    answer: order.answer,
                };
                self.kept.push_back(approve);
                return;
            }
            Op::Step => {
                self.paused = false;
                self.steps_left = Some(1);
                Answer::ok()
            }
            Op::StepMode { on } => {
                self.step_mode = *on;
                Answer::ok()
            }
            Op::Stop { why } => {
                self.stop = Some(why.clone());
                Answer::ok()
            }
            Op::Retry if may_retry => {
                self.retry = true;
                Answer::ok()
            }
            Op::Approve | Op::Edit { .. } | Op::Skip { .. } | Op::Retry if self.deciding => {
                self.kept.push_back(order);
                return;
            }
            Op::Retry => Answer::refused(format!("nothing to ask again: {doing}")),
            Op::Approve | Op::Edit { .. } | Op::Skip { .. } => {
                Answer::refused(format!("no action waits for approval: {doing}"))
            }
            Op::Status => {
                let mut answer = Answer::ok()
                    .with("paused", self.paused || self.steps_left == Some(0))
                    .with("step_mode", self.step_mode)
                    .with("doing", doing);
                answer.more.extend(self.summary.clone());
                answer
            }
            Op::Say { text } => {
                self.said.push(text.clone());
                Answer::ok()
            }
            Op::TakeOver
            | Op::Shell { .. }
            | Op::HandBack
            | Op::Limits { .. }
            | Op::Rewind { .. }
            | Op::Test { .. } => {
                self.kept.push_back(order);
                return;
            }
        };
        if answer.ok && !matches!(order.op, Op::Status | Op::Say { .. }) {
            self.granted.push(order.op);
        }
        let _ = order.answer.send(answer);
    }
}

/// The call that an edit makes of a proposed one.
pub(super) fn edited(
    call: &ToolCall,
    name: Option<&String>,
    arguments: &serde_json::Value,
) -> ToolCall {
    let arguments = match arguments {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    ToolCall {
        id: call.id.clone(),
        name: name.unwrap_or(&call.name).clone(),
        arguments,
    }
}
