//! Text from files, models and commands, made safe to print.
//!
//! Everything that spotter shows of what others wrote goes through [`visible`]: a terminal would act on escape
//! sequences, and a reader would be deceived by marks that reorder or hide text. Such characters are not removed
//! but shown, so that the reader sees that they are there: C0 controls as their picture (`␛`), all others as
//! `<U+202E>`. `\n` and `\t` stay; whoever needs one line or fixed columns replaces those itself ([`one_line`]).

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal acts on the character, or a reader cannot see what it does.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        _ => is_bidi(c) || is_invisible(c),
    }
}

/// Marks that change the direction of the text around them.
fn is_bidi(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Characters without width that may hide or carry text. U+FE0E and U+FE0F stay: they only choose how the sign before
/// them looks and are common in issue texts.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0d}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The same text with every hidden character made visible. Borrowed where there is nothing to do.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        push_visible(&mut out, c);
    }
    Cow::Owned(out)
}

/// Like [`visible`], on one line: line ends and tabs become `␊` and a space.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push('␊'),
            '\t' => out.push(' '),
            other => push_visible(&mut out, other),
        }
    }
    out
}

fn push_visible(out: &mut String, c: char) {
    let code = u32::from(c);
    if !is_hidden(c) {
        out.push(c);
    } else if code < 0x20 {
        out.push(char::from_u32(0x2400 + code).unwrap_or('\u{fffd}'));
    } else if code == 0x7f {
        out.push('␡');
    } else {
        // Writing to a String cannot fail.
        let _ = write!(out, "<U+{code:04X}>");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_is_borrowed() {
        assert!(matches!(visible("a\tb\nñ 漢 ❤\u{fe0f}"), Cow::Borrowed(_)));
    }

    #[test]
    fn escapes_bidi_and_zero_width_marks_are_shown() {
        assert_eq!(visible("\x1b[31mred\r\n"), "␛[31mred␍\n");
        assert_eq!(
            visible("a\u{202e}b\u{200b}c\u{9b}d\u{7f}"),
            "a<U+202E>b<U+200B>c<U+009B>d␡"
        );
        assert_eq!(one_line("a\nb\tc\x07"), "a␊b c␇");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(is_hidden));
            prop_assert!(!one_line(&text).chars().any(|c| is_hidden(c) || c == '\n'));
        }

        #[test]
        fn making_visible_twice_changes_nothing(text in any::<String>()) {
            let once = visible(&text).into_owned();
            prop_assert_eq!(visible(&once), once.clone());
        }
    }
}
