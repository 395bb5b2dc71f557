//! Which part of a log is test output.
//!
//! A log that spotter wrote opens with a header line that carries a random number, the nonce, and the grader sets its
//! markers, with the same nonce, around the captured output of the test command after the fact. The nonce never enters
//! the sandbox, so nothing printed there can pass for a marker; text that tries is counted.
//!
//! A log of another harness has markers that its script printed (`>>>>> Start Test Output`, SWE-bench 4 and later) or
//! none (2.x). There the first start and the last end are taken, and more than one of each is reported: such a log can
//! only be believed as far as that harness could.

use std::fmt::Write as _;

/// What every marker starts with, ours or another's.
const ARROWS: &str = ">>>>> ";
const HEADER: &str = ">>>>> spotter grading log ";
const START: &str = "Start Test Output";
const END: &str = "End Test Output";
const EXIT: &str = "Test Exit Code";

/// Whose markers bound the section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bounds {
    /// The grader's own.
    Ours,
    /// Printed by another harness's script.
    Printed,
    /// None; the section is the whole log.
    Whole,
}

/// The part of a log between the markers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section<'a> {
    /// Its text.
    pub(super) text: &'a str,
    /// Line of the log that its first line is, from 1.
    pub(super) first: usize,
    /// Exit status of the test command, where the log holds it.
    pub(super) exit_code: Option<i32>,
    /// The test command was started.
    pub(super) started: bool,
    /// Whose markers.
    pub(super) bounds: Bounds,
    /// Lines that look like a marker and are none.
    pub(super) false_markers: usize,
    /// What the grader noted under its nonce: key and value, in order.
    pub(super) notes: Vec<(&'a str, &'a str)>,
}

impl Section<'_> {
    /// The last note with that key.
    pub(super) fn note(&self, key: &str) -> Option<&str> {
        let mut found = self.notes.iter().rev().filter(|(name, _)| *name == key);
        found.next().map(|(_, value)| *value)
    }
}

/// A fresh nonce: 128 random bits that no sandbox ever sees.
pub(super) fn nonce() -> String {
    // A ULID's random part is only 80 bits and its time is guessable, so two are taken.
    format!(
        "{:x}{:x}",
        ulid::Ulid::generate().random(),
        ulid::Ulid::generate().random()
    )
}

/// Builds a log.
#[derive(Debug)]
pub(super) struct LogWriter {
    nonce: String,
    text: String,
}

impl LogWriter {
    pub(super) fn new(nonce: String) -> Self {
        Self {
            text: format!("{HEADER}{nonce}\n"),
            nonce,
        }
    }

    /// One step before or after the tests: what was run and what it printed.
    pub(super) fn step(&mut self, what: &str, output: &str) {
        // A String takes every write.
        let _ = writeln!(self.text, "{ARROWS}{what}");
        self.raw(output);
    }

    /// The output of the test command, between the markers.
    pub(super) fn tests(&mut self, output: &str, exit_code: Option<i32>) {
        let nonce = self.nonce.clone();
        let _ = writeln!(self.text, "{ARROWS}{START} {nonce}");
        self.raw(output);
        let _ = writeln!(self.text, "{ARROWS}{END} {nonce}");
        if let Some(code) = exit_code {
            self.note(EXIT, &code.to_string());
        }
    }

    /// Something that a later judge of this log must know and may believe. One line; outside the test output.
    pub(super) fn note(&mut self, key: &str, value: &str) {
        let (nonce, value) = (&self.nonce, value.replace('\n', " "));
        let _ = writeln!(self.text, "{ARROWS}{key} {nonce}: {value}");
    }

    fn raw(&mut self, output: &str) {
        self.text.push_str(output);
        if !output.is_empty() && !output.ends_with('\n') {
            self.text.push('\n');
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// Find the test output.
pub(super) fn find(log: &str) -> Section<'_> {
    let lines = lines(log);
    let nonce = log
        .split('\n')
        .next()
        .and_then(|first| first.strip_prefix(HEADER));
    match nonce {
        Some(nonce) if !nonce.is_empty() => ours(log, &lines, nonce),
        _ => theirs(log, &lines),
    }
}

/// Number, byte offset and text of every line.
fn lines(log: &str) -> Vec<(usize, usize, &str)> {
    let mut at = 0;
    log.split('\n')
        .enumerate()
        .map(|(number, line)| {
            let begin = at;
            at += line.len() + 1;
            (number + 1, begin, line)
        })
        .collect()
}

fn ours<'a>(log: &'a str, lines: &[(usize, usize, &'a str)], nonce: &str) -> Section<'a> {
    let marker = |what: &str| format!("{ARROWS}{what} {nonce}");
    let (start, end) = (marker(START), marker(END));
    let signed = format!(" {nonce}: ");
    let opened = lines.iter().find(|(_, _, line)| *line == start);
    let closed = lines.iter().rfind(|(_, _, line)| *line == end);
    let notes: Vec<_> = lines
        .iter()
        .filter_map(|(_, _, line)| line.strip_prefix(ARROWS)?.split_once(signed.as_str()))
        .collect();
    let (text, first) = match (opened, closed) {
        (Some((number, begin, line)), Some((_, stop, _))) => (
            log.get(begin + line.len() + 1..*stop).unwrap_or_default(),
            number + 1,
        ),
        // The tests did not come to their turn.
        _ => ("", lines.len()),
    };
    let mut section = Section {
        text,
        first,
        exit_code: None,
        started: opened.is_some(),
        bounds: Bounds::Ours,
        false_markers: text.split('\n').filter(|line| is_marker(line)).count(),
        notes,
    };
    section.exit_code = section.note(EXIT).and_then(|code| code.trim().parse().ok());
    section
}

fn theirs<'a>(log: &'a str, lines: &[(usize, usize, &'a str)]) -> Section<'a> {
    let of = |what: &'static str| {
        move |line: &&(usize, usize, &str)| line.2.contains(ARROWS) && line.2.contains(what)
    };
    let starts = lines.iter().filter(of(START)).count();
    let ends = lines.iter().filter(of(END)).count();
    let exit_code = lines.iter().rev().find_map(|(_, _, line)| {
        let (_, code) = line.split_once(ARROWS)?.1.split_once(EXIT)?;
        code.trim_start_matches(':').trim().parse().ok()
    });
    let (opened, closed) = (lines.iter().find(of(START)), lines.iter().rfind(of(END)));
    match (opened, closed) {
        (Some((number, begin, line)), Some((_, stop, _))) if begin < stop => Section {
            text: log.get(begin + line.len() + 1..*stop).unwrap_or_default(),
            first: number + 1,
            exit_code,
            started: true,
            bounds: Bounds::Printed,
            false_markers: starts + ends - 2,
            notes: Vec::new(),
        },
        _ => Section {
            text: log,
            first: 1,
            exit_code,
            started: true,
            bounds: Bounds::Whole,
            false_markers: starts + ends,
            notes: Vec::new(),
        },
    }
}

/// Whether a line shows a marker's text, be it traced (`+ : '>>>>> …'`) or echoed.
fn is_marker(line: &str) -> bool {
    line.contains(ARROWS)
        && [
            START,
            END,
            EXIT,
            "Applied Patch",
            "Patch Apply Failed",
            "Tests Errored",
            "Tests Timed Out",
        ]
        .iter()
        .any(|what| line.contains(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_graders_own_markers_bound_the_section() {
        let mut log = LogWriter::new("abc".into());
        log.step("install", ">>>>> Start Test Output abd\nPASSED a::b");
        log.tests(
            "one\n>>>>> End Test Output\n>>>>> End Test Output abd\ntwo",
            Some(1),
        );
        log.step("after", "PASSED c::d");
        let log = log.finish();
        let section = find(&log);
        assert_eq!(
            section.text,
            "one\n>>>>> End Test Output\n>>>>> End Test Output abd\ntwo\n"
        );
        assert_eq!(section.exit_code, Some(1));
        assert_eq!(section.bounds, Bounds::Ours);
        assert_eq!(section.false_markers, 2);
        let line = log.split('\n').nth(section.first - 1);
        assert_eq!(line, Some("one"));
    }

    #[test]
    fn a_log_whose_tests_never_ran_has_an_empty_section() {
        let mut log = LogWriter::new("abc".into());
        log.step("apply", "error: patch does not apply");
        let log = log.finish();
        assert_eq!(find(&log).text, "");
        assert_eq!(find(&log).exit_code, None);
    }

    #[test]
    fn logs_of_other_harnesses_are_read_between_their_traced_markers() {
        let log = "+ git diff\n+ : '>>>>> Start Test Output'\nPASSED a\n+ : '>>>>> End Test Output'\n>>>>> Test Exit Code: 2\n";
        let section = find(log);
        assert_eq!(
            (section.text, section.first, section.exit_code),
            ("PASSED a\n", 3, Some(2))
        );
        assert_eq!(
            (section.bounds, section.false_markers),
            (Bounds::Printed, 0)
        );
        let whole = find("PASSED a\n");
        assert_eq!(
            (whole.text, whole.first, whole.bounds),
            ("PASSED a\n", 1, Bounds::Whole)
        );
    }

    #[test]
    fn two_nonces_differ_and_are_long() {
        assert_ne!(nonce(), nonce());
        assert!(nonce().len() > 24);
    }
}
