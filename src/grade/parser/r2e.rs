//! R2E-Gym's form: only the summary section, names joined by dots and without the file.
//!
//! The section runs from the first line that holds *short test summary info* to the next such line. A line without
//! `::` (a file that could not be collected) has the empty name: it equals no expected test, but it is counted.

use std::sync::LazyLock;

use regex::Regex;

use super::{Form, Reading};
use crate::grade::status::Status;

#[derive(Debug, Default)]
pub(super) struct State {
    headings: usize,
}

impl State {
    pub(super) fn feed(&mut self, line: &str, number: usize) -> Option<Reading> {
        static COLOUR: LazyLock<Option<Regex>> =
            LazyLock::new(|| Regex::new(r"\x1b\[[0-9;]*m").ok());
        if line.contains("short test summary info") {
            self.headings += 1;
            return None;
        }
        if self.headings != 1 {
            return None;
        }
        let line = match COLOUR.as_ref() {
            Some(colour) => colour.replace_all(line, ""),
            None => line.into(),
        };
        let status = [Status::Passed, Status::Failed, Status::Error]
            .into_iter()
            .find(|status| line.contains(status.word()))?;
        let name = line
            .trim()
            .split("::")
            .skip(1)
            .collect::<Vec<_>>()
            .join(".");
        let id = name.split(" - ").next().unwrap_or_default();
        Some(Reading {
            id: id.to_owned(),
            whole: None,
            status,
            line: number,
            form: Form::Leading,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Names, Parser};

    #[test]
    fn only_the_first_summary_is_read_and_names_are_joined_by_dots() {
        let log = "PASSED a.py::Early::t\n== short test summary info ==\n\u{1b}[32mPASSED\u{1b}[0m a.py::C::t\n\
                   FAILED a.py::u - x - y\nERROR a.py\n== short test summary info ==\nPASSED a.py::late\n";
        let ids: Vec<_> = Parser::R2e
            .read(Names::Whole, log, 1)
            .into_iter()
            .map(|r| (r.id, r.line))
            .collect();
        assert_eq!(
            ids,
            [
                ("C.t".to_owned(), 3),
                ("u".to_owned(), 4),
                (String::new(), 5)
            ]
        );
    }
}
