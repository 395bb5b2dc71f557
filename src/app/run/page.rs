//! The transcript as a page: one cell for the task, one for each step, one for the end; each gives its lines for a width.
//!
//! Mental model: the step's number stands in the gutter, its thought is prose (84 columns at most), each action has a line of
//! its own with one sign, what it printed is indented behind a thin line and cut to what matters. Time and tokens stand at the
//! right. A folded step is one line that says what happened. Nothing here knows a position; the transcript does.

mod cut;
mod ends;
mod printed;

use std::time::Duration;

pub use cut::push_cut;
pub use ends::{ended, ending, opening};
use printed::{barred, observation, running};

use super::call::{self, Shown};
use crate::app::glyph::Glyphs;
use crate::app::story::{Item, Step, Story};
use crate::app::words;
use crate::grade::Group;
use crate::text::wrap::{self, Hang};
use crate::text::{Ink, Line, Role, safe};
use crate::trajectory::event::Author;

/// Prose is never wider.
const PROSE: usize = 84;
/// The number and the space after it.
const GUTTER: usize = 5;
/// Time and tokens.
const RIGHT: usize = 17;
/// Lines of an observation that are shown from its start and from its end.
const HEAD: usize = 7;
const TAIL: usize = 4;
/// Lines of a command or a thought that are shown.
const COMMAND: usize = 8;

/// How much of a step is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fold {
    /// One line.
    Folded,
    /// Long texts are cut.
    Open,
    /// Everything.
    Whole,
}

/// What drawing a page needs besides its story.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look<'a> {
    /// Columns.
    pub width: usize,
    /// The set of signs.
    pub glyphs: Glyphs,
    /// Work directory inside the sandbox, left out of paths.
    pub workdir: &'a str,
    /// Show the verdict, the tests and what came of it (not in blind mode).
    pub outcome: bool,
}

/// One raw line, fit to be shown.
fn clean(raw: &str) -> String {
    wrap::clean(raw, 8).into_owned()
}

/// Hostile text as part of one line.
fn text(text: &str) -> String {
    safe::one_line(text)
}

impl Look<'_> {
    fn columns(self) -> usize {
        self.width.saturating_sub(GUTTER).max(8)
    }

    fn prose(self) -> usize {
        let room = if self.width >= 60 {
            self.columns().saturating_sub(RIGHT)
        } else {
            self.columns()
        };
        room.min(PROSE)
    }

    /// A line indented to the text's column.
    fn indented(line: &Line) -> Line {
        let mut out = Line::of(" ".repeat(GUTTER), Role::Text);
        for (piece, ink) in line.pieces() {
            out.push(piece, ink);
        }
        out
    }

    /// A line with something at its right edge.
    fn with_right(self, mut line: Line, right: &str) -> Line {
        let used = line.width() + unicode_width::UnicodeWidthStr::width(right);
        if used < self.width {
            line.push(&" ".repeat(self.width - used), Role::Text);
            line.push(right, Role::Dim);
        }
        line
    }
}

/// The lines of a step.
#[must_use]
pub fn step(story: &Story, step: &Step, fold: Fold, look: Look<'_>) -> Vec<Line> {
    let right = right_of(step, look);
    let mut number = format!("{:>3}", step.number);
    if fold == Fold::Folded {
        let mut line = Line::of(number, Role::Dim)
            .with(" ", Role::Text)
            .with(look.glyphs.folded(), Role::Dim)
            .with(" ", Role::Text);
        let room = look.width.saturating_sub(line.width() + RIGHT + 2);
        push_cut(&mut line, &summary(step, look), Role::Dim, room);
        if step.has_error() {
            line.push(" ", Role::Text);
            line.push(look.glyphs.bad(), Role::Fail);
        }
        if !step.marks.is_empty() {
            line.push(" ", Role::Text);
            line.push(look.glyphs.mark(), Role::Attention);
        }
        if step.differs() {
            line.push(" ", Role::Text);
            line.push(look.glyphs.differs(), Role::Attention);
        }
        return vec![look.with_right(line, &right)];
    }
    let mut body = Vec::new();
    thought(step, fold, look, &mut body);
    for item in &step.items {
        lines_of(step, item, fold, look, &mut body);
    }
    coming(step, look, &mut body);
    if let Some((_, grading, _)) = story
        .as_of
        .iter()
        .find(|(there, _, _)| *there == step.number)
        .filter(|_| look.outcome)
    {
        let (passed, of) = grading.tally(Group::FailToPass);
        let (kept, of_kept) = grading.tally(Group::PassToPass);
        let (sign, role) = look.glyphs.verdict(&grading.verdict);
        body.push(
            Line::of(sign, role)
                .with(" tests as of here ", Role::Text)
                .with(
                    &format!("{passed}/{of}"),
                    if passed == of { Role::Pass } else { Role::Fail },
                )
                .with(
                    &format!(" {} {kept}/{of_kept}", look.glyphs.dot()),
                    Role::Dim,
                ),
        );
    }
    for kind in &step.marks {
        body.push(
            Line::of(look.glyphs.mark(), Role::Attention)
                .with(" ", Role::Text)
                .with(&text(kind), Role::Attention),
        );
    }
    if body.is_empty() {
        let word = if step.streaming {
            "waits for the model"
        } else {
            "nothing"
        };
        body.push(Line::of(
            format!("{word} {}", look.glyphs.more()),
            Role::Dim,
        ));
    }
    let mut lines = Vec::with_capacity(body.len() + 1);
    for (at, line) in body.iter().enumerate() {
        if at == 0 {
            number.push_str("  ");
            let mut first = Line::of(std::mem::take(&mut number), Role::Dim);
            for (piece, ink) in line.pieces() {
                first.push(piece, ink);
            }
            lines.push(look.with_right(first, &right));
        } else {
            lines.push(Look::indented(line));
        }
    }
    lines.push(Line::new());
    lines
}

/// A step's first line while the cursor is on it: its number stands out. That is painted over what [`step`] made, so that a
/// cursor that moves on builds no step anew.
#[must_use]
pub fn with_cursor(line: &Line, number: u32) -> Line {
    let digits = format!("{number:>3}").len();
    // Where the step is open, the blanks up to its text are the number's.
    let blanks = line
        .text()
        .get(digits..)
        .map_or(0, |rest| if rest.starts_with("  ") { 2 } else { 0 });
    let number = 0..digits + blanks;
    line.painted(std::slice::from_ref(&number), |ink| Ink {
        role: Role::Accent,
        bold: true,
        ..ink
    })
}

fn right_of(step: &Step, look: Look<'_>) -> String {
    if look.width < 60 {
        return String::new();
    }
    let took = step.took();
    let mut right = String::new();
    if took > Duration::ZERO {
        right = words::duration(took);
    }
    if let Some(usage) = step.usage {
        let tokens = words::count(usage.completion_tokens);
        right = format!("{right} {} {tokens:>4} tok", look.glyphs.dot());
    }
    if step.copied {
        right = format!("shared {} {right}", look.glyphs.dot());
    }
    right
}

/// What a folded step says: its actions, else the beginning of its thought.
fn summary(step: &Step, look: Look<'_>) -> String {
    let acts: Vec<String> = step
        .actions()
        .map(|(call, _)| {
            let shown = call::shown(call, look.workdir);
            match shown.verb {
                "" => shown.object,
                verb => format!("{verb} {}", shown.object),
            }
        })
        .collect();
    if acts.is_empty() {
        let thought = step.thought.text();
        return text(
            thought
                .lines()
                .find(|line| !line.trim().is_empty())
                .unwrap_or_default(),
        );
    }
    text(&acts.join(&format!(" {} ", look.glyphs.dot())))
}

fn thought(step: &Step, fold: Fold, look: Look<'_>, body: &mut Vec<Line>) {
    if !step.reasoning.is_empty() {
        let reasoning = step.reasoning.text();
        let all = prose(
            reasoning.trim(),
            Ink {
                italic: true,
                ..Ink::of(Role::Dim)
            },
            look,
        );
        limited(all, fold, COMMAND, look, body);
    }
    let words = step.thought.text();
    let words = words.trim();
    if words.is_empty() {
        return;
    }
    let all = prose(words, Ink::of(Role::Thought), look);
    limited(all, fold, 40, look, body);
    if step.streaming
        && let Some(last) = body.last_mut()
    {
        last.push(look.glyphs.focus(), Role::Accent);
    }
}

/// Text as paragraphs: wrapped, with inline code as code.
fn prose(words: &str, ink: Ink, look: Look<'_>) -> Vec<Line> {
    let mut out = Vec::new();
    let mut fenced = false;
    for line in words.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let clean = clean(line);
        let mut made = Line::new();
        if fenced {
            made.push(&clean, Role::MarkupCode);
        } else {
            for (at, piece) in clean.split('`').enumerate() {
                let code = at % 2 == 1 && !ink.italic;
                made.push(piece, if code { Ink::of(Role::MarkupCode) } else { ink });
            }
        }
        out.extend(wrap::rows(&made, look.prose(), Hang::None));
    }
    out
}

/// No more than so many lines, unless everything is to be shown.
fn limited(lines: Vec<Line>, fold: Fold, most: usize, look: Look<'_>, body: &mut Vec<Line>) {
    let count = lines.len();
    if fold == Fold::Whole || count <= most + 1 {
        body.extend(lines);
        return;
    }
    body.extend(lines.into_iter().take(most));
    body.push(left_out(count - most, None, look));
}

fn left_out(lines: usize, bytes: Option<usize>, look: Look<'_>) -> Line {
    let mut words = format!(
        "{} {}",
        look.glyphs.more(),
        words::many(lines, "line", "lines")
    );
    if let Some(bytes) = bytes {
        words = format!("{words}, {}", words::bytes(bytes as u64));
    }
    Line::of(words, Role::Dim).with(&format!(" {}", look.glyphs.enter()), Role::Accent)
}

fn lines_of(step: &Step, item: &Item, fold: Fold, look: Look<'_>, body: &mut Vec<Line>) {
    match item {
        Item::Action {
            call,
            by,
            original,
            begun,
            output,
            outcome,
            skipped,
            ..
        } => {
            let shown = call::shown(call, look.workdir);
            head(&shown, fold, look, body);
            if *by == Author::Human || original.is_some() {
                let was = original
                    .as_ref()
                    .map(|call| text(&call::shown(call, look.workdir).object))
                    .unwrap_or_default();
                let mut line = Line::of("edited by a person", Role::Human);
                if !was.is_empty() {
                    line.push(", was: ", Role::Dim);
                    push_cut(
                        &mut line,
                        &was,
                        Role::Dim,
                        look.columns().saturating_sub(26),
                    );
                }
                body.push(line);
            }
            if *skipped {
                body.push(Line::of("skipped by a person", Role::Human));
            } else if let Some(outcome) = outcome {
                observation(&shown, outcome, fold, look, body);
            } else if begun.is_some() {
                running(output, look, body);
            } else if step.snapshot.is_none() {
                body.push(Line::of("waits", Role::Paused));
            }
        }
        Item::Said { human, text: said } => {
            let role = if *human { Role::Human } else { Role::Dim };
            let mut all = prose(said.trim(), Ink::of(role), look);
            if let Some(first) = all.first_mut() {
                let mut marked = Line::of(format!("{} ", look.glyphs.said()), role);
                for (piece, ink) in first.pieces() {
                    marked.push(piece, ink);
                }
                *first = marked;
            }
            limited(all, fold, COMMAND, look, body);
        }
        Item::Typed { command, outcome } => {
            let shown = Shown::typed(command);
            head(&shown, fold, look, body);
            observation(&shown, outcome, fold, look, body);
        }
        Item::Differs { text: what } => {
            let line = Line::of(look.glyphs.differs(), Ink::of(Role::Attention).bold())
                .with(" ", Role::Text)
                .with(&text(what), Role::Attention);
            body.extend(wrap::rows(&line, look.prose(), Hang::Columns(2)));
        }
        Item::Note {
            text: note,
            attention,
        } => {
            let role = if *attention {
                Role::Attention
            } else {
                Role::Dim
            };
            let line = Line::of(text(note), role);
            body.extend(wrap::rows(&line, look.prose(), Hang::Columns(2)));
        }
    }
}

/// The action itself: a sign, a verb, what it is about, and what it changes.
fn head(shown: &Shown, fold: Fold, look: Look<'_>, body: &mut Vec<Line>) {
    let sign_role = if shown.human { Role::Human } else { Role::Sign };
    let mut lines = shown.object.lines();
    let mut first = Line::of(shown.sign(look.glyphs), sign_role).with(" ", Role::Text);
    if !shown.verb.is_empty() {
        first.push(shown.verb, Role::Sign);
        first.push(" ", Role::Text);
    }
    let mut object = Line::of(clean(lines.next().unwrap_or_default()), Role::Action);
    if !shown.detail.is_empty() {
        object.push("  ", Role::Text);
        object.push(&text(&shown.detail), Role::Dim);
    }
    if let Some((added, removed)) = shown.counts {
        object.push("   ", Role::Text);
        object.push(&format!("+{added}"), Role::DiffAdd);
        object.push(" ", Role::Text);
        object.push(&format!("{}{removed}", look.glyphs.minus()), Role::DiffDel);
    }
    let room = look.columns().saturating_sub(first.width()).max(8);
    for (at, row) in wrap::rows(&object, room, Hang::None)
        .into_iter()
        .enumerate()
    {
        let mut line = if at == 0 {
            std::mem::take(&mut first)
        } else {
            Line::of("  ", Role::Text)
        };
        for (piece, ink) in row.pieces() {
            line.push(piece, ink);
        }
        body.push(line);
    }
    let rest: Vec<&str> = lines.collect();
    let keep = if fold == Fold::Whole {
        rest.len()
    } else {
        COMMAND
    };
    for line in rest.iter().take(keep) {
        let mut made = Line::of("  ", Role::Text);
        push_cut(&mut made, &clean(line), Role::Text, room);
        body.push(made);
    }
    if rest.len() > keep {
        body.push(left_out(rest.len() - keep, None, look));
    }
    let keep = if fold == Fold::Whole {
        shown.change.len()
    } else {
        HEAD + TAIL
    };
    for (added, line) in shown.change.iter().take(keep) {
        let (sign, role) = match added {
            Some(true) => ("+", Role::DiffAdd),
            Some(false) => ("-", Role::DiffDel),
            None => (" ", Role::DiffContext),
        };
        let mut made = Line::of(look.glyphs.bar(), Role::Bar)
            .with(" ", Role::Text)
            .with(sign, role)
            .with(" ", Role::Text);
        push_cut(&mut made, &clean(line), role, room);
        body.push(made);
    }
    if shown.change.len() > keep {
        body.push(barred(
            &left_out(shown.change.len() - keep, None, look),
            look,
        ));
    }
}

/// Calls that the model is still writing.
fn coming(step: &Step, look: Look<'_>, body: &mut Vec<Line>) {
    for (name, arguments) in &step.coming {
        let mut line = Line::of(look.glyphs.other(), Role::Sign)
            .with(" ", Role::Text)
            .with(&text(name), Role::Sign)
            .with(" ", Role::Text);
        let room = look.columns().saturating_sub(line.width() + 1);
        let tail: String = {
            let mut last: Vec<char> = arguments.chars().rev().take(room).collect();
            last.reverse();
            last.into_iter().collect()
        };
        push_cut(&mut line, &text(&tail), Role::Dim, room);
        line.push(look.glyphs.focus(), Role::Accent);
        body.push(line);
    }
}
