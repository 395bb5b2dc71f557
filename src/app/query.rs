//! What is typed over a list: words with a colon are the filter language, the rest is matched fuzzily.

use std::ops::Range;

use crate::text::filter::{Field, Filter, Value};
use crate::text::fuzzy;

use super::field::Field as Typed;

/// A filter over a list, and the rows that it leaves.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// What is typed.
    pub field: Typed,
    /// Keys go to it.
    pub active: bool,
    /// What is wrong with it; the rows are those of the last right one.
    pub error: Option<String>,
    /// Rows that are left, best first where words were typed, else in the list's order.
    pub rows: Vec<usize>,
    /// The words of it that are matched fuzzily.
    pub words: String,
}

impl Query {
    /// Apply it to a list.
    pub fn apply<'a>(
        &mut self,
        count: usize,
        fields: &[Field],
        words: impl Fn(usize) -> std::borrow::Cow<'a, str>,
        value: impl Fn(usize, &str) -> Value<'a>,
    ) {
        let (filter, fuzzy) = split(self.field.text());
        let filter = match Filter::parse(&filter, fields) {
            Ok(filter) => filter,
            Err(error) => {
                self.error = Some(error.to_string());
                return;
            }
        };
        self.error = None;
        let kept: Vec<usize> = (0..count)
            .filter(|row| filter.is_empty() || filter.matches(|name| value(*row, name)))
            .collect();
        self.words.clone_from(&fuzzy);
        if fuzzy.is_empty() {
            self.rows = kept;
            return;
        }
        let texts: Vec<std::borrow::Cow<'a, str>> = kept.iter().map(|row| words(*row)).collect();
        let texts: fuzzy::Rows = texts.iter().map(AsRef::as_ref).collect();
        let mut finder = fuzzy::Fuzzy::default();
        finder.set_query(&fuzzy);
        self.rows = finder
            .rank(&texts)
            .iter()
            .filter_map(|hit| kept.get(hit.row).copied())
            .collect();
    }

    /// Bytes of some texts that the typed words matched, for those in view.
    #[must_use]
    pub fn matched<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> Vec<Vec<Range<usize>>> {
        if self.words.is_empty() {
            return Vec::new();
        }
        let mut finder = fuzzy::Fuzzy::default();
        finder.set_query(&self.words);
        texts.into_iter().map(|text| finder.matched(text)).collect()
    }
}

/// Terms of the filter language, and the words that are none. Quoted text belongs to the term before it.
fn split(text: &str) -> (String, String) {
    let (mut filter, mut fuzzy) = (String::new(), String::new());
    let mut term = String::new();
    let mut quoted = false;
    let mut end = |term: &mut String| {
        let into = if term.contains(':') {
            &mut filter
        } else {
            &mut fuzzy
        };
        if !term.is_empty() {
            if !into.is_empty() {
                into.push(' ');
            }
            into.push_str(term);
        }
        term.clear();
    };
    for c in text.chars() {
        quoted ^= c == '"';
        if c.is_whitespace() && !quoted {
            end(&mut term);
        } else {
            term.push(c);
        }
    }
    end(&mut term);
    (filter, fuzzy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_with_a_colon_filter_and_words_are_matched() {
        assert_eq!(
            split("repo:pandas text:\"read csv\" join 07"),
            ("repo:pandas text:\"read csv\"".into(), "join 07".into())
        );
        assert_eq!(split("f2p:"), ("f2p:".into(), String::new()));
    }
}
