//! A scaffold's understanding of replies: which calls they hold, and how a reply with given calls would have been written.
//!
//! Calls written as text are found by the model room's one parser; here it is decided what a reply that was cut off means.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Scaffold;
use crate::agent::scaffold_file::Acts;
use crate::agent::{ToolForm, Turn, tools};
use crate::model::tool_text::{self, Form, Piece};
use crate::model::{Finish, Message, Reply, Role, ToolCall};
use crate::text::hex::hex;

/// What is said of the last call of a reply that came to its limit.
const CUT_OFF: &str = "The reply reached its length limit before the call was complete, so it was not carried out. Write less at once.";

impl Scaffold {
    /// The assistant message to keep: what the model wrote, with the end of its call that the stop phrase took away.
    #[must_use]
    pub fn said(&self, reply: &Reply) -> Message {
        let mut message = reply.message.clone();
        if self.form == ToolForm::Xml
            && reply.finish != Finish::Length
            && self.ends_open(&message.content)
        {
            let content = message.content.trim_end();
            let whole = content
                .trim_end_matches("</function")
                .trim_end_matches("</")
                .trim_end();
            message.content = format!("{whole}\n</function>");
        }
        message
    }

    fn pieces(&self, text: &str) -> Vec<Piece> {
        tool_text::parse(text, Form::Xml, &self.specs())
    }

    /// Whether a text ends inside a call.
    fn ends_open(&self, text: &str) -> bool {
        let last = self.pieces(text).pop();
        matches!(last, Some(Piece::Call(call)) if !call.raw.trim_end().ends_with('>') || !call.raw.contains("</function>"))
    }

    /// Take a reply apart and check its calls.
    #[must_use]
    pub fn read(&self, reply: &Reply) -> Turn {
        match self.form {
            ToolForm::Native => self.read_native(reply),
            ToolForm::Xml => self.read_text(reply, self.pieces(&reply.message.content)),
            ToolForm::Line => self.read_text(
                reply,
                tool_text::parse_line(&reply.message.content, &self.specs()),
            ),
        }
    }

    fn read_native(&self, reply: &Reply) -> Turn {
        let message = &reply.message;
        let mut turn = Turn {
            thought: message.content.clone(),
            ..Turn::default()
        };
        let last = message.tool_calls.len().saturating_sub(1);
        for (index, call) in message.tool_calls.iter().cloned().enumerate() {
            let half = reply.finish == Finish::Length && index == last && !is_json(&call.arguments);
            match self.checked(&call) {
                Ok(_) => turn.calls.push(call),
                Err(_) if half => turn.problems.push((call, CUT_OFF.into())),
                Err(problem) => turn.problems.push((call, problem)),
            }
        }
        turn
    }

    fn read_text(&self, reply: &Reply, pieces: Vec<Piece>) -> Turn {
        let text = &reply.message.content;
        // Stopped by the phrase, the missing end is the phrase itself. Cut off by a length limit, what is there is half a
        // call, and half a file must not be written.
        let half =
            reply.finish == Finish::Length && (self.form == ToolForm::Line || self.ends_open(text));
        let mut turn = Turn::default();
        let last = pieces.len().saturating_sub(1);
        for (index, piece) in pieces.into_iter().enumerate() {
            let written = match piece {
                Piece::Text(text) => {
                    turn.thought.push_str(&text);
                    continue;
                }
                Piece::Call(written) => written,
            };
            let call = ToolCall {
                id: text_id(text, index),
                name: written.name,
                arguments: written.arguments,
            };
            let problem = if half && index == last {
                Some(CUT_OFF.into())
            } else {
                written.problem.or_else(|| self.checked(&call).err())
            };
            match problem {
                None => turn.calls.push(call),
                Some(problem) => turn.problems.push((call, problem)),
            }
        }
        turn.thought = turn.thought.trim().to_owned();
        turn
    }

    /// What a call's tool does, and its arguments; or what is wrong, in words for the model.
    pub(in crate::agent) fn checked(
        &self,
        call: &ToolCall,
    ) -> Result<(Acts, Map<String, Value>), String> {
        let Some(tool) = self.tools.iter().find(|tool| tool.spec.name == call.name) else {
            let known: Vec<&str> = self
                .tools
                .iter()
                .map(|tool| tool.spec.name.as_str())
                .collect();
            return Err(format!(
                "There is no function `{}`; there are: {}.",
                call.name,
                known.join(", ")
            ));
        };
        Ok((tool.acts, tools::check(&tool.spec, call)?))
    }

    /// The assistant message that the model would have written to make these calls.
    #[must_use]
    pub fn rewrite(&self, thought: &str, calls: &[ToolCall]) -> Message {
        match self.form {
            ToolForm::Native => Message {
                tool_calls: calls.to_vec(),
                ..Message::text(Role::Assistant, thought)
            },
            ToolForm::Line => {
                let specs = self.specs();
                let written: Vec<String> = calls
                    .iter()
                    .map(|call| tool_text::call_to_line(call, &specs))
                    .collect();
                Message::text(Role::Assistant, written.join("\n"))
            }
            ToolForm::Xml => {
                let written = calls.iter().map(tool_text::call_to_xml);
                let thought = Some(thought.trim().to_owned()).filter(|text| !text.is_empty());
                let parts: Vec<String> = thought.into_iter().chain(written).collect();
                Message::text(Role::Assistant, parts.join("\n\n"))
            }
        }
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// An id for a call written as text: the same text has the same ids, so that a replay finds its results.
fn text_id(text: &str, index: usize) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let short = hex(digest.get(..6).unwrap_or_default());
    format!("text_{short}_{}", index + 1)
}
