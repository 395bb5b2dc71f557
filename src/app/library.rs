//! The library view: all trajectories of the store in a windowed table under a query, sorted by a column.

use super::list::List;
use super::query::Query;
use crate::grade::report;
use crate::text::filter::{Field, FieldKind, Value};
use crate::trajectory::index::Summary;

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
        FieldKind::Text,
        "resolved, unresolved, …; none where there is none",
    ),
    field(
        "ended",
        FieldKind::Text,
        "submitted, limit, stuck, stopped, error; none",
    ),
    field("steps", FieldKind::Number, "whole steps"),
    field("tokens", FieldKind::Number, "prompt and reply tokens"),
    field("seconds", FieldKind::Number, "time that was worked"),
    field("files", FieldKind::Number, "files that the patch changes"),
    field("marks", FieldKind::Number, "audit marks"),
    field("live", FieldKind::Flag, "a process works on it"),
    field("branch", FieldKind::Flag, "it branched off another"),
];

const fn field(name: &'static str, kind: FieldKind, doc: &'static str) -> Field {
    Field { name, kind, doc }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Library {
    /// The rows, oldest first.
    pub rows: Vec<Summary>,
    /// The scan is over.
    pub complete: bool,
    /// What is typed over them.
    pub query: Query,
    /// The cursor.
    pub list: List,
    /// What the table is sorted by.
    pub sort: Column,
    /// Smallest first.
    pub ascending: bool,
}

impl Library {
    /// Rows came; one replaces that of its id.
    pub fn take(&mut self, rows: Vec<Summary>, complete: bool) {
        if self.rows.is_empty() {
            self.rows = rows;
        } else {
            for row in rows {
                match self.rows.iter_mut().find(|there| there.id == row.id) {
                    Some(there) => *there = row,
                    None => self.rows.push(row),
                }
            }
        }
        self.rows.sort_by(|a, b| a.id.cmp(&b.id));
        self.complete |= complete;
        self.refilter();
    }

    /// The row under the cursor.
    #[must_use]
    pub fn current(&self) -> Option<&Summary> {
        self.rows.get(*self.query.rows.get(self.list.cursor)?)
    }

    /// The query, the order or the rows changed. The cursor stays on its row.
    pub fn refilter(&mut self) {
        let current = self.current().map(|row| row.id.clone());
        let mut query = std::mem::take(&mut self.query);
        let rows = &self.rows;
        query.apply(
            rows.len(),
            FIELDS,
            |row| rows.get(row).map_or("", |row| row.task.as_str()).into(),
            |row, name| {
                rows.get(row)
                    .map_or(Value::text(""), |row| value(row, name))
            },
        );
        if query.words.is_empty() {
            let (sort, ascending) = (self.sort, self.ascending);
            query.rows.sort_by(|a, b| {
                let (Some(a), Some(b)) = (rows.get(*a), rows.get(*b)) else {
                    return std::cmp::Ordering::Equal;
                };
                let order = compare(sort, a, b).then_with(|| a.id.cmp(&b.id));
                if ascending { order } else { order.reverse() }
            });
        }
        self.query = query;
        let at = current.and_then(|id| {
            self.query
                .rows
                .iter()
                .position(|row| self.rows.get(*row).is_some_and(|row| row.id == id))
        });
        self.list.cursor = at.unwrap_or(0);
        self.list.fit(self.query.rows.len(), self.list.height);
    }

    /// Sort by the next column, or turn the order round.
    pub fn resort(&mut self, column: Option<Column>) {
        match column {
            Some(column) if column == self.sort => self.ascending = !self.ascending,
            Some(column) => {
                self.sort = column;
                self.ascending = matches!(column, Column::Task | Column::Model);
            }
            None => {
                let at = Column::ALL
                    .iter()
                    .position(|column| *column == self.sort)
                    .unwrap_or(0);
                self.sort = Column::ALL
                    .get((at + 1) % Column::ALL.len())
                    .copied()
                    .unwrap_or_default();
                self.ascending = matches!(self.sort, Column::Task | Column::Model);
            }
        }
        self.refilter();
    }
}

fn compare(by: Column, a: &Summary, b: &Summary) -> std::cmp::Ordering {
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

fn value<'a>(row: &'a Summary, name: &str) -> Value<'a> {
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
        _ => Value::text(""),
    }
}
