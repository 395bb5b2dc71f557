//! Three levels of ink and a few colours for plain streams; none of it where nobody would see it.

use std::io::{IsTerminal, Write};

/// Whether standard output is dressed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ink {
    on: bool,
}

impl Ink {
    /// Colours in a terminal, unless `NO_COLOR` is set or it is a dumb one.
    pub(crate) fn detect() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            on: wanted && able && std::io::stdout().is_terminal(),
        }
    }

    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { on: false }
    }

    fn dress(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// What the eye should find first.
    pub(crate) fn bold(self, text: &str) -> String {
        self.dress("1", text)
    }

    /// What is there for reference.
    pub(crate) fn dim(self, text: &str) -> String {
        self.dress("2", text)
    }

    /// What can be acted on.
    pub(crate) fn accent(self, text: &str) -> String {
        self.dress("36", text)
    }

    /// Tests and verdicts that are good.
    pub(crate) fn good(self, text: &str) -> String {
        self.dress("32", text)
    }

    /// Tests and verdicts that are bad.
    pub(crate) fn bad(self, text: &str) -> String {
        self.dress("31", text)
    }

    /// What needs a person.
    pub(crate) fn attention(self, text: &str) -> String {
        self.dress("33", text)
    }
}

/// Print a line to standard output. A reader that has seen enough is no failure.
pub(crate) fn print(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Print a line to standard error.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
