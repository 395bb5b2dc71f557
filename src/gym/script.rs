//! What the expert says, call after call, and the files as they stand after it.
//!
//! Mental model: an [`Edit`] is known by its lines' numbers, as a patch knows it; the `gym` scaffold's `change` wants the lines' own words.
//! They are taken from the file as it stands then, with as many lines above as tell them from others of their function. Whether the tool
//! would do with these words what is meant is seen by the tool's own code before they are said.

use std::collections::BTreeMap;

use super::MakeError;
use super::edit::Edit;
use crate::agent::would_change;
use crate::model::{Finish, Message, Reply, Role};
use crate::task::Task;

/// See the module.
pub(super) struct Script<'a> {
    task: &'a Task,
    /// Lines of the modules that were changed.
    modules: BTreeMap<String, Vec<String>>,
    said: Vec<Reply>,
}

impl<'a> Script<'a> {
    /// Nothing is said yet.
    pub(super) fn of(task: &'a Task) -> Self {
        Self::after(task, BTreeMap::new(), Vec::new())
    }

    /// It goes on from what was said, by whomever, and from the modules that were changed by that.
    pub(super) fn after(
        task: &'a Task,
        modules: BTreeMap<String, Vec<String>>,
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
    /// Where its lines are in no function, or the tool would not do what is meant.
    pub(super) fn change(&mut self, edit: &Edit, by: &str) -> Result<(), MakeError> {
        let refused = |why: &str| {
            MakeError::Row(format!(
                "{}: line {} of {} cannot be changed by `change`: {why}",
                self.task.instance_id, edit.line, edit.module
            ))
        };
        let lines = self.lines(&edit.module);
        let place = place(&lines, edit).ok_or_else(|| refused("it stands in no function"))?;
        let stood = lines.get(place.from..edit.end()).unwrap_or_default();
        let above = lines.get(place.from..edit.line - 1).unwrap_or_default();
        let put = [above, &edit.text].concat();
        let (old, new) = (outwards(stood), outwards(&put));
        let mut after = lines;
        after.splice(place.from..edit.end(), put);
        let (file, text) =
            would_change(self.files(), &place.name, &old, &new).map_err(|why| refused(&why))?;
        if file != format!("{}.py", edit.module) || !text.lines().eq(&after) || old.contains("\n=>")
        {
            return Err(refused("other lines would come of it"));
        }
        self.say(format!("change {} {old}\n=> {new}", place.name), by);
        self.modules.insert(edit.module.clone(), after);
        Ok(())
    }

    /// The files as they stand.
    fn files(&self) -> impl Iterator<Item = (String, String)> {
        self.task.files.iter().filter_map(|(file, text)| {
            let changed = self.modules.get(file.strip_suffix(".py")?);
            let text = changed.map_or_else(|| text.clone(), |lines| whole(lines));
            Some((file.clone(), text))
        })
    }

    /// A module's lines as they stand.
    pub(super) fn lines(&self, module: &str) -> Vec<String> {
        let known = self.modules.get(module).cloned();
        known.unwrap_or_else(|| lines_of(self.task, module))
    }
}

/// A reply that says this, whole.
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
    let comes = edit.text.first().map(|line| indentation(line));
    let goes = lines.get(at).map(|line| indentation(line));
    let from = (head..=at).rev().find(|from| {
        // What comes is moved to where the first line that goes stands, so they must stand alike; a line above does with itself.
        if *from == at && comes != goes {
            return false;
        }
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

/// Blanks before a line, as the tool counts them.
pub(super) fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}

/// Lines as a text.
pub(super) fn whole(lines: &[String]) -> String {
    lines
        .iter()
        .flat_map(|line| [line.as_str(), "\n"])
        .collect()
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

    #[test]
    fn a_change_that_moves_its_first_line_is_said_with_the_line_above_and_none_is_said_that_the_tool_would_not_do()
     {
        let source =
            "def f(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total\n";
        let mut task = Task::named("gym__l1-constant-t1-00000", "spotter/gym", Family::Sample);
        task.files.insert("m.py".into(), source.into());
        let edit = |line, gone, text: &[&str]| Edit {
            module: "m".into(),
            line,
            gone,
            text: text.iter().map(|line| (*line).to_owned()).collect(),
        };
        let said = |edit: &Edit| {
            let mut script = Script::of(&task);
            script.change(edit, "a").map(|()| {
                let after = whole(&script.lines("m"));
                (script.said().remove(0).message.content, after)
            })
        };
        // Into the loop, out of it, and further in only.
        for (edit, expected) in [
            (
                edit(5, 1, &["        total += 1", "    return total"]),
                "change f     total += x\nreturn total\n=>     total += x\n    total += 1\nreturn total",
            ),
            (
                edit(4, 2, &["    return total"]),
                "change f for x in xs:\n    total += x\nreturn total\n=> for x in xs:\nreturn total",
            ),
            (
                edit(4, 1, &["    total += x"]),
                "change f for x in xs:\n    total += x\n=> for x in xs:\ntotal += x",
            ),
        ] {
            let (words, after) = said(&edit).unwrap();
            assert_eq!(words, expected);
            let mut lines: Vec<String> = source.lines().map(str::to_owned).collect();
            lines.splice(edit.line - 1..edit.end(), edit.text.clone());
            assert_eq!(after, whole(&lines));
        }
        // A blank line at an end is lost on the way; what stands there already is refused.
        let lost = said(&edit(5, 1, &["    return total + 1", ""])).unwrap_err();
        assert!(
            lost.to_string().contains("other lines would come of it"),
            "{lost}"
        );
        let same = said(&edit(5, 1, &["    return total"])).unwrap_err();
        assert!(same.to_string().contains("says already"), "{same}");
    }
}
