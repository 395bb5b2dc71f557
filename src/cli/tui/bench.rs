//! The workbench's event loop: it joins state, drawing and terminal.
//!
//! Input goes first; news are drained in slices, so that no flood of them keeps a key waiting; frames are drawn at once
//! after a key, at most sixty a second otherwise, and not at all when nothing changed.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::app::effect::{Effect, Screen};
use crate::app::executor::Executor;
use crate::app::messages::Weight;
use crate::app::news::News;
use crate::app::{Event, State, settle, update};
use crate::cli::{Failure, INTERRUPTED};
use crate::config::ThemeChoice;
use crate::term::input::Heard;
use crate::term::{Canvas, Guard, Pace, caps, clipboard, input};
use crate::theme::{self, Level};
use crate::ui::{self, Eye};

/// News are taken in for so long before input is looked at again.
const SLICE: Duration = Duration::from_millis(4);
/// A clock on screen moves this often.
const SECOND: Duration = Duration::from_millis(500);

/// The loop and what it owns.
pub(super) struct Bench {
    pub(super) state: State,
    pub(super) eye: Eye,
    pub(super) level: Level,
    pub(super) themes: Option<PathBuf>,
    pub(super) by_ground: Option<ThemeChoice>,
    pub(super) executor: Executor,
    pub(super) news: mpsc::Receiver<News>,
    pub(super) signals: Signals,
    pub(super) guard: Guard,
    pub(super) canvas: Canvas<std::io::Stdout>,
    pub(super) pace: Pace,
    /// When the clock was told last.
    pub(super) beaten: Instant,
}

/// How the loop goes on.
enum Next {
    On,
    Leave(ExitCode),
}

impl Bench {
    pub(super) async fn run(mut self, first: Vec<Effect>) -> Result<ExitCode, Failure> {
        let (width, height) = screen_size();
        self.state.size = (width, height);
        // The first frame is there before anything is asked of disks or of the terminal.
        self.draw()?;
        let mut input = None;
        if let Next::Leave(code) = self.carry_out(first, &mut input).await? {
            return Ok(code);
        }
        let answer = caps::ask_ground();
        self.follow(answer.light, &mut input).await?;
        input = Some(input::Input::new(answer.owed.as_deref()));
        for event in input::typed_before(&answer.typed) {
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
                heard = reading => match heard {
                    Some(Heard::Event(event)) => event,
                    Some(Heard::Ground(light)) => {
                        self.follow(Some(light), &mut input).await?;
                        self.pace.changed(Instant::now());
                        continue;
                    }
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

    /// The terminal has said what its ground is: where the settings follow it, so does the theme, unless another one was
    /// chosen meanwhile.
    async fn follow(
        &mut self,
        light: Option<bool>,
        input: &mut Option<input::Input>,
    ) -> Result<(), Failure> {
        let before = self.state.light;
        self.state.light = light.or(before);
        let Some(choice) = &self.by_ground else {
            return Ok(());
        };
        let name = theme::choose(Some(choice), self.state.light).to_owned();
        if name != self.state.theme && self.state.theme == theme::choose(Some(choice), before) {
            self.state.theme.clone_from(&name);
            let screen = Screen::Theme { name, keep: true };
            self.carry_out(vec![Effect::Screen(screen)], input).await?;
        }
        Ok(())
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
pub(super) struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
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
