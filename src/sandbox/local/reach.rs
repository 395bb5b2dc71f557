//! Whether another user of this machine can get to a path.
//!
//! Below the top tier a workspace is a path of the host, and where spotter is root its commands run as somebody else: a
//! store in a closed home folder is then out of their reach. That is found out before a start, and said, rather than
//! met by the first command. Nothing is opened up here: whose folders they are is not known.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::sandbox::SandboxError;

/// The nearest folder to the top that a user, who is in no group, may not pass on the way to a path.
pub(super) fn closed_to(path: &Path, id: u32) -> Option<PathBuf> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    let open = |folder: &Path| {
        folder.metadata().is_ok_and(|stat| {
            let bit = if stat.uid() == id { 0o100 } else { 0o001 };
            stat.mode() & bit != 0
        })
    };
    above
        .into_iter()
        .find(|folder| !open(folder))
        .map(Path::to_path_buf)
}

/// An error that says what is closed, and what to do.
pub(super) fn check(path: &Path, id: u32) -> Result<(), SandboxError> {
    match closed_to(path, id) {
        None => Ok(()),
        Some(folder) => Err(SandboxError::NoTier(format!(
            "started by root, commands of this tier run as user {id}, who may not enter {}; keep the store where all \
             may pass (--store), start spotter as an ordinary user, or use --sandbox docker",
            folder.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir_all, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_closed_folder_is_named() {
        let keep = tempfile::tempdir().unwrap();
        let inner = keep.path().join("a/b/c");
        create_dir_all(&inner).unwrap();
        let mode = |at: &Path, mode| set_permissions(at, Permissions::from_mode(mode)).unwrap();
        mode(keep.path(), 0o711);
        assert_eq!(closed_to(&inner, 61_234), None);
        mode(&keep.path().join("a/b"), 0o710);
        assert_eq!(closed_to(&inner, 61_234), Some(keep.path().join("a/b")));
        mode(keep.path(), 0o700);
        assert_eq!(closed_to(&inner, 61_234), Some(keep.path().to_path_buf()));
        let own = keep.path().metadata().unwrap().uid();
        assert_eq!(closed_to(&keep.path().join("a/x"), own), None);
    }
}
