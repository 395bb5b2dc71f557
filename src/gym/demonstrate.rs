//! Demonstrations: the expert's plans carried out by the real loop, in the real scaffold and sandbox, as trajectories of a store.
//!
//! They are not graded (the reason stands in each), since what the expert does in the end is known to be right: a sample of them can be
//! graded afterwards like any rollout, and the tests do.
//!
//! Each has on record what its plan follows from. So what a store has whole is not demonstrated again, and an order that was interrupted or
//! killed is given again for the rest of it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::MakeError;
use super::attempt::{Attempt, PassedOver};
use super::expert::{self, Hint};
use super::random::Random;
use crate::agent::Scaffold;
use crate::batch::order::job;
use crate::batch::proposal::GYM_SCAFFOLD;
use crate::batch::{Job, supply};
use crate::grade;
use crate::model::{ModelKind, Reply, Sampling};
use crate::rollout::Draft;
use crate::rollout::ground::Wishes;
use crate::sandbox::{Kind, Limits};
use crate::task::{self, Task};
use crate::trajectory::Store;
use crate::trajectory::event::Ended;
use crate::trajectory::fold::State;

/// The scaffold that the expert speaks.
pub const SCAFFOLD: &str = GYM_SCAFFOLD;

/// What is to be demonstrated.
#[derive(Debug, Clone)]
pub struct Demonstrations {
    /// Tasks of the gym: a file of rows, or a folder of such.
    pub tasks: PathBuf,
    /// At most so many of them, from the first.
    pub most: Option<usize>,
    /// Of a hundred, so many begin with a mistake or more, marked as such, where the task has decoys.
    pub mistakes: usize,
    /// Go on from the failed attempts at these tasks that are in this store, instead of from the beginning.
    pub after: Option<Store>,
    /// Chooses who makes a mistake, and which; of an attempt, the step to go on from.
    pub seed: u64,
    /// Grade them, too.
    pub graded: bool,
}

/// What is to be done for it.
pub struct Planned {
    /// One job for each task, or for each attempt.
    pub jobs: Vec<Job>,
    /// Rows that could not be used.
    pub problems: Vec<String>,
    /// Attempts that are not gone on from.
    pub passed_over: PassedOver,
    /// Demonstrations that the store has already.
    pub there: usize,
}

/// One demonstration.
struct Plan {
    task: Arc<Task>,
    /// What it follows from, beside the task.
    settings: String,
    replies: Vec<Reply>,
}

/// Plan them.
///
/// # Errors
/// Where the tasks cannot be read, or one is none of the gym's.
pub fn demonstrations(order: &Demonstrations, store: &Store) -> Result<Planned, MakeError> {
    let loaded = task::load(&order.tasks).map_err(|error| MakeError::Row(error.to_string()))?;
    let hints = hints(&order.tasks)?;
    let scaffold =
        Arc::new(Scaffold::load(SCAFFOLD).map_err(|error| MakeError::Row(error.to_string()))?);
    let most_steps = usize::try_from(scaffold.limits().turns).unwrap_or(usize::MAX);
    let hint = |task: &Task| {
        hints.get(&task.instance_id).ok_or_else(|| {
            let what = "its row has no `gym` column, so it is none of the gym's: the expert knows only what `spotter gym make` made";
            MakeError::Row(format!("{}: {what}", task.instance_id))
        })
    };
    let most = order.most.unwrap_or(usize::MAX);
    let tasks: Vec<Arc<Task>> = loaded.tasks.into_iter().take(most).map(Arc::new).collect();
    let whole = whole(store)?;
    let is_there = |task: &Task, settings: &str| {
        let (id, hash) = (task.instance_id.clone(), task.hash.clone());
        whole.contains(&(id, hash, settings.to_owned()))
    };
    let mut plans = Vec::new();
    let mut there = 0;
    let mut passed_over = PassedOver::new();
    if let Some(after) = &order.after {
        let by_id: HashMap<&str, &Arc<Task>> = tasks
            .iter()
            .map(|task| (task.instance_id.as_str(), task))
            .collect();
        let (attempts, passed) = Attempt::all(after, &scaffold, &by_id)?;
        passed_over = passed;
        for (number, attempt) in (0..).zip(&attempts) {
            let mut random = Random::of(order.seed, number);
            let hint = hint(&attempt.task)?;
            let Some((step, replies)) = expert::go_on(hint, attempt, &mut random, most_steps)?
            else {
                *passed_over.entry("rollouts too far astray").or_default() += 1;
                continue;
            };
            let settings = format!("seed {}, after step {step} of {}", order.seed, attempt.id);
            if is_there(&attempt.task, &settings) {
                there += 1;
                continue;
            }
            let task = Arc::clone(&attempt.task);
            plans.push(Plan {
                task,
                settings,
                replies,
            });
        }
    } else {
        let settings = format!("seed {}, mistakes {} %", order.seed, order.mistakes);
        for (number, task) in (0..).zip(&tasks) {
            if is_there(task, &settings) {
                there += 1;
                continue;
            }
            let mut random = Random::of(order.seed, number);
            let hint = hint(task)?;
            let replies = expert::plan(task, hint, &mut random, order.mistakes, most_steps)?;
            plans.push(Plan {
                task: Arc::clone(task),
                settings: settings.clone(),
                replies,
            });
        }
    }
    let wishes = wishes();
    let jobs = plans.into_iter().map(|plan| {
        let draft = draft(order, store, plan, &scaffold, &wishes);
        job(draft, wishes.clone(), &supply::untold())
    });
    Ok(Planned {
        jobs: jobs.collect(),
        problems: loaded.problems.iter().map(ToString::to_string).collect(),
        passed_over,
        there,
    })
}

/// The demonstrations of a store that came to their end: task, its hash, what the plan follows from.
fn whole(store: &Store) -> Result<HashSet<(String, String, String)>, MakeError> {
    let ids = store.list();
    let ids = ids.map_err(|error| MakeError::Row(error.to_string()))?;
    let whole = ids.iter().filter_map(|id| {
        // What cannot be read is not whole.
        let state = State::of(&store.read(id).ok()?);
        let is_whole = matches!(state.ended, Some((Ended::Submitted, _)));
        let start = state.start.filter(|start| {
            is_whole && start.model.kind == ModelKind::Expert && start.reexecutes.is_none()
        })?;
        Some((start.instance_id, start.task_hash, start.demonstrates?))
    });
    Ok(whole.collect())
}

fn wishes() -> Wishes {
    Wishes {
        kind: Kind::Local,
        repos: None,
        image: None,
        network: false,
        limits: Limits::default(),
        snapshot_ignored: false,
    }
}

fn draft(
    order: &Demonstrations,
    store: &Store,
    plan: Plan,
    scaffold: &Arc<Scaffold>,
    wishes: &Wishes,
) -> Draft {
    let Plan {
        task,
        settings,
        replies,
    } = plan;
    let plan = if order.graded {
        grade::plan(&task, wishes.place(), None)
            .map(Arc::new)
            .map_err(|why| why.to_string())
    } else {
        Err("a demonstration: the expert knows the gold patch".to_owned())
    };
    Draft {
        store: store.clone(),
        task,
        tasks: order.tasks.display().to_string(),
        scaffold: Arc::clone(scaffold),
        model: Arc::new(expert::model(replies)),
        sampling: Sampling::default(),
        limits: scaffold.limits().clone(),
        price: None,
        plan,
        hints: false,
        number: 1,
        of: 1,
        batch: None,
        demonstrates: Some(settings),
        step_mode: false,
        pace: Duration::ZERO,
    }
}

/// The `gym` column of each row, by instance id.
fn hints(tasks: &Path) -> Result<HashMap<String, Hint>, MakeError> {
    #[derive(Deserialize)]
    struct Row {
        instance_id: String,
        gym: Option<Hint>,
    }
    let unread = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| MakeError::Row(format!("{path}: {error}"))
    };
    let mut files = vec![tasks.to_owned()];
    if tasks.is_dir() {
        let entries = std::fs::read_dir(tasks).map_err(unread(tasks))?;
        files = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
            .collect();
    }
    let mut hints = HashMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(unread(&file))?;
        // Rows that are no rows were named by the loader.
        let rows = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Row>(line).ok());
        hints.extend(rows.filter_map(|row| Some((row.instance_id, row.gym?))));
    }
    Ok(hints)
}
