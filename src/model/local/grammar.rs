//! Grammars of replies: a tool call that fits its tool's schema, or JSON that fits a schema.
//!
//! Calls are written in the form that the model's own template writes them in, so that [`crate::model::tool_text`] reads
//! them and the model is on ground that it knows: Hermes' tags around JSON, Llama's bare JSON, or the XML of Qwen3-Coder
//! (`xml`).

mod xml;

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::engine::Engine;
use crate::model::ToolSpec;

/// Exactly one call of one of the tools.
#[must_use]
pub fn of_calls(engine: &Engine, tools: &[ToolSpec]) -> String {
    let is_xml = ["<function=", "<parameter="]
        .iter()
        .all(|tag| engine.template_mentions(tag));
    if is_xml {
        return xml::of_calls(tools, engine.template_mentions("<tool_call>"));
    }
    // Llama's template names the field of its own form and no tag; all others are taken to write Hermes' tags.
    let tags = engine.template_mentions("<tool_call>") || !engine.template_mentions("parameters");
    let mut choices = String::new();
    let mut rules = String::new();
    for (number, tool) in tools.iter().enumerate() {
        let name = Value::from(tool.name.as_str());
        let (before, after) = if tags {
            (
                format!("<tool_call>\n{{\"name\": {name}, \"arguments\": "),
                "}\n</tool_call>",
            )
        } else {
            (format!("{{\"name\": {name}, \"parameters\": "), "}")
        };
        let or = if number > 0 { " | " } else { "" };
        let _ = write!(choices, "{or}call_{number}");
        let _ = writeln!(
            rules,
            "call_{number}: {} arguments_{number} {}\narguments_{number}: %json {}",
            Value::from(before),
            Value::from(after),
            schema(&tool.parameters)
        );
    }
    format!("start: {choices}\n{rules}")
}

/// JSON of a schema; any object without one.
#[must_use]
pub fn of_json(wanted: Option<&Value>) -> String {
    let any = json!({"type": "object"});
    format!("start: %json {}\n", spaced(wanted.unwrap_or(&any)))
}

/// Arguments are an object with the properties that the tool names, and no others.
fn schema(parameters: &Value) -> Value {
    let mut schema = parameters.as_object().cloned().unwrap_or_default();
    schema.entry("type").or_insert_with(|| "object".into());
    if schema.contains_key("properties") {
        schema
            .entry("additionalProperties")
            .or_insert(Value::Bool(false));
    }
    spaced(&Value::Object(schema))
}

/// With the white space that Python's `json.dumps` writes, and no other: a model could go on with it for ever.
fn spaced(schema: &Value) -> Value {
    let spaces =
        json!({"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "});
    let mut with: Map<String, Value> = schema.as_object().cloned().unwrap_or_default();
    with.insert("x-guidance".into(), spaces);
    Value::Object(with)
}
