//! Reading a keymap file: `inherits`, tables by context, `no_op`, and mistakes with their line and column.
//!
//! ```toml
//! inherits = "default"
//!
//! [global]
//! "ctrl-k" = "palette.open"
//! "q" = "no_op"
//!
//! [transcript]
//! "g g" = { run = "cursor.first", desc = "to the first step" }
//! ```
//!
//! Built-in files are in the binary; a file of the same name in the user's folder goes over it and may inherit from it.
//! A mistake costs its own line and is a warning, never an exit.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::{Key, shown};
use super::{Binding, Keymap};
use crate::config::Warning;

/// Keymaps in the binary.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("default", include_str!("../../keymaps/default.toml")),
    ("emacs", include_str!("../../keymaps/emacs.toml")),
    ("minimal", include_str!("../../keymaps/minimal.toml")),
];

/// The keymap where nothing else is asked for.
pub const DEFAULT: &str = "default";

/// Names of the keymaps there are: the built-in ones, then the user's own.
#[must_use]
pub fn names(folder: Option<&Path>) -> Vec<String> {
    let mut names: Vec<String> = BUILT_IN.iter().map(|(name, _)| (*name).into()).collect();
    names.extend(crate::config::own_files(folder, &names));
    names
}

/// Binds nothing.
const NO_OP: &str = "no_op";

/// What stands for a sequence of keys.
struct Entry {
    run: String,
    description: Option<String>,
}

impl Entry {
    fn of(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::String(run) => Ok(Self {
                run: run.to_string(),
                description: None,
            }),
            DeValue::Table(table) => {
                let text = |name: &str| match table.get(name).map(Spanned::get_ref) {
                    Some(DeValue::String(text)) => Some(text.to_string()),
                    _ => None,
                };
                let run = text("run").ok_or("a binding needs `run = \"command\"`")?;
                Ok(Self {
                    run,
                    description: text("desc"),
                })
            }
            _ => Err("a binding is a command's text, or { run = \"…\", desc = \"…\" }".into()),
        }
    }
}

/// What a keymap may name.
pub struct Known<'a> {
    /// Contexts that exist.
    pub contexts: &'a [&'a str],
    /// Why a command text is wrong, if it is.
    pub check: &'a dyn Fn(&str) -> Result<(), String>,
}

/// Load a keymap by name, `folder` (the user's) before the built-in ones.
#[must_use]
pub fn load(name: &str, folder: Option<&Path>, known: &Known<'_>) -> (Keymap, Vec<Warning>) {
    let (keymap, warnings, _) = read(name, folder, known);
    (keymap, warnings)
}

/// The same after a file has changed: a keymap of which a file cannot be read at all is none, so that the old one stays.
pub fn reload(
    name: &str,
    folder: Option<&Path>,
    known: &Known<'_>,
) -> Result<(Keymap, Vec<Warning>), Vec<Warning>> {
    match read(name, folder, known) {
        (keymap, warnings, true) => Ok((keymap, warnings)),
        (_, warnings, false) => Err(warnings),
    }
}

/// A keymap, its mistakes, and whether all of its files could be read.
fn read(name: &str, folder: Option<&Path>, known: &Known<'_>) -> (Keymap, Vec<Warning>, bool) {
    let mut keymap = Keymap::default();
    let mut warnings = Vec::new();
    let whole = lay(
        name,
        folder,
        known,
        &mut keymap,
        &mut warnings,
        &mut Vec::new(),
    );
    (keymap, warnings, whole)
}

/// The text of a keymap that has not been read yet on this chain: a user's file of a name first, then the built-in one.
fn text_of(
    name: &str,
    folder: Option<&Path>,
    read: &[PathBuf],
) -> Option<(PathBuf, Result<String, String>)> {
    if let Some(folder) = folder {
        let path = folder.join(format!("{name}.toml"));
        if !read.contains(&path) {
            match std::fs::read_to_string(&path) {
                Ok(text) => return Some((path, Ok(text))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Some((path, Err(error.to_string()))),
            }
        }
    }
    let path = PathBuf::from(format!("built-in keymap {name}"));
    let (_, text) = BUILT_IN.iter().find(|(there, _)| *there == name)?;
    (!read.contains(&path)).then(|| (path, Ok((*text).to_owned())))
}

/// Lay a file over what is there, after what it inherits. False where one of them could not be read at all.
fn lay(
    name: &str,
    folder: Option<&Path>,
    known: &Known<'_>,
    keymap: &mut Keymap,
    warnings: &mut Vec<Warning>,
    read: &mut Vec<PathBuf>,
) -> bool {
    let Some((file, text)) = text_of(name, folder, read) else {
        warnings.push(Warning {
            file: PathBuf::from(format!("keymap {name}")),
            place: None,
            what: format!(
                "there is no such keymap, or it inherits from itself; known: {}",
                names(folder).join(", ")
            ),
        });
        if read.is_empty() && name != DEFAULT {
            lay(DEFAULT, folder, known, keymap, warnings, read);
        }
        return false;
    };
    read.push(file.clone());
    let mut warn = |offset: Option<usize>, text: &str, what: String| {
        warnings.push(Warning::at(&file, text, offset, what));
    };
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            warn(None, "", error);
            lay(DEFAULT, None, known, keymap, warnings, read);
            return false;
        }
    };
    let tops = match DeTable::parse(&text) {
        Ok(tops) => tops.into_inner(),
        Err(error) => {
            warn(
                error.span().map(|span| span.start),
                &text,
                error.message().to_owned(),
            );
            if read.len() == 1 {
                lay(DEFAULT, None, known, keymap, warnings, read);
            }
            return false;
        }
    };
    let mut whole = true;
    // The parent first, wherever in the file it is named.
    for (key, value) in &tops {
        if let ("inherits", DeValue::String(parent)) = (key.get_ref().as_ref(), value.get_ref()) {
            whole &= lay(parent, folder, known, keymap, warnings, read);
        }
    }
    for (key, value) in tops {
        let name = key.get_ref().as_ref();
        match value.into_inner() {
            DeValue::String(_) if name == "inherits" => {}
            DeValue::Table(table) if known.contexts.contains(&name) => {
                bind_all(&file, &text, name, table, known, keymap, warnings);
            }
            _ => warnings.push(Warning::at(
                &file,
                &text,
                Some(key.span().start),
                format!(
                    "unknown context `{name}`; known: inherits, {}",
                    known.contexts.join(", ")
                ),
            )),
        }
    }
    whole
}

fn bind_all(
    file: &Path,
    text: &str,
    context: &str,
    table: DeTable<'_>,
    known: &Known<'_>,
    keymap: &mut Keymap,
    warnings: &mut Vec<Warning>,
) {
    // What this file itself has bound; what it inherits gives way.
    let mut here = Vec::new();
    for (keys, value) in table {
        let (at_keys, at_entry) = (keys.span().start, value.span().start);
        let bound = Entry::of(value.get_ref())
            .map_err(|what| (Where::Entry, what))
            .and_then(|entry| bind(keymap, context, keys.get_ref(), entry, known, &mut here));
        if let Err((at, what)) = bound {
            let offset = if at == Where::Keys { at_keys } else { at_entry };
            warnings.push(Warning::at(file, text, Some(offset), what));
        }
    }
}

#[derive(PartialEq)]
enum Where {
    Keys,
    Entry,
}

fn bind(
    keymap: &mut Keymap,
    context: &str,
    keys: &str,
    entry: Entry,
    known: &Known<'_>,
    here: &mut Vec<Vec<Key>>,
) -> Result<(), (Where, String)> {
    let keys = Key::sequence(keys).map_err(|error| (Where::Keys, error.to_string()))?;
    let Entry { run, description } = entry;
    if run == NO_OP {
        keymap.unbind(context, &keys);
        return Ok(());
    }
    (known.check)(&run).map_err(|what| (Where::Entry, what))?;
    let (command, argument) = run.split_once(' ').unwrap_or((&run, ""));
    let binding = Binding {
        command: command.into(),
        argument: argument.trim().into(),
        description,
    };
    while let Err(clash) = keymap.bind(context, keys.clone(), binding.clone()) {
        if here.contains(&clash) {
            let what = format!(
                "`{}` and `{}` cannot both be bound in [{context}]: one begins the other",
                shown(&keys),
                shown(&clash)
            );
            return Err((Where::Keys, what));
        }
        keymap.unbind(context, &clash);
    }
    here.push(keys);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keymap::Found;

    const KNOWN: Known<'static> = Known {
        contexts: &["global", "list"],
        check: &|run| {
            if run.starts_with("go") {
                Ok(())
            } else {
                Err(format!("unknown command `{run}`"))
            }
        },
    };

    fn laid(text: &str) -> (Keymap, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mine.toml"), text).unwrap();
        let (keymap, warnings) = load("mine", Some(folder.path()), &KNOWN);
        let prefix = format!("{}/", folder.path().display());
        let told = warnings
            .iter()
            .map(|warning| warning.to_string().replace(&prefix, ""))
            .collect();
        (keymap, told)
    }

    #[test]
    fn each_mistake_costs_its_line_and_says_where_it_is() {
        let (keymap, told) = laid(
            "[global]\n\"x\" = \"go.up\"\n\"hyper-y\" = \"go.up\"\n\"z\" = \"fly\"\n\"x x\" = \"go.up\"\n[lisst]\n",
        );
        assert_eq!(keymap.all().count(), 1);
        assert_eq!(told.len(), 4, "{told:?}");
        for start in [
            "mine.toml:3:1: `hyper-y` is no key",
            "mine.toml:4:7: unknown command `fly`",
            "mine.toml:5:1: `x x` and `x` cannot both",
            "mine.toml:6:2: unknown context `lisst`; known: inherits, global, list",
        ] {
            assert!(
                told.iter().any(|text| text.starts_with(start)),
                "{start}: {told:?}"
            );
        }
    }

    #[test]
    fn the_nearest_context_decides_and_no_op_frees_a_prefix() {
        let (keymap, told) = laid(
            "[global]\n\"g g\" = \"go.top\"\n\"j\" = \"go.down\"\n[list]\n\"j\" = \"go.next\"\n\"g\" = \"no_op\"\n",
        );
        assert!(told.is_empty(), "{told:?}");
        let j = Key::sequence("j").unwrap();
        let g = Key::sequence("g").unwrap();
        let command = |contexts: &[&str]| match keymap.find(contexts, &j) {
            Found::Command(binding) => binding.command.clone(),
            other => format!("{other:?}"),
        };
        assert_eq!(command(&["list", "global"]), "go.next");
        assert_eq!(command(&["global"]), "go.down");
        assert_eq!(keymap.find(&["list", "global"], &g), Found::Prefix);
        assert_eq!(keymap.continuations(&["global"], &g).len(), 1);
        assert_eq!(
            keymap.keys_for(&["list", "global"], "go.down", None),
            Vec::<Vec<Key>>::new()
        );
    }

    #[test]
    fn a_keymap_that_inherits_from_itself_ends() {
        let (_, told) = laid("inherits = \"mine\"\n[global]\n\"x\" = \"go.up\"\n");
        assert!(
            told.iter()
                .any(|text| text.contains("inherits from itself")),
            "{told:?}"
        );
    }
}
