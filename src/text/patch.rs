//! Unified git diffs as text: what they touch, and the diff that undoes them.
//!
//! SWE-smith's `patch` makes the bug, so its solution is [`reverse()`]; bundled tasks are stored solved and taken back.
//! A patch is kept line by line as it was written: `\r\n`, `\ No newline at end of file` and text before the first
//! file all stay. Nothing is applied here.

mod reverse;

pub use reverse::{PatchError, reverse};

/// How many files and lines a patch touches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Paths, new names of renamed files, in the patch's order.
    pub files: Vec<String>,
    /// Lines added.
    pub added: usize,
    /// Lines removed.
    pub removed: usize,
}

/// Count files and lines. A text that is no patch has none.
#[must_use]
pub fn summary(patch: &str) -> Summary {
    let mut summary = Summary::default();
    let mut hunk = HunkLeft::default();
    let mut old_name = None;
    for line in patch.lines() {
        if hunk.is_open() {
            match line.chars().next() {
                Some('+') => summary.added += 1,
                Some('-') => summary.removed += 1,
                _ => {}
            }
            hunk.take(line);
        } else if let Some(left) = HunkLeft::of_header(line) {
            hunk = left;
        } else if let Some(rest) = line.strip_prefix("diff --git ") {
            old_name = None;
            summary.files.push(name_of_header(rest));
        } else if let Some(name) = line.strip_prefix("--- ") {
            old_name = Some(path_of(name));
        } else if let Some(name) = line.strip_prefix("+++ ") {
            let new = path_of(name);
            let name = if new == "/dev/null" {
                old_name.take().unwrap_or(new)
            } else {
                new
            };
            if summary.files.last() != Some(&name) {
                // The header's two names cannot always be told apart; this line is certain.
                match summary.files.last_mut() {
                    Some(last) if patch.starts_with("diff --git ") => *last = name,
                    _ => summary.files.push(name),
                }
            }
        }
    }
    summary
}

/// The path of a `---` or `+++` line, without its `a/` or `b/`.
fn path_of(name: &str) -> String {
    let name = name
        .split('\t')
        .next()
        .unwrap_or(name)
        .trim_end_matches('\r');
    let name = name
        .strip_prefix('"')
        .and_then(|n| n.strip_suffix('"'))
        .unwrap_or(name);
    name.strip_prefix("a/")
        .or_else(|| name.strip_prefix("b/"))
        .unwrap_or(name)
        .to_owned()
}

/// The path of `a/x b/x`: the second half, as both are the same but for renames, which name it again.
fn name_of_header(names: &str) -> String {
    let half = names.trim_end().len() / 2;
    let second = names
        .get(half..)
        .filter(|rest| rest.starts_with(" b/") || rest.starts_with(" \"b/"))
        .or_else(|| names.rfind(" b/").and_then(|at| names.get(at..)))
        .unwrap_or(names);
    path_of(second.trim())
}

/// How many lines of a hunk are still to come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct HunkLeft {
    old: usize,
    new: usize,
}

impl HunkLeft {
    /// Read `@@ -a,b +c,d @@`.
    fn of_header(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("@@ ")?.split(' ');
        let old = count(words.next()?.strip_prefix('-')?)?;
        let new = count(words.next()?.strip_prefix('+')?)?;
        words.next()?.starts_with("@@").then_some(Self { old, new })
    }

    fn is_open(self) -> bool {
        self.old > 0 || self.new > 0
    }

    /// Count a line of the hunk's body off. Some tools strip the blank of an empty context line.
    fn take(&mut self, line: &str) {
        match line.as_bytes().first() {
            Some(b'+') => self.new = self.new.saturating_sub(1),
            Some(b'-') => self.old = self.old.saturating_sub(1),
            Some(b'\\') => {}
            _ => {
                self.old = self.old.saturating_sub(1);
                self.new = self.new.saturating_sub(1);
            }
        }
    }
}

/// The length in `start,length`; 1 where it is left out.
fn count(range: &str) -> Option<usize> {
    match range.split_once(',') {
        Some((start, length)) => {
            start.parse::<usize>().ok()?;
            length.parse().ok()
        }
        None => range.parse::<usize>().ok().map(|_| 1),
    }
}

#[cfg(test)]
mod tests;
