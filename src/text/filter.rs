//! The one filter language of every list in spotter.
//!
//! ```text
//! repo:pandas version:2.0 files:1 f2p:<5 p2p:10..200 text:"read_csv" -difficulty:hard,"> 4 hours" overflow
//! ```
//!
//! A filter is a row of terms that must all hold. A bare word or quoted phrase is searched in the list's text. A
//! `field:value` term asks one field; `a,b` in a value means *either*. Numbers compare by `<` `<=` `>` `>=` or lie in a
//! range `2..5`, ends included. Text matches as a substring without regard to case, or exactly where the field is
//! declared so or the term says `field:=value`. `-` or `!` in front turns a term round. In quotes, `\"` and `\\` stand
//! for themselves.
//!
//! The fields belong to the caller: a table of [`Field`]s to parse against and a function from field name to [`Value`]
//! to match with. Bare words ask for the field named [`WORDS`]. The language knows nothing of what it filters, has no
//! *or* between terms and no parentheses.

mod parse;

use std::borrow::Cow;
use std::fmt;

/// The field that bare words are searched in.
pub const WORDS: &str = "text";

/// How the values of a field compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Substring, without regard to case.
    Text,
    /// The whole string, exactly as written (versions: `1.1` is not `1.10`).
    Exact,
    /// Comparisons and ranges.
    Number,
    /// `yes` or `no`.
    Flag,
}

/// A field that the caller can answer for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// As written before the colon: lower-case letters, digits, `_`.
    pub name: &'static str,
    /// How its values compare.
    pub kind: FieldKind,
    /// One line for help.
    pub doc: &'static str,
}

/// What a field of one row holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// Several texts; one that matches is enough.
    Texts(Vec<Cow<'a, str>>),
    /// A number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// The row has none: no test on it holds (so a negated one does).
    Missing,
}

impl<'a> Value<'a> {
    /// A borrowed text.
    #[must_use]
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// A count.
    #[must_use]
    pub fn count(n: usize) -> Self {
        Self::Number(n as f64)
    }
}

/// What is wrong with a filter's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter, column {column}: {what}")]
pub struct FilterError {
    /// Character position in the filter, from 1.
    pub column: usize,
    /// What is wrong there, and what to write instead.
    pub what: String,
}

/// A parsed filter. The empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Word(String),
    Field { name: &'static str, any: Vec<Match> },
}

#[derive(Debug, Clone, PartialEq)]
enum Match {
    Contains(String),
    /// The flag says whether the field is exact anyway, so that `=` need not be written.
    Equals(String, bool),
    Compare(Op, f64),
    Range(f64, f64),
    Is(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Filter {
    /// Read a filter against the fields that it may name.
    pub fn parse(text: &str, fields: &[Field]) -> Result<Self, FilterError> {
        parse::filter(text, fields)
    }

    /// Whether it lets everything through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a row passes; `value` answers for its fields by name.
    pub fn matches<'a>(&self, mut value: impl FnMut(&str) -> Value<'a>) -> bool {
        self.terms.iter().all(|term| {
            let holds = match &term.test {
                Test::Word(word) => holds_text(&value(WORDS), |text| contains(text, word)),
                Test::Field { name, any } => {
                    let value = value(name);
                    any.iter().any(|m| m.holds(&value))
                }
            };
            holds != term.negated
        })
    }
}

impl Match {
    fn holds(&self, value: &Value<'_>) -> bool {
        match self {
            Self::Contains(part) => holds_text(value, |text| contains(text, part)),
            Self::Equals(whole, _) => holds_text(value, |text| text == whole),
            Self::Compare(op, bound) => matches!(value, Value::Number(n) if op.holds(*n, *bound)),
            Self::Range(low, high) => matches!(value, Value::Number(n) if low <= n && n <= high),
            Self::Is(wanted) => matches!(value, Value::Flag(flag) if flag == wanted),
        }
    }
}

impl Op {
    #[expect(clippy::float_cmp, reason = "counts and what a person typed are exact")]
    fn holds(self, n: f64, bound: f64) -> bool {
        match self {
            Self::Equal => n == bound,
            Self::Less => n < bound,
            Self::AtMost => n <= bound,
            Self::More => n > bound,
            Self::AtLeast => n >= bound,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }
}

fn holds_text(value: &Value<'_>, holds: impl Fn(&str) -> bool) -> bool {
    match value {
        Value::Text(text) => holds(text),
        Value::Texts(texts) => texts.iter().any(|text| holds(text)),
        Value::Number(_) | Value::Flag(_) | Value::Missing => false,
    }
}

/// Substring without regard to case. Issue texts are long and lists too, so the common case allocates nothing.
fn contains(text: &str, part: &str) -> bool {
    if !part.is_ascii() {
        return text.to_lowercase().contains(&part.to_lowercase());
    }
    let part = part.as_bytes();
    let Some(first) = part.first() else {
        return true;
    };
    text.as_bytes().windows(part.len()).any(|window| {
        window
            .first()
            .is_some_and(|b| b.eq_ignore_ascii_case(first))
            && window.eq_ignore_ascii_case(part)
    })
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            if term.negated {
                f.write_str("-")?;
            }
            match &term.test {
                Test::Word(word) => f.write_str(&parse::quoted_word(word))?,
                Test::Field { name, any } => {
                    write!(f, "{name}:")?;
                    for (j, m) in any.iter().enumerate() {
                        if j > 0 {
                            f.write_str(",")?;
                        }
                        m.fmt(f)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contains(part) | Self::Equals(part, true) => {
                f.write_str(&parse::quoted_value(part))
            }
            Self::Equals(whole, false) => write!(f, "={}", parse::quoted_value(whole)),
            Self::Compare(op, n) => write!(f, "{}{n}", op.sign()),
            Self::Range(low, high) => write!(f, "{low}..{high}"),
            Self::Is(flag) => f.write_str(if *flag { "yes" } else { "no" }),
        }
    }
}

#[cfg(test)]
mod tests;
