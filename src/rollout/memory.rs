//! What the loop remembers of earlier steps beside the state: the loop detection's beats, replies in a row without a valid
//! call, files that had changed.
//!
//! It is a fold of the records, too, so that a resume goes on where the interrupted run was: only whole steps count.

use super::stuck::Watch;
use crate::agent::{Outcome, Scaffold, Turn};
use crate::model::{Finish, Message, Reply, Role, ToolCall};
use crate::trajectory::Record;
use crate::trajectory::event::{Author, Event, Origin};
use crate::trajectory::request::Parts;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    /// Sees loops.
    pub(super) watch: Watch,
    /// Replies in a row without a valid call.
    pub(super) format_errors: u32,
    /// Files that differed from the base after the last step.
    pub(super) files: Vec<String>,
}

impl Memory {
    /// What a trajectory leaves to remember.
    pub(super) fn of(records: &[Record], scaffold: &Scaffold) -> Self {
        let parts = Parts::of(records);
        let mut whole = Self::default();
        let mut begun = whole.clone();
        let mut turn = None;
        let mut acting: Option<(&ToolCall, Author)> = None;
        for record in records {
            match &record.event {
                Event::Resumed { .. } => begun = whole.clone(),
                Event::Replied { message, .. } => {
                    turn = parts
                        .message(*message)
                        .map(|message| read(scaffold, message.clone()));
                }
                Event::Message {
                    origin: Origin::Human,
                    message,
                    ..
                } if message.role == Role::User => begun.watch.human(),
                Event::Skipped { .. } => begun.watch.human(),
                Event::Action { call, by, .. } => acting = Some((call, *by)),
                Event::Observed { outcome, .. } => {
                    if let Some((call, by)) = acting.take() {
                        begun.acted(call, outcome, by);
                    }
                }
                Event::StepDone { files, .. } => {
                    if let Some(turn) = turn.take() {
                        begun.spoke(&turn);
                    }
                    begun.files.clone_from(files);
                    whole = begun.clone();
                }
                _ => {}
            }
        }
        begun
    }

    /// A call was carried out.
    pub(super) fn acted(&mut self, call: &ToolCall, outcome: &Outcome, by: Author) {
        if by == Author::Model {
            self.watch.action(call, outcome);
        } else {
            self.watch.human();
        }
    }

    /// A reply was taken in, its calls carried out.
    pub(super) fn spoke(&mut self, turn: &Turn) {
        if !turn.calls.is_empty() {
            self.format_errors = 0;
            return;
        }
        self.format_errors += 1;
        if turn.problems.is_empty() {
            self.watch.words(&turn.thought);
        }
    }
}

/// A message that a model gave, as its scaffold understands it.
pub(super) fn read(scaffold: &Scaffold, message: Message) -> Turn {
    scaffold.read(&Reply {
        message,
        finish: Finish::Stop,
        usage: None,
        logprobs: None,
        served_by: None,
        retries: 0,
    })
}
