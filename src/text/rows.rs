//! Which cell a row belongs to: the heights of many cells at one width, summed up.
//!
//! Mental model: a transcript is a column of cells (steps, files, messages), each so many rows high. A view asks which cell
//! the top row lies in and builds only what it shows. Heights are kept as running sums: a row is found by binary search, a
//! cell appended or the last one changed (a live tail) costs one addition, one in the middle shifts the sums after it.
//!
//! An [`Anchor`] remembers a place by text instead of by row, so that after a change of width the same words stay on top.
//! Nothing here measures text: [`super::wrap`] does.

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct RowIndex {
    /// For each cell, the rows of all cells up to and with it.
    sums: Vec<usize>,
    written: usize,
}

impl RowIndex {
    /// No cells.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many cells there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sums.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// Rows of all cells.
    #[must_use]
    pub fn total(&self) -> usize {
        self.sums.last().copied().unwrap_or(0)
    }

    /// Rows of one cell.
    #[must_use]
    pub fn height(&self, cell: usize) -> Option<usize> {
        Some(self.sums.get(cell)? - self.before(cell))
    }

    /// Add a cell at the end.
    pub fn push(&mut self, height: usize) {
        self.sums.push(self.total() + height);
        self.written += 1;
    }

    /// Give a cell another height. One that is not there is left out.
    pub fn set(&mut self, cell: usize, height: usize) {
        let Some(old) = self.height(cell) else {
            return;
        };
        if old == height {
            return;
        }
        let shifted = self.sums.get_mut(cell..).unwrap_or_default();
        for sum in &mut *shifted {
            *sum = *sum - old + height;
        }
        self.written += shifted.len();
    }

    /// Forget all cells from this one on.
    pub fn truncate(&mut self, cells: usize) {
        self.sums.truncate(cells);
    }

    /// The first row of a cell; of the one after the last, where it would begin.
    #[must_use]
    pub fn row_of(&self, cell: usize) -> Option<usize> {
        (cell <= self.len()).then(|| self.before(cell))
    }

    /// The cell that a row lies in, and how far within it. Cells without rows are passed over.
    #[must_use]
    pub fn cell_at(&self, row: usize) -> Option<(usize, usize)> {
        let cell = self.sums.partition_point(|sum| *sum <= row);
        (cell < self.len()).then(|| (cell, row - self.before(cell)))
    }

    fn before(&self, cell: usize) -> usize {
        cell.checked_sub(1)
            .and_then(|last| self.sums.get(last))
            .copied()
            .unwrap_or(0)
    }

    /// Sums written since the beginning: the work done, for tests that hold it down.
    #[must_use]
    pub fn written(&self) -> usize {
        self.written
    }
}

impl FromIterator<usize> for RowIndex {
    fn from_iter<T: IntoIterator<Item = usize>>(heights: T) -> Self {
        let mut index = Self::new();
        for height in heights {
            index.push(height);
        }
        index
    }
}

/// A place that outlives a change of width: so many bytes into the text of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Anchor {
    /// Which cell.
    pub cell: usize,
    /// Bytes of the cell's text before the place.
    pub offset: usize,
}

impl Anchor {
    /// What is at a row. `starts` answers where the rows of a cell begin in its text ([`super::wrap::starts`]).
    #[must_use]
    pub fn at(
        index: &RowIndex,
        row: usize,
        starts: impl FnOnce(usize) -> Vec<usize>,
    ) -> Option<Self> {
        let (cell, within) = index.cell_at(row)?;
        let starts = starts(cell);
        let offset = starts.get(within).or(starts.last()).copied().unwrap_or(0);
        Some(Self { cell, offset })
    }

    /// The row where it is now. A cell that is gone gives the last row there is.
    #[must_use]
    pub fn row(self, index: &RowIndex, starts: impl FnOnce(usize) -> Vec<usize>) -> usize {
        let (Some(first), Some(height)) = (index.row_of(self.cell), index.height(self.cell)) else {
            return index.total().saturating_sub(1);
        };
        let rows_before = starts(self.cell)
            .partition_point(|start| *start <= self.offset)
            .saturating_sub(1);
        first + rows_before.min(height.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::wrap::{self, Hang};

    #[test]
    fn rows_find_their_cells_and_cells_their_rows() {
        let index: RowIndex = [2, 0, 3].into_iter().collect();
        assert_eq!(index.total(), 5);
        let cells: Vec<_> = (0..6).map(|row| index.cell_at(row)).collect();
        assert_eq!(
            cells,
            [
                Some((0, 0)),
                Some((0, 1)),
                Some((2, 0)),
                Some((2, 1)),
                Some((2, 2)),
                None
            ]
        );
        let rows: Vec<_> = (0..5).map(|cell| index.row_of(cell)).collect();
        assert_eq!(rows, [Some(0), Some(2), Some(2), Some(5), None]);
        assert_eq!(RowIndex::new().cell_at(0), None);
    }

    #[test]
    fn appending_and_changing_the_last_cell_write_one_sum_each() {
        let mut index: RowIndex = (0..10_000).collect();
        index.written = 0;
        for height in 0..500 {
            index.set(9_999, height);
        }
        index.push(7);
        assert!(index.written <= 501, "{}", index.written);
        index.written = 0;
        index.set(0, 5);
        assert_eq!(index.written, 10_001);
    }

    #[test]
    fn the_same_text_stays_on_top_when_the_width_changes() {
        let cells = [
            "one two three four five six seven\neight nine ten",
            "eleven twelve thirteen",
        ];
        let index = |width| -> RowIndex {
            cells
                .iter()
                .map(|text| wrap::count(text, width, Hang::None))
                .collect()
        };
        let starts = |width| move |cell: usize| wrap::starts(cells[cell], width, Hang::None);
        let narrow = index(8);
        let top = narrow.row_of(0).unwrap() + 3;
        let anchor = Anchor::at(&narrow, top, starts(8)).unwrap();
        assert!(cells[0].get(anchor.offset..).unwrap().starts_with("five"));
        let wide = index(20);
        assert_eq!(
            anchor.row(&wide, starts(20)),
            1,
            "its row begins with these words too"
        );
        assert_eq!(anchor.row(&narrow, starts(8)), top);
        let gone = Anchor { cell: 9, offset: 0 };
        assert_eq!(gone.row(&narrow, |_| Vec::new()), narrow.total() - 1);
    }

    proptest! {
        #[test]
        fn an_index_agrees_with_a_walk_over_heights(
            mut heights in proptest::collection::vec(0usize..5, 0..20),
            changes in proptest::collection::vec((0usize..25, 0usize..5), 0..10),
            keep in 0usize..25,
        ) {
            let mut index: RowIndex = heights.iter().copied().collect();
            for (cell, height) in changes {
                index.set(cell, height);
                if let Some(old) = heights.get_mut(cell) {
                    *old = height;
                }
            }
            index.truncate(keep);
            heights.truncate(keep);
            let walked: Vec<(usize, usize)> = heights
                .iter()
                .enumerate()
                .flat_map(|(cell, height)| (0..*height).map(move |within| (cell, within)))
                .collect();
            prop_assert_eq!(index.total(), walked.len());
            for row in 0..walked.len() + 2 {
                prop_assert_eq!(index.cell_at(row), walked.get(row).copied());
            }
        }
    }
}
