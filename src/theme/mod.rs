//! Themes: reading `themes/*.toml`, and what each role looks like at the colour level of the terminal.
//!
//! Mental model: a theme file gives roles a fore- and background and attributes, in helix's format; loading resolves names,
//! inheritance and the terminal's colour level once, so that drawing looks up an array. Nothing outside this room knows a
//! colour. At the mono level every theme is the built-in `mono`, which tells things apart by attributes alone.

pub mod color;
mod load;

use ratatui::style::{Modifier, Style};

use crate::text::{Ink, Role};
pub use color::Level;
pub use load::{BUILT_IN, load, names};

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
        if let Some(over) = ink.over {
            let ground = self.style(over);
            style.bg = ground.bg.or(style.bg);
            style.add_modifier |= ground.add_modifier;
            // A theme without grounds says added and removed by the colour of the text.
            if style.fg.is_none() || ground.bg.is_none() && ground.fg.is_some() {
                style.fg = ground.fg;
            }
        }
        for (on, modifier) in [
            (ink.bold, Modifier::BOLD),
            (ink.italic, Modifier::ITALIC),
            (ink.underline, Modifier::UNDERLINED),
            (ink.reverse, Modifier::REVERSED),
        ] {
            if on {
                style = style.add_modifier(modifier);
            }
        }
        style
    }
}
