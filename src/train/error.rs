//! What can go wrong in training, each in a sentence.

use crate::engine::EngineError;
use crate::engine::kernels::KernelError;
use crate::trajectory::TrajectoryError;

/// Why there is no training, or no more of it.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Sizes that are not trained here.
    #[error("the model's shape: {0}")]
    Shape(String),
    /// A token beyond the embedding.
    #[error(
        "token {0} is beyond the {1} rows of the embedding: the rows were made with another tokenizer"
    )]
    Token(u32, usize),
    /// Nothing to learn from.
    #[error("{origin}: nothing to learn from: {why}")]
    Nothing {
        /// Where it was looked for.
        origin: String,
        /// What was found instead.
        why: String,
    },
    /// A line of a conversations file.
    #[error("{path}:{line}: no conversation: {why}")]
    Conversation {
        /// The file.
        path: String,
        /// 1-based.
        line: usize,
        /// The cause.
        why: String,
    },
    /// The vocabulary could not be learned.
    #[error("the vocabulary could not be learned: {0}")]
    Vocabulary(String),
    /// A policy that no run can begin with.
    #[error("{folder}: no run can begin with it: {why}")]
    Start {
        /// Which.
        folder: String,
        /// The cause.
        why: String,
    },
    /// A checkpoint that does not fit.
    #[error("{path}: {why}")]
    Checkpoint {
        /// Which.
        path: String,
        /// The cause and what to do.
        why: String,
    },
    /// A folder that holds something else than a run of ours.
    #[error(
        "{folder}: it holds a model ({what}) and no checkpoint to go on from: name another --out"
    )]
    Taken {
        /// Which.
        folder: String,
        /// A file of the model.
        what: String,
    },
    /// A folder in which another process trains.
    #[error("{0}: another training writes to it: wait for its end or name another --out")]
    Busy(String),
    /// The loss is no number any more.
    #[error(
        "the loss is no number after step {step}: begin anew with a smaller --rate and another --out{}",
        whole(*kept)
    )]
    Diverged {
        /// When.
        step: u64,
        /// Last checkpoint; 0 is none.
        kept: u64,
    },
    /// Reading or writing failed.
    #[error("{path}: {what}: {source}")]
    File {
        /// Which file.
        path: String,
        /// What was being done.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// A kernel refused.
    #[error("a training step failed: {0}")]
    Kernel(#[from] KernelError),
    /// The tokenizer or the template refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store could not be read.
    #[error(transparent)]
    Trajectory(#[from] TrajectoryError),
}

/// What there is of a run that went wrong.
fn whole(kept: u64) -> String {
    match kept {
        0 => String::new(),
        step => format!("; the checkpoint of step {step} is whole"),
    }
}

/// For `map_err`.
pub(super) fn file(
    path: &std::path::Path,
    what: &'static str,
) -> impl FnOnce(std::io::Error) -> TrainError {
    let path = path.display().to_string();
    move |source| TrainError::File { path, what, source }
}
