//! A person instead of a model: takes over a rollout, or writes a demonstration.
//!
//! Each question is handed to whoever draws the prompt ([`HumanPrompt`]); the screen and the plain command line are two
//! such fronts. [`at_stdin`] is the plain one: a line is a shell command, `/say` and `/finish` are the rest.

mod stdin;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    ChatModel, ChatRequest, Delta, Finish, Message, ModelError, ModelInfo, Reply, ToolSpec,
};

pub use stdin::{at_stdin, message_of_line};

/// A question to the person.
#[derive(Debug)]
pub struct HumanPrompt {
    /// What happened since the person last spoke (all of it at first).
    pub messages: Vec<Message>,
    /// What may be called.
    pub tools: Vec<ToolSpec>,
    /// Takes the answer, role assistant. Dropping it means that the person has left.
    pub answer: oneshot::Sender<Message>,
}

/// A person as a model.
#[derive(Debug)]
pub struct Human {
    info: ModelInfo,
    prompts: mpsc::Sender<HumanPrompt>,
}

impl Human {
    /// Questions go to `prompts`. One at a time is ever open, so a capacity of 1 is enough; a full channel waits.
    #[must_use]
    pub fn new(info: ModelInfo, prompts: mpsc::Sender<HumanPrompt>) -> Self {
        Self { info, prompts }
    }

    async fn ask(&self, request: &ChatRequest) -> Result<Message, ModelError> {
        let (answer, answered) = oneshot::channel();
        let prompt = HumanPrompt {
            messages: since_last_answer(&request.messages).to_vec(),
            tools: request.tools.clone(),
            answer,
        };
        if self.prompts.send(prompt).await.is_err() {
            return Err(ModelError::HumanLeft);
        }
        answered.await.or(Err(ModelError::HumanLeft))
    }
}

fn since_last_answer(messages: &[Message]) -> &[Message] {
    let last = messages
        .iter()
        .rposition(|m| m.role == super::Role::Assistant);
    last.and_then(|at| messages.get(at + 1..))
        .unwrap_or(messages)
}

#[async_trait]
impl ChatModel for Human {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        deltas: mpsc::Sender<Delta>,
        cancel: &CancellationToken,
    ) -> Result<Reply, ModelError> {
        let mut message = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(ModelError::Cancelled),
            message = self.ask(request) => message?,
        };
        // Fronts need not count; ids have to be unique in the conversation.
        let before: usize = request.messages.iter().map(|m| m.tool_calls.len()).sum();
        for (at, call) in message
            .tool_calls
            .iter_mut()
            .enumerate()
            .filter(|(_, call)| call.id.is_empty())
        {
            call.id = format!("call_{}", before + at);
        }
        if !message.content.is_empty() {
            let text = message.content.clone();
            let _ = deltas.send(Delta::Text { text }).await;
        }
        for (index, call) in message.tool_calls.iter().enumerate() {
            let delta = Delta::Tool {
                index,
                name: Some(call.name.clone()),
                arguments: call.arguments.clone(),
            };
            let _ = deltas.send(delta).await;
        }
        Ok(Reply {
            finish: if message.tool_calls.is_empty() {
                Finish::Stop
            } else {
                Finish::ToolCalls
            },
            message,
            usage: None,
            logprobs: None,
            served_by: None,
            retries: 0,
        })
    }
}

#[cfg(test)]
mod tests;
