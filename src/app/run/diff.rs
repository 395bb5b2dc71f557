//! The diff of the workspace: after a step or in total, in one column or two, file by file.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::list::{Move, Scroll};
use crate::app::news::Request;
use crate::app::run::Room;
use crate::app::story::Story;
use crate::app::words;
use crate::text::diff::{self, FileDiff, Item, Kind, Look, Side};
use crate::text::highlight::{self, Language};
use crate::text::{Line, Role, safe};

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The base with the workspace as of the cursor's step.
    #[default]
    Total,
    /// The workspace before the cursor's step with that after it.
    Step,
}

/// What a diff is of: from a step's workspace to another's; 0 is the base.
pub type Span = (u32, u32);

/// Highlighted lines by file, side and line number.
pub type Code = HashMap<(usize, Side, usize), Line>;

/// Bytes of a diff that are highlighted; what is beyond stays in one colour.
const HIGHLIGHTED: usize = 256 << 10;

/// And so much of its time: an honest diff takes a fraction of it.
const LONGEST: Duration = Duration::from_secs(5);

/// Highlight a diff's lines, hunk by hunk. Slow: for a thread of its own.
#[must_use]
pub fn highlight(files: &[FileDiff]) -> Code {
    let mut code = Code::new();
    let mut bytes = 0;
    let began = Instant::now();
    for (number, file) in files.iter().enumerate() {
        let Some(language) = Language::of_file(&file.path, "") else {
            continue;
        };
        for hunk in &file.hunks {
            for side in [Side::Old, Side::New] {
                let gone = if side == Side::Old {
                    Kind::Added
                } else {
                    Kind::Removed
                };
                let lines: Vec<_> = hunk.lines.iter().filter(|line| line.kind != gone).collect();
                let text: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
                let text = text.join("\n");
                bytes += text.len();
                if bytes > HIGHLIGHTED || began.elapsed() > LONGEST {
                    return code;
                }
                let made = highlight::snippet(&text, Some(language), TAB);
                for (line, made) in lines.iter().zip(made) {
                    let at = if side == Side::Old {
                        line.old
                    } else {
                        line.new
                    };
                    if let Some(at) = at {
                        code.insert((number, side, at), made);
                    }
                }
            }
        }
    }
    code
}

/// Columns between tab stops.
const TAB: usize = 4;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Diff {
    /// What is compared.
    pub scope: Scope,
    /// Two columns.
    pub side_by_side: bool,
    /// Where one is.
    pub scroll: Scroll,
    /// Lines of the window.
    pub visible: Vec<Line>,
    /// The heading's words after the title.
    pub subtitle: String,
    /// The files, or why there are none.
    pub files: Option<Result<Arc<Vec<FileDiff>>, String>>,
    /// What `files` is of.
    pub of: Option<Span>,
    /// The question that is out, and what it is of.
    pub asked: Option<(Request, Span)>,
    /// Highlighted lines of what is shown, once they are there.
    pub code: Option<(Span, Arc<Code>)>,
    items: Vec<(usize, Item)>,
    key: Option<(Span, bool, usize, usize)>,
}

impl Diff {
    /// What should be compared now.
    #[must_use]
    pub fn wanted(&self, story: &Story, cursor: u32) -> Option<Span> {
        story.base.as_ref()?;
        let to = story.whole_step(cursor);
        Some(match self.scope {
            Scope::Total => (0, to),
            Scope::Step => (to.saturating_sub(1), to),
        })
    }

    /// An answer came.
    pub fn take(&mut self, request: Request, result: Result<Arc<Vec<FileDiff>>, String>) {
        let Some((asked, span)) = self.asked else {
            return;
        };
        if asked != request {
            return;
        }
        self.asked = None;
        let other_scope = self.of.map(|(from, _)| from) != Some(span.0);
        self.of = Some(span);
        self.files = Some(result);
        self.key = None;
        if other_scope {
            self.scroll = Scroll::default();
        }
    }

    /// The lines of a diff were highlighted.
    pub fn take_code(&mut self, span: Span, code: Arc<Code>) {
        self.code = Some((span, code));
    }

    /// The files that are shown.
    #[must_use]
    pub fn list(&self) -> Option<&[FileDiff]> {
        match &self.files {
            Some(Ok(files)) => Some(files),
            _ => None,
        }
    }

    /// The same, to be held on to.
    #[must_use]
    pub fn shared(&self) -> Option<&Arc<Vec<FileDiff>>> {
        self.files.as_ref()?.as_ref().ok()
    }

    /// Scroll.
    pub fn go(&mut self, step: Move) {
        self.scroll.go(step);
    }

    /// To the next hunk or file.
    pub fn jump(&mut self, forward: bool, files_only: bool) -> bool {
        let stop = |(_, item): &(usize, Item)| match item {
            Item::File => true,
            Item::Hunk(_) => !files_only,
            _ => false,
        };
        let from = self.scroll.top;
        let found = if forward {
            (from + 1..self.items.len()).find(|at| self.items.get(*at).is_some_and(stop))
        } else {
            (0..from)
                .rev()
                .find(|at| self.items.get(*at).is_some_and(stop))
        };
        if let Some(row) = found {
            self.scroll.go(Move::To(row));
        }
        found.is_some()
    }

    /// To a file.
    pub fn show_file(&mut self, path: &str) -> bool {
        let Some(at) = self
            .list()
            .and_then(|files| files.iter().position(|file| file.path == path))
        else {
            return false;
        };
        if let Some(row) = self.items.iter().position(|(file, _)| *file == at) {
            self.scroll.go(Move::To(row));
        }
        true
    }

    /// The patch text of what is shown: a hunk, or everything.
    #[must_use]
    pub fn copied(&self, hunk: bool) -> Option<String> {
        let files = self.list()?;
        if !hunk {
            return Some(files.iter().map(FileDiff::patch).collect());
        }
        let (file, item) = self
            .items
            .get(self.scroll.top..)?
            .iter()
            .find(|(_, item)| item.hunk().is_some())?;
        files.get(*file)?.hunk_patch(item.hunk()?)
    }

    /// Bring the lines up to date.
    pub fn settle(&mut self, story: &Story, room: Room) {
        let Room {
            width,
            height,
            glyphs,
        } = room;
        self.visible.clear();
        let files = match &self.files {
            Some(Ok(files)) => Arc::clone(files),
            Some(Err(why)) => {
                self.subtitle.clear();
                let line = Line::of(safe::one_line(why), Role::Error);
                self.visible = crate::text::wrap::rows(&line, width, crate::text::wrap::Hang::None);
                return;
            }
            None => {
                self.subtitle.clear();
                let words = if story.base.is_none() {
                    "no sandbox stands yet"
                } else {
                    "compared …"
                };
                self.visible.push(Line::of(words, Role::Dim));
                return;
            }
        };
        let (_, to) = self.of.unwrap_or_default();
        let added: usize = files.iter().map(|file| file.added).sum();
        let removed: usize = files.iter().map(|file| file.removed).sum();
        let what = match self.scope {
            Scope::Total if to == story.whole_step(story.last()) => "total".to_owned(),
            Scope::Total => format!("up to step {to}"),
            Scope::Step => format!("step {to}"),
        };
        self.subtitle = format!(
            "{what} {} {}  +{added} {}{removed}",
            glyphs.dot(),
            words::many(files.len(), "file", "files"),
            glyphs.minus()
        );
        if files.is_empty() {
            let words = match self.scope {
                Scope::Total => "nothing has changed",
                Scope::Step => "this step changed no file",
            };
            self.visible.push(Line::of(words, Role::Dim));
            self.items.clear();
            self.scroll.fit(0, height);
            return;
        }
        let two = self.side_by_side && width >= 80;
        let key = (
            self.of.unwrap_or_default(),
            two,
            files.len(),
            added + removed,
        );
        if self.key != Some(key) {
            self.key = Some(key);
            self.items.clear();
            for (number, file) in files.iter().enumerate() {
                let items = if two {
                    diff::pairs(file)
                } else {
                    diff::unified(file)
                };
                self.items
                    .extend(items.into_iter().map(|item| (number, item)));
            }
        }
        self.scroll.fit(self.items.len(), height);
        let look = Look {
            width,
            wrap: false,
            tab: TAB,
        };
        let code = self
            .code
            .as_ref()
            .filter(|(span, _)| Some(*span) == self.of)
            .map(|(_, code)| Arc::clone(code));
        for (number, item) in self.items.get(self.scroll.window()).unwrap_or_default() {
            if let Some(file) = files.get(*number) {
                self.visible.extend(look.draw(file, *item, &|side, line| {
                    code.as_ref()?.get(&(*number, side, line)).cloned()
                }));
            }
        }
        self.visible.truncate(height);
    }
}
