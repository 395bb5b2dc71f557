//! The file `scaffold.toml`: its keys, and where the files that it names are read.
//!
//! Mental model: a scaffold is a folder. It may say `extends = "codeact"`; then whatever it leaves out, keys and files
//! alike, comes from that builtin one, so that a folder with two lines of TOML and its own `system.md` is a scaffold.
//! Whole tables (`[limits]`, `[observation]`, `[shell]`, `[submit]`, `[[tools]]`) replace the builtin's; `[prompts]` is merged key
//! by key. A key that is not known is an error with its line and column.
//!
//! Not here: what the keys do ([`super::scaffold`]).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Limits, OverflowPolicy, ToolForm};
use crate::text::hex::hex;
use crate::text::nearest::nearest;

static BUILTIN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/agent/scaffolds");

/// The names of the scaffolds that spotter brings along.
pub(super) const NAMES: &[&str] = &["codeact", "bash"];

const FILE: &str = "scaffold.toml";

/// A scaffold that cannot be used. Each text says where, what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// No such name and no such path.
    #[error(
        "there is no scaffold `{name}`{meant}: name one of {known}, or a folder with a scaffold.toml"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// ` (did you mean …?)` or nothing.
        meant: String,
        /// The builtin names.
        known: String,
    },
    /// A file of it cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The TOML is wrong.
    #[error("{file}:{line}:{column}: {message}")]
    Toml {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// The file holds together, but says something that cannot be done.
    #[error("{file}: {message}")]
    Content {
        /// The file.
        file: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// A template does not compile or names something that is not there.
    #[error("{file}:{line}:{column}: {message}")]
    Template {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
}

/// What stands in `scaffold.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    extends: Option<String>,
    name: Option<String>,
    description: Option<String>,
    form: Option<ToolForm>,
    overflow: Option<OverflowPolicy>,
    #[serde(default)]
    prompts: RawPrompts,
    limits: Option<Limits>,
    observation: Option<Observation>,
    shell: Option<Shell>,
    submit: Option<Submit>,
    tools: Option<Vec<Tool>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrompts {
    system: Option<String>,
    task: Option<String>,
    example: Option<String>,
    command: Option<String>,
    complaint: Option<String>,
    skipped: Option<String>,
    nudges: Option<Vec<String>>,
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
    /// File with its description.
    pub(super) description: String,
    /// Descriptions of its arguments.
    #[serde(default)]
    pub(super) arguments: BTreeMap<String, String>,
}

/// A scaffold's files, read and merged, not yet understood.
#[derive(Debug)]
pub(super) struct Folder {
    /// For messages: the path of its `scaffold.toml`.
    pub(super) file: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) form: ToolForm,
    pub(super) overflow: OverflowPolicy,
    pub(super) prompts: Prompts,
    pub(super) limits: Limits,
    pub(super) observation: Observation,
    pub(super) shell: Shell,
    pub(super) submit: Option<Submit>,
    pub(super) tools: Vec<Tool>,
    /// Contents by name, of every file that the keys name.
    pub(super) texts: BTreeMap<String, String>,
    /// Where each of them lies, for messages.
    pub(super) places: BTreeMap<String, String>,
    /// SHA-256 over all files that make it up.
    pub(super) hash: String,
}

/// Where files are read.
enum Place {
    Builtin(String),
    Disk(PathBuf),
}

impl Place {
    fn show(&self, name: &str) -> String {
        match self {
            Self::Builtin(scaffold) => format!("builtin:{scaffold}/{name}"),
            Self::Disk(folder) => folder.join(name).display().to_string(),
        }
    }

    /// The text of a file; `None` where there is no such file.
    fn text(&self, name: &str) -> Result<Option<String>, ScaffoldError> {
        match self {
            Self::Builtin(scaffold) => Ok(BUILTIN
                .get_file(format!("{scaffold}/{name}"))
                .and_then(include_dir::File::contents_utf8)
                .map(str::to_owned)),
            Self::Disk(folder) => {
                let path = folder.join(name);
                match std::fs::read_to_string(&path) {
                    Ok(text) => Ok(Some(text)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(source) => Err(ScaffoldError::Read { path, source }),
                }
            }
        }
    }
}

/// Read a builtin scaffold, a folder, or the TOML file in one.
pub(super) fn open(name_or_path: &str) -> Result<Folder, ScaffoldError> {
    if NAMES.contains(&name_or_path) {
        return read(&Place::Builtin(name_or_path.into()), FILE);
    }
    let path = Path::new(name_or_path);
    let unknown = || ScaffoldError::Unknown {
        name: name_or_path.into(),
        meant: nearest(name_or_path, NAMES.iter().copied())
            .map(|name| format!(" (did you mean `{name}`?)"))
            .unwrap_or_default(),
        known: NAMES.join(", "),
    };
    if path.is_dir() {
        return read(&Place::Disk(path.to_path_buf()), FILE);
    }
    let (Some(folder), Some(file), true) = (
        path.parent(),
        path.file_name().and_then(|n| n.to_str()),
        path.is_file(),
    ) else {
        return Err(unknown());
    };
    read(&Place::Disk(folder.to_path_buf()), file)
}

fn parse(file: &str, text: &str) -> Result<Raw, ScaffoldError> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let (line, column) = line_and_column(text, at);
        ScaffoldError::Toml {
            file: file.into(),
            line,
            column,
            message: error.message().replace('\n', " "),
        }
    })
}

/// Line and column, from 1, of a byte of a text.
pub(super) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |last| last.chars().count())
        + 1;
    (line, column)
}

fn read(place: &Place, file: &str) -> Result<Folder, ScaffoldError> {
    let shown = place.show(file);
    let wrong = |message: String| ScaffoldError::Content {
        file: shown.clone(),
        message,
    };
    let text = place
        .text(file)?
        .ok_or_else(|| wrong("there is no such file; a scaffold needs one".into()))?;
    let raw = parse(&shown, &text)?;
    let mut digest = vec![(file.to_owned(), text)];
    let (base, base_place) = match raw.extends.as_deref() {
        None => (Raw::default(), None),
        Some(name) if NAMES.contains(&name) => {
            let place = Place::Builtin(name.into());
            let text = place.text(FILE)?.unwrap_or_default();
            let base = parse(&place.show(FILE), &text)?;
            digest.push((format!("{name}/{FILE}"), text));
            (base, Some(place))
        }
        Some(name) => {
            return Err(wrong(format!(
                "`extends = \"{name}\"` names no builtin scaffold; there are {}",
                NAMES.join(", ")
            )));
        }
    };
    let missing = |key: &str| ScaffoldError::Content {
        file: shown.clone(),
        message: format!(
            "the key `{key}` is missing; write it, or `extends` a builtin scaffold that has it"
        ),
    };
    let own = raw.prompts;
    let from = base.prompts;
    let prompts = Prompts {
        system: own
            .system
            .or(from.system)
            .ok_or_else(|| missing("prompts.system"))?,
        task: own
            .task
            .or(from.task)
            .ok_or_else(|| missing("prompts.task"))?,
        example: own.example.or(from.example),
        command: own
            .command
            .or(from.command)
            .ok_or_else(|| missing("prompts.command"))?,
        complaint: own
            .complaint
            .or(from.complaint)
            .ok_or_else(|| missing("prompts.complaint"))?,
        skipped: own
            .skipped
            .or(from.skipped)
            .ok_or_else(|| missing("prompts.skipped"))?,
        nudges: own.nudges.or(from.nudges).unwrap_or_default(),
    };
    let tools = raw.tools.or(base.tools).ok_or_else(|| missing("tools"))?;

    let mut texts = BTreeMap::new();
    let mut places = BTreeMap::new();
    let single = [
        &prompts.system,
        &prompts.task,
        &prompts.command,
        &prompts.complaint,
        &prompts.skipped,
    ];
    let named = single
        .into_iter()
        .chain(&prompts.example)
        .chain(&prompts.nudges)
        .chain(tools.iter().map(|tool| &tool.description));
    for name in named {
        let plain = Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !plain || name.is_empty() {
            return Err(wrong(format!(
                "`{name}` must be the name of a file beneath the scaffold's own folder"
            )));
        }
        let mut found = place.text(name)?.map(|text| (text, place.show(name)));
        if let (None, Some(base)) = (&found, &base_place) {
            found = base.text(name)?.map(|text| (text, base.show(name)));
        }
        let (text, at) = found.ok_or_else(|| {
            wrong(format!(
                "it names `{name}`, and {} does not exist",
                place.show(name)
            ))
        })?;
        digest.push((name.clone(), text.clone()));
        texts.insert(name.clone(), text);
        places.insert(name.clone(), at);
    }
    Ok(Folder {
        name: raw.name.or(base.name).ok_or_else(|| missing("name"))?,
        description: raw.description.or(base.description).unwrap_or_default(),
        form: raw.form.or(base.form).ok_or_else(|| missing("form"))?,
        overflow: raw
            .overflow
            .or(base.overflow)
            .ok_or_else(|| missing("overflow"))?,
        limits: raw
            .limits
            .or(base.limits)
            .ok_or_else(|| missing("limits"))?,
        observation: raw
            .observation
            .or(base.observation)
            .ok_or_else(|| missing("observation"))?,
        shell: raw.shell.or(base.shell).unwrap_or_default(),
        submit: raw.submit.or(base.submit),
        file: shown,
        prompts,
        tools,
        texts,
        places,
        hash: hash(digest),
    })
}

/// One hash over names and contents, whatever order the keys have.
fn hash(mut files: Vec<(String, String)>) -> String {
    files.sort();
    files.dedup();
    let mut sha = Sha256::new();
    for (name, text) in files {
        sha.update(name.as_bytes());
        sha.update([0]);
        sha.update((text.len() as u64).to_le_bytes());
        sha.update(text.as_bytes());
    }
    hex(&sha.finalize())
}
