//! Logits as unnormalised chances: e^((logit − top) · scale), for drawing and for the mass of a distribution.

use super::exponential::exp;
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
            let (whole, rest) = logits.as_chunks::<16>();
            let (to, to_rest) = out.as_chunks_mut::<16>();
            for (logits, out) in whole.iter().zip(to) {
                let chance = sixteen(s, logits, self.top, self.scale);
                lanes = s.add(lanes, chance);
                s.store(chance, out);
            }
            if !rest.is_empty() {
                let (mut padded, mut chances) = ([f32::NAN; 16], [0.0; 16]);
                padded[..rest.len()].copy_from_slice(rest);
                let chance = sixteen(s, &padded, self.top, self.scale);
                lanes = s.add(lanes, chance);
                s.store(chance, &mut chances);
                to_rest.copy_from_slice(&chances[..rest.len()]);
            }
            *sum = f64::from(s.sum(lanes));
        }
    }
}

#[inline(always)]
fn sixteen<S: Simd>(s: S, logits: &[f32; 16], top: f32, scale: f32) -> S::F {
    let away = s.sub(s.load(logits), s.splat(top));
    // The second operand wins where one is NaN.
    s.max(exp(s, s.mul(away, s.splat(scale))), s.splat(0.0))
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
