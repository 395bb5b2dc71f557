//! Adapters by their folders: each is loaded once for all who hold it, and anew where its files have changed.
//!
//! Mental model: an adapter lives as long as somebody holds it; what is kept here only finds it again. Its files are looked at
//! each time it is asked for, so that one that was trained further in the same folder is the one that is used.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use super::Adapter;
use crate::engine::EngineError;

/// What an adapter is read from.
const FILES: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];

/// Size and last change of a file, where they can be had.
type State = Option<(u64, Option<SystemTime>)>;

/// A folder, and its files as they were.
type Key = (PathBuf, [State; 2]);

/// See the module.
#[derive(Default)]
pub(in crate::engine) struct Folders(Mutex<HashMap<Key, Weak<Adapter>>>);

impl Folders {
    /// The adapter of a folder: one that somebody holds and whose files are as they were, or else what `load` makes of it.
    pub(in crate::engine) fn adapter(
        &self,
        folder: &Path,
        load: impl FnOnce() -> Result<Adapter, EngineError>,
    ) -> Result<Arc<Adapter>, EngineError> {
        // Held while it is read: two attempts that begin together want the same one.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What changes while it is read is another state the next time.
        let key = (
            folder.to_owned(),
            FILES.map(|name| state(&folder.join(name))),
        );
        if let Some(there) = all.get(&key).and_then(Weak::upgrade) {
            return Ok(there);
        }
        let adapter = Arc::new(load()?);
        all.retain(|_, held| held.strong_count() > 0);
        all.insert(key, Arc::downgrade(&adapter));
        Ok(adapter)
    }
}

fn state(file: &Path) -> State {
    let about = std::fs::metadata(file).ok()?;
    Some((about.len(), about.modified().ok()))
}
