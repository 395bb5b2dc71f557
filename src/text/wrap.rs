//! Lines broken into rows of a width.
//!
//! Mental model: a line is first cut into [`Span`]s, the byte ranges that its rows show, by one iterator that allocates
//! nothing; [`count`], [`starts`] and [`rows`] all stand on it, so heights and drawn rows cannot disagree. A row ends after
//! blanks or between wide characters; a word longer than a row is broken, a grapheme cluster never is. Blanks that do not
//! fit at a row's end are left out, those that lead a line are kept.
//!
//! Widths are columns as ratatui counts them: cluster by cluster. What is wrapped holds no control characters: [`clean`] has
//! been there before.

use std::borrow::Cow;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use super::line::{Ink, Line};
use super::safe;

/// Where the rows after a line's first one begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hang {
    /// At the left edge.
    #[default]
    None,
    /// After so many columns.
    Columns(usize),
    /// Under the line's own first character that is no blank: for code.
    Indent,
}

impl Hang {
    /// Columns for a text; never more than half of the width, so that deep code still goes forward.
    fn columns(self, text: &str, width: usize) -> usize {
        let wanted = match self {
            Self::None => 0,
            Self::Columns(columns) => columns,
            Self::Indent => text.len() - text.trim_start_matches(' ').len(),
        };
        wanted.min(width / 2)
    }
}

/// What one row shows of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Bytes of the line's text.
    pub range: Range<usize>,
    /// Blank columns before it.
    pub indent: usize,
}

/// The rows of a text without line ends. There is always one.
pub fn spans(text: &str, width: usize, hang: Hang) -> impl Iterator<Item = Span> {
    let width = width.max(1);
    Spans {
        text,
        at: 0,
        width,
        indent: 0,
        hang: hang.columns(text, width),
        done: false,
    }
}

struct Spans<'a> {
    text: &'a str,
    /// Where the next row begins.
    at: usize,
    width: usize,
    /// Of the next row.
    indent: usize,
    hang: usize,
    done: bool,
}

impl Iterator for Spans<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        if self.done {
            return None;
        }
        let start = self.at;
        let (end, resume) = self.row();
        let span = Span {
            range: start..end,
            indent: self.indent,
        };
        self.at = resume;
        self.done = resume >= self.text.len();
        self.indent = self.hang;
        Some(span)
    }
}

impl Spans<'_> {
    /// Where the row that begins at `at` ends, and where the one after it begins.
    fn row(&self) -> (usize, usize) {
        let end = self.text.len();
        let room = self.width.saturating_sub(self.indent);
        // No cluster takes more columns than bytes.
        if end - self.at <= room {
            return (end, end);
        }
        let mut at = self.at;
        let mut column = 0;
        let mut worded = false;
        let mut last_wide = false;
        let mut last_good = None;
        while let Some((len, columns)) = cluster(self.text, at) {
            let blank = self.text.as_bytes().get(at) == Some(&b' ') && len == 1;
            let wide = columns > 1;
            if !blank && worded && (wide || last_wide) {
                last_good = Some(at);
            }
            if column + columns > room && column > 0 {
                return match last_good {
                    _ if blank && worded => (at, self.after_blanks(at)),
                    Some(good) => (good, good),
                    None => (at, at),
                };
            }
            column += columns;
            at += len;
            if blank && worded {
                last_good = Some(at);
            }
            worded |= !blank;
            last_wide = wide;
        }
        (end, end)
    }

    fn after_blanks(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        self.text.len() - rest.trim_start_matches(' ').len()
    }
}

/// Bytes and columns of the grapheme cluster at a place.
fn cluster(text: &str, at: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let first = bytes.get(at)?;
    // Nothing joins two ASCII characters that are no line end.
    if first.is_ascii() && bytes.get(at + 1).is_none_or(u8::is_ascii) {
        return Some((1, 1));
    }
    let cluster = text.get(at..)?.graphemes(true).next()?;
    Some((cluster.len(), cluster.width()))
}

/// How many rows a text takes. Line ends separate lines; one at the very end does not begin another.
#[must_use]
pub fn count(text: &str, width: usize, hang: Hang) -> usize {
    lines(text)
        .map(|(_, line)| spans(line, width, hang).count())
        .sum()
}

/// Where in a text each of its rows begins, in bytes: what [`super::rows::Anchor`] needs.
#[must_use]
pub fn starts(text: &str, width: usize, hang: Hang) -> Vec<usize> {
    lines(text)
        .flat_map(|(at, line)| spans(line, width, hang).map(move |span| at + span.range.start))
        .collect()
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.strip_suffix('\n')
        .unwrap_or(text)
        .split('\n')
        .map(move |line| {
            let start = at;
            at += line.len() + 1;
            (start, line)
        })
}

/// A line as rows; pieces keep their looks, and the blanks of a hanging indent the ground of what follows them.
#[must_use]
pub fn rows(line: &Line, width: usize, hang: Hang) -> Vec<Line> {
    let mut rows = Vec::new();
    let mut pieces = line.pieces();
    // What is left of the piece at hand, and where in the line it begins.
    let mut piece = pieces.next();
    let mut at = 0;
    for span in spans(line.text(), width, hang) {
        let mut row = Line::new();
        let mut indented = span.indent == 0;
        while let Some((text, ink)) = piece {
            let end = at + text.len();
            if at >= span.range.end {
                break;
            }
            let skip = span.range.start.saturating_sub(at).min(text.len());
            let take = span.range.end.min(end) - at;
            if let Some(part) = text.get(skip..take) {
                if !indented {
                    let ground = Ink {
                        over: ink.over,
                        ..Ink::default()
                    };
                    row.push(&" ".repeat(span.indent), ground);
                    indented = true;
                }
                row.push(part, ink);
            }
            if end > span.range.end {
                piece = text.get(take..).map(|rest| (rest, ink));
                at += take;
                break;
            }
            at = end;
            piece = pieces.next();
        }
        rows.push(row);
    }
    rows
}

/// As much of a line as fits in so many columns, with `…` where something is missing.
#[must_use]
pub fn cut(line: &Line, width: usize) -> Line {
    if columns(line.text()) <= width {
        return line.clone();
    }
    let mut short = Line::new();
    let mut room = width.saturating_sub(1);
    let mut last = Ink::default();
    'pieces: for (text, ink) in line.pieces() {
        last = ink;
        let fits = prefix(text, room);
        short.push(text.get(..fits).unwrap_or_default(), ink);
        room -= columns(text.get(..fits).unwrap_or_default());
        if fits < text.len() {
            break 'pieces;
        }
    }
    if width > 0 {
        short.push("…", last);
    }
    short
}

/// Bytes of the longest beginning that fits in so many columns.
fn prefix(text: &str, room: usize) -> usize {
    let mut at = 0;
    let mut column = 0;
    while let Some((len, columns)) = cluster(text, at) {
        if column + columns > room {
            break;
        }
        column += columns;
        at += len;
    }
    at
}

/// Columns of a text, cluster by cluster as a screen draws it.
#[must_use]
pub fn columns(text: &str) -> usize {
    let mut at = 0;
    let mut sum = 0;
    while let Some((len, columns)) = cluster(text, at) {
        at += len;
        sum += columns;
    }
    sum
}

/// One raw line made fit for a [`Line`]: hidden characters made visible, tabs as blanks up to the next multiple of `tab`.
/// One line end at its end is dropped; any other is shown.
#[must_use]
pub fn clean(raw: &str, tab: usize) -> Cow<'_, str> {
    let raw = raw.strip_suffix('\n').unwrap_or(raw);
    let raw = safe::visible(raw);
    if !raw.contains(['\t', '\n']) {
        return raw;
    }
    let tab = tab.max(1);
    let mut out = String::with_capacity(raw.len() + 16);
    let mut column = 0;
    for part in raw.split_inclusive(['\t', '\n']) {
        let text = part.trim_end_matches(['\t', '\n']);
        out.push_str(text);
        column += columns(text);
        if part.ends_with('\t') {
            let blanks = tab - column % tab;
            out.extend(std::iter::repeat_n(' ', blanks));
            column += blanks;
        } else if part.ends_with('\n') {
            out.push('␊');
            column += 1;
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::Role;

    fn texts(text: &str, width: usize, hang: Hang) -> Vec<String> {
        rows(&Line::of(text, Role::Text), width, hang)
            .iter()
            .map(|row| row.text().to_owned())
            .collect()
    }

    #[test]
    fn rows_end_after_blanks_and_long_words_are_broken() {
        assert_eq!(texts("", 5, Hang::None), [""]);
        assert_eq!(texts("one two three", 7, Hang::None), ["one two", "three"]);
        assert_eq!(texts("one   two", 4, Hang::None), ["one ", "two"]);
        assert_eq!(texts("one two  ", 7, Hang::None), ["one two"]);
        assert_eq!(
            texts("abcdefgh ij", 3, Hang::None),
            ["abc", "def", "gh ", "ij"]
        );
        assert_eq!(texts("      x", 4, Hang::None), ["    ", "  x"]);
        assert_eq!(texts("ab", 0, Hang::None), ["a", "b"]);
    }

    #[test]
    fn clusters_are_never_split_and_wide_ones_take_two_columns() {
        assert_eq!(texts("日本語 x", 5, Hang::None), ["日本", "語 x"]);
        assert_eq!(texts("ab日本", 4, Hang::None), ["ab日", "本"]);
        let family = "👩\u{200d}👩\u{200d}👧";
        assert_eq!(
            texts(&format!("a{family}{family}"), 3, Hang::None),
            [format!("a{family}"), family.to_owned()]
        );
        assert_eq!(
            texts("e\u{301}e\u{301}e\u{301}", 2, Hang::None),
            ["e\u{301}e\u{301}", "e\u{301}"]
        );
        assert_eq!(
            texts("日本", 1, Hang::None),
            ["日", "本"],
            "wider than the room"
        );
    }

    #[test]
    fn code_hangs_under_its_own_indentation_up_to_half_the_width() {
        assert_eq!(
            texts("    return value + other", 16, Hang::Indent),
            ["    return value", "    + other"]
        );
        assert_eq!(
            texts("            abc def", 16, Hang::Indent),
            ["            abc ", "        def"]
        );
        assert_eq!(texts("ab cd", 3, Hang::Columns(2)), ["ab ", " cd"]);
    }

    #[test]
    fn pieces_keep_their_looks_and_the_indent_its_ground() {
        let line = Line::of("  ab ", Ink::of(Role::Code).over(Role::DiffAdd))
            .with("cd", Ink::of(Role::CodeNumber).over(Role::DiffAdd));
        let rows = rows(&line, 5, Hang::Indent);
        let second: Vec<_> = rows[1].pieces().collect();
        assert_eq!(
            second,
            [
                ("  ", Ink::of(Role::Text).over(Role::DiffAdd)),
                ("cd", Ink::of(Role::CodeNumber).over(Role::DiffAdd)),
            ]
        );
    }

    #[test]
    fn a_cut_line_says_that_something_is_missing() {
        let line = Line::of("日本", Role::Key).with("語x", Role::Dim);
        assert_eq!(cut(&line, 7).text(), "日本語x");
        assert_eq!(cut(&line, 6).text(), "日本…");
        assert_eq!(cut(&line, 4).text(), "日…");
        assert_eq!(cut(&line, 0).text(), "");
    }

    #[test]
    fn a_raw_line_becomes_fit_to_be_shown() {
        assert_eq!(clean("a\tb\n", 8), "a       b");
        assert_eq!(clean("日\tb", 4), "日  b");
        assert_eq!(clean("\x1b[1m\t\u{202e}x\r\n", 8), "␛[1m    <U+202E>x␍");
        assert_eq!(clean("a\nb\n", 4), "a␊b");
        assert!(matches!(clean("plain", 8), Cow::Borrowed("plain")));
    }

    #[test]
    fn a_text_of_several_lines_knows_where_its_rows_begin() {
        assert_eq!(
            starts("one two\n\nthree\n", 4, Hang::None),
            [0, 4, 8, 9, 13]
        );
        assert_eq!(count("one two\n\nthree\n", 4, Hang::None), 5);
    }

    /// Texts in which blanks, wide characters, joiners and long words meet.
    fn mixed() -> impl Strategy<Value = String> {
        proptest::collection::vec(
            prop_oneof![
                Just(" ".to_owned()),
                Just("日".to_owned()),
                Just("👩\u{200d}👧".to_owned()),
                Just("e\u{301}".to_owned()),
                Just("🇩🇪".to_owned()),
                "[a-z]{1,9}",
                any::<char>().prop_map(|c| c.to_string()),
            ],
            0..40,
        )
        .prop_map(|parts| clean(&parts.concat(), 8).into_owned())
    }

    fn hangs() -> impl Strategy<Value = Hang> {
        prop_oneof![
            Just(Hang::None),
            Just(Hang::Indent),
            (0usize..9).prop_map(Hang::Columns)
        ]
    }

    proptest! {
        #[test]
        fn counting_agrees_with_building(text in mixed(), width in 0usize..30, hang in hangs()) {
            let line = Line::of(text.as_str(), Role::Text);
            prop_assert_eq!(count(&text, width, hang), rows(&line, width, hang).len());
        }

        #[test]
        fn rows_fit_and_lose_nothing_but_blanks(text in mixed(), width in 2usize..30, hang in hangs()) {
            let mut at = 0;
            for span in spans(&text, width, hang) {
                let left_out = text.get(at..span.range.start).unwrap();
                prop_assert!(left_out.chars().all(|c| c == ' '));
                let shown = text.get(span.range.clone()).unwrap();
                // One cluster that is wider than the row stands alone.
                prop_assert!(columns(shown) + span.indent <= width || shown.graphemes(true).count() == 1);
                at = span.range.end;
            }
            prop_assert!(text.get(at..).unwrap().chars().all(|c| c == ' '));
        }

        #[test]
        fn a_cleaned_text_holds_nothing_that_a_line_may_not(text in any::<String>(), tab in 0usize..9) {
            prop_assert!(!clean(&text, tab).chars().any(|c| safe::is_hidden(c) || c == '\n' || c == '\t'));
        }

        #[test]
        fn what_is_cut_fits(text in mixed(), width in 0usize..20) {
            let line = cut(&Line::of(text.as_str(), Role::Text), width);
            prop_assert!(columns(line.text()) <= width);
        }
    }
}
