//! The line form of calls, for small models: the whole message is one call.
//!
//! ```text
//! NAME WORD … TEXT
//! => REST
//! ```
//!
//! The tool's required parameters stand in their order, each a word, but the last, which is all that follows (if it is a text, to the
//! message's end, further lines included). A text before the last says in its schema what ends it ([`UNTIL`]). There is nothing
//! around a call: what is no tool's name at the beginning is no call.

use serde_json::{Map, Value};

use super::{Piece, TextCall, schema};
use crate::model::ToolSpec;

/// In a parameter's schema: its text runs to the line that begins so.
pub const UNTIL: &str = "x-until";

/// Read a message.
#[must_use]
pub fn parse_line(text: &str, tools: &[ToolSpec]) -> Vec<Piece> {
    let whole = text.trim();
    let (name, mut rest) = word(whole);
    let Some(tool) = tools.iter().find(|tool| tool.name == name) else {
        return if whole.is_empty() {
            Vec::new()
        } else {
            vec![Piece::Text(text.to_owned())]
        };
    };
    let mut arguments = Map::new();
    let names = parameters(tool);
    for (at, parameter) in names.iter().enumerate() {
        let last = at + 1 == names.len();
        let value = if last && is_text(tool, parameter) {
            std::mem::take(&mut rest)
        } else if let Some(end) = until(tool, parameter) {
            let (value, after) = rest.split_once(&format!("\n{end}")).unwrap_or((rest, ""));
            // One blank belongs to the sign, as to every word.
            rest = after.strip_prefix([' ', '\n']).unwrap_or(after);
            value
        } else {
            let (value, after) = word(rest);
            rest = after;
            value
        };
        if !value.is_empty() {
            arguments.insert((*parameter).to_owned(), Value::from(value));
        }
    }
    let (arguments, mut problem) = schema::check(name, arguments, std::slice::from_ref(tool));
    if !rest.trim().is_empty() {
        problem = Some(format!("`{name}` takes {}", usage(tool)));
    }
    vec![Piece::Call(TextCall {
        name: name.to_owned(),
        arguments: Value::Object(arguments).to_string(),
        problem,
        raw: text.to_owned(),
    })]
}

/// A call as it would have been written.
#[must_use]
pub fn call_to_line(call: &crate::model::ToolCall, tools: &[ToolSpec]) -> String {
    let given: Map<String, Value> = serde_json::from_str(&call.arguments).unwrap_or_default();
    let Some(tool) = tools.iter().find(|tool| tool.name == call.name) else {
        return call.name.clone();
    };
    line(tool, |parameter| {
        Some(match given.get(parameter)? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    })
}

/// The tools as the system message lists them, one a line.
#[must_use]
pub fn render_tools_line(tools: &[ToolSpec]) -> String {
    let lines: Vec<String> = tools.iter().map(usage).collect();
    lines.join("\n")
}

/// `change NAME OLD`, `=> NEW`.
fn usage(tool: &ToolSpec) -> String {
    line(tool, |parameter| Some(parameter.to_uppercase()))
}

/// A tool's name and, in their order, those of its parameters for which there is something to write.
fn line(tool: &ToolSpec, write: impl Fn(&str) -> Option<String>) -> String {
    let mut line = tool.name.clone();
    for parameter in parameters(tool) {
        let Some(text) = write(parameter) else {
            continue;
        };
        line.push(' ');
        line.push_str(&text);
        if let Some(end) = until(tool, parameter) {
            line.push('\n');
            line.push_str(end);
        }
    }
    line
}

fn parameters(tool: &ToolSpec) -> Vec<&str> {
    let required = tool.parameters.get("required").and_then(Value::as_array);
    required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn is_text(tool: &ToolSpec, parameter: &str) -> bool {
    said(tool, parameter, "type") == Some("string")
}

/// What ends a text that is not the last parameter.
fn until<'a>(tool: &'a ToolSpec, parameter: &str) -> Option<&'a str> {
    said(tool, parameter, UNTIL)
}

/// A word of a parameter's schema.
fn said<'a>(tool: &'a ToolSpec, parameter: &str, key: &str) -> Option<&'a str> {
    let properties = tool.parameters.get("properties")?;
    properties.get(parameter)?.get(key)?.as_str()
}

/// The first word, and what follows the one blank or line break after it.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let mut after = rest.chars();
    after.next();
    (word, after.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tools() -> Vec<ToolSpec> {
        let tool = |name: &str, properties: Value, required: Value| ToolSpec {
            name: name.into(),
            description: String::new(),
            parameters: json!({"type": "object", "properties": properties, "required": required}),
        };
        vec![
            tool(
                "put",
                json!({"file": {"type": "string"}, "line": {"type": "integer"}, "text": {"type": "string"}}),
                json!(["file", "line", "text"]),
            ),
            tool(
                "change",
                json!({"name": {"type": "string"}, "old": {"type": "string", UNTIL: "=>"}, "new": {"type": "string"}}),
                json!(["name", "old", "new"]),
            ),
            tool("test", json!({}), json!([])),
        ]
    }

    fn call(text: &str) -> TextCall {
        match parse_line(text, &tools()).pop() {
            Some(Piece::Call(call)) => call,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn words_go_to_parameters_in_order_and_the_last_text_takes_the_rest() {
        let read = call("put shop.py 7 if not xs:\n    return 0\n");
        assert_eq!(read.problem, None);
        assert_eq!(
            read.arguments,
            json!({"file": "shop.py", "line": 7, "text": "if not xs:\n    return 0"}).to_string()
        );
        assert_eq!(call("test").arguments, "{}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = crate::model::ToolCall {
            id: "1".into(),
            name: "put".into(),
            arguments: json!({"file": "a.py", "line": 12, "text": "x = {\n    1: 2}"}).to_string(),
        };
        let line = call_to_line(&written, &tools());
        assert_eq!(line, "put a.py 12 x = {\n    1: 2}");
        assert_eq!(call(&line).arguments, written.arguments);
    }

    #[test]
    fn a_text_before_the_last_ends_at_the_line_that_says_so() {
        let text = "change f if a => b:\nreturn 1\n=> if b:\n    return 2";
        let read = call(text);
        assert_eq!(read.problem, None);
        let given =
            json!({"name": "f", "old": "if a => b:\nreturn 1", "new": "if b:\n    return 2"});
        assert_eq!(read.arguments, given.to_string());
        let written = crate::model::ToolCall {
            id: "1".into(),
            name: "change".into(),
            arguments: read.arguments,
        };
        assert_eq!(call_to_line(&written, &tools()), text);
        for half in [
            "change f x",
            "change f x\n",
            "change f x\n=>",
            "change f x => y",
        ] {
            assert!(call(half).problem.unwrap().contains("new"), "{half}");
        }
    }

    #[test]
    fn what_is_missing_wrong_or_too_much_is_said_and_prose_is_no_call() {
        assert!(call("put shop.py").problem.unwrap().contains("line, text"));
        assert!(
            call("put shop.py seven x")
                .problem
                .unwrap()
                .contains("integer")
        );
        assert!(call("test it").problem.unwrap().contains("takes test"));
        assert_eq!(
            parse_line("I will test it", &tools()),
            [Piece::Text("I will test it".into())]
        );
        assert_eq!(parse_line(" \n", &tools()), []);
    }

    #[test]
    fn the_list_of_tools_is_one_line_for_each() {
        assert_eq!(
            render_tools_line(&tools()),
            "put FILE LINE TEXT\nchange NAME OLD\n=> NEW\ntest"
        );
    }
}
