//! A manifest: every path of a tree with its mode and blob, and its form as nested git trees.

use std::collections::BTreeMap;

use git2::{Index, IndexEntry, IndexTime, Oid, Repository, TreeWalkMode, TreeWalkResult};

use super::git_error;
use crate::sandbox::SandboxError;

/// One file or link. `mode` is git's: `0o100644`, `0o100755` or `0o120000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mode: u32,
    pub(crate) oid: Oid,
}

/// Paths (bytes, `/`-separated, relative) and their entries, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Manifest(pub(crate) BTreeMap<Vec<u8>, Entry>);

/// Paths with the entries that are to be written there.
pub(crate) type Writes = Vec<(Vec<u8>, Entry)>;

impl Manifest {
    /// What to remove and what to write to turn this one into `then`. A path whose entry changes is in both lists.
    pub(crate) fn changes_to(&self, then: &Self) -> (Vec<Vec<u8>>, Writes) {
        let remove = self
            .0
            .iter()
            .filter(|(path, entry)| then.0.get(*path) != Some(entry));
        let write = then
            .0
            .iter()
            .filter(|(path, entry)| self.0.get(*path) != Some(entry));
        (
            remove.map(|(path, _)| path.clone()).collect(),
            write.map(|(path, entry)| (path.clone(), *entry)).collect(),
        )
    }

    /// Write as trees; the top tree's id.
    pub(crate) fn write(&self, repository: &Repository) -> Result<Oid, SandboxError> {
        let mut index = Index::new().map_err(git_error("make a tree"))?;
        for (path, entry) in &self.0 {
            let time = IndexTime::new(0, 0);
            let entry = IndexEntry {
                ctime: time,
                mtime: time,
                dev: 0,
                ino: 0,
                mode: entry.mode,
                uid: 0,
                gid: 0,
                file_size: 0,
                id: entry.oid,
                flags: 0,
                flags_extended: 0,
                path: path.clone(),
            };
            index.add(&entry).map_err(git_error("make a tree"))?;
        }
        index
            .write_tree_to(repository)
            .map_err(git_error("write a tree"))
    }

    /// Read back from a top tree.
    pub(crate) fn read(repository: &Repository, tree: Oid) -> Result<Self, SandboxError> {
        let tree = repository
            .find_tree(tree)
            .map_err(git_error("find a snapshot"))?;
        let mut entries = BTreeMap::new();
        tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
            let mode = entry.filemode().cast_unsigned();
            if mode != 0o040_000 {
                let path = [folder.as_bytes(), entry.name_bytes()].concat();
                entries.insert(
                    path,
                    Entry {
                        mode,
                        oid: entry.id(),
                    },
                );
            }
            TreeWalkResult::Ok
        })
        .map_err(git_error("read a snapshot"))?;
        Ok(Self(entries))
    }
}
