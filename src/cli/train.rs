//! `spotter train`: a model learned on this machine. `policy` makes the small policy of the gym from demonstrations, the
//! whole folder of it, in one command that can be interrupted and given again.
//!
//! Progress goes to standard error as lines (a step every few seconds), or with `--json` to standard output, an object a
//! line.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Args as ClapArgs, Subcommand};

use super::model_flags::MOST_THREADS;
use super::{Failure, INTERRUPTED, ink};
use crate::engine::kernels::Pool;
use crate::train::checkpoint;
use crate::train::policy::{self, End, Happened, Wishes};
use crate::train::shape::Shape;
use crate::train::trainer::Settings;

/// Arguments of `spotter train`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a small policy from demonstrations: tokenizer, weights, template and card, in a folder for --model
    ///
    /// Given again on the same folder it goes on from the last checkpoint. Ctrl-C keeps one and ends.
    Policy(Box<Policy>),
}

#[derive(Debug, Clone, ClapArgs)]
struct Policy {
    /// Store with demonstrations, or a file of conversations (JSON Lines with `messages`); may be given several times
    #[arg(long, value_name = "STORE", required = true)]
    demonstrations: Vec<PathBuf>,
    /// The same for validation [default: one task of 50 is kept back]
    #[arg(long, value_name = "STORE")]
    validation: Option<PathBuf>,
    /// Folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Policy to begin with in place of random weights: a folder that this made, whose shape and vocabulary it keeps
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["layers", "width", "heads", "key_heads", "head_width", "feed_forward", "vocabulary", "context"]
    )]
    from: Option<PathBuf>,
    /// Seed of the first weights (without --from) and of the order of rows
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Steps
    #[arg(long, value_name = "N", default_value_t = 2000)]
    steps: u64,
    /// End after so many minutes in any case; the learning rate then follows the clock
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,
    /// Threads [default: all processors]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Layers
    #[arg(long, value_name = "N", default_value_t = 6)]
    layers: usize,
    /// Width of the residual stream
    #[arg(long, value_name = "N", default_value_t = 192)]
    width: usize,
    /// Attention heads
    #[arg(long, value_name = "N", default_value_t = 6)]
    heads: usize,
    /// Heads of keys and values [default: as many as heads]
    #[arg(long, value_name = "N")]
    key_heads: Option<usize>,
    /// Width of a head
    #[arg(long, value_name = "N", default_value_t = 32)]
    head_width: usize,
    /// Width of the feed-forward part
    #[arg(long, value_name = "N", default_value_t = 512)]
    feed_forward: usize,
    /// Entries of the vocabulary, at most
    #[arg(long, value_name = "N", default_value_t = 2048)]
    vocabulary: usize,
    /// Longest conversation, in tokens; longer ones are left out
    #[arg(long, value_name = "N", default_value_t = 2048)]
    context: usize,
    /// Highest learning rate
    #[arg(long, value_name = "RATE", default_value_t = Settings::default().rate)]
    rate: f32,
    /// Steps until it is reached
    #[arg(long, value_name = "N", default_value_t = Settings::default().warm_up)]
    warm_up: u64,
    /// Tokens of a step
    #[arg(long, value_name = "N", default_value_t = Settings::default().batch)]
    batch: usize,
    /// What a token counts that is not the assistant's, 0 to 1 below 1; 0 masks it
    #[arg(long, value_name = "W", default_value_t = 0.0)]
    context_weight: f32,
    /// Steps between two checkpoints
    #[arg(long, value_name = "N", default_value_t = 200)]
    keep_every: u64,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl Policy {
    fn wishes(&self) -> Result<Wishes, Failure> {
        if !(0.0..1.0).contains(&self.context_weight) {
            return Err(Failure::usage(format!(
                "--context-weight {} is not from 0 to below 1",
                self.context_weight
            )));
        }
        if self
            .minutes
            .is_some_and(|minutes| !(minutes.is_finite() && minutes > 0.0))
        {
            return Err(Failure::usage("--minutes must be more than 0"));
        }
        let whole = [
            ("--steps", Some(self.steps)),
            ("--keep-every", Some(self.keep_every)),
            ("--batch", Some(self.batch as u64)),
            ("--threads", self.threads.map(|threads| threads as u64)),
        ];
        if let Some((flag, _)) = whole.into_iter().find(|(_, given)| *given == Some(0)) {
            return Err(Failure::usage(format!("{flag} must be more than 0")));
        }
        if self.threads.is_some_and(|threads| threads > MOST_THREADS) {
            return Err(Failure::usage(format!(
                "--threads must be at most {MOST_THREADS}"
            )));
        }
        let rate = self.rate;
        if !(rate > 0.0 && rate < 1.0) {
            return Err(Failure::usage(format!(
                "--rate {rate} is not between 0 and 1"
            )));
        }
        Ok(Wishes {
            demonstrations: self.demonstrations.clone(),
            validation: self.validation.clone(),
            out: self.out.clone(),
            from: self.from.clone(),
            shape: Shape {
                vocab: self.vocabulary,
                hidden: self.width,
                layers: self.layers,
                heads: self.heads,
                kv_heads: self.key_heads.unwrap_or(self.heads),
                head_dim: self.head_width,
                intermediate: self.feed_forward,
                context: self.context,
                rope_theta: 10_000.0,
                rms_eps: 1e-6,
            },
            settings: Settings {
                rate,
                warm_up: self.warm_up,
                batch: self.batch,
                ..Settings::default()
            },
            context_weight: self.context_weight,
            steps: self.steps,
            minutes: self.minutes,
            keep_every: self.keep_every,
            seed: self.seed,
            threads: self.threads.unwrap_or_else(Pool::default_threads),
            command: command(std::env::args().skip(1)),
        })
    }
}

/// The command line as it can be given again; of paths only their ends, for where a folder lies on one machine is of no use on
/// another.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let shown = arguments.map(|argument| {
        let end = argument.rsplit('/').find(|part| !part.is_empty());
        end.unwrap_or(&argument).to_owned()
    });
    std::iter::once("spotter".to_owned())
        .chain(shown)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    let What::Policy(policy) = args.what;
    let wishes = policy.wishes()?;
    let json = policy.json;
    let ended = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&ended);
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            heard.store(true, Ordering::Relaxed);
        }
    });
    let out = wishes.out.clone();
    let made = tokio::task::spawn_blocking(move || {
        let mut telling = Telling::new(json);
        policy::make(&wishes, &mut |happened| {
            telling.tell(&happened);
            if ended.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
    });
    let end = made
        .await
        .map_err(Failure::error)?
        .map_err(Failure::error)?;
    let folder = out.display();
    if end == End::Cancelled {
        ink::complain(&if checkpoint::exists(&out) {
            format!("interrupted; what was learned is kept in {folder}: the same command goes on")
        } else {
            "interrupted before anything was learned: the same command begins anew".to_owned()
        });
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if !json {
        ink::print(&format!(
            "{folder}: try it with `spotter run --model {folder} …`"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Between two lines on steps.
const PAUSE: Duration = Duration::from_secs(5);

/// Says what happens.
struct Telling {
    json: bool,
    last: Option<Instant>,
}

impl Telling {
    fn new(json: bool) -> Self {
        Self { json, last: None }
    }

    fn tell(&mut self, happened: &Happened) {
        if self.json {
            ink::print(&serde_json::to_string(happened).unwrap_or_default());
            return;
        }
        let often = matches!(happened, Happened::Step { .. } | Happened::Reading { .. });
        if often && self.last.is_some_and(|last| last.elapsed() < PAUSE) {
            return;
        }
        if often {
            self.last = Some(Instant::now());
        }
        ink::complain(&line(happened));
    }
}

fn line(happened: &Happened) -> String {
    let share = |thousandth: u64| format!("{:.1} %", thousandth as f64 / 10.0);
    match happened {
        Happened::Reading { done, of } => format!("reading demonstrations: {done} of {of}"),
        Happened::LeftOut { count, why } => format!("left out: {count} {why}"),
        Happened::NotValidated => {
            "no row is kept back, so there is no validation: name some with --validation".to_owned()
        }
        Happened::Begun {
            rows,
            tokens,
            learned,
            validation,
            vocabulary,
            parameters,
            step,
            tier,
            threads,
        } => {
            let from = match step {
                0 => String::new(),
                step => format!("; going on from step {step}"),
            };
            format!(
                "{rows} conversations of {tokens} tokens, {learned} of them learned; {validation} kept back; {vocabulary} entries; \
                 {parameters} parameters; {threads} threads, {tier}{from}"
            )
        }
        Happened::Step {
            step,
            of,
            loss,
            norm,
            tokens_per_second,
            seconds_left,
        } => format!(
            "step {step} of {of}  loss {loss:.4}  gradient {norm:.2}  {tokens_per_second:.0} tok/s  {:.0} min {:02.0} s left",
            (seconds_left / 60.0).floor(),
            seconds_left % 60.0
        ),
        Happened::Validated {
            step,
            loss,
            tokens_right,
            turns_right,
        } => format!(
            "validation after step {step}: loss {loss:.4}, tokens right {}, whole turns right {}",
            share(*tokens_right),
            share(*turns_right)
        ),
        Happened::Kept { step, bytes } => {
            format!(
                "kept: step {step}, {:.1} MB of weights",
                *bytes as f64 / 1e6
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    #[test]
    fn numbers_that_would_train_nothing_are_refused() {
        let wishes = |more: &str| {
            let command = Policy::augment_args(clap::Command::new("policy"));
            let line = format!("policy --demonstrations store --out folder {more}");
            let given = command.try_get_matches_from(line.split_whitespace());
            Policy::from_arg_matches(&given.unwrap()).unwrap().wishes()
        };
        assert!(wishes("--batch 1 --steps 1 --keep-every 1 --threads 1").is_ok());
        for flag in ["batch", "steps", "keep-every", "threads", "minutes", "rate"] {
            assert!(wishes(&format!("--{flag} 0")).is_err(), "--{flag} 0");
        }
        assert!(wishes("--threads 100000").is_err());
    }

    #[test]
    fn the_command_on_the_card_names_no_folder_of_this_machine() {
        let given = [
            "train",
            "policy",
            "--demonstrations",
            "/home/me/store/",
            "--seed",
            "1",
        ];
        let shown = command(given.into_iter().map(str::to_owned));
        assert_eq!(
            shown,
            "spotter train policy --demonstrations store --seed 1"
        );
    }
}
