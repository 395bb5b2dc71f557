//! Python sessions in prose: `>>> ` begins a line, which Markdown takes for a quotation within two others.

/// The word that such code is highlighted by.
pub(super) const WORD: &str = "pycon";
/// A fence longer than any that a text is likely to hold.
const FENCE: &str = "~~~~~~~~~~~~";

/// Whether code is a session.
pub(super) fn is_session(code: &str) -> bool {
    code.lines()
        .any(|line| line.trim_start().starts_with(">>> "))
}

/// The text with fences around its sessions, each up to the next blank line.
pub(super) fn fenced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open_fence: Option<char> = None;
    let mut session = false;
    for line in text.split_inclusive('\n') {
        let start = line.trim_start();
        if session {
            if start.is_empty() {
                session = false;
                out.push_str(FENCE);
                out.push('\n');
            }
        } else if let Some(fence) = ['`', '~'].into_iter().find(|c| begins_fence(start, *c)) {
            match open_fence {
                None => open_fence = Some(fence),
                Some(open) if open == fence => open_fence = None,
                Some(_) => {}
            }
        } else if open_fence.is_none() && line.starts_with(">>> ") {
            session = true;
            // A fence may follow a paragraph at once.
            out.push_str(FENCE);
            out.push_str(WORD);
            out.push('\n');
        }
        out.push_str(line);
    }
    out
}

fn begins_fence(line: &str, sign: char) -> bool {
    line.chars().take_while(|c| *c == sign).take(3).count() == 3
}
