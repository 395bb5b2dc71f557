//! Who gives way where the pages do not suffice for all, and when it comes back.
//!
//! Mental model: the oldest stream that cannot go on is the one that shall. The youngest of the others that hold pages gives
//! its own up and is *parked*, with what it has said so far; its pages stay in the tree as long as nobody wants them. It comes
//! back before anybody new does, when there are pages enough for all of its text and somebody has taken a step since, and reads
//! again what is gone. So the number of streams that hold pages falls until somebody can go on (a stream that only waits for what an
//! older one reads holds pages, too, and would take them again), and a stream that holds none is never asked to give way. Where
//! only the oldest is left and it still lacks a page, it needs more than there are, and ends with an error.

use super::{End, PAGE, Said, Schedule};
use crate::engine::EngineError;
use crate::engine::prefix::Held;

impl Schedule {
    /// Nobody could take a step: this is the oldest that lacks a page.
    pub(super) fn make_room(&mut self, oldest: u64) {
        let others = self.streams.iter().enumerate();
        let youngest = others
            .filter(|(_, stream)| stream.number != oldest && stream.held.length() > 0)
            .max_by_key(|(_, stream)| stream.number)
            .map(|(at, _)| at);
        if let Some(at) = youngest {
            let mut stream = self.streams.remove(at);
            let none = Held::of(stream.owner());
            self.tree.end(std::mem::replace(&mut stream.held, none));
            self.parked.push(stream);
            return;
        }
        let at = self.streams.iter().position(|one| one.number == oldest);
        let Some(stream) = at.map(|at| self.streams.remove(at)) else {
            return;
        };
        let why = format!(
            "{} tokens need more pages than there are ({})",
            stream.text.len(),
            self.pages
        );
        let end = End::Failed(EngineError::TooLong(why));
        let _ = stream.ask.reply.try_send(Said::Over(end));
        self.tree.end(stream.held);
    }

    /// Take the oldest that gave way back; false where there is none, or no room for it yet.
    pub(super) fn take_back(&mut self) -> bool {
        let ages = self.parked.iter().enumerate();
        let Some((at, stream)) = ages.min_by_key(|(_, stream)| stream.number) else {
            return false;
        };
        let counts = self.tree.counts();
        let wanted = stream.text.len() / PAGE + 1;
        if !self.streams.is_empty() && counts.pages - counts.held < wanted {
            return false;
        }
        let mut stream = self.parked.remove(at);
        match self.begin(stream.owner(), &stream.text) {
            Ok(held) => {
                stream.held = held;
                self.streams.push(stream);
            }
            Err(error) => {
                let _ = stream.ask.reply.try_send(Said::Over(End::Failed(error)));
            }
        }
        true
    }

    /// Hold what is there of a text.
    pub(super) fn begin(&mut self, owner: u64, text: &[u32]) -> Result<Held, EngineError> {
        let known = if self.compute.shares() { text } else { &[] };
        let (tree, compute) = (&mut self.tree, &mut self.compute);
        let mut copied = Ok(());
        let held = tree.begin(owner, known, |from, to, count| {
            copied = compute.copy(from, to, count);
        });
        if let Err(error) = copied {
            self.tree.end(held);
            return Err(error);
        }
        Ok(held)
    }
}
