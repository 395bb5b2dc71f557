//! Rotary position embedding, in halves: dimension i turns with dimension i + d/2, as Qwen and Llama do it.
//!
//! Angles are positions times inverse frequencies, both and their product in single precision as in the reference
//! implementations, so that long contexts agree with them. The table is made once. Su et al. 2021.

use super::cpu::Cpu;
use super::error::{KernelError, same};
use super::simd::{Kernel, Simd};

/// Cosines and sines for every position up to a limit.
#[derive(Debug, Clone)]
pub struct Rotary {
    half: usize,
    /// [positions, half]
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rotary {
    /// The plain embedding: the inverse frequency of dimension i is theta^(−2i / `head_dim`).
    #[must_use]
    pub fn new(head_dim: usize, theta: f32, positions: usize) -> Self {
        let half = head_dim / 2;
        let inverse: Vec<f32> = (0..half)
            .map(|i| theta.powf(2.0 * i as f32 / (2 * half) as f32).recip())
            .collect();
        Self::from_inverse_frequencies(&inverse, 1.0, positions)
    }

    /// From inverse frequencies (half as many as dimensions) that a model scales its own way; `magnitude` multiplies
    /// cosines and sines.
    #[must_use]
    pub fn from_inverse_frequencies(inverse: &[f32], magnitude: f32, positions: usize) -> Self {
        let angles =
            (0..positions).flat_map(|p| inverse.iter().map(move |f| f64::from(p as f32 * f)));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounding to single precision is meant"
        )]
        let (cos, sin) = angles
            .map(|a| (a.cos() as f32 * magnitude, a.sin() as f32 * magnitude))
            .unzip();
        Self {
            half: inverse.len(),
            cos,
            sin,
        }
    }

    /// Positions in the table.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.cos.len().checked_div(self.half).unwrap_or(0)
    }

    /// Half the width of a head.
    pub(super) fn half(&self) -> usize {
        self.half
    }

    /// Cosines and sines of a position; empty past the table's end.
    pub(super) fn at(&self, position: usize) -> (&[f32], &[f32]) {
        let range = position * self.half..(position + 1) * self.half;
        (
            self.cos.get(range.clone()).unwrap_or_default(),
            self.sin.get(range).unwrap_or_default(),
        )
    }

    /// Memory that the table takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(self.cos.as_slice()) + size_of_val(self.sin.as_slice())
    }
}

struct Turn<'a> {
    x: &'a mut [f32],
    cos: &'a [f32],
    sin: &'a [f32],
}

impl Kernel for Turn<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let half = self.cos.len();
        for head in self.x.chunks_exact_mut(2 * half) {
            let (first, second) = head.split_at_mut(half);
            for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(self.cos).zip(self.sin) {
                let (x, y) = (*a, *b);
                *a = x * cos - y * sin;
                *b = y * cos + x * sin;
            }
        }
    }
}

impl Cpu {
    /// Turn the heads of each row of `x` [m, heads, `head_dim`] by the row's position, in place.
    pub fn rotate(
        &self,
        rotary: &Rotary,
        x: &mut [f32],
        positions: &[usize],
    ) -> Result<(), KernelError> {
        if positions.is_empty() && x.is_empty() {
            return Ok(());
        }
        let (half, limit) = (rotary.half, rotary.positions());
        let row = x.len().checked_div(positions.len()).unwrap_or(0);
        same("values of rotated rows", row * positions.len(), x.len())?;
        let heads = row.checked_div(2 * half).unwrap_or(0);
        same("values of a rotated row", heads * 2 * half, row)?;
        if let Some(&beyond) = positions.iter().find(|p| **p >= limit) {
            return Err(KernelError::Shape {
                what: "position (the table's end)",
                expected: limit,
                found: beyond,
            });
        }
        if row == 0 {
            return Ok(());
        }
        for (x, &position) in x.chunks_exact_mut(row).zip(positions) {
            let range = position * half..(position + 1) * half;
            let (Some(cos), Some(sin)) = (rotary.cos.get(range.clone()), rotary.sin.get(range))
            else {
                continue;
            };
            self.isa.run(Turn { x, cos, sin });
        }
        Ok(())
    }
}
