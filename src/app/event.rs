//! Everything that can happen to the workbench: what the terminal sends, what the executor answers, and the clock.

use jiff::Timestamp;

use super::news::News;
use crate::keymap::Key;

/// What a pointer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MouseKind {
    /// The first button went down.
    Press,
    /// It moved with the first button down.
    Drag,
    /// The first button came up.
    Release,
    /// The wheel, in lines; negative is up.
    Wheel(i32),
}

/// A pointer event on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mouse {
    /// What.
    pub kind: MouseKind,
    /// Column, from 0.
    pub column: u16,
    /// Row, from 0.
    pub row: u16,
}

/// See the module.
#[derive(Debug)]
pub enum Event {
    /// A key was pressed.
    Key(Key),
    /// Text was pasted; never keys.
    Paste(String),
    /// The pointer.
    Mouse(Mouse),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// The terminal's window got or lost the focus.
    Focus(bool),
    /// The executor has something to say.
    News(News),
    /// Time went on; sent only while something on screen depends on it.
    Tick(Timestamp),
}
