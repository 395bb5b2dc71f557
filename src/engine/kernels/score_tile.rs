//! The inner loops of attention: blocks of 64 keys against a handful of queries.
//!
//! Keys lie in their pages with a lane for each key, so no score needs a sum across lanes. For up to four queries at a
//! time: scores, new maximum, weights, weighted sum of values. A key after a query's position has weight zero exactly. Few
//! queries read the pages; for many, a block is first converted to single precision, which changes nothing in what
//! comes out.

use std::ops::Range;

use super::attention::{Cell, Heads, Running, Sequence, Workspace, sixteen};
use super::exponential::exp;
use super::simd::{Kernel, Simd};

/// Keys of one block.
const KEYS: usize = 64;
/// The same in registers of sixteen.
const LANES: usize = KEYS / 16;
/// Most queries for which a block is read from its pages.
const FEW: usize = 8;

/// A block of keys and values, sixteen positions at a time.
struct Block<'a, C> {
    /// Sixteen keys' first columns, then every `key_stride` cells the next ones; empty where there is no page.
    keys: [&'a [C]; LANES],
    key_stride: usize,
    /// The first of sixteen positions' values, then every `value_stride` cells the next one's.
    values: [&'a [C]; LANES],
    value_stride: usize,
}

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
        let running = &mut space.running;
        running.queries.clear();
        running.positions.clear();
        for row in rows.clone() {
            for head in heads.clone() {
                let start = (row * shape.heads + head) * d;
                running.queries.extend(
                    q.get(start..start + d)
                        .unwrap_or(&[])
                        .iter()
                        .map(|v| v * scale),
                );
                running.positions.push(sequence.past + row);
            }
        }
        running.sums.clear();
        running.sums.resize(queries * d, 0.0);
        running.most.clear();
        running.most.resize(queries, f32::NEG_INFINITY);
        running.weight.clear();
        running.weight.resize(queries, [0.0; 16]);

        for start in (0..end).step_by(KEYS) {
            let block = paged(shape, kv_head, sequence, start);
            // Queries that lie before the block are the first ones.
            let at = space.running.positions.partition_point(|p| *p < start);
            if queries - at <= FEW {
                tiles(s, d, start, at, &block, &mut space.running);
            } else {
                convert(s, d, &block, &mut space.keys, &mut space.values);
                let block = Block {
                    keys: std::array::from_fn(|l| space.keys.get(16 * l..).unwrap_or(&[])),
                    key_stride: KEYS,
                    values: std::array::from_fn(|l| space.values.get(16 * l * d..).unwrap_or(&[])),
                    value_stride: d,
                };
                tiles(s, d, start, at, &block, &mut space.running);
            }
        }
        let running = &mut space.running;
        for (sums, weight) in running.sums.chunks_exact_mut(d).zip(&running.weight) {
            let inverse = s.splat(s.sum(s.load(weight)).recip());
            for part in sums.as_chunks_mut::<16>().0 {
                s.store(s.mul(s.load(part), inverse), part);
            }
        }
    }
}

/// The block of positions from `start`, where it lies in the pages.
#[inline(always)]
fn paged<'a, C: Cell>(
    shape: Heads,
    kv_head: usize,
    sequence: &Sequence<'a, C>,
    start: usize,
) -> Block<'a, C> {
    let (d, tokens) = (shape.head_dim, shape.page_tokens);
    let part = |pages: &'a [&'a [C]], lane: usize, from: usize| -> &'a [C] {
        let page = pages.get((start + 16 * lane) / tokens);
        page.and_then(|page| page.get(from..)).unwrap_or(&[])
    };
    let offset = |lane: usize| (start + 16 * lane) % tokens;
    Block {
        keys: std::array::from_fn(|l| part(sequence.keys, l, kv_head * d * tokens + offset(l))),
        key_stride: tokens,
        values: std::array::from_fn(|l| {
            part(
                sequence.values,
                l,
                (offset(l) * shape.kv_heads + kv_head) * d,
            )
        }),
        value_stride: shape.kv_heads * d,
    }
}

/// A block in single precision: `keys` [d, KEYS] and `values` [KEYS, d]. What no page holds stays what it was.
#[inline(always)]
fn convert<S: Simd, C: Cell>(
    s: S,
    d: usize,
    block: &Block<'_, C>,
    keys: &mut [f32],
    values: &mut [f32],
) {
    let (columns, _) = keys.as_chunks_mut::<16>();
    let (columns, _) = columns.as_chunks_mut::<LANES>();
    for l in 0..LANES {
        let from = block.keys[l].chunks(block.key_stride);
        for (to, from) in columns.iter_mut().zip(from).take(d) {
            if let Some(from) = from.first_chunk::<16>() {
                s.store(sixteen(s, from), &mut to[l]);
            }
        }
    }
    for (to, from) in values.chunks_exact_mut(16 * d).zip(block.values) {
        for (to, from) in to.chunks_exact_mut(d).zip(from.chunks(block.value_stride)) {
            let (to, _) = to.as_chunks_mut::<16>();
            let (from, _) = from.as_chunks::<16>();
            for (to, from) in to.iter_mut().zip(from) {
                s.store(sixteen(s, from), to);
            }
        }
    }
}

/// All queries from `at` on against a block that starts at position `start`.
#[inline(always)]
fn tiles<S: Simd, C: Cell>(
    s: S,
    d: usize,
    start: usize,
    mut at: usize,
    block: &Block<'_, C>,
    running: &mut Running,
) {
    while at < running.positions.len() {
        if S::PAIRS && at + 4 <= running.positions.len() {
            tile::<S, C, 4>(s, d, start, at, block, running);
            at += 4;
        } else {
            tile::<S, C, 1>(s, d, start, at, block, running);
            at += 1;
        }
    }
}

/// Q queries from `at` against the block that starts at position `start`.
#[inline(always)]
fn tile<S: Simd, C: Cell, const Q: usize>(
    s: S,
    d: usize,
    start: usize,
    at: usize,
    block: &Block<'_, C>,
    running: &mut Running,
) {
    let Running {
        queries,
        sums,
        most,
        weight,
        positions,
    } = running;
    let queries: [&[f32]; Q] =
        std::array::from_fn(|i| queries.get((at + i) * d..(at + i + 1) * d).unwrap_or(&[]));

    let mut scores = [[s.splat(0.0); LANES]; Q];
    let mut rest = block.keys;
    for column in 0..d {
        let mut k = [s.splat(0.0); LANES];
        for l in 0..LANES {
            if let Some(keys) = rest[l].first_chunk::<16>() {
                k[l] = sixteen(s, keys);
            }
            rest[l] = rest[l].get(block.key_stride..).unwrap_or(&[]);
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
        values_of::<S, C, Q, 4>(s, d, column, last, block, &weights, &shrink, at, sums);
        column += 64;
    }
    if column + 32 <= d {
        values_of::<S, C, Q, 2>(s, d, column, last, block, &weights, &shrink, at, sums);
        column += 32;
    }
    if column < d {
        values_of::<S, C, Q, 1>(s, d, column, last, block, &weights, &shrink, at, sums);
    }
}

/// Add the weighted values of 16 · W columns to the sums of Q queries.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "one caller; a struct would be built in the inner loop"
)]
fn values_of<S: Simd, C: Cell, const Q: usize, const W: usize>(
    s: S,
    d: usize,
    column: usize,
    last: usize,
    block: &Block<'_, C>,
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
    for (l, group) in block.values.iter().enumerate() {
        let left = last.saturating_sub(16 * l).min(16);
        let mut rest = group.get(column..).unwrap_or(&[]);
        for j in 0..left {
            let (row, _) = rest.as_chunks::<16>();
            let Some(row) = row.first_chunk::<W>() else {
                break;
            };
            let mut v = [s.splat(0.0); W];
            for w in 0..W {
                v[w] = sixteen(s, &row[w]);
            }
            for i in 0..Q {
                let p = s.splat(weights[i][(16 * l + j) % KEYS]);
                for w in 0..W {
                    acc[i][w] = s.fma(p, v[w], acc[i][w]);
                }
            }
            rest = rest.get(block.value_stride..).unwrap_or(&[]);
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
