//! A large log: test output of tens of megabytes, looked at a screen at a time, maybe while it still grows.
//!
//! Mental model: one buffer of bytes as they came, and the end of every line. Nothing is decoded before it is shown; then
//! one line is made safe by [`super::ansi`] on its own, so colours that a line leaves switched on do not reach the next.
//! Memory is the buffer and four bytes a line. It holds at most [`MAX_BYTES`]; what comes after is counted, not kept.

use std::ops::Range;

use super::ansi::Ansi;
use super::line::Line;
use super::role::Role;
use super::search::Query;

/// Bytes that a log keeps.
pub const MAX_BYTES: usize = 1 << 30;
/// Bytes of one line that are shown; the rest is counted.
const MAX_SHOWN: usize = 256 * 1024;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Log {
    bytes: Vec<u8>,
    /// Where each finished line ends, its line end included.
    ends: Vec<u32>,
    left_out: usize,
}

impl Log {
    /// A log that is there already.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        let mut log = Self {
            bytes,
            ..Self::default()
        };
        if let Some(over) = log.bytes.len().checked_sub(MAX_BYTES) {
            log.bytes.truncate(MAX_BYTES);
            log.left_out = over;
        }
        log.index_from(0);
        log
    }

    /// Add what came since.
    pub fn append(&mut self, more: &[u8]) {
        let room = MAX_BYTES - self.bytes.len().min(MAX_BYTES);
        let (kept, over) = more.split_at(room.min(more.len()));
        let from = self.bytes.len();
        self.bytes.extend_from_slice(kept);
        self.left_out += over.len();
        self.index_from(from);
    }

    fn index_from(&mut self, from: usize) {
        let mut at = from;
        while let Some(found) = next_line_end(self.bytes.get(at..).unwrap_or_default()) {
            at += found + 1;
            // MAX_BYTES fits.
            self.ends.extend(u32::try_from(at).ok());
        }
    }

    /// How many lines there are, an unfinished last one too.
    #[must_use]
    pub fn len(&self) -> usize {
        let finished = self.ends.last().map_or(0, |end| *end as usize);
        self.ends.len() + usize::from(finished < self.bytes.len())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All bytes kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes that came after the log was full.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Where a line lies, without its line end.
    #[must_use]
    pub fn range(&self, line: usize) -> Option<Range<usize>> {
        let end_of = |line: usize| self.ends.get(line).map(|end| *end as usize);
        let start = match line.checked_sub(1) {
            None => 0,
            Some(before) => end_of(before)?,
        };
        match end_of(line) {
            Some(end) => Some(start..end - 1),
            None => (start < self.bytes.len()).then_some(start..self.bytes.len()),
        }
    }

    /// The line that a byte lies in; of one beyond the end, the last.
    #[must_use]
    pub fn line_at(&self, byte: usize) -> usize {
        let line = self.ends.partition_point(|end| *end as usize <= byte);
        line.min(self.len().saturating_sub(1))
    }

    /// A line as a terminal would show it. Empty beyond the end.
    #[must_use]
    pub fn line(&self, line: usize, base: Role) -> Line {
        let bytes = self.range(line).and_then(|range| self.bytes.get(range));
        let bytes = bytes.unwrap_or_default();
        let (shown, rest) = bytes.split_at(bytes.len().min(MAX_SHOWN));
        let mut ansi = Ansi::new(base);
        ansi.feed(shown, |_| {});
        let mut line = ansi.tail().unwrap_or_default();
        if !rest.is_empty() {
            line.push(&format!(" … {} more bytes", rest.len()), Role::Dim);
        }
        line
    }

    /// The first line, from a given one on, that holds a text (bytes as they came, colours included).
    #[must_use]
    pub fn find(&self, query: &Query, from: usize) -> Option<usize> {
        let start = self.range(from)?.start;
        let rest = self.bytes.get(start..)?;
        let place = query.places_in_bytes(rest).next()?;
        Some(self.line_at(start + place.start))
    }

    /// The last line before a given one that holds a text.
    #[must_use]
    pub fn find_back(&self, query: &Query, before: usize) -> Option<usize> {
        (0..before.min(self.len())).rev().find(|line| {
            let bytes = self.range(*line).and_then(|range| self.bytes.get(range));
            query
                .places_in_bytes(bytes.unwrap_or_default())
                .next()
                .is_some()
        })
    }
}

/// Bytes of a word that is searched: all ones, the highest bits, line ends.
const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
const LINE_ENDS: u64 = u64::from_ne_bytes([b'\n'; 8]);

/// Eight bytes at a time, as far as they hold no line end.
fn next_line_end(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let clear = words
        .iter()
        .take_while(|word| {
            // A line end is a zero byte now; the expression below finds those.
            let word = u64::from_ne_bytes(**word) ^ LINE_ENDS;
            word.wrapping_sub(ONES) & !word & HIGH == 0
        })
        .count();
    let from = clear * 8;
    let rest = bytes.get(from..)?;
    Some(from + rest.iter().position(|byte| *byte == b'\n')?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_shown_safe_and_found_again() {
        let mut log = Log::new(b"one\n\x1b[31mFAILED\x1b[0m a\r\n\ntwo \x1b]0;x".to_vec());
        assert_eq!(log.len(), 4);
        let text = |log: &Log, n| log.line(n, Role::Output).text().to_owned();
        assert_eq!(text(&log, 1), "FAILED a");
        assert_eq!(text(&log, 3), "two ");
        assert_eq!(text(&log, 9), "");
        log.append(b"\x07more\nlast");
        assert_eq!(log.len(), 5);
        assert_eq!(text(&log, 3), "two more");
        let query = Query::parse("o").unwrap();
        assert_eq!(log.find(&query, 0), Some(0));
        assert_eq!(log.find(&query, 1), Some(3));
        assert_eq!(log.find(&query, 4), None);
        assert_eq!(log.find_back(&query, 3), Some(0));
        assert_eq!(log.find_back(&query, 0), None);
        assert_eq!(
            (log.line_at(0), log.line_at(5), log.line_at(999)),
            (0, 1, 4)
        );
        assert!(Log::default().is_empty());
        assert_eq!(Log::default().line_at(3), 0);
    }

    #[test]
    fn the_index_costs_four_bytes_a_line_and_a_huge_line_is_cut() {
        let log = Log::new(b"0123456789abcdef\n".repeat(100_000));
        assert_eq!(log.len(), 100_000);
        assert_eq!(size_of_val(log.ends.as_slice()), 400_000);
        let log = Log::new(b"\x1b[31m".repeat(MAX_SHOWN));
        let line = log.line(0, Role::Output);
        assert!(line.text().ends_with("more bytes"));
    }

    proptest! {
        #[test]
        fn appending_in_parts_gives_the_lines_of_the_whole(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\x0b'), any::<u8>()], 0..60),
            cut in 0usize..60,
        ) {
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            let mut log = Log::new(head.to_vec());
            log.append(tail);
            let mut expected: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            if expected.last().is_some_and(|last| last.is_empty()) {
                expected.pop();
            }
            let found: Vec<_> = (0..log.len()).map(|n| &log.bytes[log.range(n).unwrap()]).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(log.range(log.len()), None);
        }
    }
}
