//! `spotter bench`: measurements of spotter by spotter. Each says with what it was made, and can be had as JSON.

mod engine;
mod kills;
mod sandbox;
mod script;
mod train;
mod ui;

use std::process::ExitCode;

use clap::builder::RangedU64ValueParser;
use clap::{Args as ClapArgs, Subcommand};

use super::Failure;

/// Arguments of `spotter bench`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What the engine computes in a second, on models of true shapes, beside peers on the same files
    Engine(engine::Args),
    /// Kill running rollouts at drawn moments (SIGKILL) and see what is lost, and whether they go on
    Kills(kills::Args),
    /// What starting, running, keeping and bringing back cost, beside plain git and docker
    Sandbox(sandbox::Args),
    /// Tokens a second of a training step of the small policy's shape, beside torch
    Train(train::Args),
    /// What the workbench costs: start, keys, scrolling, filters, streams, memory; beside a peer
    Ui(ui::Args),
}

/// Reads a number that measures something: 1 or more.
fn counted() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    match args.what {
        What::Engine(args) => Box::pin(engine::run(args)).await,
        What::Kills(args) => Box::pin(kills::run(args)).await,
        What::Sandbox(args) => Box::pin(sandbox::run(args)).await,
        What::Train(args) => train::run(args).await,
        What::Ui(args) => Box::pin(ui::run(args)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_would_measure_nothing_are_refused() {
        let read = |line: &str| {
            let command = Args::augment_args(clap::Command::new("bench"));
            command.try_get_matches_from(line.split_whitespace())
        };
        for flag in [
            "engine --repetitions",
            "engine --threads",
            "kills --moments",
            "sandbox --repetitions",
            "train --threads",
            "train --rows",
            "train --length",
            "train --steps",
            "ui --repetitions",
        ] {
            assert!(read(&format!("bench {flag} 1")).is_ok(), "{flag} 1");
            let refused = read(&format!("bench {flag} 0")).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{flag} 0");
        }
    }
}
