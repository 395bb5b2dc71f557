//! Files: what differs from the base after the cursor's step, and what was only looked at.
//!
//! What a step looked at is read from its calls once, and the rows are made when something that they tell has changed: a frame
//! of a run that writes thousands of events costs the window, not the steps.

use std::collections::HashSet;
use std::sync::Arc;

use crate::app::glyph::Glyphs;
use crate::app::list::{List, Move};
use crate::app::run::Room;
use crate::app::run::call;
use crate::app::run::page::push_cut;
use crate::app::story::{Act, Step, Story, act};
use crate::text::diff::{FileDiff, Status};
use crate::text::{Line, Role, safe};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Cursor.
    pub list: List,
    /// Lines of the window.
    pub visible: Vec<Line>,
    /// Paths by row.
    pub paths: Vec<String>,
    /// Steps whose calls were read since the start: what a frame costs, for tests.
    pub read: u64,
    lines: Vec<Line>,
    looked: Vec<Looked>,
    /// Counts changes of what was looked at.
    looks: u64,
    key: Option<Key>,
}

/// Most files of those that were only looked at.
const MOST_LOOKED: usize = 500;

/// What a step looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Looked {
    step: u32,
    revision: u32,
    paths: Vec<String>,
}

/// All that the rows tell.
#[derive(Debug, Clone)]
struct Key {
    cursor: u32,
    whole: Option<(u32, u32)>,
    looks: u64,
    width: usize,
    glyphs: Glyphs,
    diff: Option<Arc<Vec<FileDiff>>>,
}

impl Key {
    fn is(&self, other: &Self) -> bool {
        let diff = match (&self.diff, &other.diff) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let facts = |key: &Self| (key.cursor, key.whole, key.looks, key.width, key.glyphs);
        diff && facts(self) == facts(other)
    }
}

impl Files {
    /// Move the cursor.
    pub fn go(&mut self, step: Move) {
        self.list.go(step);
    }

    /// The path under the cursor.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.paths.get(self.list.cursor).map(String::as_str)
    }

    /// Bring the lines up to date.
    pub fn settle(
        &mut self,
        story: &Story,
        cursor: u32,
        diff: Option<&Arc<Vec<FileDiff>>>,
        workdir: &str,
        room: Room,
    ) {
        self.look(story, workdir);
        let whole = story.step(story.whole_step(cursor));
        let key = Key {
            cursor,
            whole: whole.map(|step| (step.number, step.revision)),
            looks: self.looks,
            width: room.width,
            glyphs: room.glyphs,
            diff: diff.map(Arc::clone),
        };
        if !self.key.as_ref().is_some_and(|before| before.is(&key)) {
            let files = diff.map_or(&[][..], |files| files);
            self.build(whole, cursor, files, room);
            self.key = Some(key);
        }
        self.list.fit(self.lines.len(), room.height);
        self.visible = self
            .lines
            .get(self.list.window())
            .unwrap_or_default()
            .to_vec();
    }

    /// Read the calls of the steps that changed.
    fn look(&mut self, story: &Story, workdir: &str) {
        // The oldest steps may be gone: what is kept of the others moves up.
        let first = story.steps.first().map_or(0, |step| step.number);
        let gone = self.looked.partition_point(|looked| looked.step < first);
        self.looked.drain(..gone);
        self.looked.truncate(story.steps.len());
        let mut changed = gone > 0;
        for (at, step) in story.steps.iter().enumerate() {
            let known = self.looked.get_mut(at);
            if known
                .as_ref()
                .is_some_and(|known| (known.step, known.revision) == (step.number, step.revision))
            {
                continue;
            }
            self.read += 1;
            let paths = looks(step, workdir);
            changed |= known
                .as_ref()
                .map_or(!paths.is_empty(), |known| known.paths != paths);
            let looked = Looked {
                step: step.number,
                revision: step.revision,
                paths,
            };
            match known {
                Some(known) => *known = looked,
                None => self.looked.push(looked),
            }
        }
        self.looks += u64::from(changed);
    }

    fn build(&mut self, whole: Option<&Step>, cursor: u32, diff: &[FileDiff], room: Room) {
        let Room { width, glyphs, .. } = room;
        self.lines.clear();
        self.paths.clear();
        let changed = whole.map_or(&[][..], |step| &step.files);
        for path in changed {
            let file = diff.iter().find(|file| file.path == *path);
            let (sign, right) = match file {
                Some(file) => {
                    let sign = match file.status {
                        Status::Added => "A",
                        Status::Removed => "D",
                        _ => "M",
                    };
                    (sign, Some((file.added, file.removed)))
                }
                None => ("M", None),
            };
            let mut line = Line::of(sign, Role::Attention).with(" ", Role::Text);
            let counts = right.map(|(added, removed)| {
                Line::of(format!("+{added}"), Role::DiffAdd)
                    .with(" ", Role::Text)
                    .with(&format!("{}{removed}", glyphs.minus()), Role::DiffDel)
            });
            let wide = counts.as_ref().map_or(0, Line::width);
            push_cut(
                &mut line,
                &safe::one_line(path),
                Role::Text,
                width.saturating_sub(wide + 4),
            );
            if let Some(counts) = counts {
                line.push(
                    &" ".repeat(width.saturating_sub(line.width() + wide)),
                    Role::Text,
                );
                for (piece, ink) in counts.pieces() {
                    line.push(piece, ink);
                }
            }
            self.lines.push(line);
            self.paths.push(path.clone());
        }
        let known: HashSet<&String> = changed.iter().collect();
        let seen = seen(&self.looked, cursor);
        for path in seen.into_iter().filter(|path| !known.contains(path)) {
            let mut line = Line::of("  ", Role::Text);
            push_cut(
                &mut line,
                &safe::one_line(&path),
                Role::Dim,
                width.saturating_sub(9),
            );
            line.push("  viewed", Role::Dim);
            self.lines.push(line);
            self.paths.push(path);
        }
        if self.lines.is_empty() {
            self.lines
                .push(Line::of("no file was changed or looked at yet", Role::Dim));
        }
    }
}

/// Files that a step viewed.
fn looks(step: &Step, workdir: &str) -> Vec<String> {
    step.actions()
        .filter(|(call, _)| act(call) == Act::View)
        .map(|(call, _)| call::shown(call, workdir).object)
        .collect()
}

/// Files that were viewed up to a step, in the order of the first look.
fn seen(looked: &[Looked], cursor: u32) -> Vec<String> {
    let mut known = HashSet::new();
    looked
        .iter()
        .take_while(|looked| looked.step <= cursor)
        .flat_map(|looked| &looked.paths)
        .filter(|path| known.insert(path.as_str()))
        .take(MOST_LOOKED)
        .cloned()
        .collect()
}
