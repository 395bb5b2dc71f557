//! Drawing: from the state to a frame. No IO, no channels.
//!
//! Mental model: [`crate::app::settle()`] has made the rows in view, so drawing copies lines into cells with the theme's styles.
//! One thin rule under the header, one above the keys, one between panes; no boxes.

mod engines;
mod header;
mod keys;
mod layers;
mod library;
mod paint;
mod presenter;
mod run;
mod tasks;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::app::State;
use crate::app::layout::{Area, Class};
use crate::app::state::{Preset, View};
use crate::text::Role;
use crate::text::mask::Mask;
use crate::theme::Theme;
use paint::Paint;

/// What drawing needs besides the state.
#[derive(Debug)]
pub struct Eye {
    /// What roles look like.
    pub theme: Theme,
    /// What must not be seen while presenting.
    pub mask: Mask,
    /// Links are written as OSC 8.
    pub links: bool,
}

/// Draw everything.
pub fn view(state: &State, eye: &Eye, frame: &mut Frame<'_>) {
    let area = frame.area();
    if (area.width, area.height) != state.size {
        // The terminal changed between the state's layout and this frame: another frame comes, and cells outside would be fatal.
        return;
    }
    let presenting = state.preset == Preset::Demo && state.view == View::Run;
    let mut paint = Paint::new(frame.buffer_mut(), eye, presenting, state.settings.ascii);
    paint.ground();
    if state.class() == Class::Tiny {
        header::tiny(state, &mut paint);
        return;
    }
    let parts = state.frame();
    match state.view {
        View::Run if presenting && state.run().is_some() => presenter::draw(state, &mut paint),
        view => {
            header::draw(state, &mut paint);
            match view {
                View::Tasks => tasks::draw(state, &mut paint),
                View::Library => library::draw(state, &mut paint),
                View::Engines => engines::draw(state, &mut paint),
                View::Run => run::draw(state, &mut paint),
            }
        }
    }
    run::question(state, parts.question, &mut paint);
    paint.rule(parts.keys_rule, state.glyphs());
    keys::draw(state, parts.keys, &mut paint);
    layers::draw(state, &mut paint);
    let cursor = paint.cursor;
    if let Some((x, y)) = cursor
        && x < area.width
        && y < area.height
    {
        frame.set_cursor_position((x, y));
    }
}

/// An area as ratatui has it.
fn rect(area: Area) -> Rect {
    Rect::new(area.x, area.y, area.width, area.height)
}

/// A word in a role, as a line.
fn word(text: &str, role: Role) -> crate::text::Line {
    crate::text::Line::of(text, role)
}
