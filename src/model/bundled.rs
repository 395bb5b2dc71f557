//! The policy that comes with the program: a small model that the project trained itself, for its own small tasks.
//!
//! Its files are part of the program. The engine maps files, so they are laid once into the user's cache, under the hash of
//! the weights, and used from there; a copy that is not whole is laid again.

use std::io;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use sha2::{Digest as _, Sha256};

/// What stands for it in `--model` and in trajectories.
pub const NAME: &str = "policy";

static POLICY: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/sample_tasks/policy");

/// Whether this program has one.
#[must_use]
pub fn is_there() -> bool {
    POLICY.get_file("model.safetensors").is_some()
}

/// Its folder, made where it is not there.
///
/// # Errors
/// Where neither the cache nor the folder for temporary files can be written.
pub fn folder() -> io::Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let laid = cache.map(|cache| lay(&cache.join("spotter")));
    match laid {
        Some(Ok(folder)) => Ok(folder),
        _ => lay(&std::env::temp_dir().join("spotter")),
    }
}

fn lay(at: &Path) -> io::Result<PathBuf> {
    let mut hash = Sha256::new();
    for file in POLICY.files() {
        hash.update(file.path().to_string_lossy().as_bytes());
        hash.update(file.contents());
    }
    let hash = hash.finalize();
    let short: String = hash
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let folder = at.join(format!("policy-{short}"));
    if is_whole(&folder) {
        return Ok(folder);
    }
    // Made beside its place and put there whole: another process may do the same.
    let part = at.join(format!("policy-{short}.{}", std::process::id()));
    std::fs::create_dir_all(&part)?;
    for file in POLICY.files() {
        std::fs::write(part.join(file.path()), file.contents())?;
    }
    if std::fs::rename(&part, &folder).is_err() {
        if !is_whole(&folder) {
            std::fs::remove_dir_all(&folder)?;
            std::fs::rename(&part, &folder)?;
        }
        let _ = std::fs::remove_dir_all(&part);
    }
    Ok(folder)
}

fn is_whole(folder: &Path) -> bool {
    POLICY.files().all(|file| {
        let there = std::fs::metadata(folder.join(file.path()));
        there.is_ok_and(|there| there.len() == file.contents().len() as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_laid_once_and_again_where_a_file_was_cut() {
        let place = tempfile::tempdir().unwrap();
        let folder = lay(place.path()).unwrap();
        assert!(is_whole(&folder));
        let first = folder.join(POLICY.files().next().unwrap().path());
        std::fs::write(&first, "cut").unwrap();
        assert_eq!(lay(place.path()).unwrap(), folder);
        assert!(is_whole(&folder));
        let left = std::fs::read_dir(place.path()).unwrap().count();
        assert_eq!(left, 1, "nothing else is left there");
    }
}
