//! The ground that rollouts and gradings of one task stand on: which base or image, which kind of sandbox, and the
//! laying out of base folders in the store, once per task.

use std::path::{Path, PathBuf};

use super::RolloutError;
use crate::sandbox::{Base, Kind, Limits, Spec};
use crate::task::{self, Family, Task};

/// How sandboxes for a task are made.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Kind.
    pub kind: Kind,
    /// What the workspace starts from.
    pub base: Base,
    /// Docker image.
    pub image: Option<String>,
    /// Folder of clones that the base was laid out from.
    pub repos: Option<PathBuf>,
    /// Network.
    pub network: bool,
    /// Limits.
    pub limits: Limits,
    /// Snapshot ignored files, too.
    pub snapshot_ignored: bool,
    /// Folder of bases and of what sandboxes of one image share.
    pub cache: PathBuf,
}

/// What the command line says about sandboxes.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// Kind.
    pub kind: Kind,
    /// Folder of clones, for rows without an image here.
    pub repos: Option<PathBuf>,
    /// Image for tasks whose repository is laid out from a folder.
    pub image: Option<String>,
    /// Network.
    pub network: bool,
    /// Limits.
    pub limits: Limits,
    /// Snapshot ignored files, too.
    pub snapshot_ignored: bool,
}

impl Wishes {
    /// Where the grader will work, as far as it is decided by these.
    #[must_use]
    pub fn place(&self) -> crate::grade::Place {
        crate::grade::Place {
            kind: self.kind,
            image: self.image.clone(),
            laid_out: self.repos.is_some(),
        }
    }
}

impl Ground {
    /// Find or lay out what a task needs. Blocking.
    pub fn lay(
        task: &Task,
        wishes: &Wishes,
        images: &[String],
        bases: &Path,
    ) -> Result<Self, RolloutError> {
        let base = if task.family == Family::Sample || wishes.repos.is_some() {
            Base::Folder(base_folder(task, wishes.repos.as_deref(), bases)?)
        } else if wishes.kind == Kind::Docker {
            Base::Image
        } else {
            return Err(RolloutError::Ground(format!(
                "{} needs its image (--sandbox docker) or a clone of {} (--repos DIR, with DIR/{})",
                task.instance_id,
                task.repo,
                task.repo.replace('/', "__")
            )));
        };
        let image = match (&wishes.image, wishes.kind) {
            (_, Kind::Local) => None,
            (Some(image), Kind::Docker) => Some(image.clone()),
            (None, Kind::Docker) => match images.first() {
                Some(image) => Some(image.clone()),
                None => {
                    return Err(RolloutError::Ground(format!(
                        "no Docker image is known for {}: name one with --image (it needs bash, git and python3)",
                        task.instance_id
                    )));
                }
            },
        };
        Ok(Self {
            kind: wishes.kind,
            base,
            image,
            repos: wishes.repos.clone(),
            network: wishes.network,
            limits: wishes.limits.clone(),
            snapshot_ignored: wishes.snapshot_ignored,
            cache: bases.to_path_buf(),
        })
    }

    /// The spec of one sandbox on this ground.
    #[must_use]
    pub fn spec(&self, state: PathBuf, owner: &str) -> Spec {
        Spec {
            kind: self.kind,
            base: self.base.clone(),
            image: self.image.clone(),
            state,
            cache: self.cache.clone(),
            owner: owner.to_owned(),
            network: self.network,
            limits: self.limits.clone(),
            snapshot_ignored: self.snapshot_ignored,
        }
    }
}

/// Beginning of the names of bases that are being laid out.
const PART: &str = ".part-";

/// The file that is locked, shared, by everybody who lays out a base.
fn lock(bases: &Path) -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(bases.join("lock"))
}

/// Remove bases that a killed program had begun to lay out, where nobody lays one out now.
pub(super) fn sweep_bases(bases: &Path) {
    let parts: Vec<PathBuf> = std::fs::read_dir(bases)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PART))
        .map(|entry| entry.path())
        .collect();
    if parts.is_empty() {
        return;
    }
    let Ok(lock) = lock(bases) else { return };
    if lock.try_lock().is_ok() {
        for part in parts {
            let _ = crate::sandbox::clear(&part);
        }
    }
}

/// The task's base in the store; laid out beside and moved into place, so that two starts at once do not meet.
fn base_folder(task: &Task, repos: Option<&Path>, bases: &Path) -> Result<PathBuf, RolloutError> {
    let failed = |what: &str| {
        let what = format!("{what} the base of {}", task.instance_id);
        move |error: std::io::Error| RolloutError::Ground(format!("{what}: {error}"))
    };
    let commit: String = task.base_commit.chars().take(12).collect();
    let folder = bases.join(format!(
        "{}-{commit}",
        task.repo.replace('/', "__").to_lowercase()
    ));
    if folder.exists() {
        return Ok(folder);
    }
    std::fs::create_dir_all(bases).map_err(failed("make"))?;
    let _laying = lock(bases)
        .and_then(|lock| lock.lock_shared().map(|()| lock))
        .map_err(failed("lock"))?;
    let part = tempfile::Builder::new()
        .prefix(PART)
        .tempdir_in(bases)
        .map_err(failed("make"))?;
    let inner = part.path().join("base");
    let laid = match repos {
        Some(repos) if task.family != Family::Sample => {
            let clone = task::clone::find(repos, &task.repo).ok_or_else(|| {
                RolloutError::Ground(format!(
                    "there is no clone of {} in {}: make one as {}/{}",
                    task.repo,
                    repos.display(),
                    repos.display(),
                    task.repo.replace('/', "__")
                ))
            })?;
            task::clone::materialise_from_clone(&clone, &task.base_commit, &inner)
        }
        _ if !task.files.is_empty() => task::inline::materialise(task, &inner),
        _ => task::sample::materialise(task, &inner),
    };
    laid.map_err(|error| RolloutError::Ground(error.to_string()))?;
    match std::fs::rename(&inner, &folder) {
        Ok(()) => Ok(folder),
        Err(_) if folder.exists() => Ok(folder),
        Err(error) => Err(failed("place")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_laid_bases_are_removed_unless_somebody_lays_one_out() {
        let bases = tempfile::tempdir().unwrap();
        let part = bases.path().join(".part-x");
        std::fs::create_dir_all(part.join("base")).unwrap();
        std::fs::create_dir(bases.path().join("whole")).unwrap();
        let laying = lock(bases.path()).unwrap();
        laying.lock_shared().unwrap();
        sweep_bases(bases.path());
        assert!(part.exists());
        drop(laying);
        sweep_bases(bases.path());
        assert!(!part.exists() && bases.path().join("whole").exists());
    }
}
