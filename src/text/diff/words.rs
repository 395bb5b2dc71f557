//! Which words of changed lines are new, by comparing each block of removed lines with the added ones after it.

use similar::{ChangeTag, DiffOp, InlineChangeOptions, TextDiff};

use super::{Block, Detail, FileDiff, Hunk, blocks};

/// A block larger than this, both sides together, has no words marked: whoever reads it reads it as new.
const BLOCK_BYTES: usize = 6 * 1024;
const BLOCK_LINES: usize = 60;
/// So much of a file is compared by words.
const FILE_BYTES: usize = 512 * 1024;

/// Mark words in all hunks, up to the limits.
pub(super) fn mark(file: &mut FileDiff) {
    let mut left = FILE_BYTES;
    for hunk in &mut file.hunks {
        for block in blocks(&hunk.lines) {
            let Block::Changed { removed, added } = block else {
                continue;
            };
            if removed.is_empty() || added.is_empty() {
                continue;
            }
            let lines = removed.len() + added.len();
            let bytes = size(hunk, removed.start, added.end);
            if lines > BLOCK_LINES || bytes > BLOCK_BYTES {
                file.detail = Detail::SomeWords;
                continue;
            }
            let Some(rest) = left.checked_sub(bytes) else {
                file.detail = Detail::SomeWords;
                return;
            };
            left = rest;
            mark_block(hunk, removed.start, added.start, added.end);
        }
    }
}

fn size(hunk: &Hunk, from: usize, to: usize) -> usize {
    let lines = hunk.lines.get(from..to).unwrap_or_default();
    lines.iter().map(|line| line.text.len()).sum()
}

fn mark_block(hunk: &mut Hunk, from: usize, middle: usize, to: usize) {
    let texts = |from: usize, to: usize| -> Vec<String> {
        let lines = hunk.lines.get(from..to).unwrap_or_default();
        lines
            .iter()
            .map(|line| format!("{}\n", line.text))
            .collect()
    };
    let (old, new) = (texts(from, middle), texts(middle, to));
    let old: Vec<&str> = old.iter().map(String::as_str).collect();
    let new: Vec<&str> = new.iter().map(String::as_str).collect();
    let diff = TextDiff::configure().diff_slices(&old, &new);
    let whole = DiffOp::Replace {
        old_index: 0,
        old_len: old.len(),
        new_index: 0,
        new_len: new.len(),
    };
    let mut options = InlineChangeOptions::new();
    options.semantic_cleanup(true);
    let changes = diff.iter_inline_changes_with_options_deadline(&whole, options, None);
    for change in changes {
        let index = match change.tag() {
            ChangeTag::Delete => change.old_index().map(|n| from + n),
            ChangeTag::Insert => change.new_index().map(|n| middle + n),
            ChangeTag::Equal => None,
        };
        let Some(line) = index.and_then(|index| hunk.lines.get_mut(index)) else {
            continue;
        };
        let mut at = 0;
        for (changed, part) in change.values() {
            let end = (at + part.len()).min(line.text.len());
            if *changed && at < end {
                match line.words.last_mut() {
                    Some(last) if last.end == at => last.end = end,
                    _ => line.words.push(at..end),
                }
            }
            at = end;
        }
    }
}
