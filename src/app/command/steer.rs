//! Commands that steer a run while it runs, and those that make another of it: branch, resume, tests as of a step.

use super::run::ask;
use super::{Command, Invocation, Reason};
use crate::app::effect::{Effect, Screen};
use crate::app::layer::{Ask, Asked, Layer};
use crate::app::news::Purpose;
use crate::app::state::State;
use crate::app::story::{Item, Phase};
use crate::rollout::Op;

fn live(state: &State) -> Result<(), Reason> {
    match state.run() {
        None => Err("no run is shown".into()),
        Some(run) if run.replay.is_some() => Err("this is a replay: Esc ends it".into()),
        Some(run) if !run.live => {
            Err("nobody works on this run: b branches off it, x runs its tests, C goes on with it where it was interrupted".into())
        }
        Some(run) if run.story.ended.is_some() => Err("the agent's part is over: its patch is graded".into()),
        Some(_) => Ok(()),
    }
}

fn waiting(state: &State) -> Result<(), Reason> {
    live(state)?;
    match state.run() {
        Some(run) if run.waiting().is_some() => Ok(()),
        Some(run) if run.story.taken_over => {
            Err("you hold the agent's shell: T hands it back".into())
        }
        _ => Err("no action waits: m turns step mode on".into()),
    }
}

fn taken_over(state: &State) -> Result<(), Reason> {
    live(state)?;
    if state.run().is_some_and(|run| run.story.taken_over) {
        Ok(())
    } else {
        Err("the agent has the shell: t takes it over".into())
    }
}

fn stored(state: &State) -> Result<(), Reason> {
    match state.run() {
        None => Err("no run is shown".into()),
        Some(run) if run.live => Err("it still runs".into()),
        Some(_) => Ok(()),
    }
}

macro_rules! steer {
    ($id:literal, $title:literal, $doc:literal, $context:literal, $hint:literal, $enabled:expr, $run:expr) => {
        Command {
            id: $id,
            title: $title,
            doc: $doc,
            context: $context,
            arguments: &[],
            hint: $hint,
            enabled: $enabled,
            run: $run,
        }
    };
}

pub(super) const COMMANDS: &[Command] = &[
    steer!(
        "run.pause",
        "pause",
        "Wait after the action that runs now; again to go on.",
        "run",
        10,
        live,
        |state, _| {
            // An action that waits for approval is not let go by the key that pauses.
            let paused = state.run().is_some_and(|run| {
                matches!(run.story.phase, Phase::Paused { .. }) && run.story.waiting().is_none()
            });
            let go_on = Op::Resume {
                keep_step_mode: true,
            };
            send(state, if paused { go_on } else { Op::Pause })
        }
    ),
    steer!(
        "run.step",
        "one step",
        "Do one step, then wait.",
        "run",
        11,
        live,
        |state, _| send(state, Op::Step)
    ),
    steer!(
        "run.step-mode",
        "step mode",
        "Wait for approval of each step's actions from now on; again to leave it, and what waits is carried out.",
        "run",
        12,
        live,
        |state, _| {
            let on = state.run().is_some_and(|run| run.story.step_mode);
            send(state, Op::StepMode { on: !on })
        }
    ),
    steer!(
        "run.approve",
        "approve",
        "Carry the proposed actions out.",
        "approve",
        1,
        waiting,
        |state, _| send(state, Op::Approve)
    ),
    steer!(
        "run.edit",
        "edit",
        "Change the waiting action before it is carried out; its original is kept.",
        "approve",
        2,
        waiting,
        |state, _| { edit(state, false) }
    ),
    steer!(
        "run.edit-editor",
        "edit in the editor",
        "The same in your editor.",
        "approve",
        0,
        waiting,
        |state, _| edit(state, true)
    ),
    steer!(
        "run.skip",
        "skip",
        "Do not carry the waiting actions out.",
        "approve",
        3,
        waiting,
        |state, _| send(state, Op::Skip { index: None })
    ),
    steer!(
        "run.say",
        "say",
        "Say something to the agent; it hears it before its next turn.",
        "run",
        14,
        live,
        |state, _| {
            ask(state, Asked::Say, "say to the agent");
            Vec::new()
        }
    ),
    steer!(
        "run.take-over",
        "take over",
        "Take the agent's shell: it waits while you type; an action that waits is asked about again afterwards.",
        "run",
        15,
        live,
        |state, _| {
            let held = state.run().is_some_and(|run| run.story.taken_over);
            ask(state, Asked::Shell, "$");
            if held {
                Vec::new()
            } else {
                send(state, Op::TakeOver)
            }
        }
    ),
    steer!(
        "run.shell",
        "type a command",
        "A command in the agent's shell, which you hold.",
        "run",
        0,
        taken_over,
        |state, _| {
            ask(state, Asked::Shell, "$");
            Vec::new()
        }
    ),
    steer!(
        "run.hand-back",
        "hand back",
        "Give the shell back; what you typed becomes one message to the agent.",
        "run",
        0,
        taken_over,
        |state, _| { send(state, Op::HandBack) }
    ),
    steer!(
        "run.limit",
        "more steps",
        "Raise or lower the limit of steps.",
        "run",
        0,
        live,
        |state, _| {
            let turns = state.run().map_or(0, |run| run.story.turns);
            state.ask = Some(Ask {
                what: Asked::Limit,
                label: "most steps".into(),
                field: crate::app::field::Field::with(turns.to_string()),
                history: None,
            });
            Vec::new()
        }
    ),
    steer!(
        "run.stop",
        "stop",
        "End the run; what it has done is kept and graded.",
        "run",
        0,
        live,
        |state, _| {
            ask(state, Asked::Stop, "stop it, because (may be empty)");
            Vec::new()
        }
    ),
    steer!(
        "run.retry",
        "ask again",
        "Drop the model's answer of this step and ask for another.",
        "run",
        0,
        live,
        |state, _| send(state, Op::Retry)
    ),
    steer!(
        "run.branch",
        "branch here",
        "Go back to the step under the cursor and branch: both branches are kept.",
        "run",
        20,
        |state| {
            match state.run() {
                None => Err("no run is shown".into()),
                Some(run) if run.story.snapshot(run.step()).is_none() => {
                    Err("this step has no snapshot (it is not whole): choose an earlier one".into())
                }
                Some(_) => Ok(()),
            }
        },
        |state, _| {
            let step = state.run().map_or(0, crate::app::run::Run::step);
            state.ask = Some(Ask {
                what: Asked::Branch { step },
                label: format!("branch after step {step}; tell it (may be empty)"),
                field: crate::app::field::Field::default(),
                history: None,
            });
            Vec::new()
        }
    ),
    steer!(
        "run.test",
        "tests here",
        "Run the task's tests on the workspace as of the step under the cursor; the result stays with it.",
        "run",
        21,
        |state| {
            match state.run() {
                None => Err("no run is shown".into()),
                Some(run)
                    if run
                        .story
                        .snapshot(run.story.whole_step(run.step()))
                        .is_none() =>
                {
                    Err(
                        "no workspace is stored yet: the first snapshot comes with the sandbox"
                            .into(),
                    )
                }
                Some(_) => Ok(()),
            }
        },
        |state, _| {
            let Some(run) = state.run() else {
                return Vec::new();
            };
            let (id, live) = (run.id.clone(), run.live && run.story.ended.is_none());
            let step = run.story.whole_step(run.step());
            if live {
                send(state, Op::Test { step: Some(step) })
            } else {
                vec![Effect::Test { id, step }]
            }
        }
    ),
    steer!(
        "run.continue",
        "go on",
        "Go on with an interrupted run: the snapshot before its last step is restored.",
        "run",
        0,
        |state| {
            stored(state)?;
            match state.run() {
                Some(run)
                    if run.story.verdict.is_some()
                        && !matches!(
                            run.story.ended,
                            Some((crate::trajectory::event::Ended::Error { .. }, _))
                        ) =>
                {
                    Err("it is over and graded: b branches off it".into())
                }
                _ => Ok(()),
            }
        },
        |state, _| {
            let id = state.run().map(|run| run.id.clone());
            id.map(|id| vec![Effect::Resume { id }]).unwrap_or_default()
        }
    ),
    steer!(
        "run.stop-now",
        "stop at once",
        "End the run without a reason; asks first.",
        "run",
        0,
        live,
        |state, _| {
            state.layers.push(Layer::Confirm {
                question: "Stop this run? What it has done is kept and graded.".into(),
                then: Invocation::of("run.stop-confirmed"),
            });
            Vec::new()
        }
    ),
    steer!(
        "run.stop-confirmed",
        "stop, confirmed",
        "End the run without a reason.",
        "confirm",
        0,
        live,
        |state, _| { send(state, Op::Stop { why: String::new() }) }
    ),
];

/// Send an operation to the run that is shown.
pub(super) fn send(state: &mut State, op: Op) -> Vec<Effect> {
    let id = state.run().map(|run| run.id.clone());
    id.map(|id| vec![Effect::Control { id, op }])
        .unwrap_or_default()
}

/// The first action that waits: its index and arguments, laid out for people.
fn waiting_action(state: &State) -> Option<(u32, String)> {
    let step = state.run()?.waiting()?;
    step.items.iter().find_map(|item| match item {
        Item::Action {
            index,
            call,
            begun: None,
            skipped: false,
            ..
        } => Some((*index, call.arguments.clone())),
        _ => None,
    })
}

fn edit(state: &mut State, in_editor: bool) -> Vec<Effect> {
    let Some((index, arguments)) = waiting_action(state) else {
        return Vec::new();
    };
    let Some(id) = state.run().map(|run| run.id.clone()) else {
        return Vec::new();
    };
    let value: serde_json::Value = serde_json::from_str(&arguments).unwrap_or_default();
    // A command is edited as what it is; anything else as its JSON.
    let only_command = value
        .as_object()
        .filter(|object| object.len() == 1)
        .and_then(|object| object.get("command"))
        .and_then(serde_json::Value::as_str);
    if in_editor {
        let text = serde_json::to_string_pretty(&value).unwrap_or(arguments);
        return vec![Effect::Screen(Screen::Edit {
            text,
            suffix: ".json",
            purpose: Purpose::Action { id, index },
        })];
    }
    let (label, text) = match only_command {
        Some(command) => ("command", command.to_owned()),
        None => ("arguments (JSON)", arguments),
    };
    state.ask = Some(Ask {
        what: Asked::Edit { index },
        label: label.into(),
        field: crate::app::field::Field::with(text),
        history: None,
    });
    Vec::new()
}
