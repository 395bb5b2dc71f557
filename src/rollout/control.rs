//! Control of a running rollout: the operations, and the desk where they arrive.
//!
//! Mental model: operations come one at a time, each with a place for its answer, from a socket, a screen or a test; the
//! **desk** applies them at once where that is safe (say, limits, pause) and keeps the rest as wishes that the loop
//! grants at its next safe point. While the loop waits for a model or a command it listens at the desk
//! (`Desk::attend`), so that stop and retry need not wait.
//!
//! What an operation means for the trajectory is the loop's matter.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::model::ToolCall;
use crate::trajectory::event::Event;
use crate::trajectory::{Record, Writer};

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
    /// Go on; leaves step mode unless told otherwise.
    Resume {
        /// Actions wait for approval still, if they did.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        keep_step_mode: bool,
    },
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
    /// Ctrl-C for the command that a person runs in the shell.
    Interrupt,
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
pub struct Request {
    /// What is asked.
    pub op: Op,
    /// Where the answer goes; nobody may be waiting any more.
    pub answer: oneshot::Sender<Answer>,
}

/// Sends operations to a rollout.
#[derive(Clone)]
pub struct Remote(mpsc::Sender<Request>);

impl Remote {
    /// Ask, and wait for the answer.
    pub async fn ask(&self, op: Op) -> Answer {
        let (answer, wait) = oneshot::channel();
        let over = || Answer::refused("the rollout is over");
        if self.0.send(Request { op, answer }).await.is_err() {
            return over();
        }
        wait.await.unwrap_or_else(|_| over())
    }
}

/// Where operations arrive.
pub struct Desk {
    requests: mpsc::Receiver<Request>,
    /// Operations that only the loop can answer, in order.
    pub(super) kept: std::collections::VecDeque<Request>,
    /// A person wants it to wait.
    pub(super) paused: bool,
    /// Steps that may still be done before it waits again.
    pub(super) steps_left: Option<u32>,
    /// Each step's actions wait for approval.
    pub(super) step_mode: bool,
    /// End it.
    pub(super) stop: Option<String>,
    /// What is under way is of no use any more: the model's answer, or a person's own command.
    broken_off: bool,
    /// Proposed actions wait for a decision.
    pub(super) deciding: bool,
    /// A person's command runs.
    pub(super) typing: bool,
    /// Recorded actions are carried out: only their pace is anybody's to say.
    pub(super) scripted: bool,
    /// Where operations that are granted at once are put on record, before they are answered.
    record: Option<Arc<Writer>>,
    /// Those records; the loop has to take them into its state.
    pub(super) granted: Vec<Record>,
    /// What `status` answers, apart from what is being done.
    pub(super) summary: serde_json::Map<String, serde_json::Value>,
}

/// Why waiting was broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupt {
    Stop,
    BreakOff,
    /// The rollout's own time is over.
    Time,
}

/// A new desk and the way to reach it.
#[must_use]
pub fn desk(step_mode: bool) -> (Remote, Desk) {
    let (sender, requests) = mpsc::channel(WAITING_OPS);
    let desk = Desk {
        requests,
        kept: std::collections::VecDeque::new(),
        paused: false,
        steps_left: None,
        step_mode,
        stop: None,
        broken_off: false,
        deciding: false,
        typing: false,
        scripted: false,
        record: None,
        granted: Vec::new(),
        summary: serde_json::Map::new(),
    };
    (Remote(sender), desk)
}

impl Desk {
    /// Wait for `work`, taking operations meanwhile. A stop, the `deadline`, a retry (where `may_retry`) or an interrupt fires
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
                Some(request) = self.requests.recv() => {
                    self.take(request, may_retry, doing);
                    if self.stop.is_some() && interrupt.is_none() {
                        interrupt = Some(Interrupt::Stop);
                        cancel.cancel();
                    }
                    if std::mem::take(&mut self.broken_off) && interrupt.is_none() {
                        interrupt = Some(Interrupt::BreakOff);
                        cancel.cancel();
                    }
                }
            }
        }
    }

    /// Wait until something was asked; `false` when every remote is gone.
    pub(super) async fn news(&mut self, doing: &str) -> bool {
        match self.requests.recv().await {
            Some(request) => {
                self.take(request, false, doing);
                true
            }
            None => false,
        }
    }

    /// Operations that have arrived, without waiting.
    pub(super) fn drain(&mut self, doing: &str) {
        while let Ok(request) = self.requests.try_recv() {
            self.take(request, false, doing);
        }
    }

    /// From now on, operations that are granted at once are written there.
    pub(super) fn keep_record(&mut self, writer: &Arc<Writer>) {
        self.record = Some(Arc::clone(writer));
    }

    fn take(&mut self, request: Request, may_retry: bool, doing: &str) {
        let answer = match &request.op {
            Op::Status => self.status(doing),
            Op::Approve
            | Op::Edit { .. }
            | Op::Skip { .. }
            | Op::Say { .. }
            | Op::StepMode { .. }
            | Op::TakeOver
            | Op::Shell { .. }
            | Op::HandBack
            | Op::Limits { .. }
            | Op::Retry
            | Op::Rewind { .. }
                if self.scripted =>
            {
                Answer::refused(
                    "recorded actions are carried out again: pause, resume, step, test and stop are all that can be asked",
                )
            }
            Op::Step if self.deciding => {
                // The step that is wanted is the one that waits.
                let op = Op::Approve;
                self.kept.push_back(Request { op, ..request });
                return;
            }
            Op::Retry if may_retry => self.grant_at_once(&request.op, doing),
            Op::Approve | Op::Edit { .. } | Op::Skip { .. } | Op::Retry if self.deciding => {
                self.kept.push_back(request);
                return;
            }
            Op::Retry => Answer::refused(format!("nothing to ask again: {doing}")),
            Op::Approve | Op::Edit { .. } | Op::Skip { .. } => {
                Answer::refused(format!("no action waits for approval: {doing}"))
            }
            Op::Interrupt if self.typing => self.grant_at_once(&request.op, doing),
            Op::TakeOver
            | Op::Interrupt
            | Op::Shell { .. }
            | Op::HandBack
            | Op::Limits { .. }
            | Op::Rewind { .. }
            | Op::Test { .. } => {
                self.kept.push_back(request);
                return;
            }
            op => self.grant_at_once(op, doing),
        };
        let _ = request.answer.send(answer);
    }

    fn status(&self, doing: &str) -> Answer {
        let mut answer = Answer::ok()
            .with("paused", self.paused || self.steps_left == Some(0))
            .with("step_mode", self.step_mode)
            .with("doing", doing);
        answer.more.extend(self.summary.clone());
        answer
    }

    /// On record first: what was said yes to must not be lost with the program.
    fn grant_at_once(&mut self, op: &Op, doing: &str) -> Answer {
        if let Some(writer) = &self.record {
            let op = serde_json::to_value(op).unwrap_or_default();
            match writer.append(Event::Control { op }) {
                Ok(record) => self.granted.push(record),
                Err(error) => return Answer::refused(format!("it cannot be recorded: {error}")),
            }
        }
        match op {
            Op::Pause => {
                self.paused = true;
                let state = format!("pausing: {doing} is finished first");
                return Answer::ok().with("state", state);
            }
            Op::Resume { keep_step_mode } => {
                self.paused = false;
                self.step_mode &= *keep_step_mode;
                self.steps_left = None;
            }
            Op::Step => {
                self.paused = false;
                self.steps_left = Some(1);
            }
            Op::StepMode { on } => self.step_mode = *on,
            Op::Stop { why } => self.stop = Some(why.clone()),
            Op::Retry | Op::Interrupt => self.broken_off = true,
            // Words need nothing here: the agent hears whatever is on record and it has not heard.
            _ => {}
        }
        Answer::ok()
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
