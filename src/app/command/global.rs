//! Commands that hold everywhere: views, palette, help, messages, looks, leaving.

use super::{Command, Invocation, Told, always};
use crate::app::effect::{Effect, Screen};
use crate::app::layer::{Choice, Layer, Picker, Purpose};
use crate::app::list::List;
use crate::app::state::{Preset, State, View};
use crate::keymap::shown;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        id: "palette.open",
        title: "commands",
        doc: "All commands; type to find one, Enter runs it.",
        context: "global",
        arguments: &[],
        hint: 90,
        enabled: always,
        run: |state, _| open(state, false),
    },
    Command {
        id: "help.open",
        title: "help",
        doc: "What can be done here, with its keys.",
        context: "global",
        arguments: &[],
        hint: 91,
        enabled: always,
        run: |state, _| open(state, true),
    },
    Command {
        id: "view.tasks",
        title: "tasks",
        doc: "The tasks: read, filter, start attempts.",
        context: "global",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| {
            state.view = View::Tasks;
            Vec::new()
        },
    },
    Command {
        id: "view.run",
        title: "run",
        doc: "The runs that are open.",
        context: "global",
        arguments: &[],
        hint: 0,
        enabled: |state| {
            if state.runs.is_empty() {
                Err("no run is open: start one from the tasks, or open one from the library".into())
            } else {
                Ok(())
            }
        },
        run: |state, _| {
            state.view = View::Run;
            Vec::new()
        },
    },
    Command {
        id: "view.library",
        title: "library",
        doc: "All trajectories of the store.",
        context: "global",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| {
            state.view = View::Library;
            Vec::new()
        },
    },
    Command {
        id: "view.engines",
        title: "engines",
        doc: "The models that are computed here: streams, pages, tokens a second.",
        context: "global",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| {
            state.view = View::Engines;
            crate::app::update::look_at_engines(state)
        },
    },
    Command {
        id: "view.next",
        title: "next view",
        doc: "Tasks, run, library, engines in turn.",
        context: "global",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| {
            state.view = match state.view {
                View::Tasks if !state.runs.is_empty() => View::Run,
                View::Tasks | View::Run => View::Library,
                View::Library => View::Engines,
                View::Engines => View::Tasks,
            };
            crate::app::update::look_at_engines(state)
        },
    },
    Command {
        id: "messages.open",
        title: "messages",
        doc: "Everything that was said, newest first.",
        context: "global",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| {
            let mut list = List::default();
            list.fit(state.messages.newest().len(), 10);
            state.layers.push(Layer::Messages(list));
            Vec::new()
        },
    },
    Command {
        id: "theme.pick",
        title: "theme …",
        doc: "Choose a theme; the one under the cursor is shown at once.",
        context: "global",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| {
            let names = state.settings.themes.clone();
            pick(state, Purpose::Theme, "Theme", names, &state.theme.clone())
        },
    },
    Command {
        id: "keymap.pick",
        title: "keymap …",
        doc: "Choose a keymap.",
        context: "global",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| {
            let names = state.settings.keymaps.clone();
            let now = state
                .session
                .keymap
                .clone()
                .unwrap_or_else(|| "default".into());
            pick(state, Purpose::Keymap, "Keymap", names, &now)
        },
    },
    Command {
        id: "blind.toggle",
        title: "blind mode",
        doc: "Hide verdicts, tests and gold patches, so that a judgement is one's own.",
        context: "global",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| {
            state.settings.blind = !state.settings.blind;
            state.tasks.gold = false;
            Vec::new()
        },
    },
    Command {
        id: "layout.next",
        title: "layout",
        doc: "The next layout of the run view: run, review, demo.",
        context: "global",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| {
            state.preset = match state.preset {
                Preset::Run => Preset::Review,
                Preset::Review => Preset::Demo,
                Preset::Demo => Preset::Run,
            };
            crate::app::update::save(state)
        },
    },
    Command {
        id: "demo.toggle",
        title: "presenter mode",
        doc: "Large, with captions, one thing at a time; secrets and home folders are masked.",
        context: "global",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| {
            state.preset = if state.preset == Preset::Demo {
                Preset::Run
            } else {
                Preset::Demo
            };
            if state.preset == Preset::Demo && state.view != View::Run && !state.runs.is_empty() {
                state.view = View::Run;
            }
            Vec::new()
        },
    },
    Command {
        id: "ratio.change",
        title: "wider, narrower",
        doc: "Give the transcript more or fewer columns.",
        context: "global",
        arguments: &["N"],
        hint: 0,
        enabled: always,
        run: |state, told| {
            let by: i32 = told.argument.parse().unwrap_or(5);
            let ratio = i32::from(state.ratio) + by;
            state.ratio = u16::try_from(ratio.clamp(20, 80)).unwrap_or(58);
            Vec::new()
        },
    },
    Command {
        id: "screen.redraw",
        title: "redraw",
        doc: "Draw the whole screen anew.",
        context: "global",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |_, _| vec![Effect::Screen(Screen::Redraw)],
    },
    Command {
        id: "app.suspend",
        title: "suspend",
        doc: "Stop the program as Ctrl-Z does; runs of this program stand still meanwhile.",
        context: "global",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |_, _| vec![Effect::Screen(Screen::Suspend)],
    },
    Command {
        id: "app.quit",
        title: "quit",
        doc: "Leave; asks first where runs of this program are under way.",
        context: "global",
        arguments: &["", "now"],
        hint: 99,
        enabled: always,
        run: quit,
    },
    Command {
        id: "picker.choose",
        title: "choose",
        doc: "Take the row under the cursor.",
        context: "picker",
        arguments: &[],
        hint: 1,
        enabled: always,
        run: |state, _| crate::app::update::choose(state),
    },
    Command {
        id: "layer.close",
        title: "close",
        doc: "Close what lies over the view.",
        context: "picker",
        arguments: &[],
        hint: 2,
        enabled: always,
        run: |state, _| crate::app::update::close(state),
    },
    Command {
        id: "confirm.yes",
        title: "yes",
        doc: "Do it.",
        context: "confirm",
        arguments: &[],
        hint: 1,
        enabled: always,
        run: |state, _| match state.layers.pop() {
            Some(Layer::Confirm { then, .. }) => crate::app::update::invoke(state, &then),
            _ => Vec::new(),
        },
    },
    Command {
        id: "confirm.no",
        title: "no",
        doc: "Leave it.",
        context: "confirm",
        arguments: &[],
        hint: 2,
        enabled: always,
        run: |state, _| crate::app::update::close(state),
    },
    Command {
        id: "welcome.close",
        title: "begin",
        doc: "Close the welcome; it does not come back.",
        context: "welcome",
        arguments: &[],
        hint: 1,
        enabled: always,
        run: |state, _| {
            state
                .layers
                .retain(|layer| !matches!(layer, Layer::Welcome));
            state.session.welcomed = true;
            crate::app::update::save(state)
        },
    },
];

fn quit(state: &mut State, told: &Told) -> Vec<Effect> {
    let own = state
        .runs
        .iter()
        .filter(|run| run.live && !run.story.is_over())
        .count();
    if own > 0 && told.argument != "now" {
        let runs = crate::app::words::many(own, "run is", "runs are");
        state.layers.push(Layer::Confirm {
            question: format!("{runs} under way. Leave? What this program started is interrupted and can be resumed."),
            then: Invocation::of("app.quit now"),
        });
        return Vec::new();
    }
    let mut effects = crate::app::update::save(state);
    effects.push(Effect::Screen(Screen::Quit));
    effects
}

fn pick(
    state: &mut State,
    purpose: Purpose,
    title: &'static str,
    names: Vec<String>,
    at: &str,
) -> Vec<Effect> {
    let choices = names
        .into_iter()
        .map(|name| Choice {
            label: name.clone(),
            detail: String::new(),
            keys: String::new(),
            disabled: None,
            value: name,
        })
        .collect();
    let picker = Picker::new(purpose, title, choices, at);
    state.layers.push(Layer::Picker(Box::new(picker)));
    Vec::new()
}

/// The palette: every command that a key could reach from here, those used last first.
fn open(state: &mut State, here: bool) -> Vec<Effect> {
    let contexts = state.contexts();
    let mut choices: Vec<Choice> = super::all()
        .filter(|command| {
            let typed = [
                "field", "picker", "query", "ask", "confirm", "welcome", "messages",
            ];
            if here {
                contexts.contains(&command.context)
            } else {
                !typed.contains(&command.context) && command.context != "move"
            }
        })
        .flat_map(|command| {
            let arguments: Vec<&str> = match command.arguments {
                [] => vec![""],
                known if known.contains(&"") => vec![""],
                // In the palette everything can be run; of numbers the smallest, either way.
                ["N"] if !here => vec!["1", "-1"],
                known => known.to_vec(),
            };
            arguments
                .into_iter()
                .map(move |argument| (command, argument))
        })
        .filter_map(|(command, argument)| {
            let keys = state.keymap.keys_for(
                &contexts,
                command.id,
                (!argument.is_empty() && argument != "N").then_some(argument),
            );
            if argument == "N" && keys.is_empty() {
                return None;
            }
            let title = command.title.trim_end_matches(" …");
            Some(Choice {
                label: match argument {
                    "" | "N" => command.title.to_owned(),
                    "1" => format!("{title} +1"),
                    _ => format!("{title} {argument}"),
                },
                detail: command.doc.to_owned(),
                keys: keys.first().map(|keys| shown(keys)).unwrap_or_default(),
                disabled: (command.enabled)(state)
                    .err()
                    .map(std::borrow::Cow::into_owned),
                value: format!("{} {}", command.id, argument.trim_start_matches('N'))
                    .trim_end()
                    .to_owned(),
            })
        })
        .collect();
    if here {
        // What is nearest comes first.
        let near = |choice: &Choice| {
            let id = choice.value.split(' ').next().unwrap_or_default();
            let context = super::find(id).map_or("", |command| command.context);
            contexts.iter().position(|there| *there == context)
        };
        choices.sort_by_key(near);
    } else {
        let recent = &state.session.recent;
        let place = |choice: &Choice| {
            recent
                .iter()
                .position(|there| *there == choice.value)
                .unwrap_or(usize::MAX)
        };
        choices.sort_by_key(place);
    }
    let (purpose, title) = if here {
        (Purpose::Help, "Help: what can be done here")
    } else {
        (Purpose::Command, "Commands")
    };
    state.layers.push(Layer::Picker(Box::new(Picker::new(
        purpose, title, choices, "",
    ))));
    Vec::new()
}
