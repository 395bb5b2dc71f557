//! The plain front: read lines, print what happened since.

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;

use super::{Human, HumanPrompt};
use crate::model::{Message, ModelInfo, ModelKind, Role, ToolCall, ToolSpec};
use crate::text::safe::visible;

const HELP: &str = "a shell command, /say TEXT, or /finish [TEXT]; Ctrl-D leaves\n";

/// A person at the terminal of this process. Has to be called inside a runtime.
#[must_use]
pub fn at_stdin() -> Human {
    // One question is open at a time; the next waits.
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(serve(receive));
    let info = ModelInfo {
        kind: ModelKind::Human,
        name: "human".to_owned(),
        spec: "human".to_owned(),
        context: None,
    };
    Human::new(info, send)
}

async fn serve(mut prompts: mpsc::Receiver<HumanPrompt>) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut out = tokio::io::stderr();
    while let Some(prompt) = prompts.recv().await {
        let mut text = String::new();
        for message in &prompt.messages {
            text.push('\n');
            text.push_str(visible(message.content.trim_end()).as_ref());
            text.push('\n');
        }
        text.push('\n');
        text.push_str(HELP);
        let message = loop {
            text.push_str("> ");
            let written = out.write_all(text.as_bytes()).await;
            if written.is_err() || out.flush().await.is_err() {
                return;
            }
            let Ok(Some(line)) = lines.next_line().await else {
                return;
            };
            match message_of_line(&line, &prompt.tools) {
                Ok(message) => break message,
                Err(why) => text = format!("{why}\n"),
            }
        };
        // Whoever asked may have cancelled meanwhile.
        let _ = prompt.answer.send(message);
    }
}

/// The assistant message that a typed line means, or what to type instead.
///
/// # Errors
/// For an empty line, an unknown `/word`, or where no tool takes what was typed.
pub fn message_of_line(line: &str, tools: &[ToolSpec]) -> Result<Message, String> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let mut message = Message::text(Role::Assistant, "");
    match word {
        "" => return Err(HELP.trim_end().to_owned()),
        "/say" => rest.trim().clone_into(&mut message.content),
        "/finish" => {
            let finish = |tool: &&ToolSpec| matches!(tool.name.as_str(), "finish" | "submit");
            rest.trim().clone_into(&mut message.content);
            match tools.iter().find(finish) {
                Some(tool) => message.tool_calls.push(call(&tool.name, &json!({}))),
                None => {
                    return Err(
                        "no tool here finishes; submit the way the instructions say".to_owned()
                    );
                }
            }
        }
        // A path such as /bin/ls is a command.
        word if word.starts_with('/')
            && !word.chars().skip(1).any(|c| c == '/')
            && rest.is_empty() =>
        {
            return Err(format!("`{word}` is not known: {}", HELP.trim_end()));
        }
        _ => {
            let takes_command =
                |tool: &&ToolSpec| tool.parameters.pointer("/properties/command").is_some();
            match tools.iter().find(takes_command) {
                Some(tool) => message
                    .tool_calls
                    .push(call(&tool.name, &json!({"command": line}))),
                None => return Err("no tool here takes a command; use /say".to_owned()),
            }
        }
    }
    Ok(message)
}

fn call(name: &str, arguments: &serde_json::Value) -> ToolCall {
    ToolCall {
        id: String::new(),
        name: name.to_owned(),
        arguments: arguments.to_string(),
    }
}
