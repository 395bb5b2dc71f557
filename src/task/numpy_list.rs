//! What numpy (or Python) prints for a list of strings: `['a' "it's"\n 'c']`.
//!
//! Elements are Python string literals with either quote and Python's escapes, between them white space or commas.
//! Long arrays are printed with `...` in the middle: what is left out cannot be had back. `array([...], dtype=object)`
//! and numpy 2's `np.str_('a')` are understood too.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoList {
    Elided,
    Unreadable,
}

pub(super) fn parse(text: &str) -> Result<Vec<String>, NoList> {
    let text = text.trim();
    let text = text.strip_prefix("array(").unwrap_or(text);
    let mut chars = text
        .strip_prefix('[')
        .ok_or(NoList::Unreadable)?
        .chars()
        .peekable();
    let mut out = Vec::new();
    loop {
        match chars.next().ok_or(NoList::Unreadable)? {
            ']' => break,
            c if c.is_whitespace() || c == ',' => {}
            quote @ ('\'' | '"') => out.push(literal(&mut chars, quote)?),
            '.' if chars.next() == Some('.') && chars.next() == Some('.') => {
                return Err(NoList::Elided);
            }
            'n' => out.push(wrapped(&mut chars)?),
            _ => return Err(NoList::Unreadable),
        }
    }
    let rest: String = chars.collect();
    let rest = rest.trim();
    let closed = rest.is_empty() || rest == ")" || (rest.starts_with(',') && rest.ends_with(')'));
    if closed && out.iter().all(|id| !id.is_empty()) {
        Ok(out)
    } else {
        Err(NoList::Unreadable)
    }
}

/// `np.str_('a')` after its `n`.
fn wrapped(chars: &mut Peekable<Chars<'_>>) -> Result<String, NoList> {
    for expected in "p.str_(".chars() {
        if chars.next() != Some(expected) {
            return Err(NoList::Unreadable);
        }
    }
    let quote = chars.next().filter(|c| matches!(c, '\'' | '"'));
    let text = literal(chars, quote.ok_or(NoList::Unreadable)?)?;
    match chars.next() {
        Some(')') => Ok(text),
        _ => Err(NoList::Unreadable),
    }
}

/// The rest of a Python string literal after its opening quote.
fn literal(chars: &mut Peekable<Chars<'_>>, quote: char) -> Result<String, NoList> {
    let mut out = String::new();
    loop {
        match chars.next().ok_or(NoList::Unreadable)? {
            '\\' => escape(chars, &mut out)?,
            c if c == quote => return Ok(out),
            c => out.push(c),
        }
    }
}

fn escape(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), NoList> {
    let c = chars.next().ok_or(NoList::Unreadable)?;
    let digits = match c {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        simple => {
            match simple {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                '\\' | '\'' | '"' => out.push(simple),
                // Python keeps an unknown escape as it is.
                other => out.extend(['\\', other]),
            }
            return Ok(());
        }
    };
    let mut code = 0;
    for _ in 0..digits {
        let digit = chars.next().and_then(|c| c.to_digit(16));
        code = code * 16 + digit.ok_or(NoList::Unreadable)?;
    }
    out.push(char::from_u32(code).ok_or(NoList::Unreadable)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_quotes_escapes_and_line_breaks_are_read() {
        let text = "['tests/a.py::t[a b]' \"it's\"\n 'say \"x\"\\'' 'a\\nb\\\\\\x41\\u00e9\\d']";
        let expected = ["tests/a.py::t[a b]", "it's", "say \"x\"'", "a\nb\\Aé\\d"];
        assert_eq!(parse(text).unwrap(), expected);
        assert_eq!(parse("['a', 'b']").unwrap(), ["a", "b"]);
        assert_eq!(
            parse("array(['a', 'b'], dtype=object)").unwrap(),
            ["a", "b"]
        );
        assert_eq!(parse("[np.str_('a'), np.str_(\"b\")]").unwrap(), ["a", "b"]);
        assert_eq!(parse("[]").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn elision_and_half_lists_are_told_apart() {
        assert_eq!(parse("['a' 'b' ... 'y' 'z']"), Err(NoList::Elided));
        assert_eq!(parse("['a...b']").unwrap(), ["a...b"]);
        for bad in [
            "['a'", "['a", "[a]", "['a'] x", "'a'", "['\\x4']", "['']", "[.x]",
        ] {
            assert_eq!(parse(bad), Err(NoList::Unreadable), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\[|array\\()?['\"\\\\a.n \\]x0]{0,30}|.*") {
            let _ = parse(&text);
        }
    }
}
