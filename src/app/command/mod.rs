//! The one command table: keys, palette, help, which-key, the line of keys and `keymaps/README.md` all read it.
//!
//! A command has an id, words for people, the context that it belongs to, a check that says why it cannot run now, and a
//! function from the state to effects. It never does anything itself.

pub mod docs;
mod engines;
mod global;
mod library;
mod moving;
pub(super) mod pick;
mod replay;
mod run;
mod steer;
mod taking;
pub(super) mod tasks;
mod typing;

use super::effect::Effect;
use super::state::State;

pub(super) use pick::HUMAN;

/// What a command is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Words after the id.
    pub argument: String,
    /// A count typed before the key.
    pub count: Option<u32>,
}

impl Told {
    /// The count, or 1.
    #[must_use]
    pub fn times(&self) -> i64 {
        self.count.map_or(1, i64::from)
    }
}

/// A command with what it is told, as a keymap or a palette row names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Its id.
    pub id: String,
    /// What it is told.
    pub told: Told,
}

impl Invocation {
    /// Read `move.rows -1`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let (id, argument) = text.split_once(' ').unwrap_or((text, ""));
        Self {
            id: id.into(),
            told: Told {
                argument: argument.trim().into(),
                count: None,
            },
        }
    }
}

/// Why a command cannot run now, and what to do about it.
pub type Reason = std::borrow::Cow<'static, str>;

/// See the module.
pub struct Command {
    /// `run.pause`.
    pub id: &'static str,
    /// What it does, in a few words.
    pub title: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// The keymap's context that it belongs to.
    pub context: &'static str,
    /// Arguments that it takes, for the check of keymaps; empty for none.
    pub arguments: &'static [&'static str],
    /// Place in the line of keys, smallest first; 0 keeps it out.
    pub hint: u8,
    /// Whether it can run, else why not.
    pub enabled: fn(&State) -> Result<(), Reason>,
    /// Run it.
    pub run: fn(&mut State, &Told) -> Vec<Effect>,
}

impl Command {
    /// What it would do as things are, in a few words.
    #[must_use]
    pub fn title_in(&self, state: &State) -> &'static str {
        match self.id {
            engines::SERVE => engines::title(state),
            _ => self.title,
        }
    }
}

/// Contexts of keymaps, with what they are.
pub const CONTEXTS: &[(&str, &str)] = &[
    ("global", "everywhere but where text is typed"),
    ("move", "in every list and page"),
    ("tasks", "the tasks view"),
    ("form", "the form that starts attempts"),
    ("library", "the library view"),
    ("engines", "the engines view"),
    ("run", "the run view, in all its panes"),
    ("approve", "an action waits for approval"),
    ("search", "a search stands"),
    ("replay", "a replay"),
    ("demo", "presenter mode"),
    ("transcript", "the transcript"),
    ("diff", "the diff"),
    ("tests", "the tests"),
    ("log", "a raw test log"),
    ("files", "the files"),
    ("notes", "the notes"),
    ("picker", "palette, help, pickers"),
    ("query", "a filter is typed"),
    ("ask", "a question in the line"),
    ("field", "wherever text is typed"),
    ("confirm", "a question that cannot be undone"),
    ("messages", "the messages"),
    ("welcome", "the first start"),
];

/// The groups of the table, in the order of the help.
const GROUPS: &[&[Command]] = &[
    global::COMMANDS,
    moving::COMMANDS,
    tasks::COMMANDS,
    pick::COMMANDS,
    run::COMMANDS,
    taking::COMMANDS,
    steer::COMMANDS,
    replay::COMMANDS,
    library::COMMANDS,
    engines::COMMANDS,
    typing::COMMANDS,
];

/// All commands.
pub fn all() -> impl Iterator<Item = &'static Command> {
    GROUPS.iter().copied().flatten()
}

/// A command by its id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Command> {
    all().find(|command| command.id == id)
}

/// Why a keymap's text names no command.
pub fn check(text: &str) -> Result<(), String> {
    let told = Invocation::of(text);
    let Some(command) = find(&told.id) else {
        let near = crate::text::nearest::nearest(&told.id, all().map(|command| command.id));
        return Err(match near {
            Some(near) => format!("unknown command `{}`; did you mean `{near}`?", told.id),
            None => format!(
                "unknown command `{}`; `keymaps/README.md` lists them",
                told.id
            ),
        });
    };
    let argument = told.told.argument.as_str();
    match (command.arguments, argument) {
        ([], "") => Ok(()),
        ([], _) => Err(format!("`{}` takes no argument", command.id)),
        (known, _) if known.contains(&argument) || known.contains(&"…") => Ok(()),
        (known, "") if known.contains(&"") => Ok(()),
        (known, _) if known.contains(&"N") && argument.parse::<i64>().is_ok() => Ok(()),
        (known, _) => Err(format!(
            "`{}` takes one of: {}",
            command.id,
            known.join(", ")
        )),
    }
}

/// It can always run.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the type of every command's check"
)]
fn always(_: &State) -> Result<(), Reason> {
    Ok(())
}

#[cfg(test)]
mod tests;
