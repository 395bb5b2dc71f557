//! Text from files, models and commands, made safe to print.
//!
//! Everything that spotter shows of what others wrote goes through [`visible`]: a terminal would act on escape
//! sequences, and a reader would be deceived by marks that reorder or hide text. Such characters are not removed
//! but shown, so that the reader sees that they are there: C0 controls as their picture (`␛`), all others as
//! `<U+202E>`. `\n` and `\t` stay; whoever needs one line or fixed columns replaces those itself ([`one_line`]).
//!
//! One is removed: the joiner between two emoji. Terminals draw what it joins in two columns or in as many as its parts take,
//! and nobody can know which; side by side the parts take the same in all of them.

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
    for c in apart(text) {
        push_visible(&mut out, c);
    }
    Cow::Owned(out)
}

/// The characters of a text without the joiners between emoji.
fn apart(text: &str) -> impl Iterator<Item = char> {
    let mut before = None;
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        let mut c = chars.next()?;
        let joined = |c: char| is_pictograph(c) || c == '\u{fe0f}';
        while c == JOINER
            && before.is_some_and(joined)
            && let Some(next) = chars.next_if(|next| is_pictograph(*next))
        {
            c = next;
        }
        before = Some(c);
        Some(c)
    })
}

/// Zero width joiner.
const JOINER: char = '\u{200d}';

/// Whether a character may be part of a joined emoji: the blocks that have any, with the skin tones.
fn is_pictograph(c: char) -> bool {
    matches!(
        c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}'
            | '\u{2300}'..='\u{23ff}' | '\u{25a0}'..='\u{27bf}' | '\u{2900}'..='\u{297f}' | '\u{2b00}'..='\u{2bff}'
            | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}'
    )
}

/// Like [`visible`], on one line: line ends and tabs become `␊` and a space.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in apart(text) {
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

    #[test]
    fn emoji_that_are_joined_stand_side_by_side_and_take_the_columns_of_their_parts() {
        use unicode_width::{UnicodeWidthChar, UnicodeWidthStr as _};
        for (text, shown) in [
            ("a\u{1f469}\u{200d}\u{1f4bb}b", "a\u{1f469}\u{1f4bb}b"),
            (
                "\u{1f468}\u{1f3fd}\u{200d}\u{1f469}\u{200d}\u{1f467}",
                "\u{1f468}\u{1f3fd}\u{1f469}\u{1f467}",
            ),
            (
                "\u{1f3f3}\u{fe0f}\u{200d}\u{1f308}",
                "\u{1f3f3}\u{fe0f}\u{1f308}",
            ),
            // Not between two emoji it hides something, and is shown.
            ("a\u{200d}b", "a<U+200D>b"),
            ("\u{1f469}\u{200d}b", "\u{1f469}<U+200D>b"),
            ("a\u{200d}\u{1f4bb}", "a<U+200D>\u{1f4bb}"),
            (
                "\u{1f469}\u{200d}\u{200d}\u{1f4bb}",
                "\u{1f469}<U+200D><U+200D>\u{1f4bb}",
            ),
        ] {
            assert_eq!(visible(text), shown);
            assert_eq!(one_line(text), shown);
        }
        let shown = one_line("\u{1f469}\u{200d}\u{1f4bb}");
        let parts: usize = shown.chars().filter_map(UnicodeWidthChar::width).sum();
        assert_eq!((shown.width(), parts), (4, 4));
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
