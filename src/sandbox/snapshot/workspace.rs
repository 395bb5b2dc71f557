//! The host's hand inside a workspace: every path is resolved beneath it, whatever links an agent has planted.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, Permissions, PermissionsExt};

use super::manifest::Entry;
use crate::sandbox::SandboxError;

/// A workspace opened as a folder that nothing leads out of.
pub struct Workspace {
    dir: Dir,
    /// Who is to own what is written; `None` leaves it to the system.
    owner: Option<u32>,
    alone: bool,
}

/// Manifest path to a path of the system.
pub(super) fn native(path: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(path))
}

impl Workspace {
    /// Open the folder at `at`, which the caller vouches for.
    pub fn open(at: &Path, owner: Option<u32>) -> Result<Self, SandboxError> {
        let dir = Dir::open_ambient_dir(at, ambient_authority()).map_err(|source| {
            SandboxError::Gone(format!("its workspace cannot be opened: {source}"))
        })?;
        Ok(Self {
            dir,
            owner,
            alone: false,
        })
    }

    /// Say that nobody else can write to it from here on: a restore then need not look at everything twice.
    #[must_use]
    pub fn alone(self) -> Self {
        Self {
            alone: true,
            ..self
        }
    }

    pub(super) fn is_alone(&self) -> bool {
        self.alone
    }

    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Remove files, and folders that become empty by it. `place` is a folder of the workspace (`""`, `.git`).
    pub(super) fn remove(&self, place: &str, paths: &[Vec<u8>]) -> Result<(), SandboxError> {
        let mut folders = std::collections::BTreeSet::new();
        for path in paths {
            let path = Path::new(place).join(native(path));
            // A file that is gone already, or unreachable behind something that replaced its folder, is what we want.
            if let Err(error) = self.dir.remove_file(&path)
                && self.dir.symlink_metadata(&path).is_ok()
            {
                self.make_writable(&path);
                self.dir
                    .remove_file(&path)
                    .map_err(|_again| failed(&path, &error))?;
            }
            self.forget_bytecode(&path);
            folders.extend(
                path.ancestors()
                    .skip(1)
                    .filter(|folder| *folder != Path::new(""))
                    .map(Path::to_path_buf),
            );
        }
        for folder in folders.iter().rev() {
            let _ = self.dir.remove_dir(folder);
        }
        Ok(())
    }

    /// Write one entry, in place of whatever is there.
    pub(super) fn write(
        &self,
        place: &str,
        path: &[u8],
        entry: Entry,
        bytes: &[u8],
    ) -> Result<(), SandboxError> {
        let path = Path::new(place).join(native(path));
        self.folders_above(&path)?;
        if self
            .dir
            .symlink_metadata(&path)
            .is_ok_and(|kind| kind.is_dir())
        {
            self.dir
                .remove_dir_all(&path)
                .map_err(|error| failed(&path, &error))?;
        } else {
            let _ = self.dir.remove_file(&path);
        }
        if entry.mode == 0o120_000 {
            let target = native(bytes);
            self.dir
                .symlink_contents(target, &path)
                .map_err(|error| failed(&path, &error))?;
            return self.hand_over(&path).map_err(|error| failed(&path, &error));
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let mut file = self
            .dir
            .open_with(&path, &options)
            .map_err(|error| failed(&path, &error))?;
        file.write_all(bytes)
            .map_err(|error| failed(&path, &error))?;
        let mode = entry.mode & 0o777;
        file.set_permissions(Permissions::from_mode(mode))
            .map_err(|error| failed(&path, &error))?;
        if let Some(owner) = self.owner {
            let file = file.into_std();
            std::os::unix::fs::fchown(&file, Some(owner), Some(owner))
                .map_err(|error| failed(&path, &error))?;
        }
        self.forget_bytecode(&path);
        Ok(())
    }

    fn folders_above(&self, path: &Path) -> Result<(), SandboxError> {
        let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) else {
            return Ok(());
        };
        let mut above: Vec<&Path> = parent
            .ancestors()
            .filter(|folder| *folder != Path::new(""))
            .collect();
        above.reverse();
        for folder in above {
            match self.dir.symlink_metadata(folder) {
                Ok(kind) if kind.is_dir() => continue,
                Ok(_) => self
                    .dir
                    .remove_file(folder)
                    .map_err(|error| failed(folder, &error))?,
                Err(_) => {}
            }
            self.dir
                .create_dir(folder)
                .map_err(|error| failed(folder, &error))?;
            self.hand_over(folder)
                .map_err(|error| failed(folder, &error))?;
        }
        Ok(())
    }

    /// Give what was just made to the workspace's owner: by its name in its opened parent, so that no link is followed.
    fn hand_over(&self, path: &Path) -> std::io::Result<()> {
        let (Some(owner), Some(name)) = (self.owner, path.file_name()) else {
            return Ok(());
        };
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        let parent = self.dir.open_dir(parent.unwrap_or(Path::new(".")))?;
        let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
        nix::unistd::fchownat(&parent, name, Some(owner.into()), Some(owner.into()), flags)
            .map_err(Into::into)
    }

    /// Make the folders that git wants to see in a repository even when they hold nothing.
    pub(super) fn complete_git_folder(&self) -> Result<(), SandboxError> {
        for folder in [".git/objects", ".git/refs"] {
            // What an agent put in the place of one is part of the snapshot.
            if self.dir.symlink_metadata(folder).is_err() {
                self.folders_above(&Path::new(folder).join("x"))?;
            }
        }
        Ok(())
    }

    /// A folder that was closed to its owner keeps its files from being removed.
    fn make_writable(&self, path: &Path) {
        if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
            let _ = self
                .dir
                .set_permissions(parent, Permissions::from_mode(0o755));
        }
    }

    /// Python trusts compiled files by time and size of the source; a restored source can have both of an older one.
    fn forget_bytecode(&self, path: &Path) {
        if path.extension() != Some(OsStr::new("py")) {
            return;
        }
        let (Some(parent), Some(stem)) = (path.parent(), path.file_stem()) else {
            return;
        };
        let Ok(cache) = self.dir.open_dir(parent.join("__pycache__")) else {
            return;
        };
        for entry in cache.entries().into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name
                .as_bytes()
                .strip_prefix(stem.as_bytes())
                .is_some_and(|rest| rest.starts_with(b"."))
            {
                let _ = cache.remove_file(&name);
            }
        }
    }
}

/// Remove a folder however deep it goes. What lies deeper than a few levels is first moved up beside it: neither open
/// folders nor the stack grow with the depth.
pub(super) fn remove_deep(above: &Dir, name: &OsStr) -> std::io::Result<()> {
    fn empty(dir: &Dir, top: &Dir, left: usize, moved: &mut Vec<String>) -> std::io::Result<()> {
        for entry in dir.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            let kind = entry.metadata()?;
            if !kind.is_dir() {
                dir.remove_file(&name)?;
            } else if left == 0 {
                let new = format!(".deep-{}", ulid::Ulid::generate());
                dir.rename(&name, top, &new)?;
                moved.push(new);
            } else {
                dir.set_permissions(&name, Permissions::from_mode(0o700))?;
                empty(&dir.open_dir(&name)?, top, left - 1, moved)?;
                dir.remove_dir(&name)?;
            }
        }
        Ok(())
    }
    let mut moved = Vec::new();
    empty(&above.open_dir(name)?, above, 50, &mut moved)?;
    above.remove_dir(name)?;
    while let Some(name) = moved.pop() {
        above.set_permissions(&name, Permissions::from_mode(0o700))?;
        empty(&above.open_dir(&name)?, above, 50, &mut moved)?;
        above.remove_dir(&name)?;
    }
    Ok(())
}

fn failed(path: &Path, source: &std::io::Error) -> SandboxError {
    SandboxError::File {
        path: path.display().to_string(),
        why: source.to_string(),
    }
}
