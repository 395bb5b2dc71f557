//! Commands of the tasks view.

use super::{Command, Reason, always};
use crate::app::effect::Effect;
use crate::app::form::Kind;
use crate::app::layer::{Ask, Asked};
use crate::app::messages::Weight;
use crate::app::state::{State, View};
use crate::app::tasks::Part;

fn on_a_task(state: &State) -> Result<(), Reason> {
    match state.tasks.current() {
        Some(_) => Ok(()),
        None => Err("no task is under the cursor: clear the filter, or load tasks".into()),
    }
}

pub(super) const COMMANDS: &[Command] = &[
    Command {
        id: "task.start",
        title: "start",
        doc: "Start attempts at the chosen tasks, or the one under the cursor, with the values of the form.",
        context: "tasks",
        arguments: &[],
        hint: 1,
        enabled: on_a_task,
        run: |state, _| start(state),
    },
    Command {
        id: "query.open",
        title: "filter",
        doc: "Type words (matched fuzzily) and terms such as repo:pandas f2p:<5.",
        context: "tasks",
        arguments: &[],
        hint: 2,
        enabled: always,
        run: |state, _| {
            match state.view {
                View::Library => state.library.query.active = true,
                _ => state.tasks.query.active = true,
            }
            Vec::new()
        },
    },
    Command {
        id: "query.clear",
        title: "clear the filter",
        doc: "All rows again.",
        context: "tasks",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| {
            if state.view == View::Library {
                state.library.query.field.clear();
                state.library.refilter();
            } else {
                state.tasks.query.field.clear();
                state.tasks.refilter();
            }
            Vec::new()
        },
    },
    Command {
        id: "task.open",
        title: "open an attempt",
        doc: "Open the newest attempt at the task under the cursor; again for the one before.",
        context: "tasks",
        arguments: &[],
        hint: 3,
        enabled: |state| {
            on_a_task(state)?;
            match state
                .tasks
                .current()
                .and_then(|task| state.tasks.attempts.get(&task.instance_id))
            {
                Some(_) => Ok(()),
                None => Err("nobody has attempted this task yet: Enter starts".into()),
            }
        },
        run: |state, _| {
            let rows: Vec<usize> = state
                .tasks
                .current()
                .and_then(|task| state.tasks.attempts.get(&task.instance_id))
                .cloned()
                .unwrap_or_default();
            let ids: Vec<String> = rows
                .iter()
                .rev()
                .filter_map(|row| state.library.rows.get(*row).map(|row| row.id.clone()))
                .collect();
            // All of them are put into the strip; the newest is shown.
            let mut effects = Vec::new();
            for id in ids.iter().take(16).rev() {
                effects.extend(crate::app::update::open_run(state, id));
            }
            effects
        },
    },
    Command {
        id: "task.mark",
        title: "mark",
        doc: "Choose the task for a start of several.",
        context: "tasks",
        arguments: &[],
        hint: 4,
        enabled: on_a_task,
        run: |state, _| {
            if let Some(id) = state.tasks.current().map(|task| task.instance_id.clone()) {
                let chosen = &mut state.tasks.chosen;
                match chosen.iter().position(|there| *there == id) {
                    Some(at) => {
                        chosen.remove(at);
                    }
                    None => chosen.push(id),
                }
                state.tasks.list.go(crate::app::list::Move::Rows(1));
            }
            Vec::new()
        },
    },
    Command {
        id: "task.unmark-all",
        title: "unmark all",
        doc: "Choose no task.",
        context: "tasks",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| {
            state.tasks.chosen.clear();
            Vec::new()
        },
    },
    Command {
        id: "task.gold",
        title: "gold patch",
        doc: "Show or hide the patch that solves it.",
        context: "tasks",
        arguments: &[],
        hint: 0,
        enabled: |state| {
            on_a_task(state)?;
            if state.settings.blind {
                return Err("blind mode hides it: leave blind mode first".into());
            }
            Ok(())
        },
        run: |state, _| {
            state.tasks.gold = !state.tasks.gold;
            Vec::new()
        },
    },
    Command {
        id: "task.check",
        title: "check",
        doc: "Grade the gold patch and the empty one: the first must resolve the task, the second must not.",
        context: "tasks",
        arguments: &[],
        hint: 5,
        enabled: on_a_task,
        run: |state, _| {
            let Some(task) = state.tasks.current().map(|task| task.instance_id.clone()) else {
                return Vec::new();
            };
            state.say(
                Weight::Info,
                format!("checking {task}: gold patch and empty patch are graded"),
            );
            vec![Effect::Check {
                source: state.tasks.source.clone(),
                task,
            }]
        },
    },
    Command {
        id: "form.open",
        title: "change values",
        doc: "Change model, scaffold, k and the rest.",
        context: "tasks",
        arguments: &[],
        hint: 3,
        enabled: always,
        run: |state, _| {
            state.filling = true;
            Vec::new()
        },
    },
    Command {
        id: "form.close",
        title: "done",
        doc: "Back to the list.",
        context: "form",
        arguments: &[],
        hint: 3,
        enabled: always,
        run: |state, _| {
            state.filling = false;
            crate::app::update::save(state)
        },
    },
    Command {
        id: "form.change",
        title: "change",
        doc: "Type another value, the next of a few, or a list to choose from (model, scaffold).",
        context: "form",
        arguments: &[],
        hint: 1,
        enabled: always,
        run: |state, _| {
            let form = &mut state.tasks.form;
            let Some(entry) = form.current() else {
                return Vec::new();
            };
            if matches!(entry.kind, Kind::One(_)) {
                form.turn();
                return Vec::new();
            }
            let name = entry.name;
            super::pick::of_entry(state, name).unwrap_or_else(|| type_value(state))
        },
    },
    Command {
        id: "form.type",
        title: "type",
        doc: "Type the value, also where there is a list to choose from.",
        context: "form",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| type_value(state),
    },
    Command {
        id: "form.start",
        title: "start",
        doc: "Start with these values.",
        context: "form",
        arguments: &[],
        hint: 2,
        enabled: on_a_task,
        run: |state, _| start(state),
    },
    Command {
        id: "part.next",
        title: "list, statement",
        doc: "Keys go to the other half.",
        context: "tasks",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| {
            state.tasks.part = match state.tasks.part {
                Part::List => Part::Statement,
                Part::Statement => Part::List,
            };
            Vec::new()
        },
    },
    Command {
        id: "tasks.reload",
        title: "reload",
        doc: "Read the tasks again.",
        context: "tasks",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| vec![state.load_tasks()],
    },
];

/// The value under the form's cursor is typed in its row.
pub(in crate::app) fn type_value(state: &mut State) -> Vec<Effect> {
    let Some(entry) = state.tasks.form.current() else {
        return Vec::new();
    };
    let (label, field) = (
        format!("{} ({})", entry.name, entry.doc),
        entry.value.clone(),
    );
    state.ask = Some(Ask {
        what: Asked::Value,
        label,
        field,
        history: None,
    });
    Vec::new()
}

fn start(state: &mut State) -> Vec<Effect> {
    let mut form = state.tasks.form.clone();
    form.source.clone_from(&state.tasks.source);
    form.tasks = state.tasks.meant();
    if let Err(why) = form.check() {
        state.say(
            Weight::Error,
            format!("cannot start: {why}. Key e changes the values"),
        );
        state.filling = true;
        let at = form
            .entries
            .iter()
            .position(|entry| why.starts_with(entry.name));
        state.tasks.form.cursor = at.unwrap_or(0);
        return Vec::new();
    }
    state.filling = false;
    state.tasks.chosen.clear();
    state.session.use_model(form.value("model"));
    let mut effects = crate::app::update::save(state);
    effects.push(Effect::Start(Box::new(form)));
    effects
}
