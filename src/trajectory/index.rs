//! The library's rows: what a list shows of a rollout without opening its files.
//!
//! A [`Summary`] is a fold of the records, like everything else that is derived from them: it can be made again at any
//! time. [`Index`] keeps them in a file, [`columns`] says what can be asked of them.

mod cache;
pub mod columns;
pub mod made;

pub use cache::{Index, Refreshed};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{Ended, Parent, Record};
use super::fold::State;
use crate::grade::{Group, Verdict};
use crate::model::ModelKind;

/// One rollout in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Rollout.
    pub id: String,
    /// Task.
    pub task: String,
    /// `--tasks` text that the task was read from.
    pub tasks: String,
    /// Scaffold.
    pub scaffold: String,
    /// Model's name.
    pub model: String,
    /// The `--model` text that opens it again.
    pub spec: String,
    /// Model's kind.
    pub kind: ModelKind,
    /// Attempt k …
    pub attempt: u32,
    /// … of n.
    pub of: u32,
    /// Attempts that were started together.
    pub batch: Option<String>,
    /// What it branched from.
    pub parent: Option<Parent>,
    /// The rollout whose actions it carries out again.
    pub reexecutes: Option<String>,
    /// First record.
    pub started: Timestamp,
    /// Last record.
    pub changed: Timestamp,
    /// Seconds that were worked.
    pub seconds: f64,
    /// Whole steps.
    pub steps: u32,
    /// Prompt and reply tokens.
    pub tokens: (u64, u64),
    /// How it ended, if it did.
    pub ended: Option<Ended>,
    /// What grading said, if it did.
    pub verdict: Option<Verdict>,
    /// `FAIL_TO_PASS` tests that passed, and how many there are.
    pub fail_to_pass: Option<(usize, usize)>,
    /// `PASS_TO_PASS` tests that passed, and how many there are.
    pub pass_to_pass: Option<(usize, usize)>,
    /// Files, added and removed lines of the patch.
    pub patch: (usize, usize, usize),
    /// Audit marks.
    pub marks: usize,
    /// A process works on it now. Not kept: asked whenever a list is made.
    #[serde(skip)]
    pub live: bool,
}

impl Summary {
    /// The row of a trajectory; `None` where it never began.
    #[must_use]
    pub fn of(id: &str, records: &[Record]) -> Option<Self> {
        Self::from_state(id, &State::of(records))
    }

    /// The row that a fold gives.
    #[must_use]
    pub fn from_state(id: &str, state: &State) -> Option<Self> {
        let start = state.start.as_ref()?;
        let (started, changed) = state.span?;
        let (ended, patch) = match &state.ended {
            Some((ended, patch)) => (Some(ended.clone()), crate::text::patch::summary(patch)),
            None => (None, crate::text::patch::summary("")),
        };
        let tally = |group| state.grading.as_ref().map(|grading| grading.tally(group));
        Some(Self {
            id: id.into(),
            task: start.instance_id.clone(),
            tasks: start.tasks.clone(),
            scaffold: start.scaffold.clone(),
            model: start.model.name.clone(),
            spec: start.model.spec.clone(),
            kind: start.model.kind,
            attempt: start.attempt,
            of: start.of,
            batch: start.batch.clone(),
            parent: start.parent.clone(),
            reexecutes: start.reexecutes.clone(),
            started,
            changed,
            seconds: state.worked.as_secs_f64(),
            steps: state.step,
            tokens: state.tokens,
            ended,
            verdict: state.verdict.clone(),
            fail_to_pass: tally(Group::FailToPass),
            pass_to_pass: tally(Group::PassToPass),
            patch: (patch.files.len(), patch.added, patch.removed),
            marks: state.marks.len(),
            live: false,
        })
    }
}
