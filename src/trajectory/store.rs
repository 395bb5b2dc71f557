//! The store: a folder with one folder per rollout.
//!
//! ```text
//! <store>/rollouts/<id>/events.jsonl     the truth
//!                       lock             held by the process that runs it
//!                       control.sock     while it runs
//!                       grade-*.log      raw test logs
//!                       sandbox/         layers and the shadow repository
//! <store>/bases/                         base folders of tasks, shared by rollouts
//! <store>/checks/                        results of `tasks check`
//! <store>/index.sqlite                   rows for lists: a cache, made again whenever it is missing
//! ```
//!
//! Ids sort by time, are random beyond that, and are never reused: a ULID in lower case. A unique beginning of an id,
//! or `last`, names a rollout on the command line.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::TrajectoryError;
use super::event::Record;

/// Name of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RolloutId(String);

impl RolloutId {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(ulid::Ulid::generate().to_string().to_lowercase())
    }

    /// The name as it is written; `None` where it could not be one (it becomes part of a path).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty()
            && text.len() <= 64
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        fits.then(|| Self(text.to_owned()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RolloutId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A folder of rollouts.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

pub(super) fn file(
    path: &Path,
    what: &'static str,
) -> impl FnOnce(std::io::Error) -> TrajectoryError {
    let path = path.display().to_string();
    move |source| TrajectoryError::File { path, what, source }
}

impl Store {
    /// Open, making the folder if it is missing.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, TrajectoryError> {
        let root = root.into();
        fs::create_dir_all(root.join("rollouts")).map_err(file(&root, "make the store"))?;
        let root = fs::canonicalize(&root).map_err(file(&root, "open the store"))?;
        Ok(Self { root })
    }

    /// The store's own folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A rollout's folder.
    #[must_use]
    pub fn folder(&self, id: &RolloutId) -> PathBuf {
        self.root.join("rollouts").join(id.as_str())
    }

    /// Base folders shared by rollouts.
    #[must_use]
    pub fn bases(&self) -> PathBuf {
        self.root.join("bases")
    }

    /// Results of task checks.
    #[must_use]
    pub fn checks(&self) -> PathBuf {
        self.root.join("checks")
    }

    /// Make the folder of a new rollout.
    pub fn create(&self, id: &RolloutId) -> Result<PathBuf, TrajectoryError> {
        let folder = self.folder(id);
        fs::create_dir(&folder).map_err(file(&folder, "make the rollout's folder"))?;
        Ok(folder)
    }

    /// Every rollout, oldest first.
    pub fn list(&self) -> Result<Vec<RolloutId>, TrajectoryError> {
        let folder = self.root.join("rollouts");
        let mut ids: Vec<RolloutId> = fs::read_dir(&folder)
            .map_err(file(&folder, "list rollouts"))?
            .flatten()
            .filter(|entry| entry.path().join("events.jsonl").exists())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .map(RolloutId)
            .collect();
        ids.sort();
        Ok(ids)
    }

    /// The rollout that a person means: `last`, an id, or a unique beginning or ending of one.
    pub fn find(&self, name: &str) -> Result<RolloutId, TrajectoryError> {
        let ids = self.list()?;
        let unknown = |text: String| Err(TrajectoryError::Unknown(text));
        if name == "last" {
            return match ids.last() {
                Some(id) => Ok(id.clone()),
                None => unknown(format!(
                    "there is no rollout in {} yet: start one with `spotter run`",
                    self.root.display()
                )),
            };
        }
        let name = name.to_lowercase();
        let fitting: Vec<&RolloutId> = ids
            .iter()
            .filter(|id| id.0.starts_with(&name) || id.0.ends_with(&name))
            .collect();
        match fitting.as_slice() {
            [id] => Ok((*id).clone()),
            [] => unknown(format!("no rollout `{name}` in {}", self.root.display())),
            several => {
                let names: Vec<&str> = several.iter().take(5).map(|id| id.as_str()).collect();
                unknown(format!(
                    "`{name}` could be {} rollouts: {}",
                    several.len(),
                    names.join(", ")
                ))
            }
        }
    }

    /// Read a rollout's events.
    pub fn read(&self, id: &RolloutId) -> Result<Vec<Record>, TrajectoryError> {
        read_events(&self.folder(id).join("events.jsonl"))
    }

    /// Whether some process holds it open for writing.
    #[must_use]
    pub fn is_running(&self, id: &RolloutId) -> bool {
        let Ok(lock) = fs::File::open(self.folder(id).join("lock")) else {
            return false;
        };
        // Shared: two who only look must not take each other for the process that runs it.
        matches!(lock.try_lock_shared(), Err(fs::TryLockError::WouldBlock))
    }

    /// Keep other processes from running it, until the hold is dropped; `None` where one runs it.
    #[must_use]
    pub fn hold(&self, id: &RolloutId) -> Option<Hold> {
        match fs::File::open(self.folder(id).join("lock")) {
            Ok(lock) => match lock.try_lock() {
                Err(fs::TryLockError::WouldBlock) => None,
                Ok(()) | Err(fs::TryLockError::Error(_)) => Some(Hold { _lock: Some(lock) }),
            },
            Err(_) => Some(Hold { _lock: None }),
        }
    }
}

/// See [`Store::hold`].
#[derive(Debug)]
pub struct Hold {
    _lock: Option<fs::File>,
}

/// Read whole events. A last line without a newline is an event that was being written when the program died: it is
/// left out. Anything else that cannot be read is an error that says where.
pub fn read_events(path: &Path) -> Result<Vec<Record>, TrajectoryError> {
    let mut records = Vec::new();
    each_event(path, |record| records.push(record))?;
    Ok(records)
}

/// The same, one after the other: a run that goes on for hours leaves a file that no memory should hold.
///
/// # Errors
/// As [`read_events`].
pub fn each_event(path: &Path, mut take: impl FnMut(Record)) -> Result<(), TrajectoryError> {
    let opened = fs::File::open(path).map_err(file(path, "open"))?;
    let mut reader = BufReader::new(opened);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let length = reader
            .read_until(b'\n', &mut line)
            .map_err(file(path, "read"))?;
        if length == 0 || !line.ends_with(b"\n") {
            break;
        }
        let record = serde_json::from_slice(&line).map_err(|error| TrajectoryError::Line {
            path: path.display().to_string(),
            line: number,
            why: error.to_string(),
        })?;
        take(record);
    }
    Ok(())
}
