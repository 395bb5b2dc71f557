//! A command in a new subshell of its own: nothing of it stays but files.
//!
//! Standard error goes into standard output inside, so that the two keep their order.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::sandbox::{Chunk, Exec, Ran, Sandbox, SandboxError};

/// A program's single argument may have 128 KiB on Linux; longer commands come in on standard input.
const LONGEST_ARGUMENT: usize = 100_000;

/// Run it to its end.
pub(super) async fn run(
    sandbox: &dyn Sandbox,
    command: &str,
    env: Vec<(String, String)>,
    limit: Duration,
    keep: usize,
    live: mpsc::Sender<Chunk>,
    cancel: &CancellationToken,
) -> Result<Ran, SandboxError> {
    let mut exec = if command.len() <= LONGEST_ARGUMENT {
        let argv = [
            "bash",
            "--noprofile",
            "--norc",
            "-c",
            r#"exec 2>&1; exec bash -c "$1""#,
            "bash",
            command,
        ];
        Exec::new(argv.map(String::from).to_vec(), limit)
    } else {
        let mut exec = Exec::bash(
            r#"exec 2>&1; c=$(cat); exec </dev/null; eval "unset c; $c""#,
            limit,
        );
        exec.stdin = command.as_bytes().to_vec();
        exec
    };
    exec.env = env;
    exec.keep = keep;
    exec.cancel = cancel.clone();
    sandbox.exec(exec, Some(live)).await
}
