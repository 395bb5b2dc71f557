//! Where things lie on a screen of a size: pure arithmetic, so that scrolling and drawing agree.
//!
//! Below 40×10 there is one line. Below 100 columns one pane fills the screen and the others are tabs. Above, the transcript
//! has the left part and the panes of the preset share the right one; above 220 columns the right part has two columns.

/// A rectangle of cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Area {
    /// First column.
    pub x: u16,
    /// First row.
    pub y: u16,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl Area {
    /// A rectangle.
    #[must_use]
    pub const fn new(x: u16, y: u16, width: u16, height: u16) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }

    /// Whether a cell lies in it.
    #[must_use]
    pub const fn holds(self, column: u16, row: u16) -> bool {
        column >= self.x
            && column < self.x + self.width
            && row >= self.y
            && row < self.y + self.height
    }

    /// The upper rows, and the rest.
    #[must_use]
    pub fn top(self, rows: u16) -> (Self, Self) {
        let rows = rows.min(self.height);
        (
            Self {
                height: rows,
                ..self
            },
            Self {
                y: self.y + rows,
                height: self.height - rows,
                ..self
            },
        )
    }

    /// The lower rows, and the rest.
    #[must_use]
    pub fn bottom(self, rows: u16) -> (Self, Self) {
        let rows = rows.min(self.height);
        (
            Self {
                y: self.y + self.height - rows,
                height: rows,
                ..self
            },
            Self {
                height: self.height - rows,
                ..self
            },
        )
    }

    /// The left columns, and the rest.
    #[must_use]
    pub fn left(self, columns: u16) -> (Self, Self) {
        let columns = columns.min(self.width);
        (
            Self {
                width: columns,
                ..self
            },
            Self {
                x: self.x + columns,
                width: self.width - columns,
                ..self
            },
        )
    }

    /// The same with columns left free at both sides.
    #[must_use]
    pub fn inset(self, columns: u16) -> Self {
        let columns = columns.min(self.width / 2);
        Self {
            x: self.x + columns,
            width: self.width - 2 * columns,
            ..self
        }
    }
}

/// Size of the screen as far as layout is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// One line at best.
    Tiny,
    /// One pane with tabs.
    Small,
    /// Two columns.
    Wide,
    /// Three columns.
    Huge,
}

/// What a size allows.
#[must_use]
pub fn class(width: u16, height: u16) -> Class {
    match (width, height) {
        (w, h) if w < 40 || h < 10 => Class::Tiny,
        (w, h) if w < 100 || h < 16 => Class::Small,
        (w, _) if w < 220 => Class::Wide,
        _ => Class::Huge,
    }
}

/// The frame that every view shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// One line: where one is, and the state.
    pub header: Area,
    /// Under it: attempts, tabs. Empty where a view has none.
    pub strip: Area,
    /// The thin rule under both; empty on a small screen.
    pub rule: Area,
    /// The view itself.
    pub body: Area,
    /// The question that waits for an answer.
    pub question: Area,
    /// The rule above the keys.
    pub keys_rule: Area,
    /// The line of keys.
    pub keys: Area,
}

/// Divide the screen.
#[must_use]
pub fn frame(width: u16, height: u16, strip: bool, question: u16) -> Frame {
    let screen = Area::new(0, 0, width, height);
    let small = class(width, height) == Class::Small;
    let (header, rest) = screen.top(1);
    let (strip, rest) = rest.top(u16::from(strip));
    let (rule, rest) = rest.top(1);
    let (keys, rest) = rest.bottom(1);
    let (keys_rule, rest) = rest.bottom(1);
    let room = if small { 1 } else { 2 };
    let question = if question > 0 { question + room - 1 } else { 0 };
    let (question, body) = rest.bottom(question.min(rest.height / 2));
    Frame {
        header,
        strip,
        rule,
        body,
        question,
        keys_rule,
        keys,
    }
}

/// Divide a height among panes by weight, with a rule between; each gets at least two rows or none.
#[must_use]
pub fn stack(area: Area, weights: &[u16]) -> Vec<Area> {
    let count = u16::try_from(weights.len()).unwrap_or(u16::MAX);
    if count == 0 {
        return Vec::new();
    }
    let room = area.height.saturating_sub(count - 1);
    let total: u32 = weights
        .iter()
        .map(|weight| u32::from(*weight))
        .sum::<u32>()
        .max(1);
    let mut areas = Vec::new();
    let mut y = area.y;
    let mut left = room;
    for (at, weight) in weights.iter().enumerate() {
        let last = at + 1 == weights.len();
        let share = u32::from(room) * u32::from(*weight) / total;
        let height = if last {
            left
        } else {
            u16::try_from(share).unwrap_or(left).min(left)
        };
        areas.push(Area { y, height, ..area });
        left -= height;
        y = y.saturating_add(height).saturating_add(1);
    }
    areas
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn areas_stay_on_the_screen_at_any_size(width in 0u16..400, height in 0u16..200, strip: bool, question in 0u16..9,
            weights in proptest::collection::vec(1u16..9, 0..6)) {
            let frame = frame(width, height, strip, question);
            let inside = |area: Area| area.x + area.width <= width && area.y + area.height <= height;
            for area in [frame.header, frame.strip, frame.rule, frame.body, frame.question, frame.keys_rule, frame.keys] {
                prop_assert!(inside(area), "{area:?}");
            }
            for area in stack(frame.body, &weights) {
                prop_assert!(area.height == 0 || inside(area), "{area:?} of {:?}", frame.body);
            }
        }
    }
}
