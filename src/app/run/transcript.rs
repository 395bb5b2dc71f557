//! Where one is in a transcript: window, cursor, folds; and the lines in view.
//!
//! Mental model: the page is cells (the task, each step, the end) whose heights at the present width are in a row index; only
//! cells in view are built, and what was built is kept while it fits a bound. The **cursor** is a step: what one branches
//! from, tests, folds. While it **follows**, the window stays at the end and old steps fold by themselves; a reader who
//! scrolled up is never moved.

use std::collections::HashMap;
use std::sync::Arc;

use super::page::{self, Fold, Look};
use crate::app::list::Move;
use crate::app::story::Story;
use crate::text::Line;
use crate::text::rows::RowIndex;

/// Bytes of built lines that are kept.
const CACHE: usize = 6 << 20;
/// Steps that stay open while following.
const FRESH: u32 = 4;
/// Trajectories with so many steps or fewer open unfolded when they are not live.
const UNFOLDED: u32 = 400;

#[derive(Debug, Clone, PartialEq)]
struct Key {
    revision: u64,
    fold: Fold,
    look: (usize, bool, bool),
}

/// All that the cells' keys are made of.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    revision: u64,
    gone: u32,
    problem: bool,
    folding: u64,
    folded_below: u32,
    look: (usize, bool, bool),
}

#[derive(Debug, Clone)]
struct Built {
    key: Key,
    lines: Arc<Vec<Line>>,
    bytes: usize,
    used: u64,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    /// Step under the cursor; 0 is the task.
    pub cursor: u32,
    /// Stay at the end.
    pub follow: bool,
    /// Of a run that was over when it was opened: read from its beginning.
    pub stored: bool,
    /// First row in view.
    pub top: usize,
    /// Lines in view, as of the last [`Self::settle`].
    pub visible: Vec<Line>,
    /// Rows of the whole page.
    pub rows: usize,
    /// Rows of the window.
    pub height: usize,
    /// Cells that were built since the start: what a frame costs, for tests.
    pub built: u64,
    /// Cells that were asked whether they are still as they were built: none, where nothing can have changed them.
    pub compared: u64,
    /// What [`Self::compared`] goes by.
    seen: Option<Seen>,
    /// Counts changes of folds.
    folding: u64,
    folds: HashMap<u32, Fold>,
    everything: Option<Fold>,
    folded_below: u32,
    index: RowIndex,
    keys: Vec<Key>,
    first: u32,
    cache: HashMap<u32, Built>,
    cached: usize,
    clock: u64,
}

impl Transcript {
    /// For a live run: at the end.
    #[must_use]
    pub fn following() -> Self {
        Self {
            follow: true,
            ..Self::default()
        }
    }

    /// How much of a step is shown.
    #[must_use]
    pub fn fold(&self, step: u32) -> Fold {
        if let Some(fold) = self.folds.get(&step) {
            return *fold;
        }
        if let Some(fold) = self.everything {
            return fold;
        }
        if step > 0 && step < self.folded_below {
            Fold::Folded
        } else {
            Fold::Open
        }
    }

    /// One state further: folded, open, everything.
    pub fn toggle(&mut self, step: u32) {
        let next = match self.fold(step) {
            Fold::Folded => Fold::Open,
            Fold::Open => Fold::Whole,
            Fold::Whole => Fold::Folded,
        };
        self.set_fold(step, next);
    }

    /// One step in a state.
    pub fn set_fold(&mut self, step: u32, fold: Fold) {
        self.folding += 1;
        self.folds.insert(step, fold);
    }

    /// All steps in one state; what was done to single ones is forgotten.
    pub fn set_all(&mut self, fold: Fold) {
        self.folding += 1;
        self.folds.clear();
        self.everything = Some(fold);
    }

    /// Scroll. The cursor comes along when it would leave the window.
    pub fn scroll(&mut self, story: &Story, step: Move) {
        let last = self.rows.saturating_sub(self.height);
        let mut page = crate::app::list::Scroll {
            top: self.top,
            height: self.height,
            len: self.rows,
            follow: self.follow,
        };
        page.go(step);
        self.top = page.top.min(last);
        self.follow = page.follow;
        if self.follow {
            self.cursor = story.last();
            return;
        }
        let (first, _) = self.cell_at(self.top);
        let (end, _) = self
            .cell_at((self.top + self.height.saturating_sub(1)).min(self.rows.saturating_sub(1)));
        let low = Self::step_of(story, first);
        let high = Self::step_of(story, end);
        self.cursor = self.cursor.clamp(low.min(high), high.max(low));
    }

    /// Put the cursor on a step and show it.
    pub fn go_to(&mut self, story: &Story, step: u32) {
        let first = if story.gone > 0 { story.gone + 1 } else { 0 };
        self.cursor = step.clamp(first.min(story.last()), story.last());
        self.follow = false;
        self.show_cursor(story);
    }

    /// Move the cursor by steps.
    pub fn go_by(&mut self, story: &Story, steps: i64) {
        let to = i64::from(self.cursor).saturating_add(steps).max(0);
        self.go_to(story, u32::try_from(to).unwrap_or(u32::MAX));
    }

    fn show_cursor(&mut self, story: &Story) {
        let cell = Self::cell_of(story, self.cursor);
        let row = self.row_of_cell(cell);
        let height = self.row_of_cell(cell + 1).saturating_sub(row);
        // The whole step where it fits; its beginning where it does not.
        if row < self.top || height >= self.height {
            self.top = row;
        } else if row + height > self.top + self.height {
            self.top = row + height - self.height;
        }
        self.top = self.top.min(self.rows.saturating_sub(self.height));
    }

    fn cell_at(&self, row: usize) -> (usize, usize) {
        self.index.cell_at(row).unwrap_or_default()
    }

    fn row_of_cell(&self, cell: usize) -> usize {
        self.index
            .row_of(cell)
            .unwrap_or_else(|| self.index.total())
    }

    fn cell_of(story: &Story, step: u32) -> usize {
        (step.saturating_sub(story.gone) as usize).min(story.steps.len())
    }

    fn step_of(story: &Story, cell: usize) -> u32 {
        let cell = u32::try_from(cell.min(story.steps.len())).unwrap_or(0);
        if cell == 0 { 0 } else { story.gone + cell }
    }

    /// First row of a step.
    #[must_use]
    pub fn row_of(&self, story: &Story, step: u32) -> usize {
        self.row_of_cell(Self::cell_of(story, step))
    }

    /// The step that a row of the window belongs to.
    #[must_use]
    pub fn step_at(&self, story: &Story, row: usize) -> Option<u32> {
        let row = self.top + row;
        (row < self.rows).then(|| Self::step_of(story, self.cell_at(row).0))
    }

    /// Bring heights and lines in view up to date with the story and the window. Work is that of what changed and of what is
    /// in view.
    pub fn settle(
        &mut self,
        story: &Story,
        problem: Option<&str>,
        live: bool,
        height: usize,
        look: Look<'_>,
    ) {
        self.clock += 1;
        if self.first != story.gone {
            // Steps at the front are gone: rows shift, and so does what is kept of them.
            self.first = story.gone;
            self.keys.clear();
            self.cache.clear();
            self.cached = 0;
        }
        let anchor = (!self.follow && self.rows > 0).then(|| self.cell_at(self.top));
        let old_width = self.keys.first().map(|key| key.look.0);
        if self.follow {
            self.cursor = story.last();
            if live {
                self.folded_below = self
                    .folded_below
                    .max((story.last() + 1).saturating_sub(FRESH));
            }
        }
        if !live && self.stored && self.everything.is_none() && story.last() > UNFOLDED {
            self.folded_below = self.folded_below.max(story.last());
        }
        let cells = story.steps.len() + 2;
        self.index.truncate(cells);
        self.keys.truncate(cells);
        let seen = Seen {
            revision: story.revision,
            gone: story.gone,
            problem: problem.is_some(),
            folding: self.folding,
            folded_below: self.folded_below,
            look: (look.width, look.glyphs.ascii, look.outcome),
        };
        let changed = self.keys.len() != cells || self.seen.as_ref() != Some(&seen);
        self.seen = Some(seen);
        for cell in (0..cells).take_while(|_| changed) {
            self.compared += 1;
            let key = self.key(story, problem, cell, look);
            if self.keys.get(cell) == Some(&key) {
                continue;
            }
            let lines = self.build(story, problem, cell, &key, look);
            let rows = lines.len();
            if cell < self.index.len() {
                self.index.set(cell, rows);
            } else {
                self.index.push(rows);
            }
            if cell < self.keys.len() {
                self.keys[cell] = key;
            } else {
                self.keys.push(key);
            }
        }
        self.rows = self.index.total();
        self.height = height;
        let last = self.rows.saturating_sub(height);
        match anchor {
            Some((cell, within)) if old_width != Some(look.width) => {
                // The same cell stays on top; within it, as far down as before where it still has so many rows.
                let row = self.row_of_cell(cell);
                let rows = self.row_of_cell(cell + 1).saturating_sub(row);
                self.top = row + within.min(rows.saturating_sub(1));
            }
            _ => {}
        }
        self.top = if self.follow {
            last
        } else {
            self.top.min(last)
        };
        self.fill(story, problem, look);
        self.trim();
    }

    fn fill(&mut self, story: &Story, problem: Option<&str>, look: Look<'_>) {
        self.visible.clear();
        if self.rows == 0 {
            return;
        }
        let (mut cell, mut within) = self.cell_at(self.top);
        while self.visible.len() < self.height && cell < self.keys.len() {
            let key = self.keys[cell].clone();
            let lines = self.build(story, problem, cell, &key, look);
            let room = self.height - self.visible.len();
            let from = self.visible.len();
            self.visible
                .extend(lines.iter().skip(within).take(room).cloned());
            let step = Self::step_of(story, cell);
            let on_cursor = cell > 0 && cell <= story.steps.len() && step == self.cursor;
            if on_cursor
                && within == 0
                && let Some(first) = self.visible.get_mut(from)
            {
                *first = page::with_cursor(first, step);
            }
            cell += 1;
            within = 0;
        }
    }

    fn key(&self, story: &Story, problem: Option<&str>, cell: usize, look: Look<'_>) -> Key {
        let step = Self::step_of(story, cell);
        let last = cell == story.steps.len() + 1;
        let revision = if last {
            story.revision
        } else if cell == 0 {
            // The task's statement may be loaded after the run.
            u64::from(story.gone) << 3
                | u64::from(problem.is_some()) << 2
                | u64::from(story.report.is_some()) << 1
                | u64::from(story.start.is_some())
        } else {
            story
                .steps
                .get(cell - 1)
                .map_or(0, |step| u64::from(step.revision))
        };
        Key {
            revision,
            fold: if last { Fold::Open } else { self.fold(step) },
            look: (look.width, look.glyphs.ascii, look.outcome),
        }
    }

    fn build(
        &mut self,
        story: &Story,
        problem: Option<&str>,
        cell: usize,
        key: &Key,
        look: Look<'_>,
    ) -> Arc<Vec<Line>> {
        let name = u32::try_from(cell).unwrap_or(u32::MAX);
        if let Some(built) = self.cache.get_mut(&name)
            && built.key == *key
        {
            built.used = self.clock;
            return Arc::clone(&built.lines);
        }
        self.built += 1;
        let lines = if cell == 0 {
            page::opening(story, problem, key.fold, look)
        } else if let Some(step) = story.steps.get(cell - 1) {
            page::step(story, step, key.fold, look)
        } else {
            page::ending(story, look)
        };
        let bytes = lines.iter().map(Line::bytes).sum();
        let lines = Arc::new(lines);
        let built = Built {
            key: key.clone(),
            lines: Arc::clone(&lines),
            bytes,
            used: self.clock,
        };
        self.cached += bytes;
        if let Some(old) = self.cache.insert(name, built) {
            self.cached = self.cached.saturating_sub(old.bytes);
        }
        lines
    }

    /// Keep what was used last, as far as it fits.
    fn trim(&mut self) {
        if self.cached <= CACHE {
            return;
        }
        let mut by_use: Vec<(u64, u32, usize)> = self
            .cache
            .iter()
            .filter(|(_, built)| built.used < self.clock)
            .map(|(cell, built)| (built.used, *cell, built.bytes))
            .collect();
        by_use.sort_unstable();
        for (_, cell, bytes) in by_use {
            if self.cached <= CACHE / 2 {
                break;
            }
            self.cache.remove(&cell);
            self.cached = self.cached.saturating_sub(bytes);
        }
    }
}
