//! A manifest: every path of a tree with its mode and blob, and its form as nested git trees.

use std::collections::BTreeMap;

use git2::{Oid, Repository};

use super::git_error;
use super::trees::Trees;
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

    /// Write as trees; the top tree's id. The trees are put together here, because libgit2 refuses names that matter to
    /// git itself (`.GIT`, `git~1`), and an agent may use any.
    pub(super) fn write(
        &self,
        repository: &Repository,
        trees: &mut Trees,
    ) -> Result<Oid, SandboxError> {
        let odb = repository
            .odb()
            .map_err(git_error("open the shadow repository"))?;
        let mut folders: BTreeMap<(usize, &[u8]), Vec<Child<'_>>> = BTreeMap::new();
        folders.entry((0, b"")).or_default();
        for (path, entry) in &self.0 {
            let (mut folder, name) = split(path);
            let child = (name, entry.mode, entry.oid);
            folders
                .entry((depth(folder), folder))
                .or_default()
                .push(child);
            while !folder.is_empty()
                && !folders.contains_key(&(depth(split(folder).0), split(folder).0))
            {
                folder = split(folder).0;
                folders.insert((depth(folder), folder), Vec::new());
            }
        }
        // The deepest come first, so that a folder's own folders are written before it.
        while let Some(((_, folder), mut children)) = folders.pop_last() {
            children.sort_by(|one, other| sort_key(one).cmp(sort_key(other)));
            let mut tree = Vec::new();
            for (name, mode, oid) in &children {
                tree.extend_from_slice(format!("{mode:o} ").as_bytes());
                tree.extend_from_slice(name);
                tree.push(0);
                tree.extend_from_slice(oid.as_bytes());
            }
            let oid = trees.keep(&odb, &tree, children.into_iter())?;
            if folder.is_empty() {
                return Ok(oid);
            }
            let (above, name) = split(folder);
            let children = folders.entry((depth(above), above)).or_default();
            children.push((name, FOLDER, oid));
        }
        Err(SandboxError::Snapshot("a tree without a top".into()))
    }

    /// Read back from a top tree.
    pub(super) fn read(
        repository: &Repository,
        tree: Oid,
        trees: &mut Trees,
    ) -> Result<Self, SandboxError> {
        let mut entries = BTreeMap::new();
        let mut folders = vec![(Vec::new(), tree)];
        while let Some((folder, oid)) = folders.pop() {
            for (name, mode, oid) in &*trees.read(repository, oid)? {
                let mut path: Vec<u8> = folder.clone();
                path.extend_from_slice(name);
                let (mode, oid) = (*mode, *oid);
                if mode == FOLDER {
                    path.push(b'/');
                    folders.push((path, oid));
                } else {
                    entries.insert(path, Entry { mode, oid });
                }
            }
        }
        Ok(Self(entries))
    }
}

/// Mode of a tree within a tree.
const FOLDER: u32 = 0o040_000;

/// Name, mode and id of an entry of a tree.
type Child<'a> = (&'a [u8], u32, Oid);

/// The folder of a path (empty at the top) and the last name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (
            path.get(..at).unwrap_or_default(),
            path.get(at + 1..).unwrap_or_default(),
        ),
        None => (b"", path),
    }
}

fn depth(folder: &[u8]) -> usize {
    if folder.is_empty() {
        return 0;
    }
    folder.split(|byte| *byte == b'/').count()
}

/// Git's order: a folder sorts as if its name ended in a slash.
fn sort_key<'a>((name, mode, _): &Child<'a>) -> impl Iterator<Item = u8> + use<'a> {
    let end = (*mode == FOLDER).then_some(b'/');
    name.iter().copied().chain(end)
}
