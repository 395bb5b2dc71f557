//! The blocks in which GGUF files store weights, and their plain meaning.
//!
//! A row is a sequence of blocks of 32 or 256 values, each with its own scales; this file says how long a block is and
//! what its values are. Formulas are those of ggml's reference dequantisers. Nothing here is fast: weights pass through
//! once, when they are packed. Blocks of the wrong length cannot reach it; any content is a valid block.

use half::{bf16, f16};

/// How weights are stored in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(non_camel_case_types, reason = "the names that files use")]
pub enum Format {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// bfloat16.
    BF16,
    /// 4 bits, one scale for 32.
    Q4_0,
    /// 4 bits, scale and minimum for 32.
    Q4_1,
    /// 5 bits, one scale for 32.
    Q5_0,
    /// 5 bits, scale and minimum for 32.
    Q5_1,
    /// 8 bits, one scale for 32.
    Q8_0,
    /// 4 bits, 6-bit scale and minimum for 32, two scales for 256.
    Q4_K,
    /// 5 bits, scales as in `Q4_K`.
    Q5_K,
    /// 6 bits, 8-bit scale for 16, one scale for 256.
    Q6_K,
}

impl Format {
    /// The format of a GGUF tensor's type number; `None` for those that are not read here.
    #[must_use]
    pub fn from_ggml(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4_K,
            13 => Self::Q5_K,
            14 => Self::Q6_K,
            30 => Self::BF16,
            _ => return None,
        })
    }

    /// Values in one block.
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q4_K | Self::Q5_K | Self::Q6_K => 256,
        }
    }

    /// Bytes of one block.
    #[must_use]
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4_K => 144,
            Self::Q5_K => 176,
            Self::Q6_K => 210,
        }
    }

    /// The values of one row. Stops at the shorter of the two.
    #[inline(always)]
    pub fn dequantise(self, bytes: &[u8], out: &mut [f32]) {
        // Blocks of one value are too short to be looked at one by one.
        match self {
            Self::F32 => {
                for (out, v) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *out = f32::from_le_bytes(*v);
                }
                return;
            }
            Self::BF16 => {
                for (out, v) in out.iter_mut().zip(bytes.as_chunks().0) {
                    *out = f32::from_bits(u32::from(u16::from_le_bytes(*v)) << 16);
                }
                return;
            }
            _ => {}
        }
        let blocks = bytes.chunks_exact(self.block_bytes());
        for (block, out) in blocks.zip(out.chunks_exact_mut(self.block_len())) {
            // A block of the right length always matches; the fallback writes nothing.
            let _ = self.one(block, out);
        }
    }

    /// One block. `None` where a length is wrong.
    #[inline(always)]
    fn one(self, block: &[u8], out: &mut [f32]) -> Option<()> {
        match self {
            Self::F32 => *out.first_mut()? = f32::from_le_bytes(*block.first_chunk()?),
            Self::F16 => *out.first_mut()? = half_at(block, 0)?,
            Self::BF16 => *out.first_mut()? = bf16::from_le_bytes(*block.first_chunk()?).to_f32(),
            Self::Q8_0 => {
                let d = half_at(block, 0)?;
                for (out, q) in out.iter_mut().zip(block.get(2..)?) {
                    *out = d * f32::from(q.cast_signed());
                }
            }
            Self::Q4_0 => nibbles(half_at(block, 0)?, -8.0, 0.0, block.get(2..)?, None, out),
            Self::Q4_1 => {
                nibbles(
                    half_at(block, 0)?,
                    0.0,
                    half_at(block, 2)?,
                    block.get(4..)?,
                    None,
                    out,
                );
            }
            Self::Q5_0 => {
                let high = u32::from_le_bytes(*block.get(2..)?.first_chunk()?);
                nibbles(
                    half_at(block, 0)?,
                    -16.0,
                    0.0,
                    block.get(6..)?,
                    Some(high),
                    out,
                );
            }
            Self::Q5_1 => {
                let high = u32::from_le_bytes(*block.get(4..)?.first_chunk()?);
                nibbles(
                    half_at(block, 0)?,
                    0.0,
                    half_at(block, 2)?,
                    block.get(8..)?,
                    Some(high),
                    out,
                );
            }
            Self::Q4_K => five_or_four(block, None, block.get(16..144)?, out)?,
            Self::Q5_K => five_or_four(block, block.get(16..48), block.get(48..176)?, out)?,
            Self::Q6_K => six(block, out)?,
        }
        Some(())
    }
}

/// The half-precision number at a byte offset.
#[inline(always)]
fn half_at(block: &[u8], offset: usize) -> Option<f32> {
    Some(f16::from_le_bytes(*block.get(offset..)?.first_chunk()?).to_f32())
}

/// 32 values: low nibbles first, then high ones, a fifth bit from `high` where there is one.
#[inline(always)]
fn nibbles(d: f32, offset: f32, min: f32, quants: &[u8], high: Option<u32>, out: &mut [f32]) {
    let (low_out, high_out) = out.split_at_mut(out.len() / 2);
    let fifth = |bit: usize| high.map_or(0, |high| ((high >> bit) & 1) << 4);
    for (i, ((low, up), q)) in low_out.iter_mut().zip(high_out).zip(quants).enumerate() {
        let first = u32::from(q & 15) | fifth(i);
        let second = u32::from(q >> 4) | fifth(i + 16);
        *low = d * (first as f32 + offset) + min;
        *up = d * (second as f32 + offset) + min;
    }
}

/// The 6-bit scale and minimum of block `j` (0..8) of a `Q4_K` or `Q5_K` block: the first four lie in the low six bits,
/// the others have their low four bits in the last four bytes and their high two above the first eight.
#[inline(always)]
pub(super) fn scale_and_min(j: usize, packed: &[u8; 12]) -> (u8, u8) {
    if j < 4 {
        (packed[j] & 63, packed[j + 4] & 63)
    } else {
        let j = j.min(7);
        (
            (packed[j + 4] & 15) | (packed[j - 4] >> 6 << 4),
            (packed[j + 4] >> 4) | (packed[j] >> 6 << 4),
        )
    }
}

/// `Q4_K`, or `Q5_K` where `fifth` has the upper bits.
#[inline(always)]
fn five_or_four(block: &[u8], fifth: Option<&[u8]>, quants: &[u8], out: &mut [f32]) -> Option<()> {
    let (d, dmin) = (half_at(block, 0)?, half_at(block, 2)?);
    let scales: &[u8; 12] = block.get(4..)?.first_chunk()?;
    let pairs = quants.chunks_exact(32).zip(out.chunks_exact_mut(64));
    for (pair, (quants, out)) in pairs.enumerate() {
        let (low_out, high_out) = out.split_at_mut(32);
        let (scale, min) = scale_and_min(2 * pair, scales);
        let (low_d, low_min) = (d * f32::from(scale), dmin * f32::from(min));
        let (scale, min) = scale_and_min(2 * pair + 1, scales);
        let (high_d, high_min) = (d * f32::from(scale), dmin * f32::from(min));
        for (i, ((low, up), q)) in low_out.iter_mut().zip(high_out).zip(quants).enumerate() {
            let bits = fifth.and_then(|bits| bits.get(i)).copied().unwrap_or(0) >> (2 * pair);
            *low = low_d * f32::from((q & 15) | ((bits & 1) << 4)) - low_min;
            *up = high_d * f32::from((q >> 4) | ((bits & 2) << 3)) - high_min;
        }
    }
    Some(())
}

/// `Q6_K`: four low bits in 128 bytes, two high ones in 64, sixteen signed scales, one scale of those.
#[inline(always)]
fn six(block: &[u8], out: &mut [f32]) -> Option<()> {
    let d = half_at(block, 208)?;
    let (low, high, scales) = (
        block.get(..128)?.as_chunks::<64>().0,
        block.get(128..192)?.as_chunks::<32>().0,
        block.get(192..208)?.as_chunks::<8>().0,
    );
    let halves = low.iter().zip(high).zip(scales);
    for (((low, high), scales), out) in halves.zip(out.as_chunks_mut::<128>().0) {
        let (quarters, _) = out.as_chunks_mut::<32>();
        for (quarter, out) in quarters.iter_mut().enumerate() {
            let (low, _) = low.as_chunks::<32>();
            let mut sixes = [0_u8; 32];
            for ((six, byte), high) in sixes.iter_mut().zip(&low[quarter % 2]).zip(high) {
                let four = (byte >> (quarter / 2 * 4)) & 15;
                *six = four | (((high >> (2 * quarter)) & 3) << 4);
            }
            let halves = out.as_chunks_mut::<16>().0.iter_mut();
            for (half, (out, sixes)) in halves.zip(sixes.as_chunks::<16>().0).enumerate() {
                let scale = d * f32::from(scales[2 * quarter + half].cast_signed());
                for (out, six) in out.iter_mut().zip(sixes) {
                    *out = scale * (f32::from(*six) - 32.0);
                }
            }
        }
    }
    Some(())
}
