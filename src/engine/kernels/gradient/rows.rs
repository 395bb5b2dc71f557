//! Row by row, both ways: RMS norm, the `SwiGLU` gate, rotary positions, sums of columns.
//!
//! All widths are multiples of sixteen; what is left over of a row that is not is left alone, and the callers refuse such
//! shapes.

use super::super::error::{KernelError, same};
use super::super::exponential::exp;
use super::super::rotary::Rotary;
use super::super::simd::{Kernel, Simd};
use super::Core;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From inputs to outputs.
    Forward,
    /// From gradients of outputs to gradients of inputs.
    Backward,
}

struct Norm<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
    inverse: &'a mut [f32],
}

impl Kernel for Norm<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let d = self.weight.len();
        let (weight, _) = self.weight.as_chunks::<16>();
        let rows = self.x.chunks_exact(d).zip(self.out.chunks_exact_mut(d));
        for ((x, out), inverse) in rows.zip(self.inverse) {
            let (x, out) = (x.as_chunks::<16>().0, out.as_chunks_mut::<16>().0);
            let mut squares = s.splat(0.0);
            for v in x {
                let v = s.load(v);
                squares = s.fma(v, v, squares);
            }
            *inverse = (s.sum(squares) / d as f32 + self.eps).sqrt().recip();
            let by = s.splat(*inverse);
            for ((x, out), w) in x.iter().zip(out).zip(weight) {
                s.store(s.mul(s.mul(s.load(x), by), s.load(w)), out);
            }
        }
    }
}

struct NormBack<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    inverse: &'a [f32],
    d_out: &'a [f32],
    d_x: &'a mut [f32],
    d_weight: &'a mut [f32],
}

impl Kernel for NormBack<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let d = self.weight.len();
        let (weight, _) = self.weight.as_chunks::<16>();
        let (d_weight, _) = self.d_weight.as_chunks_mut::<16>();
        let rows = self.x.chunks_exact(d).zip(self.d_out.chunks_exact(d));
        for (((x, g), d_x), inverse) in rows.zip(self.d_x.chunks_exact_mut(d)).zip(self.inverse) {
            let (x, g) = (x.as_chunks::<16>().0, g.as_chunks::<16>().0);
            let by = s.splat(*inverse);
            let mut dot = s.splat(0.0);
            for i in 0..x.len() {
                let (x, g) = (s.load(&x[i]), s.load(&g[i]));
                let gx = s.mul(s.mul(g, x), by);
                s.store(s.add(s.load(&d_weight[i]), gx), &mut d_weight[i]);
                dot = s.fma(gx, s.load(&weight[i]), dot);
            }
            // With r = 1 / √(mean(x²) + eps): dx = r · (w · g − x · r · mean(w · g · x · r)).
            let mean = s.splat(s.sum(dot) / d as f32 * *inverse);
            let (d_x, _) = d_x.as_chunks_mut::<16>();
            for i in 0..x.len() {
                let own = s.mul(s.load(&weight[i]), s.load(&g[i]));
                let own = s.sub(own, s.mul(s.load(&x[i]), mean));
                s.store(s.fma(own, by, s.load(&d_x[i])), &mut d_x[i]);
            }
        }
    }
}

struct SwiGlu<'a> {
    gate_up: &'a [f32],
    out: &'a mut [f32],
    width: usize,
}

impl Kernel for SwiGlu<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let rows = self.gate_up.chunks_exact(2 * self.width);
        for (row, out) in rows.zip(self.out.chunks_exact_mut(self.width)) {
            let (gate, up) = row.split_at(self.width);
            let pairs = gate.as_chunks::<16>().0.iter().zip(up.as_chunks::<16>().0);
            for ((g, u), out) in pairs.zip(out.as_chunks_mut::<16>().0) {
                let g = s.load(g);
                let bottom = s.add(s.splat(1.0), exp(s, s.sub(s.splat(0.0), g)));
                s.store(s.mul(s.div(g, bottom), s.load(u)), out);
            }
        }
    }
}

struct SwiGluBack<'a> {
    gate_up: &'a mut [f32],
    d_out: &'a [f32],
    width: usize,
}

impl Kernel for SwiGluBack<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let one = s.splat(1.0);
        let rows = self.gate_up.chunks_exact_mut(2 * self.width);
        for (row, d) in rows.zip(self.d_out.chunks_exact(self.width)) {
            let (gate, up) = row.split_at_mut(self.width);
            let (gate, up) = (gate.as_chunks_mut::<16>().0, up.as_chunks_mut::<16>().0);
            for ((gate, up), d) in gate.iter_mut().zip(up).zip(d.as_chunks::<16>().0) {
                let (g, u, d) = (s.load(gate), s.load(up), s.load(d));
                let sigmoid = s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), g))));
                let silu = s.mul(g, sigmoid);
                // d silu / dg = σ · (1 + g · (1 − σ)) = σ + silu · (1 − σ)
                let slope = s.fma(silu, s.sub(one, sigmoid), sigmoid);
                s.store(s.mul(d, s.mul(u, slope)), gate);
                s.store(s.mul(d, silu), up);
            }
        }
    }
}

struct Turn<'a> {
    rows: &'a mut [f32],
    stride: usize,
    heads: usize,
    rotary: &'a Rotary,
    direction: Direction,
}

impl Kernel for Turn<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let way: f32 = match self.direction {
            Direction::Forward => 1.0,
            Direction::Backward => -1.0,
        };
        let half = self.rotary.half();
        for (position, row) in self.rows.chunks_exact_mut(self.stride).enumerate() {
            let (cos, sin) = self.rotary.at(position);
            for head in row.chunks_exact_mut(2 * half).take(self.heads) {
                let (first, second) = head.split_at_mut(half);
                if half.is_multiple_of(16) {
                    let (first, second) = (first.as_chunks_mut().0, second.as_chunks_mut().0);
                    let angles = cos.as_chunks().0.iter().zip(sin.as_chunks().0);
                    for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(angles) {
                        let (x, y) = (s.load(a), s.load(b));
                        let (cos, sin) = (s.load(cos), s.mul(s.splat(way), s.load(sin)));
                        s.store(s.sub(s.mul(x, cos), s.mul(y, sin)), a);
                        s.store(s.fma(x, sin, s.mul(y, cos)), b);
                    }
                } else {
                    let angles = cos.iter().zip(sin);
                    for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(angles) {
                        let (x, y, sin) = (*a, *b, way * sin);
                        *a = x * cos - y * sin;
                        *b = y * cos + x * sin;
                    }
                }
            }
        }
    }
}

struct Columns<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for Columns<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (sums, _) = self.sums.as_chunks_mut::<16>();
        for row in self.rows.chunks_exact(16 * sums.len()) {
            for (sum, v) in sums.iter_mut().zip(row.as_chunks::<16>().0) {
                s.store(s.add(s.load(sum), s.load(v)), sum);
            }
        }
    }
}

/// `numbers` are whole rows of `width`, and those whole sixteens.
fn rows_of(numbers: usize, width: usize) -> Result<usize, KernelError> {
    same("values of a row, in sixteens", width / 16 * 16, width)?;
    let rows = numbers.checked_div(width).unwrap_or(0);
    same("values of whole rows", rows * width, numbers)?;
    Ok(rows)
}

impl Core {
    /// `out` = x · r · weight row by row, with r = 1 / √(mean(x²) + eps) left in `inverse`. Zhang & Sennrich 2019.
    ///
    /// # Errors
    /// Where the sizes do not fit.
    pub fn norm(
        &mut self,
        x: &[f32],
        weight: &[f32],
        eps: f32,
        out: &mut [f32],
        inverse: &mut [f32],
    ) -> Result<(), KernelError> {
        let rows = rows_of(x.len(), weight.len())?;
        same("values of a normed output", x.len(), out.len())?;
        same("inverses of norms", rows, inverse.len())?;
        self.isa.run(Norm {
            x,
            weight,
            eps,
            out,
            inverse,
        });
        Ok(())
    }

    /// Adds to `d_x` and `d_weight` what `d_out` says of them.
    ///
    /// # Errors
    /// Where the sizes do not fit.
    pub fn norm_backward(
        &mut self,
        (x, weight, inverse): (&[f32], &[f32], &[f32]),
        d_out: &[f32],
        d_x: &mut [f32],
        d_weight: &mut [f32],
    ) -> Result<(), KernelError> {
        let rows = rows_of(x.len(), weight.len())?;
        same("values of a norm's gradient", x.len(), d_out.len())?;
        same("values of a norm's gradient", x.len(), d_x.len())?;
        same("weights of a norm", weight.len(), d_weight.len())?;
        same("inverses of norms", rows, inverse.len())?;
        self.isa.run(NormBack {
            x,
            weight,
            inverse,
            d_out,
            d_x,
            d_weight,
        });
        Ok(())
    }

    /// `out` [m, width] = silu(gate) · up from rows of gate ‖ up. Shazeer 2020.
    ///
    /// # Errors
    /// Where the sizes do not fit.
    pub fn gate(
        &mut self,
        gate_up: &[f32],
        width: usize,
        out: &mut [f32],
    ) -> Result<(), KernelError> {
        rows_of(out.len(), width)?;
        same("values of gate and up", 2 * out.len(), gate_up.len())?;
        self.isa.run(SwiGlu {
            gate_up,
            out,
            width,
        });
        Ok(())
    }

    /// `gate_up` is overwritten by its gradient.
    ///
    /// # Errors
    /// Where the sizes do not fit.
    pub fn gate_backward(
        &mut self,
        gate_up: &mut [f32],
        width: usize,
        d_out: &[f32],
    ) -> Result<(), KernelError> {
        rows_of(d_out.len(), width)?;
        same("values of gate and up", 2 * d_out.len(), gate_up.len())?;
        self.isa.run(SwiGluBack {
            gate_up,
            d_out,
            width,
        });
        Ok(())
    }

    /// Turn the first `heads` heads of each row, `stride` apart, by the row's number; backward, gradients by the opposite
    /// angle. Su et al. 2021.
    ///
    /// # Errors
    /// Where the sizes do not fit, or the table is too short.
    pub fn turn(
        &mut self,
        rotary: &Rotary,
        rows: &mut [f32],
        (stride, heads): (usize, usize),
        direction: Direction,
    ) -> Result<(), KernelError> {
        let count = rows.len().checked_div(stride).unwrap_or(0);
        same("values of rotated rows", count * stride, rows.len())?;
        if heads * 2 * rotary.half() > stride || count > rotary.positions() {
            return Err(KernelError::Shape {
                what: "position (the table's end)",
                expected: rotary.positions(),
                found: count,
            });
        }
        self.isa.run(Turn {
            rows,
            stride,
            heads,
            rotary,
            direction,
        });
        Ok(())
    }

    /// Adds each column of `rows` to `sums`: the gradient of a bias.
    ///
    /// # Errors
    /// Where the sizes do not fit.
    pub fn add_columns(&mut self, rows: &[f32], sums: &mut [f32]) -> Result<(), KernelError> {
        rows_of(rows.len(), sums.len())?;
        self.isa.run(Columns { rows, sums });
        Ok(())
    }
}
