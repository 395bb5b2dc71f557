//! What a grading said, whole.

use serde::{Deserialize, Serialize};

use super::Verdict;
use super::evidence::Evidence;
use super::flag::Flag;
use super::parser::Parser;
use super::rules::{Counted, Group, RuleSet};
use super::status::Status;
use super::statuses::Matched;
use crate::sandbox::SandboxReport;

/// What a grading said, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grading {
    /// The verdict.
    pub verdict: Verdict,
    /// Under which rules.
    pub rules: RuleSet,
    /// How the log was read.
    pub parser: Option<Parser>,
    /// Every listed test, in the row's order.
    pub tests: Vec<TestOutcome>,
    /// Facts that a reader should know.
    pub flags: Vec<Flag>,
    /// Resolved, yet a flag contradicts it.
    pub suspicious: bool,
    /// Exit status of the test command.
    pub exit_code: Option<i32>,
    /// Names in the log, listed or not.
    pub names: usize,
    /// What the log says of the run as a whole.
    pub evidence: Evidence,
    /// Wall time of the grading; zero for a log that was only judged.
    pub seconds: f64,
    /// What ran as the tests.
    pub script: String,
    /// Where it ran; `None` for a log that was only judged.
    pub sandbox: Option<SandboxReport>,
    /// The whole log. Long; a store may keep it beside and leave this empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub raw_log: String,
}

/// One listed test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestOutcome {
    /// As the row spells it.
    pub id: String,
    /// Its list.
    pub group: Group,
    /// What the log says; `None` if nothing.
    pub status: Option<Status>,
    /// It counts for the patch.
    pub passed: bool,
    /// How it counts.
    pub counted: Counted,
    /// The line of the log behind the status, from 1.
    pub line: Option<usize>,
    /// How it was found.
    #[serde(flatten)]
    pub matched: Matched,
    /// Lines about it disagree.
    pub conflicting: bool,
    /// R2E-Gym: the status that it had to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
}

impl Grading {
    /// A grading that ended before any test.
    pub(super) fn ended(verdict: Verdict, rules: RuleSet, raw_log: String) -> Self {
        Self {
            verdict,
            rules,
            parser: None,
            tests: Vec::new(),
            flags: Vec::new(),
            suspicious: false,
            exit_code: None,
            names: 0,
            evidence: Evidence::default(),
            seconds: 0.0,
            script: String::new(),
            sandbox: None,
            raw_log,
        }
    }

    /// Passed and all tests of a list.
    #[must_use]
    pub fn tally(&self, group: Group) -> (usize, usize) {
        let of = self.tests.iter().filter(|test| test.group == group);
        let passed = of.clone().filter(|test| test.passed).count();
        (passed, of.count())
    }
}
