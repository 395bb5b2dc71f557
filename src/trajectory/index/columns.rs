//! What can be asked of the library's rows: the fields of their filter language, and the columns that sort them.
//!
//! The workbench and `spotter list` both go by this table.

use super::Summary;
use crate::grade::report;
use crate::text::filter::{Field, FieldKind, Value};

/// Columns that the table can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Column {
    /// When it began.
    #[default]
    Started,
    /// Its task.
    Task,
    /// The verdict.
    Verdict,
    /// Steps.
    Steps,
    /// Tokens.
    Tokens,
    /// Seconds.
    Seconds,
    /// The model.
    Model,
}

impl Column {
    /// In the order of the table.
    pub const ALL: [Self; 7] = [
        Self::Started,
        Self::Task,
        Self::Verdict,
        Self::Steps,
        Self::Tokens,
        Self::Seconds,
        Self::Model,
    ];

    /// Its heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Task => "task",
            Self::Verdict => "verdict",
            Self::Steps => "steps",
            Self::Tokens => "tokens",
            Self::Seconds => "time",
            Self::Model => "model",
        }
    }
}

/// What the filter language knows of a row.
pub const FIELDS: &[Field] = &[
    field("task", FieldKind::Text, "instance id"),
    field("id", FieldKind::Text, "rollout"),
    field("scaffold", FieldKind::Text, "the agent's design"),
    field("model", FieldKind::Text, "the policy's name"),
    field(
        "verdict",
        // As part of a word `resolved` would be `unresolved`, too.
        FieldKind::Exact,
        "resolved, unresolved, …; none where there is none",
    ),
    field(
        "ended",
        FieldKind::Exact,
        "submitted, limit, stuck, stopped, recording, error; none",
    ),
    field("steps", FieldKind::Number, "whole steps"),
    field("tokens", FieldKind::Number, "prompt and reply tokens"),
    field("seconds", FieldKind::Number, "time that was worked"),
    field("files", FieldKind::Number, "files that the patch changes"),
    field("marks", FieldKind::Number, "audit marks"),
    field("live", FieldKind::Flag, "a process works on it"),
    field("branch", FieldKind::Flag, "it branched off another"),
    field(
        "again",
        FieldKind::Flag,
        "it carries out again what another did",
    ),
];

const fn field(name: &'static str, kind: FieldKind, doc: &'static str) -> Field {
    Field { name, kind, doc }
}

/// Which of two rows comes first, smallest first.
#[must_use]
pub fn compare(by: Column, a: &Summary, b: &Summary) -> std::cmp::Ordering {
    let word = |row: &Summary| row.verdict.as_ref().map_or("", report::word);
    match by {
        Column::Started => a.started.cmp(&b.started),
        Column::Task => a.task.cmp(&b.task),
        Column::Verdict => word(a).cmp(word(b)),
        Column::Steps => a.steps.cmp(&b.steps),
        Column::Tokens => (a.tokens.0 + a.tokens.1).cmp(&(b.tokens.0 + b.tokens.1)),
        Column::Seconds => a.seconds.total_cmp(&b.seconds),
        Column::Model => a.model.cmp(&b.model),
    }
}

/// What a row holds in a field of [`FIELDS`].
#[must_use]
pub fn value<'a>(row: &'a Summary, name: &str) -> Value<'a> {
    use crate::trajectory::event::Ended;
    match name {
        "task" => Value::text(&row.task),
        "id" => Value::text(&row.id),
        "scaffold" => Value::text(&row.scaffold),
        "model" => Value::text(&row.model),
        "verdict" => Value::text(row.verdict.as_ref().map_or("none", report::word)),
        "ended" => Value::text(match &row.ended {
            None => "none",
            Some(Ended::Submitted) => "submitted",
            Some(Ended::Limit { .. }) => "limit",
            Some(Ended::Stuck { .. }) => "stuck",
            Some(Ended::RecordingOver) => "recording",
            Some(Ended::Stopped { .. }) => "stopped",
            Some(Ended::Error { .. }) => "error",
        }),
        "steps" => Value::count(row.steps as usize),
        "tokens" => {
            Value::count(usize::try_from(row.tokens.0 + row.tokens.1).unwrap_or(usize::MAX))
        }
        "seconds" => Value::Number(row.seconds),
        "files" => Value::count(row.patch.0),
        "marks" => Value::count(row.marks),
        "live" => Value::Flag(row.live),
        "branch" => Value::Flag(row.parent.is_some()),
        "again" => Value::Flag(row.reexecutes.is_some()),
        _ => Value::text(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::filter::Filter;

    #[test]
    fn resolved_is_not_part_of_unresolved() {
        let passes = |filter: &str, verdict: &'static str| {
            Filter::parse(filter, FIELDS)
                .unwrap()
                .matches(|_| Value::text(verdict))
        };
        assert!(passes("verdict:resolved", "resolved"));
        assert!(!passes("verdict:resolved", "unresolved"));
        assert!(passes("-verdict:resolved", "unresolved"));
    }
}
