//! From the rows of a file to the units of the kernels.
//!
//! Each function packs one group, 256 columns of all its rows at a time, as what is written then stays near: words that stand
//! in a row come to stand one below the other. Integers that fit are moved as they are; other forms pass through
//! floats and are quantised again. Groups are packed by whichever thread is free: a model that is opened waits for nothing
//! else. Sizes have been checked by [`Packed`](super::Packed).

use bytemuck::Pod;
use half::{bf16, f16};

use super::block::{Format, scale_and_min};
use super::cpu::Cpu;
use super::deal::Deal;
use super::error::KernelError;
use super::layout::{BLOCK, FLOAT_GROUP, GROUP, Line16, Line32, SUPER, UNIT, Unit4, Unit4K, Unit8};
use super::mass::Mass;
use super::quantise::{to_q4, to_q8};
use super::simd::{Kernel, Simd};

/// Stored weights, with sizes that have been checked.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) format: Format,
    pub(super) bytes: &'a [u8],
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl<'a> Source<'a> {
    /// The bytes of [`SUPER`] columns of a row from `256 · span`, fewer at its end, none behind it.
    fn span(&self, row: usize, span: usize) -> &'a [u8] {
        let bytes = |columns: usize| columns / self.format.block_len() * self.format.block_bytes();
        let from = (span * SUPER).min(self.columns);
        let to = (from + SUPER).min(self.columns);
        let row_at = row * bytes(self.columns);
        self.bytes
            .get(row_at + bytes(from)..row_at + bytes(to))
            .unwrap_or(&[])
    }
}

/// The units of one row group.
pub(super) fn group<T>(units: &[T], group: usize, units_per_group: usize) -> &[T] {
    units
        .get(group * units_per_group..(group + 1) * units_per_group)
        .unwrap_or(&[])
}

/// What weights are packed into, a group of rows at a time.
pub(super) trait Form: Pod + Send {
    /// Rows of a group.
    const ROWS: usize;

    /// Pack the group whose first row is `first`. Implementations are `#[inline(always)]`, and so is all that they call
    /// for each value: rounding alone is a call of the library where a tier's instructions are not enabled.
    fn pack<S: Simd>(s: S, source: &Source<'_>, first: usize, units: &mut [Self]);
}

struct Group<'a, T> {
    source: &'a Source<'a>,
    first: usize,
    units: &'a mut [T],
}

impl<T: Form> Kernel for Group<'_, T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        T::pack(s, self.source, self.first, self.units);
    }
}

/// Allocate and pack all groups, each by whichever thread is free.
pub(super) fn fill<T: Form>(
    source: &Source<'_>,
    units: usize,
    cpu: &Cpu,
) -> Result<Mass<T>, KernelError> {
    let groups = source.rows.div_ceil(T::ROWS);
    let length = groups.checked_mul(units).ok_or(KernelError::TooLarge)?;
    let mut out = Mass::zeroed(length)?;
    let deal = Deal::flat(&mut out, units);
    cpu.pool.run(&|_, _| {
        while let Some(mut tile) = deal.take() {
            let first = tile.columns().start / units * T::ROWS;
            cpu.isa.run(Group {
                source,
                first,
                units: tile.row(0),
            });
        }
    })?;
    Ok(out)
}

/// 32 integers as bytes of a form's own encoding, four to a word.
type Words = [u32; BLOCK / 4];

/// The scale and integers of each 32 of up to 256 columns: as they are stored where `direct` says so, else through floats.
#[inline(always)]
fn blocks_of(
    source: &Source<'_>,
    bytes: &[u8],
    direct: impl Fn(&[u8]) -> Option<(f16, Words)>,
    quantise: impl Fn(&[f32; BLOCK]) -> (f16, [i8; BLOCK]),
    encode: impl Fn(i8) -> u8,
    mut put: impl FnMut(usize, f16, Words),
) {
    let blocks = bytes.chunks_exact(source.format.block_bytes());
    for (i, block) in blocks.enumerate() {
        let Some((d, words)) = direct(block) else {
            // What holds for the first block of a format holds for all.
            let mut floats = [0.0; SUPER];
            let floats = dequantised(source, bytes, &mut floats);
            for (i, block) in floats.as_chunks().0.iter().enumerate() {
                let (d, quants) = quantise(block);
                put(i, d, bytemuck::cast(quants.map(&encode)));
            }
            return;
        };
        put(i, d, words);
    }
}

/// The values of up to 256 columns.
#[inline(always)]
fn dequantised<'a>(source: &Source<'_>, bytes: &[u8], floats: &'a mut [f32; SUPER]) -> &'a [f32] {
    let count = bytes.len() / source.format.block_bytes() * source.format.block_len();
    let floats = floats.get_mut(..count).unwrap_or(&mut []);
    source.format.dequantise(bytes, floats);
    floats
}

#[inline(always)]
fn stored_scale(block: &[u8]) -> Option<f16> {
    Some(f16::from_le_bytes(*block.first_chunk()?))
}

/// A byte in each of a word's four places.
const fn each(byte: u8) -> u32 {
    u32::from_ne_bytes([byte; 4])
}

/// Sixteen bytes of nibbles as 32 bytes, the low ones first.
#[inline(always)]
fn nibbles(bytes: &[u8; BLOCK / 2]) -> Words {
    let mut words = [0; BLOCK / 4];
    let (low, high) = words.split_at_mut(BLOCK / 8);
    for ((four, low), high) in bytes.as_chunks().0.iter().zip(low).zip(high) {
        let four = u32::from_ne_bytes(*four);
        *low = four & each(15);
        *high = (four >> 4) & each(15);
    }
    words
}

/// Bit i as the fifth bit of byte i.
#[inline(always)]
fn fifth_bits(bits: u32) -> Words {
    let mut bytes = [0_u8; BLOCK];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from((bits >> i) & 1 == 1) << 4;
    }
    bytemuck::cast(bytes)
}

/// Sixteen words of sixteen rows.
type Square = [[u32; 16]; GROUP];

/// Turn words that stand in rows into the lines in which they stand one below the other.
#[inline(always)]
fn turn<S: Simd>(s: S, rows: &Square, lines: &mut [[u8; 64]]) {
    let mut columns = [s.splat(0.0); 16];
    for (column, row) in columns.iter_mut().zip(rows) {
        // Only moved, never computed with: any bits will do.
        *column = s.load(bytemuck::cast_ref(row));
    }
    for (line, column) in lines.iter_mut().zip(s.transpose(columns)) {
        s.store(column, bytemuck::cast_mut(line));
    }
}

impl Form for Unit8 {
    const ROWS: usize = GROUP;

    #[inline(always)]
    fn pack<S: Simd>(s: S, source: &Source<'_>, first: usize, units: &mut [Self]) {
        let format = source.format;
        // Four- and five-bit forms are a scale times a small integer, which eight bits hold exactly.
        let direct = |block: &[u8]| {
            let (d, rest) = (stored_scale(block)?, block.get(2..)?);
            let words = match format {
                Format::Q8_0 => {
                    let mut words = [0; BLOCK / 4];
                    for (word, four) in words.iter_mut().zip(rest.as_chunks().0) {
                        *word = u32::from_ne_bytes(*four) ^ each(128);
                    }
                    words
                }
                Format::Q4_0 => nibbles(rest.first_chunk()?).map(|four| four + each(128 - 8)),
                Format::Q5_0 => {
                    let high = fifth_bits(u32::from_le_bytes(*rest.first_chunk()?));
                    let mut words = nibbles(rest.get(4..)?.first_chunk()?);
                    for (four, high) in words.iter_mut().zip(high) {
                        *four = (*four | high) + each(128 - 16);
                    }
                    words
                }
                _ => return None,
            };
            Some((d, words))
        };
        let encode = |q: i8| q.cast_unsigned() ^ 128;
        // What is left in them from other columns has no scale where nothing is.
        let mut rows: [Square; SUPER / UNIT] = [[[0; 16]; GROUP]; SUPER / UNIT];
        for (span, units) in units.chunks_mut(SUPER / UNIT).enumerate() {
            for lane in 0..GROUP.min(source.rows - first) {
                let bytes = source.span(first + lane, span);
                blocks_of(source, bytes, direct, to_q8, encode, |i, d, block| {
                    let (Some(unit), Some(rows)) = (units.get_mut(i / 2), rows.get_mut(i / 2))
                    else {
                        return;
                    };
                    unit.scale[i % 2][lane] = d;
                    rows[lane].as_chunks_mut().0[i % 2] = block;
                });
            }
            for (unit, rows) in units.iter_mut().zip(&rows) {
                turn(s, rows, unit.lines.as_flattened_mut());
            }
        }
    }
}

impl Form for Unit4 {
    const ROWS: usize = GROUP;

    #[inline(always)]
    fn pack<S: Simd>(s: S, source: &Source<'_>, first: usize, units: &mut [Self]) {
        let format = source.format;
        let direct = |block: &[u8]| match format {
            Format::Q4_0 => Some((
                stored_scale(block)?,
                nibbles(block.get(2..)?.first_chunk()?),
            )),
            _ => None,
        };
        let encode = |q: i8| (q + 8).cast_unsigned();
        let mut rows: [Square; SUPER / UNIT / 2] = [[[0; 16]; GROUP]; SUPER / UNIT / 2];
        for (span, units) in units.chunks_mut(SUPER / UNIT).enumerate() {
            for lane in 0..GROUP.min(source.rows - first) {
                let bytes = source.span(first + lane, span);
                blocks_of(source, bytes, direct, to_q4, encode, |i, d, block| {
                    let Some(unit) = units.get_mut(i / 2) else {
                        return;
                    };
                    unit.scale[i % 2][lane] = d;
                    // Two units share a square.
                    let row = &mut rows[i / 4][lane].as_chunks_mut::<{ BLOCK / 4 }>().0[i / 2 % 2];
                    for (both, word) in row.iter_mut().zip(block) {
                        *both = if i % 2 == 0 {
                            word
                        } else {
                            *both | (word << 4)
                        };
                    }
                });
            }
            for (pair, rows) in units.chunks_mut(2).zip(&rows) {
                let mut lines = [[0; 64]; 16];
                turn(s, rows, &mut lines);
                for (unit, lines) in pair.iter_mut().zip(lines.as_chunks().0) {
                    unit.lines = *lines;
                }
            }
        }
    }
}

impl Form for Unit4K {
    const ROWS: usize = GROUP;

    #[inline(always)]
    fn pack<S: Simd>(s: S, source: &Source<'_>, first: usize, units: &mut [Self]) {
        for (span, unit) in units.iter_mut().enumerate() {
            let mut rows: [Square; 2] = [[[0; 16]; GROUP]; 2];
            for lane in 0..GROUP.min(source.rows - first) {
                let bytes = source.span(first + lane, span);
                let Some((head, quants)) = bytes.split_first_chunk::<16>() else {
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
                for (rows, quants) in rows.iter_mut().zip(quants.as_chunks::<64>().0) {
                    rows[lane] = bytemuck::cast(*quants);
                }
            }
            for (rows, lines) in rows.iter().zip(unit.lines.as_chunks_mut::<16>().0) {
                turn(s, rows, lines);
            }
        }
    }
}

impl Form for Line32 {
    const ROWS: usize = FLOAT_GROUP;

    #[inline(always)]
    fn pack<S: Simd>(_: S, source: &Source<'_>, first: usize, lines: &mut [Self]) {
        let mut floats = [0.0; SUPER];
        for (span, lines) in lines.chunks_mut(SUPER).enumerate() {
            for row in 0..FLOAT_GROUP.min(source.rows - first) {
                let floats = dequantised(source, source.span(first + row, span), &mut floats);
                for (line, v) in lines.iter_mut().zip(floats) {
                    line.0.as_flattened_mut()[row] = *v;
                }
            }
        }
    }
}

impl Form for Line16 {
    const ROWS: usize = FLOAT_GROUP;

    #[inline(always)]
    fn pack<S: Simd>(_: S, source: &Source<'_>, first: usize, lines: &mut [Self]) {
        let mut floats = [0.0; SUPER];
        for (span, lines) in lines.chunks_mut(SUPER / 2).enumerate() {
            for row in 0..FLOAT_GROUP.min(source.rows - first) {
                let bytes = source.span(first + row, span);
                if source.format == Format::BF16 {
                    for (line, pair) in lines.iter_mut().zip(bytes.as_chunks().0) {
                        line.0.as_flattened_mut()[row] = u32::from_le_bytes(*pair);
                    }
                    // An odd number of columns ends with half a word.
                    if let ([low, high], Some(line)) = (bytes.as_chunks::<4>().1, lines.last_mut())
                    {
                        line.0.as_flattened_mut()[row] = u32::from_le_bytes([*low, *high, 0, 0]);
                    }
                } else {
                    let floats = dequantised(source, bytes, &mut floats);
                    let half = |v: f32| u32::from(bf16::from_f32(v).to_bits());
                    for (line, pair) in lines.iter_mut().zip(floats.chunks(2)) {
                        let word = pair.iter().rev().fold(0, |word, v| (word << 16) | half(*v));
                        line.0.as_flattened_mut()[row] = word;
                    }
                }
            }
        }
    }
}
