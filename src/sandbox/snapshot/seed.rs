//! What all sandboxes of one base share: its content as blobs, the stats to believe, and which paths git tracks.
//!
//! Made once per base folder, beside it (`<base>.seed/`), and read by every start: a first snapshot then costs a walk,
//! not a read of every file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Repository};
use serde::{Deserialize, Serialize};

use super::scan::{self, StatCache};
use super::{Workspace, git_error, open_bare};
use crate::sandbox::SandboxError;

/// See the module.
#[derive(Debug, Clone)]
pub struct Seed {
    pub(super) objects: PathBuf,
    pub(crate) files: StatCache,
    pub(crate) git: StatCache,
    pub(super) tracked: BTreeSet<Vec<u8>>,
}

/// The part of a seed that is not objects.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) files: StatCache,
    pub(crate) git: StatCache,
    pub(crate) tracked: BTreeSet<Vec<u8>>,
}

impl Stored {
    /// Read it from a seed's folder.
    pub(crate) fn load(at: &Path) -> Result<Self, SandboxError> {
        let list = at.join("stats.json");
        let what = || format!("read {}", list.display());
        let bytes = std::fs::read(&list).map_err(SandboxError::os(what()))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| SandboxError::Snapshot(format!("{}: {error}", what())))
    }

    /// Write it into a seed's folder, beside and moved: two writers at once write the same, and no reader reads half.
    pub(crate) fn save(&self, at: &Path) -> Result<(), SandboxError> {
        let list = at.join("stats.json");
        let failed = || SandboxError::os(format!("write {}", list.display()));
        let bytes =
            serde_json::to_vec(self).map_err(|error| SandboxError::Snapshot(error.to_string()))?;
        let part = at.join(format!("stats.{}.part", ulid::Ulid::generate()));
        std::fs::write(&part, bytes).map_err(failed())?;
        std::fs::rename(&part, &list).map_err(failed())
    }
}

/// Read, or make, the seed of a base folder.
pub fn seed(base: &Path) -> Result<Seed, SandboxError> {
    let mut name = base.as_os_str().to_owned();
    name.push(".seed");
    let at = PathBuf::from(name);
    let objects = at.join("objects");
    let known = || {
        let Stored {
            files,
            git,
            tracked,
        } = Stored::load(&at).ok()?;
        Some(Seed {
            objects: objects.clone(),
            files,
            git,
            tracked,
        })
    };
    if let Some(seed) = known() {
        return Ok(seed);
    }
    // Several first starts on one base: one makes the seed, the others find it made.
    std::fs::create_dir_all(&at).map_err(SandboxError::os("make a seed"))?;
    let lock = std::fs::File::create(at.join("lock")).map_err(SandboxError::os("lock a seed"))?;
    lock.lock().map_err(SandboxError::os("lock a seed"))?;
    if let Some(seed) = known() {
        return Ok(seed);
    }
    let repository = open_bare(&at)?;
    let odb = repository.odb().map_err(git_error("open the seed"))?;
    let store = |bytes: &[u8]| {
        odb.write(ObjectType::Blob, bytes)
            .map_err(git_error("keep a file"))
    };
    let workspace = Workspace::open(base, None)?;
    let tracked = tracked_paths(base)?;
    let (mut files, mut git) = (StatCache::default(), StatCache::default());
    // A base made a moment ago is too fresh to be remembered by its times.
    std::thread::park_timeout(std::time::Duration::from_millis(30));
    scan::files(
        &workspace,
        Some(&tracked),
        false,
        &mut files,
        scan::Touch::Nothing,
        store,
    )?;
    scan::git(&workspace, &mut git, scan::Touch::Nothing, store)?;
    let stored = Stored {
        files,
        git,
        tracked,
    };
    stored.save(&at)?;
    let Stored {
        files,
        git,
        tracked,
    } = stored;
    Ok(Seed {
        objects,
        files,
        git,
        tracked,
    })
}

/// Paths in the index of the base's own repository; none where it is no repository.
fn tracked_paths(base: &Path) -> Result<BTreeSet<Vec<u8>>, SandboxError> {
    let Ok(repository) = Repository::open(base) else {
        return Ok(BTreeSet::new());
    };
    let index = repository
        .index()
        .map_err(git_error("read the base's index"))?;
    Ok(index.iter().map(|entry| entry.path).collect())
}
