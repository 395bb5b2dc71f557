//! One step: a model call and what it caused.

use std::time::Duration;

use jiff::Timestamp;

use super::Bounded;
use crate::agent::Outcome;
use crate::model::{ToolCall, Usage};
use crate::sandbox::SnapshotId;
use crate::trajectory::event::Author;

/// What an action is, for the sign before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A command.
    Run,
    /// A look at a file.
    View,
    /// A change of a file.
    Edit,
    /// The agent says that it is done.
    Submit,
    /// Anything else.
    Other,
}

/// Something that happened within a step, in order.
#[expect(clippy::large_enum_variant, reason = "nearly all items are actions")]
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A call, proposed or carried out.
    Action {
        /// Which of the step's calls.
        index: u32,
        /// The call.
        call: ToolCall,
        /// Who wrote it as it stands.
        by: Author,
        /// The model's own, where a person edited it.
        original: Option<ToolCall>,
        /// It is being or was carried out.
        begun: Option<Timestamp>,
        /// What it printed so far.
        output: Bounded,
        /// What it did.
        outcome: Option<Outcome>,
        /// A person skipped it.
        skipped: bool,
    },
    /// A person said something, or the scaffold spoke up.
    Said {
        /// By a person.
        human: bool,
        /// The words.
        text: String,
    },
    /// A person ran a command in the agent's shell.
    Typed {
        /// The command.
        command: String,
        /// What it did.
        outcome: Outcome,
    },
    /// A re-execution: what came out otherwise than in the recording.
    Differs {
        /// In a sentence.
        text: String,
    },
    /// A word about what happened around the step: a failed call, an answer dropped, limits changed.
    Note {
        /// The word.
        text: String,
        /// It needs a person's eye.
        attention: bool,
    },
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// From 1.
    pub number: u32,
    /// What the model said around its calls; grows while it streams.
    pub thought: Bounded,
    /// Reasoning that came apart from the text.
    pub reasoning: Bounded,
    /// A call that is being streamed: its name and arguments so far, by index.
    pub coming: Vec<(String, String)>,
    /// The model is still answering.
    pub streaming: bool,
    /// What happened.
    pub items: Vec<Item>,
    /// Time the model took.
    pub model_took: Option<Duration>,
    /// Tokens of the call.
    pub usage: Option<Usage>,
    /// First and last record's time.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Workspace after it; a step that has one is whole.
    pub snapshot: Option<SnapshotId>,
    /// Files that differ from the base after it.
    pub files: Vec<String>,
    /// Kinds of audit marks.
    pub marks: Vec<String>,
    /// It came with the branch from the parent.
    pub copied: bool,
    /// Counts changes; caches compare it.
    pub revision: u32,
}

impl Step {
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }

    /// Wall time from its first record to its last.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.span
            .and_then(|(from, to)| to.duration_since(from).try_into().ok())
            .unwrap_or_default()
    }

    /// Its actions.
    pub fn actions(&self) -> impl Iterator<Item = (&ToolCall, Option<&Outcome>)> {
        self.items.iter().filter_map(|item| match item {
            Item::Action { call, outcome, .. } => Some((call, outcome.as_ref())),
            _ => None,
        })
    }

    /// Whether something in it went wrong: an exit status, a failed call, a failed tool.
    #[must_use]
    pub fn has_error(&self) -> bool {
        self.items.iter().any(|item| match item {
            Item::Action { outcome, .. } => outcome
                .as_ref()
                .is_some_and(|outcome| outcome.error || outcome.exit.is_some_and(|code| code != 0)),
            Item::Note { attention, .. } => *attention,
            _ => false,
        })
    }

    /// Whether something in it came out otherwise than in the recording that it carries out again.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.items
            .iter()
            .any(|item| matches!(item, Item::Differs { .. }))
    }

    /// Whether it changed files.
    #[must_use]
    pub fn has_edit(&self) -> bool {
        self.actions()
            .any(|(call, _)| super::step::act(call) == Act::Edit)
    }

    /// Bytes of text it holds, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let items: usize = self
            .items
            .iter()
            .map(|item| match item {
                Item::Action {
                    call,
                    output,
                    outcome,
                    ..
                } => {
                    call.arguments.len()
                        + output.bytes()
                        + outcome.as_ref().map_or(0, |outcome| outcome.text.len())
                }
                Item::Said { text, .. } | Item::Note { text, .. } | Item::Differs { text } => {
                    text.len()
                }
                Item::Typed { command, outcome } => command.len() + outcome.text.len(),
            })
            .sum();
        items + self.thought.bytes() + self.reasoning.bytes() + 512
    }
}

/// What a call is.
#[must_use]
pub fn act(call: &ToolCall) -> Act {
    match call.name.as_str() {
        "finish" | "submit" => Act::Submit,
        "str_replace_editor" => match argument(call, "command").as_deref() {
            Some("view") => Act::View,
            _ => Act::Edit,
        },
        "view" if argument(call, "file").is_some() => Act::View,
        _ if argument(call, "command").is_some() => Act::Run,
        // Lines in place of others.
        _ if argument(call, "old").is_some() && argument(call, "new").is_some() => Act::Edit,
        // A script of the scaffold's.
        "test" => Act::Run,
        _ => Act::Other,
    }
}

/// A text argument of a call.
#[must_use]
pub fn argument(call: &ToolCall, name: &str) -> Option<String> {
    let arguments: serde_json::Value = serde_json::from_str(&call.arguments).ok()?;
    Some(arguments.get(name)?.as_str()?.to_owned())
}
