//! The shell scripts that the grader sends into a sandbox, and how they get there.
//!
//! A script is standard input of a `bash` that reads it to the end before it starts: no limit on the length of an
//! argument holds, nothing of the script lies in a file, and what it starts finds its standard input empty.

use std::time::Duration;

use crate::sandbox::Exec;

/// Read all, then run with both streams in one: `unittest` writes to one of them, pytest to the other, and their order
/// matters.
const RUN: &str = r#"script=$(cat); exec </dev/null 2>&1; eval "$script""#;

/// The same, but output goes to standard error, and the variables and the folder that it ends with to standard output.
const RUN_AND_TELL: &str = r#"script=$(cat); exec </dev/null 3>&1 1>&2; eval "$script"; { set +x; } 2>/dev/null
{ declare -px; printf 'cd %q\n' "$PWD"; } >&3"#;

/// Put files back to a commit; those that it does not have are named and left.
const RESET: &str = r#"base=$1; shift; status=0
for path in "$@"; do
  if git cat-file -e "$base:$path" 2>/dev/null; then
    if git -c core.hooksPath=/dev/null checkout -q "$base" -- "$path"; then echo "reset $path"; else status=1; fi
  else
    echo "not at the base commit: $path"
  fi
done
exit $status"#;

/// Remove files, whatever they have become.
const REMOVE: &str = r#"status=0
for path in "$@"; do
  if [ -e "$path" ] || [ -L "$path" ]; then
    if rm -rf -- "$path"; then echo "removed $path"; else status=1; fi
  fi
done
exit $status"#;

/// Run a script.
pub(super) fn script(text: &str, timeout: Duration) -> Exec {
    with_stdin(RUN, text, timeout)
}

/// Run a script; standard output is a script that brings its state back.
pub(super) fn script_with_state(text: &str, timeout: Duration) -> Exec {
    with_stdin(RUN_AND_TELL, text, timeout)
}

fn with_stdin(runner: &str, text: &str, timeout: Duration) -> Exec {
    let mut exec = Exec::bash(runner, timeout);
    text.as_bytes().clone_into(&mut exec.stdin);
    exec
}

/// `git checkout BASE -- FILES`, one by one.
pub(super) fn reset(base: &str, paths: &[String], timeout: Duration) -> Exec {
    let mut arguments = vec![base.to_owned()];
    arguments.extend(paths.iter().cloned());
    let mut exec = with_arguments(RESET, &arguments, timeout);
    exec.env = vec![("GIT_LITERAL_PATHSPECS".into(), "1".into())];
    exec
}

/// `rm -rf -- FILES`, those that are there.
pub(super) fn remove(paths: &[String], timeout: Duration) -> Exec {
    with_arguments(REMOVE, paths, timeout)
}

fn with_arguments(script: &str, arguments: &[String], timeout: Duration) -> Exec {
    let mut argv = vec![
        "bash".to_owned(),
        "-c".to_owned(),
        script.to_owned(),
        "grade".to_owned(),
    ];
    argv.extend(arguments.iter().cloned());
    Exec::new(argv, timeout)
}

/// Lines run in the same shell, their output thrown away.
pub(super) fn silent(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    format!("{{\n{}\n}} >/dev/null 2>&1\n", lines.join("\n"))
}
