//! The proof at the end of a restore, where nobody else can write: look at what was touched, and at every folder.
//!
//! A restore ends in one of two proofs. The **whole** one scans again and compares manifests. This one is for a
//! workspace that is ours **alone**: its processes were ended by the kernel with their pid namespace, and the walk that
//! began the restore came after that. What that walk found then still stands, except for what the restore itself did.
//! So it is exact to
//!
//! - read back each file that was written (bytes and mode) and look for each path that was removed, and
//! - see that no other folder changed since the walk: an entry that came or went changes its folder's change time,
//!   which no program can set.
//!
//! Ignore rules decide what a walk sees; where the restore touched one, the workspace is scanned again. So it is where
//! anything here is not as expected: this proof never fails a restore, it only spares a scan.

use std::collections::BTreeSet;

use git2::{ObjectType, Oid};

use super::manifest::{Entry, Manifest};
use super::scan::{self, FolderStat};
use super::workspace::{Workspace, native};

/// What a restore did to one part of the workspace (`place` is `""` or `.git`).
pub(super) struct Touched {
    pub(super) place: &'static str,
    pub(super) removed: Vec<Vec<u8>>,
    pub(super) written: Vec<(Vec<u8>, Entry)>,
}

/// Whether the workspace is proven to be as the restore meant it, given the folders as the walk before it saw them.
pub(super) fn holds(workspace: &Workspace, touched: &[Touched], folders: &[FolderStat]) -> bool {
    let mut changed = BTreeSet::new();
    for part in touched {
        let meant = Manifest(part.written.iter().cloned().collect());
        // A file that was replaced is in both.
        let paths: BTreeSet<_> = part.removed.iter().chain(meant.0.keys()).collect();
        for path in paths {
            if path.ends_with(b".gitignore") && part.place.is_empty() {
                return false;
            }
            let full = full(part.place, path);
            if found(workspace, &full) != meant.0.get(path).copied() {
                return false;
            }
            let mut rest = full.as_slice();
            while let Some(end) = rest.iter().rposition(|byte| *byte == b'/') {
                rest = rest.get(..end).unwrap_or_default();
                changed.insert(rest.to_vec());
            }
        }
    }
    folders.iter().all(|folder| {
        changed.contains(&folder.path)
            || workspace
                .dir()
                .symlink_metadata(native(&folder.path))
                .is_ok_and(|now| now.is_dir() && scan::stat_of(&now) == folder.stat)
    })
}

fn full(place: &str, path: &[u8]) -> Vec<u8> {
    if place.is_empty() {
        return path.to_vec();
    }
    [place.as_bytes(), b"/", path].concat()
}

/// What a manifest would say of a path now.
fn found(workspace: &Workspace, path: &[u8]) -> Option<Entry> {
    let path = native(path);
    let kind = workspace.dir().symlink_metadata(&path).ok()?;
    let mode = scan::git_mode(&kind)?;
    let bytes = scan::read(workspace.dir(), path.as_os_str(), mode)?;
    let oid = Oid::hash_object(ObjectType::Blob, &bytes).ok()?;
    Some(Entry { mode, oid })
}
