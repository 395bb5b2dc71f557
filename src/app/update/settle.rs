//! Before a frame: every position is brought up to date with the size and what there is, and the rows in view are made.
//!
//! Drawing then only copies rows. Work is that of what changed and what is in view, however long a trajectory is.

use crate::app::effect::Effect;
use crate::app::fences::Fences;
use crate::app::layer::Layer;
use crate::app::layout::Class;
use crate::app::run::page::Look;
use crate::app::run::{About, Pane, Room};
use crate::app::state::{Preset, State, View};
use crate::app::tasks::Part;
use crate::text::{Line, Role, markdown, wrap};

/// Rows of a pane that its title takes.
pub const PANE_HEAD: u16 = 2;
/// Rows of a list view that query and headings take.
pub const LIST_HEAD: u16 = 3;
/// Prose is never wider.
const PROSE: usize = 84;

/// First column of the tasks view's right half; the whole width where there is none.
#[must_use]
pub fn tasks_split(state: &State) -> u16 {
    let width = state.size.0;
    if state.class() <= Class::Small {
        return width;
    }
    (u32::from(width) * 60 / 100).try_into().unwrap_or(width)
}

/// See the module. What has to be asked for, so that the rows can be made, is an effect.
pub fn settle(state: &mut State) -> Vec<Effect> {
    let frame = state.frame();
    if let Some(layer) = state.layers.last_mut() {
        let rows = usize::from(frame.body.height.saturating_sub(4)).min(20);
        match layer {
            Layer::Picker(picker) => {
                let count = picker.query.rows.len();
                picker.list.fit(count, rows);
            }
            Layer::Messages(list) => {
                let count = state.messages.newest().len();
                list.fit(count, usize::from(frame.body.height.saturating_sub(2)));
            }
            _ => {}
        }
    }
    match state.view {
        View::Tasks => {
            settle_tasks(state);
            fences_wanted(state).into_iter().collect()
        }
        View::Library => {
            let rows = frame.body.height.saturating_sub(LIST_HEAD);
            let count = state.library.query.rows.len();
            state.library.list.fit(count, usize::from(rows));
            Vec::new()
        }
        View::Engines => Vec::new(),
        View::Run => settle_run(state),
    }
}

fn settle_tasks(state: &mut State) {
    let body = state.frame().body;
    let rows = body.height.saturating_sub(LIST_HEAD);
    let count = state.tasks.query.rows.len();
    state.tasks.list.fit(count, usize::from(rows));
    let split = tasks_split(state);
    let small = state.class() <= Class::Small;
    let width = if small {
        body.width
    } else {
        body.width.saturating_sub(split + 2)
    };
    let width = usize::from(width.saturating_sub(2)).min(PROSE);
    let gold = state.tasks.gold && !state.settings.blind;
    let key = state.tasks.current().map(|task| {
        let name = task.instance_id.clone();
        let coloured = fences_of(state, &name).is_some();
        (name, width, gold, state.settings.blind, coloured)
    });
    if state.tasks.built != key {
        let lines = statement(state, width, gold);
        state.tasks.lines = lines;
        // The same text that only gets its colours stays where it is.
        let place = |key: &Option<(String, usize, bool, bool, bool)>| {
            let (name, width, gold, blind, _) = key.clone()?;
            Some((name, width, gold, blind))
        };
        if place(&state.tasks.built) != place(&key) {
            state.tasks.scroll = crate::app::list::Scroll::default();
        }
        state.tasks.built = key;
    }
    let len = state.tasks.lines.len();
    let form = u16::try_from(state.tasks.form.entries.len()).unwrap_or(u16::MAX);
    let taken = if small {
        0
    } else {
        2 + if state.filling { form + 3 } else { 5 }
    };
    let height = usize::from(body.height.saturating_sub(taken));
    state.tasks.scroll.fit(len, height);
    state.tasks.visible = state
        .tasks
        .lines
        .get(state.tasks.scroll.window())
        .unwrap_or_default()
        .to_vec();
}

/// The highlighted code of a task's statement, once it is there.
fn fences_of<'a>(state: &'a State, task: &str) -> Option<&'a Fences> {
    let (name, fences) = state.tasks.fences.as_ref()?;
    (name == task).then_some(fences)
}

/// The statement that is being read has code whose colours are not there yet. Who only passes by in the list does not pay
/// for the grammars: they take ten megabytes.
fn fences_wanted(state: &mut State) -> Option<Effect> {
    if state.tasks.part != Part::Statement {
        return None;
    }
    let task = state.tasks.current()?;
    let text = &task.problem_statement;
    let has_code = ["```", "~~~", ">>> "]
        .iter()
        .any(|sign| text.contains(sign));
    if !has_code || state.tasks.highlighting || fences_of(state, &task.instance_id).is_some() {
        return None;
    }
    let task = std::sync::Arc::clone(task);
    state.tasks.highlighting = true;
    Some(Effect::Fences { task })
}

/// A task for reading: statement, tests, gold patch where it may be seen.
fn statement(state: &State, width: usize, gold: bool) -> Vec<Line> {
    let Some(task) = state.tasks.current() else {
        return Vec::new();
    };
    let glyphs = state.glyphs();
    let fences = fences_of(state, &task.instance_id);
    let code = |text: &str, word: &str| fences?.lines(text, word);
    let mut lines = markdown::page(&task.problem_statement, width, &code).lines;
    lines.push(Line::new());
    let (f2p, p2p) = (task.fail_to_pass.ids().len(), task.pass_to_pass.ids().len());
    lines.push(Line::of("tests", Role::Heading).with(
        &format!("   {f2p} must turn green, {p2p} must stay"),
        Role::Dim,
    ));
    for id in task.fail_to_pass.ids().iter().take(50) {
        let line = Line::of(glyphs.waiting(), Role::Skip)
            .with(" ", Role::Text)
            .with(&crate::text::safe::one_line(id), Role::Text);
        lines.push(wrap::cut(&line, width));
    }
    if let crate::task::TestList::Unknown(why) = &task.fail_to_pass {
        lines.push(Line::of(crate::text::safe::one_line(why), Role::Attention));
    }
    lines.push(Line::new());
    if state.settings.blind {
        lines
            .push(Line::of("gold patch", Role::Heading).with("   hidden in blind mode", Role::Dim));
    } else if gold {
        lines.push(Line::of("gold patch", Role::Heading));
        let look = crate::text::diff::Look {
            width,
            wrap: false,
            tab: 4,
        };
        for file in crate::text::diff::parse(&task.gold_patch) {
            for item in crate::text::diff::unified(&file) {
                lines.extend(look.draw(&file, item, &|_, _| None));
            }
        }
    } else {
        let keys = state
            .keymap
            .keys_for(&["tasks"], "task.gold", None)
            .first()
            .map(|keys| crate::keymap::shown(keys))
            .unwrap_or_default();
        lines.push(
            Line::of("gold patch", Role::Heading)
                .with("   hidden, press ", Role::Dim)
                .with(&keys, Role::Key)
                .with(" to see it", Role::Dim),
        );
    }
    lines
}

fn settle_run(state: &mut State) -> Vec<Effect> {
    let panes = state.panes();
    let glyphs = state.glyphs();
    let outcome = state.outcome();
    let demo = state.preset == Preset::Demo;
    let mut effects = Vec::new();
    let request = state.request();
    let site = state.settings.site.clone();
    let library = std::mem::take(&mut state.library.rows);
    if let Some(run) = state.runs.get_mut(state.current) {
        super::replaying::catch_up(run);
        let workdir = run.workdir().to_owned();
        let problem = run.problem().map(str::to_owned);
        for (pane, area) in &panes {
            // A column at each side stays free where panes stand side by side.
            let free = if *pane == Pane::Transcript { 1 } else { 2 };
            let width = usize::from(area.width.saturating_sub(free));
            let height = usize::from(area.height.saturating_sub(PANE_HEAD));
            let room = Room {
                width,
                height,
                glyphs,
            };
            let cursor = run.transcript.cursor;
            match pane {
                Pane::Transcript => {
                    let look = Look {
                        width: if demo { width.min(96) } else { width },
                        glyphs,
                        workdir: &workdir,
                        outcome,
                    };
                    let live = run.live || run.replay.is_some();
                    run.transcript
                        .settle(&run.story, problem.as_deref(), live, height, look);
                }
                Pane::Diff => run.diff.settle(&run.story, room),
                Pane::Tests => match &mut run.log {
                    Some(log) => log.settle(room),
                    None => {
                        run.tests
                            .settle(&run.story, run.task.as_deref(), cursor, room, outcome);
                    }
                },
                Pane::Files => {
                    run.files
                        .settle(&run.story, cursor, run.diff.shared(), &workdir, room);
                }
                Pane::Notes => {
                    let about = About {
                        id: &run.id,
                        site: site.as_ref(),
                        task: run.task.as_deref(),
                    };
                    run.notes.settle(about, &run.story, &library, room);
                }
            }
        }
        let wanted = run.diff.wanted(&run.story, run.transcript.cursor);
        let pair = wanted.and_then(|(from, to)| {
            let old = run.story.snapshot(from)?;
            Some((old.clone(), run.story.snapshot(to)?.clone()))
        });
        if let (Some(span), Some(pair)) = (wanted, pair)
            && run.diff.of != Some(span)
            && run.diff.asked.is_none()
        {
            run.diff.asked = Some((request, span));
            effects.push(Effect::Diff {
                id: run.id.clone(),
                request,
                from: span.0,
                to: span.1,
                snapshots: Box::new(pair),
            });
        }
    }
    state.library.rows = library;
    effects
}
