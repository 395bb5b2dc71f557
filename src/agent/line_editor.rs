//! The editor of small models: a file is seen with line numbers, one line is replaced, lines are put in.
//!
//! Mental model: every call names file and line and holds no state, so that a resumed or branched rollout goes on as if nothing
//! had happened. What is put in takes the indentation of the line that it replaces or stands before: a model need not count
//! blanks. After an edit the lines around it are shown, as they stand now.
//!
//! Not here: finding ([`super::definition`]), creating and moving; whoever needs that has a shell.

use std::time::Duration;

use serde_json::{Map, Value};

use super::scaffold_file::Acts;
use crate::sandbox::{Exec, Exit, Sandbox, SandboxError};

/// Larger files are refused.
const LARGEST: usize = 256 << 10;
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines shown on both sides of an edit.
const AROUND: usize = 1;

/// Words for the model: what was done, or why not.
pub(super) type Told = Result<String, String>;

/// Carry out one call with checked arguments.
pub(super) async fn perform(
    sandbox: &dyn Sandbox,
    acts: Acts,
    arguments: &Map<String, Value>,
) -> Result<Told, SandboxError> {
    let text = |name: &str| {
        arguments
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let path = text("file");
    if path.contains('\0') || path.is_empty() {
        return Ok(Err("that is no file name".into()));
    }
    let before = match read(sandbox, path).await? {
        Ok(before) => before,
        Err(problem) => return Ok(Err(problem)),
    };
    let line = arguments
        .get("line")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    let edited = match acts {
        Acts::ReplaceLine => edit(&before, line, text("text"), true),
        Acts::InsertLines => edit(&before, line, text("text"), false),
        _ => return Ok(Ok(numbered(&before, 1, usize::MAX))),
    };
    let (after, shown) = match edited {
        Ok(edited) => edited,
        Err(problem) => return Ok(Err(problem)),
    };
    Ok(write(sandbox, path, &after).await?.map(|()| shown))
}

/// A file's text, or why it cannot be had.
pub(super) async fn read(sandbox: &dyn Sandbox, path: &str) -> Result<Told, SandboxError> {
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
async fn write(
    sandbox: &dyn Sandbox,
    path: &str,
    text: &str,
) -> Result<Result<(), String>, SandboxError> {
    let argv = ["sh", "-c", r#"cat > "$1""#, "write", path];
    let mut exec = Exec::new(argv.map(String::from).to_vec(), PATIENCE);
    exec.stdin = text.as_bytes().to_vec();
    let ran = sandbox.exec(exec, None).await?;
    Ok(match ran.exit {
        Exit::Code(0) => Ok(()),
        _ => Err(format!("{path} cannot be written")),
    })
}

/// The text with a line replaced, or with lines before it, and what is shown of it.
fn edit(before: &str, line: i64, text: &str, replace: bool) -> Result<(String, String), String> {
    let lines: Vec<&str> = before.lines().collect();
    let at = usize::try_from(line)
        .ok()
        .and_then(|line| line.checked_sub(1));
    let at = at
        .filter(|at| *at < lines.len())
        .ok_or_else(|| format!("there is no line {line}; the last is {}", lines.len()))?;
    let old = lines.get(at).copied().unwrap_or_default();
    let indent: String = old
        .chars()
        .take_while(|c| matches!(c, ' ' | '\t'))
        .collect();
    let new: Vec<String> = text
        .trim_matches('\n')
        .lines()
        .enumerate()
        .map(|(number, one)| {
            // The first line's own blanks are taken for the old line's.
            let one = if number == 0 { one.trim_start() } else { one }.trim_end();
            if one.is_empty() {
                String::new()
            } else {
                format!("{indent}{one}")
            }
        })
        .collect();
    let (head, tail) = lines.split_at_checked(at).unwrap_or((&lines, &[]));
    let tail = if replace {
        tail.get(1..).unwrap_or_default()
    } else {
        tail
    };
    let added = new.len();
    let after: Vec<&str> = head
        .iter()
        .copied()
        .chain(new.iter().map(String::as_str))
        .chain(tail.iter().copied())
        .collect();
    let mut whole = after.join("\n");
    whole.push('\n');
    let shown = numbered(
        &whole,
        (at + 1).saturating_sub(AROUND).max(1),
        at + added + AROUND,
    );
    Ok((whole, shown))
}

/// Lines of a text, from `first` to `last`, each behind its number.
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

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "def f(xs):\n    if xs:\n        return 1\n    return 2\n";

    #[test]
    fn a_replaced_line_keeps_its_indentation_and_its_neighbours_are_shown() {
        let (after, shown) = edit(TEXT, 3, "return 3", true).unwrap();
        assert_eq!(
            after,
            "def f(xs):\n    if xs:\n        return 3\n    return 2\n"
        );
        assert_eq!(shown, "2     if xs:\n3         return 3\n4     return 2");
        // However many blanks the model wrote itself.
        assert_eq!(edit(TEXT, 3, "     return 3  ", true).unwrap().0, after);
    }

    #[test]
    fn inserted_lines_stand_before_the_line_and_keep_their_shape() {
        let (after, shown) = edit(TEXT, 2, "if not xs:\n    return None", false).unwrap();
        assert_eq!(
            after,
            "def f(xs):\n    if not xs:\n        return None\n    if xs:\n        return 1\n    return 2\n"
        );
        assert_eq!(
            shown,
            "1 def f(xs):\n2     if not xs:\n3         return None\n4     if xs:"
        );
    }

    #[test]
    fn a_line_that_is_not_there_is_named_with_the_last_one() {
        for line in [0, -1, 5, i64::MAX] {
            let why = edit(TEXT, line, "x", true).unwrap_err();
            assert!(why.contains("the last is 4"), "{why}");
        }
    }
}
