//! A workspace known only by a listing: what must be fetched to know its manifest.
//!
//! For sandboxes whose files the host cannot open. The same rules as in [`super::scan`] decide, in three steps: which
//! ignore files are unknown, which other files are then wanted and unknown, and, once all of them were fetched, the
//! manifests and what to remember.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use git2::Oid;

use super::Shadow;
use super::ignores::Ignores;
use super::manifest::{Entry, Manifest};
use super::scan::{GRAIN_NS, LARGEST_FILE, Stat, StatCache};
use crate::sandbox::SandboxError;

/// One file or link of a listing.
pub(crate) struct Found {
    path: Vec<u8>,
    link: bool,
    stat: Stat,
}

impl Found {
    pub(crate) fn new(
        path: Vec<u8>,
        link: bool,
        mode: u32,
        size: u64,
        modified_ns: i128,
        changed_ns: i128,
    ) -> Self {
        Self {
            path,
            link,
            stat: Stat {
                size,
                mode,
                modified_ns,
                changed_ns,
            },
        }
    }
}

struct Item {
    link: bool,
    stat: Stat,
    oid: Option<Oid>,
    hidden: bool,
    wanted: bool,
}

/// See the module.
pub(crate) struct Listing {
    items: BTreeMap<Vec<u8>, Item>,
    newest_ns: i128,
}

impl Listing {
    /// Take what a remembered stat already answers.
    pub(crate) fn new(found: Vec<Found>, cache: &StatCache) -> Self {
        // The newest change stands for the clock of whatever machine made the listing.
        let newest_ns = found
            .iter()
            .map(|found| found.stat.changed_ns)
            .max()
            .unwrap_or(0);
        let items = found
            .into_iter()
            .filter(|found| found.link || found.stat.size <= LARGEST_FILE)
            .map(|Found { path, link, stat }| {
                let oid = cache.recall(&path, &stat);
                (
                    path,
                    Item {
                        link,
                        stat,
                        oid,
                        hidden: false,
                        wanted: true,
                    },
                )
            })
            .collect();
        Self { items, newest_ns }
    }

    /// What to believe of a folder whose files were just put there: those that still have the size and mode that `there`
    /// knows of them.
    pub(crate) fn put_there(found: Vec<Found>, there: &StatCache) -> StatCache {
        let mut listing = Self::new(found, &StatCache::default());
        for (path, item) in &mut listing.items {
            item.oid = there.content(path, item.link, &item.stat);
        }
        listing.remember()
    }

    /// Ignore files whose content is not known, with their sizes.
    pub(crate) fn missing_ignore_files(&self) -> Vec<(Vec<u8>, u64)> {
        let is_ignore_file = |path: &[u8]| path == b".gitignore" || path.ends_with(b"/.gitignore");
        self.missing(|path, item| is_ignore_file(path) && !item.link && item.stat.size <= 1 << 20)
    }

    /// Everything whose content is not known, with sizes.
    pub(crate) fn all_missing(&self) -> Vec<(Vec<u8>, u64)> {
        self.missing(|_, _| true)
    }

    fn missing(&self, which: impl Fn(&[u8], &Item) -> bool) -> Vec<(Vec<u8>, u64)> {
        let unknown = self
            .items
            .iter()
            .filter(|(path, item)| item.oid.is_none() && item.wanted && which(path, item));
        unknown
            .map(|(path, item)| (path.clone(), item.stat.size))
            .collect()
    }

    /// Apply the ignore rules; what is wanted and not known yet, with sizes.
    pub(crate) fn decide(
        &mut self,
        tracked: &BTreeSet<Vec<u8>>,
        ignored_too: bool,
        shadow: &Shadow,
    ) -> Result<Vec<(Vec<u8>, u64)>, SandboxError> {
        let mut folders: HashMap<Vec<u8>, (Ignores, bool)> = HashMap::new();
        let paths: Vec<Vec<u8>> = self.items.keys().cloned().collect();
        for path in paths {
            let folder = path
                .iter()
                .rposition(|byte| *byte == b'/')
                .map_or(&b""[..], |at| path.get(..at).unwrap_or_default());
            let (rules, folder_hidden) = self.rules(folder, shadow, &mut folders)?;
            let hidden = (folder_hidden || rules.hide(&String::from_utf8_lossy(&path), false))
                && !tracked.contains(&path);
            if let Some(item) = self.items.get_mut(&path) {
                item.hidden = hidden;
                item.wanted = !hidden || ignored_too;
            }
        }
        Ok(self.all_missing())
    }

    fn rules(
        &self,
        folder: &[u8],
        shadow: &Shadow,
        known: &mut HashMap<Vec<u8>, (Ignores, bool)>,
    ) -> Result<(Ignores, bool), SandboxError> {
        if let Some(there) = known.get(folder) {
            return Ok(there.clone());
        }
        let (above, hidden) = if folder.is_empty() {
            (Ignores::default(), false)
        } else {
            let parent = folder
                .iter()
                .rposition(|byte| *byte == b'/')
                .map_or(&b""[..], |at| folder.get(..at).unwrap_or_default());
            let (above, hidden) = self.rules(parent, shadow, known)?;
            let hidden = hidden || above.hide(&String::from_utf8_lossy(folder), true);
            (above, hidden)
        };
        let mut name = folder.to_vec();
        if !name.is_empty() {
            name.push(b'/');
        }
        name.extend_from_slice(b".gitignore");
        let own = self
            .items
            .get(&name)
            .filter(|item| !item.link)
            .and_then(|item| item.oid);
        let rules = match own {
            Some(oid) => {
                let text = shadow.blob(oid)?;
                above.enter(
                    &String::from_utf8_lossy(folder),
                    &String::from_utf8_lossy(&text),
                )
            }
            None => above,
        };
        known.insert(folder.to_vec(), (rules.clone(), hidden));
        Ok((rules, hidden))
    }

    /// A file's content was fetched.
    pub(crate) fn learn(&mut self, path: &[u8], oid: Oid) {
        if let Some(item) = self.items.get_mut(path) {
            item.oid = Some(oid);
        }
    }

    /// The files, and the ignored ones that were wanted. What could not be fetched is left out, like what cannot be read.
    pub(crate) fn manifests(&self) -> (Manifest, Manifest) {
        let (mut files, mut ignored) = (Manifest::default(), Manifest::default());
        for (path, item) in self.items.iter().filter(|(_, item)| item.wanted) {
            let Some(oid) = item.oid else { continue };
            let mode = match (item.link, item.stat.mode & 0o100 != 0) {
                (true, _) => 0o120_000,
                (false, true) => 0o100_755,
                (false, false) => 0o100_644,
            };
            let manifest = if item.hidden {
                &mut ignored
            } else {
                &mut files
            };
            manifest.0.insert(path.clone(), Entry { mode, oid });
        }
        (files, ignored)
    }

    /// What to believe next time.
    pub(crate) fn remember(self) -> StatCache {
        let newest = self.newest_ns;
        let settled = self
            .items
            .into_iter()
            .filter(|(_, item)| newest - item.stat.changed_ns > GRAIN_NS);
        StatCache::of(settled.filter_map(|(path, item)| Some((path, item.stat, item.oid?))))
    }
}
