//! R2E-Gym's rule: the map of statuses must equal the expected one, name by name, and none more.

use std::collections::BTreeMap;

use super::flag::Flag;
use super::grading::TestOutcome;
use super::rules::{Counted, Group};
use super::statuses::{Matched, Statuses};
use crate::task::Task;

/// Every expected test, and a flag for tests that nobody expected.
pub(super) fn compare(task: &Task, statuses: &Statuses) -> (Vec<TestOutcome>, Option<Flag>) {
    let mut expected: BTreeMap<String, String> = BTreeMap::new();
    for (name, status) in task.expected_output.iter().flatten() {
        let status = status
            .as_str()
            .map_or_else(|| status.to_string(), str::to_owned);
        expected.insert(bare(name), status);
    }
    let tests = expected
        .iter()
        .map(|(id, wanted)| {
            let entry = statuses.get(id);
            let passed = entry.is_some_and(|entry| entry.status.word() == wanted);
            TestOutcome {
                id: id.clone(),
                group: Group::Expected,
                status: entry.map(|entry| entry.status),
                passed,
                counted: if passed { Counted::Pass } else { Counted::Fail },
                line: entry.map(|entry| entry.line),
                matched: entry.map_or(Matched::Absent, |_| Matched::Exact),
                conflicting: entry.is_some_and(|entry| entry.conflicting),
                expected: Some(wanted.clone()),
            }
        })
        .collect();
    let count = statuses
        .iter()
        .filter(|(id, _)| !expected.contains_key(*id))
        .count();
    (
        tests,
        (count > 0).then_some(Flag::UnexpectedTests { count }),
    )
}

/// A name without colours and without a reason.
fn bare(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            out.push(c);
        }
    }
    out.split(" - ").next().unwrap_or_default().to_owned()
}
