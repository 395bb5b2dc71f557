//! Models: messages in, a streamed reply out.
//!
//! [`ChatModel`] is all that a rollout knows of a model. Its kinds: any OpenAI-compatible server ([`http`]), a person
//! ([`human`]), a trajectory's answers ([`recorded`]), the local engine ([`local`]), for which a small policy comes with the
//! program ([`bundled`]). [`tool_text`] is the one parser of tool calls written as text. This room knows nothing of agents or sandboxes.

pub mod bundled;
pub mod http;
pub mod human;
pub mod local;
pub mod message;
pub mod recorded;
pub mod spec;
pub mod tool_text;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use message::{Message, Role, ToolCall, ToolSpec};

/// How the next tokens are drawn. `None` leaves the server's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: Option<f64>,
    /// Nucleus mass in (0, 1].
    pub top_p: Option<f64>,
    /// Keep the so many likeliest tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Keep tokens at least this part as likely as the likeliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Divides (positive) and multiplies (negative) logits of tokens that were there; 1 does nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f64>,
    /// Taken once from the logit of a token that the reply has already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// Taken from the logit for each time that the reply has the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Most tokens of one reply.
    pub max_tokens: Option<u32>,
    /// Passed on where the server takes one.
    pub seed: Option<u64>,
    /// Stop phrases; the phrase itself is not part of the reply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// The reply must be a call of one of the tools. The local engine holds it to the tool's schema.
    #[serde(default, skip_serializing_if = "is_false")]
    pub require_call: bool,
    /// Ask for log-probabilities of the sampled tokens.
    #[serde(default)]
    pub logprobs: bool,
    /// With them, those of the so many likeliest tokens at each place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u8>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// One question to a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// The whole context, in order.
    pub messages: Vec<Message>,
    /// Tools offered natively; empty for text forms.
    pub tools: Vec<ToolSpec>,
    /// Sampling settings.
    pub sampling: Sampling,
}

/// A piece of a reply while it streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Delta {
    /// Visible text.
    Text {
        /// The piece.
        text: String,
    },
    /// Reasoning that the server sends apart (`reasoning_content`, `reasoning`).
    Reasoning {
        /// The piece.
        text: String,
    },
    /// A piece of a tool call.
    Tool {
        /// Which call of this reply, from 0.
        index: usize,
        /// Its name, in the first piece.
        name: Option<String>,
        /// A piece of the arguments' JSON text.
        arguments: String,
    },
    /// The attempt broke off and is repeated: what was streamed so far is void.
    Restart {
        /// Why, in a sentence.
        why: String,
    },
}

/// Why the reply ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// A natural end or a stop phrase.
    Stop,
    /// The reply ends in tool calls.
    ToolCalls,
    /// `max_tokens` was reached.
    Length,
    /// Anything else, as the server called it.
    Other(String),
}

/// Tokens as the server counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the request.
    pub prompt_tokens: u64,
    /// Tokens of the reply.
    pub completion_tokens: u64,
    /// Tokens of the request that came from a cache.
    #[serde(default)]
    pub cached_tokens: u64,
}

/// One sampled token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token's text.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// Its number in the vocabulary; the local engine says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// Divergence of the uniform distribution from the model's at this place, in nats, of which [`self_certainty`] is the
    /// mean. It takes the whole distribution: the local engine says it, servers do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certainty: Option<f64>,
    /// The likeliest tokens at this place, where they were asked for.
    #[serde(
        default,
        deserialize_with = "or_empty",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub top_logprobs: Vec<Alternative>,
}

/// Some servers write `null` for none.
fn or_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Alternative>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// A token that could have been sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// The token's text.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
}

/// Self-certainty of a reply (Kang et al. 2025): the mean over its tokens of KL(U ‖ p), in nats. `None` where some token
/// lacks what it takes, or there is none.
#[must_use]
pub fn self_certainty(tokens: &[TokenLogprob]) -> Option<f64> {
    let all: Option<Vec<f64>> = tokens.iter().map(|token| token.certainty).collect();
    let all = all.filter(|all| !all.is_empty())?;
    Some(all.iter().sum::<f64>() / all.len() as f64)
}

/// A model's whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Role assistant; text, reasoning and tool calls as the model wrote them.
    pub message: Message,
    /// Why it ended.
    pub finish: Finish,
    /// Missing where the server does not count.
    pub usage: Option<Usage>,
    /// Given where asked for and sent.
    pub logprobs: Option<Vec<TokenLogprob>>,
    /// The name that the server answered with, if any.
    pub served_by: Option<String>,
    /// How many attempts failed before this one.
    pub retries: u32,
}

/// What stands behind the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// An OpenAI-compatible server.
    Http,
    /// Weights on this machine, computed by this program.
    Local,
    /// A person types.
    Human,
    /// Answers of an earlier trajectory. Stands behind no figure.
    Recorded,
    /// Follows a plan made from the gold patch. Stands behind no figure.
    Expert,
}

impl ModelKind {
    /// Whether its results may stand in a figure: a model that acts, or a person. Not answers that were known beforehand.
    #[must_use]
    pub fn counts(self) -> bool {
        match self {
            Self::Http | Self::Local | Self::Human => true,
            Self::Recorded | Self::Expert => false,
        }
    }
}

/// What a model says of itself; kept in the trajectory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its kind.
    pub kind: ModelKind,
    /// Name for lists and headers.
    pub name: String,
    /// The `--model` text that opens it again (no secrets).
    pub spec: String,
    /// Context length in tokens, where known.
    pub context: Option<u32>,
}

/// What can go wrong when a model is asked. Each text says what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// 401 or 403.
    #[error(
        "{server} refused the key ({status}): set SPOTTER_API_KEY or OPENAI_API_KEY to a key that it accepts"
    )]
    Auth {
        /// Base address.
        server: String,
        /// HTTP status.
        status: u16,
    },
    /// 404 or a body that says so.
    #[error("{server} has no model `{model}`; it offers: {offered}")]
    UnknownModel {
        /// Base address.
        server: String,
        /// The name asked for.
        model: String,
        /// What `/models` lists, or why that is unknown.
        offered: String,
    },
    /// The request is longer than the model's context.
    #[error("the request does not fit the model's context: {message}")]
    ContextOverflow {
        /// The server's words.
        message: String,
    },
    /// Still failing after every retry.
    #[error("{server} failed {attempts} times; the last time: {last}")]
    Unavailable {
        /// Base address.
        server: String,
        /// Attempts made.
        attempts: u32,
        /// What the last one said.
        last: String,
    },
    /// The stream is not what the protocol says.
    #[error("{server} sent a malformed stream: {message}")]
    Malformed {
        /// Base address.
        server: String,
        /// What was wrong with it.
        message: String,
    },
    /// The server refused the request for another reason; trying again would not help.
    #[error("{server} refused the request ({status}): {message}")]
    Refused {
        /// Base address.
        server: String,
        /// HTTP status.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// A recorded model has no further answer, or the conversation differs from the recorded one.
    #[error("the recording cannot answer: {0}")]
    Recording(String),
    /// The person left.
    #[error("the person at the keyboard ended the session")]
    HumanLeft,
    /// Cancelled by whoever asked.
    #[error("the model call was cancelled")]
    Cancelled,
    /// The `--model` text cannot be understood.
    #[error("{0}")]
    Spec(String),
}

/// Anything that answers a conversation.
#[async_trait]
pub trait ChatModel: Send + Sync {
    /// What it is; constant over its life.
    fn info(&self) -> &ModelInfo;

    /// Ask once. Pieces go to `deltas` as they arrive (a full channel slows the reading down; a closed one is no
    /// error); the whole reply is returned. Ends with [`ModelError::Cancelled`] soon after `cancel` fires.
    async fn chat(
        &self,
        request: &ChatRequest,
        deltas: mpsc::Sender<Delta>,
        cancel: &CancellationToken,
    ) -> Result<Reply, ModelError>;
}
