//! Grading: run the task's own tests on a patch in a fresh sandbox, read the log, say what counted.
//!
//! This room knows nothing of agents.

use serde::{Deserialize, Serialize};

/// What grading said. Kept apart from how the rollout ended; nothing collapses to `false`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Every FAIL_TO_PASS and PASS_TO_PASS test passed.
    Resolved,
    /// The tests ran and at least one that decides did not pass.
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
