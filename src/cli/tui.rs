//! `spotter tui`: the workbench. What it is told by arguments, settings and the last session, put together; the loop is
//! [`mod@bench`].

mod bench;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::Failure;
use super::model_flags::ModelFlags;
use super::place::StoreArgs;
use crate::agent::Scaffold;
use crate::app::State;
use crate::app::effect::Effect;
use crate::app::executor::{Executor, Folders, WAITING, known};
use crate::app::messages::Weight;
use crate::app::session::Session;
use crate::app::state::{Settings as Given, Site};
use crate::batch::proposal::{GYM, SAMPLE};
use crate::config::{Settings, ThemeChoice};
use crate::keymap;
use crate::term::{Canvas, Guard, Pace, caps};
use crate::text::mask::Mask;
use crate::theme;
use crate::trajectory::Store;
use crate::ui::Eye;
use bench::{Bench, Signals};

/// Arguments of `spotter tui`.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// A rollout to open at once
    pub(super) rollout: Option<String>,
    /// Where tasks come from
    #[arg(long, value_name = "SOURCE", env = "SPOTTER_TASKS")]
    tasks: Option<String>,
    /// What acts, for the start form
    #[arg(long, value_name = "MODEL", env = "SPOTTER_MODEL")]
    model: Option<String>,
    /// Theme: a name of `themes/`, built in or your own
    #[arg(long, value_name = "NAME", env = "SPOTTER_THEME")]
    theme: Option<String>,
    /// Keymap: default, emacs, minimal, or your own
    #[arg(long, value_name = "NAME", env = "SPOTTER_KEYMAP")]
    keymap: Option<String>,
    /// Colours: auto, always, never, 16, 256, true
    #[arg(
        long,
        value_name = "WHEN",
        env = "SPOTTER_COLOR",
        default_value = "auto"
    )]
    color: String,
    /// Links that the terminal makes of paths and commits: auto, always, never
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    links: String,
    /// Only ASCII on screen
    #[arg(long)]
    ascii: bool,
    /// Nothing moves by itself: clocks stand between events, messages stay until a key
    #[arg(long)]
    still: bool,
    /// Hide verdicts, tests and gold patches
    #[arg(long)]
    blind: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    no_mouse: bool,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    #[command(flatten)]
    models: ModelFlags,
    /// An adapter beside a local model's weights, of PEFT's layout (`--model MODEL+DIR` says the same)
    #[arg(long, value_name = "DIR", help_heading = "Local models")]
    adapter: Option<PathBuf>,
}

/// What the workbench begins with, besides its lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// The rollout that was named, if one was.
    Rollout,
    /// The same, told again from its beginning.
    Replay,
    /// An attempt of the bundled policy at a task of the gym.
    Demo,
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    open(args, First::Rollout).await
}

/// The workbench on a stored rollout that is told again.
pub(super) async fn replay(args: Args) -> Result<ExitCode, Failure> {
    open(args, First::Replay).await
}

/// What the program does in a terminal when it is started with nothing to do: the workbench, and in it the bundled task.
pub(crate) async fn show_itself() -> Result<ExitCode, Failure> {
    open(Args::parse_from(["tui"]), First::Demo).await
}

async fn open(args: Args, first: First) -> Result<ExitCode, Failure> {
    let (settings, warnings) = crate::config::load();
    let store = args.store.open(&settings)?;
    let folder = crate::config::user_file().and_then(|file| file.parent().map(PathBuf::from));
    let own = |name: &str| folder.as_ref().map(|folder| folder.join(name));
    let session_file = crate::config::state_folder().map(|folder| folder.join("session.toml"));
    let session = session_file
        .as_ref()
        .and_then(|file| std::fs::read_to_string(file).ok())
        .and_then(|text| toml::from_str::<Session>(&text).ok())
        .unwrap_or_default();
    let env = |name: &str| std::env::var(name).ok();
    let level = caps::level(&args.color, env);
    let ascii = args.ascii || !caps::unicode(env);
    let light = caps::ground(env);
    let looks = looks(&args, &session, &settings, light);
    let (theme_name, keymap_name, by_ground) = (looks.theme, looks.keymap, looks.by_ground);
    let (keymap, key_warnings) = keymap::load(&keymap_name, own("keymaps").as_deref(), &known());
    let (made, theme_warnings) = theme::load(&theme_name, own("themes").as_deref(), level);
    let model = args.model.clone().or_else(|| settings.model.clone());
    let adapter = args.adapter.as_deref();
    let model = model
        .map(|model| args.models.over(model, adapter))
        .transpose()?;
    args.models.share();
    let given = Given {
        source: source(&args, &session, &settings, first),
        model: model.unwrap_or_default(),
        scaffold: settings.scaffold.clone().unwrap_or_default(),
        sandbox: settings.sandbox.clone().unwrap_or_default(),
        ascii,
        still: args.still,
        blind: args.blind,
        site: site(&store),
        themes: theme::names(own("themes").as_deref()),
        keymaps: keymap::names(own("keymaps").as_deref()),
        scaffolds: scaffolds(),
    };
    let mut state = State::new(given, session, keymap, Timestamp::now());
    state.theme = theme_name;
    state.keymap_name = keymap_name;
    state.light = light;
    for warning in warnings.iter().chain(&key_warnings).chain(&theme_warnings) {
        state.say(Weight::Warning, warning.to_string());
    }
    let eye = Eye {
        theme: made,
        mask: mask(),
        links: caps::links(&args.links, env),
    };
    let (sender, news) = mpsc::channel(WAITING);
    let folders = Folders {
        config: folder.clone(),
        project: crate::config::project_folder(),
        keymaps: own("keymaps"),
        session: session_file,
    };
    let opened = match &args.rollout {
        Some(name) => Some(store.find(name).map_err(Failure::error)?),
        None => None,
    };
    let swept = store.clone();
    let executor = Executor::new(store, settings, folders, sender);
    // From here on a signal is heard, never the end of a program whose terminal is not its own.
    let signals = Signals::listen().map_err(Failure::error)?;
    let guard = Guard::enter(!args.no_mouse).map_err(|error| {
        Failure::error(format!(
            "the workbench needs a terminal: {error}; `spotter run` works without one"
        ))
    })?;
    let canvas = Canvas::new(std::io::stdout(), true).map_err(Failure::error)?;
    let mut bench = Bench {
        state,
        eye,
        level,
        themes: own("themes"),
        by_ground,
        executor,
        news,
        signals,
        guard,
        canvas,
        pace: Pace::default(),
        beaten: Instant::now(),
    };
    let mut effects = bench.state.begin();
    // What an interrupted spotter left behind goes, as at every start.
    tokio::spawn(async move { crate::rollout::leftovers::sweep(&swept).await });
    if first == First::Demo {
        effects.push(Effect::Demo);
        bench.state.layers.clear();
    }
    if let Some(id) = opened {
        effects.extend(named(&mut bench.state, id.as_str(), first));
    }
    bench.run(effects).await
}

/// Where tasks come from: as it was said; else, who has no model yet begins with what the bundled one may solve.
fn source(args: &Args, session: &Session, settings: &Settings, first: First) -> String {
    let named = args.tasks.clone().or_else(|| settings.tasks.clone());
    let models = [&args.model, &settings.model];
    let remembered = session.form.get("model");
    let has_model = models.iter().any(|model| model.is_some())
        || remembered.is_some_and(|model| !model.is_empty());
    let begin_with = if has_model && first != First::Demo {
        SAMPLE
    } else {
        GYM
    };
    named.unwrap_or_else(|| begin_with.into())
}

/// Open the rollout that was named.
fn named(state: &mut State, id: &str, first: First) -> Vec<Effect> {
    let effects = crate::app::update::open_run(state, id);
    if let Some(run) = state.run_mut() {
        run.replay_when_told = first == First::Replay;
    }
    effects
}

/// How it looks, and what its keys are.
struct Looks {
    theme: String,
    keymap: String,
    /// Which themes, where the settings leave it to the ground: the terminal is asked for that after the first frame.
    by_ground: Option<ThemeChoice>,
}

/// The flag, else what was picked in the last session, else the settings.
fn looks(args: &Args, session: &Session, settings: &Settings, light: Option<bool>) -> Looks {
    let named = args.theme.clone().or_else(|| session.theme.clone());
    let by_ground = match (&named, &settings.theme) {
        (None, Some(choice @ ThemeChoice::ByGround { .. })) => Some(choice.clone()),
        _ => None,
    };
    Looks {
        theme: named.unwrap_or_else(|| theme::choose(settings.theme.as_ref(), light).to_owned()),
        keymap: args
            .keymap
            .clone()
            .or_else(|| session.keymap.clone())
            .or_else(|| settings.keymap.clone())
            .unwrap_or_else(|| keymap::DEFAULT.into()),
        by_ground,
    }
}

/// Where trajectories lie, as links have to say it.
fn site(store: &Store) -> Option<Site> {
    let store = std::path::absolute(store.root()).ok()?;
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = host.trim().to_owned();
    Some(Site { store, host })
}

/// The scaffolds that come with the program, each with its line about itself.
fn scaffolds() -> Vec<(String, String)> {
    let described = |name: &&str| {
        let scaffold = Scaffold::load(name).ok()?;
        Some(((*name).to_owned(), scaffold.description().to_owned()))
    };
    Scaffold::builtin_names()
        .iter()
        .filter_map(described)
        .collect()
}

/// What must not be seen while presenting.
fn mask() -> Mask {
    let mut mask = Mask::new();
    if let Ok(user) = std::env::var("USER") {
        mask = mask.with_user(&user);
    }
    if let Ok(host) = std::fs::read_to_string("/etc/hostname") {
        mask = mask.with_host(host.trim());
    }
    mask
}
