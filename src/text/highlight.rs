//! Source code as lines with roles, a part at a time.
//!
//! Mental model: a [`Document`] holds a file's text and the parser's state before every 64th line that it has come to. To
//! draw a part it goes on from the nearest state before it, so a place seen once, and every place before it, costs at most
//! 64 lines more than it shows; lines near the last part are kept. A first jump far down has to read everything above once.
//!
//! Parsing is slow (about 0.2 ms for a line of Python), so documents live on a [`Worker`]'s thread, where `cancelled`, asked
//! before each line, tells when nobody waits any more. Show the text plain first. Text over the limits stays plain.
//!
//! A hostile line can have an expression try very many ways to match. The engine gives up after a million steps, which counts
//! as no match; a document in which one line took longer than anybody's patience is plain from there on.
//!
//! Roles come from the scopes of Sublime syntaxes by one table; no colours are known here.

mod language;
mod scopes;
mod worker;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use syntect::parsing::{ParseState, ScopeStack};

use super::line::Line;
use super::role::Role;
use super::wrap;
pub use language::Language;
use scopes::Roles;
pub use worker::{Answer, Request, Worker};

/// A text larger than this stays plain, in bytes.
pub const MAX_BYTES: usize = 512 * 1024;
/// One with more lines too.
pub const MAX_LINES: usize = 10_000;
/// And so does a line longer than this, in bytes.
pub const MAX_LINE: usize = 2_000;

/// No honest line takes so long; after one that does, nothing of a document is parsed any more.
const PATIENCE: Duration = Duration::from_millis(250);

/// Lines from one saved state to the next.
const STRIDE: usize = 64;
/// Lines kept on each side of the last part asked for.
const KEPT: usize = 256;

/// Where a parser stands before a line.
#[derive(Clone)]
struct Standing {
    parser: ParseState,
    scopes: ScopeStack,
}

/// See the module.
pub struct Document {
    text: String,
    /// Where each line begins, and where the text ends.
    starts: Vec<usize>,
    tab: usize,
    /// Before each [`STRIDE`]th line. Empty where the text stays plain.
    saved: Vec<Standing>,
    /// Where the last parsing ended: a line, and the state before it.
    last: Option<(usize, Standing)>,
    kept: BTreeMap<usize, Line>,
    roles: Roles,
    parsed: usize,
    patience: Duration,
    /// A line took too long: from this one on all are plain.
    given_up: Option<usize>,
}

impl Document {
    /// A text, in a language if one is known, with tab stops every `tab` columns.
    #[must_use]
    pub fn new(text: String, language: Option<Language>, tab: usize) -> Self {
        let mut starts = vec![0];
        starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        if starts.last() != Some(&text.len()) {
            starts.push(text.len());
        }
        let small = text.len() <= MAX_BYTES && starts.len() - 1 <= MAX_LINES;
        let first = language.filter(|_| small).map(|language| Standing {
            parser: language.parser(),
            scopes: ScopeStack::new(),
        });
        Self {
            text,
            starts,
            tab,
            saved: first.into_iter().collect(),
            last: None,
            kept: BTreeMap::new(),
            roles: Roles::default(),
            parsed: 0,
            patience: PATIENCE,
            given_up: None,
        }
    }

    /// The same, with another patience for a line.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Whether a line took too long.
    #[must_use]
    pub fn has_given_up(&self) -> bool {
        self.given_up.is_some()
    }

    /// How many lines it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether it has no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is shown without colours: no language, or too large.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.saved.is_empty()
    }

    /// Lines parsed since the beginning: the work done, for tests that hold it down.
    #[must_use]
    pub fn parsed(&self) -> usize {
        self.parsed
    }

    /// A line without colours, made safe.
    #[must_use]
    pub fn plain(&self, line: usize) -> Line {
        Line::of(wrap::clean(self.raw(line), self.tab), Role::Code)
    }

    /// Some lines with their roles; those beyond the end are left out. None if it was cancelled, what was done by then kept.
    pub fn highlight(
        &mut self,
        lines: Range<usize>,
        cancelled: &dyn Fn() -> bool,
    ) -> Option<Vec<Line>> {
        let lines = lines.start.min(self.len())..lines.end.min(self.len());
        if self.is_plain() {
            return Some(lines.map(|line| self.plain(line)).collect());
        }
        let missing = lines.clone().find(|line| !self.kept.contains_key(line));
        let last_missing = lines.clone().rfind(|line| !self.kept.contains_key(line));
        let done = match (missing, last_missing) {
            (Some(first), Some(last)) => self.parse(first..last + 1, cancelled),
            _ => true,
        };
        self.forget_far_from(&lines);
        if !done {
            return None;
        }
        let line = |line| match self.kept.get(&line) {
            Some(known) => known.clone(),
            None => self.plain(line),
        };
        Some(lines.map(line).collect())
    }

    /// Parse on to the end, so that later jumps are short. False if it was cancelled.
    pub fn prepare(&mut self, cancelled: &dyn Fn() -> bool) -> bool {
        let known = self.saved.len().saturating_sub(1) * STRIDE;
        self.is_plain() || known + STRIDE >= self.len() || {
            let end = self.len();
            self.parse(end..end, cancelled)
        }
    }

    /// Parse from the nearest known state before the lines to their end. False if it was cancelled.
    fn parse(&mut self, lines: Range<usize>, cancelled: &dyn Fn() -> bool) -> bool {
        let stride = (lines.start / STRIDE).min(self.saved.len().saturating_sub(1));
        let from_saved = stride * STRIDE;
        let (mut at, mut standing) = match self.last.take() {
            Some((at, standing)) if at <= lines.start && at >= from_saved => (at, standing),
            _ => match self.saved.get(stride) {
                Some(standing) => (from_saved, standing.clone()),
                None => return true,
            },
        };
        let far = lines.start.saturating_sub(STRIDE);
        while at < lines.end {
            if cancelled() {
                self.last = Some((at, standing));
                return false;
            }
            if at == self.saved.len() * STRIDE {
                self.saved.push(standing.clone());
            }
            let line = self.step(at, &mut standing);
            // What lies shortly before is what a scroll upwards asks for next.
            if at >= far {
                self.kept.insert(at, line);
            }
            at += 1;
        }
        self.last = Some((at, standing));
        true
    }

    /// Parse one line.
    fn step(&mut self, at: usize, standing: &mut Standing) -> Line {
        if self.given_up.is_some_and(|from| at >= from) {
            return self.plain(at);
        }
        self.parsed += 1;
        let end = self.starts.get(at + 1).copied().unwrap_or(self.text.len());
        let start = self.starts.get(at).copied().unwrap_or(end);
        let with_end = self.text.get(start..end).unwrap_or_default();
        if with_end.len() > MAX_LINE {
            return self.plain(at);
        }
        let ended;
        let with_end = if with_end.ends_with('\n') {
            with_end
        } else {
            ended = format!("{with_end}\n");
            &ended
        };
        let began = Instant::now();
        let changes = standing.parser.parse_line(with_end, language::syntaxes());
        if began.elapsed() > self.patience {
            self.given_up = Some(at + 1);
        }
        let Ok(changes) = changes else {
            return self.plain(at);
        };
        let raw = with_end.strip_suffix('\n').unwrap_or(with_end);
        let safe = wrap::clean(raw, self.tab);
        // A beginning of the raw text gives a beginning of the safe text.
        let place = |raw_at: usize| {
            if safe.len() == raw.len() {
                raw_at.min(raw.len())
            } else {
                wrap::clean(raw.get(..raw_at).unwrap_or(raw), self.tab).len()
            }
        };
        let mut line = Line::new();
        let mut from = 0;
        for (raw_at, change) in changes {
            let to = place(raw_at);
            if let Some(part) = safe.get(from..to).filter(|part| !part.is_empty()) {
                line.push(part, self.roles.of(&standing.scopes));
                from = to;
            }
            if standing.scopes.apply(&change).is_err() {
                return Line::of(safe, Role::Code);
            }
        }
        line.push(
            safe.get(from..).unwrap_or_default(),
            self.roles.of(&standing.scopes),
        );
        line
    }

    fn raw(&self, line: usize) -> &str {
        let (Some(start), Some(end)) = (self.starts.get(line), self.starts.get(line + 1)) else {
            return "";
        };
        let raw = self.text.get(*start..*end).unwrap_or_default();
        raw.strip_suffix('\n').unwrap_or(raw)
    }

    fn forget_far_from(&mut self, lines: &Range<usize>) {
        let near = lines.start.saturating_sub(KEPT)..lines.end.saturating_add(KEPT);
        self.kept.retain(|line, _| near.contains(line));
    }
}

/// A short piece of code, as in a fenced block, at once. Plain in no known language or over the limits.
#[must_use]
pub fn snippet(code: &str, language: Option<Language>, tab: usize) -> Vec<Line> {
    let mut document = Document::new(code.to_owned(), language, tab);
    let all = 0..document.len();
    document.highlight(all, &|| false).unwrap_or_default()
}

#[cfg(test)]
mod tests;
