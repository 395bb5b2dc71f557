//! Draws where a large part of the vocabulary is kept: all of it, or what top-p leaves where nothing stands out.
//!
//! Mental model: a sample of the tokens tells nearly which chance the last kept token has. What is surely likelier is only
//! summed, block by block; what lies about there is listed, and of that the beginning of the order is kept as ever
//! ([`nucleus`]). So a list of a hundred thousand candidates is never made. Where the sample misled, or few are left anyway,
//! there is no answer, and the list is the way.

use super::nucleus::{self, Candidate};
use crate::engine::kernels::BLOCK;

/// Of so many tokens one is looked at first; a prime, as ids may have a rhythm.
const SAMPLED: usize = 13;
/// How many deviations of the sample's mass are listed on both sides of where it ends.
const DEVIATIONS: f64 = 4.0;
/// So many sampled tokens must count ([`effective`]): of fewer the mass is not known well enough, and few are left anyway.
const WORTH_IT: f64 = 500.0;

/// What is kept, in the order in which it is drawn from: by id what is surely kept, then what is listed.
pub(super) struct Kept<'a> {
    chances: &'a [f32],
    /// Everything from this chance up is kept.
    least: f32,
    /// The mass of it in each block.
    sums: &'a [f64],
    above: f64,
    near: &'a [Candidate],
    near_mass: f64,
}

/// Keep everything; `sums` are those of the blocks.
pub(super) fn all<'a>(chances: &'a [f32], sums: &'a [f64]) -> Kept<'a> {
    Kept {
        chances,
        least: f32::MIN_POSITIVE,
        sums,
        above: sums.iter().sum(),
        near: &[],
        near_mass: 0.0,
    }
}

/// Keep the likeliest up to `part` of the `whole` mass; `sums` are those of the blocks, and others afterwards.
pub(super) fn keep<'a>(
    chances: &'a [f32],
    (part, whole): (f64, f64),
    sums: &'a mut Vec<f64>,
    near: &'a mut Vec<Candidate>,
) -> Option<Kept<'a>> {
    // Where something stands out, a few blocks have it all: no need for a sample to see that.
    if effective(sums.iter().copied()) < sums.len() as f64 / 2.0 {
        return None;
    }
    let (least, lowest) = about(chances, part)?;
    sums.clear();
    sums.extend(chances.chunks(BLOCK).map(|block| mass_from(block, least)));
    let above: f64 = sums.iter().sum();
    let goal = part * whole - above;
    nucleus::between(chances, lowest..least, near);
    let listed: f64 = near.iter().map(|(chance, _)| f64::from(*chance)).sum();
    // The last one kept must lie among those that are listed.
    if goal <= 0.0 || listed < goal {
        return None;
    }
    nucleus::keep_mass(near, goal);
    let near_mass = near.iter().map(|(chance, _)| f64::from(*chance)).sum();
    Some(Kept {
        chances,
        least,
        sums,
        above,
        near,
        near_mass,
    })
}

impl Kept<'_> {
    /// The token at a place in [0, 1) of what is kept.
    pub(super) fn pick(&self, place: f64) -> Option<u32> {
        let mut left = place * (self.above + self.near_mass);
        if left >= self.above {
            return super::pick(self.near.iter().copied(), left - self.above);
        }
        let mut first = 0;
        for sum in self.sums {
            if left < *sum {
                break;
            }
            left -= sum;
            first += BLOCK;
        }
        let ids = u32::try_from(first).unwrap_or(u32::MAX)..;
        let rest = self.chances.get(first..).unwrap_or_default();
        let kept = rest.iter().copied().zip(ids);
        super::pick(kept.filter(|(chance, _)| *chance >= self.least), left)
    }
}

/// Two chances, the first surely kept and the second surely not, as a sample has it.
fn about(chances: &[f32], part: f64) -> Option<(f32, f32)> {
    let sampled = || chances.iter().copied().step_by(SAMPLED);
    let count = effective(sampled().map(f64::from));
    if count < WORTH_IT {
        return None;
    }
    let mut buckets = vec![0.0f64; nucleus::BUCKETS];
    for chance in sampled() {
        if let Some(mass) = buckets.get_mut(nucleus::bucket(chance)) {
            *mass += f64::from(chance);
        }
    }
    let all: f64 = buckets.iter().sum();
    let margin = DEVIATIONS * (part * (1.0 - part) / count).sqrt();
    let bucket_at = |part: f64| {
        let mut mass = 0.0;
        buckets.iter().position(|of_bucket| {
            mass += of_bucket;
            mass >= part * all
        })
    };
    let lowest = bucket_at(part + margin).map_or(0.0, |bucket| nucleus::largest_in(bucket + 1));
    Some((nucleus::largest_in(bucket_at(part - margin)?), lowest))
}

/// How many of them there would be if they were all alike (Kish 1965).
fn effective(weights: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) = weights.fold((0.0, 0.0), |(sum, squares), one| {
        (sum + one, squares + one * one)
    });
    if squares > 0.0 {
        sum * sum / squares
    } else {
        0.0
    }
}

/// The mass of the chances that are at least so large, summed in single precision and sixteen lanes.
fn mass_from(block: &[f32], least: f32) -> f64 {
    let (chunks, rest) = block.as_chunks::<16>();
    let or_nought = |chance: f32| if chance >= least { chance } else { 0.0 };
    let mut lanes = [0.0f32; 16];
    for chunk in chunks {
        for (lane, chance) in lanes.iter_mut().zip(chunk) {
            *lane += or_nought(*chance);
        }
    }
    let rest = rest.iter().copied().map(or_nought);
    f64::from(lanes.into_iter().chain(rest).sum::<f32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chances like those of random weights: e^(s · normal), the largest 1.
    fn flat(spread: f32, count: usize) -> Vec<f32> {
        let mut state = 7u64;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        let logits: Vec<f32> = (0..count)
            .map(|_| (0..12).map(|_| uniform()).sum::<f32>() * spread)
            .collect();
        let top = logits.iter().copied().fold(f32::MIN, f32::max);
        logits.iter().map(|logit| (logit - top).exp()).collect()
    }

    fn blocks(chances: &[f32]) -> Vec<f64> {
        let blocks = chances.chunks(BLOCK);
        blocks.map(|block| mass_from(block, 0.0)).collect()
    }

    fn listed(chances: &[f32], goal: f64) -> Vec<Candidate> {
        let mut list = Vec::new();
        nucleus::candidates(chances, 0.0, &mut list);
        nucleus::keep_mass(&mut list, goal);
        list
    }

    #[test]
    fn what_is_summed_is_what_a_list_keeps() {
        for (spread, part) in [(0.3, 0.9), (1.0, 0.95), (1.0, 0.5), (0.0, 0.8)] {
            let chances = flat(spread, 151_936);
            let whole: f64 = chances.iter().map(|chance| f64::from(*chance)).sum();
            let (mut sums, mut near) = (blocks(&chances), Vec::new());
            let kept = keep(&chances, (part, whole), &mut sums, &mut near);
            // Where all are equal, no sample tells the last one from the others.
            let Some(kept) = kept else {
                assert!(spread <= 0.0, "{spread} {part}");
                continue;
            };
            assert!(kept.near.len() < 30_000, "{}", kept.near.len());
            let list = listed(&chances, part * whole);
            let above = chances.iter().filter(|chance| **chance >= kept.least);
            let count = above.count() + kept.near.len();
            // Sums in another order may differ by a token or two on the border.
            assert!(count.abs_diff(list.len()) <= 2, "{count} {}", list.len());
            let mass: f64 = list.iter().map(|(chance, _)| f64::from(*chance)).sum();
            assert!((kept.above + kept.near_mass - mass).abs() < 1e-4 * whole);
            // Each place is that of one token, and all of them are kept.
            let least = list.iter().map(|(chance, _)| *chance).fold(1.0, f32::min);
            for step in 0..1000 {
                let token = kept.pick(f64::from(step) / 1000.0);
                let chance = token.and_then(|token| chances.get(token as usize));
                assert!(chance.is_some_and(|chance| *chance >= 0.999 * least));
            }
        }
    }

    #[test]
    fn where_few_are_left_there_is_no_answer() {
        let mut chances = flat(1.0, 151_936);
        for chance in &mut chances {
            *chance *= 1e-6;
        }
        if let Some(first) = chances.first_mut() {
            *first = 1.0;
        }
        let whole: f64 = chances.iter().map(|chance| f64::from(*chance)).sum();
        let (mut sums, mut near) = (blocks(&chances), Vec::new());
        let kept = keep(&chances, (0.9, whole), &mut sums, &mut near);
        assert!(kept.is_none());
    }
}
