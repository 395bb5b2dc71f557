//! The scripted expert: a plan made from the gold patch, said in the words of the `gym` scaffold.
//!
//! It looks at the function that the report names (then at the faulty one, where that is another), changes the line, tests, hands in. Some
//! plans make **mistakes on purpose** first ([`mistake`]), see what comes of them and correct them, so that who learns from them sees how one
//! goes on after a wrong change, or from a function that is right to the one that it calls. Such a reply says so ([`ON_PURPOSE`]), and the
//! rollout marks the step as a mistake. It is there to be gone on from, not to be learned.
//!
//! The expert sees what no agent may see. Its kind is [`ModelKind::Expert`], which stands behind no figure.

use serde::Deserialize;

use super::MakeError;
use super::mistake::{self, Mistake};
use super::random::Random;
use super::script::{Edit, Script, defined, indentation, source_of};
use crate::model::recorded::{EXPERT, ON_PURPOSE, Recorded};
use crate::model::{ModelInfo, ModelKind, Reply};
use crate::task::Task;
use crate::text::diff::{self, Kind};

/// What a row says for the expert beside the gold patch.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Hint {
    /// The faulty module.
    module: String,
    /// The module that the report names.
    reported: String,
    #[serde(default)]
    decoys: Vec<Mistake>,
}

/// The answers of an expert for a task, at most `most`; of a hundred, so many as `percent` says begin with a mistake.
pub(super) fn plan(
    task: &Task,
    hint: &Hint,
    random: &mut Random,
    percent: usize,
    most: usize,
) -> Result<Vec<Reply>, MakeError> {
    let places = Places::of(task, hint)?;
    let mut mistakes = if random.chance(percent) {
        let mut functions = vec![(hint.reported.as_str(), places.reported)];
        if places.faulty != places.reported {
            functions.push((hint.module.as_str(), places.faulty));
        }
        let faulty = (hint.module.as_str(), places.change.line);
        mistake::draw(task, &hint.decoys, &functions, faulty, random)
    } else {
        Vec::new()
    };
    loop {
        let replies = carried_out(task, &places, &mistakes)?;
        // Who makes too many mistakes does not come to the end of it.
        if replies.len() <= most || mistakes.pop().is_none() {
            return Ok(replies);
        }
    }
}

/// Where it goes, and what it does there in the end.
struct Places<'a> {
    /// The function that the report names.
    reported: &'a str,
    /// The function that is wrong.
    faulty: &'a str,
    change: Edit<'a>,
}

impl<'a> Places<'a> {
    fn of(task: &'a Task, hint: &'a Hint) -> Result<Self, MakeError> {
        let change = change(task, &hint.module)?;
        Ok(Self {
            reported: reported(task, &hint.reported)?,
            faulty: around(source_of(task, &hint.module), change.line),
            change,
        })
    }
}

fn carried_out(
    task: &Task,
    places: &Places,
    mistakes: &[Mistake],
) -> Result<Vec<Reply>, MakeError> {
    let Places {
        reported,
        faulty,
        change,
    } = places;
    // What is wrong about the caller is tried before the function that it calls is looked at.
    let is_above = |mistake: &&Mistake| {
        let source = source_of(task, &mistake.module);
        faulty != reported && around(source, mistake.line) == *reported
    };
    let (above, within): (Vec<&Mistake>, Vec<&Mistake>) = mistakes.iter().partition(is_above);
    let mut script = Script::of(task);
    script.say(format!("find {reported}"), EXPERT);
    for mistake in above {
        make(&mut script, mistake, change)?;
    }
    if faulty != reported {
        script.say(format!("find {faulty}"), EXPERT);
    }
    for mistake in within {
        make(&mut script, mistake, change)?;
    }
    script.change(change, EXPERT)?;
    script.say("test".into(), EXPERT);
    script.say("submit".into(), EXPERT);
    Ok(script.said())
}

/// A mistake and what comes of it; taken back unless the right change replaces the same line.
fn make<'a>(script: &mut Script<'a>, mistake: &'a Mistake, right: &Edit) -> Result<(), MakeError> {
    let edit = |text: &str| Edit {
        module: &mistake.module,
        line: mistake.line,
        text: vec![text.to_owned()],
        replaces: true,
    };
    let before = script.line(&mistake.module, mistake.line);
    let before = before.trim();
    let Some(text) = &mistake.text else {
        // Nothing is changed, so there is nothing to test or to take back.
        return script.change(&edit(before), ON_PURPOSE);
    };
    script.change(&edit(text), ON_PURPOSE)?;
    script.say("test".into(), EXPERT);
    let is_next = right.replaces && mistake.module == right.module && mistake.line == right.line;
    if !is_next {
        script.change(&edit(before), EXPERT)?;
    }
    Ok(())
}

/// The function of a module that a report names.
fn reported<'a>(task: &'a Task, module: &str) -> Result<&'a str, MakeError> {
    let named = task.problem_statement.split_once(&format!("{module}."));
    let end = |rest: &str| rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    named
        .and_then(|(_, rest)| rest.get(..end(rest)?))
        .ok_or_else(|| {
            MakeError::Row(format!(
                "{}: its report names no function of {module}",
                task.instance_id
            ))
        })
}

/// The function that a line, from 1, stands in.
fn around(source: &str, line: usize) -> &str {
    let before: Vec<&str> = source.lines().take(line).collect();
    let name = before.iter().rev().find_map(|line| defined(line));
    name.unwrap_or_default()
}

/// A model that gives these answers.
pub(super) fn model(replies: Vec<Reply>) -> Recorded {
    let info = ModelInfo {
        kind: ModelKind::Expert,
        name: EXPERT.into(),
        spec: EXPERT.into(),
        context: None,
    };
    Recorded::new(info, replies)
}

/// The one change of a gold patch, its lines without the indentation that they share.
fn change<'a>(task: &Task, module: &'a str) -> Result<Edit<'a>, MakeError> {
    let no = || {
        MakeError::Row(format!(
            "{}: its gold patch is none of the gym's (one change in one file)",
            task.instance_id
        ))
    };
    let files = diff::parse(&task.gold_patch);
    let [file] = files.as_slice() else {
        return Err(no());
    };
    let [hunk] = file.hunks.as_slice() else {
        return Err(no());
    };
    let removed = hunk.lines.iter().find(|line| line.kind == Kind::Removed);
    let added: Vec<&str> = hunk
        .lines
        .iter()
        .filter(|line| line.kind == Kind::Added)
        .map(|line| line.text.as_str())
        .collect();
    let follows = |at: usize| {
        hunk.lines
            .get(at + 1)
            .filter(|line| line.kind == Kind::Context)
            .and_then(|line| line.old)
    };
    let last = hunk
        .lines
        .iter()
        .rposition(|line| line.kind == Kind::Added)
        .ok_or_else(no)?;
    let line = removed
        .and_then(|line| line.old)
        .or_else(|| follows(last))
        .ok_or_else(no)?;
    let shared = added
        .iter()
        .map(|text| indentation(text))
        .min()
        .unwrap_or(0);
    let text = added
        .iter()
        .map(|text| text.get(shared..).unwrap_or_default().to_owned())
        .collect();
    Ok(Edit {
        module,
        line,
        text,
        replaces: removed.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Family;

    const SOURCE: &str = "def f(xs, n):\n    \"\"\"Sum, but no more than n.\"\"\"\n    total = 1\n    for x in xs:\n        total += x\n    return min(total, n)\n";

    fn task(fixed: &str) -> Task {
        let mut task = Task::named("gym__l1-constant-t1-00000", "spotter/gym", Family::Sample);
        task.problem_statement = "`m.f([2], 3)` gives 3".into();
        task.files.insert("m.py".into(), SOURCE.into());
        task.gold_patch = diff::compare("m.py", Some(SOURCE), Some(fixed)).patch();
        task
    }

    fn texts(replies: &[Reply]) -> Vec<&str> {
        replies
            .iter()
            .map(|reply| reply.message.content.as_str())
            .collect()
    }

    fn hint() -> Hint {
        Hint {
            module: "m".into(),
            reported: "m".into(),
            decoys: Vec::new(),
        }
    }

    fn wrong(module: &str, line: usize, text: Option<&str>) -> Mistake {
        Mistake {
            module: module.into(),
            line,
            text: text.map(str::to_owned),
        }
    }

    #[test]
    fn a_changed_line_is_replaced_and_a_missing_guard_is_put_in() {
        let fixed = SOURCE.replace("total = 1", "total = 0");
        let plan = super::plan(&task(&fixed), &hint(), &mut Random::of(1, 1), 0, 16).unwrap();
        assert_eq!(
            texts(&plan),
            [
                "find f",
                "change f total = 1\n=> total = 0",
                "test",
                "submit"
            ]
        );
        let guarded = SOURCE.replace(
            "    total = 1\n",
            "    if not xs:\n        return None\n    total = 1\n",
        );
        let plan = super::plan(&task(&guarded), &hint(), &mut Random::of(1, 1), 0, 16).unwrap();
        assert_eq!(
            texts(&plan)[1],
            "change f total = 1\n=> if not xs:\n    return None\ntotal = 1"
        );
    }

    #[test]
    fn a_caller_that_is_right_is_put_back_before_what_it_calls_is_looked_at() {
        let caller = "from n import part\n\ndef f(x):\n    return part(x) + 1\n";
        let below = "def part(x):\n    return x * 3\n";
        let fixed = below.replace('3', "2");
        let mut task = task(SOURCE);
        task.gold_patch = diff::compare("n.py", Some(below), Some(&fixed)).patch();
        task.files.insert("m.py".into(), caller.into());
        task.files.insert("n.py".into(), below.into());
        let hint = Hint {
            module: "n".into(),
            reported: "m".into(),
            decoys: Vec::new(),
        };
        let places = Places::of(&task, &hint).unwrap();
        let mistakes = [
            wrong("n", 2, None),
            wrong("m", 4, Some("return part(x) - 1")),
        ];
        let plan = carried_out(&task, &places, &mistakes).unwrap();
        assert_eq!(
            texts(&plan),
            [
                "find f",
                "change f return part(x) + 1\n=> return part(x) - 1",
                "test",
                "change f return part(x) - 1\n=> return part(x) + 1",
                "find part",
                "change part return x * 3\n=> return x * 3",
                "change part return x * 3\n=> return x * 2",
                "test",
                "submit"
            ]
        );
    }

    #[test]
    fn a_mistake_on_purpose_is_marked_tested_and_taken_back() {
        let fixed = SOURCE.replace("total = 1", "total = 0");
        let task = task(&fixed);
        let hint = hint();
        let places = Places::of(&task, &hint).unwrap();
        let mistakes = [
            wrong("m", 5, Some("total -= x")),
            wrong("m", 6, None),
            wrong("m", 3, Some("total = 2")),
        ];
        let plan = carried_out(&task, &places, &mistakes).unwrap();
        assert_eq!(
            texts(&plan),
            [
                "find f",
                "change f total += x\n=> total -= x",
                "test",
                "change f total -= x\n=> total += x",
                "change f return min(total, n)\n=> return min(total, n)",
                "change f total = 1\n=> total = 2",
                "test",
                "change f total = 2\n=> total = 0",
                "test",
                "submit"
            ]
        );
        let marked: Vec<usize> = (0..)
            .zip(&plan)
            .filter(|(_, reply)| reply.served_by.as_deref() == Some(ON_PURPOSE))
            .map(|(at, _)| at)
            .collect();
        assert_eq!(marked, [1, 4, 5]);
        assert!(!model(plan).info_kind_counts());
    }

    #[test]
    fn no_plan_has_more_steps_than_there_are() {
        let fixed = SOURCE.replace("total = 1", "total = 0");
        let task = task(&fixed);
        let mut longest = 0;
        for number in 0..100 {
            let plan =
                |most| super::plan(&task, &hint(), &mut Random::of(1, number), 100, most).unwrap();
            longest = longest.max(plan(16).len());
            let few = plan(5);
            assert!(few.len() <= 5 && texts(&few).last() == Some(&"submit"));
        }
        assert!(longest > 5, "{longest}");
    }

    impl Recorded {
        fn info_kind_counts(&self) -> bool {
            crate::model::ChatModel::info(self).kind.counts()
        }
    }
}
