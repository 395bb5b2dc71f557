//! Weights, repacked once for the kernels and read from that copy alone.
//!
//! `Q8_0`, `Q4_0` and `Q4_K` keep their values exactly; `Q5_0` fits into 8 bits exactly too. `Q4_1`, `Q5_1`, `Q5_K` and
//! `Q6_K` are quantised again to 8 bits, which adds an error of at most 1/254 of the largest magnitude of each 32
//! weights, plus the rounding of the scale's eleven bits.
//! Floats stay floats unless told otherwise. Sizes are checked here, against the bytes, before anything is read.

use half::{bf16, f16};

use super::block::Format;
use super::cpu::Cpu;
use super::error::{KernelError, same};
use super::layout::{BLOCK, FLOAT_GROUP, GROUP, Line16, Line32, SUPER, UNIT, Unit4, Unit4K, Unit8};
use super::mass::Mass;
use super::repack::{Source, fill, group};

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
    Q8(Mass<Unit8>),
    Q4(Mass<Unit4>),
    Q4K(Mass<Unit4K>),
    F32(Mass<Line32>),
    BF16(Mass<Line16>),
}

/// A weight matrix W of n rows and k columns, for y = x · Wᵀ: n outputs from k inputs.
#[derive(Debug, Clone)]
pub struct Packed {
    rows: usize,
    columns: usize,
    store: Store,
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
        cpu: &Cpu,
    ) -> Result<Self, KernelError> {
        let block = format.block_len();
        if !columns.is_multiple_of(block) {
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
        if matches!(keep, Keep::Q8_0 | Keep::Q4_0) && !columns.is_multiple_of(BLOCK) {
            return Err(KernelError::Block {
                columns,
                block: BLOCK,
            });
        }
        let (units, source) = (columns.div_ceil(UNIT), &source);
        let store = match keep {
            Keep::Q8_0 => Store::Q8(fill(source, units, cpu)?),
            Keep::Q4_0 => Store::Q4(fill(source, units, cpu)?),
            Keep::Stored => Store::Q4K(fill(source, columns / SUPER, cpu)?),
            Keep::F32 => Store::F32(fill(source, columns, cpu)?),
            Keep::BF16 => Store::BF16(fill(source, columns.div_ceil(2), cpu)?),
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
        cpu: &Cpu,
    ) -> Result<Self, KernelError> {
        Self::from_bytes(
            Format::F32,
            rows,
            columns,
            bytemuck::cast_slice(w),
            keep,
            cpu,
        )
    }

    /// Pack half-precision weights [n, k].
    pub fn from_f16(
        rows: usize,
        columns: usize,
        w: &[f16],
        keep: Keep,
        cpu: &Cpu,
    ) -> Result<Self, KernelError> {
        Self::from_bytes(
            Format::F16,
            rows,
            columns,
            bytemuck::cast_slice(w),
            keep,
            cpu,
        )
    }

    /// Pack bfloat16 weights [n, k].
    pub fn from_bf16(
        rows: usize,
        columns: usize,
        w: &[bf16],
        keep: Keep,
        cpu: &Cpu,
    ) -> Result<Self, KernelError> {
        Self::from_bytes(
            Format::BF16,
            rows,
            columns,
            bytemuck::cast_slice(w),
            keep,
            cpu,
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
            Store::Q8(v) => size_of_val(&**v),
            Store::Q4(v) => size_of_val(&**v),
            Store::Q4K(v) => size_of_val(&**v),
            Store::F32(v) => size_of_val(&**v),
            Store::BF16(v) => size_of_val(&**v),
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

    /// One row, k values, as floats: the lookup of an embedding from the same copy that serves as output head.
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
