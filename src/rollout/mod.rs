//! Rollouts: one attempt at a task, from the first message to the verdict.
//!
//! Mental model: [`Attempt`] is everything decided before it starts; [`run()`] drives it: ask the model, carry its calls
//! out, snapshot, again; then the patch is graded in a fresh sandbox. Each thing that happens is appended to the
//! trajectory first and acted on after, and the loop's own state is the fold of that trajectory, so a resume is just a
//! start with records already there. People steer it through a [`control::Desk`].
//!
//! It does not know which agent, model or sandbox it drives, and never draws anything.

mod ask;
pub mod audit;
mod carry;
pub mod control;
mod drive;
pub mod ground;
pub mod judge;
pub mod leftovers;
mod memory;
mod pace;
mod people;
mod reexecute;
pub mod sameness;
mod script;
mod set_up;
pub mod socket;
pub mod stuck;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::agent::{Limits, Scaffold};
use crate::grade;
use crate::model::{ChatModel, Sampling};
use crate::sandbox::SandboxError;
use crate::task::Task;
pub use crate::trajectory::event::Price;
use crate::trajectory::event::{Event, Parent, Start};
use crate::trajectory::fold::State;
use crate::trajectory::{Record, RolloutId, Store, TrajectoryError, Writer};

pub use control::{Answer, Desk, Op, Remote};
pub use ground::Ground;
use script::Script;

/// Everything about an attempt that is decided before anything is made for it.
#[derive(Clone)]
pub struct Draft {
    /// Where its trajectory goes.
    pub store: Store,
    /// The task.
    pub task: Arc<Task>,
    /// `--tasks` text that the task was read from.
    pub tasks: String,
    /// The agent's design.
    pub scaffold: Arc<Scaffold>,
    /// What acts.
    pub model: Arc<dyn ChatModel>,
    /// Sampling settings of this attempt.
    pub sampling: Sampling,
    /// Limits at the start.
    pub limits: Limits,
    /// Price, where known.
    pub price: Option<Price>,
    /// How it will be graded; without it the verdict is *not graded*, with the reason.
    pub plan: Result<Arc<grade::Plan>, String>,
    /// Give the agent the hints of the row.
    pub hints: bool,
    /// Attempt k …
    pub number: u32,
    /// … of n.
    pub of: u32,
    /// Groups attempts that were started together.
    pub batch: Option<String>,
    /// Of a demonstration: the settings that its plan follows from beside the task.
    pub demonstrates: Option<String>,
    /// Wait for approval of each step.
    pub step_mode: bool,
    /// The least time between the beginnings of two steps, for people who watch; not part of the record.
    pub pace: Duration,
}

/// Everything that is decided before an attempt starts.
pub struct Attempt {
    /// What was decided.
    pub draft: Draft,
    /// How its sandboxes are made.
    pub ground: Ground,
}

impl std::ops::Deref for Attempt {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.draft
    }
}

/// Why a rollout could not be carried to a recorded end.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// The trajectory cannot be written: nothing may happen that is not written down.
    #[error(transparent)]
    Trajectory(#[from] TrajectoryError),
    /// The sandbox failed; the loop turns it into the end *error (sandbox)*.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The scaffold's templates failed.
    #[error(transparent)]
    Scaffold(#[from] crate::agent::ScaffoldError),
    /// The task's base cannot be laid out.
    #[error("{0}")]
    Ground(String),
    /// The program is going down; the rollout can be resumed.
    #[error("rollout {0} was interrupted; go on with `spotter run --resume {0}`")]
    Abandoned(String),
    /// A bug of the program ended it; the rollout can be resumed.
    #[error("{name}: the program broke off ({why})")]
    Broken {
        /// The job.
        name: String,
        /// What the runtime says.
        why: String,
    },
    /// The program is going down before its turn came.
    #[error("{0}: not begun")]
    NotBegun(String),
    /// The trajectory does not hold what carrying its actions out again needs.
    #[error("rollout {id} cannot be carried out again: {why}")]
    NotExecutable {
        /// Which.
        id: String,
        /// What is missing.
        why: String,
    },
    /// The trajectory does not hold what a resume needs.
    #[error("rollout {id} cannot be resumed: {why}")]
    NotResumable {
        /// Which.
        id: String,
        /// What is missing.
        why: String,
    },
}

/// A rollout that is open for running.
pub struct Rollout {
    /// Its name.
    pub id: RolloutId,
    attempt: Arc<Attempt>,
    writer: Arc<Writer>,
    state: State,
    parent: Option<Parent>,
    /// What is carried out again, and whose deeds these are.
    script: Option<Arc<Script>>,
    reexecutes: Option<String>,
    /// Records that were there before this process opened it.
    known: u64,
    /// Records that a branch took over from its parent, and its own first.
    copied: u64,
}

impl Rollout {
    /// A new one.
    pub fn create(attempt: Arc<Attempt>) -> Result<Self, RolloutError> {
        Self::create_from(attempt, None)
    }

    fn create_from(attempt: Arc<Attempt>, parent: Option<Parent>) -> Result<Self, RolloutError> {
        let id = RolloutId::generate();
        let folder = attempt.store.create(&id)?;
        let (writer, _) = Writer::open(&folder)?;
        Ok(Self {
            id,
            attempt,
            writer: Arc::new(writer),
            state: State::default(),
            parent,
            script: None,
            reexecutes: None,
            known: 0,
            copied: 0,
        })
    }

    /// Open an interrupted one. Its records are read, a torn last line is cut off.
    pub fn resume(id: &RolloutId, attempt: Arc<Attempt>) -> Result<Self, RolloutError> {
        let (writer, records) = Writer::open(&attempt.store.folder(id))?;
        let state = State::of(&records);
        if state.start.is_none() && !records.is_empty() {
            return Err(RolloutError::NotResumable {
                id: id.to_string(),
                why: "its first event is missing".into(),
            });
        }
        let script = match state
            .start
            .as_ref()
            .and_then(|start| start.reexecutes.as_ref())
        {
            Some(of) => {
                let of = attempt.store.find(of)?;
                Some(Arc::new(Script::of(&attempt.store.read(&of)?)))
            }
            None => None,
        };
        let changed = state
            .limits
            .as_ref()
            .is_some_and(|limits| *limits != attempt.limits);
        let limits = attempt.limits.clone();
        let mut rollout = Self {
            id: id.clone(),
            attempt,
            writer: Arc::new(writer),
            state,
            parent: None,
            script,
            reexecutes: None,
            known: records.last().map_or(0, |record| record.seq + 1),
            copied: 0,
        };
        if changed {
            rollout.emit(Event::LimitsChanged { limits })?;
        }
        Ok(rollout)
    }

    /// A new rollout that goes on from a step of another; both are kept.
    pub fn branch(
        from: &RolloutId,
        step: u32,
        say: Option<String>,
        attempt: Arc<Attempt>,
    ) -> Result<Self, RolloutError> {
        let records = attempt.store.read(from)?;
        let state = State::of(&records);
        let last = state.step;
        if state.snapshot_at(step).is_none() {
            let why = format!("it has steps 0 to {last}, not {step}");
            return Err(RolloutError::NotResumable {
                id: from.to_string(),
                why,
            });
        }
        let parent = Parent {
            rollout: from.to_string(),
            step,
        };
        let mut branch = Self::create_from(attempt, Some(parent))?;
        branch.copy_history(&records, step)?;
        if let Some(text) = say {
            // On record at once: the branch may be interrupted before it begins.
            let op = serde_json::to_value(Op::Say { text }).unwrap_or_default();
            branch.emit(Event::Control { op })?;
        }
        Ok(branch)
    }

    /// A new rollout that carries the recorded actions of another out again, in a fresh sandbox, and compares.
    pub fn reexecute(of: &RolloutId, attempt: Arc<Attempt>) -> Result<Self, RolloutError> {
        let script = Script::of(&attempt.store.read(of)?);
        if script.steps() == 0 {
            return Err(RolloutError::NotExecutable {
                id: of.to_string(),
                why: "no action of it is on record".into(),
            });
        }
        let mut rollout = Self::create_from(attempt, None)?;
        rollout.script = Some(Arc::new(script));
        rollout.reexecutes = Some(of.to_string());
        Ok(rollout)
    }

    /// Records as they are written from now on.
    #[must_use]
    pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Record> {
        self.writer.subscribe()
    }

    /// Number of the first record that is news: what a resumed rollout held before is not.
    #[must_use]
    pub fn first_news(&self) -> u64 {
        self.known
    }

    /// How many of its first records a branch shares with its parent; its own first event counts among them.
    #[must_use]
    pub fn copied(&self) -> u64 {
        self.copied
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> std::path::PathBuf {
        self.attempt.store.folder(&self.id)
    }

    /// The state that its records leave behind so far.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    fn start_event(&self) -> Event {
        let attempt = &self.attempt;
        Event::Started(Box::new(Start {
            rollout: self.id.to_string(),
            spotter: env!("CARGO_PKG_VERSION").into(),
            instance_id: attempt.task.instance_id.clone(),
            task_hash: attempt.task.hash.clone(),
            tasks: attempt.tasks.clone(),
            scaffold: attempt.scaffold.name().into(),
            scaffold_hash: attempt.scaffold.hash().into(),
            tool_form: attempt.scaffold.form(),
            model: attempt.model.info().clone(),
            sampling: attempt.sampling.clone(),
            attempt: attempt.number,
            of: attempt.of,
            limits: attempt.limits.clone(),
            sandbox: attempt.ground.kind,
            network: attempt.ground.network,
            repos: attempt.ground.repos.clone(),
            image: attempt.ground.image.clone(),
            sandbox_limits: attempt.ground.limits.clone(),
            snapshot_ignored: attempt.ground.snapshot_ignored,
            hints: attempt.hints,
            price: attempt.price,
            parent: self.parent.clone(),
            reexecutes: self.reexecutes.clone(),
            demonstrates: attempt.demonstrates.clone(),
            batch: attempt.batch.clone(),
            base_commit: attempt.task.base_commit.clone(),
            rules: attempt.plan.as_ref().ok().map(|plan| plan.rules),
            step_mode: attempt.step_mode,
        }))
    }

    /// The shared steps, as events of the new trajectory, so that it can be read without the old one. The shadow
    /// repository of the parent is linked when the sandbox starts.
    fn copy_history(&mut self, records: &[Record], step: u32) -> Result<(), RolloutError> {
        let start = self.start_event();
        self.emit(start)?;
        self.copied = 1;
        let mut reached = 0;
        for record in records {
            match &record.event {
                Event::StepDone { step: done, .. } => reached = *done,
                Event::Started(_)
                | Event::Control { .. }
                | Event::Paused { .. }
                | Event::Ended { .. }
                | Event::GradingStarted { .. }
                | Event::GradingProgress { .. }
                | Event::Graded { .. }
                | Event::NotGraded { .. } => continue,
                _ => {}
            }
            if step == 0 && matches!(record.event, Event::Asked { .. }) {
                break;
            }
            self.emit(record.event.clone())?;
            self.copied += 1;
            if reached == step && step > 0 && matches!(record.event, Event::StepDone { .. }) {
                break;
            }
        }
        Ok(())
    }

    fn emit(&mut self, event: Event) -> Result<(), RolloutError> {
        let record = self.writer.append(event)?;
        self.state.apply(&record);
        Ok(())
    }
}

/// What a finished call of [`run()`] leaves behind.
pub enum Finished {
    /// It is over; this is what its trajectory says.
    Over(Box<State>),
    /// It ended in a branch, which wants to be run.
    Branched {
        /// What its own trajectory says.
        parent: Box<State>,
        /// The branch.
        branch: Box<Rollout>,
    },
}

/// Drive a rollout to its verdict. `abandon` makes it let go of everything at once; it can be resumed then.
pub async fn run(
    rollout: Rollout,
    desk: Desk,
    abandon: CancellationToken,
) -> Result<Finished, RolloutError> {
    Box::pin(drive::run(rollout, desk, abandon)).await
}
