//! Trajectories: what happened, written down before anybody sees it.
//!
//! Mental model: a rollout is a folder with `events.jsonl`, one [`Record`] a line, only ever appended to. Everything
//! else (the screen, grading's summary, training data, a resume) is a reading of that file; [`fold`] is the reading that
//! a resume and a summary share. A message is stored once; each model call names the messages it sent, the tools, the
//! settings and the hash of the request, so that [`request`] can rebuild what the model saw byte for byte.
//!
//! Not here: who writes which event when (the rollout), and what an agent or a sandbox is.

pub mod comparison;
pub mod event;
pub mod fold;
pub mod follow;
pub mod index;
pub mod request;
pub mod store;
pub mod writer;

pub use event::{Author, Ended, Event, Origin, Record};
pub use store::{RolloutId, Store};
pub use writer::Writer;

/// What can go wrong with the files of a store.
#[derive(Debug, thiserror::Error)]
pub enum TrajectoryError {
    /// Reading or writing failed; nothing that was written before is lost.
    #[error("{path}: {what}: {source}")]
    File {
        /// Which file.
        path: String,
        /// What was being done.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// A line that is whole but cannot be understood.
    #[error("{path}:{line}: not an event: {why}; the lines before it can still be read")]
    Line {
        /// Which file.
        path: String,
        /// 1-based.
        line: usize,
        /// The cause.
        why: String,
    },
    /// Another process has it open for writing.
    #[error("rollout {0} is being run by another process")]
    Busy(String),
    /// No rollout goes by that name.
    #[error("{0}")]
    Unknown(String),
}
