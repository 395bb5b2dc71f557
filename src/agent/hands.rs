//! Hands carry calls out in a sandbox.
//!
//! They own what lives between calls: the persistent shell (started when first needed) and the editor's history. What went
//! wrong with a call is an [`Outcome`] in words for the model; an error is only what the sandbox itself could not do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::editor::Editor;
use super::observation::Command;
use super::scaffold_file::Acts;
use super::shell_session::{CANCEL_GRACE, End, GRACE, Listen, Said, ShellSession};
use super::terminal_text::plain;
use super::{Outcome, Scaffold, change, definition, source, subshell};
use crate::model::ToolCall;
use crate::sandbox::{Chunk, Exit, Limit, Sandbox, SandboxError};

/// After typing into a command, its answer is waited for no longer than this once it is silent: most answers come at once.
const ANSWER: Duration = Duration::from_secs(5);

/// Carries calls out.
pub struct Hands {
    scaffold: Arc<Scaffold>,
    sandbox: Arc<dyn Sandbox>,
    session: Option<ShellSession>,
    editor: Editor,
    command_seconds: u64,
}

impl Hands {
    /// Nothing is started yet.
    #[must_use]
    pub fn new(scaffold: Arc<Scaffold>, sandbox: Arc<dyn Sandbox>) -> Self {
        Self {
            command_seconds: scaffold.limits().command_seconds,
            scaffold,
            sandbox,
            session: None,
            editor: Editor::default(),
        }
    }

    /// Commands that begin from now on may take so long.
    pub fn limit_commands(&mut self, seconds: u64) {
        self.command_seconds = seconds;
    }

    /// Carry one call out. Output goes to `live` raw as it comes; when that is full the command waits.
    pub async fn perform(
        &mut self,
        call: &ToolCall,
        live: mpsc::Sender<Chunk>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, SandboxError> {
        let began = Instant::now();
        let (acts, arguments) = match self.scaffold.checked(call) {
            Ok(checked) => checked,
            Err(problem) => return Ok(failed(problem, began)),
        };
        match acts {
            Acts::Shell => {
                let command = text(&arguments, "command");
                self.in_session(command, live, cancel, CANCEL_GRACE).await
            }
            Acts::Command => {
                self.in_subshell(text(&arguments, "command"), live, cancel)
                    .await
            }
            Acts::Script => {
                let scaffold = Arc::clone(&self.scaffold);
                self.in_subshell(scaffold.script(&call.name), live, cancel)
                    .await
            }
            Acts::Find | Acts::View | Acts::Change => {
                let sandbox = self.sandbox.as_ref();
                let given = |name| text(&arguments, name);
                let carry_out = async {
                    match acts {
                        Acts::Find => definition::find(sandbox, given("name")).await,
                        Acts::Change => {
                            change::change(sandbox, given("name"), given("old"), given("new")).await
                        }
                        _ => {
                            let read = source::read(sandbox, given("file")).await?;
                            Ok(read.map(|text| source::numbered(&text, 1, usize::MAX)))
                        }
                    }
                };
                let edited = tokio::select! {
                    biased;
                    () = cancel.cancelled() => return Ok(failed("The call was cancelled.".into(), began)),
                    edited = carry_out => edited?,
                };
                let (words, error) = match edited {
                    Ok(words) => (words, false),
                    Err(problem) => (format!("error: {problem}"), true),
                };
                let (words, dropped) = self.scaffold.clip(words);
                Ok(Outcome {
                    error,
                    dropped,
                    ..answered(words, began)
                })
            }
            Acts::Finish => Ok(Outcome {
                submitted: true,
                ..answered(String::new(), began)
            }),
            Acts::Editor => {
                let edited = tokio::select! {
                    biased;
                    () = cancel.cancelled() => return Ok(failed("The call was cancelled.".into(), began)),
                    edited = self.editor.perform(self.sandbox.as_ref(), &arguments) => edited?,
                };
                let (words, error) = match edited {
                    Ok(words) => (words, false),
                    Err(problem) => (format!("ERROR:\n{problem}"), true),
                };
                let (words, dropped) = self.scaffold.clip(words);
                Ok(Outcome {
                    error,
                    dropped,
                    ..answered(words, began)
                })
            }
        }
    }

    /// A person's command, in the same session as the agent's.
    pub async fn human(
        &mut self,
        command: &str,
        live: mpsc::Sender<Chunk>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, SandboxError> {
        if self.scaffold.has_session() {
            // A person who interrupts a command wants to keep the shell.
            self.in_session(command, live, cancel, GRACE).await
        } else {
            self.in_subshell(command, live, cancel).await
        }
    }

    /// Forget what lives between calls: the workspace was put back, and its processes are gone.
    pub async fn reset(&mut self) {
        if let Some(mut session) = self.session.take() {
            session.close().await;
        }
        self.editor = Editor::default();
    }

    /// Bytes of output kept while a command runs. More than the text can have, since escape sequences will go.
    fn keep(&self) -> usize {
        self.scaffold
            .longest()
            .saturating_mul(8)
            .clamp(256 << 10, 8 << 20)
    }

    async fn in_session(
        &mut self,
        command: &str,
        live: mpsc::Sender<Chunk>,
        cancel: &CancellationToken,
        grace: Duration,
    ) -> Result<Outcome, SandboxError> {
        let began = Instant::now();
        if command.contains('\0') {
            return Ok(failed(
                "A command cannot hold a NUL character.".into(),
                began,
            ));
        }
        let settings = self.scaffold.shell().clone();
        let quiet =
            Some(Duration::from_secs(settings.quiet_seconds)).filter(|quiet| !quiet.is_zero());
        let limit = Duration::from_secs(self.command_seconds);
        let mut how = Listen {
            quiet,
            limit,
            keep: self.keep(),
            live: &live,
            cancel,
            grace,
        };
        let asked = command.trim();
        let control = match asked.to_ascii_lowercase().as_str() {
            "ctrl+c" | "c-c" => Some(b"\x03"),
            "ctrl+d" | "c-d" => Some(b"\x04"),
            "ctrl+z" | "c-z" => Some(b"\x1a"),
            _ => None,
        };
        let busy = self.session.as_ref().is_some_and(ShellSession::busy);
        if !busy && (asked.is_empty() || control.is_some()) {
            let words = "ERROR: no command is running, so there is nothing to read from and nothing to interrupt.";
            return Ok(failed(words.into(), began));
        }
        let mut session = match self.session.take() {
            Some(session) => session,
            None => ShellSession::open(self.sandbox.as_ref(), &settings, cancel).await?,
        };
        let said = if !busy {
            session.run(command, &how).await?
        } else if asked.is_empty() {
            session.type_in(b"", &how).await?
        } else {
            how.quiet = Some(quiet.map_or(ANSWER, |quiet| quiet.min(ANSWER)));
            let typed = format!("{command}\n");
            session
                .type_in(control.map_or(typed.as_bytes(), |key| key), &how)
                .await?
        };
        if said.end.lost() {
            session.close().await;
        } else {
            self.session = Some(session);
        }
        Ok(self.told(&said, began))
    }

    /// The words for how a call to the session ended.
    fn told(&self, said: &Said, began: Instant) -> Outcome {
        let workdir = &self.sandbox.report().workdir;
        let anew = format!(
            "the next command starts a new one in {workdir}, without the old one's variables and jobs"
        );
        let seconds = self.command_seconds;
        let (exit, shown, note) = match said.end {
            End::Exited(status) => (Some(status), status, String::new()),
            End::Running => (
                None,
                -1,
                "The command is still running. Send an empty command to see more of its output, text for its \
                 standard input, or `ctrl+c` to interrupt it."
                    .into(),
            ),
            End::TimedOut(Some(status)) => (
                Some(status),
                status,
                format!("Command timed out. Sending SIGINT: it was interrupted after {seconds} seconds."),
            ),
            End::TimedOut(None) => (
                None,
                -1,
                format!(
                    "Command timed out. Sending SIGINT did not end it after {seconds} seconds, so the shell was killed; {anew}."
                ),
            ),
            End::Cancelled(false) => (None, -1, "The command was cancelled and interrupted.".into()),
            End::Cancelled(true) => (None, -1, format!("The command was cancelled and the shell was killed; {anew}.")),
            End::Closed => (None, -1, format!("The shell itself ended; {anew}.")),
        };
        let command = Command {
            output: plain(&said.out.text()),
            unkept: said.out.dropped(),
            exit: shown,
            note,
        };
        let submitted =
            matches!(said.end, End::Exited(_)) && self.scaffold.submits(&command.output, shown);
        let (text, dropped) = self.scaffold.command_text(&command);
        Outcome {
            exit,
            error: !matches!(said.end, End::Exited(_) | End::Running),
            submitted,
            dropped,
            ..answered(text, began)
        }
    }

    async fn in_subshell(
        &mut self,
        command: &str,
        live: mpsc::Sender<Chunk>,
        cancel: &CancellationToken,
    ) -> Result<Outcome, SandboxError> {
        let began = Instant::now();
        if command.contains('\0') {
            return Ok(failed(
                "A command cannot hold a NUL character.".into(),
                began,
            ));
        }
        let seconds = self.command_seconds;
        let env = self.scaffold.shell().env.clone().into_iter().collect();
        let limit = Duration::from_secs(seconds);
        let ran = subshell::run(
            self.sandbox.as_ref(),
            command,
            env,
            limit,
            self.keep(),
            live,
            cancel,
        )
        .await?;
        let (exit, note) = match ran.exit {
            Exit::Code(_) | Exit::Signal(_) => (Some(ran.exit.status()), String::new()),
            Exit::TimedOut => (
                None,
                format!("The command took more than {seconds} seconds and was killed."),
            ),
            Exit::Cancelled => (None, "The command was cancelled.".into()),
            Exit::LimitExceeded(limit) => {
                let what = match limit {
                    Limit::Memory => "memory",
                    Limit::Disk => "disk space",
                };
                (
                    None,
                    format!(
                        "The command used more {what} than this sandbox allows and was killed."
                    ),
                )
            }
        };
        let mut output = plain(&ran.stdout.text());
        // Only what went wrong before the streams were joined.
        output.push_str(&plain(&ran.stderr.text()));
        let command = Command {
            output,
            unkept: ran.stdout.dropped(),
            exit: exit.unwrap_or(-1),
            note,
        };
        let submitted = exit.is_some_and(|status| self.scaffold.submits(&command.output, status));
        let (text, dropped) = self.scaffold.command_text(&command);
        Ok(Outcome {
            exit,
            error: exit.is_none(),
            submitted,
            dropped,
            ..answered(text, began)
        })
    }
}

fn text<'a>(arguments: &'a Map<String, Value>, name: &str) -> &'a str {
    arguments
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn answered(text: String, began: Instant) -> Outcome {
    Outcome {
        text,
        exit: None,
        error: false,
        submitted: false,
        dropped: 0,
        took: began.elapsed(),
    }
}

fn failed(text: String, began: Instant) -> Outcome {
    Outcome {
        error: true,
        ..answered(text, began)
    }
}
