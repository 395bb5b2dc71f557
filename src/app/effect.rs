//! What the state asks for. Nothing in here happens in `update`: the executor carries out the first kind, the loop that owns
//! the terminal the second ([`Screen`]).

use std::sync::Arc;

use super::form::Form;
use super::news::{Purpose, Request};
use crate::rollout::Op;
use crate::sandbox::SnapshotId;
use crate::task::Task;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Read tasks.
    LoadTasks {
        /// Names the answer.
        request: Request,
        /// `--tasks` text.
        source: String,
    },
    /// Read the library's index and keep it up to date.
    LoadLibrary,
    /// Look at the models that are computed here.
    LookAtEngines,
    /// Serve a local model (`--model` text) to programs of this machine.
    Serve {
        /// Which.
        model: String,
    },
    /// Serve it no more.
    EndServing,
    /// Read a run's records and, while a process works on it, those to come.
    Open {
        /// Which.
        id: String,
        /// Names the answers.
        generation: Request,
    },
    /// Nobody looks at a run any more.
    Close {
        /// Which.
        id: String,
    },
    /// Start attempts.
    Start(Box<Form>),
    /// Show the program itself: the bundled policy attempts a task of the gym.
    Demo,
    /// Go on with an interrupted run.
    Resume {
        /// Which.
        id: String,
    },
    /// Branch off a run that nobody works on.
    Branch {
        /// Which.
        id: String,
        /// The last step that is kept.
        step: u32,
        /// Said to the agent.
        say: Option<String>,
    },
    /// Steer a running one.
    Control {
        /// Which.
        id: String,
        /// How.
        op: Op,
    },
    /// Run the task's tests on a stored workspace.
    Test {
        /// Which run.
        id: String,
        /// As of which step.
        step: u32,
    },
    /// Carry a stored run's actions out again in a fresh sandbox.
    Reexecute {
        /// Which run.
        id: String,
    },
    /// Compare two workspaces of a run.
    Diff {
        /// Which run.
        id: String,
        /// Names the answer.
        request: Request,
        /// From this step's workspace (0 is the base) …
        from: u32,
        /// … to this one's.
        to: u32,
        /// Both, as snapshots.
        snapshots: Box<(SnapshotId, SnapshotId)>,
    },
    /// Highlight the code in a task's statement.
    Fences {
        /// Which task.
        task: Arc<Task>,
    },
    /// Read a raw log of a run's folder.
    Log {
        /// Which run.
        id: String,
        /// The file's name.
        file: String,
    },
    /// Grade gold and empty patch of a task.
    Check {
        /// `--tasks` text.
        source: String,
        /// Which task.
        task: String,
    },
    /// Use another keymap, or read the present one again.
    Keymap {
        /// Its name.
        name: String,
    },
    /// Its files have changed: read the keymap in use again. It stays where they cannot be read.
    KeymapAgain {
        /// Its name.
        name: String,
    },
    /// Keep layout, theme and the rest for the next session.
    Save(Box<super::session::Session>),
    /// For the loop.
    Screen(Screen),
}

/// What only the owner of the terminal can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screen {
    /// Use a theme; `keep` is false for a preview.
    Theme {
        /// Its name.
        name: String,
        /// Remember it.
        keep: bool,
    },
    /// Its files have changed: read the theme in use again. It stays where they cannot be read.
    ThemeAgain {
        /// Its name.
        name: String,
    },
    /// Put text on the clipboard.
    Copy {
        /// The text.
        text: String,
        /// What it is, for the message.
        what: String,
    },
    /// Open a text in the user's editor.
    Edit {
        /// The text.
        text: String,
        /// File name's ending.
        suffix: &'static str,
        /// What for.
        purpose: Purpose,
    },
    /// Draw everything anew.
    Redraw,
    /// Ctrl-Z.
    Suspend,
    /// Leave.
    Quit,
}
