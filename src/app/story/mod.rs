//! What a trajectory tells, as the screen needs it: steps with their thoughts, actions and observations.
//!
//! Mental model: a fold of the records, as `trajectory::fold` is, but for eyes: text of a running call grows while it runs,
//! a step knows what it cost, and nothing is kept that no pane shows. A live run, a replay and an imported file are the same
//! thing here. Memory is bounded: long texts keep head and tail, and the oldest steps of an endless run become one line.
//!
//! It holds no position, no fold and no width: those belong to the panes.

mod bounded;
mod grading;
mod step;
mod tell;

use jiff::Timestamp;

pub use bounded::Bounded;
pub use grading::{GradingNow, TestNow, TestState};
pub use step::{Act, Item, Step, act, argument};

use crate::grade::{Grading, Verdict};
use crate::sandbox::{SandboxReport, SnapshotId};
use crate::text::patch::Summary;
use crate::trajectory::comparison::Comparison;
use crate::trajectory::event::{Ended, Mark, Start};

/// Steps whose text is kept; older ones are counted ([`Story::gone`]) and can be read by a replay.
const MOST_STEPS: usize = 4_000;
/// Bytes of text that are kept over all steps.
const MOST_BYTES: usize = 12 << 20;

/// What the rollout is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nothing was written yet.
    #[default]
    Waiting,
    /// The sandbox is being made.
    Preparing,
    /// The model is asked.
    Asking,
    /// Actions are carried out.
    Acting,
    /// A person has to say something.
    Paused {
        /// Why.
        why: String,
    },
    /// The tests run.
    Grading,
    /// It is over, or nobody runs it.
    Over,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// How it was started.
    pub start: Option<Start>,
    /// The sandbox.
    pub report: Option<SandboxReport>,
    /// Untouched workspace.
    pub base: Option<SnapshotId>,
    /// Steps, oldest first.
    pub steps: Vec<Step>,
    /// Older steps that are no longer held.
    pub gone: u32,
    /// What it is doing.
    pub phase: Phase,
    /// How it ended, and the size of its patch.
    pub ended: Option<(Ended, Summary)>,
    /// The patch it ended with.
    pub patch: Option<std::sync::Arc<str>>,
    /// What grading said.
    pub verdict: Option<Verdict>,
    /// Grading of the final patch.
    pub grading: Option<Box<Grading>>,
    /// File with the raw log of the final grading.
    pub log: Option<String>,
    /// The grading that runs now.
    pub now: Option<GradingNow>,
    /// Tests as of a step: step, grading, log file.
    pub as_of: Vec<(u32, Box<Grading>, Option<String>)>,
    /// Audit marks.
    pub marks: Vec<Mark>,
    /// What a re-execution came to.
    pub compared: Option<Comparison>,
    /// The same action three times was seen.
    pub repeating: bool,
    /// Most turns, as of now.
    pub turns: u32,
    /// Prompt and reply tokens of all calls.
    pub tokens: (u64, u64),
    /// Tokens of the last call: what the context holds.
    pub context: u64,
    /// Tokens a second of the last reply.
    pub speed: Option<f64>,
    /// First and last record's time.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Proposed calls that wait for a person, by step.
    pub proposed: Option<u32>,
    /// A person holds the shell.
    pub taken_over: bool,
    /// Each step's actions wait for approval.
    pub step_mode: bool,
    /// Counts changes; caches compare it.
    pub revision: u64,
    /// Counts changes of what is known of tests.
    pub tested: u64,
    /// Records that were taken in.
    pub told: usize,
    asked: Option<(u32, u32, Timestamp)>,
    bytes: usize,
}

impl Story {
    /// The step of a number, where it is held.
    #[must_use]
    pub fn step(&self, number: u32) -> Option<&Step> {
        let at = number.checked_sub(self.gone + 1)? as usize;
        self.steps.get(at)
    }

    /// Number of the last step; 0 before the first.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.steps.last().map_or(0, |step| step.number)
    }

    /// Whether a process still works on it, as far as the records tell.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// The step whose first action waits for approval.
    #[must_use]
    pub fn waiting(&self) -> Option<&Step> {
        let step = self.step(self.proposed?)?;
        matches!(self.phase, Phase::Paused { .. }).then_some(step)
    }

    /// Seconds from the first record to the last.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.span.map_or(0.0, |(from, to)| {
            to.duration_since(from).as_secs_f64().max(0.0)
        })
    }

    /// This story was told anew: nothing that was built from the one before, whose revision this is, is taken for its own.
    pub fn restarted(&mut self, before: u64) {
        self.revision += before + 1;
        self.tested += before + 1;
        let add = u32::try_from(before % 1_000_000).unwrap_or(0) + 1;
        for step in &mut self.steps {
            step.revision = step.revision.wrapping_add(add);
        }
    }

    /// The snapshot of a step; 0 is the base.
    #[must_use]
    pub fn snapshot(&self, step: u32) -> Option<&SnapshotId> {
        if step == 0 {
            return self.base.as_ref();
        }
        self.step(step)?.snapshot.as_ref()
    }

    /// The last step at or before this one that has a snapshot; 0 is the base.
    #[must_use]
    pub fn whole_step(&self, step: u32) -> u32 {
        (self.gone + 1..=step)
            .rev()
            .find(|number| self.snapshot(*number).is_some())
            .unwrap_or(0)
    }

    /// The step of a number, made where it is the next one. Numbers come from files: one that would leave a gap counts as
    /// the next.
    fn step_mut(&mut self, number: u32) -> &mut Step {
        let next = self.gone + u32::try_from(self.steps.len()).unwrap_or(u32::MAX - self.gone) + 1;
        let number = number.clamp(self.gone + 1, next);
        if number == next {
            self.steps.push(Step::new(number));
        }
        let at = (number - self.gone - 1) as usize;
        let step = &mut self.steps[at];
        step.revision += 1;
        step
    }

    /// Let go of the oldest steps where there is too much.
    fn bound(&mut self) {
        let too_many = self.steps.len() > MOST_STEPS;
        if !too_many && self.bytes <= MOST_BYTES {
            return;
        }
        self.bytes = self.steps.iter().map(Step::bytes).sum();
        if !too_many && self.bytes <= MOST_BYTES {
            return;
        }
        // A good part at once, so that this is rare; never the step under way.
        let mut drop = if too_many { MOST_STEPS / 4 } else { 0 };
        let mut left = self.bytes;
        for (at, step) in self.steps.iter().enumerate() {
            if at >= drop && left <= MOST_BYTES * 3 / 4 {
                break;
            }
            left = left.saturating_sub(step.bytes());
            drop = drop.max(at + 1);
        }
        let drop = drop.min(self.steps.len().saturating_sub(1));
        self.steps.drain(..drop);
        self.gone += u32::try_from(drop).unwrap_or(u32::MAX);
        self.bytes = self.steps.iter().map(Step::bytes).sum();
    }
}
