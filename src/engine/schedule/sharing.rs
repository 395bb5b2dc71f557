//! Streams that read the same text compute it once, also where they came together.
//!
//! Mental model: what a stream found in the tree when it began is not all that will be there for it. Before each step a stream that
//! still reads holds what others have computed of its text since; and it waits while an older one is reading what it would read
//! itself. So the attempts at a task read the issue once, however close together they were started.

use super::stream::Stream;
use super::{Schedule, Share};
use crate::engine::EngineError;

/// Tokens that are worth waiting a step for.
const WORTH: usize = 16;

impl Schedule {
    /// Streams that read hold what has been computed of their texts.
    pub(super) fn catch_up(&mut self) -> Result<(), EngineError> {
        if !self.compute.shares() {
            return Ok(());
        }
        for stream in &mut self.streams {
            if stream.left() <= 1 {
                continue;
            }
            let before = stream.held.length();
            let (tree, compute) = (&mut self.tree, &mut self.compute);
            let mut copied = Ok(());
            tree.go_on(&mut stream.held, &stream.text, |from, to, count| {
                copied = compute.copy(from, to, count);
            });
            copied?;
            let gained = stream.held.length() - before;
            stream.there += gained;
            if let Some(found) = &mut stream.found {
                *found += gained;
            }
        }
        Ok(())
    }

    /// Pages that two streams have filled with the same in this step become one.
    pub(super) fn settle(&mut self, shares: &[Share]) {
        if !self.compute.shares() {
            return;
        }
        for share in shares {
            if let Some(stream) = self.streams.get_mut(share.stream) {
                self.tree.settle(&mut stream.held);
            }
        }
    }
}

/// What the younger one would compute now the older one computes first: their texts agree beyond what the younger one holds.
pub(super) fn reads_the_same(older: &Stream, younger: &Stream) -> bool {
    let until = younger.held.length() + WORTH;
    let beginning = younger.text.get(..until);
    older.owner() == younger.owner() && beginning.is_some() && beginning == older.text.get(..until)
}
