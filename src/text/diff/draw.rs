//! Items of a diff as lines: in one column or two, cut or wrapped, over highlighted code where the caller has it.

use super::{DiffLine, FileDiff, Item, Kind, Status};
use crate::text::line::{Ink, Line};
use crate::text::role::Role;
use crate::text::safe;
use crate::text::wrap::{self, Hang};

/// Before or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Before.
    Old,
    /// After.
    New,
}

/// How items are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns.
    pub width: usize,
    /// Long lines go on in further rows; else they are cut.
    pub wrap: bool,
    /// Columns between tab stops.
    pub tab: usize,
}

/// Between the two sides.
const RULE: &str = " │ ";

impl Look {
    /// The rows of an item. `code` may give a line of a side (numbers from 1) as highlighted code; it is used if it is the
    /// same text made safe with the same tabs.
    #[must_use]
    pub fn draw(
        &self,
        file: &FileDiff,
        item: Item,
        code: &dyn Fn(Side, usize) -> Option<Line>,
    ) -> Vec<Line> {
        match item {
            Item::File => vec![wrap::cut(&title(file), self.width)],
            Item::Hunk(hunk) => {
                let header = file.hunks.get(hunk).map(super::Hunk::header);
                let header = safe::one_line(&header.unwrap_or_default());
                vec![wrap::cut(&Line::of(header, Role::DiffHunk), self.width)]
            }
            Item::Line(hunk, line) => {
                let Some(line) = line_of(file, hunk, line) else {
                    return Vec::new();
                };
                let digits = digits(file);
                let gutter = format!("{} {} ", number(line.old, digits), number(line.new, digits));
                let side = if line.kind == Kind::Removed {
                    Side::Old
                } else {
                    Side::New
                };
                self.column(line, side, &gutter, self.width, code)
            }
            Item::Pair(hunk, old, new) => {
                let line = |at: Option<usize>| at.and_then(|at| line_of(file, hunk, at));
                self.pair(file, line(old), line(new), code)
            }
        }
    }

    /// How many rows [`Look::draw`] gives.
    #[must_use]
    pub fn height(&self, file: &FileDiff, item: Item) -> usize {
        if !self.wrap {
            return 1;
        }
        let rows = |line: Option<&DiffLine>, gutter: usize, width: usize| {
            let Some(line) = line else { return 1 };
            let (text, _) = self.shown(line);
            let room = width.saturating_sub(gutter + 2).max(1);
            wrap::spans(&format!("{text}{}", tail(line)), room, Hang::Indent).count()
        };
        match item {
            Item::File | Item::Hunk(_) => 1,
            Item::Line(hunk, line) => {
                let gutter = 2 * digits(file) + 2;
                rows(line_of(file, hunk, line), gutter, self.width)
            }
            Item::Pair(hunk, old, new) => {
                let line = |at: Option<usize>| at.and_then(|at| line_of(file, hunk, at));
                let gutter = digits(file) + 1;
                let (left, right) = self.halves();
                rows(line(old), gutter, left).max(rows(line(new), gutter, right))
            }
        }
    }

    fn halves(&self) -> (usize, usize) {
        let both = self.width.saturating_sub(wrap::columns(RULE));
        (both / 2, both - both / 2)
    }

    fn pair(
        &self,
        file: &FileDiff,
        old: Option<&DiffLine>,
        new: Option<&DiffLine>,
        code: &dyn Fn(Side, usize) -> Option<Line>,
    ) -> Vec<Line> {
        let digits = digits(file);
        let (left_width, right_width) = self.halves();
        let half = |line: Option<&DiffLine>, side: Side, width: usize| {
            let Some(line) = line else {
                return Vec::new();
            };
            let n = if side == Side::Old {
                line.old
            } else {
                line.new
            };
            let gutter = format!("{} ", number(n, digits));
            self.column(line, side, &gutter, width, code)
        };
        let left = half(old, Side::Old, left_width);
        let right = half(new, Side::New, right_width);
        let mut rows = Vec::new();
        for at in 0..left.len().max(right.len()).max(1) {
            let mut row = left.get(at).cloned().unwrap_or_default();
            let blank = left_width.saturating_sub(wrap::columns(row.text()));
            let ground = match old.map(|line| line.kind) {
                Some(Kind::Removed) if !row.is_empty() => Ink::of(Role::Text).over(Role::DiffDel),
                _ => Ink::default(),
            };
            row.push(&" ".repeat(blank), ground);
            row.push(RULE, Role::Rule);
            if let Some(right) = right.get(at) {
                row.append(right);
            }
            rows.push(wrap::cut(&row, self.width));
        }
        rows
    }

    /// One line with its gutter and sign, in so many columns.
    fn column(
        &self,
        line: &DiffLine,
        side: Side,
        gutter: &str,
        width: usize,
        code: &dyn Fn(Side, usize) -> Option<Line>,
    ) -> Vec<Line> {
        let (role, word) = match line.kind {
            Kind::Context => (Role::DiffContext, Role::DiffContext),
            Kind::Added => (Role::DiffAdd, Role::DiffAddWord),
            Kind::Removed => (Role::DiffDel, Role::DiffDelWord),
        };
        let (text, words) = self.shown(line);
        let number = match side {
            Side::Old => line.old,
            Side::New => line.new,
        };
        let highlighted = number
            .and_then(|number| code(side, number))
            .filter(|code| code.text() == text);
        let mut content = match (highlighted, line.kind) {
            (Some(code), Kind::Context) => code,
            (Some(code), _) => {
                let whole = 0..text.len();
                code.painted(&[whole], |ink| ink.over(role))
                    .painted(&words, |ink| ink.over(word))
            }
            (None, _) => Line::of(text, role).painted(&words, |_| Ink::of(word)),
        };
        content.push(tail(line), Role::Dim);
        let room = width.saturating_sub(wrap::columns(gutter) + 2).max(1);
        let contents = if self.wrap {
            wrap::rows(&content, room, Hang::Indent)
        } else {
            vec![wrap::cut(&content, room)]
        };
        let rows = contents.iter().enumerate().map(|(at, content)| {
            let mut row = Line::new();
            if at == 0 {
                row.push(gutter, Role::Gutter);
                row.push(&format!("{} ", line.kind.sign()), role);
            } else {
                row.push(&" ".repeat(wrap::columns(gutter)), Role::Gutter);
                row.push("  ", role);
            }
            row.append(content);
            wrap::cut(&row, width)
        });
        rows.collect()
    }

    /// The line's text made safe, and where its marked words are then.
    fn shown(&self, line: &DiffLine) -> (String, Vec<std::ops::Range<usize>>) {
        let text = wrap::clean(&line.text, self.tab).into_owned();
        if text.len() == line.text.len() {
            return (text, line.words.clone());
        }
        // A beginning of the text gives a beginning of the safe text.
        let moved = |at: usize| {
            let head = line.text.get(..at).unwrap_or_default();
            wrap::clean(head, self.tab).len()
        };
        let words = line
            .words
            .iter()
            .map(|word| moved(word.start)..moved(word.end));
        let words = words.collect();
        (text, words)
    }
}

fn line_of(file: &FileDiff, hunk: usize, line: usize) -> Option<&DiffLine> {
    file.hunks.get(hunk)?.lines.get(line)
}

fn tail(line: &DiffLine) -> &'static str {
    if line.unterminated {
        " (no newline at end)"
    } else {
        ""
    }
}

/// Digits of the largest line number.
fn digits(file: &FileDiff) -> usize {
    file.last_number.max(1).ilog10() as usize + 1
}

fn number(number: Option<usize>, digits: usize) -> String {
    match number {
        Some(number) => format!("{number:>digits$}"),
        None => " ".repeat(digits),
    }
}

fn title(file: &FileDiff) -> Line {
    let mut line = Line::of(safe::one_line(&file.path), Role::Strong);
    let old = file.old_path.as_deref().map(safe::one_line);
    let old = old.as_deref().unwrap_or("another file");
    let what = match file.status {
        Status::Added => "new".to_owned(),
        Status::Removed => "removed".to_owned(),
        Status::Modified | Status::Mode => String::new(),
        Status::Renamed => format!("renamed from {old}"),
        Status::Copied => format!("copied from {old}"),
    };
    let modes = file.modes.as_ref().map_or(String::new(), |(old, new)| {
        format!("mode {} → {}", safe::one_line(old), safe::one_line(new))
    });
    let binary = if file.binary { "binary" } else { "" };
    for note in [what.as_str(), &modes, binary] {
        if !note.is_empty() {
            line.push(&format!("  {note}"), Role::Dim);
        }
    }
    if file.added + file.removed > 0 {
        line.push("  ", Role::Text);
        line.push(&format!("+{}", file.added), Role::DiffAdd);
        line.push(" ", Role::Text);
        line.push(&format!("−{}", file.removed), Role::DiffDel);
    }
    line
}
