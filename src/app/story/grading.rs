//! A grading while it runs: stage, log lines so far, tests as they come in.

use std::collections::BTreeMap;

use crate::grade::{Progress, Stage, Status};

/// Lines of the running log that are kept to be shown; the whole log is in the file.
const MOST_LINES: usize = 2_000;
/// Tests that are held while they run. A command may print any number of names; no task has as many.
const MOST_TESTS: usize = 50_000;

/// What is known of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestState {
    /// Nothing yet.
    Unknown,
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was skipped, or its status counts for nothing.
    Other,
}

/// One test of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestNow {
    /// Its id.
    pub id: String,
    /// What is known.
    pub state: TestState,
    /// Line of the log behind it, from 1.
    pub line: Option<usize>,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct GradingNow {
    /// For tests as of a step: which.
    pub step: Option<u32>,
    /// What is done now.
    pub stage: Option<Stage>,
    /// Last lines of the log.
    pub lines: std::collections::VecDeque<String>,
    /// Lines that are not kept.
    pub dropped: usize,
    /// Tests that were named so far.
    pub seen: BTreeMap<String, TestState>,
}

impl GradingNow {
    pub(super) fn take(&mut self, progress: &Progress) {
        match progress {
            Progress::Stage(stage) => self.stage = Some(*stage),
            Progress::Line(line) => {
                self.lines.push_back(line.clone());
                if self.lines.len() > MOST_LINES {
                    self.lines.pop_front();
                    self.dropped += 1;
                }
            }
            Progress::Test { id, status } => {
                if self.seen.len() < MOST_TESTS || self.seen.contains_key(id) {
                    self.seen.insert(id.clone(), state_of(*status));
                }
            }
        }
    }
}

/// How a status is shown while nothing is judged yet.
#[must_use]
pub(super) fn state_of(status: Status) -> TestState {
    match status {
        Status::Passed | Status::Xfail => TestState::Passed,
        Status::Failed | Status::Error => TestState::Failed,
        Status::Skipped | Status::Xpass => TestState::Other,
    }
}
