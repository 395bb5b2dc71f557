//! The patch that undoes a patch, as `git diff -R` would write it.
//!
//! The text is walked once. Lines that say *from* and *to* change places (`---`/`+++`, the two halves of a hunk
//! header, of `index`, of modes and renames, the two blocks of a binary patch); inside hunks `+` and `-` do, and
//! what is removed is put before what is added again. A copy cannot be undone by text alone: its reverse is a deletion, whose
//! content the patch does not hold.

use super::HunkLeft;

/// Why a patch cannot be reversed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the patch: {what}")]
pub struct PatchError {
    /// From 1.
    pub line: usize,
    /// What stands there.
    pub what: String,
}

/// The patch that takes back what `patch` does.
///
/// # Errors
/// Where a hunk ends early, a header is half there, or content would be needed that the patch does not hold.
pub fn reverse(patch: &str) -> Result<String, PatchError> {
    let mut lines = Lines {
        rest: patch
            .split_inclusive('\n')
            .collect::<Vec<_>>()
            .into_iter()
            .peekable(),
        number: 0,
    };
    let mut out = String::with_capacity(patch.len() + 1);
    while let Some(line) = lines.next() {
        if let Some(left) = HunkLeft::of_header(line) {
            out.push_str(&swapped_hunk_header(line));
            hunk(&mut lines, left, &mut out)?;
        } else if line.starts_with("diff --git ") {
            file_header(line, &mut lines, &mut out)?;
        } else if line.starts_with("--- ") && lines.peek_starts("+++ ") {
            name_pair(line, &mut lines, &mut out);
        } else if line.trim_end() == "GIT binary patch" {
            out.push_str(line);
            binary(&mut lines, &mut out)?;
        } else {
            out.push_str(line);
        }
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    Ok(out)
}

/// `diff --git` and the extended header lines after it.
fn file_header(line: &str, lines: &mut Lines<'_>, out: &mut String) -> Result<(), PatchError> {
    let mut body = String::new();
    let mut renamed = None;
    while let Some(next) = lines.peek() {
        if let Some(old) = next.strip_prefix("old mode ") {
            lines.next();
            let new = lines.expect("new mode ")?;
            body.push_str(&format_pair("old mode ", new, "new mode ", old));
        } else if let Some(from) = next.strip_prefix("rename from ") {
            lines.next();
            let to = lines.expect("rename to ")?;
            body.push_str(&format_pair("rename from ", to, "rename to ", from));
            renamed = Some((from, to));
        } else if let Some(mode) = next.strip_prefix("deleted file mode ") {
            lines.next();
            body.push_str("new file mode ");
            body.push_str(mode);
        } else if let Some(mode) = next.strip_prefix("new file mode ") {
            lines.next();
            body.push_str("deleted file mode ");
            body.push_str(mode);
        } else if let Some(ids) = next.strip_prefix("index ") {
            lines.next();
            body.push_str("index ");
            body.push_str(&swapped_ids(ids));
        } else if next.starts_with("similarity index ") || next.starts_with("dissimilarity index ")
        {
            body.push_str(next);
            lines.next();
        } else if next.starts_with("copy from ") {
            lines.next();
            return Err(lines.error("a copied file cannot be taken back without its content"));
        } else {
            break;
        }
    }
    match renamed {
        Some((from, to)) => {
            let end = if line.ends_with("\r\n") { "\r\n" } else { "\n" };
            out.push_str("diff --git ");
            out.push_str(&with_prefix("a/", to.trim_end_matches(['\r', '\n'])));
            out.push(' ');
            out.push_str(&with_prefix("b/", from.trim_end_matches(['\r', '\n'])));
            out.push_str(end);
        }
        None => out.push_str(line),
    }
    out.push_str(&body);
    Ok(())
}

/// `a/` in front of a path, inside its quotes if it is quoted.
fn with_prefix(prefix: &str, path: &str) -> String {
    match path.strip_prefix('"') {
        Some(quoted) => format!("\"{prefix}{quoted}"),
        None => format!("{prefix}{path}"),
    }
}

fn format_pair(first: &str, a: &str, second: &str, b: &str) -> String {
    let line_end = |text: &str| if text.ends_with('\n') { "" } else { "\n" };
    format!("{first}{a}{}{second}{b}{}", line_end(a), line_end(b))
}

/// `old..new mode` with the ids in each other's place.
fn swapped_ids(ids: &str) -> String {
    let end = ids.find([' ', '\r', '\n']).unwrap_or(ids.len());
    let (pair, rest) = ids.split_at(end);
    match pair.split_once("..") {
        Some((old, new)) => format!("{new}..{old}{rest}"),
        None => ids.to_owned(),
    }
}

/// `---` and `+++`, whose names change places but not their `a/` and `b/`.
fn name_pair(old_line: &str, lines: &mut Lines<'_>, out: &mut String) {
    let old = old_line.get(4..).unwrap_or_default();
    let new = lines
        .next()
        .and_then(|line| line.get(4..))
        .unwrap_or_default();
    out.push_str("--- ");
    out.push_str(&reprefixed(new, "b/", "a/"));
    out.push_str("+++ ");
    out.push_str(&reprefixed(old, "a/", "b/"));
}

fn reprefixed(name: &str, from: &str, to: &str) -> String {
    let mut out = match (
        name.strip_prefix(from),
        name.strip_prefix('"').and_then(|n| n.strip_prefix(from)),
    ) {
        (Some(path), _) => format!("{to}{path}"),
        (None, Some(quoted)) => format!("\"{to}{quoted}"),
        (None, None) => name.to_owned(),
    };
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// `@@ -old +new @@ section` with the ranges in each other's place.
fn swapped_hunk_header(line: &str) -> String {
    let mut words = line.splitn(4, ' ');
    let (at, old, new, rest) = (words.next(), words.next(), words.next(), words.next());
    let bare = |word: Option<&str>| word.and_then(|w| w.get(1..)).unwrap_or_default().to_owned();
    let mut out = format!(
        "{} -{} +{} {}",
        at.unwrap_or_default(),
        bare(new),
        bare(old),
        rest.unwrap_or_default()
    );
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// A hunk's body. Between two context lines, what was added comes first, as removed; then what was removed, as added.
fn hunk(lines: &mut Lines<'_>, mut left: HunkLeft, out: &mut String) -> Result<(), PatchError> {
    let mut removed = String::new();
    let mut added = String::new();
    let mut last = ' ';
    loop {
        // The mark belongs to the line before it, also when that was the hunk's last.
        let no_newline = lines.peek_starts("\\");
        if !left.is_open() && !no_newline {
            break;
        }
        let Some(line) = lines.next() else {
            return Err(lines.error("the hunk ends early"));
        };
        if no_newline {
            match last {
                '+' => removed.push_str(&ended(line)),
                '-' => added.push_str(&ended(line)),
                _ => out.push_str(&ended(line)),
            }
            continue;
        }
        left.take(line);
        if let Some(text) = line.strip_prefix('+') {
            last = '+';
            removed.push('-');
            removed.push_str(&ended(text));
        } else if let Some(text) = line.strip_prefix('-') {
            last = '-';
            added.push('+');
            added.push_str(&ended(text));
        } else if line.starts_with([' ', '\n', '\r', '\t']) {
            last = ' ';
            flush(&mut removed, &mut added, out);
            out.push_str(&ended(line));
        } else {
            return Err(lines.error("the hunk ends early"));
        }
    }
    flush(&mut removed, &mut added, out);
    Ok(())
}

fn flush(removed: &mut String, added: &mut String, out: &mut String) {
    out.push_str(removed);
    out.push_str(added);
    removed.clear();
    added.clear();
}

/// With a line end: the text's last line may lack it and yet be moved up.
fn ended(line: &str) -> String {
    if line.ends_with('\n') {
        line.to_owned()
    } else {
        format!("{line}\n")
    }
}

/// The two blocks of a binary patch: forwards, backwards.
fn binary(lines: &mut Lines<'_>, out: &mut String) -> Result<(), PatchError> {
    let forward = lines.block();
    let backward = lines.block();
    if forward.is_empty() || !(backward.starts_with("literal ") || backward.starts_with("delta ")) {
        return Err(lines.error("the binary patch holds no way back"));
    }
    out.push_str(&backward);
    out.push('\n');
    out.push_str(&forward);
    out.push('\n');
    Ok(())
}

struct Lines<'a> {
    rest: std::iter::Peekable<std::vec::IntoIter<&'a str>>,
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let line = self.rest.next()?;
        self.number += 1;
        Some(line)
    }

    fn peek(&mut self) -> Option<&'a str> {
        self.rest.peek().copied()
    }

    fn peek_starts(&mut self, prefix: &str) -> bool {
        self.peek().is_some_and(|line| line.starts_with(prefix))
    }

    fn expect(&mut self, prefix: &str) -> Result<&'a str, PatchError> {
        let found = self.next().and_then(|line| line.strip_prefix(prefix));
        found.ok_or_else(|| self.error(&format!("`{}` is missing here", prefix.trim_end())))
    }

    /// Lines up to a blank one, which is taken too.
    fn block(&mut self) -> String {
        let mut out = String::new();
        while let Some(line) = self.next() {
            if line.trim_end().is_empty() {
                break;
            }
            out.push_str(&ended(line));
        }
        out
    }

    fn error(&self, what: &str) -> PatchError {
        PatchError {
            line: self.number,
            what: what.to_owned(),
        }
    }
}
