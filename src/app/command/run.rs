//! Commands of the run view that look: panes, folds, search, diff, tests, replay.

use super::{Command, Reason, Told, always};
use crate::app::effect::Effect;
use crate::app::layer::{Ask, Asked};
use crate::app::messages::Weight;
use crate::app::run::{Fold, LogPane, Pane, Scope, Tests};
use crate::app::state::{Preset, State, View};
use crate::app::update;

pub(super) fn on_a_run(state: &State) -> Result<(), Reason> {
    match (state.view, state.run()) {
        (View::Run, Some(_)) => Ok(()),
        _ => Err("no run is shown: open one from the library, or start one".into()),
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
        "pane.next",
        "pane",
        "The next pane, or tab on a small screen.",
        "run",
        &["N"],
        50,
        on_a_run,
        |state, told| {
            let by = told.argument.parse::<i64>().unwrap_or(1);
            let shown: Vec<Pane> = if state.class() <= crate::app::layout::Class::Small
                || state.run().is_some_and(|run| run.zoom)
            {
                Pane::ALL.to_vec()
            } else {
                state.panes().into_iter().map(|(pane, _)| pane).collect()
            };
            if let Some(run) = state.run_mut() {
                let at = shown
                    .iter()
                    .position(|pane| *pane == run.focus)
                    .unwrap_or(0);
                let count = i64::try_from(shown.len().max(1)).unwrap_or(1);
                let to = (i64::try_from(at).unwrap_or(0) + by).rem_euclid(count);
                run.focus = usize::try_from(to)
                    .ok()
                    .and_then(|to| shown.get(to))
                    .copied()
                    .unwrap_or_default();
            }
            Vec::new()
        }
    ),
    command!(
        "pane.go",
        "to a pane",
        "The pane of a name.",
        "run",
        &["transcript", "diff", "tests", "files", "notes"],
        0,
        on_a_run,
        |state, told| {
            let wanted = Pane::ALL
                .into_iter()
                .find(|pane| pane.title().eq_ignore_ascii_case(&told.argument));
            if let (Some(pane), Some(run)) = (wanted, state.run_mut()) {
                run.focus = pane;
            }
            Vec::new()
        }
    ),
    command!(
        "pane.zoom",
        "zoom",
        "The focused pane has the screen to itself; again for all.",
        "run",
        &[],
        51,
        on_a_run,
        |state, _| {
            if let Some(run) = state.run_mut() {
                run.zoom = !run.zoom;
            }
            Vec::new()
        }
    ),
    command!(
        "run.next",
        "next attempt",
        "The next of the open runs.",
        "run",
        &["N"],
        0,
        on_a_run,
        |state, told| {
            let by = told
                .argument
                .parse::<i64>()
                .unwrap_or(1)
                .saturating_mul(told.times());
            let count = i64::try_from(state.runs.len().max(1)).unwrap_or(1);
            let to = (i64::try_from(state.current).unwrap_or(0) + by).rem_euclid(count);
            state.current = usize::try_from(to).unwrap_or(0);
            Vec::new()
        }
    ),
    command!(
        "run.grid",
        "grid",
        "All open runs in small panes, or one.",
        "run",
        &[],
        0,
        on_a_run,
        |state, _| {
            state.grid = !state.grid;
            Vec::new()
        }
    ),
    command!(
        "run.close",
        "close",
        "Put the run away; a live one goes on.",
        "run",
        &[],
        0,
        on_a_run,
        |state, _| {
            let Some(run) = state.run() else {
                return Vec::new();
            };
            let id = run.id.clone();
            let at = state.current;
            state.runs.remove(at);
            state.current = at.min(state.runs.len().saturating_sub(1));
            if state.runs.is_empty() {
                state.view = View::Library;
            }
            vec![Effect::Close { id }]
        }
    ),
    command!(
        "run.back",
        "back",
        "One thing less: the log, a search, a replay, a zoom; at last the list.",
        "run",
        &[],
        0,
        always,
        |state, _| {
            let Some(run) = state.run_mut() else {
                state.view = View::Tasks;
                return Vec::new();
            };
            if run.log.is_some() {
                run.log = None;
            } else if run.search.is_some() {
                run.search = None;
            } else if run.zoom {
                run.zoom = false;
            } else if state.preset == Preset::Demo {
                state.preset = Preset::Run;
            } else if state.grid {
                state.grid = false;
            } else if state.run().is_some_and(|run| run.replay.is_some()) {
                update::end_replay(state);
            } else {
                state.view = View::Tasks;
            }
            Vec::new()
        }
    ),
    // The transcript.
    command!(
        "step.next",
        "step",
        "The cursor goes to the next step; a count goes so many.",
        "run",
        &["N"],
        30,
        on_a_run,
        |state, told| {
            let by = told
                .argument
                .parse::<i64>()
                .unwrap_or(1)
                .saturating_mul(told.times());
            update::step_by(state, by)
        }
    ),
    command!(
        "step.go",
        "to a step …",
        "The cursor goes to a step of a number.",
        "run",
        &[],
        0,
        on_a_run,
        |state, told| {
            if let Some(step) = told.count {
                return update::step_to(state, step);
            }
            ask(state, Asked::Step, "step");
            Vec::new()
        }
    ),
    command!(
        "step.find",
        "to the next …",
        "The cursor goes to the next error, edit, test run, audit mark or difference from a recording.",
        "run",
        &["error", "edit", "test", "mark", "difference"],
        0,
        on_a_run,
        find_step
    ),
    command!(
        "fold.toggle",
        "fold",
        "One state further: folded, open, everything.",
        "transcript",
        &[],
        40,
        on_a_run,
        |state, _| {
            if let Some(run) = state.run_mut() {
                let step = run.transcript.cursor;
                run.transcript.toggle(step);
            }
            Vec::new()
        }
    ),
    command!(
        "fold.all",
        "fold all",
        "All steps: folded, open, or with everything.",
        "run",
        &["folded", "open", "whole"],
        0,
        on_a_run,
        |state, told| {
            let fold = match told.argument.as_str() {
                "folded" => Fold::Folded,
                "whole" => Fold::Whole,
                _ => Fold::Open,
            };
            if let Some(run) = state.run_mut() {
                run.transcript.set_all(fold);
            }
            Vec::new()
        }
    ),
    command!(
        "follow",
        "follow",
        "Stay at the end of a live run.",
        "run",
        &[],
        0,
        on_a_run,
        |state, _| {
            if let Some(run) = state.run_mut() {
                run.transcript.follow = true;
            }
            Vec::new()
        }
    ),
    command!(
        "search.open",
        "search",
        "Find a text in all steps, folded ones too; in a log, in its lines.",
        "run",
        &[],
        0,
        on_a_run,
        |state, _| {
            ask(state, Asked::Search, "search");
            Vec::new()
        }
    ),
    command!(
        "search.next",
        "next match",
        "The next step (or line of the log) that holds it.",
        "search",
        &["", "N"],
        3,
        on_a_run,
        |state, told| { update::search_next(state, told.argument != "-1") }
    ),
    // The diff.
    command!(
        "diff.scope",
        "total, step",
        "The diff of the whole run so far, or of the cursor's step.",
        "run",
        &[],
        32,
        on_a_run,
        |state, _| {
            if let Some(run) = state.run_mut() {
                run.diff.scope = match run.diff.scope {
                    Scope::Total => Scope::Step,
                    Scope::Step => Scope::Total,
                };
            }
            Vec::new()
        }
    ),
    command!(
        "diff.side",
        "side by side",
        "The diff in one column or two.",
        "run",
        &[],
        0,
        on_a_run,
        |state, _| {
            let side = !state.session.side_by_side;
            state.session.side_by_side = side;
            for run in &mut state.runs {
                run.diff.side_by_side = side;
            }
            Vec::new()
        }
    ),
    command!(
        "diff.hunk",
        "next hunk",
        "The next hunk of the diff.",
        "diff",
        &["N"],
        20,
        on_a_run,
        |state, told| {
            let forward = told.argument != "-1";
            if let Some(run) = state.run_mut() {
                run.diff.jump(forward, false);
            }
            Vec::new()
        }
    ),
    command!(
        "diff.file",
        "next file",
        "The next file of the diff.",
        "diff",
        &["N"],
        21,
        on_a_run,
        |state, told| {
            let forward = told.argument != "-1";
            if let Some(run) = state.run_mut() {
                run.diff.jump(forward, true);
            }
            Vec::new()
        }
    ),
    // The tests.
    command!(
        "tests.fold",
        "passed tests",
        "Show or hide the tests that passed.",
        "tests",
        &[],
        21,
        on_a_run,
        |state, _| {
            if let Some(run) = state.run_mut() {
                run.tests.unfolded = !run.tests.unfolded;
            }
            Vec::new()
        }
    ),
    command!(
        "tests.failing",
        "next failing",
        "The next failing test.",
        "tests",
        &["N"],
        22,
        on_a_run,
        |state, told| {
            let forward = told.argument != "-1";
            if let Some(run) = state.run_mut()
                && !run.tests.next_failing(forward)
            {
                state.say(Weight::Info, "no failing test that way");
            }
            Vec::new()
        }
    ),
    command!(
        "log.open",
        "raw log",
        "The raw log, at the line behind the test under the cursor.",
        "tests",
        &[],
        20,
        on_a_run,
        open_log
    ),
    command!(
        "log.close",
        "close the log",
        "Back to the table.",
        "log",
        &[],
        20,
        on_a_run,
        |state, _| {
            if let Some(run) = state.run_mut() {
                run.log = None;
            }
            Vec::new()
        }
    ),
    // Files and notes lead elsewhere.
    command!(
        "files.show",
        "its diff",
        "The file's part of the diff.",
        "files",
        &[],
        20,
        on_a_run,
        |state, _| {
            let path = state
                .run()
                .and_then(|run| run.files.path().map(str::to_owned));
            if let (Some(path), Some(run)) = (path, state.run_mut()) {
                if run.diff.show_file(&path) {
                    run.focus = Pane::Diff;
                } else {
                    state.say(Weight::Info, format!("{path} is not changed"));
                }
            }
            Vec::new()
        }
    ),
    command!(
        "notes.show",
        "go there",
        "The step of a mark, the run of a branch.",
        "notes",
        &[],
        20,
        on_a_run,
        |state, _| {
            use crate::app::run::Lead as Target;
            let target = state.run().map(|run| run.notes.target().clone());
            match target {
                Some(Target::Step(step)) => {
                    if let Some(run) = state.run_mut() {
                        run.focus = Pane::Transcript;
                    }
                    update::step_to(state, step)
                }
                Some(Target::Run(id)) => update::open_run(state, &id),
                _ => Vec::new(),
            }
        }
    ),
];

/// Ask for a line.
pub(super) fn ask(state: &mut State, what: Asked, label: &str) {
    state.ask = Some(Ask {
        what,
        label: label.into(),
        field: crate::app::field::Field::default(),
        history: None,
    });
}

fn find_step(state: &mut State, told: &Told) -> Vec<Effect> {
    let Some(run) = state.run() else {
        return Vec::new();
    };
    let fits = |step: &crate::app::story::Step| match told.argument.as_str() {
        "error" => step.has_error(),
        "edit" => step.has_edit(),
        "test" => step.actions().any(|(call, _)| {
            let arguments = &call.arguments;
            arguments.contains("pytest")
                || arguments.contains("unittest")
                || arguments.contains("test")
        }),
        "difference" => step.differs(),
        _ => !step.marks.is_empty(),
    };
    let from = run.step();
    let found = run
        .story
        .steps
        .iter()
        .find(|step| step.number > from && fits(step))
        .or_else(|| run.story.steps.iter().find(|step| fits(step)))
        .map(|step| step.number);
    if let Some(step) = found {
        update::step_to(state, step)
    } else {
        state.say(Weight::Info, format!("no step with: {}", told.argument));
        Vec::new()
    }
}

fn open_log(state: &mut State, _: &Told) -> Vec<Effect> {
    let Some(run) = state.run_mut() else {
        return Vec::new();
    };
    let line = match run.tests.target() {
        crate::app::run::Target::Test(_, line) => *line,
        _ => None,
    };
    let file = Tests::shown(&run.story, run.step()).and_then(|(_, _, log)| log.map(str::to_owned));
    let Some(file) = file else {
        state.say(
            Weight::Info,
            "there is no log yet: key x runs the tests as of the step under the cursor",
        );
        return Vec::new();
    };
    let id = run.id.clone();
    run.focus = Pane::Tests;
    run.log = Some(LogPane::of(&file, line));
    vec![Effect::Log { id, file }]
}
