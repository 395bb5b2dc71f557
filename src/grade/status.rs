//! What a log says of one test.
//!
//! The five words that every harness of this field knows, and the sixth that none of them does: `XPASS` is read, so
//! that it can be counted and shown, but no rule set takes it for a status (a test that has only that is missing).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Status of one test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It passed.
    Passed,
    /// An assertion failed.
    Failed,
    /// It, its set-up, its tear-down or its collection raised.
    Error,
    /// It was skipped.
    Skipped,
    /// It failed as it was expected to.
    Xfail,
    /// It passed though it was expected to fail. No rule set knows this word.
    Xpass,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Passed,
        Self::Failed,
        Self::Error,
        Self::Skipped,
        Self::Xfail,
        Self::Xpass,
    ];

    /// The word as pytest prints it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "PASSED",
            Self::Failed => "FAILED",
            Self::Error => "ERROR",
            Self::Skipped => "SKIPPED",
            Self::Xfail => "XFAIL",
            Self::Xpass => "XPASS",
        }
    }

    /// From pytest's word, exactly.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Whether a rule set knows the word (all but `XPASS`).
    #[must_use]
    pub fn known(self) -> bool {
        self != Self::Xpass
    }

    /// `FAILED` or `ERROR`.
    #[must_use]
    pub fn fails(self) -> bool {
        matches!(self, Self::Failed | Self::Error)
    }

    /// `PASSED` or `XFAIL`: what every SWE-bench harness takes for a pass.
    #[must_use]
    pub fn passes(self) -> bool {
        matches!(self, Self::Passed | Self::Xfail)
    }

    /// Where two lines speak of one test and the worse one counts: the higher, the worse.
    #[must_use]
    pub(crate) fn weight(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Xfail => 1,
            Self::Skipped => 2,
            Self::Xpass => 3,
            Self::Failed => 4,
            Self::Error => 5,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
