//! How packed weights and quantised activations lie in memory.
//!
//! Sixteen rows of weights form a group. A group is a sequence of units along the columns; in each 64-byte line of a
//! unit, byte 4r + i is column i (of four) of row r, which is one operand of a four-way byte product for all rows. Units
//! are multiples of 64 bytes, so that lines are cache lines. Zeroed memory is a valid unit of zeros (its scales are
//! zero), which is what pads rows and columns.

use bytemuck::{Pod, Zeroable};
use half::f16;

/// Rows of a group of integer weights.
pub(super) const GROUP: usize = 16;
/// Rows of a group of float weights: two registers.
pub(super) const FLOAT_GROUP: usize = 32;
/// Columns of a [`Unit8`] or [`Unit4`].
pub(super) const UNIT: usize = 64;
/// Columns under one scale in those.
pub(super) const BLOCK: usize = 32;
/// Columns of a [`Unit4K`].
pub(super) const SUPER: usize = 256;

/// 64 columns of sixteen rows in 8 bits: value = scale · (byte − 128).
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Unit8 {
    /// Scale of each row, for columns 0–31 and 32–63.
    pub(super) scale: [[f16; 16]; 2],
    /// Eight lines for each half.
    pub(super) lines: [[[u8; 64]; 8]; 2],
}

/// 64 columns of sixteen rows in 4 bits: value = scale · (nibble − 8).
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Unit4 {
    /// Scale of each row, for columns 0–31 and 32–63.
    pub(super) scale: [[f16; 16]; 2],
    /// Columns 0–31 in the low nibbles, 32–63 in the high ones.
    pub(super) lines: [[u8; 64]; 8],
}

/// 256 columns of sixteen rows of `Q4_K`: value = d · scale · nibble − dmin · min, scale and min for each 32 columns.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Unit4K {
    /// Scale of the scales.
    pub(super) d: [f16; 16],
    /// Scale of the minima.
    pub(super) dmin: [f16; 16],
    /// The 6-bit scales of each row, widened to bytes, for each 32 columns.
    pub(super) scale: [[u8; 16]; 8],
    /// The 6-bit minima: two neighbouring blocks of each row side by side, as a product of `i16` pairs takes them.
    pub(super) min: [[[u8; 2]; 16]; 4],
    /// Blocks 2p and 2p + 1 in the low and high nibbles of lines 8p to 8p + 8.
    pub(super) lines: [[u8; 64]; 32],
}

/// A [`Unit4K`] with its nibbles spread out and its scales as floats, made for products of many rows.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Panel4K {
    pub(super) d: [f32; 16],
    pub(super) dmin: [f32; 16],
    pub(super) scale: [[f32; 16]; 8],
    pub(super) min: [[[u8; 2]; 16]; 4],
    pub(super) lines: [[[u8; 64]; 8]; 8],
}

/// What every sum of byte products starts above: the bits of 1.5 · 2²³. With a sum below 2²² in the last bits, the same
/// bits are the number 1.5 · 2²³ + sum, and one multiply-add, which rounds once, makes scale · sum of it: exactly what
/// conversion and product give.
pub(super) const RAISED: i32 = 0x4b40_0000;
/// [`RAISED`] as the number that its bits are.
pub(super) const RAISE: f32 = 12_582_912.0;

/// One column of 32 rows in `f32`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line32(pub(super) [[f32; 16]; 2]);

/// Two columns of 32 rows in bfloat16: the first in the low halves of the words.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line16(pub(super) [[u32; 16]; 2]);

/// 64 columns of one row of activations, quantised in two blocks.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(32))]
pub(super) struct Input {
    /// Four `i8` in each.
    pub(super) values: [i32; 16],
    /// Value = scale · integer.
    pub(super) scale: [f32; 2],
    /// [`RAISED`] − 128 · Σ integers of the block: where a sum over [`Unit8`] starts.
    pub(super) start8: [i32; 2],
    /// [`RAISED`] − 8 · Σ integers of the block: the same for [`Unit4`].
    pub(super) start4: [i32; 2],
    pad: [i32; 2],
}

impl Input {
    /// From 64 integers and the scales of their halves.
    #[inline(always)]
    pub(super) fn new(values: &[[i8; 32]; 2], scale: [f32; 2]) -> Self {
        let mut sums = [0_i32; 2];
        for (sum, half) in sums.iter_mut().zip(values) {
            for v in half {
                *sum += i32::from(*v);
            }
        }
        Self {
            values: bytemuck::cast(*values),
            scale,
            start8: sums.map(|sum| RAISED - 128 * sum),
            start4: sums.map(|sum| RAISED - 8 * sum),
            pad: [0; 2],
        }
    }
}

/// 256 columns of one row of activations under one scale.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(32))]
pub(super) struct SuperInput {
    /// Four `i8` in each.
    pub(super) values: [[i32; 8]; 8],
    /// Σ integers of each 32 columns, two `i16` in each.
    pub(super) sums: [i32; 4],
    /// Value = scale · integer.
    pub(super) scale: f32,
    pad: [i32; 3],
}

impl SuperInput {
    /// From 256 integers and their scale.
    #[inline(always)]
    pub(super) fn new(values: &[[i8; 32]; 8], scale: f32) -> Self {
        let mut sums = [0_i16; 8];
        for (sum, block) in sums.iter_mut().zip(values) {
            for v in block {
                *sum += i16::from(*v);
            }
        }
        Self {
            values: bytemuck::cast(*values),
            sums: bytemuck::cast(sums),
            scale,
            pad: [0; 3],
        }
    }
}
