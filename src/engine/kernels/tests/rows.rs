//! Norm, softmax, gate, rotary embedding.

use super::super::Rotary;
use super::{Numbers, bits, cpu, tiers, worst};

#[test]
fn rms_norm_matches_its_formula_for_any_width_and_any_company() {
    let mut numbers = Numbers::new(11);
    for tier in tiers() {
        let cpu = cpu(tier, 2);
        for (m, d) in [(1, 1), (3, 17), (2, 64), (50, 896), (4, 100)] {
            let (x, w) = (numbers.normals(m * d), numbers.normals(d));
            let mut out = vec![0.0; m * d];
            cpu.rms_norm(&x, &w, 1e-6, &mut out).unwrap();
            let mut plain = Vec::new();
            for x in x.chunks(d) {
                let mean = x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / d as f64;
                plain.extend(
                    x.iter()
                        .zip(&w)
                        .map(|(x, w)| f64::from(*x) * f64::from(*w) / (mean + 1e-6).sqrt()),
                );
            }
            assert!(worst(&out, &plain) < 1e-5, "{tier:?} {m} {d}");
            let mut alone = vec![0.0; d];
            cpu.rms_norm(&x[(m - 1) * d..], &w, 1e-6, &mut alone)
                .unwrap();
            assert_eq!(bits(&alone), bits(&out[(m - 1) * d..]));
        }
    }
}

#[test]
fn softmax_matches_its_formula_and_gives_nothing_to_minus_infinity() {
    let mut numbers = Numbers::new(12);
    for tier in tiers() {
        let cpu = cpu(tier, 2);
        for (m, d) in [(1, 1), (3, 17), (2, 64), (300, 100)] {
            let mut x: Vec<f32> = numbers.normals(m * d).iter().map(|v| 8.0 * v).collect();
            if d > 1 {
                x[1] = f32::NEG_INFINITY;
            }
            let mut plain = Vec::new();
            for x in x.chunks(d) {
                let most = x.iter().fold(f32::NEG_INFINITY, |m, v| m.max(*v));
                let e: Vec<f64> = x.iter().map(|v| f64::from(v - most).exp()).collect();
                let sum: f64 = e.iter().sum();
                plain.extend(e.iter().map(|e| e / sum));
            }
            cpu.softmax(&mut x, d).unwrap();
            assert!(worst(&x, &plain) < 1e-5, "{tier:?} {m} {d}");
            if d > 1 {
                assert_eq!(x[1].to_bits(), 0);
            }
        }
    }
}

#[test]
fn the_gate_matches_its_formula_from_end_to_end_of_the_range() {
    let mut numbers = Numbers::new(13);
    for tier in tiers() {
        let cpu = cpu(tier, 2);
        for n in [2, 15, 16, 100, 40_000] {
            let mut gate: Vec<f32> = numbers.normals(n).iter().map(|v| 4.0 * v).collect();
            gate[0] = -1000.0;
            let up = numbers.normals(n);
            let plain: Vec<f64> = gate
                .iter()
                .zip(&up)
                .map(|(g, u)| f64::from(*g) / (1.0 + (-f64::from(*g)).exp()) * f64::from(*u))
                .collect();
            cpu.silu_mul(&mut gate, &up).unwrap();
            assert!(worst(&gate, &plain) < 1e-5, "{tier:?} {n}");
        }
    }
}

#[test]
fn the_exponential_is_within_a_few_units_of_the_last_place() {
    // Through softmax of pairs (0, −x): e^−x / (1 + e^−x).
    for tier in tiers() {
        let cpu = cpu(tier, 1);
        for i in 0..8700 {
            let x = i as f32 / 100.0;
            let mut pair = [0.0, -x];
            cpu.softmax(&mut pair, 2).unwrap();
            let e = (-f64::from(x)).exp();
            let relative = (f64::from(pair[1]) / (e / (1.0 + e)) - 1.0).abs();
            assert!(relative < 5e-7, "{tier:?} e^-{x}: {relative}");
        }
    }
}

#[test]
fn a_row_with_nan_ends_and_says_so() {
    for tier in tiers() {
        let cpu = cpu(tier, 1);
        let mut x = vec![1.0; 40];
        x[20] = f32::NAN;
        let mut out = vec![0.0; 40];
        cpu.rms_norm(&x, &[1.0; 40], 1e-6, &mut out).unwrap();
        assert!(out.iter().all(|v| v.is_nan()));
        cpu.softmax(&mut x, 40).unwrap();
        assert!(x.iter().all(|v| v.is_nan()), "{tier:?}");
    }
}

#[test]
fn rotation_turns_pairs_of_the_two_halves() {
    let mut numbers = Numbers::new(14);
    let rotary = Rotary::new(64, 1e6, 4096);
    for tier in tiers() {
        let cpu = cpu(tier, 1);
        let positions = [0, 7, 4095];
        let x = numbers.normals(3 * 2 * 64);
        let mut out = x.clone();
        cpu.rotate(&rotary, &mut out, &positions).unwrap();
        for (row, position) in positions.iter().enumerate() {
            for head in 0..2 {
                let at = (row * 2 + head) * 64;
                for i in 0..32 {
                    let inverse = 1e6_f32.powf(2.0 * i as f32 / 64.0).recip();
                    let angle = f64::from(*position as f32 * inverse);
                    let (a, b) = (f64::from(x[at + i]), f64::from(x[at + i + 32]));
                    let (c, d) = (
                        a * angle.cos() - b * angle.sin(),
                        b * angle.cos() + a * angle.sin(),
                    );
                    assert!((f64::from(out[at + i]) - c).abs() < 1e-6, "{tier:?}");
                    assert!((f64::from(out[at + i + 32]) - d).abs() < 1e-6, "{tier:?}");
                }
            }
        }
        assert_eq!(
            bits(&out[..128]),
            bits(&x[..128]),
            "position 0 changes nothing"
        );
        assert!(cpu.rotate(&rotary, &mut out, &[0, 1, 4096]).is_err());
        assert!(cpu.rotate(&rotary, &mut out, &[0, 1, 2, 3, 4]).is_err());
    }
}
