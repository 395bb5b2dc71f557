//! Logits as unnormalised chances: e^((logit − top) · scale), for drawing and for the mass of a distribution.

use super::exponential::exp;
use super::norm::{put, sixteen};
use super::simd::{Kernel, Simd};
use super::tier::{Isa, Tier};

/// Tokens of which one sum is kept.
pub const BLOCK: usize = 512;

struct Chances<'a> {
    logits: &'a [f32],
    top: f32,
    scale: f32,
    out: &'a mut [f32],
    sums: &'a mut [f64],
}

impl Kernel for Chances<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let blocks = self.logits.chunks(BLOCK).zip(self.out.chunks_mut(BLOCK));
        for ((logits, out), sum) in blocks.zip(self.sums) {
            let mut lanes = s.splat(0.0);
            for start in (0..logits.len()).step_by(16) {
                // Past the end there is no logit, and so no chance.
                let sixteen = s.load(&sixteen(logits, start, f32::NAN));
                let scaled = s.mul(s.sub(sixteen, s.splat(self.top)), s.splat(self.scale));
                // The second operand wins where one is NaN.
                let chance = s.max(exp(s, scaled), s.splat(0.0));
                lanes = s.add(lanes, chance);
                put(s, chance, out, start);
            }
            *sum = f64::from(s.sum(lanes));
        }
    }
}

/// `out` = e^((logit − `top`) · `scale`) for each logit, 0 for those that are −∞ or no number, and in `sums` the sum of each
/// [`BLOCK`] of them. `top` is the largest logit, so nothing is above 1; `scale` is one over the temperature. A tier that
/// this processor lacks is replaced by the portable one.
pub fn chances(
    tier: Tier,
    logits: &[f32],
    (top, scale): (f32, f32),
    out: &mut Vec<f32>,
    sums: &mut Vec<f64>,
) {
    out.resize(logits.len(), 0.0);
    sums.resize(logits.len().div_ceil(BLOCK), 0.0);
    if let Some(isa) = Isa::new(tier).or_else(|| Isa::new(Tier::Portable)) {
        isa.run(Chances {
            logits,
            top,
            scale,
            out,
            sums,
        });
    }
}
