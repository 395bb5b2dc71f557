//! `POST /v1/chat/completions`.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::generation::{Generation, Told, finish_word, room, usage_json};
use super::messages;
use super::refusal::Refusal;
use super::stream::{self, Form};
use super::wrapping::{Head, Wrapping};
use super::{Answer, House, routes, sampling, unserved};
use crate::engine::EngineError;
use crate::engine::adapter::Adapter;
use crate::model::local::grammar;
use crate::model::local::speech::{MOST_LIKELIEST, Question};
use crate::model::local::writing::Nameless;
use crate::model::{Finish, Message, Sampling, TokenLogprob, ToolCall, ToolSpec, Usage, local};

/// What is asked.
struct Asked {
    model: String,
    adapter: Option<Arc<Adapter>>,
    messages: Vec<Message>,
    tools: Vec<ToolSpec>,
    /// What the template may read besides.
    variables: Map<String, Value>,
    sampling: Sampling,
    /// What the reply is held to.
    grammar: Option<String>,
    /// The reply is JSON that was asked for: nothing in it is a call.
    is_json: bool,
    choices: usize,
    /// Calls that a reply may hold.
    calls: usize,
    streamed: bool,
    usage_at_the_end: bool,
}

/// Answer it.
pub(super) async fn answer(house: &Arc<House>, body: &Value) -> Result<Answer, Refusal> {
    let asked = read(house, body)?;
    let (engine, messages, tools, variables) = (
        Arc::clone(&house.engine),
        asked.messages,
        asked.tools.clone(),
        asked.variables,
    );
    // Long conversations take a while to become tokens, and schemas to become what a reply is held to.
    let (grammar, choices) = (asked.grammar, asked.choices);
    let made = tokio::task::spawn_blocking(move || {
        // A grammar that cannot be read is refused before the request waits for its turn.
        let constraint = grammar.map(|grammar| engine.constraint(&grammar));
        let constraint = constraint.transpose()?;
        let constraints: Vec<_> = constraint
            .into_iter()
            .flat_map(|made| std::iter::repeat_n(made, choices))
            .collect();
        let prompt = local::prompt(&engine, &messages, &tools, &variables)?;
        Ok::<_, EngineError>((prompt, constraints))
    });
    let (prompt, constraints) = made
        .await
        .map_err(|error| Refusal::wrong(format!("The request cannot be rendered: {error}")))??;
    let mut sampling = asked.sampling;
    sampling.max_tokens = Some(room(house, prompt.len(), sampling.max_tokens)?);
    let scored = sampling.logprobs;
    let question = Question {
        prompt,
        sampling,
        adapter: asked.adapter,
        seed: 0,
        most: 0,
        tools: if asked.is_json {
            Vec::new()
        } else {
            asked.tools
        },
        nameless: Nameless::Text,
        calls: asked.calls,
        goes_on: false,
    };
    let generation = Generation::begin(house, vec![question], asked.choices, constraints).await?;
    let head = Head {
        id: format!("chatcmpl-{}", ulid::Ulid::generate()),
        created: super::now(),
        model: asked.model,
    };
    if asked.streamed {
        let (count, usage) = (asked.choices, asked.usage_at_the_end);
        let wrapping = Wrapping::new(head, "chat.completion.chunk", count, usage, scored);
        return Ok(stream::answer(generation, Chunks(wrapping)));
    }
    let (choices, usage) = stream::collected(generation, asked.choices).await?;
    let choices: Vec<Value> = (0..)
        .zip(choices)
        .map(|(index, choice): (usize, _)| {
            let finish = choice.finish.unwrap_or(Finish::Stop);
            json!({
                "index": index,
                "message": message(&choice.text, &choice.calls),
                "logprobs": scored.then(|| logprobs(&choice.scored)),
                "finish_reason": finish_word(&finish),
            })
        })
        .collect();
    let mut body = head.json("chat.completion", &choices);
    body["usage"] = usage_json(usage);
    Ok(super::json(StatusCode::OK, &body))
}

fn read(house: &House, body: &Value) -> Result<Asked, Refusal> {
    let fields = Fields::top(body)?;
    let (model, adapter) = routes::model(house, fields)?;
    unserved::in_chats(fields)?;
    let list = fields
        .list("messages")?
        .ok_or_else(|| fields.refused("messages", "is missing; it must be an array"))?;
    let messages = messages::conversation(list)?;
    let variables = messages::variables(fields)?;
    let mut tools = messages::tools(fields)?;
    let chosen = tool_choice(fields, &mut tools)?;
    let json = response_format(fields)?;
    if chosen && json.is_some() {
        let why = "cannot be had together with a call that must come";
        return Err(fields.refused("response_format", why));
    }
    let is_json = json.is_some();
    let grammar = if chosen {
        Some(grammar::of_calls(&house.engine, &tools))
    } else {
        json
    };
    let one_call = fields.flag("parallel_tool_calls")? == Some(false);
    let mut sampling = sampling::read(fields, house, &["max_completion_tokens", "max_tokens"])?;
    sampling.logprobs = fields.flag("logprobs")?.unwrap_or(false);
    let likeliest = fields.whole("top_logprobs", 0..=u64::from(MOST_LIKELIEST))?;
    if likeliest.is_some() && !sampling.logprobs {
        return Err(fields.refused("top_logprobs", "needs `logprobs` to be true"));
    }
    sampling.top_logprobs = likeliest.and_then(|likeliest| u8::try_from(likeliest).ok());
    let (streamed, usage_at_the_end) = streamed(fields)?;
    let choices = choices(house, fields)?;
    unserved::best_of(fields, choices)?;
    Ok(Asked {
        model,
        adapter,
        messages,
        tools,
        variables,
        sampling,
        grammar,
        is_json,
        choices,
        calls: if one_call { 1 } else { usize::MAX },
        streamed,
        usage_at_the_end,
    })
}

/// Whether a call must come; of which tools is left in the list.
fn tool_choice(fields: Fields<'_>, tools: &mut Vec<ToolSpec>) -> Result<bool, Refusal> {
    let form = "must be \"auto\", \"none\", \"required\", or {\"type\": \"function\", \"function\": {\"name\": …}}";
    let named = match fields.get("tool_choice") {
        None => return Ok(false),
        Some(Value::String(choice)) => match choice.as_str() {
            "auto" => return Ok(false),
            "none" => {
                tools.clear();
                return Ok(false);
            }
            "required" => None,
            _ => return Err(fields.refused("tool_choice", form)),
        },
        Some(choice) => match choice.pointer("/function/name") {
            Some(Value::String(name)) => Some(name),
            _ => return Err(fields.refused("tool_choice", form)),
        },
    };
    if let Some(name) = named {
        tools.retain(|tool| tool.name == *name);
    }
    if tools.is_empty() {
        return Err(fields.refused("tool_choice", "names no tool that is offered"));
    }
    Ok(true)
}

/// The grammar of a reply that must be JSON.
fn response_format(fields: Fields<'_>) -> Result<Option<String>, Refusal> {
    let Some(format) = fields.get("response_format") else {
        return Ok(None);
    };
    let format = Fields::within(format, "response_format.")?;
    match format.needed_text("type")? {
        "text" => Ok(None),
        "json_object" => Ok(Some(grammar::of_json(None))),
        "json_schema" => {
            let schema = format
                .get("json_schema")
                .and_then(|about| about.get("schema"));
            match schema {
                Some(Value::Object(_)) => Ok(Some(grammar::of_json(schema))),
                _ => Err(format.refused("json_schema", "must hold a `schema`, an object")),
            }
        }
        _ => Err(format.refused("type", "must be text, json_object or json_schema")),
    }
}

/// How many choices.
pub(super) fn choices(house: &House, fields: Fields<'_>) -> Result<usize, Refusal> {
    let most = house.limits.choices.clamp(1, house.limits.running.max(1));
    let choices = fields.whole("n", 1..=most as u64)?;
    Ok(choices.and_then(|n| usize::try_from(n).ok()).unwrap_or(1))
}

/// Whether the answer is streamed, and ends with its usage.
pub(super) fn streamed(fields: Fields<'_>) -> Result<(bool, bool), Refusal> {
    let streamed = fields.flag("stream")?.unwrap_or(false);
    let Some(options) = fields.get("stream_options") else {
        return Ok((streamed, false));
    };
    if !streamed {
        return Err(fields.refused("stream_options", "needs `stream` to be true"));
    }
    let options = Fields::within(options, "stream_options.")?;
    Ok((true, options.flag("include_usage")?.unwrap_or(false)))
}

fn message(text: &str, calls: &[ToolCall]) -> Value {
    if calls.is_empty() {
        return json!({"role": "assistant", "content": text, "refusal": null});
    }
    // What is left of the text around calls is often white space only.
    let text = text.trim_end();
    let content = if text.is_empty() {
        Value::Null
    } else {
        text.into()
    };
    let calls: Vec<Value> = calls.iter().map(call_json).collect();
    json!({"role": "assistant", "content": content, "refusal": null, "tool_calls": calls})
}

fn call_json(call: &ToolCall) -> Value {
    json!({
        "id": call.id, "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    })
}

fn logprobs(tokens: &[TokenLogprob]) -> Value {
    let tokens: Vec<Value> = tokens.iter().map(scored_json).collect();
    json!({"content": tokens, "refusal": null})
}

/// `id` and `certainty` are no part of OpenAI's protocol: the token's number, and what self-certainty is the mean of.
fn scored_json(token: &TokenLogprob) -> Value {
    let likeliest = token.top_logprobs.iter().map(|token| {
        json!({
            "token": token.token, "logprob": token.logprob, "bytes": bytes(&token.token),
        })
    });
    json!({
        "token": token.token, "logprob": token.logprob, "bytes": bytes(&token.token),
        "top_logprobs": likeliest.collect::<Vec<_>>(),
        "id": token.id, "certainty": token.certainty,
    })
}

/// None for a token that is a part of a character.
fn bytes(token: &str) -> Option<&[u8]> {
    (!token.contains('\u{fffd}')).then_some(token.as_bytes())
}

/// The answer in chunks.
struct Chunks(Wrapping);

impl Chunks {
    fn choice(&mut self, index: usize, delta: &Value, finish: Option<&Finish>) -> Value {
        let tokens = self.0.scores(index);
        let choice = json!({
            "index": index, "delta": delta,
            "logprobs": tokens.map(|tokens| logprobs(&tokens)),
            "finish_reason": finish.map(finish_word),
        });
        self.0.chunk(&[choice])
    }
}

impl Form for Chunks {
    fn begin(&mut self) -> Vec<Value> {
        (0..self.0.choices())
            .map(|index| {
                let delta = json!({"role": "assistant", "content": ""});
                self.choice(index, &delta, None)
            })
            .collect()
    }

    fn told(&mut self, told: Told) -> Vec<Value> {
        let index = told.choice;
        self.0.drawn(index, told.scored);
        let mut chunks = Vec::new();
        if !told.text.is_empty() {
            chunks.push(self.choice(index, &json!({"content": told.text}), None));
        }
        for (number, call) in &told.calls {
            let mut call = call_json(call);
            call["index"] = (*number).into();
            chunks.push(self.choice(index, &json!({"tool_calls": [call]}), None));
        }
        if let Some(finish) = &told.finish {
            chunks.push(self.choice(index, &json!({}), Some(finish)));
        }
        chunks
    }

    fn end(&mut self, usage: Usage) -> Vec<Value> {
        self.0.end(usage)
    }
}
