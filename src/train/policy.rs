//! The whole way: from demonstrations to a folder with a policy in it.
//!
//! Mental model: [`make`] reads, learns a vocabulary (or takes the one that an earlier part of the same run learned, or that of the
//! policy that it begins with), makes rows, and takes steps until they or the minutes are over. What happens is told to the caller,
//! whose answer may end it; then, as at the end and every so many steps, a checkpoint and the folder's weights are written. Called
//! again on the same folder it goes on.
//!
//! With a number of steps the result depends on seed, rows, settings, threads and the weights that it began with alone, to the bit.
//! With minutes, the learning rate follows the clock, and another run on another day comes out a little differently.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::TrainError;
use super::checkpoint::{self, Begun, Length, Place};
use super::claim::Claim;
use super::folder::{self, Made};
use super::lesson::Lessons;
use super::order::Order;
use super::rows::{Maker, Row, digest, is_kept_back};
use super::shape::{Layout, Shape};
use super::start::{Start, take_vocabulary};
use super::trainer::{Settings, Trainer};
use super::vocabulary::{self, END, TEMPLATE};
use crate::engine::kernels::{Cpu, Options};
use crate::engine::template::ChatTemplate;
use crate::engine::tokenizer::Tokenizer;

/// What is wished for.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// Stores or files of conversations.
    pub demonstrations: Vec<PathBuf>,
    /// The same for validation; where there is none, one task of [`KEPT_BACK`] is kept back.
    pub validation: Option<PathBuf>,
    /// The folder to make.
    pub out: PathBuf,
    /// An earlier policy's folder to begin with: its shape and vocabulary count then, and its weights.
    pub from: Option<PathBuf>,
    /// Sizes; the vocabulary's is the most that is learned.
    pub shape: Shape,
    /// Rule of steps.
    pub settings: Settings,
    /// What a token counts that is not the assistant's.
    pub context_weight: f32,
    /// Steps.
    pub steps: u64,
    /// Minutes after which it ends in any case.
    pub minutes: Option<f64>,
    /// Steps between two checkpoints.
    pub keep_every: u64,
    /// Seed.
    pub seed: u64,
    /// Threads.
    pub threads: usize,
    /// For the card: the command line.
    pub command: String,
}

/// One task in so many is kept back for validation where no other one is named.
pub const KEPT_BACK: u64 = 50;
/// Most rows of validation.
const VALIDATION: usize = 300;

/// What happens.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Happened {
    /// Rollouts are read.
    Reading {
        /// So many.
        done: usize,
        /// Of so many.
        of: usize,
    },
    /// Something was left out.
    LeftOut {
        /// How often.
        count: usize,
        /// Why.
        why: &'static str,
    },
    /// No row is kept back, so nothing will say how well it is learned.
    NotValidated,
    /// It begins, or goes on.
    Begun {
        /// Rows.
        rows: usize,
        /// Their tokens.
        tokens: usize,
        /// Those that are learned.
        learned: usize,
        /// Rows of validation.
        validation: usize,
        /// Entries of the vocabulary.
        vocabulary: usize,
        /// Weights.
        parameters: usize,
        /// Step from which it goes on; 0 at the beginning.
        step: u64,
        /// Kind of instructions.
        tier: &'static str,
        /// Threads.
        threads: usize,
    },
    /// A step is taken.
    Step {
        /// Its number from 1.
        step: u64,
        /// Of so many.
        of: u64,
        /// Mean loss.
        loss: f64,
        /// Length of its gradient.
        norm: f64,
        /// Tokens a second since the last one.
        tokens_per_second: f64,
        /// Estimated seconds left.
        seconds_left: f64,
    },
    /// Validation.
    Validated {
        /// After this step.
        step: u64,
        /// Mean loss.
        loss: f64,
        /// Of the assistant's tokens, held most likely, in a thousand.
        tokens_right: u64,
        /// Of its turns, right in every token, in a thousand.
        turns_right: u64,
    },
    /// A checkpoint and the folder's weights are written.
    Kept {
        /// After this step.
        step: u64,
        /// Bytes of the weights.
        bytes: u64,
    },
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All steps, or all minutes.
    Done,
    /// The caller wished so; it can go on.
    Cancelled,
}

/// Rows of learning and of validation, with what it took to make them.
struct Ready {
    rows: Vec<Row>,
    validation: Vec<Row>,
    lessons: Lessons,
    entries: usize,
    end: u32,
    shape: Shape,
}

type Tell<'a> = dyn FnMut(Happened) -> ControlFlow<()> + 'a;

/// Make a policy, or go on making it.
///
/// # Errors
/// A sentence on what cannot be.
pub fn make(wishes: &Wishes, tell: &mut Tell<'_>) -> Result<End, TrainError> {
    let start = wishes.from.as_deref().map(Start::read).transpose()?;
    if let Some(from) = wishes.from.as_deref()
        && from.canonicalize().ok() == wishes.out.canonicalize().ok()
    {
        return Err(refused(from, "it is the folder to make: name another one"));
    }
    let started = start.as_ref().map(|start| Wishes {
        shape: start.shape,
        ..wishes.clone()
    });
    let wishes = started.as_ref().unwrap_or(wishes);
    // The vocabulary's size comes to be known later; the rest can be refused now.
    let most = wishes.shape.vocab;
    Shape {
        vocab: most.next_multiple_of(16),
        ..wishes.shape
    }
    .check()?;
    let _claim = Claim::on(&wishes.out)?;
    let Some(ready) = prepare(wishes, tell)? else {
        return Ok(End::Cancelled);
    };
    if let Some(from) = wishes.from.as_deref()
        && ready.shape.vocab != wishes.shape.vocab
    {
        let (entries, rows) = (ready.entries, wishes.shape.vocab);
        let why = format!("its vocabulary has {entries} entries and its embedding {rows} rows");
        return Err(refused(from, &why));
    }
    for (why, count) in &ready.lessons.left_out {
        let _ = tell(Happened::LeftOut { count: *count, why });
    }
    if ready.validation.is_empty() {
        let _ = tell(Happened::NotValidated);
    }
    let mut options = Options::new()?;
    options.threads = wishes.threads;
    let cpu = Cpu::new(&options)?;
    let layout = Layout::new(ready.shape);
    let mut trainer = Trainer::new(layout, wishes.settings, cpu.clone(), wishes.seed);
    let from = start.map(|start| {
        trainer.state[0] = start.weights;
        start.digest
    });
    let begun = Begun {
        shape: ready.shape,
        settings: wishes.settings,
        seed: wishes.seed,
        rows: digest(ready.rows.iter()),
        threads: wishes.threads,
        from,
        length: Some(Length {
            steps: wishes.steps,
            minutes: wishes.minutes,
        }),
        vocabulary: Some(wishes.shape.vocab),
        validation: Some(digest(ready.validation.iter())),
    };
    let place = checkpoint::resume(&wishes.out, &begun, &mut trainer)?.unwrap_or(Place {
        begun,
        step: 0,
        seen: 0,
        seconds: 0.0,
        validation: Vec::new(),
    });
    folder::describe(&wishes.out, &ready.shape, ready.end)?;
    let mut run = Run {
        wishes,
        ready,
        trainer,
        place,
        started: Instant::now(),
        machine: format!("{} threads, {}", wishes.threads, cpu.tier().name()),
    };
    run.go(cpu.tier().name(), tell)
}

/// Read, learn the vocabulary, make rows.
fn prepare(wishes: &Wishes, tell: &mut Tell<'_>) -> Result<Option<Ready>, TrainError> {
    let mut cancelled = false;
    let mut heard = |done: usize, of: usize| {
        cancelled |= tell(Happened::Reading { done, of }).is_break();
        !cancelled
    };
    let mut lessons = Lessons::default();
    for path in &wishes.demonstrations {
        lessons.join(Lessons::read(path, &mut heard)?);
    }
    let mut kept_back = match &wishes.validation {
        Some(path) => Some(Lessons::read(path, &mut heard)?),
        None => None,
    };
    if cancelled {
        return Ok(None);
    }
    let template = ChatTemplate::new(TEMPLATE, "", END)?;
    let path = wishes.out.join(folder::TOKENIZER);
    let known = path.is_file() && checkpoint::exists(&wishes.out);
    if let Some(from) = wishes.from.as_ref().filter(|_| !known) {
        take_vocabulary(from, &wishes.out)?;
    } else if !known {
        let texts: Vec<String> = lessons
            .all
            .iter()
            .flat_map(|lesson| &lesson.messages)
            .filter_map(|message| message.get("content")?.as_str().map(str::to_owned))
            .collect();
        vocabulary::learn(&texts, wishes.shape.vocab, &path)?;
    }
    let tokenizer = Tokenizer::open(&path)?;
    let end = tokenizer
        .id(END)
        .ok_or_else(|| TrainError::Vocabulary(format!("{} has no token {END}", path.display())))?;
    let maker = Maker {
        tokenizer: &tokenizer,
        template: &template,
        context_weight: wishes.context_weight,
        longest: wishes.shape.context,
    };
    let named = maker.rows(&mut lessons)?;
    let (mut rows, mut validation) = (Vec::new(), Vec::new());
    match &mut kept_back {
        Some(other) => {
            rows.extend(named.into_iter().map(|(_, row)| row));
            validation.extend(maker.rows(other)?.into_iter().map(|(_, row)| row));
        }
        None => {
            for (about, row) in named {
                if is_kept_back(&about, KEPT_BACK) {
                    validation.push(row);
                } else {
                    rows.push(row);
                }
            }
        }
    }
    validation.truncate(VALIDATION);
    // Only what the assistant says is validated.
    for row in &mut validation {
        for weight in &mut row.weights {
            *weight = weight.floor();
        }
    }
    if rows.is_empty() {
        return Err(TrainError::Nothing {
            origin: listed(&wishes.demonstrations, |path| path.display().to_string()),
            why: format!(
                "none of its {} conversations fits the context of {} tokens, or all are kept back",
                lessons.all.len(),
                wishes.shape.context
            ),
        });
    }
    let entries = tokenizer.size();
    Ok(Some(Ready {
        rows,
        validation,
        lessons,
        entries,
        end,
        shape: Shape {
            vocab: entries.next_multiple_of(16),
            ..wishes.shape
        },
    }))
}

/// A run under way.
struct Run<'a> {
    wishes: &'a Wishes,
    ready: Ready,
    trainer: Trainer,
    place: Place,
    started: Instant,
    machine: String,
}

impl Run<'_> {
    /// Seconds worked, those of earlier parts of the run among them.
    fn worked(&self) -> f64 {
        self.place.seconds + self.started.elapsed().as_secs_f64()
    }

    /// How much of the run is over, 0 to 1.
    fn progress(&self) -> f64 {
        let by_steps = self.trainer.step as f64 / self.wishes.steps.max(1) as f64;
        let by_time = self
            .wishes
            .minutes
            .map(|minutes| self.worked() / (60.0 * minutes));
        by_steps.max(by_time.unwrap_or(0.0))
    }

    fn go(&mut self, tier: &'static str, tell: &mut Tell<'_>) -> Result<End, TrainError> {
        let rows = &self.ready.rows;
        let _ = tell(Happened::Begun {
            rows: rows.len(),
            tokens: rows.iter().map(|row| row.tokens.len()).sum(),
            learned: rows.iter().map(Row::learned).sum(),
            validation: self.ready.validation.len(),
            vocabulary: self.ready.entries,
            parameters: self.trainer.layout().total,
            step: self.trainer.step,
            tier,
            threads: self.wishes.threads,
        });
        let lengths = rows.iter().map(|row| row.tokens.len()).collect();
        let mut order = Order::new(lengths, self.wishes.settings.batch, self.wishes.seed);
        for _ in 0..self.trainer.step {
            order.step();
        }
        let mut kept = self.trainer.step;
        let end = loop {
            // Whatever the minutes, a policy that took no step is none.
            if self.progress() >= 1.0 && self.trainer.step > 0 {
                break End::Done;
            }
            let began = Instant::now();
            let numbers = order.step();
            let batch: Vec<&Row> = numbers
                .iter()
                .filter_map(|number| self.ready.rows.get(*number))
                .collect();
            let stepped = self.trainer.step(&batch, self.progress())?;
            if !(stepped.loss.is_finite() && stepped.norm.is_finite()) {
                return Err(TrainError::Diverged {
                    step: self.trainer.step,
                    kept,
                });
            }
            self.place.seen += stepped.tokens as u64;
            let over = self.progress().max(1e-9);
            let answer = tell(Happened::Step {
                step: self.trainer.step,
                of: self.wishes.steps,
                loss: stepped.loss,
                norm: stepped.norm,
                tokens_per_second: stepped.tokens as f64 / began.elapsed().as_secs_f64(),
                seconds_left: self.worked() * (1.0 - over).max(0.0) / over,
            });
            if answer.is_break() {
                break End::Cancelled;
            }
            if self
                .trainer
                .step
                .is_multiple_of(self.wishes.keep_every.max(1))
            {
                self.validate(tell)?;
                self.keep(self.progress() < 1.0, tell)?;
                kept = self.trainer.step;
            }
        };
        if self.trainer.step > kept {
            if end == End::Done {
                self.validate(tell)?;
            }
            self.keep(end == End::Cancelled, tell)?;
        } else if end == End::Done {
            self.make_good(tell)?;
        }
        Ok(end)
    }

    /// What the end should have brought and did not, since it was interrupted or killed there, or the disk was full. What is there
    /// stays as it is.
    fn make_good(&mut self, tell: &mut Tell<'_>) -> Result<(), TrainError> {
        let out = &self.wishes.out;
        let weights = folder::weights(self.trainer.layout(), self.trainer.weights());
        let mut made = !std::fs::read(out.join(folder::WEIGHTS)).is_ok_and(|old| old == weights);
        if made {
            folder::write(&out.join(folder::WEIGHTS), &weights)?;
        }
        let last = self.place.validation.last().map(|(step, ..)| *step);
        if last != Some(self.trainer.step) && !self.ready.validation.is_empty() {
            self.validate(tell)?;
            self.place.seconds = self.worked();
            self.started = Instant::now();
            checkpoint::note(&self.wishes.out, &self.place)?;
            made = true;
        }
        if made || !folder::is_finished(&self.wishes.out) {
            self.card(false)?;
            let _ = tell(Happened::Kept {
                step: self.place.step,
                bytes: weights.len() as u64,
            });
        }
        Ok(())
    }

    fn validate(&mut self, tell: &mut Tell<'_>) -> Result<(), TrainError> {
        if self.ready.validation.is_empty() {
            return Ok(());
        }
        let rows: Vec<&Row> = self.ready.validation.iter().collect();
        let (loss, outcome) = self.trainer.evaluate(&rows)?;
        let of_thousand = |part: usize, all: usize| (1000 * part / all.max(1)) as u64;
        let step = self.trainer.step;
        let tokens_right = of_thousand(outcome.hits, outcome.tokens);
        let turns_right = of_thousand(outcome.whole_turns, outcome.turns);
        self.place
            .validation
            .push((step, loss, tokens_right, turns_right));
        let _ = tell(Happened::Validated {
            step,
            loss,
            tokens_right,
            turns_right,
        });
        Ok(())
    }

    fn keep(&mut self, unfinished: bool, tell: &mut Tell<'_>) -> Result<(), TrainError> {
        self.place.step = self.trainer.step;
        self.place.seconds = self.worked();
        self.started = Instant::now();
        checkpoint::write(&self.wishes.out, &self.place, &self.trainer)?;
        let layout = self.trainer.layout();
        let bytes = folder::write_weights(&self.wishes.out, layout, self.trainer.weights())?;
        self.card(unfinished)?;
        let _ = tell(Happened::Kept {
            step: self.place.step,
            bytes,
        });
        Ok(())
    }

    fn card(&self, unfinished: bool) -> Result<(), TrainError> {
        let rows = &self.ready.rows;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole seconds of a run"
        )]
        let seconds = self.worked() as u64;
        let made = Made {
            command: self.wishes.command.clone(),
            from: self.wishes.from.as_deref().map(end_of).zip(
                self.place
                    .begun
                    .from
                    .as_ref()
                    .map(|digest| digest.chars().take(12).collect()),
            ),
            version: env!("CARGO_PKG_VERSION").into(),
            demonstrations: listed(&self.wishes.demonstrations, |path| {
                format!("`{}`", end_of(path))
            }),
            rows: [
                rows.len(),
                rows.iter().map(|row| row.tokens.len()).sum(),
                rows.iter().map(Row::learned).sum(),
            ],
            sources: self.ready.lessons.sources.clone(),
            context_weight: self.wishes.context_weight,
            left_out: self.ready.lessons.left_out.clone(),
            parameters: self.trainer.layout().total,
            work: (self.trainer.step, self.place.seen, seconds),
            machine: self.machine.clone(),
            seed: self.wishes.seed,
            validation: self.place.validation.clone(),
            validated_by: (
                self.ready.validation.len(),
                self.wishes.validation.as_deref().map(end_of),
            ),
            unfinished,
        };
        folder::write_card(&self.wishes.out, &self.ready.shape, &made)
    }
}

fn refused(from: &Path, why: &str) -> TrainError {
    TrainError::Start {
        folder: from.display().to_string(),
        why: why.to_owned(),
    }
}

fn listed(paths: &[PathBuf], shown: impl Fn(&Path) -> String) -> String {
    let shown: Vec<String> = paths.iter().map(|path| shown(path)).collect();
    shown.join(", ")
}

/// The end of a path: where a folder lies on one machine is of no use on another.
fn end_of(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}
