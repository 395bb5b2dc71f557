//! Sampling settings of a request; where it leaves them out those of the model's `generation_config.json`, and then the protocol's own
//! defaults, as vLLM has it.

use std::hash::{BuildHasher as _, Hasher as _};

use serde_json::{Value, json};

use super::fields::{Fields, kind};
use super::refusal::Refusal;
use super::{House, Limits};
use crate::model::Sampling;

/// Stop phrases of one request, and bytes of each.
const STOPS: usize = 16;
const STOP_BYTES: usize = 1 << 10;

/// Read what chats and completions have in common; `most` is how long a reply is where the request does not say, and
/// `tokens` the field's name.
pub(super) fn read(
    fields: Fields<'_>,
    house: &House,
    tokens: &[&str],
) -> Result<Sampling, Refusal> {
    fields.unserved("logit_bias", &[json!({})])?;
    let (usual, limits) = (house.engine.usual(), &house.limits);
    let temperature = fields.number("temperature", 0.0..=2.0)?;
    let repetition = fields.number("repetition_penalty", 0.01..=100.0)?;
    Ok(Sampling {
        temperature: temperature.or(usual.temperature).or(Some(1.0)),
        top_p: fields.number("top_p", 0.0..=1.0)?.or(usual.top_p),
        top_k: top_k(fields)?.or(usual.top_k),
        min_p: fields.number("min_p", 0.0..=1.0)?.or(usual.min_p),
        repetition_penalty: repetition.or(usual.repetition_penalty),
        presence_penalty: fields.number("presence_penalty", -2.0..=2.0)?,
        frequency_penalty: fields.number("frequency_penalty", -2.0..=2.0)?,
        max_tokens: max_tokens(fields, limits, tokens)?,
        seed: Some(seed(fields)?),
        stop: stops(fields)?,
        require_call: false,
        logprobs: false,
        top_logprobs: None,
    })
}

/// −1 and 0 keep all, as servers have it.
fn top_k(fields: Fields<'_>) -> Result<Option<u32>, Refusal> {
    if fields.get("top_k").and_then(Value::as_i64) == Some(-1) {
        return Ok(Some(0));
    }
    let top_k = fields.whole("top_k", 0..=u64::from(u32::MAX))?;
    Ok(top_k.and_then(|top_k| u32::try_from(top_k).ok()))
}

fn max_tokens(fields: Fields<'_>, limits: &Limits, names: &[&str]) -> Result<Option<u32>, Refusal> {
    let mut most = None;
    for name in names {
        let Some(asked) = fields.whole(name, 1..=u64::from(u32::MAX))? else {
            continue;
        };
        if let Some(limit) = limits.tokens
            && asked > limit as u64
        {
            return Err(fields.refused(
                name,
                format_args!("must be at most {limit} on this server, not {asked}"),
            ));
        }
        most = most.or(u32::try_from(asked).ok());
    }
    Ok(most)
}

/// Any whole number; drawn where there is none.
fn seed(fields: Fields<'_>) -> Result<u64, Refusal> {
    match fields.get("seed") {
        None => Ok(std::hash::RandomState::new().build_hasher().finish()),
        Some(value) => value
            .as_u64()
            .or_else(|| value.as_i64().map(i64::cast_unsigned))
            .ok_or_else(|| fields.refused("seed", "must be a whole number of 64 bits")),
    }
}

fn stops(fields: Fields<'_>) -> Result<Vec<String>, Refusal> {
    let items = match fields.get("stop") {
        None => return Ok(Vec::new()),
        Some(Value::String(one)) => return one_stop(fields, one).map(|one| vec![one]),
        Some(Value::Array(items)) => items,
        Some(other) => {
            let why = format!(
                "must be a string or an array of strings, not {}",
                kind(other)
            );
            return Err(fields.refused("stop", why));
        }
    };
    if items.len() > STOPS {
        let why = format!("must have at most {STOPS} phrases, not {}", items.len());
        return Err(fields.refused("stop", why));
    }
    let one = |item: &Value| match item {
        Value::String(text) => one_stop(fields, text),
        other => Err(fields.refused("stop", format!("must hold strings, not {}", kind(other)))),
    };
    items.iter().map(one).collect()
}

fn one_stop(fields: Fields<'_>, text: &str) -> Result<String, Refusal> {
    if text.is_empty() || text.len() > STOP_BYTES {
        let why = format!("must hold phrases of 1 to {STOP_BYTES} bytes");
        return Err(fields.refused("stop", why));
    }
    Ok(text.to_owned())
}
