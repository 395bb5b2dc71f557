//! The tasks view: a windowed list under a query, and the task under the cursor.

use std::collections::HashMap;
use std::sync::Arc;

use super::fences::Fences;
use super::form::Form;
use super::list::{List, Scroll};
use super::news::Request;
use super::query::Query;
use crate::task::{Task, fields};
use crate::text::Line;
use crate::trajectory::index::Summary;

/// Which part has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// The list.
    #[default]
    List,
    /// The statement.
    Statement,
}

/// See the module.
#[derive(Debug)]
pub struct Tasks {
    /// `--tasks` text.
    pub source: String,
    /// Question that is out.
    pub request: Option<Request>,
    /// Why there are none.
    pub error: Option<String>,
    /// The tasks.
    pub all: Vec<Arc<Task>>,
    /// What is typed over them.
    pub query: Query,
    /// The cursor.
    pub list: List,
    /// Which part has the focus.
    pub part: Part,
    /// Where one is in the statement.
    pub scroll: Scroll,
    /// Lines of the statement's window.
    pub visible: Vec<Line>,
    /// The gold patch is shown.
    pub gold: bool,
    /// Chosen tasks, by id; none means the one under the cursor.
    pub chosen: Vec<String>,
    /// The start form.
    pub form: Form,
    /// Attempts by task id, newest last: indices into the library's rows.
    pub attempts: HashMap<String, Vec<usize>>,
    /// Highlighted code of a task's statement.
    pub fences: Option<(String, Arc<Fences>)>,
    /// The highlighting that is under way: one at a time, however fast the cursor goes.
    pub highlighting: bool,
    /// Built lines of the statement: task, width, gold shown, blind, highlighted.
    pub(super) built: Option<(String, usize, bool, bool, bool)>,
    pub(super) lines: Vec<Line>,
}

impl Tasks {
    /// Nothing is loaded yet.
    #[must_use]
    pub fn new(source: &str, form: Form) -> Self {
        Self {
            source: source.into(),
            request: None,
            error: None,
            all: Vec::new(),
            query: Query::default(),
            list: List::default(),
            part: Part::List,
            scroll: Scroll::default(),
            visible: Vec::new(),
            gold: false,
            chosen: Vec::new(),
            form,
            attempts: HashMap::new(),
            fences: None,
            highlighting: false,
            built: None,
            lines: Vec::new(),
        }
    }

    /// The task under the cursor.
    #[must_use]
    pub fn current(&self) -> Option<&Arc<Task>> {
        self.all.get(*self.query.rows.get(self.list.cursor)?)
    }

    /// A task by its id.
    #[must_use]
    pub fn named(&self, id: &str) -> Option<&Arc<Task>> {
        self.all.iter().find(|task| task.instance_id == id)
    }

    /// The query changed, or the tasks did.
    pub fn refilter(&mut self) {
        let current = self.current().map(|task| task.instance_id.clone());
        let all = &self.all;
        let mut query = std::mem::take(&mut self.query);
        query.apply(
            all.len(),
            fields::FIELDS,
            |row| {
                all.get(row)
                    .map_or("", |task| task.instance_id.as_str())
                    .into()
            },
            |row, name| match all.get(row) {
                Some(task) => fields::value(task, name),
                None => crate::text::filter::Value::text(""),
            },
        );
        self.query = query;
        // The cursor stays on its task where that is left; a new word starts at the best row.
        let same = current.and_then(|id| {
            self.query.rows.iter().position(|row| {
                self.all
                    .get(*row)
                    .is_some_and(|task| task.instance_id == id)
            })
        });
        let words = !self.query.words.is_empty();
        self.list.cursor = if words { 0 } else { same.unwrap_or(0) };
        self.list.fit(self.query.rows.len(), self.list.height);
    }

    /// The library changed.
    pub fn recount(&mut self, rows: &[Summary]) {
        self.attempts.clear();
        for (at, row) in rows.iter().enumerate() {
            self.attempts.entry(row.task.clone()).or_default().push(at);
        }
        for list in self.attempts.values_mut() {
            list.sort_by(|a, b| {
                let of = |at: &usize| rows.get(*at).map(|row| row.started);
                of(a).cmp(&of(b))
            });
        }
    }

    /// Ids that a start is about.
    #[must_use]
    pub fn meant(&self) -> Vec<String> {
        if self.chosen.is_empty() {
            self.current()
                .map(|task| vec![task.instance_id.clone()])
                .unwrap_or_default()
        } else {
            self.chosen.clone()
        }
    }
}
