//! Making tasks: programs drawn by number, proven in batches, those that are no task drawn again.

use serde_json::Value;

use super::program::Program;
use super::prove::{AT_ONCE, Prover};
use super::random::Random;
use super::row::{self, Label};
use super::{Fault, MakeError, Split};

/// How often one number is drawn before it is given up.
const ATTEMPTS: u64 = 64;
/// So many failed draws, and another family takes the number.
const PER_FAULT: u64 = 12;

/// Which tasks to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Everything follows from it.
    pub seed: u64,
    /// How many.
    pub count: u64,
    /// Whose functions.
    pub split: Split,
    /// Levels, each in turn; none is all of them.
    pub levels: Vec<u8>,
}

/// Hears how many tasks are made.
pub type Progress<'a> = dyn Fn(u64) + Send + Sync + 'a;

impl Order {
    /// Level and family of a number, at its so-many-th attempt.
    fn kind(&self, number: u64, attempt: u64) -> (u8, Fault) {
        let levels: Vec<u8> = if self.levels.is_empty() {
            (1..=super::LEVELS).collect()
        } else {
            self.levels.clone()
        };
        let count = levels.len() as u64;
        let at =
            |index: u64, length: usize| usize::try_from(index % length.max(1) as u64).unwrap_or(0);
        let level = levels.get(at(number, levels.len())).copied().unwrap_or(1);
        let family = number / count + attempt / PER_FAULT;
        (
            level,
            Fault::ALL
                .get(at(family, Fault::ALL.len()))
                .copied()
                .unwrap_or(Fault::Comparison),
        )
    }

    /// The stream of choices of one attempt at one number.
    fn random(&self, number: u64, attempt: u64) -> Random {
        let split = match self.split {
            Split::Train => 1,
            Split::Validation => 2,
            Split::HeldOut => 3,
        };
        Random::of(
            self.seed.wrapping_mul(4).wrapping_add(split),
            number.wrapping_mul(ATTEMPTS).wrapping_add(attempt),
        )
    }
}

/// A number that has no task yet.
struct Waiting {
    number: u64,
    attempt: u64,
}

/// A program drawn for a number; none where nothing fits.
struct Drawn {
    one: Waiting,
    program: Option<Program>,
    random: Random,
    level: u8,
    fault: Fault,
}

/// Make tasks: rows in the order of their numbers.
///
/// # Errors
/// Where no sandbox starts, Python is missing, or a number gives no task at all.
pub async fn make(order: &Order, progress: &Progress<'_>) -> Result<Vec<Value>, MakeError> {
    let folder = tempfile::tempdir().map_err(|source| MakeError::Write {
        path: std::env::temp_dir(),
        source,
    })?;
    let prover = Prover::start(folder.path()).await?;
    let made = make_with(&prover, order, progress).await;
    prover.stop().await;
    made
}

async fn make_with(
    prover: &Prover,
    order: &Order,
    progress: &Progress<'_>,
) -> Result<Vec<Value>, MakeError> {
    let mut rows: Vec<(u64, Value)> = Vec::new();
    let mut waiting: Vec<Waiting> = (0..order.count)
        .rev()
        .map(|number| Waiting { number, attempt: 0 })
        .collect();
    while !waiting.is_empty() {
        let take = waiting.len().min(AT_ONCE);
        let batch = waiting.split_off(waiting.len() - take);
        let mut drawn: Vec<Drawn> = Vec::new();
        for one in batch {
            let mut random = order.random(one.number, one.attempt);
            let (level, fault) = order.kind(one.number, one.attempt);
            let program = Program::draw(&mut random, order.split, level, fault);
            drawn.push(Drawn {
                one,
                program,
                random,
                level,
                fault,
            });
        }
        let programs: Vec<&Program> = drawn
            .iter()
            .filter_map(|drawn| drawn.program.as_ref())
            .collect();
        let mut proofs = prover.prove(&programs).await?.into_iter();
        for drawn in drawn {
            let Drawn {
                one,
                program,
                mut random,
                level,
                fault,
            } = drawn;
            let label = Label {
                seed: order.seed,
                number: one.number,
                split: order.split,
                level,
                fault,
            };
            // Each program has its proof, in order.
            let shown = program.and_then(|program| Some((program, proofs.next().flatten()?)));
            let row =
                shown.and_then(|(program, proof)| row::row(&label, &program, &proof, &mut random));
            let Some(row) = row else {
                if one.attempt + 1 >= ATTEMPTS {
                    return Err(MakeError::NoTask {
                        level,
                        seed: order.seed,
                        number: one.number,
                    });
                }
                waiting.push(Waiting {
                    attempt: one.attempt + 1,
                    ..one
                });
                continue;
            };
            rows.push((one.number, row));
        }
        progress(rows.len() as u64);
    }
    rows.sort_by_key(|(number, _)| *number);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}
