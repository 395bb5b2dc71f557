//! Drawing moments: reproducible from a seed, uniform over the time that a run spends in a phase.

use std::time::Duration;

use super::trace::{Phase, Whole};

/// `SplitMix64`: small, and the same everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Between nothing and `length`.
    fn within(&mut self, length: Duration) -> Duration {
        length.mul_f64((self.next() >> 11) as f64 / (1u64 << 53) as f64)
    }
}

/// When to kill.
#[derive(Debug, Clone, Copy)]
pub(super) enum Aim {
    /// So long after the start.
    Anywhere(Duration),
    /// So long after the nth beginning of a phase, from 0.
    Within(Phase, usize, Duration),
}

/// The aim of moment `number`: the three phases in turn, and every fourth anywhere.
pub(super) fn aim(number: usize, whole: &Whole, random: &mut Random) -> Aim {
    match Phase::AIMED.get(number % (Phase::AIMED.len() + 1)) {
        Some(phase) => within(*phase, whole, random),
        None => Aim::Anywhere(random.within(whole.took)),
    }
}

/// A moment of a phase, uniform over all the time that an undisturbed run spends in it.
pub(super) fn within(phase: Phase, whole: &Whole, random: &mut Random) -> Aim {
    let spans = whole.spans(phase);
    let mut at = random.within(spans.iter().sum());
    for (number, span) in spans.iter().enumerate() {
        if at < *span {
            return Aim::Within(phase, number, at);
        }
        at -= *span;
    }
    Aim::Within(phase, 0, Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_moments_and_they_lie_within_their_phase() {
        let second = Duration::from_secs(1);
        let whole = Whole {
            took: 9 * second,
            asked: vec![second; 3],
            acted: vec![second, 2 * second],
            graded: vec![second],
            patch: String::new(),
        };
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..40)
                .map(|number| format!("{:?}", aim(number, &whole, &mut random)))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let mut random = Random::new(1);
        let mut second_command = 0;
        for _ in 0..300 {
            let Aim::Within(Phase::Exec, number, after) = within(Phase::Exec, &whole, &mut random)
            else {
                panic!("another phase");
            };
            assert!(after < whole.acted[number]);
            second_command += usize::from(number == 1);
        }
        assert!((150..250).contains(&second_command), "{second_command}");
    }
}
