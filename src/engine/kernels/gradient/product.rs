//! C = A · B or C += A · B for plain row-major matrices, either of them read as its transpose.
//!
//! A layer's three products are one function: y = x · Wᵀ, dx = dy · W, dW += dyᵀ · x. The reduction is cut into stretches
//! that fit a cache; for each, A is copied into strips of a few rows with the reduction outermost, and B, 32 columns at a
//! time, into lines, transposed by sixteens where it is stored the other way.

use super::super::error::{KernelError, same};
use super::super::float_tile;
use super::super::inputs::grow;
use super::super::layout::{FLOAT_GROUP, Line32};
use super::super::simd::{Kernel, Simd};
use super::Core;

/// Steps of the reduction between two stops: 128 bytes of B each.
const STRETCH: usize = 512;
/// Most rows of a strip.
const MOST_ROWS: usize = 12;
/// Numbers after the last strip that copies of whole registers may touch.
pub(super) const SLACK: usize = 16;

/// A row-major matrix, or the transpose of one.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    /// As it is stored.
    rows: usize,
    columns: usize,
    stride: usize,
    turned: bool,
}

impl<'a> Matrix<'a> {
    /// Rows of `columns` numbers, one after the other.
    #[must_use]
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        Self {
            data,
            rows: data.len().checked_div(columns).unwrap_or(0),
            columns,
            stride: columns,
            turned: false,
        }
    }

    /// Columns from `first` on of a matrix whose rows are `stride` apart.
    #[must_use]
    pub fn columns_of(data: &'a [f32], stride: usize, first: usize, columns: usize) -> Self {
        Self {
            rows: data.len().checked_div(stride).unwrap_or(0),
            data: data.get(first..).unwrap_or_default(),
            columns,
            stride,
            turned: false,
        }
    }

    /// Rows become columns.
    #[must_use]
    pub fn turned(self) -> Self {
        Self {
            turned: !self.turned,
            ..self
        }
    }

    /// Rows and columns as they are read.
    fn shape(&self) -> (usize, usize) {
        if self.turned {
            (self.columns, self.rows)
        } else {
            (self.rows, self.columns)
        }
    }
}

/// Sixteen numbers from `start`, those past `end` zero.
#[inline(always)]
fn sixteen<S: Simd>(s: S, data: &[f32], start: usize, end: usize) -> S::F {
    if start + 16 <= end
        && let Some(whole) = data.get(start..).and_then(|rest| rest.first_chunk::<16>())
    {
        return s.load(whole);
    }
    let mut padded = [0.0; 16];
    let there = data
        .get(start.min(end)..end.min(data.len()))
        .unwrap_or_default();
    for (to, from) in padded.iter_mut().zip(there) {
        *to = *from;
    }
    s.load(&padded)
}

/// Copy A into strips of at most `height` rows: in each, the numbers of one step of the reduction lie side by side.
/// `to` has [`SLACK`] numbers more than there are.
pub(super) struct Strips<'a> {
    pub(super) a: Matrix<'a>,
    pub(super) from: usize,
    pub(super) length: usize,
    pub(super) height: usize,
    pub(super) to: &'a mut [f32],
}

impl Kernel for Strips<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            a,
            from,
            length,
            height,
            to,
        } = self;
        let (m, _) = a.shape();
        for first in (0..m).step_by(height) {
            let rows = height.min(m - first);
            let strip = &mut to[first * length..];
            // Whole registers are stored `rows` apart, in order: what one writes too much the next one overwrites.
            if a.turned {
                for step in 0..length {
                    let start = (from + step) * a.stride + first;
                    let v = sixteen(s, a.data, start, start - first + m);
                    if let Some(to) = strip[step * rows..].first_chunk_mut::<16>() {
                        s.store(v, to);
                    }
                }
            } else {
                for step in (0..length).step_by(16) {
                    let mut block = [s.splat(0.0); 16];
                    for i in 0..rows {
                        let start = (first + i) * a.stride + from;
                        block[i] = sixteen(s, a.data, start + step, start + length);
                    }
                    let block = s.transpose(block);
                    for i in 0..16.min(length - step) {
                        if let Some(to) = strip[(step + i) * rows..].first_chunk_mut::<16>() {
                            s.store(block[i], to);
                        }
                    }
                }
            }
        }
    }
}

/// Copy 32 columns of B, from `column` on, into lines.
pub(super) struct Lines<'a> {
    pub(super) b: Matrix<'a>,
    pub(super) from: usize,
    pub(super) column: usize,
    pub(super) to: &'a mut [Line32],
}

impl Kernel for Lines<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self {
            b,
            from,
            column,
            to,
        } = self;
        let (_, n) = b.shape();
        if b.turned {
            let length = to.len();
            for half in 0..2 {
                for step in (0..length).step_by(16) {
                    let mut block = [s.splat(0.0); 16];
                    for i in 0..16 {
                        let row = column + 16 * half + i;
                        if row < n {
                            let start = row * b.stride + from;
                            block[i] = sixteen(s, b.data, start + step, start + length);
                        }
                    }
                    let block = s.transpose(block);
                    for (line, block) in to[step..].iter_mut().zip(&block) {
                        s.store(*block, &mut line.0[half]);
                    }
                }
            }
        } else {
            for (step, line) in to.iter_mut().enumerate() {
                let start = (from + step) * b.stride;
                for half in 0..2 {
                    let v = sixteen(s, b.data, start + column + 16 * half, start + n);
                    s.store(v, &mut line.0[half]);
                }
            }
        }
    }
}

impl Core {
    /// `c` [m, n] = a · b, or += where `add`.
    ///
    /// # Errors
    /// Where the shapes do not fit.
    pub fn product(
        &mut self,
        a: Matrix<'_>,
        b: Matrix<'_>,
        c: &mut [f32],
        add: bool,
    ) -> Result<(), KernelError> {
        let ((m, reduction), (inner, n)) = (a.shape(), b.shape());
        same("steps of a product", reduction, inner)?;
        same("values of a product", m * n, c.len())?;
        if reduction == 0 {
            if !add {
                c.fill(0.0);
            }
            return Ok(());
        }
        let isa = self.isa;
        let height = isa.blocking().float_rows.min(MOST_ROWS);
        let mut tile = [[[0.0; 16]; 2]; MOST_ROWS];
        for from in (0..reduction).step_by(STRETCH) {
            let length = STRETCH.min(reduction - from);
            let resume = add || from > 0;
            let strips = grow(&mut self.strips, m * length + SLACK);
            isa.run(Strips {
                a,
                from,
                length,
                height,
                to: strips,
            });
            let panel = grow(&mut self.panel, length);
            for column in (0..n).step_by(FLOAT_GROUP) {
                isa.run(Lines {
                    b,
                    from,
                    column,
                    to: panel,
                });
                let wide = FLOAT_GROUP.min(n - column);
                for first in (0..m).step_by(height) {
                    let rows = height.min(m - first);
                    let own = &mut c[first * n..(first + rows) * n];
                    if resume {
                        for (tile, row) in tile.iter_mut().zip(own.chunks_exact(n)) {
                            let flat = tile.as_flattened_mut();
                            flat[..wide].copy_from_slice(&row[column..column + wide]);
                        }
                    }
                    let strip = &strips[first * length..(first + rows) * length];
                    float_tile::multiply(isa, panel, strip, rows, &mut tile, resume);
                    for (tile, row) in tile.iter().zip(own.chunks_exact_mut(n)) {
                        let flat = tile.as_flattened();
                        row[column..column + wide].copy_from_slice(&flat[..wide]);
                    }
                }
            }
        }
        Ok(())
    }
}
