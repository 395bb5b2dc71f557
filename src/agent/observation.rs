//! What the model is told of a result: the plain text of the output, cut to a size by a stated rule.
//!
//! Two rules, as the two builtin scaffolds have them: cut the finished text in the middle around a phrase ([`clip`]), or hand the
//! command template head and tail to write as it likes ([`Command`]). Lengths are characters, not bytes or tokens.

use minijinja::{Value, context};

/// A command that ran, for a scaffold's command template.
#[derive(Debug, Clone, Default)]
pub(super) struct Command {
    /// Plain text of the output.
    pub(super) output: String,
    /// Bytes that were not even kept.
    pub(super) unkept: u64,
    /// Exit status; -1 while it runs or when it was killed.
    pub(super) exit: i32,
    /// Anything to say beyond that; may be empty.
    pub(super) note: String,
}

impl Command {
    /// The names that the template may use.
    pub(super) fn context(&self, longest: usize) -> Value {
        let chars = self.output.chars().count();
        let half = longest / 2;
        let (head, _) = split(&self.output, half);
        let (_, tail) = split(&self.output, chars.saturating_sub(half));
        let elided = (chars.saturating_sub(half * 2) as u64).saturating_add(self.unkept);
        context! {
            output => self.output.as_str(), exit => self.exit, note => self.note.as_str(), chars, longest, head, tail, elided,
        }
    }
}

/// Cut the middle out of a text with more than `longest` characters: both ends stay, half each, around `cut`. Also
/// how many bytes went.
pub(super) fn clip(text: String, longest: usize, cut: &str) -> (String, u64) {
    let chars = text.chars().count();
    if chars <= longest {
        return (text, 0);
    }
    let half = longest / 2;
    let (head, _) = split(&text, half);
    let (_, tail) = split(&text, chars - half);
    let gone = text.len() - head.len() - tail.len();
    (format!("{head}{cut}{tail}"), gone as u64)
}

/// Before and after the character at `at`.
pub(super) fn split(text: &str, at: usize) -> (&str, &str) {
    let byte = text
        .char_indices()
        .nth(at)
        .map_or(text.len(), |(byte, _)| byte);
    text.split_at_checked(byte).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_the_longest_length_is_whole_and_a_longer_one_keeps_both_ends() {
        assert_eq!(clip("äbcd".into(), 4, "…"), ("äbcd".into(), 0));
        assert_eq!(clip("äbcdé".into(), 4, "[cut]"), ("äb[cut]dé".into(), 1));
    }

    #[test]
    fn the_template_is_told_how_much_is_missing_in_the_middle() {
        let command = Command {
            output: "0123456789ab".into(),
            unkept: 100,
            ..Command::default()
        };
        let context = command.context(10);
        assert_eq!(context.get_attr("head").unwrap().as_str(), Some("01234"));
        assert_eq!(context.get_attr("tail").unwrap().as_str(), Some("789ab"));
        assert_eq!(context.get_attr("elided").unwrap().as_i64(), Some(102));
    }
}
