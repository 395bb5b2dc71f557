//! What a terminal would show at the end, as plain text: for the model, who cannot see colours or moving bars.
//!
//! Escape sequences and control characters are taken out; `\r` starts the line anew, so that of a progress bar only its last
//! state is left; a backspace takes back one character. It does not move a cursor over lines: a full-screen program comes out
//! as the text that it wrote, in order. People see the raw bytes elsewhere.

/// The plain text of what a terminal was sent.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Where the current line begins in `out`, and whether a `\r` waits to see if more is written over the line.
    let mut line = 0;
    let mut returned = false;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\n' => {
                out.push('\n');
                line = out.len();
                returned = false;
            }
            '\r' => returned = true,
            '\u{8}' => {
                if out.len() > line {
                    out.pop();
                }
            }
            '\t' => out.push('\t'),
            c if c.is_control() => {}
            c => {
                if returned {
                    out.truncate(line);
                    returned = false;
                }
                out.push(c);
            }
        }
    }
    out
}

/// After ESC: a control sequence, a string that ends in BEL or ESC `\`, or one or two characters.
fn skip_escape(rest: &mut std::str::Chars<'_>) {
    match rest.next() {
        Some('[') => skip_control_sequence(rest),
        Some(']' | 'P' | 'X' | '^' | '_') => {
            // An unterminated string must not swallow everything that follows: it ends with its line.
            let mut ahead = rest.clone();
            while let Some(c) = ahead.next() {
                match c {
                    '\u{7}' | '\u{9c}' => break,
                    '\u{1b}' => {
                        ahead.next();
                        break;
                    }
                    '\n' => return,
                    _ => *rest = ahead.clone(),
                }
            }
            *rest = ahead;
        }
        Some('(' | ')' | '*' | '+' | '#' | '%' | ' ') => {
            rest.next();
        }
        _ => {}
    }
}

/// Parameters and intermediates up to the final character.
fn skip_control_sequence(rest: &mut std::str::Chars<'_>) {
    let mut ahead = rest.clone();
    while let Some(c) = ahead.next() {
        match c {
            ' '..='?' => *rest = ahead.clone(),
            '@'..='~' => {
                *rest = ahead;
                return;
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn colours_titles_and_bells_are_gone_and_the_words_stay() {
        assert_eq!(
            plain("\u{1b}[1;31mred\u{1b}[0m \u{1b}]0;title\u{7}plain\u{7}"),
            "red plain"
        );
        assert_eq!(
            plain("\u{1b}(Bx\u{1b}[?2004hy\u{1b}]8;;http://a\u{1b}\\z"),
            "xyz"
        );
    }

    #[test]
    fn of_a_progress_bar_the_last_state_stays() {
        assert_eq!(plain("a\r\n10%\r50%\r100%\ndone"), "a\n100%\ndone");
        assert_eq!(plain("kept\r"), "kept");
        assert_eq!(plain("ab\u{8}c"), "ac");
    }

    #[test]
    fn an_unfinished_sequence_swallows_no_later_line() {
        assert_eq!(plain("a\u{1b}]0;never ended\nb"), "a\nb");
        assert_eq!(plain("a\u{1b}[12\nb"), "a\nb");
        assert_eq!(plain("a\u{1b}"), "a");
    }

    #[test]
    fn any_script_passes_through() {
        assert_eq!(plain("naïve 日本語 🦀\tx"), "naïve 日本語 🦀\tx");
    }
}
