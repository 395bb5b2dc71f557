//! What holds of the gym's programs as they are drawn, before anything runs.

use std::collections::{HashMap, HashSet};

use super::program::Program;
use super::random::Random;
use super::{Fault, LEVELS, Split};

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
