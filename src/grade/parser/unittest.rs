//! `python3 -m unittest -v`, every Python from 3.6 on; ids are `module.Class.test`.
//!
//! The runner writes `test_z (tests.test_x.TestY.test_z) ... ` (before 3.11 without the last part in the brackets),
//! runs the test, and then writes `ok`. Whatever the test prints stands in between, even on the same line, so a test
//! stays *open* until a status closes it. A docstring moves the dots to a second line. Sub-tests have lines of their own
//! from 3.11 on. Failures stand a second time beneath a row of `=`; in some cases (sub-tests before 3.11, a tear-down
//! that fails) only there, and nothing printed later takes one back: see [`super::Parser::later_wins`].

use std::sync::LazyLock;

use regex::Regex;

use super::{Form, Reading};
use crate::grade::status::Status;

/// `name (class) ... `, with a sub-test's message and parameters.
static HEADER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"([^\s()]+) \(([^\s()]+)\)( \[.*?\])?( \(.*?\))? \.\.\. ").ok());

/// The same without the dots: a docstring follows.
static TITLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\s*([^\s()]+) \(([^\s()]+)\)( \[.*\])?( \(.*\))?\s*$").ok());

/// Module that could not be imported; the test's name is the module's.
const NOT_LOADED: &str = "unittest.loader._FailedTest.";

#[derive(Debug, Default)]
pub(super) struct State {
    /// The test whose status is awaited, and whether a doubtful line already gave one.
    open: Option<Open>,
    /// A title whose docstring line must come next.
    title: Option<String>,
    /// The line before was a row of `=`.
    ruled: bool,
}

#[derive(Debug)]
struct Open {
    id: String,
    /// Place in the readings of the status taken from the end of a line of output.
    doubtful: Option<usize>,
}

impl State {
    pub(super) fn feed(&mut self, raw: &str, number: usize, out: &mut Vec<Reading>) {
        let line = raw.strip_suffix('\r').unwrap_or(raw);
        let ruled = std::mem::replace(&mut self.ruled, is_rule(line));
        if ruled && let Some(reading) = failure(line, number) {
            self.open = None;
            self.title = None;
            out.push(reading);
            return;
        }
        if let Some((id, rest)) = header(line) {
            self.title = None;
            self.start(id, rest, number, out);
            return;
        }
        if let Some(id) = self.title.take()
            && let Some((_, rest)) = line.rsplit_once(" ... ")
        {
            self.start(id, rest, number, out);
            return;
        }
        if let Some(id) = title(line) {
            self.title = Some(id);
            return;
        }
        self.close(line, number, out);
    }

    /// A test begins; its status may stand on the same line.
    fn start(&mut self, id: String, rest: &str, number: usize, out: &mut Vec<Reading>) {
        self.open = Some(Open { id, doubtful: None });
        self.close(rest, number, out);
    }

    /// A status closes the open test. One that merely ends a line of output is taken, but stays open to correction.
    fn close(&mut self, text: &str, number: usize, out: &mut Vec<Reading>) {
        let Some(open) = &mut self.open else { return };
        let (status, exact) = match exact(text.trim()) {
            Some(status) => (status, true),
            None => match ending(text.trim_end()) {
                Some(status) => (status, false),
                None => return,
            },
        };
        let reading = Reading {
            id: open.id.clone(),
            whole: None,
            status,
            line: number,
            form: Form::Trailing,
        };
        match open.doubtful.and_then(|at| out.get_mut(at)) {
            Some(before) => *before = reading,
            None => out.push(reading),
        }
        if exact {
            self.open = None;
        } else if open.doubtful.is_none() {
            open.doubtful = Some(out.len() - 1);
        }
    }
}

fn is_rule(line: &str) -> bool {
    line.len() == 70 && line.bytes().all(|byte| byte == b'=')
}

fn exact(text: &str) -> Option<Status> {
    Some(match text {
        "ok" => Status::Passed,
        "FAIL" => Status::Failed,
        "ERROR" => Status::Error,
        "expected failure" => Status::Xfail,
        "unexpected success" => Status::Xpass,
        _ => {
            let why = text.strip_prefix("skipped ")?;
            let quoted = why.len() > 1
                && ["'", "\""]
                    .iter()
                    .any(|q| why.starts_with(q) && why.ends_with(q));
            if !quoted {
                return None;
            }
            Status::Skipped
        }
    })
}

fn ending(text: &str) -> Option<Status> {
    for (word, status) in [
        ("unexpected success", Status::Xpass),
        ("expected failure", Status::Xfail),
        ("FAIL", Status::Failed),
        ("ERROR", Status::Error),
        ("ok", Status::Passed),
    ] {
        if text.ends_with(word) {
            return Some(status);
        }
    }
    let (_, why) = text.rsplit_once("skipped ")?;
    exact(&format!("skipped {why}"))
}

/// The last header of a line (before 3.11 a failed sub-test leaves its header without a line end), and what follows.
fn header(line: &str) -> Option<(String, &str)> {
    let found = HEADER.as_ref()?.captures_iter(line).last()?;
    let rest = line.get(found.get(0)?.end()..)?;
    Some((id(found.get(1)?.as_str(), found.get(2)?.as_str()), rest))
}

fn title(line: &str) -> Option<String> {
    let found = TITLE.as_ref()?.captures(line)?;
    Some(id(found.get(1)?.as_str(), found.get(2)?.as_str()))
}

/// `FAIL: test_z (tests.test_x.TestY)` beneath a rule.
fn failure(line: &str, number: usize) -> Option<Reading> {
    let (word, rest) = line.split_once(": ")?;
    let status = match word {
        "FAIL" => Status::Failed,
        "ERROR" => Status::Error,
        "UNEXPECTED SUCCESS" => Status::Xpass,
        _ => return None,
    };
    Some(Reading {
        id: title(rest)?,
        whole: None,
        status,
        line: number,
        form: Form::Leading,
    })
}

fn id(name: &str, class: &str) -> String {
    let full = match class.strip_suffix(name) {
        // From 3.11 on the brackets hold the whole path.
        Some(before) if before.ends_with('.') => class.to_owned(),
        _ => format!("{class}.{name}"),
    };
    match full.strip_prefix(NOT_LOADED) {
        Some(module) => module.to_owned(),
        None => full,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Names, Parser, Reading};
    use crate::grade::status::Status;

    fn read(log: &str) -> Vec<Reading> {
        Parser::Unittest.read(Names::Cut, log, 1)
    }

    fn worst(log: &str, id: &str) -> Option<Status> {
        read(log)
            .into_iter()
            .filter(|r| r.id == id)
            .map(|r| r.status)
            .max_by_key(|s| s.weight())
    }

    #[test]
    fn both_spellings_give_one_id() {
        for line in ["t (m.C.t) ... ok", "t (m.C) ... ok"] {
            assert_eq!(worst(line, "m.C.t"), Some(Status::Passed), "{line}");
        }
        assert_eq!(
            worst("b (unittest.loader._FailedTest.b) ... ERROR", "b"),
            Some(Status::Error)
        );
        assert_eq!(
            worst("b (unittest.loader._FailedTest) ... ERROR", "b"),
            Some(Status::Error)
        );
    }

    #[test]
    fn a_word_that_ends_in_ok_does_not_hide_a_skip() {
        let log = "t (m.C) ... look at the book\nskipped 'no database'\nu (m.C) ... ok\n";
        assert_eq!(worst(log, "m.C.t"), Some(Status::Skipped));
        assert_eq!(read(log).iter().filter(|r| r.id == "m.C.t").count(), 1);
    }

    #[test]
    fn a_printed_pass_does_not_take_a_failure_back() {
        let rule = "=".repeat(70);
        let log = format!("t (m.C) ... FAIL\n\n{rule}\nFAIL: t (m.C)\nx\nt (m.C) ... ok\n");
        assert_eq!(worst(&log, "m.C.t"), Some(Status::Failed));
    }

    /// One test class with one test of each kind, run by six Pythons; `make.sh` beside the logs says how.
    #[test]
    fn every_python_from_3_6_to_3_13_says_the_same_of_every_kind_of_test() {
        const WANT: [(&str, Status); 18] = [
            ("TestMany.test_doc", Status::Passed),
            ("TestMany.test_doc_fail", Status::Failed),
            ("TestMany.test_error", Status::Error),
            ("TestMany.test_fail", Status::Failed),
            ("TestMany.test_ok", Status::Passed),
            ("TestMany.test_prints", Status::Passed),
            ("TestMany.test_prints_fail", Status::Failed),
            ("TestMany.test_prints_lines", Status::Passed),
            ("TestMany.test_skip", Status::Skipped),
            ("TestMany.test_sub", Status::Failed),
            ("TestMany.test_sub_ok", Status::Passed),
            ("TestMany.test_sub_skip", Status::Skipped),
            ("TestMany.test_xfail", Status::Xfail),
            ("TestMany.test_xpass", Status::Xpass),
            ("TestSetUp.setUpClass", Status::Error),
            ("TestSkipped.test_a", Status::Skipped),
            ("TestTear.test_b", Status::Passed),
            ("TestBoth.test_fails_twice", Status::Error),
        ];
        for (python, log) in [
            (
                "3.6",
                include_str!("../../../tests/fixtures/grade/unittest-3.6.log"),
            ),
            (
                "3.8",
                include_str!("../../../tests/fixtures/grade/unittest-3.8.log"),
            ),
            (
                "3.10",
                include_str!("../../../tests/fixtures/grade/unittest-3.10.log"),
            ),
            (
                "3.11",
                include_str!("../../../tests/fixtures/grade/unittest-3.11.log"),
            ),
            (
                "3.12",
                include_str!("../../../tests/fixtures/grade/unittest-3.12.log"),
            ),
            (
                "3.13",
                include_str!("../../../tests/fixtures/grade/unittest-3.13.log"),
            ),
        ] {
            for (id, status) in WANT {
                let id = format!("tests.test_all.{id}");
                assert_eq!(worst(log, &id), Some(status), "{id} with Python {python}");
            }
            assert_eq!(
                worst(log, "test_broken"),
                Some(Status::Error),
                "Python {python}"
            );
            assert_eq!(
                worst(log, "tests.test_module.setUpModule"),
                Some(Status::Error)
            );
            assert_eq!(worst(log, "tests.test_all.TestSetUp.test_a"), None);
        }
    }
}
