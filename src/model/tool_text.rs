//! The one parser of tool calls that a model writes as text, and the writer of their XML form.
//!
//! | form | looks like |
//! |---|---|
//! | [`Form::Xml`] | `<function=NAME>` newline `<parameter=P>value</parameter>` … `</function>`, alone or inside `<tool_call>` (Qwen3-coder) |
//! | [`Form::Hermes`] | `<tool_call>{"name": …, "arguments": {…}}</tool_call>` |
//! | [`Form::Llama`] | `<\|python_tag\|>{"name": …, "parameters": {…}}`, or that object as the whole message |
//! | [`parse_line`] | `NAME ARGUMENT …`, the whole message |
//!
//! Text is pushed as it streams; what comes out is prose and calls, the same however the text was cut. A call is never
//! dropped: where it cannot be carried out, [`TextCall::problem`] says what is wrong in words for the model. Values are
//! converted by the tool's JSON Schema (`schema`), which native calls go through as well ([`check_native`]).
//!
//! How many calls a message may hold, and what happens to a bad one, is the agent's business.

mod json_call;
mod json_scan;
mod line;
mod parser;
mod schema;
mod xml;

use serde_json::{Map, Value};

use super::{ToolCall, ToolSpec};

pub use line::{UNTIL, call_to_line, parse_line, render_tools_line};
pub use parser::Parser;
pub use xml::{call_to_xml, render_tools_xml};

/// The stop phrase of the XML form: the model ends there, the parser completes the tag.
pub const XML_STOP: &str = "</function";

/// Which way of writing calls to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// OpenHands CodeAct and Qwen3-coder.
    Xml,
    /// Hermes and Qwen.
    Hermes,
    /// Llama 3.
    Llama,
    /// Whichever of them comes.
    Any,
}

/// A part of what a model wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Words around calls.
    Text(String),
    /// A call.
    Call(TextCall),
}

/// A call that was written as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextCall {
    /// The tool's name; empty where none can be made out.
    pub name: String,
    /// JSON text of the arguments, converted by the tool's schema as far as they could be.
    pub arguments: String,
    /// Why it cannot be carried out, in words for the model.
    pub problem: Option<String>,
    /// As it was written.
    pub raw: String,
}

/// Parse a whole message.
#[must_use]
pub fn parse(text: &str, form: Form, tools: &[ToolSpec]) -> Vec<Piece> {
    let mut parser = Parser::new(form, tools);
    let mut pieces = parser.push(text);
    pieces.extend(parser.finish());
    pieces
}

/// Check a native call and convert its arguments by the tool's schema.
///
/// # Errors
/// What is wrong, in words for the model.
pub fn check_native(call: &ToolCall, tools: &[ToolSpec]) -> Result<Map<String, Value>, String> {
    let text = call.arguments.trim();
    let arguments = if text.is_empty() {
        Map::new()
    } else {
        match serde_json::from_str(text) {
            Ok(Value::Object(arguments)) => arguments,
            Ok(_) => {
                return Err(format!(
                    "The arguments of `{}` must be a JSON object.",
                    call.name
                ));
            }
            Err(error) => {
                return Err(format!(
                    "The arguments of `{}` are not valid JSON: {error}.",
                    call.name
                ));
            }
        }
    };
    let (arguments, problem) = schema::check(&call.name, arguments, tools);
    problem.map_or(Ok(arguments), Err)
}

#[cfg(test)]
mod tests;
