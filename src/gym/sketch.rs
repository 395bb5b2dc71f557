//! A function with the places marked where it can be got wrong.
//!
//! A **sketch** is Python text in which `«c:>=¦>¦<»` is a **site**: a letter for the [`Fault`], then what is right, then what may
//! stand there instead. Lines that begin with `?` are a **guard**, which can be missing as a whole. Rendered without a fault it is
//! the correct function; with a fault at one site it is the task. Fixes are lines, so a fault never changes more than one line,
//! or takes the lines of one guard away.
//!
//! [`normal`] is the body with names, numbers and texts made alike. Two functions with the same normal body are the same function to
//! the splits ([`super::Split`]).

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::Fault;

/// A line of a function, with its place for faults still in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    pieces: Vec<Piece>,
    guard: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Site {
        fault: Fault,
        right: String,
        wrong: Vec<String>,
    },
}

/// A function's body, sites marked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sketch {
    lines: Vec<Line>,
}

/// One way to get a sketch wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slip {
    /// What kind of fault it is.
    pub(super) fault: Fault,
    /// Line of the body, from 0; for a missing guard its first line.
    pub(super) line: usize,
    /// Which piece of the line; none for a guard.
    piece: Option<usize>,
    /// Which wrong text.
    which: usize,
}

/// How a slip is mended in the text that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mend {
    /// The body's line, from 0, becomes this text (with its indentation).
    Replace(usize, String),
    /// These lines come in before the body's line, from 0.
    Insert(usize, Vec<String>),
}

impl Sketch {
    /// Read a body's text. A site whose letter is not known stays text: the tests look for that.
    pub(super) fn read(text: &str) -> Self {
        let lines = text
            .lines()
            .map(|line| {
                let (line, guard) = match line.strip_prefix('?') {
                    Some(rest) => (rest, true),
                    None => (line, false),
                };
                Line {
                    pieces: pieces(line),
                    guard,
                }
            })
            .collect();
        Self { lines }
    }

    /// Every slip that its sites allow.
    pub(super) fn slips(&self) -> Vec<Slip> {
        let mut slips = Vec::new();
        let mut in_guard = false;
        for (at, line) in self.lines.iter().enumerate() {
            if line.guard && !in_guard {
                slips.push(Slip {
                    fault: Fault::Guard,
                    line: at,
                    piece: None,
                    which: 0,
                });
            }
            in_guard = line.guard;
            for (index, piece) in line.pieces.iter().enumerate() {
                let Piece::Site { fault, wrong, .. } = piece else {
                    continue;
                };
                slips.extend((0..wrong.len()).map(|which| Slip {
                    fault: *fault,
                    line: at,
                    piece: Some(index),
                    which,
                }));
            }
        }
        slips
    }

    /// The body's lines, right everywhere or wrong at one place.
    pub(super) fn lines(&self, slip: Option<&Slip>) -> Vec<String> {
        let gone = slip
            .filter(|slip| slip.piece.is_none())
            .map(|slip| self.guard_at(slip.line));
        let mut out = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            if gone.as_ref().is_some_and(|gone| gone.contains(&at)) {
                continue;
            }
            let wrong = slip.filter(|slip| slip.line == at);
            out.push(line.text(wrong.and_then(|slip| Some((slip.piece?, slip.which)))));
        }
        out
    }

    /// What mends a slip, in lines of the body that has it.
    pub(super) fn mend(&self, slip: &Slip) -> Mend {
        let right = |at: usize| self.lines.get(at).map(|line| line.text(None));
        if slip.piece.is_some() {
            Mend::Replace(slip.line, right(slip.line).unwrap_or_default())
        } else {
            let lines = self.guard_at(slip.line).filter_map(right).collect();
            Mend::Insert(slip.line, lines)
        }
    }

    /// The line that a slip leaves, where it leaves one.
    pub(super) fn slipped_line(&self, slip: &Slip) -> Option<String> {
        let line = self.lines.get(slip.line)?;
        Some(line.text(Some((slip.piece?, slip.which))))
    }

    /// Lines of the guard that begins at a line.
    fn guard_at(&self, first: usize) -> std::ops::Range<usize> {
        let length = self
            .lines
            .iter()
            .skip(first)
            .take_while(|line| line.guard)
            .count();
        first..first + length
    }
}

impl Line {
    fn text(&self, wrong: Option<(usize, usize)>) -> String {
        let mut out = String::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Site {
                    right, wrong: ways, ..
                } => {
                    let way = wrong
                        .filter(|(piece, _)| *piece == index)
                        .and_then(|(_, which)| ways.get(which));
                    out.push_str(way.unwrap_or(right));
                }
            }
        }
        out
    }
}

fn pieces(line: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut rest = line;
    while let Some((before, site, after)) = first_site(rest) {
        out.push(Piece::Text(before.to_owned()));
        out.push(site_of(site));
        rest = after;
    }
    out.push(Piece::Text(rest.to_owned()));
    out
}

/// What stands before the first site, in it, and after it.
fn first_site(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('«')?;
    let mut open = 1;
    for (at, c) in rest.char_indices() {
        match c {
            '«' => open += 1,
            '»' => open -= 1,
            _ => {}
        }
        if open == 0 {
            let (site, after) = rest.split_at_checked(at)?;
            return Some((before, site, after.strip_prefix('»')?));
        }
    }
    None
}

/// A text that is right at all of its sites: within a site there are no others.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, site, after)) = first_site(rest) {
        out.push_str(before);
        if let Piece::Site { right, .. } = site_of(site) {
            out.push_str(&right);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn site_of(text: &str) -> Piece {
    let site = text.split_once(':').and_then(|(letter, ways)| {
        let fault = Fault::of_letter(letter)?;
        let ways = plain(ways);
        let mut ways = ways.split('¦').map(str::to_owned);
        Some(Piece::Site {
            fault,
            right: ways.next()?,
            wrong: ways.collect(),
        })
    });
    site.unwrap_or_else(|| Piece::Text(format!("«{text}»")))
}

/// Words of Python that keep their meaning whatever a function calls its variables.
const KEPT: &[&str] = &[
    "abs",
    "all",
    "and",
    "any",
    "append",
    "break",
    "continue",
    "count",
    "def",
    "dict",
    "divmod",
    "elif",
    "else",
    "endswith",
    "enumerate",
    "extend",
    "False",
    "find",
    "for",
    "get",
    "if",
    "in",
    "index",
    "insert",
    "int",
    "is",
    "isalpha",
    "isdigit",
    "isupper",
    "items",
    "join",
    "keys",
    "len",
    "list",
    "lower",
    "lstrip",
    "max",
    "min",
    "None",
    "not",
    "or",
    "pop",
    "range",
    "replace",
    "return",
    "reversed",
    "round",
    "rstrip",
    "set",
    "setdefault",
    "sorted",
    "split",
    "startswith",
    "str",
    "strip",
    "sum",
    "title",
    "True",
    "tuple",
    "upper",
    "values",
    "while",
    "zip",
    "import",
    "from",
    "pow",
    "add",
    "capitalize",
    "rjust",
    "ljust",
    "islower",
    "default",
    "key",
    "lambda",
];

/// The body with its names numbered in the order of their coming, numbers and texts made alike, and nothing of its layout but
/// the indentation.
pub(super) fn normal<S: AsRef<str>>(signature: &str, lines: &[S]) -> String {
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut out = String::new();
    // The parameters come first, whatever order the body uses them in: swapping two is another function.
    for line in std::iter::once(signature).chain(lines.iter().map(AsRef::as_ref)) {
        let trimmed = line.trim_start();
        out.push_str(&" ".repeat(line.len() - trimmed.len()));
        normal_line(trimmed, &mut names, &mut out);
        out.push('\n');
    }
    out
}

fn normal_line(line: &str, names: &mut HashMap<String, usize>, out: &mut String) {
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        if c.is_ascii_alphabetic() || c == '_' {
            let mut word = String::from(c);
            while let Some(next) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                word.push(next);
            }
            if KEPT.contains(&word.as_str()) {
                out.push_str(&word);
            } else {
                let known = names.len();
                let number = *names.entry(word).or_insert(known);
                out.push('v');
                out.push_str(&number.to_string());
            }
            out.push(' ');
        } else if c.is_ascii_digit() {
            while rest.next_if(|c| c.is_ascii_digit() || *c == '.').is_some() {}
            out.push_str("N ");
        } else if c == '"' || c == '\'' {
            for inside in rest.by_ref() {
                if inside == c {
                    break;
                }
            }
            out.push_str("S ");
        } else if !c.is_whitespace() {
            out.push(c);
        }
    }
}

/// A number for a normal body, the same for ever: it decides the split.
pub(super) fn fingerprint(normal: &str) -> u64 {
    let digest = Sha256::digest(normal.as_bytes());
    digest
        .iter()
        .take(8)
        .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "?if not xs:\n?    return None\ntotal = «k:0¦1»\nfor x in xs:\n    if x «c:>=¦>¦<» 3:\n        total += x\nreturn total";

    #[test]
    fn a_sketch_is_right_without_a_slip_and_differs_in_one_line_with_one() {
        let sketch = Sketch::read(BODY);
        let right = sketch.lines(None);
        assert_eq!(right.len(), 7);
        assert_eq!(right[4], "    if x >= 3:");
        let slips = sketch.slips();
        assert_eq!(slips.len(), 4);
        for slip in &slips {
            let wrong = sketch.lines(Some(slip));
            match sketch.mend(slip) {
                Mend::Replace(line, text) => {
                    assert_ne!(wrong[line], text);
                    assert_eq!(right[line], text);
                    assert_eq!(sketch.slipped_line(slip).unwrap(), wrong[line]);
                }
                Mend::Insert(line, lines) => {
                    assert_eq!(wrong.len(), right.len() - 2);
                    let mut mended = wrong.clone();
                    mended.splice(line..line, lines);
                    assert_eq!(mended, right);
                }
            }
        }
    }

    #[test]
    fn a_site_within_a_site_is_right() {
        let sketch = Sketch::read("out.append(«v:x «p:*¦+» 2¦n»)");
        assert_eq!(sketch.lines(None), ["out.append(x * 2)"]);
        let slips = sketch.slips();
        assert_eq!(slips.len(), 1);
        assert_eq!(sketch.lines(slips.first()), ["out.append(n)"]);
    }

    #[test]
    fn the_normal_body_forgets_names_and_numbers_and_keeps_the_rest() {
        let one = normal("a, b", &["c = len(a) + 12", "return c < b"]);
        let two = normal("xs, limit", &["n = len(xs) + 3", "return n < limit"]);
        assert_eq!(one, two);
        assert_ne!(one, normal("a, b", &["c = len(a) + 12", "return c <= b"]));
        assert_ne!(one, normal("a, b", &["c = len(b) + 12", "return c < a"]));
        assert_ne!(one, normal("a, b", &["c = max(a) + 12", "return c < b"]));
        assert_eq!(
            normal("a", &["return \"x\" + a"]),
            normal("b", &["return 'yz' + b"])
        );
    }
}
