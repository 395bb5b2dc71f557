//! The tools that a scaffold may offer: the schema of each, and whether a call's arguments fit it.
//!
//! Schemas are code because the code behind a tool reads exactly these arguments; names and descriptions are the
//! scaffold's. How a value is converted and what is said of a wrong one is the model room's ([`tool_text`]).

use serde_json::{Map, Value, json};

use super::scaffold_file::{Acts, Tool};
use crate::model::{ToolCall, ToolSpec, tool_text};

/// The names of a tool's arguments, its JSON Schema, and what of it is required.
fn schema(acts: Acts) -> Value {
    let object = |properties: Value, required: &[&str]| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    match acts {
        Acts::Shell | Acts::Command => object(json!({"command": {"type": "string"}}), &["command"]),
        Acts::Finish | Acts::Script => object(json!({}), &[]),
        Acts::Find => object(json!({"name": {"type": "string"}}), &["name"]),
        Acts::View => object(json!({"file": {"type": "string"}}), &["file"]),
        Acts::Change => object(
            json!({"name": {"type": "string"}, "old": {"type": "string", tool_text::UNTIL: "=>"}, "new": {"type": "string"}}),
            &["name", "old", "new"],
        ),
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

/// The arguments of a call, checked and converted; what is wrong with them otherwise. An argument that may be left out and is
/// `null` counts as left out: many models write every argument of a schema.
pub(super) fn check(spec: &ToolSpec, call: &ToolCall) -> Result<Map<String, Value>, String> {
    let mut call = call.clone();
    if call.arguments.trim() == "null" {
        call.arguments.clear();
    }
    if let Ok(Value::Object(mut given)) = serde_json::from_str(&call.arguments) {
        let required = spec.parameters.get("required").and_then(Value::as_array);
        let needed = |key: &str| required.is_some_and(|names| names.iter().any(|name| name == key));
        let before = given.len();
        given.retain(|key, value| !value.is_null() || needed(key));
        if given.len() < before {
            call.arguments = Value::Object(given).to_string();
        }
    }
    tool_text::check_native(&call, std::slice::from_ref(spec))
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
            run: String::new(),
            arguments: BTreeMap::new(),
        };
        spec(&tool, "edits").unwrap()
    }

    fn call(arguments: &str) -> ToolCall {
        ToolCall {
            id: "1".into(),
            name: "edit".into(),
            arguments: arguments.into(),
        }
    }

    #[test]
    fn arguments_that_do_not_fit_are_told_by_name() {
        let cases = [
            ("{\"command\": \"view\"", "not valid JSON"),
            ("[1]", "must be a JSON object"),
            ("{\"command\": \"view\"}", "needs a value for: path"),
            ("{\"command\": \"view\", \"path\": null}", "`path`"),
            (
                "{\"command\": \"look\", \"path\": \"/a\"}",
                "one of: `view`, `create`,",
            ),
            (
                "{\"command\": \"view\", \"path\": \"/a\", \"lines\": 3}",
                "`lines` is not a parameter of `edit`",
            ),
            (
                "{\"command\": \"view\", \"path\": \"/a\", \"insert_line\": 1.5}",
                "`insert_line` of `edit` must be an integer",
            ),
        ];
        for (arguments, words) in cases {
            let told = check(&editor(), &call(arguments)).unwrap_err();
            assert!(told.contains(words), "{arguments}: {told}");
        }
    }

    #[test]
    fn an_optional_argument_that_is_null_counts_as_left_out() {
        let given = check(
            &editor(),
            &call(r#"{"command": "view", "path": "/a", "view_range": null}"#),
        )
        .unwrap();
        assert_eq!(given.len(), 2);
    }

    #[test]
    fn no_text_is_no_arguments() {
        let tool = Tool {
            name: "edit".into(),
            acts: Acts::Finish,
            description: String::new(),
            run: String::new(),
            arguments: BTreeMap::new(),
        };
        let spec = spec(&tool, "ends").unwrap();
        for nothing in ["", "null", "{}"] {
            assert!(check(&spec, &call(nothing)).unwrap().is_empty());
        }
    }
}
