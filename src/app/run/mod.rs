//! A run on screen: its story, and where one is in each of its panes.
//!
//! A live run, a stored one and a replay differ only in where the records come from.

pub mod call;
mod diff;
mod files;
mod log;
mod notes;
pub mod page;
mod replay;
mod search;
mod tests;
mod transcript;

use std::sync::Arc;

pub use diff::{Code, Diff, Scope, Span, highlight};
pub use files::Files;
pub use log::LogPane;
pub use notes::{About, Notes, Target as Lead, state_of};
pub use page::Fold;
pub use replay::{Moment, Replay};
pub use search::Search;
pub use tests::{Target, Tests};
pub use transcript::Transcript;

use super::glyph::Glyphs;
use super::news::Request;
use super::story::{Phase, Story};
use crate::task::Task;
use crate::trajectory::Record;
use crate::trajectory::event::Event;

/// Records that are kept for a replay, before pieces of text are left out.
const MOST_RECORDS: usize = if cfg!(test) { 400 } else { 100_000 };

/// What a pane has to draw in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// The set of signs.
    pub glyphs: Glyphs,
}

/// A pane of the run view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Pane {
    /// The steps.
    #[default]
    Transcript,
    /// What changed in the workspace.
    Diff,
    /// The task's tests.
    Tests,
    /// Files that changed or were looked at.
    Files,
    /// Audit marks, sandbox, branches.
    Notes,
}

impl Pane {
    /// In the order of the tabs.
    pub const ALL: [Self; 5] = [
        Self::Transcript,
        Self::Diff,
        Self::Tests,
        Self::Files,
        Self::Notes,
    ];

    /// Its title.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Transcript => "Transcript",
            Self::Diff => "Diff",
            Self::Tests => "Tests",
            Self::Files => "Files",
            Self::Notes => "Notes",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Run {
    /// The rollout.
    pub id: String,
    /// Answers to another opening are dropped.
    pub generation: Request,
    /// What happened.
    pub story: Story,
    /// Its task, where that is loaded.
    pub task: Option<Arc<Task>>,
    /// A process works on it.
    pub live: bool,
    /// All that is in the file was read.
    pub caught_up: bool,
    /// Why it cannot be shown.
    pub unreadable: Option<String>,
    /// The steps.
    pub transcript: Transcript,
    /// The diff.
    pub diff: Diff,
    /// The tests.
    pub tests: Tests,
    /// The files.
    pub files: Files,
    /// The rest.
    pub notes: Notes,
    /// The raw log that lies over the tests, if it does.
    pub log: Option<LogPane>,
    /// Where keys go.
    pub focus: Pane,
    /// The focused pane has the screen to itself.
    pub zoom: bool,
    /// What is searched for.
    pub search: Option<Search>,
    /// The stored records and the clock, while it is replayed.
    pub replay: Option<Replay>,
    /// It is to be replayed as soon as it is read.
    pub replay_when_told: bool,
    /// Records of a run that is over, for a replay.
    pub records: Vec<Record>,
    /// Records that were not kept for one, because there are too many.
    pub left_out: usize,
}

impl Run {
    /// A run of which nothing is read yet.
    #[must_use]
    pub fn new(id: &str, generation: Request) -> Self {
        Self {
            id: id.into(),
            generation,
            story: Story::default(),
            task: None,
            live: false,
            caught_up: false,
            unreadable: None,
            transcript: Transcript::following(),
            diff: Diff::default(),
            tests: Tests::default(),
            files: Files::default(),
            notes: Notes::default(),
            log: None,
            focus: Pane::Transcript,
            zoom: false,
            search: None,
            replay: None,
            replay_when_told: false,
            records: Vec::new(),
            left_out: 0,
        }
    }

    /// Take in records of the file.
    pub fn tell(&mut self, records: &[Record], live: bool, caught_up: bool) {
        self.live = live;
        if !live && !self.caught_up && !self.transcript.stored {
            // A stored run is read from its beginning, and what there is of it is there to be read at once.
            self.transcript.stored = true;
            self.transcript.follow = false;
            self.transcript.top = 0;
            self.transcript.cursor = 0;
        }
        if self.replay.is_none() {
            for record in records {
                self.story.tell(record);
            }
        }
        if !self.caught_up && self.transcript.stored && self.transcript.cursor == 0 {
            self.transcript.cursor = self.story.steps.first().map_or(0, |step| step.number);
        }
        self.caught_up |= caught_up;
        if !live && self.caught_up && !self.story.is_over() {
            self.story.phase = Phase::Over;
        }
    }

    /// Keep records of a run that is over, for a replay. Of very many, the pieces in which text came are left out first: what
    /// they came to is in the records that follow them.
    pub fn keep(&mut self, records: Vec<Record>) {
        for record in records {
            let piece = matches!(record.event, Event::Delta { .. } | Event::Output { .. });
            let most = if piece {
                MOST_RECORDS
            } else {
                2 * MOST_RECORDS
            };
            if self.records.len() < most {
                self.records.push(record);
            } else {
                self.left_out += 1;
            }
        }
    }

    /// The step whose actions wait for a person's approval, while somebody can give it.
    #[must_use]
    pub fn waiting(&self) -> Option<&super::story::Step> {
        if !self.live || self.replay.is_some() || self.story.taken_over {
            return None;
        }
        self.story.waiting()
    }

    /// A person holds the agent's shell now.
    #[must_use]
    pub fn holds_shell(&self) -> bool {
        self.live && self.replay.is_none() && self.story.taken_over && !self.story.is_over()
    }

    /// The task's statement, where it is loaded.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.task
            .as_ref()
            .map(|task| task.problem_statement.as_str())
    }

    /// The work directory inside its sandbox.
    #[must_use]
    pub fn workdir(&self) -> &str {
        self.story
            .report
            .as_ref()
            .map_or("/testbed", |report| report.workdir.as_str())
    }

    /// Whether something moves on screen while nothing is written: a clock, a running glyph.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.live && !self.story.is_over() || self.replay.as_ref().is_some_and(Replay::is_playing)
    }

    /// The step that the diff, the tests and branches are about.
    #[must_use]
    pub fn step(&self) -> u32 {
        self.transcript.cursor.min(self.story.last())
    }
}
