//! The grammar of a call in the XML form (`<function=NAME>`, `<parameter=P>`), in which values of text stand as they are.
//!
//! Parameters come in the schema's order, those that must come for certain and the others perhaps. A value is held to what of
//! its schema [`crate::model::tool_text`] reads: text ends where its closing tag begins and is as long as it may be, one of an
//! enumeration is one of them, and all else is JSON of its schema. A pattern or a format of a text holds nobody to it: in this
//! form it would have to be known together with the tag. JSON may hold the closing tag in a text of its own, and is cut there.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::spaced;
use crate::model::ToolSpec;

/// What no value may hold but at its end.
const CLOSED_BEFORE: &str = r"/(?s:.*)<\/parameter>(?s:.+)/";

/// Exactly one call of one of the tools; `wrapped` in `<tool_call>` or bare.
pub(super) fn of_calls(tools: &[ToolSpec], wrapped: bool) -> String {
    let (open, close) = if wrapped {
        ("<tool_call>\n", "\n</tool_call>")
    } else {
        ("", "")
    };
    let mut choices = String::new();
    let mut rules = String::new();
    for (number, tool) in tools.iter().enumerate() {
        let or = if number > 0 { " | " } else { "" };
        let _ = write!(choices, "{or}call_{number}");
        let before = format!("{open}<function={}>\n", tool.name);
        let mut call = Value::from(before).to_string();
        match tool.parameters.get("properties").and_then(Value::as_object) {
            Some(properties) => {
                for (at, (name, schema)) in properties.iter().enumerate() {
                    let rule = format!("parameter_{number}_{at}");
                    let perhaps = if is_needed(tool, name) { "" } else { "?" };
                    let _ = write!(call, " {rule}{perhaps}");
                    let tag = Value::from(format!("<parameter={name}>\n"));
                    let value = value(&format!("{number}_{at}"), schema, tool, &mut rules);
                    let _ = writeln!(rules, "{rule}: {tag} {value} \"\\n\"");
                }
            }
            None => call.push_str(" any*"),
        }
        let _ = writeln!(
            rules,
            "call_{number}: {call} {}",
            Value::from(format!("</function>{close}"))
        );
    }
    if rules.contains(" any*") {
        let text = text(0, None);
        let _ = writeln!(
            rules,
            "any: \"<parameter=\" /[A-Za-z_][A-Za-z0-9_-]*/ \">\\n\" ANY \"\\n\"\nANY: {text}"
        );
    }
    format!("start: {choices}\n{rules}")
}

fn is_needed(tool: &ToolSpec, parameter: &str) -> bool {
    let needed = tool.parameters.get("required").and_then(Value::as_array);
    needed.is_some_and(|names| names.iter().any(|name| name == parameter))
}

/// What stands for a value and its closing tag; rules that it needs are added.
fn value(place: &str, schema: &Value, tool: &ToolSpec, rules: &mut String) -> String {
    const CLOSE: &str = "\"\\n</parameter>\"";
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        let each = allowed.iter().map(|one| match one {
            Value::String(text) => Value::from(text.as_str()).to_string(),
            other => Value::from(other.to_string()).to_string(),
        });
        let each: Vec<String> = each.collect();
        return format!("({}) {CLOSE}", each.join(" | "));
    }
    if is_text(schema) {
        let length = |name: &str| schema.get(name).and_then(Value::as_u64);
        let text = text(length("minLength").unwrap_or(0), length("maxLength"));
        let _ = writeln!(rules, "TEXT_{place}: {text}");
        return format!("TEXT_{place}");
    }
    let mut schema: Map<String, Value> = schema.as_object().cloned().unwrap_or_default();
    // What it refers to lies at the top of the tool's schema.
    for place in ["$defs", "definitions"] {
        if let Some(there) = tool.parameters.get(place) {
            schema
                .entry(place.to_owned())
                .or_insert_with(|| there.clone());
        }
    }
    let schema = spaced(&Value::Object(schema));
    let _ = writeln!(rules, "value_{place}: %json {schema}");
    format!("value_{place} {CLOSE}")
}

/// Whether a value is read as text: where its schema says so, among other kinds too, or says no kind.
fn is_text(schema: &Value) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == "string",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        _ => true,
    }
}

/// A text of so many characters and its closing tag, which ends it wherever it comes.
fn text(least: u64, most: Option<u64>) -> String {
    let most = most.map_or_else(String::new, |most| most.max(least).to_string());
    format!(r"/(?s:.{{{least},{most}}})\n<\/parameter>/ & ~{CLOSED_BEFORE}")
}
