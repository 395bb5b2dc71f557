//! The whole workbench without a terminal: keys in, a screen out.
//!
//! State, update, settle and view are the real ones; frames go through the real canvas into a terminal emulator. Effects
//! are kept, and answered from fixtures where a fixture has the answer.

use std::sync::Arc;

use jiff::Timestamp;
use spotter::app::effect::{Effect, Screen};
use spotter::app::executor::known;
use spotter::app::fences::Fences;
use spotter::app::news::News;
use spotter::app::session::Session;
use spotter::app::state::{Settings, State};
use spotter::app::{Event, settle, update};
use spotter::grade::Verdict;
use spotter::keymap::{self, Key};
use spotter::rollout::Op;
use spotter::task::Task;
use spotter::task::source::TaskSource;
use spotter::term::Canvas;
use spotter::text::mask::Mask;
use spotter::theme::{self, Level};
use spotter::trajectory::Record;
use spotter::trajectory::comparison::{Comparison, Difference};
use spotter::trajectory::event::Event as Told;
use spotter::trajectory::index::Summary;
use spotter::ui::{self, Eye};

/// The moment at which everything happens.
pub(crate) const NOW: &str = "2026-01-02T03:08:00Z";

/// A stored run, as the program wrote it (its times stretched to those of a model that thinks).
pub(crate) fn stored() -> Vec<Record> {
    let text = include_str!("../fixtures/runs/tally-108.jsonl");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The id of [`stored`].
pub(crate) const STORED: &str = "01kdz0000000000000000000ru";

/// The bundled tasks.
pub(crate) fn tasks() -> Vec<Arc<Task>> {
    let source: TaskSource = "sample".parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let loaded = runtime.block_on(source.load(&|_| {})).unwrap();
    loaded.tasks.into_iter().map(Arc::new).collect()
}

/// See the module.
pub(crate) struct Bench {
    pub(crate) state: State,
    pub(crate) effects: Vec<Effect>,
    /// What the terminal was sent, raw.
    pub(crate) raw: Vec<u8>,
    eye: Eye,
    level: Level,
    screen: vt100::Parser,
    size: (u16, u16),
    canvas: Canvas<Vec<u8>>,
    /// Records of the run that is live, if one is: those told, those to come.
    live: bool,
    records: Vec<Record>,
}

/// A workbench with the bundled tasks and one stored run, at a size.
pub(crate) fn bench(width: u16, height: u16) -> Bench {
    Bench::with(width, height, Settings::default(), "default")
}

impl Bench {
    pub(crate) fn with(width: u16, height: u16, settings: Settings, keys: &str) -> Self {
        let now: Timestamp = NOW.parse().unwrap();
        let (keymap, warnings) = keymap::load(keys, None, &known());
        assert!(warnings.is_empty(), "{warnings:?}");
        let session = Session {
            welcomed: true,
            ..Session::default()
        };
        let settings = Settings {
            source: "sample".into(),
            themes: theme::names(None),
            keymaps: vec!["default".into(), "emacs".into(), "minimal".into()],
            ..settings
        };
        let mut bench = Self {
            state: State::new(settings, session, keymap, now),
            effects: Vec::new(),
            raw: Vec::new(),
            eye: Eye {
                theme: theme::load("terminal", None, Level::Ansi16).0,
                mask: Mask::new(),
                links: false,
            },
            level: Level::Ansi16,
            screen: parser(width, height),
            size: (width, height),
            canvas: Canvas::fixed(Vec::new(), width, height).unwrap(),
            live: false,
            records: stored(),
        };
        bench.state.size = (width, height);
        let first = bench.state.begin();
        bench.carry_out(first);
        bench
    }

    /// The same, with a theme at a colour level.
    pub(crate) fn looking(mut self, theme: &str, level: Level) -> Self {
        let (theme, warnings) = theme::load(theme, None, level);
        assert!(warnings.is_empty(), "{warnings:?}");
        self.eye.theme = theme;
        self.level = level;
        self
    }

    /// The same, on a terminal that makes links.
    pub(crate) fn linking(mut self) -> Self {
        self.eye.links = true;
        self
    }

    /// The stored run is one that a process works on, told as far as the first record that `until` takes.
    pub(crate) fn live(mut self, until: impl Fn(&Told) -> bool) -> Self {
        let all = stored();
        let end = all
            .iter()
            .position(|record| until(&record.event))
            .map_or(all.len(), |at| at + 1);
        self.records = all.into_iter().take(end).collect();
        self.live = true;
        self.state.library.rows.clear();
        self.carry_out(vec![Effect::LoadLibrary]);
        self
    }

    /// The stored run carries out again what another did: a file differs from step 2 on, a line of step 4.
    pub(crate) fn carried_out_again(mut self) -> Self {
        let chance = Difference::Workspace {
            files: vec!["chance.txt".into()],
        };
        let line = Difference::Text {
            line: 2,
            recorded: "Ran 72 tests".into(),
            now: "Ran 71 tests".into(),
        };
        let mut events = Vec::new();
        for record in stored() {
            let mut event = record.event;
            if let Told::Started(start) = &mut event {
                start.reexecutes = Some("01kdz00000000000000000once".into());
            }
            let (before, after) = match &event {
                Told::StepDone { step, .. } if *step >= 2 => (Some((*step, None, &chance)), None),
                Told::Observed { step: 4, .. } => (None, Some((4, Some(0), &line))),
                _ => (None, None),
            };
            let diverged = |(step, index, difference): (u32, Option<u32>, &Difference)| {
                let difference = difference.clone();
                (
                    record.at,
                    Told::Diverged {
                        step,
                        index,
                        difference,
                    },
                )
            };
            events.extend(before.map(diverged));
            events.push((record.at, event));
            events.extend(after.map(diverged));
        }
        let (last, _) = events.last().cloned().unwrap();
        let numbered = |events: &[(jiff::Timestamp, Told)]| -> Vec<Record> {
            let numbered = (0u64..).zip(events.iter().cloned());
            numbered
                .map(|(seq, (at, event))| Record { seq, at, event })
                .collect()
        };
        let sum = Comparison::of(&numbered(&events), 7, Some(&Verdict::Resolved));
        events.push((last, Told::Compared(sum)));
        self.records = numbered(&events);
        self.state.library.rows.clear();
        self.carry_out(vec![Effect::LoadLibrary]);
        self
    }

    /// A record more of the live run.
    pub(crate) fn tell(&mut self, event: Told) {
        let last = self.records.last().unwrap();
        let record = Record {
            seq: last.seq + 1,
            at: last.at,
            event,
        };
        self.records.push(record.clone());
        let Some(run) = self.state.runs.first() else {
            return;
        };
        let news = News::Records {
            id: run.id.clone(),
            generation: run.generation,
            records: vec![record],
            live: self.live,
            caught_up: true,
        };
        self.event(Event::News(news));
    }

    /// The process that worked on the live run is gone.
    pub(crate) fn over(&mut self) {
        self.live = false;
        let Some(run) = self.state.runs.first() else {
            return;
        };
        let news = News::Records {
            id: run.id.clone(),
            generation: run.generation,
            records: Vec::new(),
            live: false,
            caught_up: true,
        };
        self.event(Event::News(news));
    }

    /// Type: `gt`, `<Enter>`, `<C-p>`, `<M-1>`, `<Esc>`, `<lt>`.
    pub(crate) fn press(&mut self, text: &str) -> &mut Self {
        for key in keys(text) {
            self.event(Event::Key(key));
            self.draw();
        }
        self
    }

    /// An event.
    pub(crate) fn event(&mut self, event: Event) -> &mut Self {
        let effects = update(&mut self.state, event);
        self.carry_out(effects);
        self
    }

    /// The screen as text.
    pub(crate) fn screen(&mut self) -> String {
        self.draw();
        let rows: Vec<String> = self
            .screen
            .screen()
            .rows(0, self.size.0)
            .map(|row| row.trim_end().to_owned())
            .collect();
        rows.join("\n")
    }

    /// The screen as the terminal was told to show it: text with its colours.
    pub(crate) fn styled(&mut self) -> String {
        self.draw();
        let text: String = self.screen.screen().contents_formatted();
        text.replace('\u{1b}', "␛").replace('\r', "")
    }

    /// Another size.
    pub(crate) fn resize(&mut self, width: u16, height: u16) -> &mut Self {
        self.size = (width, height);
        self.screen = parser(width, height);
        self.canvas = Canvas::fixed(Vec::new(), width, height).unwrap();
        self.event(Event::Resize(width, height))
    }

    /// Operations that were sent to runs.
    pub(crate) fn ops(&self) -> Vec<Op> {
        self.effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Control { op, .. } => Some(op.clone()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn draw(&mut self) {
        // What settling asks for is answered, and may ask for more.
        for _ in 0..3 {
            let effects = settle(&mut self.state);
            if effects.is_empty() {
                break;
            }
            self.carry_out(effects);
        }
        let (state, eye) = (&self.state, &self.eye);
        self.canvas
            .draw(|frame| ui::view(state, eye, frame))
            .unwrap();
        let bytes = std::mem::take(self.canvas.out());
        self.screen.process(&bytes);
        self.raw.extend(bytes);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let news = match &effect {
                Effect::LoadTasks { request, source } => Some(News::Tasks {
                    request: *request,
                    source: source.clone(),
                    result: Ok(tasks()),
                }),
                Effect::LoadLibrary => {
                    let mut row = Summary::of(STORED, &self.records).unwrap();
                    row.live = self.live;
                    Some(News::Library {
                        rows: vec![row],
                        complete: true,
                    })
                }
                Effect::Open { id, generation } => Some(News::Records {
                    id: id.clone(),
                    generation: *generation,
                    records: self.records.clone(),
                    live: self.live,
                    caught_up: true,
                }),
                Effect::Diff {
                    id, request, to, ..
                } => Some(News::Diff {
                    id: id.clone(),
                    request: *request,
                    result: Ok(Arc::new(Self::diff(*to))),
                }),
                Effect::Fences { task } => Some(News::Fences {
                    task: task.instance_id.clone(),
                    fences: Arc::new(Fences::of(&task.problem_statement)),
                }),
                Effect::Keymap { name } => Some(News::Keymap {
                    name: name.clone(),
                    keymap: Box::new(keymap::load(name, None, &known()).0),
                    warnings: Vec::new(),
                }),
                Effect::Screen(Screen::Theme { name, .. }) => {
                    self.eye.theme = theme::load(name, None, self.level).0;
                    None
                }
                _ => None,
            };
            self.effects.push(effect);
            if let Some(news) = news {
                self.event(Event::News(news));
            }
        }
    }

    /// The run edits its file in step 4; from then on the diff is that of its patch.
    fn diff(to: u32) -> Vec<spotter::text::diff::FileDiff> {
        if to < 4 {
            return Vec::new();
        }
        let patch = stored().into_iter().find_map(|record| match record.event {
            Told::Ended { patch, .. } => Some(patch),
            _ => None,
        });
        spotter::text::diff::parse(&patch.unwrap())
    }
}

fn parser(width: u16, height: u16) -> vt100::Parser {
    let size = |n: u16| std::num::NonZeroU16::new(n.max(1)).unwrap();
    vt100::Parser::new(size(height), size(width), 0)
}

/// Read the key language.
pub(crate) fn keys(text: &str) -> Vec<Key> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '<'
            && let Some((name, after)) = rest[1..].split_once('>')
        {
            rest = after;
            let name = match name {
                "lt" => "<".to_owned(),
                "Enter" | "Esc" | "Tab" | "Up" | "Down" | "Left" | "Right" | "Home" | "End"
                | "Space" | "Del" | "F1" | "F2" | "F5" => name.to_lowercase(),
                "BSpace" => "backspace".into(),
                "PgUp" => "pageup".into(),
                "PgDn" => "pagedown".into(),
                other => other
                    .replace("C-", "ctrl-")
                    .replace("M-", "alt-")
                    .replace("S-", "shift-")
                    .replace("Tab", "tab"),
            };
            found.push(Key::parse(&name).unwrap_or_else(|error| panic!("{error}")));
        } else {
            rest = &rest[c.len_utf8()..];
            found.push(Key::char(c));
        }
    }
    found
}
