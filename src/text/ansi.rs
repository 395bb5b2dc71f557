//! What a command printed, as lines: its colours kept, everything else that a terminal would act on resolved or taken out.
//!
//! Mental model: a terminal with one endless row. Text overwrites what stands at the cursor, so `\r` progress bars and
//! backspaces come out as they would look in the end; so do the sequences that move or erase within the row. A line end
//! gives the row away and begins a new one. Colours become roles: 256 and true colours the nearest of the eight.
//! All other sequences (titles, clipboard, links, cursor moves between rows) vanish; characters that deceive a reader are
//! shown as [`super::safe`] shows them. Concealed text is shown: a reader should see what is there.
//!
//! Bytes may come in pieces of any size. A row keeps so many columns and counts the rest, so time and memory are linear
//! whatever is printed. Full-screen programs come out as the text that they wrote; [`super::screen`] shows those.

mod colour;

pub(super) use colour::{nearest, palette};

use unicode_width::UnicodeWidthChar as _;

use super::line::{Ink, Line};
use super::role::Role;
use super::safe;

/// Columns of a row that are kept.
const MAX_COLUMNS: usize = 32 * 1024;
/// A control string (title, link) longer than this was none: what follows is text.
const MAX_STRING: usize = 4 * 1024;
/// Parameters of a control sequence beyond this are left out.
const MAX_PARAMETERS: usize = 128;
/// How far a sequence moves beyond the end of a row.
const MAX_JUMP: usize = 256;
/// Columns between a terminal's tab stops.
const TAB: usize = 8;
/// The second column of a wide character.
const WIDE_TAIL: char = '\0';

/// See the module.
#[derive(Debug, Clone)]
pub struct Ansi {
    /// What text without a colour is.
    base: Role,
    ink: Ink,
    cells: Vec<(char, Ink)>,
    cursor: usize,
    /// The farthest column written to, which may lie beyond what is kept.
    reached: usize,
    state: State,
    /// The beginning of a character whose other bytes have not come yet.
    held: Vec<u8>,
}

#[derive(Debug, Clone)]
enum State {
    Text,
    /// After ESC, and after its intermediate characters.
    Escape {
        intermediate: bool,
    },
    /// Within a control sequence.
    Sequence(String),
    /// Within a control string: characters so far, and whether the last one was ESC.
    Str {
        length: usize,
        escape: bool,
    },
}

impl Ansi {
    /// Nothing printed yet; text that asks for no colour has the given role.
    #[must_use]
    pub const fn new(base: Role) -> Self {
        Self {
            base,
            ink: Ink::of(base),
            cells: Vec::new(),
            cursor: 0,
            reached: 0,
            state: State::Text,
            held: Vec::new(),
        }
    }

    /// Take more bytes; every line that they finish goes to `finished`.
    pub fn feed(&mut self, bytes: &[u8], mut finished: impl FnMut(Line)) {
        let joined;
        let mut rest = if self.held.is_empty() {
            bytes
        } else {
            self.held.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.held);
            joined.as_slice()
        };
        while !rest.is_empty() {
            let (valid, broken) = match std::str::from_utf8(rest) {
                Ok(text) => (text, None),
                Err(error) => {
                    let (valid, broken) = rest.split_at(error.valid_up_to());
                    // What was found valid is.
                    let valid = std::str::from_utf8(valid).unwrap_or_default();
                    (valid, Some((broken, error.error_len())))
                }
            };
            for c in valid.chars() {
                self.take(c, &mut finished);
            }
            match broken {
                None => break,
                Some((broken, None)) => {
                    self.held = broken.to_vec();
                    break;
                }
                Some((broken, Some(length))) => {
                    self.take(char::REPLACEMENT_CHARACTER, &mut finished);
                    rest = broken.get(length..).unwrap_or_default();
                }
            }
        }
    }

    /// The row that is not finished yet. None where nothing stands on it. An unfinished sequence or character waits unseen.
    #[must_use]
    pub fn tail(&self) -> Option<Line> {
        (self.reached > 0).then(|| self.line())
    }

    fn take(&mut self, c: char, finished: &mut impl FnMut(Line)) {
        match &mut self.state {
            State::Text => self.text(c, finished),
            State::Escape { intermediate } => {
                let first = !*intermediate;
                match c {
                    '[' if first => self.state = State::Sequence(String::new()),
                    ']' | 'P' | 'X' | '^' | '_' if first => self.open_string(),
                    ' '..='/' => *intermediate = true,
                    '0'..='~' => self.state = State::Text,
                    other => self.again(other, finished),
                }
            }
            State::Sequence(parameters) => match c {
                ' '..='?' => {
                    if parameters.len() < MAX_PARAMETERS {
                        parameters.push(c);
                    }
                }
                '@'..='~' => {
                    let parameters = std::mem::take(parameters);
                    self.state = State::Text;
                    self.sequence(c, &parameters);
                }
                other => self.again(other, finished),
            },
            State::Str { length, escape } => match c {
                '\u{7}' | '\u{9c}' => self.state = State::Text,
                '\\' if *escape => self.state = State::Text,
                // It must not swallow what follows its line.
                '\n' => self.again(c, finished),
                _ if *escape || *length >= MAX_STRING => {
                    self.state = if *escape {
                        State::Escape {
                            intermediate: false,
                        }
                    } else {
                        State::Text
                    };
                    self.take(c, finished);
                }
                _ => {
                    *length += 1;
                    *escape = c == '\u{1b}';
                }
            },
        }
    }

    /// A character that ends what was begun and means what it means in text.
    fn again(&mut self, c: char, finished: &mut impl FnMut(Line)) {
        self.state = State::Text;
        self.text(c, finished);
    }

    fn open_string(&mut self) {
        self.state = State::Str {
            length: 0,
            escape: false,
        };
    }

    fn text(&mut self, c: char, finished: &mut impl FnMut(Line)) {
        match c {
            '\n' => {
                finished(self.line());
                self.cells.clear();
                self.cursor = 0;
                self.reached = 0;
            }
            '\r' => self.cursor = 0,
            '\u{8}' => self.cursor = self.cursor.saturating_sub(1),
            '\t' => self.cursor = self.cursor.saturating_add(TAB - self.cursor % TAB),
            '\u{1b}' => {
                self.state = State::Escape {
                    intermediate: false,
                }
            }
            '\u{9b}' => self.state = State::Sequence(String::new()),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => self.open_string(),
            c if safe::is_hidden(c) => {
                let mut buffer = [0; 4];
                for c in safe::visible(c.encode_utf8(&mut buffer)).chars() {
                    self.put(c);
                }
            }
            c => self.put(c),
        }
    }

    /// A character that is safe, at the cursor.
    fn put(&mut self, c: char) {
        let columns = c.width().unwrap_or(0);
        if columns == 0 {
            // A mark on the character before. It takes a cell here, which only an overwritten row could tell.
            self.set(c);
            return;
        }
        self.set(c);
        if columns > 1 {
            self.set(WIDE_TAIL);
        }
    }

    fn set(&mut self, c: char) {
        let at = self.cursor;
        self.cursor = self.cursor.saturating_add(1);
        self.reached = self.reached.max(self.cursor);
        if at >= MAX_COLUMNS {
            return;
        }
        if at >= self.cells.len() {
            self.cells.resize(at, (' ', Ink::of(self.base)));
            self.cells.push((c, self.ink));
            return;
        }
        // Half of a wide character cannot stay.
        let old = self.cells.get(at).map(|cell| cell.0);
        if old == Some(WIDE_TAIL) && c != WIDE_TAIL {
            self.blank(at.wrapping_sub(1));
        }
        if self.cells.get(at + 1).map(|cell| cell.0) == Some(WIDE_TAIL) {
            self.blank(at + 1);
        }
        if let Some(cell) = self.cells.get_mut(at) {
            *cell = (c, self.ink);
        }
    }

    fn blank(&mut self, at: usize) {
        if let Some(cell) = self.cells.get_mut(at) {
            cell.0 = ' ';
        }
    }

    fn sequence(&mut self, kind: char, parameters: &str) {
        if parameters.starts_with(['<', '=', '>', '?']) || parameters.contains(' ') {
            return;
        }
        let number = parameters.split([';', ':']).next().unwrap_or_default();
        let number: usize = number.parse().unwrap_or(0);
        let step = number.clamp(1, MAX_COLUMNS);
        match kind {
            'm' => self.ink = colour::changed(self.ink, parameters, self.base),
            'C' => self.jump(self.cursor.saturating_add(step)),
            'D' => self.cursor = self.cursor.saturating_sub(step),
            'G' | '`' => self.jump(step - 1),
            'K' => self.erase(number),
            _ => {}
        }
    }

    /// A jump beyond what is written makes blanks out of few bytes, so it goes no farther than a terminal is wide.
    fn jump(&mut self, column: usize) {
        self.cursor = column.min(self.reached.max(self.cursor).saturating_add(MAX_JUMP));
    }

    /// What costs more than it was to write (erasing before the cursor, deleting within the row) is left out.
    fn erase(&mut self, part: usize) {
        let from = match part {
            0 => self.cursor,
            2 => 0,
            _ => return,
        };
        self.cells.truncate(from);
        self.reached = self.reached.min(from);
    }

    fn line(&self) -> Line {
        let mut line = Line::new();
        let mut run = String::new();
        for group in self.cells.chunk_by(|a, b| a.1 == b.1) {
            run.clear();
            run.extend(group.iter().map(|cell| cell.0).filter(|c| *c != WIDE_TAIL));
            let ink = group.first().map_or(self.ink, |cell| cell.1);
            line.push(&run, ink);
        }
        let more = self.reached.saturating_sub(MAX_COLUMNS);
        if more > 0 {
            line.push(&format!(" … {more} more columns"), Role::Dim);
        }
        line
    }
}

/// All lines of what was printed, an unfinished last one too.
#[must_use]
pub fn lines(bytes: &[u8], base: Role) -> Vec<Line> {
    let mut ansi = Ansi::new(base);
    let mut lines = Vec::new();
    ansi.feed(bytes, |line| lines.push(line));
    lines.extend(ansi.tail());
    lines
}

#[cfg(test)]
mod tests;
