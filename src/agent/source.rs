//! Source files as the tools of small models see and write them.
//!
//! Text of a bounded size, shown with line numbers. No state, no search.

use std::time::Duration;

use crate::sandbox::{Exec, Exit, Sandbox, SandboxError};

/// Larger files are refused.
const LARGEST: usize = 256 << 10;
/// How long a look at files may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What a tool has for the model, or why it has nothing.
pub(super) type Told<T = String> = Result<T, String>;

/// A file's text, or why it cannot be had.
pub(super) async fn read(sandbox: &dyn Sandbox, path: &str) -> Result<Told, SandboxError> {
    if path.contains('\0') || path.is_empty() {
        return Ok(Err("that is no file name".into()));
    }
    let mut exec = Exec::new(["cat", "--", path].map(String::from).to_vec(), PATIENCE);
    // Half of what is kept is the head, which must hold it all.
    exec.keep = LARGEST * 2 + 2;
    let ran = sandbox.exec(exec, None).await?;
    if ran.exit != Exit::Code(0) {
        return Ok(Err(format!("there is no file {path}")));
    }
    let bytes = ran.stdout.into_bytes();
    if bytes.len() > LARGEST {
        return Ok(Err(format!("{path} is too large")));
    }
    Ok(String::from_utf8(bytes).map_err(|_not_text| format!("{path} is not text")))
}

/// Write through the file that is there: its mode stays.
pub(super) async fn write(
    sandbox: &dyn Sandbox,
    path: &str,
    text: &str,
) -> Result<Told<()>, SandboxError> {
    let argv = ["sh", "-c", r#"cat > "$1""#, "write", path];
    let mut exec = Exec::new(argv.map(String::from).to_vec(), PATIENCE);
    exec.stdin = text.as_bytes().to_vec();
    let ran = sandbox.exec(exec, None).await?;
    Ok(match ran.exit {
        Exit::Code(0) => Ok(()),
        _ => Err(format!("{path} cannot be written")),
    })
}

/// Lines of a text, from `first` to `last`, counted from 1, each behind its number.
pub(super) fn numbered(text: &str, first: usize, last: usize) -> String {
    let lines = (1usize..)
        .zip(text.lines())
        .filter(|(number, _)| (first..=last).contains(number));
    let lines: Vec<String> = lines
        .map(|(number, line)| {
            if line.is_empty() {
                number.to_string()
            } else {
                format!("{number} {line}")
            }
        })
        .collect();
    lines.join("\n")
}

/// The blanks that a line begins with, in bytes: what Python takes for indentation, and nothing else that looks empty.
pub(super) fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}
