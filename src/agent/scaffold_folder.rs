//! Where a scaffold's files are read: in the program itself, or in a folder of this machine that may extend a builtin one.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

use super::scaffold_file::{Observation, Prompts, Raw, RawPrompts, Shell, Submit, Tool};
use super::{Limits, OverflowPolicy, ToolForm};
use crate::text::hex::hex;
use crate::text::nearest::nearest;

static BUILTIN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src/agent/scaffolds");

/// The names of the scaffolds that spotter brings along.
pub(super) const NAMES: &[&str] = &["codeact", "bash", "gym"];

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

/// The scaffold that another one extends.
fn base(name: &str, shown: &str) -> Result<(Raw, Place, String), ScaffoldError> {
    if !NAMES.contains(&name) {
        return Err(ScaffoldError::Content {
            file: shown.into(),
            message: format!(
                "`extends = \"{name}\"` names no builtin scaffold; there are {}",
                NAMES.join(", ")
            ),
        });
    }
    let place = Place::Builtin(name.into());
    let text = place.text(FILE)?.unwrap_or_default();
    Ok((parse(&place.show(FILE), &text)?, place, text))
}

fn read(place: &Place, file: &str) -> Result<Folder, ScaffoldError> {
    let shown = place.show(file);
    let text = place.text(file)?.ok_or_else(|| ScaffoldError::Content {
        file: shown.clone(),
        message: "there is no such file; a scaffold needs one".into(),
    })?;
    let own = parse(&shown, &text)?;
    let mut digest = vec![(file.to_owned(), text)];
    let (from, base_place) = match own.extends.as_deref() {
        None => (Raw::default(), None),
        Some(name) => {
            let (raw, place, text) = base(name, &shown)?;
            digest.push((format!("{name}/{FILE}"), text));
            (raw, Some(place))
        }
    };
    let missing = |key: &str| missing(&shown, key);
    let prompts = merge(own.prompts, from.prompts, &shown)?;
    let tools = own.tools.or(from.tools).ok_or_else(|| missing("tools"))?;
    let mut folder = Folder {
        name: own.name.or(from.name).ok_or_else(|| missing("name"))?,
        description: own.description.or(from.description).unwrap_or_default(),
        form: own.form.or(from.form).ok_or_else(|| missing("form"))?,
        overflow: own
            .overflow
            .or(from.overflow)
            .ok_or_else(|| missing("overflow"))?,
        limits: own
            .limits
            .or(from.limits)
            .ok_or_else(|| missing("limits"))?,
        observation: own
            .observation
            .or(from.observation)
            .ok_or_else(|| missing("observation"))?,
        shell: own.shell.or(from.shell).unwrap_or_default(),
        submit: own.submit.or(from.submit),
        file: shown.clone(),
        prompts,
        tools,
        texts: BTreeMap::new(),
        places: BTreeMap::new(),
        hash: String::new(),
    };
    for name in folder.named() {
        let (text, at) = named_file(&name, place, base_place.as_ref(), &shown)?;
        digest.push((name.clone(), text.clone()));
        folder.texts.insert(name.clone(), text);
        folder.places.insert(name, at);
    }
    folder.hash = hash(digest);
    Ok(folder)
}

fn missing(file: &str, key: &str) -> ScaffoldError {
    ScaffoldError::Content {
        file: file.into(),
        message: format!(
            "the key `{key}` is missing; write it, or `extends` a builtin scaffold that has it"
        ),
    }
}

fn merge(own: RawPrompts, from: RawPrompts, file: &str) -> Result<Prompts, ScaffoldError> {
    let either = |own: Option<String>, from: Option<String>, key: &str| {
        own.or(from)
            .ok_or_else(|| missing(file, &format!("prompts.{key}")))
    };
    Ok(Prompts {
        system: either(own.system, from.system, "system")?,
        task: either(own.task, from.task, "task")?,
        example: own.example.or(from.example),
        command: either(own.command, from.command, "command")?,
        complaint: either(own.complaint, from.complaint, "complaint")?,
        skipped: either(own.skipped, from.skipped, "skipped")?,
        nudges: own.nudges.or(from.nudges).unwrap_or_default(),
    })
}

impl Folder {
    /// The files that the keys name.
    fn named(&self) -> Vec<String> {
        let prompts = &self.prompts;
        [
            &prompts.system,
            &prompts.task,
            &prompts.command,
            &prompts.complaint,
            &prompts.skipped,
        ]
        .into_iter()
        .chain(&prompts.example)
        .chain(&prompts.nudges)
        .chain(self.tools.iter().map(|tool| &tool.description))
        .cloned()
        .collect()
    }
}

/// A file's text and where it lies: in the scaffold's own folder, else in the one that it extends.
fn named_file(
    name: &str,
    place: &Place,
    base: Option<&Place>,
    file: &str,
) -> Result<(String, String), ScaffoldError> {
    let wrong = |message: String| ScaffoldError::Content {
        file: file.into(),
        message,
    };
    let plain = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !plain || name.is_empty() {
        return Err(wrong(format!(
            "`{name}` must be the name of a file beneath the scaffold's own folder"
        )));
    }
    for place in [Some(place), base].into_iter().flatten() {
        if let Some(text) = place.text(name)? {
            return Ok((text, place.show(name)));
        }
    }
    Err(wrong(format!(
        "it names `{name}`, and {} does not exist",
        place.show(name)
    )))
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
