//! The editor that models are trained on: view, create, replace, insert, undo.
//!
//! Mental model: every command reads the whole file out of the sandbox, works on text, and writes it back; so paths and links are
//! resolved inside, by the sandbox's own eyes. Lines are shown and matched with `\n`; a file whose every line ends in
//! `\r\n` is written that way again. Bytes that an edit does not name stay as they are. The texts of errors are the ones
//! that the models know.
//!
//! Not here: finding lines and snippets ([`super::snippet`]).

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::snippet;
use crate::sandbox::{Exec, Exit, Sandbox, SandboxError};

/// Larger files are refused: shown whole they help nobody, and each edit keeps a copy.
const LARGEST: u64 = 4 << 20;
/// Edits of one file that can be taken back.
const HISTORY: usize = 32;
const PATIENCE: Duration = Duration::from_secs(30);

/// Words for the model: what was done, or why not.
type Told = Result<String, String>;

/// The editor and the texts that its edits replaced.
#[derive(Debug, Default)]
pub(super) struct Editor {
    history: HashMap<String, Vec<String>>,
}

/// What lies at a path.
enum Lies {
    Nothing,
    Directory,
    File { executable: bool },
    Other,
}

/// A text file as the editor holds it.
struct Text {
    /// With `\n` only.
    lines: String,
    crlf: bool,
    executable: bool,
}

impl Editor {
    /// Carry out one call with checked arguments.
    pub(super) async fn perform(
        &mut self,
        sandbox: &dyn Sandbox,
        arguments: &Map<String, Value>,
    ) -> Result<Told, SandboxError> {
        let told = self.act(sandbox, arguments).await;
        match told {
            Ok(told) => Ok(told),
            // A path that cannot be read or written is the agent's business.
            Err(SandboxError::File { path, why }) => Ok(Err(format!("{path}: {why}"))),
            Err(other) => Err(other),
        }
    }

    async fn act(
        &mut self,
        sandbox: &dyn Sandbox,
        arguments: &Map<String, Value>,
    ) -> Result<Told, SandboxError> {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        let command = text("command").unwrap_or_default();
        let path = text("path").unwrap_or_default();
        if path.contains('\0') {
            return Ok(Err("A path cannot hold a NUL character.".into()));
        }
        if !path.starts_with('/') {
            let meant = format!("{}/{path}", sandbox.report().workdir.trim_end_matches('/'));
            return Ok(Err(format!(
                "The path {path} is not an absolute path, it should start with `/`. Maybe you meant {meant}?"
            )));
        }
        let required = |name: &str| {
            text(name)
                .ok_or_else(|| format!("Parameter `{name}` is required for command: {command}"))
        };
        let there = look(sandbox, path).await?;
        let executable = match (command, &there) {
            ("create", Lies::Nothing) => {
                let content = match required("file_text") {
                    Ok(content) => content,
                    Err(problem) => return Ok(Err(problem)),
                };
                sandbox.upload(path, content.as_bytes(), false).await?;
                return Ok(Ok(format!("File created successfully at: {path}")));
            }
            ("create", _) => {
                return Ok(Err(format!(
                    "File already exists at: {path}. Cannot overwrite files using command `create`."
                )));
            }
            (_, Lies::Nothing) => {
                return Ok(Err(format!(
                    "The path {path} does not exist. Please provide a valid path."
                )));
            }
            ("view", Lies::Directory) => {
                if arguments.contains_key("view_range") {
                    return Ok(Err(
                        "The `view_range` parameter is not allowed when `path` points to a directory.".into(),
                    ));
                }
                return list(sandbox, path).await;
            }
            (_, Lies::Directory) => {
                return Ok(Err(format!(
                    "The path {path} is a directory and only the `view` command can be used on directories"
                )));
            }
            (_, Lies::Other) => {
                return Ok(Err(format!(
                    "The path {path} is neither a file nor a directory and cannot be edited."
                )));
            }
            (_, Lies::File { executable }) => *executable,
        };
        if command == "undo_edit" {
            return self.undo(sandbox, path, executable).await;
        }
        let file = match read(sandbox, path, executable).await? {
            Ok(file) => file,
            Err(problem) => return Ok(Err(problem)),
        };
        let edited = match command {
            "view" => {
                return Ok(snippet::view(
                    &file.lines,
                    path,
                    arguments.get("view_range"),
                ));
            }
            "str_replace" => required("old_str").and_then(|old| {
                snippet::replace(&file.lines, path, old, text("new_str").unwrap_or_default())
            }),
            "insert" => required("new_str").and_then(|new| {
                let line = arguments
                    .get("insert_line")
                    .and_then(Value::as_i64)
                    .ok_or("Parameter `insert_line` is required for command: insert")?;
                snippet::insert(&file.lines, path, line, new)
            }),
            other => Err(format!("The editor has no command `{other}`.")),
        };
        let (lines, told) = match edited {
            Ok(edited) => edited,
            Err(problem) => return Ok(Err(problem)),
        };
        write(sandbox, path, &Text { lines, ..file }).await?;
        let before = self.history.entry(path.to_owned()).or_default();
        if before.len() >= HISTORY {
            before.remove(0);
        }
        before.push(if file.crlf {
            file.lines.replace('\n', "\r\n")
        } else {
            file.lines
        });
        Ok(Ok(told))
    }

    async fn undo(
        &mut self,
        sandbox: &dyn Sandbox,
        path: &str,
        executable: bool,
    ) -> Result<Told, SandboxError> {
        let Some(before) = self.history.get_mut(path).and_then(Vec::pop) else {
            return Ok(Err(format!("No edit history found for {path}.")));
        };
        sandbox.upload(path, before.as_bytes(), executable).await?;
        let shown = snippet::numbered(&before.replace("\r\n", "\n"), path, 1);
        Ok(Ok(format!(
            "Last edit to {path} undone successfully. {shown}"
        )))
    }
}

/// Run a small script inside with one argument.
async fn script(
    sandbox: &dyn Sandbox,
    script: &str,
    path: &str,
) -> Result<(Exit, String, String), SandboxError> {
    let argv = ["sh", "-c", script, "sh", path].map(String::from).to_vec();
    let ran = sandbox.exec(Exec::new(argv, PATIENCE), None).await?;
    Ok((ran.exit, ran.stdout.text(), ran.stderr.text()))
}

async fn look(sandbox: &dyn Sandbox, path: &str) -> Result<Lies, SandboxError> {
    let asks = r#"if [ -d "$1" ]; then echo directory; elif [ -f "$1" ]; then [ -x "$1" ] && echo program || echo file
elif [ -e "$1" ] || [ -L "$1" ]; then [ -e "$1" ] && echo other || echo nothing; else echo nothing; fi"#;
    let (_, out, _) = script(sandbox, asks, path).await?;
    Ok(match out.trim() {
        "directory" => Lies::Directory,
        "file" => Lies::File { executable: false },
        "program" => Lies::File { executable: true },
        "other" => Lies::Other,
        _ => Lies::Nothing,
    })
}

/// Two levels of a directory, without hidden entries. A link to a directory is listed as what it leads to.
async fn list(sandbox: &dyn Sandbox, path: &str) -> Result<Told, SandboxError> {
    let finds =
        r#"cd -- "$1" && find . -maxdepth 2 ! -path '*/.*' | sed 's|^\./||' | LC_ALL=C sort"#;
    let (exit, out, problem) = script(sandbox, finds, path).await?;
    if exit != Exit::Code(0) || (out.is_empty() && !problem.is_empty()) {
        return Ok(Err(format!(
            "The directory {path} cannot be listed: {}",
            problem.trim()
        )));
    }
    let stem = path.trim_end_matches('/');
    let entries: String = out
        .lines()
        .map(|entry| {
            if entry == "." {
                format!("{path}\n")
            } else {
                format!("{stem}/{entry}\n")
            }
        })
        .collect();
    Ok(Ok(snippet::clip(format!(
        "Here's the files and directories up to 2 levels deep in {path}, excluding hidden items:\n{entries}"
    ))))
}

async fn read(
    sandbox: &dyn Sandbox,
    path: &str,
    executable: bool,
) -> Result<Result<Text, String>, SandboxError> {
    let bytes = match sandbox.download(path, LARGEST).await {
        Ok(bytes) => bytes,
        Err(SandboxError::File { why, .. }) => {
            return Ok(Err(format!(
                "The file {path} cannot be opened here: {why}. Files of more than {} MiB are for the shell (`grep`, `sed -n`).",
                LARGEST >> 20
            )));
        }
        Err(other) => return Err(other),
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return Ok(Err(format!(
            "The file {path} is not UTF-8 text, so it cannot be shown or edited here; use the shell."
        )));
    };
    let ends = text.matches('\n').count();
    let crlf = ends > 0 && text.matches("\r\n").count() == ends;
    let lines = if crlf {
        text.replace("\r\n", "\n")
    } else {
        text
    };
    Ok(Ok(Text {
        lines,
        crlf,
        executable,
    }))
}

async fn write(sandbox: &dyn Sandbox, path: &str, text: &Text) -> Result<(), SandboxError> {
    if text.crlf {
        let lines = text.lines.replace("\r\n", "\n").replace('\n', "\r\n");
        return sandbox
            .upload(path, lines.as_bytes(), text.executable)
            .await;
    }
    sandbox
        .upload(path, text.lines.as_bytes(), text.executable)
        .await
}
