//! `spotter grade`: grade a patch from a file, or a rollout again: under other rules, as of a step, or afresh.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ink::{self, Ink};
use super::place::{self, SandboxArgs, StoreArgs};
use super::{Failure, NOT_RESOLVED, progress, stream};
use crate::batch::as_of::{self, AsOf};
use crate::batch::{again, supply};
use crate::grade::{self, Grading, RuleSet, Verdict, report};
use crate::sandbox;
use crate::task::Task;
use crate::trajectory::event::Event;
use crate::trajectory::fold::State;
use crate::trajectory::{RolloutId, Store};

/// Arguments of `spotter grade`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// A rollout: its stored test log is judged again, nothing runs unless --again is given
    #[arg(required_unless_present = "task")]
    rollout: Option<String>,
    /// As of this step
    #[arg(long, value_name = "N", requires = "rollout")]
    step: Option<u32>,
    /// Run the tests again, in a fresh sandbox
    #[arg(long, requires = "rollout")]
    again: bool,
    /// Grade a patch for this task
    #[arg(long, value_name = "ID", conflicts_with = "rollout")]
    task: Option<String>,
    /// The patch: a file, `-` for standard input, `gold` or `empty`
    #[arg(long, value_name = "FILE", default_value = "gold", requires = "task")]
    patch: String,
    /// Where the task comes from
    #[arg(
        long,
        value_name = "SOURCE",
        default_value = "sample",
        env = "SPOTTER_TASKS"
    )]
    tasks: String,
    /// Rule set: swe-gym, swebench-5, swe-smith, r2e, exit-code [default: the row's]
    #[arg(long, value_name = "RULES")]
    rules: Option<RuleSet>,
    /// Print SWE-bench's report.json
    #[arg(long, conflicts_with = "json")]
    swebench: bool,
    /// Write the raw test log here
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Print the whole result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    sandbox: SandboxArgs,
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let settings = place::settings();
    let store = args.store.open(&settings)?;
    let (task, grading) = match (&args.rollout, &args.task) {
        (Some(name), _) => of_rollout(&args, &store, name).await?,
        (None, Some(id)) => {
            let task = supply::find(&place::load(&args.tasks).await?, id)?;
            let patch = patch(&args.patch, &task)?;
            let wishes = args.sandbox.wishes(&settings)?;
            let grading = fresh(&task, &patch, &wishes, &store, args.rules).await?;
            (task, grading)
        }
        (None, None) => return Err(Failure::usage("name a rollout, or a task with --task")),
    };
    if let Some(path) = &args.log {
        std::fs::write(path, &grading.raw_log)
            .map_err(|error| Failure::error(format!("{}: {error}", path.display())))?;
    }
    show(&args, &task, grading)
}

fn show(args: &Args, task: &Task, mut grading: Grading) -> Result<ExitCode, Failure> {
    let resolved = grading.verdict == Verdict::Resolved;
    if args.swebench {
        let report = report::swebench_json(task, &grading);
        ink::print(&serde_json::to_string_pretty(&report).map_err(Failure::error)?);
    } else if args.json {
        grading.raw_log.clear();
        ink::print(&serde_json::to_string(&grading).map_err(Failure::error)?);
    } else {
        let ink = Ink::detect();
        for line in report::lines(&grading) {
            ink::print(&stream::verdict(&line, ink));
        }
    }
    Ok(ExitCode::from(if resolved { 0 } else { NOT_RESOLVED }))
}

fn patch(text: &str, task: &Task) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::error(format!("{text}: {error}"));
    match text {
        "gold" => Ok(task.gold_patch.clone()),
        "empty" => Ok(String::new()),
        "-" => std::io::read_to_string(std::io::stdin()).map_err(failed),
        path => std::fs::read_to_string(Path::new(path)).map_err(failed),
    }
}

async fn fresh(
    task: &Arc<Task>,
    patch: &str,
    wishes: &crate::rollout::ground::Wishes,
    store: &Store,
    rules: Option<RuleSet>,
) -> Result<Grading, Failure> {
    let plan = grade::plan(task, wishes.place(), rules).map_err(Failure::error)?;
    let ground = place::lay(task, wishes, store).await?;
    let state = tempfile::Builder::new()
        .prefix("spotter-grade-")
        .tempdir()
        .map_err(Failure::error)?;
    let sandbox = sandbox::start(ground.spec(state.path().join("sandbox"), "grade"))
        .await
        .map_err(Failure::error)?;
    let (sender, _) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    let on_signal = cancel.clone();
    let signals = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            on_signal.cancel();
        }
    });
    let grading = grade::grade(&plan, task, patch, sandbox.as_ref(), sender, &cancel).await;
    signals.abort();
    let _ = sandbox.stop().await;
    let _ = sandbox::clear(state.path());
    Ok(grading)
}

async fn of_rollout(
    args: &Args,
    store: &Store,
    name: &str,
) -> Result<(Arc<Task>, Grading), Failure> {
    let id = store.find(name).map_err(Failure::error)?;
    if let Some(step) = args.step {
        return as_of_step(args, store, &id, step).await;
    }
    let records = store.read(&id).map_err(Failure::error)?;
    let state = State::of(&records);
    let start = state
        .start
        .as_ref()
        .ok_or_else(|| Failure::error(format!("rollout {id} never began")))?;
    let task = supply::find(&place::load(&start.tasks).await?, &start.instance_id)?;
    if args.again {
        let patch = state
            .ended
            .as_ref()
            .map(|(_, patch)| patch.clone())
            .ok_or_else(|| {
                Failure::error(format!(
                    "rollout {id} has not ended: --step N grades it as of a step"
                ))
            })?;
        let wishes = again::wishes_of(start);
        let grading = fresh(&task, &patch, &wishes, store, args.rules.or(start.rules)).await?;
        return Ok((task, grading));
    }
    let log = records.iter().rev().find_map(|record| match &record.event {
        Event::Graded {
            step: None,
            log: Some(log),
            ..
        } => Some(log.clone()),
        _ => None,
    });
    let log = log.ok_or_else(|| {
        Failure::error(format!(
            "rollout {id} has no test log: --again runs its tests"
        ))
    })?;
    let path = store.folder(&id).join(&log);
    let text = std::fs::read(&path)
        .map_err(|error| Failure::error(format!("{}: {error}", path.display())))?;
    let rules = args
        .rules
        .or(start.rules)
        .unwrap_or_else(|| RuleSet::default_for(&task));
    let grading =
        grade::regrade(&String::from_utf8_lossy(&text), &task, rules).map_err(Failure::error)?;
    Ok((task, grading))
}

/// The same as in the workbench: the tests become part of the rollout's trajectory.
async fn as_of_step(
    args: &Args,
    store: &Store,
    id: &RolloutId,
    step: u32,
) -> Result<(Arc<Task>, Grading), Failure> {
    let cancel = CancellationToken::new();
    let on_signal = cancel.clone();
    let signals = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            on_signal.cancel();
        }
    });
    let telling = progress::telling();
    let ran = as_of::run(store, id, step, args.rules, &telling, &cancel).await;
    signals.abort();
    let AsOf { task, result } = ran?;
    match result {
        Ok((mut grading, log)) => {
            let log = log.and_then(|log| std::fs::read(store.folder(id).join(log)).ok());
            grading.raw_log = String::from_utf8_lossy(&log.unwrap_or_default()).into_owned();
            Ok((task, *grading))
        }
        Err(verdict) => Err(Failure::error(report::sentence(&verdict))),
    }
}
