//! Trees that this shadow repository is known to hold, with what is in them.
//!
//! Two snapshots differ in few folders, and a tree's name says all that is in it. So a tree that was written or read once
//! is neither written nor inflated again while it is remembered: a restore that follows a snapshot reads nothing.

use std::collections::HashMap;
use std::sync::Arc;

use git2::{ObjectType, Odb, Oid, Repository};

use super::git_error;
use crate::sandbox::SandboxError;

/// More entries than this are not remembered; an entry takes about a hundred bytes.
const MOST: usize = 100_000;

/// Name, mode and id of what is in a tree.
pub(super) type Child = (Box<[u8]>, u32, Oid);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Trees {
    known: HashMap<Oid, Arc<[Child]>>,
    entries: usize,
}

impl Trees {
    /// Keep a tree, given its bytes as git has them and what is in it.
    pub(super) fn keep<'a>(
        &mut self,
        odb: &Odb<'_>,
        bytes: &[u8],
        children: impl Iterator<Item = (&'a [u8], u32, Oid)>,
    ) -> Result<Oid, SandboxError> {
        let failed = || git_error("write a tree");
        let oid = Oid::hash_object(ObjectType::Tree, bytes).map_err(failed())?;
        if !self.known.contains_key(&oid) {
            odb.write(ObjectType::Tree, bytes).map_err(failed())?;
            self.remember(
                oid,
                children.map(|(name, mode, oid)| (name.into(), mode, oid)),
            );
        }
        Ok(oid)
    }

    /// What is in a tree.
    pub(super) fn read(
        &mut self,
        repository: &Repository,
        oid: Oid,
    ) -> Result<Arc<[Child]>, SandboxError> {
        if let Some(children) = self.known.get(&oid) {
            return Ok(Arc::clone(children));
        }
        let tree = repository
            .find_tree(oid)
            .map_err(git_error("find a snapshot"))?;
        #[cfg(test)]
        inflated::one();
        Ok(self.remember(
            oid,
            tree.iter().map(|entry| {
                let mode = entry.filemode_raw().cast_unsigned();
                (entry.name_bytes().into(), mode, entry.id())
            }),
        ))
    }

    fn remember(&mut self, oid: Oid, children: impl Iterator<Item = Child>) -> Arc<[Child]> {
        let children: Arc<[Child]> = children.collect();
        if self.entries + children.len() > MOST {
            self.known.clear();
            self.entries = 0;
        }
        self.entries += children.len();
        self.known.insert(oid, Arc::clone(&children));
        children
    }
}

/// How many trees this thread has inflated, for tests that count work.
#[cfg(test)]
pub(super) mod inflated {
    use std::cell::Cell;

    thread_local!(static INFLATED: Cell<usize> = const { Cell::new(0) });

    pub(super) fn one() {
        INFLATED.set(INFLATED.get() + 1);
    }

    pub(in super::super) fn count() -> usize {
        INFLATED.get()
    }
}
