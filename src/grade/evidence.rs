//! What a log says of the run as a whole: did the suite really run to its end, where does its closing summary stand,
//! how many tests does it count itself, and does it show the marks of a broken machine.
//!
//! None of this is proof against code that means to deceive and runs inside the test process; it is what such code has
//! to get right as well.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::parser::Parser;

/// What the closing lines say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The runner's own closing line was found.
    pub suite_ran: bool,
    /// Line (of the log, from 1) of the last heading *short test summary info*.
    pub summary: Option<usize>,
    /// The first closing line behind that heading: an honest log has no status after it.
    #[serde(default)]
    pub closing: Option<usize>,
    /// How many such headings there are; an honest log has one at most.
    pub summaries: usize,
    /// Tests that the closing line counts as passed (pytest), or as run (unittest).
    pub said: Option<u64>,
    /// Failures and errors that the closing line counts.
    pub said_failing: Option<u64>,
    /// Names of SWE-bench 5's signatures of a broken machine, with the first line of each.
    pub infra: BTreeMap<String, usize>,
}

/// `=== 3 failed, 8 passed in 0.03s ===`, in every version's spelling, and `-q` without the rules.
static PYTEST_END: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^=* ?(?:no tests ran|\d+ (?:failed|passed|skipped|deselected|xfailed|xpassed|warnings?|errors?|rerun))(?:, \d+ \w+)*,? in [\d.]+ ?s",
    )
    .ok()
});
static PYTEST_COUNT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(\d+) (failed|passed|errors?)\b").ok());
static UNITTEST_END: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^Ran (\d+) tests? in [\d.]+s$").ok());
static UNITTEST_FAILED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^FAILED \((.*)\)$").ok());
static COUNT_OF: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|, )(?:failures|errors|unexpected successes)=(\d+)").ok());
static COLOUR: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\x1b\[[0-9;]*m").ok());

/// Signature and what a line must hold. The first five speak of the environment, the others may be the patch's doing;
/// all are advice, none decides (names as in SWE-bench 5).
const SIGNATURES: [(&str, &[&str]); 8] = [
    (
        "browser_launch_failed",
        &["Failed to launch the browser", "cannot find Chrome binary"],
    ),
    (
        "display_unavailable",
        &["cannot open display", "could not connect to display"],
    ),
    (
        "out_of_memory",
        &["MemoryError", "Cannot allocate memory", "Out of memory"],
    ),
    (
        "container_unavailable",
        &["No such container", "is not running"],
    ),
    (
        "network_unreachable",
        &[
            "Network is unreachable",
            "Temporary failure in name resolution",
            "Name or service not known",
        ],
    ),
    ("missing_module", &["ModuleNotFoundError: No module named"]),
    (
        "no_tests_collected",
        &["no tests ran", "collected 0 items", "NO TESTS RAN"],
    ),
    ("tests_timed_out", &["Timeout error: ", "Tests Timed Out"]),
];

/// Read a section's evidence; `first` is the number of its first line.
#[must_use]
pub(super) fn read(parser: Option<Parser>, text: &str, first: usize) -> Evidence {
    let mut out = Evidence::default();
    for (at, raw) in text.split('\n').enumerate() {
        let number = first + at;
        let line = match COLOUR.as_ref() {
            Some(colour) => colour.replace_all(raw, ""),
            None => raw.into(),
        };
        let line = line.trim_end();
        if line.starts_with('=') && line.contains(" short test summary info ") {
            out.summary = Some(number);
            out.closing = None;
            out.summaries += 1;
        }
        match parser {
            Some(Parser::Unittest | Parser::Django) => unittest_end(line, &mut out),
            Some(Parser::Sympy) => out.suite_ran |= line.contains("tests finished:"),
            _ => pytest_end(line, number, &mut out),
        }
        for (name, words) in SIGNATURES {
            if words.iter().any(|word| line.contains(word)) {
                out.infra.entry(name.to_owned()).or_insert(number);
            }
        }
    }
    out
}

fn pytest_end(line: &str, number: usize, out: &mut Evidence) {
    if !PYTEST_END.as_ref().is_some_and(|end| end.is_match(line)) {
        return;
    }
    out.suite_ran = true;
    out.closing.get_or_insert(number);
    let (mut passed, mut failing) = (0, 0);
    for found in PYTEST_COUNT
        .iter()
        .flat_map(|count| count.captures_iter(line))
    {
        let number = found.get(1).and_then(|n| n.as_str().parse::<u64>().ok());
        let number = number.unwrap_or_default();
        match found.get(2).map(|word| word.as_str()) {
            Some("passed") => passed += number,
            _ => failing += number,
        }
    }
    out.said = Some(passed);
    out.said_failing = Some(failing);
}

fn unittest_end(line: &str, out: &mut Evidence) {
    if let Some(found) = UNITTEST_END.as_ref().and_then(|end| end.captures(line)) {
        out.suite_ran = true;
        out.said = found.get(1).and_then(|n| n.as_str().parse().ok());
        // `OK` or `FAILED (…)` follows.
        out.said_failing = Some(0);
    } else if out.suite_ran
        && let Some(found) = UNITTEST_FAILED.as_ref().and_then(|end| end.captures(line))
    {
        let words = found.get(1).map_or("", |words| words.as_str());
        let counts = COUNT_OF.iter().flat_map(|count| count.captures_iter(words));
        let sum = counts
            .filter_map(|c| c.get(1)?.as_str().parse::<u64>().ok())
            .sum();
        out.said_failing = Some(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pytest_and_every_unittest_closing_line_is_known() {
        for log in [
            include_str!("../../tests/fixtures/grade/pytest-4.6.11-rA.log"),
            include_str!("../../tests/fixtures/grade/pytest-5.4.3-rA.log"),
            include_str!("../../tests/fixtures/grade/pytest-6.2.5-rA.log"),
            include_str!("../../tests/fixtures/grade/pytest-7.4.4-rA.log"),
            include_str!("../../tests/fixtures/grade/pytest-8.3.5-rA.log"),
            include_str!("../../tests/fixtures/grade/pytest-8.3.5-colour.log"),
            include_str!("../../tests/fixtures/grade/pytest-9.0.1-rA.log"),
        ] {
            let read = read(Some(Parser::Pytest), log, 1);
            assert!(read.suite_ran);
            assert_eq!((read.said, read.said_failing), (Some(8), Some(6)));
            assert_eq!(read.summaries, 1);
        }
        for log in [
            include_str!("../../tests/fixtures/grade/unittest-3.6.log"),
            include_str!("../../tests/fixtures/grade/unittest-3.13.log"),
        ] {
            let read = read(Some(Parser::Unittest), log, 1);
            assert!(read.suite_ran);
            assert_eq!((read.said, read.said_failing), (Some(20), Some(13)));
        }
    }

    #[test]
    fn a_broken_collection_still_counts_as_run_and_a_crash_does_not() {
        let broken = include_str!("../../tests/fixtures/grade/pytest-8.3.5-broken.log");
        let read_broken = read(Some(Parser::Pytest), broken, 1);
        assert!(read_broken.suite_ran);
        assert!(read_broken.infra.contains_key("missing_module"));
        assert!(!read(Some(Parser::Pytest), "Segmentation fault\n", 1).suite_ran);
        assert!(!read(Some(Parser::Unittest), "t (m.C) ... ok\n", 1).suite_ran);
    }
}
