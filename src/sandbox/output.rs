//! Bounded capture: head and tail are kept, the middle is counted.
//!
//! A command may print 10 GB; what is kept of it never exceeds a fixed size. The tail is a ring, so that feeding is
//! linear in the input whatever the pieces' sizes.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Output with a bounded size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounded {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    keep_head: usize,
    keep_tail: usize,
    total: u64,
}

impl Bounded {
    /// Keep at most `keep` bytes, half from each end.
    #[must_use]
    pub fn new(keep: usize) -> Self {
        let keep_head = keep / 2;
        Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            keep_head,
            keep_tail: keep - keep_head,
            total: 0,
        }
    }

    /// Take in a piece.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = self.keep_head - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        let (_, last) = rest.split_at(rest.len().saturating_sub(self.keep_tail));
        let over = (self.tail.len() + last.len()).saturating_sub(self.keep_tail);
        self.tail.drain(..over);
        self.tail.extend(last);
    }

    /// Bytes ever taken in.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes that were not kept.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.total - (self.head.len() + self.tail.len()) as u64
    }

    /// The bytes kept, without any mark where the middle is missing.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        let mut whole = self.head;
        whole.extend(self.tail);
        whole
    }

    /// What was kept, with a line that counts what was not; invalid UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        if self.dropped() == 0 {
            let mut whole = self.head.clone();
            whole.extend_from_slice(&tail);
            return String::from_utf8_lossy(&whole).into_owned();
        }
        format!(
            "{}\n[… {} bytes not kept …]\n{}",
            String::from_utf8_lossy(&self.head),
            self.dropped(),
            String::from_utf8_lossy(&tail)
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_output_is_kept_whole() {
        let mut out = Bounded::new(16);
        out.push(b"hello ");
        out.push(b"world");
        assert_eq!(out.text(), "hello world");
        assert_eq!(out.dropped(), 0);
    }

    proptest! {
        #[test]
        fn head_and_tail_are_kept_and_the_middle_counted(
            pieces in prop::collection::vec(prop::collection::vec(b'a'..=b'z', 0..40), 0..20), keep in 2usize..64,
        ) {
            let whole: Vec<u8> = pieces.concat();
            let mut out = Bounded::new(keep);
            for piece in &pieces { out.push(piece); }
            prop_assert_eq!(out.total(), whole.len() as u64);
            if whole.len() <= keep {
                prop_assert_eq!(out.text().into_bytes(), whole);
            } else {
                prop_assert_eq!(out.dropped(), (whole.len() - keep) as u64);
                let text = out.text();
                prop_assert!(text.as_bytes().starts_with(&whole[..keep / 2]));
                prop_assert!(text.as_bytes().ends_with(&whole[whole.len() - (keep - keep / 2)..]));
            }
        }
    }
}
