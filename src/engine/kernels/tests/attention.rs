//! Attention over pages.

use half::f16;

use super::super::{Heads, KernelError, Scratch, Sequence, Tier};
use super::{Numbers, bits, cpu, tiers, worst};

/// Keys and values of one sequence, in pages. What lies past its end is NaN.
struct Cache {
    /// Token by token, for the plain formula.
    rows: Vec<Vec<f32>>,
    /// Column by column, as the kernel reads them.
    keys: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
}

impl Cache {
    fn new(numbers: &mut Numbers, shape: Heads, tokens: usize) -> Self {
        let row = shape.kv_heads * shape.head_dim;
        let mut pages = || {
            let mut pages =
                vec![vec![f32::NAN; shape.page_tokens * row]; tokens.div_ceil(shape.page_tokens)];
            for token in 0..tokens {
                let start = token % shape.page_tokens * row;
                for v in &mut pages[token / shape.page_tokens][start..start + row] {
                    *v = f16::from_f32(numbers.normal()).to_f32();
                }
            }
            pages
        };
        let rows = pages();
        Self {
            keys: by_column(&rows, row),
            rows,
            values: pages(),
        }
    }

    /// The same tokens in pages of another size.
    fn repaged(&self, shape: Heads, page_tokens: usize, tokens: usize) -> Self {
        let row = shape.kv_heads * shape.head_dim;
        let again = |pages: &[Vec<f32>]| {
            let flat: Vec<f32> = pages.concat();
            let mut out = vec![vec![f32::NAN; page_tokens * row]; tokens.div_ceil(page_tokens)];
            for token in 0..tokens {
                let to = token % page_tokens * row;
                out[token / page_tokens][to..to + row]
                    .copy_from_slice(&flat[token * row..(token + 1) * row]);
            }
            out
        };
        let rows = again(&self.rows);
        Self {
            keys: by_column(&rows, row),
            rows,
            values: again(&self.values),
        }
    }
}

/// Pages of rows as pages of columns.
fn by_column(pages: &[Vec<f32>], width: usize) -> Vec<Vec<f32>> {
    let turned = |page: &Vec<f32>| {
        let column = |at: usize| page.iter().skip(at).step_by(width).copied();
        (0..width).flat_map(column).collect()
    };
    pages.iter().map(turned).collect()
}

fn slices<T>(pages: &[Vec<T>]) -> Vec<&[T]> {
    pages.iter().map(Vec::as_slice).collect()
}

fn plain(shape: Heads, scale: f32, q: &[f32], rows: usize, past: usize, cache: &Cache) -> Vec<f64> {
    let d = shape.head_dim;
    let at = |pages: &[Vec<f32>], token: usize, head: usize, i: usize| {
        let start = (token % shape.page_tokens * shape.kv_heads + head) * d;
        f64::from(pages[token / shape.page_tokens][start + i])
    };
    let mut out = Vec::new();
    for row in 0..rows {
        for head in 0..shape.heads {
            let kv = head / (shape.heads / shape.kv_heads);
            let q = &q[(row * shape.heads + head) * d..][..d];
            let scores: Vec<f64> = (0..=past + row)
                .map(|t| {
                    (0..d)
                        .map(|i| f64::from(q[i]) * at(&cache.rows, t, kv, i))
                        .sum::<f64>()
                        * f64::from(scale)
                })
                .collect();
            let most = scores.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v));
            let weights: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for i in 0..d {
                let v: f64 = weights
                    .iter()
                    .enumerate()
                    .map(|(t, w)| w * at(&cache.values, t, kv, i))
                    .sum();
                out.push(v / sum);
            }
        }
    }
    out
}

fn shapes() -> [Heads; 4] {
    [
        Heads {
            heads: 14,
            kv_heads: 2,
            head_dim: 64,
            page_tokens: 32,
        },
        Heads {
            heads: 4,
            kv_heads: 4,
            head_dim: 16,
            page_tokens: 48,
        },
        Heads {
            heads: 6,
            kv_heads: 2,
            head_dim: 80,
            page_tokens: 16,
        },
        Heads {
            heads: 12,
            kv_heads: 2,
            head_dim: 128,
            page_tokens: 64,
        },
    ]
}

#[test]
fn attention_matches_its_formula_over_pages_of_both_kinds() {
    let mut numbers = Numbers::new(21);
    for tier in tiers() {
        let cpu = cpu(tier, 2);
        let mut scratch = Scratch::new();
        for shape in shapes() {
            for (rows, past) in [
                (1, 0),
                (1, 63),
                (1, 64),
                (1, 200),
                (5, 60),
                (20, 0),
                (37, 100),
            ] {
                let cache = Cache::new(&mut numbers, shape, past + rows);
                let q = numbers.normals(rows * shape.heads * shape.head_dim);
                let scale = (shape.head_dim as f32).sqrt().recip();
                let expected = plain(shape, scale, &q, rows, past, &cache);
                let mut out = vec![f32::NAN; q.len()];
                let (keys, values) = (slices(&cache.keys), slices(&cache.values));
                let sequence = Sequence {
                    rows,
                    past,
                    keys: &keys,
                    values: &values,
                };
                cpu.attention(shape, scale, &q, &[sequence], &mut out, &mut scratch)
                    .unwrap();
                assert!(
                    worst(&out, &expected) < 2e-5,
                    "{tier:?} {shape:?} {rows} {past}"
                );

                let half = |pages: &[Vec<f32>]| -> Vec<Vec<f16>> {
                    pages
                        .iter()
                        .map(|p| p.iter().map(|v| f16::from_f32(*v)).collect())
                        .collect()
                };
                let (keys, values) = (half(&cache.keys), half(&cache.values));
                let (keys, values) = (slices(&keys), slices(&values));
                let sequence = Sequence {
                    rows,
                    past,
                    keys: &keys,
                    values: &values,
                };
                let mut again = vec![f32::NAN; q.len()];
                cpu.attention(shape, scale, &q, &[sequence], &mut again, &mut scratch)
                    .unwrap();
                assert_eq!(
                    bits(&again),
                    bits(&out),
                    "{tier:?}: the values are exact in both kinds"
                );
            }
        }
    }
}

#[test]
fn several_sequences_at_once_are_each_alone_row_by_row_on_any_pages_and_threads() {
    let mut numbers = Numbers::new(22);
    for tier in tiers() {
        let (one, three) = (cpu(tier, 1), cpu(tier, 3));
        let mut scratch = Scratch::new();
        for shape in shapes() {
            let lengths = [(1, 70), (18, 0), (1, 0), (17, 60), (0, 5)];
            let width = shape.heads * shape.head_dim;
            let caches: Vec<Cache> = lengths
                .iter()
                .map(|(rows, past)| Cache::new(&mut numbers, shape, rows + past))
                .collect();
            let total: usize = lengths.iter().map(|l| l.0).sum();
            let q = numbers.normals(total * width);
            let lists: Vec<_> = caches
                .iter()
                .map(|c| (slices(&c.keys), slices(&c.values)))
                .collect();
            let sequences: Vec<Sequence<'_, f32>> = lengths
                .iter()
                .zip(&lists)
                .map(|((rows, past), (k, v))| Sequence {
                    rows: *rows,
                    past: *past,
                    keys: k,
                    values: v,
                })
                .collect();
            let mut all = vec![f32::NAN; q.len()];
            three
                .attention(shape, 0.1, &q, &sequences, &mut all, &mut scratch)
                .unwrap();

            let mut first = 0;
            for ((rows, past), cache) in lengths.iter().zip(&caches) {
                let other = Heads {
                    page_tokens: 80,
                    ..shape
                };
                let cache = cache.repaged(shape, 80, rows + past);
                let (keys, values) = (slices(&cache.keys), slices(&cache.values));
                for row in 0..*rows {
                    let at = (first + row) * width;
                    let mut alone = vec![f32::NAN; width];
                    let sequence = Sequence {
                        rows: 1,
                        past: past + row,
                        keys: &keys,
                        values: &values,
                    };
                    one.attention(
                        other,
                        0.1,
                        &q[at..at + width],
                        &[sequence],
                        &mut alone,
                        &mut scratch,
                    )
                    .unwrap();
                    assert_eq!(
                        bits(&alone),
                        bits(&all[at..at + width]),
                        "{tier:?} {shape:?} {rows} {past} {row}"
                    );
                }
                first += rows;
            }
        }
    }
}

#[test]
fn huge_scores_do_not_overflow_and_nan_ends() {
    let shape = Heads {
        heads: 2,
        kv_heads: 1,
        head_dim: 16,
        page_tokens: 16,
    };
    for tier in tiers() {
        let cpu = cpu(tier, 2);
        for (value, finite) in [(1e4_f32, true), (f32::NAN, false)] {
            let keys = vec![value; 16 * 16];
            let values = vec![2.0; 16 * 16];
            let sequence = Sequence {
                rows: 3,
                past: 2,
                keys: &[&keys],
                values: &[&values],
            };
            let mut out = vec![0.0; 3 * 32];
            cpu.attention(
                shape,
                1.0,
                &[100.0; 96],
                &[sequence],
                &mut out,
                &mut Scratch::new(),
            )
            .unwrap();
            assert!(
                out.iter().all(|v| if finite {
                    (v - 2.0).abs() < 1e-5
                } else {
                    v.is_nan()
                }),
                "{tier:?} {out:?}"
            );
        }
    }
}

#[test]
fn caches_that_are_too_short_and_odd_shapes_are_refused() {
    let cpu = cpu(Tier::Portable, 1);
    let good = Heads {
        heads: 4,
        kv_heads: 2,
        head_dim: 16,
        page_tokens: 16,
    };
    let page = vec![0.0_f32; 16 * 2 * 16];
    let pages: [&[f32]; 1] = [&page];
    let run = |shape: Heads, rows: usize, past: usize, pages: &[&[f32]]| {
        let q = vec![0.0; rows * 64];
        let sequence = Sequence {
            rows,
            past,
            keys: pages,
            values: pages,
        };
        cpu.attention(
            shape,
            1.0,
            &q,
            &[sequence],
            &mut vec![0.0; q.len()],
            &mut Scratch::new(),
        )
    };
    assert!(run(good, 2, 14, &pages).is_ok());
    assert!(matches!(
        run(good, 2, 15, &pages),
        Err(KernelError::Shape { .. })
    ));
    assert!(run(good, 2, usize::MAX, &pages).is_err());
    assert!(run(good, 2, 0, &[&page[1..]]).is_err());
    assert!(
        run(
            Heads {
                kv_heads: 3,
                ..good
            },
            1,
            0,
            &pages
        )
        .is_err()
    );
    assert!(
        run(
            Heads {
                kv_heads: 0,
                ..good
            },
            1,
            0,
            &pages
        )
        .is_err()
    );
    assert!(
        run(
            Heads {
                head_dim: 8,
                ..good
            },
            1,
            0,
            &pages
        )
        .is_err()
    );
    for page_tokens in [0, 8, 24] {
        let odd = Heads {
            page_tokens,
            ..good
        };
        assert!(run(odd, 1, 0, &pages).is_err());
    }
}
