//! `spotter control`: steer a rollout that runs in another process, through the socket in its folder.

use std::process::ExitCode;

use clap::{Args as ClapArgs, Subcommand};

use super::place::{self, StoreArgs};
use super::{Failure, ink};
use crate::rollout::control::{Answer, Op};
use crate::rollout::socket;
use crate::text::safe::visible;
use crate::trajectory::fold::State;

/// Arguments of `spotter control`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The rollout: an id, a unique beginning or end of one, or `last`
    rollout: String,
    #[command(subcommand)]
    what: What,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What is it doing?
    Status,
    /// Wait after the action that now runs
    Pause,
    /// Go on, and leave step mode
    Resume {
        /// Stay in step mode, if it is on
        #[arg(long)]
        keep_step_mode: bool,
    },
    /// Do one step, then wait
    Step,
    /// Wait for approval of each step's actions from now on
    StepMode {
        /// `on` or `off`
        #[arg(value_parser = ["on", "off"])]
        state: String,
    },
    /// Carry out the proposed actions
    Approve,
    /// Replace a proposed action and carry out the step
    Edit {
        /// New arguments, as JSON, for example '{"command": "ls"}'
        arguments: String,
        /// Which of the step's actions, from 0
        #[arg(long, default_value_t = 0)]
        index: u32,
        /// Another tool
        #[arg(long)]
        tool: Option<String>,
    },
    /// Do not carry out a proposed action, or all of the step's
    Skip {
        /// Which of the step's actions, from 0
        #[arg(long)]
        index: Option<u32>,
    },
    /// Say something to the agent before its next turn
    Say {
        /// The words
        text: String,
    },
    /// Take the shell; the agent waits
    TakeOver,
    /// Run a command in the agent's shell
    Shell {
        /// The command
        command: String,
    },
    /// Interrupt the command that runs in the shell, as Ctrl-C does
    Interrupt,
    /// Give the shell back; what was typed becomes one message to the agent
    HandBack,
    /// Change limits
    Limits {
        /// Turns
        #[arg(long)]
        turns: Option<u32>,
        /// Tokens
        #[arg(long)]
        tokens: Option<u64>,
        /// Seconds for the whole rollout
        #[arg(long)]
        wall: Option<u64>,
        /// Seconds for one command
        #[arg(long)]
        command_seconds: Option<u64>,
    },
    /// End the rollout; what it has done is graded
    Stop {
        /// Why
        #[arg(long, default_value = "")]
        why: String,
    },
    /// Ask the model again for the step that is under way
    Retry,
    /// Go back to a step and branch
    Rewind {
        /// The last step that is kept
        step: u32,
        /// Said to the agent in the branch
        #[arg(long)]
        say: Option<String>,
    },
    /// Run the task's tests on the workspace as of a step
    Test {
        /// The step [default: the last whole one]
        step: Option<u32>,
    },
}

fn op(what: What) -> Result<Op, Failure> {
    Ok(match what {
        What::Status => Op::Status,
        What::Pause => Op::Pause,
        What::Resume { keep_step_mode } => Op::Resume { keep_step_mode },
        What::Step => Op::Step,
        What::StepMode { state } => Op::StepMode { on: state == "on" },
        What::Approve => Op::Approve,
        What::Edit {
            arguments,
            index,
            tool,
        } => {
            let arguments = serde_json::from_str(&arguments)
                .map_err(|error| Failure::usage(format!("the arguments are not JSON: {error}")))?;
            Op::Edit {
                index,
                arguments,
                name: tool,
            }
        }
        What::Skip { index } => Op::Skip { index },
        What::Say { text } => Op::Say { text },
        What::TakeOver => Op::TakeOver,
        What::Shell { command } => Op::Shell { command },
        What::Interrupt => Op::Interrupt,
        What::HandBack => Op::HandBack,
        What::Limits {
            turns,
            tokens,
            wall,
            command_seconds,
        } => Op::Limits {
            turns,
            tokens,
            wall_seconds: wall,
            command_seconds,
        },
        What::Stop { why } => Op::Stop { why },
        What::Retry => Op::Retry,
        What::Rewind { step, say } => Op::Rewind { step, say },
        What::Test { step } => Op::Test { step },
    })
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let settings = place::settings();
    let store = args.store.open(&settings)?;
    let id = store.find(&args.rollout).map_err(Failure::error)?;
    let op = op(args.what)?;
    let answer = socket::ask(&store.folder(&id), &op).await.map_err(|error| {
        let ended = store.read(&id).is_ok_and(|records| State::of(&records).verdict.is_some());
        Failure::error(if store.is_running(&id) {
            format!("rollout {id} does not answer: {error}")
        } else if ended {
            format!("rollout {id} is over; `spotter run --branch {id}@STEP` goes on from one of its steps")
        } else {
            format!("rollout {id} is not running; `spotter run --resume {id}` goes on with an interrupted one")
        })
    })?;
    if args.json {
        ink::print(&serde_json::to_string(&answer).map_err(Failure::error)?);
    } else {
        tell(&answer);
    }
    Ok(ExitCode::from(u8::from(!answer.ok)))
}

fn tell(answer: &Answer) {
    if let Some(error) = &answer.error {
        ink::complain(&format!("refused: {}", visible(error)));
    }
    if let Some(output) = answer
        .more
        .get("output")
        .and_then(serde_json::Value::as_str)
    {
        ink::print(visible(output).trim_end());
    }
    for (name, value) in answer.more.iter().filter(|(name, _)| *name != "output") {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), ToOwned::to_owned);
        ink::print(&format!("{name}: {}", visible(&text)));
    }
    if answer.ok && answer.more.is_empty() {
        ink::print("ok");
    }
}
