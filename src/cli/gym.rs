//! `spotter gym`: make small repair tasks, and let the expert show how they are solved.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args as ClapArgs, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::place::{self, StoreArgs};
use super::{Failure, INTERRUPTED, ink};
use crate::batch::{self, News};
use crate::gym::{self, Demonstrations, LEVELS, Split};
use crate::trajectory::Store;
use crate::trajectory::event::Ended;
use crate::trajectory::fold::State;

/// Arguments of `spotter gym`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make repair tasks from a seed: rows in SWE-Gym's format, in DIR/tasks.jsonl
    Make(MakeArgs),
    /// Let the expert, who knows the gold patches, solve such tasks through the real loop
    ///
    /// What the store has whole with the same settings is passed over, so the same command goes on after an interruption.
    Demonstrate(DemonstrateArgs),
}

#[derive(Debug, ClapArgs)]
struct MakeArgs {
    /// Everything follows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How many tasks
    #[arg(long, value_name = "N")]
    count: u64,
    /// Whose functions: train, validation or held-out; no function, right or with its fault, stands in two of them, whatever the seed
    #[arg(long, value_name = "SPLIT")]
    split: Split,
    /// Levels of difficulty, from 1 to 4, for example 1,2 [default: all, in turn]
    #[arg(long, value_name = "N[,N…]", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=i64::from(LEVELS)))]
    level: Vec<u8>,
    /// Folder for tasks.jsonl
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Debug, ClapArgs)]
struct DemonstrateArgs {
    /// What `spotter gym make` made: the folder, or the file in it
    #[arg(long, value_name = "DIR|FILE")]
    tasks: PathBuf,
    /// At most so many of the tasks, from the first
    #[arg(long, value_name = "N")]
    most: Option<usize>,
    /// Of a hundred demonstrations so many begin with a mistake or more, marked as made on purpose, and what corrects it; tasks without
    /// decoys (missing guards) have none
    #[arg(long, value_name = "PERCENT", default_value_t = 30)]
    mistakes: usize,
    /// Go on from failed attempts instead: those at the tasks that a model made in this store, with the scaffold `gym`, graded. What it said,
    /// up to a step, is said again and marked; the expert takes back what was wrong and does the rest
    #[arg(long, value_name = "DIR", conflicts_with = "mistakes")]
    after: Option<PathBuf>,
    /// Chooses the mistakes, or the step of an attempt to go on from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Grade each, too
    #[arg(long)]
    grade: bool,
    /// Rollouts at a time
    #[arg(long, short, value_name = "N", default_value_t = 2)]
    jobs: usize,
    #[command(flatten)]
    store: StoreArgs,
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        Command::Make(args) => make(args).await,
        Command::Demonstrate(args) => demonstrate(args).await,
    }
}

fn bar(count: u64) -> ProgressBar {
    match ProgressStyle::with_template("{bar:30} {pos} of {len}, {elapsed}, {eta} left") {
        Ok(style) => ProgressBar::new(count).with_style(style),
        Err(_) => ProgressBar::hidden(),
    }
}

async fn make(args: MakeArgs) -> Result<ExitCode, Failure> {
    let order = gym::Order {
        seed: args.seed,
        count: args.count,
        split: args.split,
        levels: args.level,
    };
    let file = args.out.join("tasks.jsonl");
    let part = args.out.join("tasks.jsonl.part");
    let failed = |error: std::io::Error| Failure::error(format!("{}: {error}", part.display()));
    // Before the work: where nothing can be written it would be for nothing.
    std::fs::create_dir_all(&args.out)
        .map_err(|error| Failure::error(format!("{}: {error}", args.out.display())))?;
    let opened = std::fs::File::create(&part).map_err(failed)?;
    let bar = bar(args.count);
    let began = Instant::now();
    let made = gym::make(&order, &|done| bar.set_position(done)).await;
    bar.finish_and_clear();
    let rows = made.map_err(|error| {
        let _ = std::fs::remove_file(&part);
        Failure::error(error)
    })?;
    let mut text = std::io::BufWriter::new(&opened);
    for row in &rows {
        writeln!(text, "{row}").map_err(failed)?;
    }
    text.flush().map_err(failed)?;
    opened.sync_all().map_err(failed)?;
    std::fs::rename(&part, &file)
        .map_err(|error| Failure::error(format!("{}: {error}", file.display())))?;
    let seconds = began.elapsed().as_secs_f64();
    ink::print(&format!(
        "{} tasks of {} in {}, proven by running, in {seconds:.1} s",
        rows.len(),
        args.split,
        file.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// A store that is there already.
fn attempts(path: &Path) -> Result<Store, Failure> {
    if !path.join("rollouts").is_dir() {
        let what = "is no store (a folder with `rollouts`), so there are no attempts to go on from";
        return Err(Failure::error(format!("{} {what}", path.display())));
    }
    Store::open(path).map_err(Failure::error)
}

async fn demonstrate(args: DemonstrateArgs) -> Result<ExitCode, Failure> {
    let store = args.store.open(&place::settings())?;
    let after = args.after.as_deref().map(attempts).transpose()?;
    let order = Demonstrations {
        tasks: args.tasks,
        most: args.most,
        mistakes: args.mistakes,
        after,
        seed: args.seed,
        graded: args.grade,
    };
    let planned = gym::demonstrations(&order, &store).map_err(Failure::error)?;
    place::warn(&planned.problems);
    for (why, count) in &planned.passed_over {
        ink::complain(&format!("passed over: {count} {why}"));
    }
    let jobs = planned.jobs;
    if planned.there > 0 {
        ink::complain(&format!(
            "passed over: {} demonstrations that are in the store already, with these settings",
            planned.there
        ));
        if jobs.is_empty() {
            ink::print("nothing is left to be demonstrated");
            return Ok(ExitCode::SUCCESS);
        }
    }
    if let Some(after) = args.after.filter(|_| jobs.is_empty()) {
        let what = "has no attempt at these tasks that failed and can be gone on from";
        return Err(Failure::error(format!("{} {what}", after.display())));
    }
    let count = jobs.len();
    let bar = bar(count as u64);
    let began = Instant::now();
    let (news, mut heard) = mpsc::channel(batch::WAITING_NEWS);
    let counted = bar.clone();
    let counting = tokio::spawn(async move {
        while let Some(news) = heard.recv().await {
            if matches!(news, News::Over { .. }) {
                counted.inc(1);
            }
        }
    });
    let abandon = CancellationToken::new();
    let on_signal = abandon.clone();
    let signals = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            on_signal.cancel();
        }
    });
    let came = batch::run(jobs, args.jobs, &abandon, news).await;
    signals.abort();
    let _ = counting.await;
    bar.finish_and_clear();
    let whole = |state: &State| matches!(state.ended, Some((Ended::Submitted, _)));
    let submitted = came
        .iter()
        .filter(|one| one.result.as_ref().is_ok_and(|state| whole(state)))
        .count();
    for error in came
        .iter()
        .filter_map(|one| one.result.as_ref().err())
        .take(10)
    {
        ink::complain(&crate::text::safe::visible(&error.to_string()));
    }
    let seconds = began.elapsed().as_secs_f64();
    ink::print(&format!(
        "{submitted} of {count} demonstrations handed in, {seconds:.1} s, {:.1} a second",
        submitted as f64 / seconds.max(0.001)
    ));
    if abandon.is_cancelled() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(ExitCode::from(u8::from(submitted < count)))
}
