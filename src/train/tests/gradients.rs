//! The gradient of the whole network, weight by weight, against differences of its loss; threads and packs change nothing.

use crate::engine::kernels::{Cpu, Options};
use crate::train::chance::Chance;
use crate::train::network::{Network, Pack};
use crate::train::rows::Row;
use crate::train::shape::{Layout, Shape};
use crate::train::trainer::{Settings, Trainer};

pub(in crate::train) fn cpu(threads: usize) -> Cpu {
    let mut options = Options::new().unwrap();
    options.threads = threads;
    Cpu::new(&options).unwrap()
}

pub(in crate::train) fn shape(head_dim: usize) -> Shape {
    Shape {
        vocab: 64,
        hidden: 32,
        layers: 2,
        heads: 2,
        kv_heads: 1,
        head_dim,
        intermediate: 48,
        context: 128,
        rope_theta: 1e4,
        rms_eps: 1e-5,
    }
}

/// Weights in which nothing is zero or one: biases and norms are drawn as well.
pub(in crate::train) fn drawn(layout: &Layout) -> Vec<f32> {
    let mut chance = Chance::new(9);
    let mut weights = layout.begin(7);
    for layer in &layout.layers {
        for at in [&layer.qkv_bias, &layer.attention_norm, &layer.ffn_norm] {
            for weight in &mut weights[at.clone()] {
                *weight += 0.3 * chance.normal();
            }
        }
    }
    for weight in &mut weights[layout.norm.clone()] {
        *weight += 0.3 * chance.normal();
    }
    for weight in &mut weights[layout.embedding.clone()] {
        *weight *= 4.0;
    }
    weights
}

pub(in crate::train) fn rows(lengths: &[usize]) -> Vec<Row> {
    let mut chance = Chance::new(3);
    lengths
        .iter()
        .map(|length| Row {
            tokens: (0..*length)
                .map(|_| u32::try_from(chance.below(64)).unwrap())
                .collect(),
            weights: (0..*length).map(|at| [0.0, 1.0, 0.25][at % 3]).collect(),
        })
        .collect()
}

fn pack(rows: &[Row]) -> Pack {
    let mut pack = Pack::default();
    for row in rows {
        pack.push(&row.tokens, &row.weights);
    }
    pack
}

#[test]
fn the_gradient_of_every_tensor_is_the_difference_of_the_loss() {
    for head_dim in [16, 64] {
        let layout = Layout::new(shape(head_dim));
        let weights = drawn(&layout);
        let pack = pack(&rows(&[37, 9]));
        let mut network = Network::new(&layout.shape, &cpu(1));
        let mut gradients = vec![0.0; layout.total];
        let outcome = network
            .learn(&layout, &weights, &pack, 1.0, &mut gradients)
            .unwrap();
        let again = network.evaluate(&layout, &weights, &pack).unwrap();
        assert_eq!(outcome, again);
        let mut chance = Chance::new(4);
        for tensor in layout.tensors() {
            // Along a random direction of this tensor alone, as far as single precision shows a difference well.
            let along: Vec<f32> = tensor.at.clone().map(|_| chance.normal()).collect();
            let step = 0.02 / (along.len() as f32).sqrt();
            let mut at = |step: f32| {
                let mut moved = weights.clone();
                for (weight, d) in moved[tensor.at.clone()].iter_mut().zip(&along) {
                    *weight += step * d;
                }
                network.evaluate(&layout, &moved, &pack).unwrap().loss
            };
            // Richardson: the error is of the fourth order.
            let near = (at(step) - at(-step)) / f64::from(2.0 * step);
            let far = (at(2.0 * step) - at(-2.0 * step)) / f64::from(4.0 * step);
            let expected = (4.0 * near - far) / 3.0;
            let own = gradients[tensor.at.clone()].iter().zip(&along);
            let found: f64 = own.map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
            let size: f64 = gradients[tensor.at.clone()]
                .iter()
                .map(|g| f64::from(*g) * f64::from(*g))
                .sum::<f64>()
                .sqrt();
            assert!(size > 0.0, "{} has no gradient", tensor.name);
            assert!(
                (found - expected).abs() < 5e-3 * size,
                "{} (heads of {head_dim}): {found} instead of {expected}, length {size}",
                tensor.name
            );
        }
    }
}

#[test]
fn a_masked_token_counts_for_nothing_and_weights_scale_what_counts() {
    let layout = Layout::new(shape(16));
    let weights = drawn(&layout);
    let mut network = Network::new(&layout.shape, &cpu(1));
    let mut learn = |rows: &[Row]| {
        let mut gradients = vec![0.0; layout.total];
        let pack = pack(rows);
        let outcome = network
            .learn(&layout, &weights, &pack, 1.0, &mut gradients)
            .unwrap();
        (outcome, gradients)
    };
    let mut row = rows(&[20]);
    row[0].weights = vec![0.0; 20];
    row[0].weights[5] = 1.0;
    let (one, of_one) = learn(&row);
    // What comes after the last target cannot matter, nor can a masked target.
    let mut other = row.clone();
    other[0].tokens[9] = (other[0].tokens[9] + 1) % 64;
    let (same, of_same) = learn(&other);
    assert_eq!((one.loss, one.tokens, one.turns), (same.loss, 1, 1));
    assert_eq!(of_one, of_same);
    let mut half = row.clone();
    half[0].weights[5] = 0.5;
    let (half, _) = learn(&half);
    assert!((2.0 * half.loss - one.loss).abs() < 1e-6 * one.loss);
    assert_eq!(half.tokens, 0, "only tokens of full weight are counted");
}

#[test]
fn packs_and_threads_change_no_more_than_the_order_of_sums() {
    let layout = Layout::new(shape(16));
    let rows = rows(&[30, 40, 11, 25]);
    let rows: Vec<&Row> = rows.iter().collect();
    let after = |threads: usize, pack: usize| {
        let settings = Settings {
            pack,
            warm_up: 1,
            ..Settings::default()
        };
        let mut trainer = Trainer::new(layout.clone(), settings, cpu(threads), 5);
        let stepped: Vec<f64> = (0..3)
            .map(|_| trainer.step(&rows, 0.0).unwrap().loss)
            .collect();
        (stepped, trainer.state[0].clone())
    };
    let (losses, weights) = after(1, 1);
    assert!(losses[2] < losses[0], "{losses:?}");
    for (threads, pack) in [(1, 1000), (2, 64), (3, 1)] {
        let (others, of_others) = after(threads, pack);
        for (a, b) in losses.iter().zip(&others) {
            assert!((a - b).abs() < 1e-3 * a, "{losses:?} and {others:?}");
        }
        let furthest = weights.iter().zip(&of_others);
        let furthest = furthest.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 2e-2, "{furthest} with {threads} threads");
        assert_eq!((others, of_others), after(threads, pack), "bit for bit");
    }
}
