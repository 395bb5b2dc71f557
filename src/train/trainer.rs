//! Steps: gradients of a batch by all threads, clipped, `AdamW`.
//!
//! Mental model: threads meet twice a step. First each carries its own sequences forward and backward and has a gradient of
//! its own; then the gradients are summed and measured, piece by piece of the weights; then each piece takes its step. Sums
//! are taken in the threads' order and norms in the pieces', so a step is the same, bit for bit, for the same weights,
//! rows and number of threads.

use std::sync::{Mutex, PoisonError};

use super::TrainError;
use super::network::{Network, Outcome, Pack};
use super::order::deal;
use super::rows::Row;
use super::shape::Layout;
use crate::engine::kernels::Cpu;
use crate::engine::kernels::gradient::{AdamW, Core};

/// Weights of one piece of an update.
const PIECE: usize = 1 << 15;

/// How steps are taken.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Settings {
    /// Highest learning rate.
    pub rate: f32,
    /// Share of it that is left at the end.
    pub floor: f32,
    /// Steps until it is reached.
    pub warm_up: u64,
    /// Decay of the mean of gradients and of their squares.
    pub betas: [f32; 2],
    /// Added to the root of the squares.
    pub eps: f32,
    /// Decay of matrices.
    pub decay: f32,
    /// Longest gradient.
    pub clip: f32,
    /// Tokens of a step.
    pub batch: usize,
    /// Tokens that a thread carries through the layers together.
    pub pack: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rate: 3e-3,
            floor: 0.02,
            warm_up: 60,
            betas: [0.9, 0.98],
            eps: 1e-8,
            decay: 0.05,
            clip: 1.0,
            batch: 8192,
            pack: 1024,
        }
    }
}

impl Settings {
    /// The learning rate of a step (from 0) when `progress`, 0 to 1, of the run is over: linear up, a cosine down.
    #[must_use]
    pub fn rate_at(&self, step: u64, progress: f64) -> f32 {
        let up = (step + 1) as f32 / self.warm_up.max(1) as f32;
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and 1")]
        let down =
            (f64::midpoint(1.0, (progress.clamp(0.0, 1.0) * std::f64::consts::PI).cos())) as f32;
        self.rate * up.min(1.0) * (self.floor + (1.0 - self.floor) * down)
    }
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stepped {
    /// Mean loss of the tokens that count.
    pub loss: f64,
    /// Length of the gradient before it was clipped.
    pub norm: f64,
    /// Tokens that went through.
    pub tokens: usize,
}

struct Worker {
    network: Network,
    gradients: Vec<f32>,
    outcome: Result<Outcome, TrainError>,
}

/// Weights, the optimiser's state, and the threads' rooms.
pub struct Trainer {
    layout: Layout,
    settings: Settings,
    cpu: Cpu,
    workers: Vec<Mutex<Worker>>,
    /// Steps taken.
    pub step: u64,
    /// Weights, means and squares, each laid out as [`Layout`] says.
    pub state: [Vec<f32>; 3],
}

/// A stretch of all weights with one kind of decay.
struct Piece<'a> {
    core: Core,
    decays: bool,
    start: usize,
    state: [&'a mut [f32]; 3],
    /// The first thread's gradient; the sum once it is taken.
    gradient: &'a mut [f32],
    squares: f64,
}

impl Trainer {
    /// Begin with the weights of a seed.
    #[must_use]
    pub fn new(layout: Layout, settings: Settings, cpu: Cpu, seed: u64) -> Self {
        let state = [
            layout.begin(seed),
            vec![0.0; layout.total],
            vec![0.0; layout.total],
        ];
        let worker = |_| {
            Mutex::new(Worker {
                network: Network::new(&layout.shape, &cpu),
                gradients: vec![0.0; layout.total],
                outcome: Ok(Outcome::default()),
            })
        };
        Self {
            workers: (0..cpu.pool().threads()).map(worker).collect(),
            layout,
            settings,
            cpu,
            step: 0,
            state,
        }
    }

    /// Where weights lie.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Weights.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.state[0]
    }

    /// Call `each` on every pack, on the thread that it is dealt to.
    fn carry(
        &self,
        rows: &[&Row],
        each: &(dyn Fn(&mut Worker, &Pack) -> Result<Outcome, TrainError> + Sync),
    ) -> Result<Outcome, TrainError> {
        let lengths: Vec<usize> = rows.iter().map(|row| row.tokens.len()).collect();
        let all: Vec<usize> = (0..rows.len()).collect();
        let shares = deal(&all, &lengths, self.workers.len(), self.settings.pack);
        self.cpu.pool().run(&|thread, threads| {
            let own = self.workers.iter().zip(&shares);
            for (worker, share) in own.skip(thread).step_by(threads) {
                let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
                let carried = share.iter().try_fold(Outcome::default(), |sum, numbers| {
                    let mut pack = Pack::default();
                    for row in numbers.iter().filter_map(|number| rows.get(*number)) {
                        pack.push(&row.tokens, &row.weights);
                    }
                    Ok::<_, TrainError>(sum.and(each(&mut worker, &pack)?))
                });
                worker.outcome = carried;
            }
        })?;
        let mut sum = Outcome::default();
        for worker in &self.workers {
            let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
            sum = sum.and(std::mem::replace(
                &mut worker.outcome,
                Ok(Outcome::default()),
            )?);
        }
        Ok(sum)
    }

    /// Take one step on some rows when `progress`, 0 to 1, of the run is over.
    ///
    /// # Errors
    /// What a kernel refuses; the weights are as they were.
    pub fn step(&mut self, rows: &[&Row], progress: f64) -> Result<Stepped, TrainError> {
        let weight: f64 = rows.iter().map(|row| row.weight()).sum();
        #[expect(clippy::cast_possible_truncation, reason = "a factor")]
        let scale = weight.max(1e-9).recip() as f32;
        let (layout, weights) = (&self.layout, &self.state[0]);
        let outcome = self.carry(rows, &|worker, pack| {
            let Worker {
                network, gradients, ..
            } = worker;
            network.learn(layout, weights, pack, scale, gradients)
        })?;
        let norm = self.update(progress)?;
        Ok(Stepped {
            loss: outcome.loss / weight.max(1e-9),
            norm,
            tokens: rows.iter().map(|row| row.tokens.len()).sum(),
        })
    }

    /// What rows come to with the weights as they are.
    ///
    /// # Errors
    /// What a kernel refuses.
    pub fn evaluate(&self, rows: &[&Row]) -> Result<(f64, Outcome), TrainError> {
        let (layout, weights) = (&self.layout, &self.state[0]);
        let outcome = self.carry(rows, &|worker, pack| {
            worker.network.evaluate(layout, weights, pack)
        })?;
        let weight: f64 = rows.iter().map(|row| row.weight()).sum();
        Ok((outcome.loss / weight.max(1e-9), outcome))
    }

    /// Sum the threads' gradients, clip, step, and clear them.
    fn update(&mut self, progress: f64) -> Result<f64, TrainError> {
        let Self {
            layout,
            settings,
            cpu,
            workers,
            step,
            state: [weights, means, squares],
        } = self;
        let mut gradients: Vec<Vec<f32>> = workers
            .iter_mut()
            .map(|worker| {
                let worker = worker.get_mut().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut worker.gradients)
            })
            .collect();
        let Some((first, others)) = gradients.split_first_mut() else {
            return Ok(0.0);
        };
        let pieces = cut(layout, cpu, [weights, means, squares], first);
        let pool = cpu.pool();
        let failed: Mutex<Option<TrainError>> = Mutex::new(None);
        let each = |work: &(dyn Fn(&mut Piece<'_>) -> Result<(), TrainError> + Sync)| {
            pool.run(&|thread, threads| {
                for piece in pieces.iter().skip(thread).step_by(threads) {
                    let mut piece = piece.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Err(error) = work(&mut piece) {
                        *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    }
                }
            })?;
            let failure = failed.lock().unwrap_or_else(PoisonError::into_inner).take();
            failure.map_or(Ok(()), Err)
        };
        each(&|piece| {
            let range = piece.start..piece.start + piece.gradient.len();
            for other in others.iter() {
                let own = other.get(range.clone()).unwrap_or_default();
                piece.core.accumulate(piece.gradient, own)?;
            }
            piece.squares = piece.core.squares(piece.gradient);
            Ok(())
        })?;
        let norm = pieces
            .iter()
            .map(|piece| piece.lock().unwrap_or_else(PoisonError::into_inner).squares)
            .sum::<f64>()
            .sqrt();
        let time = i32::try_from(*step + 1).unwrap_or(i32::MAX);
        #[expect(clippy::cast_possible_truncation, reason = "a factor")]
        let scale = (f64::from(settings.clip) / norm.max(1e-12)).min(1.0) as f32;
        let rule = AdamW {
            rate: settings.rate_at(*step, progress),
            betas: settings.betas,
            eps: settings.eps,
            decay: settings.decay,
            corrections: settings.betas.map(|beta| 1.0 - beta.powi(time)),
            scale,
        };
        // Weights that a gradient without a number would spoil stay as they are.
        if norm.is_finite() {
            each(&|piece| {
                let rule = AdamW {
                    decay: if piece.decays { rule.decay } else { 0.0 },
                    ..rule
                };
                let [weights, means, squares] = &mut piece.state;
                piece
                    .core
                    .adam_w(rule, weights, (means, squares), piece.gradient)?;
                Ok(())
            })?;
        }
        drop(pieces);
        for (worker, mut gradients) in workers.iter_mut().zip(gradients) {
            gradients.fill(0.0);
            let worker = worker.get_mut().unwrap_or_else(PoisonError::into_inner);
            worker.gradients = gradients;
        }
        *step += 1;
        Ok(norm)
    }
}

/// Cut everything at the borders of what decays, and further into pieces.
fn cut<'a>(
    layout: &Layout,
    cpu: &Cpu,
    state: [&'a mut Vec<f32>; 3],
    gradient: &'a mut [f32],
) -> Vec<Mutex<Piece<'a>>> {
    let mut borders = Vec::new();
    let mut end = 0;
    for part in layout.decayed() {
        borders.extend([(end..part.start, false), (part.clone(), true)]);
        end = part.end;
    }
    borders.push((end..layout.total, false));
    let mut state = state.map(Vec::as_mut_slice);
    let mut gradient = gradient;
    let mut pieces = Vec::new();
    for (part, decays) in borders {
        for start in part.clone().step_by(PIECE) {
            let length = PIECE.min(part.end - start);
            let own = state.each_mut().map(|rest| {
                let (own, after) = std::mem::take(rest).split_at_mut(length);
                *rest = after;
                own
            });
            let (own_gradient, after) = std::mem::take(&mut gradient).split_at_mut(length);
            gradient = after;
            pieces.push(Mutex::new(Piece {
                core: cpu.core(),
                decays,
                start,
                state: own,
                gradient: own_gradient,
                squares: 0.0,
            }));
        }
    }
    pieces
}
