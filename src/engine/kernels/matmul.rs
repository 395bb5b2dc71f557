//! Products of activations with packed weights: y = x · Wᵀ + b.
//!
//! One row is bound by reading the weights, so its loop only streams them. Up to twelve rows share that stream. Many rows
//! are bound by arithmetic: each pair of row groups stays in the second-level cache while all tiles of activations pass,
//! and 4-bit weights are spread out once per pair. Column ranges are dealt to threads; an output is computed whole by one
//! of them, in the order that its [tile](super::integer_tile) sets.

use super::cpu::{Cpu, Panel, Scratch};
use super::deal::{Deal, Tile};
use super::error::{KernelError, same};
use super::float_tile::{self, ABREAST, Line};
use super::inputs::{Activations, Inputs, Wanted, even, grow};
use super::integer_tile::{self, Unit};
use super::layout::{FLOAT_GROUP, GROUP, Line16, Line32, SUPER, UNIT};
use super::pack::{Packed, Store};
use super::repack::group;
use super::spread::{SpreadSupers, SpreadUnits};
use super::tier::Isa;

/// Bytes of weights that a thread takes at a time, about: far above the cost of taking, far below what would leave the
/// other threads waiting at the end.
const TAKE: usize = 256 * 1024;
/// Columns of a float product between two stops: 128 bytes of weights each, half of a small second-level cache.
const STRETCH: usize = 1024;
/// Rows of activations from which 4-bit weights are spread out first.
const MANY: usize = 13;

/// Weights, n × k, and where there is one the bias to add, n values.
#[derive(Debug, Clone, Copy)]
pub struct Linear<'a> {
    /// W.
    pub weight: &'a Packed,
    /// b.
    pub bias: Option<&'a [f32]>,
}

impl<'a> From<&'a Packed> for Linear<'a> {
    fn from(weight: &'a Packed) -> Self {
        Self { weight, bias: None }
    }
}

impl Cpu {
    /// `out` [m, n] = `x` [m, k] · Wᵀ + b. Any m, also none.
    pub fn matmul(
        &self,
        linear: Linear<'_>,
        x: &[f32],
        out: &mut [f32],
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        self.matmul_many(&[linear], x, &mut [out], scratch)
    }

    /// Several products of the same `x`, which is prepared once: query, key and value; gate and up.
    pub fn matmul_many(
        &self,
        linears: &[Linear<'_>],
        x: &[f32],
        outs: &mut [&mut [f32]],
        scratch: &mut Scratch,
    ) -> Result<(), KernelError> {
        same("outputs of a product", linears.len(), outs.len())?;
        let Some(k) = linears.first().map(|linear| linear.weight.columns()) else {
            return Ok(());
        };
        let x = Activations { x, columns: k };
        let m = x.rows();
        same("activations of a product", m * k, x.x.len())?;
        let mut wanted = Wanted::default();
        for (linear, out) in linears.iter().zip(&*outs) {
            let n = linear.weight.rows();
            same(
                "columns of weights that share activations",
                k,
                linear.weight.columns(),
            )?;
            same("values of an output", m * n, out.len())?;
            if let Some(bias) = linear.bias {
                same("values of a bias", n, bias.len())?;
            }
            match linear.weight.store() {
                Store::Q8(_) | Store::Q4(_) => wanted.units = true,
                Store::Q4K(_) => wanted.supers = true,
                Store::F32(_) | Store::BF16(_) => wanted.floats = true,
            }
        }
        if m == 0 {
            return Ok(());
        }
        let Scratch { inputs, panels, .. } = scratch;
        inputs.prepare(self.isa, &self.pool, x, wanted)?;
        let threads = self.pool.threads();
        if panels.len() < threads {
            panels.resize_with(threads, Panel::default);
        }
        let inputs = &*inputs;
        let deals: Vec<Deal<'_, f32>> = linears
            .iter()
            .zip(outs)
            .map(|(linear, out)| {
                let n = linear.weight.rows();
                Deal::new(out, n, m, columns_to_take(linear.weight, threads))
            })
            .collect();
        let rooms = Deal::flat(panels, 1);
        self.pool.run(&|_, _| {
            let Some(mut room) = rooms.take() else { return };
            let Some(panel) = room.row(0).first_mut() else {
                return;
            };
            for (linear, deal) in linears.iter().zip(&deals) {
                while let Some(tile) = deal.take() {
                    let mut strip = Strip {
                        isa: self.isa,
                        m,
                        k,
                        inputs,
                        panel: &mut *panel,
                        bias: linear.bias,
                        tile,
                    };
                    strip.compute(linear.weight.store());
                }
            }
        })
    }
}

/// Weight rows (columns of the output) that a thread takes at a time.
fn columns_to_take(weight: &Packed, threads: usize) -> usize {
    let n = weight.rows();
    let row = (weight.bytes() / n.max(1)).max(1);
    let fair = n / (threads * 4).max(1);
    // Small matrices are not worth sharing so finely: a thread takes what it computes side by side.
    let abreast = (n / threads.max(1)).min(ABREAST * FLOAT_GROUP);
    (TAKE / row)
        .min(fair.max(abreast))
        .max(1)
        .next_multiple_of(FLOAT_GROUP)
}

/// A range of columns of one output, and what is needed to compute it.
struct Strip<'a> {
    isa: Isa,
    m: usize,
    k: usize,
    inputs: &'a Inputs,
    panel: &'a mut Panel,
    bias: Option<&'a [f32]>,
    tile: Tile<'a, f32>,
}

impl Strip<'_> {
    fn compute(&mut self, store: &Store) {
        let isa = self.isa;
        let spread = self.m >= MANY;
        match store {
            Store::Q8(w) => {
                let units = self.k.div_ceil(UNIT);
                self.integers(w, units, &self.inputs.units);
            }
            Store::Q4(w) => {
                let units = self.k.div_ceil(UNIT);
                // Only where a product of bytes costs no more than one of nibbles.
                if spread && isa.blocking().pairs {
                    let mut panel = std::mem::take(&mut self.panel.eights);
                    self.pairs(GROUP, |strip, groups| {
                        let from = w
                            .get(groups.start * units..groups.end * units)
                            .unwrap_or(&[]);
                        let to = grow(&mut panel, from.len());
                        isa.run(SpreadUnits { from, to });
                        strip.product(to, units, &strip.inputs.units, groups.start);
                    });
                    self.panel.eights = panel;
                } else {
                    self.integers(w, units, &self.inputs.units);
                }
            }
            Store::Q4K(w) => {
                let units = self.k / SUPER;
                if spread {
                    let mut panel = std::mem::take(&mut self.panel.supers);
                    self.pairs(GROUP, |strip, groups| {
                        let from = w
                            .get(groups.start * units..groups.end * units)
                            .unwrap_or(&[]);
                        let to = grow(&mut panel, from.len());
                        isa.run(SpreadSupers { from, to });
                        strip.product(to, units, &strip.inputs.supers, groups.start);
                    });
                    self.panel.supers = panel;
                } else {
                    self.integers(w, units, &self.inputs.supers);
                }
            }
            Store::F32(w) => self.floats(w),
            Store::BF16(w) if spread => {
                let mut panel = std::mem::take(self.panel);
                self.floats_widened(w, &mut panel);
                *self.panel = panel;
            }
            Store::BF16(w) => self.floats(w),
        }
    }

    /// Call `each` for two groups at a time.
    fn pairs(
        &mut self,
        group_rows: usize,
        mut each: impl FnMut(&mut Self, std::ops::Range<usize>),
    ) {
        let columns = self.tile.columns();
        let last = columns.end.div_ceil(group_rows);
        let mut first = columns.start / group_rows;
        while first < last {
            let end = (first + 2).min(last);
            each(self, first..end);
            first = end;
        }
    }

    /// Products in integers of all groups of the strip.
    fn integers<U: Unit>(&mut self, w: &[U], units: usize, x: &[U::Input]) {
        self.pairs(GROUP, |strip, groups| {
            let w = w
                .get(groups.start * units..groups.end * units)
                .unwrap_or(&[]);
            strip.product(w, units, x, groups.start);
        });
    }

    /// One or two groups, `w`, with all rows of activations.
    fn product<U: Unit>(&mut self, w: &[U], units: usize, x: &[U::Input], first: usize) {
        let both = [group(w, 0, units), group(w, 1, units)];
        let count = if both[1].is_empty() { 1 } else { 2 };
        let groups = both.get(..count).unwrap_or(&[]);
        let step = self.isa.blocking().integer(self.m);
        let mut sums = [[0.0; 16]; 24];
        for start in (0..self.m).step_by(step) {
            let rows = step.min(self.m - start);
            let x = x.get(start * units..(start + rows) * units).unwrap_or(&[]);
            integer_tile::multiply(self.isa, groups, x, rows, start > 0, &mut sums);
            for (g, sums) in sums.chunks_exact(rows).take(count).enumerate() {
                for (row, sums) in sums.iter().enumerate() {
                    self.write(start + row, (first + g) * GROUP, sums);
                }
            }
        }
    }

    /// Products in floats, straight from the packed lines.
    fn floats<L: Line>(&mut self, w: &[L]) {
        let lines = lines_of::<L>(self.k);
        if self.m == 1 {
            self.one_row(w, lines);
            return;
        }
        let stretch = if self.m < MANY {
            lines
        } else {
            STRETCH / L::COLUMNS
        };
        self.float_groups(|strip, index, sums| {
            let w = group(w, index, lines);
            for (i, part) in w.chunks(stretch).enumerate() {
                strip.float_tiles(part, i * stretch * L::COLUMNS, sums);
            }
        });
    }

    /// The same for a single row of activations: several groups side by side.
    fn one_row<L: Line>(&mut self, w: &[L], lines: usize) {
        let columns = self.tile.columns();
        let last = columns.end.div_ceil(FLOAT_GROUP);
        let mut sums = [[[0.0; 16]; 2]; ABREAST];
        // Where registers are few, as many as they hold.
        let step = if self.isa.blocking().pairs {
            ABREAST
        } else {
            2
        };
        for first in (columns.start / FLOAT_GROUP..last).step_by(step) {
            let end = (first + step).min(last);
            let w = w.get(first * lines..end * lines).unwrap_or(&[]);
            float_tile::multiply_row(self.isa, w, lines, &self.inputs.floats, &mut sums);
            let sums = sums.as_flattened().as_flattened();
            let sums = sums.get(..(end - first) * FLOAT_GROUP).unwrap_or(&[]);
            self.write(0, first * FLOAT_GROUP, sums);
        }
    }

    /// The same for bfloat16 with many rows: widened stretch by stretch.
    fn floats_widened(&mut self, w: &[Line16], panel: &mut Panel) {
        let lines = lines_of::<Line16>(self.k);
        let isa = self.isa;
        self.float_groups(|strip, index, sums| {
            for (i, part) in group(w, index, lines).chunks(STRETCH / 2).enumerate() {
                panel.widen(isa, part);
                let wide: &[Line32] = panel.floats.get(..2 * part.len()).unwrap_or(&[]);
                strip.float_tiles(wide, i * STRETCH, sums);
            }
        });
    }

    /// For each group of the strip: zero sums, `each`, write.
    fn float_groups(&mut self, mut each: impl FnMut(&Self, usize, &mut [[[f32; 16]; 2]])) {
        let columns = self.tile.columns();
        let mut sums = std::mem::take(&mut self.panel.sums);
        grow(&mut sums, self.m);
        for index in columns.start / FLOAT_GROUP..columns.end.div_ceil(FLOAT_GROUP) {
            each(self, index, &mut sums);
            for (row, sums) in sums.iter().take(self.m).enumerate() {
                self.write(row, index * FLOAT_GROUP, sums.as_flattened());
            }
        }
        self.panel.sums = sums;
    }

    /// Add the product of some lines, which start at column `column`, to the sums of all rows.
    fn float_tiles<L: Line>(&self, w: &[L], column: usize, sums: &mut [[[f32; 16]; 2]]) {
        let width = even(self.k);
        let step = self.isa.blocking().float(self.m);
        for start in (0..self.m).step_by(step) {
            let rows = step.min(self.m - start);
            let x = self
                .inputs
                .floats
                .get(start * width + column * rows..(start + rows) * width)
                .unwrap_or(&[]);
            let sums = sums.get_mut(start..start + rows).unwrap_or(&mut []);
            float_tile::multiply(self.isa, w, x, rows, sums, column > 0);
        }
    }

    /// Write sums of consecutive columns of one row, as far as the strip goes.
    fn write(&mut self, row: usize, column: usize, sums: &[f32]) {
        let from = column - self.tile.columns().start;
        let bias = self.bias.and_then(|bias| bias.get(column..));
        let Some(out) = self.tile.row(row).get_mut(from..) else {
            return;
        };
        if let Some(bias) = bias {
            for ((out, sum), bias) in out.iter_mut().zip(sums).zip(bias) {
                *out = sum + bias;
            }
        } else {
            let length = out.len().min(sums.len());
            out[..length].copy_from_slice(&sums[..length]);
        }
    }
}

/// Lines of one group.
fn lines_of<L: Line>(columns: usize) -> usize {
    columns.div_ceil(L::COLUMNS)
}
