//! A text that must not be printed: tokens and keys.

use std::fmt;

/// Keeps a secret out of `Debug` output, and so out of logs and error texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wrap a secret; `None` for one that is empty or blank, as unset variables often are.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The secret itself, for the one header that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_nothing_of_it() {
        let secret = Secret::new(" hf_abc\n").unwrap();
        assert_eq!(secret.expose(), "hf_abc");
        assert!(!format!("{secret:?}").contains("abc"));
        assert!(Secret::new(" \n").is_none());
    }
}
