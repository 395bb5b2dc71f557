//! The local engine as a model: conversations in, a streamed reply out, on this machine's own processor.
//!
//! Mental model: the model's template makes the prompt, tools included; the reply is text, in which calls are recognised as
//! it streams where tools were offered (whatever form the model was trained on). A call that is not well written stays a
//! call, with its text: what is wrong with it is for the agent to say. Text that may be the beginning of a stop phrase waits
//! until it is known.
//!
//! One engine serves all attempts of a process; it is opened once for each set of weights.

pub mod grammar;
pub mod speech;
pub mod writing;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, TryLockError, Weak};

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    ChatModel, ChatRequest, Delta, Message, ModelError, ModelInfo, ModelKind, Reply, Role, ToolSpec,
};
use crate::engine::adapter::Adapter;
use crate::engine::constraint::Constraint;
use crate::engine::{Engine, EngineError, Precision, Wishes};
use speech::{Question, Speech};
use writing::Nameless;

/// Most tokens of a reply where nobody says.
const MOST: usize = 4_096;

/// See the module.
pub struct Local {
    info: ModelInfo,
    engine: Arc<Engine>,
    adapter: Option<Arc<Adapter>>,
}

/// Engines that are open, by the path of their weights and how these are kept.
type Open = HashMap<(PathBuf, Precision), Weak<Engine>>;

static OPEN: Mutex<Option<Open>> = Mutex::new(None);

/// What of this machine the engines of this process may take.
static SHARE: OnceLock<Wishes> = OnceLock::new();

/// Say what engines may take (threads, cache), before the first is opened; their precision is each model's own matter.
/// The first to say so is heard.
pub fn share(wishes: Wishes) {
    let _ = SHARE.set(wishes);
}

/// The engines of this process that are open; `None` while one is being opened, which takes seconds: nobody waits here.
#[must_use]
pub fn opened() -> Option<Vec<Arc<Engine>>> {
    let open = match OPEN.try_lock() {
        Ok(open) => open,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    let mut engines: Vec<Arc<Engine>> = open
        .iter()
        .flat_map(HashMap::values)
        .filter_map(Weak::upgrade)
        .collect();
    engines.sort_by(|a, b| a.name().cmp(b.name()));
    Some(engines)
}

impl Local {
    /// Open weights, or share them where they are open, with an adapter of PEFT's layout beside them or without. `spec` is the
    /// `--model` text.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn open(
        path: &Path,
        precision: Precision,
        adapter: Option<&Path>,
        spec: &str,
    ) -> Result<Self, ModelError> {
        let engine = engine(path, precision).await?;
        let mut name = engine.name().to_owned();
        let adapter = match adapter {
            Some(folder) => {
                let own = folder.file_name().unwrap_or_default();
                name = format!("{name}+{}", own.to_string_lossy());
                Some(adapted(&engine, folder).await?)
            }
            None => None,
        };
        Ok(Self {
            info: ModelInfo {
                kind: ModelKind::Local,
                name,
                spec: spec.to_owned(),
                context: u32::try_from(engine.context()).ok(),
            },
            engine,
            adapter,
        })
    }
}

/// An adapter of an engine, the same for all attempts that name its folder at a time.
async fn adapted(engine: &Arc<Engine>, folder: &Path) -> Result<Arc<Adapter>, ModelError> {
    let folder = std::fs::canonicalize(folder)
        .map_err(|error| ModelError::Spec(format!("{}: {error}", folder.display())))?;
    let engine = Arc::clone(engine);
    let loaded = tokio::task::spawn_blocking(move || engine.adapter_of(&folder)).await;
    loaded
        .map_err(|error| ModelError::Spec(error.to_string()))?
        .map_err(|error| ModelError::Spec(error.to_string()))
}

/// Open weights, or share them where they are open.
///
/// # Errors
/// What the engine says.
pub async fn engine(path: &Path, precision: Precision) -> Result<Arc<Engine>, ModelError> {
    let path = absolute(path)?;
    let opened = tokio::task::spawn_blocking(move || shared(path, precision)).await;
    opened
        .map_err(|error| ModelError::Spec(error.to_string()))?
        .map_err(|error| ModelError::Spec(error.to_string()))
}

/// A path from the root of the file system. A file keeps its own name where it is a link: in the hub's cache that is the file's name, and
/// what it links to is called by its hash, with the other pieces of a split file somewhere else.
///
/// # Errors
/// Where there is nothing.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, ModelError> {
    let whole = |path: &Path| {
        std::fs::canonicalize(path)
            .map_err(|error| ModelError::Spec(format!("{}: {error}", path.display())))
    };
    let Some(name) = path.file_name().filter(|_| path.is_file()) else {
        return whole(path);
    };
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    Ok(whole(folder.unwrap_or(Path::new(".")))?.join(name))
}

fn shared(path: PathBuf, precision: Precision) -> Result<Arc<Engine>, EngineError> {
    // Held while weights are read: two attempts that begin together want the same ones.
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let all = open.get_or_insert_with(HashMap::new);
    let key = (path, precision);
    if let Some(engine) = all.get(&key).and_then(Weak::upgrade) {
        return Ok(engine);
    }
    let share = SHARE.get().cloned().unwrap_or_default();
    let wishes = Wishes { precision, ..share };
    let engine = Arc::new(Engine::open(&key.0, &wishes)?);
    all.insert(key, Arc::downgrade(&engine));
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
        let held = request.sampling.require_call && !request.tools.is_empty();
        let held = if held {
            Some(constraint(&self.engine, &request.tools).await?)
        } else {
            None
        };
        let question = Question {
            prompt: prompt(&self.engine, &request.messages, &request.tools, &Map::new())
                .map_err(failed)?,
            sampling: request.sampling.clone(),
            adapter: self.adapter.clone(),
            seed: 0,
            most: MOST,
            tools: request.tools.clone(),
            nameless: Nameless::Call,
            calls: usize::MAX,
            goes_on: false,
        };
        let mut speech = Speech::begin(&self.engine, question, held).map_err(failed)?;
        let mut logprobs = request.sampling.logprobs.then(Vec::new);
        let finish = loop {
            let heard = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(ModelError::Cancelled),
                heard = speech.next() => heard.map_err(failed)?,
            };
            let Some(heard) = heard else {
                return Err(failed(EngineError::Computing("a reply without end".into())));
            };
            if let Some(all) = &mut logprobs {
                all.extend(heard.scored);
            }
            for piece in heard.pieces {
                // Nobody listening is no error.
                let _ = deltas.send(piece).await;
            }
            if let Some(finish) = heard.finish {
                break finish;
            }
        };
        Ok(Reply {
            message: speech.message().clone(),
            finish,
            usage: Some(speech.usage()),
            logprobs,
            served_by: None,
            retries: 0,
        })
    }
}

/// What holds a reply to a call of one of the tools. Making it can take seconds: nobody else waits for it.
async fn constraint(engine: &Arc<Engine>, tools: &[ToolSpec]) -> Result<Constraint, ModelError> {
    let grammar = grammar::of_calls(engine, tools);
    let engine = Arc::clone(engine);
    let made = tokio::task::spawn_blocking(move || engine.constraint(&grammar)).await;
    made.map_err(|error| failed(EngineError::Computing(error.to_string())))?
        .map_err(failed)
}

/// A conversation as tokens, the assistant's turn begun; the model's template may read `variables` besides.
///
/// # Errors
/// Where the model's template refuses it.
pub fn prompt(
    engine: &Engine,
    messages: &[Message],
    tools: &[ToolSpec],
    variables: &Map<String, Value>,
) -> Result<Vec<u32>, EngineError> {
    let tools: Vec<Value> = tools.iter().map(offered).collect();
    let tools = (!tools.is_empty()).then_some(&tools);
    // A template that asks whether a content is none says another thing of one that is there and empty.
    let asks = |content: &&str| {
        let of = |what: &str| engine.template_mentions(&format!("{content} {what}"));
        of("is none") || of("is not none")
    };
    let none = ["content", "content']", "content\"]"].iter().any(asks);
    let made = |strings: bool| {
        let reads = Reads { none, strings };
        let each = messages.iter().map(|message| value(message, reads));
        engine.prompt(&each.collect::<Vec<Value>>(), tools, variables)
    };
    let objects = made(false);
    let has_calls = messages
        .iter()
        .any(|message| !message.tool_calls.is_empty());
    match objects {
        // A template that puts a call together as text cannot read an object: it refuses it, and takes a string.
        Err(EngineError::Template(why)) if has_calls => {
            made(true).map_err(|_strings_neither| EngineError::Template(why))
        }
        made => made,
    }
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

/// What a template wants to read in messages with calls, where it is not what most of them do.
#[derive(Debug, Clone, Copy, Default)]
struct Reads {
    /// None for a content that is not there.
    none: bool,
    /// Arguments as the text that they are.
    strings: bool,
}

/// A message as templates read it: arguments of calls as objects, where they are.
#[must_use]
pub fn as_templates_read_it(message: &Message) -> Value {
    value(message, Reads::default())
}

fn value(message: &Message, reads: Reads) -> Value {
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
    // A template writes it where its model was trained to read it again, and leaves it out elsewhere.
    if let Some(reasoning) = &message.reasoning {
        fields.insert("reasoning_content".into(), reasoning.as_str().into());
    }
    if !message.tool_calls.is_empty() {
        if reads.none && message.content.is_empty() {
            fields.insert("content".into(), Value::Null);
        }
        let calls = message.tool_calls.iter().map(|call| {
            let text = || Value::from(call.arguments.as_str());
            let arguments = if reads.strings {
                text()
            } else {
                serde_json::from_str(&call.arguments).unwrap_or_else(|_not_json| text())
            };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_file_keeps_its_name_and_its_neighbours() {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let snapshot = root.join("snapshots/1");
        std::fs::create_dir_all(&snapshot).unwrap();
        std::fs::write(root.join("0a1b"), "GGUF").unwrap();
        let link = snapshot.join("m-00001-of-00002.gguf");
        std::os::unix::fs::symlink("../../0a1b", &link).unwrap();
        assert_eq!(
            absolute(&snapshot.join("../1/m-00001-of-00002.gguf")).unwrap(),
            link
        );
        assert_eq!(
            absolute(&root.join("snapshots/.")).unwrap(),
            root.join("snapshots")
        );
        assert!(absolute(&root.join("nothing")).is_err());
    }
}
