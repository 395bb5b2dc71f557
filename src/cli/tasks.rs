//! `spotter tasks`: which tasks there are, and what one of them says.
//!
//! Lists are plain aligned text, one task a line, ids never cut; `--json` prints JSON instead. Rows that could not be
//! read are named on standard error at the end. The gold patch is the solution: it is shown only when asked for.

mod render;

use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};

use super::Failure;
use super::progress::Transfer;
use crate::batch::choose::{self, Choice};
use crate::task::source::{SourceError, TaskSource};
use crate::task::{Loaded, Task};
use crate::text::filter::FilterError;
use crate::text::nearest::nearest;
use crate::text::safe::visible;

/// Arguments of `spotter tasks`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List tasks
    List(ListArgs),
    /// Show one task
    Show(ShowArgs),
    /// Check tasks: the gold patch must resolve them, the empty one must not
    Check(Box<super::check::Args>),
}

#[derive(Debug, ClapArgs)]
struct Source {
    /// Where tasks come from: sample, gym, a file or folder (.jsonl, .json, .parquet), or a dataset of the hub (org/name@revision:split)
    #[arg(
        long,
        value_name = "SOURCE",
        default_value = "sample",
        env = "SPOTTER_TASKS"
    )]
    tasks: String,
}

#[derive(Debug, ClapArgs)]
struct ListArgs {
    #[command(flatten)]
    source: Source,
    /// Which of them, for example: repo:pandas files:1 f2p:<5 "reads a file" -difficulty:hard
    #[arg(long, value_name = "FILTER", default_value = "")]
    filter: String,
    /// Print a JSON list
    #[arg(long)]
    json: bool,
}

#[derive(Debug, ClapArgs)]
struct ShowArgs {
    /// Instance id, in any case
    id: String,
    #[command(flatten)]
    source: Source,
    /// Show the gold patch, too: it is the solution
    #[arg(long)]
    gold: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Why `spotter tasks` failed.
#[derive(Debug, thiserror::Error)]
enum TasksError {
    /// The tasks cannot be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The filter cannot be understood.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// No task has this id.
    #[error("no task `{id}` in {source_text}{hint}")]
    NoTask {
        /// The id asked for.
        id: String,
        /// Where it was looked for.
        source_text: String,
        /// A similar id, if there is one.
        hint: String,
    },
    /// Standard output cannot be written.
    #[error("standard output: {0}")]
    Output(#[from] std::io::Error),
}

impl TasksError {
    /// 2 for what the command line says wrongly, 1 for all else.
    #[must_use]
    fn exit_code(&self) -> u8 {
        match self {
            Self::Filter(_) | Self::NoTask { .. } | Self::Source(SourceError::Neither(_)) => 2,
            Self::Source(_) | Self::Output(_) => 1,
        }
    }
}

impl From<TasksError> for Failure {
    fn from(error: TasksError) -> Self {
        match error.exit_code() {
            2 => Self::usage(error),
            _ => Self::error(error),
        }
    }
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        Command::Check(args) => super::check::run(*args).await,
        command => Ok(print(command).await?),
    }
}

async fn print(command: Command) -> Result<ExitCode, TasksError> {
    let mut text = Vec::new();
    let problems = match command {
        Command::List(args) => list(&args, &mut text).await?,
        Command::Show(args) => show(&args, &mut text).await?,
        Command::Check(_) => Vec::new(),
    };
    let written = std::io::stdout().lock().write_all(&text);
    // A reader such as `head` that has seen enough is no failure.
    written.or_else(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })?;
    let mut errors = std::io::stderr().lock();
    for problem in problems {
        let _ = writeln!(errors, "{}", visible(&problem));
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(args: &ListArgs, out: &mut Vec<u8>) -> Result<Vec<String>, TasksError> {
    let filter = Choice::parse(&args.filter)?;
    let (_, loaded) = load(&args.source).await?;
    let tasks: Vec<&Task> = loaded
        .tasks
        .iter()
        .filter(|task| filter.takes(task))
        .collect();
    if args.json {
        render::json(
            &tasks
                .iter()
                .map(|task| render::without_gold(task))
                .collect::<Vec<_>>(),
            out,
        )?;
    } else {
        render::table(&tasks, loaded.tasks.len(), width(), out)?;
    }
    Ok(problems(&loaded))
}

async fn show(args: &ShowArgs, out: &mut Vec<u8>) -> Result<Vec<String>, TasksError> {
    let (source, loaded) = load(&args.source).await?;
    let key = args.id.to_lowercase();
    let Some(task) = loaded.tasks.iter().find(|task| task.key() == key) else {
        let known = loaded.tasks.iter().map(|task| task.instance_id.as_str());
        let hint = match nearest(&args.id, known) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => "; `spotter tasks list` names them".to_owned(),
        };
        return Err(TasksError::NoTask {
            id: args.id.clone(),
            source_text: source.to_string(),
            hint,
        });
    };
    match (args.json, args.gold) {
        (true, true) => render::json(&serde_json::json!(task), out)?,
        (true, false) => render::json(&render::without_gold(task), out)?,
        (false, gold) => {
            for (kind, answer) in choose::gradable(task) {
                let answer = answer.unwrap_or_else(|why| why);
                writeln!(out, "{:11} {kind}: {}", "graded", visible(&answer))?;
            }
            render::page(task, gold, out)?;
        }
    }
    Ok(problems(&loaded))
}

async fn load(source: &Source) -> Result<(TaskSource, Loaded), TasksError> {
    let source: TaskSource = source.tasks.parse()?;
    let transfer = Transfer::new();
    let loaded = source.load(&|news| transfer.tell(news)).await?;
    Ok((source, loaded))
}

fn problems(loaded: &Loaded) -> Vec<String> {
    let mut lines: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    if !lines.is_empty() {
        let s = if lines.len() == 1 { "" } else { "s" };
        lines.push(format!("{} row{s} skipped", lines.len()));
    }
    lines
}

/// Columns of the terminal; none where output goes elsewhere and nothing is cut.
fn width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}
