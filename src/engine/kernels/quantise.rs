//! Floats to integers: activations on every call, weights once.
//!
//! Activations are rounded to the nearest of −127..=127 times the block's largest magnitude / 127, so the error of one is
//! at most 1/254 of the block's largest. A block that holds a value which is not finite gets the scale NaN, so what is
//! computed from it says so; one whose largest magnitude is below 1e-30 counts as zero.

use half::f16;

use super::layout::{BLOCK, Input, SUPER, SuperInput, UNIT};
use super::simd::{Kernel, Simd};

/// Added to a small number, it leaves the nearest integer in the low bits of the sum.
const ROUND: f32 = 12_582_912.0;
/// Blocks with nothing larger are zero; far above where 127 / x overflows.
const NOTHING: f32 = 1e-30;

/// The scale of a block, and its inverse (0 for a block that is zero or not finite).
#[inline(always)]
fn scales(largest: u32) -> (f32, f32) {
    let largest = f32::from_bits(largest);
    if !largest.is_finite() {
        (f32::NAN, 0.0)
    } else if largest < NOTHING {
        (0.0, 0.0)
    } else {
        (largest / 127.0, 127.0 / largest)
    }
}

/// Bits of the largest magnitude. As integers NaN and infinity are the largest, so neither is lost.
#[inline(always)]
fn largest(block: &[f32; 32]) -> u32 {
    let mut largest = 0;
    for v in block {
        largest = largest.max(v.to_bits() & 0x7fff_ffff);
    }
    largest
}

#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low byte is the integer"
)]
fn round(block: &[f32; 32], inverse: f32) -> [i8; 32] {
    let mut out = [0_i8; 32];
    for (out, v) in out.iter_mut().zip(block) {
        *out = ((v * inverse + ROUND).to_bits() as u8).cast_signed();
    }
    out
}

/// Quantise rows of activations for [`Unit8`](super::layout::Unit8) and [`Unit4`](super::layout::Unit4): row i of `x`
/// (k values) becomes every `rows`-th unit of `out` from i.
pub(super) struct QuantiseRows<'a> {
    pub(super) x: &'a [f32],
    pub(super) columns: usize,
    pub(super) out: &'a mut [Input],
}

impl Kernel for QuantiseRows<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let rows = self.x.len() / self.columns;
        for (i, row) in self.x.chunks_exact(self.columns).enumerate() {
            for (unit, part) in row.chunks(UNIT).enumerate() {
                let mut padded = [[0.0_f32; BLOCK]; 2];
                padded.as_flattened_mut()[..part.len()].copy_from_slice(part);
                let (d0, i0) = scales(largest(&padded[0]));
                let (d1, i1) = scales(largest(&padded[1]));
                let values = [round(&padded[0], i0), round(&padded[1], i1)];
                self.out[unit * rows + i] = Input::new(&values, [d0, d1]);
            }
        }
    }
}

/// The same for [`Unit4K`](super::layout::Unit4K): one scale for 256.
pub(super) struct QuantiseSuper<'a> {
    pub(super) x: &'a [f32],
    pub(super) columns: usize,
    pub(super) out: &'a mut [SuperInput],
}

impl Kernel for QuantiseSuper<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let rows = self.x.len() / self.columns;
        for (i, row) in self.x.chunks_exact(self.columns).enumerate() {
            for (unit, part) in row.chunks_exact(SUPER).enumerate() {
                let (blocks, _) = part.as_chunks::<BLOCK>();
                let mut most = 0;
                for block in blocks {
                    most = most.max(largest(block));
                }
                let (d, inverse) = scales(most);
                let mut values = [[0_i8; BLOCK]; 8];
                for (values, block) in values.iter_mut().zip(blocks) {
                    *values = round(block, inverse);
                }
                self.out[unit * rows + i] = SuperInput::new(&values, d);
            }
        }
    }
}

/// 32 weights in 8 bits: the scale, and integers in −127..=127. The error of one is at most 1/254 of the block's largest
/// magnitude, plus the rounding of the scale's eleven bits where that is not exact.
#[inline(always)]
pub(super) fn to_q8(block: &[f32; 32]) -> (f16, [i8; 32]) {
    let (scale, _) = scales(largest(block));
    let d = f16::from_f32(if scale.is_nan() {
        scale
    } else {
        scale.min(f16::MAX.to_f32())
    });
    // Dividing by the scale as it is stored, so that its rounding is not added to every value.
    let inverse = if d.to_f32() > 0.0 {
        d.to_f32().recip()
    } else {
        0.0
    };
    let mut out = [0_i8; 32];
    for (out, v) in out.iter_mut().zip(block) {
        *out = saturate(v * inverse, -127.0, 127.0);
    }
    (d, out)
}

/// 32 weights in 4 bits as ggml does it: the value of largest magnitude becomes −8, integers are in −8..=7. The error of
/// one is at most 1/16 of the block's largest magnitude (1/8 for values near it of the other sign).
#[inline(always)]
pub(super) fn to_q4(block: &[f32; 32]) -> (f16, [i8; 32]) {
    let mut extreme = 0.0_f32;
    for v in block {
        if v.abs() > extreme.abs() || v.is_nan() {
            extreme = *v;
        }
    }
    let limit = f16::MAX.to_f32();
    let d = f16::from_f32((extreme / -8.0).clamp(-limit, limit));
    let inverse = if d.to_f32() == 0.0 {
        0.0
    } else {
        d.to_f32().recip()
    };
    let mut out = [0_i8; 32];
    for (out, v) in out.iter_mut().zip(block) {
        *out = saturate(v * inverse, -8.0, 7.0);
    }
    (d, out)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped first; NaN becomes 0"
)]
#[inline(always)]
fn saturate(v: f32, low: f32, high: f32) -> i8 {
    // By way of `i32`, for which there are vectors of conversions.
    v.round().clamp(low, high) as i32 as i8
}
