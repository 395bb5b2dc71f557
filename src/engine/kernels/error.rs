//! What can go wrong in a kernel: a shape that does not fit, a format that is not known, a thread that failed.
//!
//! All checks are made before any arithmetic starts; no kernel fails half way but for a panic in a thread.

use std::fmt;

/// Why a kernel, a packing or a pool refused.
#[derive(Debug)]
pub enum KernelError {
    /// Two sizes that must agree do not.
    Shape {
        /// What was measured.
        what: &'static str,
        /// The size that the other arguments ask for.
        expected: usize,
        /// The size that was given.
        found: usize,
    },
    /// The number of columns is not a multiple of the format's block.
    Block {
        /// Columns of the matrix.
        columns: usize,
        /// Values in one block.
        block: usize,
    },
    /// A matrix too large to address.
    TooLarge,
    /// A tier that this processor lacks, or a name that is none.
    Tier(String),
    /// A thread could not be started.
    Thread(std::io::Error),
    /// A thread panicked while it worked; the outputs of that call are undefined.
    Panicked,
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape {
                what,
                expected,
                found,
            } => {
                write!(f, "{what}: expected {expected}, found {found}")
            }
            Self::Block { columns, block } => {
                write!(
                    f,
                    "{columns} columns are not a multiple of the block of {block}"
                )
            }
            Self::TooLarge => write!(f, "the matrix is too large"),
            Self::Tier(name) => write!(
                f,
                "CPU tier `{name}` is not available here; known are portable, avx2 and avx512"
            ),
            Self::Thread(error) => write!(f, "a thread could not be started: {error}"),
            Self::Panicked => write!(f, "a thread panicked while it worked"),
        }
    }
}

impl std::error::Error for KernelError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Thread(error) => Some(error),
            _ => None,
        }
    }
}

/// `Ok` where `found` is `expected`.
pub(super) fn same(what: &'static str, expected: usize, found: usize) -> Result<(), KernelError> {
    if expected == found {
        Ok(())
    } else {
        Err(KernelError::Shape {
            what,
            expected,
            found,
        })
    }
}
