//! Finding a text within a text: every place, and the next one from here.
//!
//! A query is searched as written, without regard to case unless it has a capital (*smart case*). Between slashes,
//! `/like this/`, it is a regular expression. Both take time linear in the text. An empty query finds nothing, and so does
//! an expression where it matches without taking a character.

use std::ops::Range;

/// Memory that a compiled expression may take, in bytes: a hostile one is refused instead.
const MAX_PROGRAM: usize = 4 * 1024 * 1024;

/// What is searched for.
#[derive(Debug, Clone)]
pub struct Query {
    text: regex::Regex,
    bytes: regex::bytes::Regex,
}

/// Why a query cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Nothing to search for.
    #[error("nothing to search for")]
    Empty,
    /// The expression is wrong, or too large.
    #[error("no regular expression: {0}")]
    Expression(String),
}

impl Query {
    /// Read a query.
    pub fn parse(query: &str) -> Result<Self, QueryError> {
        let expression = query
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'))
            .filter(|inner| !inner.is_empty());
        let (pattern, any_case) = match expression {
            // A capital after a backslash is a class, not a letter.
            Some(inner) => (inner.to_owned(), !has_capital(&without_escapes(inner))),
            None => (regex::escape(query), !has_capital(query)),
        };
        if pattern.is_empty() {
            return Err(QueryError::Empty);
        }
        let text = regex::RegexBuilder::new(&pattern)
            .case_insensitive(any_case)
            .multi_line(true)
            .size_limit(MAX_PROGRAM)
            .build();
        let text = text.map_err(|error| QueryError::Expression(last_line(&error.to_string())))?;
        let bytes = regex::bytes::RegexBuilder::new(&pattern)
            .case_insensitive(any_case)
            .multi_line(true)
            .size_limit(MAX_PROGRAM)
            .build();
        let bytes = bytes.map_err(|error| QueryError::Expression(last_line(&error.to_string())))?;
        Ok(Self { text, bytes })
    }

    /// Every place in a text, in order, as byte ranges that do not touch each other's characters.
    pub fn places<'t>(&self, text: &'t str) -> impl Iterator<Item = Range<usize>> + use<'t, '_> {
        let places = self.text.find_iter(text).map(|found| found.range());
        places.filter(|range| !range.is_empty())
    }

    /// The same in bytes that need not be text.
    pub fn places_in_bytes<'t>(
        &self,
        bytes: &'t [u8],
    ) -> impl Iterator<Item = Range<usize>> + use<'t, '_> {
        let places = self.bytes.find_iter(bytes).map(|found| found.range());
        places.filter(|range| !range.is_empty())
    }
}

fn has_capital(text: &str) -> bool {
    text.chars().any(char::is_uppercase)
}

fn without_escapes(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            // `\pL` and `\p{Lu}` name their class after it.
            if matches!(chars.next(), Some('p' | 'P')) && chars.next() == Some('{') {
                chars.by_ref().find(|c| *c == '}');
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The expression's own message draws it with a caret over several lines; the last says what is wrong.
fn last_line(message: &str) -> String {
    let line = message.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// The places found, to walk through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    ranges: Vec<Range<usize>>,
    complete: bool,
}

/// A place that a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which of the places, from 0.
    pub index: usize,
    /// Where it is.
    pub range: Range<usize>,
    /// Whether the search went past the text's end, or its beginning.
    pub wrapped: bool,
}

impl Places {
    /// Look a text through; stops after `most` places.
    #[must_use]
    pub fn find(query: &Query, text: &str, most: usize) -> Self {
        let mut places = query.places(text);
        let ranges: Vec<_> = places.by_ref().take(most).collect();
        let complete = places.next().is_none();
        Self { ranges, complete }
    }

    /// The places, in order.
    #[must_use]
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// Whether these are all there are.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Those that lie in a part of the text at least partly.
    #[must_use]
    pub fn within(&self, part: &Range<usize>) -> &[Range<usize>] {
        let from = self.ranges.partition_point(|range| range.end <= part.start);
        let to = self.ranges.partition_point(|range| range.start < part.end);
        self.ranges.get(from..to).unwrap_or_default()
    }

    /// The first place that begins after a position, else the very first.
    #[must_use]
    pub fn next(&self, position: usize) -> Option<Place> {
        let index = self.ranges.partition_point(|range| range.start <= position);
        self.place(index, false).or_else(|| self.place(0, true))
    }

    /// The last place that begins before a position, else the very last.
    #[must_use]
    pub fn previous(&self, position: usize) -> Option<Place> {
        let index = self.ranges.partition_point(|range| range.start < position);
        match index.checked_sub(1) {
            Some(index) => self.place(index, false),
            None => self.place(self.ranges.len().checked_sub(1)?, true),
        }
    }

    fn place(&self, index: usize, wrapped: bool) -> Option<Place> {
        let range = self.ranges.get(index)?.clone();
        Some(Place {
            index,
            range,
            wrapped,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(query: &str, text: &str) -> Vec<Range<usize>> {
        Query::parse(query).unwrap().places(text).collect()
    }

    #[test]
    fn case_matters_only_where_the_query_has_a_capital() {
        assert_eq!(found("ab", "AB ab Ab"), [0..2, 3..5, 6..8]);
        assert_eq!(found("Ab", "AB Ab Ab"), [3..5, 6..8]);
        assert_eq!(found("ä", "Ää"), [0..2, 2..4]);
        assert_eq!(found("a.c", "abc a.c").len(), 1, "signs are themselves");
    }

    #[test]
    fn between_slashes_it_is_an_expression() {
        assert_eq!(found(r"/^\S+/", "one two\nthree"), [0..3, 8..13]);
        assert_eq!(found("/A+/", "aAA").len(), 1);
        assert_eq!(found("/x*/", "axxb").len(), 1, "no empty places");
        assert_eq!(found("//", "a//b").len(), 1);
        assert_eq!(found("/usr", "a/usr").len(), 1);
        assert!(matches!(
            Query::parse("/(/"),
            Err(QueryError::Expression(_))
        ));
        assert!(matches!(
            Query::parse("/(?-u)\\xff/"),
            Err(QueryError::Expression(_))
        ));
        assert!(matches!(
            Query::parse("/(a{999}){999}/"),
            Err(QueryError::Expression(_))
        ));
        assert!(matches!(Query::parse(""), Err(QueryError::Empty)));
    }

    #[test]
    fn places_are_walked_in_a_circle() {
        let query = Query::parse("a").unwrap();
        let places = Places::find(&query, "a-a-a", 10);
        let step = |place: Option<Place>| place.map(|place| (place.index, place.wrapped));
        assert_eq!(step(places.next(0)), Some((1, false)));
        assert_eq!(step(places.next(4)), Some((0, true)));
        assert_eq!(step(places.previous(4)), Some((1, false)));
        assert_eq!(step(places.previous(0)), Some((2, true)));
        assert_eq!(places.within(&(1..4)).len(), 1);
        assert!(places.is_complete());
        assert!(!Places::find(&query, "a-a-a", 2).is_complete());
        assert_eq!(Places::default().next(0), None);
        assert_eq!(Places::default().previous(0), None);
    }

    proptest! {
        #[test]
        fn every_place_is_the_query_and_none_is_missed(text in "[abAB ]{0,40}", query in "[ab]{1,2}") {
            let places = found(&query, &text);
            let lower = text.to_lowercase();
            for place in &places {
                prop_assert_eq!(lower.get(place.clone()), Some(query.as_str()));
            }
            prop_assert_eq!(places.len(), lower.matches(&query).count());
        }
    }
}
