//! `spotter tasks check`: are the tasks themselves sound? Gold and empty patch, several times, each in a fresh sandbox.
//!
//! The result is kept with the task's hash; `run` warns when a task failed its check.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args as ClapArgs;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::ink::{self, Ink};
use super::place::{self, SandboxArgs, StoreArgs};
use super::{Failure, NOT_RESOLVED, progress};
use crate::batch::check::check;
use crate::batch::choose::Choice;
use crate::batch::{checks, supply};
use crate::grade::{Check, CheckVerdict, RuleSet};
use crate::task::Task;

/// Arguments of `spotter tasks check`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Instance ids; without any, every task that fits --filter
    ids: Vec<String>,
    /// Where tasks come from: sample, gym, a file or folder, or a dataset of the hub (org/name@revision:split)
    #[arg(
        long,
        value_name = "SOURCE",
        default_value = "sample",
        env = "SPOTTER_TASKS"
    )]
    tasks: String,
    /// Which tasks, for example: repo:pandas files:1 f2p:<5
    #[arg(long, value_name = "FILTER", default_value = "")]
    filter: String,
    /// How often each patch is graded: a test that does not always say the same is flaky
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1)]
    times: u32,
    /// Tasks at a time
    #[arg(long, short, value_name = "N", default_value_t = 2)]
    jobs: usize,
    /// Grade under this rule set [default: the row's]
    #[arg(long, value_name = "RULES")]
    rules: Option<RuleSet>,
    /// Print one line of JSON for each task
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    sandbox: SandboxArgs,
}

/// A task's check came to this, or could not be made.
type Outcome = (Arc<Task>, Result<Check, String>);

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let settings = place::settings();
    let store = args.store.open(&settings)?;
    let wishes = args.sandbox.wishes(&settings)?;
    let all = place::load(&args.tasks).await?;
    let filter = Choice::parse(&args.filter)?;
    let tasks: Vec<Arc<Task>> = if args.ids.is_empty() {
        all.into_iter().filter(|task| filter.takes(task)).collect()
    } else {
        args.ids
            .iter()
            .map(|id| supply::find(&all, id))
            .collect::<Result<_, _>>()?
    };
    let bar = bar(tasks.len() as u64, args.json);
    let places = Arc::new(Semaphore::new(args.jobs.max(1)));
    let mut running: JoinSet<Outcome> = JoinSet::new();
    for task in &tasks {
        let (task, places, store, wishes) = (
            Arc::clone(task),
            Arc::clone(&places),
            store.clone(),
            wishes.clone(),
        );
        let (times, rules) = (args.times.max(1), args.rules);
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            let telling = progress::telling();
            let check = check(&task, &store, &wishes, times, rules, &telling).await;
            (task, check)
        });
    }
    let ink = Ink::detect();
    let mut sound = 0;
    let mut checked = 0;
    while let Some(done) = running.join_next().await {
        let Ok((task, result)) = done else { continue };
        checked += 1;
        bar.inc(1);
        if let Ok(check) = &result {
            sound += usize::from(check.verdict == CheckVerdict::Sound);
            checks::keep(&store, &task, check).map_err(Failure::error)?;
        }
        bar.suspend(|| ink::print(&line(&task, &result, args.json, ink)));
    }
    bar.finish_and_clear();
    if !args.json {
        ink::print(&format!("{sound} of {checked} tasks are sound"));
    }
    Ok(ExitCode::from(if sound == checked {
        0
    } else {
        NOT_RESOLVED
    }))
}

fn bar(count: u64, json: bool) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} tasks, {elapsed}");
    match style {
        Ok(style) if !json => ProgressBar::new(count).with_style(style),
        _ => ProgressBar::hidden(),
    }
}

fn line(task: &Task, result: &Result<Check, String>, json: bool, ink: Ink) -> String {
    if json {
        return match result {
            Ok(check) => {
                serde_json::json!({"instance_id": task.instance_id, "check": check}).to_string()
            }
            Err(why) => {
                serde_json::json!({"instance_id": task.instance_id, "error": why}).to_string()
            }
        };
    }
    match result {
        Ok(check) if check.verdict == CheckVerdict::Sound => {
            format!(
                "{} {}  {}",
                ink.good("✓"),
                task.instance_id,
                ink.dim(&checks::words(check))
            )
        }
        Ok(check) => format!(
            "{} {}  {}",
            ink.bad("✗"),
            task.instance_id,
            checks::words(check)
        ),
        Err(why) => format!(
            "· {}  not graded: {}",
            task.instance_id,
            crate::text::safe::one_line(why)
        ),
    }
}
