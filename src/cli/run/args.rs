//! The arguments of `spotter run`, and the order that they and the settings make.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;

use crate::agent::ToolForm;
use crate::batch::proposal::{SAMPLE, proposed};
use crate::batch::{LimitWishes, Order, Which};
use crate::cli::Failure;
use crate::cli::model_flags::ModelFlags;
use crate::cli::place::{SandboxArgs, StoreArgs};
use crate::config::Settings;
use crate::grade::RuleSet;
use crate::model::Sampling;
use crate::rollout::Price;

/// Arguments of `spotter run`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Instance ids to attempt; without any, --filter says which
    pub(super) ids: Vec<String>,
    /// Where tasks come from: sample, gym, a file or folder, or a dataset of the hub (org/name@revision:split) [default: sample]
    #[arg(long, value_name = "SOURCE", env = "SPOTTER_TASKS")]
    pub(super) tasks: Option<String>,
    /// Which tasks, for example: repo:pandas files:1 f2p:<5
    #[arg(long, value_name = "FILTER", conflicts_with = "ids")]
    pub(super) filter: Option<String>,
    /// What acts: a model's folder or GGUF file, hub:org/name[/FILE.gguf], http://host:port/v1#name, policy, human, recorded:PATH [default: policy for --tasks gym]
    #[arg(long, value_name = "MODEL", env = "SPOTTER_MODEL")]
    pub(super) model: Option<String>,
    /// The agent's design: codeact, bash, gym, or a folder with a scaffold.toml [default: codeact; gym for --tasks gym]
    #[arg(long, value_name = "NAME|DIR")]
    pub(super) scaffold: Option<String>,
    /// How tool calls are written: native, xml for models without tool calls, or line for small ones [default: the scaffold's]
    #[arg(long, value_name = "FORM", value_parser = tool_form)]
    pub(super) tool_form: Option<ToolForm>,
    /// Attempts at each task
    #[arg(long, short, value_name = "N", default_value_t = 1)]
    pub(super) k: u32,
    /// Rollouts at a time [default: 1]
    #[arg(long, short, value_name = "N")]
    pub(super) jobs: Option<usize>,
    /// Temperature of each attempt in turn; the last one holds for the rest, for example 0,0.7
    #[arg(
        long,
        value_name = "T[,T…]",
        value_delimiter = ',',
        default_value = "0"
    )]
    pub(super) temperature: Vec<f64>,
    /// Nucleus mass
    #[arg(long, value_name = "P")]
    pub(super) top_p: Option<f64>,
    /// Keep the so many likeliest tokens
    #[arg(long, value_name = "K")]
    pub(super) top_k: Option<u32>,
    /// Keep tokens at least this part as likely as the likeliest
    #[arg(long, value_name = "P", value_parser = part)]
    pub(super) min_p: Option<f64>,
    /// Penalty on tokens that were there; 1 is none
    #[arg(long, value_name = "X", value_parser = above_zero)]
    pub(super) repetition_penalty: Option<f64>,
    /// Penalty on tokens that the reply has already, once each
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = penalty)]
    pub(super) presence_penalty: Option<f64>,
    /// Penalty on tokens that the reply has already, for each time
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = penalty)]
    pub(super) frequency_penalty: Option<f64>,
    /// Most tokens of one reply
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub(super) max_tokens: u32,
    /// Seed of the first attempt; each further one counts it up [default: for local models at a temperature above 0, one by chance for each]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Every reply must be a tool call (of a scaffold with native ones); a local model is held to the tool's schema while it writes
    #[arg(long)]
    pub(super) require_call: bool,
    /// Ask for log-probabilities of the sampled tokens
    #[arg(long)]
    pub(super) logprobs: bool,
    /// With them, those of the N likeliest tokens at each place
    #[arg(long, value_name = "N", requires = "logprobs", value_parser = clap::value_parser!(u8).range(1..=20))]
    pub(super) top_logprobs: Option<u8>,
    /// Most turns [default: the scaffold's]
    #[arg(long, value_name = "N")]
    pub(super) turns: Option<u32>,
    /// Most tokens over a whole rollout, prompts and replies
    #[arg(long, value_name = "N")]
    pub(super) tokens: Option<u64>,
    /// Most seconds for a whole rollout
    #[arg(long, value_name = "S")]
    pub(super) wall: Option<u64>,
    /// Most seconds for one command
    #[arg(long, value_name = "S")]
    pub(super) command_seconds: Option<u64>,
    /// Most dollars for a rollout; needs --price or a price in the settings
    #[arg(long, value_name = "USD")]
    pub(super) cost: Option<f64>,
    /// Dollars for a million tokens of prompt and of reply, for example 0.5,1.5
    #[arg(long, value_name = "IN,OUT", value_delimiter = ',', num_args = 1)]
    pub(super) price: Vec<f64>,
    /// Wait for approval of each step (`spotter control`)
    #[arg(long)]
    pub(super) step: bool,
    /// The least seconds between the beginnings of two steps, to be watched [default: as fast as it goes]
    #[arg(long, value_name = "S", value_parser = seconds, default_value = "0", hide_default_value = true)]
    pub(super) pace: Duration,
    /// Every task of the source
    #[arg(long, conflicts_with_all = ["ids", "filter"])]
    pub(super) all: bool,
    /// Give the agent the hints of the row
    #[arg(long)]
    pub(super) hints: bool,
    /// Grade under this rule set: swe-gym, swebench-5, swe-smith, r2e, exit-code [default: the row's]
    #[arg(long, value_name = "RULES")]
    pub(super) rules: Option<RuleSet>,
    /// Go on with an interrupted rollout (an id, its beginning or end, or `last`)
    #[arg(long, value_name = "ROLLOUT", conflicts_with_all = ["ids", "filter", "all", "branch"])]
    pub(super) resume: Option<String>,
    /// Go on from a step of another rollout, as a new one
    #[arg(long, value_name = "ROLLOUT@STEP", conflicts_with_all = ["ids", "filter", "all"])]
    pub(super) branch: Option<String>,
    /// Said to the agent when the branch begins
    #[arg(long, value_name = "TEXT", requires = "branch")]
    pub(super) say: Option<String>,
    /// Print every event as a line of JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    #[command(flatten)]
    pub(super) sandbox: SandboxArgs,
    #[command(flatten)]
    pub(super) models: ModelFlags,
    /// An adapter beside a local model's weights, of PEFT's layout (`--model MODEL+DIR` says the same)
    #[arg(long, value_name = "DIR", help_heading = "Local models")]
    pub(super) adapter: Option<PathBuf>,
}

impl Args {
    /// New attempts, as the arguments ask for them; what they leave out the settings say.
    pub(super) fn order(&self, settings: &Settings) -> Result<Order, Failure> {
        let which = match &self.filter {
            _ if !self.ids.is_empty() => Which::Ids(self.ids.clone()),
            Some(filter) => Which::Filter(filter.clone()),
            None if self.all => Which::Filter(String::new()),
            None => {
                return Err(Failure::usage(
                    "name tasks by id, --filter or --all (`spotter tasks list` shows them)",
                ));
            }
        };
        let tasks = self.tasks.clone().or_else(|| settings.tasks.clone());
        let tasks = tasks.unwrap_or_else(|| SAMPLE.to_owned());
        let proposal = proposed(&tasks);
        let named = self.model.clone().or_else(|| settings.model.clone());
        let Some(model) = named.or_else(|| proposal.model.map(str::to_owned)) else {
            return Err(Failure::usage(
                "no model: give --model PATH or hub:org/name (computed here), http://host:port/v1#name (vLLM, SGLang, \
                 llama.cpp, Ollama, …), human or recorded:PATH, or `model = \"…\"` in the settings; the bundled policy is for \
                 --tasks gym",
            ));
        };
        let model = self.models.over(model, self.adapter.as_deref())?;
        let or = |own: &Option<String>, set: &Option<String>, default: &str| {
            let named = own.clone().or_else(|| set.clone());
            named.unwrap_or_else(|| default.to_owned())
        };
        let prices = settings.prices.iter().map(|(name, price)| {
            let price = Price {
                prompt: price.prompt,
                reply: price.reply,
            };
            (name.clone(), price)
        });
        Ok(Order {
            tasks,
            which,
            model,
            scaffold: or(&self.scaffold, &settings.scaffold, proposal.scaffold),
            tool_form: self.tool_form,
            attempts: self.k,
            temperatures: self.temperature.clone(),
            sampling: Sampling {
                temperature: None,
                top_p: self.top_p,
                top_k: self.top_k,
                min_p: self.min_p,
                repetition_penalty: self.repetition_penalty,
                presence_penalty: self.presence_penalty,
                frequency_penalty: self.frequency_penalty,
                max_tokens: Some(self.max_tokens),
                seed: self.seed,
                stop: Vec::new(),
                require_call: self.require_call,
                logprobs: self.logprobs,
                top_logprobs: self.top_logprobs,
            },
            limits: self.limits(),
            wishes: self.sandbox.wishes(settings)?,
            rules: self.rules,
            hints: self.hints,
            step_mode: self.step,
            pace: self.pace,
            price: self.price()?,
            prices: prices.collect(),
        })
    }

    /// Limits that the arguments name.
    pub(super) fn limits(&self) -> LimitWishes {
        LimitWishes {
            turns: self.turns,
            tokens: self.tokens,
            wall_seconds: self.wall,
            command_seconds: self.command_seconds,
            cost: self.cost,
        }
    }

    /// The rollout and the step that a branch is asked of.
    pub(super) fn branch_point(text: &str) -> Result<(&str, u32), Failure> {
        text.rsplit_once('@')
            .and_then(|(name, step)| Some((name, step.parse().ok()?)))
            .ok_or_else(|| Failure::usage(format!("`{text}`: a branch is written ROLLOUT@STEP")))
    }

    fn price(&self) -> Result<Option<Price>, Failure> {
        match self.price.as_slice() {
            [] => Ok(None),
            [prompt, reply] => Ok(Some(Price {
                prompt: *prompt,
                reply: *reply,
            })),
            _ => Err(Failure::usage(
                "--price takes two numbers: dollars for a million tokens of prompt, and of reply",
            )),
        }
    }
}

fn tool_form(text: &str) -> Result<ToolForm, String> {
    match text {
        "native" => Ok(ToolForm::Native),
        "xml" => Ok(ToolForm::Xml),
        "line" => Ok(ToolForm::Line),
        _ => Err("known: native, xml, line".into()),
    }
}

fn number_in(text: &str, range: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("a number from {} to {}", range.start(), range.end()))
}

fn part(text: &str) -> Result<f64, String> {
    number_in(text, 0.0..=1.0)
}

fn penalty(text: &str) -> Result<f64, String> {
    number_in(text, -2.0..=2.0)
}

fn seconds(text: &str) -> Result<Duration, String> {
    number_in(text, 0.0..=3600.0).map(Duration::from_secs_f64)
}

fn above_zero(text: &str) -> Result<f64, String> {
    number_in(text, 0.01..=100.0)
}
