//! Who gets how many rows of a step.
//!
//! Mental model: every stream that speaks has one row, and rows for its guesses. Prompts have what a step may last beyond that: half of
//! it is the oldest one's, so that each comes to its end; the other half is for those that lack least, so that a short prompt
//! is read at once behind a long one. Who would compute what an older one is computing waits for it
//! ([`super::sharing`]).

use super::Schedule;
use super::sharing::reads_the_same;
use super::stream::Stream;
use crate::engine::prefix::Page;

/// Rows of prompts in a step in which nobody speaks.
const BUDGET: usize = 256;
/// The same where somebody speaks: what a step may last is what the others wait.
const BESIDE: usize = 64;
/// Rows of logits in a step beyond a row for each stream: what streams that speak leave of them is for guesses.
const DRAWS: usize = 8;

/// A stream's share of a step.
pub(super) struct Share {
    pub(super) stream: usize,
    /// Its next tokens, and then those that are guessed.
    pub(super) tokens: Vec<u32>,
    pub(super) guessed: usize,
    pub(super) past: usize,
    pub(super) pages: Vec<Page>,
    pub(super) last: bool,
}

impl Schedule {
    /// The shares of the next step; none where nobody can go on. And the number of the oldest stream that had its turn and found no
    /// page: who was passed over for its listener is none of them, even if the listener has made room since.
    pub(super) fn shares(&mut self) -> (Vec<Share>, Option<u64>) {
        let most = self.compute.streams();
        let mut spare = most + DRAWS - most.min(self.streams.len());
        let context = self.compute.config().longest();
        let mut shares = Vec::new();
        let mut lacking: Option<u64> = None;
        for (at, rows) in self.rows() {
            let Some(stream) = self.streams.get_mut(at) else {
                continue;
            };
            let past = stream.held.length();
            let mut tokens = Vec::with_capacity(rows);
            for token in stream.text.iter().skip(past).take(rows) {
                if self.tree.push(&mut stream.held, *token).is_err() {
                    break;
                }
                tokens.push(*token);
            }
            if tokens.is_empty() {
                lacking = Some(lacking.map_or(stream.number, |number| number.min(stream.number)));
                continue;
            }
            let (last, read) = (stream.left() == 0, tokens.len());
            if last && read == 1 && stream.drawn > 0 {
                let room = stream.room_to_guess(context).min(spare);
                for token in stream.lookup.guess(room) {
                    if self.tree.push(&mut stream.held, *token).is_err() {
                        break;
                    }
                    tokens.push(*token);
                }
            }
            let guessed = tokens.len() - read;
            spare -= guessed;
            shares.push(Share {
                stream: at,
                past,
                pages: self.tree.pages_of(&stream.held),
                last,
                guessed,
                tokens,
            });
        }
        (shares, lacking)
    }

    /// Streams and their rows: those that speak, then prompts.
    fn rows(&self) -> Vec<(usize, usize)> {
        let somebody_speaks = self.streams.iter().any(Stream::speaks);
        let budget = if somebody_speaks { BESIDE } else { BUDGET };
        let mut rows = Vec::new();
        let mut prompts: Vec<(usize, &Stream)> = Vec::new();
        for (at, stream) in self.streams.iter().enumerate() {
            // A listener that has no room for two pieces more is waited for.
            if stream.ask.reply.capacity() < 2 {
            } else if stream.speaks() {
                rows.push((at, 1));
            } else {
                prompts.push((at, stream));
            }
        }
        prompts.sort_by_key(|(_, stream)| stream.number);
        if self.compute.shares() {
            let mut reading: Vec<(usize, &Stream)> = Vec::with_capacity(prompts.len());
            for (at, stream) in prompts {
                let waits = |(_, older): &(usize, &Stream)| reads_the_same(older, stream);
                if !reading.iter().any(waits) {
                    reading.push((at, stream));
                }
            }
            prompts = reading;
        }
        let left: Vec<(usize, usize)> = prompts
            .into_iter()
            .map(|(at, stream)| (at, stream.left()))
            .collect();
        rows.extend(dealt(&left, budget));
        rows
    }
}

/// Rows for prompts that lack so many, oldest first.
fn dealt(left: &[(usize, usize)], budget: usize) -> Vec<(usize, usize)> {
    let Some(((oldest, lacks), others)) = left.split_first() else {
        return Vec::new();
    };
    let mut others = others.to_vec();
    others.sort_by_key(|(_, lacks)| *lacks);
    let mut rest = budget - (*lacks).min(budget / 2);
    let mut rows = vec![(*oldest, 0)];
    for (at, lacks) in others {
        let taken = lacks.min(rest);
        rest -= taken;
        if taken > 0 {
            rows.push((at, taken));
        }
    }
    // What the others leave is the oldest one's again.
    if let Some((_, taken)) = rows.first_mut() {
        *taken = (*lacks).min((*lacks).min(budget / 2) + rest);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_for_the_oldest_and_the_rest_for_who_lacks_least() {
        assert_eq!(dealt(&[], 256), []);
        assert_eq!(dealt(&[(3, 1000)], 256), [(3, 256)]);
        assert_eq!(dealt(&[(3, 1000), (1, 4)], 256), [(3, 252), (1, 4)]);
        assert_eq!(
            dealt(&[(3, 1000), (1, 500), (2, 40), (0, 300)], 256),
            [(3, 128), (2, 40), (0, 88)]
        );
        assert_eq!(dealt(&[(3, 10), (1, 500)], 64), [(3, 10), (1, 54)]);
        // However many there are: the budget is kept, and the oldest goes on.
        for count in 1..40 {
            let left: Vec<(usize, usize)> = (0..count).map(|at| (at, 7 * at + 90)).collect();
            let rows = dealt(&left, 64);
            assert_eq!(rows.iter().map(|(_, rows)| rows).sum::<usize>(), 64);
            assert!(rows[0].0 == 0 && rows[0].1 >= 32, "{rows:?}");
        }
    }
}
