//! Files of the Hugging Face hub: resolve, download, resume, verify, cache.
//!
//! The cache has the layout that every other tool of the field uses, so that nothing is downloaded twice:
//!
//! ```text
//! $HF_HOME/hub/datasets--org--name/
//!     refs/main                      the commit that a branch or tag had when it was last asked for
//!     blobs/<etag>                   content, named by its hash
//!     snapshots/<commit>/<path>      a relative link to a blob
//! ```
//!
//! [`Hub::resolve`] turns a revision into a commit and its list of files ([`Snapshot`]); [`Hub::file`] gives one file's
//! path in the cache, downloading it if need be: resumed where an earlier download broke off, checked against size
//! and hash, under a lock that other processes and the Python client honour. Without a network (or with `HF_HUB_OFFLINE`) what is in
//! the cache is used. This room does not know what the files are for.

mod api;
mod cache;
mod download;
mod error;
pub mod http;
#[cfg(test)]
pub(crate) mod scripted;
mod settings;
pub mod splits;
mod verify;

use std::fmt;
use std::path::PathBuf;

pub(crate) use cache::check_name;
pub use error::HubError;
pub use settings::Settings;

/// What is heard while files are brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News<'a> {
    /// A file comes.
    Coming {
        /// Its path in the repository.
        file: &'a str,
        /// Bytes that are here.
        done: u64,
        /// Bytes it will be, if known.
        total: Option<u64>,
    },
    /// The hub was asked and did not answer for this repository: what the cache has of it is taken, which may be old.
    Cached {
        /// The repository.
        repo: &'a Repo,
        /// What the hub said instead.
        why: &'a str,
    },
}

/// Hears of it.
pub type Progress<'a> = dyn Fn(News<'_>) + Send + Sync + 'a;

/// What a repository of the hub holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RepoKind {
    /// Rows.
    Dataset,
    /// Weights.
    Model,
}

/// A repository of the hub.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repo {
    /// What it holds.
    pub kind: RepoKind,
    /// `org/name`.
    pub id: String,
}

impl Repo {
    /// A dataset.
    #[must_use]
    pub fn dataset(id: &str) -> Self {
        Self {
            kind: RepoKind::Dataset,
            id: id.to_owned(),
        }
    }

    /// A model.
    #[must_use]
    pub fn model(id: &str) -> Self {
        Self {
            kind: RepoKind::Model,
            id: id.to_owned(),
        }
    }

    /// `datasets` or `models`, as in the cache and the API.
    fn plural(&self) -> &'static str {
        match self.kind {
            RepoKind::Dataset => "datasets",
            RepoKind::Model => "models",
        }
    }

    fn check(&self) -> Result<(), HubError> {
        let word = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && !part.contains("..")
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        let parts: Vec<&str> = self.id.split('/').collect();
        if parts.len() <= 2 && parts.into_iter().all(word) {
            Ok(())
        } else {
            Err(HubError::Name(self.id.clone()))
        }
    }
}

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RepoKind::Dataset => write!(f, "dataset {}", self.id),
            RepoKind::Model => write!(f, "model {}", self.id),
        }
    }
}

/// A repository at one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Which repository.
    pub repo: Repo,
    /// 40 hex digits.
    pub commit: String,
    /// Paths of its files; of those in the cache only, where `from_cache`.
    pub files: Vec<String>,
    /// Why the hub did not answer, where this is what the cache knows.
    pub from_cache: Option<String>,
}

/// Why the hub is not asked at all.
const OFFLINE: &str = "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set";

/// A client of one hub with one cache.
#[derive(Debug, Clone)]
pub struct Hub {
    settings: Settings,
    clients: http::Clients,
}

impl Hub {
    /// With the settings of the environment.
    ///
    /// # Errors
    /// Where there is no place for a cache, or TLS cannot be set up.
    pub fn from_env() -> Result<Self, HubError> {
        Self::new(Settings::from_env()?)
    }

    /// With settings of the caller's.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn new(settings: Settings) -> Result<Self, HubError> {
        let clients = http::Clients::new()?;
        Ok(Self { settings, clients })
    }

    /// Turn a revision (branch, tag, commit; `main` where none is given) into a commit and its files. Where the hub cannot be
    /// reached, is in trouble or lets nobody in, the cache answers for what it has, and `progress` hears of that.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn resolve(
        &self,
        repo: &Repo,
        revision: Option<&str>,
        progress: &Progress<'_>,
    ) -> Result<Snapshot, HubError> {
        repo.check()?;
        let revision = revision.unwrap_or("main");
        if self.settings.offline {
            return cache::snapshot(&self.settings.cache, repo, revision, OFFLINE)
                .ok_or_else(|| HubError::offline(&repo.to_string(), OFFLINE));
        }
        match api::resolve(self, repo, revision).await {
            Ok(snapshot) => {
                cache::remember(&self.settings.cache, repo, revision, &snapshot.commit)?;
                Ok(snapshot)
            }
            Err(error) if error.leaves_the_cache() => {
                let why = error.to_string();
                let known = cache::snapshot(&self.settings.cache, repo, revision, &why);
                if known.is_some() {
                    progress(News::Cached { repo, why: &why });
                }
                known.ok_or_else(|| match error {
                    HubError::Unreachable { why, .. } => HubError::offline(&repo.to_string(), &why),
                    other => other,
                })
            }
            Err(other) => Err(other),
        }
    }

    /// The path of one file, downloaded if it is not in the cache.
    ///
    /// # Errors
    /// See [`HubError`]. What was downloaded before an error is kept and resumed next time, unless its hash is wrong.
    pub async fn file(
        &self,
        snapshot: &Snapshot,
        name: &str,
        progress: &Progress<'_>,
    ) -> Result<PathBuf, HubError> {
        cache::check_name(name)?;
        let pointer = cache::pointer(&self.settings.cache, &snapshot.repo, &snapshot.commit, name);
        if pointer.exists() {
            return Ok(pointer);
        }
        if self.settings.offline {
            let what = format!("`{name}` of {}", snapshot.repo);
            return Err(HubError::offline(&what, OFFLINE));
        }
        download::file(self, snapshot, name, &pointer, progress).await?;
        Ok(pointer)
    }
}

#[cfg(test)]
mod tests;
