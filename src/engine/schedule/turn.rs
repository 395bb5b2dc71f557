//! Drawing, after a step: each stream draws from its own rows of logits, side by side with the others.
//!
//! A draw passes over the vocabulary a few times, which for many streams would take longer than their share of the step. What
//! is drawn depends on the stream alone, so it does not matter which thread does it.

use std::sync::{Mutex, PoisonError};

use super::{End, Share, Stream};
use crate::engine::EngineError;
use crate::engine::kernels::Pool;

/// A stream that draws from its rows of logits.
pub(super) struct Turn<'a> {
    pub(super) share: &'a Share,
    pub(super) stream: &'a mut Stream,
    pub(super) guesses: &'a [u32],
    pub(super) rows: Vec<&'a mut [f32]>,
    pub(super) drawn: u64,
    pub(super) accepted: usize,
    pub(super) end: Option<End>,
}

impl Turn<'_> {
    /// Draw from the first row, and from the next ones as long as what was drawn is what was guessed.
    pub(super) fn take(&mut self, context: usize) {
        let mut guesses = self.guesses.iter();
        for row in &mut self.rows {
            let drawn = self.stream.draw(row, context);
            self.drawn += 1;
            match drawn {
                Err(end) => {
                    self.end = Some(end);
                    break;
                }
                Ok(drawn) if guesses.next() == Some(&drawn) => self.accepted += 1,
                // The rows that follow went on from another token.
                Ok(_) => break,
            }
        }
    }
}

/// Call `each` for all items, side by side where there are threads for it.
pub(super) fn together<T: Send>(
    pool: Option<&Pool>,
    items: &mut [T],
    each: impl Fn(&mut T) + Sync,
) -> Result<(), EngineError> {
    let Some(pool) = pool.filter(|_| items.len() > 1) else {
        items.iter_mut().for_each(each);
        return Ok(());
    };
    let left = Mutex::new(items.iter_mut());
    pool.run(&|_, _| {
        loop {
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(item) = next else { return };
            each(item);
        }
    })?;
    Ok(())
}
