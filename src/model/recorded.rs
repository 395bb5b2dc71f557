//! A model whose answers are known beforehand: those of an earlier trajectory, or of a test.
//!
//! Answers are given in their order whatever is asked; whoever replays compares the questions. It stands behind no
//! figure.

use std::sync::Mutex;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ChatModel, ChatRequest, Delta, ModelError, ModelInfo, Reply};

/// Who answered ([`Reply::served_by`]), where an answer is wrong on purpose: whoever drives marks its step as a mistake, which
/// is there to be gone on from and not to be learned.
pub const ON_PURPOSE: &str = "expert, wrong on purpose";

/// The same, where what a model said in a failed attempt is said again, right or wrong.
pub const SAID_AGAIN: &str = "a model, in an attempt that failed";

/// Name and `--model` text of an expert, whose plan was made for one task and is kept nowhere.
pub const EXPERT: &str = "expert";

/// Characters in one piece of a streamed answer: about a token.
const PIECE: usize = 4;

/// Answers in a row.
#[derive(Debug)]
pub struct Recorded {
    info: ModelInfo,
    replies: Mutex<std::vec::IntoIter<Reply>>,
    given: usize,
}

impl Recorded {
    /// The answers that it will give, in order.
    #[must_use]
    pub fn new(info: ModelInfo, replies: Vec<Reply>) -> Self {
        Self {
            info,
            given: replies.len(),
            replies: Mutex::new(replies.into_iter()),
        }
    }

    fn next(&self) -> Result<Reply, ModelError> {
        // A thread that panicked while it took an answer leaves the rest in order.
        let mut replies = self
            .replies
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        replies
            .next()
            .ok_or_else(|| ModelError::Recording(format!("its {} answers are used up", self.given)))
    }
}

async fn stream(reply: &Reply, deltas: &mpsc::Sender<Delta>) {
    for delta in pieces(reply) {
        if deltas.send(delta).await.is_err() {
            return;
        }
    }
}

fn pieces(reply: &Reply) -> Vec<Delta> {
    let message = &reply.message;
    let mut out = Vec::new();
    for text in cut(message.reasoning.as_deref().unwrap_or_default()) {
        out.push(Delta::Reasoning { text });
    }
    for text in cut(&message.content) {
        out.push(Delta::Text { text });
    }
    for (index, call) in message.tool_calls.iter().enumerate() {
        let mut name = Some(call.name.clone());
        let mut arguments = cut(&call.arguments);
        if arguments.is_empty() {
            arguments.push(String::new());
        }
        for arguments in arguments {
            out.push(Delta::Tool {
                index,
                name: name.take(),
                arguments,
            });
        }
    }
    out
}

fn cut(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars
        .chunks(PIECE)
        .map(|piece| piece.iter().collect())
        .collect()
}

#[async_trait]
impl ChatModel for Recorded {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn chat(
        &self,
        _request: &ChatRequest,
        deltas: mpsc::Sender<Delta>,
        cancel: &CancellationToken,
    ) -> Result<Reply, ModelError> {
        if cancel.is_cancelled() {
            return Err(ModelError::Cancelled);
        }
        let reply = self.next()?;
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(ModelError::Cancelled),
            () = stream(&reply, &deltas) => Ok(reply),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Finish, Message, ModelKind, Role, ToolCall};

    fn info() -> ModelInfo {
        ModelInfo {
            kind: ModelKind::Recorded,
            name: "recorded".into(),
            spec: "recorded:x".into(),
            context: None,
        }
    }

    fn reply() -> Reply {
        let mut message = Message::text(Role::Assistant, "häuser und mehr");
        message.tool_calls = vec![ToolCall {
            id: "c".into(),
            name: "bash".into(),
            arguments: "{\"command\":\"ls\"}".into(),
        }];
        Reply {
            message,
            finish: Finish::ToolCalls,
            usage: None,
            logprobs: None,
            served_by: None,
            retries: 0,
        }
    }

    static EMPTY: ChatRequest = ChatRequest {
        messages: Vec::new(),
        tools: Vec::new(),
        sampling: crate::model::Sampling {
            temperature: None,
            top_p: None,
            top_k: None,
            min_p: None,
            repetition_penalty: None,
            presence_penalty: None,
            frequency_penalty: None,
            max_tokens: None,
            seed: None,
            stop: Vec::new(),
            require_call: false,
            logprobs: false,
            top_logprobs: None,
        },
    };

    #[tokio::test]
    async fn answers_come_in_pieces_and_whole_until_they_run_out() {
        let model = Recorded::new(info(), vec![reply()]);
        let (send, mut receive) = mpsc::channel(64);
        let cancel = CancellationToken::new();
        let answer = model.chat(&EMPTY, send.clone(), &cancel).await.unwrap();
        assert_eq!(answer, reply());
        drop(send.clone());
        let (mut text, mut arguments) = (String::new(), String::new());
        while let Ok(delta) = receive.try_recv() {
            match delta {
                Delta::Text { text: piece } => text.push_str(&piece),
                Delta::Tool {
                    arguments: piece, ..
                } => arguments.push_str(&piece),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(text, reply().message.content);
        assert_eq!(arguments, "{\"command\":\"ls\"}");
        let error = model.chat(&EMPTY, send, &cancel).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the recording cannot answer: its 1 answers are used up"
        );
    }
}
