//! A live terminal within the terminal: the shell that a person takes over, or a full-screen program.
//!
//! Bytes go in, rows of safe text with roles come out, and where the cursor is. What the program asks of its terminal beyond
//! that (a title, the clipboard, a bell, where the cursor is, another size) is heard by nobody. Cells can hold no control
//! characters; what else deceives a reader is shown as [`super::safe`] does, at the price of the columns after it.

use std::num::NonZeroU16;

use super::ansi;
use super::line::{Ink, Line};
use super::role::Role;
use super::safe;

/// Rows kept that have gone over the top.
const SCROLLBACK: usize = 2_000;
/// Larger than any terminal; more is taken for a mistake.
const MAX_SIDE: u16 = 1_000;

/// See the module.
pub struct Screen {
    parser: vt100::Parser,
}

impl Screen {
    /// An empty screen of so many rows and columns, at least one of each.
    #[must_use]
    pub fn new(rows: u16, columns: u16) -> Self {
        Self {
            parser: vt100::Parser::new(side(rows), side(columns), SCROLLBACK),
        }
    }

    /// What the program printed.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.parser.process(bytes);
    }

    /// Give it another size.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        self.parser.screen_mut().set_size(side(rows), side(columns));
    }

    /// Rows and columns.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        let (rows, columns) = self.parser.screen().size();
        (rows.get(), columns.get())
    }

    /// Look so many rows back; 0 is where the program writes. More than there are gives the oldest.
    pub fn scroll_to(&mut self, rows_back: usize) {
        self.parser.screen_mut().set_scrollback(rows_back);
    }

    /// How many rows it looks back.
    #[must_use]
    pub fn scrolled(&self) -> usize {
        self.parser.screen().scrollback()
    }

    /// Row and column of the cursor, from 0. None while it is hidden or out of sight.
    #[must_use]
    pub fn cursor(&self) -> Option<(u16, u16)> {
        let screen = self.parser.screen();
        (!screen.hide_cursor() && self.scrolled() == 0).then(|| screen.cursor_position())
    }

    /// Whether a full-screen program has the screen.
    #[must_use]
    pub fn is_alternate(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    /// Whether arrow keys are to be sent in their application form.
    #[must_use]
    pub fn wants_application_cursor(&self) -> bool {
        self.parser.screen().application_cursor()
    }

    /// Whether pasted text is to be marked as such.
    #[must_use]
    pub fn wants_bracketed_paste(&self) -> bool {
        self.parser.screen().bracketed_paste()
    }

    /// All rows in sight, top first; blanks at their ends are left out.
    #[must_use]
    pub fn rows(&self) -> Vec<Line> {
        let (rows, _) = self.size();
        (0..rows).map(|row| self.row(row)).collect()
    }

    fn row(&self, row: u16) -> Line {
        let screen = self.parser.screen();
        let (_, columns) = self.size();
        let mut line = Line::new();
        let mut blanks = 0;
        for column in 0..columns {
            let Some(cell) = screen.cell(row, column) else {
                break;
            };
            if cell.is_wide_continuation() {
                continue;
            }
            let ink = ink(cell);
            if !cell.has_contents() && ink == Ink::of(Role::Output) {
                blanks += 1;
                continue;
            }
            line.push(&" ".repeat(blanks), Role::Output);
            blanks = 0;
            if cell.has_contents() {
                line.push(&safe::one_line(cell.contents()), ink);
            } else {
                line.push(" ", ink);
            }
        }
        line
    }
}

fn side(length: u16) -> NonZeroU16 {
    NonZeroU16::new(length.min(MAX_SIDE)).unwrap_or(NonZeroU16::MIN)
}

fn ink(cell: &vt100::Cell) -> Ink {
    let role = |colour: vt100::Color| match colour {
        vt100::Color::Default => None,
        vt100::Color::Idx(index) => Some(ansi::palette(index)),
        vt100::Color::Rgb(red, green, blue) => Some(ansi::nearest(red, green, blue)),
    };
    let plain = if cell.dim() { Role::Dim } else { Role::Output };
    Ink {
        role: role(cell.fgcolor()).unwrap_or(plain),
        over: role(cell.bgcolor()),
        bold: cell.bold(),
        italic: cell.italic(),
        underline: cell.underline(),
        reverse: cell.inverse(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(screen: &Screen) -> Vec<String> {
        screen
            .rows()
            .iter()
            .map(|row| row.text().to_owned())
            .collect()
    }

    #[test]
    fn what_a_program_draws_is_there_with_its_colours() {
        let mut screen = Screen::new(3, 10);
        screen.feed(b"$ ls\r\n\x1b[1;31mred\x1b[0m x\x1b[3;5H\xe6\x97\xa5");
        assert_eq!(texts(&screen), ["$ ls", "red x", "    日"]);
        let pieces: Vec<_> = screen.rows()[1]
            .pieces()
            .map(|(_, ink)| (ink.role, ink.bold))
            .collect();
        assert_eq!(pieces, [(Role::Ansi1, true), (Role::Output, false)]);
        assert_eq!(screen.cursor(), Some((2, 6)));
        screen.feed(b"\x1b[?25l");
        assert_eq!(screen.cursor(), None);
        screen.feed(b"\x1b[?1049h");
        assert!(screen.is_alternate());
    }

    #[test]
    fn titles_and_clipboards_leave_no_trace_and_sizes_are_bounded() {
        let mut screen = Screen::new(0, 0);
        assert_eq!(screen.size(), (1, 1));
        screen.resize(u16::MAX, 30);
        assert_eq!(screen.size(), (MAX_SIDE, 30));
        screen.resize(2, 30);
        screen.feed(b"a\x1b]0;title\x07b\x1b]52;c;eHh4\x07c\x1b[6n\x1b[c\x1b[8;900;900t");
        assert_eq!(texts(&screen), ["abc", ""]);
        assert_eq!(screen.size(), (2, 30));
        screen.feed("\u{202e}x".as_bytes());
        assert!(!texts(&screen).concat().contains('\u{202e}'));
    }

    #[test]
    fn rows_that_went_over_the_top_can_be_seen_again() {
        let mut screen = Screen::new(2, 10);
        screen.feed(b"one\r\ntwo\r\nthree");
        screen.scroll_to(99);
        assert_eq!(
            (texts(&screen), screen.scrolled()),
            (vec!["one".into(), "two".into()], 1)
        );
        assert_eq!(screen.cursor(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_leave_anything_hidden(
            parts in proptest::collection::vec(prop_oneof![
                Just(b"\x1b[99999;99999H".to_vec()), Just(b"\x1b[5S".to_vec()), Just(b"\x1b[2;1r".to_vec()),
                Just("日\u{301}\u{202e}".into()), any::<Vec<u8>>(), "\x1b\\[[0-9;?]{0,6}[@-~]".prop_map(String::into_bytes),
            ], 0..20),
            size in (0u16..6, 0u16..12),
        ) {
            let mut screen = Screen::new(4, 8);
            for part in &parts {
                screen.feed(part);
                screen.resize(size.0, size.1);
            }
            for row in screen.rows() {
                prop_assert!(!row.text().chars().any(|c| safe::is_hidden(c) || c == '\n' || c == '\t'));
            }
        }
    }
}
