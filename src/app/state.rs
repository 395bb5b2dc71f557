//! Everything that the screen shows, as plain data.

use std::path::PathBuf;

use jiff::Timestamp;

use super::effect::Effect;
use super::engines::Engines;
use super::form::Form;
use super::glyph::Glyphs;
use super::layer::{Ask, Layer};
use super::layout::{self, Area, Class, Frame};
use super::library::Library;
use super::list::List;
use super::messages::{Messages, Weight};
use super::news::Request;
use super::run::{Pane, Run};
use super::session::Session;
use super::tasks::{Part, Tasks};
use crate::keymap::{Key, Keymap};
use crate::text::url::Url;

/// What fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// Tasks.
    #[default]
    Tasks,
    /// A run.
    Run,
    /// All trajectories.
    Library,
    /// The models that are computed here.
    Engines,
}

/// How the run view is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preset {
    /// Transcript with diff, tests, files and notes beside it.
    #[default]
    Run,
    /// Transcript and diff, half and half.
    Review,
    /// For an audience: large, with captions, one thing at a time.
    Demo,
}

impl Preset {
    /// Its name in the session file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Review => "review",
            Self::Demo => "demo",
        }
    }

    /// The one of a name; the first where the name is none.
    #[must_use]
    pub fn named(name: &str) -> Self {
        [Self::Review, Self::Demo]
            .into_iter()
            .find(|preset| preset.name() == name)
            .unwrap_or_default()
    }
}

/// Where trajectories lie, for links that lead there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The store's folder.
    pub store: PathBuf,
    /// This machine's name.
    pub host: String,
}

impl Site {
    /// A rollout's folder.
    #[must_use]
    pub fn folder(&self, rollout: &str) -> PathBuf {
        self.store.join("rollouts").join(rollout)
    }

    /// A link to a file of a rollout's folder. `None` for a name that would lead out of it.
    #[must_use]
    pub fn link(&self, rollout: &str, file: &str) -> Option<Url> {
        let inside = |name: &str| !name.contains('/') && !name.starts_with('.');
        if !inside(rollout) || !inside(file) {
            return None;
        }
        Url::of_file(&self.host, &self.folder(rollout).join(file))
    }
}

/// Things that are decided at the start.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `--tasks` text.
    pub source: String,
    /// Model of the start form.
    pub model: String,
    /// Scaffold of the start form.
    pub scaffold: String,
    /// Sandbox of the start form.
    pub sandbox: String,
    /// Only ASCII.
    pub ascii: bool,
    /// Nothing moves by itself: clocks stand between events, messages stay until a key is pressed.
    pub still: bool,
    /// Hide outcomes and gold patches.
    pub blind: bool,
    /// Where trajectories lie.
    pub site: Option<Site>,
    /// Names of the themes there are.
    pub themes: Vec<String>,
    /// Names of the keymaps there are.
    pub keymaps: Vec<String>,
    /// Scaffolds that come with the program, each with a line about it.
    pub scaffolds: Vec<(String, String)>,
}

/// See the module.
#[derive(Debug)]
pub struct State {
    /// The clock, as of the last event.
    pub now: Timestamp,
    /// Columns and rows.
    pub size: (u16, u16),
    /// The window has the focus.
    pub focused: bool,
    /// What fills the screen.
    pub view: View,
    /// Keys to commands.
    pub keymap: Keymap,
    /// Its name.
    pub keymap_name: String,
    /// Keys of an unfinished sequence.
    pub pending: Vec<Key>,
    /// A count that was typed before a command.
    pub count: Option<u32>,
    /// Decided at the start.
    pub settings: Settings,
    /// What is remembered.
    pub session: Session,
    /// Theme in use.
    pub theme: String,
    /// The terminal's ground is light, where that is known.
    pub light: Option<bool>,
    /// The tasks view.
    pub tasks: Tasks,
    /// Open runs.
    pub runs: Vec<Run>,
    /// The run that is shown.
    pub current: usize,
    /// Show k runs in small panes.
    pub grid: bool,
    /// Layout of the run view.
    pub preset: Preset,
    /// Columns of the transcript, in percent.
    pub ratio: u16,
    /// The library view.
    pub library: Library,
    /// The engines view.
    pub engines: Engines,
    /// What lies over the view, the last on top.
    pub layers: Vec<Layer>,
    /// A question in the line where the eye is.
    pub ask: Option<Ask>,
    /// What was typed into questions before, newest first.
    pub typed: Vec<String>,
    /// What was said.
    pub messages: Messages,
    /// The start form is being changed.
    pub filling: bool,
    /// The pointer holds the mark of the scrub bar.
    pub scrubbing: bool,
    next_request: Request,
}

impl State {
    /// Nothing is loaded yet.
    #[must_use]
    pub fn new(settings: Settings, session: Session, keymap: Keymap, now: Timestamp) -> Self {
        let mut form = Form::new(
            &settings.source,
            &settings.model,
            &settings.scaffold,
            &settings.sandbox,
        );
        for (name, value) in &session.form {
            // The command line and the settings go over what was used last.
            let given = match name.as_str() {
                "model" => !settings.model.is_empty(),
                "scaffold" => !settings.scaffold.is_empty(),
                "sandbox" => !settings.sandbox.is_empty(),
                _ => false,
            };
            if !given {
                form.set(name, value);
            }
        }
        form.propose(&settings.source, &settings.source);
        if form.value("sandbox").is_empty() {
            form.set("sandbox", "local");
        }
        let mut layers = Vec::new();
        if !session.welcomed {
            layers.push(Layer::Welcome);
        }
        Self {
            now,
            size: (80, 24),
            focused: true,
            view: View::Tasks,
            keymap,
            keymap_name: session
                .keymap
                .clone()
                .unwrap_or_else(|| crate::keymap::DEFAULT.into()),
            light: None,
            pending: Vec::new(),
            count: None,
            theme: session
                .theme
                .clone()
                .unwrap_or_else(|| crate::theme::DEFAULT.into()),
            tasks: Tasks::new(&settings.source, form),
            runs: Vec::new(),
            current: 0,
            grid: false,
            preset: session.layout.as_deref().map_or(Preset::Run, Preset::named),
            ratio: session.ratio.unwrap_or(58).clamp(20, 80),
            library: Library::default(),
            engines: Engines::default(),
            layers,
            ask: None,
            typed: Vec::new(),
            messages: Messages::default(),
            filling: false,
            scrubbing: false,
            next_request: 0,
            settings,
            session,
        }
    }

    /// What to ask for at the start.
    pub fn begin(&mut self) -> Vec<Effect> {
        vec![self.load_tasks(), Effect::LoadLibrary]
    }

    /// Take tasks from another source.
    pub fn change_source(&mut self, source: &str) -> Effect {
        self.tasks.form.propose(&self.tasks.source, source);
        source.clone_into(&mut self.tasks.source);
        self.load_tasks()
    }

    /// Ask for the tasks of the source.
    pub fn load_tasks(&mut self) -> Effect {
        let request = self.request();
        self.tasks.request = Some(request);
        self.tasks.error = None;
        Effect::LoadTasks {
            request,
            source: self.tasks.source.clone(),
        }
    }

    /// A new request's number.
    pub fn request(&mut self) -> Request {
        self.next_request += 1;
        self.next_request
    }

    /// The set of signs.
    #[must_use]
    pub fn glyphs(&self) -> Glyphs {
        Glyphs {
            ascii: self.settings.ascii,
        }
    }

    /// A replay stops by itself before the moments that matter.
    #[must_use]
    pub fn pauses(&self) -> bool {
        self.preset == Preset::Demo && !self.session.no_pauses
    }

    /// Outcomes may be seen.
    #[must_use]
    pub fn outcome(&self) -> bool {
        !self.settings.blind
    }

    /// The run that is shown.
    #[must_use]
    pub fn run(&self) -> Option<&Run> {
        self.runs.get(self.current)
    }

    /// The run that is shown, to change it.
    pub fn run_mut(&mut self) -> Option<&mut Run> {
        self.runs.get_mut(self.current)
    }

    /// A run by its id.
    pub fn run_named(&mut self, id: &str) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.id == id)
    }

    /// What the size allows.
    #[must_use]
    pub fn class(&self) -> Class {
        layout::class(self.size.0, self.size.1)
    }

    /// Where the parts that all views share lie.
    #[must_use]
    pub fn frame(&self) -> Frame {
        let (width, height) = self.size;
        let strip = self.view == View::Run && self.preset != Preset::Demo;
        let question = match self.view {
            // A form's value is typed in its own row.
            View::Tasks if self.filling => 0,
            _ if self.ask.is_some() => 1,
            View::Run => self.run().map_or(0, |run| {
                let asked = run.waiting().is_some() || run.holds_shell();
                u16::from(asked || run.replay.is_some())
            }),
            _ => 0,
        };
        layout::frame(width, height, strip, question)
    }

    /// Panes of the run view that are on screen, with their areas: the title's line included.
    #[must_use]
    pub fn panes(&self) -> Vec<(Pane, Area)> {
        let body = self.frame().body;
        let Some(run) = self.run() else {
            return Vec::new();
        };
        if run.zoom || self.class() <= Class::Small {
            return vec![(run.focus, body)];
        }
        let percent = match self.preset {
            Preset::Review => 50,
            _ => self.ratio,
        };
        let columns = u32::from(body.width) * u32::from(percent) / 100;
        let (left, right) = body.left(u16::try_from(columns).unwrap_or(body.width));
        let right = Area {
            x: right.x + 1,
            width: right.width.saturating_sub(1),
            ..right
        };
        let mut panes = vec![(Pane::Transcript, left)];
        let mut add = |area: Area, list: &[(Pane, u16)]| {
            let weights: Vec<u16> = list.iter().map(|(_, weight)| *weight).collect();
            let areas = layout::stack(area, &weights);
            panes.extend(list.iter().map(|(pane, _)| *pane).zip(areas));
        };
        match self.preset {
            Preset::Review => add(right, &[(Pane::Diff, 1)]),
            _ if self.class() == Class::Huge => {
                let (middle, last) = right.left(right.width * 3 / 5);
                let last = Area {
                    x: last.x + 1,
                    width: last.width.saturating_sub(1),
                    ..last
                };
                add(middle, &[(Pane::Diff, 1)]);
                add(
                    last,
                    &[(Pane::Tests, 4), (Pane::Files, 2), (Pane::Notes, 3)],
                );
            }
            _ if right.height >= 34 => add(
                right,
                &[
                    (Pane::Diff, 10),
                    (Pane::Tests, 9),
                    (Pane::Files, 4),
                    (Pane::Notes, 7),
                ],
            ),
            _ => add(
                right,
                &[(Pane::Diff, 5), (Pane::Tests, 5), (Pane::Notes, 3)],
            ),
        }
        panes
    }

    /// Say something.
    pub fn say(&mut self, weight: Weight, text: impl Into<String>) {
        self.messages.say(self.now, weight, text);
    }

    /// Whether time has to be told while nothing else happens.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        if self.settings.still {
            return false;
        }
        self.messages
            .toast
            .as_ref()
            .is_some_and(|toast| toast.weight != Weight::Error)
            || self.view == View::Run && self.runs.iter().any(Run::is_moving)
            || self.view == View::Engines
    }

    /// Whether a replay runs: it needs frames, not seconds.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.view == View::Run
            && self.run().is_some_and(|run| {
                run.replay
                    .as_ref()
                    .is_some_and(super::run::Replay::is_playing)
            })
    }

    /// The contexts in which a key is looked up, nearest first.
    #[must_use]
    pub fn contexts(&self) -> Vec<&'static str> {
        match self.layers.last() {
            Some(Layer::Picker(_)) => return vec!["picker", "field"],
            Some(Layer::Messages(_)) => return vec!["messages", "move", "global"],
            Some(Layer::Confirm { .. }) => return vec!["confirm"],
            Some(Layer::Welcome) => return vec!["welcome"],
            None => {}
        }
        if self.ask.is_some() {
            return vec!["ask", "field"];
        }
        match self.view {
            View::Tasks if self.tasks.query.active => vec!["query", "field"],
            View::Tasks if self.filling => vec!["form", "move"],
            View::Tasks => vec!["tasks", "move", "global"],
            View::Library if self.library.query.active => vec!["query", "field"],
            View::Library => vec!["library", "move", "global"],
            View::Engines => vec!["engines", "move", "global"],
            View::Run => self.run_contexts(),
        }
    }

    fn run_contexts(&self) -> Vec<&'static str> {
        let mut contexts = Vec::new();
        let Some(run) = self.run() else {
            return vec!["move", "global"];
        };
        if run.waiting().is_some() && run.live {
            contexts.push("approve");
        }
        if run.search.is_some() {
            contexts.push("search");
        }
        if self.preset == Preset::Demo {
            contexts.push("demo");
        }
        if run.replay.is_some() {
            contexts.push("replay");
        }
        if run.log.is_some() && run.focus == Pane::Tests {
            contexts.push("log");
        }
        contexts.push(match run.focus {
            Pane::Transcript => "transcript",
            Pane::Diff => "diff",
            Pane::Tests => "tests",
            Pane::Files => "files",
            Pane::Notes => "notes",
        });
        contexts.extend(["run", "move", "global"]);
        contexts
    }

    /// The list that the cursor keys move, if it is a plain one.
    pub fn list_mut(&mut self) -> Option<&mut List> {
        match self.layers.last_mut() {
            Some(Layer::Picker(picker)) => return Some(&mut picker.list),
            Some(Layer::Messages(list)) => return Some(list),
            Some(_) => return None,
            None => {}
        }
        match self.view {
            View::Tasks if self.filling => None,
            View::Tasks if self.tasks.part == Part::List => Some(&mut self.tasks.list),
            View::Library => Some(&mut self.library.list),
            _ => None,
        }
    }
}
