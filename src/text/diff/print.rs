//! A diff as patch text again, for copying.

use std::fmt::Write as _;

use super::{FileDiff, Hunk, Status};

impl FileDiff {
    /// The file's whole patch. One that was read is given back as it was written, but for blanks that a tool had stripped
    /// from empty lines.
    #[must_use]
    pub fn patch(&self) -> String {
        let mut out = self.header_text();
        for hunk in &self.hunks {
            write_hunk(&mut out, hunk);
        }
        out
    }

    /// The patch of one hunk, with the file's header, so that it can be applied by itself.
    #[must_use]
    pub fn hunk_patch(&self, hunk: usize) -> Option<String> {
        let mut out = self.header_text();
        write_hunk(&mut out, self.hunks.get(hunk)?);
        Some(out)
    }

    fn header_text(&self) -> String {
        let mut out = String::new();
        for line in &self.header {
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

impl Hunk {
    /// `@@ -1,3 +1,4 @@` and the heading.
    #[must_use]
    pub fn header(&self) -> String {
        let (old_len, new_len) = self.lengths();
        let range = |start: usize, len: usize| match len {
            1 => start.to_string(),
            _ => format!("{start},{len}"),
        };
        let (old, new) = (
            range(self.old_start, old_len),
            range(self.new_start, new_len),
        );
        format!("@@ -{old} +{new} @@{}", self.heading)
    }
}

fn write_hunk(out: &mut String, hunk: &Hunk) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", hunk.header());
    for line in &hunk.lines {
        let _ = writeln!(out, "{}{}", line.kind.sign(), line.text);
        if line.unterminated {
            out.push_str("\\ No newline at end of file\n");
        }
    }
}

/// The header of a file that was compared here; the two names stand only before hunks.
pub(super) fn header(file: &FileDiff, same: bool) -> Vec<String> {
    let (old, new) = (quoted("a/", &file.path), quoted("b/", &file.path));
    let mut lines = vec![format!("diff --git {old} {new}")];
    let nothing = || "/dev/null".to_owned();
    let (old, new) = match file.status {
        Status::Added => {
            lines.push("new file mode 100644".to_owned());
            (nothing(), new)
        }
        Status::Removed => {
            lines.push("deleted file mode 100644".to_owned());
            (old, nothing())
        }
        _ => (old, new),
    };
    if file.binary {
        lines.push(format!("Binary files {old} and {new} differ"));
    } else if !same {
        lines.push(format!("--- {old}"));
        lines.push(format!("+++ {new}"));
    }
    lines
}

/// A name as git writes it: quoted where it holds a quote, a backslash, a control character or bytes beyond ASCII.
fn quoted(side: &str, path: &str) -> String {
    let plain = |byte: &u8| (b' '..0x7f).contains(byte) && !matches!(byte, b'"' | b'\\');
    if path.as_bytes().iter().all(plain) {
        return format!("{side}{path}");
    }
    let mut out = format!("\"{side}");
    for byte in path.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            byte if plain(&byte) => out.push(char::from(byte)),
            byte => {
                let _ = write!(out, "\\{byte:03o}");
            }
        }
    }
    out.push('"');
    out
}
