//! What the executor tells the state: answers to effects, and what happens elsewhere.
//!
//! Each answer carries its question (a request number, a run's id), so that a late one is known and dropped.

use std::sync::Arc;

use crate::app::engines::{Coming, Look, Served};
use crate::app::messages::Weight;
use crate::config::ThemeChoice;
use crate::rollout::control::Answer;
use crate::task::Task;
use crate::text::diff::FileDiff;
use crate::text::log::Log;
use crate::trajectory::Record;
use crate::trajectory::index::Summary;

/// A request's number: an answer with an old one is dropped.
pub type Request = u64;

/// See the module.
#[derive(Debug)]
pub enum News {
    /// Tasks were read.
    Tasks {
        /// Which question.
        request: Request,
        /// Where from.
        source: String,
        /// The tasks, or why not.
        result: Result<Vec<Arc<Task>>, String>,
    },
    /// Rows of the library: all of them, or those that changed.
    Library {
        /// Rows by id; a row replaces the one of its id.
        rows: Vec<Summary>,
        /// The scan is over: nothing is missing.
        complete: bool,
    },
    /// The models that are computed here, as they are now.
    Engines {
        /// Each of them.
        looks: Vec<Look>,
        /// One is being opened: what there is will be seen by the next look.
        opening: bool,
        /// What is downloaded on the way to one, or to tasks.
        coming: Vec<Coming>,
    },
    /// A model is served, or no longer.
    Serving {
        /// Under which name, and where.
        served: Option<Served>,
    },
    /// Rows of the library whose rollouts are gone.
    Gone {
        /// Which.
        ids: Vec<String>,
    },
    /// A rollout was started or opened by this program.
    Begun {
        /// Its id.
        id: String,
        /// The attempts that were asked for together show up as one group.
        focus: bool,
    },
    /// Records of a run, in order.
    Records {
        /// Which run.
        id: String,
        /// Generation of the opening: a run may be opened anew.
        generation: Request,
        /// The records.
        records: Vec<Record>,
        /// A process works on it.
        live: bool,
        /// There is nothing after these yet.
        caught_up: bool,
    },
    /// A run cannot be read.
    Unreadable {
        /// Which run.
        id: String,
        /// Why.
        why: String,
    },
    /// A control operation was answered.
    Answered {
        /// Which run.
        id: String,
        /// The operation, in a word.
        what: String,
        /// Its answer, or why there is none.
        answer: Result<Answer, String>,
    },
    /// A diff was made.
    Diff {
        /// Which run.
        id: String,
        /// Which question.
        request: Request,
        /// The files, or why not.
        result: Result<Arc<Vec<FileDiff>>, String>,
    },
    /// The lines of a diff were highlighted.
    Code {
        /// Which run.
        id: String,
        /// What the diff is of.
        span: crate::app::run::Span,
        /// The lines.
        code: Arc<crate::app::run::Code>,
    },
    /// The code in a task's statement was highlighted.
    Fences {
        /// Which task.
        task: String,
        /// The code.
        fences: Arc<super::fences::Fences>,
    },
    /// A raw log was read.
    Log {
        /// Which run.
        id: String,
        /// Which file.
        file: String,
        /// The log, or why not.
        result: Result<Arc<Log>, String>,
    },
    /// The user's editor came back.
    Edited {
        /// What for.
        purpose: Purpose,
        /// The text, or why not.
        result: Result<String, String>,
    },
    /// The keymap to use: another one, or the same read again.
    Keymap {
        /// Its name.
        name: String,
        /// The keymap.
        keymap: Box<crate::keymap::Keymap>,
        /// Mistakes in its files.
        warnings: Vec<String>,
    },
    /// The user's own themes or keymaps changed on disk: names of all there are now, where some did.
    Files {
        /// Themes.
        themes: Option<Vec<String>>,
        /// Keymaps.
        keymaps: Option<Vec<String>>,
    },
    /// The settings' file asks for something else than before.
    Settings {
        /// For this theme, or these two.
        theme: Option<ThemeChoice>,
        /// For this keymap.
        keymap: Option<String>,
    },
    /// Something for people.
    Message {
        /// How much it matters.
        weight: Weight,
        /// What.
        text: String,
    },
}

/// What a text is edited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// The arguments of the action that waits.
    Action {
        /// Which run.
        id: String,
        /// Which of the step's actions.
        index: u32,
    },
    /// Something to say to the agent.
    Say {
        /// Which run.
        id: String,
    },
    /// Only to look at it.
    Look,
}
