//! A reply from its chunks, and the pieces for whoever watches.
//!
//! Read leniently, because servers differ: `content` may be null or a list of parts; reasoning is `reasoning_content` or
//! `reasoning`; a tool call comes in pieces by `index`, or whole, or several whole ones under the same index; ids may be
//! missing or repeat; arguments may be an object instead of text; a whole answer has `message` where chunks have
//! `delta`.

use serde::Deserialize;
use serde_json::Value;

use crate::model::{Delta, Finish, Message, Reply, Role, TokenLogprob, ToolCall, Usage};

/// More calls than this in one reply are a server gone wrong.
const MOST_CALLS: usize = 256;

#[derive(Debug, PartialEq)]
pub(super) enum Bad {
    /// Not a chunk.
    Chunk(String),
    /// The server reports an error inside the stream.
    Error {
        status: Option<u16>,
        message: String,
    },
}

#[derive(Deserialize)]
struct Chunk {
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    usage: Option<WireUsage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<WireMessage>,
    message: Option<WireMessage>,
    finish_reason: Option<String>,
    logprobs: Option<WireLogprobs>,
}

#[derive(Deserialize)]
struct WireMessage {
    content: Option<Content>,
    reasoning_content: Option<String>,
    reasoning: Option<String>,
    tool_calls: Option<Vec<WireCall>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

#[derive(Deserialize)]
struct WireCall {
    index: Option<usize>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<Value>,
}

#[derive(Deserialize)]
struct WireUsage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    prompt_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct WireLogprobs {
    content: Option<Vec<TokenLogprob>>,
}

struct Call {
    wire_index: Option<usize>,
    id: String,
    name: String,
    arguments: String,
}

/// Puts chunks together.
pub(super) struct Assembler {
    content: String,
    reasoning: String,
    calls: Vec<Call>,
    finish: Option<String>,
    usage: Option<Usage>,
    logprobs: Option<Vec<TokenLogprob>>,
    served_by: Option<String>,
    calls_before: usize,
}

impl Assembler {
    /// `calls_before` is the number of calls in the conversation so far: made-up ids count on from it.
    pub(super) fn new(calls_before: usize) -> Self {
        Self {
            content: String::new(),
            reasoning: String::new(),
            calls: Vec::new(),
            finish: None,
            usage: None,
            logprobs: None,
            served_by: None,
            calls_before,
        }
    }

    /// Nothing has come yet.
    pub(super) fn is_empty(&self) -> bool {
        self.content.is_empty()
            && self.reasoning.is_empty()
            && self.calls.is_empty()
            && self.finish.is_none()
    }

    /// The server has said why the reply ends.
    pub(super) fn has_ended(&self) -> bool {
        self.finish.is_some()
    }

    /// Take in one chunk, or a whole answer.
    pub(super) fn take(&mut self, text: &str) -> Result<Vec<Delta>, Bad> {
        let chunk: Chunk = serde_json::from_str(text).map_err(|error| {
            let start: String = text.chars().take(80).collect();
            Bad::Chunk(format!("{error} in `{start}`"))
        })?;
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(error_of(&error));
        }
        if let Some(model) = chunk.model.filter(|model| !model.is_empty()) {
            self.served_by = Some(model);
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(Usage {
                prompt_tokens: usage.prompt_tokens,
                completion_tokens: usage.completion_tokens,
                cached_tokens: usage
                    .prompt_tokens_details
                    .and_then(|d| d.cached_tokens)
                    .unwrap_or(0),
            });
        }
        let mut news = Vec::new();
        // Only one choice is ever asked for.
        if let Some(choice) = chunk.choices.into_iter().flatten().next() {
            self.choice(choice, &mut news)?;
        }
        Ok(news)
    }

    fn choice(&mut self, choice: Choice, news: &mut Vec<Delta>) -> Result<(), Bad> {
        if let Some(message) = choice.delta.or(choice.message) {
            let reasoning = message.reasoning_content.or(message.reasoning);
            if let Some(text) = reasoning.filter(|text| !text.is_empty()) {
                self.reasoning.push_str(&text);
                news.push(Delta::Reasoning { text });
            }
            let text = match message.content {
                Some(Content::Text(text)) => text,
                Some(Content::Parts(parts)) => {
                    parts.into_iter().filter_map(|part| part.text).collect()
                }
                None => String::new(),
            };
            if !text.is_empty() {
                self.content.push_str(&text);
                news.push(Delta::Text { text });
            }
            for call in message.tool_calls.into_iter().flatten() {
                news.push(self.call(call)?);
            }
        }
        if let Some(tokens) = choice.logprobs.and_then(|logprobs| logprobs.content) {
            self.logprobs.get_or_insert_default().extend(tokens);
        }
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
            self.finish = Some(reason);
        }
        Ok(())
    }

    fn call(&mut self, wire: WireCall) -> Result<Delta, Bad> {
        let id = wire.id.unwrap_or_default();
        let (name, arguments) = match wire.function {
            Some(function) => (function.name.unwrap_or_default(), function.arguments),
            None => (String::new(), None),
        };
        let arguments = match arguments {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            Some(object) => object.to_string(),
        };
        let index = match self.slot(wire.index, &id, &name) {
            Some(index) => index,
            None if self.calls.len() >= MOST_CALLS => {
                return Err(Bad::Chunk(format!(
                    "more than {MOST_CALLS} tool calls in one reply"
                )));
            }
            None => {
                self.calls.push(Call {
                    wire_index: wire.index,
                    id,
                    name: String::new(),
                    arguments: String::new(),
                });
                self.calls.len() - 1
            }
        };
        let mut first_name = None;
        if let Some(call) = self.calls.get_mut(index) {
            if call.name.is_empty() && !name.is_empty() {
                call.name.clone_from(&name);
                first_name = Some(name);
            }
            call.arguments.push_str(&arguments);
        }
        Ok(Delta::Tool {
            index,
            name: first_name,
            arguments,
        })
    }

    /// Which call a piece belongs to; none where it begins a new one.
    fn slot(&self, index: Option<usize>, id: &str, name: &str) -> Option<usize> {
        let at = match index {
            // The latest of this index: there are servers that number every call 0.
            Some(_) => self
                .calls
                .iter()
                .rposition(|call| call.wire_index == index)?,
            None => self.calls.len().checked_sub(1)?,
        };
        let known = self.calls.get(at)?;
        let other_id = !id.is_empty() && id != known.id;
        let begins = !name.is_empty() && !known.name.is_empty() && (other_id || index.is_none());
        (!begins).then_some(at)
    }

    /// The whole reply.
    pub(super) fn reply(self) -> Reply {
        let mut tool_calls: Vec<ToolCall> = Vec::new();
        for (at, call) in self.calls.into_iter().enumerate() {
            let taken = tool_calls.iter().any(|other| other.id == call.id);
            let id = if call.id.is_empty() || taken {
                format!("call_{}", self.calls_before + at)
            } else {
                call.id
            };
            tool_calls.push(ToolCall {
                id,
                name: call.name,
                arguments: call.arguments,
            });
        }
        let finish = match self.finish.as_deref() {
            Some("stop") if !tool_calls.is_empty() => Finish::ToolCalls,
            Some("stop") => Finish::Stop,
            Some("tool_calls" | "function_call") => Finish::ToolCalls,
            Some("length") => Finish::Length,
            Some(other) => Finish::Other(other.to_owned()),
            None => Finish::Other("no reason given".to_owned()),
        };
        let mut message = Message::text(Role::Assistant, self.content);
        message.tool_calls = tool_calls;
        message.reasoning = (!self.reasoning.is_empty()).then_some(self.reasoning);
        Reply {
            message,
            finish,
            usage: self.usage,
            logprobs: self.logprobs,
            served_by: self.served_by,
            retries: 0,
        }
    }
}

fn error_of(error: &Value) -> Bad {
    let message = match error {
        Value::String(text) => text.clone(),
        other => match other.get("message").and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => other.to_string(),
        },
    };
    let status = error
        .get("code")
        .and_then(Value::as_u64)
        .and_then(|code| u16::try_from(code).ok());
    Bad::Error { status, message }
}

#[cfg(test)]
mod tests;
