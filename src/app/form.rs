//! The form that starts attempts: lines of values, each with a check and a word about what it is.

use std::collections::BTreeMap;

use super::field::Field;
use crate::batch::proposal::proposed;

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number from … to.
    Whole(u32, u32),
    /// A whole number from … to, or nothing: then it is the scaffold's own.
    Limit(u32, u32),
    /// A number from 0 to 2.
    Temperature,
    /// One of a few.
    One(&'static [&'static str]),
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is now.
    pub value: Field,
}

impl Entry {
    /// Why the value cannot be used.
    pub fn check(&self) -> Result<(), String> {
        let text = self.value.text().trim();
        match self.kind {
            Kind::Text => Ok(()),
            Kind::Limit(..) if text.is_empty() => Ok(()),
            Kind::Whole(from, to) | Kind::Limit(from, to) => match text.parse::<u32>() {
                Ok(n) if (from..=to).contains(&n) => Ok(()),
                _ => Err(format!("{}: a whole number from {from} to {to}", self.name)),
            },
            Kind::Temperature => match text.parse::<f64>() {
                Ok(n) if (0.0..=2.0).contains(&n) => Ok(()),
                _ => Err(format!("{}: a number from 0 to 2", self.name)),
            },
            Kind::One(known) if known.contains(&text) => Ok(()),
            Kind::One(known) => Err(format!("{}: one of {}", self.name, known.join(", "))),
        }
    }

    /// What it is where nothing is written.
    #[must_use]
    pub fn unset(&self) -> &'static str {
        match self.kind {
            Kind::Limit(..) => "the scaffold's",
            _ => "none",
        }
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// `--tasks` text that the tasks come from.
    pub source: String,
    /// Ids of the tasks to attempt.
    pub tasks: Vec<String>,
    /// The values.
    pub entries: Vec<Entry>,
    /// The value that is being changed.
    pub cursor: usize,
}

const ON_OFF: &[&str] = &["off", "on"];
const SANDBOXES: &[&str] = &["local", "docker"];

impl Form {
    /// A form with these defaults.
    #[must_use]
    pub fn new(source: &str, model: &str, scaffold: &str, sandbox: &str) -> Self {
        let entry = |name, doc, kind, value: &str| Entry {
            name,
            doc,
            kind,
            value: Field::with(value),
        };
        Self {
            source: source.into(),
            tasks: Vec::new(),
            entries: vec![
                entry("k", "attempts at each task", Kind::Whole(1, 1000), "1"),
                entry(
                    "model",
                    "policy, a folder of weights, hub:org/name, URL#name",
                    Kind::Text,
                    model,
                ),
                entry(
                    "scaffold",
                    "the agent's design: a name or a folder",
                    Kind::Text,
                    scaffold,
                ),
                entry("temperature", "0 is greedy", Kind::Temperature, "0"),
                entry(
                    "seed",
                    "of the first attempt; empty for none",
                    Kind::Text,
                    "",
                ),
                entry(
                    "steps",
                    "most model calls, or empty",
                    Kind::Limit(1, 10_000),
                    "",
                ),
                entry("jobs", "attempts at a time", Kind::Whole(1, 64), "2"),
                entry(
                    "sandbox",
                    "where commands run",
                    Kind::One(SANDBOXES),
                    sandbox,
                ),
                entry(
                    "step mode",
                    "wait for approval of each action",
                    Kind::One(ON_OFF),
                    "off",
                ),
                entry(
                    "pace",
                    "seconds that a step takes at least, to be watched",
                    Kind::Whole(0, 60),
                    "0",
                ),
            ],
            cursor: 0,
        }
    }

    /// A value's text.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.entries
            .iter()
            .find(|entry| entry.name == name)
            .map_or("", |entry| entry.value.text().trim())
    }

    /// Set a value.
    pub fn set(&mut self, name: &str, value: &str) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.name == name) {
            entry.value = Field::with(value);
        }
    }

    /// Tasks come from another source now: what was proposed for the one before, and nobody changed, is proposed anew.
    pub fn propose(&mut self, before: &str, now: &str) {
        let (before, now) = (proposed(before), proposed(now));
        if self.value("scaffold").is_empty() || self.value("scaffold") == before.scaffold {
            self.set("scaffold", now.scaffold);
        }
        if self.value("model").is_empty() || Some(self.value("model")) == before.model {
            self.set("model", now.model.unwrap_or_default());
        }
    }

    /// What the next session begins with: all values but the pace and those that were only proposed for the source, since that one may
    /// begin with another.
    #[must_use]
    pub fn remembered(&self, source: &str) -> BTreeMap<String, String> {
        let proposal = proposed(source);
        let is_chosen = |entry: &&Entry| match entry.name {
            "model" => Some(entry.value.text()) != proposal.model,
            "scaffold" => entry.value.text() != proposal.scaffold,
            // For one audience; the next session's annotator would wonder why every run crawls.
            "pace" => false,
            _ => true,
        };
        self.entries
            .iter()
            .filter(is_chosen)
            .map(|entry| (entry.name.to_owned(), entry.value.text().to_owned()))
            .collect()
    }

    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.entries.iter().try_for_each(Entry::check)?;
        if self.value("model").is_empty() {
            return Err("model: which one acts? e.g. http://localhost:8000/v1#name".into());
        }
        if self.value("model") == super::command::HUMAN {
            // It reads the standard input, and that is the workbench's.
            return Err(
                "model: a person acts at the command line, with spotter run --model human".into(),
            );
        }
        if self.tasks.is_empty() {
            return Err("no task is chosen".into());
        }
        Ok(())
    }

    /// The value under the cursor.
    pub fn current(&mut self) -> Option<&mut Entry> {
        self.entries.get_mut(self.cursor)
    }

    /// The next of a value that is one of a few.
    pub fn turn(&mut self) {
        if let Some(entry) = self.entries.get_mut(self.cursor)
            && let Kind::One(known) = entry.kind
        {
            let at = known
                .iter()
                .position(|name| *name == entry.value.text())
                .unwrap_or(0);
            if let Some(next) = known.get((at + 1) % known.len()) {
                entry.value = Field::with(*next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_a_number_or_left_to_the_scaffold() {
        let mut form = Form::new("gym", "policy", "gym", "local");
        form.tasks.push("a".into());
        let mut checked = |text: &str| {
            form.set("steps", text);
            form.check()
        };
        assert_eq!(checked(""), Ok(()));
        assert_eq!(checked("16"), Ok(()));
        assert_eq!(
            checked("0").unwrap_err(),
            "steps: a whole number from 1 to 10000"
        );
    }

    #[test]
    fn what_was_proposed_follows_the_source_and_what_a_person_chose_stays() {
        let mut form = Form::new("sample", "", "", "local");
        form.propose("sample", "sample");
        assert_eq!(
            (form.value("model"), form.value("scaffold")),
            ("", "codeact")
        );
        form.propose("sample", "gym");
        assert_eq!(
            (form.value("model"), form.value("scaffold")),
            ("policy", "gym")
        );
        form.propose("gym", "rows.jsonl");
        assert_eq!(
            (form.value("model"), form.value("scaffold")),
            ("", "codeact")
        );

        form.propose("rows.jsonl", "gym");
        let remembered = form.remembered("gym");
        assert!(!remembered.contains_key("model") && !remembered.contains_key("scaffold"));
        form.propose("gym", "rows.jsonl");

        form.set("model", "http://localhost:8000/v1#m");
        form.set("scaffold", "bash");
        form.propose("rows.jsonl", "gym");
        assert_eq!(form.value("model"), "http://localhost:8000/v1#m");
        assert_eq!(form.value("scaffold"), "bash");
        let remembered = form.remembered("gym");
        assert_eq!(remembered["scaffold"], "bash");
        assert_eq!(remembered["model"], "http://localhost:8000/v1#m");
    }
}
