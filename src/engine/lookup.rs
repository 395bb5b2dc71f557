//! Guessing what a stream says next by looking it up in what it has (prompt lookup; Saxena 2023, after Leviathan et al. 2023).
//!
//! Mental model: agents copy much of what they read: file views into edits, names, paths. Where the last tokens of a text
//! stood before, what followed them then is a good guess, and it costs no model. The guess is verified by the decoder in one
//! step: a row for each of its tokens, which cost little more than one row as long as the weights' way from memory is what
//! takes the time. What the stream says is what it would have said without guesses, token for token.

use std::collections::HashMap;

/// Tokens that must agree; longer ones first.
const LENGTHS: [usize; 2] = [4, 2];

/// One stream's text, and where its runs of tokens stood last.
#[derive(Debug, Default)]
pub struct Lookup {
    text: Vec<u32>,
    /// For each length: the place after the last time that a run stood, its newest one excepted.
    after: [HashMap<u64, u32>; LENGTHS.len()],
    /// How many tokens the next guess has.
    ahead: usize,
    most: usize,
}

impl Lookup {
    /// For guesses of at most so many tokens; 0 guesses nothing and keeps nothing.
    #[must_use]
    pub fn new(text: &[u32], most: usize) -> Self {
        let mut lookup = Self {
            ahead: most.min(2),
            most,
            ..Self::default()
        };
        if most > 0 {
            for token in text {
                lookup.push(*token);
            }
        }
        lookup
    }

    /// One token more.
    pub fn push(&mut self, token: u32) {
        if self.most == 0 {
            return;
        }
        // The run that ended before this token is followed by it.
        for (length, after) in LENGTHS.iter().zip(&mut self.after) {
            if let (Some(run), Ok(place)) =
                (run(&self.text, *length), u32::try_from(self.text.len()))
            {
                after.insert(run, place);
            }
        }
        self.text.push(token);
    }

    /// What may come next: at most so many tokens, none where the last ones are new.
    #[must_use]
    pub fn guess(&self, room: usize) -> &[u32] {
        let room = room.min(self.ahead);
        for (length, after) in LENGTHS.iter().zip(&self.after) {
            let place = run(&self.text, *length).and_then(|run| after.get(&run));
            // The hash of a run may be that of another: that makes a bad guess, and no wrong text.
            if let Some(place) = place {
                let from = *place as usize;
                let to = (from + room).min(self.text.len());
                return self.text.get(from..to).unwrap_or_default();
            }
        }
        &[]
    }

    /// How a guess turned out: good ones make the next one longer, bad ones shorter.
    pub fn learn(&mut self, guessed: usize, accepted: usize) {
        if guessed == 0 {
            return;
        }
        self.ahead = if accepted == guessed {
            (2 * self.ahead).min(self.most)
        } else {
            (accepted + 1).min(self.most)
        };
    }
}

/// A name for the last so many tokens (FNV-1a over their bytes).
fn run(text: &[u32], length: usize) -> Option<u64> {
    let last = text.get(text.len().checked_sub(length)?..)?;
    let bytes = last.iter().flat_map(|token| token.to_le_bytes());
    Some(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_followed_before_is_guessed_and_what_is_new_is_not() {
        let mut lookup = Lookup::new(&[1, 2, 3, 4, 5, 6, 9, 1, 2], 8);
        assert_eq!(lookup.guess(8), [3, 4]);
        lookup.learn(2, 2);
        assert_eq!(lookup.guess(8), [3, 4, 5, 6]);
        assert_eq!(lookup.guess(1), [3]);
        lookup.learn(4, 1);
        assert_eq!(lookup.guess(8), [3, 4]);
        lookup.push(7);
        assert!(lookup.guess(8).is_empty());
        assert!(Lookup::new(&[1, 2, 1, 2], 0).guess(8).is_empty());
    }

    #[test]
    fn the_longer_run_decides_and_the_newest_of_its_places() {
        // 1 2 3 4 was followed by 5; 3 4 later by 6.
        let lookup = Lookup::new(&[1, 2, 3, 4, 5, 0, 3, 4, 6, 1, 2, 3, 4], 1);
        assert_eq!(lookup.guess(1), [5]);
        let lookup = Lookup::new(&[3, 4, 5, 0, 3, 4, 6, 0, 3, 4], 1);
        assert_eq!(lookup.guess(1), [6]);
    }

    #[test]
    fn a_text_that_repeats_itself_is_guessed_on_and_on() {
        let mut lookup = Lookup::new(&[7; 6], 16);
        for _ in 0..5 {
            let count = lookup.guess(16).len();
            assert!(count > 0);
            lookup.learn(count, count);
        }
    }
}
