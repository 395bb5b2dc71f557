//! A line of text whose pieces have roles: what every part of `text/` gives and every pane draws.
//!
//! One `String` and the lengths of its pieces, so that a line costs two allocations however many colours it has. A line
//! never holds a newline, a tab or a control character; whoever makes one has made its text safe before.

use std::ops::Range;

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

    /// Add another line's pieces at the end.
    pub fn append(&mut self, other: &Self) {
        for (text, ink) in other.pieces() {
            self.push(text, ink);
        }
    }

    /// The same text, the given byte ranges looking different. Ranges are in order and apart; one that does not lie on
    /// characters' ends changes nothing.
    #[must_use]
    pub fn painted(&self, ranges: &[Range<usize>], change: impl Fn(Ink) -> Ink) -> Self {
        let mut line = Self::new();
        let mut ranges = ranges.iter().peekable();
        let mut at = 0;
        for (text, ink) in self.pieces() {
            let end = at + text.len();
            while at < end {
                while ranges.next_if(|range| range.end <= at).is_some() {}
                let (until, ink) = match ranges.peek() {
                    Some(range) if range.start <= at => (range.end.min(end), change(ink)),
                    Some(range) => (range.start.min(end), ink),
                    None => (end, ink),
                };
                let start = at + text.len() - end;
                match text.get(start..until + text.len() - end) {
                    Some(part) => line.push(part, ink),
                    None => return self.clone(),
                }
                at = until;
            }
        }
        line
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

    #[test]
    fn painting_changes_the_looks_of_ranges_only() {
        let line = Line::of("abc", Role::Dim).with("déf", Role::Key);
        let painted = line.painted(&[1..2, 2..3, 3..6], |ink| ink.over(Role::Match));
        let pieces: Vec<_> = painted
            .pieces()
            .map(|(text, ink)| (text, ink.role, ink.over.is_some()))
            .collect();
        assert_eq!(
            pieces,
            [
                ("a", Role::Dim, false),
                ("bc", Role::Dim, true),
                ("dé", Role::Key, true),
                ("f", Role::Key, false),
            ]
        );
        assert_eq!(line.painted(&[0..1, 2..5], Ink::bold), line, "within é");
        assert_eq!(line.painted(&[0..1, 1..99], Ink::bold).text(), "abcdéf");
    }
}
