//! Read the manifest of a workspace: walk it, and read only files whose stat is not the remembered one.
//!
//! A file is believed unchanged when size, both times and mode are as remembered. The change time cannot be set by a
//! program, so an agent cannot hide a write by putting the modification time back. A file changed within the clock's
//! grain of a scan is never remembered (git's "racily clean" rule).
//!
//! What this does not see: a program that goes on writing through a shared mapping of a file. The kernel moves the times
//! at the first write to a page and then not again until that page was written to the disk.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, MetadataExt, PermissionsExt};
use git2::Oid;
use serde::{Deserialize, Serialize};

use super::ignores::Ignores;
use super::manifest::{Entry, Manifest};
use super::workspace::Workspace;
use crate::sandbox::SandboxError;

/// More files than this are an agent's doing, not a repository.
const MOST_FILES: usize = 400_000;

/// A larger file is left out of snapshots.
pub(super) const LARGEST_FILE: u64 = 256 << 20;

/// Folders within folders beyond this are an agent's doing, too: a path through them is longer than most programs take.
pub(super) const DEEPEST: usize = 200;

/// More bytes than this are not read for one snapshot; sparse files have many and take no disk.
pub(crate) const MOST_BYTES: u64 = 2 << 30;

/// A change this near to the scan may be followed by another within the same tick of the file system's clock.
pub(super) const GRAIN_NS: i128 = 20_000_000;

/// What is compared to believe that a file is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stat {
    pub(super) size: u64,
    pub(super) mode: u32,
    pub(super) modified_ns: i128,
    pub(super) changed_ns: i128,
}

/// Remembered stats and what was read then.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct StatCache {
    #[serde(with = "as_list")]
    known: HashMap<Vec<u8>, (Stat, [u8; 20])>,
}

impl StatCache {
    /// Remember these.
    pub(super) fn of(known: impl Iterator<Item = (Vec<u8>, Stat, Oid)>) -> Self {
        let known = known
            .filter_map(|(path, stat, oid)| Some((path, (stat, oid.as_bytes().try_into().ok()?))));
        Self {
            known: known.collect(),
        }
    }

    /// What a copy of a file holds, going by its size and mode alone: for files that nobody has written since they were
    /// copied.
    pub(super) fn content(&self, path: &[u8], link: bool, stat: &Stat) -> Option<Oid> {
        let (known, oid) = self.known.get(path)?;
        let same_mode = link || (known.mode & 0o100) == (stat.mode & 0o100);
        let same = known.size == stat.size && same_mode;
        same.then(|| Oid::from_bytes(oid).ok()).flatten()
    }

    /// What was read when the stat was the same.
    pub(super) fn recall(&self, path: &[u8], stat: &Stat) -> Option<Oid> {
        let (known, oid) = self.known.get(path)?;
        if known == stat {
            Oid::from_bytes(oid).ok()
        } else {
            None
        }
    }
}

mod as_list {
    use std::collections::HashMap;
    use std::hash::Hash;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &HashMap<K, V>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(from: D) -> Result<HashMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Eq + Hash,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Vec::<(K, V)>::deserialize(from).map(|pairs| pairs.into_iter().collect())
    }
}

/// What a walk is to do besides looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touch {
    /// Nothing.
    Nothing,
    /// Open what is closed to its owner, and remove what no snapshot can hold: pipes, sockets, folders too deep. For a
    /// restore.
    Clear,
}

struct Walk<'a, S> {
    tracked: Option<&'a BTreeSet<Vec<u8>>>,
    ignored_too: bool,
    touch: Touch,
    depth: usize,
    bytes: u64,
    before: &'a StatCache,
    after: StatCache,
    files: Manifest,
    ignored: Manifest,
    count: usize,
    now_ns: i128,
    /// The folders that were entered.
    folders: Vec<FolderStat>,
    store: S,
}

/// A folder (its path is relative to the workspace) as a walk saw it.
pub(super) struct FolderStat {
    pub(super) path: Vec<u8>,
    pub(super) stat: Stat,
}

pub(super) fn stat_of(kind: &cap_std::fs::Metadata) -> Stat {
    Stat {
        size: kind.len(),
        mode: kind.permissions().mode(),
        modified_ns: i128::from(kind.mtime()) * 1_000_000_000 + i128::from(kind.mtime_nsec()),
        changed_ns: i128::from(kind.ctime()) * 1_000_000_000 + i128::from(kind.ctime_nsec()),
    }
}

/// The mode that git would note; `None` for what no snapshot holds.
pub(super) fn git_mode(kind: &cap_std::fs::Metadata) -> Option<u32> {
    if kind.is_symlink() {
        Some(0o120_000)
    } else if !kind.is_file() || kind.len() > LARGEST_FILE {
        None
    } else if kind.permissions().mode() & 0o100 != 0 {
        Some(0o100_755)
    } else {
        Some(0o100_644)
    }
}

/// The workspace's files (its own `.git` apart), the ignored ones where they are wanted, and the folders entered.
pub(super) fn files(
    workspace: &Workspace,
    tracked: Option<&BTreeSet<Vec<u8>>>,
    ignored_too: bool,
    cache: &mut StatCache,
    touch: Touch,
    store: impl Fn(&[u8]) -> Result<Oid, SandboxError>,
) -> Result<(Manifest, Manifest, Vec<FolderStat>), SandboxError> {
    let mut walk = Walk {
        tracked,
        ignored_too,
        touch,
        depth: 0,
        bytes: 0,
        before: cache,
        after: StatCache::default(),
        files: Manifest::default(),
        ignored: Manifest::default(),
        count: 0,
        now_ns: now_ns(),
        folders: Vec::new(),
        store,
    };
    walk.folder(workspace.dir(), &[], &Ignores::default(), false, true)?;
    let Walk {
        after,
        files,
        ignored,
        folders,
        ..
    } = walk;
    *cache = after;
    Ok((files, ignored, folders))
}

/// Everything in the workspace's `.git` folder, and its folders; nothing where it is missing or not a folder.
pub(super) fn git(
    workspace: &Workspace,
    cache: &mut StatCache,
    touch: Touch,
    store: impl Fn(&[u8]) -> Result<Oid, SandboxError>,
) -> Result<(Manifest, Vec<FolderStat>), SandboxError> {
    let is_folder = workspace
        .dir()
        .symlink_metadata(".git")
        .is_ok_and(|kind| kind.is_dir());
    let Some(folder) = is_folder
        .then(|| workspace.dir().open_dir(".git").ok())
        .flatten()
    else {
        return Ok((Manifest::default(), Vec::new()));
    };
    let mut walk = Walk {
        tracked: None,
        ignored_too: false,
        touch,
        depth: 0,
        bytes: 0,
        before: cache,
        after: StatCache::default(),
        files: Manifest::default(),
        ignored: Manifest::default(),
        count: 0,
        now_ns: now_ns(),
        folders: Vec::new(),
        store,
    };
    walk.folder(&folder, &[], &Ignores::default(), false, false)?;
    let Walk {
        after,
        files,
        mut folders,
        ..
    } = walk;
    *cache = after;
    for folder in &mut folders {
        folder.path.splice(..0, *b".git/");
    }
    Ok((files, folders))
}

fn now_ns() -> i128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos().cast_signed())
}

impl<S: Fn(&[u8]) -> Result<Oid, SandboxError>> Walk<'_, S> {
    fn folder(
        &mut self,
        dir: &Dir,
        path: &[u8],
        ignores: &Ignores,
        hidden: bool,
        with_ignores: bool,
    ) -> Result<(), SandboxError> {
        let own_rules = with_ignores.then(|| ignore_file(dir)).flatten();
        let entered = own_rules.map(|text| ignores.enter(&String::from_utf8_lossy(path), &text));
        let ignores = entered.as_ref().unwrap_or(ignores);
        // An unreadable folder is left out, like an empty one.
        for entry in dir.entries().into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name == ".git" {
                continue;
            }
            self.count += 1;
            if self.count > MOST_FILES {
                return Err(SandboxError::Snapshot(format!(
                    "the workspace holds more than {MOST_FILES} files"
                )));
            }
            let mut full = path.to_vec();
            if !full.is_empty() {
                full.push(b'/');
            }
            full.extend_from_slice(name.as_bytes());
            let Ok(kind) = entry.metadata() else { continue };
            let hidden = hidden
                || (with_ignores && ignores.hide(&String::from_utf8_lossy(&full), kind.is_dir()));
            if self.touch == Touch::Clear && !clear(dir, &name, &kind, self.depth) {
                continue;
            }
            if kind.is_dir() {
                if self.depth < DEEPEST
                    && (!hidden || self.ignored_too || self.tracks_below(&full))
                    && let Ok(inner) = dir.open_dir(&name)
                {
                    self.folders.push(FolderStat {
                        path: full.clone(),
                        stat: stat_of(&kind),
                    });
                    self.depth += 1;
                    self.folder(&inner, &full, ignores, hidden, with_ignores)?;
                    self.depth -= 1;
                }
                continue;
            }
            let hidden = hidden && !self.tracked.is_some_and(|tracked| tracked.contains(&full));
            if !hidden || self.ignored_too {
                self.file(dir, &name, full, &kind, hidden)?;
            }
        }
        Ok(())
    }

    fn tracks_below(&self, folder: &[u8]) -> bool {
        let Some(tracked) = self.tracked else {
            return false;
        };
        let mut start = folder.to_vec();
        start.push(b'/');
        tracked
            .range(start.clone()..)
            .next()
            .is_some_and(|path| path.starts_with(&start))
    }

    fn file(
        &mut self,
        dir: &Dir,
        name: &OsStr,
        path: Vec<u8>,
        kind: &cap_std::fs::Metadata,
        hidden: bool,
    ) -> Result<(), SandboxError> {
        let stat = stat_of(kind);
        let Some(mode) = git_mode(kind) else {
            return Ok(());
        };
        let oid = if let Some(oid) = self.before.recall(&path, &stat) {
            oid
        } else {
            self.bytes += stat.size;
            if self.bytes > MOST_BYTES {
                return Err(SandboxError::Snapshot(format!(
                    "more than {} MiB changed in the workspace",
                    MOST_BYTES >> 20
                )));
            }
            let Some(bytes) = read(dir, name, mode) else {
                return Ok(());
            };
            (self.store)(&bytes)?
        };
        if self.now_ns - stat.changed_ns > GRAIN_NS
            && let Ok(bytes) = <[u8; 20]>::try_from(oid.as_bytes())
        {
            self.after.known.insert(path.clone(), (stat, bytes));
        }
        let manifest = if hidden {
            &mut self.ignored
        } else {
            &mut self.files
        };
        manifest.0.insert(path, Entry { mode, oid });
        Ok(())
    }
}

/// See [`Touch::Clear`]; whether there is still something of that name. Processes inside are ended by now, so nothing
/// can change into a link meanwhile.
fn clear(dir: &Dir, name: &OsStr, kind: &cap_std::fs::Metadata, depth: usize) -> bool {
    let mode = kind.permissions().mode();
    if kind.is_symlink() {
        return true;
    }
    if kind.is_dir() {
        if mode & 0o700 != 0o700 {
            let _ = dir.set_permissions(name, cap_std::fs::Permissions::from_mode(0o755));
        }
        return depth + 1 < DEEPEST || super::workspace::remove_deep(dir, name).is_err();
    }
    if kind.is_file() {
        // One that only cannot be written is as git keeps its objects.
        if mode & 0o400 == 0 {
            let mode = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
            let _ = dir.set_permissions(name, cap_std::fs::Permissions::from_mode(mode));
        }
        return true;
    }
    dir.remove_file(name).is_err()
}

/// A file's bytes or a link's target; `mode` is git's. `name` may be a path beneath.
pub(super) fn read(dir: &Dir, name: &OsStr, mode: u32) -> Option<Vec<u8>> {
    use cap_std::fs::OpenOptionsExt;
    use std::io::Read;
    if mode == 0o120_000 {
        return dir
            .read_link_contents(name)
            .ok()
            .map(|target| target.as_os_str().as_bytes().to_vec());
    }
    #[cfg(test)]
    reads::one();
    // What was a file a moment ago may be a pipe now: never wait for one, never follow a link.
    let mut options = cap_std::fs::OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
    let file = dir.open_with(name, &options).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn ignore_file(dir: &Dir) -> Option<String> {
    let kind = dir.symlink_metadata(".gitignore").ok()?;
    if !kind.is_file() || kind.len() > 1 << 20 {
        return None;
    }
    read(dir, OsStr::new(".gitignore"), 0o100_644)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// How many files this thread has opened, for tests that count work.
#[cfg(test)]
pub(super) mod reads {
    use std::cell::Cell;

    thread_local!(static OPENED: Cell<usize> = const { Cell::new(0) });

    pub(super) fn one() {
        OPENED.set(OPENED.get() + 1);
    }

    pub(in super::super) fn forget() {
        OPENED.set(0);
    }

    pub(in super::super) fn count() -> usize {
        OPENED.get()
    }
}
