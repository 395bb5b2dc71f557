//! Grading: run the task's own tests on a patch in a fresh sandbox, read the log, say what counted.
//!
//! Three steps that share nothing but values. [`plan()`] decides everything before a rollout: rule set, parser, test
//! command, files to reset; a row that can be read but not graded says so there ([`Ungradable`]). [`grade()`] carries
//! the plan out, command by command, and keeps the log. [`regrade()`] judges a log, fresh or stored: log and rules in,
//! [`Grading`] out, nothing run.
//!
//! What the tested code prints is hostile. The markers around the test output are written by the grader itself around
//! one command's captured output and carry a number that the sandbox never sees; what cannot be told from an honest
//! log inside them is at least noticed, see [`Flag`].
//!
//! This room knows nothing of agents, and it never grades in a sandbox that an agent used: the caller brings a fresh
//! one at the base commit.

mod apply;
mod check;
mod commands;
mod directives;
mod evaluate;
mod evidence;
mod expected;
mod facts;
mod flag;
mod flag_words;
mod forensics;
mod grading;
mod judge;
mod parser;
mod patch;
mod plan;
mod progress;
pub mod report;
mod row_script;
mod rules;
mod section;
mod shell;
mod spec;
mod status;
mod statuses;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use check::{Check, CheckRun, CheckVerdict, CheckedPatch, CheckedTest};
pub use evaluate::{grade, grade_unpatched, hide_changes, make_bug};
pub use evidence::Evidence;
pub use flag::Flag;
pub use grading::{Grading, TestOutcome};
pub use judge::regrade;
pub use parser::{Form, LogReader, Names, Parser, Reading, UnknownParser};
pub use patch::{Change, PatchFile, files as patch_files};
pub use plan::{Place, Plan, Ungradable, plan};
pub use progress::{Progress, Stage};
pub use row_script::RowScript;
pub use rules::{Counted, Group, RuleSet, UnknownRuleSet};
pub use spec::{Spec, image_for, spec, versions};
pub use status::Status;
pub use statuses::Matched;

/// What grading said. Kept apart from how the rollout ended; nothing collapses to `false`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Every `FAIL_TO_PASS` and `PASS_TO_PASS` test passed.
    Resolved,
    /// The tests ran and at least one that decides did not pass; or all did, and the pass was taken back because the
    /// patch stands in for the test runner or the log contradicts itself (the flags say which).
    Unresolved,
    /// There was nothing to grade.
    EmptyPatch,
    /// The patch does not apply to the base commit.
    PatchDoesNotApply {
        /// What git said.
        why: String,
    },
    /// The tests did not end in time.
    TimedOut {
        /// The limit, seconds.
        seconds: u64,
    },
    /// The machinery failed, not the patch.
    InfrastructureError {
        /// What failed.
        why: String,
    },
    /// No grading took place.
    NotGraded {
        /// Why.
        why: String,
    },
}
