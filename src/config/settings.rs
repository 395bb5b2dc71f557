//! The settings that files can hold, and how one file is laid over what is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Spanned, Value};

/// Dollars for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of the prompt.
    pub prompt: f64,
    /// Of the reply.
    pub reply: f64,
}

/// Which theme.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "a theme's name, or { dark = \"…\", light = \"…\" }"
)]
pub enum ThemeChoice {
    /// One, whatever the terminal's ground.
    Always(String),
    /// One for each ground.
    ByGround {
        /// On a dark ground, and where the terminal does not say.
        dark: String,
        /// On a light one.
        light: String,
    },
}

/// What the files say; `None` where they say nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Store folder.
    pub store: Option<PathBuf>,
    /// `--tasks`.
    pub tasks: Option<String>,
    /// `--model`.
    pub model: Option<String>,
    /// `--scaffold`.
    pub scaffold: Option<String>,
    /// `--sandbox`.
    pub sandbox: Option<String>,
    /// `--repos`.
    pub repos: Option<PathBuf>,
    /// `--jobs`.
    pub jobs: Option<usize>,
    /// `--theme`, or one for each ground.
    pub theme: Option<ThemeChoice>,
    /// `--keymap`.
    pub keymap: Option<String>,
    /// Prices by model name; a cost limit needs one.
    pub prices: BTreeMap<String, Price>,
}

/// A mistake in a settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Which file.
    pub file: PathBuf,
    /// 1-based line and column.
    pub place: Option<(usize, usize)>,
    /// What is wrong, and what is known instead.
    pub what: String,
}

impl Warning {
    /// A mistake at a byte of a file's text.
    #[must_use]
    pub fn at(file: &Path, text: &str, offset: Option<usize>, what: String) -> Self {
        Self {
            file: file.into(),
            place: offset.map(|offset| place(text, offset)),
            what,
        }
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.what)
    }
}

const KNOWN: &[&str] = &[
    "store", "tasks", "model", "scaffold", "sandbox", "repos", "jobs", "theme", "keymap", "prices",
];

impl Settings {
    /// Lay a file over what is there. Each key stands or falls for itself.
    pub fn overlay(&mut self, text: &str, file: &Path, warnings: &mut Vec<Warning>) {
        let mut warn = |offset: Option<usize>, what: String| {
            warnings.push(Warning {
                file: file.into(),
                place: offset.map(|offset| place(text, offset)),
                what,
            });
        };
        let keys: BTreeMap<Spanned<String>, Spanned<Value>> = match toml::from_str(text) {
            Ok(keys) => keys,
            Err(error) => {
                return warn(
                    error.span().map(|span| span.start),
                    error.message().to_owned(),
                );
            }
        };
        for (key, value) in keys {
            let at = value.span().start;
            let name = key.get_ref().as_str();
            let value = value.into_inner();
            let took = match name {
                "store" => take(&mut self.store, value),
                "tasks" => take(&mut self.tasks, value),
                "model" => take(&mut self.model, value),
                "scaffold" => take(&mut self.scaffold, value),
                "sandbox" => take(&mut self.sandbox, value),
                "repos" => take(&mut self.repos, value),
                "jobs" => take(&mut self.jobs, value),
                "theme" => take(&mut self.theme, value),
                "keymap" => take(&mut self.keymap, value),
                "prices" => value
                    .try_into::<BTreeMap<String, Price>>()
                    .map(|prices| self.prices.extend(prices)),
                _ => {
                    warn(
                        Some(key.span().start),
                        format!("unknown key `{name}`; known: {}", KNOWN.join(", ")),
                    );
                    continue;
                }
            };
            if let Err(error) = took {
                warn(Some(at), format!("`{name}`: {}", error.message()));
            }
        }
    }
}

fn take<T: DeserializeOwned>(into: &mut Option<T>, value: Value) -> Result<(), toml::de::Error> {
    *into = Some(value.try_into()?);
    Ok(())
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_costs_its_own_key_and_is_told_with_its_place() {
        let text =
            "model = \"http://localhost:1/v1\"\nmodle = 3\njobs = \"two\"\nsandbox = \"docker\"\n";
        let (mut settings, mut warnings) = (Settings::default(), Vec::new());
        settings.overlay(text, Path::new("config.toml"), &mut warnings);
        assert_eq!(settings.model.as_deref(), Some("http://localhost:1/v1"));
        assert_eq!(settings.sandbox.as_deref(), Some("docker"));
        assert_eq!(settings.jobs, None);
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told.iter().any(
                |text| text.starts_with("config.toml:2:1: unknown key `modle`; known: store, ")
            ),
            "{told:?}"
        );
        assert!(
            told.iter()
                .any(|text| text.starts_with("config.toml:3:8: `jobs`")),
            "{told:?}"
        );
    }

    #[test]
    fn a_file_that_is_no_toml_is_one_warning_and_changes_nothing() {
        let (mut settings, mut warnings) = (Settings::default(), Vec::new());
        settings.overlay("model = \"a\"\n[", Path::new("x.toml"), &mut warnings);
        assert_eq!(settings, Settings::default());
        assert!(
            warnings[0].to_string().starts_with("x.toml:2:"),
            "{}",
            warnings[0]
        );
    }

    #[test]
    fn a_theme_is_a_name_or_one_for_each_ground() {
        let read = |text: &str| {
            let (mut settings, mut warnings) = (Settings::default(), Vec::new());
            settings.overlay(text, Path::new("c.toml"), &mut warnings);
            let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            (settings.theme, told)
        };
        let (one, told) = read("theme = \"mono\"\n");
        assert_eq!(one, Some(ThemeChoice::Always("mono".into())));
        assert!(told.is_empty(), "{told:?}");
        let (two, told) = read("theme = { dark = \"a\", light = \"b\" }\n");
        assert_eq!(
            two,
            Some(ThemeChoice::ByGround {
                dark: "a".into(),
                light: "b".into()
            })
        );
        assert!(told.is_empty(), "{told:?}");
        for wrong in ["{ dark = \"a\" }", "3", "{ dark = \"a\", ligt = \"b\" }"] {
            let (none, told) = read(&format!("jobs = 2\ntheme = {wrong}\n"));
            assert_eq!(none, None);
            assert_eq!(
                told,
                ["c.toml:2:9: `theme`: a theme's name, or { dark = \"…\", light = \"…\" }"]
            );
        }
    }

    #[test]
    fn the_project_goes_over_the_user_and_leaves_what_it_does_not_name() {
        let (mut settings, mut warnings) = (Settings::default(), Vec::new());
        settings.overlay(
            "model = \"a\"\njobs = 2\n",
            Path::new("user.toml"),
            &mut warnings,
        );
        settings.overlay(
            "model = \"b\"\n[prices.x]\nprompt = 1.0\nreply = 2\n",
            Path::new("project.toml"),
            &mut warnings,
        );
        assert_eq!(
            (settings.model.as_deref(), settings.jobs),
            (Some("b"), Some(2))
        );
        assert_eq!(settings.prices.get("x").map(|price| price.reply), Some(2.0));
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}
