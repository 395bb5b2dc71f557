//! Trees of any depth, as an agent may leave them: never a path that is too long, never more than a few open folders.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstat, fstatat};

/// What a file counts for besides its content: its place in the file system's tables, which can run out, too.
const ENTRY: u64 = 2048;

/// Folders that stay open while those below them are visited; beyond, the way back is `..`.
const HELD: usize = 64;

/// Paths that are longer than this are shortened by moving what they lead to.
const LONG: usize = 2048;

const FOLDER: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// A folder on the way down.
struct Level {
    /// Device and inode, to know it again.
    id: (u64, u64),
    /// Open, near the top.
    held: Option<OwnedFd>,
    /// Its folders that were not visited yet.
    rest: Vec<CString>,
}

/// Bytes on disk beneath a folder, and a little for every entry; links are not followed, sparse files count for what
/// they hold. A folder that its owner closed is opened.
pub(super) fn size_of(top: &Path) -> u64 {
    let mut total = 0;
    let Ok(mut here) = openat(AT_FDCWD, top, FOLDER, Mode::empty()) else {
        return 0;
    };
    let mut levels: Vec<Level> = list(&here, &mut total).into_iter().collect();
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.rest.pop() {
            let Some(inner) = enter(&here, &name) else {
                continue;
            };
            if let Some(next) = list(&inner, &mut total) {
                if levels.len() <= HELD
                    && let Some(level) = levels.last_mut()
                {
                    level.held = Some(std::mem::replace(&mut here, inner));
                } else {
                    here = inner;
                }
                levels.push(next);
            }
            continue;
        }
        levels.pop();
        // Somebody may move folders meanwhile: then go on from the nearest that is held.
        while let Some(level) = levels.last_mut() {
            let up = level.held.take().or_else(|| {
                let up = openat(&here, "..", FOLDER, Mode::empty()).ok()?;
                (identity(&up) == Some(level.id)).then_some(up)
            });
            if let Some(up) = up {
                here = up;
                break;
            }
            levels.pop();
        }
    }
    total
}

fn enter(above: &OwnedFd, name: &CString) -> Option<OwnedFd> {
    match openat(above, name.as_c_str(), FOLDER, Mode::empty()) {
        Err(Errno::EACCES) => {
            let open = Mode::from_bits_truncate(0o755);
            fchmodat(above, name.as_c_str(), open, FchmodatFlags::NoFollowSymlink).ok()?;
            openat(above, name.as_c_str(), FOLDER, Mode::empty()).ok()
        }
        other => other.ok(),
    }
}

fn identity(folder: &OwnedFd) -> Option<(u64, u64)> {
    let stat = fstat(folder).ok()?;
    Some((stat.st_dev, stat.st_ino))
}

/// Count what a folder holds and note its folders.
fn list(folder: &OwnedFd, total: &mut u64) -> Option<Level> {
    let mut entries = Dir::from_fd(folder.as_fd().try_clone_to_owned().ok()?).ok()?;
    let mut rest = Vec::new();
    for entry in entries.iter().flatten() {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(stat) = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW) else {
            continue;
        };
        *total += stat.st_blocks.unsigned_abs() * 512 + ENTRY;
        if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR {
            rest.push(name.to_owned());
        }
    }
    Some(Level {
        id: identity(folder)?,
        held: None,
        rest,
    })
}

/// Remove a tree even where folders were closed to their owner (overlay's scratch folder is) or lie too deep for a path.
pub(crate) fn remove_tree(top: &Path) -> std::io::Result<()> {
    let mut moved = Vec::new();
    remove_below(top, top, &mut moved)?;
    while let Some(path) = moved.pop() {
        remove_below(&path, &path, &mut moved)?;
    }
    Ok(())
}

fn remove_below(
    path: &Path,
    top: &Path,
    moved: &mut Vec<std::path::PathBuf>,
) -> std::io::Result<()> {
    let Ok(kind) = path.symlink_metadata() else {
        return Ok(());
    };
    if !kind.is_dir() {
        return fs::remove_file(path);
    }
    let deep = path.as_os_str().len().saturating_sub(top.as_os_str().len());
    let levels = path.components().count() - top.components().count();
    if deep > LONG || levels > HELD {
        let mut beside = top.as_os_str().to_owned();
        beside.push(format!(".{}", ulid::Ulid::generate()));
        fs::rename(path, &beside)?;
        moved.push(beside.into());
        return Ok(());
    }
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(path)? {
        remove_below(&entry?.path(), top, moved)?;
    }
    fs::remove_dir(path)
}
