//! Lines of a module that go, and what comes in their place: the steps from one text to another.
//!
//! Mental model: the `gym` scaffold's `change` puts lines in place of others, so there is always a line that goes and one that comes. Lines
//! that are only put in stand before a line that stays, and it is said twice; so are lines that only go.

use std::ops::Range;

use super::script::{defined, whole};
use crate::text::diff::{self, DiffLine, FileDiff, Kind};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) module: String,
    /// The first line that goes, from 1.
    pub(super) line: usize,
    /// So many go; one at least.
    pub(super) gone: usize,
    /// What comes, whole lines.
    pub(super) text: Vec<String>,
}

impl Edit {
    /// The last line that goes, from 1.
    pub(super) fn end(&self) -> usize {
        self.line - 1 + self.gone
    }

    /// Whether a line, from 1, is one of those that go.
    pub(super) fn covers(&self, module: &str, line: usize) -> bool {
        self.module == module && (self.line..=self.end()).contains(&line)
    }
}

/// What leads from the lines `now` to the lines `then`, in their order; each one's numbers are those of `now`.
pub(super) fn between(module: &str, now: &[String], then: &[String]) -> Vec<Edit> {
    let compared = diff::compare(module, Some(&whole(now)), Some(&whole(then)));
    let lines: Vec<&DiffLine> = compared.hunks.iter().flat_map(|hunk| &hunk.lines).collect();
    let changed = lines.chunk_by(|a, b| (a.kind == Kind::Context) == (b.kind == Kind::Context));
    let mut edits: Vec<Edit> = Vec::new();
    // A line that is said twice is the next one, or, at a function's end, the one before.
    let mut before: Option<&DiffLine> = None;
    let mut runs = changed.peekable();
    while let Some(run) = runs.next() {
        if run.iter().any(|line| line.kind == Kind::Context) {
            before = run.last().copied();
            continue;
        }
        let of = |kind| run.iter().filter(move |line| line.kind == kind);
        let mut edit = Edit {
            module: module.to_owned(),
            line: of(Kind::Removed).find_map(|line| line.old).unwrap_or(0),
            gone: of(Kind::Removed).count(),
            text: of(Kind::Added).map(|line| line.text.clone()).collect(),
        };
        if edit.gone == 0 || edit.text.is_empty() {
            let next = runs.peek().and_then(|run| run.first().copied());
            let next = next.filter(|line| is_statement(&line.text));
            if let Some((number, line)) = next.and_then(|line| Some((line.old?, line))) {
                edit.text.push(line.text.clone());
                edit.line = if edit.gone == 0 { number } else { edit.line };
            } else if let Some((number, line)) = before.and_then(|line| Some((line.old?, line))) {
                edit.text.insert(0, line.text.clone());
                edit.line = number;
            } else {
                continue;
            }
            edit.gone += 1;
        }
        edits.push(edit);
    }
    edits
}

/// Of edits that lead to a text, in their order, those that bring none of its lines `but`, counted from 1.
pub(super) fn beside(edits: Vec<Edit>, but: &Range<usize>) -> Vec<Edit> {
    let (mut gone, mut come) = (0, 0);
    let mut brings = |edit: &Edit| {
        let first = edit.line + come - gone;
        gone += edit.gone;
        come += edit.text.len();
        first < but.end && but.start < first + edit.text.len()
    };
    edits.into_iter().filter(|edit| !brings(edit)).collect()
}

/// The lines that a file's part of a patch makes of those it was made for.
pub(super) fn patched(lines: &[String], patch: &FileDiff) -> Vec<String> {
    let mut after = lines.to_vec();
    for hunk in patch.hunks.iter().rev() {
        let new = hunk.lines.iter().filter(|line| line.kind != Kind::Removed);
        // Where no line goes, the number is that of the line before.
        let gone = hunk.lengths().0;
        let start = hunk.old_start.saturating_sub(usize::from(gone > 0));
        let start = start.min(after.len());
        let end = (start + gone).min(after.len());
        after.splice(start..end, new.map(|line| line.text.clone()));
    }
    after
}

fn is_statement(line: &str) -> bool {
    !line.trim().is_empty() && defined(line).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn carried_out(now: &[String], edits: &[Edit]) -> Vec<String> {
        let mut lines = now.to_vec();
        for edit in edits.iter().rev() {
            lines.splice(edit.line - 1..edit.end(), edit.text.clone());
        }
        lines
    }

    #[test]
    fn edits_lead_from_one_text_to_the_other_and_each_has_a_line_that_goes_and_one_that_comes() {
        let now =
            "def f(x):\n    y = x\n    return y\n\n\ndef g(x):\n    z = 2\n    return x + z\n";
        for (then, count) in [
            (now.to_owned(), 0),
            (now.replace("y = x", "y = 3"), 1),
            (now.replace("y = x", "y = 3").replace("z = 2", "z = 3"), 2),
            (
                now.replace(
                    "    y = x\n",
                    "    if not x:\n        return 0\n    y = x\n",
                ),
                1,
            ),
            (now.replace("    y = x\n", ""), 1),
            (now.replace("    return y\n", ""), 1),
            (
                now.replace("    return y\n", "    return y\n    y = 2\n"),
                1,
            ),
            (now.replace("    return x + z\n", ""), 1),
            (
                now.replace("    z = 2\n    return x + z\n", "    return x\n"),
                1,
            ),
        ] {
            let (now, then) = (lines(now), lines(&then));
            let edits = between("m", &now, &then);
            assert_eq!(carried_out(&now, &edits), then);
            assert_eq!(edits.len(), count, "{edits:?}");
            assert!(
                edits
                    .iter()
                    .all(|edit| edit.gone > 0 && !edit.text.is_empty())
            );
        }
    }

    #[test]
    fn a_line_that_is_put_in_is_said_with_the_one_that_follows_or_at_the_end_with_the_one_before() {
        let now = lines("def f(x):\n    y = x\n    return y\n\n\ndef g(x):\n    return x\n");
        let mut then = now.clone();
        then.insert(1, "    x += 1".into());
        let first = &between("m", &now, &then)[0];
        assert_eq!((first.line, first.gone), (2, 1));
        assert_eq!(first.text, ["    x += 1", "    y = x"]);
        let mut then = now.clone();
        then.insert(3, "    x += 1".into());
        let last = &between("m", &now, &then)[0];
        assert_eq!((last.line, last.gone), (3, 1));
        assert_eq!(last.text, ["    return y", "    x += 1"]);
        assert!(last.covers("m", 3) && !last.covers("m", 4) && !last.covers("n", 3));
    }

    #[test]
    fn edits_beside_a_line_are_told_by_where_their_lines_come_to_stand() {
        let now = lines("def f(x):\n    a = 1\n    b = 1\n    c = 1\n    d = 1\n    return x\n");
        let then = lines(
            "def f(x):\n    if x:\n        return 0\n    a = 1\n    b = 1\n    c = 2\n    d = 1\n    return x + 1\n",
        );
        let edits = between("m", &now, &then);
        assert_eq!(edits.len(), 3);
        let left = |but| -> Vec<usize> {
            let left = beside(edits.clone(), &but).into_iter();
            left.map(|edit| edit.line).collect()
        };
        assert_eq!(left(6..7), [2, 6]);
        assert_eq!(left(3..4), [4, 6]);
        assert_eq!(left(8..9), [2, 4]);
        assert_eq!(left(7..8), [2, 4, 6]);
    }

    #[test]
    fn a_patch_of_several_places_is_put_in() {
        let numbered: Vec<String> = (0..40).map(|number| format!("    x += {number}")).collect();
        let now = whole(&numbered);
        let then = now
            .replace("x += 3\n", "y = 3\n    z = 3\n")
            .replace("    x += 30\n", "");
        let patch = diff::parse(&diff::compare("m.py", Some(&now), Some(&then)).patch());
        assert_eq!(patch[0].hunks.len(), 2);
        assert_eq!(patched(&lines(&now), &patch[0]), lines(&then));
    }
}
