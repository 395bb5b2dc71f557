//! What the filter language may ask of a task.

use std::borrow::Cow;

use super::{Family, Task, TestList};
use crate::text::filter::{Field, FieldKind, Value};
use crate::text::patch;

/// The fields of a task's list. A caller that knows more (whether a task can be graded) adds its own.
pub const FIELDS: &[Field] = &[
    Field {
        name: "id",
        kind: FieldKind::Text,
        doc: "instance id",
    },
    Field {
        name: "repo",
        kind: FieldKind::Text,
        doc: "repository, owner/name",
    },
    Field {
        name: "version",
        kind: FieldKind::Exact,
        doc: "version, exactly as written",
    },
    Field {
        name: "family",
        kind: FieldKind::Text,
        doc: "swe-gym, swe-bench, swe-smith, nebius, r2e, sample",
    },
    Field {
        name: "files",
        kind: FieldKind::Number,
        doc: "files in the gold patch",
    },
    Field {
        name: "lines",
        kind: FieldKind::Number,
        doc: "lines that the gold patch adds and removes",
    },
    Field {
        name: "f2p",
        kind: FieldKind::Number,
        doc: "number of FAIL_TO_PASS tests",
    },
    Field {
        name: "p2p",
        kind: FieldKind::Number,
        doc: "number of PASS_TO_PASS tests",
    },
    Field {
        name: "difficulty",
        kind: FieldKind::Text,
        doc: "difficulty, where the row has one",
    },
    Field {
        name: "split",
        kind: FieldKind::Text,
        doc: "train, validation, held-out, where the row says",
    },
    Field {
        name: "image",
        kind: FieldKind::Text,
        doc: "image named by the row",
    },
    Field {
        name: "text",
        kind: FieldKind::Text,
        doc: "problem statement",
    },
];

/// A task's answer for one field of [`FIELDS`]. Unknown test lists have no count.
#[must_use]
pub fn value<'a>(task: &'a Task, field: &str) -> Value<'a> {
    match field {
        "id" => Value::text(&task.instance_id),
        "repo" => Value::text(&task.repo),
        "version" => Value::text(&task.version),
        "family" => Value::text(task.family.name()),
        "files" => Value::count(patch::summary(&task.gold_patch).files.len()),
        "lines" => {
            let summary = patch::summary(&task.gold_patch);
            Value::count(summary.added + summary.removed)
        }
        "f2p" => count(&task.fail_to_pass),
        "p2p" => count(&task.pass_to_pass),
        "difficulty" => text(task.difficulty.as_deref()),
        "split" => text(task.split.as_deref()),
        "image" => text(task.image.as_deref()),
        "text" => Value::Texts(vec![
            Cow::Borrowed(&task.problem_statement),
            Cow::Borrowed(&task.instance_id),
        ]),
        _ => Value::Missing,
    }
}

fn count(list: &TestList) -> Value<'static> {
    match list {
        TestList::Known(ids) => Value::count(ids.len()),
        TestList::Unknown(_) => Value::Missing,
    }
}

fn text(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Missing, Value::text)
}

impl Family {
    /// As it is written in filters and lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SweGym => "swe-gym",
            Self::SweBench => "swe-bench",
            Self::SweSmith => "swe-smith",
            Self::Nebius => "nebius",
            Self::R2e => "r2e",
            Self::Sample => "sample",
        }
    }
}
