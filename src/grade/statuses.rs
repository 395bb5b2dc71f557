//! From readings to one status per test, and the look-up of a row's test id among them.
//!
//! Which of several lines counts is the parser's rule ([`Parser::later_wins`]); that they disagreed is kept. A row's id
//! may be cut (its brackets do not close): then it stands for every test whose name begins with it, and it counts only
//! if all of these count the same way.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::parser::{Form, Parser, Reading};
use super::status::Status;

/// How a row's test id was found in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "matched")]
pub enum Matched {
    /// By its name.
    Exact,
    /// The id is cut; that many tests begin with it, and they agree.
    Prefix {
        /// How many.
        candidates: usize,
    },
    /// The id is cut, and the tests that begin with it disagree: no match.
    Ambiguous {
        /// How many.
        candidates: usize,
    },
    /// Not in the log.
    Absent,
}

/// What the log says of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) status: Status,
    pub(super) line: usize,
    /// Two of its lines disagree.
    pub(super) conflicting: bool,
    /// The deciding line opens with the status.
    pub(super) form: Form,
    /// Last status by whole name, where the names are cut.
    wholes: HashMap<String, Status>,
}

/// Every name of a log.
#[derive(Debug, Default)]
pub(super) struct Statuses {
    entries: HashMap<String, Entry>,
    /// Lines that are about no test.
    pub(super) junk: usize,
    /// Lines with `XPASS`, which is no status.
    pub(super) xpass: usize,
}

/// A look-up's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) status: Option<Status>,
    pub(super) line: Option<usize>,
    pub(super) matched: Matched,
    pub(super) conflicting: bool,
    pub(super) form: Option<Form>,
}

impl Statuses {
    pub(super) fn new(parser: Parser, readings: &[Reading]) -> Self {
        let mut out = Self::default();
        for reading in readings {
            if reading.form == Form::Junk {
                out.junk += 1;
            } else if parser == Parser::Unittest || reading.status.known() {
                out.xpass += usize::from(!reading.status.known());
                out.take(parser, reading);
            } else {
                out.xpass += 1;
            }
        }
        out
    }

    fn take(&mut self, parser: Parser, reading: &Reading) {
        let entry = self
            .entries
            .entry(reading.id.clone())
            .or_insert_with(|| Entry {
                status: reading.status,
                line: reading.line,
                conflicting: false,
                form: reading.form,
                wholes: HashMap::new(),
            });
        entry.conflicting |= entry.status != reading.status;
        if parser.later_wins() || reading.status.weight() > entry.status.weight() {
            entry.status = reading.status;
            entry.line = reading.line;
            entry.form = reading.form;
        }
        if let Some(whole) = &reading.whole {
            entry.wholes.insert(whole.clone(), reading.status);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(id, entry)| (id.as_str(), entry))
    }

    pub(super) fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id)
    }

    pub(super) fn conflicting(&self) -> usize {
        self.entries
            .values()
            .filter(|entry| entry.conflicting)
            .count()
    }

    pub(super) fn failing(&self) -> usize {
        self.entries
            .values()
            .filter(|entry| entry.status.fails() || entry.status == Status::Xpass)
            .count()
    }

    /// Look a row's test up.
    pub(super) fn find(&self, id: &str) -> Found {
        match self.entries.get(id) {
            Some(entry) if !entry.wholes.is_empty() => {
                agree(entry, entry.wholes.values().copied(), entry.wholes.len())
            }
            Some(entry) => Found {
                status: Some(entry.status).filter(|status| status.known()),
                line: Some(entry.line),
                matched: Matched::Exact,
                conflicting: entry.conflicting,
                form: Some(entry.form),
            },
            None if is_cut(id) => self.by_prefix(id),
            None => absent(Matched::Absent),
        }
    }

    fn by_prefix(&self, id: &str) -> Found {
        let mut candidates: Vec<_> = self
            .entries
            .iter()
            .filter(|(name, _)| name.starts_with(id))
            .map(|(_, entry)| entry)
            .collect();
        candidates.sort_by_key(|entry| entry.line);
        match candidates.last() {
            Some(last) => agree(
                last,
                candidates.iter().map(|entry| entry.status),
                candidates.len(),
            ),
            None => absent(Matched::Absent),
        }
    }
}

/// Whether an id's brackets do not close: it was cut at a space when the dataset was made.
pub(super) fn is_cut(id: &str) -> bool {
    id.matches('[').count() > id.matches(']').count()
}

fn agree(entry: &Entry, all: impl Iterator<Item = Status>, candidates: usize) -> Found {
    // Passing with or without `xfail` is one way to count; so is failing and raising.
    let ways: BTreeSet<(bool, bool)> = all.map(|s| (s.passes(), s.fails())).collect();
    if ways.len() > 1 {
        return Found {
            conflicting: true,
            line: Some(entry.line),
            ..absent(Matched::Ambiguous { candidates })
        };
    }
    Found {
        status: Some(entry.status),
        line: Some(entry.line),
        matched: Matched::Prefix { candidates },
        conflicting: entry.conflicting,
        form: Some(entry.form),
    }
}

fn absent(matched: Matched) -> Found {
    Found {
        status: None,
        line: None,
        matched,
        conflicting: false,
        form: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parser::Names;
    use super::*;

    fn of(names: Names, log: &str) -> Statuses {
        Statuses::new(Parser::Pytest, &Parser::Pytest.read(names, log, 1))
    }

    #[test]
    fn the_later_line_counts_and_the_disagreement_is_kept() {
        let statuses = of(Names::Cut, "FAILED a::t - x\nERROR a::t - y\nPASSED a::u\n");
        let found = statuses.find("a::t");
        assert_eq!((found.status, found.line), (Some(Status::Error), Some(2)));
        assert!(found.conflicting);
        assert!(!statuses.find("a::u").conflicting);
        assert_eq!(statuses.find("a::v").matched, Matched::Absent);
    }

    #[test]
    fn a_cut_name_counts_only_if_its_tests_agree() {
        let both = "PASSED a::t[x 1]\nPASSED a::t[x 2]\n";
        let mixed = "FAILED a::t[x 1] - no\nPASSED a::t[x 2]\n";
        for names in [Names::Cut, Names::Whole] {
            let found = of(names, both).find("a::t[x");
            assert_eq!(
                found.matched,
                Matched::Prefix { candidates: 2 },
                "{names:?}"
            );
            assert_eq!(found.status, Some(Status::Passed));
            let found = of(names, mixed).find("a::t[x");
            assert_eq!(
                found.matched,
                Matched::Ambiguous { candidates: 2 },
                "{names:?}"
            );
            assert_eq!(found.status, None);
        }
    }

    #[test]
    fn an_id_whose_brackets_close_never_matches_by_prefix() {
        let found = of(Names::Whole, "PASSED a::test_long\n").find("a::test");
        assert_eq!(found.matched, Matched::Absent);
    }

    #[test]
    fn xpass_is_counted_and_is_no_status() {
        let statuses = of(Names::Cut, "XPASS a::t\nSKIPPED [1] a.py:3: x\n");
        assert_eq!((statuses.xpass, statuses.junk, statuses.len()), (1, 1, 0));
        assert_eq!(statuses.find("a::t").matched, Matched::Absent);
    }
}
