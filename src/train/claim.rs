//! The folder that a run makes is its own: what somebody else put there stays, and no other run writes there at the same time.
//!
//! A model without a checkpoint of ours is not gone on from, so it would be written over: it is refused. Only what a run leaves that was
//! ended before its first checkpoint, a vocabulary and settings without weights beside a lock, is begun anew. The lock is the operating
//! system's: it goes with the process that holds it, however that ends.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use super::TrainError;
use super::checkpoint::{self, FOLDER};
use super::error::file;
use super::folder::TOKENIZER;

const LOCK: &str = "lock";

/// A folder, until it is dropped.
pub(super) struct Claim {
    _lock: File,
}

impl Claim {
    /// Take a folder for a run, making it where there is none.
    ///
    /// # Errors
    /// Where it holds a model that is no run of ours, another process trains in it, or it cannot be made.
    pub(super) fn on(folder: &Path) -> Result<Self, TrainError> {
        if let Some(what) = foreign(folder) {
            let folder = folder.display().to_string();
            return Err(TrainError::Taken { folder, what });
        }
        let checkpoints = folder.join(FOLDER);
        fs::create_dir_all(&checkpoints).map_err(file(&checkpoints, "make"))?;
        let path = checkpoints.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(file(&path, "lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(TrainError::Busy(folder.display().to_string())),
            Err(TryLockError::Error(error)) => Err(file(&path, "lock")(error)),
        }
    }
}

/// A file of a model that no run of ours goes on with.
fn foreign(folder: &Path) -> Option<String> {
    if checkpoint::exists(folder) {
        return None;
    }
    let names = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    // Weights come after the first checkpoint, never before.
    let begun = folder.join(FOLDER).join(LOCK).is_file();
    names.into_iter().find(|name| {
        let is_weights = Path::new(name)
            .extension()
            .is_some_and(|end| end == "safetensors");
        is_weights || (!begun && [TOKENIZER, "config.json"].contains(&name.as_str()))
    })
}
