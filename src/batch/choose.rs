//! Filters over tasks as people write them: the fields of the row, and whether it can be graded.

use crate::grade;
use crate::sandbox::Kind;
use crate::task::{Task, fields};
use crate::text::filter::{Field, FieldKind, Filter, FilterError, Value};

const GRADABLE: Field = Field {
    name: "gradable",
    kind: FieldKind::Flag,
    doc: "it can be graded, in one kind of sandbox at least",
};

/// Which tasks.
#[derive(Debug, Clone)]
pub struct Choice(Filter);

impl Choice {
    /// Understand a filter.
    ///
    /// # Errors
    /// Where it cannot be understood; the error says at which character.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let known: Vec<Field> = fields::FIELDS.iter().copied().chain([GRADABLE]).collect();
        Filter::parse(text, &known).map(Self)
    }

    /// Whether a task is among them.
    #[must_use]
    pub fn takes(&self, task: &Task) -> bool {
        self.0.matches(|field| match field {
            "gradable" => Value::Flag(gradable(task).iter().any(|(_, answer)| answer.is_ok())),
            _ => fields::value(task, field),
        })
    }
}

/// For each kind of sandbox: the rules a task is graded under there, or why it cannot be.
pub fn gradable(task: &Task) -> [(&'static str, Result<String, String>); 2] {
    let answer = |kind: Kind| match grade::plan(task, kind, None) {
        Ok(plan) => Ok(format!("yes, rules {}", plan.rules)),
        Err(why) => Err(format!("no: {why}")),
    };
    [
        ("local", answer(Kind::Local)),
        ("docker", answer(Kind::Docker)),
    ]
}
