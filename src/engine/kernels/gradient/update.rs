//! Gradients become steps: sums, squares, and `AdamW`.

use super::super::error::{KernelError, same};
use super::super::simd::{Kernel, Simd};
use super::Core;

/// `AdamW` (Loshchilov & Hutter 2019) for one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Learning rate.
    pub rate: f32,
    /// Decay of the mean of gradients and of their squares.
    pub betas: [f32; 2],
    /// Added to the root of the squares.
    pub eps: f32,
    /// Decay of weights, times the rate.
    pub decay: f32,
    /// 1 − β^t of both, t counted from 1.
    pub corrections: [f32; 2],
    /// Gradients are multiplied by this first (clipping).
    pub scale: f32,
}

struct Step<'a> {
    settings: AdamW,
    weights: &'a mut [f32],
    means: &'a mut [f32],
    squares: &'a mut [f32],
    gradients: &'a [f32],
}

impl Kernel for Step<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let AdamW {
            rate,
            betas: [b1, b2],
            eps,
            decay,
            corrections: [c1, c2],
            scale,
        } = self.settings;
        let state = self.means.iter_mut().zip(self.squares);
        for ((w, (m, v)), g) in self.weights.iter_mut().zip(state).zip(self.gradients) {
            let g = g * scale;
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            let step = (*m / c1) / ((*v / c2).sqrt() + eps);
            *w -= rate * (step + decay * *w);
        }
    }
}

struct Accumulate<'a> {
    to: &'a mut [f32],
    from: &'a [f32],
}

impl Kernel for Accumulate<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            *to += from;
        }
    }
}

struct Squares<'a>(&'a [f32]);

impl Kernel for Squares<'_> {
    type Out = f64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        // Stretches in single precision, their sums in double.
        let mut total = 0.0;
        for stretch in self.0.chunks(4096) {
            let (whole, rest) = stretch.as_chunks::<16>();
            let mut sum = s.splat(0.0);
            for v in whole {
                let v = s.load(v);
                sum = s.fma(v, v, sum);
            }
            total += f64::from(s.sum(sum)) + f64::from(rest.iter().map(|v| v * v).sum::<f32>());
        }
        total
    }
}

impl Core {
    /// One step of some weights.
    ///
    /// # Errors
    /// Where the sizes do not fit.
    pub fn adam_w(
        &mut self,
        settings: AdamW,
        weights: &mut [f32],
        (means, squares): (&mut [f32], &mut [f32]),
        gradients: &[f32],
    ) -> Result<(), KernelError> {
        for found in [means.len(), squares.len(), gradients.len()] {
            same("values of an update", weights.len(), found)?;
        }
        self.isa.run(Step {
            settings,
            weights,
            means,
            squares,
            gradients,
        });
        Ok(())
    }

    /// `to` += `from`.
    ///
    /// # Errors
    /// Where the sizes do not fit.
    pub fn accumulate(&mut self, to: &mut [f32], from: &[f32]) -> Result<(), KernelError> {
        same("values of a sum", to.len(), from.len())?;
        self.isa.run(Accumulate { to, from });
        Ok(())
    }

    /// Σ x².
    #[must_use]
    pub fn squares(&self, x: &[f32]) -> f64 {
        self.isa.run(Squares(x))
    }
}
