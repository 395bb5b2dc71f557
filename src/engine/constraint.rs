//! Replies held to a grammar: at each place only tokens that can still become a text of the grammar may be drawn.
//!
//! Mental model: llguidance (an Earley parser over the bytes of tokens) follows what is said and answers, before each draw,
//! which tokens may follow. Grammars are in its Lark form, with JSON schemas inside. What is drawn is drawn from what is left
//! of the model's own distribution; log-probabilities stay those of the model. A mask is made on the engine's thread, which
//! takes well under a millisecond for the grammars of tool calls.
//!
//! Vocabularies must be of byte-level kind, as those of the decoders here are.

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};

use super::EngineError;
use super::tokenizer::Tokenizer;

/// What grammars of one vocabulary have in common. Making it takes a moment for large ones.
pub struct Grammars {
    factory: ParserFactory,
}

impl Grammars {
    /// For a tokenizer of a model with so many rows; `end` is a token that ends a turn.
    ///
    /// # Errors
    /// Where the vocabulary is not of byte-level kind.
    pub fn new(tokenizer: &Tokenizer, rows: usize, end: u32) -> Result<Self, EngineError> {
        let mut words = tokenizer.bytes_of_tokens().ok_or_else(|| {
            EngineError::Grammar("the model's vocabulary is not of byte-level kind".into())
        })?;
        words.resize(rows, Vec::new());
        let size = u32::try_from(rows).map_err(refused)?;
        let trie = TokTrie::from(&TokRxInfo::new(size, end), &words);
        let tokens: TokEnv = std::sync::Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&tokens).map_err(refused)?;
        factory.quiet();
        Ok(Self { factory })
    }

    /// A grammar for one reply.
    ///
    /// # Errors
    /// Where it, or a schema in it, cannot be read.
    pub fn constraint(&self, grammar: &str) -> Result<Constraint, EngineError> {
        let grammar = TopLevelGrammar::from_lark(grammar.to_owned());
        let parser = self.factory.create_parser(grammar).map_err(refused)?;
        Ok(Constraint(Matcher::new(Ok(parser))))
    }
}

/// Follows one reply; a clone follows another one from the same place.
#[derive(Clone)]
pub struct Constraint(Matcher);

impl Constraint {
    /// Tokens that may come next.
    pub(super) fn allowed(&mut self) -> Result<Allowed, EngineError> {
        self.0.compute_mask_or_eos().map(Allowed).map_err(refused)
    }

    /// A token was drawn; true where nothing can follow it.
    pub(super) fn take(&mut self, token: u32) -> Result<bool, EngineError> {
        self.0.consume_token(token).map_err(refused)?;
        Ok(self.0.is_stopped())
    }
}

/// See [`Constraint::allowed`].
pub(super) struct Allowed(SimpleVob);

impl Allowed {
    /// Take the chance of all others.
    pub(super) fn leave(&self, logits: &mut [f32]) {
        for (token, logit) in (0u32..).zip(logits) {
            if !((token as usize) < self.0.len() && self.0.is_allowed(token)) {
                *logit = f32::NEG_INFINITY;
            }
        }
    }
}

fn refused(error: impl std::fmt::Display) -> EngineError {
    EngineError::Grammar(error.to_string())
}
