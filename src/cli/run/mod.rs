//! `spotter run`: let an agent attempt tasks, and grade what it did.
//!
//! New rollouts, a resumed one and a branch are the same from here on: attempts that are handed to the batch, whose news
//! are printed as a plain stream or as JSON.

mod args;
mod open;

use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) use args::Args;

use super::choose::Choice;
use super::stream::Stream;
use super::{Failure, INTERRUPTED, NOT_RESOLVED, check, ink, place};
use crate::agent::Limits;
use crate::batch::{self, Came, Job, News};
use crate::config::Settings;
use crate::grade::{self, Verdict};
use crate::rollout::ground::Wishes;
use crate::rollout::{Attempt, Draft, Rollout, RolloutError, leftovers};
use crate::task::Task;
use crate::trajectory::event::{Event, Record, Start};
use crate::trajectory::fold::State;
use crate::trajectory::{RolloutId, Store};

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let settings = place::settings();
    let store = args.store.open(&settings)?;
    tell_swept(&leftovers::sweep(&store).await);
    let rollouts = if let Some(name) = &args.resume {
        let id = store.find(name).map_err(Failure::error)?;
        let records = store.read(&id).map_err(Failure::error)?;
        let state = State::of(&records);
        if state.is_settled() {
            return Ok(tell_settled(&id, records, &state, args.json));
        }
        vec![ready(resumed(&store, &id, &state, &args).await?)]
    } else if let Some(text) = &args.branch {
        vec![ready(branched(&store, text, &args).await?)]
    } else {
        fresh(&args, &settings, &store).await?
    };
    let jobs = args.jobs.or(settings.jobs).unwrap_or(1);
    drive(rollouts, jobs, args.step, args.json).await
}

/// What the program does when it is started with nothing to do.
pub(crate) async fn show_itself() -> Result<ExitCode, Failure> {
    let settings = place::settings();
    let store = place::StoreArgs {
        store: std::env::var_os("SPOTTER_STORE").map(Into::into),
    }
    .open(&settings)?;
    tell_swept(&leftovers::sweep(&store).await);
    ink::print(
        "This is spotter showing itself on a bundled task, in the local sandbox.\n\
         The answers were recorded beforehand; the commands, the tests and the verdict\n\
         are real, and happen now.",
    );
    ink::print("Next: `spotter tasks list`, `spotter run --help`, `spotter doctor`.\n");
    let rollout = open::demo(&store).await?;
    drive(vec![ready(rollout)], 1, false, false).await
}

/// A rollout that is open already.
fn ready(rollout: Rollout) -> Job {
    Job {
        name: rollout.id.to_string(),
        open: Box::pin(async move { Ok(rollout) }),
    }
}

fn tell_swept(swept: &leftovers::Swept) {
    if swept.rollouts + swept.containers > 0 {
        ink::complain(&format!(
            "removed what an interrupted spotter left behind: layers of {} rollouts, {} containers",
            swept.rollouts, swept.containers
        ));
    }
}

/// Attempts at tasks that the arguments name. What they lack is found or said now; what each needs on disk is made when
/// its turn comes.
async fn fresh(args: &Args, settings: &Settings, store: &Store) -> Result<Vec<Job>, Failure> {
    let source = args
        .tasks
        .clone()
        .or_else(|| settings.tasks.clone())
        .unwrap_or_else(|| "sample".into());
    let tasks = chosen(args, &source).await?;
    let wishes = args.sandbox.wishes(settings)?;
    let scaffold = open::scaffold(args, settings)?;
    let limits = scaffold.limits().clone();
    let count = tasks.len() as u64 * u64::from(args.k);
    let batch = (count > 1).then(|| RolloutId::generate().to_string());
    let models = open::Models::new(args, settings, count)?;
    let first = models.next().await?;
    let price = open::price(args, settings, &first.info().name)?;
    if limits.cost > 0.0 && price.is_none() {
        return Err(Failure::usage(format!(
            "a cost limit needs a price for `{}`: give --price IN,OUT (dollars for a million tokens) or leave --cost out",
            first.info().name
        )));
    }
    let mut first = Some(first);
    let mut jobs = Vec::new();
    for task in tasks {
        let plan = grade::plan(&task, wishes.place(), args.rules);
        let plan = plan.map(Arc::new).map_err(|why| why.to_string());
        if let Err(why) = &plan {
            ink::complain(&format!("{} will not be graded: {why}", task.instance_id));
        }
        check::warn(store, &task);
        for number in 1..=args.k {
            let model = match first.take() {
                Some(model) => model,
                None => models.next().await?,
            };
            let draft = Draft {
                store: store.clone(),
                task: Arc::clone(&task),
                tasks: source.clone(),
                scaffold: Arc::clone(&scaffold),
                model,
                sampling: open::sampling(args, number),
                limits: limits.clone(),
                price,
                plan: plan.clone(),
                hints: args.hints,
                number,
                of: args.k,
                batch: batch.clone(),
                step_mode: args.step,
            };
            let wishes = wishes.clone();
            jobs.push(Job {
                name: task.instance_id.clone(),
                open: Box::pin(async move {
                    let ground = place::lay(&draft.task, &wishes, &draft.store).await;
                    let ground = ground.map_err(|failure| RolloutError::Ground(failure.what))?;
                    Rollout::create(Arc::new(Attempt { draft, ground }))
                }),
            });
        }
    }
    Ok(jobs)
}

async fn chosen(args: &Args, source: &str) -> Result<Vec<Arc<Task>>, Failure> {
    let all = place::load(source).await?;
    if !args.ids.is_empty() {
        return args.ids.iter().map(|id| place::find(&all, id)).collect();
    }
    let Some(text) = &args.filter else {
        return Err(Failure::usage(
            "name tasks by id or --filter (`spotter tasks list` shows them)",
        ));
    };
    let filter = Choice::parse(text)?;
    let chosen: Vec<_> = all.into_iter().filter(|task| filter.takes(task)).collect();
    if chosen.is_empty() {
        return Err(Failure::usage(format!("no task of {source} fits `{text}`")));
    }
    Ok(chosen)
}

/// The attempt that a trajectory was started with.
async fn attempt_of(
    store: &Store,
    start: &Start,
    limits: Limits,
    answered: usize,
) -> Result<Arc<Attempt>, Failure> {
    let tasks = place::load(&start.tasks).await?;
    let task = place::find(&tasks, &start.instance_id)?;
    if task.hash != start.task_hash {
        return Err(Failure::error(format!(
            "{} has changed in {} since the rollout began: going on would mix two tasks",
            start.instance_id, start.tasks
        )));
    }
    let scaffold = crate::agent::Scaffold::load(&start.scaffold).map_err(Failure::error)?;
    let scaffold = scaffold
        .with_form(start.tool_form)
        .with_limits(limits.clone());
    if scaffold.hash() != start.scaffold_hash {
        ink::complain(&format!(
            "warning: the scaffold `{}` has changed since the rollout began",
            start.scaffold
        ));
    }
    let wishes = wishes_of(start);
    let ground = place::lay(&task, &wishes, store).await?;
    let plan = grade::plan(&task, wishes.place(), start.rules)
        .map(Arc::new)
        .map_err(|why| why.to_string());
    let model = open::by_text(&start.model.spec, answered).await?;
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
        step_mode: start.step_mode,
    };
    Ok(Arc::new(Attempt { draft, ground }))
}

/// How the sandboxes of a rollout were made.
pub(crate) fn wishes_of(start: &Start) -> Wishes {
    Wishes {
        kind: start.sandbox,
        repos: start.repos.clone(),
        image: start.image.clone(),
        network: start.network,
        limits: start.sandbox_limits.clone(),
        snapshot_ignored: start.snapshot_ignored,
    }
}

async fn resumed(
    store: &Store,
    id: &RolloutId,
    state: &State,
    args: &Args,
) -> Result<Rollout, Failure> {
    let Some(start) = &state.start else {
        return Err(Failure::error(format!(
            "rollout {id} was interrupted before it began; start it anew"
        )));
    };
    // Limits that were raised while it ran still hold; the command line goes over them.
    let limits = open::limits(args, state.limits.as_ref().unwrap_or(&start.limits));
    let attempt = attempt_of(store, start, limits, state.answers as usize).await?;
    Rollout::resume(id, attempt).map_err(Failure::error)
}

/// Say how a rollout that is over came out; nothing is opened or asked for it.
fn tell_settled(id: &RolloutId, records: Vec<Record>, state: &State, json: bool) -> ExitCode {
    let mut stream = Stream::new(json, false);
    let last = |what: fn(&Event) -> bool| records.iter().rposition(|record| what(&record.event));
    let told = [
        last(|event| matches!(event, Event::Ended { .. })),
        last(|event| {
            matches!(
                event,
                Event::Graded { step: None, .. } | Event::NotGraded { .. }
            )
        }),
    ];
    for (_, record) in (0..)
        .zip(records)
        .filter(|(at, _)| told.contains(&Some(*at)))
    {
        stream.tell(&News::Record {
            id: id.clone(),
            record: Box::new(record),
        });
    }
    ExitCode::from(code_of(state))
}

fn code_of(state: &State) -> u8 {
    if state.verdict == Some(Verdict::Resolved) {
        0
    } else {
        NOT_RESOLVED
    }
}

async fn branched(store: &Store, text: &str, args: &Args) -> Result<Rollout, Failure> {
    let wrong = || Failure::usage(format!("`{text}`: a branch is written ROLLOUT@STEP"));
    let (name, step) = text.rsplit_once('@').ok_or_else(wrong)?;
    let step = step.parse().map_err(|_not_a_number| wrong())?;
    let id = store.find(name).map_err(Failure::error)?;
    let state = State::of(&store.read(&id).map_err(Failure::error)?);
    let start = state
        .start
        .as_ref()
        .ok_or_else(|| Failure::error(format!("rollout {id} never began")))?;
    let limits = open::limits(args, &start.limits);
    let attempt = attempt_of(store, start, limits, step as usize).await?;
    Rollout::branch(&id, step, args.say.clone(), attempt).map_err(Failure::error)
}

/// Run rollouts, print what happens, and sum up.
async fn drive(
    jobs_to_run: Vec<Job>,
    jobs: usize,
    step: bool,
    json: bool,
) -> Result<ExitCode, Failure> {
    let abandon = CancellationToken::new();
    let (sender, mut receiver) = mpsc::channel(batch::WAITING_NEWS);
    let many = jobs_to_run.len() > 1;
    let printing = tokio::spawn(async move {
        let mut stream = Stream::new(json, many);
        while let Some(news) = receiver.recv().await {
            stream.tell(&news);
        }
    });
    let on_signal = abandon.clone();
    let signals = tokio::spawn(async move {
        if interrupted().await.is_ok() {
            on_signal.cancel();
        }
    });
    let came = batch::run(jobs_to_run, jobs, step, &abandon, sender).await;
    signals.abort();
    let _ = printing.await;
    Ok(ExitCode::from(sum_up(&came, json)))
}

/// Ctrl-C, or the terminal or system asking to end.
async fn interrupted() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    }
}

fn sum_up(came: &[Came], json: bool) -> u8 {
    let mut code = 0;
    for one in came {
        match &one.result {
            Ok(state) => code = code.max(code_of(state)),
            Err(error) => {
                ink::complain(&error.to_string());
                code = if matches!(
                    error,
                    RolloutError::Abandoned(_) | RolloutError::NotBegun(_)
                ) {
                    INTERRUPTED
                } else {
                    code.max(1)
                };
            }
        }
    }
    if came.len() > 1 && !json {
        let resolved = came
            .iter()
            .filter(|one| {
                one.result
                    .as_ref()
                    .is_ok_and(|state| state.verdict == Some(Verdict::Resolved))
            })
            .count();
        ink::print(&format!("{resolved} of {} rollouts resolved", came.len()));
    }
    code
}
