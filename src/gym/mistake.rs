//! What the expert does wrong on purpose, before what is right.
//!
//! Mental model: two kinds, both seen in models that learn from it. A **decoy** of the row changes a line to what fails; one goes on from
//! it by the tests' words. A line **said again as it stands** is what a model does that has chosen a line and knows nothing better for it;
//! the tool refuses, and one goes on to another line. It is never the faulty line: a line that is as likely to be refused as any other,
//! whether it is the one or not, would tell nothing, and a model that learned from that said its first choice again and again.

use serde::Deserialize;

use super::random::Random;
use super::script::{defined, source_of};
use crate::task::Task;

/// After a mistake, of a hundred so many make another one.
const AGAIN: usize = 50;

/// Of a hundred mistakes so many change nothing.
const UNCHANGED: usize = 60;

/// A change of one line that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Mistake {
    pub(super) module: String,
    /// From 1.
    pub(super) line: usize,
    /// What it would say; without, what it says already.
    pub(super) text: Option<String>,
}

/// One mistake or more, where there can be one, out of the row's decoys and the lines of functions, each a module's and its own name; none
/// twice. The `faulty` line, of a module and from 1, is not said again.
pub(super) fn draw(
    task: &Task,
    decoys: &[Mistake],
    functions: &[(&str, &str)],
    faulty: (&str, usize),
    random: &mut Random,
) -> Vec<Mistake> {
    let mut decoys = decoys.to_vec();
    let bodies = functions.iter();
    let mut unchanged: Vec<Mistake> = bodies
        .flat_map(|(module, function)| unchanged(source_of(task, module), module, function))
        .filter(|mistake| (mistake.module.as_str(), mistake.line) != faulty)
        .collect();
    random.shuffle(&mut decoys);
    random.shuffle(&mut unchanged);
    let mut made = Vec::new();
    loop {
        let next = if random.chance(UNCHANGED) {
            unchanged.pop().or_else(|| decoys.pop())
        } else {
            decoys.pop().or_else(|| unchanged.pop())
        };
        made.extend(next);
        let none_left = decoys.is_empty() && unchanged.is_empty();
        if none_left || !random.chance(AGAIN) {
            return made;
        }
    }
}

/// The statements of a function, each as it stands.
fn unchanged(source: &str, module: &str, function: &str) -> Vec<Mistake> {
    let lines = (1..).zip(source.lines());
    let body = lines
        .skip_while(|(_, line)| defined(line) != Some(function))
        .skip(1)
        .take_while(|(_, line)| line.starts_with(' '));
    body.filter(|(_, line)| !line.trim().starts_with("\"\"\""))
        .map(|(line, _)| Mistake {
            module: module.into(),
            line,
            text: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Family;

    const SOURCE: &str = "LIMIT = 3\n\n\ndef f(x):\n    \"\"\"Twice.\"\"\"\n    y = x\n    return y + x\n\n\ndef g(x):\n    return x\n";

    fn task() -> Task {
        let mut task = Task::named("gym__l1-constant-t1-00000", "spotter/gym", Family::Sample);
        task.files.insert("m.py".into(), SOURCE.into());
        task
    }

    #[test]
    fn the_lines_that_may_be_said_again_are_a_function_s_statements() {
        let lines = |function| -> Vec<usize> {
            let lines = unchanged(SOURCE, "m", function).into_iter();
            lines.map(|mistake| mistake.line).collect()
        };
        assert_eq!(lines("f"), [6, 7]);
        assert_eq!(lines("g"), [11]);
        assert_eq!(lines("h"), [] as [usize; 0]);
    }

    #[test]
    fn mistakes_are_of_both_kinds_none_is_made_twice_and_the_faulty_line_is_not_said_again() {
        let decoy = Mistake {
            module: "m".into(),
            line: 6,
            text: Some("y = 2".into()),
        };
        let (mut wrong, mut unchanged) = (0, 0);
        for number in 0..200 {
            let mut random = Random::of(3, number);
            let made = draw(
                &task(),
                std::slice::from_ref(&decoy),
                &[("m", "f"), ("m", "g")],
                ("m", 6),
                &mut random,
            );
            assert!(!made.is_empty());
            for (at, mistake) in made.iter().enumerate() {
                assert!(!made[..at].contains(mistake));
                assert!(mistake.text.is_some() || mistake.line != 6);
            }
            wrong += made.iter().filter(|made| made.text.is_some()).count();
            unchanged += made.iter().filter(|made| made.text.is_none()).count();
        }
        assert!(
            wrong > 60 && unchanged > wrong,
            "{wrong} wrong, {unchanged} unchanged"
        );
        let none = draw(
            &task(),
            &[],
            &[("m", "g")],
            ("m", 11),
            &mut Random::of(1, 1),
        );
        assert!(none.is_empty());
    }
}
