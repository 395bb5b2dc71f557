//! Parts of one output, dealt out to whoever asks next.
//!
//! A [`Deal`] cuts a row-major matrix into tiles and gives each away once, so threads write to it side by side without
//! locks, and one that is slowed down by other work takes fewer. Which thread computes a tile changes nothing in it.
#![expect(
    unsafe_code,
    reason = "tiles of a row-major matrix interleave in memory, which slices cannot say"
)]

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A matrix in tiles, each still to be taken or already gone.
pub(super) struct Deal<'a, T> {
    base: *mut T,
    rows: usize,
    width: usize,
    tile_rows: usize,
    tile_columns: usize,
    across: usize,
    tiles: usize,
    next: AtomicUsize,
    owner: PhantomData<&'a mut [T]>,
}

// SAFETY: a shared deal gives each element to one taker at most, so it only moves `&mut T` between threads.
unsafe impl<T: Send> Sync for Deal<'_, T> {}

impl<'a, T> Deal<'a, T> {
    /// Cut `data`, rows of `width`, into tiles of at most `tile_rows` × `tile_columns`.
    pub(super) fn new(
        data: &'a mut [T],
        width: usize,
        tile_rows: usize,
        tile_columns: usize,
    ) -> Self {
        let rows = data.len().checked_div(width).unwrap_or(0);
        let (tile_rows, tile_columns) = (tile_rows.max(1), tile_columns.max(1));
        let across = width.div_ceil(tile_columns);
        Self {
            base: data.as_mut_ptr(),
            rows,
            width,
            tile_rows,
            tile_columns,
            across,
            tiles: rows.div_ceil(tile_rows) * across,
            next: AtomicUsize::new(0),
            owner: PhantomData,
        }
    }

    /// Cut a flat slice into stretches of `length`.
    pub(super) fn flat(data: &'a mut [T], length: usize) -> Self {
        let width = data.len();
        Self::new(data, width, 1, length)
    }

    /// The next tile, if any is left.
    pub(super) fn take(&self) -> Option<Tile<'_, T>> {
        // Looking first keeps the counter from running away when an exhausted deal is asked again and again.
        if self.next.load(Ordering::Relaxed) >= self.tiles {
            return None;
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if index >= self.tiles {
            return None;
        }
        let (row, column) = (
            index / self.across * self.tile_rows,
            index % self.across * self.tile_columns,
        );
        Some(Tile {
            base: self.base,
            width: self.width,
            rows: row..(row + self.tile_rows).min(self.rows),
            columns: column..(column + self.tile_columns).min(self.width),
            owner: PhantomData,
        })
    }
}

/// One tile, held by one thread.
pub(super) struct Tile<'a, T> {
    base: *mut T,
    width: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    owner: PhantomData<&'a mut [T]>,
}

impl<T> Tile<'_, T> {
    /// Rows of the matrix that it covers.
    pub(super) fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Columns of the matrix that it covers.
    pub(super) fn columns(&self) -> Range<usize> {
        self.columns.clone()
    }

    /// Its part of a row, given the row's number in the matrix; empty for rows outside.
    pub(super) fn row(&mut self, row: usize) -> &mut [T] {
        if !self.rows.contains(&row) {
            return &mut [];
        }
        // SAFETY: row and columns lie within the matrix by construction; no other tile covers these elements, and the
        // deal borrows the whole matrix mutably for as long as a tile lives.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.base.add(row * self.width + self.columns.start),
                self.columns.len(),
            )
        }
    }
}
