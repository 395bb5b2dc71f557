//! Logits as unnormalised chances: e^((logit − top) · scale), for drawing and for the mass of a distribution.

use super::exponential::exp;
use super::simd::{Kernel, Simd};
use super::tier::{Isa, Tier};

struct Chances<'a> {
    logits: &'a [f32],
    top: f32,
    scale: f32,
    out: &'a mut [f32],
}

impl Kernel for Chances<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (top, scale, none) = (s.splat(self.top), s.splat(self.scale), s.splat(0.0));
        let (whole, rest) = self.logits.as_chunks::<16>();
        let (to, to_rest) = self.out.as_chunks_mut::<16>();
        let one = |logits: &[f32; 16], out: &mut [f32; 16]| {
            let chance = exp(s, s.mul(s.sub(s.load(logits), top), scale));
            // The second operand wins where one is NaN.
            s.store(s.max(chance, none), out);
        };
        for (logits, out) in whole.iter().zip(to) {
            one(logits, out);
        }
        let (mut padded, mut chances) = ([f32::NAN; 16], [0.0; 16]);
        padded[..rest.len()].copy_from_slice(rest);
        one(&padded, &mut chances);
        for (out, chance) in to_rest.iter_mut().zip(chances) {
            *out = chance;
        }
    }
}

/// `out` = e^((logit − `top`) · `scale`) for each logit, 0 for those that are −∞ or no number. `top` is the largest of
/// them, so nothing is above 1; `scale` is one over the temperature. A tier that this processor lacks is replaced by the
/// portable one.
pub fn chances(tier: Tier, logits: &[f32], top: f32, scale: f32, out: &mut Vec<f32>) {
    out.resize(logits.len(), 0.0);
    let work = Chances {
        logits,
        top,
        scale,
        out,
    };
    match Isa::new(tier).or_else(|| Isa::new(Tier::Portable)) {
        Some(isa) => isa.run(work),
        None => work.out.fill(0.0),
    }
}
