//! Settings and paths: default < user file < project file < environment < flag.
//!
//! A layer names only what it changes. A mistake in a file is a warning with line and column and costs that one key;
//! the program starts anyway. Flags and environment variables are clap's matter; what is here fills in the rest.

pub mod settings;

use std::path::{Path, PathBuf};

pub use settings::{Settings, ThemeChoice, Warning};

/// The user's own configuration file.
#[must_use]
pub fn user_file() -> Option<PathBuf> {
    Some(home("XDG_CONFIG_HOME", ".config")?.join("spotter/config.toml"))
}

/// The project's `.spotter` folder: in the current folder or the nearest one above it that has one.
#[must_use]
pub fn project_folder() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors()
        .map(|folder| folder.join(".spotter"))
        .find(|folder| folder.is_dir())
}

/// Where rollouts go unless told otherwise: the project's `.spotter/`, else the user's data folder.
#[must_use]
pub fn default_store() -> PathBuf {
    project_folder()
        .or_else(|| Some(home("XDG_DATA_HOME", ".local/share")?.join("spotter")))
        .unwrap_or_else(|| PathBuf::from(".spotter"))
}

/// Where what is remembered between sessions lies.
#[must_use]
pub fn state_folder() -> Option<PathBuf> {
    Some(home("XDG_STATE_HOME", ".local/state")?.join("spotter"))
}

/// Where what can be made again at any time lies.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    Some(home("XDG_CACHE_HOME", ".cache")?.join("spotter"))
}

/// Names of the `.toml` files in a folder of the user's that are not among those known already, sorted.
#[must_use]
pub fn own_files(folder: Option<&Path>, known: &[String]) -> Vec<String> {
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let mut names: Vec<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let is_toml = path.extension().is_some_and(|ending| ending == "toml");
            let name = path.file_stem()?.to_str()?.to_owned();
            (is_toml && !name.starts_with(['.', '_']) && !known.contains(&name)).then_some(name)
        })
        .collect();
    names.sort_unstable();
    names
}

fn home(variable: &str, below_home: &str) -> Option<PathBuf> {
    match std::env::var_os(variable) {
        Some(folder) if Path::new(&folder).is_absolute() => Some(PathBuf::from(folder)),
        _ => Some(PathBuf::from(std::env::var_os("HOME")?).join(below_home)),
    }
}

/// Read the user's and the project's files, the latter over the former.
#[must_use]
pub fn load() -> (Settings, Vec<Warning>) {
    let files = user_file()
        .into_iter()
        .chain(project_folder().map(|folder| folder.join("config.toml")));
    let mut settings = Settings::default();
    let mut warnings = Vec::new();
    for file in files {
        match std::fs::read_to_string(&file) {
            Ok(text) => settings.overlay(&text, &file, &mut warnings),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => warnings.push(Warning {
                file,
                place: None,
                what: error.to_string(),
            }),
        }
    }
    (settings, warnings)
}
