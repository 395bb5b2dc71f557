//! A table as aligned columns.

use pulldown_cmark::Alignment;

use super::{Inline, Linked};
use crate::text::line::{Ink, Line};
use crate::text::role::Role;
use crate::text::wrap;

/// Between columns.
const RULE: &str = " │ ";

/// Rows collected until the widths are known; the first is the head.
pub(super) struct Table {
    alignments: Vec<Alignment>,
    rows: Vec<Vec<Inline>>,
    row: Vec<Inline>,
}

impl Table {
    pub(super) fn new(alignments: Vec<Alignment>) -> Self {
        Self {
            alignments,
            rows: Vec::new(),
            row: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, cell: Inline) {
        self.row.push(cell);
    }

    pub(super) fn end_row(&mut self) {
        self.rows.push(std::mem::take(&mut self.row));
    }

    /// The lines, each with its links by columns. Cells are cut so that all columns fit; a table with more columns than there is
    /// room for goes over the edge.
    pub(super) fn lines(self, room: usize) -> Vec<(Line, Vec<Linked>)> {
        let widths = self.widths(room);
        let mut lines = Vec::new();
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = Line::new();
            let mut found = Vec::new();
            for (column, cell) in row.iter().enumerate() {
                if column > 0 {
                    line.push(RULE, Role::Rule);
                }
                let width = widths.get(column).copied().unwrap_or(0);
                let text = cell.lines.first().cloned().unwrap_or_default();
                let text = if number == 0 {
                    let all = 0..text.text().len();
                    text.painted(&[all], Ink::bold)
                } else {
                    text
                };
                let text = wrap::cut(&text, width);
                let blank = width.saturating_sub(wrap::columns(text.text()));
                let before = match self.alignments.get(column) {
                    Some(Alignment::Right) => blank,
                    Some(Alignment::Center) => blank / 2,
                    _ => 0,
                };
                line.push(&" ".repeat(before), Role::Text);
                let at = wrap::columns(line.text());
                for (_, range, url) in &cell.links {
                    let place = |byte: usize| {
                        let head = cell.lines.first().and_then(|line| line.text().get(..byte));
                        at + wrap::columns(head.unwrap_or_default()).min(width)
                    };
                    found.push((place(range.start)..place(range.end), url.clone()));
                }
                line.append(&text);
                line.push(&" ".repeat(blank - before), Role::Text);
            }
            lines.push((line, found));
            if number == 0 {
                let rules: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
                lines.push((Line::of(rules.join("─┼─"), Role::Rule), Vec::new()));
            }
        }
        lines
    }

    /// As wide as the widest cell, the widest columns narrowed until all fit.
    fn widths(&self, room: usize) -> Vec<usize> {
        let mut widths = vec![0; self.alignments.len()];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                let text = cell.lines.first().map_or("", Line::text);
                *width = wrap::columns(text).max(*width);
            }
        }
        let rules = wrap::columns(RULE) * widths.len().saturating_sub(1);
        let room = room.saturating_sub(rules);
        let fits =
            |most: usize| widths.iter().map(|width| *width.min(&most)).sum::<usize>() <= room;
        let (mut low, mut high) = (1, widths.iter().copied().max().unwrap_or(0).max(1));
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if fits(middle) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        widths.into_iter().map(|width| width.min(low)).collect()
    }
}
