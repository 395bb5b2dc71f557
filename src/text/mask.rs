//! What must not be seen when a screen is shown to others, replaced by something that looks alike.
//!
//! Mental model: a row of rules, each of which finds places in a text and says what stands there instead; they run over the
//! text one after another. Masking what is masked changes nothing. Names, hosts and [`Secret`]s that the caller knows are
//! always replaced; the rest is found by its shape: home folders, mail addresses, keys of known services, bearer tokens,
//! assignments to `…KEY`, `…TOKEN`, `…PASSWORD`, private key blocks, credentials in addresses.
//!
//! Shapes are a help, no promise: a password in prose has none, and of a private key's block only what comes with its first
//! line is found. The stored text is never changed, only what is drawn.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::line::Line;
use super::secret::Secret;

/// Stands for a secret, whatever its length.
const HIDDEN: &str = "xxxxxxxx";
/// A name or secret shorter than this would be found everywhere.
const SHORTEST: usize = 3;
/// One round changes, the next sees that nothing is left; more are rare.
const MOST_ROUNDS: usize = 8;

type Edit = (Range<usize>, String);

struct Rule {
    found: Regex,
    /// What to replace; none where the place only looked like one.
    edit: fn(&Captures<'_>) -> Option<Edit>,
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let rule = |pattern, edit| {
        let found = Regex::new(pattern).ok()?;
        Some(Rule { found, edit })
    };
    let rules = [
        rule(r"-----BEGIN [A-Z ]*PRIVATE KEY-----([^-]*)", |found| {
            same_length(found, 1)
        }),
        rule(r"://([^/\s@:]+)(?::([^/\s@]*))?@", |found| {
            let user = found.get(1)?;
            match found.get(2) {
                Some(password) => Some((user.start()..password.end(), format!("user:{HIDDEN}"))),
                None => Some((user.range(), "user".to_owned())),
            }
        }),
        rule(
            r"://[^\s@/]*@|\b([A-Za-z0-9._%+-]+)@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
            |found| {
                let name = found.get(1)?;
                let all = found.get(0)?;
                (name.as_str() != "git").then(|| (all.range(), "someone@example.org".to_owned()))
            },
        ),
        rule(
            r"\b(?:sk-|gh[pousr]_|github_pat_|hf_|glpat-|xox[abprs]-|AKIA|ASIA|AIza|npm_|pypi-|dop_v1_)([A-Za-z0-9_-]{16,})",
            |found| same_length(found, 1),
        ),
        rule(
            r"\beyJ([A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)",
            |found| same_length(found, 1),
        ),
        rule(
            r"(?i)\b(?:bearer|basic)\s+([A-Za-z0-9._~+/=-]{8,})",
            |found| {
                let token = found.get(1)?;
                let text = token.as_str();
                // Prose bears too.
                let odd = text.len() >= 20 || text.bytes().any(|byte| byte.is_ascii_digit());
                odd.then(|| (token.range(), HIDDEN.to_owned()))
            },
        ),
        rule(
            concat!(
                r#"(?:\b[A-Z0-9_]*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)|"#,
                r#"(?i:\b(?:api|access|auth|secret)[_-]?(?:key|token)|\bpassword|\bpasswd|\bclient_secret))"#,
                r#"["']?\s*[=:]\s*["']?([^\s"',;&<>(){}\[\]$]{4,})"#
            ),
            |found| {
                let value = found.get(1)?;
                let word = ["None", "null", "true", "false", "True", "False"];
                (!word.contains(&value.as_str())).then(|| (value.range(), HIDDEN.to_owned()))
            },
        ),
        rule(r#"(?:/home/|/Users/)([^/\s:"'`,;)]+)"#, |found| {
            Some((found.get(1)?.range(), "user".to_owned()))
        }),
        rule(r#"(?:^|[\s"'`=:(,\[])(/root)\b"#, |found| {
            Some((found.get(1)?.range(), "/home/user".to_owned()))
        }),
    ];
    rules.into_iter().flatten().collect()
});

/// A group's letters and digits as `x`, so that it is as long as before.
fn same_length(found: &Captures<'_>, group: usize) -> Option<Edit> {
    let place = found.get(group)?;
    let hidden = |c: char| if c.is_whitespace() { c } else { 'x' };
    Some((place.range(), place.as_str().chars().map(hidden).collect()))
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    /// What the caller knows: an expression for it, and what stands there instead.
    names: Vec<(Regex, &'static str)>,
    secrets: Vec<Secret>,
}

impl Mask {
    /// Only what is found by its shape.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replace the user's name, as a whole word.
    #[must_use]
    pub fn with_user(self, name: &str) -> Self {
        self.with_name(name, "user")
    }

    /// Replace the machine's name, as a whole word.
    #[must_use]
    pub fn with_host(self, name: &str) -> Self {
        self.with_name(name, "host")
    }

    fn with_name(mut self, name: &str, instead: &'static str) -> Self {
        // The super user's name is everywhere, and says nothing.
        if name.len() >= SHORTEST && name != "root" {
            let pattern = format!(r"\b{}\b", regex::escape(name));
            self.names
                .extend(Regex::new(&pattern).ok().map(|found| (found, instead)));
        }
        self
    }

    /// Replace a secret wherever it stands.
    #[must_use]
    pub fn with_secret(mut self, secret: Secret) -> Self {
        let text = secret.expose();
        if text.len() >= SHORTEST && !HIDDEN.contains(text) {
            self.secrets.push(secret);
        }
        self
    }

    /// A text with nothing in it that should not be seen.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.run(text.to_owned(), String::as_str, |text, edits| {
            let mut out = String::with_capacity(text.len());
            let mut at = 0;
            for (range, instead) in edits {
                out.push_str(text.get(at..range.start).unwrap_or_default());
                out.push_str(instead);
                at = range.end;
            }
            out.push_str(text.get(at..).unwrap_or_default());
            out
        })
    }

    /// The same for a line, which keeps its looks.
    #[must_use]
    pub fn line(&self, line: &Line) -> Line {
        self.run(line.clone(), Line::text, replaced)
    }

    /// Apply all rules, one after another, until nothing changes: what one puts in may give shape to another's place.
    fn run<T: PartialEq + Clone>(
        &self,
        start: T,
        text_of: fn(&T) -> &str,
        apply: impl Fn(&T, &[Edit]) -> T,
    ) -> T {
        let mut now = start;
        for _ in 0..MOST_ROUNDS {
            let next = self.round(now.clone(), text_of, &apply);
            if next == now {
                break;
            }
            now = next;
        }
        now
    }

    fn round<T>(&self, start: T, text_of: fn(&T) -> &str, apply: &impl Fn(&T, &[Edit]) -> T) -> T {
        let mut now = start;
        let mut pass = |edits: &dyn Fn(&str) -> Vec<Edit>| {
            let edits = edits(text_of(&now));
            if !edits.is_empty() {
                now = apply(&now, &edits);
            }
        };
        // First, before a rule takes a secret apart; last, as what stands for something may hold one.
        pass(&|text| self.secret_places(text));
        for rule in RULES.iter() {
            pass(&|text| {
                let found = rule.found.captures_iter(text);
                found.filter_map(|found| (rule.edit)(&found)).collect()
            });
        }
        for (name, instead) in &self.names {
            pass(&|text| {
                let edit = |found: regex::Match<'_>| (found.range(), (*instead).to_owned());
                name.find_iter(text).map(edit).collect()
            });
        }
        pass(&|text| self.secret_places(text));
        now
    }

    fn secret_places(&self, text: &str) -> Vec<Edit> {
        let places = |secret: &Secret| -> Vec<Range<usize>> {
            let secret = secret.expose();
            let found = text.match_indices(secret);
            found.map(|(at, _)| at..at + secret.len()).collect()
        };
        let mut places: Vec<_> = self.secrets.iter().flat_map(places).collect();
        places.sort_unstable_by_key(|place| (place.start, place.end));
        let mut edits: Vec<Edit> = Vec::new();
        for place in places {
            match edits.last_mut() {
                Some((last, _)) if place.start < last.end => last.end = last.end.max(place.end),
                _ => edits.push((place, HIDDEN.to_owned())),
            }
        }
        edits
    }
}

/// A line with parts of it replaced; what stands there instead looks like the first character that it stands for.
fn replaced(line: &Line, edits: &[Edit]) -> Line {
    let mut out = Line::new();
    let mut edits = edits.iter().peekable();
    let mut at = 0;
    for (text, ink) in line.pieces() {
        let start = at;
        let end = start + text.len();
        while at < end {
            match edits.peek() {
                Some((range, instead)) if range.start <= at => {
                    if range.start == at {
                        out.push(instead, ink);
                    }
                    at = range.end.min(end).max(at);
                    if range.end <= end {
                        edits.next();
                    }
                }
                next => {
                    let until = next.map_or(end, |(range, _)| range.start.min(end));
                    out.push(text.get(at - start..until - start).unwrap_or_default(), ink);
                    at = until;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::Role;

    fn mask() -> Mask {
        Mask::new()
            .with_user("ada.l")
            .with_host("engine-1")
            .with_secret(Secret::new("open sesame").unwrap())
    }

    #[test]
    fn what_identifies_or_opens_is_replaced_and_the_rest_stays() {
        let token = "A1".repeat(12);
        let x = "x".repeat(24);
        let cases = [
            (
                "cd /home/ada/src:/Users/ada",
                "cd /home/user/src:/Users/user".to_owned(),
            ),
            (
                "ls /root/x /usr/root",
                "ls /home/user/x /usr/root".to_owned(),
            ),
            ("ada.l@engine-1:~$", "user@host:~$".to_owned()),
            (
                "From: Ada <ada@lovelace.co.uk>",
                "From: Ada <someone@example.org>".to_owned(),
            ),
            (
                "git@github.com:x/y.git",
                "git@github.com:x/y.git".to_owned(),
            ),
            (
                &format!("hf_{token} and ghp_{token}"),
                format!("hf_{x} and ghp_{x}"),
            ),
            (
                &format!("Authorization: Bearer {token}"),
                format!("Authorization: Bearer {HIDDEN}"),
            ),
            ("the bearer carries", "the bearer carries".to_owned()),
            (
                "OPENAI_API_KEY=abc123 X=1",
                format!("OPENAI_API_KEY={HIDDEN} X=1"),
            ),
            (
                "{\"password\": \"hunter22\"}",
                format!("{{\"password\": \"{HIDDEN}\"}}"),
            ),
            ("password = None", "password = None".to_owned()),
            (
                "https://ada:pw@x.org/a",
                format!("https://user:{HIDDEN}@x.org/a"),
            ),
            ("https://tok@x.org/a", "https://user@x.org/a".to_owned()),
            // What stands for the token makes an address of what was none.
            (
                "Bearer hf_0123456789abcdef0https://u:p@",
                format!("Bearer {HIDDEN}://user:{HIDDEN}@"),
            ),
            ("say open sesame!", format!("say {HIDDEN}!")),
            (
                "def key(x): return d[key]",
                "def key(x): return d[key]".to_owned(),
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMII+/=\n-----END RSA PRIVATE KEY-----",
                "-----BEGIN RSA PRIVATE KEY-----\nxxxxxx\n-----END RSA PRIVATE KEY-----".to_owned(),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(mask().text(text), expected, "{text}");
        }
    }

    #[test]
    fn every_rule_is_an_expression() {
        assert_eq!(RULES.len(), 9);
    }

    #[test]
    fn a_line_keeps_its_looks_though_a_secret_goes_over_pieces() {
        let line = Line::of("a TOKEN", Role::Code)
            .with("=", Role::CodeOperator)
            .with("ab", Role::CodeString)
            .with("cd12 z", Role::Dim);
        let masked = mask().line(&line);
        let pieces: Vec<_> = masked
            .pieces()
            .map(|(text, ink)| (text, ink.role))
            .collect();
        assert_eq!(
            pieces,
            [
                ("a TOKEN", Role::Code),
                ("=", Role::CodeOperator),
                (HIDDEN, Role::CodeString),
                (" z", Role::Dim),
            ]
        );
    }

    proptest! {
        #[test]
        fn masking_twice_changes_nothing_and_lines_agree_with_texts(parts in proptest::collection::vec(prop_oneof![
            Just("/home/ada".to_owned()), Just("/root".to_owned()), Just("TOKEN=".to_owned()), Just("password: ".to_owned()),
            Just("a@b.co".to_owned()), Just("https://u:p@".to_owned()), Just("open sesame".to_owned()), Just("ada.l".to_owned()),
            Just("engine-1".to_owned()), Just("Bearer ".to_owned()), Just("hf_0123456789abcdef0".to_owned()), "[ -~]{0,6}",
        ], 0..8)) {
            let text = parts.concat();
            let once = mask().text(&text);
            prop_assert!(!once.contains("open sesame"));
            prop_assert_eq!(mask().text(&once), once.clone());
            let mut line = Line::new();
            for (n, part) in parts.iter().enumerate() {
                line.push(part, if n % 2 == 0 { Role::Text } else { Role::Dim });
            }
            let masked = mask().line(&line);
            prop_assert_eq!(masked.text(), once);
        }
    }
}
