//! From the filter's text to its terms, and the quoting that brings terms back to text.

use std::iter::Peekable;
use std::str::CharIndices;

use super::{Field, FieldKind, Filter, FilterError, Match, Op, Term, Test};
use crate::text::nearest::nearest;

pub(super) fn filter(text: &str, fields: &[Field]) -> Result<Filter, FilterError> {
    let mut reader = Reader {
        text,
        rest: text.char_indices().peekable(),
        column: 1,
    };
    let mut terms = Vec::new();
    loop {
        reader.skip_spaces();
        if reader.peek().is_none() {
            return Ok(Filter { terms });
        }
        terms.push(term(&mut reader, fields)?);
    }
}

fn term(reader: &mut Reader<'_>, fields: &[Field]) -> Result<Term, FilterError> {
    let start = reader.column;
    let negated = matches!(reader.peek(), Some('-' | '!'));
    if negated {
        reader.next();
        if reader.peek().is_none_or(char::is_whitespace) {
            return Err(error(start, "a word or a field must follow `-` at once"));
        }
    }
    if reader.peek() == Some('"') {
        let test = Test::Word(reader.quoted()?);
        reader.end_of_value()?;
        return Ok(Term { negated, test });
    }
    let test = match reader.field_name() {
        Some(name) => field_test(reader, &name, fields)?,
        None => Test::Word(reader.bare(|_| false)),
    };
    Ok(Term { negated, test })
}

fn field_test(reader: &mut Reader<'_>, name: &str, fields: &[Field]) -> Result<Test, FilterError> {
    let column = reader.column;
    reader.skip(name.chars().count() + 1);
    let Some(field) = fields.iter().find(|field| field.name == name) else {
        let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
        let meant = nearest(name, known.iter().copied())
            .map(|near| format!("; did you mean `{near}:`?"))
            .unwrap_or_default();
        let what = format!(
            "there is no field `{name}`{meant} (fields: {}; put text with a colon in quotes)",
            known.join(", ")
        );
        return Err(error(column, what));
    };
    let mut any = Vec::new();
    loop {
        any.push(one_match(reader, field)?);
        if reader.peek() == Some(',') {
            reader.next();
        } else {
            reader.end_of_value()?;
            return Ok(Test::Field {
                name: field.name,
                any,
            });
        }
    }
}

fn one_match(reader: &mut Reader<'_>, field: &Field) -> Result<Match, FilterError> {
    let column = reader.column;
    let exact = reader.peek() == Some('=');
    if exact {
        reader.next();
    }
    let quoted = reader.peek() == Some('"');
    let value = if quoted {
        reader.quoted()?
    } else {
        reader.bare(|c| c == ',' || c == '"')
    };
    if value.is_empty() && !quoted {
        let what = format!("`{}:` needs a value", field.name);
        return Err(error(column, what));
    }
    match field.kind {
        FieldKind::Exact => Ok(Match::Equals(value, true)),
        FieldKind::Text if exact => Ok(Match::Equals(value, false)),
        FieldKind::Text if !quoted && value.starts_with(['<', '>']) => Err(error(
            column,
            format!(
                "`{}` is text; < and > compare numbers (put the value in quotes to search for it)",
                field.name
            ),
        )),
        FieldKind::Text => Ok(Match::Contains(value)),
        FieldKind::Number => number_match(&value).ok_or_else(|| {
            let what = format!(
                "`{value}` is no number; write `{0}:5`, `{0}:<5`, `{0}:>=5` or `{0}:2..5`",
                field.name
            );
            error(column, what)
        }),
        FieldKind::Flag => match value.to_ascii_lowercase().as_str() {
            "yes" | "true" | "y" | "1" => Ok(Match::Is(true)),
            "no" | "false" | "n" | "0" => Ok(Match::Is(false)),
            _ => {
                let what = format!("write `{0}:yes` or `{0}:no`", field.name);
                Err(error(column, what))
            }
        },
    }
}

fn number_match(text: &str) -> Option<Match> {
    for op in [Op::AtMost, Op::AtLeast, Op::Less, Op::More] {
        if let Some(rest) = text.strip_prefix(op.sign()) {
            return Some(Match::Compare(op, number(rest)?));
        }
    }
    if let Some((low, high)) = text.split_once("..") {
        return Some(Match::Range(number(low)?, number(high)?));
    }
    Some(Match::Compare(Op::Equal, number(text)?))
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

fn error(column: usize, what: impl Into<String>) -> FilterError {
    FilterError {
        column,
        what: what.into(),
    }
}

/// A word as it must be written to be read back as a word.
pub(super) fn quoted_word(word: &str) -> String {
    let plain = !word.is_empty()
        && !word.starts_with(['-', '!', '"'])
        && !word.contains(char::is_whitespace)
        && field_name_of(word).is_none();
    if plain { word.to_owned() } else { quote(word) }
}

/// A value as it must be written to be read back as that one value.
pub(super) fn quoted_value(value: &str) -> String {
    let plain = !value.is_empty()
        && !value.starts_with(['=', '<', '>'])
        && !value.contains(|c: char| c.is_whitespace() || c == ',' || c == '"');
    if plain {
        value.to_owned()
    } else {
        quote(value)
    }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The name before the first colon, if it looks like a field's: so `tests/a.py::b` is a word and `std::b` an unknown
/// field, which says what to do.
fn field_name_of(text: &str) -> Option<&str> {
    let (name, _) = text.split_once(':')?;
    let like_a_name =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    like_a_name.then_some(name)
}

struct Reader<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
    column: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest.peek().map(|(_, c)| *c)
    }

    fn next(&mut self) -> Option<char> {
        let (_, c) = self.rest.next()?;
        self.column += 1;
        Some(c)
    }

    fn skip(&mut self, n: usize) {
        for _ in 0..n {
            self.next();
        }
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }

    fn field_name(&mut self) -> Option<String> {
        let at = self.rest.peek()?.0;
        let rest = self.text.get(at..)?;
        let word = rest.split(char::is_whitespace).next()?;
        field_name_of(word).map(str::to_owned)
    }

    /// Characters up to white space or one that `ends`.
    fn bare(&mut self, ends: impl Fn(char) -> bool) -> String {
        let mut out = String::new();
        while let Some(c) = self.peek().filter(|c| !c.is_whitespace() && !ends(*c)) {
            out.push(c);
            self.next();
        }
        out
    }

    fn quoted(&mut self) -> Result<String, FilterError> {
        let start = self.column;
        self.next();
        let mut out = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(out),
                Some('\\') if matches!(self.peek(), Some('"' | '\\')) => out.extend(self.next()),
                Some(c) => out.push(c),
                None => return Err(error(start, "this quote is never closed")),
            }
        }
    }

    fn end_of_value(&mut self) -> Result<(), FilterError> {
        match self.peek() {
            Some(c) if !c.is_whitespace() => {
                let what = format!("a space or a comma must stand before `{c}`");
                Err(error(self.column, what))
            }
            _ => Ok(()),
        }
    }
}
