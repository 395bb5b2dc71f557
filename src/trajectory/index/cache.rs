//! The index: the library's rows kept in `<store>/index.sqlite`, so that a list need not open thousands of files.
//!
//! Mental model: the files are the truth and the index is a cache. A row holds for as long as size and time of its
//! `events.jsonl` are those it was made from. The file can be deleted, be of another version, be broken, be locked or
//! find no space: whatever cannot be had from it is read from the trajectories, and nobody is told.
//!
//! Not here: who looks when (the executor watches the store), and what the rows are for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, params};

use super::Summary;
use crate::trajectory::fold::State;
use crate::trajectory::store::{RolloutId, Store, each_event};
use crate::trajectory::{TrajectoryError, store};

/// Version of the rows. It goes up whenever [`Summary`] changes: older rows are then made again.
const SCHEMA: i64 = 2;

/// How long to wait for another process that writes to the index.
const PATIENCE: Duration = Duration::from_secs(2);

/// Rows told, and written, at a time.
const SLICE: usize = 256;

/// See the module.
pub struct Index {
    store: Store,
    connection: Option<Connection>,
    known: BTreeMap<String, Kept>,
}

/// What is known of a folder.
struct Kept {
    stamp: Stamp,
    /// `None` for one that never began or cannot be read.
    row: Option<Summary>,
}

/// Size and time of the last change of a trajectory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: i64,
    modified: i64,
}

/// What a look at the whole store came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Trajectories there are.
    pub there: usize,
    /// Those that had to be opened and read.
    pub opened: usize,
    /// Rows of rollouts that are gone.
    pub gone: Vec<String>,
}

impl Index {
    /// The index of a store. It always opens: without its file it only remembers nothing.
    #[must_use]
    pub fn open(store: &Store) -> Self {
        let mut index = Self {
            store: store.clone(),
            connection: connect(store.root()),
            known: BTreeMap::new(),
        };
        index.known = index.using(recall).unwrap_or_default();
        index
    }

    /// The rows as they were kept, oldest first: no trajectory is opened, none is even looked at. Only rows of runs
    /// that are not over are asked whether a process works on them.
    pub fn rows(&mut self) -> Vec<Summary> {
        let store = &self.store;
        let rows = self.known.values_mut().filter_map(|kept| kept.row.as_mut());
        rows.map(|row| {
            row.live = (row.ended.is_none() || row.verdict.is_none()) && is_live(store, &row.id);
            row.clone()
        })
        .collect()
    }

    /// The rows as of the last look, oldest first.
    #[must_use]
    pub fn known_rows(&self) -> Vec<Summary> {
        let rows = self.known.values().filter_map(|kept| kept.row.as_ref());
        rows.cloned().collect()
    }

    /// Compare the index with the store: `tell` hears of rows that are new or changed, in slices as they come, and
    /// says whether it wants more.
    ///
    /// # Errors
    /// Where the store's folder cannot be listed.
    pub fn refresh(
        &mut self,
        tell: &mut dyn FnMut(Vec<Summary>) -> bool,
    ) -> Result<Refreshed, TrajectoryError> {
        let mut done = Refreshed::default();
        let mut there = BTreeSet::new();
        let (mut changed, mut told) = (Vec::new(), Vec::new());
        for id in self.store.folders()? {
            let Some(stamp) = stamp(&self.store, &id) else {
                continue;
            };
            done.there += 1;
            there.insert(id.as_str().to_owned());
            match self.known.get_mut(id.as_str()) {
                Some(kept) if kept.stamp == stamp => {
                    if let Some(row) = &mut kept.row {
                        let live = self.store.is_running(&id);
                        if row.live != live {
                            row.live = live;
                            told.push(row.clone());
                        }
                    }
                }
                _ => {
                    done.opened += 1;
                    told.extend(self.read(&id, stamp));
                    changed.push(id);
                }
            }
            if changed.len() >= SLICE {
                self.keep(&std::mem::take(&mut changed));
            }
            if told.len() >= SLICE && !tell(std::mem::take(&mut told)) {
                self.keep(&changed);
                return Ok(done);
            }
        }
        self.keep(&changed);
        if !told.is_empty() {
            tell(told);
        }
        let gone = self.known.keys().filter(|id| !there.contains(*id));
        done.gone = gone.cloned().collect();
        self.forget(&done.gone);
        Ok(done)
    }

    /// One row anew, where its trajectory has changed; `None` where there is none.
    pub fn row(&mut self, id: &RolloutId) -> Option<Summary> {
        let Some(stamp) = stamp(&self.store, id) else {
            self.forget(&[id.as_str().to_owned()]);
            return None;
        };
        match self.known.get_mut(id.as_str()) {
            Some(kept) if kept.stamp == stamp => {
                let row = kept.row.as_mut()?;
                row.live = self.store.is_running(id);
                Some(row.clone())
            }
            _ => {
                let row = self.read(id, stamp);
                self.keep(std::slice::from_ref(id));
                row
            }
        }
    }

    /// Read a trajectory. The stamp was taken before: what is written meanwhile makes the row stale.
    fn read(&mut self, id: &RolloutId, stamp: Stamp) -> Option<Summary> {
        let path = self.store.folder(id).join("events.jsonl");
        let mut state = State::default();
        let row = match each_event(&path, |record| state.apply(&record)) {
            Ok(()) => Summary::from_state(id.as_str(), &state),
            Err(TrajectoryError::Line { .. }) => None,
            // It may be readable the next time.
            Err(_) => {
                self.known.remove(id.as_str());
                return None;
            }
        };
        let row = row.map(|mut row| {
            row.live = self.store.is_running(id);
            row
        });
        let kept = Kept {
            stamp,
            row: row.clone(),
        };
        self.known.insert(id.as_str().to_owned(), kept);
        row
    }

    /// Write rows down; where that fails they are read again the next time.
    fn keep(&mut self, ids: &[RolloutId]) {
        let mut rows = Vec::new();
        for id in ids {
            let Some(kept) = self.known.get(id.as_str()) else {
                continue;
            };
            if let Ok(text) = serde_json::to_string(&kept.row) {
                rows.push((id.as_str().to_owned(), kept.stamp, text));
            }
        }
        if rows.is_empty() {
            return;
        }
        self.using(|connection| {
            let work = connection.transaction()?;
            {
                let mut write =
                    work.prepare_cached("INSERT OR REPLACE INTO rollout VALUES (?1, ?2, ?3, ?4)")?;
                for (id, stamp, text) in &rows {
                    write.execute(params![id, stamp.size, stamp.modified, text])?;
                }
            }
            work.commit()
        });
    }

    fn forget(&mut self, ids: &[String]) {
        let mut known = Vec::new();
        for id in ids {
            if self.known.remove(id).is_some() {
                known.push(id);
            }
        }
        if known.is_empty() {
            return;
        }
        self.using(|connection| {
            let work = connection.transaction()?;
            for id in &known {
                work.execute("DELETE FROM rollout WHERE id = ?1", [id])?;
            }
            work.commit()
        });
    }

    /// Use the file, if it can be used. A broken one is thrown away.
    fn using<T>(
        &mut self,
        with: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error>,
    ) -> Option<T> {
        match with(self.connection.as_mut()?) {
            Ok(value) => Some(value),
            Err(error) => {
                if is_broken(&error) {
                    self.connection = None;
                    remove(self.store.root());
                    self.connection = connect(self.store.root());
                }
                None
            }
        }
    }
}

impl Store {
    /// Every folder of rollouts, without a look into them.
    fn folders(&self) -> Result<Vec<RolloutId>, TrajectoryError> {
        let folder = self.root().join("rollouts");
        let listed = fs::read_dir(&folder).map_err(store::file(&folder, "list rollouts"))?;
        let names = listed
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let mut ids: Vec<RolloutId> = names.filter_map(|name| RolloutId::parse(&name)).collect();
        ids.sort();
        Ok(ids)
    }
}

fn is_live(store: &Store, id: &str) -> bool {
    RolloutId::parse(id).is_some_and(|id| store.is_running(&id))
}

fn stamp(store: &Store, id: &RolloutId) -> Option<Stamp> {
    let about = fs::metadata(store.folder(id).join("events.jsonl")).ok()?;
    let modified = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Stamp {
        size: i64::try_from(about.len()).ok()?,
        modified: i64::try_from(modified.as_nanos()).ok()?,
    })
}

/// Open the file, making it anew where it is broken; `None` where that cannot be done.
fn connect(root: &Path) -> Option<Connection> {
    match prepare(root) {
        Ok(connection) => Some(connection),
        Err(error) if is_broken(&error) => {
            remove(root);
            prepare(root).ok()
        }
        Err(_) => None,
    }
}

fn prepare(root: &Path) -> Result<Connection, rusqlite::Error> {
    let mut connection = Connection::open(root.join("index.sqlite"))?;
    connection.busy_timeout(PATIENCE)?;
    // Many read while one writes, and a kill loses at most the last rows, never the file.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    if version(&connection)? != SCHEMA {
        let work =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have been first.
        if version(&work)? != SCHEMA {
            work.execute_batch(
                "DROP TABLE IF EXISTS rollout;
                 CREATE TABLE rollout (
                     id TEXT PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL, row TEXT NOT NULL
                 ) WITHOUT ROWID;",
            )?;
            work.pragma_update(None, "user_version", SCHEMA)?;
        }
        work.commit()?;
    }
    Ok(connection)
}

fn version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn recall(connection: &mut Connection) -> Result<BTreeMap<String, Kept>, rusqlite::Error> {
    let mut read = connection.prepare("SELECT id, size, modified, row FROM rollout ORDER BY id")?;
    let mut rows = read.query([])?;
    let mut known = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let stamp = Stamp {
            size: row.get(1)?,
            modified: row.get(2)?,
        };
        // A row that says nothing to this program is made again.
        if let Ok(row) = serde_json::from_str(row.get_ref(3)?.as_str()?) {
            known.insert(id, Kept { stamp, row });
        }
    }
    Ok(known)
}

fn is_broken(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, why) => {
            matches!(
                failure.code,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase
            ) || why.as_ref().is_some_and(|why| {
                why.starts_with("no such table") || why.contains("values were supplied")
            })
        }
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::InvalidColumnIndex(_)
        | rusqlite::Error::FromSqlConversionFailure(..) => true,
        _ => false,
    }
}

/// Throw the file away; whoever has it open goes on with what has no name any more.
fn remove(root: &Path) {
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        let _ = fs::remove_file(root.join(name));
    }
}

#[cfg(test)]
mod tests;
