//! The editor's work on text: views with line numbers, replacing, inserting. Pure; no files.
//!
//! Lines are what `\n` parts, so a text that ends in `\n` has an empty last line, as the models know it.

use serde_json::Value;

/// Lines shown before and after an edit.
const AROUND: usize = 4;
/// Most characters of one answer.
const LONGEST: usize = 16_000;
const REVIEW: &str = "Review the changes and make sure they are as expected (correct indentation, no duplicate lines, etc). Edit the file again if necessary.";

/// An edited text and what the model is told of it; or why nothing was edited.
type Edited = Result<(String, String), String>;

/// Cut a long answer.
pub(super) fn clip(text: String) -> String {
    let (head, rest) = super::observation::split(&text, LONGEST);
    if rest.is_empty() {
        return text;
    }
    format!(
        "{head}<response clipped><NOTE>Only part of it is shown. Find the lines you need with `grep -n`, then view that range.</NOTE>"
    )
}

/// A text as `cat -n` shows it, its first line being number `first`.
pub(super) fn numbered(text: &str, what: &str, first: usize) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .enumerate()
        .map(|(index, line)| format!("{:6}\t{line}", index + first))
        .collect();
    let clipped = clip(lines.join("\n"));
    format!("Here's the result of running `cat -n` on {what}:\n{clipped}\n")
}

/// The whole text or a range of it.
pub(super) fn view(text: &str, path: &str, range: Option<&Value>) -> Result<String, String> {
    let Some(range) = range else {
        return Ok(numbered(text, path, 1));
    };
    let numbers: Vec<i64> = range
        .as_array()
        .map(|items| items.iter().filter_map(Value::as_i64).collect())
        .unwrap_or_default();
    let (Some(&[first, last]), true) = (
        numbers.first_chunk::<2>(),
        range.as_array().is_some_and(|items| items.len() == 2),
    ) else {
        return Err("Invalid `view_range`. It should be a list of two integers.".into());
    };
    let lines: Vec<&str> = text.split('\n').collect();
    let count = lines.len();
    let wrong = |why: String| Err(format!("Invalid `view_range`: [{first}, {last}]. {why}"));
    let Some(from) = usize::try_from(first)
        .ok()
        .filter(|line| (1..=count).contains(line))
    else {
        return wrong(format!(
            "Its first element `{first}` should be within the range of lines of the file: [1, {count}]"
        ));
    };
    let to = if last == -1 {
        count
    } else {
        usize::try_from(last).unwrap_or(0)
    };
    if to > count {
        return wrong(format!(
            "Its second element `{last}` should be smaller than the number of lines in the file: `{count}`"
        ));
    }
    if to < from {
        return wrong(format!(
            "Its second element `{last}` should be larger or equal than its first `{first}`"
        ));
    }
    let shown = lines.get(from - 1..to).unwrap_or_default().join("\n");
    Ok(numbered(&shown, path, from))
}

/// Replace the one place where `old` stands.
pub(super) fn replace(text: &str, path: &str, old: &str, new: &str) -> Edited {
    if old == new {
        return Err("No replacement was performed: old_str is the same as new_str".into());
    }
    if old.is_empty() {
        return Err("No replacement was performed: old_str is empty. Use `insert` to put text into the file.".into());
    }
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(old)) {
        places.push(from + at);
        from += at + old.len();
    }
    let line_of = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count() + 1;
    match places.as_slice() {
        [] => Err(format!(
            "No replacement was performed, old_str `{old}` did not appear verbatim in {path}."
        )),
        [at] => {
            let before = text.get(..*at).unwrap_or_default();
            let after = text.get(at + old.len()..).unwrap_or_default();
            let edited = format!("{before}{new}{after}");
            let first = line_of(*at) - 1;
            let told = edit_told(&edited, path, first, first + new.matches('\n').count());
            Ok((edited, told))
        }
        many => {
            let mut lines: Vec<usize> = many.iter().map(|at| line_of(*at)).collect();
            lines.dedup();
            Err(format!(
                "No replacement was performed. Multiple occurrences of old_str `{old}` in lines {lines:?}. Please ensure it is unique"
            ))
        }
    }
}

/// Put text after a line; 0 is the top.
pub(super) fn insert(text: &str, path: &str, after: i64, new: &str) -> Edited {
    let lines: Vec<&str> = text.split('\n').collect();
    let count = lines.len();
    let Some(at) = usize::try_from(after).ok().filter(|line| *line <= count) else {
        return Err(format!(
            "Invalid `insert_line` parameter: {after}. It should be within the range of lines of the file: [0, {count}]"
        ));
    };
    let (before, rest) = lines.split_at_checked(at).unwrap_or((&lines, &[]));
    let added: Vec<&str> = new.split('\n').collect();
    let edited = [before, &added, rest].concat().join("\n");
    let told = edit_told(&edited, path, at, at + added.len() - 1);
    Ok((edited, told))
}

/// The lines from `first` to `last` (from 0) of an edited text, with some around them.
fn edit_told(edited: &str, path: &str, first: usize, last: usize) -> String {
    let lines: Vec<&str> = edited.split('\n').collect();
    let from = first.saturating_sub(AROUND);
    let to = (last + AROUND + 1).min(lines.len());
    let shown = lines.get(from..to).unwrap_or_default().join("\n");
    let shown = numbered(&shown, &format!("a snippet of {path}"), from + 1);
    format!("The file {path} has been edited. {shown}{REVIEW}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const TEN: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

    #[test]
    fn a_replacement_shows_four_lines_around_it() {
        let (edited, told) = replace(TEN, "/f", "6\n", "six\nsechs\n").unwrap();
        assert_eq!(edited, "1\n2\n3\n4\n5\nsix\nsechs\n7\n8\n9\n10\n");
        assert!(told.starts_with("The file /f has been edited. Here's the result of running `cat -n` on a snippet of /f:\n     2\t2\n"), "{told}");
        assert!(
            told.contains("    12\t\n") || told.contains("    11\t10\n"),
            "{told}"
        );
    }

    #[test]
    fn every_refusal_has_the_words_that_models_know() {
        let cases = [
            (
                replace(TEN, "/f", "x", "y"),
                "No replacement was performed, old_str `x` did not appear verbatim in /f.",
            ),
            (
                replace("a\nb\na\n", "/f", "a", "y"),
                "Multiple occurrences of old_str `a` in lines [1, 3]. Please ensure it is unique",
            ),
            (
                replace(TEN, "/f", "6", "6"),
                "old_str is the same as new_str",
            ),
            (insert(TEN, "/f", 12, "x"), "[0, 11]"),
            (
                insert(TEN, "/f", -1, "x"),
                "Invalid `insert_line` parameter: -1.",
            ),
        ];
        for (edited, words) in cases {
            let told = edited.unwrap_err();
            assert!(told.contains(words), "{told}");
        }
        for (range, words) in [
            (json!([1]), "It should be a list of two integers."),
            (json!([1, 2, 3]), "It should be a list of two integers."),
            (json!([0, 2]), "[1, 11]"),
            (json!([12, -1]), "[1, 11]"),
            (
                json!([2, 12]),
                "smaller than the number of lines in the file: `11`",
            ),
            (json!([3, 2]), "larger or equal than its first `3`"),
            (json!([3, -2]), "larger or equal than its first `3`"),
        ] {
            let told = view(TEN, "/f", Some(&range)).unwrap_err();
            assert!(
                told.starts_with("Invalid `view_range`") && told.contains(words),
                "{told}"
            );
        }
    }

    #[test]
    fn a_range_shows_exactly_its_lines() {
        let told = view(TEN, "/f", Some(&json!([9, -1]))).unwrap();
        assert_eq!(
            told,
            "Here's the result of running `cat -n` on /f:\n     9\t9\n    10\t10\n    11\t\n"
        );
    }

    #[test]
    fn a_long_view_is_clipped_and_says_so() {
        let told = view(&"line\n".repeat(10_000), "/f", None).unwrap();
        assert!(told.contains("<response clipped>") && told.chars().count() < 16_500);
    }

    proptest! {
        #[test]
        fn inserting_puts_the_text_after_its_line_and_changes_nothing_else(
            lines in prop::collection::vec("[a-zé]{0,5}", 1..12), new in "[a-z\n]{0,9}", at in 0usize..12,
        ) {
            let text = lines.join("\n");
            let at = at.min(lines.len());
            let (edited, _) = insert(&text, "/f", i64::try_from(at).unwrap(), &new).unwrap();
            let found: Vec<&str> = edited.split('\n').collect();
            let added = new.split('\n').count();
            prop_assert_eq!(&found[..at], &lines[..at]);
            prop_assert_eq!(found[at..at + added].join("\n"), new);
            prop_assert_eq!(&found[at + added..], &lines[at..]);
        }

        #[test]
        fn replacing_back_gives_the_same_text(before in "[ab\n]{0,20}", after in "[ab\n]{0,20}") {
            let text = format!("{before}X{after}");
            let (edited, _) = replace(&text, "/f", "X", "YéY").unwrap();
            let (back, _) = replace(&edited, "/f", "YéY", "X").unwrap();
            prop_assert_eq!(back, text);
        }
    }
}
