//! A reply of the engine on its way from tokens to a message.
//!
//! Mental model: a [`Speech`] is asked for what comes next; it waits for tokens, joins them to text, and says pieces of the
//! message as they become certain, each with the log-probabilities of the tokens that were heard since the last. Dropping it
//! ends the request within one step.

use std::sync::Arc;

use super::writing::{Nameless, Writing};
use crate::engine::adapter::Adapter;
use crate::engine::constraint::Constraint;
use crate::engine::sample::{Drawn, Settings};
use crate::engine::schedule::{End, Said};
use crate::engine::tokenizer::Stream;
use crate::engine::{self, Engine, EngineError};
use crate::model::{Alternative, Delta, Finish, Message, Sampling, TokenLogprob, ToolSpec, Usage};

/// Most of the likeliest tokens that are told at each place.
pub const MOST_LIKELIEST: u8 = 20;

/// What is asked of an engine.
#[derive(Clone)]
pub struct Question {
    /// Tokens of the context.
    pub prompt: Vec<u32>,
    /// How to draw; stop phrases are looked for in the text.
    pub sampling: Sampling,
    /// An adapter, or the model as it is.
    pub adapter: Option<Arc<Adapter>>,
    /// The seed where `sampling` has none.
    pub seed: u64,
    /// Most tokens of the reply where `sampling` does not say.
    pub most: usize,
    /// Tools whose calls are looked for; without any, calls are text.
    pub tools: Vec<ToolSpec>,
    /// What becomes of a call without a name.
    pub nameless: Nameless,
    /// Calls that the reply may hold.
    pub calls: usize,
    /// The reply goes on with the text of the context, and is no message of its own: a space that it begins with counts.
    pub goes_on: bool,
}

/// What was heard: at first that the context is read, then token by token, at last the end.
#[derive(Debug, Default)]
pub struct Heard {
    /// Pieces of the message that are certain now, often none.
    pub pieces: Vec<Delta>,
    /// The token, where log-probabilities were asked for.
    pub scored: Option<TokenLogprob>,
    /// Why it is over, if it is.
    pub finish: Option<Finish>,
}

/// See the module.
pub struct Speech {
    engine: Arc<Engine>,
    /// Gone after the end.
    reply: Option<engine::Reply>,
    text: Stream,
    writing: Writing,
    usage: Usage,
}

impl Speech {
    /// Ask; `held` is what the reply is held to (see [`super::grammar`]). It comes made, as making it can take seconds and this is
    /// called where nothing may wait.
    ///
    /// # Errors
    /// Where the engine is gone.
    pub fn begin(
        engine: &Arc<Engine>,
        question: Question,
        held: Option<Constraint>,
    ) -> Result<Self, EngineError> {
        let settings = settings(&question.sampling, question.seed);
        let most = question.sampling.max_tokens;
        let most = most.map_or(question.most, |most| most as usize);
        let usage = Usage {
            prompt_tokens: question.prompt.len() as u64,
            ..Usage::default()
        };
        let Question {
            prompt, adapter, ..
        } = question;
        let reply = engine.ask(prompt, settings, adapter, held, most)?;
        Ok(Self {
            text: engine.text(question.goes_on),
            writing: Writing::new(
                &question.tools,
                question.sampling.stop,
                question.nameless,
                question.calls,
            ),
            engine: Arc::clone(engine),
            reply: Some(reply),
            usage,
        })
    }

    /// What comes next; `None` after the end.
    ///
    /// # Errors
    /// What ended it before its time.
    pub async fn next(&mut self) -> Result<Option<Heard>, EngineError> {
        let Some(reply) = &mut self.reply else {
            return Ok(None);
        };
        let mut heard = Heard::default();
        match reply.next().await {
            Some(Said::Begun { found }) => self.usage.cached_tokens = found as u64,
            Some(Said::Token(drawn)) => {
                self.usage.completion_tokens += 1;
                let written = self.writing.push(&self.text.push(drawn.token));
                heard.pieces = written.pieces;
                heard.scored = self.scored(drawn);
                if written.over {
                    self.end(Finish::Stop, &mut heard);
                }
            }
            Some(Said::Over(End::Stop)) => self.end(Finish::Stop, &mut heard),
            Some(Said::Over(End::Length)) => self.end(Finish::Length, &mut heard),
            Some(Said::Over(End::Failed(error))) => {
                self.reply = None;
                return Err(error);
            }
            None => {
                self.reply = None;
                return Err(EngineError::Computing("its thread has ended".into()));
            }
        }
        Ok(Some(heard))
    }

    fn end(&mut self, finish: Finish, heard: &mut Heard) {
        self.reply = None;
        // What a character is still missing bytes for comes out as it is, unless a stop phrase has come.
        if !self.writing.is_over() {
            heard
                .pieces
                .extend(self.writing.push(&self.text.finish()).pieces);
        }
        let cut = finish == Finish::Length;
        heard.pieces.extend(self.writing.finish(cut));
        heard.finish = Some(self.finish_as(finish));
    }

    fn finish_as(&self, finish: Finish) -> Finish {
        if self.message().tool_calls.is_empty() || finish == Finish::Length {
            finish
        } else {
            Finish::ToolCalls
        }
    }

    fn scored(&self, drawn: Drawn) -> Option<TokenLogprob> {
        let scores = drawn.scores?;
        let likeliest = scores.likeliest.iter().map(|(id, logprob)| Alternative {
            token: self.engine.decoded_inside(&[*id]),
            logprob: f64::from(*logprob),
        });
        Some(TokenLogprob {
            token: self.engine.decoded_inside(&[drawn.token]),
            logprob: f64::from(scores.logprob),
            id: Some(drawn.token),
            certainty: Some(f64::from(scores.certainty)),
            top_logprobs: likeliest.collect(),
        })
    }

    /// The message so far; whole after the end.
    #[must_use]
    pub fn message(&self) -> &Message {
        self.writing.message()
    }

    /// Tokens so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }
}

fn settings(sampling: &Sampling, seed: u64) -> Settings {
    let or = |wish: Option<f64>, neutral: f64| single(wish.unwrap_or(neutral));
    Settings {
        temperature: or(sampling.temperature, 0.0),
        top_p: or(sampling.top_p, 1.0),
        top_k: sampling.top_k.map_or(0, |most| most as usize),
        min_p: or(sampling.min_p, 0.0),
        repetition: or(sampling.repetition_penalty, 1.0),
        frequency: or(sampling.frequency_penalty, 0.0),
        presence: or(sampling.presence_penalty, 0.0),
        seed: sampling.seed.unwrap_or(seed),
        scores: sampling.logprobs,
        likeliest: sampling
            .top_logprobs
            .unwrap_or(0)
            .min(MOST_LIKELIEST)
            .into(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "settings need no more")]
fn single(number: f64) -> f32 {
    number as f32
}
