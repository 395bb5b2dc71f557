//! Tasks as aligned lines, as a page, and as JSON.

use std::io::Write;

use serde::Serialize;
use serde_json::{Value, json};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::task::{Task, TestList};
use crate::text::patch;
use crate::text::safe::{one_line, visible};

/// The first line of the statement is cut to this where there is no terminal to ask for its width.
const TITLE: usize = 72;

/// One line a task: id, version, files, lines, tests, title.
pub(super) fn table(
    tasks: &[&Task],
    of: usize,
    width: Option<usize>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let head = ["ID", "VERSION", "FILES", "LINES", "F2P", "P2P", "TITLE"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(tasks.iter().map(|task| cells(task)));
    let mut widths = [0; 7];
    for row in &rows {
        for (cell, width) in row.iter().zip(&mut widths) {
            *width = cell.width().max(*width);
        }
    }
    for row in &rows {
        let mut line = String::new();
        for (at, (cell, column)) in row.iter().zip(widths).enumerate() {
            let pad = " ".repeat(column.saturating_sub(cell.width()));
            match at {
                0 | 1 => line.extend([cell, pad.as_str(), "  "]),
                2..=5 => line.extend([pad.as_str(), cell, "  "]),
                _ => {
                    let room = width.map_or(TITLE, |width| width.saturating_sub(line.width()));
                    line.push_str(&cut(cell, room));
                }
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    let s = if of == 1 { "" } else { "s" };
    if tasks.len() == of {
        writeln!(out, "\n{of} task{s}")
    } else {
        writeln!(out, "\n{} of {of} task{s}", tasks.len())
    }
}

fn cells(task: &Task) -> [String; 7] {
    let summary = patch::summary(&task.gold_patch);
    [
        one_line(&task.instance_id),
        one_line(&task.version),
        summary.files.len().to_string(),
        (summary.added + summary.removed).to_string(),
        count(&task.fail_to_pass),
        count(&task.pass_to_pass),
        one_line(title(task)),
    ]
}

/// The statement's first line, without Markdown's marks around a heading.
fn title(task: &Task) -> &str {
    let line = task
        .problem_statement
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty());
    line.unwrap_or_default().trim_matches(['#', '*', ' '])
}

fn count(list: &TestList) -> String {
    match list {
        TestList::Known(ids) => ids.len().to_string(),
        TestList::Unknown(_) => "?".to_owned(),
    }
}

/// At most `room` columns; what is cut ends in `…`.
fn cut(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > room {
            break;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    if room > 0 {
        out.push('…');
    }
    out
}

/// Everything about one task, the solution only with `gold`.
pub(super) fn page(task: &Task, gold: bool, out: &mut impl Write) -> std::io::Result<()> {
    let summary = patch::summary(&task.gold_patch);
    let size = format!(
        "{} lines in {} files",
        summary.added + summary.removed,
        summary.files.len()
    );
    let facts = [
        ("id", task.instance_id.as_str()),
        ("repo", &task.repo),
        ("commit", &task.base_commit),
        ("version", &task.version),
        ("family", task.family.name()),
        ("created", &task.created_at),
        ("difficulty", task.difficulty.as_deref().unwrap_or_default()),
        ("image", task.image.as_deref().unwrap_or_default()),
        ("gold patch", &size),
        ("hash", &task.hash),
        ("from", &task.origin),
    ];
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{name:<12}{}", one_line(value))?;
    }
    section("Problem", &task.problem_statement, out)?;
    section("Hints", &task.hints_text, out)?;
    tests("FAIL_TO_PASS", &task.fail_to_pass, out)?;
    tests("PASS_TO_PASS", &task.pass_to_pass, out)?;
    if gold {
        section("Gold patch", &task.gold_patch, out)?;
        section("Test patch", &task.test_patch, out)?;
    }
    Ok(())
}

fn section(title: &str, text: &str, out: &mut impl Write) -> std::io::Result<()> {
    let text = text.replace("\r\n", "\n");
    if text.trim().is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}\n\n{}", visible(text.trim_end()))
}

fn tests(title: &str, list: &TestList, out: &mut impl Write) -> std::io::Result<()> {
    match list {
        TestList::Unknown(why) => writeln!(out, "\n{title}: unknown ({})", one_line(why)),
        TestList::Known(ids) => {
            writeln!(out, "\n{title} ({})\n", ids.len())?;
            ids.iter()
                .try_for_each(|id| writeln!(out, "  {}", one_line(id)))
        }
    }
}

/// The task without what solves it: the gold patch and the tests that judge it.
pub(super) fn without_gold(task: &Task) -> Value {
    let mut value = json!(task);
    if let Some(fields) = value.as_object_mut() {
        fields.remove("gold_patch");
        fields.remove("test_patch");
    }
    value
}

pub(super) fn json(value: &impl Serialize, out: &mut impl Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Family;

    fn task(id: &str, statement: &str) -> Task {
        Task {
            version: "1.0".to_owned(),
            problem_statement: statement.to_owned(),
            fail_to_pass: TestList::Known(vec!["a".to_owned()]),
            gold_patch: "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n".to_owned(),
            ..Task::named(id, "o/n", Family::SweGym)
        }
    }

    fn text(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_align_titles_are_cut_and_ids_are_not() {
        let (a, b) = (
            task("owner__name-12345", "\n# A 漢字 title that is long\nmore"),
            task("a__b-1", "\x1b[2Jx"),
        );
        let shown = text(|out| table(&[&a, &b], 3, Some(60), out));
        assert_eq!(
            shown,
            "ID                 VERSION  FILES  LINES  F2P  P2P  TITLE\n\
             owner__name-12345  1.0          1      2    1    ?  A 漢字…\n\
             a__b-1             1.0          1      2    1    ?  ␛[2Jx\n\
             \n2 of 3 tasks\n"
        );
        assert!(text(|out| table(&[&a], 1, Some(5), out)).contains("owner__name-12345"));
    }

    #[test]
    fn the_solution_is_shown_only_when_asked_for() {
        let task = task("a__b-1", "It breaks.\r\n");
        assert!(!text(|out| page(&task, false, out)).contains("@@"));
        assert!(text(|out| page(&task, true, out)).contains("@@ -1 +1 @@\n-a\n+b"));
        assert!(without_gold(&task).get("gold_patch").is_none());
        assert!(
            text(|out| page(&task, false, out))
                .contains("PASS_TO_PASS: unknown (PASS_TO_PASS is missing)")
        );
    }
}
