//! Commands that take something out of the run view: to the clipboard, or into the editor.

use super::run::on_a_run;
use super::{Command, Told};
use crate::app::effect::{Effect, Screen};
use crate::app::messages::Weight;
use crate::app::news::Purpose;
use crate::app::run::{Pane, call};
use crate::app::state::State;
use crate::app::update;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        id: "copy",
        title: "copy",
        doc: "Copy: the command under the cursor, the whole step, the diff as a patch, the hunk, the rollout's id.",
        context: "run",
        arguments: &["command", "step", "diff", "hunk", "id"],
        hint: 0,
        enabled: on_a_run,
        run: copy,
    },
    Command {
        id: "look.editor",
        title: "in the editor",
        doc: "Open what the focused pane shows in your editor.",
        context: "run",
        arguments: &[],
        hint: 0,
        enabled: on_a_run,
        run: |state, _| look(state),
    },
];

fn look(state: &mut State) -> Vec<Effect> {
    let Some(run) = state.run() else {
        return Vec::new();
    };
    let (text, suffix) = match run.focus {
        Pane::Diff => (run.diff.copied(false).unwrap_or_default(), ".diff"),
        _ => (update::step_text(run, run.step()), ".txt"),
    };
    vec![Effect::Screen(Screen::Edit {
        text,
        suffix,
        purpose: Purpose::Look,
    })]
}

fn copy(state: &mut State, told: &Told) -> Vec<Effect> {
    let Some(run) = state.run() else {
        return Vec::new();
    };
    let step = run.step();
    let (text, what) = match told.argument.as_str() {
        "diff" => (run.diff.copied(false), "the diff"),
        "hunk" => (run.diff.copied(true), "the hunk"),
        "id" => (Some(run.id.clone()), "the rollout's id"),
        "step" => (Some(update::step_text(run, step)), "the step"),
        _ => {
            let command = run.story.step(step).and_then(|step| {
                let call = step.actions().next()?.0;
                Some(call::shown(call, run.workdir()).object)
            });
            (command, "the command")
        }
    };
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        vec![Effect::Screen(Screen::Copy {
            text,
            what: what.into(),
        })]
    } else {
        state.say(Weight::Info, format!("there is nothing to copy as {what}"));
        Vec::new()
    }
}
