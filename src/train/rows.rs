//! Lessons become rows: tokens, and how much each counts as a target.
//!
//! Mental model: a lesson is rendered by the chat template exactly as it is for inference. Before each turn that is learned
//! the conversation so far, with the assistant's turn begun, must be the beginning of the whole text, to the byte; what
//! follows, up to the token that ends the turn, is learned. What the assistant said and should not have, a marked step or a
//! reply that was dropped, counts nothing at all; everything else is masked, or counts a little, where that is asked for (reading
//! teaches copying, too). Texts are encoded piece by piece between turns' borders, which are tokens of
//! their own, so the pieces' tokens are those of the whole; a test holds that.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::TrainError;
use super::lesson::{Lesson, Lessons};
use super::vocabulary::END;
use crate::engine::template::ChatTemplate;
use crate::engine::tokenizer::Tokenizer;
use crate::text::hex::hex;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// Tokens of the whole conversation.
    pub tokens: Vec<u32>,
    /// Of each, as a target.
    pub weights: Vec<f32>,
}

impl Row {
    /// Σ weights of what can be a target: all but the first.
    #[must_use]
    pub fn weight(&self) -> f64 {
        let targets = self.weights.iter().skip(1);
        targets.map(|weight| f64::from(*weight)).sum()
    }

    /// Tokens of full weight.
    #[must_use]
    pub fn learned(&self) -> usize {
        self.weights.iter().filter(|weight| **weight >= 1.0).count()
    }
}

/// Makes rows.
pub struct Maker<'a> {
    /// The policy's tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// Its template.
    pub template: &'a ChatTemplate,
    /// What a token counts that is none of the assistant's; 0 masks it.
    pub context_weight: f32,
    /// Longest row: longer ones are left out whole, never cut.
    pub longest: usize,
}

/// Why a lesson is no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// More tokens than the context.
    TooLong(usize),
    /// What the template makes of a conversation is not how it makes a longer one begin.
    Rewritten,
}

impl Maker<'_> {
    /// The text of a lesson in pieces, each with what its tokens count.
    fn pieces(&self, lesson: &Lesson) -> Result<Result<Vec<(String, f32)>, Unfit>, TrainError> {
        let render = |count: usize, answer: bool| {
            let messages = lesson.messages.get(..count).unwrap_or_default();
            self.template.render(&messages, None::<&()>, answer)
        };
        let whole = render(lesson.messages.len(), false)?;
        let mut pieces = Vec::new();
        let mut done = 0;
        let last = lesson.learned.iter().rposition(|learned| *learned);
        let turns = lesson.messages.iter().zip(&lesson.learned).enumerate();
        for (at, (message, learned)) in turns.take(last.map_or(0, |last| last + 1)) {
            if message.get("role").and_then(Value::as_str) != Some("assistant") {
                continue;
            }
            let asked = render(at, true)?;
            let answered = render(at + 1, false)?;
            let own = answered.strip_prefix(asked.as_str());
            let own = own.filter(|_| whole.starts_with(&answered));
            let length = own.and_then(|own| Some(own.rfind(END)? + END.len()));
            let own = length.and_then(|length| own?.get(..length));
            let (Some(before), Some(own)) = (whole.get(done..asked.len()), own) else {
                if *learned {
                    return Ok(Err(Unfit::Rewritten));
                }
                // It stands in the text otherwise than it was said: part of what is read.
                continue;
            };
            pieces.push((before.to_owned(), self.context_weight));
            pieces.push((own.to_owned(), if *learned { 1.0 } else { 0.0 }));
            done = asked.len() + own.len();
        }
        // Nothing is learned from what comes after the last of them.
        Ok(Ok(pieces))
    }

    /// A lesson's row.
    ///
    /// # Errors
    /// What the template or the tokenizer refuses.
    pub fn row(&self, lesson: &Lesson) -> Result<Result<Row, Unfit>, TrainError> {
        let pieces = match self.pieces(lesson)? {
            Ok(pieces) => pieces,
            Err(unfit) => return Ok(Err(unfit)),
        };
        let mut row = Row::default();
        for (text, weight) in &pieces {
            let tokens = self.tokenizer.encode(text)?;
            row.weights
                .extend(std::iter::repeat_n(*weight, tokens.len()));
            row.tokens.extend(tokens);
        }
        if row.tokens.len() > self.longest {
            return Ok(Err(Unfit::TooLong(row.tokens.len())));
        }
        Ok(Ok(row))
    }

    /// The text that inference would be asked with before message `at` of a lesson.
    ///
    /// # Errors
    /// What the template refuses.
    pub fn asked(&self, lesson: &Lesson, at: usize) -> Result<String, TrainError> {
        let messages = lesson.messages.get(..at).unwrap_or_default();
        Ok(self.template.render(&messages, None::<&()>, true)?)
    }

    /// Rows of all lessons; what does not become one is counted.
    ///
    /// # Errors
    /// As [`Self::row`].
    pub fn rows(&self, lessons: &mut Lessons) -> Result<Vec<(String, Row)>, TrainError> {
        let mut rows = Vec::with_capacity(lessons.all.len());
        for lesson in &lessons.all {
            let why = match self.row(lesson)? {
                Ok(row) => {
                    rows.push((lesson.about.clone(), row));
                    continue;
                }
                Err(Unfit::TooLong(_)) => "conversations longer than the context",
                Err(Unfit::Rewritten) => {
                    "conversations that the template renders otherwise when they go on"
                }
            };
            *lessons.left_out.entry(why).or_default() += 1;
        }
        Ok(rows)
    }
}

/// Names rows: the same for the same tokens and weights in the same order.
#[must_use]
pub fn digest<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let mut hash = Sha256::new();
    for row in rows {
        hash.update((row.tokens.len() as u64).to_le_bytes());
        for (token, weight) in row.tokens.iter().zip(&row.weights) {
            hash.update(token.to_le_bytes());
            hash.update(weight.to_le_bytes());
        }
    }
    hex(&hash.finalize())
}

/// Whether a task's rows are kept for validation: one of `every`, by its name alone.
#[must_use]
pub fn is_kept_back(about: &str, every: u64) -> bool {
    let digest = Sha256::digest(about.as_bytes());
    let head = digest.first_chunk::<8>().copied().unwrap_or_default();
    every > 0 && u64::from_le_bytes(head).is_multiple_of(every)
}
