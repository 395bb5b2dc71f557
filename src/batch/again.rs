//! Rollouts that are in the store already: going on with one, branching off one of its steps, carrying its recorded
//! actions out again.
//!
//! The attempt is made again from the first event of the trajectory: the same task, scaffold, model, sandbox and rules.
//! A task that has changed since is refused, a scaffold or a model that has is a warning.

use std::sync::Arc;
use std::time::Duration;

use super::models;
use super::order::{LimitWishes, OrderError, Prepared, any_seed, attempt};
use super::supply::{self, Telling};
use crate::agent::{Limits, Scaffold};
use crate::grade;
use crate::rollout::ground::Wishes;
use crate::rollout::{Draft, Rollout};
use crate::trajectory::event::Start;
use crate::trajectory::fold::State;
use crate::trajectory::{RolloutId, Store};

/// Go on with a rollout. Limits that were changed while it ran still hold; `limits` go over them. So does step mode;
/// a rollout that was paused goes on.
///
/// # Errors
/// Where the trajectory never began, or what it was started with cannot be had any more.
pub async fn resume(
    store: &Store,
    id: &RolloutId,
    limits: &LimitWishes,
    step_mode: bool,
    telling: &Telling,
) -> Result<Prepared, OrderError> {
    let state = State::of(&store.read(id).map_err(OrderError::failed)?);
    let Some(start) = &state.start else {
        return Err(OrderError::Failed(format!(
            "rollout {id} was interrupted before it began; start it anew"
        )));
    };
    let limits = limits.over(state.limits.as_ref().unwrap_or(&start.limits));
    let (mut draft, warnings) = draft_of(
        store,
        start,
        limits,
        Acts::Model(state.answers as usize),
        telling,
    )
    .await?;
    draft.step_mode = step_mode || state.step_mode;
    let id = id.clone();
    let open = move |attempt| Rollout::resume(&id, attempt);
    let job = attempt(draft, wishes_of(start), telling, open);
    Ok(Prepared {
        jobs: vec![job],
        warnings,
    })
}

/// Go on from a step of a rollout, as a new one; `say` is said to the agent first. Where there is a seed another one is drawn: with the
/// same one the same reply would come again.
///
/// # Errors
/// As [`resume`]. A step that is not there is an error of the job.
pub async fn branch(
    store: &Store,
    from: &RolloutId,
    step: u32,
    say: Option<String>,
    limits: &LimitWishes,
    step_mode: bool,
    telling: &Telling,
) -> Result<Prepared, OrderError> {
    let state = State::of(&store.read(from).map_err(OrderError::failed)?);
    let start = state
        .start
        .as_ref()
        .ok_or_else(|| OrderError::Failed(format!("rollout {from} never began")))?;
    let limits = limits.over(&start.limits);
    let (mut draft, warnings) =
        draft_of(store, start, limits, Acts::Model(step as usize), telling).await?;
    draft.step_mode = step_mode;
    draft.sampling.seed = draft.sampling.seed.map(|_| any_seed());
    let from = from.clone();
    let open = move |attempt| Rollout::branch(&from, step, say, attempt);
    let job = attempt(draft, wishes_of(start), telling, open);
    Ok(Prepared {
        jobs: vec![job],
        warnings,
    })
}

/// Carry the recorded actions of a rollout out again, as a new one, in a sandbox made in the same way. No model is asked.
///
/// # Errors
/// As [`resume`]. A rollout without actions is an error of the job.
pub async fn reexecute(
    store: &Store,
    of: &RolloutId,
    telling: &Telling,
) -> Result<Prepared, OrderError> {
    let state = State::of(&store.read(of).map_err(OrderError::failed)?);
    let start = state
        .start
        .as_ref()
        .ok_or_else(|| OrderError::Failed(format!("rollout {of} never began")))?;
    // The script says when it ends.
    let limits = Limits {
        turns: start.limits.turns.max(state.step),
        wall_seconds: 0,
        tokens: 0,
        cost: 0.0,
        ..start.limits.clone()
    };
    let (mut draft, warnings) =
        draft_of(store, start, limits, Acts::Recording(of), telling).await?;
    draft.step_mode = false;
    draft.batch = None;
    let of = of.clone();
    let open = move |attempt| Rollout::reexecute(&of, attempt);
    let job = attempt(draft, wishes_of(start), telling, open);
    Ok(Prepared {
        jobs: vec![job],
        warnings,
    })
}

/// What decides on the next action.
enum Acts<'a> {
    /// The model; a recording goes on after so many answers.
    Model(usize),
    /// What that rollout did.
    Recording(&'a RolloutId),
}

/// How the sandboxes of a rollout were made.
#[must_use]
pub fn wishes_of(start: &Start) -> Wishes {
    Wishes {
        kind: start.sandbox,
        repos: start.repos.clone(),
        image: start.image.clone(),
        network: start.network,
        limits: start.sandbox_limits.clone(),
        snapshot_ignored: start.snapshot_ignored,
    }
}

/// What a trajectory was started with, and what has changed since.
async fn draft_of(
    store: &Store,
    start: &Start,
    limits: Limits,
    acts: Acts<'_>,
    telling: &Telling,
) -> Result<(Draft, Vec<String>), OrderError> {
    let (tasks, mut warnings) = supply::load(&start.tasks, telling).await?;
    let task = supply::find(&tasks, &start.instance_id)?;
    if task.hash != start.task_hash {
        return Err(OrderError::Failed(format!(
            "{} has changed in {} since the rollout began: going on would mix two tasks",
            start.instance_id, start.tasks
        )));
    }
    let scaffold = Scaffold::load(&start.scaffold).map_err(OrderError::failed)?;
    let scaffold = scaffold
        .with_form(start.tool_form)
        .with_limits(limits.clone());
    if scaffold.hash() != start.scaffold_hash {
        warnings.push(format!(
            "warning: the scaffold `{}` has changed since the rollout began",
            start.scaffold
        ));
    }
    let plan = grade::plan(&task, wishes_of(start).place(), start.rules)
        .map(Arc::new)
        .map_err(|why| why.to_string());
    let model = match (&acts, &start.reexecutes) {
        (Acts::Recording(of), _) => models::silent(&start.model.name, of.as_str()),
        (Acts::Model(_), Some(of)) => models::silent(&start.model.name, of),
        (Acts::Model(answered), None) => {
            models::by_text(&start.model.spec, *answered, telling).await?
        }
    };
    let (now, then) = (&model.info().name, &start.model.name);
    if now != then {
        warnings.push(format!(
            "warning: `{}` is the model {now} now; the rollout began with {then}",
            start.model.spec
        ));
    }
    let draft = Draft {
        store: store.clone(),
        task,
        tasks: start.tasks.clone(),
        scaffold: Arc::new(scaffold),
        model,
        sampling: start.sampling.clone(),
        limits,
        price: start.price,
        plan,
        hints: start.hints,
        number: start.attempt,
        of: start.of,
        batch: start.batch.clone(),
        // What goes on from one, or carries its actions out again, is none.
        demonstrates: None,
        step_mode: start.step_mode,
        pace: Duration::ZERO,
    };
    Ok((draft, warnings))
}
