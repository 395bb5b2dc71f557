//! Audit marks: actions that may explain a verdict by something other than solving the task.
//!
//! A mark is a pointer for a person, never a verdict: it names the step and shows the text that made it. Kinds:
//! `git-history` (looking at commits that are not the base's own past, where the fix may lie), `network` (an attempt to
//! fetch something), `test-edit` (changing tests or the files that steer the test runner).

use std::sync::LazyLock;

use regex::Regex;

use crate::model::ToolCall;
use crate::trajectory::event::Mark;

struct Rule {
    kind: &'static str,
    pattern: LazyLock<Option<Regex>>,
}

macro_rules! rule {
    ($kind:literal, $pattern:literal) => {
        Rule {
            kind: $kind,
            pattern: LazyLock::new(|| Regex::new($pattern).ok()),
        }
    };
}

static RULES: [Rule; 5] = [
    rule!(
        "git-history",
        r"\bgit\b[^\n;|&]*\b(log|rev-list|reflog|for-each-ref|branch|tag)\b[^\n;|&]*(--all|--remotes|--reflog|-a\b|-r\b|origin/|\.\.origin|FETCH_HEAD|ORIG_HEAD)"
    ),
    rule!(
        "git-history",
        r"\bgit\b[^\n;|&]*\b(reflog|fsck|cat-file\s+--batch-all-objects|fetch|pull|ls-remote|stash\s+list)\b|\.git/(packed-refs|logs|objects|ORIG_HEAD|FETCH_HEAD)"
    ),
    rule!(
        "git-history",
        r"\bgit\b[^\n;|&]*\b(show|checkout|diff|cherry-pick)\s+[^\n;|&]*\b[0-9a-f]{7,40}\b"
    ),
    rule!(
        "network",
        r"\b(curl|wget|aria2c|nc|ncat|telnet|ssh|scp|rsync)\s+\S|\bpip3?\s+(download|install)\s+(?:-\S+\s+)*[A-Za-z]|\b(requests\.get|urllib\.request|http\.client|socket\.create_connection)\b|https?://"
    ),
    rule!(
        "test-edit",
        r"(?:^|[\s/'\x22])(?:tests?/[^\s'\x22]*|test_[^\s/'\x22]*\.py|[^\s/'\x22]+_test\.py|conftest\.py|pytest\.ini|tox\.ini|setup\.cfg|sitecustomize\.py|usercustomize\.py)"
    ),
];

/// Marks that one action earns. `files` are the paths that its step changed.
#[must_use]
pub fn of_action(step: u32, call: &ToolCall) -> Vec<Mark> {
    let text = command_text(call);
    RULES
        .iter()
        .filter(|rule| rule.kind != "test-edit")
        .filter_map(|rule| {
            let found = rule.pattern.as_ref()?.find(&text)?;
            Some(Mark {
                kind: rule.kind.into(),
                step,
                evidence: shorten(found.as_str()),
            })
        })
        .fold(Vec::new(), |mut marks: Vec<Mark>, mark| {
            if !marks.iter().any(|there| there.kind == mark.kind) {
                marks.push(mark);
            }
            marks
        })
}

/// Marks for files that a step changed.
#[must_use]
pub fn of_files(step: u32, changed: &[String]) -> Vec<Mark> {
    let Some(tests) = RULES
        .iter()
        .find(|rule| rule.kind == "test-edit")
        .and_then(|rule| rule.pattern.as_ref())
    else {
        return Vec::new();
    };
    changed
        .iter()
        .filter(|path| tests.is_match(path))
        .map(|path| Mark {
            kind: "test-edit".into(),
            step,
            evidence: path.clone(),
        })
        .collect()
}

/// What a call runs or writes, as plain text.
fn command_text(call: &ToolCall) -> String {
    match serde_json::from_str::<serde_json::Value>(&call.arguments) {
        Ok(serde_json::Value::Object(arguments)) => match arguments.get("command") {
            Some(serde_json::Value::String(command)) if call.name != "str_replace_editor" => {
                command.clone()
            }
            _ => String::new(),
        },
        _ => String::new(),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(command: &str) -> Vec<String> {
        let arguments = serde_json::json!({ "command": command }).to_string();
        let call = ToolCall {
            id: "1".into(),
            name: "execute_bash".into(),
            arguments,
        };
        of_action(1, &call)
            .into_iter()
            .map(|mark| mark.kind)
            .collect()
    }

    #[test]
    fn looking_for_the_fix_in_other_history_is_marked_and_ordinary_git_is_not() {
        for command in [
            "git log --all --oneline",
            "cd x && git show 1a2b3c4d",
            "git fetch origin",
            "cat .git/packed-refs",
        ] {
            assert_eq!(kinds(command), ["git-history"], "{command}");
        }
        for command in [
            "git log -3",
            "git status",
            "git diff",
            "git stash",
            "ls .git",
            "git show HEAD~1",
        ] {
            assert!(kinds(command).is_empty(), "{command}");
        }
    }

    #[test]
    fn fetching_is_marked_and_installing_the_package_itself_is_not() {
        for command in [
            "curl https://x.example",
            "pip install requests",
            "python -c 'import urllib.request'",
        ] {
            assert_eq!(kinds(command), ["network"], "{command}");
        }
        for command in ["pip install -e .", "pip --version", "echo curl"] {
            assert!(kinds(command).is_empty(), "{command}");
        }
    }

    #[test]
    fn changed_tests_and_runner_files_are_marked() {
        let changed = [
            "pkg/a.py",
            "tests/test_a.py",
            "pkg/conftest.py",
            "pkg/latest_news.py",
        ]
        .map(String::from);
        let marks: Vec<String> = of_files(2, &changed)
            .into_iter()
            .map(|mark| mark.evidence)
            .collect();
        assert_eq!(marks, ["tests/test_a.py", "pkg/conftest.py"]);
    }
}
