//! Django's runner at verbosity 2: `test_x (app.tests.TestY) ... ok`, a docstring's first line in place of the name,
//! and output that breaks in between the dots and the `ok`.

use std::sync::LazyLock;

use regex::Regex;

use super::{Form, Reading};
use crate::grade::status::Status;

/// Three messages that are known to tear a test's line apart (SWE-bench 2.x).
static TORN: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"(?m)^(.*?)\s\.\.\.\sTesting against Django installed in ((?s:.*?)) silenced\)\.\nok$",
        r"(?m)^(.*?)\s\.\.\.\sInternal Server Error: /(.*)/\nok$",
        r"(?m)^(.*?)\s\.\.\.\sSystem check identified no issues \(0 silenced\)\nok$",
    ]
    .into_iter()
    .filter_map(|pattern| Regex::new(pattern).ok())
    .collect()
});

/// A test whose own name holds the dots.
const VERSION_TEST: &str = "--version is equivalent to version";

/// One line of the log in which two lines are merged (django-7188).
const MERGED: &str = "Applying sites.0002_alter_domain_unique...test_no_migrations";

#[derive(Debug, Default)]
pub(super) struct State {
    /// Text before ` ... ` of the last line that had one.
    last: Option<String>,
    text: String,
    first: Option<usize>,
}

impl State {
    pub(super) fn feed(&mut self, raw: &str, number: usize, out: &mut Vec<Reading>) {
        self.first.get_or_insert(number);
        self.text.push_str(raw);
        self.text.push('\n');
        let line = raw.trim();
        let mut say = |id: &str, status| out.push(reading(id, status, number));
        if line.contains(VERSION_TEST) {
            say(VERSION_TEST, Status::Passed);
        }
        if let Some((name, _)) = line.split_once(" ... ") {
            self.last = Some(name.to_owned());
        }
        for suffix in [" ... ok", " ... OK", " ...  OK"] {
            if let Some(name) = line.strip_suffix(suffix) {
                let merged = name
                    .starts_with(MERGED)
                    .then(|| name.split_once("...").map(|(_, rest)| rest.trim()))
                    .flatten();
                say(merged.unwrap_or(name), Status::Passed);
                break;
            }
        }
        if let Some((name, _)) = line.split_once(" ... skipped") {
            say(name, Status::Skipped);
        }
        if line.ends_with(" ... FAIL")
            && let Some((name, _)) = line.split_once(" ... FAIL")
        {
            say(name, Status::Failed);
        }
        if let Some(name) = second_word(line, "FAIL:") {
            say(name, Status::Failed);
        }
        if line.ends_with(" ... ERROR")
            && let Some((name, _)) = line.split_once(" ... ERROR")
        {
            say(name, Status::Error);
        }
        if let Some(name) = second_word(line, "ERROR:") {
            say(name, Status::Error);
        }
        if line.starts_with("ok")
            && let Some(last) = &self.last
        {
            say(last, Status::Passed);
        }
    }

    pub(super) fn finish(self, mut out: Vec<Reading>) -> Vec<Reading> {
        let first = self.first.unwrap_or(1);
        for torn in TORN.iter() {
            for found in torn.captures_iter(&self.text) {
                if let Some(name) = found.get(1) {
                    let before = self.text.get(..name.start()).unwrap_or_default();
                    let line = first + before.matches('\n').count();
                    out.push(reading(name.as_str(), Status::Passed, line));
                }
            }
        }
        out
    }
}

fn second_word<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    if !line.starts_with(start) {
        return None;
    }
    line.split_whitespace().nth(1)
}

fn reading(id: &str, status: Status, line: usize) -> Reading {
    Reading {
        id: id.to_owned(),
        whole: None,
        status,
        line,
        form: Form::Trailing,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Names, Parser};
    use crate::grade::status::Status;

    fn read(log: &str) -> Vec<(String, Status, usize)> {
        Parser::Django
            .read(Names::Cut, log, 1)
            .into_iter()
            .map(|r| (r.id, r.status, r.line))
            .collect()
    }

    #[test]
    fn every_suffix_is_read() {
        let log = "test_a (x.T) ... ok\nA docstring. ... OK\ntest_b (x.T) ... FAIL\ntest_c (x.T) ... ERROR\n\
                   test_d (x.T) ... skipped 'no'\nFAIL: test_e (x.T)\nERROR: test_f (x.T)\n";
        assert_eq!(
            read(log),
            [
                ("test_a (x.T)".into(), Status::Passed, 1),
                ("A docstring.".into(), Status::Passed, 2),
                ("test_b (x.T)".into(), Status::Failed, 3),
                ("test_c (x.T)".into(), Status::Error, 4),
                ("test_d (x.T)".into(), Status::Skipped, 5),
                ("test_e".into(), Status::Failed, 6),
                ("test_f".into(), Status::Error, 7),
            ]
        );
    }

    #[test]
    fn output_between_dots_and_ok_is_bridged() {
        let log = "test_a (x.T) ... Internal Server Error: /x/\nok\ntest_b (x.T) ... noise\nmore\nok\n\
                   test_c (x.T) ... Testing against Django installed in 'x'\nSystem check (2 silenced).\nok\n";
        let ids: Vec<_> = read(log).into_iter().map(|(id, _, _)| id).collect();
        assert!(ids.contains(&"test_a (x.T)".to_owned()), "{ids:?}");
        assert!(ids.contains(&"test_b (x.T)".to_owned()), "{ids:?}");
        assert!(ids.contains(&"test_c (x.T)".to_owned()), "{ids:?}");
    }

    #[test]
    fn the_two_special_names_are_known() {
        let log = "Applying sites.0002_alter_domain_unique...test_no_migrations (x.T) ... ok\n\
                   django-admin --version is equivalent to version ... ok\n";
        let ids: Vec<_> = read(log).into_iter().map(|(id, _, _)| id).collect();
        assert_eq!(
            ids.first().map(String::as_str),
            Some("test_no_migrations (x.T)")
        );
        assert!(ids.contains(&"--version is equivalent to version".to_owned()));
    }
}
