//! The inner loop of products in floats: 32 weight rows by up to twelve rows of activations, all in registers.
//!
//! An output is one chain of multiply-adds along the columns, in order. Long rows are cut into stretches that fit a
//! cache; the chain goes on where it stopped, so cutting changes no bit. bfloat16 weights are widened, which is exact.

use super::layout::{Line16, Line32};
use super::simd::{Kernel, Simd};
use super::tier::Isa;

/// A form of float weights.
pub(super) trait Line: Copy + Send + Sync {
    /// Columns in one line.
    const COLUMNS: usize;

    /// Add this line's columns to the sums of M rows; `x` holds M values for each column. Weights are 16 · H rows from
    /// register `first` on.
    fn add<S: Simd, const M: usize, const H: usize>(
        &self,
        s: S,
        first: usize,
        x: &[[f32; M]],
        sums: &mut [[S::F; H]; M],
    );
}

impl Line for Line32 {
    const COLUMNS: usize = 1;

    #[inline(always)]
    fn add<S: Simd, const M: usize, const H: usize>(
        &self,
        s: S,
        first: usize,
        x: &[[f32; M]],
        sums: &mut [[S::F; H]; M],
    ) {
        let Some(x) = x.first() else { return };
        let mut w = [s.splat(0.0); H];
        for h in 0..H {
            w[h] = s.load(&self.0[(first + h) % 2]);
        }
        add(s, w, x, sums);
    }
}

impl Line for Line16 {
    const COLUMNS: usize = 2;

    #[inline(always)]
    fn add<S: Simd, const M: usize, const H: usize>(
        &self,
        s: S,
        first: usize,
        x: &[[f32; M]],
        sums: &mut [[S::F; H]; M],
    ) {
        let [x0, x1] = x else { return };
        let mut even = [s.splat(0.0); H];
        let mut odd = even;
        for h in 0..H {
            (even[h], odd[h]) = s.bf16_pair(&self.0[(first + h) % 2]);
        }
        add(s, even, x0, sums);
        add(s, odd, x1, sums);
    }
}

#[inline(always)]
fn add<S: Simd, const M: usize, const H: usize>(
    s: S,
    w: [S::F; H],
    x: &[f32; M],
    sums: &mut [[S::F; H]; M],
) {
    for m in 0..M {
        let v = s.splat(x[m]);
        for h in 0..H {
            sums[m][h] = s.fma(w[h], v, sums[m][h]);
        }
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
        // Where registers are few, many rows take the two halves of a line one after the other.
        if S::PAIRS || M <= 2 {
            part::<S, L, M, 2>(s, self.w, x, 0, out, self.resume);
        } else {
            part::<S, L, M, 1>(s, self.w, x, 0, out, self.resume);
            part::<S, L, M, 1>(s, self.w, x, 1, out, self.resume);
        }
    }
}

/// Sums of M rows for 16 · H weight rows from register `first` of each line on.
#[inline(always)]
fn part<S: Simd, L: Line, const M: usize, const H: usize>(
    s: S,
    w: &[L],
    x: &[[f32; M]],
    first: usize,
    out: &mut [[[f32; 16]; 2]; M],
    resume: bool,
) {
    let mut sums = [[s.splat(0.0); H]; M];
    if resume {
        for m in 0..M {
            for h in 0..H {
                sums[m][h] = s.load(&out[m][(first + h) % 2]);
            }
        }
    }
    for (line, x) in w.iter().zip(x.chunks_exact(L::COLUMNS)) {
        line.add::<S, M, H>(s, first, x, &mut sums);
    }
    for m in 0..M {
        for h in 0..H {
            s.store(sums[m][h], &mut out[m][(first + h) % 2]);
        }
    }
}

/// Groups of 32 weight rows that one row of activations meets side by side: its chains alone would wait for each other.
pub(super) const ABREAST: usize = 4;

/// G groups of 32 weight rows with one row of activations.
struct Row<'a, L: Line, const G: usize> {
    w: [&'a [L]; G],
    x: &'a [f32],
    out: &'a mut [[[f32; 16]; 2]; ABREAST],
}

impl<L: Line, const G: usize> Kernel for Row<'_, L, G> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (x, _) = self.x.as_chunks::<1>();
        let lines = self.w.iter().map(|w| w.len()).min().unwrap_or(0);
        let w = self.w.map(|w| w.get(..lines).unwrap_or(&[]));
        let mut sums = [[[s.splat(0.0); 2]; 1]; G];
        for (i, x) in x.chunks_exact(L::COLUMNS).enumerate().take(lines) {
            for g in 0..G {
                w[g][i].add::<S, 1, 2>(s, 0, x, &mut sums[g]);
            }
        }
        for g in 0..G {
            for h in 0..2 {
                s.store(sums[g][0][h], &mut self.out[g][h]);
            }
        }
    }
}

/// Products of one row of activations with 1..=4 groups of 32 weight rows, which lie one after the other in `w`.
pub(super) fn multiply_row<L: Line>(
    isa: Isa,
    w: &[L],
    lines: usize,
    x: &[f32],
    out: &mut [[[f32; 16]; 2]; ABREAST],
) {
    let mut groups = w.chunks_exact(lines.max(1));
    let mut next = || groups.next().unwrap_or(&[]);
    match w.len().checked_div(lines).unwrap_or(0) {
        0 => {}
        1 => isa.run(Row {
            w: [next()],
            x,
            out,
        }),
        2 => isa.run(Row {
            w: [next(), next()],
            x,
            out,
        }),
        3 => isa.run(Row {
            w: [next(), next(), next()],
            x,
            out,
        }),
        _ => isa.run(Row {
            w: [next(), next(), next(), next()],
            x,
            out,
        }),
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
