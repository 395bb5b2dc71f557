//! A text that grows without end, of which head and tail are kept.

use std::collections::VecDeque;

/// Bytes kept from the beginning.
const HEAD: usize = 96 << 10;
/// Bytes kept from the end.
const TAIL: usize = 32 << 10;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounded {
    head: String,
    tail: VecDeque<String>,
    tail_bytes: usize,
    /// Bytes between head and tail that were let go.
    pub dropped: u64,
}

impl Bounded {
    /// Add text at the end. Amortised, the cost is that of the text.
    pub fn push(&mut self, text: &str) {
        let mut rest = text;
        if self.tail.is_empty() && self.head.len() < HEAD {
            let room = HEAD - self.head.len();
            let cut = floor(text, room);
            let (first, second) = text.split_at(cut);
            self.head.push_str(first);
            rest = second;
        }
        if rest.is_empty() {
            return;
        }
        self.tail_bytes += rest.len();
        self.tail.push_back(rest.to_owned());
        while self.tail_bytes > 2 * TAIL {
            let Some(first) = self.tail.pop_front() else {
                return;
            };
            self.tail_bytes -= first.len();
            // One chunk may be larger than all that is kept: its end stays.
            let keep = TAIL.saturating_sub(self.tail_bytes).min(first.len());
            let cut = floor(&first, first.len() - keep);
            let (gone, kept) = first.split_at(cut);
            self.dropped += gone.len() as u64;
            if !kept.is_empty() {
                self.tail_bytes += kept.len();
                self.tail.push_front(kept.to_owned());
                return;
            }
        }
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// What is kept, with a word about what is not.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        if self.tail.is_empty() {
            return std::borrow::Cow::Borrowed(&self.head);
        }
        let mut text = self.head.clone();
        if self.dropped > 0 {
            text.push_str(format!("\n… {} bytes are in the file only …\n", self.dropped).as_str());
        }
        for piece in &self.tail {
            text.push_str(piece);
        }
        std::borrow::Cow::Owned(text)
    }

    /// The end of it: so many lines where there are, maybe more. Cheap however much is held.
    #[must_use]
    pub fn end(&self, lines: usize) -> std::borrow::Cow<'_, str> {
        let mut ends = 0;
        let mut from = self.tail.len();
        for (at, piece) in self.tail.iter().enumerate().rev() {
            if ends > lines {
                break;
            }
            ends += piece.bytes().filter(|byte| *byte == b'\n').count();
            from = at;
        }
        if ends <= lines {
            // The beginning belongs to it, or there is nothing else.
            return self.text();
        }
        std::borrow::Cow::Owned(self.tail.range(from..).map(String::as_str).collect())
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.head.capacity() + self.tail_bytes
    }
}

/// The largest character boundary at or below a byte offset.
fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_tail_are_kept_and_the_rest_is_counted() {
        let mut text = Bounded::default();
        for number in 0..100_000 {
            text.push(&format!("line {number} ü\n"));
        }
        let shown = text.text();
        assert!(shown.starts_with("line 0 ü\n") && shown.ends_with("line 99999 ü\n"));
        // A growing string reserves up to twice what it holds.
        assert!(text.bytes() < 2 * HEAD + 2 * TAIL, "{}", text.bytes());
        assert!(shown.contains("bytes are in the file only"));
        let whole: usize = (0..100_000)
            .map(|number| format!("line {number} ü\n").len())
            .sum();
        let kept = text.head.len() + text.tail_bytes;
        assert_eq!(kept as u64 + text.dropped, whole as u64);
    }

    #[test]
    fn the_end_is_that_of_the_whole_however_it_came() {
        for size in [1, 7, 4000, 200_000] {
            let mut whole = String::new();
            for number in 0..40_000 {
                whole.push_str("line ");
                whole.push_str(&number.to_string());
                whole.push('\n');
            }
            let mut text = Bounded::default();
            for piece in whole.as_bytes().chunks(size) {
                text.push(std::str::from_utf8(piece).unwrap());
            }
            for lines in [0, 1, 11, 100] {
                let end = text.end(lines);
                assert!(text.text().ends_with(&*end) && end.lines().count() >= lines);
            }
            assert!(
                size > 4000 || text.end(11).len() < 9000,
                "{}",
                text.end(11).len()
            );
        }
        let mut short = Bounded::default();
        short.push("one\ntwo");
        assert_eq!(short.end(11), "one\ntwo");
    }

    #[test]
    fn one_huge_chunk_is_cut_like_many_small_ones() {
        let mut text = Bounded::default();
        text.push(&"ä".repeat(4 << 20));
        // A growing string reserves up to twice what it holds.
        assert!(text.bytes() < 2 * HEAD + 2 * TAIL, "{}", text.bytes());
        assert!(text.text().ends_with('ä'));
    }
}
