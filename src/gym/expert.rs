//! The scripted expert: a plan made from the gold patch, said in the words of the `gym` scaffold.
//!
//! It looks at the function that the report names (then at the faulty one, where that is another), changes the line, tests, hands in. Some
//! plans make **mistakes on purpose** first ([`mistake`]), see what comes of them and correct them, so that who learns from them sees how one
//! goes on after a wrong change, or from a function that is right to the one that it calls. Others go on from where an **attempt of a model**
//! came to ([`Attempt`]): what it said is said again, what it changed is taken back. Replies that are not the expert's own choice say so
//! ([`ON_PURPOSE`], [`SAID_AGAIN`]), and the rollout marks their steps. They are there to be gone on from, not to be learned.
//!
//! The expert sees what no agent may see. Its kind is [`ModelKind::Expert`], which stands behind no figure.

use serde::Deserialize;

use super::MakeError;
use super::attempt::Attempt;
use super::edit::{self, Edit, between, patched};
use super::mistake::{self, Mistake};
use super::random::Random;
use super::script::{Script, defined, indentation, lines_of, source_of};
use crate::model::recorded::{EXPERT, ON_PURPOSE, Recorded, SAID_AGAIN};
use crate::model::{ModelInfo, ModelKind, Reply};
use crate::task::Task;
use crate::text::diff;

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
        mistake::draw(&hint.decoys, random)
    } else {
        Vec::new()
    };
    loop {
        let replies = carried_out(task, &places, &mistakes);
        // Who makes too many mistakes does not come to the end of it, and some cannot be said.
        let fits = replies.as_ref().is_ok_and(|replies| replies.len() <= most);
        if fits || mistakes.pop().is_none() {
            return replies;
        }
    }
}

/// One of the steps of an attempt, with the answers up to it and what leads on from there to the end; `None` where there is no such step of
/// which at most `most` answers come.
pub(super) fn go_on(
    hint: &Hint,
    attempt: &Attempt,
    random: &mut Random,
    most: usize,
) -> Result<Option<(usize, Vec<Reply>)>, MakeError> {
    let places = Places::of(&attempt.task, hint)?;
    let first = attempt.first_change();
    let drawn = first + random.below(attempt.len() + 1 - first);
    // What was done outside of functions cannot be said in the expert's words.
    let mut plans = (first..=drawn)
        .rev()
        .filter_map(|last| Some((last, gone_on(&places, attempt, last).ok()?)));
    Ok(plans.find(|(_, replies)| replies.len() <= most))
}

/// Where it goes, and what it does there in the end.
struct Places<'a> {
    /// The function that the report names.
    reported: &'a str,
    /// The function that is wrong.
    faulty: &'a str,
    change: Edit,
}

impl<'a> Places<'a> {
    fn of(task: &'a Task, hint: &'a Hint) -> Result<Self, MakeError> {
        let change = change(task, &hint.module)?;
        Ok(Self {
            reported: reported(task, &hint.reported)?,
            faulty: around(task, &hint.module, change.line),
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
        faulty != reported && around(task, &mistake.module, mistake.line) == *reported
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
fn make(script: &mut Script, mistake: &Mistake, right: &Edit) -> Result<(), MakeError> {
    let before = script.line(&mistake.module, mistake.line);
    let indent = indentation(&before);
    let edit = |text: String| Edit {
        module: mistake.module.clone(),
        line: mistake.line,
        gone: 1,
        text: vec![text],
    };
    let wrong = format!("{}{}", " ".repeat(indent), mistake.text);
    script.change(&edit(wrong), ON_PURPOSE)?;
    script.say("test".into(), EXPERT);
    if !right.covers(&mistake.module, mistake.line) {
        script.change(&edit(before), EXPERT)?;
    }
    Ok(())
}

/// The first steps of an attempt, then what was wrong about them taken back, then the rest of the way.
fn gone_on(places: &Places, attempt: &Attempt, last: usize) -> Result<Vec<Reply>, MakeError> {
    let task = attempt.task.as_ref();
    let stands = attempt.modules(last);
    let mut script = Script::after(task, stands.clone(), attempt.replies(last, SAID_AGAIN));
    if !stands.is_empty() && !attempt.is_tested(last) {
        script.say("test".into(), EXPERT);
    }
    let right = &places.change;
    let comes = right.line..right.line + right.text.len();
    let mut then = lines_of(task, &right.module);
    then.splice(right.line - 1..right.end(), right.text.clone());
    let mut changes = 0;
    for (module, now) in &stands {
        let wrong = if *module == right.module {
            edit::beside(between(module, now, &then), &comes)
        } else {
            between(module, now, &lines_of(task, module))
        };
        // From below, so that the lines above keep their numbers.
        for edit in wrong.iter().rev() {
            script.change(edit, EXPERT)?;
            changes += 1;
        }
    }
    let left = between(&right.module, &script.lines(&right.module), &then);
    if !left.is_empty() {
        for function in [places.reported, places.faulty] {
            let said = format!("find {function}");
            if !script.has_said(&said) {
                script.say(said, EXPERT);
            }
        }
    }
    for edit in left.iter().rev() {
        script.change(edit, EXPERT)?;
        changes += 1;
    }
    if changes > 0 {
        script.say("test".into(), EXPERT);
    }
    script.say("submit".into(), EXPERT);
    Ok(script.said())
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

/// The function that a line, from 1, of a module stands in.
fn around<'a>(task: &'a Task, module: &str, line: usize) -> &'a str {
    let before: Vec<&str> = source_of(task, module).lines().take(line).collect();
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

/// The one change of a gold patch.
fn change(task: &Task, module: &str) -> Result<Edit, MakeError> {
    let now = lines_of(task, module);
    let edits = match diff::parse(&task.gold_patch).as_slice() {
        [file] if file.path == format!("{module}.py") => {
            between(module, &now, &patched(&now, file))
        }
        _ => Vec::new(),
    };
    let mut edits = edits.into_iter();
    match (edits.next(), edits.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(MakeError::Row(format!(
            "{}: its gold patch is none of the gym's (one change in one file)",
            task.instance_id
        ))),
    }
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
            decoys: vec![
                wrong("m", 5, "total -= x"),
                wrong("m", 6, "return max(total, n)"),
                wrong("m", 6, "return min(total, 1)"),
            ],
        }
    }

    fn wrong(module: &str, line: usize, text: &str) -> Mistake {
        Mistake {
            module: module.into(),
            line,
            text: text.into(),
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
            wrong("n", 2, "return x"),
            wrong("m", 4, "return part(x) - 1"),
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
                "change part return x * 3\n=> return x",
                "test",
                "change part return x\n=> return x * 2",
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
        let mistakes = [wrong("m", 5, "total -= x"), wrong("m", 3, "total = 2")];
        let plan = carried_out(&task, &places, &mistakes).unwrap();
        assert_eq!(
            texts(&plan),
            [
                "find f",
                "change f total += x\n=> total -= x",
                "test",
                "change f total -= x\n=> total += x",
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
        assert_eq!(marked, [1, 4]);
        assert!(!model(plan).info_kind_counts());
    }

    const FIXED: &str = "total = 0";

    /// What the expert says after the first steps of an attempt, each with the source as it stands then.
    fn after(task: &Task, steps: &[(&str, &str)]) -> Vec<String> {
        let steps: Vec<(&str, String)> = steps
            .iter()
            .map(|(said, now)| {
                (
                    *said,
                    diff::compare("m.py", Some(SOURCE), Some(now)).patch(),
                )
            })
            .collect();
        let attempt = Attempt::made(task, &steps);
        let hint = hint();
        let places = Places::of(task, &hint).unwrap();
        let plan = gone_on(&places, &attempt, steps.len()).unwrap();
        let (before, own) = plan.split_at(steps.len());
        assert!(
            before
                .iter()
                .all(|reply| reply.served_by.as_deref() == Some(SAID_AGAIN))
        );
        assert!(
            own.iter()
                .all(|reply| reply.served_by.as_deref() == Some(EXPERT))
        );
        texts(own).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_that_was_said_again_is_followed_by_the_right_one() {
        let task = task(&SOURCE.replace("total = 1", FIXED));
        let again = "change f total += x\n=> total += x";
        assert_eq!(
            after(&task, &[("find f", SOURCE), (again, SOURCE)]),
            ["change f total = 1\n=> total = 0", "test", "submit"]
        );
        assert_eq!(
            after(&task, &[(again, SOURCE)]),
            [
                "find f",
                "change f total = 1\n=> total = 0",
                "test",
                "submit"
            ]
        );
    }

    #[test]
    fn what_an_attempt_changed_is_tested_taken_back_and_then_comes_the_right_change() {
        let task = task(&SOURCE.replace("total = 1", FIXED));
        let wrong = SOURCE.replace("total += x", "total -= x\n        total -= 1");
        let said = "change f total += x\n=> total -= x\ntotal -= 1";
        let rest = [
            "change f total -= x\ntotal -= 1\n=> total += x",
            "change f total = 1\n=> total = 0",
            "test",
            "submit",
        ];
        let found = ("find f", SOURCE);
        assert_eq!(
            after(&task, &[found, (said, &wrong)]),
            [&["test"], rest.as_slice()].concat()
        );
        assert_eq!(
            after(&task, &[found, (said, &wrong), ("test", &wrong)]),
            rest
        );
    }

    #[test]
    fn a_wrong_change_of_the_faulty_line_is_changed_to_the_right_one_at_once() {
        let task = task(&SOURCE.replace("total = 1", FIXED));
        let wrong = SOURCE.replace("total = 1", "total = 3");
        let said = "change f total = 1\n=> total = 3";
        assert_eq!(
            after(
                &task,
                &[("find f", SOURCE), (said, &wrong), ("test", &wrong)]
            ),
            ["change f total = 3\n=> total = 0", "test", "submit"]
        );
        // Right by chance and not seen to be: the test says so.
        let right = SOURCE.replace("total = 1", FIXED);
        let said = "change f total = 1\n=> total = 0";
        assert_eq!(after(&task, &[(said, &right)]), ["test", "submit"]);
    }

    #[test]
    fn a_line_put_into_a_loop_or_taken_out_of_it_is_taken_back_as_it_stood() {
        let task = task(&SOURCE.replace("total = 1", FIXED));
        let found = ("find f", SOURCE);
        let more = SOURCE.replace("total += x", "total += x\n        total += 1");
        let said = "change f total += x\n=> total += x\ntotal += 1";
        assert_eq!(
            after(&task, &[found, (said, &more), ("test", &more)])[0],
            "change f     total += x\n    total += 1\nreturn min(total, n)\n=>     total += x\nreturn min(total, n)",
        );
        let outside = SOURCE.replace("        total += x", "    total += x");
        let said = "change f for x in xs:\ntotal += x\n=> for x in xs:\ntotal += x";
        assert_eq!(
            after(&task, &[found, (said, &outside), ("test", &outside)])[0],
            "change f for x in xs:\ntotal += x\n=> for x in xs:\n    total += x",
        );
    }

    #[test]
    fn so_much_of_an_attempt_is_said_again_that_the_rest_finds_room() {
        let task = task(&SOURCE.replace("total = 1", FIXED));
        let patch = diff::compare("m.py", Some(SOURCE), Some(SOURCE)).patch();
        let again = |number: usize| format!("change f x{number}\n=> x{number}");
        let said: Vec<String> = (0..12).map(again).collect();
        let steps: Vec<(&str, String)> = std::iter::once("find f")
            .chain(said.iter().map(String::as_str))
            .map(|said| (said, patch.clone()))
            .collect();
        let attempt = Attempt::made(&task, &steps);
        let mut lengths = Vec::new();
        for number in 0..60 {
            let random = &mut Random::of(1, number);
            let plan = go_on(&hint(), &attempt, random, 10).unwrap();
            let (step, replies) = plan.unwrap();
            let again = |reply: &&Reply| reply.served_by.as_deref() == Some(SAID_AGAIN);
            assert_eq!(replies.iter().filter(again).count(), step);
            lengths.push(replies.len());
        }
        // Two steps of it at least, the first change among them, and seven at most; three more are the expert's.
        let (least, most) = (lengths.iter().min(), lengths.iter().max());
        assert_eq!((least, most), (Some(&5), Some(&10)));
        let none = go_on(&hint(), &attempt, &mut Random::of(1, 1), 3).unwrap();
        assert!(none.is_none());
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
