//! The tools that a scaffold may offer: the schema of each, and whether a call's arguments fit it.
//!
//! Schemas are code because the code behind a tool reads exactly these arguments; names and descriptions are the
//! scaffold's. Problems are told in words for the model, because the model is who can mend them.

use serde_json::{Map, Value, json};

use super::scaffold_file::{Acts, Tool};
use crate::model::ToolSpec;

/// The names of a tool's arguments, its JSON Schema, and what of it is required.
fn schema(acts: Acts) -> Value {
    let object = |properties: Value, required: &[&str]| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    match acts {
        Acts::Shell | Acts::Command => object(json!({"command": {"type": "string"}}), &["command"]),
        Acts::Finish => object(json!({}), &[]),
        Acts::Editor => object(
            json!({
                "command": {"type": "string", "enum": ["view", "create", "str_replace", "insert", "undo_edit"]},
                "path": {"type": "string"},
                "file_text": {"type": "string"},
                "old_str": {"type": "string"},
                "new_str": {"type": "string"},
                "insert_line": {"type": "integer"},
                "view_range": {"type": "array", "items": {"type": "integer"}},
            }),
            &["command", "path"],
        ),
    }
}

/// What is offered to the model; or the name of a described argument that the tool does not have.
pub(super) fn spec(tool: &Tool, description: &str) -> Result<ToolSpec, String> {
    let mut parameters = schema(tool.acts);
    for (name, text) in &tool.arguments {
        match parameters
            .get_mut("properties")
            .and_then(|properties| properties.get_mut(name))
        {
            Some(Value::Object(property)) => {
                property.shift_insert(0, "description".into(), Value::String(text.clone()));
            }
            _ => return Err(name.clone()),
        }
    }
    Ok(ToolSpec {
        name: tool.name.clone(),
        description: description.trim_end().to_owned(),
        parameters,
    })
}

/// The arguments of a call, checked; what is wrong with them otherwise. An argument that may be left out and is `null` counts
/// as left out; no text at all counts as no arguments.
pub(super) fn check(spec: &ToolSpec, arguments: &str) -> Result<Map<String, Value>, String> {
    let text = arguments.trim();
    let value = if text.is_empty() {
        Ok(json!({}))
    } else {
        serde_json::from_str(text)
    };
    let mut given = match value {
        Ok(Value::Object(map)) => map,
        Ok(Value::Null) => Map::new(),
        Ok(_) => {
            return Err(
                "Failed to parse tool call arguments: they must be one JSON object.".into(),
            );
        }
        Err(error) => return Err(format!("Failed to parse tool call arguments: {error}.")),
    };
    let name = &spec.name;
    let empty = Map::new();
    let properties = spec
        .parameters
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let required: Vec<&str> = spec
        .parameters
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    given.retain(|key, value| !value.is_null() || required.contains(&key.as_str()));
    for key in &required {
        if !given.contains_key(*key) {
            return Err(format!(
                "The parameter `{key}` is required for the function `{name}` and is missing."
            ));
        }
    }
    for (key, value) in &given {
        let Some(property) = properties.get(key) else {
            let known: Vec<&str> = properties.keys().map(String::as_str).collect();
            let known = if known.is_empty() {
                "none".into()
            } else {
                known.join(", ")
            };
            return Err(format!(
                "The parameter `{key}` is not allowed for the function `{name}`; its parameters: {known}."
            ));
        };
        fits(key, value, property)?;
    }
    Ok(given)
}

fn fits(key: &str, value: &Value, property: &Value) -> Result<(), String> {
    let kind = property
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("any");
    let right = match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    if !right {
        return Err(format!("The parameter `{key}` must be of type {kind}."));
    }
    if let (Some(items), Some(values)) = (property.get("items"), value.as_array()) {
        for item in values {
            fits(key, item, items).map_err(|_| {
                let kind = items.get("type").and_then(Value::as_str).unwrap_or("any");
                format!("The parameter `{key}` must be a list whose items are of type {kind}.")
            })?;
        }
    }
    if let Some(allowed) = property.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        return Err(format!(
            "The parameter `{key}` must be one of: {}.",
            allowed.join(", ")
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn editor() -> ToolSpec {
        let tool = Tool {
            name: "edit".into(),
            acts: Acts::Editor,
            description: String::new(),
            arguments: BTreeMap::new(),
        };
        spec(&tool, "edits").unwrap()
    }

    #[test]
    fn every_way_in_which_arguments_can_be_wrong_has_its_own_words() {
        let cases = [
            (
                "{\"command\": \"view\"",
                "Failed to parse tool call arguments: EOF",
            ),
            ("[1]", "one JSON object"),
            (
                "{\"command\": \"view\"}",
                "`path` is required for the function `edit`",
            ),
            (
                "{\"command\": \"view\", \"path\": null}",
                "`path` must be of type string",
            ),
            (
                "{\"command\": \"look\", \"path\": \"/a\"}",
                "`command` must be one of: view, create,",
            ),
            (
                "{\"command\": \"view\", \"path\": \"/a\", \"lines\": 3}",
                "`lines` is not allowed for the function `edit`",
            ),
            (
                "{\"command\": \"view\", \"path\": \"/a\", \"insert_line\": 1.5}",
                "`insert_line` must be of type integer",
            ),
            (
                "{\"command\": \"view\", \"path\": \"/a\", \"view_range\": [1, \"2\"]}",
                "items are of type integer",
            ),
        ];
        for (arguments, words) in cases {
            let told = check(&editor(), arguments).unwrap_err();
            assert!(told.contains(words), "{arguments}: {told}");
        }
    }

    #[test]
    fn an_optional_argument_that_is_null_counts_as_left_out() {
        let given = check(
            &editor(),
            r#"{"command": "view", "path": "/a", "view_range": null}"#,
        )
        .unwrap();
        assert_eq!(given.len(), 2);
    }

    #[test]
    fn no_text_is_no_arguments() {
        let tool = Tool {
            name: "finish".into(),
            acts: Acts::Finish,
            description: String::new(),
            arguments: BTreeMap::new(),
        };
        let spec = spec(&tool, "ends").unwrap();
        assert!(check(&spec, "").unwrap().is_empty());
        assert!(check(&spec, "null").unwrap().is_empty());
    }
}
