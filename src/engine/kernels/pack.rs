//! Weights, repacked once for the kernels and read from that copy alone.
//!
//! `Q8_0`, `Q4_0` and `Q4_K` keep their values exactly; `Q5_0` fits into 8 bits exactly too. `Q4_1`, `Q5_1`, `Q5_K` and
//! `Q6_K` are quantised again to 8 bits, which adds an error of at most 1/254 of the largest magnitude of each 32
//! weights (about 0.3 % of their RMS for normal weights; a `Q6_K` block itself is 1.5–2 % away from what it encodes).
//! Floats stay floats unless told otherwise. Sizes are checked here, against the bytes, before anything is read.

use bytemuck::Zeroable;
use half::{bf16, f16};

use super::block::{Format, scale_and_min};
use super::deal::Deal;
use super::error::{KernelError, same};
use super::layout::{BLOCK, FLOAT_GROUP, GROUP, Line16, Line32, SUPER, UNIT, Unit4, Unit4K, Unit8};
use super::pool::Pool;
use super::quantise::{to_q4, to_q8};

/// In which form to keep weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// As near to the stored form as there is: see the module. Half precision becomes single.
    #[default]
    Stored,
    /// Single precision.
    F32,
    /// bfloat16, half of the memory of single precision.
    BF16,
    /// 8 bits: 17/16 bytes a weight.
    Q8_0,
    /// 4 bits: 9/16 bytes a weight.
    Q4_0,
}

/// The packed copy, by its form.
#[derive(Debug, Clone)]
pub(super) enum Store {
    Q8(Vec<Unit8>),
    Q4(Vec<Unit4>),
    Q4K(Vec<Unit4K>),
    F32(Vec<Line32>),
    BF16(Vec<Line16>),
}

/// A weight matrix W of n rows and k columns, for y = x · Wᵀ: n outputs from k inputs.
#[derive(Debug, Clone)]
pub struct Packed {
    rows: usize,
    columns: usize,
    store: Store,
}

/// Stored weights, with sizes that have been checked.
#[derive(Clone, Copy)]
struct Source<'a> {
    format: Format,
    bytes: &'a [u8],
    rows: usize,
    columns: usize,
}

impl<'a> Source<'a> {
    fn row(&self, row: usize) -> &'a [u8] {
        let length = self.columns / self.format.block_len() * self.format.block_bytes();
        self.bytes
            .get(row * length..(row + 1) * length)
            .unwrap_or(&[])
    }
}

impl Packed {
    /// Pack `rows` × `columns` weights, row after row, in the layout of GGUF (which for floats is plain little-endian,
    /// as in safetensors). Columns must be a multiple of the format's block, and of 32 to be quantised.
    pub fn from_bytes(
        format: Format,
        rows: usize,
        columns: usize,
        bytes: &[u8],
        keep: Keep,
        pool: &Pool,
    ) -> Result<Self, KernelError> {
        let block = format.block_len();
        if columns % block != 0 {
            return Err(KernelError::Block { columns, block });
        }
        let expected = rows
            .checked_mul(columns / block)
            .and_then(|blocks| blocks.checked_mul(format.block_bytes()))
            .ok_or(KernelError::TooLarge)?;
        same("bytes of a weight matrix", expected, bytes.len())?;
        if rows == 0 || columns == 0 {
            return Err(KernelError::Shape {
                what: "values of a weight matrix",
                expected: 1,
                found: 0,
            });
        }
        let source = Source {
            format,
            bytes,
            rows,
            columns,
        };
        let keep = match (keep, format) {
            (Keep::Stored, Format::F32 | Format::F16) => Keep::F32,
            (Keep::Stored, Format::BF16) => Keep::BF16,
            (Keep::Stored, Format::Q4_0) => Keep::Q4_0,
            (Keep::Stored, Format::Q4_K) => Keep::Stored,
            (Keep::Stored, _) => Keep::Q8_0,
            (keep, _) => keep,
        };
        if matches!(keep, Keep::Q8_0 | Keep::Q4_0) && columns % BLOCK != 0 {
            return Err(KernelError::Block {
                columns,
                block: BLOCK,
            });
        }
        let store = match keep {
            Keep::Q8_0 => Store::Q8(fill(source, GROUP, columns.div_ceil(UNIT), pool, eight)?),
            Keep::Q4_0 => Store::Q4(fill(source, GROUP, columns.div_ceil(UNIT), pool, four)?),
            Keep::Stored => Store::Q4K(fill(source, GROUP, columns / SUPER, pool, four_k)?),
            Keep::F32 => Store::F32(fill(source, FLOAT_GROUP, columns, pool, single)?),
            Keep::BF16 => Store::BF16(fill(source, FLOAT_GROUP, columns.div_ceil(2), pool, brain)?),
        };
        Ok(Self {
            rows,
            columns,
            store,
        })
    }

    /// Pack single-precision weights [n, k].
    pub fn from_f32(
        rows: usize,
        columns: usize,
        w: &[f32],
        keep: Keep,
        pool: &Pool,
    ) -> Result<Self, KernelError> {
        Self::from_bytes(
            Format::F32,
            rows,
            columns,
            bytemuck::cast_slice(w),
            keep,
            pool,
        )
    }

    /// Pack half-precision weights [n, k].
    pub fn from_f16(
        rows: usize,
        columns: usize,
        w: &[f16],
        keep: Keep,
        pool: &Pool,
    ) -> Result<Self, KernelError> {
        Self::from_bytes(
            Format::F16,
            rows,
            columns,
            bytemuck::cast_slice(w),
            keep,
            pool,
        )
    }

    /// Pack bfloat16 weights [n, k].
    pub fn from_bf16(
        rows: usize,
        columns: usize,
        w: &[bf16],
        keep: Keep,
        pool: &Pool,
    ) -> Result<Self, KernelError> {
        Self::from_bytes(
            Format::BF16,
            rows,
            columns,
            bytemuck::cast_slice(w),
            keep,
            pool,
        )
    }

    /// n, the number of outputs.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// k, the number of inputs.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Memory that it takes, padding included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.store {
            Store::Q8(v) => size_of_val(v.as_slice()),
            Store::Q4(v) => size_of_val(v.as_slice()),
            Store::Q4K(v) => size_of_val(v.as_slice()),
            Store::F32(v) => size_of_val(v.as_slice()),
            Store::BF16(v) => size_of_val(v.as_slice()),
        }
    }

    /// The name of the form in which it is kept.
    #[must_use]
    pub fn form(&self) -> &'static str {
        match &self.store {
            Store::Q8(_) => "q8_0",
            Store::Q4(_) => "q4_0",
            Store::Q4K(_) => "q4_K",
            Store::F32(_) => "f32",
            Store::BF16(_) => "bf16",
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// One row, [k], as floats: the lookup of an embedding from the same copy that serves as output head.
    pub fn row(&self, row: usize, out: &mut [f32]) -> Result<(), KernelError> {
        same("values of a row", self.columns, out.len())?;
        if row >= self.rows {
            return Err(KernelError::Shape {
                what: "row of a matrix",
                expected: self.rows,
                found: row,
            });
        }
        match &self.store {
            Store::Q8(units) => {
                let r = row % GROUP;
                for (unit, out) in group(units, row / GROUP, self.columns.div_ceil(UNIT))
                    .iter()
                    .zip(out.chunks_mut(UNIT))
                {
                    for (i, out) in out.iter_mut().enumerate() {
                        let (half, line, byte) = (i / 32, i % 32 / 4, 4 * r + i % 4);
                        let q = unit.lines[half][line][byte] ^ 0x80;
                        *out = unit.scale[half][r].to_f32() * f32::from(q.cast_signed());
                    }
                }
            }
            Store::Q4(units) => {
                let r = row % GROUP;
                for (unit, out) in group(units, row / GROUP, self.columns.div_ceil(UNIT))
                    .iter()
                    .zip(out.chunks_mut(UNIT))
                {
                    for (i, out) in out.iter_mut().enumerate() {
                        let (half, line, byte) = (i / 32, i % 32 / 4, 4 * r + i % 4);
                        let q = (unit.lines[line][byte] >> (4 * half)) & 15;
                        *out = unit.scale[half][r].to_f32() * (f32::from(q) - 8.0);
                    }
                }
            }
            Store::Q4K(units) => {
                let r = row % GROUP;
                for (unit, out) in group(units, row / GROUP, self.columns / SUPER)
                    .iter()
                    .zip(out.chunks_mut(SUPER))
                {
                    let (d, dmin) = (unit.d[r].to_f32(), unit.dmin[r].to_f32());
                    for (i, out) in out.iter_mut().enumerate() {
                        let block = i / 32;
                        let q = unit.lines[block / 2 * 8 + i % 32 / 4][4 * r + i % 4]
                            >> (4 * (block % 2))
                            & 15;
                        let min = dmin * f32::from(unit.min[block / 2][r][block % 2]);
                        *out = d * f32::from(unit.scale[block][r]) * f32::from(q) - min;
                    }
                }
            }
            Store::F32(lines) => {
                let r = row % FLOAT_GROUP;
                for (line, out) in group(lines, row / FLOAT_GROUP, self.columns)
                    .iter()
                    .zip(out)
                {
                    *out = line.0[r / 16][r % 16];
                }
            }
            Store::BF16(lines) => {
                let r = row % FLOAT_GROUP;
                for (line, out) in group(lines, row / FLOAT_GROUP, self.columns.div_ceil(2))
                    .iter()
                    .zip(out.chunks_mut(2))
                {
                    for (i, out) in out.iter_mut().enumerate() {
                        let word = line.0[r / 16][r % 16];
                        *out = f32::from_bits(if i == 0 {
                            word << 16
                        } else {
                            word & 0xffff_0000
                        });
                    }
                }
            }
        }
        Ok(())
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
fn fill<T: Zeroable + Send>(
    source: Source<'_>,
    group_rows: usize,
    units: usize,
    pool: &Pool,
    pack_row: fn(&Source<'_>, usize, usize, &mut [T]),
) -> Result<Vec<T>, KernelError> {
    let groups = source.rows.div_ceil(group_rows);
    let length = groups.checked_mul(units).ok_or(KernelError::TooLarge)?;
    let mut out: Vec<T> =
        bytemuck::allocation::try_zeroed_vec(length).map_err(|()| KernelError::TooLarge)?;
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

fn eight(source: &Source<'_>, row: usize, lane: usize, units: &mut [Unit8]) {
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

fn four(source: &Source<'_>, row: usize, lane: usize, units: &mut [Unit4]) {
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

fn four_k(source: &Source<'_>, row: usize, lane: usize, units: &mut [Unit4K]) {
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

fn single(source: &Source<'_>, row: usize, lane: usize, lines: &mut [Line32]) {
    floats_of(source, row, |i, v| {
        if let Some(line) = lines.get_mut(i) {
            line.0[lane / 16][lane % 16] = v;
        }
    });
}

fn brain(source: &Source<'_>, row: usize, lane: usize, lines: &mut [Line16]) {
    floats_of(source, row, |i, v| {
        if let Some(line) = lines.get_mut(i / 2) {
            line.0[lane / 16][lane % 16] |=
                u32::from(bf16::from_f32(v).to_bits()) << (16 * (i % 2));
        }
    });
}
