//! What can go wrong with the hub, and what to do about it.

use std::path::{Path, PathBuf};

/// Why a file of the hub cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Not a repository's name.
    #[error("`{0}` is not a name of the hub; it looks like `org/name`")]
    Name(String),
    /// A path that would leave its folder.
    #[error("`{0}` is not a path of a file in a repository")]
    Path(String),
    /// Not in the cache, and the hub cannot be asked.
    #[error(
        "{what} is not in the cache and cannot be downloaded: {why}; go online once, or download it elsewhere with `hf download` and point HF_HOME at that cache"
    )]
    Offline {
        /// File or repository.
        what: String,
        /// Why there is no asking.
        why: String,
    },
    /// No connection; whoever asked may look into the cache.
    #[error("{what}: the hub cannot be reached: {why}")]
    Unreachable {
        /// File or repository.
        what: String,
        /// Cause.
        why: String,
    },
    /// 401: no token or a wrong one; the hub also says so of repositories that do not exist.
    #[error(
        "{what}: the hub wants a token (401), or there is no such repository; check the name, then set HF_TOKEN or run `hf auth login`"
    )]
    Token {
        /// File or repository.
        what: String,
    },
    /// 403 of a repository with terms.
    #[error(
        "{what} is gated: accept its terms at {page}, then set HF_TOKEN to a token of that account"
    )]
    Gated {
        /// File or repository.
        what: String,
        /// Where to accept.
        page: String,
    },
    /// 403 for another reason.
    #[error("{what}: the token may not read it (403)")]
    Forbidden {
        /// File or repository.
        what: String,
    },
    /// 404.
    #[error("{what} does not exist on the hub (404); check name, revision and file")]
    NotFound {
        /// File, revision or repository.
        what: String,
    },
    /// Any other answer.
    #[error("{what}: the hub answered {status}: {message}")]
    Status {
        /// File or repository.
        what: String,
        /// HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// An answer that is not what the hub's API says.
    #[error("{what}: the hub's answer cannot be understood: {why}")]
    Answer {
        /// File or repository.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// The content does not have the size or the hash that the hub names.
    #[error(
        "{what}: what was downloaded has {found}, but the hub says {expected}; it was deleted: try again, and if it happens again look \
         at what stands in between (a proxy, the mirror in HF_ENDPOINT)"
    )]
    Corrupt {
        /// File.
        what: String,
        /// Size or hash, as the hub says it.
        expected: String,
        /// Size or hash of what came.
        found: String,
    },
    /// Which file to read is not clear.
    #[error("{0}")]
    Unclear(String),
    /// The cache cannot be written or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Path.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// TLS or the client cannot be set up.
    #[error("HTTPS cannot be set up: {0}")]
    Setup(String),
    /// No folder for a cache.
    #[error("there is no home folder to keep downloads in; set HF_HOME")]
    NoHome,
}

impl HubError {
    pub(super) fn offline(what: &str, why: &str) -> Self {
        Self::Offline {
            what: what.to_owned(),
            why: why.to_owned(),
        }
    }

    /// Whether the cache may answer instead: the hub was not reached, is in trouble, or lets nobody in, which says nothing of
    /// files that are here already. What does not exist there is another matter.
    pub(super) fn leaves_the_cache(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Token { .. }
            | Self::Gated { .. }
            | Self::Forbidden { .. } => true,
            Self::Status { status, .. } => may_pass(*status),
            _ => false,
        }
    }

    /// For `map_err`: an I/O error with its path.
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Whether a status says that the same may be answered in a moment.
pub(super) fn may_pass(status: u16) -> bool {
    status >= 500 || matches!(status, 408 | 429)
}
