//! pytest's forms: the `-rA` summary in its four dialects, `-v` lines, seaborn's.
//!
//! Names end at the first white space in the old parsers, which is why ids in datasets do, too. The whole name is kept
//! beside the cut one: only so can be seen that one key stands for several tests.

use std::sync::LazyLock;

use regex::Regex;

use super::{Form, Names, Reading};
use crate::grade::status::Status;

/// `STATUS name`: the line opens with a status and has a second word.
pub(super) fn leading(line: &str, number: usize, names: Names) -> Option<Reading> {
    if line.starts_with(char::is_whitespace) {
        return None;
    }
    let word = line.split_whitespace().next()?;
    let (status, colon) = match Status::from_word(word) {
        Some(status) => (status, false),
        // `ERROR: file or directory not found` makes a key, but no test has that name.
        None => (Status::from_word(word.strip_suffix(':')?)?, true),
    };
    let rest = line.strip_prefix(word)?.trim();
    let cut = if status == Status::Failed {
        rest.split_whitespace().find(|part| *part != "-")?
    } else {
        rest.split_whitespace().next()?
    };
    let whole = name_before_reason(rest);
    let counted = status == Status::Skipped && cut.starts_with('[');
    let form = if colon || counted || cut.starts_with('(') {
        Form::Junk
    } else {
        Form::Leading
    };
    let truncated = cut.matches('[').count() > cut.matches(']').count();
    Some(match names {
        Names::Cut => Reading {
            id: cut.to_owned(),
            whole: (truncated && whole != cut).then(|| whole.to_owned()),
            status,
            line: number,
            form,
        },
        Names::Whole => Reading {
            id: whole.to_owned(),
            whole: None,
            status,
            line: number,
            form,
        },
    })
}

/// The name in `name - reason`. A parameter may hold ` - ` itself, so the reason begins at the first one outside
/// brackets; in an id whose brackets do not close, at the first one.
fn name_before_reason(rest: &str) -> &str {
    let outside = rest.match_indices(" - ").map(|(at, _)| at).find(|at| {
        rest.get(..*at)
            .is_some_and(|name| name.matches('[').count() <= name.matches(']').count())
    });
    outside
        .or_else(|| rest.find(" - "))
        .and_then(|at| rest.get(..at))
        .unwrap_or(rest)
        .trim_end()
}

/// As [`leading`]; of an option that is a path only the last part is kept, because the path is the machine's.
pub(super) fn options(line: &str, number: usize, names: Names) -> Option<Reading> {
    let mut reading = leading(line, number, names)?;
    let shorter = reading.id.split_once('[').and_then(|(name, rest)| {
        let option = rest.get(..rest.rfind(']')?)?;
        if !option.starts_with('/') || option.starts_with("//") || option.contains('*') {
            return None;
        }
        Some(format!("{name}[/{}]", option.rsplit('/').next()?))
    });
    if let Some(shorter) = shorter {
        reading.id = shorter;
    }
    Some(reading)
}

/// As [`leading`] without colours, or else `name STATUS` at the end of a line.
pub(super) fn second(line: &str, number: usize, names: Names) -> Option<Reading> {
    let line = without_colours(line);
    either(&line, number, names)
}

/// As [`second`], where `FAILED [ 10%] name` is `FAILED name`.
pub(super) fn pydantic(line: &str, number: usize, names: Names) -> Option<Reading> {
    static PROGRESS: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"FAILED\s*\[.*?\]").ok());
    let line = without_colours(line);
    let line = match PROGRESS.as_ref() {
        Some(progress) => progress.replace_all(&line, "FAILED").into_owned(),
        None => line,
    };
    either(&line, number, names)
}

fn without_colours(line: &str) -> String {
    static COLOUR: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\[(\d+)m").ok());
    let line = match COLOUR.as_ref() {
        Some(colour) => colour.replace_all(line, ""),
        None => line.into(),
    };
    line.chars()
        .filter(|c| !('\u{1}'..='\u{1f}').contains(c))
        .collect()
}

fn either(line: &str, number: usize, names: Names) -> Option<Reading> {
    if Status::ALL.into_iter().any(|s| line.starts_with(s.word())) {
        return leading(line, number, names);
    }
    if !Status::ALL.into_iter().any(|s| line.ends_with(s.word())) {
        return None;
    }
    let (id, status) = match names {
        Names::Cut => {
            let mut words = line.split_whitespace();
            (words.next()?, words.next()?)
        }
        Names::Whole => line.rsplit_once(char::is_whitespace)?,
    };
    Some(Reading {
        id: id.trim().to_owned(),
        whole: None,
        status: Status::from_word(status)?,
        line: number,
        form: Form::Trailing,
    })
}

/// As [`leading`]; matplotlib's ids hold the buttons' numbers.
pub(super) fn matplotlib(line: &str, number: usize, names: Names) -> Option<Reading> {
    let line = line
        .replace("MouseButton.LEFT", "1")
        .replace("MouseButton.RIGHT", "3");
    leading(&line, number, names)
}

/// `FAILED name`, `name PASSED …`, `PASSED name`; every other status is unknown there.
pub(super) fn seaborn(line: &str, number: usize) -> Option<Reading> {
    let mut words = line.split_whitespace();
    let (first, second) = (words.next()?, words.next()?);
    let (id, status, form) = if line.starts_with("FAILED") {
        (second, Status::Failed, Form::Leading)
    } else if line.contains(" PASSED ") {
        if second != "PASSED" {
            return None;
        }
        (first, Status::Passed, Form::Trailing)
    } else if line.starts_with("PASSED") {
        (second, Status::Passed, Form::Leading)
    } else {
        return None;
    };
    Some(Reading {
        id: id.to_owned(),
        whole: None,
        status,
        line: number,
        form,
    })
}

/// `name STATUS …` of `pytest -v`, a name without white space at the line's begin.
pub(super) fn verbose(line: &str, number: usize) -> Option<Reading> {
    let (id, rest) = line.split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    let status = Status::ALL
        .into_iter()
        .find(|status| rest.starts_with(status.word()))?;
    (!id.is_empty()).then(|| Reading {
        id: id.to_owned(),
        whole: None,
        status,
        line: number,
        form: Form::Trailing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(line: &str) -> Option<(String, Status)> {
        leading(line, 1, Names::Cut).map(|r| (r.id, r.status))
    }

    #[test]
    fn the_summary_is_read_with_cut_names() {
        assert_eq!(
            cut("PASSED a.py::t"),
            Some(("a.py::t".into(), Status::Passed))
        );
        assert_eq!(
            cut("FAILED a.py::t[SELECT * FROM x] - AssertionError: a - b"),
            Some(("a.py::t[SELECT".into(), Status::Failed))
        );
        assert_eq!(
            cut("ERROR a.py - ImportError"),
            Some(("a.py".into(), Status::Error))
        );
        assert_eq!(
            cut("XPASS a.py::t always"),
            Some(("a.py::t".into(), Status::Xpass))
        );
        assert_eq!(cut("  PASSED a.py::t"), None);
        assert_eq!(cut("PASSED"), None);
        assert_eq!(cut("a.py::t PASSED"), None);
        assert_eq!(cut("PASSEDLY a.py::t"), None);
    }

    #[test]
    fn lines_about_no_test_are_marked_as_junk() {
        for line in [
            "SKIPPED [1] tests/x.py:3: reason",
            "ERROR: file or directory not found: x",
            "FAILED (errors=1)",
        ] {
            assert_eq!(
                leading(line, 1, Names::Cut).unwrap().form,
                Form::Junk,
                "{line}"
            );
        }
        // Two instances of SWE-bench Verified have a test with this very name.
        let odd = leading("PASSED [100%]", 1, Names::Whole).unwrap();
        assert_eq!((odd.id.as_str(), odd.form), ("[100%]", Form::Leading));
    }

    #[test]
    fn whole_names_keep_spaces_and_lose_reasons() {
        let whole = |line| leading(line, 1, Names::Whole).unwrap().id;
        assert_eq!(whole("PASSED a.py::t[x y]"), "a.py::t[x y]");
        assert_eq!(
            whole("FAILED a.py::t[x - y] - ValueError: z"),
            "a.py::t[x - y]"
        );
        assert_eq!(whole("FAILED a.py::t - ValueError: z - q"), "a.py::t");
        assert_eq!(whole("ERROR a.py::t[x - ValueError"), "a.py::t[x");
        let cut = leading("PASSED a.py::t[x y]", 1, Names::Cut).unwrap();
        assert_eq!(cut.whole.as_deref(), Some("a.py::t[x y]"));
    }

    #[test]
    fn options_that_are_paths_lose_their_folders() {
        let id = |line| options(line, 1, Names::Cut).unwrap().id;
        assert_eq!(id("PASSED t.py::x[/a/b/c.ini]"), "t.py::x[/c.ini]");
        assert_eq!(id("PASSED t.py::x[//a/b]"), "t.py::x[//a/b]");
        assert_eq!(id("PASSED t.py::x[/a/*]"), "t.py::x[/a/*]");
        assert_eq!(id("PASSED t.py::x[a]"), "t.py::x[a]");
    }

    #[test]
    fn the_second_form_reads_colours_and_old_lines() {
        let read = |line| second(line, 1, Names::Cut).map(|r| (r.id, r.status));
        assert_eq!(
            read("\u{1b}[32mPASSED\u{1b}[0m a.py::\u{1b}[1mt\u{1b}[0m"),
            Some(("a.py::t".into(), Status::Passed))
        );
        assert_eq!(
            read("a.py::t PASSED"),
            Some(("a.py::t".into(), Status::Passed))
        );
        assert_eq!(read("PASSED"), None);
        assert_eq!(read("FAILED"), None);
        let pydantic = pydantic("FAILED [ 10%] a.py::t", 1, Names::Cut).unwrap();
        assert_eq!(pydantic.id, "a.py::t");
    }

    #[test]
    fn the_verbose_form_wants_the_name_first() {
        let read = |line| verbose(line, 1).map(|r| (r.id, r.status));
        assert_eq!(
            read("a.py::t PASSED   [ 1%]"),
            Some(("a.py::t".into(), Status::Passed))
        );
        assert_eq!(
            read("a.py::t SKIPPED (no db) [ 1%]"),
            Some(("a.py::t".into(), Status::Skipped))
        );
        assert_eq!(read("a.py::t[x y] PASSED"), None);
        assert_eq!(read("PASSED a.py::t"), None);
    }

    #[test]
    fn seaborn_and_matplotlib_keep_their_habits() {
        assert_eq!(seaborn("a.py::t PASSED [ 2%]", 1).unwrap().id, "a.py::t");
        assert_eq!(seaborn("PASSED a.py::t", 1).unwrap().id, "a.py::t");
        assert_eq!(seaborn("ERROR a.py::t", 1), None);
        let line = "PASSED a.py::t[MouseButton.LEFT-MouseButton.RIGHT]";
        assert_eq!(matplotlib(line, 1, Names::Cut).unwrap().id, "a.py::t[1-3]");
    }
}
