//! What a reader of a verdict should know besides the verdict.
//!
//! A flag states a fact with its count or its paths. Some facts contradict a pass ([`Flag::contradicts`]): a resolved
//! verdict that has one is shown as suspicious, and where the rules are ours to set it is not given (see
//! [`super::judge`]).

use serde::{Deserialize, Serialize};

/// One fact about a grading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "flag", rename_all = "snake_case")]
pub enum Flag {
    /// Text before the patch's first header was cut.
    JunkBeforePatch,
    /// The patch applied only after its `\r\n` had become `\n`.
    LineEndsChanged,
    /// `git apply` refused the patch; `patch --fuzz=5` took it.
    AppliedWithFuzz,
    /// The base commit is not in the repository; `HEAD` stood in for it.
    NoBaseCommit,
    /// The patch changes files that the test patch decides; these changes were thrown away.
    ChangesTestFiles {
        /// The files.
        paths: Vec<String>,
    },
    /// The patch changes files that steer the test runner.
    TouchesTestRunner {
        /// The files.
        paths: Vec<String>,
    },
    /// The patch adds modules that would stand in for the test runner or for what it imports.
    ShadowsTestRunner {
        /// The files.
        paths: Vec<String>,
    },
    /// The patch adds compiled Python files; they were removed, because one may be loaded in place of a test's source.
    CompiledFilesRemoved {
        /// The files.
        paths: Vec<String>,
    },
    /// The install command failed; the tests ran with what was installed before.
    InstallFailed {
        /// Its exit status.
        code: i32,
    },
    /// More was printed than is kept: the middle is missing.
    LogTruncated {
        /// Bytes.
        bytes: u64,
    },
    /// The log was written by another harness and is bounded by markers that its script printed, or not at all.
    ForeignLog,
    /// Lines in the test output look like markers; they were not believed.
    PrintedMarkers {
        /// How many.
        count: usize,
    },
    /// Non-zero exit status, yet no test failed.
    FailedWithoutFailure {
        /// Exit status.
        code: i32,
    },
    /// Exit status zero, yet deciding tests failed.
    PassedWithFailures {
        /// How many.
        count: usize,
    },
    /// No line of the log tells a status.
    NoStatus,
    /// The runner's closing line is missing.
    NoClosingLine,
    /// The runner's own count of passed tests is not what the lines add up to.
    CountsDisagree {
        /// The runner's.
        said: u64,
        /// Ours.
        read: u64,
    },
    /// Statuses stand outside pytest's closing summary: some program printed them.
    OutsideSummary {
        /// Lines.
        count: usize,
        /// Listed tests that were decided by one.
        deciding: usize,
    },
    /// More than one heading *short test summary info*.
    SeveralSummaries {
        /// How many.
        count: usize,
    },
    /// Ids that are cut at a space, matched by prefix.
    CutNames {
        /// How many.
        count: usize,
    },
    /// Cut ids whose tests disagree; they count as missing.
    AmbiguousNames {
        /// How many.
        count: usize,
    },
    /// Names with lines that disagree.
    Conflicting {
        /// How many, of all names in the log.
        count: usize,
        /// How many of these are listed tests.
        listed: usize,
    },
    /// `FAIL_TO_PASS` tests that were skipped.
    SkippedFailToPass {
        /// How many.
        count: usize,
    },
    /// Lines with `XPASS`, which no rule set knows.
    UnexpectedPasses {
        /// How many.
        count: usize,
    },
    /// Status lines about no test.
    JunkLines {
        /// How many.
        count: usize,
    },
    /// Tests that passed by being absent from the log.
    PassedByAbsence {
        /// `FAIL_TO_PASS` among them.
        fail_to_pass: usize,
        /// `PASS_TO_PASS` among them.
        pass_to_pass: usize,
    },
    /// Tests in the log that the expected map does not have.
    UnexpectedTests {
        /// How many.
        count: usize,
    },
    /// A line shows a mark of a broken machine.
    Infrastructure {
        /// SWE-bench 5's name of it.
        signature: String,
        /// Line of the log.
        line: usize,
    },
}

impl Flag {
    /// Whether it contradicts a resolved verdict.
    #[must_use]
    pub fn contradicts(&self) -> bool {
        match self {
            Self::ShadowsTestRunner { .. }
            | Self::PrintedMarkers { .. }
            | Self::FailedWithoutFailure { .. }
            | Self::NoStatus
            | Self::NoClosingLine
            | Self::CountsDisagree { .. }
            | Self::SeveralSummaries { .. }
            | Self::SkippedFailToPass { .. } => true,
            Self::OutsideSummary { deciding, .. } => *deciding > 0,
            Self::PassedByAbsence { fail_to_pass, .. } => *fail_to_pass > 0,
            _ => false,
        }
    }
}
