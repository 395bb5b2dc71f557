//! `spotter bench sandbox`: what starting, running, keeping and bringing back cost, beside the plain programs that do
//! the same.
//!
//! Every round does each thing once, ours and theirs in turn, so that a change of the machine's load meets both alike.
//! What it was measured with is printed with the numbers.

mod field;
mod peers;
mod table;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;

use crate::cli::{Failure, ink};
use crate::sandbox::{self, Exec, Kind, Sandbox};
use field::Field;
use table::Table;

/// Arguments of `spotter bench sandbox`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// How often each thing is done
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = super::counted())]
    repetitions: usize,
    /// Files of the generated repository
    #[arg(long, value_name = "N", default_value_t = 2500)]
    files: usize,
    /// Measure the Docker sandbox, too, with this image (needs bash, git, find and tar)
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is done to a sandbox in one round.
async fn ours(kind: Kind, field: &Field, round: usize, table: &mut Table) -> Result<(), Failure> {
    let name = match kind {
        Kind::Local => "local",
        Kind::Docker => "docker",
    };
    let mut note = |what: &str, took: Duration| table.note(&format!("{name}: {what}"), took);
    let began = Instant::now();
    let sandbox = sandbox::start(field.spec(kind, &format!("{name}-{round}")))
        .await
        .map_err(Failure::error)?;
    // The first start on a base reads all of it once, for every start to come.
    let start = if round == 0 {
        "start, first on its base"
    } else {
        "start"
    };
    note(start, began.elapsed());
    let did = measured(&*sandbox, field, &format!("{name}-{round}-fork"), &mut note).await;
    sandbox.stop().await.map_err(Failure::error)?;
    let _ = sandbox::clear(&field.state(&format!("{name}-{round}")));
    did
}

async fn measured(
    sandbox: &dyn Sandbox,
    field: &Field,
    fork: &str,
    note: &mut (dyn FnMut(&str, Duration) + Send),
) -> Result<(), Failure> {
    let patience = Duration::from_secs(60);
    let quick = || Exec::new(vec!["true".into()], patience);
    let began = Instant::now();
    sandbox.exec(quick(), None).await.map_err(Failure::error)?;
    note("exec `true`", began.elapsed());
    // The first is not counted: it may have to read everything once.
    sandbox.snapshot().await.map_err(Failure::error)?;
    let began = Instant::now();
    let first = sandbox.snapshot().await.map_err(Failure::error)?;
    note("snapshot, nothing changed", began.elapsed());
    let change = Exec::bash(field::CHANGE, patience);
    sandbox.exec(change, None).await.map_err(Failure::error)?;
    let began = Instant::now();
    sandbox.snapshot().await.map_err(Failure::error)?;
    note("snapshot, 1 changed and 1 new", began.elapsed());
    let began = Instant::now();
    sandbox.restore(&first).await.map_err(Failure::error)?;
    note("restore", began.elapsed());
    let began = Instant::now();
    let forked = sandbox
        .fork(&first, field.state(fork), fork.to_owned())
        .await
        .map_err(Failure::error)?;
    note("fork", began.elapsed());
    forked.stop().await.map_err(Failure::error)?;
    let _ = sandbox::clear(&field.state(fork));
    Ok(())
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let field = Field::new(args.files, args.image.clone()).map_err(Failure::error)?;
    let mut table = Table::new(&field);
    for round in 0..args.repetitions.max(1) {
        peers::plain(&field, &mut table).map_err(Failure::error)?;
        ours(Kind::Local, &field, round, &mut table).await?;
        if let Some(image) = &args.image {
            peers::docker(image, &field, &mut table).map_err(Failure::error)?;
            ours(Kind::Docker, &field, round, &mut table).await?;
        }
        ink::complain(&format!("round {} of {}", round + 1, args.repetitions));
    }
    table.finish();
    if args.json {
        ink::print(&table.json().to_string());
    } else {
        for line in table.lines() {
            ink::print(&line);
        }
    }
    Ok(ExitCode::SUCCESS)
}
