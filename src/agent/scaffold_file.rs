//! The file `scaffold.toml`: its keys.
//!
//! Mental model: a scaffold is a folder. It may say `extends = "codeact"`; then whatever it leaves out, keys and files
//! alike, comes from that builtin one, so that a folder with two lines of TOML and its own `system.md` is a scaffold.
//! Whole tables (`[limits]`, `[observation]`, `[shell]`, `[submit]`, `[[tools]]`) replace the builtin's; `[prompts]` is merged key
//! by key. A key that is not known is an error with its line and column.
//!
//! Not here: where files are read ([`super::scaffold_folder`]), and what the keys do ([`super::scaffold`]).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Limits, OverflowPolicy, ToolForm};

/// What stands in `scaffold.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) extends: Option<String>,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) form: Option<ToolForm>,
    pub(super) overflow: Option<OverflowPolicy>,
    #[serde(default)]
    pub(super) prompts: RawPrompts,
    pub(super) limits: Option<Limits>,
    pub(super) observation: Option<Observation>,
    pub(super) shell: Option<Shell>,
    pub(super) submit: Option<Submit>,
    pub(super) tools: Option<Vec<Tool>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrompts {
    pub(super) system: Option<String>,
    pub(super) task: Option<String>,
    pub(super) example: Option<String>,
    pub(super) command: Option<String>,
    pub(super) complaint: Option<String>,
    pub(super) skipped: Option<String>,
    pub(super) nudges: Option<Vec<String>>,
}

/// Names of the template files.
#[derive(Debug, Clone)]
pub(super) struct Prompts {
    /// First message.
    pub(super) system: String,
    /// Second message.
    pub(super) task: String,
    /// Shown before the task with the text form: how a session goes.
    pub(super) example: Option<String>,
    /// What the model is told of a command that ran.
    pub(super) command: String,
    /// What it is told of a call that was not valid.
    pub(super) complaint: String,
    /// What it is told of a call that a person did not let through.
    pub(super) skipped: String,
    /// What it is told after a reply without a call: the first time, the second time…; the last one repeats.
    pub(super) nudges: Vec<String>,
}

/// How results are written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Observation {
    /// Most characters; also what the command template calls `longest`.
    pub(super) longest: usize,
    /// Stands where the middle of a longer text was cut out. Without it the command template must do the cutting.
    pub(super) cut: Option<String>,
    /// Before a result that answers a native call.
    #[serde(default)]
    pub(super) native_prefix: String,
    /// Before a result with the text form; `{name}` is the tool's name.
    #[serde(default)]
    pub(super) xml_prefix: String,
}

/// Where commands run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shell {
    /// Added to the sandbox's environment.
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    /// A persistent shell answers with exit code -1 when a command has printed nothing for so long. 0: never.
    #[serde(default)]
    pub(super) quiet_seconds: u64,
    /// Run unseen in every new persistent shell.
    #[serde(default)]
    pub(super) startup: String,
}

/// How work is handed in by printing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Submit {
    /// The first line of output that does it, with exit status 0.
    pub(super) first_line: String,
}

/// What a tool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Acts {
    /// A command in the shell that lives on.
    Shell,
    /// A command in a new subshell.
    Command,
    /// The `str_replace` editor.
    Editor,
    /// Shows where a function or class is defined.
    Find,
    /// Shows a file with line numbers.
    View,
    /// Puts lines in place of others, which are named by their text.
    Change,
    /// Runs the command that the scaffold names, in a new subshell.
    Script,
    /// Ends the work.
    Finish,
}

/// A tool as the file describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tool {
    /// What the model calls it.
    pub(super) name: String,
    /// What it does.
    pub(super) acts: Acts,
    /// The command of a `script`.
    #[serde(default)]
    pub(super) run: String,
    /// File with its description.
    pub(super) description: String,
    /// Descriptions of its arguments.
    #[serde(default)]
    pub(super) arguments: BTreeMap<String, String>,
}
