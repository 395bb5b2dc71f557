//! Fuzzy ranking of a list's rows by what somebody types.
//!
//! fzf's syntax: words must all match, in any order, their letters in order with gaps; `'word` exactly, `^word` at the
//! beginning, `word$` at the end, `!word` not at all. Case counts only where a word has a capital. Rows are prepared once
//! ([`Rows`]); a keystroke then scores all of them without allocating for any. Which characters matched is asked for the
//! few rows that are shown.

use std::ops::Range;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str, Utf32String};
use unicode_segmentation::UnicodeSegmentation as _;

/// Characters of a query beyond this are left out: nobody types that many, a paste may have them.
const MAX_QUERY: usize = 256;

/// The rows of a list, ready to be matched.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    rows: Vec<Utf32String>,
}

impl Rows {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Add a row at the end.
    pub fn push(&mut self, row: &str) {
        self.rows.push(Utf32String::from(row));
    }
}

impl<'a> FromIterator<&'a str> for Rows {
    fn from_iter<T: IntoIterator<Item = &'a str>>(rows: T) -> Self {
        let rows = rows.into_iter().map(Utf32String::from).collect();
        Self { rows }
    }
}

/// A row that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Which row.
    pub row: usize,
    /// How well; more is better. Comparable within one query only.
    pub score: u32,
}

/// Matches one query at a time. It keeps about 135 kB to work with: have one, not one a row.
#[derive(Debug)]
pub struct Fuzzy {
    matcher: Matcher,
    pattern: Pattern,
    empty: bool,
}

impl Default for Fuzzy {
    fn default() -> Self {
        Self {
            matcher: Matcher::new(Config::DEFAULT),
            pattern: Pattern::default(),
            empty: true,
        }
    }
}

impl Fuzzy {
    /// Search for something else.
    pub fn set_query(&mut self, query: &str) {
        let end = query.char_indices().nth(MAX_QUERY).map(|(at, _)| at);
        let query = end.and_then(|end| query.get(..end)).unwrap_or(query);
        self.pattern
            .reparse(query, CaseMatching::Smart, Normalization::Smart);
        self.empty = self.pattern.atoms.is_empty();
    }

    /// The rows that match, best first; equally good ones in their own order. All of them for an empty query.
    pub fn rank(&mut self, rows: &Rows) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        for (row, text) in rows.rows.iter().enumerate() {
            if let Some(score) = self.pattern.score(text.slice(..), &mut self.matcher) {
                hits.push(Hit { row, score });
            }
        }
        if !self.empty {
            hits.sort_by_key(|hit| std::cmp::Reverse(hit.score));
        }
        hits
    }

    /// The parts of a row's text that match, as byte ranges in order.
    pub fn matched(&mut self, text: &str) -> Vec<Range<usize>> {
        let mut buffer = Vec::new();
        let haystack = Utf32Str::new(text, &mut buffer);
        let mut found = Vec::new();
        if self
            .pattern
            .indices(haystack, &mut self.matcher, &mut found)
            .is_none()
        {
            return Vec::new();
        }
        found.sort_unstable();
        found.dedup();
        // The matcher counts grapheme clusters.
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut found = found.into_iter().peekable();
        for (index, (at, cluster)) in text.grapheme_indices(true).enumerate() {
            if found.next_if(|next| *next as usize == index).is_none() {
                continue;
            }
            let end = at + cluster.len();
            match ranges.last_mut() {
                Some(last) if last.end == at => last.end = end,
                _ => ranges.push(at..end),
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [&str; 5] = [
        "pandas-dev__pandas-48106 groupby",
        "getmoto__moto-7331 kms",
        "Project-MONAI__MONAI-4775",
        "dask__dask-8686 Pandas",
        "日本 e\u{301}x",
    ];

    fn ranked(query: &str) -> Vec<usize> {
        let rows: Rows = ROWS.into_iter().collect();
        let mut fuzzy = Fuzzy::default();
        fuzzy.set_query(query);
        fuzzy.rank(&rows).iter().map(|hit| hit.row).collect()
    }

    #[test]
    fn rows_are_ranked_and_the_syntax_is_that_of_fzf() {
        assert_eq!(ranked(""), [0, 1, 2, 3, 4]);
        assert_eq!(ranked("pandas"), [0, 3]);
        assert_eq!(ranked("Pandas"), [3]);
        assert_eq!(ranked("mt73"), [1]);
        assert_eq!(ranked("^dask"), [3]);
        assert_eq!(ranked("pandas !groupby"), [3]);
        assert_eq!(ranked("4775$"), [2]);
        assert_eq!(ranked("kms moto"), [1]);
        assert_eq!(ranked(&"z".repeat(100_000)), [0; 0]);
    }

    #[test]
    fn matched_characters_are_found_by_cluster() {
        let mut fuzzy = Fuzzy::default();
        fuzzy.set_query("mt 73");
        let text = ROWS[1];
        let parts: Vec<_> = fuzzy
            .matched(text)
            .into_iter()
            .map(|range| text.get(range).unwrap())
            .collect();
        assert_eq!(parts.concat(), "mt73");
        fuzzy.set_query("x");
        assert_eq!(fuzzy.matched(ROWS[4]).first(), Some(&(10..11)));
        fuzzy.set_query("nothing");
        assert_eq!(fuzzy.matched(ROWS[4]), Vec::<Range<usize>>::new());
    }
}
