//! The inner loop of products in floats: 32 weight rows by up to twelve rows of activations, all in registers.
//!
//! An output is one chain of multiply-adds along the columns, in order. Long rows are cut into stretches that fit a
//! cache; the chain goes on where it stopped, so cutting changes no bit. bfloat16 weights are widened, which is exact.
#![allow(
    clippy::inline_always,
    reason = "everything below a tier's entry must be compiled with its instructions"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "indices over small constant ranges unroll; zips of zips hide the tile"
)]

use super::layout::{Line16, Line32};
use super::simd::{Kernel, Simd};
use super::tier::Isa;

/// How far ahead of the sum weights are asked for, in bytes.
const AHEAD: usize = 2048;

/// A form of float weights.
pub(super) trait Line: Copy + Send + Sync {
    /// Columns in one line.
    const COLUMNS: usize;

    /// Add this line's columns to the sums of M rows; `x` holds M values for each column.
    fn add<S: Simd, const M: usize>(&self, s: S, x: &[[f32; M]], sums: &mut [[S::F; 2]; M]);
}

impl Line for Line32 {
    const COLUMNS: usize = 1;

    #[inline(always)]
    fn add<S: Simd, const M: usize>(&self, s: S, x: &[[f32; M]], sums: &mut [[S::F; 2]; M]) {
        let w = [s.load(&self.0[0]), s.load(&self.0[1])];
        let Some(x) = x.first() else { return };
        add(s, w, x, sums);
    }
}

impl Line for Line16 {
    const COLUMNS: usize = 2;

    #[inline(always)]
    fn add<S: Simd, const M: usize>(&self, s: S, x: &[[f32; M]], sums: &mut [[S::F; 2]; M]) {
        let (first0, second0) = s.bf16_pair(&self.0[0]);
        let (first1, second1) = s.bf16_pair(&self.0[1]);
        let [x0, x1] = x else { return };
        add(s, [first0, first1], x0, sums);
        add(s, [second0, second1], x1, sums);
    }
}

#[inline(always)]
fn add<S: Simd, const M: usize>(s: S, w: [S::F; 2], x: &[f32; M], sums: &mut [[S::F; 2]; M]) {
    for m in 0..M {
        let v = s.splat(x[m]);
        sums[m] = [s.fma(w[0], v, sums[m][0]), s.fma(w[1], v, sums[m][1])];
    }
}

struct Tile<'a, L: Line, const M: usize> {
    w: &'a [L],
    x: &'a [f32],
    out: &'a mut [[[f32; 16]; 2]],
    resume: bool,
}

impl<L: Line, const M: usize> Kernel for Tile<'_, L, M> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (x, _) = self.x.as_chunks::<M>();
        let Some(out) = self.out.first_chunk_mut::<M>() else {
            return;
        };
        let mut sums = [[s.splat(0.0); 2]; M];
        if self.resume {
            for m in 0..M {
                sums[m] = [s.load(&out[m][0]), s.load(&out[m][1])];
            }
        }
        for (line, x) in self.w.iter().zip(x.chunks_exact(L::COLUMNS)) {
            if M <= 2 {
                s.prefetch(line, AHEAD);
                s.prefetch(line, AHEAD + 64);
            }
            line.add::<S, M>(s, x, &mut sums);
        }
        for m in 0..M {
            s.store(sums[m][0], &mut out[m][0]);
            s.store(sums[m][1], &mut out[m][1]);
        }
    }
}

/// Products of 32 weight rows with `rows` (1..=12) rows of activations, interleaved column by column, to `out`, which is
/// added to where `resume`.
pub(super) fn multiply<L: Line>(
    isa: Isa,
    w: &[L],
    x: &[f32],
    rows: usize,
    out: &mut [[[f32; 16]; 2]],
    resume: bool,
) {
    macro_rules! run {
        ($m:literal) => {
            isa.run(Tile::<L, $m> { w, x, out, resume })
        };
    }
    match rows {
        1 => run!(1),
        2 => run!(2),
        3 => run!(3),
        4 => run!(4),
        5 => run!(5),
        6 => run!(6),
        7 => run!(7),
        8 => run!(8),
        9 => run!(9),
        10 => run!(10),
        11 => run!(11),
        _ => run!(12),
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
