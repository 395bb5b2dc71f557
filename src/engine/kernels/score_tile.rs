//! The inner loops of attention: blocks of 64 keys against a handful of queries.
//!
//! Keys and values of a block are converted to single precision once for all queries of the work item, keys transposed,
//! so that a lane is a key and no score needs a sum across lanes. Then, for up to four queries at a time: scores, new
//! maximum, weights, weighted sum of values. A key after a query's position has weight zero exactly.

use std::ops::Range;

use super::attention::{Cell, Heads, Sequence, Workspace, sixteen};
use super::exponential::exp;
use super::simd::{Kernel, Simd};

/// Keys of one block.
const KEYS: usize = 64;
/// The same in registers of sixteen.
const LANES: usize = KEYS / 16;

/// Some rows of one sequence with query heads that share keys. The result is left in the workspace's sums.
pub(super) struct Work<'a, C> {
    pub(super) shape: Heads,
    pub(super) scale: f32,
    /// Queries from the sequence's first row on.
    pub(super) q: &'a [f32],
    pub(super) sequence: &'a Sequence<'a, C>,
    /// Rows of the sequence.
    pub(super) rows: Range<usize>,
    /// Query heads.
    pub(super) heads: Range<usize>,
    pub(super) space: &'a mut Workspace,
}

impl<C: Cell> Kernel for Work<'_, C> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            shape,
            scale,
            q,
            sequence,
            rows,
            heads,
            space,
        } = self;
        let d = shape.head_dim;
        let queries = rows.len() * heads.len();
        let kv_head = heads.start / (shape.heads / shape.kv_heads);
        let end = sequence.past + rows.end;

        space.keys.resize(d * KEYS, 0.0);
        space.values.resize(d * KEYS, 0.0);
        space.queries.clear();
        space.positions.clear();
        for row in rows.clone() {
            for head in heads.clone() {
                let start = (row * shape.heads + head) * d;
                space.queries.extend(
                    q.get(start..start + d)
                        .unwrap_or(&[])
                        .iter()
                        .map(|v| v * scale),
                );
                space.positions.push(sequence.past + row);
            }
        }
        space.sums.clear();
        space.sums.resize(queries * d, 0.0);
        space.most.clear();
        space.most.resize(queries, f32::NEG_INFINITY);
        space.weight.clear();
        space.weight.resize(queries, [0.0; 16]);

        for start in (0..end).step_by(KEYS) {
            let keys = start..end.min(start + KEYS);
            load(s, shape, kv_head, sequence, keys, space);
            // Queries that lie before the block are the first ones.
            let mut at = space.positions.partition_point(|p| *p < start);
            while at < queries {
                if S::PAIRS && at + 4 <= queries {
                    tile::<S, 4>(s, d, start, at, space);
                    at += 4;
                } else {
                    tile::<S, 1>(s, d, start, at, space);
                    at += 1;
                }
            }
        }
        for (sums, weight) in space.sums.chunks_exact_mut(d).zip(&space.weight) {
            let inverse = s.splat(s.sum(s.load(weight)).recip());
            for part in sums.as_chunks_mut::<16>().0 {
                s.store(s.mul(s.load(part), inverse), part);
            }
        }
    }
}

/// Convert a block of keys and values; what lies past its end becomes zero.
#[inline(always)]
fn load<S: Simd, C: Cell>(
    s: S,
    shape: Heads,
    kv_head: usize,
    sequence: &Sequence<'_, C>,
    keys: Range<usize>,
    space: &mut Workspace,
) {
    let d = shape.head_dim;
    let row = |position: usize| -> Option<Range<usize>> {
        let start = ((position % shape.page_tokens) * shape.kv_heads + kv_head) * d;
        keys.contains(&position).then_some(start..start + d)
    };
    for lane in 0..LANES {
        let first = keys.start + 16 * lane;
        let mut sources: [&[C]; 16] = [&[]; 16];
        for (i, source) in sources.iter_mut().enumerate() {
            let position = first + i;
            if let (Some(range), Some(page)) = (
                row(position),
                sequence.keys.get(position / shape.page_tokens),
            ) {
                *source = page.get(range).unwrap_or(&[]);
            }
        }
        for column in (0..d).step_by(16) {
            let mut block = [s.splat(0.0); 16];
            for i in 0..16 {
                if let Some(part) = sources[i].get(column..).and_then(|p| p.first_chunk::<16>()) {
                    block[i] = sixteen(s, part);
                }
            }
            let block = s.transpose(block);
            for i in 0..16 {
                let at = (column + i) * KEYS + 16 * lane;
                if let Some(to) = space
                    .keys
                    .get_mut(at..)
                    .and_then(|k| k.first_chunk_mut::<16>())
                {
                    s.store(block[i], to);
                }
            }
        }
    }
    for (i, out) in space
        .values
        .chunks_exact_mut(d)
        .enumerate()
        .take(keys.len())
    {
        let position = keys.start + i;
        let (Some(range), Some(page)) = (
            row(position),
            sequence.values.get(position / shape.page_tokens),
        ) else {
            continue;
        };
        let from = page.get(range).unwrap_or(&[]);
        for (to, from) in out
            .as_chunks_mut::<16>()
            .0
            .iter_mut()
            .zip(from.as_chunks::<16>().0)
        {
            s.store(sixteen(s, from), to);
        }
    }
}

/// Q queries from `at` against the block of keys that starts at position `start`.
#[inline(always)]
fn tile<S: Simd, const Q: usize>(s: S, d: usize, start: usize, at: usize, space: &mut Workspace) {
    let Workspace {
        keys,
        values,
        queries,
        sums,
        most,
        weight,
        positions,
    } = space;
    let queries: [&[f32]; Q] =
        std::array::from_fn(|i| queries.get((at + i) * d..(at + i + 1) * d).unwrap_or(&[]));

    let mut scores = [[s.splat(0.0); LANES]; Q];
    let (keys, _) = keys.as_chunks::<16>();
    let (keys, _) = keys.as_chunks::<LANES>();
    for (column, keys) in keys.iter().take(d).enumerate() {
        let mut k = [s.splat(0.0); LANES];
        for l in 0..LANES {
            k[l] = s.load(&keys[l]);
        }
        for i in 0..Q {
            let v = s.splat(queries[i][column]);
            for l in 0..LANES {
                scores[i][l] = s.fma(v, k[l], scores[i][l]);
            }
        }
    }

    let mut weights = [[0.0_f32; KEYS]; Q];
    let mut shrink = [s.splat(1.0); Q];
    let mut last = 0;
    for i in 0..Q {
        let seen = (positions[at + i] + 1).saturating_sub(start).min(KEYS);
        if seen == 0 {
            continue;
        }
        last = last.max(seen);
        let (parts, _) = weights[i].as_chunks_mut::<16>();
        for l in 0..LANES {
            s.store(scores[i][l], &mut parts[l]);
        }
        for masked in &mut parts.as_flattened_mut()[seen..] {
            *masked = f32::NEG_INFINITY;
        }
        let mut lanes = [s.splat(0.0); LANES];
        for l in 0..LANES {
            lanes[l] = s.load(&parts[l]);
        }
        let largest = s.largest(s.max(s.max(lanes[0], lanes[1]), s.max(lanes[2], lanes[3])));
        let before = most[at + i];
        let now = if largest > before { largest } else { before };
        most[at + i] = now;
        shrink[i] = exp(s, s.splat(before - now));
        let mut total = s.mul(s.load(&weight[at + i]), shrink[i]);
        for l in 0..LANES {
            let p = exp(s, s.sub(lanes[l], s.splat(now)));
            total = s.add(total, p);
            s.store(p, &mut parts[l]);
        }
        s.store(total, &mut weight[at + i]);
    }

    let mut column = 0;
    while column + 64 <= d {
        values_of::<S, Q, 4>(s, d, column, last, values, &weights, &shrink, at, sums);
        column += 64;
    }
    while column < d {
        values_of::<S, Q, 1>(s, d, column, last, values, &weights, &shrink, at, sums);
        column += 16;
    }
}

/// Add the weighted values of 16 · W columns to the sums of Q queries.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "one caller; a struct would be built in the inner loop"
)]
fn values_of<S: Simd, const Q: usize, const W: usize>(
    s: S,
    d: usize,
    column: usize,
    last: usize,
    values: &[f32],
    weights: &[[f32; KEYS]; Q],
    shrink: &[S::F; Q],
    at: usize,
    sums: &mut [f32],
) {
    let mut acc = [[s.splat(0.0); W]; Q];
    for i in 0..Q {
        let from = &sums[(at + i) * d + column..][..16 * W];
        let (from, _) = from.as_chunks::<16>();
        for w in 0..W {
            acc[i][w] = s.mul(s.load(&from[w]), shrink[i]);
        }
    }
    for (j, row) in values.chunks_exact(d).enumerate().take(last) {
        let (row, _) = row[column..].as_chunks::<16>();
        let row = &row[..W];
        for i in 0..Q {
            let p = s.splat(weights[i][j % KEYS]);
            for w in 0..W {
                acc[i][w] = s.fma(p, s.load(&row[w]), acc[i][w]);
            }
        }
    }
    for i in 0..Q {
        let to = &mut sums[(at + i) * d + column..][..16 * W];
        let (to, _) = to.as_chunks_mut::<16>();
        for w in 0..W {
            s.store(acc[i][w], &mut to[w]);
        }
    }
}
