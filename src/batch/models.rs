//! Models by their `--model` text: servers and people are opened once and shared, a recording begins anew for each
//! attempt.
//!
//! Recordings are read here because only this floor knows trajectories and models both.

use std::path::Path;
use std::sync::Arc;

use super::order::OrderError;
use super::supply::{Fetching, Telling};
use crate::hub::News;
use crate::model::recorded::{EXPERT, Recorded};
use crate::model::spec::ModelSpec;
use crate::model::{ChatModel, Finish, Message, ModelInfo, ModelKind, Reply, Role};
use crate::trajectory::event::Event;
use crate::trajectory::request::Parts;
use crate::trajectory::store;

/// Follows the name of a model whose recorded actions are carried out again.
const AGAIN: &str = " (again)";
/// Hands out the model of each attempt: servers are shared, a recording begins anew for each.
pub(super) struct Models {
    text: String,
    telling: Telling,
    shared: tokio::sync::OnceCell<Arc<dyn ChatModel>>,
}

impl Models {
    /// For `count` attempts.
    pub(super) fn new(text: &str, count: u64, telling: &Telling) -> Result<Self, OrderError> {
        if text == "human" && count > 1 {
            return Err(OrderError::wrong(
                "a person makes one attempt at a time: name one task and leave -k out",
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            telling: Arc::clone(telling),
            shared: tokio::sync::OnceCell::new(),
        })
    }

    /// The next attempt's model.
    pub(super) async fn next(&self) -> Result<Arc<dyn ChatModel>, OrderError> {
        if self.text.starts_with("recorded:") {
            return by_text(&self.text, 0, &self.telling).await;
        }
        self.shared
            .get_or_try_init(|| by_text(&self.text, 0, &self.telling))
            .await
            .map(Arc::clone)
    }
}

/// Open a model by its `--model` text. A recording goes on after its first `answered` answers.
pub(super) async fn by_text(
    text: &str,
    answered: usize,
    telling: &Telling,
) -> Result<Arc<dyn ChatModel>, OrderError> {
    if text == EXPERT {
        return Err(OrderError::wrong(
            "the expert's plan for a task is not kept, so its rollout cannot be gone on with: make the demonstration anew with \
             `spotter gym demonstrate`",
        ));
    }
    let spec: ModelSpec = text.parse().map_err(OrderError::wrong)?;
    if let ModelSpec::Recorded(path) = &spec {
        let replies = replies_of(path)?;
        let name = path
            .file_stem()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let rest = replies.into_iter().skip(answered).collect();
        return Ok(Arc::new(Recorded::new(recorded_info(&name, text), rest)));
    }
    let hear = |news: News<'_>| telling(Fetching::File(news));
    let opened = spec.open(&hear).await;
    telling(Fetching::Over);
    Ok(Arc::from(opened.map_err(OrderError::failed)?))
}

/// Stands where a model would, in a rollout whose actions are recorded: it is never asked.
pub(super) fn silent(name: &str, of: &str) -> Arc<dyn ChatModel> {
    let name = name.strip_suffix(AGAIN).unwrap_or(name);
    let info = recorded_info(&format!("{name}{AGAIN}"), &format!("recorded:{of}"));
    Arc::new(Recorded::new(info, Vec::new()))
}

fn recorded_info(name: &str, spec: &str) -> ModelInfo {
    ModelInfo {
        kind: ModelKind::Recorded,
        name: name.into(),
        spec: spec.into(),
        context: None,
    }
}

/// The answers of a trajectory (its folder or its file), or a file with one assistant message a line.
fn replies_of(path: &Path) -> Result<Vec<Reply>, OrderError> {
    let file = if path.is_dir() {
        path.join("events.jsonl")
    } else {
        path.to_path_buf()
    };
    let text = std::fs::read_to_string(&file)
        .map_err(|error| OrderError::failed(format!("{}: {error}", file.display())))?;
    let is_trajectory = text
        .lines()
        .next()
        .is_some_and(|line| line.contains("\"seq\""));
    if !is_trajectory {
        return replies_of_lines(&text, &file.display().to_string());
    }
    let records = store::read_events(&file).map_err(OrderError::failed)?;
    let parts = Parts::of(&records);
    let replies = records.iter().filter_map(|record| match &record.event {
        Event::Replied {
            message,
            finish,
            usage,
            ..
        } => Some(Reply {
            finish: finish.clone(),
            usage: *usage,
            ..reply(parts.message(*message)?.clone())
        }),
        _ => None,
    });
    Ok(replies.collect())
}

fn replies_of_lines(text: &str, origin: &str) -> Result<Vec<Reply>, OrderError> {
    let mut replies = Vec::new();
    for (number, line) in (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let message: Message = serde_json::from_str(line).map_err(|error| {
            OrderError::failed(format!("{origin}:{number}: not a message: {error}"))
        })?;
        if message.role != Role::Assistant {
            return Err(OrderError::failed(format!(
                "{origin}:{number}: a recording holds the assistant's messages only"
            )));
        }
        replies.push(reply(message));
    }
    Ok(replies)
}

fn reply(message: Message) -> Reply {
    let finish = if message.tool_calls.is_empty() {
        Finish::Stop
    } else {
        Finish::ToolCalls
    };
    Reply {
        message,
        finish,
        usage: None,
        logprobs: None,
        served_by: None,
        retries: 0,
    }
}
