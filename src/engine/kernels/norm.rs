//! Row by row: RMS norm, softmax, and the gate of a `SwiGLU` layer.
//!
//! Each row is computed whole by one thread, its sums in sixteen lanes and then a tree, whatever stands beside it.

use super::cpu::Cpu;
use super::deal::Deal;
use super::error::{KernelError, same};
use super::exponential::exp;
use super::simd::{Kernel, Simd};

/// Fewer values than this are not worth waking other threads.
const ALONE: usize = 16 * 1024;

/// Sixteen values of a slice from `start`, `fill` past its end.
#[inline(always)]
pub(super) fn sixteen(x: &[f32], start: usize, fill: f32) -> [f32; 16] {
    let rest = x.get(start..).unwrap_or(&[]);
    if let Some(whole) = rest.first_chunk::<16>() {
        return *whole;
    }
    let mut padded = [fill; 16];
    for (to, v) in padded.iter_mut().zip(rest) {
        *to = *v;
    }
    padded
}

/// Write sixteen lanes as far as the slice goes.
#[inline(always)]
pub(super) fn put<S: Simd>(s: S, v: S::F, out: &mut [f32], start: usize) {
    let Some(rest) = out.get_mut(start..) else {
        return;
    };
    if let Some(whole) = rest.first_chunk_mut::<16>() {
        s.store(v, whole);
        return;
    }
    let mut padded = [0.0; 16];
    s.store(v, &mut padded);
    for (to, v) in rest.iter_mut().zip(padded) {
        *to = v;
    }
}

struct RmsNorm<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for RmsNorm<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let d = self.weight.len();
        for (x, out) in self.x.chunks_exact(d).zip(self.out.chunks_exact_mut(d)) {
            let mut squares = s.splat(0.0);
            for start in (0..d).step_by(16) {
                let v = s.load(&sixteen(x, start, 0.0));
                squares = s.fma(v, v, squares);
            }
            let inverse = s.splat((s.sum(squares) / d as f32 + self.eps).sqrt().recip());
            for start in (0..d).step_by(16) {
                let v = s.mul(s.load(&sixteen(x, start, 0.0)), inverse);
                put(
                    s,
                    s.mul(v, s.load(&sixteen(self.weight, start, 0.0))),
                    out,
                    start,
                );
            }
        }
    }
}

struct Softmax<'a> {
    x: &'a mut [f32],
    columns: usize,
}

impl Kernel for Softmax<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for row in self.x.chunks_exact_mut(self.columns) {
            let mut most = s.splat(f32::NEG_INFINITY);
            for start in (0..row.len()).step_by(16) {
                most = s.max(s.load(&sixteen(row, start, f32::NEG_INFINITY)), most);
            }
            let most = s.splat(s.largest(most));
            let mut sum = s.splat(0.0);
            for start in (0..row.len()).step_by(16) {
                let v = exp(
                    s,
                    s.sub(s.load(&sixteen(row, start, f32::NEG_INFINITY)), most),
                );
                sum = s.add(sum, v);
                put(s, v, row, start);
            }
            let inverse = s.splat(s.sum(sum).recip());
            for start in (0..row.len()).step_by(16) {
                put(
                    s,
                    s.mul(s.load(&sixteen(row, start, 0.0)), inverse),
                    row,
                    start,
                );
            }
        }
    }
}

struct SiluMul<'a> {
    gate: &'a mut [f32],
    up: &'a [f32],
}

impl Kernel for SiluMul<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for start in (0..self.gate.len()).step_by(16) {
            let g = s.load(&sixteen(self.gate, start, 0.0));
            let u = s.load(&sixteen(self.up, start, 0.0));
            let bottom = s.add(s.splat(1.0), exp(s, s.sub(s.splat(0.0), g)));
            put(s, s.mul(s.div(g, bottom), u), self.gate, start);
        }
    }
}

impl Cpu {
    /// `out` [m, d] = x · weight / √(mean(x²) + eps), row by row; d is the length of `weight`. Zhang & Sennrich 2019.
    pub fn rms_norm(
        &self,
        x: &[f32],
        weight: &[f32],
        eps: f32,
        out: &mut [f32],
    ) -> Result<(), KernelError> {
        let d = weight.len();
        same("values of a normed output", x.len(), out.len())?;
        whole_rows(x.len(), d)?;
        self.stretches(out, d, |range, out| {
            let x = x.get(range).unwrap_or(&[]);
            self.isa.run(RmsNorm {
                x,
                weight,
                eps,
                out,
            });
        })
    }

    /// Softmax of each row of `x` [m, columns], in place.
    pub fn softmax(&self, x: &mut [f32], columns: usize) -> Result<(), KernelError> {
        whole_rows(x.len(), columns)?;
        self.stretches(x, columns, |_, x| self.isa.run(Softmax { x, columns }))
    }

    /// `gate` = silu(gate) · up, value by value, with silu(v) = v / (1 + e^−v). Shazeer 2020.
    pub fn silu_mul(&self, gate: &mut [f32], up: &[f32]) -> Result<(), KernelError> {
        same("values of gate and up", gate.len(), up.len())?;
        self.stretches(gate, 16, |range, gate| {
            let up = up.get(range).unwrap_or(&[]);
            self.isa.run(SiluMul { gate, up });
        })
    }

    /// `x` += `y`, value by value: the residual stream.
    pub fn add(&self, x: &mut [f32], y: &[f32]) -> Result<(), KernelError> {
        same("values of a sum", x.len(), y.len())?;
        for (x, y) in x.iter_mut().zip(y) {
            *x += y;
        }
        Ok(())
    }

    /// Call `each` on stretches of whole rows of `data`, side by side where there is enough to do.
    fn stretches(
        &self,
        data: &mut [f32],
        row: usize,
        each: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync,
    ) -> Result<(), KernelError> {
        if data.len() < ALONE {
            let all = 0..data.len();
            each(all, data);
            return Ok(());
        }
        let deal = Deal::flat(data, (ALONE / 4).next_multiple_of(row));
        self.pool.run(&|_, _| {
            while let Some(mut tile) = deal.take() {
                each(tile.columns(), tile.row(0));
            }
        })
    }
}

/// `length` must be a multiple of a row that is not empty.
fn whole_rows(length: usize, row: usize) -> Result<(), KernelError> {
    if row == 0 {
        return Err(KernelError::Shape {
            what: "values of a row",
            expected: 1,
            found: 0,
        });
    }
    same("values in whole rows", length / row * row, length)
}
