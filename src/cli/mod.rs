//! The command line: one file per subcommand, all of them headless.

pub mod tasks;

use std::process::ExitCode;

/// Parse the command line, run the subcommand, report errors once.
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
    ExitCode::SUCCESS
}
