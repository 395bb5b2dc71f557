//! Pickers that hold what was used before: the model and scaffold of the next start, where tasks come from, the run to go to.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Command, Reason, always};
use crate::app::effect::Effect;
use crate::app::layer::{Choice, Layer, Picker, Purpose};
use crate::app::run::state_of;
use crate::app::state::State;
use crate::app::words;
use crate::model::bundled;
use crate::text::Role;
use crate::text::safe::one_line;
use crate::trajectory::index::Summary;

/// Rows of the library that a picker of runs offers, newest first; the library itself has all of them.
const MOST_RUNS: usize = 5_000;
/// Values that a picker offers.
const MOST: usize = 500;
/// Sources that everybody has.
const SOURCES: &[(&str, &str)] = &[
    ("sample", "twenty bundled tasks over four small packages"),
    ("gym", "small made tasks, held out, for small models"),
    ("SWE-Gym/SWE-Gym-Lite", "230 tasks, from the hub"),
    ("SWE-Gym/SWE-Gym", "2,438 tasks, from the hub"),
];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        id: "model.pick",
        title: "model …",
        doc: "Choose the model of the next start.",
        context: "tasks",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| model(state),
    },
    Command {
        id: "scaffold.pick",
        title: "scaffold …",
        doc: "Choose the scaffold (the agent's design) of the next start.",
        context: "tasks",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| scaffold(state),
    },
    Command {
        id: "source.change",
        title: "other tasks …",
        doc: "Load tasks from a file, a folder or the hub.",
        context: "tasks",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| source(state),
    },
    Command {
        id: "run.pick",
        title: "to a run …",
        doc: "Go to an open run, or open one of the library.",
        context: "global",
        arguments: &[],
        hint: 0,
        enabled: |state| {
            if state.runs.is_empty() && state.library.rows.is_empty() {
                return Err(Reason::from(
                    "nothing was run yet: start an attempt from the tasks",
                ));
            }
            Ok(())
        },
        run: |state, _| run(state),
    },
];

/// The list behind a value of the start form, where it has one.
pub(super) fn of_entry(state: &mut State, entry: &str) -> Option<Vec<Effect>> {
    match entry {
        "model" => Some(model(state)),
        "scaffold" => Some(scaffold(state)),
        _ => None,
    }
}

fn open(
    state: &mut State,
    purpose: Purpose,
    title: &'static str,
    choices: Vec<Choice>,
    at: &str,
) -> Vec<Effect> {
    let picker = Picker::new(purpose, title, choices, at);
    state.layers.push(Layer::Picker(Box::new(picker)));
    Vec::new()
}

/// Choices in the order in which they were named, each once.
#[derive(Default)]
struct Named {
    choices: Vec<Choice>,
    seen: BTreeSet<String>,
}

impl Named {
    fn add(&mut self, value: &str, detail: impl Into<String>) {
        if self.choices.len() < MOST && !value.is_empty() && self.seen.insert(value.to_owned()) {
            self.choices.push(Choice {
                label: one_line(value),
                detail: one_line(&detail.into()),
                value: value.to_owned(),
                ..Choice::default()
            });
        }
    }
}

/// What rows of the library say of something, the one used last first: how often it was used, and when last.
fn used<'a>(state: &'a State, of: impl Fn(&'a Summary) -> &'a str) -> Vec<(&'a str, String)> {
    let mut found: BTreeMap<&str, (usize, Timestamp)> = BTreeMap::new();
    for row in &state.library.rows {
        let (count, last) = found.entry(of(row)).or_insert((0, row.started));
        *count += 1;
        *last = row.started.max(*last);
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|(_, (_, last))| std::cmp::Reverse(*last));
    found
        .into_iter()
        .map(|(value, (count, last))| {
            let count = words::many(count, "run", "runs");
            (value, format!("{count}, {}", words::ago(last, state.now)))
        })
        .collect()
}

fn model(state: &mut State) -> Vec<Effect> {
    let now = state.tasks.form.value("model").to_owned();
    let used = used(state, |row| &row.spec);
    let detail = |spec: &str, other: &str| {
        let used = used.iter().find(|(value, _)| *value == spec);
        used.map_or(other.to_owned(), |(_, words)| words.clone())
    };
    let mut named = Named::default();
    // A person answers on the standard input, which is the workbench's own here.
    named.seen.insert(HUMAN.into());
    named.add(&now, detail(&now, "in the form"));
    let configured = &state.settings.model;
    named.add(configured, detail(configured, "configured"));
    for spec in &state.session.models {
        named.add(spec, detail(spec, "used before"));
    }
    for (spec, words) in &used {
        named.add(spec, words.as_str());
    }
    named.add(bundled::NAME, "comes with spotter, for the gym's tasks");
    let mut choices = named.choices;
    choices.push(Choice {
        label: HUMAN.into(),
        disabled: Some("by spotter run --model human".into()),
        value: HUMAN.into(),
        ..Choice::default()
    });
    open(state, Purpose::Model, "Model", choices, &now)
}

/// The model that a person is.
pub(in crate::app) const HUMAN: &str = "human";

fn scaffold(state: &mut State) -> Vec<Effect> {
    let now = state.tasks.form.value("scaffold").to_owned();
    let mut named = Named::default();
    for (name, description) in &state.settings.scaffolds {
        named.add(name, description.as_str());
    }
    named.add(&now, "in the form");
    for (name, words) in used(state, |row| &row.scaffold) {
        named.add(name, words);
    }
    let choices = named.choices;
    open(state, Purpose::Scaffold, "Scaffold", choices, &now)
}

fn source(state: &mut State) -> Vec<Effect> {
    let now = state.tasks.source.clone();
    let mut named = Named::default();
    for (name, what) in SOURCES {
        named.add(name, *what);
    }
    named.add(&now, "these");
    for (name, words) in used(state, |row| &row.tasks) {
        named.add(name, words);
    }
    let choices = named.choices;
    open(state, Purpose::Source, "Tasks from", choices, &now)
}

fn run(state: &mut State) -> Vec<Effect> {
    let glyphs = state.glyphs();
    let outcome = state.outcome();
    let open_ids: BTreeSet<&str> = state.runs.iter().map(|run| run.id.as_str()).collect();
    let mut rows: Vec<&Summary> = state.library.rows.iter().collect();
    rows.sort_by_key(|row| {
        let is_open = open_ids.contains(row.id.as_str());
        std::cmp::Reverse((is_open, row.started))
    });
    let choice = |row: &Summary| {
        let (sign, _) = if outcome {
            state_of(row, glyphs)
        } else {
            (glyphs.other(), Role::Dim)
        };
        let is_open = open_ids.contains(row.id.as_str());
        let detail = format!(
            "{sign} {}{}, {}, {}",
            if is_open { "open, " } else { "" },
            words::many(row.steps as usize, "step", "steps"),
            row.model,
            words::ago(row.started, state.now),
        );
        Choice {
            label: one_line(&row.task),
            detail: one_line(&detail),
            value: row.id.clone(),
            ..Choice::default()
        }
    };
    let choices: Vec<Choice> = rows.into_iter().take(MOST_RUNS).map(choice).collect();
    let here = state.run().map(|run| run.id.clone()).unwrap_or_default();
    open(state, Purpose::Run, "To a run", choices, &here)
}
