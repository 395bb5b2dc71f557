//! What is drawn, and what is said of it.
#![expect(
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "numbers that the test itself makes"
)]

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
            scores: true,
            likeliest: 2,
            ..Settings::default()
        },
        &[2],
    );
    for _ in 0..20 {
        let drawn = sampler.draw(&mut logits.to_vec()).unwrap();
        let own = logits[drawn.token as usize] - log_sum;
        let scores = drawn.scores.unwrap();
        assert!((scores.logprob - own).abs() < 1e-5, "{scores:?}");
        let likeliest: Vec<u32> = scores.likeliest.iter().map(|(id, _)| *id).collect();
        assert_eq!(likeliest, [2, 1]);
        assert!((scores.likeliest[0].1 - (3.0 - log_sum)).abs() < 1e-5);
        // KL(U ‖ p) = −ln V − mean ln p.
        let kl = -(3.0f32.ln()) - logits.iter().map(|logit| logit - log_sum).sum::<f32>() / 3.0;
        assert!((scores.certainty - kl).abs() < 1e-5);
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

#[test]
fn penalties_turn_a_greedy_reply_away_from_what_it_said() {
    let logits = [1.0f32, 1.2, 1.1];
    let with = |change: fn(&mut Settings), prompt: &[u32]| {
        let mut settings = settings(0.0);
        change(&mut settings);
        let mut sampler = Sampler::new(settings, prompt);
        let mut next = || sampler.draw(&mut logits.to_vec()).unwrap().token;
        [next(), next(), next(), next()]
    };
    assert_eq!(with(|_| {}, &[]), [1, 1, 1, 1]);
    assert_eq!(with(|all| all.presence = 0.15, &[]), [1, 2, 1, 1]);
    assert_eq!(with(|all| all.frequency = 0.15, &[]), [1, 2, 1, 0]);
    // What the prompt holds counts for the repetition penalty only.
    assert_eq!(with(|all| all.presence = 0.15, &[1]), [1, 2, 1, 1]);
    assert_eq!(with(|all| all.repetition = 1.5, &[1])[0], 2);
}

#[test]
fn what_is_forbidden_is_not_drawn_and_changes_no_score() {
    let logits = [3.0f32, 2.0, 1.0];
    for temperature in [0.0, 1.0] {
        let mut sampler = Sampler::new(
            Settings {
                scores: true,
                ..settings(temperature)
            },
            &[],
        );
        let drawn = sampler
            .draw_among(&mut logits.to_vec(), |logits| {
                logits[0] = f32::NEG_INFINITY;
                logits[1] = f32::NEG_INFINITY;
            })
            .unwrap();
        assert_eq!(drawn.token, 2);
        let log_sum = logits.iter().map(|logit| logit.exp()).sum::<f32>().ln();
        assert!((drawn.scores.unwrap().logprob - (1.0 - log_sum)).abs() < 1e-5);
        let all = |logits: &mut [f32]| logits.fill(f32::NEG_INFINITY);
        assert!(sampler.draw_among(&mut logits.to_vec(), all).is_none());
    }
}
