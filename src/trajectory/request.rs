//! What the model saw, rebuilt: messages by id, tools by hash, settings as recorded; byte for byte the body that was
//! sent, which its hash proves.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::event::{Event, Record};
use crate::model::{ChatRequest, Message, Sampling, ToolSpec};
use crate::text::hex::hex;

/// Everything of a trajectory that requests are made of.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    messages: HashMap<u32, Message>,
    tools: HashMap<String, Vec<ToolSpec>>,
}

/// Lower-case hexadecimal SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Names a set of tools: the hash of its JSON.
#[must_use]
pub fn tools_hash(tools: &[ToolSpec]) -> String {
    sha256(&serde_json::to_vec(tools).unwrap_or_default())
}

impl Parts {
    /// Take in one event.
    pub fn learn(&mut self, event: &Event) {
        match event {
            Event::Message { id, message, .. } => {
                self.messages.insert(*id, message.clone());
            }
            Event::Tools { hash, tools } => {
                self.tools.insert(hash.clone(), tools.clone());
            }
            _ => {}
        }
    }

    /// Read a whole trajectory.
    #[must_use]
    pub fn of(records: &[Record]) -> Self {
        let mut parts = Self::default();
        for record in records {
            parts.learn(&record.event);
        }
        parts
    }

    /// A stored message.
    #[must_use]
    pub fn message(&self, id: u32) -> Option<&Message> {
        self.messages.get(&id)
    }

    /// The request that a model call sent; `None` where a part is missing.
    #[must_use]
    pub fn request(
        &self,
        messages: &[u32],
        tools: Option<&str>,
        sampling: &Sampling,
    ) -> Option<ChatRequest> {
        Some(ChatRequest {
            messages: messages
                .iter()
                .map(|id| self.messages.get(id).cloned())
                .collect::<Option<_>>()?,
            tools: match tools {
                Some(hash) => self.tools.get(hash)?.clone(),
                None => Vec::new(),
            },
            sampling: sampling.clone(),
        })
    }
}
