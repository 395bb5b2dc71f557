//! Tool calls as `<function=…>` text: describing the tools, reading calls, writing calls.
//!
//! A seam: the one parser of tool calls written as text belongs to the model room, and this file only hands over to it
//! once that is there. It does not check arguments against schemas beyond turning text into numbers and lists.

use serde_json::{Map, Value};
use std::fmt::Write as _;

use crate::model::{ToolCall, ToolSpec};

/// The stop phrase: a model is stopped before it invents the result of its own call.
pub(super) const STOP: &str = "</function";

/// What a reply's text holds.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Text around the calls.
    pub(super) thought: String,
    /// Calls, arguments as JSON text.
    pub(super) calls: Vec<(String, Map<String, Value>)>,
    /// The text ends inside a call (its closing tag is missing).
    pub(super) open: bool,
}

/// The tools and the form, for the end of the system message.
pub(super) fn render_tools(tools: &[ToolSpec]) -> String {
    let mut out = String::from("You can call these functions:\n");
    for (number, tool) in tools.iter().enumerate() {
        let _ = writeln!(
            out,
            "\n---- BEGIN FUNCTION #{}: {} ----\nDescription: {}",
            number + 1,
            tool.name,
            tool.description
        );
        let required: Vec<&str> = tool
            .parameters
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        match tool.parameters.get("properties").and_then(Value::as_object) {
            Some(properties) if !properties.is_empty() => {
                out.push_str("Parameters:\n");
                for (index, (name, property)) in properties.iter().enumerate() {
                    let kind = property
                        .get("type")
                        .and_then(Value::as_str)
                        .unwrap_or("string");
                    let need = if required.contains(&name.as_str()) {
                        "required"
                    } else {
                        "optional"
                    };
                    let about = property
                        .get("description")
                        .and_then(Value::as_str)
                        .unwrap_or("");
                    let _ = write!(out, "  ({}) {name} ({kind}, {need}): {about}", index + 1);
                    if let Some(allowed) = property.get("enum").and_then(Value::as_array) {
                        let allowed: Vec<String> = allowed
                            .iter()
                            .filter_map(Value::as_str)
                            .map(|value| format!("`{value}`"))
                            .collect();
                        let _ = write!(out, " Allowed values: [{}]", allowed.join(", "));
                    }
                    out.push('\n');
                }
            }
            _ => out.push_str("No parameters are required for this function.\n"),
        }
        let _ = writeln!(out, "---- END FUNCTION #{} ----", number + 1);
    }
    out.push_str(
        "\nA call is written like this, at the end of the reply and once in it; reasoning goes before it:\n\n\
         <function=NAME>\n<parameter=ONE>value</parameter>\n<parameter=TWO>\na value\nof several lines\n</parameter>\n</function>\n",
    );
    out
}

/// A call as a model writes it.
pub(super) fn write_call(call: &ToolCall) -> String {
    let mut out = format!("<function={}>\n", call.name);
    let arguments: Map<String, Value> = serde_json::from_str(&call.arguments).unwrap_or_default();
    for (name, value) in arguments {
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        if text.contains('\n') {
            let _ = writeln!(out, "<parameter={name}>\n{text}\n</parameter>");
        } else {
            let _ = writeln!(out, "<parameter={name}>{text}</parameter>");
        }
    }
    out.push_str("</function>");
    out
}

/// Read the calls of a text.
pub(super) fn read(text: &str, tools: &[ToolSpec]) -> Read {
    let mut found = Read::default();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<function=") {
        found.thought.push_str(before);
        let Some((name, body)) = after.split_once('>') else {
            found.open = true;
            rest = "";
            break;
        };
        let (body, next) = match body.split_once("</function>") {
            Some((body, next)) => (body, next),
            None => {
                found.open = true;
                (body.trim_end_matches("</function"), "")
            }
        };
        let spec = tools.iter().find(|tool| tool.name == name.trim());
        found
            .calls
            .push((name.trim().to_owned(), parameters(body, spec)));
        rest = next;
    }
    found.thought.push_str(rest);
    found.thought = found.thought.trim().to_owned();
    found
}

fn parameters(body: &str, spec: Option<&ToolSpec>) -> Map<String, Value> {
    let mut given = Map::new();
    let mut rest = body;
    while let Some((_, after)) = rest.split_once("<parameter=") {
        let Some((name, after)) = after.split_once('>') else {
            break;
        };
        let (text, next) = after.split_once("</parameter>").unwrap_or((after, ""));
        let kind = spec
            .and_then(|spec| spec.parameters.get("properties"))
            .and_then(|properties| properties.get(name))
            .and_then(|property| property.get("type"))
            .and_then(Value::as_str);
        let text = text.trim();
        let value = match kind {
            Some("string") | None => Value::String(text.to_owned()),
            Some(_) => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
            }
        };
        given.insert(name.to_owned(), value);
        rest = next;
    }
    given
}
