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

impl Purpose {
    /// Columns that labels have where there are words beside them.
    #[must_use]
    pub const fn label(self) -> usize {
        match self {
            Self::Model => 43,
            Self::Run => 34,
            Self::Source => 30,
            _ => 24,
        }
    }

    /// What is typed may be taken as it is, for what no list can hold.
    const fn takes_text(self) -> bool {
        matches!(self, Self::Model | Self::Scaffold | Self::Source)
    }
}

/// A row of a picker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// The row that takes what is typed as it is, where there is one: always the last of the choices.
    typed: Option<usize>,
}

/// What the row says while nothing is typed.
const ANOTHER: &str = "type another \u{2026}";

impl Picker {
    /// A picker with the cursor on a value.
    #[must_use]
    pub fn new(purpose: Purpose, title: &'static str, mut choices: Vec<Choice>, at: &str) -> Self {
        let typed = purpose.takes_text().then_some(choices.len());
        if typed.is_some() {
            choices.push(Choice::default());
        }
        let mut picker = Self {
            purpose,
            title,
            choices,
            query: Query::default(),
            list: List::default(),
            before: at.to_owned(),
            typed,
        };
        picker.refilter();
        let there = |choice: &Choice| !at.is_empty() && choice.value == at;
        if let Some(row) = picker.choices.iter().position(there) {
            picker.list.cursor = row;
        }
        picker
    }

    /// The query changed.
    pub fn refilter(&mut self) {
        self.take_typed();
        let choices = &self.choices;
        // Labels and details are matched; there is no filter language over a picker.
        let mut query = std::mem::take(&mut self.query);
        let words = query.field.text().replace(':', " ");
        words.trim().clone_into(&mut query.words);
        if query.words.is_empty() {
            query.rows = (0..choices.len()).collect();
        } else {
            let listed = self.typed.unwrap_or(choices.len());
            let rows: crate::text::fuzzy::Rows = choices
                .iter()
                .take(listed)
                .map(|choice| choice.label.as_str())
                .collect();
            let mut finder = crate::text::fuzzy::Fuzzy::default();
            finder.set_query(&query.words);
            query.rows = finder.rank(&rows).iter().map(|hit| hit.row).collect();
            if let Some(typed) = self.typed {
                // Somebody who writes an address or a path means it, whatever it resembles.
                let whole = query.field.text().contains(['/', ':']);
                let at = if whole { 0 } else { query.rows.len() };
                query.rows.insert(at, typed);
            }
        }
        self.query = query;
        self.list.cursor = 0;
        self.list.fit(self.query.rows.len(), self.list.height);
    }

    /// The last row says what it would take.
    fn take_typed(&mut self) {
        let Some(choice) = self.typed.and_then(|at| self.choices.get_mut(at)) else {
            return;
        };
        let text = self.query.field.text().trim();
        (choice.label, choice.detail) = if text.is_empty() {
            (ANOTHER.into(), String::new())
        } else {
            (text.into(), "as it is typed".into())
        };
        text.clone_into(&mut choice.value);
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
