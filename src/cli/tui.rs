//! `spotter tui`: the workbench. It owns the event loop and joins state, drawing and terminal.
//!
//! Input goes first; news are drained in slices, so that no flood of them keeps a key waiting; frames are drawn at once
//! after a key, at most sixty a second otherwise, and not at all when nothing changed.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::model_flags::ModelFlags;
use super::place::StoreArgs;
use super::{Failure, INTERRUPTED};
use crate::agent::Scaffold;
use crate::app::effect::{Effect, Screen};
use crate::app::executor::{Executor, Folders, WAITING, known};
use crate::app::messages::Weight;
use crate::app::news::News;
use crate::app::session::Session;
use crate::app::state::{Settings as Given, Site};
use crate::app::{Event, State, settle, update};
use crate::config::{Settings, ThemeChoice};
use crate::keymap;
use crate::term::{Canvas, Guard, Pace, caps, clipboard, input};
use crate::text::mask::Mask;
use crate::theme::{self, Level};
use crate::trajectory::Store;
use crate::ui::{self, Eye};

/// News are taken in for so long before input is looked at again.
const SLICE: Duration = Duration::from_millis(4);
/// A clock on screen moves this often.
const SECOND: Duration = Duration::from_millis(500);

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
}

/// What the workbench begins with, besides its lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// The rollout that was named, if one was.
    Rollout,
    /// The same, told again from its beginning.
    Replay,
    /// The bundled task.
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
    let model = model.map(|model| args.models.over(model)).transpose()?;
    args.models.share();
    let given = Given {
        source: args
            .tasks
            .clone()
            .or_else(|| settings.tasks.clone())
            .unwrap_or_else(|| "sample".into()),
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

/// The loop and what it owns.
struct Bench {
    state: State,
    eye: Eye,
    level: Level,
    themes: Option<PathBuf>,
    by_ground: Option<ThemeChoice>,
    executor: Executor,
    news: mpsc::Receiver<News>,
    signals: Signals,
    guard: Guard,
    canvas: Canvas<std::io::Stdout>,
    pace: Pace,
    /// When the clock was told last.
    beaten: Instant,
}

/// How the loop goes on.
enum Next {
    On,
    Leave(ExitCode),
}

impl Bench {
    async fn run(mut self, first: Vec<Effect>) -> Result<ExitCode, Failure> {
        let (width, height) = screen_size();
        self.state.size = (width, height);
        // The first frame is there before anything is asked of disks or of the terminal.
        self.draw()?;
        let mut input = None;
        if let Next::Leave(code) = self.carry_out(first, &mut input).await? {
            return Ok(code);
        }
        let (light, typed) = caps::ask_ground();
        self.state.light = light.or(self.state.light);
        if let Some(choice) = &self.by_ground {
            let name = theme::choose(Some(choice), self.state.light).to_owned();
            if name != self.state.theme {
                self.state.theme.clone_from(&name);
                let screen = Screen::Theme { name, keep: true };
                self.carry_out(vec![Effect::Screen(screen)], &mut input)
                    .await?;
            }
        }
        input = Some(input::Input::default());
        for event in input::typed_before(&typed) {
            let effects = update(&mut self.state, event);
            if let Next::Leave(code) = self.carry_out(effects, &mut input).await? {
                return Ok(code);
            }
        }
        loop {
            let due = self.pace.due();
            let wake = async {
                match due {
                    // A timer counts whole milliseconds and rounds up: what is due is drawn without one.
                    Some(due) if due <= Instant::now() => {}
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            // From the last beat on, not from the last event: a stream of news does not hold the clock up.
            let next_beat = self.beat().map(|rest| self.beaten + rest);
            let beat = async {
                match next_beat {
                    Some(at) if at <= Instant::now() => {}
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let reading = async {
                match &mut input {
                    Some(input) => input.next().await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                biased;
                code = self.signals.next() => return Ok(self.leave(code)),
                event = reading => match event {
                    Some(event) => event,
                    // The terminal is gone.
                    None => return Ok(self.leave(129)),
                },
                () = wake => {
                    self.draw()?;
                    continue;
                }
                () = beat => {
                    self.beaten = Instant::now();
                    Event::Tick(Timestamp::now())
                }
                news = self.news.recv() => match news {
                    Some(news) => Event::News(news),
                    None => return Ok(self.leave(1)),
                },
            };
            if cfg!(debug_assertions) && matches!(event, Event::Key(_)) {
                panic_for_a_test();
            }
            let now = Instant::now();
            let urgent = !matches!(event, Event::News(_) | Event::Tick(_) | Event::Resize(..));
            self.state.now = Timestamp::now();
            let mut effects = update(&mut self.state, event);
            for what in crate::term::panicked() {
                let text = format!("a task of spotter's own failed: {what}");
                self.state.say(Weight::Error, text);
            }
            if urgent {
                self.pace.urgent(now);
            } else {
                self.pace.changed(now);
                while now.elapsed() < SLICE {
                    let Ok(news) = self.news.try_recv() else {
                        break;
                    };
                    effects.extend(update(&mut self.state, Event::News(news)));
                }
            }
            if let Next::Leave(code) = self.carry_out(effects, &mut input).await? {
                return Ok(code);
            }
        }
    }

    /// How long until time itself changes what is shown.
    fn beat(&self) -> Option<Duration> {
        if self.state.is_playing() {
            return Some(Duration::from_millis(33));
        }
        self.state.is_moving().then_some(SECOND)
    }

    fn draw(&mut self) -> Result<(), Failure> {
        // The terminal may have another size than the last event said, and that event may have come before anybody listened.
        self.state.size = screen_size();
        let effects = settle(&mut self.state);
        let (state, eye) = (&self.state, &self.eye);
        self.canvas
            .draw(|frame| ui::view(state, eye, frame))
            .map_err(|error| Failure::error(format!("the terminal cannot be written: {error}")))?;
        self.pace.drawn(Instant::now());
        if screen_size() != self.state.size {
            self.pace.changed(Instant::now());
        }
        for effect in effects {
            self.executor.carry_out(effect);
        }
        Ok(())
    }

    fn leave(&mut self, code: u8) -> ExitCode {
        self.executor.abandon();
        ExitCode::from(code)
    }

    async fn carry_out(
        &mut self,
        effects: Vec<Effect>,
        input: &mut Option<input::Input>,
    ) -> Result<Next, Failure> {
        for effect in effects {
            let Effect::Screen(screen) = effect else {
                self.executor.carry_out(effect);
                continue;
            };
            match screen {
                Screen::Quit => {
                    let code = self.leave(0);
                    return Ok(Next::Leave(code));
                }
                Screen::Redraw => {
                    self.canvas.forget().map_err(Failure::error)?;
                    self.pace.urgent(Instant::now());
                }
                Screen::Theme { name, keep } => {
                    let (theme, warnings) = theme::load(&name, self.themes.as_deref(), self.level);
                    self.eye.theme = theme;
                    if keep {
                        for warning in warnings {
                            self.state.say(Weight::Warning, warning.to_string());
                        }
                    }
                    self.pace.urgent(Instant::now());
                }
                Screen::ThemeAgain { name } => {
                    let again = theme::reload(&name, self.themes.as_deref(), self.level);
                    let warnings = match again {
                        Ok((theme, warnings)) => {
                            self.eye.theme = theme;
                            self.pace.urgent(Instant::now());
                            warnings
                        }
                        Err(warnings) => warnings,
                    };
                    for warning in warnings {
                        self.state.say(Weight::Warning, warning.to_string());
                    }
                }
                Screen::Copy { text, what } => {
                    let bytes = crate::app::words::bytes(text.len() as u64);
                    match clipboard::copy(self.canvas.out(), &text) {
                        Ok(()) => self.state.say(
                            Weight::Info,
                            format!("copied {what}: {bytes}, by the terminal (OSC 52)"),
                        ),
                        Err(error) => self
                            .state
                            .say(Weight::Error, format!("not copied: {error}")),
                    }
                }
                Screen::Edit {
                    text,
                    suffix,
                    purpose,
                } => {
                    let result = self.in_editor(input, &text, suffix).await;
                    let news = News::Edited { purpose, result };
                    let more = update(&mut self.state, Event::News(news));
                    for effect in more {
                        self.executor.carry_out(effect);
                    }
                }
                Screen::Suspend => {
                    self.away(input);
                    let stopped = crate::term::guard_stop();
                    self.guard.reenter().map_err(Failure::error)?;
                    self.back(input)?;
                    if let Err(error) = stopped {
                        self.state
                            .say(Weight::Error, format!("cannot stop: {error}"));
                    }
                }
            }
        }
        Ok(Next::On)
    }

    /// The terminal is somebody else's for a while.
    fn away(&mut self, input: &mut Option<input::Input>) {
        if let Some(input) = input {
            input.release();
        }
        self.guard.leave();
        let _ = std::io::stdout().flush();
    }

    fn back(&mut self, input: &mut Option<input::Input>) -> Result<(), Failure> {
        crate::term::flush_input();
        if let Some(input) = input {
            input.resume();
        }
        self.state.size = screen_size();
        self.canvas.forget().map_err(Failure::error)?;
        self.pace.urgent(Instant::now());
        Ok(())
    }

    /// A text in the user's editor, and what comes back.
    async fn in_editor(
        &mut self,
        input: &mut Option<input::Input>,
        text: &str,
        suffix: &str,
    ) -> Result<String, String> {
        let editor = ["VISUAL", "EDITOR"]
            .into_iter()
            .find_map(|name| {
                std::env::var(name)
                    .ok()
                    .filter(|value| !value.trim().is_empty())
            })
            .unwrap_or_else(|| "vi".into());
        let told = |error: std::io::Error| format!("a file for the editor cannot be made: {error}");
        let file = tempfile::Builder::new()
            .prefix("spotter-")
            .suffix(suffix)
            .tempfile()
            .map_err(told)?;
        std::fs::write(file.path(), text).map_err(told)?;
        self.away(input);
        let mut words = editor.split_whitespace();
        let program = words.next().unwrap_or("vi").to_owned();
        let status = tokio::process::Command::new(&program)
            .args(words)
            .arg(file.path())
            .status()
            .await;
        // Ctrl-C was the editor's: both are in the terminal's foreground.
        self.signals.forget_interrupts();
        let back = self.guard.reclaim().map_err(Failure::error);
        if let Err(failure) = back.and_then(|()| self.back(input)) {
            return Err(failure.what);
        }
        match status {
            Ok(status) if status.success() => std::fs::read_to_string(file.path()).map_err(told),
            Ok(status) => Err(format!("{program} ended with {status}: nothing is changed")),
            Err(error) => Err(format!("{program} cannot be started: {error}; set $EDITOR")),
        }
    }
}

/// Signals that end the workbench.
struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The exit code of the next one: 128 and its number.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => 143,
            _ = self.hang_up.recv() => 129,
            _ = self.interrupt.recv() => INTERRUPTED,
        }
    }

    fn forget_interrupts(&mut self) {
        while self.interrupt.recv().now_or_never().flatten().is_some() {}
    }
}

/// `SPOTTER_TEST_PANIC=loop` or `=task` has a debug build panic at the next key, in its loop or in a task beside it: tests
/// look at what becomes of the terminal.
fn panic_for_a_test() {
    #[expect(clippy::panic, reason = "that is what it is for")]
    match std::env::var("SPOTTER_TEST_PANIC").as_deref() {
        Ok("loop") => panic!("as SPOTTER_TEST_PANIC says"),
        Ok("task") => drop(tokio::spawn(async {
            panic!("as SPOTTER_TEST_PANIC says");
        })),
        _ => {}
    }
}

fn screen_size() -> (u16, u16) {
    crate::term::size().unwrap_or((80, 24))
}
