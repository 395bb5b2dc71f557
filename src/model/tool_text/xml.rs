//! The XML function form: its body read, calls written in it, and the words that teach it.
//!
//! A value's one line break after the opening tag and one before the closing tag belong to the form; all else is the
//! value, so indentation and blank lines of code survive. A value cannot hold `</parameter>`: it would end there.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::model::{ToolCall, ToolSpec};

const OPEN: &str = "<parameter=";
const CLOSE: &str = "</parameter>";

/// What stands between `<function=` and the end of the call.
#[derive(Debug, PartialEq)]
pub(super) struct Body {
    pub(super) name: String,
    pub(super) arguments: Map<String, Value>,
    pub(super) problem: Option<String>,
}

/// Where the call that begins after `<function=` ends: the offset after `</function>`, if it is there already. The tag
/// inside an open parameter is part of the value.
pub(super) fn end(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let close = rest.find("</function>");
        match rest.find(OPEN) {
            Some(open) if close.is_none_or(|close| open < close) => {
                let value = rest.get(open..)?;
                from += open + value.find(CLOSE)? + CLOSE.len();
            }
            _ => return close.map(|close| from + close + "</function>".len()),
        }
    }
}

/// Read `NAME>…` up to, but without, the closing tag (which the stop phrase may have cut).
pub(super) fn body(text: &str) -> Body {
    let mut problem = None;
    let mut wrong = |what: String| {
        problem.get_or_insert(what);
    };
    let (name, mut rest) = if let Some((name, rest)) = text.split_once('>') {
        (name.trim().to_owned(), rest)
    } else {
        wrong("The call breaks off inside `<function=`.".to_owned());
        (text.trim().to_owned(), "")
    };
    let mut arguments = Map::new();
    while let Some((between, after)) = rest.split_once(OPEN) {
        stray(between, &name, &mut wrong);
        let Some((parameter, after)) = after.split_once('>') else {
            wrong(format!(
                "The call of `{name}` breaks off inside `<parameter=`."
            ));
            rest = "";
            break;
        };
        let parameter = parameter.trim().to_owned();
        let value = if let Some((value, after)) = after.split_once(CLOSE) {
            rest = after;
            value
        } else {
            wrong(format!(
                "Parameter `{parameter}` of `{name}` is not closed with `{CLOSE}`."
            ));
            rest = "";
            after.trim_end_matches("</function>")
        };
        if arguments.contains_key(&parameter) {
            wrong(format!(
                "Parameter `{parameter}` of `{name}` is given twice."
            ));
        }
        arguments.insert(parameter, Value::from(unwrapped(value)));
    }
    stray(rest, &name, &mut wrong);
    Body {
        name,
        arguments,
        problem,
    }
}

fn stray(between: &str, name: &str, wrong: &mut impl FnMut(String)) {
    let between = between.trim();
    // The stop phrase leaves the start of the closing tag, or none of it.
    if between.is_empty() || "</function>".starts_with(between) {
        return;
    }
    let start: String = between.chars().take(40).collect();
    wrong(format!(
        "`{start}` stands outside of any parameter in the call of `{name}`."
    ));
}

/// A value without the form's own line breaks.
fn unwrapped(value: &str) -> &str {
    let value = value
        .strip_prefix("\r\n")
        .or_else(|| value.strip_prefix('\n'))
        .unwrap_or(value);
    value
        .strip_suffix("\r\n")
        .or_else(|| value.strip_suffix('\n'))
        .unwrap_or(value)
}

/// A call in the XML form. Text values stand as they are, all others as JSON.
#[must_use]
pub fn call_to_xml(call: &ToolCall) -> String {
    let arguments: Map<String, Value> = serde_json::from_str(&call.arguments).unwrap_or_default();
    let mut out = format!("<function={}>\n", call.name);
    for (parameter, value) in &arguments {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let line_break = if text.contains('\n') { "\n" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "<parameter={parameter}>{line_break}{text}{line_break}</parameter>"
        );
    }
    out.push_str("</function>");
    out
}

/// The end of a system message that lists the tools and teaches the form.
#[must_use]
pub fn render_tools_xml(tools: &[ToolSpec]) -> String {
    let mut out = String::from("You can call these functions:\n\n");
    for (at, tool) in tools.iter().enumerate() {
        let _ = writeln!(out, "---- BEGIN FUNCTION #{}: {} ----", at + 1, tool.name);
        let _ = writeln!(out, "Description: {}", tool.description.trim());
        parameters(tool, &mut out);
        let _ = writeln!(out, "---- END FUNCTION #{} ----\n", at + 1);
    }
    out.push_str(
        "To call a function, end your message with this and nothing after it:\n\n\
         <function=name_of_the_function>\n\
         <parameter=name_of_a_parameter>value</parameter>\n\
         <parameter=name_of_another>\n\
         a value that\n\
         takes several lines\n\
         </parameter>\n\
         </function>\n\n\
         Rules:\n\
         - One call in a message. Think aloud before it if you like, never after it.\n\
         - Give every required parameter; leave out optional ones that you do not need.\n\
         - Start with <function= and end with </function>; the names must be written exactly as above.\n",
    );
    out
}

fn parameters(tool: &ToolSpec, out: &mut String) {
    let properties = tool.parameters.get("properties").and_then(Value::as_object);
    let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
        out.push_str("Parameters: none\n");
        return;
    };
    let required = tool.parameters.get("required").and_then(Value::as_array);
    out.push_str("Parameters:\n");
    for (at, (name, schema)) in properties.iter().enumerate() {
        let needed = required.is_some_and(|names| names.iter().any(|n| n == name.as_str()));
        let needed = if needed { "required" } else { "optional" };
        let kind = schema
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or("string");
        let _ = write!(out, "  ({}) {name} ({kind}, {needed})", at + 1);
        if let Some(text) = schema.get("description").and_then(Value::as_str) {
            let _ = write!(out, ": {}", text.trim());
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
            let allowed: Vec<String> = allowed
                .iter()
                .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
                .collect();
            let _ = write!(out, " One of: {}.", allowed.join(", "));
        }
        out.push('\n');
    }
}
