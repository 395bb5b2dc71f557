//! The parts that every new repository of a task has in common: a bare minimum of git, checked out and clean.

use std::path::{Path, PathBuf};

use git2::build::CheckoutBuilder;
use git2::{Oid, Repository, RepositoryInitOptions};

/// Why a task's repository could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MaterialiseError {
    /// Something is there already.
    #[error("{}: a repository is only made in a folder that is empty or not there yet", .0.display())]
    NotEmpty(PathBuf),
    /// The task does not belong to what it should be made from.
    #[error("{0}")]
    NoSuchTask(String),
    /// The clone does not have the base commit.
    #[error("{}: the clone does not have commit {commit}; bring it up to date with `git fetch --tags origin`", clone.display())]
    NoCommit {
        /// The clone.
        clone: PathBuf,
        /// What it should have.
        commit: String,
    },
    /// The clone has the commit but not all that it reaches.
    #[error("{}: objects are missing from the clone; a clone made with `--filter` will not do, make a full one", clone.display())]
    Partial {
        /// The clone.
        clone: PathBuf,
    },
    /// What was made is not what the row says.
    #[error("{what}: the tree gives commit {made}, but the row says {expected}")]
    WrongCommit {
        /// The task.
        what: String,
        /// Id of the commit made.
        made: String,
        /// `base_commit`.
        expected: String,
    },
    /// libgit2 failed.
    #[error("{what}: {}", source.message())]
    Git {
        /// What was being done.
        what: String,
        /// Cause.
        source: git2::Error,
    },
    /// The file system failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// Path.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
}

/// For `map_err`: a libgit2 error with what was being done.
pub(super) fn git(what: impl Into<String>) -> impl FnOnce(git2::Error) -> MaterialiseError {
    let what = what.into();
    move |source| MaterialiseError::Git { what, source }
}

/// For `map_err`: an I/O error with its path.
pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> MaterialiseError + use<> {
    let path = path.to_owned();
    move |source| MaterialiseError::Io { path, source }
}

/// An empty repository on branch `main` without hooks, templates or remotes.
fn init(dest: &Path) -> Result<Repository, MaterialiseError> {
    std::fs::create_dir_all(dest).map_err(io(dest))?;
    if std::fs::read_dir(dest).map_err(io(dest))?.next().is_some() {
        return Err(MaterialiseError::NotEmpty(dest.to_owned()));
    }
    let mut options = RepositoryInitOptions::new();
    options.external_template(false).initial_head("main");
    let what = || git(format!("{}: a repository cannot be made", dest.display()));
    let repo = Repository::init_opts(dest, &options).map_err(what())?;
    let mut config = repo.config().map_err(what())?;
    // The files must be the tree's, whatever the user's own git would convert.
    config.set_bool("core.autocrlf", false).map_err(what())?;
    for leftover in ["hooks", "description"] {
        let path = repo.path().join(leftover);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).map_err(io(&path))?;
        } else if path.exists() {
            std::fs::remove_file(&path).map_err(io(&path))?;
        }
    }
    Ok(repo)
}

/// Make a repository at `dest` by `fill`, or leave nothing behind.
pub(super) fn make(
    dest: &Path,
    fill: impl FnOnce(Repository) -> Result<(), MaterialiseError>,
) -> Result<(), MaterialiseError> {
    let made = init(dest).and_then(fill);
    if made.is_err() && !matches!(made, Err(MaterialiseError::NotEmpty(_))) {
        // The folder was empty; a half repository would be in the way of the next attempt.
        let _ = std::fs::remove_dir_all(dest);
    }
    made
}

/// Point `main` and HEAD at a commit, write its files and an index that agrees with them.
pub(super) fn check_out(repo: &Repository, commit: Oid) -> Result<(), MaterialiseError> {
    let what = || git(format!("commit {commit} cannot be checked out"));
    repo.reference("refs/heads/main", commit, true, "base commit")
        .map_err(what())?;
    repo.set_head("refs/heads/main").map_err(what())?;
    let mut checkout = CheckoutBuilder::new();
    checkout.force();
    repo.checkout_head(Some(&mut checkout)).map_err(what())
}
