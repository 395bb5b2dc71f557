//! What acts where nobody said: a model and a scaffold that go with a source of tasks.
//!
//! The gym's tasks are there for the bundled policy and speak the scaffold that it learned; for all others there is a
//! scaffold that any capable model understands, and no model to propose.

use crate::model::bundled;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposal {
    /// `--model` text, where there is one to propose.
    pub model: Option<&'static str>,
    /// `--scaffold` text.
    pub scaffold: &'static str,
}

/// The tasks that come with spotter and that the bundled policy may solve (`--tasks` text).
pub const GYM: &str = "gym";
/// The scaffold that the bundled policy learned, and the gym's expert speaks.
pub const GYM_SCAFFOLD: &str = "gym";
/// The tasks that come with spotter for larger models and for people.
pub const SAMPLE: &str = "sample";

/// For a source of tasks (`--tasks` text).
#[must_use]
pub fn proposed(tasks: &str) -> Proposal {
    if tasks == GYM {
        Proposal {
            model: Some(bundled::NAME),
            scaffold: GYM_SCAFFOLD,
        }
    } else {
        Proposal {
            model: None,
            scaffold: "codeact",
        }
    }
}
