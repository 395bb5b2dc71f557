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
//! they take a pass over the vocabulary. Nothing here sorts more of it than a draw needs.

use std::cmp::Ordering;
use std::collections::HashMap;

/// Candidates that are put in order at first; four times as many each time that they do not reach `top_p`.
const FIRST: usize = 128;

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
    /// Logits and ids of what can still be drawn.
    candidates: Vec<(f32, u32)>,
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
        let scoring = self
            .settings
            .scores
            .then(|| Scoring::of(logits, top, self.settings.likeliest));
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
        let chance = self.chance();
        let candidates = &mut self.candidates;
        candidates.clear();
        let numbers = (0u32..).zip(logits.iter().copied());
        candidates.extend(
            numbers
                .filter(|(_, logit)| logit.is_finite())
                .map(|(id, logit)| (logit, id)),
        );
        if top_k > 0 && top_k < candidates.len() {
            candidates.select_nth_unstable_by(top_k - 1, likelier);
            candidates.truncate(top_k);
        }
        let weight = |logit: f32| f64::from(((logit - top) / temperature).exp());
        let whole: f64 = candidates.iter().map(|(logit, _)| weight(*logit)).sum();
        if min_p > 0.0 {
            candidates.retain(|(logit, _)| weight(*logit) >= f64::from(min_p));
        }
        if top_p < 1.0 {
            keep_mass(candidates, f64::from(top_p) * whole, weight);
        }
        // In the order of their ids: what the draw does not depend on need not be sorted.
        candidates.sort_unstable_by_key(|(_, id)| *id);
        let mass: f64 = candidates.iter().map(|(logit, _)| weight(*logit)).sum();
        let mut left = chance * mass;
        for (logit, id) in candidates.iter() {
            left -= weight(*logit);
            if left < 0.0 {
                return Some((*id, *logit));
            }
        }
        // Rounding may leave a crumb.
        Some((likeliest, top))
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

/// Likelier ones first, smaller ids first among equals.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "sorting calls it so")]
fn likelier(a: &(f32, u32), b: &(f32, u32)) -> Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// Keep the likeliest candidates up to a mass, at least one. Only as many as that takes are put in order.
fn keep_mass(candidates: &mut Vec<(f32, u32)>, wanted: f64, weight: impl Fn(f32) -> f64) {
    let (mut kept, mut mass, mut size) = (0, 0.0, FIRST);
    while kept < candidates.len() {
        let Some(rest) = candidates.get_mut(kept..) else {
            break;
        };
        if size < rest.len() {
            rest.select_nth_unstable_by(size - 1, likelier);
        }
        let end = size.min(rest.len());
        let Some(next) = rest.get_mut(..end) else {
            break;
        };
        next.sort_unstable_by(likelier);
        for (logit, _) in next.iter() {
            if kept > 0 && mass >= wanted {
                candidates.truncate(kept);
                return;
            }
            mass += weight(*logit);
            kept += 1;
        }
        size *= 4;
    }
}

/// A setting that does something: it is not exactly the one that does nothing.
fn is_other(setting: f32, neutral: f32) -> bool {
    setting.to_bits() != neutral.to_bits()
}

fn largest(logits: &[f32]) -> Option<(u32, f32)> {
    let mut best: Option<(u32, f32)> = None;
    for (id, logit) in (0u32..).zip(logits) {
        if !logit.is_nan() && best.is_none_or(|(_, most)| *logit > most) {
            best = Some((id, *logit));
        }
    }
    best
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
    fn of(logits: &[f32], top: f32, likeliest: usize) -> Self {
        let numbers = || logits.iter().filter(|logit| logit.is_finite());
        let sum: f64 = numbers().map(|logit| f64::from(logit - top).exp()).sum();
        let count = numbers().count() as f64;
        let mean = numbers().map(|logit| f64::from(*logit)).sum::<f64>() / count;
        let log_sum = f64::from(top) + sum.ln();
        let mut best: Vec<(f32, u32)> = Vec::new();
        if likeliest > 0 {
            best = (0u32..)
                .zip(logits)
                .filter(|(_, logit)| logit.is_finite())
                .map(|(id, logit)| (*logit, id))
                .collect();
            if likeliest < best.len() {
                best.select_nth_unstable_by(likeliest - 1, likelier);
                best.truncate(likeliest);
            }
            best.sort_unstable_by(likelier);
        }
        let log_sum_single = log_sum as f32;
        Self {
            log_sum: log_sum_single,
            certainty: (log_sum - mean - count.ln()) as f32,
            likeliest: best
                .into_iter()
                .map(|(logit, id)| (id, logit - log_sum_single))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
