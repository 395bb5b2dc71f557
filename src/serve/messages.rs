//! Messages and tools of a request, as the protocol has them, and what else its template is given.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::fields::{Fields, kind};
use super::refusal::Refusal;
use crate::model::{Message, Role, ToolCall, ToolSpec};

/// Tools that may be offered.
const TOOLS: usize = 128;
/// Letters of a tool's name.
const NAME: usize = 64;
/// Variables of templates that the server itself sets.
const SET: [&str; 5] = [
    "messages",
    "tools",
    "add_generation_prompt",
    "bos_token",
    "eos_token",
];

/// The conversation.
pub(super) fn conversation(list: &[Value]) -> Result<Vec<Message>, Refusal> {
    if list.is_empty() {
        return Err(Refusal::parameter("messages", "must not be empty"));
    }
    let numbered = list.iter().enumerate();
    numbered.map(|(at, value)| message(at, value)).collect()
}

fn message(at: usize, value: &Value) -> Result<Message, Refusal> {
    let place = format!("messages[{at}].");
    let fields = Fields::within(value, &place)?;
    let role = match fields.needed_text("role")? {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => {
            let why = "must be system, developer, user, assistant or tool";
            return Err(fields.refused("role", why));
        }
    };
    let mut message = Message::text(role, content(fields)?.unwrap_or_default());
    message.name = fields.text("name")?.map(str::to_owned);
    match role {
        Role::Assistant => {
            fields.unserved("function_call", &[])?;
            message.reasoning = fields.text("reasoning_content")?.map(str::to_owned);
            let calls = fields.list("tool_calls")?.unwrap_or_default().iter();
            message.tool_calls = calls
                .enumerate()
                .map(|(number, value)| call(&place, number, value))
                .collect::<Result<_, _>>()?;
        }
        Role::Tool => {
            let id = fields.needed_text("tool_call_id")?;
            message.tool_call_id = Some(id.to_owned());
        }
        Role::System | Role::User => {}
    }
    if fields.get("content").is_none() && role != Role::Assistant {
        return Err(fields.refused("content", "is missing; it must be a string"));
    }
    Ok(message)
}

/// A text, or texts in parts.
fn content(fields: Fields<'_>) -> Result<Option<String>, Refusal> {
    let parts = match fields.get("content") {
        None => return Ok(None),
        Some(Value::String(text)) => return Ok(Some(text.clone())),
        Some(Value::Array(parts)) => parts,
        Some(other) => {
            let why = format!("must be a string or an array of parts, not {}", kind(other));
            return Err(fields.refused("content", why));
        }
    };
    let mut text = String::new();
    for (number, part) in parts.iter().enumerate() {
        let place = fields.name(&format!("content[{number}]."));
        let part = Fields::within(part, &place)?;
        match part.needed_text("type")? {
            "text" => text.push_str(part.needed_text("text")?),
            "refusal" => text.push_str(part.needed_text("refusal")?),
            _ => return Err(part.refused("type", "must be \"text\": the model reads text only")),
        }
    }
    Ok(Some(text))
}

fn call(place: &str, number: usize, value: &Value) -> Result<ToolCall, Refusal> {
    let place = format!("{place}tool_calls[{number}].");
    let fields = Fields::within(value, &place)?;
    let inside = format!("{place}function.");
    let function = fields
        .get("function")
        .ok_or_else(|| fields.refused("function", "is missing"))?;
    let function = Fields::within(function, &inside)?;
    let arguments = function.text("arguments")?.unwrap_or("{}");
    Ok(ToolCall {
        id: fields.needed_text("id")?.to_owned(),
        name: function.needed_text("name")?.to_owned(),
        arguments: arguments.to_owned(),
    })
}

/// What the model's template may read besides messages and tools, `enable_thinking` for one; the field is vLLM's.
pub(super) fn variables(fields: Fields<'_>) -> Result<Map<String, Value>, Refusal> {
    let field = "chat_template_kwargs";
    let variables = match fields.get(field) {
        None => return Ok(Map::new()),
        Some(Value::Object(variables)) => variables,
        Some(other) => {
            let why = format!("must be an object, not {}", kind(other));
            return Err(fields.refused(field, why));
        }
    };
    match SET.iter().find(|name| variables.contains_key(**name)) {
        Some(name) => Err(fields.refused(
            format!("{field}.{name}").as_str(),
            "is set by the server; leave it out",
        )),
        None => Ok(variables.clone()),
    }
}

/// The tools that are offered.
pub(super) fn tools(fields: Fields<'_>) -> Result<Vec<ToolSpec>, Refusal> {
    let list = fields.list("tools")?.unwrap_or_default();
    if list.len() > TOOLS {
        let why = format!("must hold at most {TOOLS} tools, not {}", list.len());
        return Err(fields.refused("tools", why));
    }
    let mut names = BTreeSet::new();
    let mut tools = Vec::with_capacity(list.len());
    for (number, value) in list.iter().enumerate() {
        let tool = tool(number, value)?;
        if !names.insert(tool.name.clone()) {
            let why = format!("names the tool `{}` twice", tool.name);
            return Err(fields.refused("tools", why));
        }
        tools.push(tool);
    }
    Ok(tools)
}

fn tool(number: usize, value: &Value) -> Result<ToolSpec, Refusal> {
    let place = format!("tools[{number}].");
    let fields = Fields::within(value, &place)?;
    if fields.needed_text("type")? != "function" {
        return Err(fields.refused("type", "must be \"function\""));
    }
    let inside = format!("{place}function.");
    let function = fields
        .get("function")
        .ok_or_else(|| fields.refused("function", "is missing"))?;
    let function = Fields::within(function, &inside)?;
    let name = function.needed_text("name")?;
    let letters = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    if name.is_empty() || name.len() > NAME || !name.chars().all(letters) {
        let why = format!("must be 1 to {NAME} letters, digits, `_`, `-` or `.`");
        return Err(function.refused("name", why));
    }
    let parameters = match function.get("parameters") {
        None => Value::Object(Map::new()),
        Some(Value::Object(schema)) => Value::Object(schema.clone()),
        Some(other) => {
            let why = format!("must be a JSON Schema object, not {}", kind(other));
            return Err(function.refused("parameters", why));
        }
    };
    Ok(ToolSpec {
        name: name.to_owned(),
        description: function.text("description")?.unwrap_or_default().to_owned(),
        parameters,
    })
}
