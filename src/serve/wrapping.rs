//! What the answers of chats and of completions are wrapped in, whole or in chunks.
//!
//! Both protocols name an answer in the same way, and send a choice's scores with the text that they belong to. What a choice
//! itself looks like is each protocol's own.

use serde_json::{Value, json};

use super::generation::usage_json;
use crate::model::{TokenLogprob, Usage};

/// What every object of an answer begins with.
pub(super) struct Head {
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
}

impl Head {
    pub(super) fn json(&self, object: &str, choices: &[Value]) -> Value {
        json!({
            "id": self.id, "object": object, "created": self.created, "model": self.model,
            "choices": choices,
        })
    }
}

/// An answer in chunks.
pub(super) struct Wrapping {
    head: Head,
    object: &'static str,
    usage_at_the_end: bool,
    scored: bool,
    /// Tokens of each choice whose text has not come out.
    waiting: Vec<Vec<TokenLogprob>>,
}

impl Wrapping {
    /// For so many choices; `scored` where log-probabilities were asked for.
    pub(super) fn new(
        head: Head,
        object: &'static str,
        choices: usize,
        usage_at_the_end: bool,
        scored: bool,
    ) -> Self {
        Self {
            head,
            object,
            usage_at_the_end,
            scored,
            waiting: vec![Vec::new(); choices],
        }
    }

    /// Choices there are.
    pub(super) fn choices(&self) -> usize {
        self.waiting.len()
    }

    /// A token of a choice was drawn.
    pub(super) fn drawn(&mut self, index: usize, token: Option<TokenLogprob>) {
        if let Some(waiting) = self.waiting.get_mut(index) {
            waiting.extend(token);
        }
    }

    /// The tokens that go with the text that comes out now; `None` where there are none, or nobody asked.
    pub(super) fn scores(&mut self, index: usize) -> Option<Vec<TokenLogprob>> {
        let tokens = std::mem::take(self.waiting.get_mut(index)?);
        (self.scored && !tokens.is_empty()).then_some(tokens)
    }

    /// Choices as a chunk.
    pub(super) fn chunk(&self, choices: &[Value]) -> Value {
        let mut chunk = self.head.json(self.object, choices);
        if self.usage_at_the_end {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    /// The last chunk, where it was asked for.
    pub(super) fn end(&self, usage: Usage) -> Vec<Value> {
        if !self.usage_at_the_end {
            return Vec::new();
        }
        let mut chunk = self.chunk(&[]);
        chunk["usage"] = usage_json(usage);
        vec![chunk]
    }
}
