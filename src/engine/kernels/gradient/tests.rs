//! Every operator, on every tier of this machine, against plain arithmetic in double precision; every gradient against
//! differences of that arithmetic.

use std::time::Duration;

use super::super::tests::Numbers;
use super::super::{Cpu, Options, Rotary, Tier};
use super::{AdamW, Causal, Core, Direction, Matrix};

fn cores() -> Vec<(Tier, Core)> {
    [Tier::Avx512Vnni, Tier::Avx2, Tier::Portable]
        .into_iter()
        .filter(|tier| tier.is_available())
        .map(|tier| {
            let options = Options {
                threads: 1,
                spin: Duration::ZERO,
                tier,
                on_start: None,
            };
            (tier, Cpu::new(&options).unwrap().core())
        })
        .collect()
}

/// Of a function of several numbers, by central differences.
fn slopes(at: &[f32], function: &dyn Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut x: Vec<f64> = at.iter().map(|v| f64::from(*v)).collect();
    (0..x.len())
        .map(|i| {
            let (own, step) = (x[i], 1e-5);
            x[i] = own + step;
            let above = function(&x);
            x[i] = own - step;
            let below = function(&x);
            x[i] = own;
            (above - below) / (2.0 * step)
        })
        .collect()
}

fn dot(a: &[f64], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * f64::from(*b)).sum()
}

#[track_caller]
fn close(what: &str, tier: Tier, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().map(|v| v.abs()).fold(1e-3, f64::max);
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(*found) - expected).abs() / scale;
        assert!(
            difference < 2e-5,
            "{what} on {tier:?}, number {i}: {found} instead of {expected}"
        );
    }
}

#[test]
fn products_are_those_of_the_definition_whichever_way_a_matrix_lies() {
    for (tier, mut core) in cores() {
        let mut numbers = Numbers::new(1);
        for (m, n, k) in [
            (1, 1, 1),
            (12, 32, 16),
            (13, 33, 17),
            (2, 34, 600),
            (26, 70, 31),
        ] {
            let (a, b) = (numbers.normals(m * k), numbers.normals(k * n));
            let before = numbers.normals(m * n);
            let turn = |x: &[f32], columns: usize| -> Vec<f32> {
                let rows = x.len() / columns;
                (0..x.len())
                    .map(|i| x[i % rows * columns + i / rows])
                    .collect()
            };
            let mut expected: Vec<f64> = vec![0.0; m * n];
            for i in 0..m * k {
                for j in 0..n {
                    expected[i / k * n + j] += f64::from(a[i]) * f64::from(b[i % k * n + j]);
                }
            }
            let sum: Vec<f64> = expected
                .iter()
                .zip(&before)
                .map(|(a, b)| a + f64::from(*b))
                .collect();
            let (turned_a, turned_b) = (turn(&a, k), turn(&b, n));
            for a in [Matrix::new(&a, k), Matrix::new(&turned_a, m).turned()] {
                for b in [Matrix::new(&b, n), Matrix::new(&turned_b, k).turned()] {
                    let mut c = before.clone();
                    core.product(a, b, &mut c, false).unwrap();
                    close("a product", tier, &c, &expected);
                    c.clone_from(&before);
                    core.product(a, b, &mut c, true).unwrap();
                    close("a sum with a product", tier, &c, &sum);
                }
            }
        }
        let (a, b) = (numbers.normals(6), numbers.normals(8));
        let mut c = vec![0.0; 8];
        let refused = core.product(Matrix::new(&a, 3), Matrix::new(&b, 4), &mut c, false);
        assert!(refused.is_err(), "3 columns and 2 rows do not fit");
    }
}

fn norm(x: &[f64], weight: &[f64], eps: f64) -> Vec<f64> {
    let d = weight.len();
    x.chunks(d)
        .flat_map(|x| {
            let mean = x.iter().map(|v| v * v).sum::<f64>() / d as f64;
            let inverse = (mean + eps).sqrt().recip();
            x.iter().zip(weight).map(move |(x, w)| x * w * inverse)
        })
        .collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|v| f64::from(*v)).collect()
}

#[test]
fn a_norms_gradients_are_the_differences_of_the_norm() {
    for (tier, mut core) in cores() {
        let mut numbers = Numbers::new(2);
        let (x, weight, d_out) = (
            numbers.normals(3 * 48),
            numbers.normals(48),
            numbers.normals(3 * 48),
        );
        let (mut out, mut inverse) = (vec![0.0; 3 * 48], vec![0.0; 3]);
        core.norm(&x, &weight, 1e-2, &mut out, &mut inverse)
            .unwrap();
        let eps = f64::from(1e-2_f32);
        close("a norm", tier, &out, &norm(&wide(&x), &wide(&weight), eps));
        let (mut d_x, mut d_weight) = (vec![1.0; 3 * 48], vec![2.0; 48]);
        core.norm_backward((&x, &weight, &inverse), &d_out, &mut d_x, &mut d_weight)
            .unwrap();
        let of_x = slopes(&x, &|x| dot(&norm(x, &wide(&weight), eps), &d_out));
        let of_weight = slopes(&weight, &|w| dot(&norm(&wide(&x), w, eps), &d_out));
        let more = |x: Vec<f64>, by: f64| x.iter().map(|v| v + by).collect::<Vec<_>>();
        close("a norm's dx", tier, &d_x, &more(of_x, 1.0));
        close("a norm's dw", tier, &d_weight, &more(of_weight, 2.0));
    }
}

#[test]
fn a_gates_gradients_are_the_differences_of_the_gate() {
    let gate = |x: &[f64]| -> Vec<f64> {
        x.chunks(64)
            .flat_map(|row| (0..32).map(|i| row[i] / (1.0 + (-row[i]).exp()) * row[32 + i]))
            .collect()
    };
    for (tier, mut core) in cores() {
        let mut numbers = Numbers::new(3);
        let (mut x, d_out) = (numbers.normals(3 * 64), numbers.normals(3 * 32));
        let mut out = vec![0.0; 3 * 32];
        core.gate(&x, 32, &mut out).unwrap();
        close("a gate", tier, &out, &gate(&wide(&x)));
        let expected = slopes(&x, &|x| dot(&gate(x), &d_out));
        core.gate_backward(&mut x, 32, &d_out).unwrap();
        close("a gate's gradient", tier, &x, &expected);
    }
}

#[test]
fn turning_gradients_back_undoes_the_turn_and_leaves_other_heads_alone() {
    for (tier, mut core) in cores() {
        for head in [16, 32, 64] {
            let mut numbers = Numbers::new(4);
            let rotary = Rotary::new(head, 1e4, 5);
            let x = numbers.normals(5 * 3 * head);
            let mut y = x.clone();
            core.turn(&rotary, &mut y, (3 * head, 2), Direction::Forward)
                .unwrap();
            let half = head / 2;
            let mut expected = wide(&x);
            for (position, row) in expected.chunks_mut(3 * head).enumerate() {
                for own in row.chunks_mut(head).take(2) {
                    for i in 0..half {
                        let angle = position as f64 / 1e4_f64.powf(i as f64 / half as f64);
                        let (a, b) = (own[i], own[half + i]);
                        own[i] = a * angle.cos() - b * angle.sin();
                        own[half + i] = b * angle.cos() + a * angle.sin();
                    }
                }
            }
            close("a turn", tier, &y, &expected);
            core.turn(&rotary, &mut y, (3 * head, 2), Direction::Backward)
                .unwrap();
            close("a turn and back", tier, &y, &wide(&x));
        }
    }
}

/// Softmax attention by its definition.
fn attention(shape: Causal, qkv: &[f64]) -> Vec<f64> {
    let (d, stride) = (shape.head_dim, shape.width());
    let tokens = qkv.len() / stride;
    let mut out = vec![0.0; tokens * shape.heads * d];
    for head in 0..shape.heads {
        let own = head / (shape.heads / shape.kv_heads);
        let row = |token: usize, head: usize| &qkv[token * stride + head * d..][..d];
        for query in 0..tokens {
            let weights: Vec<f64> = (0..=query)
                .map(|key| {
                    let pairs = row(query, head).iter().zip(row(key, shape.heads + own));
                    let score: f64 = pairs.map(|(a, b)| a * b).sum();
                    (score / (d as f64).sqrt()).exp()
                })
                .collect();
            let sum: f64 = weights.iter().sum();
            for (key, weight) in weights.iter().enumerate() {
                let value = row(key, shape.heads + shape.kv_heads + own);
                let to = &mut out[(query * shape.heads + head) * d..][..d];
                for (to, v) in to.iter_mut().zip(value) {
                    *to += weight / sum * v;
                }
            }
        }
    }
    out
}

#[test]
fn attentions_gradients_are_the_differences_of_attention() {
    let mut cores = cores();
    for (heads, kv_heads, head_dim, tokens) in
        [(1, 1, 16, 1), (2, 1, 16, 7), (1, 1, 64, 9), (2, 2, 32, 5)]
    {
        let shape = Causal {
            heads,
            kv_heads,
            head_dim,
        };
        let mut numbers = Numbers::new(5);
        let qkv = numbers.normals(tokens * shape.width());
        let d_out = numbers.normals(tokens * heads * head_dim);
        let expected = slopes(&qkv, &|qkv| dot(&attention(shape, qkv), &d_out));
        for (tier, core) in &mut cores {
            let mut out = vec![f32::NAN; d_out.len()];
            let mut sums = vec![f32::NAN; heads * tokens];
            core.attend(shape, &qkv, &mut out, &mut sums).unwrap();
            close("attention", *tier, &out, &attention(shape, &wide(&qkv)));
            let mut d_qkv = vec![f32::NAN; qkv.len()];
            core.attend_backward(shape, &qkv, (&out, &d_out), &sums, &mut d_qkv)
                .unwrap();
            close("attention's gradient", *tier, &d_qkv, &expected);
        }
    }
}

#[test]
fn long_attention_is_that_of_the_definition_and_its_room_remembers_nothing() {
    let mut cores = cores();
    for (heads, kv_heads, head_dim, tokens) in [
        (2, 1, 32, 130),
        (4, 2, 16, 33),
        (1, 1, 64, 64),
        (2, 1, 32, 97),
    ] {
        let shape = Causal {
            heads,
            kv_heads,
            head_dim,
        };
        let mut numbers = Numbers::new(6);
        let qkv = numbers.normals(tokens * shape.width());
        let d_out = numbers.normals(tokens * heads * head_dim);
        let plain = attention(shape, &wide(&qkv));
        // One direction for each of q, k and v of each head instead of all numbers.
        let parts = heads + 2 * kv_heads;
        let along = numbers.normals(qkv.len());
        let along = |part: usize| -> Vec<f32> {
            let of_part = |at: usize| at % shape.width() / head_dim == part;
            let own = along.iter().enumerate();
            own.map(|(at, d)| if of_part(at) { *d } else { 0.0 })
                .collect()
        };
        let at = |part: usize, step: f64| {
            let pairs = qkv.iter().zip(along(part));
            let moved: Vec<f64> = pairs
                .map(|(x, d)| f64::from(*x) + step * f64::from(d))
                .collect();
            dot(&attention(shape, &moved), &d_out)
        };
        let expected: Vec<f64> = (0..parts)
            .map(|part| (at(part, 1e-5) - at(part, -1e-5)) / 2e-5)
            .collect();
        for (tier, core) in &mut cores {
            let mut out = vec![f32::NAN; d_out.len()];
            let mut sums = vec![f32::NAN; heads * tokens];
            core.attend(shape, &qkv, &mut out, &mut sums).unwrap();
            close("attention", *tier, &out, &plain);
            let mut d_qkv = vec![f32::NAN; qkv.len()];
            core.attend_backward(shape, &qkv, (&out, &d_out), &sums, &mut d_qkv)
                .unwrap();
            for (part, expected) in expected.iter().enumerate() {
                let found = dot(&wide(&d_qkv), &along(part));
                assert!(
                    (found - expected).abs() < 1e-4 * expected.abs().max(1.0),
                    "part {part} of {tokens} tokens on {tier:?}: {found} instead of {expected}"
                );
            }
        }
    }
}

#[test]
fn a_losss_gradient_is_the_difference_of_the_loss_and_weighs_each_row() {
    let targets = [3_u32, 0, 47];
    let weights = [0.5_f32, 0.0, 2.0];
    let loss = |x: &[f64]| -> f64 {
        let rows = x.chunks(48).zip(targets).zip(weights);
        rows.map(|((row, target), weight)| {
            let sum: f64 = row.iter().map(|v| v.exp()).sum();
            f64::from(weight) * (sum.ln() - row[target as usize])
        })
        .sum()
    };
    for (tier, mut core) in cores() {
        let mut logits: Vec<f32> = Numbers::new(7).normals(3 * 48);
        let expected = slopes(&logits, &loss);
        let value = loss(&wide(&logits));
        let found = core.cross_entropy(&mut logits, &targets, &weights).unwrap();
        assert!((found - value).abs() < 1e-5, "{found} instead of {value}");
        close("a loss's gradient", tier, &logits, &expected);
        let refused = core.cross_entropy(&mut logits, &[3, 48, 0], &weights);
        assert!(refused.is_err(), "token 48 is beyond the vocabulary");
    }
}

#[test]
fn an_update_is_that_of_the_formula() {
    for (tier, mut core) in cores() {
        let mut numbers = Numbers::new(8);
        let [weights, gradients, means] = [0, 1, 2].map(|_| numbers.normals(37));
        let squares: Vec<f32> = numbers.normals(37).iter().map(|v| v * v).collect();
        let rule = AdamW {
            rate: 0.01,
            betas: [0.9, 0.95],
            eps: 1e-8,
            decay: 0.1,
            corrections: [0.19, 0.0975],
            scale: 0.5,
        };
        let mut expected = Vec::new();
        for i in 0..37 {
            let [w, g, m, v] = [weights[i], gradients[i], means[i], squares[i]].map(f64::from);
            let g = 0.5 * g;
            let (m, v) = (0.9 * m + 0.1 * g, 0.95 * v + 0.05 * g * g);
            expected.push(w - 0.01 * (m / 0.19 / ((v / 0.0975).sqrt() + 1e-8) + 0.1 * w));
        }
        let (mut found, mut means, mut squares) = (weights, means, squares);
        core.adam_w(rule, &mut found, (&mut means, &mut squares), &gradients)
            .unwrap();
        close("an update", tier, &found, &expected);
        let length: f64 = wide(&gradients).iter().map(|v| v * v).sum();
        assert!((core.squares(&gradients) - length).abs() < 1e-5 * length);
        let mut sums = vec![1.0; 16];
        core.add_columns(&gradients[..32], &mut sums).unwrap();
        assert!((sums[3] - 1.0 - gradients[3] - gradients[19]).abs() < 1e-6);
    }
}
