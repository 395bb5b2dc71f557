//! Agents: a **scaffold** is a prompt, tools, a way of writing calls, rules for observations, and limits.
//!
//! Mental model: a scaffold is a folder with a TOML file and templates ([`scaffold`]); its tools are small code. It turns
//! a task into opening messages, a model's reply into calls ([`Turn`]), and what a call did into the message that the
//! model sees next. [`Hands`] carries the calls out in a sandbox. Neither decides when to go on: that is the rollout's.
//!
//! Messages are stored as the model saw them: with the text form of tool calls, the text *is* the message.
//! This room knows nothing of engines or Docker.

mod change;
mod definition;
mod editor;
pub mod hands;
mod observation;
pub mod overflow;
pub mod scaffold;
mod scaffold_file;
mod scaffold_folder;
mod shell_session;
mod shell_wire;
mod snippet;
mod source;
mod subshell;
pub mod terminal_text;
mod tools;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::ToolCall;

pub use change::would_change;
pub use hands::Hands;
pub use overflow::drop_oldest_half;
pub use scaffold::{Scaffold, ScaffoldError};

/// How calls are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolForm {
    /// The server's own tool calls.
    Native,
    /// `<function=…>` text, for models without them.
    Xml,
    /// One call a message, `NAME ARGUMENT …`, for small models.
    Line,
}

/// What the templates of a scaffold may name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// The task's id.
    pub instance_id: String,
    /// `owner/name`.
    pub repo: String,
    /// The issue.
    pub problem_statement: String,
    /// Comments made before the fix; empty unless hints are asked for.
    pub hints: String,
    /// Work directory as seen inside.
    pub workdir: String,
    /// The commit the task starts from.
    pub base_commit: String,
}

/// Limits a scaffold brings along; the command line overrides them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Most steps (model calls that were answered).
    pub turns: u32,
    /// Most seconds for one command.
    pub command_seconds: u64,
    /// Most seconds for the whole rollout; 0 is none.
    #[serde(default)]
    pub wall_seconds: u64,
    /// Most tokens over all model calls (prompt and reply); 0 is none.
    #[serde(default)]
    pub tokens: u64,
    /// Most money; needs a known price; 0 is none.
    #[serde(default)]
    pub cost: f64,
    /// After this many replies in a row without a valid call the rollout ends.
    pub format_errors: u32,
}

/// What happens when the context no longer fits. Never a silent cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverflowPolicy {
    /// The rollout ends (limit: context).
    Stop,
    /// The oldest half of the conversation is left out, the opening messages and call/result pairs kept together.
    DropOldestHalf,
}

/// A reply, read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// What the model said around its calls.
    pub thought: String,
    /// Valid calls, in order.
    pub calls: Vec<ToolCall>,
    /// What was wrong with calls that are not valid, in words for the model: (the call as far as it could be read, why).
    pub problems: Vec<(ToolCall, String)>,
}

/// What a call did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the model is told, already cut to the scaffold's size.
    pub text: String,
    /// Exit status, where a command ended.
    pub exit: Option<i32>,
    /// The call failed as a call (bad path, ambiguous edit, timeout), whatever its exit status.
    pub error: bool,
    /// The call ends the rollout: the agent says that it is done.
    pub submitted: bool,
    /// Bytes of output that were left out of `text`.
    pub dropped: u64,
    /// Wall time.
    pub took: Duration,
}
