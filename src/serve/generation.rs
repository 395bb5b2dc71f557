//! The choices of one request while they are generated: streams of the engine, told as one.
//!
//! Mental model: a [`Generation`] yields what each choice says, as it says it. It holds the request's place among those
//! that run; dropping it, whoever does, ends the streams and gives the place back.

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream, SelectAll};

use super::House;
use super::admission::Place;
use super::metrics::Metrics;
use super::refusal::Refusal;
use crate::engine::EngineError;
use crate::engine::constraint::Constraint;
use crate::model::local::speech::{Question, Speech};
use crate::model::{Delta, Finish, TokenLogprob, ToolCall, Usage};

/// What a choice said.
pub(super) struct Told {
    pub(super) choice: usize,
    pub(super) text: String,
    pub(super) calls: Vec<(usize, ToolCall)>,
    pub(super) scored: Option<TokenLogprob>,
    pub(super) finish: Option<Finish>,
}

/// A choice: its number, what it says, and what it came to.
struct Choice {
    number: usize,
    speech: Option<Speech>,
    tally: Arc<Tally>,
}

/// Tokens of all choices, counted while they come.
#[derive(Default)]
struct Tally(std::sync::Mutex<Vec<Usage>>);

impl Tally {
    fn put(&self, choice: usize, usage: Usage) {
        let mut all = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if all.len() <= choice {
            all.resize(choice + 1, Usage::default());
        }
        if let Some(place) = all.get_mut(choice) {
            *place = usage;
        }
    }

    fn usages(&self) -> Vec<Usage> {
        let all = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        all.clone()
    }
}

/// See the module.
pub(super) struct Generation {
    told: SelectAll<BoxStream<'static, Result<Told, EngineError>>>,
    tally: Arc<Tally>,
    /// Choices that share a context: it is counted once.
    per_prompt: usize,
    left: usize,
    began: Instant,
    spoke: bool,
    metrics: Arc<Metrics>,
    _place: Place,
}

impl Generation {
    /// Ask for all choices. Each question is asked `per_prompt` times, its seed counted up. `held` is what each choice is held
    /// to, in turn; none are held where it is empty.
    pub(super) async fn begin(
        house: &House,
        questions: Vec<Question>,
        per_prompt: usize,
        held: Vec<Constraint>,
    ) -> Result<Self, Refusal> {
        let began = Instant::now();
        let left = questions.len() * per_prompt;
        let place = house.admission.enter(left).await?;
        let tally = Arc::new(Tally::default());
        let mut told = SelectAll::new();
        let mut number = 0;
        let mut held = held.into_iter();
        for question in questions {
            for again in 0..per_prompt as u64 {
                let mut question = question.clone();
                let seed = question.sampling.seed.map(|seed| seed.wrapping_add(again));
                question.sampling.seed = seed;
                let speech = Speech::begin(&house.engine, question, held.next())?;
                let choice = Choice {
                    number,
                    speech: Some(speech),
                    tally: Arc::clone(&tally),
                };
                told.push(stream::unfold(choice, Choice::next).boxed());
                number += 1;
            }
        }
        Ok(Self {
            told,
            tally,
            per_prompt,
            left,
            began,
            spoke: false,
            metrics: Arc::clone(&house.metrics),
            _place: place,
        })
    }

    /// What is said next by any of them; `None` when all are over.
    pub(super) async fn next(&mut self) -> Option<Result<Told, EngineError>> {
        let next = self.told.next().await;
        if let Some(Ok(told)) = &next {
            if !self.spoke && (!told.text.is_empty() || !told.calls.is_empty()) {
                self.spoke = true;
                self.metrics.first_token(self.began.elapsed());
            }
            if told.finish.is_some() {
                self.left -= 1;
            }
        }
        next
    }

    /// Tokens so far: each context once, all replies.
    pub(super) fn usage(&self) -> Usage {
        let mut sum = Usage::default();
        for (number, usage) in self.tally.usages().iter().enumerate() {
            sum.completion_tokens += usage.completion_tokens;
            if number % self.per_prompt.max(1) == 0 {
                sum.prompt_tokens += usage.prompt_tokens;
                sum.cached_tokens += usage.cached_tokens;
            }
        }
        sum
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.metrics
            .generated(self.usage(), self.began.elapsed(), self.left > 0);
    }
}

impl Choice {
    async fn next(mut self) -> Option<(Result<Told, EngineError>, Self)> {
        let speech = self.speech.as_mut()?;
        let heard = match speech.next().await {
            Ok(heard) => heard?,
            Err(error) => {
                self.speech = None;
                return Some((Err(error), self));
            }
        };
        self.tally.put(self.number, speech.usage());
        let mut told = Told {
            choice: self.number,
            text: String::new(),
            calls: Vec::new(),
            scored: heard.scored,
            finish: heard.finish,
        };
        for piece in heard.pieces {
            match piece {
                Delta::Text { text } => told.text.push_str(&text),
                Delta::Tool { index, .. } => {
                    let call = speech.message().tool_calls.get(index);
                    told.calls.extend(call.map(|call| (index, call.clone())));
                }
                // The engine sends neither.
                Delta::Reasoning { .. } | Delta::Restart { .. } => {}
            }
        }
        if told.finish.is_some() {
            self.speech = None;
        }
        Some((Ok(told), self))
    }
}

/// Tokens that a reply to a context may have: what was asked for, as far as there is room.
pub(super) fn room(house: &House, context: usize, asked: Option<u32>) -> Result<u32, Refusal> {
    let most = house.engine.context();
    let left = most.saturating_sub(context);
    if context == 0 {
        return Err(Refusal::wrong("The request has no tokens"));
    }
    if left == 0 {
        return Err(Refusal::too_long(format!(
            "This model's maximum context length is {most} tokens. However, the request has {context} tokens and leaves no \
             room for a reply"
        )));
    }
    let limit = house.limits.tokens.unwrap_or(usize::MAX);
    let asked = asked.map_or(limit, |asked| asked as usize);
    Ok(u32::try_from(asked.min(left)).unwrap_or(u32::MAX))
}

/// The protocol's word for an end.
pub(super) fn finish_word(finish: &Finish) -> &str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::Other(other) => other,
    }
}

/// Tokens as the protocol counts them.
pub(super) fn usage_json(usage: Usage) -> serde_json::Value {
    serde_json::json!({
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    })
}
