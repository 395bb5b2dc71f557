//! From files to tasks: which reader a file gets, where each row stood, and what becomes of rows that come twice.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Task, json_document, jsonl, parquet_rows, row};

/// What was read, and what could not be.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Tasks in the files' order.
    pub tasks: Vec<Task>,
    /// Rows that were skipped, each with its place.
    pub problems: Vec<Problem>,
}

/// A row, or a whole file, that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File or hub name.
    pub origin: String,
    /// Line in a text file, row in a Parquet file, from 1; 0 means the file as a whole.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.origin, self.what),
            line => write!(f, "{}:{line}: {}", self.origin, self.what),
        }
    }
}

/// Why nothing could be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file or folder cannot be opened.
    #[error("{}: {source}", path.display())]
    Io {
        /// Path.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A folder without a file of tasks.
    #[error("{}: no .parquet, .jsonl or .json file is in this folder", path.display())]
    NoFiles {
        /// Path.
        path: PathBuf,
    },
}

/// Read a file, or every file of tasks in a folder.
///
/// # Errors
/// Only where nothing can be opened; rows that cannot be used are in [`Loaded::problems`].
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    let files = if path.is_dir() {
        files_in(path)?
    } else {
        vec![path.to_owned()]
    };
    let mut intake = Intake::default();
    for file in files {
        intake.file(&file, &file.display().to_string())?;
    }
    Ok(intake.finish())
}

/// The files of tasks in a folder, sorted. Plain `.json` files count only where there is nothing better: data folders
/// often hold a `dataset_infos.json` beside the rows.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let mut rows = Vec::new();
    let mut plain = Vec::new();
    let walk = ignore::WalkBuilder::new(folder)
        .max_depth(Some(3))
        .git_ignore(false)
        .ignore(false)
        .git_global(false)
        .git_exclude(false)
        .build();
    for entry in walk {
        let entry = entry.map_err(|error| LoadError::Io {
            path: folder.to_owned(),
            source: std::io::Error::other(error),
        })?;
        let path = entry.into_path();
        match extension(&path).as_str() {
            "parquet" | "jsonl" | "ndjson" => rows.push(path),
            "json" => plain.push(path),
            _ => {}
        }
    }
    let mut files = if rows.is_empty() { plain } else { rows };
    if files.is_empty() {
        return Err(LoadError::NoFiles {
            path: folder.to_owned(),
        });
    }
    files.sort();
    Ok(files)
}

fn extension(path: &Path) -> String {
    path.extension()
        .map(|e| e.to_string_lossy().to_lowercase())
        .unwrap_or_default()
}

/// Takes rows in, one after the other, and says what is wrong with them.
#[derive(Default)]
pub(super) struct Intake {
    tasks: Vec<Task>,
    problems: Vec<Problem>,
    seen: HashMap<String, Seen>,
}

/// Where an id stood first, and what came of it.
struct Seen {
    place: String,
    /// Index into `tasks`; none once a different row of the same id has shown that neither can be trusted.
    task: Option<usize>,
}

impl Intake {
    /// Read one file; `origin` is what messages call it.
    pub(super) fn file(&mut self, path: &Path, origin: &str) -> Result<(), LoadError> {
        let io = |source| LoadError::Io {
            path: path.to_owned(),
            source,
        };
        let read = match extension(path).as_str() {
            "parquet" => parquet_rows::read(path, origin, self),
            "jsonl" | "ndjson" => jsonl::read(path, origin, self),
            _ => json_document::read(path, origin, self),
        };
        read.map_err(io)
    }

    /// Take in JSONL that is in memory already.
    pub(super) fn jsonl(&mut self, text: &[u8], origin: &str) -> Result<(), std::io::Error> {
        jsonl::read_from(text, origin, self)
    }

    pub(super) fn problem(&mut self, origin: &str, line: u64, what: impl Into<String>) {
        self.problems.push(Problem {
            origin: origin.to_owned(),
            line,
            what: what.into(),
        });
    }

    pub(super) fn row(&mut self, origin: &str, line: u64, row: &Map<String, Value>) {
        let place = format!("{origin}:{line}");
        let task = match row::task(row, place.clone()) {
            Ok(task) => task,
            Err(what) => return self.problem(origin, line, what),
        };
        let Some(seen) = self.seen.get_mut(&task.key()) else {
            let index = self.tasks.len();
            self.seen.insert(
                task.key(),
                Seen {
                    place,
                    task: Some(index),
                },
            );
            self.tasks.push(task);
            return;
        };
        let first = seen.task.and_then(|index| self.tasks.get(index));
        if first.is_some_and(|first| same(first, &task)) {
            return;
        }
        seen.task = None;
        let what = format!(
            "`{}` stands here and at {} with different contents; neither row is used",
            task.instance_id, seen.place
        );
        self.problem(origin, line, what);
    }

    pub(super) fn finish(self) -> Loaded {
        let dropped: std::collections::HashSet<String> = self
            .seen
            .into_iter()
            .filter(|(_, seen)| seen.task.is_none())
            .map(|(key, _)| key)
            .collect();
        let mut tasks = self.tasks;
        tasks.retain(|task| !dropped.contains(&task.key()));
        Loaded {
            tasks,
            problems: self.problems,
        }
    }
}

/// Whether two tasks are the same but for where they stood.
fn same(a: &Task, b: &Task) -> bool {
    let without_origin = |task: &Task| Task {
        origin: String::new(),
        ..task.clone()
    };
    without_origin(a) == without_origin(b)
}

#[cfg(test)]
mod tests;
