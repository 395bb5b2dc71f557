//! Two texts of one file, compared.

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

use super::{Detail, DiffLine, FileDiff, Hunk, Kind, Status, print, words};

/// Lines around a change.
const CONTEXT: usize = 3;
/// Larger than this in lines or bytes (both sides together), and the text is not compared by lines.
const MAX_LINES: usize = 200_000;
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// Compare a file's text before and after; `None` where there is no such file.
#[must_use]
pub fn compare(path: &str, old: Option<&str>, new: Option<&str>) -> FileDiff {
    let mut file = FileDiff {
        path: path.to_owned(),
        status: match (old, new) {
            (None, _) => Status::Added,
            (_, None) => Status::Removed,
            _ => Status::Modified,
        },
        ..FileDiff::default()
    };
    let (before, after) = (old.unwrap_or_default(), new.unwrap_or_default());
    file.binary = before.contains('\0') || after.contains('\0');
    file.header = print::header(&file, before == after);
    if file.binary || before == after {
        return file;
    }
    let before: Vec<&str> = before.split_inclusive('\n').collect();
    let after: Vec<&str> = after.split_inclusive('\n').collect();
    let bytes = old.map_or(0, str::len) + new.map_or(0, str::len);
    let ops = if before.len() + after.len() > MAX_LINES || bytes > MAX_BYTES {
        file.detail = Detail::Block;
        one_block(&before, &after)
    } else {
        // This Myers bounds its own work: on difficult texts the result is right, but may not be the shortest.
        capture_diff_slices(Algorithm::Myers, &before, &after)
    };
    for group in group_diff_ops(ops, CONTEXT) {
        file.hunks.push(hunk(&group, &before, &after));
    }
    file.count();
    if file.detail == Detail::Words {
        words::mark(&mut file);
    }
    file
}

/// The same lines at both ends, and one replaced block between them.
fn one_block(before: &[&str], after: &[&str]) -> Vec<DiffOp> {
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = before.iter().zip(after).take_while(same).count();
    let most = before.len().min(after.len()) - head;
    let tail = before
        .iter()
        .rev()
        .zip(after.iter().rev())
        .take(most)
        .take_while(same)
        .count();
    let (old_len, new_len) = (before.len() - head - tail, after.len() - head - tail);
    let equal = |old_index, new_index, len| DiffOp::Equal {
        old_index,
        new_index,
        len,
    };
    vec![
        equal(0, 0, head),
        DiffOp::Replace {
            old_index: head,
            old_len,
            new_index: head,
            new_len,
        },
        equal(head + old_len, head + new_len, tail),
    ]
}

fn hunk(group: &[DiffOp], before: &[&str], after: &[&str]) -> Hunk {
    let mut hunk = Hunk::default();
    for op in group {
        let (_, old, new) = op.as_tag_tuple();
        if let DiffOp::Equal { .. } = op {
            for (old, new) in old.zip(new) {
                hunk.lines
                    .push(line(Kind::Context, before, Some(old), Some(new)));
            }
        } else {
            let removed = old.map(|n| line(Kind::Removed, before, Some(n), None));
            hunk.lines.extend(removed);
            let added = new.map(|n| line(Kind::Added, after, None, Some(n)));
            hunk.lines.extend(added);
        }
    }
    let (old, new) = group
        .first()
        .map_or((0, 0), |op| (op.old_range().start, op.new_range().start));
    let (old_len, new_len) = hunk.lengths();
    // A side without lines is named by the line before it, as every diff does.
    hunk.old_start = old + usize::from(old_len > 0);
    hunk.new_start = new + usize::from(new_len > 0);
    hunk
}

/// Line numbers come in from 0 and go out from 1.
fn line(kind: Kind, side: &[&str], old: Option<usize>, new: Option<usize>) -> DiffLine {
    let index = if kind == Kind::Added { new } else { old };
    let raw = index.and_then(|n| side.get(n)).copied().unwrap_or_default();
    let text = raw.strip_suffix('\n');
    DiffLine {
        kind,
        old: old.map(|n| n + 1),
        new: new.map(|n| n + 1),
        text: text.unwrap_or(raw).to_owned(),
        words: Vec::new(),
        unterminated: text.is_none(),
    }
}
