//! A line of text whose pieces have roles: what every part of `text/` gives and every pane draws.
//!
//! One `String` and the lengths of its pieces, so that a line costs two allocations however many colours it has. A line
//! never holds a newline, a tab or a control character; whoever makes one has made its text safe before.

use super::role::Role;

/// How a piece of text looks, besides what its role says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ink {
    /// What it is.
    pub role: Role,
    /// What it stands on, where that is not the ground: an added line's code keeps its own role over `diff.add`'s ground.
    pub over: Option<Role>,
    /// Heavier than its role.
    pub bold: bool,
    /// Slanted.
    pub italic: bool,
    /// Underlined.
    pub underline: bool,
    /// Fore- and background exchanged.
    pub reverse: bool,
}

impl Ink {
    /// A role as the theme has it.
    #[must_use]
    pub const fn of(role: Role) -> Self {
        Self {
            role,
            over: None,
            bold: false,
            italic: false,
            underline: false,
            reverse: false,
        }
    }

    /// The same, heavier.
    #[must_use]
    pub const fn bold(mut self) -> Self {
        self.bold = true;
        self
    }

    /// The same, on the ground of another role.
    #[must_use]
    pub const fn over(mut self, ground: Role) -> Self {
        self.over = Some(ground);
        self
    }
}

impl From<Role> for Ink {
    fn from(role: Role) -> Self {
        Self::of(role)
    }
}

/// A piece of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Bytes of the line's text that it covers.
    pub len: usize,
    /// How it looks.
    pub ink: Ink,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    text: String,
    pieces: Vec<Piece>,
}

impl Line {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            text: String::new(),
            pieces: Vec::new(),
        }
    }

    /// A line of one piece.
    #[must_use]
    pub fn of(text: impl Into<String>, ink: impl Into<Ink>) -> Self {
        let text = text.into();
        let ink = ink.into();
        let pieces = if text.is_empty() {
            Vec::new()
        } else {
            vec![Piece {
                len: text.len(),
                ink,
            }]
        };
        Self { text, pieces }
    }

    /// Add a piece at the end.
    pub fn push(&mut self, text: &str, ink: impl Into<Ink>) {
        if text.is_empty() {
            return;
        }
        let ink = ink.into();
        self.text.push_str(text);
        match self.pieces.last_mut() {
            Some(last) if last.ink == ink => last.len += text.len(),
            _ => self.pieces.push(Piece {
                len: text.len(),
                ink,
            }),
        }
    }

    /// Add a piece at the end, as part of a chain.
    #[must_use]
    pub fn with(mut self, text: &str, ink: impl Into<Ink>) -> Self {
        self.push(text, ink);
        self
    }

    /// The text without its looks.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> impl Iterator<Item = (&str, Ink)> {
        let mut at = 0;
        self.pieces.iter().filter_map(move |piece| {
            let from = at;
            at += piece.len;
            Some((self.text.get(from..at)?, piece.ink))
        })
    }

    /// Columns that it takes on a terminal.
    #[must_use]
    pub fn width(&self) -> usize {
        unicode_width::UnicodeWidthStr::width(self.text.as_str())
    }

    /// Bytes that it holds, for caches that count.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.capacity() + self.pieces.capacity() * size_of::<Piece>() + size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_text_in_order_and_equal_neighbours_are_one() {
        let line = Line::of("a", Role::Dim)
            .with("b", Role::Dim)
            .with("", Role::Key)
            .with("ü", Role::Key);
        let pieces: Vec<_> = line
            .pieces()
            .map(|(text, ink)| (text.to_owned(), ink.role))
            .collect();
        assert_eq!(
            pieces,
            [("ab".to_owned(), Role::Dim), ("ü".to_owned(), Role::Key)]
        );
        assert_eq!((line.text(), line.width()), ("abü", 3));
    }
}
