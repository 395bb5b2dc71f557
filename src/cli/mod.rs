//! The command line: one file per subcommand, all of them headless.

pub mod tasks;

use std::process::ExitCode;

/// Parse the command line, run the subcommand, report errors once.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
