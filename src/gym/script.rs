//! What the expert says, call after call, and the files as they stand after it.
//!
//! Mental model: an [`Edit`] is known by its lines' numbers, as a patch knows it; the `gym` scaffold's `change` wants the lines' own words.
//! They are taken from the file as it stands then, with as many lines above as tell them from others of their function.

use std::collections::HashMap;

use super::MakeError;
use super::edit::Edit;
use crate::model::{Finish, Message, Reply, Role};
use crate::task::Task;

/// See the module.
pub(super) struct Script<'a> {
    task: &'a Task,
    /// Lines of the modules that were changed.
    modules: HashMap<String, Vec<String>>,
    said: Vec<Reply>,
}

impl<'a> Script<'a> {
    /// Nothing is said yet.
    pub(super) fn of(task: &'a Task) -> Self {
        Self::after(task, HashMap::new(), Vec::new())
    }

    /// It goes on from what was said, by whomever, and from the modules that were changed by that.
    pub(super) fn after(
        task: &'a Task,
        modules: HashMap<String, Vec<String>>,
        said: Vec<Reply>,
    ) -> Self {
        Self {
            task,
            modules,
            said,
        }
    }

    pub(super) fn said(self) -> Vec<Reply> {
        self.said
    }

    pub(super) fn say(&mut self, text: String, by: &str) {
        self.said
            .push(reply(Message::text(Role::Assistant, text), by));
    }

    /// Whether this was said before, by whomever.
    pub(super) fn has_said(&self, text: &str) -> bool {
        let mut said = self.said.iter();
        said.any(|reply| reply.message.content.trim() == text)
    }

    /// A line, from 1, of a module as it stands.
    pub(super) fn line(&self, module: &str, line: usize) -> String {
        let lines = self.lines(module).into_iter();
        let mut from = lines.skip(line.saturating_sub(1));
        from.next().unwrap_or_default()
    }

    /// Say a change.
    ///
    /// # Errors
    /// Where its lines are in no function.
    pub(super) fn change(&mut self, edit: &Edit, by: &str) -> Result<(), MakeError> {
        let lines = self.lines(&edit.module);
        let place = place(&lines, edit).ok_or_else(|| {
            MakeError::Row(format!(
                "{}: there is no line {} in a function of {}",
                self.task.instance_id, edit.line, edit.module
            ))
        })?;
        let stood = lines.get(place.from..edit.end()).unwrap_or_default();
        let above = lines.get(place.from..edit.line - 1).unwrap_or_default();
        let put = [above, &edit.text].concat();
        let said = format!(
            "change {} {}\n=> {}",
            place.name,
            outwards(stood),
            outwards(&put)
        );
        self.say(said, by);
        let mut after = lines;
        after.splice(place.from..edit.end(), put);
        self.modules.insert(edit.module.clone(), after);
        Ok(())
    }

    /// A module's lines as they stand.
    pub(super) fn lines(&self, module: &str) -> Vec<String> {
        let known = self.modules.get(module).cloned();
        known.unwrap_or_else(|| lines_of(self.task, module))
    }
}

/// A reply that says this.
pub(super) fn reply(message: Message, by: &str) -> Reply {
    Reply {
        message,
        finish: Finish::Stop,
        usage: None,
        logprobs: None,
        served_by: Some(by.to_owned()),
        retries: 0,
    }
}

/// Where a line is, in words.
struct Place {
    /// The function's name.
    name: String,
    /// The first line, from 0, that must be said for it to stand in the function once.
    from: usize,
}

/// The place of the lines that go.
fn place(lines: &[String], edit: &Edit) -> Option<Place> {
    let (at, last) = (edit.line.checked_sub(1)?, edit.end().checked_sub(1)?);
    let head = lines
        .get(..edit.line)?
        .iter()
        .rposition(|line| defined(line).is_some())?;
    let rest = lines.get(edit.end()..)?;
    let next = rest.iter().position(|line| defined(line).is_some());
    let end = next.map_or(lines.len(), |next| edit.end() + next);
    let function: Vec<&str> = lines
        .get(head..end)?
        .iter()
        .map(|line| line.trim())
        .collect();
    let from = (head..=at).rev().find(|from| {
        let said = function.get(from - head..=last - head);
        let stands = function
            .windows(edit.end() - from)
            .filter(|window| Some(*window) == said);
        stands.count() == 1
    })?;
    let name = defined(lines.get(head)?)?.to_owned();
    Some(Place { name, from })
}

/// The name that a line defines.
pub(super) fn defined(line: &str) -> Option<&str> {
    line.strip_prefix("def ")?.split('(').next()
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// A task's module.
pub(super) fn source_of<'a>(task: &'a Task, module: &str) -> &'a str {
    let source = task.files.get(&format!("{module}.py"));
    source.map_or("", String::as_str)
}

/// Its lines.
pub(super) fn lines_of(task: &Task, module: &str) -> Vec<String> {
    let lines = source_of(task, module).lines();
    lines.map(str::to_owned).collect()
}

/// Lines moved out as far as they all can be.
fn outwards(lines: &[String]) -> String {
    let shared = lines
        .iter()
        .map(|line| indentation(line))
        .min()
        .unwrap_or(0);
    let lines: Vec<&str> = lines.iter().filter_map(|line| line.get(shared..)).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Family;

    const SOURCE: &str = "def f(x):\n    if x:\n        x += 1\n    x += 1\n    return x\n\ndef g(x):\n    x += 1\n    return x\n";

    #[test]
    fn a_line_that_stands_twice_is_told_by_what_stands_above_it_now() {
        let mut task = Task::named("gym__l1-constant-t1-00000", "spotter/gym", Family::Sample);
        task.files.insert("m.py".into(), SOURCE.into());
        let mut script = Script::of(&task);
        let edit = |line, gone, text: &str| Edit {
            module: "m".into(),
            line,
            gone,
            text: text.lines().map(str::to_owned).collect(),
        };
        script.change(&edit(4, 1, "    x += 2"), "a").unwrap();
        script.change(&edit(4, 1, "    x += 3"), "a").unwrap();
        let guard = "    if not x:\n        return 0\n    x += 1";
        script.change(&edit(8, 1, guard), "a").unwrap();
        script.change(&edit(3, 2, "        x = 3"), "a").unwrap();
        assert!(script.change(&edit(20, 1, "x"), "a").is_err());
        let said: Vec<String> = script
            .said()
            .into_iter()
            .map(|reply| reply.message.content)
            .collect();
        assert_eq!(
            said,
            [
                "change f     x += 1\nx += 1\n=>     x += 1\nx += 2",
                "change f x += 2\n=> x += 3",
                "change g x += 1\n=> if not x:\n    return 0\nx += 1",
                "change f     x += 1\nx += 3\n=> x = 3",
            ]
        );
    }
}
