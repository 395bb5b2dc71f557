//! Single files in and out of any sandbox, by small commands inside: they run with the agent's own rights, so neither
//! direction can reach anything that the agent could not.

use std::time::Duration;

use super::{Exec, Exit, Ran, Sandbox, SandboxError};

const PATIENCE: Duration = Duration::from_mins(1);

/// Write a file; parents are made.
pub(super) async fn upload(
    sandbox: &dyn Sandbox,
    path: &str,
    bytes: &[u8],
    executable: bool,
) -> Result<(), SandboxError> {
    let mode = if executable { "755" } else { "644" };
    let script = r#"mkdir -p -- "$(dirname -- "$1")" && cat > "$1" && chmod "$2" -- "$1""#;
    let mut exec = Exec::new(
        ["sh", "-c", script, "upload", path, mode]
            .map(String::from)
            .to_vec(),
        PATIENCE,
    );
    exec.stdin = bytes.to_vec();
    finished(path, sandbox.exec(exec, None).await?).map(drop)
}

/// Read a file of at most `most` bytes.
pub(super) async fn download(
    sandbox: &dyn Sandbox,
    path: &str,
    most: u64,
) -> Result<Vec<u8>, SandboxError> {
    let script = r#"test -f "$1" || { echo "no such file" >&2; exit 1; }; head -c "$2" -- "$1""#;
    let limit = most.saturating_add(1);
    let text = limit.to_string();
    let mut exec = Exec::new(
        ["sh", "-c", script, "download", path, &text]
            .map(String::from)
            .to_vec(),
        PATIENCE,
    );
    // Half of what is kept is the head, which must hold it all.
    exec.keep = usize::try_from(limit.saturating_mul(2))
        .unwrap_or(usize::MAX)
        .max(8192);
    let bytes = finished(path, sandbox.exec(exec, None).await?)?
        .stdout
        .into_bytes();
    if bytes.len() as u64 > most {
        return Err(SandboxError::File {
            path: path.into(),
            why: format!("it has more than {most} bytes"),
        });
    }
    Ok(bytes)
}

fn finished(path: &str, ran: Ran) -> Result<Ran, SandboxError> {
    if ran.exit == Exit::Code(0) {
        return Ok(ran);
    }
    let why = ran.stderr.text();
    let why = why.trim();
    let why = if why.is_empty() {
        format!("ended with {:?}", ran.exit)
    } else {
        why.into()
    };
    Err(SandboxError::File {
        path: path.into(),
        why,
    })
}
