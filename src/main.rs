//! The program: hand the command line to [`spotter::cli`] and turn what it returns into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    spotter::cli::main()
}
