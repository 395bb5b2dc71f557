//! The likeliest tokens, so many or up to so much mass, without putting a vocabulary in order.
//!
//! Mental model: tokens are ordered by their chance, likelier first, smaller ids first among equals; a [`Cut`] is a place in
//! that order. Chances are at most 1 and are counted into buckets by their leading bits, so the bucket in which the cut lies is
//! known after one pass, and only what lies in it is sorted.

use std::cmp::Ordering;

/// Leading bits of a chance that name its bucket: exponent and six bits of the fraction.
const SHIFT: u32 = 17;
/// 64 powers of two; what is smaller shares the last bucket.
const BUCKETS: usize = 4096;

/// A place in the order of tokens: it and everything before it is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    least: f32,
    last: u32,
}

impl Cut {
    /// Everything that has a chance is kept.
    pub(super) const NONE: Self = Self {
        least: f32::MIN_POSITIVE,
        last: u32::MAX,
    };

    /// Whether a token is kept.
    pub(super) fn keeps(self, id: u32, chance: f32) -> bool {
        chance > self.least || (chance >= self.least && id <= self.last)
    }

    /// Keeps what this and another one keep.
    #[must_use]
    pub(super) fn and_at_least(self, chance: f32) -> Self {
        if chance > self.least {
            Self {
                least: chance,
                last: u32::MAX,
            }
        } else {
            self
        }
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

/// The `count` likeliest tokens.
pub(super) fn of_count(chances: &[f32], count: usize) -> Cut {
    find(chances, Cut::NONE, Goal::Count(count.max(1)))
}

/// Of what `among` keeps, `whole` in all, the likeliest up to `part` of that mass, one at least.
pub(super) fn of_mass(chances: &[f32], among: Cut, whole: f64, part: f64) -> Cut {
    // Tokens below this come to less than what may be left out, all together, so the cut lies above it.
    let rest = (1.0 - part) * whole / chances.len().max(1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounded down, no more than it spares"
    )]
    let least = (0.99 * rest) as f32;
    find(chances, among.and_at_least(least), Goal::Mass(part * whole))
}

fn bucket(chance: f32) -> usize {
    let below = 1f32.to_bits().saturating_sub(chance.to_bits()) >> SHIFT;
    (below as usize).min(BUCKETS - 1)
}

/// The first place at which the goal is reached; `among` where it never is.
fn find(chances: &[f32], among: Cut, goal: Goal) -> Cut {
    let mut counts = vec![(0u32, 0f64); BUCKETS];
    for (id, chance) in (0u32..).zip(chances) {
        if among.keeps(id, *chance)
            && let Some((count, mass)) = counts.get_mut(bucket(*chance))
        {
            *count += 1;
            *mass += f64::from(*chance);
        }
    }
    let (mut count, mut mass) = (0, 0.0);
    let reached = counts.iter().position(|(of_bucket, mass_of_bucket)| {
        let (with, mass_with) = (count + *of_bucket as usize, mass + mass_of_bucket);
        if goal.is_reached(with, mass_with) && *of_bucket > 0 {
            return true;
        }
        (count, mass) = (with, mass_with);
        false
    });
    let Some(reached) = reached else {
        return among;
    };
    let mut members: Vec<(f32, u32)> = (0u32..)
        .zip(chances)
        .filter(|(id, chance)| among.keeps(*id, **chance) && bucket(**chance) == reached)
        .map(|(id, chance)| (*chance, id))
        .collect();
    members.sort_unstable_by(likelier);
    for (chance, id) in &members {
        count += 1;
        mass += f64::from(*chance);
        if goal.is_reached(count, mass) {
            return Cut {
                least: *chance,
                last: *id,
            };
        }
    }
    // Sums in another order may miss the goal by a crumb.
    members.last().map_or(among, |(chance, id)| Cut {
        least: *chance,
        last: *id,
    })
}

/// Likelier ones first, smaller ids first among equals.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "sorting calls it so")]
pub(super) fn likelier(a: &(f32, u32), b: &(f32, u32)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(chances: &[f32], cut: Cut) -> Vec<(f32, u32)> {
        let all = (0u32..).zip(chances);
        let mut kept: Vec<(f32, u32)> = all
            .filter(|(id, chance)| cut.keeps(*id, **chance))
            .map(|(id, chance)| (*chance, id))
            .collect();
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
    fn a_cut_keeps_what_a_sorted_vocabulary_keeps() {
        for spread in [0.0, 0.3, 6.0, 80.0] {
            let chances = drawn(5_000, spread);
            let mut plain: Vec<(f32, u32)> =
                (0u32..).zip(&chances).map(|(id, c)| (*c, id)).collect();
            plain.sort_by(likelier);
            for count in [1, 2, 77, 4_999] {
                let cut = of_count(&chances, count);
                assert_eq!(kept(&chances, cut), plain[..count], "{spread} {count}");
                let whole: f64 = plain[..count].iter().map(|(c, _)| f64::from(*c)).sum();
                for part in [1e-9, 0.05, 0.5, 0.95] {
                    let (mut sum, mut wanted) = (0.0, 0);
                    while wanted == 0 || sum < part * whole {
                        sum += f64::from(plain[wanted].0);
                        wanted += 1;
                    }
                    let cut = of_mass(&chances, cut, whole, part);
                    let kept = kept(&chances, cut);
                    // Sums in another order may differ by one token on the border.
                    let apart = kept.len().abs_diff(wanted);
                    assert!(apart <= 1, "{spread} {count} {part}: {apart}");
                    assert_eq!(kept, plain[..kept.len()]);
                }
            }
        }
    }

    #[test]
    fn what_has_no_chance_is_never_kept() {
        let cut = of_count(&[0.0, 1.0, 0.0, 0.5], 4);
        assert_eq!(kept(&[0.0, 1.0, 0.0, 0.5], cut), [(1.0, 1), (0.5, 3)]);
    }
}
