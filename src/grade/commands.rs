//! Commands of the grader and what their ends mean for the verdict.

use std::time::Duration;

use super::Verdict;
use crate::sandbox::{Exec, Exit, Limit, Ran};

/// Time for one git command.
pub(super) const GIT_TIME: Duration = Duration::from_mins(2);

/// A git command, without hooks and in English.
pub(super) fn git(arguments: &[&str]) -> Exec {
    let mut argv = vec!["git", "-c", "core.hooksPath=/dev/null"];
    argv.extend(arguments);
    let mut exec = Exec::new(argv.into_iter().map(str::to_owned).collect(), GIT_TIME);
    exec.env = vec![("LC_ALL".into(), "C".into())];
    exec
}

/// `git apply`, the patch by standard input.
pub(super) fn git_apply(patch: &str, arguments: &[&str]) -> Exec {
    let mut all = vec!["apply", "--verbose", "--whitespace=nowarn"];
    all.extend(arguments);
    all.push("-");
    let mut exec = git(&all);
    patch.as_bytes().clone_into(&mut exec.stdin);
    exec
}

/// The machinery's fault.
pub(super) fn infrastructure(why: String) -> Verdict {
    Verdict::InfrastructureError { why }
}

/// Cancelled, or over a limit.
pub(super) fn ended_early(ran: &Ran) -> Result<(), Verdict> {
    match ran.exit {
        Exit::Cancelled => Err(Verdict::NotGraded {
            why: "it was cancelled".to_owned(),
        }),
        Exit::LimitExceeded(limit) => Err(infrastructure(format!(
            "a command exceeded the sandbox's {} limit",
            match limit {
                Limit::Memory => "memory",
                Limit::Disk => "disk",
            }
        ))),
        _ => Ok(()),
    }
}

/// A step that must succeed.
pub(super) fn ok(ran: &Ran, what: &str) -> Result<(), Verdict> {
    if ran.exit == Exit::Code(0) {
        return Ok(());
    }
    Err(infrastructure(format!("{what}: {}", words(ran))))
}

/// What a failed command said: git's `error:` lines, or else the last line, or else its status.
pub(super) fn words(ran: &Ran) -> String {
    let said = format!("{}\n{}", ran.stdout.text(), ran.stderr.text());
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let errors: Vec<&str> = lines
        .iter()
        .filter_map(|line| {
            line.strip_prefix("error: ")
                .or_else(|| line.strip_prefix("fatal: "))
        })
        .take(3)
        .collect();
    match (errors.is_empty(), lines.last()) {
        (false, _) => errors.join("; "),
        (true, Some(last)) => (*last).to_owned(),
        (true, None) => format!("it ended with status {}", ran.exit.status()),
    }
}
