//! Reading git's patches: many files, quoted names, renames, modes, binaries.
//!
//! A hunk's header says how many lines follow; within them a line that begins like a header is still text. Numbers in headers
//! are believed for numbering only. Text outside of files is passed over.

use super::{DiffLine, FileDiff, Hunk, Kind, Status, words};

/// Read a patch. A text that is no patch has no files.
#[must_use]
pub fn parse(patch: &str) -> Vec<FileDiff> {
    let mut reader = Reader::default();
    let mut lines = patch.split('\n').peekable();
    while let Some(line) = lines.next() {
        // What follows the last line end is no line.
        if line.is_empty() && lines.peek().is_none() {
            break;
        }
        reader.line(line, lines.peek().copied());
    }
    reader.finish_file();
    reader.files
}

#[derive(Default)]
struct Reader {
    files: Vec<FileDiff>,
    file: Option<FileDiff>,
    /// The open file began with `diff --git`; binary content belongs to it.
    git: bool,
    binary_content: bool,
    /// Lines of the open hunk that are still to come, and the numbers of the next ones.
    old_left: usize,
    new_left: usize,
    old_next: usize,
    new_next: usize,
}

impl Reader {
    fn line(&mut self, line: &str, next: Option<&str>) {
        if (self.old_left > 0 || self.new_left > 0) && self.hunk_line(line) {
            return;
        }
        (self.old_left, self.new_left) = (0, 0);
        if let Some(names) = line.strip_prefix("diff --git ") {
            self.finish_file();
            let path = name_of_header(names);
            self.git = true;
            self.file = Some(FileDiff {
                path,
                header: vec![line.to_owned()],
                ..FileDiff::default()
            });
        } else if line.starts_with("--- ")
            && next.is_some_and(|next| next.starts_with("+++ "))
            && !(self.git && self.file.as_ref().is_some_and(|file| file.hunks.is_empty()))
        {
            self.finish_file();
            self.file = Some(FileDiff::default());
            self.header_line(line);
        } else if line.starts_with('\\') {
            self.mark_unterminated();
        } else if !self.binary_content && self.open_hunk(line) {
        } else if self.file.as_ref().is_some_and(|file| file.hunks.is_empty()) {
            self.header_line(line);
        }
    }

    /// A line of the open hunk; false if it cannot be one.
    fn hunk_line(&mut self, line: &str) -> bool {
        let Some(hunk) = self.file.as_mut().and_then(|file| file.hunks.last_mut()) else {
            return false;
        };
        let mut chars = line.chars();
        let (kind, text) = match chars.next() {
            Some('+') if self.new_left > 0 => (Kind::Added, chars.as_str()),
            Some('-') if self.old_left > 0 => (Kind::Removed, chars.as_str()),
            Some(' ') => (Kind::Context, chars.as_str()),
            // Some tools strip the blank of an empty context line.
            None => (Kind::Context, ""),
            Some('\r') if line == "\r" => (Kind::Context, "\r"),
            Some('\\') => {
                self.mark_unterminated();
                return true;
            }
            _ => return false,
        };
        let mut diff_line = DiffLine {
            kind,
            text: text.to_owned(),
            ..DiffLine::default()
        };
        if kind != Kind::Added {
            diff_line.old = Some(self.old_next);
            self.old_next = self.old_next.saturating_add(1);
            self.old_left = self.old_left.saturating_sub(1);
        }
        if kind != Kind::Removed {
            diff_line.new = Some(self.new_next);
            self.new_next = self.new_next.saturating_add(1);
            self.new_left = self.new_left.saturating_sub(1);
        }
        hunk.lines.push(diff_line);
        true
    }

    fn mark_unterminated(&mut self) {
        let hunk = self.file.as_mut().and_then(|file| file.hunks.last_mut());
        if let Some(line) = hunk.and_then(|hunk| hunk.lines.last_mut()) {
            line.unterminated = true;
        }
    }

    fn open_hunk(&mut self, line: &str) -> bool {
        let Some(file) = &mut self.file else {
            return false;
        };
        let Some((old, new, heading)) = hunk_header(line) else {
            return false;
        };
        (self.old_next, self.old_left) = old;
        (self.new_next, self.new_left) = new;
        file.hunks.push(Hunk {
            old_start: self.old_next,
            new_start: self.new_next,
            heading: heading.to_owned(),
            lines: Vec::new(),
        });
        true
    }

    fn header_line(&mut self, line: &str) {
        let Some(file) = &mut self.file else {
            return;
        };
        file.header.push(line.to_owned());
        if self.binary_content {
            return;
        }
        let line = line.trim_end_matches('\r');
        let field = |name: &str| line.strip_prefix(name).map(str::to_owned);
        if let Some(name) = line.strip_prefix("--- ") {
            match side_name(name) {
                None => file.status = Status::Added,
                Some(path) if file.path.is_empty() => file.path = path,
                Some(path) => file.old_path = Some(path),
            }
        } else if let Some(name) = line.strip_prefix("+++ ") {
            match side_name(name) {
                None => file.status = Status::Removed,
                Some(path) => {
                    if !self.git && file.status != Status::Added && !file.path.is_empty() {
                        file.old_path = Some(std::mem::take(&mut file.path));
                    }
                    file.path = path;
                }
            }
        } else if line.starts_with("new file mode ") {
            file.status = Status::Added;
        } else if line.starts_with("deleted file mode ") {
            file.status = Status::Removed;
        } else if let Some(mode) = field("old mode ") {
            file.modes.get_or_insert_default().0 = mode;
        } else if let Some(mode) = field("new mode ") {
            file.modes.get_or_insert_default().1 = mode;
        } else if let Some(name) = line.strip_prefix("rename from ") {
            file.status = Status::Renamed;
            file.old_path = Some(unquoted(name));
        } else if let Some(name) = line.strip_prefix("copy from ") {
            file.status = Status::Copied;
            file.old_path = Some(unquoted(name));
        } else if let Some(name) = line
            .strip_prefix("rename to ")
            .or_else(|| line.strip_prefix("copy to "))
        {
            file.path = unquoted(name);
        } else if line.starts_with("Binary files ") && line.ends_with(" differ") {
            file.binary = true;
        } else if line == "GIT binary patch" {
            file.binary = true;
            self.binary_content = true;
        }
    }

    fn finish_file(&mut self) {
        (self.old_left, self.new_left) = (0, 0);
        self.git = false;
        self.binary_content = false;
        let Some(mut file) = self.file.take() else {
            return;
        };
        if file.status == Status::Modified
            && file.modes.is_some()
            && file.hunks.is_empty()
            && !file.binary
        {
            file.status = Status::Mode;
        }
        if file.old_path.as_ref() == Some(&file.path) || file.status == Status::Removed {
            file.old_path = None;
        }
        file.count();
        words::mark(&mut file);
        self.files.push(file);
    }
}

impl FileDiff {
    /// Count added and removed lines, and see how high their numbers go.
    pub(super) fn count(&mut self) {
        let lines = || self.hunks.iter().flat_map(|hunk| &hunk.lines);
        let count = |kind| lines().filter(|line| line.kind == kind).count();
        let last = lines().filter_map(|line| line.old.max(line.new)).max();
        (self.added, self.removed) = (count(Kind::Added), count(Kind::Removed));
        self.last_number = last.unwrap_or(0);
    }
}

type Numbers = (usize, usize);

/// `@@ -start,length +start,length @@ heading`
fn hunk_header(line: &str) -> Option<(Numbers, Numbers, &str)> {
    let rest = line.strip_prefix("@@ -")?;
    let (ranges, heading) = rest.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let range = |text: &str| -> Option<Numbers> {
        match text.split_once(',') {
            Some((start, length)) => Some((start.parse().ok()?, length.parse().ok()?)),
            None => Some((text.parse().ok()?, 1)),
        }
    };
    Some((range(old)?, range(new)?, heading))
}

/// The name in a `---` or `+++` line; `None` for `/dev/null`.
fn side_name(name: &str) -> Option<String> {
    let name = if name.starts_with('"') {
        name
    } else {
        // A time may follow.
        name.split('\t').next().unwrap_or(name)
    };
    if name == "/dev/null" {
        return None;
    }
    Some(without_side(unquoted(name)))
}

fn without_side(name: String) -> String {
    match name.strip_prefix("a/").or_else(|| name.strip_prefix("b/")) {
        Some(rest) => rest.to_owned(),
        None => name,
    }
}

/// The path of `a/x b/x`: the second half, as both are the same but for renames, which name it again.
fn name_of_header(names: &str) -> String {
    let names = names.trim_end();
    let half = names.len() / 2;
    let second = names
        .get(half..)
        .filter(|rest| rest.starts_with(" b/") || rest.starts_with(" \"b/"))
        .or_else(|| names.rfind(" \"b/").and_then(|at| names.get(at..)))
        .or_else(|| names.rfind(" b/").and_then(|at| names.get(at..)))
        .unwrap_or(names);
    without_side(unquoted(second.trim_start()))
}

/// A name as git quotes it: in double quotes, with C's escapes and bytes in octal.
fn unquoted(name: &str) -> String {
    let Some(inner) = name
        .strip_prefix('"')
        .and_then(|rest| rest.rfind('"').and_then(|end| rest.get(..end)))
    else {
        return name.to_owned();
    };
    let mut bytes = Vec::with_capacity(inner.len());
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
                    if let Some(digit) = rest.next_if(|byte| (b'0'..=b'7').contains(byte)) {
                        value = value * 8 + u32::from(digit - b'0');
                    }
                }
                bytes.push(u8::try_from(value).unwrap_or(b'?'));
            }
            Some(escape) => bytes.push(match escape {
                b'a' => 7,
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'v' => 11,
                b'f' => 12,
                b'r' => b'\r',
                other => other,
            }),
            None => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
