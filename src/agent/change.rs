//! Change what is named by its text: `change NAME`, the lines as they stand, the lines to put there.
//!
//! Mental model: a small model copies well and counts badly. It says in which function a line stands and what it says, not its number;
//! what it says must stand there exactly once. Blanks at both ends of a line do not count; what is put in keeps its shape and is moved
//! to where the first line that goes stands, so that a model need not count those either. A call holds no state: a resumed or branched
//! rollout goes on as if nothing had happened.
//!
//! Not here: where a name is defined ([`super::definition`]); creating and moving, for which there are shells.

use super::definition::{self, Source};
use super::source::{self, Told, indentation};
use crate::sandbox::{Sandbox, SandboxError};

/// Lines shown on both sides of what was changed.
const AROUND: usize = 1;

/// Put lines in place of others.
pub(super) async fn change(
    sandbox: &dyn Sandbox,
    name: &str,
    old: &str,
    new: &str,
) -> Result<Told, SandboxError> {
    let sources = match definition::sources(sandbox, name).await? {
        Ok(sources) => sources,
        Err(problem) => return Ok(Err(problem)),
    };
    let changed = match changed(&sources, name, old, new) {
        Ok(changed) => changed,
        Err(problem) => return Ok(Err(problem)),
    };
    let written = source::write(sandbox, changed.file, &changed.text).await?;
    Ok(written.map(|()| changed.shown))
}

/// What the tool would make of these files, each with its name: the name and the text of the one that it would change.
///
/// # Errors
/// What it would answer instead.
pub fn would_change(
    files: impl IntoIterator<Item = (String, String)>,
    name: &str,
    old: &str,
    new: &str,
) -> Result<(String, String), String> {
    let files = files.into_iter();
    let sources: Vec<Source> = files
        .filter_map(|(file, text)| Source::of(&file, text, name))
        .collect();
    let changed = changed(&sources, name, old, new)?;
    Ok((changed.file.to_owned(), changed.text))
}

/// A file after a change.
struct Changed<'a> {
    file: &'a str,
    text: String,
    /// The lines around the change, as they stand now.
    shown: String,
}

fn changed<'a>(sources: &'a [Source], name: &str, old: &str, new: &str) -> Told<Changed<'a>> {
    let old: Vec<&str> = lines(old).map(str::trim).collect();
    let Some(first) = old.first() else {
        return Err("say the lines that are to go".into());
    };
    let mut places: Vec<(&Source, usize)> = Vec::new();
    for source in sources {
        let mut starts: Vec<usize> = source.starts(&old).collect();
        // A function may stand within another of the same name.
        starts.sort_unstable();
        starts.dedup();
        places.extend(starts.into_iter().map(|start| (source, start)));
    }
    let (source, start) = match places.as_slice() {
        [] => return Err(format!("no line of {name} says `{first}`")),
        [only] => *only,
        several => {
            let at: Vec<String> = several
                .iter()
                .map(|(source, start)| format!("{} line {}", source.file, start + 1))
                .collect();
            return Err(format!(
                "`{first}` stands in {name} more than once ({}): say the line before it, too",
                at.join(", ")
            ));
        }
    };
    let (text, added) = put(&source.text, start, old.len(), new);
    if text == source.text {
        return Err("that is what it says already".into());
    }
    let shown = source::numbered(
        &text,
        (start + 1).saturating_sub(AROUND).max(1),
        start + added + AROUND,
    );
    Ok(Changed {
        file: &source.file,
        shown: format!("{}\n{shown}", source.file),
        text,
    })
}

/// The text with lines in place of `gone` ones from `start`, and how many came in.
fn put(text: &str, start: usize, gone: usize, new: &str) -> (String, usize) {
    let standing: Vec<&str> = text.split('\n').collect();
    let first = standing.get(start).copied().unwrap_or_default();
    let indent = first.get(..indentation(first)).unwrap_or_default();
    // A file whose lines end as on Windows keeps them so.
    let end = if first.ends_with('\r') { "\r" } else { "" };
    let written = lines(new).next().map_or(0, indentation);
    let more = indent.get(written..).unwrap_or_default();
    let less = written.saturating_sub(indent.len());
    let new: Vec<String> = lines(new)
        .map(|line| {
            let line = line.trim_end();
            let line = line.get(less.min(indentation(line))..).unwrap_or(line);
            let more = if line.is_empty() { "" } else { more };
            format!("{more}{line}{end}")
        })
        .collect();
    let head = standing.iter().take(start).copied();
    let tail = standing.iter().skip(start + gone).copied();
    let after: Vec<&str> = head
        .chain(new.iter().map(String::as_str))
        .chain(tail)
        .collect();
    (after.join("\n"), new.len())
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.trim_matches('\n').lines()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "def f(xs):\n    if xs:\n        return 1\n    return 2\n\n\ndef g(xs):\n    return 1\n";

    fn source(file: &str, within: std::ops::Range<usize>) -> Source {
        Source {
            file: file.into(),
            text: TEXT.into(),
            within: vec![within],
        }
    }

    fn told(old: &str, new: &str) -> Result<(String, String), String> {
        let sources = [source("m.py", 0..4)];
        changed(&sources, "f", old, new).map(|changed| (changed.text, changed.shown))
    }

    #[test]
    fn a_changed_line_keeps_its_indentation_and_its_neighbours_are_shown() {
        let (text, shown) = told("return 1", "return 3").unwrap();
        assert_eq!(text, TEXT.replacen("return 1", "return 3", 1));
        assert_eq!(
            shown,
            "m.py\n2     if xs:\n3         return 3\n4     return 2"
        );
        // However many blanks the model wrote itself.
        assert_eq!(told("  return 1 ", "     return 3  ").unwrap().0, text);
    }

    #[test]
    fn several_lines_may_come_and_go() {
        let guard = "if not xs:\n    return None\nif xs:";
        let (text, shown) = told("if xs:", guard).unwrap();
        assert_eq!(
            text,
            TEXT.replacen(
                "    if xs",
                "    if not xs:\n        return None\n    if xs",
                1
            )
        );
        assert_eq!(
            shown,
            "m.py\n1 def f(xs):\n2     if not xs:\n3         return None\n4     if xs:\n5         return 1"
        );
        // Moved as one, whether the first line stands further in than the next or all are written as they stand.
        let outwards = ("return 1\nreturn 2", "    return 3\nreturn 4");
        let whole = (
            "        return 1\n    return 2",
            "        return 3\n    return 4",
        );
        for (old, new) in [outwards, whole] {
            let text = told(old, new).unwrap().0;
            assert!(
                text.contains("\n        return 3\n    return 4\n"),
                "{text}"
            );
        }
        let (text, shown) = told("if xs:\nreturn 1\nreturn 2", "return 1 if xs else 2").unwrap();
        assert!(text.starts_with("def f(xs):\n    return 1 if xs else 2\n\n\ndef g"));
        assert_eq!(shown, "m.py\n1 def f(xs):\n2     return 1 if xs else 2\n3");
    }

    #[test]
    fn a_text_that_stands_nowhere_twice_or_there_already_changes_nothing_and_is_told() {
        assert_eq!(
            told("return 5", "x").unwrap_err(),
            "no line of f says `return 5`"
        );
        assert_eq!(
            told("return 2", "return 2").unwrap_err(),
            "that is what it says already"
        );
        assert_eq!(
            told("\n\n", "x").unwrap_err(),
            "say the lines that are to go"
        );
        let both = [source("a.py", 0..8), source("b.py", 6..8)];
        let why = changed(&both, "f", "return 1", "x")
            .map(|_| ())
            .unwrap_err();
        assert_eq!(
            why,
            "`return 1` stands in f more than once (a.py line 3, a.py line 8, b.py line 8): say the line before it, too"
        );
        let one = changed(&both, "f", "if xs:\nreturn 1", "x").unwrap();
        assert_eq!(one.file, "a.py");
    }

    #[test]
    fn only_what_python_takes_for_indentation_is_moved() {
        assert_eq!(put("a", 0, 1, "\u{a0}x = 1"), ("\u{a0}x = 1".into(), 1));
        assert_eq!(put("\ta", 0, 1, "b\n\tc"), ("\tb\n\t\tc".into(), 2));
    }

    #[test]
    fn line_ends_stay_as_they_are() {
        assert_eq!(put("a\nb", 1, 1, "c"), ("a\nc".into(), 1));
        assert_eq!(
            put("a\r\n  b\r\n", 1, 1, "c\nd"),
            ("a\r\n  c\r\n  d\r\n".into(), 2)
        );
    }
}
