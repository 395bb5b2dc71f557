//! Every kernel on every tier of this machine against plain arithmetic, and the promises about order.
//!
//! References are in double precision and follow the file formats' definitions, not the packed layout.
#![expect(clippy::cast_possible_truncation, reason = "test data is small")]

mod attention;
mod formats;
mod products;
mod rows;
mod threads;

use std::time::Duration;

use super::{Cpu, Format, Options, Tier};

/// Numbers that look random and are the same in every run (splitmix64).
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// About normal, with deviation 1.
    pub(super) fn normal(&mut self) -> f32 {
        let sum: f32 = (0..12)
            .map(|_| (self.next() >> 40) as f32 / (1 << 24) as f32)
            .sum();
        sum - 6.0
    }

    pub(super) fn normals(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.normal()).collect()
    }

    /// Rows of random blocks with sensible scales, as a file would hold them.
    pub(super) fn blocks(&mut self, format: Format, rows: usize, columns: usize) -> Vec<u8> {
        let count = rows * columns / format.block_len();
        let mut bytes = Vec::with_capacity(count * format.block_bytes());
        for _ in 0..count {
            let mut block: Vec<u8> = (0..format.block_bytes())
                .map(|_| self.next() as u8)
                .collect();
            let scale =
                half::f16::from_f32(0.01 + 0.01 * (self.next() % 100) as f32 / 100.0).to_le_bytes();
            match format {
                Format::F32 => block.copy_from_slice(&self.normal().to_le_bytes()),
                Format::F16 => {
                    block.copy_from_slice(&half::f16::from_f32(self.normal()).to_le_bytes());
                }
                Format::BF16 => {
                    block.copy_from_slice(&half::bf16::from_f32(self.normal()).to_le_bytes());
                }
                Format::Q4_0 | Format::Q5_0 | Format::Q8_0 => block[..2].copy_from_slice(&scale),
                Format::Q4_1 | Format::Q5_1 => {
                    block[..2].copy_from_slice(&scale);
                    block[2..4].copy_from_slice(&half::f16::from_f32(-0.1).to_le_bytes());
                }
                Format::Q4_K | Format::Q5_K => {
                    block[..2].copy_from_slice(&scale);
                    block[2..4].copy_from_slice(&scale);
                }
                Format::Q6_K => block[208..].copy_from_slice(&scale),
            }
            if format == Format::Q4_0 {
                // Nibbles 1–15 have mean 8, so that the weights have mean 0.
                for byte in &mut block[2..] {
                    *byte = (*byte & 15).max(1) | ((*byte >> 4).max(1) << 4);
                }
            }
            bytes.extend(block);
        }
        bytes
    }
}

/// Every tier that this machine has.
pub(super) fn tiers() -> Vec<Tier> {
    [Tier::Avx512Vnni, Tier::Avx2, Tier::Portable]
        .into_iter()
        .filter(|t| t.is_available())
        .collect()
}

pub(super) fn cpu(tier: Tier, threads: usize) -> Cpu {
    Cpu::new(&Options {
        threads,
        spin: Duration::from_micros(20),
        tier,
        on_start: None,
    })
    .unwrap()
}

/// |a − b| relative to the root mean square of `b`, at worst.
pub(super) fn worst(a: &[f32], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let rms = (b.iter().map(|v| v * v).sum::<f64>() / b.len().max(1) as f64).sqrt();
    let most = a
        .iter()
        .zip(b)
        .map(|(a, b)| (f64::from(*a) - b).abs())
        .fold(0.0, f64::max);
    assert!(a.iter().all(|v| v.is_finite()));
    most / rms.max(1e-30)
}

pub(super) fn bits(v: &[f32]) -> Vec<u32> {
    v.iter().map(|v| v.to_bits()).collect()
}
