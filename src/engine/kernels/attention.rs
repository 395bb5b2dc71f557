//! Attention of queries over a paged cache of keys and values, causal, with grouped heads.
//!
//! A cache is a list of pages; a page holds [`kv_heads`, `head_dim`, `page_tokens`] keys, so that sixteen keys' first columns lie
//! side by side, and another one [`page_tokens`, `kv_heads`, `head_dim`] values. Several
//! sequences of different lengths are one call: work is cut into blocks of query rows by heads that share keys, and
//! dealt to threads. A query passes over its keys in blocks of fixed positions with a running maximum and sum (Milakov &
//! Gimelshein 2018), so what it computes depends on neither the page size, nor the rows beside it, nor the threads.
//!
//! The inner loops are in [`score_tile`](super::score_tile).

use std::ops::Range;

use half::f16;

use super::cpu::{Cpu, Scratch};
use super::deal::Deal;
use super::error::{KernelError, same};
use super::score_tile::Work;
use super::simd::Simd;

/// Query rows that share one conversion of keys and values.
const ROWS: usize = 16;
/// Products below which the caller works alone.
const ALONE: usize = 64 * 1024;

/// The shape of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads; a multiple of `kv_heads`.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Values of one head; a multiple of 16.
    pub head_dim: usize,
    /// Tokens in one page; a multiple of 16.
    pub page_tokens: usize,
}

/// A number of the cache: `f16` or `f32`.
pub trait Cell: bytemuck::Pod + Send + Sync {
    /// Whether it is `f16`.
    const HALF: bool;
}

impl Cell for f16 {
    const HALF: bool = true;
}

impl Cell for f32 {
    const HALF: bool = false;
}

/// One sequence: how many query rows it has, how many tokens come before the first of them, and its cache, which
/// already holds the keys and values of the query rows themselves.
#[derive(Debug, Clone, Copy)]
pub struct Sequence<'a, C> {
    /// Query rows.
    pub rows: usize,
    /// Tokens before the first query row; row i attends to positions 0..=past + i.
    pub past: usize,
    /// Pages of keys; what lies after the last position may be anything.
    pub keys: &'a [&'a [C]],
    /// Pages of values.
    pub values: &'a [&'a [C]],
}

/// One thread's room in attention.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// A block of keys, [`head_dim`, block].
    pub(super) keys: Vec<f32>,
    /// A block of values, [block, `head_dim`].
    pub(super) values: Vec<f32>,
    pub(super) running: Running,
}

/// Queries on their way over the keys.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// Scaled queries, [queries, `head_dim`].
    pub(super) queries: Vec<f32>,
    /// Sums of values, [queries, `head_dim`].
    pub(super) sums: Vec<f32>,
    /// Running maximum of each query.
    pub(super) most: Vec<f32>,
    /// Running sum of weights of each query, in lanes.
    pub(super) weight: Vec<[f32; 16]>,
    /// Position of each query.
    pub(super) positions: Vec<usize>,
}

impl Workspace {
    pub(super) fn bytes(&self) -> usize {
        let running = &self.running;
        let floats = self.keys.len()
            + self.values.len()
            + running.queries.len()
            + running.sums.len()
            + running.most.len();
        4 * floats
            + size_of_val(running.weight.as_slice())
            + size_of_val(running.positions.as_slice())
    }
}

impl Heads {
    fn check<C: Cell>(
        self,
        sequences: &[Sequence<'_, C>],
        q: usize,
        out: usize,
    ) -> Result<usize, KernelError> {
        let Self {
            heads,
            kv_heads,
            head_dim,
            page_tokens,
        } = self;
        let group = heads.checked_div(kv_heads).unwrap_or(0);
        same("query heads", (group * kv_heads).max(1), heads)?;
        same(
            "values of a head, in sixteens",
            (head_dim / 16 * 16).max(16),
            head_dim,
        )?;
        same(
            "tokens of a page, in sixteens",
            (page_tokens / 16 * 16).max(16),
            page_tokens,
        )?;
        let mut rows: usize = 0;
        for sequence in sequences {
            rows = rows
                .checked_add(sequence.rows)
                .ok_or(KernelError::TooLarge)?;
            let tokens = sequence
                .past
                .checked_add(sequence.rows)
                .ok_or(KernelError::TooLarge)?;
            let pages = tokens.div_ceil(page_tokens);
            for list in [sequence.keys, sequence.values] {
                if list.len() < pages {
                    return Err(KernelError::Shape {
                        what: "pages of a sequence",
                        expected: pages,
                        found: list.len(),
                    });
                }
                for page in list.iter().take(pages) {
                    same(
                        "values of a page",
                        page_tokens * kv_heads * head_dim,
                        page.len(),
                    )?;
                }
            }
        }
        let width = rows
            .checked_mul(heads * head_dim)
            .ok_or(KernelError::TooLarge)?;
        same("values of queries", width, q)?;
        same("values of an attention output", width, out)?;
        Ok(rows)
    }
}

impl Cpu {
    /// `out` [rows, heads, `head_dim`] = softmax(`scale` · q · Kᵀ, causal) · V for the rows of all sequences, one after
    /// the other in `q` and `out`. Query head h reads the keys of head h / (heads / `kv_heads`).
    pub fn attention<C: Cell>(
        &self,
        shape: Heads,
        scale: f32,
        q: &[f32],
        sequences: &[Sequence<'_, C>],
        out: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        let rows = shape.check(sequences, q.len(), out.len())?;
        if rows == 0 {
            return Ok(());
        }
        let threads = self.pool.threads();
        let spaces = &mut scratch.blocks;
        if spaces.len() < threads {
            spaces.resize_with(threads, Workspace::default);
        }
        let longest = sequences.iter().map(|s| s.rows).max().unwrap_or(1);
        let tile_rows = ROWS.min(longest).min(rows.div_ceil(threads)).max(1);
        let group = shape.heads / shape.kv_heads;
        // Heads that share keys stay together, unless threads would have nothing to do.
        let together = if rows.div_ceil(tile_rows) * shape.kv_heads >= threads {
            group
        } else {
            1
        };
        let deal = Deal::new(
            out,
            shape.heads * shape.head_dim,
            tile_rows,
            together * shape.head_dim,
        );
        let rooms = Deal::flat(spaces, 1);
        let work = |_: usize, _: usize| {
            let Some(mut room) = rooms.take() else { return };
            let Some(space) = room.row(0).first_mut() else {
                return;
            };
            while let Some(mut tile) = deal.take() {
                let columns = tile.columns();
                let heads = columns.start / shape.head_dim..columns.end / shape.head_dim;
                let wanted = tile.rows();
                let mut first = 0;
                for sequence in sequences {
                    let own = overlap(&wanted, first, sequence.rows);
                    if !own.is_empty() {
                        let rows = own.start - first..own.end - first;
                        let q = q.get(first * shape.heads * shape.head_dim..).unwrap_or(&[]);
                        let work = Work {
                            shape,
                            scale,
                            q,
                            sequence,
                            rows,
                            heads: heads.clone(),
                            space: &mut *space,
                        };
                        self.isa.run(work);
                        let width = heads.len() * shape.head_dim;
                        for (row, sums) in own.zip(space.running.sums.chunks_exact(width)) {
                            tile.row(row).copy_from_slice(sums);
                        }
                    }
                    first += sequence.rows;
                }
            }
        };
        let keys: usize = sequences.iter().map(|s| s.rows * (s.past + s.rows)).sum();
        if keys * shape.heads * shape.head_dim < ALONE {
            work(0, 1);
            Ok(())
        } else {
            self.pool.run(&work)
        }
    }
}

/// The part of `wanted` within `length` rows from `first`.
fn overlap(wanted: &Range<usize>, first: usize, length: usize) -> Range<usize> {
    let start = wanted.start.max(first);
    start..wanted.end.min(first + length).max(start)
}

/// Sixteen numbers of the cache to lanes.
#[inline(always)]
pub(super) fn sixteen<S: Simd, C: Cell>(s: S, from: &[C; 16]) -> S::F {
    // The kind is known when this is compiled, and one branch remains.
    if C::HALF {
        bytemuck::try_cast_ref(from).map_or(s.splat(0.0), |from| s.half(from))
    } else {
        bytemuck::try_cast_ref(from).map_or(s.splat(0.0), |from| s.load(from))
    }
}
