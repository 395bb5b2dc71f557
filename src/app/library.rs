//! The library view: all trajectories of the store in a windowed table under a query, sorted by a column.

use super::list::List;
use super::query::Query;
use crate::text::filter::Value;
use crate::trajectory::index::Summary;
pub use crate::trajectory::index::columns::{Column, FIELDS};
use crate::trajectory::index::columns::{compare, value};

/// See the module.
#[derive(Debug, Default)]
pub struct Library {
    /// The rows, oldest first.
    pub rows: Vec<Summary>,
    /// The scan is over.
    pub complete: bool,
    /// What is typed over them.
    pub query: Query,
    /// The cursor.
    pub list: List,
    /// What the table is sorted by.
    pub sort: Column,
    /// Smallest first.
    pub ascending: bool,
}

impl Library {
    /// Rows came; one replaces that of its id.
    pub fn take(&mut self, rows: Vec<Summary>, complete: bool) {
        // They are sorted by id: thousands of rows come in slices, and each must find its place at once.
        let mut new = Vec::new();
        for row in rows {
            match self.rows.binary_search_by(|there| there.id.cmp(&row.id)) {
                Ok(at) => {
                    if let Some(there) = self.rows.get_mut(at) {
                        *there = row;
                    }
                }
                Err(_) => new.push(row),
            }
        }
        self.rows.append(&mut new);
        self.rows.sort_by(|a, b| a.id.cmp(&b.id));
        self.complete |= complete;
        self.refilter();
    }

    /// Rollouts are gone.
    pub fn drop_rows(&mut self, ids: &[String]) {
        self.rows.retain(|row| !ids.contains(&row.id));
        self.refilter();
    }

    /// The row under the cursor.
    #[must_use]
    pub fn current(&self) -> Option<&Summary> {
        self.rows.get(*self.query.rows.get(self.list.cursor)?)
    }

    /// The query, the order or the rows changed. The cursor stays on its row.
    pub fn refilter(&mut self) {
        let current = self.current().map(|row| row.id.clone());
        let mut query = std::mem::take(&mut self.query);
        let rows = &self.rows;
        query.apply(
            rows.len(),
            FIELDS,
            |row| rows.get(row).map_or("", |row| row.task.as_str()).into(),
            |row, name| {
                rows.get(row)
                    .map_or(Value::text(""), |row| value(row, name))
            },
        );
        if query.words.is_empty() {
            let (sort, ascending) = (self.sort, self.ascending);
            query.rows.sort_by(|a, b| {
                let (Some(a), Some(b)) = (rows.get(*a), rows.get(*b)) else {
                    return std::cmp::Ordering::Equal;
                };
                let order = compare(sort, a, b).then_with(|| a.id.cmp(&b.id));
                if ascending { order } else { order.reverse() }
            });
        }
        self.query = query;
        let at = current.and_then(|id| {
            self.query
                .rows
                .iter()
                .position(|row| self.rows.get(*row).is_some_and(|row| row.id == id))
        });
        self.list.cursor = at.unwrap_or(0);
        self.list.fit(self.query.rows.len(), self.list.height);
    }

    /// Sort by the next column, or turn the order round.
    pub fn resort(&mut self, column: Option<Column>) {
        match column {
            Some(column) if column == self.sort => self.ascending = !self.ascending,
            Some(column) => {
                self.sort = column;
                self.ascending = matches!(column, Column::Task | Column::Model);
            }
            None => {
                let at = Column::ALL
                    .iter()
                    .position(|column| *column == self.sort)
                    .unwrap_or(0);
                self.sort = Column::ALL
                    .get((at + 1) % Column::ALL.len())
                    .copied()
                    .unwrap_or_default();
                self.ascending = matches!(self.sort, Column::Task | Column::Model);
            }
        }
        self.refilter();
    }
}
