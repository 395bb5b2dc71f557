//! What the expert does wrong on purpose, before what is right: **decoys** of the row, changes of one line to what fails. One goes on from
//! them by the tests' words.
//!
//! They are drawn by chance, so they are seldom what a model would have done itself. Those mistakes come from its own attempts
//! ([`super::attempt`]).

use serde::Deserialize;

use super::random::Random;

/// After a mistake, of a hundred so many make another one.
const AGAIN: usize = 50;

/// A change of one line that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Mistake {
    pub(super) module: String,
    /// From 1.
    pub(super) line: usize,
    /// What it would say, without indentation.
    pub(super) text: String,
}

/// One mistake or more, where there can be one; none twice.
pub(super) fn draw(decoys: &[Mistake], random: &mut Random) -> Vec<Mistake> {
    let mut left = decoys.to_vec();
    random.shuffle(&mut left);
    let mut made = Vec::new();
    loop {
        made.extend(left.pop());
        if left.is_empty() || !random.chance(AGAIN) {
            return made;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_mistake_or_more_and_none_is_made_twice() {
        let decoys: Vec<Mistake> = (1..4)
            .map(|line| Mistake {
                module: "m".into(),
                line,
                text: "x = 2".into(),
            })
            .collect();
        let mut counts = [0; 4];
        for number in 0..200 {
            let made = draw(&decoys, &mut Random::of(3, number));
            counts[made.len()] += 1;
            for (at, mistake) in made.iter().enumerate() {
                assert!(!made[..at].contains(mistake));
            }
        }
        assert_eq!(counts[0], 0);
        assert!(counts[1..].iter().all(|count| *count > 20), "{counts:?}");
        assert!(draw(&[], &mut Random::of(1, 1)).is_empty());
    }
}
