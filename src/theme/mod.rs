//! Themes: reading `themes/*.toml`, and what each role looks like at the colour level of the terminal.
//!
//! Mental model: a theme file gives roles a fore- and background and attributes, in helix's format; loading resolves names,
//! inheritance and the terminal's colour level once, so that drawing looks up an array. Nothing outside this room knows a
//! colour. At the mono level every theme is the built-in `mono`, which tells things apart by attributes alone.
//! Which theme a session begins with follows the settings and, with two of them, the terminal's ground.

mod choose;
pub mod color;
mod load;

use ratatui::style::{Modifier, Style};

use crate::text::{Ink, Role};
pub use choose::{BUILT_IN, DEFAULT, choose, names};
pub use color::Level;
pub use load::{load, reload};

/// What each role looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    /// Its name.
    pub name: String,
    /// Made for a light ground, as far as the file says.
    pub light: bool,
    styles: Vec<Style>,
}

impl Theme {
    /// What a role looks like.
    #[must_use]
    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }

    /// What a piece of text looks like: its role, on the ground of another where it lies on one, with its own weight.
    #[must_use]
    pub fn ink(&self, ink: Ink) -> Style {
        let mut style = self.style(ink.role);
        let mut reverse = ink.reverse;
        match ink.over {
            // A program's coloured ground: the colour as a ground, with the screen's ground as ink. What it wanted to write
            // in is left out, because nobody has seen to it that the two can be told apart.
            Some(over) if over.is_ansi() => {
                style = self.style(over);
                reverse = !reverse;
            }
            Some(over) => {
                let ground = self.style(over);
                style.bg = ground.bg.or(style.bg);
                style.add_modifier |= ground.add_modifier;
                style.fg = style.fg.or(ground.fg);
            }
            None => {}
        }
        for (on, modifier) in [
            (ink.bold, Modifier::BOLD),
            (ink.italic, Modifier::ITALIC),
            (ink.underline, Modifier::UNDERLINED),
            (reverse, Modifier::REVERSED),
        ] {
            if on {
                style = style.add_modifier(modifier);
            }
        }
        style
    }
}

#[cfg(test)]
mod tests;
