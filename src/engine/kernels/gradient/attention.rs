//! Causal attention of one sequence with itself, forward and backward.
//!
//! A lane is a query. For 32 queries at a time the scores of all keys before them stand as lines, a key each, so that the
//! softmax needs no sum across lanes and the lines are at once the weights of the next product: Oᵀ = Vᵀ · Pᵀ. Backward the
//! scores are computed again from the saved logarithm of each query's sum (Dao et al. 2022, without its tiling over keys:
//! a block's lines fit the cache for the lengths that are trained here), dS = P ∘ (dP − D) with D = Σ dO ∘ O; the gradients
//! of keys and values take the same lines transposed, 32 × 32 at a time.
//!
//! Query heads that share keys (Ainslie et al. 2023) add to the same gradient.

use super::super::error::{KernelError, same};
use super::super::exponential::exp;
use super::super::float_tile;
use super::super::inputs::grow;
use super::super::layout::{FLOAT_GROUP, Line32};
use super::super::simd::{Kernel, Simd};
use super::super::tier::Isa;
use super::product::{Lines, SLACK, Strips};
use super::{Core, Matrix};

/// Queries of one block: the lanes of a line.
const BLOCK: usize = FLOAT_GROUP;

/// The shape of attention within rows of q ‖ k ‖ v, [tokens, (heads + 2 · `kv_heads`) · `head_dim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Causal {
    /// Query heads; a multiple of `kv_heads`.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Values of one head; a multiple of 16.
    pub head_dim: usize,
}

impl Causal {
    /// Numbers of a row of q ‖ k ‖ v.
    #[must_use]
    pub fn width(self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    fn check(self, qkv: usize, out: usize, sums: usize) -> Result<usize, KernelError> {
        let wide = self.heads * self.head_dim;
        let tokens = out.checked_div(wide).unwrap_or(0);
        same(
            "values of a head, in sixteens",
            self.head_dim / 16 * 16,
            self.head_dim,
        )?;
        let group = self.heads.checked_div(self.kv_heads).unwrap_or(0);
        same("query heads", group * self.kv_heads, self.heads)?;
        same("values of an attention output", tokens * wide, out)?;
        same("values of q, k and v", tokens * self.width(), qkv)?;
        same("sums of attention", tokens * self.heads, sums)?;
        Ok(tokens)
    }

    /// First columns of a query head, and of the key and value heads that it reads.
    fn columns(self, head: usize) -> [usize; 3] {
        let own = head / (self.heads / self.kv_heads);
        [head, self.heads + own, self.heads + self.kv_heads + own].map(|head| head * self.head_dim)
    }

    fn scale(self) -> f32 {
        (self.head_dim as f32).sqrt().recip()
    }
}

/// Pieces of one head, in the layouts that products take.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Rows are keys, steps are dimensions.
    keys: Vec<f32>,
    values: Vec<f32>,
    /// Rows are dimensions, steps are tokens.
    turned_keys: Vec<f32>,
    turned_values: Vec<f32>,
    turned_queries: Vec<f32>,
    turned_out: Vec<f32>,
    /// Queries and gradients of the output of one block, a dimension a line.
    queries: Vec<Line32>,
    out: Vec<Line32>,
    /// Weights and their gradients, a key a line.
    weights: Vec<Line32>,
    slopes: Vec<Line32>,
    /// A result of one block, a dimension a line.
    result: Vec<Line32>,
    /// Gradients of keys and values: for each 32 keys, a dimension a line.
    by_key: Vec<Line32>,
    by_value: Vec<Line32>,
}

/// A in strips, as [`Strips`] makes them.
#[derive(Clone, Copy)]
struct Cut<'a> {
    strips: &'a [f32],
    rows: usize,
    steps: usize,
}

/// `out` (a line a row of A) = or += A · lines, for the strips that hold the first `wanted` rows of A (`out` has lines for
/// all their rows), and for as many steps from `first` on as there are lines.
fn multiply(
    isa: Isa,
    a: Cut<'_>,
    (wanted, first): (usize, usize),
    lines: &[Line32],
    out: &mut [Line32],
    add: bool,
) {
    let height = isa.blocking().float_rows;
    let count = lines.len().min(a.steps - first);
    let out: &mut [[[f32; 16]; 2]] = bytemuck::cast_slice_mut(out);
    for at in (0..wanted).step_by(height) {
        let tile = height.min(a.rows - at);
        let strip = &a.strips[at * a.steps..][first * tile..(first + count) * tile];
        float_tile::multiply(
            isa,
            &lines[..count],
            strip,
            tile,
            &mut out[at..at + tile],
            add,
        );
    }
}

/// Cut `a`, rows of `steps` steps, into strips.
fn cut<'a>(isa: Isa, a: Matrix<'_>, rows: usize, steps: usize, to: &'a mut Vec<f32>) -> Cut<'a> {
    let strips = grow(to, rows * steps + SLACK);
    isa.run(Strips {
        a,
        from: 0,
        length: steps,
        height: isa.blocking().float_rows,
        to: &mut *strips,
    });
    Cut {
        strips,
        rows,
        steps,
    }
}

/// Lane q of a block that starts at `start` sees keys 0..=start + q and no later ones.
fn mask(lines: &mut [Line32], start: usize) {
    for (after, line) in lines.iter_mut().skip(start).enumerate() {
        let queries = line.0.as_flattened_mut();
        queries[..after.min(BLOCK)].fill(f32::NEG_INFINITY);
    }
}

/// Scores become weights that are not yet divided by their sum.
struct Softmax<'a> {
    lines: &'a mut [Line32],
    scale: f32,
    /// Of each lane: the inverse of the sum.
    inverse: &'a mut Line32,
    /// The logarithm of Σ exp(scale · score).
    log_sum: &'a mut Line32,
}

impl Kernel for Softmax<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let scale = s.splat(self.scale);
        for half in 0..2 {
            let mut most = s.splat(f32::NEG_INFINITY);
            for line in &*self.lines {
                most = s.max(most, s.load(&line.0[half]));
            }
            let top = s.mul(most, scale);
            let mut sum = s.splat(0.0);
            for line in &mut *self.lines {
                let v = s.sub(s.mul(s.load(&line.0[half]), scale), top);
                let v = exp(s, v);
                sum = s.add(sum, v);
                s.store(v, &mut line.0[half]);
            }
            s.store(s.div(s.splat(1.0), sum), &mut self.inverse.0[half]);
            s.store(sum, &mut self.log_sum.0[half]);
            let mut tops = [0.0; 16];
            s.store(top, &mut tops);
            for (sum, top) in self.log_sum.0[half].iter_mut().zip(tops) {
                *sum = sum.ln() + top;
            }
        }
    }
}

/// Scores become weights; `slopes`, the gradients of weights, become those of scores.
struct SoftmaxBack<'a> {
    scores: &'a mut [Line32],
    slopes: &'a mut [Line32],
    scale: f32,
    log_sum: &'a Line32,
    /// D of each lane.
    mean: &'a Line32,
}

impl Kernel for SoftmaxBack<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let scale = s.splat(self.scale);
        for half in 0..2 {
            let (log_sum, mean) = (s.load(&self.log_sum.0[half]), s.load(&self.mean.0[half]));
            for (score, slope) in self.scores.iter_mut().zip(&mut *self.slopes) {
                let p = exp(s, s.sub(s.mul(s.load(&score.0[half]), scale), log_sum));
                s.store(p, &mut score.0[half]);
                let d = s.sub(s.load(&slope.0[half]), mean);
                s.store(s.mul(s.mul(p, d), scale), &mut slope.0[half]);
            }
        }
    }
}

/// Lines, a dimension each, to the columns from `column` on of `rows` rows, a lane each, times `by`.
struct Put<'a> {
    lines: &'a [Line32],
    by: &'a Line32,
    to: &'a mut [f32],
    stride: usize,
    column: usize,
}

impl Kernel for Put<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for half in 0..2 {
            let by = s.load(&self.by.0[half]);
            for (sixteen, lines) in self.lines.as_chunks::<16>().0.iter().enumerate() {
                let mut block = [by; 16];
                for i in 0..16 {
                    block[i] = s.mul(by, s.load(&lines[i].0[half]));
                }
                let block = s.transpose(block);
                let rows = self.to.chunks_mut(self.stride).skip(16 * half);
                for (row, block) in rows.zip(block) {
                    let start = self.column + 16 * sixteen;
                    if let Some(to) = row
                        .get_mut(start..)
                        .and_then(<[f32]>::first_chunk_mut::<16>)
                    {
                        s.store(block, to);
                    }
                }
            }
        }
    }
}

/// 32 lines become their transpose.
struct Transpose<'a> {
    from: &'a [Line32],
    to: &'a mut [Line32; BLOCK],
}

impl Kernel for Transpose<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for down in 0..2 {
            for across in 0..2 {
                let mut block = [s.splat(0.0); 16];
                for (block, line) in block.iter_mut().zip(self.from.iter().skip(16 * down)) {
                    *block = s.load(&line.0[across]);
                }
                let block = s.transpose(block);
                for i in 0..16 {
                    s.store(block[i], &mut self.to[16 * across + i].0[down]);
                }
            }
        }
    }
}

/// Σ a · b over `columns` of each row, to a lane each.
fn dots(a: &[f32], b: &[f32], stride: usize, first: usize, columns: usize) -> Line32 {
    let mut out = ZERO;
    let rows = a.chunks_exact(stride).zip(b.chunks_exact(stride));
    for (out, (a, b)) in out.0.as_flattened_mut().iter_mut().zip(rows) {
        let mut lanes = [0.0_f32; 16];
        let (a, b) = (&a[first..first + columns], &b[first..first + columns]);
        for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
            for i in 0..16 {
                lanes[i] += a[i] * b[i];
            }
        }
        *out = lanes.iter().sum();
    }
    out
}

const ZERO: Line32 = Line32([[0.0; 16]; 2]);
const ONE: Line32 = Line32([[1.0; 16]; 2]);

impl Core {
    /// `out` [tokens, heads · `head_dim`] = softmax(q · kᵀ / √`head_dim`, causal) · v of one sequence, from its rows of
    /// q ‖ k ‖ v; `log_sums` [heads, tokens] is kept for the way back.
    ///
    /// # Errors
    /// Where the sizes do not fit.
    pub fn attend(
        &mut self,
        shape: Causal,
        qkv: &[f32],
        out: &mut [f32],
        log_sums: &mut [f32],
    ) -> Result<(), KernelError> {
        let tokens = shape.check(qkv.len(), out.len(), log_sums.len())?;
        let (isa, d, stride) = (self.isa, shape.head_dim, shape.width());
        let room = &mut self.attention;
        for head in 0..shape.heads {
            let [of_query, of_key, of_value] = shape.columns(head);
            let part = |first| Matrix::columns_of(qkv, stride, first, d);
            let keys = cut(isa, part(of_key), tokens, d, &mut room.keys);
            let turned = part(of_value).turned();
            let values = cut(isa, turned, d, tokens, &mut room.turned_values);
            for start in (0..tokens).step_by(BLOCK) {
                let end = tokens.min(start + BLOCK);
                let queries = grow(&mut room.queries, d);
                isa.run(Lines {
                    b: part(of_query).turned(),
                    from: 0,
                    column: start,
                    to: queries,
                });
                let weights = grow(&mut room.weights, end + BLOCK);
                multiply(isa, keys, (end, 0), queries, weights, false);
                let weights = &mut weights[..end];
                mask(weights, start);
                let (mut inverse, mut log_sum) = (ZERO, ZERO);
                isa.run(Softmax {
                    lines: weights,
                    scale: shape.scale(),
                    inverse: &mut inverse,
                    log_sum: &mut log_sum,
                });
                let result = grow(&mut room.result, d);
                multiply(isa, values, (d, 0), weights, result, false);
                let wide = shape.heads * d;
                isa.run(Put {
                    lines: result,
                    by: &inverse,
                    to: &mut out[start * wide..end * wide],
                    stride: wide,
                    column: of_query,
                });
                log_sums[head * tokens + start..head * tokens + end]
                    .copy_from_slice(&log_sum.0.as_flattened()[..end - start]);
            }
        }
        Ok(())
    }

    /// The way back of [`Self::attend`]: `d_qkv` gets the gradients of q ‖ k ‖ v.
    ///
    /// # Errors
    /// Where the sizes do not fit.
    pub fn attend_backward(
        &mut self,
        shape: Causal,
        qkv: &[f32],
        (out, d_out): (&[f32], &[f32]),
        log_sums: &[f32],
        d_qkv: &mut [f32],
    ) -> Result<(), KernelError> {
        let tokens = shape.check(qkv.len(), out.len(), log_sums.len())?;
        same("values of an output's gradient", out.len(), d_out.len())?;
        same(
            "values of the gradients of q, k and v",
            qkv.len(),
            d_qkv.len(),
        )?;
        let (isa, d, stride) = (self.isa, shape.head_dim, shape.width());
        let (wide, group) = (shape.heads * d, shape.heads / shape.kv_heads);
        let room = &mut self.attention;
        for head in 0..shape.heads {
            let [of_query, of_key, of_value] = shape.columns(head);
            let part = |first| Matrix::columns_of(qkv, stride, first, d);
            let gradient = Matrix::columns_of(d_out, wide, of_query, d);
            let blocks = tokens.div_ceil(BLOCK);
            let cuts = Cuts {
                keys: cut(isa, part(of_key), tokens, d, &mut room.keys),
                values: cut(isa, part(of_value), tokens, d, &mut room.values),
                turned_keys: cut(isa, part(of_key).turned(), d, tokens, &mut room.turned_keys),
                turned_queries: {
                    let turned = part(of_query).turned();
                    cut(isa, turned, d, tokens, &mut room.turned_queries)
                },
                turned_out: cut(isa, gradient.turned(), d, tokens, &mut room.turned_out),
            };
            let by_key = grow(&mut room.by_key, blocks * d);
            let by_value = grow(&mut room.by_value, blocks * d);
            if head % group == 0 {
                by_key.fill(ZERO);
                by_value.fill(ZERO);
            }
            for start in (0..tokens).step_by(BLOCK) {
                let end = tokens.min(start + BLOCK);
                for (b, to) in [
                    (part(of_query), &mut room.queries),
                    (gradient, &mut room.out),
                ] {
                    isa.run(Lines {
                        b: b.turned(),
                        from: 0,
                        column: start,
                        to: grow(to, d),
                    });
                }
                let rows = start * wide..end * wide;
                let mut log_sum = ZERO;
                let known = &log_sums[head * tokens + start..head * tokens + end];
                log_sum.0.as_flattened_mut()[..end - start].copy_from_slice(known);
                let block = Block {
                    isa,
                    scale: shape.scale(),
                    start,
                    end,
                    queries: &room.queries[..d],
                    out: &room.out[..d],
                    log_sum: &log_sum,
                    mean: &dots(&out[rows.clone()], &d_out[rows], wide, of_query, d),
                };
                let lines = (&mut room.weights, &mut room.slopes);
                let result = grow(&mut room.result, d);
                block.backward(&cuts, lines, result, (by_key, by_value));
                isa.run(Put {
                    lines: result,
                    by: &ONE,
                    to: &mut d_qkv[start * stride..end * stride],
                    stride,
                    column: of_query,
                });
            }
            if head % group + 1 == group {
                for (lines, column) in [(&*by_key, of_key), (&*by_value, of_value)] {
                    for (block, lines) in lines.chunks_exact(d).enumerate() {
                        let rows = block * BLOCK..tokens.min((block + 1) * BLOCK);
                        isa.run(Put {
                            lines,
                            by: &ONE,
                            to: &mut d_qkv[rows.start * stride..rows.end * stride],
                            stride,
                            column,
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

/// A head's pieces.
struct Cuts<'a> {
    keys: Cut<'a>,
    values: Cut<'a>,
    turned_keys: Cut<'a>,
    turned_queries: Cut<'a>,
    turned_out: Cut<'a>,
}

/// 32 queries of one head.
struct Block<'a> {
    isa: Isa,
    scale: f32,
    start: usize,
    end: usize,
    /// Queries and the gradients of their outputs, a dimension a line.
    queries: &'a [Line32],
    out: &'a [Line32],
    log_sum: &'a Line32,
    mean: &'a Line32,
}

impl Block<'_> {
    /// `result` gets the gradient of the queries, `sums` are added to: the gradients of keys and values.
    fn backward(
        &self,
        cuts: &Cuts<'_>,
        (scores, slopes): (&mut Vec<Line32>, &mut Vec<Line32>),
        result: &mut [Line32],
        (by_key, by_value): (&mut [Line32], &mut [Line32]),
    ) {
        let (isa, start, end, d) = (self.isa, self.start, self.end, result.len());
        // Whole blocks of keys: those after the end have neither weight nor slope.
        let whole = end.next_multiple_of(BLOCK);
        let scores = grow(scores, whole + BLOCK);
        let slopes = grow(slopes, whole + BLOCK);
        multiply(isa, cuts.keys, (end, 0), self.queries, scores, false);
        multiply(isa, cuts.values, (end, 0), self.out, slopes, false);
        let (scores, slopes) = (&mut scores[..whole], &mut slopes[..whole]);
        mask(&mut scores[..end], start);
        scores[end..].fill(ZERO);
        slopes[end..].fill(ZERO);
        isa.run(SoftmaxBack {
            scores: &mut scores[..end],
            slopes: &mut slopes[..end],
            scale: self.scale,
            log_sum: self.log_sum,
            mean: self.mean,
        });
        multiply(isa, cuts.turned_keys, (d, 0), &slopes[..end], result, false);
        let mut turned = [ZERO; BLOCK];
        for (from, strips, sums) in [
            (&*slopes, cuts.turned_queries, by_key),
            (&*scores, cuts.turned_out, by_value),
        ] {
            for (lines, sums) in from.chunks_exact(BLOCK).zip(sums.chunks_exact_mut(d)) {
                isa.run(Transpose {
                    from: lines,
                    to: &mut turned,
                });
                let own = &turned[..end - start];
                multiply(isa, strips, (d, start), own, sums, true);
            }
        }
    }
}
