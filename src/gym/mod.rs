//! The gym: small repair tasks made by a seed, and an expert that shows how they are solved.
//!
//! ```text
//! seed, number ─▶ program (functions from shapes, one fault) ─▶ prove: run it ─▶ row (SWE-Gym's format, files inside)
//!                                                                                     │
//!                       store of demonstrations ◀─ the real loop ◀─ expert's plan ◀───┤ gold patch
//!                                     a model's attempts that failed, step by step ───┘ (where there are any)
//! ```
//!
//! A task is a few functions with one fault of a [`Fault`] family, at a level from 1 to 4. The splits own **bodies**: a function belongs
//! to the split that the fingerprint of its normal body says (`Split::owns`), whatever the seed, so no function of one split, right or
//! with its fault, stands in another. (What a function becomes by a mistake that the expert makes on purpose is not looked at: now and then
//! that is a function of another split.) Everything follows from seed and number: the same call makes the same rows.
//!
//! It does not train and judges nothing: rows go through the loader, the loop and the grader that all tasks go through.

mod attempt;
mod calls;
mod demonstrate;
mod edit;
mod expert;
mod issue;
mod make;
mod mistake;
mod program;
mod prove;
mod random;
mod row;
mod script;
mod shapes;
mod sketch;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::sandbox::SandboxError;

pub use attempt::PassedOver;
pub use demonstrate::{Demonstrations, Planned, SCAFFOLD, demonstrations};
pub use make::{Order, Progress, make};

/// The families of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// `<` where `<=` is meant.
    Comparison,
    /// One too few, one too many, one beside.
    OffByOne,
    /// Another name than the one that is meant.
    Variable,
    /// A wrong number.
    Constant,
    /// `+` where `-` is meant, `and` for `or`, `max` for `min`.
    Operator,
    /// A case that should be treated apart is not.
    Guard,
    /// Two things in the wrong order.
    Swap,
    /// Something else is returned than what was worked out.
    Return,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Comparison,
        Self::OffByOne,
        Self::Variable,
        Self::Constant,
        Self::Operator,
        Self::Guard,
        Self::Swap,
        Self::Return,
    ];

    /// As it stands in ids and lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Comparison => "comparison",
            Self::OffByOne => "off-by-one",
            Self::Variable => "variable",
            Self::Constant => "constant",
            Self::Operator => "operator",
            Self::Guard => "guard",
            Self::Swap => "swap",
            Self::Return => "return",
        }
    }

    /// By the letter that marks its sites.
    fn of_letter(letter: &str) -> Option<Self> {
        Some(match letter {
            "c" => Self::Comparison,
            "o" => Self::OffByOne,
            "v" => Self::Variable,
            "k" => Self::Constant,
            "p" => Self::Operator,
            "s" => Self::Swap,
            "r" => Self::Return,
            _ => return None,
        })
    }
}

/// What tasks are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// To learn from.
    Train,
    /// To choose settings by.
    Validation,
    /// To measure with, and nothing else.
    HeldOut,
}

impl Split {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::HeldOut];

    /// As it stands in rows and on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::HeldOut => "held-out",
        }
    }

    /// Whether a function with this normal body belongs here: one in ten is validation's, one in ten held out.
    fn owns(self, normal: &str) -> bool {
        let owner = match sketch::fingerprint(normal) % 10 {
            0 => Self::HeldOut,
            1 => Self::Validation,
            _ => Self::Train,
        };
        owner == self
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Split {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|split| split.name() == text);
        known.ok_or_else(|| {
            format!("`{text}` is no split; there are train, validation and held-out")
        })
    }
}

/// Highest level of difficulty; the lowest is 1.
pub const LEVELS: u8 = 4;

/// The level and the family of faults that an instance id of the gym names: `gym__l2-swap-h1-00012`.
#[must_use]
pub fn of_id(instance_id: &str) -> Option<(u8, &'static str)> {
    let rest = instance_id.strip_prefix("gym__l")?;
    let (level, rest) = rest.split_once('-')?;
    let fault = Fault::ALL
        .into_iter()
        .find(|fault| rest.starts_with(fault.name()))?;
    Some((level.parse().ok()?, fault.name()))
}

/// Why tasks or demonstrations could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// Something cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The sandbox that programs are run in failed.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Python ended badly.
    #[error("python3, which runs the programs, ended with status {status}: {why}")]
    Python {
        /// Its status.
        status: i32,
        /// The last line that it said.
        why: String,
    },
    /// No program of the kind can be drawn.
    #[error(
        "no task of level {level} could be made for number {number} of seed {seed}: try another seed"
    )]
    NoTask {
        /// Level.
        level: u8,
        /// Seed.
        seed: u64,
        /// Number.
        number: u64,
    },
    /// A row is none of the gym's, or none that can be demonstrated.
    #[error("{0}")]
    Row(String),
}
