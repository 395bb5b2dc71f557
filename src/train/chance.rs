//! Numbers that look random and are the same for the same seed, on every machine.
//!
//! Splitmix64 (Steele, Lea & Flood 2014): one word of state, so that any place of a run is reached by its number alone.

/// See the module.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// A beginning.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(
            seed.wrapping_mul(0xd134_2543_de82_ef95)
                .wrapping_add(0x9e37_79b9_7f4a_7c15),
        )
    }

    /// The next word.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `count` numbers from 0; 0 where there are none.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the high half is below count"
    )]
    pub fn below(&mut self, count: usize) -> usize {
        // Lemire's reduction; its bias is far below what a shuffle could show.
        ((u128::from(self.word()) * count as u128) >> 64) as usize
    }

    /// In 0..1, not 0.
    fn unit(&mut self) -> f64 {
        ((self.word() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Normal with deviation 1 (Box & Muller 1958).
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding to single precision is meant"
    )]
    pub fn normal(&mut self) -> f32 {
        let (u, v) = (self.unit(), self.unit());
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    }

    /// Every order is as likely as any other (Fisher & Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
