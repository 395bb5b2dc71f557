//! Which rows are learned from in which step, and by which thread.
//!
//! Mental model: an endless list, one shuffled pass over all rows after the other, cut into steps of about as many tokens
//! each. It depends on the seed alone, so a run that goes on from a checkpoint walks to the step where it was and sees what it
//! would have seen. Rows are never padded and never cut: sequences lie one after the other.

use super::chance::Chance;

/// See the module.
#[derive(Debug, Clone)]
pub struct Order {
    lengths: Vec<usize>,
    tokens: usize,
    seed: u64,
    pass: u64,
    left: Vec<usize>,
}

impl Order {
    /// Rows of these lengths, about `tokens` a step.
    #[must_use]
    pub fn new(lengths: Vec<usize>, tokens: usize, seed: u64) -> Self {
        Self {
            lengths,
            tokens,
            seed,
            pass: 0,
            left: Vec::new(),
        }
    }

    /// The rows of the next step; empty only where there are none.
    pub fn step(&mut self) -> Vec<usize> {
        let (mut step, mut tokens) = (Vec::new(), 0);
        while tokens < self.tokens && !self.lengths.is_empty() {
            let Some(row) = self.left.pop() else {
                self.pass += 1;
                self.left = (0..self.lengths.len()).collect();
                Chance::new(self.seed ^ self.pass.wrapping_mul(0x2545_f491_4f6c_dd1d))
                    .shuffle(&mut self.left);
                continue;
            };
            tokens += self.lengths.get(row).copied().unwrap_or(1).max(1);
            step.push(row);
        }
        step
    }

    /// Passes begun.
    #[must_use]
    pub fn pass(&self) -> u64 {
        self.pass
    }
}

/// Deal rows to `threads`, longest first to whoever has least, and cut each one's share into packs of at most `most` tokens
/// (or one row).
#[must_use]
pub fn deal(
    rows: &[usize],
    lengths: &[usize],
    threads: usize,
    most: usize,
) -> Vec<Vec<Vec<usize>>> {
    let length = |row: &usize| lengths.get(*row).copied().unwrap_or(0);
    let mut sorted = rows.to_vec();
    // Stable: equal lengths stay in their order.
    sorted.sort_by_key(|row| std::cmp::Reverse(length(row)));
    let mut shares: Vec<(usize, Vec<usize>)> = vec![(0, Vec::new()); threads.max(1)];
    for row in sorted {
        if let Some((tokens, share)) = shares.iter_mut().min_by_key(|(tokens, _)| *tokens) {
            *tokens += length(&row);
            share.push(row);
        }
    }
    let cut = |share: Vec<usize>| {
        let mut packs: Vec<Vec<usize>> = Vec::new();
        let mut tokens = 0;
        for row in share {
            match packs.last_mut() {
                Some(pack) if tokens + length(&row) <= most => pack.push(row),
                _ => {
                    packs.push(vec![row]);
                    tokens = 0;
                }
            }
            tokens += length(&row);
        }
        packs
    };
    shares.into_iter().map(|(_, share)| cut(share)).collect()
}
