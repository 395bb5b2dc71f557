//! `spotter bench kills`: start the program on a bundled task, kill it with SIGKILL at a drawn moment, start it again.
//!
//! Moments are drawn per phase, uniformly over the time that a run spends there ([`draw`]), because a run's time is
//! spent unevenly; every fourth is drawn over the whole run. After each kill the store is examined as it lies, then the
//! rollout is resumed and must come out as if nothing had happened ([`moment`]).
//!
//! | asked | how it is checked |
//! |---|---|
//! | nothing lost | every event that was printed is in the file; whole lines parse; no gap; at most one torn line |
//! | nothing left behind | after the next start: no process, mount, container, layer, socket of the store |
//! | it goes on | from the last whole step, to *submitted* and *resolved*, with the patch of an undisturbed run |
//! | nothing asked twice | the server counts: questions with a recorded answer are not asked again |

mod draw;
mod left;
mod moment;
mod table;
mod trace;
mod victim;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args as ClapArgs;
use serde_json::json;

use super::script::{Script, Turn};
use crate::cli::place::SandboxKind;
use crate::cli::{Failure, ink};
use draw::Random;
use trace::Phase;
use victim::Program;

/// The task.
const TASK: &str = "spotter__tally-108";
/// Pause before each piece of an answer.
const PAUSE: Duration = Duration::from_millis(35);
/// Of so many moments at least one falls in each phase that matters.
const SHARE: usize = 5;

/// Arguments of `spotter bench kills`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// How many kills
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = super::counted())]
    moments: usize,
    /// Where the moments are drawn from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Where commands run
    #[arg(long, value_enum, default_value = "local")]
    sandbox: SandboxKind,
    /// Docker image (needs bash, git and python3)
    #[arg(long, value_name = "IMAGE", required_if_eq("sandbox", "docker"))]
    image: Option<String>,
    /// Keep the stores of failed moments in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The answers: commands that take a while, leave a trace each, mend the task, and make its tests slow enough to hit.
fn turns() -> Vec<Turn> {
    let slow = |mark: &str| json!({"command": format!("echo {mark} >> trail.txt; for i in 1 2 3 4 5 6 7; do sleep 0.1; echo $i; done")});
    let mend = json!({
        "command": "str_replace",
        "path": "/testbed/tally/amounts.py",
        "old_str": "    while left > 0:\n        for index, weight in enumerate(weights):\n            if left > 0 and weight:\n                shares[index] += unit\n                left -= unit\n",
        "new_str": "    step = unit.copy_sign(left)\n    while left:\n        for index, weight in enumerate(weights):\n            if left and weight:\n                shares[index] += step\n                left -= step\n",
    });
    let drowsy = json!({"command": "printf 'import time\\ntime.sleep(0.7)\\n' >> tally/amounts.py; echo drowsy >> trail.txt; sleep 0.6"});
    vec![
        Turn {
            words: "I look around first.",
            tool: "execute_bash",
            arguments: slow("one"),
        },
        Turn {
            words: "The sign of what is left must decide.",
            tool: "str_replace_editor",
            arguments: mend,
        },
        Turn {
            words: "Now the tests may take their time.",
            tool: "execute_bash",
            arguments: drowsy,
        },
        Turn {
            words: "Once more, slowly.",
            tool: "execute_bash",
            arguments: slow("two"),
        },
        Turn {
            words: "Done.",
            tool: "finish",
            arguments: json!({}),
        },
    ]
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let program = Program::new(args.sandbox, args.image.clone()).map_err(Failure::error)?;
    let whole = moment::undisturbed(&program).await?;
    let mut random = Random::new(args.seed);
    let mut came = Vec::new();
    let wanted = args.moments.div_ceil(SHARE);
    let (most, mut number) = (args.moments * 2, 0);
    while number < most {
        let short = Phase::AIMED.into_iter().find(|phase| {
            came.iter()
                .filter(|one: &&moment::Came| one.phase == *phase)
                .count()
                < wanted
        });
        let aim = match (number < args.moments, short) {
            (true, _) => draw::aim(number, &whole, &mut random),
            // A moment that fell beside its phase is made up for.
            (false, Some(phase)) => draw::within(phase, &whole, &mut random),
            (false, None) => break,
        };
        let one = moment::run(&program, aim, &whole, args.keep.as_deref()).await?;
        if !args.json {
            ink::print(&table::line(number, &one));
        }
        came.push(one);
        number += 1;
    }
    let circumstances = table::circumstances(&args, &whole).await;
    if args.json {
        ink::print(&table::json(&came, &circumstances).to_string());
    } else {
        for line in table::lines(&came, &circumstances) {
            ink::print(&line);
        }
    }
    let failed = came.iter().any(|one| !one.wrong.is_empty());
    Ok(ExitCode::from(u8::from(failed)))
}

/// The server that answers one run and its resume.
async fn script() -> Result<Script, Failure> {
    Script::start(turns(), PAUSE).await.map_err(Failure::error)
}
