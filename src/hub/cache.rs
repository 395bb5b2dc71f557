//! The cache's layout: paths in, paths out, and the lock between processes.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use super::{HubError, Repo, Snapshot};

fn folder(cache: &Path, repo: &Repo) -> PathBuf {
    cache.join(format!("{}--{}", repo.plural(), repo.id.replace('/', "--")))
}

/// Where the link to a file of a commit is.
pub(super) fn pointer(cache: &Path, repo: &Repo, commit: &str, name: &str) -> PathBuf {
    folder(cache, repo)
        .join("snapshots")
        .join(commit)
        .join(name)
}

/// Where the content with this hash is.
pub(super) fn blob(cache: &Path, repo: &Repo, etag: &str) -> PathBuf {
    folder(cache, repo).join("blobs").join(etag)
}

/// A relative path that stays below its folder: names come from the network.
pub(crate) fn check_name(name: &str) -> Result<(), HubError> {
    let inside = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if inside && !name.is_empty() && !name.contains(['\\', '\0']) && !name.ends_with('/') {
        Ok(())
    } else {
        Err(HubError::Path(name.to_owned()))
    }
}

/// A full commit id.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Keep which commit a branch or tag stands for.
pub(super) fn remember(
    cache: &Path,
    repo: &Repo,
    revision: &str,
    commit: &str,
) -> Result<(), HubError> {
    if is_commit(revision) {
        return Ok(());
    }
    check_name(revision)?;
    let path = folder(cache, repo).join("refs").join(revision);
    let parent = path.parent().unwrap_or(cache);
    std::fs::create_dir_all(parent).map_err(HubError::io(parent))?;
    if std::fs::read_to_string(&path).is_ok_and(|known| known == commit) {
        return Ok(());
    }
    write_whole(&path, commit.as_bytes())
}

/// What the cache knows of a revision: the commit last seen, and the files of it that are here. `why` the hub did not answer.
pub(super) fn snapshot(cache: &Path, repo: &Repo, revision: &str, why: &str) -> Option<Snapshot> {
    let folder = folder(cache, repo);
    let commit = if is_commit(revision) {
        revision.to_owned()
    } else {
        check_name(revision).ok()?;
        let commit = std::fs::read_to_string(folder.join("refs").join(revision)).ok()?;
        commit.trim().to_owned()
    };
    if !is_commit(&commit) {
        return None;
    }
    let root = folder.join("snapshots").join(&commit);
    let mut files = Vec::new();
    list(&root, &root, &mut files);
    files.sort();
    (!files.is_empty()).then(|| Snapshot {
        repo: repo.clone(),
        commit,
        files,
        from_cache: Some(why.to_owned()),
    })
}

fn list(folder: &Path, root: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            list(&path, root, files);
        } else if path.is_file() {
            // `is_file` follows the link: one without its blob is not listed.
            let name = path.strip_prefix(root).unwrap_or(&path);
            files.push(name.to_string_lossy().into_owned());
        }
    }
}

/// Link a file of a commit to its content. Relative, so that the cache can be moved.
pub(super) fn link(cache: &Path, repo: &Repo, etag: &str, pointer: &Path) -> Result<(), HubError> {
    let parent = pointer.parent().unwrap_or(cache);
    std::fs::create_dir_all(parent).map_err(HubError::io(parent))?;
    let snapshots = folder(cache, repo).join("snapshots");
    let depth = parent
        .strip_prefix(&snapshots)
        .map_or(1, |below| below.components().count());
    let mut target = PathBuf::new();
    for _ in 0..=depth {
        target.push("..");
    }
    let target = target.join("blobs").join(etag);
    let temporary = beside(pointer);
    let _ = std::fs::remove_file(&temporary);
    make_link(&target, &temporary, &blob(cache, repo, etag)).map_err(HubError::io(pointer))?;
    std::fs::rename(&temporary, pointer).map_err(HubError::io(pointer))
}

#[cfg(unix)]
fn make_link(target: &Path, at: &Path, _blob: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

#[cfg(not(unix))]
fn make_link(_target: &Path, at: &Path, blob: &Path) -> std::io::Result<()> {
    std::fs::copy(blob, at).map(|_| ())
}

/// Write a file so that nobody ever sees half of it.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), HubError> {
    let temporary = beside(path);
    std::fs::write(&temporary, bytes).map_err(HubError::io(&temporary))?;
    std::fs::rename(&temporary, path).map_err(HubError::io(path))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

/// Wait for, and take, the lock on a blob. It is the same file and the same kind of lock as the Python client's, and is
/// gone when the handle is dropped or the process ends.
pub(super) async fn lock(cache: &Path, repo: &Repo, etag: &str) -> Result<File, HubError> {
    let folder =
        cache
            .join(".locks")
            .join(format!("{}--{}", repo.plural(), repo.id.replace('/', "--")));
    let path = folder.join(format!("{etag}.lock"));
    let failed = HubError::io(&path);
    let waiting = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)?;
        file.lock()?;
        Ok(file)
    });
    waiting
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(failed)
}
