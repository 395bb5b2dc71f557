//! From logits to a token.
//!
//! Mental model: penalties, temperature, then what is left out (top-k, top-p, min-p), then a draw. Each draw takes its
//! chance from the seed and the number of the token alone, so a stream draws the same whatever else is in its batch, and a
//! reply that is asked for again with the same seed is the same text, as long as the logits are (they are, bit for bit, on
//! one machine and tier). Ties go to the smaller id. Log-probabilities are those of the model itself: before penalties and
//! temperature.

use std::collections::HashMap;

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
        }
    }
}

/// A token that was drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    /// Which.
    pub token: u32,
    /// Natural logarithm of its probability under the model.
    pub logprob: f32,
    /// Kullback–Leibler divergence of the uniform distribution to the model's, in nats: what self-certainty (Kang et al.
    /// 2025) is the mean of.
    pub certainty: f32,
}

/// One stream's draws.
#[derive(Debug, Clone)]
pub struct Sampler {
    settings: Settings,
    /// How often each token was there; those of the prompt count for `repetition` only.
    prompt: HashMap<u32, u32>,
    generated: HashMap<u32, u32>,
    drawn: u64,
    order: Vec<(f32, u32)>,
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
            order: Vec::new(),
        }
    }

    /// Draw. `logits` are changed. Values that are no numbers are never drawn; `None` where none is left.
    pub fn draw(&mut self, logits: &mut [f32]) -> Option<Drawn> {
        let (log_sum, mean) = summary(logits)?;
        let (token, logit) = self.choose_from(logits)?;
        *self.generated.entry(token).or_default() += 1;
        self.drawn += 1;
        Some(Drawn {
            token,
            logprob: logit - log_sum,
            certainty: log_sum - mean - (logits.len() as f32).ln(),
        })
    }

    /// The token, and its logit as the model gave it.
    fn choose_from(&mut self, logits: &mut [f32]) -> Option<(u32, f32)> {
        let own = self.penalise(logits);
        let given = |token: u32, now: f32| own.get(&token).copied().unwrap_or(now);
        if self.settings.temperature <= 0.0 {
            let (token, logit) = largest(logits)?;
            return Some((token, given(token, logit)));
        }
        let chance = self.chance();
        self.order.clear();
        let numbers = (0u32..).zip(logits.iter().copied());
        self.order.extend(
            numbers
                .map(|(id, logit)| (logit, id))
                .filter(|(logit, _)| logit.is_finite()),
        );
        let likelier = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        let keep = match self.settings.top_k {
            0 => self.order.len(),
            most => most.min(self.order.len()),
        };
        if keep < self.order.len() {
            self.order
                .select_nth_unstable_by(keep.saturating_sub(1), likelier);
            self.order.truncate(keep.max(1));
        }
        self.order.sort_unstable_by(likelier);
        let (top, _) = *self.order.first()?;
        let temperature = self.settings.temperature;
        let weight = |logit: f32| f64::from((logit - top) / temperature).exp();
        let whole: f64 = self.order.iter().map(|(logit, _)| weight(*logit)).sum();
        let (mut mass, mut kept) = (0.0, 0);
        for (logit, _) in &self.order {
            let share = weight(*logit) / whole;
            if kept > 0
                && (mass >= f64::from(self.settings.top_p)
                    || weight(*logit) < f64::from(self.settings.min_p))
            {
                break;
            }
            mass += share;
            kept += 1;
        }
        let mut left = chance * mass;
        let mut chosen = *self.order.get(kept - 1)?;
        for (logit, id) in self.order.iter().take(kept) {
            left -= weight(*logit) / whole;
            if left < 0.0 {
                chosen = (*logit, *id);
                break;
            }
        }
        Some((chosen.1, given(chosen.1, chosen.0)))
    }

    /// Change the logits of tokens that were there; what they were before, by token.
    fn penalise(&self, logits: &mut [f32]) -> HashMap<u32, f32> {
        let Settings {
            repetition,
            frequency,
            presence,
            ..
        } = self.settings;
        let mut before = HashMap::new();
        if !is_other(repetition, 1.0) && !is_other(frequency, 0.0) && !is_other(presence, 0.0) {
            return before;
        }
        for token in self.prompt.keys().chain(self.generated.keys()) {
            let Some(logit) = usize::try_from(*token)
                .ok()
                .and_then(|at| logits.get_mut(at))
            else {
                continue;
            };
            if before.contains_key(token) {
                continue;
            }
            before.insert(*token, *logit);
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

/// Logarithm of the sum of exponentials, and the mean.
#[expect(
    clippy::cast_possible_truncation,
    reason = "sums are made in double precision"
)]
fn summary(logits: &[f32]) -> Option<(f32, f32)> {
    let (_, top) = largest(logits)?;
    if !top.is_finite() {
        return None;
    }
    let numbers = || logits.iter().filter(|logit| logit.is_finite());
    let sum: f64 = numbers().map(|logit| f64::from(logit - top).exp()).sum();
    let count = numbers().count();
    let mean = numbers().map(|logit| f64::from(*logit)).sum::<f64>() / count as f64;
    Some((top + sum.ln() as f32, mean as f32))
}

#[cfg(test)]
#[allow(
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::float_cmp
)]
mod tests {
    use super::*;

    fn settings(temperature: f32) -> Settings {
        Settings {
            temperature,
            ..Settings::default()
        }
    }

    fn draws(settings: Settings, logits: &[f32], count: usize) -> Vec<u32> {
        let mut sampler = Sampler::new(settings, &[]);
        (0..count)
            .map(|_| sampler.draw(&mut logits.to_vec()).unwrap().token)
            .collect()
    }

    #[test]
    fn greedy_takes_the_largest_and_the_first_of_equals() {
        assert_eq!(draws(settings(0.0), &[0.0, 3.0, 3.0, f32::NAN], 2), [1, 1]);
        assert!(
            Sampler::new(settings(1.0), &[])
                .draw(&mut [f32::NAN, f32::NAN])
                .is_none()
        );
    }

    #[test]
    fn log_probabilities_are_those_of_the_model_whatever_is_done_to_draw() {
        let logits = [1.0f32, 2.0, 3.0];
        let log_sum = logits.iter().map(|logit| logit.exp()).sum::<f32>().ln();
        let mut sampler = Sampler::new(
            Settings {
                temperature: 0.3,
                repetition: 1.7,
                presence: 0.5,
                ..Settings::default()
            },
            &[2],
        );
        for _ in 0..20 {
            let drawn = sampler.draw(&mut logits.to_vec()).unwrap();
            let own = logits[drawn.token as usize] - log_sum;
            assert!((drawn.logprob - own).abs() < 1e-5, "{drawn:?}");
            // KL(U ‖ p) = −ln V − mean ln p.
            let kl = -(3.0f32.ln()) - logits.iter().map(|logit| logit - log_sum).sum::<f32>() / 3.0;
            assert!((drawn.certainty - kl).abs() < 1e-5);
        }
    }

    #[test]
    fn shares_come_out_as_the_temperature_says() {
        let logits = [0.0f32, 1.0];
        for temperature in [0.5f32, 1.0, 2.0] {
            let drawn = draws(settings(temperature), &logits, 20_000);
            let share = drawn.iter().filter(|token| **token == 1).count() as f64 / 20_000.0;
            let expected = 1.0 / (1.0 + f64::from(-1.0 / temperature).exp());
            assert!(
                (share - expected).abs() < 0.015,
                "{temperature}: {share} {expected}"
            );
        }
    }

    #[test]
    fn what_is_left_out_is_never_drawn() {
        let logits: Vec<f32> = (0..10).map(|id| id as f32).collect();
        let with = |change: fn(&mut Settings)| {
            let mut settings = settings(5.0);
            change(&mut settings);
            let mut drawn = draws(settings, &logits, 500);
            drawn.sort_unstable();
            drawn.dedup();
            drawn
        };
        assert_eq!(with(|settings| settings.top_k = 3), [7, 8, 9]);
        assert_eq!(with(|settings| settings.top_k = 1), [9]);
        assert_eq!(with(|settings| settings.top_p = 0.01), [9]);
        // exp(−1/5) = 0.82 ≥ 0.8, exp(−2/5) = 0.67 < 0.8.
        assert_eq!(with(|settings| settings.min_p = 0.8), [8, 9]);
        assert_eq!(with(|_| {}).len(), 10);
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_does_not() {
        let logits: Vec<f32> = (0..50).map(|id| (id % 7) as f32).collect();
        let with = |seed| {
            draws(
                Settings {
                    seed,
                    ..settings(1.0)
                },
                &logits,
                40,
            )
        };
        assert_eq!(with(7), with(7));
        assert_ne!(with(7), with(8));
    }
}
