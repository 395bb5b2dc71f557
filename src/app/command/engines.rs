//! Commands of the engines view.

use super::{Command, always};
use crate::app::effect::Effect;
use crate::app::messages::Weight;
use crate::app::state::State;

pub(super) const COMMANDS: &[Command] = &[Command {
    id: "engines.serve",
    title: "serve",
    doc: "Serve the start form's model to programs of this machine, as `spotter serve` does; again ends it.",
    context: "engines",
    arguments: &[],
    hint: 1,
    enabled: always,
    run: |state, _| serve(state),
}];

fn serve(state: &mut State) -> Vec<Effect> {
    if state.engines.served.is_some() {
        return vec![Effect::EndServing];
    }
    if state.engines.serving {
        state.say(Weight::Info, "the model is being opened");
        return Vec::new();
    }
    let model = state.tasks.form.value("model").to_owned();
    if model.is_empty() {
        let text = "which model? Key `e` in the tasks view, then `model`: a folder, a GGUF file, hub:org/name or policy";
        state.say(Weight::Error, text);
        return Vec::new();
    }
    state.engines.serving = true;
    vec![Effect::Serve { model }]
}
