//! The local engine as a model: conversations in, a streamed reply out, on this machine's own processor.
//!
//! Mental model: the model's template makes the prompt, tools included; the reply is text, in which calls are recognised as
//! it streams where tools were offered (whatever form the model was trained on). A call that is not well written stays a
//! call, with its text: what is wrong with it is for the agent to say. Text that may be the beginning of a stop phrase waits
//! until it is known.
//!
//! One engine serves all attempts of a process; it is opened once for each set of weights.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::tool_text::{Form, Parser, Piece};
use super::{
    ChatModel, ChatRequest, Delta, Finish, Message, ModelError, ModelInfo, ModelKind, Reply, Role,
    TokenLogprob, ToolCall, ToolSpec, Usage,
};
use crate::engine::sample::Settings;
use crate::engine::schedule::{End, Said};
use crate::engine::{Engine, EngineError, Wishes};

/// Most tokens of a reply where nobody says.
const MOST: usize = 4_096;

/// See the module.
pub struct Local {
    info: ModelInfo,
    engine: Arc<Engine>,
}

/// Engines that are open, by the path of their weights.
static OPEN: Mutex<Option<HashMap<PathBuf, Weak<Engine>>>> = Mutex::new(None);

impl Local {
    /// Open weights, or share them where they are open. `spec` is the `--model` text.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn open(path: &Path, spec: &str) -> Result<Self, ModelError> {
        let path = std::fs::canonicalize(path)
            .map_err(|error| ModelError::Spec(format!("{}: {error}", path.display())))?;
        let opened = tokio::task::spawn_blocking(move || shared(&path)).await;
        let engine = opened
            .map_err(|error| ModelError::Spec(error.to_string()))?
            .map_err(|error| ModelError::Spec(error.to_string()))?;
        Ok(Self {
            info: ModelInfo {
                kind: ModelKind::Local,
                name: engine.name().to_owned(),
                spec: spec.to_owned(),
                context: u32::try_from(engine.context()).ok(),
            },
            engine,
        })
    }
}

fn shared(path: &Path) -> Result<Arc<Engine>, EngineError> {
    // Held while weights are read: two attempts that begin together want the same ones.
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let all = open.get_or_insert_with(HashMap::new);
    if let Some(engine) = all.get(path).and_then(Weak::upgrade) {
        return Ok(engine);
    }
    let engine = Arc::new(Engine::open(path, &Wishes::default())?);
    all.insert(path.to_owned(), Arc::downgrade(&engine));
    Ok(engine)
}

#[async_trait]
impl ChatModel for Local {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        deltas: mpsc::Sender<Delta>,
        cancel: &CancellationToken,
    ) -> Result<Reply, ModelError> {
        if cancel.is_cancelled() {
            return Err(ModelError::Cancelled);
        }
        let messages: Vec<Value> = request.messages.iter().map(as_templates_read_it).collect();
        let tools: Vec<Value> = request.tools.iter().map(offered).collect();
        let prompt = self
            .engine
            .prompt(&messages, (!tools.is_empty()).then_some(&tools))
            .map_err(failed)?;
        let sampling = &request.sampling;
        let settings = Settings {
            temperature: single(sampling.temperature.unwrap_or(0.0)),
            top_p: single(sampling.top_p.unwrap_or(1.0)),
            seed: sampling.seed.unwrap_or(0),
            ..Settings::default()
        };
        let most = sampling.max_tokens.map_or(MOST, |most| most as usize);
        let prompt_tokens = prompt.len() as u64;
        let mut reply = self.engine.ask(prompt, settings, most).map_err(failed)?;
        let mut writing = Writing::new(&request.tools, &sampling.stop, deltas);
        let mut text = self.engine.text();
        let mut usage = Usage {
            prompt_tokens,
            ..Usage::default()
        };
        let mut logprobs = sampling.logprobs.then(Vec::new);
        let finish = loop {
            let said = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(ModelError::Cancelled),
                said = reply.next() => said,
            };
            match said {
                Some(Said::Begun { found }) => usage.cached_tokens = found as u64,
                Some(Said::Token(drawn)) => {
                    usage.completion_tokens += 1;
                    if let Some(all) = &mut logprobs {
                        all.push(TokenLogprob {
                            token: self.engine.token(drawn.token),
                            logprob: f64::from(drawn.logprob),
                        });
                    }
                    if writing.push(&text.push(drawn.token)).await {
                        break Finish::Stop;
                    }
                }
                Some(Said::Over(End::Stop)) => break Finish::Stop,
                Some(Said::Over(End::Length)) => break Finish::Length,
                Some(Said::Over(End::Failed(error))) => return Err(failed(error)),
                None => {
                    return Err(failed(EngineError::Computing(
                        "its thread has ended".into(),
                    )));
                }
            }
        };
        let message = writing.finish().await;
        let finish = if message.tool_calls.is_empty() || finish == Finish::Length {
            finish
        } else {
            Finish::ToolCalls
        };
        Ok(Reply {
            message,
            finish,
            usage: Some(usage),
            logprobs,
            served_by: None,
            retries: 0,
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "settings need no more")]
fn single(number: f64) -> f32 {
    number as f32
}

fn failed(error: EngineError) -> ModelError {
    match error {
        EngineError::TooLong(message) => ModelError::ContextOverflow { message },
        other => ModelError::Refused {
            server: "the local engine".into(),
            status: 500,
            message: other.to_string(),
        },
    }
}

/// A message as templates read it: arguments of calls as objects, where they are.
#[must_use]
pub fn as_templates_read_it(message: &Message) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut value = json!({"role": role, "content": message.content});
    let Some(fields) = value.as_object_mut() else {
        return value;
    };
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(|call| {
            let arguments: Value = serde_json::from_str(&call.arguments)
                .unwrap_or_else(|_not_json| Value::from(call.arguments.as_str()));
            let function = json!({"name": call.name, "arguments": arguments});
            json!({"id": call.id, "type": "function", "function": function})
        });
        fields.insert("tool_calls".into(), calls.collect());
    }
    if let Some(id) = &message.tool_call_id {
        fields.insert("tool_call_id".into(), id.as_str().into());
    }
    if let Some(name) = &message.name {
        fields.insert("name".into(), name.as_str().into());
    }
    value
}

fn offered(tool: &ToolSpec) -> Value {
    let function = json!({
        "name": tool.name, "description": tool.description, "parameters": tool.parameters,
    });
    json!({"type": "function", "function": function})
}

/// A reply on its way from text to message.
struct Writing<'a> {
    parser: Option<Parser>,
    stops: &'a [String],
    deltas: mpsc::Sender<Delta>,
    /// Text that may be the beginning of a stop phrase.
    kept: String,
    message: Message,
}

impl<'a> Writing<'a> {
    fn new(tools: &[ToolSpec], stops: &'a [String], deltas: mpsc::Sender<Delta>) -> Self {
        Self {
            parser: (!tools.is_empty()).then(|| Parser::new(Form::Any, tools)),
            stops,
            deltas,
            kept: String::new(),
            message: Message::text(Role::Assistant, ""),
        }
    }

    /// More text; true where a stop phrase has come.
    async fn push(&mut self, text: &str) -> bool {
        self.kept.push_str(text);
        let first = self
            .stops
            .iter()
            .filter(|stop| !stop.is_empty())
            .filter_map(|stop| self.kept.find(stop.as_str()))
            .min();
        if let Some(at) = first {
            self.kept.truncate(at);
            let rest = std::mem::take(&mut self.kept);
            self.write(&rest).await;
            return true;
        }
        let safe = self.kept.len() - longest_beginning(&self.kept, self.stops);
        let ready: String = self.kept.drain(..safe).collect();
        self.write(&ready).await;
        false
    }

    async fn write(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let pieces = match &mut self.parser {
            Some(parser) => parser.push(text),
            None => vec![Piece::Text(text.to_owned())],
        };
        self.take(pieces).await;
    }

    async fn take(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            let delta = match piece {
                Piece::Text(text) => {
                    self.message.content.push_str(&text);
                    Delta::Text { text }
                }
                Piece::Call(call) => {
                    let index = self.message.tool_calls.len();
                    // What cannot be read is kept as it was written: the agent says what is wrong with it.
                    let arguments = if call.problem.is_some() && call.arguments.is_empty() {
                        call.raw
                    } else {
                        call.arguments
                    };
                    self.message.tool_calls.push(ToolCall {
                        id: format!("call_{}", ulid::Ulid::generate().to_string().to_lowercase()),
                        name: call.name.clone(),
                        arguments: arguments.clone(),
                    });
                    Delta::Tool {
                        index,
                        name: Some(call.name),
                        arguments,
                    }
                }
            };
            // Nobody listening is no error.
            let _ = self.deltas.send(delta).await;
        }
    }

    async fn finish(mut self) -> Message {
        let rest = std::mem::take(&mut self.kept);
        self.write(&rest).await;
        let last = self.parser.as_mut().map(Parser::finish);
        self.take(last.unwrap_or_default()).await;
        if !self.message.tool_calls.is_empty() {
            let whole = self.message.content.trim_end().len();
            self.message.content.truncate(whole);
        }
        self.message
    }
}

/// Bytes at the end of a text with which some stop phrase begins.
fn longest_beginning(text: &str, stops: &[String]) -> usize {
    let beginnings = stops.iter().flat_map(|stop| {
        stop.char_indices()
            .skip(1)
            .filter_map(|(end, _)| stop.get(..end))
            .filter(|beginning| text.ends_with(beginning))
            .map(str::len)
    });
    beginnings.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn written(tools: &[ToolSpec], stops: &[&str], pieces: &[&str]) -> (Message, bool) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let (sender, mut receiver) = mpsc::channel(256);
        let mut writing = Writing::new(tools, &stops, sender);
        let mut stopped = false;
        for piece in pieces {
            if writing.push(piece).await {
                stopped = true;
                break;
            }
        }
        let message = writing.finish().await;
        let mut text = String::new();
        while let Ok(delta) = receiver.try_recv() {
            if let Delta::Text { text: piece } = delta {
                text.push_str(&piece);
            }
        }
        assert_eq!(
            text.trim_end(),
            message.content.trim_end(),
            "what streamed is what was said"
        );
        (message, stopped)
    }

    fn tool() -> ToolSpec {
        ToolSpec {
            name: "bash".into(),
            description: String::new(),
            parameters: json!({"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}),
        }
    }

    #[tokio::test]
    async fn a_stop_phrase_ends_the_reply_however_it_was_cut_and_is_no_part_of_it() {
        for pieces in [
            &["one </fun", "ction two"][..],
            &["one ", "<", "/", "function", " two"],
            &["one </function two"],
        ] {
            let (message, stopped) = written(&[], &["</function", "never"], pieces).await;
            assert!(stopped);
            assert_eq!(message.content, "one ");
        }
        let (message, stopped) = written(&[], &["</function"], &["a </f", "oo"]).await;
        assert!(!stopped);
        assert_eq!(message.content, "a </foo");
    }

    #[tokio::test]
    async fn calls_come_out_of_the_text_and_bad_ones_are_kept() {
        let tools = [tool()];
        let good = "I look.\n<tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"ls\"}}\n</tool_call>";
        let (message, _) = written(&tools, &[], &[good]).await;
        assert_eq!(message.content, "I look.");
        assert_eq!(message.tool_calls.len(), 1);
        assert_eq!(message.tool_calls[0].name, "bash");
        let (message, _) = written(
            &tools,
            &[],
            &["<tool_call>\n{\"name\": \"bash\", oops\n</tool_call>"],
        )
        .await;
        assert_eq!(message.tool_calls.len(), 1, "{message:?}");
        // Without tools it is text.
        let (message, _) = written(&[], &[], &[good]).await;
        assert!(message.tool_calls.is_empty() && message.content.contains("<tool_call>"));
    }
}
