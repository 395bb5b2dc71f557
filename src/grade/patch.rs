//! Reading a patch's file list, and making a model's patch fit for `git apply`.
//!
//! Only headers are read (git's extended header, or the bare `---`/`+++` pair of a plain unified diff); hunks are left to
//! git. Paths are as git prints them: quoted ones are unquoted.

use serde::{Deserialize, Serialize};

/// What a patch does to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Makes it.
    Added,
    /// Changes it.
    Modified,
    /// Removes it.
    Deleted,
    /// Moves or copies it; the old path is in [`PatchFile::old`].
    Renamed,
}

/// One file of a patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchFile {
    /// Path before; equal to `new` but for a rename.
    pub old: String,
    /// Path after.
    pub new: String,
    /// What happens.
    pub change: Change,
    /// It becomes a symbolic link.
    pub link: bool,
}

/// The files of a patch, in its order.
#[must_use]
pub fn files(patch: &str) -> Vec<PatchFile> {
    let mut out: Vec<PatchFile> = Vec::new();
    // Lines of the current hunk still to come, old and new: a removed line may look like a header.
    let (mut old_left, mut new_left) = (0u64, 0u64);
    let mut minus: Option<String> = None;
    let mut in_git_header = false;
    for line in patch.split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if old_left > 0 || new_left > 0 {
            match line.as_bytes().first() {
                Some(b'-') => old_left = old_left.saturating_sub(1),
                Some(b'+') => new_left = new_left.saturating_sub(1),
                Some(b'\\') => {}
                _ => {
                    old_left = old_left.saturating_sub(1);
                    new_left = new_left.saturating_sub(1);
                }
            }
            continue;
        }
        if let Some(rest) = line.strip_prefix("diff --git ") {
            in_git_header = true;
            minus = None;
            let (old, new) = both_paths(rest);
            out.push(PatchFile {
                old,
                new,
                change: Change::Modified,
                link: false,
            });
        } else if let Some((old, new)) = hunk_lengths(line) {
            in_git_header = false;
            (old_left, new_left) = (old, new);
        } else if let Some(path) = line.strip_prefix("--- ") {
            minus = Some(path_of(path));
        } else if let Some(path) = line.strip_prefix("+++ ") {
            let (old, new) = (minus.take().unwrap_or_default(), path_of(path));
            named(&mut out, in_git_header, old, new);
        } else if in_git_header && let Some(file) = out.last_mut() {
            extended(line, file);
        }
    }
    out
}

/// An extended header line of git.
fn extended(line: &str, file: &mut PatchFile) {
    if line.starts_with("new file mode ") {
        file.change = Change::Added;
        file.link = line.ends_with(" 120000");
    } else if line.starts_with("deleted file mode ") {
        file.change = Change::Deleted;
    } else if let Some(path) = line
        .strip_prefix("rename from ")
        .or_else(|| line.strip_prefix("copy from "))
    {
        file.change = Change::Renamed;
        file.old = unquote(path);
    } else if let Some(path) = line
        .strip_prefix("rename to ")
        .or_else(|| line.strip_prefix("copy to "))
    {
        file.new = unquote(path);
    }
}

/// A `---`/`+++` pair: it corrects the paths of git's header, or stands alone.
fn named(out: &mut Vec<PatchFile>, in_git_header: bool, old: String, new: String) {
    let change = if old == "/dev/null" {
        Change::Added
    } else if new == "/dev/null" {
        Change::Deleted
    } else if old == new {
        Change::Modified
    } else {
        Change::Renamed
    };
    let (old, new) = match change {
        Change::Added => (new.clone(), new),
        Change::Deleted => (old.clone(), old),
        _ => (old, new),
    };
    match out.last_mut() {
        Some(file) if in_git_header => {
            file.old = old;
            file.new = new;
            if change != Change::Modified {
                file.change = change;
            }
        }
        _ => out.push(PatchFile {
            old,
            new,
            change,
            link: false,
        }),
    }
}

/// `@@ -1,2 +3,4 @@`: how many old and new lines follow.
fn hunk_lengths(line: &str) -> Option<(u64, u64)> {
    let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let length = |range: &str| match range.split_once(',') {
        Some((_, length)) => length.parse().ok(),
        None => Some(1),
    };
    Some((length(old)?, length(new)?))
}

/// The two paths of `diff --git a/x b/y`. Unquoted paths may hold spaces; then both halves are equal, or a later line of
/// the header says better.
fn both_paths(rest: &str) -> (String, String) {
    if rest.starts_with('"')
        && let Some((old, new)) = rest.split_once("\" ")
    {
        return (
            strip_side(&unquote(&format!("{old}\""))),
            strip_side(&unquote(new)),
        );
    }
    let same = rest.match_indices(" b/").find_map(|(at, _)| {
        let (old, new) = (rest.get(..at)?, rest.get(at + 1..)?);
        (old.strip_prefix("a/")? == new.strip_prefix("b/")?).then_some((old, new))
    });
    let (old, new) = same
        .or_else(|| {
            let at = rest.rfind(" b/").or_else(|| rest.rfind(" \"b/"))?;
            Some((rest.get(..at)?, rest.get(at + 1..)?))
        })
        .unwrap_or((rest, rest));
    (strip_side(&unquote(old)), strip_side(&unquote(new)))
}

fn path_of(text: &str) -> String {
    // A plain diff puts a time stamp behind a tab.
    let path = text.split('\t').next().unwrap_or(text);
    strip_side(&unquote(path.trim_end()))
}

fn strip_side(path: &str) -> String {
    path.strip_prefix("a/")
        .or_else(|| path.strip_prefix("b/"))
        .unwrap_or(path)
        .to_owned()
}

/// Undo git's quoting of paths with odd bytes: `"caf\303\251.py"`.
fn unquote(path: &str) -> String {
    let Some(inner) = path.strip_prefix('"').and_then(|p| p.strip_suffix('"')) else {
        return path.to_owned();
    };
    let mut bytes = Vec::new();
    let mut rest = inner.bytes().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(digit @ b'0'..=b'7') => {
                let mut value = u32::from(digit - b'0');
                for _ in 0..2 {
                    if let Some(next @ b'0'..=b'7') = rest.peek().copied() {
                        value = value * 8 + u32::from(next - b'0');
                        rest.next();
                    }
                }
                bytes.push(u8::try_from(value & 0xff).unwrap_or_default());
            }
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(other) => bytes.push(other),
            None => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A model's patch, ready to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tidy {
    /// From the first header on, ending in a line end.
    pub(super) patch: String,
    /// Something stood before the first header and was cut.
    pub(super) cut: bool,
    /// The same with `\n` line ends, where the patch has `\r\n`.
    pub(super) unix: Option<String>,
}

/// Cut what stands before the first header and add a missing line end. `None` if the text is blank.
pub(super) fn tidy(patch: &str) -> Option<Tidy> {
    if patch.trim().is_empty() {
        return None;
    }
    let begin = line_start(patch, "diff --git ").or_else(|| line_start(patch, "--- "));
    let kept = begin.and_then(|at| patch.get(at..)).unwrap_or(patch);
    let mut text = kept.to_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let unix = text.contains("\r\n").then(|| text.replace("\r\n", "\n"));
    Some(Tidy {
        cut: kept.len() < patch.len() && patch.len() - kept.len() > leading_blank(patch),
        patch: text,
        unix,
    })
}

fn leading_blank(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

fn line_start(text: &str, what: &str) -> Option<usize> {
    if text.starts_with(what) {
        return Some(0);
    }
    text.find(&format!("\n{what}")).map(|at| at + 1)
}

/// Why a path may not be written by a patch: it leaves the repository, or it is git's own. `git apply` refuses these,
/// `patch` does not refuse all of them.
pub(super) fn forbidden(files: &[PatchFile]) -> Option<String> {
    files
        .iter()
        .flat_map(|file| [&file.old, &file.new])
        .find(|path| {
            path.starts_with('/') || path.split('/').any(|part| part == ".." || part == ".git")
        })
        .cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_told_apart() {
        let patch = "diff --git a/m.py b/m.py\nindex 1..2 100644\n--- a/m.py\n+++ b/m.py\n@@ -1,2 +1,2 @@\n x\n--- a/y\n+++ b/z\n\
                     diff --git a/new.py b/new.py\nnew file mode 100644\n--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+x\n\
                     diff --git a/gone.py b/gone.py\ndeleted file mode 100644\n--- a/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\
                     diff --git a/o p.py b/n p.py\nsimilarity index 100%\nrename from o p.py\nrename to n p.py\n\
                     diff --git a/empty.py b/empty.py\nnew file mode 100644\n\
                     diff --git \"a/caf\\303\\251.py\" \"b/caf\\303\\251.py\"\nindex 1..2\n";
        let read: Vec<_> = files(patch)
            .into_iter()
            .map(|f| (f.old, f.new, f.change))
            .collect();
        let row = |old: &str, new: &str, change| (old.to_owned(), new.to_owned(), change);
        assert_eq!(
            read,
            [
                row("m.py", "m.py", Change::Modified),
                row("new.py", "new.py", Change::Added),
                row("gone.py", "gone.py", Change::Deleted),
                row("o p.py", "n p.py", Change::Renamed),
                row("empty.py", "empty.py", Change::Added),
                row("café.py", "café.py", Change::Modified),
            ]
        );
    }

    #[test]
    fn a_plain_diff_has_files_too() {
        let read = files("--- a/x.py\t2020-01-01\n+++ b/x.py\t2020-01-02\n@@ -1 +1 @@\n-a\n+b\n");
        assert_eq!(read.len(), 1);
        assert_eq!(read.first().map(|f| f.new.as_str()), Some("x.py"));
    }

    #[test]
    fn junk_is_cut_and_a_line_end_added() {
        let tidy = tidy("Here is the patch:\ndiff --git a/x b/x\r\n--- a/x\r\n+++ b/x").unwrap();
        assert!(tidy.cut);
        assert!(tidy.patch.starts_with("diff --git") && tidy.patch.ends_with("b/x\n"));
        assert!(!tidy.unix.unwrap().contains('\r'));
        assert_eq!(super::tidy(" \n\t\r\n"), None);
        assert!(!super::tidy("\ndiff --git a/x b/x\n").unwrap().cut);
    }

    #[test]
    fn paths_outside_and_gits_own_are_forbidden() {
        for path in ["../x", "a/../../x", ".git/hooks/post-checkout", "/etc/x"] {
            let patch = format!("--- /dev/null\n+++ {path}\n@@ -0,0 +1 @@\n+x\n");
            assert!(forbidden(&files(&patch)).is_some(), "{path}");
        }
        assert_eq!(
            forbidden(&files("--- a/.gitignore\n+++ b/.gitignore\n")),
            None
        );
    }
}
