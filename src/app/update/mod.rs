//! What each event does to the state. Pure: no IO, no lock, nothing awaited; what has to happen outside is an [`Effect`].

mod answer;
mod mouse;
mod news;
mod replaying;
mod settle;

use super::command::{self, Invocation};
use super::effect::{Effect, Screen};
use super::event::Event;
use super::field::Field;
use super::layer::{Ask, Asked, Layer, Purpose};
use super::list::Move;
use super::messages::Weight;
use super::run::{Pane, Run};
use super::state::{Preset, State, View};
use super::tasks::Part;
use crate::keymap::{Code, Found, Key};

pub use answer::{accept, history};
pub use replaying::{begin_replay, end_replay, replay_by, retell};
pub use settle::{LIST_HEAD, PANE_HEAD, settle, tasks_split};

/// Largest count that a sequence takes.
const MOST: u32 = 99_999;
/// Open runs that are kept; the oldest that is not shown is put away.
const OPEN_RUNS: usize = 64;

/// Take in an event.
pub fn update(state: &mut State, event: Event) -> Vec<Effect> {
    match event {
        Event::Key(key) => self::key(state, key),
        Event::Paste(text) => paste(state, &text),
        Event::Mouse(mouse) => mouse::mouse(state, mouse),
        Event::Resize(width, height) => {
            state.size = (width, height);
            Vec::new()
        }
        Event::Focus(focused) => {
            state.focused = focused;
            Vec::new()
        }
        Event::News(news) => news::news(state, news),
        Event::Tick(now) => {
            state.now = now;
            if !state.settings.still {
                state.messages.fade(now);
            }
            if state.is_playing() {
                retell(state)
            } else {
                look_at_engines(state)
            }
        }
    }
}

/// A look at the engines, where they are in view and the last look has come.
pub fn look_at_engines(state: &mut State) -> Vec<Effect> {
    if state.view != View::Engines || state.engines.looking {
        return Vec::new();
    }
    state.engines.looking = true;
    vec![Effect::LookAtEngines]
}

fn key(state: &mut State, key: Key) -> Vec<Effect> {
    // An error stays until somebody has pressed a key (everything does where nothing moves by itself); the key still does
    // what it does.
    let still = state.settings.still;
    if state
        .messages
        .toast
        .as_ref()
        .is_some_and(|toast| still || toast.weight == Weight::Error)
    {
        state.messages.toast = None;
    }
    let contexts = state.contexts();
    let typing = contexts.contains(&"field");
    let escape = key == Key::plain(Code::Esc);
    if escape && (!state.pending.is_empty() || state.count.is_some()) {
        state.pending.clear();
        state.count = None;
        return Vec::new();
    }
    state.pending.push(key);
    match state.keymap.find(&contexts, &state.pending) {
        Found::Command(binding) => {
            let mut told = Invocation {
                id: binding.command.clone(),
                told: command::Told {
                    argument: binding.argument.clone(),
                    count: None,
                },
            };
            state.pending.clear();
            told.told.count = state.count.take();
            invoke(state, &told)
        }
        Found::Prefix => Vec::new(),
        Found::Nothing => {
            let first = state.pending.len() == 1;
            state.pending.clear();
            if let Some(c) = key.typed().filter(|_| first) {
                if typing {
                    return edit_field(state, |field| field.insert(c.encode_utf8(&mut [0; 4])));
                }
                if let Some(digit) = c
                    .to_digit(10)
                    .filter(|digit| *digit > 0 || state.count.is_some())
                {
                    let count = state
                        .count
                        .unwrap_or(0)
                        .saturating_mul(10)
                        .saturating_add(digit);
                    state.count = Some(count.min(MOST));
                    return Vec::new();
                }
            }
            state.count = None;
            Vec::new()
        }
    }
}

/// Run a command, if it can run; else say why not.
pub fn invoke(state: &mut State, told: &Invocation) -> Vec<Effect> {
    let Some(command) = command::find(&told.id) else {
        state.say(Weight::Error, format!("there is no command `{}`", told.id));
        return Vec::new();
    };
    if let Err(why) = (command.enabled)(state) {
        state.say(Weight::Warning, format!("{}: {why}", command.title));
        return Vec::new();
    }
    (command.run)(state, &told.told)
}

fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    if !state.contexts().contains(&"field") {
        state.say(
            Weight::Info,
            "nothing takes a paste here; / filters, i says something to the agent",
        );
        return Vec::new();
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let clean: String = text
        .chars()
        .filter(|c| *c == '\n' || !crate::text::safe::is_hidden(*c))
        .collect();
    edit_field(state, |field| field.insert(&clean))
}

/// Change the field that keys go to, and what depends on it.
pub fn edit_field(state: &mut State, edit: impl FnOnce(&mut Field)) -> Vec<Effect> {
    if let Some(Layer::Picker(picker)) = state.layers.last_mut() {
        let before = picker.query.field.text().to_owned();
        edit(&mut picker.query.field);
        if picker.query.field.text() != before {
            picker.refilter();
        }
        return preview(state);
    }
    if let Some(ask) = &mut state.ask {
        edit(&mut ask.field);
        return Vec::new();
    }
    match state.view {
        View::Tasks if state.tasks.query.active => {
            edit(&mut state.tasks.query.field);
            state.tasks.refilter();
        }
        View::Library if state.library.query.active => {
            edit(&mut state.library.query.field);
            state.library.refilter();
        }
        _ => {}
    }
    Vec::new()
}

/// A theme under the cursor is shown at once.
fn preview(state: &mut State) -> Vec<Effect> {
    match state.layers.last() {
        Some(Layer::Picker(picker)) if picker.purpose == Purpose::Theme => picker
            .current()
            .map(|choice| {
                vec![Effect::Screen(Screen::Theme {
                    name: choice.value.clone(),
                    keep: false,
                })]
            })
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Take the row under a picker's cursor.
pub fn choose(state: &mut State) -> Vec<Effect> {
    let Some(Layer::Picker(picker)) = state.layers.last() else {
        return Vec::new();
    };
    let (purpose, choice) = (picker.purpose, picker.current().cloned());
    let Some(choice) = choice else {
        return Vec::new();
    };
    if let Some(why) = &choice.disabled {
        let why = format!("{}: {why}", choice.label);
        state.say(Weight::Warning, why);
        return Vec::new();
    }
    state.layers.pop();
    match purpose {
        Purpose::Command | Purpose::Help => {
            let recent = &mut state.session.recent;
            recent.retain(|there| *there != choice.value);
            recent.insert(0, choice.value.clone());
            recent.truncate(20);
            invoke(state, &Invocation::of(&choice.value))
        }
        Purpose::Theme => {
            state.theme.clone_from(&choice.value);
            state.session.theme = Some(choice.value.clone());
            let mut effects = save(state);
            effects.push(Effect::Screen(Screen::Theme {
                name: choice.value,
                keep: true,
            }));
            effects
        }
        Purpose::Keymap => {
            state.session.keymap = Some(choice.value.clone());
            let mut effects = save(state);
            effects.push(Effect::Keymap { name: choice.value });
            effects
        }
        Purpose::Model => set_value(state, "model", &choice.value),
        Purpose::Scaffold => set_value(state, "scaffold", &choice.value),
        Purpose::Source if choice.value.is_empty() => {
            state.view = View::Tasks;
            state.ask = Some(Ask {
                what: Asked::Source,
                label: "tasks from (sample, gym, a file, owner/name of the hub)".into(),
                field: Field::with(state.tasks.source.clone()),
                history: None,
            });
            Vec::new()
        }
        Purpose::Source => {
            state.view = View::Tasks;
            vec![state.change_source(&choice.value)]
        }
        Purpose::Run => open_run(state, &choice.value),
    }
}

/// A value of the start form was chosen; none means that it will be typed.
fn set_value(state: &mut State, name: &str, value: &str) -> Vec<Effect> {
    if !value.is_empty() {
        state.tasks.form.set(name, value);
        if !state.filling {
            let text = format!("the next start: {name} {value}");
            state.say(Weight::Info, crate::text::safe::one_line(&text));
        }
        return save(state);
    }
    state.view = View::Tasks;
    state.filling = true;
    let entries = &state.tasks.form.entries;
    let at = entries.iter().position(|entry| entry.name == name);
    state.tasks.form.cursor = at.unwrap_or(0);
    command::tasks::type_value(state)
}

/// Close what is nearest: a layer, a question, a query.
pub fn close(state: &mut State) -> Vec<Effect> {
    if let Some(layer) = state.layers.pop() {
        return match layer {
            Layer::Picker(picker) if picker.purpose == Purpose::Theme => {
                vec![Effect::Screen(Screen::Theme {
                    name: picker.before,
                    keep: false,
                })]
            }
            _ => Vec::new(),
        };
    }
    if state.ask.take().is_some() {
        return Vec::new();
    }
    match state.view {
        View::Tasks => state.tasks.query.active = false,
        View::Library => state.library.query.active = false,
        View::Run | View::Engines => {}
    }
    Vec::new()
}

/// Move in whatever has the focus.
pub fn go(state: &mut State, step: Move) -> Vec<Effect> {
    if let Some(list) = state.list_mut() {
        list.go(step);
        return preview(state);
    }
    if !state.layers.is_empty() {
        return Vec::new();
    }
    match state.view {
        View::Tasks if state.filling => {
            let form = &mut state.tasks.form;
            let mut list = super::list::List {
                cursor: form.cursor,
                len: form.entries.len(),
                height: form.entries.len(),
                top: 0,
            };
            list.go(step);
            form.cursor = list.cursor;
        }
        View::Tasks if state.tasks.part == Part::Statement => state.tasks.scroll.go(step),
        View::Run => {
            if let Some(run) = state.runs.get_mut(state.current) {
                go_in(run, step);
            }
        }
        _ => {}
    }
    Vec::new()
}

pub(super) fn go_in(run: &mut Run, step: Move) {
    match run.focus {
        Pane::Transcript => match step {
            Move::To(row) => {
                let step = u32::try_from(row + 1).unwrap_or(u32::MAX);
                run.transcript.go_to(&run.story, step);
            }
            step => run.transcript.scroll(&run.story, step),
        },
        Pane::Diff => run.diff.go(step),
        Pane::Tests => match &mut run.log {
            Some(log) => log.go(step),
            None => run.tests.go(step),
        },
        Pane::Files => run.files.go(step),
        Pane::Notes => run.notes.go(step),
    }
}

/// Move the cursor by steps.
pub fn step_by(state: &mut State, by: i64) -> Vec<Effect> {
    if let Some(run) = state.runs.get_mut(state.current) {
        run.transcript.go_by(&run.story, by);
    }
    Vec::new()
}

/// Put the cursor on a step.
pub fn step_to(state: &mut State, step: u32) -> Vec<Effect> {
    if let Some(run) = state.runs.get_mut(state.current) {
        run.transcript.go_to(&run.story, step);
    }
    Vec::new()
}

/// The next place that a search found.
pub fn search_next(state: &mut State, forward: bool) -> Vec<Effect> {
    let Some(run) = state.runs.get_mut(state.current) else {
        return Vec::new();
    };
    let Some(search) = &mut run.search else {
        return Vec::new();
    };
    if let Some(log) = run.log.as_mut().filter(|_| run.focus == Pane::Tests) {
        if !log.find(&search.query, forward) {
            let text = format!("`{}` is not in the log that way", search.text);
            state.say(Weight::Info, text);
        }
        return Vec::new();
    }
    search.refresh(&run.story);
    if let Some(step) = search.next(run.transcript.cursor, forward) {
        run.transcript.set_fold(step, super::run::Fold::Whole);
        run.transcript.go_to(&run.story, step);
    } else {
        let text = format!("`{}` is in no step", search.text);
        state.say(Weight::Info, text);
    }
    Vec::new()
}

/// Open a run, or show it where it is open.
pub fn open_run(state: &mut State, id: &str) -> Vec<Effect> {
    state.view = View::Run;
    state.grid = false;
    if let Some(at) = state.runs.iter().position(|run| run.id == id) {
        state.current = at;
        return Vec::new();
    }
    let mut effects = Vec::new();
    if state.runs.len() >= OPEN_RUNS {
        let old = state.runs.remove(0);
        effects.push(Effect::Close { id: old.id });
    }
    let generation = state.request();
    let mut run = Run::new(id, generation);
    run.diff.side_by_side = state.session.side_by_side;
    state.runs.push(run);
    state.current = state.runs.len() - 1;
    effects.push(Effect::Open {
        id: id.into(),
        generation,
    });
    effects
}

/// Keep what is remembered.
pub fn save(state: &mut State) -> Vec<Effect> {
    state.session.ratio = Some(state.ratio);
    if state.preset != Preset::Demo {
        state.session.layout = Some(state.preset.name().into());
    }
    state.session.form = state.tasks.form.remembered(&state.tasks.source);
    vec![Effect::Save(Box::new(state.session.clone()))]
}

/// All text of a step, as it is, for copying and for the editor.
#[must_use]
pub fn step_text(run: &Run, number: u32) -> String {
    use super::story::Item;
    let Some(step) = run.story.step(number) else {
        return String::new();
    };
    let mut text = format!("step {number}\n\n{}\n", step.thought.text().trim());
    for item in &step.items {
        match item {
            Item::Action { call, outcome, .. } => {
                let shown = super::run::call::shown(call, run.workdir());
                text.push_str(&format!("\n{} {}\n", shown.verb, shown.object).replace("\n ", "\n"));
                if let Some(outcome) = outcome {
                    text.push_str(&outcome.text);
                    text.push('\n');
                }
            }
            Item::Said { text: said, .. }
            | Item::Note { text: said, .. }
            | Item::Differs { text: said } => {
                text.push('\n');
                text.push_str(said);
                text.push('\n');
            }
            Item::Typed { command, outcome } => {
                text.push_str(&["\n$ ", command, "\n", &outcome.text, "\n"].concat());
            }
        }
    }
    text
}
