//! From the rows of a file to the units of the kernels.
//!
//! Each function puts one row into its lane of a group. Integers that fit are moved as they are; other forms pass through
//! floats and are quantised again. Groups are packed by whichever thread is free, as the first touch of fresh memory
//! costs more than the packing. Sizes have been checked by [`Packed`](super::Packed).

use bytemuck::Pod;
use half::{bf16, f16};

use super::block::{Format, scale_and_min};
use super::deal::Deal;
use super::error::KernelError;
use super::layout::{BLOCK, Line16, Line32, SUPER, Unit4, Unit4K, Unit8};
use super::mass::Mass;
use super::pool::Pool;
use super::quantise::{to_q4, to_q8};

/// Stored weights, with sizes that have been checked.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) format: Format,
    pub(super) bytes: &'a [u8],
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl<'a> Source<'a> {
    fn row(&self, row: usize) -> &'a [u8] {
        let length = self.columns / self.format.block_len() * self.format.block_bytes();
        self.bytes
            .get(row * length..(row + 1) * length)
            .unwrap_or(&[])
    }
}

/// The units of one row group.
pub(super) fn group<T>(units: &[T], group: usize, units_per_group: usize) -> &[T] {
    units
        .get(group * units_per_group..(group + 1) * units_per_group)
        .unwrap_or(&[])
}

/// Allocate and pack all groups, each by whichever thread is free: the first touch of fresh memory costs more than the
/// packing.
pub(super) fn fill<T: Pod + Send>(
    source: Source<'_>,
    group_rows: usize,
    units: usize,
    pool: &Pool,
    pack_row: fn(&Source<'_>, usize, usize, &mut [T]),
) -> Result<Mass<T>, KernelError> {
    let groups = source.rows.div_ceil(group_rows);
    let length = groups.checked_mul(units).ok_or(KernelError::TooLarge)?;
    let mut out = Mass::zeroed(length)?;
    let deal = Deal::flat(&mut out, units);
    pool.run(&|_, _| {
        while let Some(mut tile) = deal.take() {
            let group = tile.columns().start / units;
            for lane in 0..group_rows {
                let row = group * group_rows + lane;
                if row < source.rows {
                    pack_row(&source, row, lane, tile.row(0));
                }
            }
        }
    })?;
    Ok(out)
}

/// The scale and integers of each 32 weights of a row, through floats where the form is another.
fn blocks_of(
    source: &Source<'_>,
    row: usize,
    direct: impl Fn(&[u8], &mut [i8; BLOCK]) -> Option<f16>,
    quantise: fn(&[f32; BLOCK]) -> (f16, [i8; BLOCK]),
    mut put: impl FnMut(usize, f16, &[i8; BLOCK]),
) {
    let bytes = source.row(row);
    let (length, size) = (source.format.block_len(), source.format.block_bytes());
    if length == BLOCK {
        let mut quants = [0; BLOCK];
        let mut floats = [0.0; BLOCK];
        for (i, block) in bytes.chunks_exact(size).enumerate() {
            if let Some(d) = direct(block, &mut quants) {
                put(i, d, &quants);
            } else {
                source.format.dequantise(block, &mut floats);
                let (d, quants) = quantise(&floats);
                put(i, d, &quants);
            }
        }
        return;
    }
    let mut floats = [0.0; SUPER];
    let step = SUPER / length * size;
    let mut index = 0;
    for part in bytes.chunks(step) {
        let count = part.len() / size * length;
        let floats = floats.get_mut(..count).unwrap_or(&mut []);
        source.format.dequantise(part, floats);
        for block in floats.as_chunks::<BLOCK>().0 {
            let (d, quants) = quantise(block);
            put(index, d, &quants);
            index += 1;
        }
    }
}

fn stored_scale(block: &[u8]) -> Option<f16> {
    Some(f16::from_le_bytes(*block.first_chunk()?))
}

pub(super) fn eight(source: &Source<'_>, row: usize, lane: usize, units: &mut [Unit8]) {
    let format = source.format;
    let direct = |block: &[u8], quants: &mut [i8; BLOCK]| match format {
        Format::Q8_0 => {
            for (q, byte) in quants.iter_mut().zip(block.get(2..)?) {
                *q = byte.cast_signed();
            }
            stored_scale(block)
        }
        // Both are scale times a small integer, which eight bits hold exactly.
        Format::Q4_0 => {
            signed_nibbles(block.get(2..)?, None, 8, quants);
            stored_scale(block)
        }
        Format::Q5_0 => {
            let high = u32::from_le_bytes(*block.get(2..)?.first_chunk()?);
            signed_nibbles(block.get(6..)?, Some(high), 16, quants);
            stored_scale(block)
        }
        _ => None,
    };
    blocks_of(source, row, direct, to_q8, |i, d, quants| {
        let Some(unit) = units.get_mut(i / 2) else {
            return;
        };
        unit.scale[i % 2][lane] = d;
        for (line, q) in unit.lines[i % 2].iter_mut().zip(quants.as_chunks::<4>().0) {
            for (to, q) in line[4 * lane..4 * lane + 4].iter_mut().zip(q) {
                *to = q.cast_unsigned() ^ 0x80;
            }
        }
    });
}

pub(super) fn four(source: &Source<'_>, row: usize, lane: usize, units: &mut [Unit4]) {
    let format = source.format;
    let direct = |block: &[u8], quants: &mut [i8; BLOCK]| match format {
        Format::Q4_0 => {
            signed_nibbles(block.get(2..)?, None, 8, quants);
            stored_scale(block)
        }
        _ => None,
    };
    blocks_of(source, row, direct, to_q4, |i, d, quants| {
        let Some(unit) = units.get_mut(i / 2) else {
            return;
        };
        unit.scale[i % 2][lane] = d;
        for (line, q) in unit.lines.iter_mut().zip(quants.as_chunks::<4>().0) {
            for (to, q) in line[4 * lane..4 * lane + 4].iter_mut().zip(q) {
                *to |= (q + 8).cast_unsigned() << (4 * (i % 2));
            }
        }
    });
}

/// 32 integers from nibbles, low ones first, with a fifth bit where there is one, less `offset`.
fn signed_nibbles(bytes: &[u8], high: Option<u32>, offset: i8, quants: &mut [i8; BLOCK]) {
    let fifth = |bit: usize| {
        if (high.unwrap_or(0) >> bit) & 1 == 1 {
            16
        } else {
            0
        }
    };
    for (i, byte) in bytes.iter().enumerate().take(BLOCK / 2) {
        quants[i] = ((byte & 15) | fifth(i)).cast_signed() - offset;
        quants[i + 16] = ((byte >> 4) | fifth(i + 16)).cast_signed() - offset;
    }
}

pub(super) fn four_k(source: &Source<'_>, row: usize, lane: usize, units: &mut [Unit4K]) {
    let blocks = source.row(row).chunks_exact(source.format.block_bytes());
    for (block, unit) in blocks.zip(units) {
        let Some((head, quants)) = block.split_first_chunk::<16>() else {
            return;
        };
        unit.d[lane] = f16::from_le_bytes([head[0], head[1]]);
        unit.dmin[lane] = f16::from_le_bytes([head[2], head[3]]);
        let Some(packed) = head.last_chunk::<12>() else {
            return;
        };
        for j in 0..8 {
            let (scale, min) = scale_and_min(j, packed);
            unit.scale[j][lane] = scale;
            unit.min[j / 2][lane][j % 2] = min;
        }
        // The file's bytes already hold blocks 2p and 2p + 1 in their nibbles.
        for (line, four) in unit.lines.iter_mut().zip(quants.as_chunks::<4>().0) {
            line[4 * lane..4 * lane + 4].copy_from_slice(four);
        }
    }
}

/// A row as floats, in parts that fit on the stack.
fn floats_of(source: &Source<'_>, row: usize, mut put: impl FnMut(usize, f32)) {
    let mut floats = [0.0; SUPER];
    let step = SUPER / source.format.block_len() * source.format.block_bytes();
    let mut index = 0;
    for part in source.row(row).chunks(step) {
        let count = part.len() / source.format.block_bytes() * source.format.block_len();
        let floats = floats.get_mut(..count).unwrap_or(&mut []);
        source.format.dequantise(part, floats);
        for v in floats {
            put(index, *v);
            index += 1;
        }
    }
}

pub(super) fn single(source: &Source<'_>, row: usize, lane: usize, lines: &mut [Line32]) {
    floats_of(source, row, |i, v| {
        if let Some(line) = lines.get_mut(i) {
            line.0[lane / 16][lane % 16] = v;
        }
    });
}

pub(super) fn brain(source: &Source<'_>, row: usize, lane: usize, lines: &mut [Line16]) {
    floats_of(source, row, |i, v| {
        if let Some(line) = lines.get_mut(i / 2) {
            line.0[lane / 16][lane % 16] |=
                u32::from(bf16::from_f32(v).to_bits()) << (16 * (i % 2));
        }
    });
}
