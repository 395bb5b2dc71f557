//! A line of text that is being typed: cursor by grapheme, words, history. Shared by filters, prompts and forms.

use unicode_segmentation::UnicodeSegmentation;

/// Longest text that a field takes; a paste beyond it is cut.
const LONGEST: usize = 1 << 20;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    text: String,
    /// Byte offset of the cursor; always on a grapheme's boundary.
    at: usize,
}

impl Field {
    /// A field with a text and the cursor at its end.
    #[must_use]
    pub fn with(text: impl Into<String>) -> Self {
        let text = text.into();
        let at = text.len();
        Self { text, at }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether nothing is typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text before and after the cursor.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        self.text
            .split_at_checked(self.at)
            .unwrap_or((&self.text, ""))
    }

    /// Type or paste.
    pub fn insert(&mut self, text: &str) {
        let room = LONGEST.saturating_sub(self.text.len());
        let mut cut = text.len().min(room);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        let (text, _) = text.split_at(cut);
        self.text.insert_str(self.at, text);
        self.at += text.len();
    }

    /// Remove the grapheme before the cursor.
    pub fn backspace(&mut self) {
        let from = self.before();
        self.text.drain(from..self.at);
        self.at = from;
    }

    /// Remove the grapheme under the cursor.
    pub fn delete(&mut self) {
        let to = self.after();
        self.text.drain(self.at..to);
    }

    /// Remove the word before the cursor.
    pub fn delete_word(&mut self) {
        let from = self.word_before();
        self.text.drain(from..self.at);
        self.at = from;
    }

    /// Remove everything before the cursor.
    pub fn delete_to_start(&mut self) {
        self.text.drain(..self.at);
        self.at = 0;
    }

    /// Remove everything after the cursor.
    pub fn delete_to_end(&mut self) {
        self.text.truncate(self.at);
    }

    /// One grapheme left.
    pub fn left(&mut self) {
        self.at = self.before();
    }

    /// One grapheme right.
    pub fn right(&mut self) {
        self.at = self.after();
    }

    /// One word left.
    pub fn word_left(&mut self) {
        self.at = self.word_before();
    }

    /// One word right.
    pub fn word_right(&mut self) {
        let (_, after) = self.parts();
        let mut seen = false;
        let step = after
            .grapheme_indices(true)
            .find(|(_, piece)| {
                let word = is_word(piece);
                seen |= word;
                seen && !word
            })
            .map_or(after.len(), |(at, _)| at);
        self.at += step;
    }

    /// To the start.
    pub fn home(&mut self) {
        self.at = 0;
    }

    /// To the end.
    pub fn end(&mut self) {
        self.at = self.text.len();
    }

    /// Forget what was typed.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn before(&self) -> usize {
        let (before, _) = self.parts();
        before
            .grapheme_indices(true)
            .next_back()
            .map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        let (_, after) = self.parts();
        self.at + after.graphemes(true).next().map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        let (before, _) = self.parts();
        let mut seen = false;
        let mut from = 0;
        for (at, piece) in before.grapheme_indices(true).rev() {
            let word = is_word(piece);
            seen |= word;
            if seen && !word {
                from = at + piece.len();
                break;
            }
        }
        from
    }
}

fn is_word(piece: &str) -> bool {
    piece.chars().any(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_moves_by_what_a_reader_sees_as_one_character() {
        let mut field = Field::with("a👩‍💻e\u{301}");
        field.left();
        assert_eq!(field.parts(), ("a👩‍💻", "e\u{301}"));
        field.backspace();
        assert_eq!(field.text(), "ae\u{301}");
        field.delete();
        assert_eq!(field.text(), "a");
    }

    #[test]
    fn words_are_removed_and_crossed_whole() {
        let mut field = Field::with("repo:pandas version:2.0");
        field.delete_word();
        assert_eq!(field.text(), "repo:pandas version:2.");
        field.delete_word();
        assert_eq!(field.text(), "repo:pandas version:");
        field.home();
        field.word_right();
        assert_eq!(field.parts().0, "repo");
        field.word_right();
        assert_eq!(field.parts().0, "repo:pandas");
        field.word_left();
        assert_eq!(field.parts().0, "repo:");
    }

    #[test]
    fn a_paste_beyond_all_bounds_is_cut_at_a_character() {
        let mut field = Field::default();
        field.insert(&"ü".repeat(LONGEST));
        assert!(field.text().len() <= LONGEST && field.text().ends_with('ü'));
    }
}
