//! Which language a text is in, by its file's name, its first line, or the word after a fence.

use std::sync::LazyLock;

use syntect::parsing::{ParseState, SyntaxReference, SyntaxSet};

/// Loaded at the first use, in a few milliseconds. An expression is compiled when a text first needs it.
static SYNTAXES: LazyLock<SyntaxSet> = LazyLock::new(two_face::syntax::extra_newlines);

pub(super) fn syntaxes() -> &'static SyntaxSet {
    &SYNTAXES
}

/// Words that people write and the syntaxes do not know.
const ALIASES: &[(&str, &str)] = &[
    ("python2", "py"),
    ("python3", "py"),
    ("pycon", "py"),
    ("ipython", "py"),
    ("py3", "py"),
    ("pytb", "py"),
    ("pyi", "py"),
    ("pyx", "py"),
    ("console", "sh"),
    ("shell", "sh"),
    ("shell-session", "sh"),
    ("shellscript", "sh"),
    ("dash", "sh"),
    ("ksh", "sh"),
    ("golang", "go"),
    ("node", "js"),
    ("jsonc", "json"),
    ("json5", "json"),
    ("jsonl", "json"),
    ("ipynb", "json"),
    ("docker", "dockerfile"),
    ("make", "makefile"),
    ("patch", "diff"),
    ("udiff", "diff"),
];

/// A language that can be highlighted.
#[derive(Clone, Copy)]
pub struct Language(&'static SyntaxReference);

impl Language {
    /// By the file's name, else by its extension, else by what its first line says runs it.
    #[must_use]
    pub fn of_file(path: &str, first_line: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        Self::known(name)
            .or_else(|| name.rsplit_once('.').and_then(|(_, end)| Self::word(end)))
            .or_else(|| Self::of_first_line(first_line))
    }

    /// By what stands after a fence: `python`, `py`, `{.python}`, `diff title="x"`.
    #[must_use]
    pub fn of_fence(word: &str) -> Option<Self> {
        let edges = |c: char| !c.is_alphanumeric() && !matches!(c, '+' | '#');
        let word = word.split([' ', ',', '\t']).next()?.trim_matches(edges);
        Self::word(word)
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        &self.0.name
    }

    pub(super) fn parser(self) -> ParseState {
        ParseState::new(self.0)
    }

    fn of_first_line(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("#!")?.split_whitespace();
        let program = |path: &'_ str| path.rsplit('/').next().map(str::to_owned);
        let mut name = program(words.next()?)?;
        if name == "env" {
            name = program(words.find(|word| !word.starts_with('-'))?)?;
        }
        let version = |c: char| c.is_ascii_digit() || c == '.';
        Self::word(name.trim_end_matches(version))
    }

    fn word(word: &str) -> Option<Self> {
        let word = word.to_lowercase();
        let alias = ALIASES.iter().find(|(alias, _)| *alias == word);
        Self::known(alias.map_or(word.as_str(), |(_, known)| known))
    }

    /// A file name, an extension, or a syntax's own name, as the syntaxes have them.
    fn known(word: &str) -> Option<Self> {
        if word.is_empty() {
            return None;
        }
        let found = syntaxes().find_syntax_by_token(word)?;
        (found.name != "Plain Text").then_some(Self(found))
    }
}

impl std::fmt::Debug for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Language").field(&self.name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(found: Option<Language>) -> Option<&'static str> {
        found.map(|language| language.name())
    }

    #[test]
    fn languages_are_known_by_name_extension_and_first_line() {
        let cases = [
            ("src/a.py", "", Some("Python")),
            ("Makefile", "", Some("Makefile")),
            ("x/Dockerfile", "", Some("Dockerfile")),
            ("Cargo.toml", "", Some("TOML")),
            ("a.rs", "", Some("Rust")),
            ("run", "#!/usr/bin/env -S python3.11", Some("Python")),
            ("run", "#!/bin/sh -e", Some("Bourne Again Shell (bash)")),
            ("notes.txt", "", None),
            ("README", "hello", None),
            ("", "", None),
        ];
        for (path, first, expected) in cases {
            assert_eq!(
                name(Language::of_file(path, first)),
                expected,
                "{path} {first}"
            );
        }
    }

    #[test]
    fn languages_are_known_by_what_stands_after_a_fence() {
        let cases = [
            ("python", Some("Python")),
            ("Py", Some("Python")),
            ("pycon", Some("Python")),
            ("{.python .numberLines}", Some("Python")),
            ("diff title=\"x\"", Some("Diff")),
            ("console", Some("Bourne Again Shell (bash)")),
            ("c++", Some("C++")),
            ("text", None),
            ("", None),
            ("no such language", None),
        ];
        for (word, expected) in cases {
            assert_eq!(name(Language::of_fence(word)), expected, "{word}");
        }
    }
}
