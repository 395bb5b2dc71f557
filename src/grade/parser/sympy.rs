//! sympy's `bin/test --verbose`: `test_x ok`, `test_y F`, and underlined headings of failures. Skips are not recorded.
//!
//! The headings stand at the log's end but come first in the map, so a test's own line overrules them.

use std::sync::LazyLock;

use regex::Regex;

use super::{Form, Reading};
use crate::grade::status::Status;

static HEADING: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(_*) (.*)\.py:(.*) (_*)").ok());

#[derive(Debug, Default)]
pub(super) struct State {
    headings: Vec<Reading>,
}

impl State {
    pub(super) fn feed(&mut self, raw: &str, number: usize, out: &mut Vec<Reading>) {
        for found in HEADING
            .iter()
            .flat_map(|heading| heading.captures_iter(raw))
        {
            let part = |at| found.get(at).map_or("", |part| part.as_str());
            self.headings.push(Reading {
                id: format!("{}.py:{}", part(2), part(3)),
                whole: None,
                status: Status::Failed,
                line: number,
                // The underlines may be empty in the pattern, so any `x.py:y z` makes a key.
                form: if part(1).is_empty() {
                    Form::Junk
                } else {
                    Form::Leading
                },
            });
        }
        let line = raw.trim();
        if !line.starts_with("test_") {
            return;
        }
        let line = match line.rsplit_once('[') {
            Some((before, "FAIL]" | "OK]")) => before.trim(),
            _ => line,
        };
        let status = if line.ends_with(" E") {
            Status::Error
        } else if line.ends_with(" F") {
            Status::Failed
        } else if line.ends_with(" ok") {
            Status::Passed
        } else {
            return;
        };
        if let Some(id) = line.split_whitespace().next() {
            out.push(Reading {
                id: id.to_owned(),
                whole: None,
                status,
                line: number,
                form: Form::Trailing,
            });
        }
    }

    pub(super) fn finish(self, lines: Vec<Reading>) -> Vec<Reading> {
        let mut out = self.headings;
        out.extend(lines);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Names, Parser};
    use crate::grade::status::Status;

    #[test]
    fn lines_and_headings_are_read() {
        let log = "sympy/core/tests/test_x.py[4]\ntest_a ok\ntest_b F\ntest_c E [FAIL]\ntest_d ok [OK]\ntest_e s\n\
                   ________ sympy/core/tests/test_x.py:test_b ________\n";
        let read: Vec<_> = Parser::Sympy
            .read(Names::Cut, log, 1)
            .into_iter()
            .map(|r| (r.id, r.status, r.line))
            .collect();
        assert_eq!(
            read,
            [
                (
                    "sympy/core/tests/test_x.py:test_b".into(),
                    Status::Failed,
                    7
                ),
                ("test_a".into(), Status::Passed, 2),
                ("test_b".into(), Status::Failed, 3),
                ("test_c".into(), Status::Error, 4),
                ("test_d".into(), Status::Passed, 5),
            ]
        );
    }
}
