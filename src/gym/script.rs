//! What the expert says, call after call, and the files as they stand after it.
//!
//! Mental model: an [`Edit`] is known by its line, as a patch knows it; the `gym` scaffold's `change` wants the line's own words. They
//! are taken from the file as it stands then, with as many lines above as tell the line from others of its function.

use std::collections::HashMap;

use super::MakeError;
use crate::model::{Finish, Message, Reply, Role};
use crate::task::Task;

/// A change of a module.
pub(super) struct Edit<'a> {
    pub(super) module: &'a str,
    /// From 1.
    pub(super) line: usize,
    /// Lines that come in, in place of the line or before it, without the indentation that they share.
    pub(super) text: Vec<String>,
    pub(super) replaces: bool,
}

/// See the module.
pub(super) struct Script<'a> {
    task: &'a Task,
    /// Lines of the modules that were changed.
    modules: HashMap<&'a str, Vec<String>>,
    said: Vec<Reply>,
}

impl<'a> Script<'a> {
    pub(super) fn of(task: &'a Task) -> Self {
        Self {
            task,
            modules: HashMap::new(),
            said: Vec::new(),
        }
    }

    pub(super) fn said(self) -> Vec<Reply> {
        self.said
    }

    pub(super) fn say(&mut self, text: String, by: &str) {
        self.said.push(Reply {
            message: Message::text(Role::Assistant, text),
            finish: Finish::Stop,
            usage: None,
            logprobs: None,
            served_by: Some(by.to_owned()),
            retries: 0,
        });
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
    /// Where its line is in no function.
    pub(super) fn change(&mut self, edit: &Edit<'a>, by: &str) -> Result<(), MakeError> {
        let lines = self.lines(edit.module);
        let place = place(&lines, edit.line).ok_or_else(|| {
            MakeError::Row(format!(
                "{}: there is no line {} in a function of {}",
                self.task.instance_id, edit.line, edit.module
            ))
        })?;
        let stood = lines.get(place.from..edit.line).unwrap_or_default();
        let (old, above) = stood
            .split_last()
            .map_or(("", stood), |(old, above)| (old.as_str(), above));
        let indent = " ".repeat(indentation(old));
        let mut put = above.to_vec();
        put.extend(edit.text.iter().map(|line| format!("{indent}{line}")));
        if !edit.replaces {
            put.push(old.to_owned());
        }
        let said = format!(
            "change {} {}\n=> {}",
            place.name,
            outwards(stood),
            outwards(&put)
        );
        self.say(said, by);
        let mut after = lines;
        after.splice(place.from..edit.line, put);
        self.modules.insert(edit.module, after);
        Ok(())
    }

    fn lines(&self, module: &str) -> Vec<String> {
        let known = self.modules.get(module).cloned();
        known.unwrap_or_else(|| {
            let source = source_of(self.task, module);
            source.lines().map(str::to_owned).collect()
        })
    }
}

/// Where a line is, in words.
struct Place {
    /// The function's name.
    name: String,
    /// The first line, from 0, that must be said for it to stand in the function once.
    from: usize,
}

/// The place of a line, from 1.
fn place(lines: &[String], line: usize) -> Option<Place> {
    let at = line.checked_sub(1)?;
    let head = lines
        .get(..line)?
        .iter()
        .rposition(|line| defined(line).is_some())?;
    let rest = lines.get(line..)?;
    let next = rest.iter().position(|line| defined(line).is_some());
    let end = next.map_or(lines.len(), |next| line + next);
    let function: Vec<&str> = lines
        .get(head..end)?
        .iter()
        .map(|line| line.trim())
        .collect();
    let from = (head..=at).rev().find(|from| {
        let said = function.get(from - head..=at - head);
        let stands = function
            .windows(line - from)
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

pub(super) fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// A task's module.
pub(super) fn source_of<'a>(task: &'a Task, module: &str) -> &'a str {
    let source = task.files.get(&format!("{module}.py"));
    source.map_or("", String::as_str)
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
        let edit = |line, text: &str, replaces| Edit {
            module: "m",
            line,
            text: text.lines().map(str::to_owned).collect(),
            replaces,
        };
        script.change(&edit(4, "x += 2", true), "a").unwrap();
        script.change(&edit(4, "x += 3", true), "a").unwrap();
        script
            .change(&edit(8, "if not x:\n    return 0", false), "a")
            .unwrap();
        assert!(script.change(&edit(20, "x", true), "a").is_err());
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
            ]
        );
    }
}
