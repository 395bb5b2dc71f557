//! `spotter replay`: a stored rollout told again, in the workbench or as plain lines; or its actions carried out again.

use std::process::ExitCode;

use clap::Args as ClapArgs;

use super::stream::Stream;
use super::{Failure, NOT_RESOLVED as NOT_THE_SAME, place, progress, run, tui};
use crate::batch::{News, again};
use crate::rollout::leftovers;

/// Arguments of `spotter replay`.
#[derive(Debug, ClapArgs)]
#[group(skip)]
pub(crate) struct Args {
    /// Print the steps as lines, all at once
    #[arg(long)]
    plain: bool,
    /// Carry the recorded actions out again in a fresh sandbox, as a new rollout, and say what comes out otherwise
    #[arg(long, conflicts_with = "plain")]
    execute: bool,
    /// Print the records as JSON, one a line (with --plain or --execute)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    workbench: tui::Args,
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let Some(name) = args.workbench.rollout.as_deref() else {
        return Err(Failure::usage(
            "name a rollout, or `last`; `spotter list` lists them",
        ));
    };
    if args.execute {
        return execute(name, &args).await;
    }
    if args.json && !args.plain {
        return Err(Failure::usage(
            "--json prints records: it goes with --plain or --execute",
        ));
    }
    if !args.plain {
        return tui::replay(args.workbench).await;
    }
    let store = args.workbench.store.open(&place::settings())?;
    let id = store.find(name).map_err(Failure::error)?;
    let records = store.read(&id).map_err(Failure::error)?;
    let mut stream = Stream::new(args.json, false);
    for record in records {
        stream.tell(&News::Record {
            id: id.clone(),
            record: Box::new(record),
        });
    }
    Ok(ExitCode::SUCCESS)
}

/// Status 0 where everything came out as it is recorded.
async fn execute(name: &str, args: &Args) -> Result<ExitCode, Failure> {
    let store = args.workbench.store.open(&place::settings())?;
    run::tell_swept(&leftovers::sweep(&store).await);
    let id = store.find(name).map_err(Failure::error)?;
    let prepared = again::reexecute(&store, &id, &progress::telling()).await?;
    let came = run::drive(prepared, 1, args.json).await?;
    let mut code = 0;
    for one in &came {
        code = code.max(match &one.result {
            Err(error) => run::code_of_error(error),
            Ok(state) => match &state.compared {
                Some(comparison) if comparison.is_equal() => 0,
                _ => NOT_THE_SAME,
            },
        });
    }
    Ok(ExitCode::from(code))
}
