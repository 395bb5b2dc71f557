//! Commands of the library view.

use super::{Command, Reason, always};
use crate::app::state::State;

fn on_a_row(state: &State) -> Result<(), Reason> {
    match state.library.current() {
        Some(_) => Ok(()),
        None => Err(
            "nothing is under the cursor: clear the filter, or start an attempt from the tasks"
                .into(),
        ),
    }
}

pub(super) const COMMANDS: &[Command] = &[
    Command {
        id: "library.open",
        title: "open",
        doc: "Open the trajectory; a running one is followed and can be steered.",
        context: "library",
        arguments: &[],
        hint: 1,
        enabled: on_a_row,
        run: |state, _| {
            let id = state.library.current().map(|row| row.id.clone());
            id.map(|id| crate::app::update::open_run(state, &id))
                .unwrap_or_default()
        },
    },
    Command {
        id: "library.sort",
        title: "sort",
        doc: "Sort by the next column.",
        context: "library",
        arguments: &[],
        hint: 3,
        enabled: always,
        run: |state, _| {
            state.library.resort(None);
            Vec::new()
        },
    },
    Command {
        id: "library.reverse",
        title: "reverse",
        doc: "Turn the order round.",
        context: "library",
        arguments: &[],
        hint: 4,
        enabled: always,
        run: |state, _| {
            let sort = state.library.sort;
            state.library.resort(Some(sort));
            Vec::new()
        },
    },
    Command {
        id: "library.reload",
        title: "reload",
        doc: "Read the store again.",
        context: "library",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, _| {
            state.library.rows.clear();
            state.library.complete = false;
            state.library.refilter();
            vec![crate::app::effect::Effect::LoadLibrary]
        },
    },
];
