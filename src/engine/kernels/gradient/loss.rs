//! The cross-entropy of rows of logits, and its gradient in their place.

use super::super::error::{KernelError, same};
use super::super::exponential::exp;
use super::super::simd::{Kernel, Simd};
use super::Core;

struct CrossEntropy<'a> {
    logits: &'a mut [f32],
    targets: &'a [u32],
    weights: &'a [f32],
}

impl Kernel for CrossEntropy<'_> {
    type Out = f64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let width = self.logits.len() / self.targets.len().max(1);
        let mut total = 0.0;
        let rows = self.logits.chunks_exact_mut(width);
        for ((row, target), weight) in rows.zip(self.targets).zip(self.weights) {
            let target = *target as usize;
            let of_target = row.get(target).copied().unwrap_or(f32::NAN);
            let (lanes, _) = row.as_chunks_mut::<16>();
            let mut most = s.splat(f32::NEG_INFINITY);
            for v in &*lanes {
                most = s.max(most, s.load(v));
            }
            let most = s.largest(most);
            let top = s.splat(most);
            let mut sum = s.splat(0.0);
            for v in &mut *lanes {
                let p = exp(s, s.sub(s.load(v), top));
                sum = s.add(sum, p);
                s.store(p, v);
            }
            let sum = s.sum(sum);
            let by = s.splat(weight / sum);
            for v in &mut *lanes {
                s.store(s.mul(s.load(v), by), v);
            }
            if let Some(p) = row.get_mut(target) {
                *p -= weight;
            }
            total +=
                f64::from(*weight) * (f64::from(sum.ln()) + f64::from(most) - f64::from(of_target));
        }
        total
    }
}

impl Core {
    /// Σ `weight` · −log softmax(row) at the target; `logits` [m, width] become the gradient of that sum.
    ///
    /// # Errors
    /// Where the sizes do not fit, or a target is none of the columns.
    pub fn cross_entropy(
        &mut self,
        logits: &mut [f32],
        targets: &[u32],
        weights: &[f32],
    ) -> Result<f64, KernelError> {
        same("weights of rows", targets.len(), weights.len())?;
        let width = logits.len().checked_div(targets.len()).unwrap_or(0);
        same("logits", width / 16 * 16 * targets.len(), logits.len())?;
        if let Some(target) = targets.iter().find(|target| **target as usize >= width) {
            return Err(KernelError::Shape {
                what: "target (the vocabulary's end)",
                expected: width,
                found: *target as usize,
            });
        }
        Ok(self.isa.run(CrossEntropy {
            logits,
            targets,
            weights,
        }))
    }
}
