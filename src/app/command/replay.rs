//! Commands of replays: the clock and what it tells, and carrying recorded actions out again.

use super::run::on_a_run;
use super::{Command, Reason};
use crate::app::effect::Effect;
use crate::app::messages::Weight;
use crate::app::state::{Preset, State};
use crate::app::update;

fn in_a_replay(state: &State) -> Result<(), Reason> {
    on_a_run(state)?;
    if state.run().is_some_and(|run| run.replay.is_some()) {
        Ok(())
    } else {
        Err("this is no replay: key p begins one".into())
    }
}

macro_rules! command {
    ($id:literal, $title:literal, $doc:literal, $context:literal, $arguments:expr, $hint:literal, $enabled:expr, $run:expr) => {
        Command {
            id: $id,
            title: $title,
            doc: $doc,
            context: $context,
            arguments: $arguments,
            hint: $hint,
            enabled: $enabled,
            run: $run,
        }
    };
}

pub(super) const COMMANDS: &[Command] = &[
    command!(
        "replay.begin",
        "replay",
        "Tell the stored run again, from the step under the cursor or the beginning.",
        "run",
        &[],
        0,
        |state| {
            on_a_run(state)?;
            match state.run() {
                Some(run) if run.live => {
                    Err("it still runs: a replay is for what is stored".into())
                }
                Some(run) if run.story.told == 0 => Err("its records are not read yet".into()),
                _ => Ok(()),
            }
        },
        |state, _| update::begin_replay(state)
    ),
    command!(
        "replay.play",
        "play",
        "Play or pause.",
        "replay",
        &[],
        1,
        in_a_replay,
        |state, _| {
            if let Some(replay) = state.run_mut().and_then(|run| run.replay.as_mut()) {
                replay.toggle();
            }
            update::retell(state)
        }
    ),
    command!(
        "replay.step",
        "step",
        "One step on, or back.",
        "replay",
        &["N"],
        2,
        in_a_replay,
        |state, told| {
            let by = told
                .argument
                .parse::<i64>()
                .unwrap_or(1)
                .saturating_mul(told.times());
            update::replay_by(state, by)
        }
    ),
    command!(
        "replay.moment",
        "event",
        "One event on, or back.",
        "replay",
        &["N"],
        0,
        in_a_replay,
        |state, told| {
            let by = told
                .argument
                .parse::<i64>()
                .unwrap_or(1)
                .saturating_mul(told.times());
            if let Some(replay) = state.run_mut().and_then(|run| run.replay.as_mut()) {
                replay.playing = false;
                let at = i64::try_from(replay.at)
                    .unwrap_or(0)
                    .saturating_add(by)
                    .max(0);
                replay.set(usize::try_from(at).unwrap_or(0));
            }
            update::retell(state)
        }
    ),
    command!(
        "replay.speed",
        "speed",
        "Faster or slower, from 0.25 to 50 times.",
        "replay",
        &["N"],
        3,
        in_a_replay,
        |state, told| {
            let by = told.argument.parse::<i64>().unwrap_or(1);
            if let Some(replay) = state.run_mut().and_then(|run| run.replay.as_mut()) {
                replay.change_speed(by);
            }
            Vec::new()
        }
    ),
    command!(
        "replay.pauses",
        "automatic pauses",
        "In presenter mode, stop before edits, tests, errors and the verdict, or play through.",
        "replay",
        &[],
        5,
        |state| {
            in_a_replay(state)?;
            if state.preset == Preset::Demo {
                Ok(())
            } else {
                Err("only presenter mode stops by itself: g p turns it on".into())
            }
        },
        |state, _| {
            let off = !state.session.no_pauses;
            state.session.no_pauses = off;
            let words = if off {
                "the replay plays through"
            } else {
                "the replay stops before edits, tests, errors and the verdict"
            };
            state.say(Weight::Info, words);
            update::save(state)
        }
    ),
    command!(
        "replay.end",
        "end the replay",
        "All of the run again.",
        "replay",
        &[],
        4,
        in_a_replay,
        |state, _| {
            update::end_replay(state);
            Vec::new()
        }
    ),
    command!(
        "replay.reexecute",
        "carry out again",
        "Carry the recorded actions out again in a fresh sandbox, as a new run; what comes out otherwise is marked.",
        "run",
        &[],
        0,
        |state| {
            on_a_run(state)?;
            match state.run() {
                Some(run) if run.live => Err("it still runs: key S stops it".into()),
                Some(run) if run.story.last() == 0 => {
                    Err("no action of it is on record: there is nothing to carry out".into())
                }
                _ => Ok(()),
            }
        },
        |state, _| {
            let id = state.run().map(|run| run.id.clone());
            id.map(|id| vec![Effect::Reexecute { id }])
                .unwrap_or_default()
        }
    ),
];
