//! `spotter replay`: a stored rollout told again, in the workbench or as plain lines.

use std::process::ExitCode;

use clap::Args as ClapArgs;

use super::stream::Stream;
use super::{Failure, place, tui};
use crate::batch::News;

/// Arguments of `spotter replay`.
#[derive(Debug, ClapArgs)]
#[group(skip)]
pub(crate) struct Args {
    /// Print the steps as lines, all at once
    #[arg(long)]
    plain: bool,
    /// Print the records as JSON, one a line
    #[arg(long, requires = "plain")]
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
