//! What holds of the gym's programs as they are drawn, before anything runs.

use std::collections::{HashMap, HashSet};

use super::program::Program;
use super::random::Random;
use super::shapes::{self, Function};
use super::{Fault, LEVELS, Split, words};

/// Programs of a split, every level and family in turn.
fn drawn(split: Split, seed: u64, count: u64) -> Vec<(u8, Fault, Program)> {
    let kinds: Vec<(u8, Fault)> = (1..=LEVELS)
        .flat_map(|level| Fault::ALL.map(|fault| (level, fault)))
        .collect();
    let mut programs = Vec::new();
    for number in 0..count {
        let at = usize::try_from(number).unwrap() % kinds.len();
        let (level, fault) = kinds[at];
        let mut random = Random::of(seed, number);
        programs.extend(
            Program::draw(&mut random, split, level, fault).map(|program| (level, fault, program)),
        );
    }
    programs
}

fn bodies(programs: &[(u8, Fault, Program)]) -> HashSet<String> {
    programs
        .iter()
        .flat_map(|(_, _, program)| program.bodies())
        .collect()
}

#[test]
fn no_function_right_or_wrong_stands_in_two_splits_whatever_the_seed() {
    let sets: Vec<HashSet<String>> = Split::ALL
        .iter()
        .zip([1, 2, 3])
        .map(|(split, seed)| bodies(&drawn(*split, seed, 64)))
        .collect();
    for (at, one) in sets.iter().enumerate() {
        assert!(one.len() > 60, "{} bodies", one.len());
        for other in &sets[at + 1..] {
            assert_eq!(one.intersection(other).count(), 0);
        }
    }
}

#[test]
fn a_normal_body_belongs_to_exactly_one_split() {
    for number in 0..500 {
        let body = format!("v0 , v1\nreturn v{number}");
        assert_eq!(
            Split::ALL.iter().filter(|split| split.owns(&body)).count(),
            1
        );
    }
}

#[test]
fn the_same_seed_and_number_draw_the_same_program() {
    let texts = |seed| -> Vec<String> {
        drawn(Split::Train, seed, 64)
            .into_iter()
            .map(|(_, _, program)| format!("{:?} {:?}", program.sources(true), program.calls))
            .collect()
    };
    assert_eq!(texts(7), texts(7));
    assert_ne!(texts(7), texts(8));
}

#[test]
fn nothing_is_left_unfilled_and_a_fault_changes_one_place_only() {
    for (level, fault, program) in drawn(Split::Train, 5, 320) {
        let (right, wrong) = (program.sources(false), program.sources(true));
        let mut changed = 0;
        for ((name, right), (_, wrong)) in right.iter().zip(&wrong) {
            for text in [right, wrong] {
                assert!(
                    !text.contains(['¤', '«', '»', '¦', '$']),
                    "level {level}, {}, {name}:\n{text}",
                    fault.name()
                );
            }
            if right != wrong {
                changed += 1;
                let (long, short) = (right.lines().count(), wrong.lines().count());
                let differing = right
                    .lines()
                    .zip(wrong.lines())
                    .filter(|(a, b)| a != b)
                    .count();
                assert!(
                    (long == short && differing == 1)
                        || (fault == Fault::Guard && long == short + 2),
                    "{right}\n{wrong}"
                );
            }
        }
        assert_eq!(changed, 1);
        assert_eq!(program.slip.fault, fault);
    }
}

/// Names of a function that are bound in two ways: as parameters, by loops, by assignments.
fn bound_twice(function: &str) -> Vec<String> {
    let mut ways: Vec<HashSet<String>> = Vec::new();
    let mut doubled = Vec::new();
    let mut once = |names: &str| {
        let names = names.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let mut seen = HashSet::new();
        for name in names.filter(|name| !name.is_empty()) {
            if !seen.insert(name.to_owned()) {
                doubled.push(name.to_owned());
            }
        }
        seen
    };
    let mut assigned: HashSet<(usize, String)> = HashSet::new();
    let mut again = Vec::new();
    for line in function.lines() {
        let text = line.trim_start();
        if let Some((_, rest)) = line.split_once('(').filter(|_| line.starts_with("def ")) {
            ways.push(once(rest.trim_end_matches("):")));
        } else if let Some(rest) = text.strip_prefix("for ") {
            ways.push(once(rest.split(" in ").next().unwrap()));
        } else if let Some((names, _)) = text.split_once(" = ")
            && !names.contains(['[', '(', '"', '+', '-', '*', '/'])
        {
            let names = once(names);
            for name in &names {
                if !assigned.insert((line.len() - text.len(), name.clone())) {
                    again.push(name.clone());
                }
            }
        }
    }
    ways.push(assigned.into_iter().map(|(_, name)| name).collect());
    for (at, one) in ways.iter().enumerate() {
        for other in &ways[at + 1..] {
            again.extend(one.intersection(other).cloned());
        }
    }
    doubled.extend(again);
    doubled
}

/// Functions of every subject, whatever the split: their texts, and whether they are sound.
fn functions(each: u64) -> Vec<(String, Function)> {
    let subjects = words::NUMBERS.iter().chain(words::WORDS);
    let mut all = Vec::new();
    for (subject, number) in subjects.zip(0..) {
        for at in 0..each {
            let random = &mut Random::of(number, at);
            let mut made = vec![shapes::function(random, subject, at % 2 == 0)];
            if words::NUMBERS.contains(subject) {
                let helper = shapes::helper(random, subject);
                made.push(shapes::caller(random, subject, &helper));
                made.push(helper);
            }
            all.extend(made.into_iter().map(|one| {
                let lines = one.body.lines(None).join("\n    ");
                (format!("def f({}):\n    {lines}", one.signature()), one)
            }));
        }
    }
    all
}

#[test]
fn no_two_names_of_a_sound_function_are_the_same() {
    let functions = functions(300);
    let doubled = |text: &str| !bound_twice(text).is_empty();
    let found: Vec<_> = functions.iter().filter(|one| doubled(&one.0)).collect();
    assert!(found.len() > 20, "{} of {}", found.len(), functions.len());
    for (text, function) in found {
        assert!(!function.sound, "{text}");
    }
}

#[test]
fn a_program_with_a_function_that_is_not_sound_is_none() {
    // In these draws were `bonus - x * (i + 1)` and `for mark in marks` beside a parameter `mark`.
    for (number, fault) in [(129, Fault::Comparison), (273, Fault::Operator)] {
        for attempt in 0..12 {
            let mut random = Random::of(31 * 4 + 3, number * 64 + attempt);
            if let Some(program) = Program::draw(&mut random, Split::HeldOut, 2, fault) {
                for (_, source) in program.sources(false) {
                    assert!(
                        !source.contains("extra - batch * (i + 1)")
                            && !source.contains("return mark.join(kept)"),
                        "{source}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_the_docstring_says_is_known_where_the_code_does_otherwise_at_an_edge() {
    let mut texts = String::new();
    for (text, function) in functions(300) {
        if let Some(said) = function.said {
            let said = said.lines(None).join("\n");
            assert_ne!(
                text.replace("\n    ", "\n").split_once('\n').unwrap().1,
                said
            );
            assert!(!said.contains(['¤', '«', '»', '¦', '$']), "{said}");
            texts.push_str(&said);
        }
    }
    for code in [
        " or len(",
        " is None else max(",
        " or 0",
        "aeiouAEIOU",
        "assert ",
    ] {
        assert!(texts.contains(code), "{code}");
    }
    assert!(!texts.contains("< 99"));
}

#[test]
fn names_that_are_bound_twice_are_found() {
    for function in [
        "def f(store):\n    for label, label in store.items():\n        pass",
        "def f(marks, mark):\n    for mark in marks:\n        pass",
        "def f(bonus, bonus):\n    pass",
        "def f(xs):\n    result = 0\n    result = []",
        "def f(xs):\n    for place in xs:\n        for place in xs:\n            pass",
    ] {
        assert_eq!(bound_twice(function).len(), 1, "{function}");
    }
}

#[test]
fn a_part_of_a_sound_function_is_never_torn_by_an_operator_that_binds_more() {
    let torn = |line: &str| {
        // The largest so far is asked for in brackets.
        let line = line.split(" and (").next().unwrap_or_default();
        let value = line.split_once(" += ").and_then(|(_, value)| {
            let value = value.strip_suffix(" + 1)")?;
            Some(value.rsplit_once(" * (")?.0)
        });
        line.contains(" and ") && line.contains(" or ")
            || value.is_some_and(|value| {
                !value.contains('(') && (value.contains(" + ") || value.contains(" - "))
            })
    };
    let functions = functions(300);
    let found: Vec<_> = functions
        .iter()
        .filter(|(text, _)| text.lines().any(torn))
        .collect();
    assert!(found.len() > 20, "{} of {}", found.len(), functions.len());
    for (text, function) in found {
        assert!(!function.sound, "{text}");
    }
}

#[test]
fn every_family_is_drawn_at_every_level_and_bodies_seldom_repeat() {
    let programs = drawn(Split::Train, 9, 320);
    let mut kinds: HashMap<(u8, &str), usize> = HashMap::new();
    for (level, fault, _) in &programs {
        *kinds.entry((*level, fault.name())).or_default() += 1;
    }
    assert_eq!(kinds.len(), usize::from(LEVELS) * Fault::ALL.len());
    let all = programs
        .iter()
        .map(|(_, _, program)| program.bodies().len())
        .sum::<usize>();
    let distinct = bodies(&programs).len();
    assert!(distinct * 2 > all, "{distinct} distinct bodies of {all}");
}
