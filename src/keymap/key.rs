//! One key with its modifiers: how it is written in files, and how it is shown.
//!
//! Written: `x`, `X`, `?`, `ctrl-x`, `alt-enter`, `shift-tab`, `f5`, `space`. A sequence is keys with spaces between: `g g`.
//! Shift is part of a character (`X`, not `shift-x`), and a modifier of every other key.

use std::fmt;

/// A key without its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// A character as the keyboard gave it.
    Char(char),
    /// Return.
    Enter,
    /// Escape.
    Esc,
    /// Tabulator.
    Tab,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// Insert.
    Insert,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// A function key.
    F(u8),
}

/// A key and what was held with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Which.
    pub code: Code,
    /// Control was held.
    pub ctrl: bool,
    /// Alt was held.
    pub alt: bool,
    /// Shift was held; never set for characters.
    pub shift: bool,
}

const NAMED: &[(&str, Code)] = &[
    ("space", Code::Char(' ')),
    ("minus", Code::Char('-')),
    ("enter", Code::Enter),
    ("esc", Code::Esc),
    ("tab", Code::Tab),
    ("backspace", Code::Backspace),
    ("del", Code::Delete),
    ("ins", Code::Insert),
    ("up", Code::Up),
    ("down", Code::Down),
    ("left", Code::Left),
    ("right", Code::Right),
    ("home", Code::Home),
    ("end", Code::End),
    ("pageup", Code::PageUp),
    ("pagedown", Code::PageDown),
];

/// Why a text names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no key: write `x`, `ctrl-x`, `alt-enter`, `shift-tab`, `f5`, or one of {known}"
)]
pub struct KeyError {
    text: String,
    known: String,
}

impl Key {
    /// A key without modifiers.
    #[must_use]
    pub const fn plain(code: Code) -> Self {
        Self {
            code,
            ctrl: false,
            alt: false,
            shift: false,
        }
    }

    /// A character without modifiers.
    #[must_use]
    pub const fn char(c: char) -> Self {
        Self::plain(Code::Char(c))
    }

    /// The character that typing this key means, if it means one.
    #[must_use]
    pub fn typed(self) -> Option<char> {
        match self.code {
            Code::Char(c) if !self.ctrl && !self.alt => Some(c),
            _ => None,
        }
    }

    /// Read one key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let wrong = || KeyError {
            text: text.into(),
            known: NAMED
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(" "),
        };
        let mut key = Self::plain(Code::Esc);
        let mut rest = text;
        loop {
            if let Some(after) = rest.strip_prefix("ctrl-") {
                key.ctrl = true;
                rest = after;
            } else if let Some(after) = rest.strip_prefix("alt-") {
                key.alt = true;
                rest = after;
            } else if let Some(after) = rest.strip_prefix("shift-") {
                key.shift = true;
                rest = after;
            } else {
                break;
            }
        }
        let mut chars = rest.chars();
        key.code = match (chars.next(), chars.next()) {
            (Some(c), None) => Code::Char(c),
            _ => NAMED
                .iter()
                .find(|(name, _)| *name == rest)
                .map(|(_, code)| *code)
                .or_else(|| {
                    let number = rest.strip_prefix('f')?.parse().ok()?;
                    (1..=24).contains(&number).then_some(Code::F(number))
                })
                .ok_or_else(wrong)?,
        };
        if key.shift
            && let Code::Char(c) = key.code
        {
            if !c.is_ascii_lowercase() {
                return Err(wrong());
            }
            key.code = Code::Char(c.to_ascii_uppercase());
            key.shift = false;
        }
        Ok(key)
    }

    /// Read keys with spaces between.
    pub fn sequence(text: &str) -> Result<Vec<Self>, KeyError> {
        let keys: Result<Vec<_>, _> = text.split_whitespace().map(Self::parse).collect();
        let keys = keys?;
        if keys.is_empty() {
            return Self::parse(text).map(|key| vec![key]);
        }
        Ok(keys)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (held, name) in [
            (self.ctrl, "ctrl-"),
            (self.alt, "alt-"),
            (self.shift, "shift-"),
        ] {
            if held {
                f.write_str(name)?;
            }
        }
        if let Some((name, _)) = NAMED.iter().find(|(_, code)| *code == self.code) {
            return f.write_str(name);
        }
        match self.code {
            Code::Char(c) => write!(f, "{c}"),
            Code::F(number) => write!(f, "f{number}"),
            _ => Ok(()),
        }
    }
}

/// A sequence as it is written and shown.
#[must_use]
pub fn shown(keys: &[Key]) -> String {
    keys.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_reads_back_as_it_is_written() {
        for text in [
            "x",
            "X",
            "?",
            "ctrl-x",
            "alt-enter",
            "ctrl-alt-del",
            "shift-tab",
            "f5",
            "space",
            "minus",
            "ctrl-minus",
            "[",
        ] {
            assert_eq!(Key::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Key::parse("shift-x").unwrap(), Key::char('X'));
        assert_eq!(Key::parse("-").unwrap().to_string(), "minus");
        assert_eq!(shown(&Key::sequence("g g").unwrap()), "g g");
    }

    #[test]
    fn what_is_no_key_is_told_with_the_known_names() {
        for text in ["", "hyper-x", "f99", "shift-?", "entr"] {
            let told = Key::parse(text).unwrap_err().to_string();
            assert!(
                told.contains("is no key") && told.contains("pageup"),
                "{told}"
            );
        }
    }
}
