//! Text cut to a number of columns, with a sign that it was.

use crate::text::{Ink, Line, Role};

/// Add text that is cut to a number of columns, with a sign that it was.
pub fn push_cut(line: &mut Line, words: &str, ink: impl Into<Ink>, columns: usize) {
    push_cut_ink(line, words, ink.into(), columns);
}

fn push_cut_ink(line: &mut Line, words: &str, ink: Ink, columns: usize) {
    use unicode_segmentation::UnicodeSegmentation;
    use unicode_width::UnicodeWidthStr;
    if words.width() <= columns {
        line.push(words, ink);
        return;
    }
    let mut used = 0;
    let mut end = 0;
    for (at, piece) in words.grapheme_indices(true) {
        let wide = piece.width();
        if used + wide > columns.saturating_sub(1) {
            break;
        }
        used += wide;
        end = at + piece.len();
    }
    line.push(words.get(..end).unwrap_or_default(), ink);
    if columns > 0 {
        line.push("…", Role::Dim);
    }
}
