//! The activations of one product, in the order in which tiles read them.
//!
//! Rows are cut into tiles; within a tile, the rows' units (or single floats) for the same columns lie side by side. All
//! products that share activations share this copy.

use super::deal::Deal;
use super::error::KernelError;
use super::layout::{Input, SUPER, SuperInput, UNIT};
use super::pool::Pool;
use super::quantise::{QuantiseRows, QuantiseSuper};
use super::tier::Isa;

/// Fewer values than this are prepared by the caller alone: waking others costs more.
const ALONE: usize = 16 * 1024;

/// Buffers that grow to the largest product and are used again.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) units: Vec<Input>,
    pub(super) supers: Vec<SuperInput>,
    pub(super) floats: Vec<f32>,
}

/// Which forms a product needs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    pub(super) units: bool,
    pub(super) supers: bool,
    pub(super) floats: bool,
}

/// Activations x, [m, k].
#[derive(Debug, Clone, Copy)]
pub(super) struct Activations<'a> {
    pub(super) x: &'a [f32],
    pub(super) columns: usize,
}

impl Activations<'_> {
    pub(super) fn rows(&self) -> usize {
        self.x.len() / self.columns
    }
}

/// Columns of a float product, rounded up to the pairs of bfloat16.
pub(super) fn even(columns: usize) -> usize {
    columns.next_multiple_of(2)
}

impl Inputs {
    /// Prepare what is wanted of `x`.
    pub(super) fn prepare(
        &mut self,
        isa: Isa,
        pool: &Pool,
        x: Activations<'_>,
        wanted: Wanted,
    ) -> Result<(), KernelError> {
        let (m, k) = (x.rows(), x.columns);
        let integer = isa.blocking().integer(m);
        let float = isa.blocking().float(m);
        if wanted.units {
            let units = k.div_ceil(UNIT);
            let out = grow(&mut self.units, m * units);
            by_tiles(pool, x, integer, out, units, &|x, out| {
                isa.run(QuantiseRows { x, columns: k, out });
            })?;
        }
        if wanted.supers {
            let units = k / SUPER;
            let out = grow(&mut self.supers, m * units);
            by_tiles(pool, x, integer, out, units, &|x, out| {
                isa.run(QuantiseSuper { x, columns: k, out });
            })?;
        }
        if wanted.floats {
            let width = even(k);
            let out = grow(&mut self.floats, m * width);
            by_tiles(pool, x, float, out, width, &|x, out| {
                let rows = x.len() / k;
                for (i, row) in x.chunks_exact(k).enumerate() {
                    let padded = row.iter().copied().chain(std::iter::once(0.0));
                    for (to, v) in out.iter_mut().skip(i).step_by(rows).zip(padded) {
                        *to = v;
                    }
                }
            })?;
        }
        Ok(())
    }
}

/// The first `length` items, made if there are fewer.
pub(super) fn grow<T: bytemuck::Zeroable + Clone>(buffer: &mut Vec<T>, length: usize) -> &mut [T] {
    if buffer.len() < length {
        buffer.resize(length, T::zeroed());
    }
    buffer.get_mut(..length).unwrap_or_default()
}

/// Call `one` for each tile of rows: its activations, and its part of `out`, where a row takes `width` items.
fn by_tiles<T: Send>(
    pool: &Pool,
    x: Activations<'_>,
    tile_rows: usize,
    out: &mut [T],
    width: usize,
    one: &(dyn Fn(&[f32], &mut [T]) + Sync),
) -> Result<(), KernelError> {
    let deal = Deal::flat(out, tile_rows * width);
    let work = |_: usize, _: usize| {
        while let Some(mut tile) = deal.take() {
            let columns = tile.columns();
            let first = columns.start / width;
            let last = columns.end / width;
            one(
                x.x.get(first * x.columns..last * x.columns).unwrap_or(&[]),
                tile.row(0),
            );
        }
    };
    if x.x.len() < ALONE {
        work(0, 1);
        Ok(())
    } else {
        pool.run(&work)
    }
}
