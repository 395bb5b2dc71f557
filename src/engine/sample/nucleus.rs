//! The likeliest tokens, so many or up to so much mass, without putting a vocabulary in order.
//!
//! Mental model: tokens are ordered by their chance, likelier first, smaller ids first among equals, and what is kept is a
//! beginning of that order. Chances are at most 1 and are counted into buckets by their leading bits, so the bucket in which
//! the end lies is known after one pass, and only what lies in it is sorted.

use std::cmp::Ordering;
use std::ops::Range;

/// Leading bits of a chance that name its bucket: exponent and six bits of the fraction.
const SHIFT: u32 = 17;
/// 64 powers of two; what is smaller shares the last bucket.
pub(super) const BUCKETS: usize = 4096;

/// A token and its chance.
pub(super) type Candidate = (f32, u32);

/// Tokens whose chance is at least `least` and above nought, in the order of their ids.
pub(super) fn candidates(chances: &[f32], least: f32, into: &mut Vec<Candidate>) {
    between(chances, least..f32::INFINITY, into);
}

/// Those whose chance is below the end of the range, too.
pub(super) fn between(chances: &[f32], range: Range<f32>, into: &mut Vec<Candidate>) {
    into.clear();
    let least = range.start.max(f32::MIN_POSITIVE);
    let is_in = |chance: f32| chance >= least && chance < range.end;
    for (number, part) in (0u32..).zip(chances.chunks(16)) {
        // Most parts of a vocabulary hold nothing that is likely.
        if !part.iter().fold(false, |any, chance| any | is_in(*chance)) {
            continue;
        }
        // Without a branch for each: where nothing stands out they would be guessed wrong.
        let mut found = [(0.0, 0); 16];
        let mut count = 0;
        for (chance, id) in part.iter().zip(16 * number..) {
            found[count % 16] = (*chance, id);
            count += usize::from(is_in(*chance));
        }
        into.extend_from_slice(found.get(..count).unwrap_or(&found));
    }
}

/// What is reached on the way down the order.
#[derive(Clone, Copy)]
enum Goal {
    Count(usize),
    Mass(f64),
}

impl Goal {
    fn is_reached(self, count: usize, mass: f64) -> bool {
        match self {
            Self::Count(goal) => count >= goal,
            Self::Mass(goal) => mass >= goal,
        }
    }
}

/// Keep the `count` likeliest.
pub(super) fn keep_count(candidates: &mut Vec<Candidate>, count: usize) {
    keep(candidates, Goal::Count(count.max(1)));
}

/// Keep the likeliest up to a mass, one at least.
pub(super) fn keep_mass(candidates: &mut Vec<Candidate>, mass: f64) {
    keep(candidates, Goal::Mass(mass));
}

/// A chance below which all of `tokens` tokens together come to less than what may be left out of `whole`, where `part` of
/// it is to be kept: what is kept up to that mass lies above.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded down, no more than it spares"
)]
pub(super) fn floor_of_mass(part: f64, whole: f64, tokens: usize) -> f32 {
    (0.99 * (1.0 - part) * whole / tokens.max(1) as f64) as f32
}

/// Which bucket a chance lies in; likelier ones have smaller numbers.
pub(super) fn bucket(chance: f32) -> usize {
    let below = 1f32.to_bits().saturating_sub(chance.to_bits()) >> SHIFT;
    (below as usize).min(BUCKETS - 1)
}

/// The largest chance of a bucket; what is larger lies in buckets before it. Behind the last one there is nothing.
pub(super) fn largest_in(bucket: usize) -> f32 {
    let below = u32::try_from(bucket).ok().filter(|_| bucket < BUCKETS);
    below.map_or(0.0, |below| {
        f32::from_bits(1f32.to_bits() - (below << SHIFT))
    })
}

/// Keep the beginning of the order with which the goal is reached; everything where it never is.
fn keep(candidates: &mut Vec<Candidate>, goal: Goal) {
    let mut buckets = vec![(0u32, 0f64); BUCKETS];
    for (chance, _) in candidates.iter() {
        if let Some((count, mass)) = buckets.get_mut(bucket(*chance)) {
            *count += 1;
            *mass += f64::from(*chance);
        }
    }
    let (mut count, mut mass) = (0, 0.0);
    let reached = buckets.iter().position(|(of_bucket, mass_of_bucket)| {
        let (with, mass_with) = (count + *of_bucket as usize, mass + mass_of_bucket);
        if *of_bucket > 0 && goal.is_reached(with, mass_with) {
            return true;
        }
        (count, mass) = (with, mass_with);
        false
    });
    let Some(reached) = reached else {
        return;
    };
    let mut members: Vec<Candidate> = candidates
        .iter()
        .copied()
        .filter(|(chance, _)| bucket(*chance) == reached)
        .collect();
    members.sort_unstable_by(likelier);
    let last = members.iter().find(|(chance, _)| {
        count += 1;
        mass += f64::from(*chance);
        goal.is_reached(count, mass)
    });
    // Sums in another order may miss the goal by a crumb: then the whole bucket is kept.
    if let Some(last) = last.or(members.last()).copied() {
        candidates.retain(|candidate| likelier(candidate, &last) != Ordering::Greater);
    }
}

/// Likelier ones first, smaller ids first among equals.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "sorting calls it so")]
pub(super) fn likelier(a: &(f32, u32), b: &(f32, u32)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(chances: &[f32]) -> Vec<Candidate> {
        let mut all = Vec::new();
        candidates(chances, 0.0, &mut all);
        all
    }

    fn sorted(mut kept: Vec<Candidate>) -> Vec<Candidate> {
        assert!(kept.is_sorted_by_key(|(_, id)| *id));
        kept.sort_by(likelier);
        kept
    }

    fn drawn(count: usize, spread: f32) -> Vec<f32> {
        let mut state = 9u64;
        (0..count)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let uniform = (state >> 40) as f32 / (1u64 << 24) as f32;
                // Few distinct values, so that equals are cut apart, too.
                ((uniform * 200.0).round() / 200.0 * -spread).exp()
            })
            .collect()
    }

    #[test]
    fn what_is_kept_is_what_a_sorted_vocabulary_keeps() {
        for spread in [0.0, 0.3, 6.0, 80.0] {
            let chances = drawn(5_000, spread);
            let plain = sorted(all(&chances));
            for count in [1, 2, 77, 4_999] {
                let mut few = all(&chances);
                keep_count(&mut few, count);
                assert_eq!(sorted(few.clone()), plain[..count], "{spread} {count}");
                let whole: f64 = few.iter().map(|(c, _)| f64::from(*c)).sum();
                for part in [1e-9, 0.05, 0.5, 0.95] {
                    let (mut sum, mut wanted) = (0.0, 0);
                    while wanted == 0 || sum < part * whole {
                        sum += f64::from(plain[wanted].0);
                        wanted += 1;
                    }
                    let mut kept = few.clone();
                    let floor = floor_of_mass(part, whole, kept.len());
                    kept.retain(|(chance, _)| *chance >= floor);
                    keep_mass(&mut kept, part * whole);
                    // Sums in another order may differ by one token on the border.
                    let apart = kept.len().abs_diff(wanted);
                    assert!(apart <= 1, "{spread} {count} {part}: {apart}");
                    assert_eq!(sorted(kept.clone()), plain[..kept.len()]);
                }
            }
        }
    }

    #[test]
    fn what_has_no_chance_is_no_candidate() {
        let mut kept = all(&[0.0, 1.0, 0.0, 0.5]);
        assert_eq!(kept, [(1.0, 1), (0.5, 3)]);
        keep_count(&mut kept, 4);
        keep_mass(&mut kept, 9.0);
        assert_eq!(kept.len(), 2);
        candidates(&[0.1; 40], 0.2, &mut kept);
        assert!(kept.is_empty());
    }
}
