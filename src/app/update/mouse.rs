//! The pointer: the wheel scrolls what lies under it, a press focuses and selects, a drag of the rule resizes, one along the
//! scrub bar sets a replay's clock.

use crate::app::effect::Effect;
use crate::app::event::{Mouse, MouseKind};
use crate::app::list::Move;
use crate::app::run::Pane;
use crate::app::scrub::Scrub;
use crate::app::state::{State, View};
use crate::app::tasks::Part;

pub(super) fn mouse(state: &mut State, mouse: Mouse) -> Vec<Effect> {
    if let Some(list) = state
        .layers
        .is_empty()
        .then_some(())
        .map_or_else(|| state.list_mut(), |()| None)
    {
        if let MouseKind::Wheel(lines) = mouse.kind {
            list.go(Move::Rows(i64::from(lines)));
        }
        return Vec::new();
    }
    if !state.layers.is_empty() {
        return Vec::new();
    }
    match state.view {
        View::Run => in_run(state, mouse),
        View::Tasks => {
            let body = state.frame().body;
            let split = super::settle::tasks_split(state);
            let on_list = mouse.column < split;
            match mouse.kind {
                MouseKind::Wheel(lines) if on_list => {
                    state.tasks.list.go(Move::Rows(i64::from(lines)));
                }
                MouseKind::Wheel(lines) => state.tasks.scroll.go(Move::Rows(i64::from(lines))),
                MouseKind::Press => {
                    state.tasks.part = if on_list { Part::List } else { Part::Statement };
                    let head = body.y + super::settle::LIST_HEAD;
                    if on_list && mouse.row >= head {
                        let row = state.tasks.list.top + usize::from(mouse.row - head);
                        state.tasks.list.go(Move::To(row));
                    }
                }
                _ => {}
            }
            Vec::new()
        }
        View::Engines => Vec::new(),
        View::Library => {
            let head = state.frame().body.y + super::settle::LIST_HEAD;
            match mouse.kind {
                MouseKind::Wheel(lines) => state.library.list.go(Move::Rows(i64::from(lines))),
                MouseKind::Press if mouse.row >= head => {
                    let row = state.library.list.top + usize::from(mouse.row - head);
                    if row == state.library.list.cursor {
                        let id = state.library.current().map(|row| row.id.clone());
                        return id.map(|id| super::open_run(state, &id)).unwrap_or_default();
                    }
                    state.library.list.go(Move::To(row));
                }
                _ => {}
            }
            Vec::new()
        }
    }
}

/// Whether the pointer was about the scrub bar. Once its mark is held, it follows the pointer wherever that goes.
fn scrub(state: &mut State, mouse: Mouse) -> bool {
    match mouse.kind {
        MouseKind::Press => {
            let bar = Scrub::of(state).map(|scrub| scrub.bar);
            state.scrubbing = bar.is_some_and(|bar| bar.holds(mouse.column, mouse.row));
        }
        MouseKind::Release => return std::mem::take(&mut state.scrubbing),
        MouseKind::Drag => {}
        MouseKind::Wheel(_) => return false,
    }
    if state.scrubbing
        && let Some(scrub) = Scrub::of(state)
    {
        super::replaying::seek(state, scrub.share(mouse.column));
    }
    state.scrubbing
}

fn in_run(state: &mut State, mouse: Mouse) -> Vec<Effect> {
    if scrub(state, mouse) {
        return Vec::new();
    }
    let panes = state.panes();
    let body = state.frame().body;
    let rule = panes
        .first()
        .filter(|_| panes.len() > 1)
        .map(|(_, area)| area.x + area.width);
    if mouse.kind == MouseKind::Drag
        && rule.is_some_and(|rule| mouse.column.abs_diff(rule) <= 3)
        && body.width > 0
    {
        let percent = u32::from(mouse.column) * 100 / u32::from(body.width);
        state.ratio = u16::try_from(percent.clamp(20, 80)).unwrap_or(58);
        return Vec::new();
    }
    let Some((pane, area)) = panes
        .into_iter()
        .find(|(_, area)| area.holds(mouse.column, mouse.row))
    else {
        return Vec::new();
    };
    let Some(run) = state.runs.get_mut(state.current) else {
        return Vec::new();
    };
    match mouse.kind {
        MouseKind::Wheel(lines) => {
            let before = std::mem::replace(&mut run.focus, pane);
            super::go_in(run, Move::Rows(i64::from(lines)));
            run.focus = before;
        }
        MouseKind::Press => {
            run.focus = pane;
            let Some(row) = mouse.row.checked_sub(area.y + super::settle::PANE_HEAD) else {
                return Vec::new();
            };
            let row = usize::from(row);
            match pane {
                Pane::Transcript => {
                    if let Some(step) = run.transcript.step_at(&run.story, row) {
                        if step == run.transcript.cursor {
                            run.transcript.toggle(step);
                        }
                        run.transcript.follow = false;
                        run.transcript.cursor = step;
                    }
                }
                Pane::Tests if run.log.is_none() => {
                    run.tests.go(Move::To(run.tests.list.top + row));
                }
                Pane::Files => run.files.go(Move::To(run.files.list.top + row)),
                Pane::Notes => run.notes.go(Move::To(run.notes.list.top + row)),
                _ => {}
            }
        }
        _ => {}
    }
    Vec::new()
}
