//! Weights in the form that products of many rows read: nibbles as bytes, bfloat16 as single precision.
//!
//! The values are the same to the bit, so it does not matter to an output whether they were spread.

use super::layout::{Line16, Line32, Panel4K, Unit4, Unit4K, Unit8};
use super::simd::{Kernel, Simd};

/// Spread a group of 4-bit units into 8-bit ones of the same values.
pub(super) struct SpreadUnits<'a> {
    pub(super) from: &'a [Unit4],
    pub(super) to: &'a mut [Unit8],
}

impl Kernel for SpreadUnits<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            to.scale = from.scale;
            for line in 0..8 {
                for i in 0..64 {
                    // nibble − 8 + 128
                    to.lines[0][line][i] = (from.lines[line][i] & 15) + 120;
                    to.lines[1][line][i] = (from.lines[line][i] >> 4) + 120;
                }
            }
        }
    }
}

/// Spread a group of `Q4_K` units into panels of the same values.
pub(super) struct SpreadSupers<'a> {
    pub(super) from: &'a [Unit4K],
    pub(super) to: &'a mut [Panel4K],
}

impl Kernel for SpreadSupers<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            s.store(s.half(&from.d), &mut to.d);
            s.store(s.half(&from.dmin), &mut to.dmin);
            to.min = from.min;
            for block in 0..8 {
                s.store(s.bytes(&from.scale[block]), &mut to.scale[block]);
                for line in 0..8 {
                    let bytes = &from.lines[block / 2 * 8 + line];
                    for i in 0..64 {
                        to.lines[block][line][i] = (bytes[i] >> (4 * (block % 2))) & 15;
                    }
                }
            }
        }
    }
}

/// Widen bfloat16 lines to single precision.
pub(super) struct Widen<'a> {
    pub(super) from: &'a [Line16],
    pub(super) to: &'a mut [Line32],
}

impl Kernel for Widen<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (to, _) = self.to.as_chunks_mut::<2>();
        for ([first, second], from) in to.iter_mut().zip(self.from) {
            for i in 0..2 {
                let (low, high) = s.bf16_pair(&from.0[i]);
                s.store(low, &mut first.0[i]);
                s.store(high, &mut second.0[i]);
            }
        }
    }
}
