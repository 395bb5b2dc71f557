//! `POST /v1/completions`: text goes on, without a template.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::chat::{choices, streamed};
use super::fields::{Fields, kind};
use super::generation::{Generation, Told, finish_word, room, usage_json};
use super::refusal::Refusal;
use super::stream::{self, Form};
use super::wrapping::{Head, Wrapping};
use super::{Answer, House, routes, sampling, unserved};
use crate::engine::Engine;
use crate::model::local::speech::Question;
use crate::model::local::writing::Nameless;
use crate::model::{Finish, TokenLogprob, Usage};

/// Tokens of a reply where nobody says: the protocol's own number.
const MOST: u32 = 16;
/// Likeliest tokens that may be asked for: the protocol's own number.
const LIKELIEST: u64 = 5;
/// Tokens that the engine waits for a character with.
const MOST_OF_A_CHARACTER: usize = 15;
/// Texts of one request.
const PROMPTS: usize = 128;

/// Answer it.
pub(super) async fn answer(house: &Arc<House>, body: &Value) -> Result<Answer, Refusal> {
    let fields = Fields::top(body)?;
    let (model, adapter) = routes::model(house, fields)?;
    unserved::in_completions(fields)?;
    let mut sampling = sampling::read(fields, house, &["max_tokens"])?;
    let likeliest = fields.whole("logprobs", 0..=LIKELIEST)?;
    sampling.logprobs = likeliest.is_some();
    sampling.top_logprobs = likeliest.and_then(|likeliest| u8::try_from(likeliest).ok());
    let per_prompt = choices(house, fields)?;
    unserved::best_of(fields, per_prompt)?;
    let (streamed, usage_at_the_end) = streamed(fields)?;
    let echo = fields.flag("echo")?.unwrap_or(false);
    if echo && sampling.logprobs {
        return Err(fields.refused("echo", "is not served together with `logprobs`"));
    }
    // Texts begin as the model's tokenizer begins them; the templates of chats write that themselves.
    let framed = fields.flag("add_special_tokens")?.unwrap_or(true);
    let prompts = prompts(&house.engine, fields)?;
    let count = prompts.len() * per_prompt;
    if count > house.limits.running {
        let most = house.limits.running;
        let why = format!("makes {count} choices with `n`; there is room for {most}");
        return Err(fields.refused("prompt", why));
    }
    let asked = sampling.max_tokens.unwrap_or(MOST);
    let there = Arc::clone(house);
    // Long texts take a while to become tokens, and their tokens to become text again.
    let made = tokio::task::spawn_blocking(move || {
        let each = prompts.into_iter();
        let contexts = each.map(|prompt| Context::of(&there, prompt, framed, asked));
        contexts.collect::<Result<Vec<Context>, Refusal>>()
    });
    let contexts = made
        .await
        .map_err(|error| Refusal::wrong(format!("The prompt cannot be read: {error}")))??;
    let scored = sampling.logprobs;
    let mut before = Vec::with_capacity(count);
    let mut questions = Vec::with_capacity(contexts.len());
    for context in contexts {
        let mut sampling = sampling.clone();
        sampling.max_tokens = Some(context.room);
        let echoed = if echo { context.text } else { String::new() };
        before.extend(std::iter::repeat_n(echoed, per_prompt));
        questions.push(Question {
            prompt: context.tokens,
            sampling,
            adapter: adapter.clone(),
            seed: 0,
            most: 0,
            tools: Vec::new(),
            nameless: Nameless::Text,
            calls: usize::MAX,
            goes_on: true,
        });
    }
    let generation = Generation::begin(house, questions, per_prompt, Vec::new()).await?;
    let head = Head {
        id: format!("cmpl-{}", ulid::Ulid::generate()),
        created: super::now(),
        model,
    };
    if streamed {
        let chunks = Chunks {
            wrapping: Wrapping::new(head, "text_completion", count, usage_at_the_end, scored),
            before,
            engine: Arc::clone(&house.engine),
            places: vec![Place::default(); count],
        };
        return Ok(stream::answer(generation, chunks));
    }
    let (choices, usage) = stream::collected(generation, count).await?;
    let choices: Vec<Value> = choices
        .into_iter()
        .zip(before)
        .enumerate()
        .map(|(index, (choice, before))| {
            let finish = choice.finish.unwrap_or(Finish::Stop);
            let place = &mut Place::default();
            let logprobs = scored.then(|| logprobs(&house.engine, &choice.scored, place));
            json!({
                "index": index, "text": before + &choice.text, "logprobs": logprobs,
                "finish_reason": finish_word(&finish),
            })
        })
        .collect();
    let mut body = head.json("text_completion", &choices);
    body["usage"] = usage_json(usage);
    Ok(super::json(StatusCode::OK, &body))
}

/// What goes on, as the request has it.
enum Prompt {
    Text(String),
    Tokens(Vec<u32>),
}

/// What goes on, as the engine has it.
struct Context {
    tokens: Vec<u32>,
    /// Tokens that may come after it.
    room: u32,
    /// Its text.
    text: String,
}

impl Context {
    /// This may take seconds.
    fn of(house: &House, prompt: Prompt, framed: bool, asked: u32) -> Result<Self, Refusal> {
        let (tokens, text) = match prompt {
            Prompt::Text(text) => (house.engine.encoded(&text, framed)?, text),
            Prompt::Tokens(tokens) => {
                let text = house.engine.decoded(&tokens);
                (tokens, text)
            }
        };
        let room = room(house, tokens.len(), Some(asked))?;
        Ok(Self { tokens, room, text })
    }
}

/// A text, texts, tokens, or lists of tokens.
fn prompts(engine: &Engine, fields: Fields<'_>) -> Result<Vec<Prompt>, Refusal> {
    let form = "must be a string, an array of strings, an array of tokens, or an array of arrays of tokens";
    let items = match fields.get("prompt") {
        None => return Err(fields.refused("prompt", format!("is missing; it {form}"))),
        Some(Value::String(text)) => return Ok(vec![Prompt::Text(text.clone())]),
        Some(Value::Array(items)) => items,
        Some(other) => {
            return Err(fields.refused("prompt", format!("{form}, not {}", kind(other))));
        }
    };
    if items.is_empty() {
        return Err(fields.refused("prompt", "must not be empty"));
    }
    let token = |value: &Value| {
        let token = value.as_u64().and_then(|token| u32::try_from(token).ok());
        token
            .filter(|token| (*token as usize) < engine.vocabulary())
            .ok_or_else(|| {
                let most = engine.vocabulary();
                fields.refused(
                    "prompt",
                    format!("must hold tokens below {most}, not {value}"),
                )
            })
    };
    if items.iter().all(Value::is_number) {
        let tokens = items.iter().map(token).collect::<Result<_, _>>()?;
        return Ok(vec![Prompt::Tokens(tokens)]);
    }
    if items.len() > PROMPTS {
        let why = format!("must hold at most {PROMPTS} texts, not {}", items.len());
        return Err(fields.refused("prompt", why));
    }
    let one = |item: &Value| match item {
        Value::String(text) => Ok(Prompt::Text(text.clone())),
        Value::Array(tokens) => {
            let tokens = tokens.iter().map(token).collect::<Result<_, _>>()?;
            Ok(Prompt::Tokens(tokens))
        }
        other => Err(fields.refused("prompt", format!("{form}; one of them is {}", kind(other)))),
    };
    items.iter().map(one).collect()
}

/// Where a token's text is among the characters of a choice. Characters are counted once they are whole: a token that is a part
/// of one is where that one is.
#[derive(Clone, Default)]
struct Place {
    /// Characters before the tokens of `open`.
    told: usize,
    /// Tokens whose text ends in the middle of a character.
    open: Vec<u32>,
}

impl Place {
    /// Where the next token begins.
    fn next(&mut self, token: &TokenLogprob, decoded: impl Fn(&[u32]) -> String) -> usize {
        let whole = |text: &str| text.trim_end_matches('\u{fffd}').chars().count();
        let at = self.told + whole(&decoded(&self.open));
        self.open.extend(token.id);
        let text = decoded(&self.open);
        // What no character comes of is sent as it is, after as many tokens as the engine waits for.
        if !text.ends_with('\u{fffd}') || self.open.len() >= MOST_OF_A_CHARACTER {
            self.told += text.chars().count();
            self.open.clear();
        }
        at
    }
}

/// `place` is that of the first token, and then of what comes after the last.
fn logprobs(engine: &Engine, tokens: &[TokenLogprob], place: &mut Place) -> Value {
    let decoded = |tokens: &[u32]| engine.decoded_inside(tokens);
    let offsets: Vec<usize> = tokens
        .iter()
        .map(|token| place.next(token, decoded))
        .collect();
    let texts: Vec<&str> = tokens.iter().map(|token| token.token.as_str()).collect();
    let own: Vec<f64> = tokens.iter().map(|token| token.logprob).collect();
    let likeliest = tokens.iter().map(|token| {
        let of = token.top_logprobs.iter();
        of.map(|one| (one.token.clone(), one.logprob.into()))
            .collect::<Map<String, Value>>()
    });
    json!({
        "tokens": texts, "token_logprobs": own,
        "top_logprobs": likeliest.collect::<Vec<_>>(), "text_offset": offsets,
    })
}

/// The answer in chunks.
struct Chunks {
    wrapping: Wrapping,
    /// Contexts that are sent back first.
    before: Vec<String>,
    engine: Arc<Engine>,
    /// Of each choice's tokens.
    places: Vec<Place>,
}

impl Chunks {
    fn choice(&mut self, index: usize, text: &str, finish: Option<&Finish>) -> Value {
        let tokens = self.wrapping.scores(index);
        let place = self.places.get_mut(index);
        let scored = tokens
            .zip(place)
            .map(|(tokens, place)| logprobs(&self.engine, &tokens, place));
        self.wrapping.chunk(&[json!({
            "index": index, "text": text, "logprobs": scored,
            "finish_reason": finish.map(finish_word),
        })])
    }
}

impl Form for Chunks {
    fn begin(&mut self) -> Vec<Value> {
        let before = std::mem::take(&mut self.before);
        let told = before
            .iter()
            .enumerate()
            .filter(|(_, text)| !text.is_empty());
        told.map(|(index, text)| self.choice(index, text, None))
            .collect()
    }

    fn told(&mut self, told: Told) -> Vec<Value> {
        self.wrapping.drawn(told.choice, told.scored);
        if told.text.is_empty() && told.finish.is_none() {
            return Vec::new();
        }
        vec![self.choice(told.choice, &told.text, told.finish.as_ref())]
    }

    fn end(&mut self, usage: Usage) -> Vec<Value> {
        self.wrapping.end(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_are_parts_of_a_character_are_where_it_is() {
        // Each token is a byte.
        let decoded = |tokens: &[u32]| {
            let bytes: Vec<u8> = tokens
                .iter()
                .map(|token| u8::try_from(*token).unwrap())
                .collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let mut place = Place::default();
        let offsets = "a\u{e4}\u{20ac}b".bytes().map(|byte| {
            let token = TokenLogprob {
                token: String::new(),
                logprob: 0.0,
                id: Some(byte.into()),
                certainty: None,
                top_logprobs: Vec::new(),
            };
            place.next(&token, decoded)
        });
        let offsets: Vec<usize> = offsets.collect();
        assert_eq!(offsets, [0, 1, 1, 2, 2, 2, 3]);
    }
}
