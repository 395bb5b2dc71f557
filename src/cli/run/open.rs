//! What the arguments of `spotter run` name, opened: the model, the scaffold, limits, sampling, prices.

use std::path::Path;
use std::sync::Arc;

use super::args::Args;
use crate::agent::{Limits, Scaffold};
use crate::cli::{Failure, place};
use crate::config::Settings;
use crate::grade;
use crate::model::recorded::Recorded;
use crate::model::spec::ModelSpec;
use crate::model::{ChatModel, Finish, Message, ModelInfo, ModelKind, Reply, Role, Sampling};
use crate::rollout::ground::Wishes;
use crate::rollout::{Attempt, Draft, Price, Rollout};
use crate::sandbox::Kind;
use crate::trajectory::event::Event;
use crate::trajectory::request::Parts;
use crate::trajectory::{Store, store};

/// The task that the program shows itself with, and the recorded answers for it.
const DEMO_TASK: &str = "spotter__tally-108";
const DEMO_ANSWERS: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/sample_tasks/recorded/spotter__tally-108.jsonl"
));
/// Pause before each piece of a recorded answer, so that a person can read along.
const DEMO_PACE: std::time::Duration = std::time::Duration::from_millis(4);
/// What stands for the bundled recording in a trajectory.
const DEMO_SPEC: &str = "recorded:(bundled)";

/// The rollout of a program that shows itself.
pub(super) async fn demo(store: &Store) -> Result<Rollout, Failure> {
    let tasks = place::load("sample").await?;
    let task = place::find(&tasks, DEMO_TASK)?;
    let wishes = Wishes {
        kind: Kind::Local,
        repos: None,
        image: None,
        network: false,
        limits: crate::sandbox::Limits::default(),
        snapshot_ignored: false,
    };
    let scaffold = Arc::new(Scaffold::load("codeact").map_err(Failure::error)?);
    let ground = place::lay(&task, &wishes, store).await?;
    let plan = grade::plan(&task, Kind::Local, None)
        .map(Arc::new)
        .map_err(|why| why.to_string());
    let draft = Draft {
        store: store.clone(),
        task,
        tasks: "sample".into(),
        limits: scaffold.limits().clone(),
        scaffold,
        model: bundled(0)?,
        sampling: Sampling::default(),
        price: None,
        plan,
        hints: false,
        number: 1,
        of: 1,
        batch: None,
        step_mode: false,
    };
    Rollout::create(Arc::new(Attempt { draft, ground })).map_err(Failure::error)
}

fn bundled(answered: usize) -> Result<Arc<dyn ChatModel>, Failure> {
    let replies = replies_of_lines(DEMO_ANSWERS, "the bundled recording")?;
    let info = recorded_info("recorded", DEMO_SPEC);
    let rest = replies.into_iter().skip(answered).collect();
    Ok(Arc::new(Recorded::new(info, rest).paced(DEMO_PACE)))
}

/// Hands out the model of each attempt: servers are shared, a recording begins anew for each.
pub(super) struct Models {
    text: String,
    shared: tokio::sync::OnceCell<Arc<dyn ChatModel>>,
}

impl Models {
    /// For `count` attempts.
    pub(super) fn new(args: &Args, settings: &Settings, count: u64) -> Result<Self, Failure> {
        let Some(text) = args.model.clone().or_else(|| settings.model.clone()) else {
            return Err(Failure::usage(
                "no model: give --model http://host:port/v1#name (vLLM, SGLang, llama.cpp, Ollama, …), human or \
                 recorded:PATH, or `model = \"…\"` in the settings",
            ));
        };
        if text == "human" && count > 1 {
            return Err(Failure::usage(
                "a person makes one attempt at a time: name one task and leave -k out",
            ));
        }
        Ok(Self {
            text,
            shared: tokio::sync::OnceCell::new(),
        })
    }

    /// The next attempt's model.
    pub(super) async fn next(&self) -> Result<Arc<dyn ChatModel>, Failure> {
        if self.text.starts_with("recorded:") {
            return by_text(&self.text, 0).await;
        }
        self.shared
            .get_or_try_init(|| by_text(&self.text, 0))
            .await
            .map(Arc::clone)
    }
}

/// Open a model by its `--model` text. A recording goes on after its first `answered` answers.
pub(super) async fn by_text(text: &str, answered: usize) -> Result<Arc<dyn ChatModel>, Failure> {
    if text == DEMO_SPEC {
        return bundled(answered);
    }
    let spec: ModelSpec = text.parse().map_err(Failure::usage)?;
    match &spec {
        ModelSpec::Recorded(path) => {
            let replies = replies_of(path)?;
            let name = path
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let rest = replies.into_iter().skip(answered).collect();
            Ok(Arc::new(Recorded::new(recorded_info(&name, text), rest)))
        }
        _ => Ok(Arc::from(spec.open().await.map_err(Failure::error)?)),
    }
}

fn recorded_info(name: &str, spec: &str) -> ModelInfo {
    ModelInfo {
        kind: ModelKind::Recorded,
        name: name.into(),
        spec: spec.into(),
        context: None,
    }
}

/// The answers of a trajectory (its folder or its file), or a file with one assistant message a line.
fn replies_of(path: &Path) -> Result<Vec<Reply>, Failure> {
    let file = if path.is_dir() {
        path.join("events.jsonl")
    } else {
        path.to_path_buf()
    };
    let text = std::fs::read_to_string(&file)
        .map_err(|error| Failure::error(format!("{}: {error}", file.display())))?;
    let is_trajectory = text
        .lines()
        .next()
        .is_some_and(|line| line.contains("\"seq\""));
    if !is_trajectory {
        return replies_of_lines(&text, &file.display().to_string());
    }
    let records = store::read_events(&file).map_err(Failure::error)?;
    let parts = Parts::of(&records);
    let replies = records.iter().filter_map(|record| match &record.event {
        Event::Replied {
            message,
            finish,
            usage,
            ..
        } => Some(Reply {
            finish: finish.clone(),
            usage: *usage,
            ..reply(parts.message(*message)?.clone())
        }),
        _ => None,
    });
    Ok(replies.collect())
}

fn replies_of_lines(text: &str, origin: &str) -> Result<Vec<Reply>, Failure> {
    let mut replies = Vec::new();
    for (number, line) in (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let message: Message = serde_json::from_str(line).map_err(|error| {
            Failure::error(format!("{origin}:{number}: not a message: {error}"))
        })?;
        if message.role != Role::Assistant {
            return Err(Failure::error(format!(
                "{origin}:{number}: a recording holds the assistant's messages only"
            )));
        }
        replies.push(reply(message));
    }
    Ok(replies)
}

fn reply(message: Message) -> Reply {
    let finish = if message.tool_calls.is_empty() {
        Finish::Stop
    } else {
        Finish::ToolCalls
    };
    Reply {
        message,
        finish,
        usage: None,
        logprobs: None,
        served_by: None,
        retries: 0,
    }
}

/// The scaffold that was asked for, under the limits that were asked for.
pub(super) fn scaffold(args: &Args, settings: &Settings) -> Result<Arc<Scaffold>, Failure> {
    let name = args
        .scaffold
        .clone()
        .or_else(|| settings.scaffold.clone())
        .unwrap_or_else(|| "codeact".into());
    let scaffold = Scaffold::load(&name).map_err(Failure::usage)?;
    let limits = limits(args, scaffold.limits());
    let scaffold = scaffold.with_limits(limits);
    Ok(Arc::new(match args.tool_form {
        Some(form) => scaffold.with_form(form),
        None => scaffold,
    }))
}

/// The scaffold's limits with those of the command line over them.
pub(super) fn limits(args: &Args, of_scaffold: &Limits) -> Limits {
    Limits {
        turns: args.turns.unwrap_or(of_scaffold.turns),
        command_seconds: args.command_seconds.unwrap_or(of_scaffold.command_seconds),
        wall_seconds: args.wall.unwrap_or(of_scaffold.wall_seconds),
        tokens: args.tokens.unwrap_or(of_scaffold.tokens),
        cost: args.cost.unwrap_or(of_scaffold.cost),
        format_errors: of_scaffold.format_errors,
    }
}

/// Sampling settings of attempt `number`, from 1.
pub(super) fn sampling(args: &Args, number: u32) -> Sampling {
    let at = usize::try_from(number - 1).unwrap_or(usize::MAX);
    Sampling {
        temperature: args
            .temperature
            .get(at)
            .or(args.temperature.last())
            .copied(),
        top_p: args.top_p,
        max_tokens: Some(args.max_tokens),
        seed: args.seed.map(|seed| seed + u64::from(number - 1)),
        stop: Vec::new(),
        logprobs: args.logprobs,
    }
}

/// The price of a model, where the arguments or the settings know it.
pub(super) fn price(
    args: &Args,
    settings: &Settings,
    model: &str,
) -> Result<Option<Price>, Failure> {
    match args.price.as_slice() {
        [] => Ok(settings.prices.get(model).map(|price| Price {
            prompt: price.prompt,
            reply: price.reply,
        })),
        [prompt, reply] => Ok(Some(Price {
            prompt: *prompt,
            reply: *reply,
        })),
        _ => Err(Failure::usage(
            "--price takes two numbers: dollars for a million tokens of prompt, and of reply",
        )),
    }
}
