//! Code in a task's statement, highlighted: by its text and the word after its fence, which says the language.

use std::collections::HashMap;

use crate::text::highlight::{self, Language};
use crate::text::{Line, Role, markdown, wrap};

/// Bytes of code that are highlighted in one statement; what is beyond stays in one colour.
const MOST: usize = 64 << 10;
/// Columns between tab stops.
const TAB: usize = 4;

/// See the module.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fences(HashMap<(String, String), Vec<Line>>);

impl Fences {
    /// Highlight what says its language. Slow: for a thread of its own.
    #[must_use]
    pub fn of(statement: &str) -> Self {
        let found = std::cell::RefCell::new(HashMap::new());
        let bytes = std::cell::Cell::new(0);
        let _ = markdown::page(statement, 80, &|code, word| {
            let language = Language::of_fence(word)?;
            bytes.set(bytes.get() + code.len());
            if bytes.get() <= MOST {
                let mut lines = highlight::snippet(code, Some(language), TAB);
                only_prompts(code, &mut lines);
                found
                    .borrow_mut()
                    .insert((code.to_owned(), word.to_owned()), lines);
            }
            None
        });
        Self(found.into_inner())
    }

    /// A block's lines.
    #[must_use]
    pub fn lines(&self, code: &str, word: &str) -> Option<Vec<Line>> {
        self.0.get(&(code.to_owned(), word.to_owned())).cloned()
    }
}

/// Of a session, what was typed is code and what was printed is not.
fn only_prompts(code: &str, lines: &mut [Line]) {
    let typed = |raw: &str| {
        [">>>", "..."]
            .iter()
            .any(|sign| raw.trim_start().starts_with(sign))
    };
    if !code.lines().any(|raw| raw.trim_start().starts_with(">>> ")) {
        return;
    }
    for (raw, line) in code.lines().zip(lines) {
        if !typed(raw) {
            *line = Line::of(wrap::clean(raw, TAB), Role::MarkupCode);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_highlighted_where_its_fence_says_in_which_language() {
        let text = "See\n\n```python\nif x:\n    pass\n```\n\nand\n\n```\nif x:\n```\n\n~~~sh\necho $x\n~~~\n";
        let fences = Fences::of(text);
        let roles = |code: &str, word: &str| -> Option<Vec<Role>> {
            let lines = fences.lines(code, word)?;
            Some(lines[0].pieces().map(|(_, ink)| ink.role).collect())
        };
        let python = roles("if x:\n    pass\n", "python").unwrap();
        assert!(python.contains(&Role::CodeKeyword), "{python:?}");
        assert!(roles("echo $x\n", "sh").is_some_and(|roles| roles.len() > 1));
        assert_eq!(roles("if x:\n", ""), None, "it says no language");
    }

    #[test]
    fn what_a_session_printed_is_no_code() {
        let code = ">>> f(1)\n1 is in\n";
        let lines = Fences::of(&format!("```pycon\n{code}```\n")).lines(code, "pycon");
        let lines = lines.unwrap();
        assert!(lines[0].pieces().count() > 1);
        assert_eq!(lines[1], Line::of("1 is in", Role::MarkupCode));
    }

    #[test]
    fn beyond_a_bound_code_stays_in_one_colour() {
        let block = |code: &str| format!("```py\n{code}```\n\n");
        let (small, large) = ("x = 1\n", "y = 2\n".repeat(MOST / 6 + 1));
        let fences = Fences::of(&(block(small) + &block(&large)));
        assert!(fences.lines(small, "py").is_some());
        assert!(fences.lines(&large, "py").is_none());
    }
}
