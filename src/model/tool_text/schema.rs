//! Arguments against a tool's JSON Schema: converted where the meaning is plain, refused in words for the model where
//! it is not.
//!
//! Only what tools use is looked at: the properties' `type`, `enum`, and `required`. A value that came as text becomes
//! what the schema wants (`"5"` an integer, `"[1, 2]"` an array). A tool without properties takes whatever comes only if
//! it declares no schema at all.

use serde_json::{Map, Value};

use crate::model::ToolSpec;

/// Convert what can be converted, and say the first thing that is wrong.
pub(super) fn check(
    name: &str,
    arguments: Map<String, Value>,
    tools: &[ToolSpec],
) -> (Map<String, Value>, Option<String>) {
    if tools.is_empty() {
        return (arguments, None);
    }
    let Some(tool) = tools.iter().find(|tool| tool.name == name) else {
        let known: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        let problem = format!(
            "There is no tool `{name}`. The tools are: {}.",
            known.join(", ")
        );
        return (arguments, Some(problem));
    };
    let empty = Map::new();
    let properties = tool.parameters.get("properties").and_then(Value::as_object);
    let declared = tool
        .parameters
        .as_object()
        .is_some_and(|schema| !schema.is_empty());
    let properties = match properties {
        Some(properties) => properties,
        None if declared => &empty,
        None => return (arguments, None),
    };
    let mut problem = None;
    let mut converted = Map::new();
    for (parameter, value) in arguments {
        let value = match properties.get(&parameter) {
            None => {
                let known: Vec<&str> = properties.keys().map(String::as_str).collect();
                let takes = match known.as_slice() {
                    [] => "it takes none".to_owned(),
                    known => format!("it takes: {}", known.join(", ")),
                };
                problem.get_or_insert(format!(
                    "`{parameter}` is not a parameter of `{name}`; {takes}."
                ));
                value
            }
            Some(schema) => match convert(value, schema) {
                Ok(value) => value,
                Err((value, wanted)) => {
                    problem.get_or_insert(format!(
                        "Parameter `{parameter}` of `{name}` must be {wanted}."
                    ));
                    value
                }
            },
        };
        converted.insert(parameter, value);
    }
    let required = tool.parameters.get("required").and_then(Value::as_array);
    let missing: Vec<&str> = required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|parameter| !converted.contains_key(*parameter))
        .collect();
    if !missing.is_empty() && problem.is_none() {
        problem = Some(format!(
            "`{name}` needs a value for: {}.",
            missing.join(", ")
        ));
    }
    (converted, problem)
}

/// The value as the schema wants it, or as it was with what is wanted.
fn convert(value: Value, schema: &Value) -> Result<Value, (Value, String)> {
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        let trimmed = match &value {
            Value::String(text) => Value::from(text.trim()),
            other => other.clone(),
        };
        if allowed.contains(&trimmed) {
            return Ok(trimmed);
        }
        let names: Vec<String> = allowed.iter().map(plain).collect();
        return Err((value, format!("one of: {}", names.join(", "))));
    }
    let kinds: Vec<&str> = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(value),
    };
    let mut value = value;
    for kind in &kinds {
        value = match as_kind(value, kind) {
            Ok(value) => return Ok(value),
            Err(value) => value,
        };
    }
    let wanted = kinds
        .iter()
        .map(|kind| article(kind))
        .collect::<Vec<_>>()
        .join(" or ");
    Err((value, wanted))
}

fn as_kind(value: Value, kind: &str) -> Result<Value, Value> {
    let fits = match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    };
    if fits {
        return Ok(value);
    }
    if kind == "integer" {
        // 3.0 is how some models write 3.
        if let Some(whole) = value
            .as_f64()
            .filter(|n| n.fract() == 0.0 && n.abs() < 1e15)
        {
            let digits = format!("{whole:.0}");
            return digits
                .parse::<i64>()
                .map_or(Err(value), |n| Ok(Value::from(n)));
        }
    }
    let Value::String(text) = &value else {
        return Err(value);
    };
    let text = text.trim();
    let read = match kind {
        "integer" => text.parse::<i64>().ok().map(Value::from),
        "number" => text
            .parse::<f64>()
            .ok()
            .filter(|n| n.is_finite())
            .map(Value::from),
        "boolean" => match text.to_ascii_lowercase().as_str() {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        "array" => serde_json::from_str(text).ok().filter(Value::is_array),
        "object" => serde_json::from_str(text).ok().filter(Value::is_object),
        "null" => matches!(text, "null" | "None").then_some(Value::Null),
        _ => None,
    };
    read.ok_or(value)
}

fn article(kind: &str) -> String {
    match kind {
        "array" | "integer" | "object" => format!("an {kind}"),
        "null" => kind.to_owned(),
        _ => format!("a {kind}"),
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), |text| format!("`{text}`"))
}
