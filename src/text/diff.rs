//! What changed between two texts, or in a patch: files, hunks, lines, words.
//!
//! Mental model: [`compare()`] (two texts) and [`parse()`] (a git patch) give the same [`FileDiff`]s, raw text inside. To show
//! one, ask for its [`Item`]s, in one column ([`unified`]) or two ([`pairs`]), and draw those that are in view ([`Look`]):
//! only then is text made safe. [`FileDiff::patch`] and [`FileDiff::hunk_patch`] give the patch back as text.
//!
//! All of it is bounded by size, not by time, so the same input always gives the same answer: words are compared within
//! blocks of a few kilobytes and for so much of a file, and texts too large to compare by lines are one replaced block.
//! [`Detail`] says how far it went. Nothing is applied here, and no git is run.

mod compare;
mod draw;
mod parse;
mod print;
mod words;

use std::ops::Range;

pub use compare::compare;
pub use draw::{Look, Side};
pub use parse::parse;

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Status {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its text changed.
    #[default]
    Modified,
    /// It has another name, and maybe another text.
    Renamed,
    /// It was made from another file.
    Copied,
    /// Only its mode changed.
    Mode,
}

/// How closely a file was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Lines, and words within lines that stand for one another.
    #[default]
    Words,
    /// Words only in the file's first part.
    SomeWords,
    /// Too large to compare by lines: what lies between the first and the last change counts as replaced.
    Block,
}

/// One file of a diff.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileDiff {
    /// Its name, the new one where there are two.
    pub path: String,
    /// Its name before, where that was another.
    pub old_path: Option<String>,
    /// What happened.
    pub status: Status,
    /// Whether its content is none to read as text.
    pub binary: bool,
    /// Modes before and after, where the patch says that they differ.
    pub modes: Option<(String, String)>,
    /// What changed, in order.
    pub hunks: Vec<Hunk>,
    /// Lines added.
    pub added: usize,
    /// Lines removed.
    pub removed: usize,
    /// How closely it was compared.
    pub detail: Detail,
    /// The patch's lines before the first hunk, as written; binary content too.
    header: Vec<String>,
    /// The largest line number.
    last_number: usize,
}

/// Changes close together, with some lines around them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hunk {
    /// First line before, from 1 (0 where there is none).
    pub old_start: usize,
    /// First line after.
    pub new_start: usize,
    /// What follows the second `@@`, usually the function around.
    pub heading: String,
    /// The lines.
    pub lines: Vec<DiffLine>,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// The same before and after.
    #[default]
    Context,
    /// Only after.
    Added,
    /// Only before.
    Removed,
}

impl Kind {
    /// The sign that patches begin such lines with.
    #[must_use]
    pub const fn sign(self) -> char {
        match self {
            Self::Context => ' ',
            Self::Added => '+',
            Self::Removed => '-',
        }
    }
}

/// A line of a hunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiffLine {
    /// What it is.
    pub kind: Kind,
    /// Its number before, from 1.
    pub old: Option<usize>,
    /// Its number after.
    pub new: Option<usize>,
    /// Its text as it is in the file, hostile as it may be, without the line end.
    pub text: String,
    /// Bytes of the text that the line it stands for does not have. Empty where the whole line changed.
    pub words: Vec<Range<usize>>,
    /// Whether the file ends with it, without a line end.
    pub unterminated: bool,
}

impl Hunk {
    /// How many lines it has before and after.
    #[must_use]
    pub fn lengths(&self) -> (usize, usize) {
        let count = |kind| self.lines.iter().filter(|line| line.kind != kind).count();
        (count(Kind::Added), count(Kind::Removed))
    }
}

/// A thing to draw: it takes one row, or several where lines are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// Name, counts, status.
    File,
    /// The head of a hunk.
    Hunk(usize),
    /// A line: hunk, and line within it.
    Line(usize, usize),
    /// Two lines side by side: hunk, line before, line after.
    Pair(usize, Option<usize>, Option<usize>),
}

impl Item {
    /// The hunk that it belongs to.
    #[must_use]
    pub const fn hunk(self) -> Option<usize> {
        match self {
            Self::File => None,
            Self::Hunk(hunk) | Self::Line(hunk, _) | Self::Pair(hunk, ..) => Some(hunk),
        }
    }
}

/// All of a file in one column.
#[must_use]
pub fn unified(file: &FileDiff) -> Vec<Item> {
    let mut items = vec![Item::File];
    for (number, hunk) in file.hunks.iter().enumerate() {
        items.push(Item::Hunk(number));
        items.extend((0..hunk.lines.len()).map(|line| Item::Line(number, line)));
    }
    items
}

/// All of a file in two columns: before and after. Removed and added lines that follow one another stand side by side.
#[must_use]
pub fn pairs(file: &FileDiff) -> Vec<Item> {
    let mut items = vec![Item::File];
    for (number, hunk) in file.hunks.iter().enumerate() {
        items.push(Item::Hunk(number));
        for block in blocks(&hunk.lines) {
            match block {
                Block::Context(line) => items.push(Item::Pair(number, Some(line), Some(line))),
                Block::Changed { removed, added } => {
                    let (mut removed, mut added) = (removed, added);
                    loop {
                        match (removed.next(), added.next()) {
                            (None, None) => break,
                            (left, right) => items.push(Item::Pair(number, left, right)),
                        }
                    }
                }
            }
        }
    }
    items
}

/// Lines of a hunk by what belongs together.
enum Block {
    Context(usize),
    /// Removed lines and the added ones that follow them at once; either may be none.
    Changed {
        removed: Range<usize>,
        added: Range<usize>,
    },
}

fn blocks(lines: &[DiffLine]) -> Vec<Block> {
    let run = |from: usize, kind: Kind| {
        let rest = lines.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|line| line.kind == kind).count()
    };
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        if line.kind == Kind::Context {
            blocks.push(Block::Context(at));
            at += 1;
        } else {
            let middle = run(at, Kind::Removed);
            let end = run(middle, Kind::Added);
            blocks.push(Block::Changed {
                removed: at..middle,
                added: middle..end,
            });
            at = end;
        }
    }
    blocks
}

#[cfg(test)]
mod tests;
