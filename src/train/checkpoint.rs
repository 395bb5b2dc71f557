//! Checkpoints: everything that the next step depends on, written whole.
//!
//! ```text
//! <folder>/checkpoints/step-00000400/state.json      step, time worked, what validation said; what the run was begun with
//!                                    trainer.bin     weights, means, squares: little-endian single precision
//!                      lock                           held by the process that trains
//! ```
//!
//! A checkpoint is a folder that gets its name when it is complete, and the one before it is deleted only then; so whenever the
//! program dies, one is whole. A run that goes on from it takes the same steps as one that never ended.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::error::file;
use super::shape::Shape;
use super::trainer::{Settings, Trainer};

pub(super) const FOLDER: &str = "checkpoints";
const STATE: &str = "state.json";
const NUMBERS: &str = "trainer.bin";

/// How long a run is. The learning rate follows it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Length {
    /// Steps.
    pub steps: u64,
    /// Minutes after which it ends in any case.
    pub minutes: Option<f64>,
}

/// What a run was begun with: it goes on with the same only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// Sizes.
    pub shape: Shape,
    /// Rule of steps.
    pub settings: Settings,
    /// Seed of weights and order.
    pub seed: u64,
    /// Names the rows.
    pub rows: String,
    /// Threads: sums depend on them.
    pub threads: usize,
    /// Names the weights that it did not draw itself.
    #[serde(default)]
    pub from: Option<String>,
    /// Not on record in checkpoints of before.
    #[serde(default)]
    pub length: Option<Length>,
    /// Entries of the vocabulary, at most, as they were wished for. Not on record before, either.
    #[serde(default)]
    pub vocabulary: Option<usize>,
    /// Names the rows of validation. Not on record before, either.
    #[serde(default)]
    pub validation: Option<String>,
}

/// Where a run was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// What it was begun with.
    pub begun: Begun,
    /// Steps taken.
    pub step: u64,
    /// Tokens seen.
    pub seen: u64,
    /// Seconds worked.
    pub seconds: f64,
    /// Step, loss, tokens right and turns right in a thousand.
    pub validation: Vec<(u64, f64, u64, u64)>,
}

fn name(step: u64) -> String {
    format!("step-{step:08}")
}

/// Checkpoints of a folder, newest first.
fn all(folder: &Path) -> Vec<(u64, PathBuf)> {
    let mut found: Vec<(u64, PathBuf)> = fs::read_dir(folder.join(FOLDER))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name.strip_prefix("step-")?.parse().ok()?, entry.path()))
        })
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found
}

/// Write one, and delete those before it.
///
/// # Errors
/// What the file system says; those before it stay then.
pub fn write(folder: &Path, place: &Place, trainer: &Trainer) -> Result<(), TrainError> {
    let root = folder.join(FOLDER);
    let part = root.join("part");
    if part.exists() {
        fs::remove_dir_all(&part).map_err(file(&part, "clear"))?;
    }
    fs::create_dir_all(&part).map_err(file(&part, "make"))?;
    let path = part.join(NUMBERS);
    let mut numbers = fs::File::create(&path).map_err(file(&path, "make"))?;
    for part in &trainer.state {
        numbers
            .write_all(bytemuck::cast_slice(part))
            .map_err(file(&path, "write"))?;
    }
    numbers.sync_all().map_err(file(&path, "write"))?;
    let text = serde_json::to_vec(place).unwrap_or_default();
    super::folder::write(&part.join(STATE), &text)?;
    let to = root.join(name(place.step));
    if to.exists() {
        fs::remove_dir_all(&to).map_err(file(&to, "replace"))?;
    }
    fs::rename(&part, &to).map_err(file(&to, "put in its place"))?;
    for (step, path) in all(folder) {
        if step != place.step {
            // What cannot be deleted costs room only.
            let _ = fs::remove_dir_all(path);
        }
    }
    Ok(())
}

/// Write anew where the run is, its numbers being those of the checkpoint that there is.
///
/// # Errors
/// What the file system says; what was on record stays then.
pub fn note(folder: &Path, place: &Place) -> Result<(), TrainError> {
    let path = folder.join(FOLDER).join(name(place.step)).join(STATE);
    super::folder::write(&path, &serde_json::to_vec(place).unwrap_or_default())
}

/// Whether there is one.
#[must_use]
pub fn exists(folder: &Path) -> bool {
    !all(folder).is_empty()
}

/// Go on from the newest one: its place, with the trainer's numbers put back. `None` where there is none.
///
/// # Errors
/// Where it was begun with something else, or cannot be read.
pub fn resume(
    folder: &Path,
    begun: &Begun,
    trainer: &mut Trainer,
) -> Result<Option<Place>, TrainError> {
    let Some((_, path)) = all(folder).into_iter().next() else {
        return Ok(None);
    };
    let refused = |why: &str| TrainError::Checkpoint {
        path: path.display().to_string(),
        why: format!("{why}; to begin anew, name another folder"),
    };
    let state = path.join(STATE);
    let text = fs::read(&state).map_err(file(&state, "read"))?;
    let mut place: Place =
        serde_json::from_slice(&text).map_err(|error| refused(&format!("its state: {error}")))?;
    let was = &place.begun;
    for (what, same) in [
        ("another shape", was.shape == begun.shape),
        ("other settings", was.settings == begun.settings),
        ("another seed", was.seed == begun.seed),
        ("other demonstrations", was.rows == begun.rows),
        ("another number of threads", was.threads == begun.threads),
        ("other weights", was.from == begun.from),
        (
            "another number of steps or minutes",
            was.length.is_none() || was.length == begun.length,
        ),
        (
            "another size of the vocabulary",
            was.vocabulary.is_none() || was.vocabulary == begun.vocabulary,
        ),
        (
            "other rows of validation",
            was.validation.is_none() || was.validation == begun.validation,
        ),
    ] {
        if !same {
            return Err(refused(&format!("it was begun with {what}")));
        }
    }
    let path_of_numbers = path.join(NUMBERS);
    let mut numbers = fs::File::open(&path_of_numbers).map_err(file(&path_of_numbers, "open"))?;
    let length = numbers.metadata().map_or(0, |about| about.len());
    let expected: u64 = trainer.state.iter().map(|part| 4 * part.len() as u64).sum();
    if length != expected {
        return Err(refused(&format!(
            "its numbers are {length} bytes where {expected} are needed"
        )));
    }
    for part in &mut trainer.state {
        numbers
            .read_exact(bytemuck::cast_slice_mut(part))
            .map_err(file(&path_of_numbers, "read"))?;
    }
    trainer.step = place.step;
    place.begun = begun.clone();
    Ok(Some(place))
}
