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
//! ([`nucleus`]): of 150,000 tokens it must cost little beside the step that computed their logits.

mod nucleus;

use std::collections::HashMap;

use super::kernels::{Tier, chances};
use nucleus::{Cut, likelier};

/// Tokens of which one sum is kept on the way to a draw.
const BLOCK: u32 = 512;

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
    blocks: Vec<f64>,
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
            blocks: Vec::new(),
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
            chances(self.tier, logits, top, 1.0, &mut self.chances);
            Scoring::of(logits, &self.chances, top, self.settings.likeliest)
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
        let all = &mut self.chances;
        chances(self.tier, logits, top, scale, all);
        let mut cut = Cut::NONE;
        if top_k > 0 && top_k < all.len() {
            cut = nucleus::of_count(all, top_k);
        }
        // What top-p is a part of is what top-k left.
        let whole = (top_p < 1.0).then(|| masses(all, cut, &mut self.blocks));
        cut = cut.and_at_least(min_p);
        if let Some(whole) = whole {
            cut = nucleus::of_mass(all, cut, whole, f64::from(top_p.max(0.0)));
        }
        let mut left = chance * masses(all, cut, &mut self.blocks);
        let mut block = 0;
        for mass in &self.blocks {
            if left < *mass {
                break;
            }
            left -= mass;
            block += 1;
        }
        let first: u32 = block * BLOCK;
        let rest = all.get(first as usize..).unwrap_or_default();
        for (id, weight) in (first..).zip(rest) {
            if cut.keeps(id, *weight) {
                left -= f64::from(*weight);
                if left < 0.0 {
                    return Some((id, *logits.get(id as usize)?));
                }
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

/// The mass of what a cut keeps, and in `blocks` that of each [`BLOCK`] of tokens.
fn masses(chances: &[f32], cut: Cut, blocks: &mut Vec<f64>) -> f64 {
    blocks.clear();
    for (number, block) in (0u32..).zip(chances.chunks(BLOCK as usize)) {
        let first = number * BLOCK;
        // Eight sums, so that additions do not wait for each other.
        let mut sums = [0.0f64; 8];
        let (eights, rest) = block.as_chunks::<8>();
        let kept = |id: u32, chance: f32| {
            let chance = if cut.keeps(id, chance) { chance } else { 0.0 };
            f64::from(chance)
        };
        let mut id = first;
        for eight in eights {
            for ((at, chance), sum) in (0u32..).zip(eight).zip(&mut sums) {
                *sum += kept(id + at, *chance);
            }
            id += 8;
        }
        for ((id, chance), sum) in (id..).zip(rest).zip(&mut sums) {
            *sum += kept(id, *chance);
        }
        blocks.push(sums.iter().sum());
    }
    blocks.iter().sum()
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
    fn of(logits: &[f32], chances: &[f32], top: f32, likeliest: usize) -> Self {
        let sum = masses(chances, Cut::NONE, &mut Vec::new());
        // Eight sums again.
        let (mut sums, mut counts) = ([0.0f64; 8], [0u32; 8]);
        for eight in logits.chunks(8) {
            for ((logit, sum), count) in eight.iter().zip(&mut sums).zip(&mut counts) {
                if logit.is_finite() {
                    *sum += f64::from(*logit);
                    *count += 1;
                }
            }
        }
        let count = f64::from(counts.iter().sum::<u32>());
        let mean = sums.iter().sum::<f64>() / count;
        let log_sum = f64::from(top) + sum.ln();
        let mut best: Vec<(f32, u32)> = Vec::new();
        if likeliest > 0 {
            let cut = nucleus::of_count(chances, likeliest);
            let all = (0u32..).zip(chances).zip(logits);
            let kept = all.filter(|((id, chance), _)| cut.keeps(*id, **chance));
            best = kept.map(|((id, _), logit)| (*logit, id)).collect();
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
