//! From logits to a token.
//!
//! Mental model: penalties, temperature, then what is left out (top-k, top-p, min-p), then a draw. Each draw takes its
//! chance from the seed and the number of the token alone, so a stream draws the same whatever else is in its batch, and a
//! reply that is asked for again with the same seed is the same text, as long as the logits are. They are, bit for bit, on
//! one machine with one tier of instructions, the same weights and precision, whatever the batch, the number of threads,
//! shared prefixes and guesses; another tier, another precision or an adapter merged into its base may differ in the last
//! bits, and a draw that lies on a border may then fall to its other side. Ties go to the smaller id.
//!
//! [`Scores`] are those of the model itself, before penalties and temperature, and are reckoned where they are asked for:
//! they take a pass over the vocabulary. A draw is a few passes over it, too, and none of them sorts it
//! (`nucleus.rs`): of 150,000 tokens it must cost little beside the step that computed their logits.

mod flat;
mod nucleus;
pub mod usual;

use std::collections::HashMap;

use super::kernels::{BLOCK, Tier, chances};
use nucleus::{Candidate, likelier};

/// How to draw. Neutral values: temperature 0 is greedy, top-p 1, top-k 0, min-p 0 and penalties of 1 or 0 do nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Divides the logits; 0 takes the largest.
    pub temperature: f32,
    /// Keep the likeliest tokens up to this mass.
    pub top_p: f32,
    /// Keep so many; 0 keeps all.
    pub top_k: usize,
    /// Keep those at least this part as likely as the likeliest.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens that were there (Keskar et al. 2019).
    pub repetition: f32,
    /// Taken from the logit for each time that a token was generated.
    pub frequency: f32,
    /// Taken once from the logit of each token that was generated.
    pub presence: f32,
    /// Chance begins here.
    pub seed: u64,
    /// Reckon [`Scores`].
    pub scores: bool,
    /// So many of the likeliest tokens are told with the scores.
    pub likeliest: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            repetition: 1.0,
            frequency: 0.0,
            presence: 0.0,
            seed: 0,
            scores: false,
            likeliest: 0,
        }
    }
}

/// What the model thought of a token.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Natural logarithm of its probability.
    pub logprob: f32,
    /// Kullback–Leibler divergence of the uniform distribution to the model's, in nats: what self-certainty (Kang et al.
    /// 2025) is the mean of.
    pub certainty: f32,
    /// The likeliest tokens with their log-probabilities, likeliest first.
    pub likeliest: Vec<(u32, f32)>,
}

/// A token that was drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// Which.
    pub token: u32,
    /// Where they were asked for.
    pub scores: Option<Scores>,
}

/// One stream's draws.
#[derive(Debug, Clone)]
pub struct Sampler {
    settings: Settings,
    /// How often each token was there; those of the prompt count for `repetition` only.
    prompt: HashMap<u32, u32>,
    generated: HashMap<u32, u32>,
    drawn: u64,
    tier: Tier,
    /// Chances of all tokens, the likeliest one's 1.
    chances: Vec<f32>,
    /// Sums of blocks of them.
    sums: Vec<f64>,
    /// What can be drawn, where something was left out.
    candidates: Vec<Candidate>,
}

impl Sampler {
    /// For a prompt.
    #[must_use]
    pub fn new(settings: Settings, prompt: &[u32]) -> Self {
        let mut counts = HashMap::new();
        if is_other(settings.repetition, 1.0) {
            for token in prompt {
                *counts.entry(*token).or_default() += 1;
            }
        }
        Self {
            settings,
            prompt: counts,
            generated: HashMap::new(),
            drawn: 0,
            tier: Tier::chosen().unwrap_or(Tier::Portable),
            chances: Vec::new(),
            sums: Vec::new(),
            candidates: Vec::new(),
        }
    }

    /// Draw. `logits` are changed. Values that are no numbers are never drawn; `None` where none is left.
    pub fn draw(&mut self, logits: &mut [f32]) -> Option<Drawn> {
        self.draw_among(logits, |_| {})
    }

    /// Draw among what `forbid` leaves: it may set logits to −∞. Scores are those before it did.
    pub fn draw_among(
        &mut self,
        logits: &mut [f32],
        forbid: impl FnOnce(&mut [f32]),
    ) -> Option<Drawn> {
        let (_, top) = largest(logits)?;
        if !top.is_finite() {
            return None;
        }
        let scoring = self.settings.scores.then(|| {
            let (all, sums) = (&mut self.chances, &mut self.sums);
            chances(self.tier, logits, (top, 1.0), all, sums);
            Scoring::of(logits, (all, sums), top, self.settings.likeliest)
        });
        // The token's own logit is looked at before anything is done to it.
        let given: Vec<(u32, f32)> = self.penalise(logits);
        forbid(logits);
        let (token, now) = self.choose_from(logits)?;
        if self.counts() {
            *self.generated.entry(token).or_default() += 1;
        }
        self.drawn += 1;
        let scores = scoring.map(|scoring| {
            let own = given.iter().find(|(id, _)| *id == token);
            Scores {
                logprob: own.map_or(now, |(_, logit)| *logit) - scoring.log_sum,
                certainty: scoring.certainty,
                likeliest: scoring.likeliest,
            }
        });
        Some(Drawn { token, scores })
    }

    /// Some penalty does something.
    fn counts(&self) -> bool {
        let Settings {
            repetition,
            frequency,
            presence,
            ..
        } = self.settings;
        is_other(repetition, 1.0) || is_other(frequency, 0.0) || is_other(presence, 0.0)
    }

    /// The token, and its logit as it is now.
    fn choose_from(&mut self, logits: &[f32]) -> Option<(u32, f32)> {
        let (likeliest, top) = largest(logits).filter(|(_, top)| top.is_finite())?;
        let Settings {
            temperature,
            top_p,
            top_k,
            min_p,
            ..
        } = self.settings;
        if temperature <= 0.0 || top_k == 1 {
            return Some((likeliest, top));
        }
        let scale = temperature.recip();
        if !scale.is_finite() {
            return Some((likeliest, top));
        }
        let chance = self.chance();
        let (all, sums) = (&mut self.chances, &mut self.sums);
        chances(self.tier, logits, (top, scale), all, sums);
        let mut whole: f64 = sums.iter().sum();
        let left = &mut self.candidates;
        let part = f64::from(top_p.clamp(0.0, 1.0));
        let many = if top_k > 0 || min_p > 0.0 {
            None
        } else if part >= 1.0 {
            Some(flat::all(all, sums))
        } else {
            flat::keep(all, (part, whole), sums, left)
        };
        let drawn = if let Some(many) = many {
            many.pick(chance)
        } else {
            if top_k > 0 {
                nucleus::candidates(all, 0.0, left);
                nucleus::keep_count(left, top_k);
                // What top-p is a part of is what top-k left.
                whole = left.iter().map(|(chance, _)| f64::from(*chance)).sum();
                left.retain(|(chance, _)| *chance >= min_p);
            } else {
                let floor = nucleus::floor_of_mass(part, whole, all.len());
                nucleus::candidates(all, min_p.max(floor), left);
            }
            if part < 1.0 {
                nucleus::keep_mass(left, part * whole);
            }
            let mass: f64 = left.iter().map(|(chance, _)| f64::from(*chance)).sum();
            pick(left.iter().copied(), chance * mass)
        };
        // Rounding may leave a crumb.
        let token = drawn.unwrap_or(likeliest);
        Some((token, *logits.get(token as usize)?))
    }

    /// Change the logits of tokens that were there; what they were before.
    fn penalise(&self, logits: &mut [f32]) -> Vec<(u32, f32)> {
        let mut before = Vec::new();
        if !self.counts() {
            return before;
        }
        let Settings {
            repetition,
            frequency,
            presence,
            ..
        } = self.settings;
        let said_only = self
            .generated
            .keys()
            .filter(|token| !self.prompt.contains_key(token));
        for token in self.prompt.keys().chain(said_only) {
            let Some(logit) = usize::try_from(*token)
                .ok()
                .and_then(|at| logits.get_mut(at))
            else {
                continue;
            };
            before.push((*token, *logit));
            *logit = if *logit > 0.0 {
                *logit / repetition
            } else {
                *logit * repetition
            };
            if let Some(count) = self.generated.get(token) {
                *logit -= frequency * *count as f32 + presence;
            }
        }
        before
    }

    /// In [0, 1): `SplitMix64` of the seed and the number of the token.
    fn chance(&self) -> f64 {
        let step = self
            .drawn
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut z = self.settings.seed.wrapping_mul(0xd134_2543_de82_ef95) ^ step;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The token at which so much mass is passed.
fn pick(candidates: impl Iterator<Item = Candidate>, mut mass: f64) -> Option<u32> {
    for (chance, id) in candidates {
        mass -= f64::from(chance);
        if mass < 0.0 {
            return Some(id);
        }
    }
    None
}

/// A setting that does something: it is not exactly the one that does nothing.
fn is_other(setting: f32, neutral: f32) -> bool {
    setting.to_bits() != neutral.to_bits()
}

/// The largest logit that is a number, and the first token that has it.
fn largest(logits: &[f32]) -> Option<(u32, f32)> {
    let (chunks, rest) = logits.as_chunks::<16>();
    let mut most = [f32::NEG_INFINITY; 16];
    for chunk in chunks {
        for (most, logit) in most.iter_mut().zip(chunk) {
            // False for what is no number.
            *most = if *logit > *most { *logit } else { *most };
        }
    }
    let most = most.iter().chain(rest).copied().fold(None, |most, logit| {
        let larger = most.is_none_or(|most: f32| logit > most);
        if larger && !logit.is_nan() {
            Some(logit)
        } else {
            most
        }
    })?;
    let first = logits.iter().position(|logit| *logit >= most)?;
    Some((u32::try_from(first).ok()?, most))
}

/// The mean of the logits that are numbers, and how many are.
fn mean_of_numbers(logits: &[f32]) -> (f64, usize) {
    // In single precision and sixteen lanes for each block; where one is no number, neither is the sum.
    let sum_of = |block: &[f32]| {
        let (chunks, rest) = block.as_chunks::<16>();
        let mut lanes = [0.0f32; 16];
        for chunk in chunks {
            for (lane, logit) in lanes.iter_mut().zip(chunk) {
                *lane += logit;
            }
        }
        f64::from(lanes.iter().chain(rest).sum::<f32>())
    };
    let sum: f64 = logits.chunks(BLOCK).map(sum_of).sum();
    if sum.is_finite() {
        return (sum / logits.len() as f64, logits.len());
    }
    let numbers = || logits.iter().filter(|logit| logit.is_finite());
    let (sum, count) = (
        numbers().map(|logit| f64::from(*logit)).sum::<f64>(),
        numbers().count(),
    );
    (sum / count as f64, count)
}

/// What all scores of one distribution have in common.
struct Scoring {
    /// Logarithm of the sum of exponentials.
    log_sum: f32,
    certainty: f32,
    likeliest: Vec<(u32, f32)>,
}

impl Scoring {
    /// KL(U ‖ p) = −ln V − mean ln p, over the tokens that have a number.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "sums are made in double precision"
    )]
    fn of(logits: &[f32], (chances, sums): (&[f32], &[f64]), top: f32, likeliest: usize) -> Self {
        let (mean, count) = mean_of_numbers(logits);
        let log_sum = f64::from(top) + sums.iter().sum::<f64>().ln();
        let mut best: Vec<Candidate> = Vec::new();
        if likeliest > 0 {
            nucleus::candidates(chances, 0.0, &mut best);
            nucleus::keep_count(&mut best, likeliest);
            for (chance, id) in &mut best {
                *chance = logits.get(*id as usize).copied().unwrap_or(*chance);
            }
            best.sort_unstable_by(likelier);
        }
        let log_sum_single = log_sum as f32;
        Self {
            log_sum: log_sum_single,
            certainty: (log_sum - mean - (count as f64).ln()) as f32,
            likeliest: best
                .into_iter()
                .map(|(logit, id)| (id, logit - log_sum_single))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
