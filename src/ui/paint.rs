//! Lines into cells.

use std::num::NonZeroU16;
use std::ops::Range;

use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation as _;

use super::{Eye, rect};
use crate::app::field::Field;
use crate::app::glyph::Glyphs;
use crate::app::layout::Area;
use crate::text::url::Url;
use crate::text::{Ink, Line, Role, safe, wrap};

/// A frame being drawn.
pub(super) struct Paint<'a> {
    buffer: &'a mut Buffer,
    pub(super) eye: &'a Eye,
    presenting: bool,
    ascii: bool,
    /// Where the terminal's cursor goes.
    pub(super) cursor: Option<(u16, u16)>,
}

impl<'a> Paint<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, eye: &'a Eye, presenting: bool, ascii: bool) -> Self {
        Self {
            buffer,
            eye,
            presenting,
            ascii,
            cursor: None,
        }
    }

    /// The ground of the whole screen.
    pub(super) fn ground(&mut self) {
        let area = self.buffer.area;
        let style = self
            .eye
            .theme
            .style(Role::Text)
            .patch(self.eye.theme.style(Role::Background));
        self.buffer.set_style(area, style);
    }

    /// Blank an area for what lies over the screen.
    pub(super) fn popup(&mut self, area: Area) {
        let inside = rect(area).intersection(self.buffer.area);
        for y in inside.top()..inside.bottom() {
            for x in inside.left()..inside.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                }
            }
        }
        let theme = &self.eye.theme;
        let style = theme
            .style(Role::Text)
            .patch(theme.style(Role::Background))
            .patch(theme.style(Role::Popup));
        self.buffer.set_style(inside, style);
    }

    /// A line at the left edge of an area's row, cut to its width. Returns the columns it took.
    pub(super) fn line(&mut self, area: Area, row: u16, line: &Line) -> u16 {
        self.line_over(area, row, line, None)
    }

    fn line_over(&mut self, area: Area, row: u16, line: &Line, over: Option<Role>) -> u16 {
        if row >= area.height || area.width == 0 {
            return 0;
        }
        let masked;
        let line = if self.presenting {
            masked = self.eye.mask.line(line);
            &masked
        } else {
            line
        };
        let y = area.y + row;
        let end = area.x + area.width;
        let mut x = area.x;
        for (text, ink) in line.pieces() {
            let room = usize::from(end.saturating_sub(x));
            if room == 0 {
                break;
            }
            let plain;
            let text = if self.ascii && !text.is_ascii() {
                plain = text.chars().map(in_ascii).collect::<String>();
                &plain
            } else {
                text
            };
            let ink = Ink {
                over: ink.over.or(over),
                ..ink
            };
            let (next, _) = self
                .buffer
                .set_stringn(x, y, text, room, self.eye.theme.ink(ink));
            x = next;
        }
        x - area.x
    }

    /// Cells of an area's row, already drawn, lead somewhere. Nothing while presenting: an address cannot be masked.
    pub(super) fn link(&mut self, area: Area, row: u16, columns: Range<usize>, url: &Url) {
        if !self.eye.links || self.presenting || row >= area.height {
            return;
        }
        let column = |at: usize| u16::try_from(at).unwrap_or(u16::MAX).min(area.width);
        let (mut x, end) = (area.x + column(columns.start), area.x + column(columns.end));
        while x < end {
            let Some(cell) = self.buffer.cell_mut((x, area.y + row)) else {
                return;
            };
            let width = u16::try_from(wrap::columns(cell.symbol())).unwrap_or(1);
            let width = NonZeroU16::new(width).unwrap_or(NonZeroU16::MIN);
            let linked = crate::term::link::cell(cell.symbol(), url);
            cell.set_symbol(&linked)
                .set_diff_option(CellDiffOption::ForcedWidth(width));
            x += width.get();
        }
    }

    /// Lines from the top of an area.
    pub(super) fn lines(&mut self, area: Area, lines: &[Line]) {
        for (row, line) in (0..area.height).zip(lines) {
            self.line(area, row, line);
        }
    }

    /// A row that the cursor is on: the mark in the column before it, the ground of the selection under the whole row.
    pub(super) fn selected(&mut self, area: Area, row: u16, line: &Line, glyphs: Glyphs) {
        if row >= area.height {
            return;
        }
        self.line(area, row, line);
        let place = rect(Area {
            y: area.y + row,
            height: 1,
            ..area
        });
        let style = self.style(Role::Selection);
        self.buffer
            .set_style(place.intersection(self.buffer.area), style);
        if let Some(before) = area.x.checked_sub(1) {
            let mark = Area {
                x: before,
                width: 1,
                ..area
            };
            self.line(mark, row, &Line::of(glyphs.focus(), Role::Focus));
        }
    }

    /// A line that ends at the right edge of an area's row, not over what begins it. Returns its first column.
    pub(super) fn right(&mut self, area: Area, row: u16, line: &Line, taken: u16) -> u16 {
        let width = u16::try_from(line.width()).unwrap_or(u16::MAX);
        let room = area.width.saturating_sub(taken);
        let width = width.min(room);
        let at = Area {
            x: area.x + area.width - width,
            width,
            ..area
        };
        self.line(at, row, line);
        at.x
    }

    /// A thin rule across an area's first row.
    pub(super) fn rule(&mut self, area: Area, glyphs: Glyphs) {
        let line = Line::of(glyphs.rule().repeat(usize::from(area.width)), Role::Rule);
        self.line(area, 0, &line);
    }

    /// A thin rule down one column.
    pub(super) fn rule_down(&mut self, x: u16, from: u16, to: u16, glyphs: Glyphs) {
        let style = self.style(Role::Rule);
        for y in from..to {
            self.buffer.set_stringn(x, y, glyphs.bar(), 1, style);
        }
    }

    /// Something typed: before the cursor, the cursor, after it. What does not fit is cut at the left.
    pub(super) fn field(&mut self, area: Area, row: u16, label: &Line, field: &Field) {
        let taken = self.line(area, row, label);
        let area = Area {
            x: area.x + taken,
            width: area.width.saturating_sub(taken),
            ..area
        };
        if area.width < 2 {
            return;
        }
        // A megabyte may have been pasted: only what can be in view is looked at.
        let room = usize::from(area.width) - 1;
        let (before, after) = field.parts();
        let (mut used, mut from) = (0, before.len());
        for (at, piece) in before.grapheme_indices(true).rev() {
            used += wrap::columns(&safe::one_line(piece));
            if used > room {
                break;
            }
            from = at;
        }
        let before = safe::one_line(before.get(from..).unwrap_or_default());
        let after: String = after.chars().take(room).collect();
        let after = safe::one_line(&after);
        let x = area.x + u16::try_from(wrap::columns(&before)).unwrap_or(0);
        let line = Line::of(before, Role::Text).with(&after, Role::Text);
        self.line(area, row, &line);
        let y = area.y + row;
        let style = self.style(Role::Cursor);
        if let Some(cell) = self.buffer.cell_mut((x, y)) {
            cell.set_style(style);
        }
        self.cursor = Some((x, y));
    }

    fn style(&self, role: Role) -> Style {
        self.eye.theme.style(role)
    }
}

/// The signs that are drawn into text (cuts, rules, counts) in ASCII, column for column. What others wrote stays as it is.
fn in_ascii(c: char) -> char {
    match c {
        '…' => '~',
        '─' | '−' | '–' | '·' => '-',
        '│' | '▌' => '|',
        '×' | '✗' => 'x',
        '✓' => '+',
        '○' | '•' => '*',
        other => other,
    }
}
