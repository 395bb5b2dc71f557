//! What lies over a view: palette and help, pickers, messages, a question that cannot be undone, the welcome.

use super::command::Invocation;
use super::list::List;
use super::query::Query;

/// What a picker is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Run a command.
    Command,
    /// The same, for what can be done here.
    Help,
    /// Choose a theme; the one under the cursor is shown at once.
    Theme,
    /// Choose a keymap.
    Keymap,
    /// Choose the form's model.
    Model,
    /// Choose the form's scaffold.
    Scaffold,
    /// Choose where tasks come from.
    Source,
    /// Go to a run.
    Run,
}

/// A row of a picker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is matched and shown first.
    pub label: String,
    /// What it is, in a sentence.
    pub detail: String,
    /// Keys that do the same.
    pub keys: String,
    /// Why it cannot be chosen now.
    pub disabled: Option<String>,
    /// What choosing it gives: a command's text, a name.
    pub value: String,
}

/// A list to choose from, under a query.
#[derive(Debug, Clone)]
pub struct Picker {
    /// What for.
    pub purpose: Purpose,
    /// Its title.
    pub title: &'static str,
    /// The rows.
    pub choices: Vec<Choice>,
    /// What is typed.
    pub query: Query,
    /// The cursor.
    pub list: List,
    /// What was there before a preview.
    pub before: String,
}

impl Picker {
    /// A picker with the cursor on a value.
    #[must_use]
    pub fn new(purpose: Purpose, title: &'static str, choices: Vec<Choice>, at: &str) -> Self {
        let mut picker = Self {
            purpose,
            title,
            choices,
            query: Query::default(),
            list: List::default(),
            before: at.to_owned(),
        };
        picker.refilter();
        if let Some(row) = picker.choices.iter().position(|choice| choice.value == at) {
            picker.list.cursor = row;
        }
        picker
    }

    /// The query changed.
    pub fn refilter(&mut self) {
        let choices = &self.choices;
        // Labels and details are matched; there is no filter language over a picker.
        let mut query = std::mem::take(&mut self.query);
        let words = query.field.text().replace(':', " ");
        words.trim().clone_into(&mut query.words);
        if query.words.is_empty() {
            query.rows = (0..choices.len()).collect();
        } else {
            let rows: crate::text::fuzzy::Rows =
                choices.iter().map(|choice| choice.label.as_str()).collect();
            let mut finder = crate::text::fuzzy::Fuzzy::default();
            finder.set_query(&query.words);
            query.rows = finder.rank(&rows).iter().map(|hit| hit.row).collect();
        }
        self.query = query;
        self.list.cursor = 0;
        self.list.fit(self.query.rows.len(), self.list.height);
    }

    /// The choice under the cursor.
    #[must_use]
    pub fn current(&self) -> Option<&Choice> {
        self.choices.get(*self.query.rows.get(self.list.cursor)?)
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub enum Layer {
    /// A list to choose from.
    Picker(Box<Picker>),
    /// All that was said, newest first.
    Messages(List),
    /// Something that cannot be undone.
    Confirm {
        /// The question.
        question: String,
        /// What yes does.
        then: Invocation,
    },
    /// The first start.
    Welcome,
}

/// A question in the line where the eye is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What for.
    pub what: Asked,
    /// The words before the field.
    pub label: String,
    /// What is typed.
    pub field: super::field::Field,
    /// What was typed before, newest first, and where one is in it.
    pub history: Option<usize>,
}

/// What a line is typed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Something to say to the agent.
    Say,
    /// New arguments of the action that waits.
    Edit {
        /// Which of the step's actions.
        index: u32,
    },
    /// A command in the agent's shell.
    Shell,
    /// A new limit of steps.
    Limit,
    /// A step to go to.
    Step,
    /// What the branch is told.
    Branch {
        /// The last step that is kept.
        step: u32,
    },
    /// Why the run is stopped.
    Stop,
    /// A text to search for.
    Search,
    /// A value of the start form.
    Value,
    /// Tasks to load.
    Source,
}
