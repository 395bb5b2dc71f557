//! One request that is served: its text so far, what is computed of it, and how its next token is drawn.

use std::time::Instant;

use super::{Ask, End, Said, Speaking};
use crate::engine::EngineError;
use crate::engine::adapter;
use crate::engine::lookup::Lookup;
use crate::engine::prefix::Held;
use crate::engine::sample::Sampler;

/// See the module.
pub(super) struct Stream {
    pub(super) ask: Ask,
    pub(super) held: Held,
    /// Prompt and reply.
    pub(super) text: Vec<u32>,
    pub(super) sampler: Sampler,
    pub(super) lookup: Lookup,
    pub(super) drawn: usize,
    /// Tokens of the prompt that were there; told with the first token.
    pub(super) found: Option<usize>,
    pub(super) number: u64,
    pub(super) there: usize,
    /// When its first token was drawn.
    pub(super) began: Option<Instant>,
}

impl Stream {
    /// Tokens whose keys and values are not computed.
    pub(super) fn left(&self) -> usize {
        self.text.len().saturating_sub(self.held.length())
    }

    pub(super) fn speaking(&self) -> Speaking {
        Speaking {
            number: self.number,
            prompt: self.ask.prompt.len(),
            found: self.there,
            computed: self.held.length(),
            drawn: self.drawn,
            seconds: self
                .began
                .map_or(0.0, |began| began.elapsed().as_secs_f64()),
        }
    }

    /// Everything before the last token drawn is computed.
    pub(super) fn speaks(&self) -> bool {
        self.drawn > 0 && self.left() <= 1
    }

    /// Draw the next token, and say it; the end where it is one.
    pub(super) fn draw(&mut self, row: &mut [f32], context: usize) -> Result<u32, End> {
        let drawn = match &mut self.ask.constraint {
            None => self.sampler.draw(row),
            Some(constraint) => {
                let allowed = constraint.allowed().map_err(End::Failed)?;
                self.sampler.draw_among(row, |row| allowed.leave(row))
            }
        };
        let Some(drawn) = drawn else {
            let why = "no logit is a number".to_owned();
            return Err(End::Failed(EngineError::Computing(why)));
        };
        let token = drawn.token;
        if self.ask.ends.contains(&token) {
            return Err(End::Stop);
        }
        let complete = match &mut self.ask.constraint {
            None => false,
            Some(constraint) => constraint.take(token).map_err(End::Failed)?,
        };
        self.drawn += 1;
        self.began.get_or_insert_with(Instant::now);
        self.text.push(token);
        self.lookup.push(token);
        let _ = self.ask.reply.try_send(Said::Token(drawn));
        if complete {
            return Err(End::Stop);
        }
        if self.drawn >= self.ask.most || self.text.len() >= context {
            return Err(End::Length);
        }
        Ok(token)
    }

    /// The key of its adapter.
    pub(super) fn owner(&self) -> u64 {
        owner(&self.ask)
    }

    /// Tokens that it may guess: its listener has room for them, and they are wanted if they are right.
    pub(super) fn room_to_guess(&self, context: usize) -> usize {
        let wanted = self.ask.most.saturating_sub(self.drawn + 1);
        let fit = context.saturating_sub(self.text.len() + 1);
        wanted
            .min(fit)
            .min(self.ask.reply.capacity().saturating_sub(2))
    }
}

/// The key of a request's adapter: streams of one share pages.
pub(super) fn owner(ask: &Ask) -> u64 {
    ask.adapter
        .as_ref()
        .map_or(adapter::NONE, |adapter| adapter.key())
}
