//! Products with packed weights.

use super::super::{Cpu, Format, Keep, Linear, Packed, Scratch, Tier};
use super::{Numbers, bits, cpu, tiers, worst};

/// Kinds of weights: the file's format and the form to keep.
const KINDS: [(Format, Keep); 6] = [
    (Format::Q8_0, Keep::Stored),
    (Format::Q4_0, Keep::Stored),
    (Format::Q4_K, Keep::Stored),
    (Format::F32, Keep::F32),
    (Format::BF16, Keep::BF16),
    (Format::Q6_K, Keep::Stored),
];

fn columns_for(format: Format, numbers: &mut Numbers) -> usize {
    match format {
        Format::F32 | Format::BF16 => 1 + numbers.below(90),
        _ => format.block_len() * (1 + numbers.below(if format.block_len() == 32 { 9 } else { 3 })),
    }
}

fn plain(w: &Packed, x: &[f32], bias: Option<&[f32]>) -> Vec<f64> {
    let (n, k) = (w.rows(), w.columns());
    let mut rows = vec![0.0; n * k];
    for (r, row) in rows.chunks_mut(k).enumerate() {
        w.row(r, row).unwrap();
    }
    let mut out = Vec::new();
    for x in x.chunks(k) {
        for (r, row) in rows.chunks(k).enumerate() {
            let sum: f64 = row
                .iter()
                .zip(x)
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum();
            out.push(sum + bias.map_or(0.0, |b| f64::from(b[r])));
        }
    }
    out
}

/// What quantised activations look like: rounded per 32 or 256.
fn rounded(x: &[f32], k: usize, block: usize) -> Vec<f32> {
    let mut out = Vec::new();
    for row in x.chunks(k) {
        for part in row.chunks(block) {
            let most = part.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            let d = most / 127.0;
            out.extend(part.iter().map(|v| {
                if d > 0.0 {
                    (v * (127.0 / most)).round_ties_even() * d
                } else {
                    0.0
                }
            }));
        }
    }
    out
}

fn multiply(
    cpu: &Cpu,
    w: &Packed,
    x: &[f32],
    bias: Option<&[f32]>,
    scratch: &mut Scratch,
) -> Vec<f32> {
    let m = x.len() / w.columns();
    let mut out = vec![f32::NAN; m * w.rows()];
    cpu.matmul(Linear { weight: w, bias }, x, &mut out, scratch)
        .unwrap();
    out
}

#[test]
fn products_match_plain_arithmetic_on_the_same_integers() {
    let mut numbers = Numbers::new(3);
    for tier in tiers() {
        let cpu = cpu(tier, 2);
        let mut scratch = Scratch::new();
        for (format, keep) in KINDS {
            for m in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 18, 31, 70] {
                let k = columns_for(format, &mut numbers);
                let n = 1 + numbers.below(60);
                let w = Packed::from_bytes(format, n, k, &numbers.blocks(format, n, k), keep, &cpu)
                    .unwrap();
                let x = numbers.normals(m * k);
                let bias = numbers.normals(n);
                let bias = (m % 2 == 0).then_some(&bias[..]);
                let seen = match w.form() {
                    "q8_0" | "q4_0" => rounded(&x, k, 32),
                    "q4_K" => rounded(&x, k, 256),
                    _ => x.clone(),
                };
                let error = worst(
                    &multiply(&cpu, &w, &x, bias, &mut scratch),
                    &plain(&w, &seen, bias),
                );
                assert!(
                    error < 3e-5,
                    "{tier:?} {format:?} m {m} n {n} k {k}: {error}"
                );
            }
        }
    }
}

#[test]
fn rounding_activations_costs_about_a_percent() {
    let mut numbers = Numbers::new(4);
    let cpu = cpu(tiers()[0], 1);
    for (format, keep) in KINDS {
        let (n, k) = (64, 1024);
        let w =
            Packed::from_bytes(format, n, k, &numbers.blocks(format, n, k), keep, &cpu).unwrap();
        let x = numbers.normals(4 * k);
        let got = multiply(&cpu, &w, &x, None, &mut Scratch::new());
        assert!(worst(&got, &plain(&w, &x, None)) < 0.06, "{format:?}");
    }
}

#[test]
fn one_by_one_and_all_at_once_give_the_same_bits_on_any_number_of_threads() {
    let mut numbers = Numbers::new(5);
    for tier in tiers() {
        let (one, three) = (cpu(tier, 1), cpu(tier, 3));
        let mut scratch = Scratch::new();
        for (format, keep) in KINDS {
            for m in [2, 7, 13, 26] {
                // Long enough that floats are cut into stretches.
                let k = if keep == Keep::F32 || keep == Keep::BF16 {
                    2051
                } else {
                    columns_for(format, &mut numbers)
                };
                let n = 1 + numbers.below(70);
                let w = Packed::from_bytes(format, n, k, &numbers.blocks(format, n, k), keep, &one)
                    .unwrap();
                let x = numbers.normals(m * k);
                let all = multiply(&three, &w, &x, None, &mut scratch);
                assert_eq!(
                    bits(&all),
                    bits(&multiply(&one, &w, &x, None, &mut scratch)),
                    "{tier:?} {format:?} {m}"
                );
                for (x, all) in x.chunks(k).zip(all.chunks(n)) {
                    let alone = multiply(&one, &w, x, None, &mut scratch);
                    assert_eq!(
                        bits(&alone),
                        bits(all),
                        "{tier:?} {format:?} m {m} n {n} k {k}"
                    );
                }
            }
        }
    }
}

#[test]
fn products_that_share_activations_are_those_computed_alone() {
    let mut numbers = Numbers::new(6);
    for tier in tiers() {
        let cpu = cpu(tier, 2);
        let mut scratch = Scratch::new();
        for m in [1, 7, 40] {
            let k = 256;
            let ws: Vec<Packed> = KINDS
                .iter()
                .zip([64, 17, 33, 40, 100, 1])
                .map(|((format, keep), n)| {
                    Packed::from_bytes(*format, n, k, &numbers.blocks(*format, n, k), *keep, &cpu)
                        .unwrap()
                })
                .collect();
            let x = numbers.normals(m * k);
            let bias = numbers.normals(64);
            let linears: Vec<Linear<'_>> = ws
                .iter()
                .enumerate()
                .map(|(i, w)| Linear {
                    weight: w,
                    bias: (i == 0).then_some(&bias[..]),
                })
                .collect();
            let mut outs: Vec<Vec<f32>> = ws.iter().map(|w| vec![0.0; m * w.rows()]).collect();
            let mut slices: Vec<&mut [f32]> = outs.iter_mut().map(Vec::as_mut_slice).collect();
            cpu.matmul_many(&linears, &x, &mut slices, &mut scratch)
                .unwrap();
            for (linear, out) in linears.iter().zip(&outs) {
                let alone = multiply(&cpu, linear.weight, &x, linear.bias, &mut scratch);
                assert_eq!(bits(&alone), bits(out), "{tier:?} {}", linear.weight.form());
            }
        }
    }
}

#[test]
fn extreme_integers_do_not_saturate() {
    // The largest weights and activations of both signs, where sixteen-bit sums of pairs are nearest to overflow.
    for tier in tiers() {
        let cpu = cpu(tier, 1);
        for (q, sign) in [(-128_i8, 1.0), (127, 1.0), (-128, -1.0), (127, -1.0)] {
            let mut block = half::f16::from_f32(1.0).to_le_bytes().to_vec();
            block.extend([q.cast_unsigned(); 32]);
            let bytes = block.repeat(2);
            let w = Packed::from_bytes(Format::Q8_0, 1, 64, &bytes, Keep::Stored, &cpu).unwrap();
            let out = multiply(&cpu, &w, &[sign * 127.0; 64], None, &mut Scratch::new());
            assert_eq!(out, [f32::from(q) * sign * 127.0 * 64.0], "{tier:?}");
        }
        for sign in [1.0, -1.0] {
            let mut block = half::f16::from_f32(1.0).to_le_bytes().to_vec();
            block.extend([0xff; 16]);
            let w = Packed::from_bytes(Format::Q4_0, 1, 32, &block, Keep::Stored, &cpu).unwrap();
            let out = multiply(&cpu, &w, &[sign * 127.0; 32], None, &mut Scratch::new());
            assert_eq!(out, [sign * 7.0 * 127.0 * 32.0], "{tier:?}");
        }
        // Q4_K at its largest: every scale, minimum and nibble full.
        let mut block = half::f16::from_f32(1.0).to_le_bytes().repeat(2);
        block.extend([0xff; 140]);
        let w = Packed::from_bytes(Format::Q4_K, 1, 256, &block, Keep::Stored, &cpu).unwrap();
        for m in [1, 20] {
            let out = multiply(&cpu, &w, &vec![127.0; 256 * m], None, &mut Scratch::new());
            let exact = (63.0 * 15.0 - 63.0) * 127.0 * 256.0;
            assert!(
                out.iter().all(|v| (v / exact - 1.0).abs() < 1e-6),
                "{tier:?} {out:?}"
            );
        }
    }
}

#[test]
fn zeros_give_zeros_and_tiny_or_huge_values_stay_finite() {
    let mut numbers = Numbers::new(7);
    for tier in tiers() {
        let cpu = cpu(tier, 2);
        for (format, keep) in KINDS {
            let (n, k) = (20, 512);
            let w = Packed::from_bytes(format, n, k, &numbers.blocks(format, n, k), keep, &cpu)
                .unwrap();
            for m in [1, 15] {
                for value in [0.0, 1e-38, 1e-30, 1e30] {
                    // One row of the value, with one block of zeros in it.
                    let mut x = vec![value; m * k];
                    x[32..64].fill(0.0);
                    let out = multiply(&cpu, &w, &x, None, &mut Scratch::new());
                    assert!(
                        out.iter().all(|v| v.is_finite()),
                        "{tier:?} {format:?} {value}"
                    );
                    if value == 0.0 {
                        assert!(out.iter().all(|v| *v == 0.0));
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_not_a_number_shows_in_its_own_rows_only() {
    let mut numbers = Numbers::new(8);
    for tier in tiers() {
        let cpu = cpu(tier, 2);
        for (format, keep) in KINDS {
            let (n, k, m) = (20, 256, 15);
            let w = Packed::from_bytes(format, n, k, &numbers.blocks(format, n, k), keep, &cpu)
                .unwrap();
            for bad in [f32::NAN, f32::INFINITY] {
                let mut x = numbers.normals(m * k);
                x[3 * k + 40] = bad;
                let out = multiply(&cpu, &w, &x, None, &mut Scratch::new());
                for (row, out) in out.chunks(n).enumerate() {
                    assert!(
                        out.iter().all(|v| v.is_finite() != (row == 3)),
                        "{tier:?} {format:?} row {row}"
                    );
                }
            }
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused_and_no_rows_are_nothing() {
    let cpu = cpu(Tier::Portable, 1);
    let w = Packed::from_f32(3, 4, &[1.0; 12], Keep::F32, &cpu).unwrap();
    let mut scratch = Scratch::new();
    let mut run = |x: &[f32], out: &mut [f32], bias: Option<&[f32]>| {
        cpu.matmul(Linear { weight: &w, bias }, x, out, &mut scratch)
    };
    assert!(run(&[0.0; 5], &mut [0.0; 3], None).is_err());
    assert!(run(&[0.0; 4], &mut [0.0; 4], None).is_err());
    assert!(run(&[0.0; 4], &mut [0.0; 3], Some(&[0.0; 2])).is_err());
    assert!(run(&[], &mut [], None).is_ok());
    assert!(run(&[0.0; 4], &mut [0.0; 3], Some(&[0.0; 3])).is_ok());
}
