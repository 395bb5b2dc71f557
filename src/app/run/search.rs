//! Search through a run's steps, folded ones too.

use crate::app::story::{Item, Step, Story};
use crate::text::search::{Query, QueryError};

/// What is searched for, and where it was found.
#[derive(Debug, Clone)]
pub struct Search {
    /// The text, as typed.
    pub text: String,
    /// The text, as understood.
    pub query: Query,
    /// Steps that hold it.
    pub steps: Vec<u32>,
    revision: u64,
}

impl Search {
    /// Find a text; case matters where it has capitals; `/…/` is a regular expression.
    ///
    /// # Errors
    /// Where that is wrong.
    pub fn of(text: &str, story: &Story) -> Result<Self, QueryError> {
        let mut search = Self {
            text: text.to_owned(),
            query: Query::parse(text)?,
            steps: Vec::new(),
            revision: u64::MAX,
        };
        search.refresh(story);
        Ok(search)
    }

    /// Find it in what came since.
    pub fn refresh(&mut self, story: &Story) {
        if self.revision == story.revision {
            return;
        }
        self.revision = story.revision;
        self.steps = story
            .steps
            .iter()
            .filter(|step| texts(step).any(|text| self.query.places(&text).next().is_some()))
            .map(|step| step.number)
            .collect();
    }

    /// The nearest step after (or before) one; around the end if need be.
    #[must_use]
    pub fn next(&self, from: u32, forward: bool) -> Option<u32> {
        let found = if forward {
            self.steps
                .iter()
                .find(|step| **step > from)
                .or(self.steps.first())
        } else {
            self.steps
                .iter()
                .rev()
                .find(|step| **step < from)
                .or(self.steps.last())
        };
        found.copied()
    }
}

fn texts(step: &Step) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
    let items = step
        .items
        .iter()
        .flat_map(|item| -> Vec<std::borrow::Cow<'_, str>> {
            match item {
                Item::Action {
                    call,
                    output,
                    outcome,
                    ..
                } => vec![
                    call.arguments.as_str().into(),
                    output.text(),
                    outcome.as_ref().map_or("", |outcome| &outcome.text).into(),
                ],
                Item::Said { text, .. } | Item::Note { text, .. } | Item::Differs { text } => {
                    vec![text.as_str().into()]
                }
                Item::Typed { command, outcome } => {
                    vec![command.as_str().into(), outcome.text.as_str().into()]
                }
            }
        });
    [step.thought.text(), step.reasoning.text()]
        .into_iter()
        .chain(items)
}
