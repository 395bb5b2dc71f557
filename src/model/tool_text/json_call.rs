//! A call in JSON, in the ways that models spell one.

use serde_json::{Map, Value};

/// Arguments, or what is wrong with them.
pub(super) type Arguments = Result<Map<String, Value>, String>;

/// The name and arguments of a call in JSON, in the ways that models spell them.
pub(super) fn name_and_arguments(value: &Value) -> Option<(&str, Arguments)> {
    let object = value.as_object()?;
    let inner = object
        .get("function")
        .and_then(Value::as_object)
        .unwrap_or(object);
    let name = inner
        .get("name")
        .or_else(|| object.get("function"))
        .and_then(Value::as_str)?;
    let arguments = inner.get("arguments").or_else(|| inner.get("parameters"));
    // An object with a name alone is a call only of a tool that takes nothing.
    let arguments = match arguments {
        None if inner.len() == 1 => Ok(Map::new()),
        None => return None,
        Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(arguments)) => Ok(arguments.clone()),
        // Encoded twice.
        Some(Value::String(text)) => serde_json::from_str(text)
            .map_err(|error| format!("The arguments of `{name}` are not valid JSON: {error}.")),
        Some(_) => Err(format!("The arguments of `{name}` must be a JSON object.")),
    };
    Some((name, arguments))
}
