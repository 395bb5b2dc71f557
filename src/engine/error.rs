//! What can go wrong with a local model.

/// Each text says what, with numbers, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A device that is not there.
    #[error("{0}")]
    Device(String),
    /// A decoder that is not computed here, or numbers that make no sense.
    #[error("{origin}: {why}")]
    Config {
        /// The file.
        origin: String,
        /// Why.
        why: String,
    },
    /// Shards are missing.
    #[error(
        "{folder}: of {of} files of weights these are missing: {files}; download the model again"
    )]
    Missing {
        /// The model's folder.
        folder: String,
        /// How many there should be.
        of: usize,
        /// Which are not.
        files: String,
    },
    /// A file of weights is not what it should be.
    #[error("{origin}: {why}")]
    Weights {
        /// The file.
        origin: String,
        /// Why.
        why: String,
    },
    /// It does not fit.
    #[error("{0}")]
    Memory(String),
    /// A tokenizer cannot be had.
    #[error("{origin}: {why}")]
    Tokenizer {
        /// The file.
        origin: String,
        /// Why.
        why: String,
    },
    /// A chat template cannot be read, or refuses a conversation.
    #[error("the model's chat template: {0}")]
    Template(String),
    /// A grammar that cannot be read or followed.
    #[error("the grammar of the reply: {0}")]
    Grammar(String),
    /// A request that has no room.
    #[error("{0}")]
    TooLong(String),
    /// A computation that cannot be made or failed.
    #[error("the engine: {0}")]
    Computing(String),
    /// A kernel refused or failed.
    #[error("the engine: {0}")]
    Kernel(#[from] super::kernels::KernelError),
}

impl EngineError {
    /// With what lies behind it.
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(super) fn template(error: minijinja::Error) -> Self {
        let mut text = error.to_string();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(because) = cause {
            text = format!("{text}: {because}");
            cause = because.source();
        }
        Self::Template(text)
    }
}
