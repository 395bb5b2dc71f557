//! How wide the terminal is, and text made to fit it: cut where a line is one of many, broken where it is a sentence.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Where there is no terminal.
const PLAIN: usize = 100;
/// Continuation lines stand under the text, not under the gutter.
const INDENT: &str = "     ";

/// Columns of the terminal; `None` where standard output is none.
pub(crate) fn terminal() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(usize::from(width.0).max(20))
}

/// Columns for text that is one of many lines.
pub(crate) fn columns() -> usize {
    terminal().unwrap_or(PLAIN)
}

/// One line in at most so many columns, tabs as spaces, a mark where something is missing.
pub(crate) fn cut(line: &str, room: usize) -> String {
    let line = untab(line);
    if line.width() <= room {
        return line;
    }
    let mut short = String::new();
    let mut used = 0;
    for char in line.chars() {
        used += char.width().unwrap_or(0);
        if used >= room {
            break;
        }
        short.push(char);
    }
    short.push('…');
    short
}

/// Tabs to the next column that is a multiple of eight.
fn untab(line: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for char in line.chars() {
        if char == '\t' {
            let spaces = 8 - column % 8;
            out.extend(std::iter::repeat_n(' ', spaces));
            column += spaces;
        } else {
            out.push(char);
            column += char.width().unwrap_or(0);
        }
    }
    out
}

/// A dressed line broken at spaces so that nothing is wider than `columns`; colours take no room.
pub(crate) fn broken(line: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    let mut used = 0;
    for word in line.split_inclusive(' ') {
        let mut room = bare_width(word.trim_end_matches(' '));
        if used > 0 && used + room > columns && !current.trim().is_empty() {
            let done = std::mem::replace(&mut current, INDENT.to_owned());
            lines.push(done.trim_end_matches(' ').to_owned());
            used = INDENT.len();
        }
        room += word.len() - word.trim_end_matches(' ').len();
        current.push_str(word);
        used += room;
    }
    lines.push(current);
    lines
}

/// Columns of a text without its colours.
fn bare_width(text: &str) -> usize {
    let mut width = 0;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char == '\x1b' {
            chars.by_ref().find(|char| *char == 'm');
        } else {
            width += char.width().unwrap_or(0);
        }
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_and_wide_characters_take_the_columns_that_a_terminal_gives_them() {
        assert_eq!(cut("a\tb", 80), "a       b");
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("abcdef", 4), "abc…");
    }

    #[test]
    fn a_sentence_is_broken_and_its_colours_take_no_room() {
        assert_eq!(
            broken("\x1b[2mone two three\x1b[0m", 8),
            ["\x1b[2mone two", "     three\x1b[0m"]
        );
        assert_eq!(broken("     │ x", 80), ["     │ x"]);
    }
}
