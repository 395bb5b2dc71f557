//! Reading a theme file: helix's format, `inherits`, `[palette]`, and mistakes with their line and column.
//!
//! ```toml
//! inherits = "catppuccin-mocha"
//! "diff.add" = { fg = "green", bg = "#1c2b1e", modifiers = ["bold"] }
//! "ui.key" = "peach"
//! [palette]
//! peach = "#fab387"
//! ```
//!
//! Roles and palettes of parents are taken first, then the file's own over them; a palette entry of the child also changes
//! what the parent's roles name. A role without an entry is that of its name with the last part dropped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ratatui::style::{Modifier, Style};
use toml::{Spanned, Value};

use super::Theme;
use super::color::{self, Level};
use crate::config::Warning;
use crate::text::Role;

/// Themes in the binary.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("terminal", include_str!("../../themes/terminal.toml")),
    ("mono", include_str!("../../themes/mono.toml")),
];

/// Names of the themes there are: the built-in ones, then the user's own.
#[must_use]
pub fn names(folder: Option<&Path>) -> Vec<String> {
    let mut names: Vec<String> = BUILT_IN.iter().map(|(name, _)| (*name).into()).collect();
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    for entry in entries.into_iter().flatten().flatten() {
        let path = entry.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
            && !names.iter().any(|there| there == name)
        {
            names.push(name.to_owned());
        }
    }
    names
}

/// A value of a file with the place it came from.
type Placed = (usize, usize, Value);

#[derive(Default)]
struct Raw {
    files: Vec<(PathBuf, String)>,
    light: bool,
    /// Role name → (file, offset, value).
    roles: BTreeMap<String, Placed>,
    palette: BTreeMap<String, Placed>,
}

/// Load a theme by name for a colour level, `folder` (the user's) before the built-in ones.
#[must_use]
pub fn load(name: &str, folder: Option<&Path>, level: Level) -> (Theme, Vec<Warning>) {
    let name = if level == Level::Mono { "mono" } else { name };
    let mut raw = Raw::default();
    let mut warnings = Vec::new();
    raw.lay(name, folder, &mut warnings);
    if raw.roles.is_empty() {
        raw.lay("terminal", None, &mut warnings);
    }
    let styles = raw.styles(level, &mut warnings);
    let theme = Theme {
        name: name.into(),
        light: raw.light,
        styles,
    };
    (theme, warnings)
}

impl Raw {
    fn lay(&mut self, name: &str, folder: Option<&Path>, warnings: &mut Vec<Warning>) {
        let Some((file, text)) = self.text_of(name, folder) else {
            let known = names(folder).join(", ");
            warnings.push(Warning {
                file: PathBuf::from(format!("theme {name}")),
                place: None,
                what: format!("there is no such theme, or it inherits from itself; known: {known}"),
            });
            return;
        };
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                warnings.push(Warning::at(&file, "", None, error));
                return;
            }
        };
        self.files.push((file.clone(), text.clone()));
        let at_file = self.files.len() - 1;
        let keys: BTreeMap<Spanned<String>, Spanned<Value>> = match toml::from_str(&text) {
            Ok(keys) => keys,
            Err(error) => {
                let offset = error.span().map(|span| span.start);
                warnings.push(Warning::at(
                    &file,
                    &text,
                    offset,
                    error.message().to_owned(),
                ));
                return;
            }
        };
        let inherits = keys
            .iter()
            .find(|(key, _)| key.get_ref() == "inherits")
            .and_then(|(_, value)| value.get_ref().as_str());
        if let Some(parent) = inherits {
            self.lay(parent, folder, warnings);
        }
        for (key, value) in keys {
            let (at_key, at) = (key.span().start, value.span().start);
            match (key.get_ref().as_str(), value.into_inner()) {
                ("inherits", _) => {}
                ("light", Value::Boolean(light)) => self.light = light,
                ("palette", Value::Table(table)) => {
                    for (name, value) in table {
                        self.palette.insert(name, (at_file, at, value));
                    }
                }
                (role, value) => {
                    if is_known(role) {
                        self.roles.insert(role.to_owned(), (at_file, at, value));
                    } else {
                        let known = nearest_role(role);
                        let what = format!("unknown role `{role}`; did you mean `{known}`?");
                        warnings.push(Warning::at(&file, &text, Some(at_key), what));
                    }
                }
            }
        }
    }

    fn text_of(
        &self,
        name: &str,
        folder: Option<&Path>,
    ) -> Option<(PathBuf, Result<String, String>)> {
        let read = |path: &Path| self.files.iter().any(|(there, _)| there == path);
        if let Some(path) = folder.map(|folder| folder.join(format!("{name}.toml")))
            && !read(&path)
        {
            match std::fs::read_to_string(&path) {
                Ok(text) => return Some((path, Ok(text))),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Some((path, Err(error.to_string()))),
            }
        }
        let path = PathBuf::from(format!("built-in theme {name}"));
        let (_, text) = BUILT_IN.iter().find(|(there, _)| *there == name)?;
        (!read(&path)).then(|| (path, Ok((*text).to_owned())))
    }

    fn styles(&self, level: Level, warnings: &mut Vec<Warning>) -> Vec<Style> {
        let mut made: BTreeMap<&str, Style> = BTreeMap::new();
        for (name, placed) in &self.roles {
            let mut wrong = Vec::new();
            let style = self.style(&placed.2, level, &mut wrong);
            made.insert(name, style);
            if let Some((file, text)) = self.files.get(placed.0) {
                for what in wrong {
                    let what = format!("`{name}`: {what}");
                    warnings.push(Warning::at(file, text, Some(placed.1), what));
                }
            }
        }
        Role::ALL
            .iter()
            .map(|role| {
                let mut name = role.name();
                loop {
                    if let Some(style) = made.get(name) {
                        return *style;
                    }
                    match name.rsplit_once('.') {
                        Some((parent, _)) => name = parent,
                        None => return Style::default(),
                    }
                }
            })
            .collect()
    }

    fn style(&self, value: &Value, level: Level, wrong: &mut Vec<String>) -> Style {
        let mut style = Style::default();
        let mut color = |value: &Value| {
            let name = value.as_str().unwrap_or_default();
            let found = self.color(name);
            if found.is_none() {
                wrong.push(format!("`{value}` is no colour: write `#rrggbb`, a name of the palette, `default` or one of the 16 (`red`, `light-red`, …)"));
            }
            found.and_then(|found| color::at(found, level))
        };
        match value {
            Value::String(_) => style.fg = color(value),
            Value::Table(table) => {
                for (key, value) in table {
                    match key.as_str() {
                        "fg" => style.fg = color(value),
                        "bg" => style.bg = color(value),
                        "underline" => style = style.add_modifier(Modifier::UNDERLINED),
                        "modifiers" => {}
                        _ => {}
                    }
                }
                for (key, value) in table {
                    match key.as_str() {
                        "fg" | "bg" | "underline" => {}
                        "modifiers" => {
                            for name in value.as_array().into_iter().flatten() {
                                match modifier(name.as_str().unwrap_or_default()) {
                                    Some(modifier) => style = style.add_modifier(modifier),
                                    None => wrong.push(format!("{name} is no modifier; known: bold, dim, italic, underlined, reversed, crossed_out")),
                                }
                            }
                        }
                        _ => wrong.push(format!(
                            "unknown key `{key}`; known: fg, bg, underline, modifiers"
                        )),
                    }
                }
            }
            _ => wrong.push("a role is a colour, or a table of fg, bg, modifiers".into()),
        }
        style
    }

    fn color(&self, name: &str) -> Option<ratatui::style::Color> {
        match self.palette.get(name) {
            Some((_, _, value)) => color::parse(value.as_str()?),
            None => color::parse(name),
        }
    }
}

/// A role, or the beginning of one: `code` and `diff` may be set for all that follows.
fn is_known(name: &str) -> bool {
    Role::ALL.iter().any(|role| {
        role.name()
            .strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

fn nearest_role(typed: &str) -> &'static str {
    crate::text::nearest::nearest(typed, Role::ALL.iter().map(|role| role.name()))
        .unwrap_or("ui.text")
}

fn modifier(name: &str) -> Option<Modifier> {
    Some(match name {
        "bold" => Modifier::BOLD,
        "dim" => Modifier::DIM,
        "italic" => Modifier::ITALIC,
        "underlined" => Modifier::UNDERLINED,
        "reversed" => Modifier::REVERSED,
        "crossed_out" => Modifier::CROSSED_OUT,
        _ => return None,
    })
}
