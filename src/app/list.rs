//! Positions: the cursor of a windowed list, and the top of a long page. Both stay valid whatever grows or shrinks.

/// A way to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// By so many rows; negative is up.
    Rows(i64),
    /// By half a window.
    Half(i64),
    /// By a window.
    Page(i64),
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// To a row, from 0.
    To(usize),
}

impl Move {
    fn target(self, from: usize, len: usize, height: usize) -> usize {
        let last = len.saturating_sub(1);
        let by = |rows: i64| {
            let rows = isize::try_from(rows).unwrap_or(0);
            from.saturating_add_signed(rows)
        };
        let window = i64::try_from(height.max(1)).unwrap_or(1);
        let target = match self {
            Self::Rows(rows) => by(rows),
            Self::Half(times) => by(times.saturating_mul((window / 2).max(1))),
            Self::Page(times) => by(times.saturating_mul((window - 1).max(1))),
            Self::First => 0,
            Self::Last => last,
            Self::To(row) => row,
        };
        target.min(last)
    }
}

/// The cursor of a list and the window around it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct List {
    /// Row under the cursor.
    pub cursor: usize,
    /// First row of the window.
    pub top: usize,
    /// Rows of the window.
    pub height: usize,
    /// Rows there are.
    pub len: usize,
}

impl List {
    /// Move the cursor.
    pub fn go(&mut self, step: Move) {
        self.cursor = step.target(self.cursor, self.len, self.height);
        self.settle();
    }

    /// There are so many rows, in a window of so many.
    pub fn fit(&mut self, len: usize, height: usize) {
        self.len = len;
        self.height = height;
        self.cursor = self.cursor.min(len.saturating_sub(1));
        self.settle();
    }

    fn settle(&mut self) {
        if self.height == 0 {
            return;
        }
        // A little of what comes next is in view.
        let margin = (self.height / 4).min(3);
        let low = (self.cursor + 1 + margin).saturating_sub(self.height);
        let high = self.cursor.saturating_sub(margin);
        self.top = self
            .top
            .clamp(low.min(high), high)
            .min(self.len.saturating_sub(self.height));
    }

    /// Rows in view.
    #[must_use]
    pub fn window(&self) -> std::ops::Range<usize> {
        self.top..(self.top + self.height).min(self.len)
    }
}

/// The top of a page that is only scrolled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scroll {
    /// First row in view.
    pub top: usize,
    /// Rows in view.
    pub height: usize,
    /// Rows there are.
    pub len: usize,
    /// Stay at the end while it grows.
    pub follow: bool,
}

impl Scroll {
    /// Move.
    pub fn go(&mut self, step: Move) {
        let last = self.len.saturating_sub(self.height);
        let target = match step {
            Move::Last => last,
            other => other.target(self.top, self.len, self.height),
        };
        self.top = target.min(last);
        let down = matches!(step, Move::Last)
            || matches!(step, Move::Rows(n) | Move::Half(n) | Move::Page(n) if n > 0);
        self.follow = down && self.top == last;
    }

    /// There are so many rows, in a window of so many.
    pub fn fit(&mut self, len: usize, height: usize) {
        self.len = len;
        self.height = height;
        let last = len.saturating_sub(height);
        self.top = if self.follow {
            last
        } else {
            self.top.min(last)
        };
    }

    /// Rows below the window.
    #[must_use]
    pub fn below(&self) -> usize {
        self.len.saturating_sub(self.top + self.height)
    }

    /// Rows in view.
    #[must_use]
    pub fn window(&self) -> std::ops::Range<usize> {
        self.top.min(self.len)..(self.top + self.height).min(self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step() -> impl Strategy<Value = Move> {
        prop_oneof![
            any::<i64>().prop_map(Move::Rows),
            (-3i64..3).prop_map(Move::Half),
            (-3i64..3).prop_map(Move::Page),
            Just(Move::First),
            Just(Move::Last),
            any::<usize>().prop_map(Move::To),
        ]
    }

    proptest! {
        #[test]
        fn the_cursor_is_a_row_and_in_view_whatever_happens(
            moves in proptest::collection::vec((step(), 0usize..50, 0usize..20), 1..40)
        ) {
            let mut list = List::default();
            let mut page = Scroll::default();
            for (step, len, height) in moves {
                list.fit(len, height);
                list.go(step);
                page.fit(len, height);
                page.go(step);
                prop_assert!(list.cursor < len.max(1));
                if len > 0 && height > 0 {
                    prop_assert!(list.window().contains(&list.cursor), "{list:?}");
                    prop_assert!(page.window().len() == height.min(len), "{page:?}");
                }
            }
        }
    }

    #[test]
    fn a_page_follows_its_end_until_somebody_scrolls_up() {
        let mut page = Scroll::default();
        page.fit(10, 4);
        page.go(Move::Last);
        page.fit(20, 4);
        assert_eq!(page.top, 16);
        page.go(Move::Rows(-1));
        page.fit(30, 4);
        assert_eq!((page.top, page.below()), (15, 11));
        page.go(Move::Page(10));
        assert!(page.follow);
    }
}
