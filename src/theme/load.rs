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
//! what the parent's roles name. A role without an entry is that of its name with the last part dropped. A mistake costs its
//! own entry and is a warning, never an exit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ratatui::style::{Color, Modifier, Style};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::color::{self, Level};
use super::{BUILT_IN, Theme, names};
use crate::config::Warning;
use crate::text::Role;

/// What stands for a theme that paints its own ground where a terminal has 16 colours, unless the file says otherwise.
const SIXTEEN: &str = "terminal";

/// A text of a file with its place: which of the files, and the byte.
#[derive(Debug, Clone)]
struct Placed {
    file: usize,
    offset: usize,
    text: String,
}

/// What a file says of a role; names are not resolved yet.
#[derive(Debug, Default)]
struct Look {
    fore: Option<Placed>,
    ground: Option<Placed>,
    modifiers: Modifier,
}

#[derive(Default)]
struct Raw {
    files: Vec<(PathBuf, String)>,
    light: bool,
    sixteen: Option<String>,
    roles: BTreeMap<String, Look>,
    palette: BTreeMap<String, Placed>,
    warnings: Vec<Warning>,
    /// A file could not be read at all.
    torn: bool,
}

/// Load a theme by name for a colour level, `folder` (the user's) before the built-in ones.
///
/// Without colours every theme is `mono`. The 16 colours are the user's own, so a theme that paints its own ground cannot be
/// brought down to them by guesses: `terminal` stands in for it, or what the file names as `sixteen`.
#[must_use]
pub fn load(name: &str, folder: Option<&Path>, level: Level) -> (Theme, Vec<Warning>) {
    if level == Level::Mono {
        return Raw::read("mono", folder).finish("mono", level);
    }
    let raw = Raw::read(name, folder);
    if level != Level::Ansi16 || !raw.paints_ground() {
        return raw.finish(name, level);
    }
    let instead = raw.sixteen.clone().unwrap_or_else(|| SIXTEEN.into());
    let (theme, more) = Raw::read(&instead, folder).finish(&instead, level);
    let mut warnings = raw.finish(name, level).1;
    warnings.extend(more);
    (theme, warnings)
}

/// The same after a file has changed: a theme of which a file cannot be read at all is none, so that the old one stays.
pub fn reload(
    name: &str,
    folder: Option<&Path>,
    level: Level,
) -> Result<(Theme, Vec<Warning>), Vec<Warning>> {
    let raw = Raw::read(name, folder);
    if raw.torn {
        return Err(raw.warnings);
    }
    Ok(load(name, folder, level))
}

impl Raw {
    fn read(name: &str, folder: Option<&Path>) -> Self {
        let mut raw = Self::default();
        raw.lay(name, folder);
        if raw.roles.is_empty() {
            raw.lay(SIXTEEN, None);
        }
        raw
    }

    fn lay(&mut self, name: &str, folder: Option<&Path>) {
        let Some((path, text)) = self.text_of(name, folder) else {
            let known = names(folder).join(", ");
            self.torn = true;
            self.warnings.push(Warning {
                file: PathBuf::from(format!("theme {name}")),
                place: None,
                what: format!("there is no such theme, or it inherits from itself; known: {known}"),
            });
            return;
        };
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                self.torn = true;
                self.warnings.push(Warning::at(&path, "", None, error));
                return;
            }
        };
        let file = self.files.len();
        self.files.push((path, text.clone()));
        let tops = match DeTable::parse(&text) {
            Ok(tops) => tops.into_inner(),
            Err(error) => {
                self.torn = true;
                let offset = error.span().map(|span| span.start);
                return self.warn(file, offset, error.message().to_owned());
            }
        };
        // The parent first, wherever in the file it is named.
        for (key, value) in &tops {
            if let ("inherits", DeValue::String(parent)) = (key.get_ref().as_ref(), value.get_ref())
            {
                self.lay(parent, folder);
            }
        }
        for (key, value) in tops {
            self.top(file, &key, &value, folder);
        }
    }

    /// One entry of a file's top.
    fn top(
        &mut self,
        file: usize,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
        folder: Option<&Path>,
    ) {
        let name = key.get_ref().as_ref();
        let at = value.span().start;
        match (name, value.get_ref()) {
            ("inherits", DeValue::String(_)) => {}
            ("light", DeValue::Boolean(light)) => self.light = *light,
            ("sixteen", DeValue::String(name))
                if names(folder).iter().any(|known| known == name) =>
            {
                self.sixteen = Some(name.to_string());
            }
            ("palette", DeValue::Table(table)) => {
                for (name, value) in table {
                    match placed(file, value) {
                        Some(color) if color::parse(&color.text).is_some() => {
                            self.palette.insert(name.get_ref().to_string(), color);
                        }
                        _ => {
                            let what = format!(
                                "`{}` of the palette: write `#rrggbb`, `default` or one of the 16 (`red`, `light-red`, …)",
                                name.get_ref()
                            );
                            self.warn(file, Some(value.span().start), what);
                        }
                    }
                }
            }
            ("inherits", _) => self.warn(file, Some(at), "`inherits` is a theme's name".into()),
            ("light", _) => self.warn(file, Some(at), "`light` is true or false".into()),
            ("sixteen", _) => {
                let known = names(folder).join(", ");
                self.warn(file, Some(at), format!("`sixteen` is one of: {known}"));
            }
            ("palette", _) => self.warn(file, Some(at), "`[palette]` is a table".into()),
            (role, _) if !is_known(role) => {
                let what = format!(
                    "unknown role `{role}`; did you mean `{}`?",
                    nearest_role(role)
                );
                self.warn(file, Some(key.span().start), what);
            }
            (role, _) => {
                let look = self.look(file, role, value);
                self.roles.insert(role.to_owned(), look);
            }
        }
    }

    fn look(&mut self, file: usize, role: &str, value: &Spanned<DeValue<'_>>) -> Look {
        let mut look = Look::default();
        let table = match value.get_ref() {
            DeValue::String(_) => {
                look.fore = placed(file, value);
                return look;
            }
            DeValue::Table(table) => table,
            _ => {
                let what = format!("`{role}`: a role is a colour, or a table of fg, bg, modifiers");
                self.warn(file, Some(value.span().start), what);
                return look;
            }
        };
        for (key, value) in table {
            let at = value.span().start;
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("fg", DeValue::String(_)) => look.fore = placed(file, value),
                ("bg", DeValue::String(_)) => look.ground = placed(file, value),
                ("fg" | "bg", _) => self.warn(file, Some(at), no_color(role, "this")),
                // Helix's way to say it: its colour and style are not shown.
                ("underline", _) => look.modifiers |= Modifier::UNDERLINED,
                ("modifiers", DeValue::Array(array)) => {
                    for item in array {
                        let known = item.get_ref().as_str().and_then(modifier);
                        match known {
                            Some(modifier) => look.modifiers |= modifier,
                            None => self.warn(
                                file,
                                Some(item.span().start),
                                format!("`{role}`: no modifier; known: bold, dim, italic, underlined, reversed, crossed_out"),
                            ),
                        }
                    }
                }
                ("modifiers", _) => {
                    self.warn(file, Some(at), format!("`{role}`: `modifiers` is a list"));
                }
                (other, _) => {
                    let what = format!(
                        "`{role}`: unknown key `{other}`; known: fg, bg, underline, modifiers"
                    );
                    self.warn(file, Some(key.span().start), what);
                }
            }
        }
        look
    }

    fn warn(&mut self, file: usize, offset: Option<usize>, what: String) {
        if let Some((path, text)) = self.files.get(file) {
            self.warnings.push(Warning::at(path, text, offset, what));
        }
    }

    /// The text of a theme that has not been read yet on this chain: a user's file of a name first, then the built-in one.
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

    fn paints_ground(&self) -> bool {
        let ground = self
            .roles
            .get("ui.background")
            .and_then(|look| look.ground.as_ref());
        ground.is_some_and(|ground| matches!(self.color(&ground.text), Some(Color::Rgb(..))))
    }

    fn finish(mut self, name: &str, level: Level) -> (Theme, Vec<Warning>) {
        let mut made: BTreeMap<&str, Style> = BTreeMap::new();
        let mut wrong = Vec::new();
        for (role, look) in &self.roles {
            let mut color = |placed: &Option<Placed>| {
                let placed = placed.as_ref()?;
                let found = self.color(&placed.text);
                if found.is_none() {
                    let what = no_color(role, &format!("`{}`", placed.text));
                    wrong.push((placed.file, placed.offset, what));
                }
                color::at(found?, level)
            };
            let style = Style {
                fg: color(&look.fore),
                bg: color(&look.ground),
                ..Style::default()
            };
            made.insert(role, style.add_modifier(look.modifiers));
        }
        let styles = Role::ALL
            .iter()
            .map(|role| {
                let mut parts =
                    std::iter::successors(Some(role.name()), |name| Some(name.rsplit_once('.')?.0));
                parts
                    .find_map(|name| made.get(name).copied())
                    .unwrap_or_default()
            })
            .collect();
        for (file, offset, what) in wrong {
            self.warn(file, Some(offset), what);
        }
        // The first is the one that is shown at once: that should be the first in the file.
        self.warnings.sort_by_key(|warning| warning.place);
        let theme = Theme {
            name: name.into(),
            light: self.light,
            styles,
        };
        (theme, self.warnings)
    }

    fn color(&self, name: &str) -> Option<Color> {
        color::parse(
            self.palette
                .get(name)
                .map_or(name, |placed| placed.text.as_str()),
        )
    }
}

fn placed(file: usize, value: &Spanned<DeValue<'_>>) -> Option<Placed> {
    Some(Placed {
        file,
        offset: value.span().start,
        text: value.get_ref().as_str()?.to_owned(),
    })
}

fn no_color(role: &str, what: &str) -> String {
    format!(
        "`{role}`: {what} is no colour: write `#rrggbb`, a name of the palette, `default` or one of the 16 (`red`, `light-red`, …)"
    )
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
