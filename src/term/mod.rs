//! The terminal: entering and leaving it, its input, its frames, what it can do.
//!
//! Mental model: [`Guard`] is the one thing that changes the terminal's state, and undoes it on every way out; [`Canvas`]
//! draws frames into it with one buffered, synchronised write each; [`input`] turns what it sends into the state's events;
//! [`Pace`] says when the next frame is due. Nothing here knows what is drawn.

mod canvas;
pub mod caps;
pub mod clipboard;
mod guard;
pub mod input;
mod late;
pub mod link;
mod pace;

pub use canvas::Canvas;
pub use guard::{Guard, flush_input, panicked, stop as guard_stop};
pub use pace::Pace;

/// Columns and rows of the terminal.
pub fn size() -> std::io::Result<(u16, u16)> {
    crossterm::terminal::size()
}
