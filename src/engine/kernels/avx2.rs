//! The AVX2 tier (with FMA and F16C): two registers are sixteen lanes, rows 0–7 and 8–15.
//!
//! Without VNNI a byte product goes through `maddubs`, whose pairs saturate at 16 bits: weights of value + 128 would
//! overflow it, so signed weights are split into magnitude and sign, and the sign is given to the activation. Nibbles
//! need no such care: eight products of two fit into 16 bits, and are widened once per 32 columns.
//! This file holds `unsafe`: intrinsics are sound where the processor has them, and an [`Avx2`] exists only where
//! detection said so.
#![cfg(target_arch = "x86_64")]
#![expect(
    unsafe_code,
    reason = "vector instructions and their loads have no safe form"
)]

use std::arch::x86_64::{
    __m256, __m256i, _MM_HINT_T0, _mm_loadl_epi64, _mm_loadu_si128, _mm_prefetch, _mm256_abs_epi8,
    _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castps256_ps128,
    _mm256_castsi256_ps, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi16, _mm256_cvtepu8_epi32,
    _mm256_cvtph_ps, _mm256_cvtps_epi32, _mm256_div_ps, _mm256_extractf128_ps, _mm256_fmadd_ps,
    _mm256_fmsub_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_max_ps, _mm256_min_ps, _mm256_mul_ps, _mm256_permute2f128_ps, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_si256, _mm256_shuffle_ps,
    _mm256_sign_epi8, _mm256_slli_epi32, _mm256_srli_epi16, _mm256_storeu_ps, _mm256_sub_ps,
    _mm256_unpackhi_ps, _mm256_unpacklo_ps, _mm256_xor_si256,
};
use std::arch::x86_64::{_mm_add_ps, _mm_cvtss_f32, _mm_max_ps, _mm_movehl_ps, _mm_shuffle_ps};

use half::f16;

use super::layout::{RAISE, RAISED};
use super::simd::{Kernel, Simd};

/// Proof that the processor has AVX2, FMA and F16C.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    /// The token, where the processor has the instructions.
    pub(super) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        has.then_some(Self(()))
    }

    /// Run a kernel with the instructions enabled.
    #[inline]
    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Out {
        // SAFETY: `self` exists only where detection found every feature that `enter` enables.
        unsafe { enter(self, kernel) }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn enter<K: Kernel>(token: Avx2, kernel: K) -> K::Out {
    kernel.run(token)
}

/// One intrinsic or an expression of them. SAFETY of every use: the token proves the features, and pointers come from
/// references to arrays of the full width that is read or written.
macro_rules! lanes {
    ($e:expr) => {
        // SAFETY: see the macro.
        unsafe { $e }
    };
}

type Floats = [__m256; 2];
type Words = [__m256i; 2];

#[inline(always)]
fn both(a: Floats, b: Floats, f: impl Fn(__m256, __m256) -> __m256) -> Floats {
    [f(a[0], b[0]), f(a[1], b[1])]
}

/// Pairs of 16-bit sums added up.
#[inline(always)]
fn widened(sum: Words) -> Words {
    lanes!({
        let ones = _mm256_set1_epi16(1);
        [
            _mm256_madd_epi16(sum[0], ones),
            _mm256_madd_epi16(sum[1], ones),
        ]
    })
}

/// Columns of an 8 × 8 block, given its rows.
#[inline(always)]
fn transpose_eight(r: [__m256; 8]) -> [__m256; 8] {
    lanes!({
        let mut t = r;
        for i in 0..4 {
            t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
        }
        let mut q = t;
        for i in 0..2 {
            let b = 4 * i;
            q[b] = _mm256_shuffle_ps::<0x44>(t[b], t[b + 2]);
            q[b + 1] = _mm256_shuffle_ps::<0xee>(t[b], t[b + 2]);
            q[b + 2] = _mm256_shuffle_ps::<0x44>(t[b + 1], t[b + 3]);
            q[b + 3] = _mm256_shuffle_ps::<0xee>(t[b + 1], t[b + 3]);
        }
        let mut out = q;
        for i in 0..4 {
            out[i] = _mm256_permute2f128_ps::<0x20>(q[i], q[4 + i]);
            out[4 + i] = _mm256_permute2f128_ps::<0x31>(q[i], q[4 + i]);
        }
        out
    })
}

#[inline(always)]
fn load_bytes(from: &[u8; 64]) -> Words {
    let (halves, _) = from.as_chunks::<32>();
    lanes!([
        _mm256_loadu_si256(halves[0].as_ptr().cast()),
        _mm256_loadu_si256(halves[1].as_ptr().cast())
    ])
}

impl Simd for Avx2 {
    type F = Floats;
    type I = Words;
    type N = Words;
    type B = Words;
    type X = __m256i;
    type D = (Floats, Floats);

    const INTEGER_ROWS: usize = 4;
    const INTEGER_MOST: usize = 4;
    const FLOAT_ROWS: usize = 6;
    const PAIRS: bool = false;

    #[inline(always)]
    fn splat(self, v: f32) -> Floats {
        lanes!([_mm256_set1_ps(v); 2])
    }
    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> Floats {
        let (halves, _) = from.as_chunks::<8>();
        lanes!([
            _mm256_loadu_ps(halves[0].as_ptr()),
            _mm256_loadu_ps(halves[1].as_ptr())
        ])
    }
    #[inline(always)]
    fn store(self, v: Floats, to: &mut [f32; 16]) {
        let (halves, _) = to.as_chunks_mut::<8>();
        lanes!({
            _mm256_storeu_ps(halves[0].as_mut_ptr(), v[0]);
            _mm256_storeu_ps(halves[1].as_mut_ptr(), v[1]);
        });
    }
    #[inline(always)]
    fn add(self, a: Floats, b: Floats) -> Floats {
        both(a, b, |a, b| lanes!(_mm256_add_ps(a, b)))
    }
    #[inline(always)]
    fn sub(self, a: Floats, b: Floats) -> Floats {
        both(a, b, |a, b| lanes!(_mm256_sub_ps(a, b)))
    }
    #[inline(always)]
    fn mul(self, a: Floats, b: Floats) -> Floats {
        both(a, b, |a, b| lanes!(_mm256_mul_ps(a, b)))
    }
    #[inline(always)]
    fn div(self, a: Floats, b: Floats) -> Floats {
        both(a, b, |a, b| lanes!(_mm256_div_ps(a, b)))
    }
    #[inline(always)]
    fn fma(self, a: Floats, b: Floats, c: Floats) -> Floats {
        lanes!([
            _mm256_fmadd_ps(a[0], b[0], c[0]),
            _mm256_fmadd_ps(a[1], b[1], c[1])
        ])
    }
    #[inline(always)]
    fn max(self, a: Floats, b: Floats) -> Floats {
        both(a, b, |a, b| lanes!(_mm256_max_ps(a, b)))
    }
    #[inline(always)]
    fn min(self, a: Floats, b: Floats) -> Floats {
        both(a, b, |a, b| lanes!(_mm256_min_ps(a, b)))
    }
    #[inline(always)]
    fn power_of_two(self, n: Floats) -> Floats {
        n.map(|n| {
            lanes!(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(
                _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127))
            )))
        })
    }
    #[inline(always)]
    fn sum(self, v: Floats) -> f32 {
        lanes!({
            let eight = _mm256_add_ps(v[0], v[1]);
            let four = _mm_add_ps(
                _mm256_castps256_ps128(eight),
                _mm256_extractf128_ps::<1>(eight),
            );
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ps(two, _mm_shuffle_ps::<1>(two, two)))
        })
    }
    #[inline(always)]
    fn largest(self, v: Floats) -> f32 {
        lanes!({
            let eight = _mm256_max_ps(v[0], v[1]);
            let four = _mm_max_ps(
                _mm256_castps256_ps128(eight),
                _mm256_extractf128_ps::<1>(eight),
            );
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ps(two, _mm_shuffle_ps::<1>(two, two)))
        })
    }
    #[inline(always)]
    fn half(self, from: &[f16; 16]) -> Floats {
        let (halves, _) = from.as_chunks::<8>();
        lanes!([
            _mm256_cvtph_ps(_mm_loadu_si128(halves[0].as_ptr().cast())),
            _mm256_cvtph_ps(_mm_loadu_si128(halves[1].as_ptr().cast()))
        ])
    }
    #[inline(always)]
    fn bf16_pair(self, from: &[u32; 16]) -> (Floats, Floats) {
        let (halves, _) = from.as_chunks::<8>();
        lanes!({
            let v = [
                _mm256_loadu_si256(halves[0].as_ptr().cast()),
                _mm256_loadu_si256(halves[1].as_ptr().cast()),
            ];
            let mask = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
            (
                [
                    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(v[0])),
                    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(v[1])),
                ],
                [
                    _mm256_castsi256_ps(_mm256_and_si256(v[0], mask)),
                    _mm256_castsi256_ps(_mm256_and_si256(v[1], mask)),
                ],
            )
        })
    }
    #[inline(always)]
    fn bytes(self, from: &[u8; 16]) -> Floats {
        let (halves, _) = from.as_chunks::<8>();
        lanes!([
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(
                halves[0].as_ptr().cast()
            ))),
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(
                halves[1].as_ptr().cast()
            )))
        ])
    }
    #[inline(always)]
    fn transpose(self, rows: [Floats; 16]) -> [Floats; 16] {
        let mut out = rows;
        for half in 0..2 {
            for side in 0..2 {
                let mut block = [rows[0][0]; 8];
                for i in 0..8 {
                    block[i] = rows[8 * half + i][side];
                }
                let columns = transpose_eight(block);
                for i in 0..8 {
                    out[8 * side + i][half] = columns[i];
                }
            }
        }
        out
    }

    #[inline(always)]
    fn activations(self, four: i32) -> __m256i {
        lanes!(_mm256_set1_epi32(four))
    }
    #[inline(always)]
    fn scales(self, from: &[f16; 16]) -> (Floats, Floats) {
        let d = self.half(from);
        (d, self.mul(d, self.splat(RAISE)))
    }
    #[inline(always)]
    fn signed_start(self, _start: i32) -> Words {
        // The products are of signed bytes: nothing is too large.
        lanes!([_mm256_set1_epi32(RAISED); 2])
    }
    #[inline(always)]
    fn signed_weights(self, from: &[u8; 64]) -> Words {
        let v = load_bytes(from);
        lanes!({
            let offset = _mm256_set1_epi8(-128);
            [
                _mm256_xor_si256(v[0], offset),
                _mm256_xor_si256(v[1], offset),
            ]
        })
    }
    #[inline(always)]
    fn signed_dot(self, sum: Words, w: Words, x: __m256i) -> Words {
        let mut out = sum;
        for i in 0..2 {
            lanes!({
                // |w| ≤ 128 and |x| ≤ 127, so a pair is at most 32,512.
                let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w[i]), _mm256_sign_epi8(x, w[i]));
                out[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
            });
        }
        out
    }
    #[inline(always)]
    fn signed_scaled(self, sum: Words, (d, raise): (Floats, Floats)) -> Floats {
        lanes!([
            _mm256_fmsub_ps(_mm256_castsi256_ps(sum[0]), d[0], raise[0]),
            _mm256_fmsub_ps(_mm256_castsi256_ps(sum[1]), d[1], raise[1])
        ])
    }

    #[inline(always)]
    fn nibble_start(self, _start: i32) -> Words {
        // Sums are of 16 bits, and what they start at is added at the end.
        lanes!([_mm256_setzero_si256(); 2])
    }
    #[inline(always)]
    fn low_nibbles(self, from: &[u8; 64]) -> Words {
        let v = load_bytes(from);
        lanes!({
            let mask = _mm256_set1_epi8(15);
            [_mm256_and_si256(v[0], mask), _mm256_and_si256(v[1], mask)]
        })
    }
    #[inline(always)]
    fn high_nibbles(self, from: &[u8; 64]) -> Words {
        let v = load_bytes(from);
        lanes!({
            let mask = _mm256_set1_epi8(15);
            [
                _mm256_and_si256(_mm256_srli_epi16::<4>(v[0]), mask),
                _mm256_and_si256(_mm256_srli_epi16::<4>(v[1]), mask),
            ]
        })
    }
    #[inline(always)]
    fn spread_nibbles(self, from: &[u8; 64]) -> Words {
        load_bytes(from)
    }
    #[inline(always)]
    fn nibble_dot(self, sum: Words, w: Words, x: __m256i) -> Words {
        // A pair is at most 15 · 127 · 2 = 3,810, and eight of them fit into 16 bits.
        lanes!([
            _mm256_add_epi16(sum[0], _mm256_maddubs_epi16(w[0], x)),
            _mm256_add_epi16(sum[1], _mm256_maddubs_epi16(w[1], x))
        ])
    }
    #[inline(always)]
    fn nibble_done(self, sum: Words) -> Floats {
        let sum = widened(sum);
        lanes!([_mm256_cvtepi32_ps(sum[0]), _mm256_cvtepi32_ps(sum[1])])
    }
    #[inline(always)]
    fn nibble_scaled(self, sum: Words, start: i32, d: (Floats, Floats)) -> Floats {
        let sum = widened(sum);
        lanes!({
            let start = _mm256_set1_epi32(start);
            let sum = [
                _mm256_add_epi32(sum[0], start),
                _mm256_add_epi32(sum[1], start),
            ];
            self.signed_scaled(sum, d)
        })
    }
    #[inline(always)]
    fn pair_dot(self, w: &[[[u8; 2]; 16]; 4], x: &[i32; 4]) -> Floats {
        let mut sum = self.nibble_start(0);
        for (w, x) in w.iter().zip(x) {
            let (halves, _) = w.as_chunks::<8>();
            lanes!({
                let x = _mm256_set1_epi32(*x);
                for i in 0..2 {
                    let pairs = _mm256_cvtepu8_epi16(_mm_loadu_si128(halves[i].as_ptr().cast()));
                    sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(pairs, x));
                }
            });
        }
        lanes!([_mm256_cvtepi32_ps(sum[0]), _mm256_cvtepi32_ps(sum[1])])
    }
    #[inline(always)]
    fn prefetch<T>(self, from: &T, ahead: usize) {
        let address = std::ptr::from_ref(from).cast::<i8>().wrapping_add(ahead);
        // A prefetch reads nothing that the program can see and never faults.
        lanes!(_mm_prefetch::<_MM_HINT_T0>(address));
    }
}
