//! Commands of the engines view.

use super::{Command, always};
use crate::app::effect::Effect;
use crate::app::messages::Weight;
use crate::app::state::State;

/// Serves, and ends it.
pub(super) const SERVE: &str = "engines.serve";

pub(super) const COMMANDS: &[Command] = &[Command {
    id: SERVE,
    title: "serve",
    doc: "Serve the start form's model to programs of this machine, as `spotter serve` does; again ends it.",
    context: "engines",
    arguments: &[],
    hint: 1,
    enabled: always,
    run: |state, _| serve(state),
}];

/// What `engines.serve` would do now.
pub(super) fn title(state: &State) -> &'static str {
    let engines = &state.engines;
    match (&engines.served, &engines.serving) {
        (Some(_), _) => "end serving",
        (None, Some(_)) => "end opening",
        (None, None) => "serve",
    }
}

fn serve(state: &mut State) -> Vec<Effect> {
    if state.engines.served.is_some() || state.engines.serving.is_some() {
        return vec![Effect::EndServing];
    }
    let model = state.tasks.form.value("model").to_owned();
    if model.is_empty() {
        let text = "which model? Key `e` in the tasks view, then `model`: a folder, a GGUF file, hub:org/name or policy";
        state.say(Weight::Error, text);
        return Vec::new();
    }
    state.engines.serving = Some(model.clone());
    vec![Effect::Serve { model }]
}
