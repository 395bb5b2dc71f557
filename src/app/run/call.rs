//! A tool call as a line of a page: its sign, its verb, what it is about, and the change it asks for.

use crate::app::glyph::Glyphs;
use crate::app::story::{Act, act, argument};
use crate::model::ToolCall;
use crate::text::diff;

/// Lines of a change that are held; a file that is created whole has more.
const MOST: usize = 2_000;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// What kind of action.
    pub act: Act,
    /// A person did it.
    pub human: bool,
    /// `view`, `edit`; empty for commands.
    pub verb: &'static str,
    /// The command, the path, the arguments; may have several lines.
    pub object: String,
    /// A range of lines, a place.
    pub detail: String,
    /// Lines added and removed, where the call says so itself.
    pub counts: Option<(usize, usize)>,
    /// The change: added, removed or unchanged lines.
    pub change: Vec<(Option<bool>, String)>,
}

impl Shown {
    /// A command that a person typed.
    #[must_use]
    pub fn typed(command: &str) -> Self {
        Self {
            human: true,
            ..Self::plain(Act::Run, "", command.to_owned())
        }
    }

    fn plain(act: Act, verb: &'static str, object: String) -> Self {
        Self {
            act,
            human: false,
            verb,
            object,
            detail: String::new(),
            counts: None,
            change: Vec::new(),
        }
    }

    /// Its sign.
    #[must_use]
    pub fn sign(&self, glyphs: Glyphs) -> &'static str {
        match self.act {
            Act::Run => glyphs.run(),
            Act::View => glyphs.view(),
            Act::Edit => glyphs.edit(),
            Act::Submit => glyphs.submit(),
            Act::Other => glyphs.other(),
        }
    }

    /// Whether its observation says nothing that the action does not.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        matches!(self.act, Act::Edit | Act::View | Act::Submit)
    }
}

/// How a call is shown. Paths lose the work directory that all of them share.
#[must_use]
pub fn shown(call: &ToolCall, workdir: &str) -> Shown {
    let text = |name: &str| argument(call, name).unwrap_or_default();
    let path = || {
        let path = argument(call, "path").unwrap_or_else(|| text("file"));
        path.strip_prefix(workdir)
            .and_then(|rest| rest.strip_prefix('/'))
            .map(str::to_owned)
            .unwrap_or(path)
    };
    match act(call) {
        Act::Submit => Shown::plain(Act::Submit, "", "finish".into()),
        Act::View => Shown {
            detail: range(call),
            ..Shown::plain(Act::View, "view", path())
        },
        Act::Edit if !text("old").is_empty() => change(call),
        Act::Edit => edit(call, &text("command"), path()),
        Act::Run => {
            let Some(command) = argument(call, "command") else {
                return Shown::plain(Act::Run, "", call.name.clone());
            };
            if command.trim().is_empty() {
                return Shown::plain(Act::Run, "wait", String::new());
            }
            Shown::plain(Act::Run, "", command.trim_end().to_owned())
        }
        Act::Other if call.name == "find" && !text("name").is_empty() => {
            Shown::plain(Act::Other, "find", text("name"))
        }
        Act::Other => Shown::plain(
            Act::Other,
            "",
            format!("{} {}", call.name, call.arguments)
                .trim_end()
                .to_owned(),
        ),
    }
}

fn range(call: &ToolCall) -> String {
    let arguments: serde_json::Value = serde_json::from_str(&call.arguments).unwrap_or_default();
    let ends: Vec<i64> = arguments
        .get("view_range")
        .and_then(|range| range.as_array())
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_i64)
        .collect();
    match ends.as_slice() {
        [from, -1] => format!("{from}–end"),
        [from, to] => format!("{from}–{to}"),
        _ => String::new(),
    }
}

fn edit(call: &ToolCall, command: &str, path: String) -> Shown {
    let text = |name: &str| argument(call, name).unwrap_or_default();
    let (verb, change) = match command {
        "create" => ("create", lines(&text("file_text"), Some(true))),
        "insert" => ("insert", lines(&text("new_str"), Some(true))),
        "undo_edit" => ("undo", Vec::new()),
        _ => ("edit", between(&path, &text("old_str"), &text("new_str"))),
    };
    let shown = counted(verb, path, change);
    Shown {
        counts: shown.counts.filter(|_| command != "undo_edit"),
        ..shown
    }
}

/// Lines of a function in place of others.
fn change(call: &ToolCall) -> Shown {
    let text = |name: &str| argument(call, name).unwrap_or_default();
    let mut change = between("", &text("old"), &text("new"));
    if change.is_empty() {
        // The same again, as small models do: what they meant to change is worth seeing.
        change = lines(&text("old"), None);
    }
    counted("change", text("name"), change)
}

fn counted(verb: &'static str, object: String, change: Vec<(Option<bool>, String)>) -> Shown {
    let count = |kind: bool| {
        change
            .iter()
            .filter(|(sign, _)| *sign == Some(kind))
            .count()
    };
    Shown {
        counts: Some((count(true), count(false))),
        change,
        ..Shown::plain(Act::Edit, verb, object)
    }
}

fn lines(text: &str, sign: Option<bool>) -> Vec<(Option<bool>, String)> {
    text.lines()
        .take(MOST)
        .map(|line| (sign, line.to_owned()))
        .collect()
}

/// What changes between two texts, with a line or two around it.
fn between(path: &str, old: &str, new: &str) -> Vec<(Option<bool>, String)> {
    let file = diff::compare(path, Some(old), Some(new));
    let lines: Vec<_> = file.hunks.into_iter().flat_map(|hunk| hunk.lines).collect();
    let near = |at: usize| {
        let from = at.saturating_sub(1);
        lines
            .get(from..(at + 2).min(lines.len()))
            .unwrap_or_default()
            .iter()
            .any(|line| line.kind != diff::Kind::Context)
    };
    (0..lines.len())
        .filter(|at| near(*at))
        .filter_map(|at| lines.get(at))
        .take(MOST)
        .map(|line| {
            let sign = match line.kind {
                diff::Kind::Added => Some(true),
                diff::Kind::Removed => Some(false),
                diff::Kind::Context => None,
            };
            (sign, line.text.clone())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: &serde_json::Value) -> ToolCall {
        ToolCall {
            id: "1".into(),
            name: name.into(),
            arguments: arguments.to_string(),
        }
    }

    #[test]
    fn an_edit_shows_the_lines_that_change_and_their_neighbours() {
        let edit = call(
            "str_replace_editor",
            &serde_json::json!({"command": "str_replace", "path": "/testbed/a/b.py",
                "old_str": "x = 1\ny = 2\nz = 3\n", "new_str": "x = 1\ny = 5\nw = 6\nz = 3\n"}),
        );
        let shown = shown(&edit, "/testbed");
        assert_eq!((shown.verb, shown.object.as_str()), ("edit", "a/b.py"));
        assert_eq!(shown.counts, Some((2, 1)));
        assert_eq!(
            shown.change,
            [
                (None, "x = 1".into()),
                (Some(false), "y = 2".into()),
                (Some(true), "y = 5".into()),
                (Some(true), "w = 6".into()),
                (None, "z = 3".into())
            ]
        );
    }

    #[test]
    fn calls_of_one_line_are_shown_as_what_they_do() {
        let change = serde_json::json!({"name": "f", "old": "total = 1", "new": "total = 0"});
        let change = shown(&call("change", &change), "/testbed");
        assert_eq!(
            (change.verb, change.object.as_str(), change.counts),
            ("change", "f", Some((1, 1)))
        );
        assert_eq!(
            change.change,
            [
                (Some(false), "total = 1".into()),
                (Some(true), "total = 0".into())
            ]
        );
        let same = serde_json::json!({"name": "f", "old": "total = 1", "new": "total = 1"});
        let same = shown(&call("change", &same), "/testbed");
        assert_eq!(
            (same.counts, same.change),
            (Some((0, 0)), vec![(None, "total = 1".into())])
        );
        let view = shown(&call("view", &serde_json::json!({"file": "m.py"})), "");
        assert_eq!((view.verb, view.object.as_str()), ("view", "m.py"));
        let find = shown(&call("find", &serde_json::json!({"name": "f"})), "");
        assert_eq!((find.verb, find.object.as_str()), ("find", "f"));
        let test = shown(&call("test", &serde_json::json!({})), "");
        assert_eq!((test.act, test.object.as_str()), (Act::Run, "test"));
    }

    #[test]
    fn arguments_that_are_no_json_are_shown_as_they_are() {
        let broken = ToolCall {
            arguments: "{\"command\": ".into(),
            ..call("execute_bash", &serde_json::json!({}))
        };
        let shown = shown(&broken, "/testbed");
        assert_eq!(shown.object, "execute_bash {\"command\":");
    }
}
