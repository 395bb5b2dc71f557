//! The command line: one file per subcommand, all of them headless.
//!
//! | exit code | means |
//! |---|---|
//! | 0 | done; for `run` and `grade`: and every verdict is *resolved* |
//! | 1 | something failed: a sentence on standard error says what, where and what to do |
//! | 2 | the command line says something wrongly |
//! | 3 | done, and at least one verdict is not *resolved* |
//! | 130 | interrupted; rollouts can be resumed |

mod bench;
mod board;
mod check;
mod control;
mod doctor;
mod export_adapter;
mod grade;
mod gym;
mod ink;
mod keys;
mod list;
mod model_flags;
mod place;
mod progress;
pub mod pty;
mod replay;
mod run;
mod serve;
mod stream;
mod tasks;
mod train;
mod tui;
mod width;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::batch::OrderError;
use crate::text::filter::FilterError;

/// Exit code of an interrupted program: 128 + SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;
/// Done, but not all resolved.
pub(crate) const NOT_RESOLVED: u8 = 3;

/// spotter: run software-engineering agents on SWE-Gym-style tasks in a sandbox, steer them, grade what they did.
///
/// Without a subcommand it shows itself: a bundled task, the bundled policy, the local sandbox.
#[derive(Debug, Parser)]
#[command(name = "spotter", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The workbench: watch, steer and replay rollouts
    Tui(Box<tui::Args>),
    /// Tell a stored rollout again
    Replay(Box<replay::Args>),
    /// Let an agent attempt tasks, and grade what it did
    Run(Box<run::Args>),
    /// List, show and check tasks
    Tasks(tasks::Args),
    /// Grade a patch, or a rollout again
    Grade(grade::Args),
    /// Serve a local model over HTTP, as OpenAI's protocol has it
    Serve(Box<serve::Args>),
    /// Merge an adapter into its base: a model of its own
    ExportAdapter(export_adapter::Args),
    /// Make small repair tasks, and demonstrations of how they are solved
    Gym(gym::Args),
    /// List the rollouts of the store
    List(list::Args),
    /// Steer a running rollout
    Control(control::Args),
    /// Say what this machine can do, and what is missing
    Doctor(doctor::Args),
    /// Print the workbench's keys, and what they do
    Keys(keys::Args),
    /// Train a model on this machine
    Train(train::Args),
    /// Measure spotter itself
    Bench(bench::Args),
}

/// What a subcommand failed with: an exit code and the sentence for it.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    what: String,
}

impl Failure {
    /// Something went wrong.
    pub(crate) fn error(what: impl std::fmt::Display) -> Self {
        Self {
            code: 1,
            what: what.to_string(),
        }
    }

    /// The command line is wrong.
    pub(crate) fn usage(what: impl std::fmt::Display) -> Self {
        Self {
            code: 2,
            what: what.to_string(),
        }
    }
}

impl From<OrderError> for Failure {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Wrong(what) => Self::usage(what),
            OrderError::Failed(what) => Self::error(what),
        }
    }
}

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Self {
        Self::usage(error)
    }
}

/// Parse the command line, run the subcommand, report an error once.
#[must_use]
pub fn main() -> ExitCode {
    // Before anything else of the program starts: an init must have no threads.
    #[cfg(target_os = "linux")]
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == "__sandbox-init")
    {
        return crate::sandbox::local::init::main();
    }
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(&Failure::error(format!(
                "the runtime cannot start: {error}"
            )));
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            None if in_a_terminal() => tui::show_itself().await,
            None => run::show_itself().await,
            Some(Command::Tui(args)) => tui::run(*args).await,
            Some(Command::Replay(args)) => replay::run(*args).await,
            Some(Command::Run(args)) => run::run(*args).await,
            Some(Command::Tasks(args)) => tasks::run(args).await,
            Some(Command::Grade(args)) => grade::run(args).await,
            Some(Command::Serve(args)) => serve::run(*args).await,
            Some(Command::ExportAdapter(args)) => export_adapter::run(args).await,
            Some(Command::Gym(args)) => gym::run(args).await,
            Some(Command::List(args)) => list::run(args).await,
            Some(Command::Control(args)) => control::run(args).await,
            Some(Command::Doctor(args)) => doctor::run(args).await,
            Some(Command::Keys(args)) => keys::run(&args),
            Some(Command::Train(args)) => train::run(args).await,
            Some(Command::Bench(args)) => bench::run(args).await,
        }
    });
    // Reading standard input cannot be cancelled; nothing is left that needs it.
    runtime.shutdown_background();
    result.unwrap_or_else(|failure| fail(&failure))
}

/// A person sits in front of it.
fn in_a_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

fn fail(failure: &Failure) -> ExitCode {
    let text = crate::text::safe::visible(&failure.what).into_owned();
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("spotter: {text}\n"));
    ExitCode::from(failure.code)
}
