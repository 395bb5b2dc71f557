//! The events of a rollout. Fields are only ever added; a reader ignores what it does not know.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::comparison::{Comparison, Difference};
use crate::agent::{Outcome, ToolForm};
use crate::grade::{Grading, Progress, RuleSet, Verdict};
use crate::model::{
    Delta, Finish, Message, ModelInfo, Sampling, TokenLogprob, ToolCall, ToolSpec, Usage,
};
use crate::sandbox::{SandboxReport, SnapshotId, Stream};

/// One line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counts from 0 without gaps.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Author {
    /// The policy.
    Model,
    /// A person.
    Human,
    /// The program itself.
    Spotter,
}

/// Where a message of the context comes from. What is not the model's own is masked in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The scaffold's opening.
    Scaffold,
    /// The model wrote it.
    Model,
    /// What a call did.
    Observation,
    /// A person said, edited or typed it.
    Human,
    /// The scaffold speaks up in the middle: a nudge, a format error.
    Nudge,
}

/// Everything a rollout was started with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// This rollout.
    pub rollout: String,
    /// Version of the program.
    pub spotter: String,
    /// Task id.
    pub instance_id: String,
    /// Hash of the deciding fields of the task.
    pub task_hash: String,
    /// Where the task was read from (`--tasks` text).
    pub tasks: String,
    /// Scaffold's name or folder.
    pub scaffold: String,
    /// Hash of the scaffold's files.
    pub scaffold_hash: String,
    /// How calls are written.
    pub tool_form: ToolForm,
    /// The policy.
    pub model: ModelInfo,
    /// Sampling settings of this attempt.
    pub sampling: Sampling,
    /// Attempt k …
    pub attempt: u32,
    /// … of n.
    pub of: u32,
    /// Limits in force at the start.
    pub limits: crate::agent::Limits,
    /// Sandbox asked for.
    pub sandbox: crate::sandbox::Kind,
    /// Network allowed.
    pub network: bool,
    /// Folder of clones that the base was laid out from, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repos: Option<std::path::PathBuf>,
    /// Docker image asked for, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Limits of the sandbox.
    pub sandbox_limits: crate::sandbox::Limits,
    /// Ignored files are snapshotted, too.
    #[serde(default)]
    pub snapshot_ignored: bool,
    /// The agent was given the row's hints.
    #[serde(default)]
    pub hints: bool,
    /// What tokens cost, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// The rollout and step this one branched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The rollout whose recorded actions this one carries out again; no model is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reexecutes: Option<String>,
    /// Of a demonstration: the settings that its plan follows from beside the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demonstrates: Option<String>,
    /// Groups attempts that were started together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// Commit the task starts from.
    pub base_commit: String,
    /// Rule set that will grade it.
    pub rules: Option<RuleSet>,
    /// Waits for approval of each step from the start.
    #[serde(default)]
    pub step_mode: bool,
}

/// Dollars for a million tokens of prompt and of reply.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// Prompt.
    pub prompt: f64,
    /// Reply.
    pub reply: f64,
}

/// Where a branch comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Rollout.
    pub rollout: String,
    /// The last step that both share.
    pub step: u32,
}

/// How a rollout ended. What grading said is another matter ([`Verdict`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ended", rename_all = "snake_case")]
pub enum Ended {
    /// The agent said that it was done.
    Submitted,
    /// A limit was reached.
    Limit {
        /// turns, tokens, wall time, cost, context, format errors.
        which: String,
    },
    /// The agent went in circles.
    Stuck {
        /// Which rule saw it.
        rule: String,
    },
    /// A person stopped it.
    Stopped {
        /// Why, if they said.
        why: String,
    },
    /// What is carried out again was never brought to an end: the recording ends here.
    RecordingOver,
    /// Something broke that was not the agent's doing.
    Error {
        /// model, sandbox, spotter.
        part: String,
        /// In a sentence.
        why: String,
    },
}

/// Kind of the [`Mark`] on a step whose answer was wrong on purpose (an expert's): it is not to be learned.
pub const MISTAKE: &str = "mistake";

/// Kind of the [`Mark`] on a step that says again what a model said in a failed attempt: it is not to be learned, either.
pub const SAID_AGAIN: &str = "said again";

/// Something that may explain a verdict or put it in doubt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// `git-history`, `network`, `test-edit`, …
    pub kind: String,
    /// Step it was seen in.
    pub step: u32,
    /// The piece of text that made it.
    pub evidence: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// First of every trajectory.
    Started(Box<Start>),
    /// A sandbox stands; `base` is the snapshot of the untouched workspace.
    SandboxReady {
        /// What it is and what holds.
        report: SandboxReport,
        /// Workspace before the agent touched it.
        base: SnapshotId,
    },
    /// An interrupted rollout goes on, or a branch begins: the workspace is that of `step`, and what a later step had
    /// begun is void.
    Resumed {
        /// Last finished step.
        step: u32,
        /// What was not brought back.
        not_restored: Vec<String>,
    },
    /// A set of tools, stored once and named by its hash.
    Tools {
        /// SHA-256 of the canonical JSON.
        hash: String,
        /// The tools.
        tools: Vec<ToolSpec>,
    },
    /// A message of the context, stored once.
    Message {
        /// Names it within this trajectory.
        id: u32,
        /// Where it comes from.
        origin: Origin,
        /// The message.
        message: Message,
        /// It stands in the context in place of that one (an edit by a person).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<u32>,
    },
    /// The model is asked.
    Asked {
        /// Counts model calls from 0.
        call: u32,
        /// Step it belongs to, from 1.
        step: u32,
        /// Messages sent, in order.
        messages: Vec<u32>,
        /// Hash of the tools sent, if any.
        tools: Option<String>,
        /// Settings sent.
        sampling: Sampling,
        /// Model name in the request.
        model: String,
        /// SHA-256 of the request's body.
        request_sha256: String,
    },
    /// Pieces of a reply, merged over about 50 ms.
    Delta {
        /// Which call.
        call: u32,
        /// The pieces, in order.
        deltas: Vec<Delta>,
    },
    /// The model answered.
    Replied {
        /// Which call.
        call: u32,
        /// Its message.
        message: u32,
        /// Why it ended.
        finish: Finish,
        /// Tokens, where counted.
        usage: Option<Usage>,
        /// Log-probabilities, where given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        logprobs: Option<Vec<TokenLogprob>>,
        /// Name that the server answered with.
        served_by: Option<String>,
        /// Failed attempts before this one.
        retries: u32,
        /// Milliseconds from question to end.
        took_ms: u64,
    },
    /// The model could not answer.
    CallFailed {
        /// Which call.
        call: u32,
        /// In a sentence.
        why: String,
    },
    /// An answer is dropped from the context: it will be asked for again.
    Dropped {
        /// Which call's.
        call: u32,
        /// Who wanted that, and why.
        why: String,
    },
    /// The context did not fit; what the scaffold's policy did about it.
    Overflow {
        /// Which call.
        call: u32,
        /// The server's words.
        why: String,
        /// `stop` or `drop-oldest-half`.
        policy: String,
        /// Messages that are left out from now on.
        dropped: Vec<u32>,
    },
    /// What a reply asks for, before it is carried out.
    Proposed {
        /// Step, from 1.
        step: u32,
        /// What was said around the calls.
        thought: String,
        /// The calls, in order.
        calls: Vec<ToolCall>,
    },
    /// A call is carried out.
    Action {
        /// Step.
        step: u32,
        /// Which call of the step, from 0.
        index: u32,
        /// The call.
        call: ToolCall,
        /// Who wrote it as it stands.
        by: Author,
        /// The model's own, where a person edited it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        original: Option<ToolCall>,
    },
    /// Output of a running call, merged over about 50 ms; bytes that are not UTF-8 are replaced.
    Output {
        /// Step.
        step: u32,
        /// Which call.
        index: u32,
        /// Which stream.
        stream: Stream,
        /// The text.
        text: String,
    },
    /// A call is done; `message` is what the model will see.
    Observed {
        /// Step.
        step: u32,
        /// Which call.
        index: u32,
        /// What it did.
        outcome: Outcome,
        /// Its message.
        message: u32,
    },
    /// A person skipped a call.
    Skipped {
        /// Step.
        step: u32,
        /// Which call.
        index: u32,
        /// The message the model sees instead.
        message: u32,
    },
    /// A step is whole; the workspace as of now.
    StepDone {
        /// Step.
        step: u32,
        /// Workspace.
        snapshot: SnapshotId,
        /// Files that differ from the base.
        files: Vec<String>,
    },
    /// A person (or a program through the socket) did something.
    Control {
        /// The operation, as it was sent.
        op: serde_json::Value,
    },
    /// A person ran a command in the agent's shell.
    Typed {
        /// The command.
        command: String,
        /// What it did.
        outcome: Outcome,
    },
    /// A person gave the shell back: the workspace as they left it, and what the agent will be told of what they did.
    HandedBack {
        /// Workspace; it is now that of the last whole step.
        snapshot: SnapshotId,
        /// The words; empty where nothing was typed.
        told: String,
    },
    /// Limits changed while it ran.
    LimitsChanged {
        /// The new ones.
        limits: crate::agent::Limits,
    },
    /// Waiting for a person, or going on.
    Paused {
        /// Whether it is.
        paused: bool,
        /// Why.
        why: String,
    },
    /// Something to look at when judging this run.
    Marked(Mark),
    /// The paper's definition of a loop was met: last three actions equal. Kept apart from the stuck rules; ends nothing.
    Repeating {
        /// Step.
        step: u32,
    },
    /// In a re-execution: something was otherwise than in the recording. What differs in an observation follows it, what
    /// differs in a workspace comes before its step is done.
    Diverged {
        /// Step; 0 is before the first.
        step: u32,
        /// Which call, where it is one's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<u32>,
        /// What.
        #[serde(flatten)]
        difference: Difference,
    },
    /// The sum of a re-execution, last of all.
    Compared(Comparison),
    /// The agent's part is over.
    Ended {
        /// How.
        #[serde(flatten)]
        how: Ended,
        /// Patch against the base, as git writes it.
        patch: String,
    },
    /// Grading begins.
    GradingStarted {
        /// Rule set.
        rules: RuleSet,
        /// For tests as of a step: which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<u32>,
        /// By a process that does not run the rollout: its time is none of the rollout's.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        afterwards: bool,
    },
    /// A stage of grading, or lines of its log.
    GradingProgress {
        /// What happened.
        progress: Progress,
    },
    /// Grading is done. The raw log lies beside the trajectory, in the file named.
    Graded {
        /// For tests as of a step: which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<u32>,
        /// Verdict, tests, flags; its log is cut off and in the file.
        grading: Box<Grading>,
        /// File in the rollout's folder with the raw log.
        log: Option<String>,
    },
    /// It was not graded.
    NotGraded {
        /// For tests as of a step: which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<u32>,
        /// Always [`Verdict::NotGraded`] or [`Verdict::InfrastructureError`].
        #[serde(flatten)]
        verdict: Verdict,
    },
}
