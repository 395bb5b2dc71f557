//! The inner loops of products in integers: one or two groups of sixteen weight rows by up to twelve rows of activations.
//!
//! Sums of byte products are exact in `i32`; at the end of each block they are scaled and added to a float sum, block
//! after block along the columns. That order is the same for every tile size, so an output does not depend on the rows
//! computed beside it. Products of many rows read [`Panel4K`] and [`Unit8`] panels, whose arithmetic is exactly that of
//! the units they were made from.

use super::layout::{Input, Panel4K, SuperInput, Unit4, Unit4K, Unit8};
use super::simd::{Kernel, Simd};
use super::tier::Isa;

/// How far ahead of the sum weights are asked for, in bytes. Some processors look ahead far enough by themselves where there is
/// little to compute between two lines, others do not even there.
const AHEAD: usize = 3072;

/// A form of weights that has a product.
pub(super) trait Unit: Copy + Send + Sync {
    /// The form of activations that goes with it.
    type Input: Copy + Send + Sync;
    /// Rows of activations up to which two row groups are computed side by side: two streams are read faster than one, as long as
    /// there are registers for both.
    const PAIRED: usize;

    /// Products of G row groups and M rows of activations, whose units are interleaved; FAR where the weights come from memory.
    fn tile<S: Simd, const G: usize, const M: usize, const FAR: bool>(
        s: S,
        w: [&[Self]; G],
        x: &[[Self::Input; M]],
    ) -> [[S::F; M]; G];
}

struct Tile<'a, U: Unit, const G: usize, const M: usize, const FAR: bool> {
    w: [&'a [U]; G],
    x: &'a [U::Input],
    out: &'a mut [[f32; 16]],
}

impl<U: Unit, const G: usize, const M: usize, const FAR: bool> Kernel for Tile<'_, U, G, M, FAR> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (x, _) = self.x.as_chunks::<M>();
        let sums = U::tile::<S, G, M, FAR>(s, self.w, x);
        for g in 0..G {
            for m in 0..M {
                if let Some(out) = self.out.get_mut(g * M + m) {
                    s.store(sums[g][m], out);
                }
            }
        }
    }
}

/// Products of one or two row groups with `rows` (1..=12) rows of activations, to `out[group · rows + row]`. `again` where other
/// rows have just been computed with these groups.
pub(super) fn multiply<U: Unit>(
    isa: Isa,
    w: &[&[U]],
    x: &[U::Input],
    rows: usize,
    again: bool,
    out: &mut [[f32; 16]],
) {
    macro_rules! run {
        ($w:expr, $g:literal, $m:literal, $out:expr) => {
            run!($w, $g, $m, true, $out)
        };
        ($w:expr, $g:literal, $m:literal, $far:literal, $out:expr) => {
            isa.run(Tile::<U, $g, $m, $far> {
                w: $w,
                x,
                out: $out,
            })
        };
    }
    let blocking = isa.blocking();
    if let [first, second] = w
        && blocking.pairs
        && (2..=U::PAIRED).contains(&rows)
    {
        let w = [*first, *second];
        match rows {
            2 => run!(w, 2, 2, out),
            3 => run!(w, 2, 3, out),
            4 => run!(w, 2, 4, out),
            5 => run!(w, 2, 5, out),
            // The tile of many rows, for all but the first of them.
            6 if again => run!(w, 2, 6, false, out),
            6 => run!(w, 2, 6, out),
            7 => run!(w, 2, 7, out),
            _ => run!(w, 2, 8, out),
        }
        return;
    }
    for (w, out) in w.iter().zip(out.chunks_exact_mut(rows)) {
        let w = [*w];
        match rows {
            1 => run!(w, 1, 1, out),
            2 => run!(w, 1, 2, out),
            3 => run!(w, 1, 3, out),
            4 => run!(w, 1, 4, out),
            5 => run!(w, 1, 5, out),
            6 => run!(w, 1, 6, out),
            7 => run!(w, 1, 7, out),
            8 => run!(w, 1, 8, out),
            9 => run!(w, 1, 9, out),
            10 => run!(w, 1, 10, out),
            11 => run!(w, 1, 11, out),
            _ => run!(w, 1, 12, out),
        }
    }
}

impl Unit for Unit8 {
    type Input = Input;
    const PAIRED: usize = 8;

    #[inline(always)]
    fn tile<S: Simd, const G: usize, const M: usize, const FAR: bool>(
        s: S,
        w: [&[Self]; G],
        x: &[[Input; M]],
    ) -> [[S::F; M]; G] {
        let mut sums = [[s.splat(0.0); M]; G];
        for (u, x) in x.iter().enumerate() {
            if FAR {
                for g in 0..G {
                    s.prefetch(&w[g][u].scale, AHEAD);
                }
            }
            for half in 0..2 {
                let mut dots = [[s.signed_start(0); M]; G];
                for m in 0..M {
                    for g in 0..G {
                        dots[g][m] = s.signed_start(x[m].start8[half]);
                    }
                }
                for line in 0..8 {
                    let mut b = [s.signed_weights(&w[0][u].lines[half][line]); G];
                    for g in 1..G {
                        b[g] = s.signed_weights(&w[g][u].lines[half][line]);
                    }
                    if FAR {
                        for g in 0..G {
                            s.prefetch(&w[g][u].lines[half][line], AHEAD);
                        }
                    }
                    for m in 0..M {
                        let four = s.activations(x[m].values[8 * half + line]);
                        for g in 0..G {
                            dots[g][m] = s.signed_dot(dots[g][m], b[g], four);
                        }
                    }
                }
                for g in 0..G {
                    let d = s.scales(&w[g][u].scale[half]);
                    for m in 0..M {
                        let scaled = s.signed_scaled(dots[g][m], d);
                        sums[g][m] = s.fma(scaled, s.splat(x[m].scale[half]), sums[g][m]);
                    }
                }
            }
        }
        sums
    }
}

impl Unit for Unit4 {
    type Input = Input;
    const PAIRED: usize = 6;

    #[inline(always)]
    fn tile<S: Simd, const G: usize, const M: usize, const FAR: bool>(
        s: S,
        w: [&[Self]; G],
        x: &[[Input; M]],
    ) -> [[S::F; M]; G] {
        let mut sums = [[s.splat(0.0); M]; G];
        for (u, x) in x.iter().enumerate() {
            if FAR {
                for g in 0..G {
                    s.prefetch(&w[g][u].scale, AHEAD);
                }
            }
            for half in 0..2 {
                let mut lines = [&w[0][u].lines; G];
                for g in 1..G {
                    lines[g] = &w[g][u].lines;
                }
                let (mut values, mut starts) = ([&[0; 8]; M], [0; M]);
                for m in 0..M {
                    values[m] = &x[m].values.as_chunks::<8>().0[half];
                    starts[m] = x[m].start4[half];
                }
                let dots = if half == 0 {
                    nibbles::<S, G, M, FAR, false>(s, lines, values, starts)
                } else {
                    nibbles::<S, G, M, FAR, true>(s, lines, values, starts)
                };
                for g in 0..G {
                    let d = s.scales(&w[g][u].scale[half]);
                    for m in 0..M {
                        let scaled = s.nibble_scaled(dots[g][m], starts[m], d);
                        sums[g][m] = s.fma(scaled, s.splat(x[m].scale[half]), sums[g][m]);
                    }
                }
            }
        }
        sums
    }
}

/// Sums over 32 columns that lie in the low or the high nibbles of eight lines.
#[inline(always)]
fn nibbles<S: Simd, const G: usize, const M: usize, const FAR: bool, const HIGH: bool>(
    s: S,
    lines: [&[[u8; 64]; 8]; G],
    values: [&[i32; 8]; M],
    starts: [i32; M],
) -> [[S::N; M]; G] {
    let mut dots = [starts.map(|start| s.nibble_start(start)); G];
    for line in 0..8 {
        for g in 0..G {
            let bytes = &lines[g][line];
            // One request a line, spread over the work: in a burst they wait for each other.
            if FAR && !HIGH {
                s.prefetch(bytes, AHEAD);
            }
            let b = if HIGH {
                s.high_nibbles(bytes)
            } else {
                s.low_nibbles(bytes)
            };
            for m in 0..M {
                dots[g][m] = s.nibble_dot(dots[g][m], b, s.activations(values[m][line]));
            }
        }
    }
    dots
}

impl Unit for Unit4K {
    type Input = SuperInput;
    const PAIRED: usize = 6;

    #[inline(always)]
    fn tile<S: Simd, const G: usize, const M: usize, const FAR: bool>(
        s: S,
        w: [&[Self]; G],
        x: &[[SuperInput; M]],
    ) -> [[S::F; M]; G] {
        let mut sums = [[s.splat(0.0); M]; G];
        for (u, x) in x.iter().enumerate() {
            if FAR {
                for g in 0..G {
                    s.prefetch(&w[g][u].d, AHEAD);
                    s.prefetch(&w[g][u].scale, AHEAD);
                    s.prefetch(&w[g][u].scale[4], AHEAD);
                    s.prefetch(&w[g][u].min, AHEAD);
                    s.prefetch(&w[g][u].min[2], AHEAD);
                }
            }
            let mut scaled = [[s.splat(0.0); M]; G];
            for pair in 0..4 {
                let mut lines = [&w[0][u].lines.as_chunks::<8>().0[pair]; G];
                for g in 1..G {
                    lines[g] = &w[g][u].lines.as_chunks::<8>().0[pair];
                }
                for high in 0..2 {
                    let block = 2 * pair + high;
                    let mut values = [&[0; 8]; M];
                    for m in 0..M {
                        values[m] = &x[m].values[block];
                    }
                    let dots = if high == 0 {
                        nibbles::<S, G, M, FAR, false>(s, lines, values, [0; M])
                    } else {
                        nibbles::<S, G, M, FAR, true>(s, lines, values, [0; M])
                    };
                    for g in 0..G {
                        let scale = s.bytes(&w[g][u].scale[block]);
                        for m in 0..M {
                            scaled[g][m] = s.fma(s.nibble_done(dots[g][m]), scale, scaled[g][m]);
                        }
                    }
                }
            }
            for g in 0..G {
                let (d, dmin) = (s.half(&w[g][u].d), s.half(&w[g][u].dmin));
                for m in 0..M {
                    sums[g][m] =
                        close_super(s, sums[g][m], scaled[g][m], d, dmin, &w[g][u].min, &x[m]);
                }
            }
        }
        sums
    }
}

impl Unit for Panel4K {
    type Input = SuperInput;
    const PAIRED: usize = 6;

    #[inline(always)]
    fn tile<S: Simd, const G: usize, const M: usize, const FAR: bool>(
        s: S,
        w: [&[Self]; G],
        x: &[[SuperInput; M]],
    ) -> [[S::F; M]; G] {
        let mut sums = [[s.splat(0.0); M]; G];
        for (u, x) in x.iter().enumerate() {
            let mut scaled = [[s.splat(0.0); M]; G];
            for block in 0..8 {
                let mut dots = [[s.nibble_start(0); M]; G];
                for line in 0..8 {
                    for g in 0..G {
                        let b = s.spread_nibbles(&w[g][u].lines[block][line]);
                        for m in 0..M {
                            dots[g][m] = s.nibble_dot(
                                dots[g][m],
                                b,
                                s.activations(x[m].values[block][line]),
                            );
                        }
                    }
                }
                for g in 0..G {
                    let scale = s.load(&w[g][u].scale[block]);
                    for m in 0..M {
                        scaled[g][m] = s.fma(s.nibble_done(dots[g][m]), scale, scaled[g][m]);
                    }
                }
            }
            for g in 0..G {
                let (d, dmin) = (s.load(&w[g][u].d), s.load(&w[g][u].dmin));
                for m in 0..M {
                    sums[g][m] =
                        close_super(s, sums[g][m], scaled[g][m], d, dmin, &w[g][u].min, &x[m]);
                }
            }
        }
        sums
    }
}

/// Add what 256 columns give: dx · (d · Σ scale · dot − dmin · Σ min · Σx).
#[inline(always)]
fn close_super<S: Simd>(
    s: S,
    sum: S::F,
    scaled: S::F,
    d: S::F,
    dmin: S::F,
    min: &[[[u8; 2]; 16]; 4],
    x: &SuperInput,
) -> S::F {
    let below = s.mul(s.pair_dot(min, &x.sums), dmin);
    let part = s.sub(s.mul(scaled, d), below);
    s.fma(part, s.splat(x.scale), sum)
}
