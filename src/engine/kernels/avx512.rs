//! The AVX-512 tier with VNNI: one register is sixteen lanes, one instruction adds 64 products of bytes.
//!
//! Weights are the unsigned operand of `vpdpbusd`, which is why signed ones are stored as value + 128 and sums start lower by
//! 128 · Σ activations. This file holds `unsafe`: intrinsics are sound where the processor has them, and an [`Avx512`]
//! exists only where detection said so.
#![cfg(target_arch = "x86_64")]
#![expect(
    unsafe_code,
    reason = "vector instructions and their loads have no safe form"
)]

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_loadu_si256,
    _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512, _mm512_castpd_ps, _mm512_castps_pd,
    _mm512_castsi512_ps, _mm512_cvtepi32_ps, _mm512_cvtepu8_epi16, _mm512_cvtepu8_epi32,
    _mm512_cvtph_ps, _mm512_cvtps_epi32, _mm512_div_ps, _mm512_dpbusd_epi32, _mm512_dpwssd_epi32,
    _mm512_fmadd_ps, _mm512_fmsub_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_max_ps,
    _mm512_min_ps, _mm512_mul_ps, _mm512_reduce_add_ps, _mm512_reduce_max_ps, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_shuffle_f32x4, _mm512_slli_epi32, _mm512_srli_epi16,
    _mm512_storeu_ps, _mm512_sub_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd,
    _mm512_unpacklo_ps,
};

use half::f16;

use super::layout::RAISE;
use super::simd::{Kernel, Simd};

/// Proof that the processor has AVX-512 F, BW, DQ, VL and VNNI.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    /// The token, where the processor has the instructions.
    pub(super) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
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

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
fn enter<K: Kernel>(token: Avx512, kernel: K) -> K::Out {
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

impl Simd for Avx512 {
    type F = __m512;
    type I = __m512i;
    type N = __m512i;
    type B = __m512i;
    type X = __m512i;
    type D = (__m512, __m512);

    const INTEGER_ROWS: usize = 6;
    const INTEGER_MOST: usize = 12;
    const FLOAT_ROWS: usize = 12;
    const PAIRS: bool = true;

    #[inline(always)]
    fn splat(self, v: f32) -> __m512 {
        lanes!(_mm512_set1_ps(v))
    }
    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> __m512 {
        lanes!(_mm512_loadu_ps(from.as_ptr()))
    }
    #[inline(always)]
    fn store(self, v: __m512, to: &mut [f32; 16]) {
        lanes!(_mm512_storeu_ps(to.as_mut_ptr(), v));
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        lanes!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        lanes!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        lanes!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        lanes!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        lanes!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        lanes!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        lanes!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn power_of_two(self, n: __m512) -> __m512 {
        lanes!(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(
            _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127))
        )))
    }
    #[inline(always)]
    fn sum(self, v: __m512) -> f32 {
        lanes!(_mm512_reduce_add_ps(v))
    }
    #[inline(always)]
    fn largest(self, v: __m512) -> f32 {
        lanes!(_mm512_reduce_max_ps(v))
    }
    #[inline(always)]
    fn half(self, from: &[f16; 16]) -> __m512 {
        lanes!(_mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())))
    }
    #[inline(always)]
    fn bf16_pair(self, from: &[u32; 16]) -> (__m512, __m512) {
        lanes!({
            let v = _mm512_loadu_si512(from.as_ptr().cast());
            let high = _mm512_and_si512(v, _mm512_set1_epi32(0xffff_0000_u32.cast_signed()));
            (
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(v)),
                _mm512_castsi512_ps(high),
            )
        })
    }
    #[inline(always)]
    fn bytes(self, from: &[u8; 16]) -> __m512 {
        lanes!(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(
            from.as_ptr().cast()
        ))))
    }
    #[inline(always)]
    fn transpose(self, rows: [__m512; 16]) -> [__m512; 16] {
        let mut quads = rows;
        let mut out = rows;
        // Within 128-bit lanes: after this, lane l of quads[4b + c] is column 4l + c of rows 4b..4b + 4.
        for b in 0..4 {
            let r = &rows[4 * b..4 * b + 4];
            lanes!({
                let low01 = _mm512_castps_pd(_mm512_unpacklo_ps(r[0], r[1]));
                let high01 = _mm512_castps_pd(_mm512_unpackhi_ps(r[0], r[1]));
                let low23 = _mm512_castps_pd(_mm512_unpacklo_ps(r[2], r[3]));
                let high23 = _mm512_castps_pd(_mm512_unpackhi_ps(r[2], r[3]));
                quads[4 * b] = _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23));
                quads[4 * b + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23));
                quads[4 * b + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23));
                quads[4 * b + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23));
            });
        }
        // Then whole lanes.
        for c in 0..4 {
            let [q0, q1, q2, q3] = [quads[c], quads[4 + c], quads[8 + c], quads[12 + c]];
            lanes!({
                let even01 = _mm512_shuffle_f32x4::<0x88>(q0, q1);
                let odd01 = _mm512_shuffle_f32x4::<0xdd>(q0, q1);
                let even23 = _mm512_shuffle_f32x4::<0x88>(q2, q3);
                let odd23 = _mm512_shuffle_f32x4::<0xdd>(q2, q3);
                out[c] = _mm512_shuffle_f32x4::<0x88>(even01, even23);
                out[4 + c] = _mm512_shuffle_f32x4::<0x88>(odd01, odd23);
                out[8 + c] = _mm512_shuffle_f32x4::<0xdd>(even01, even23);
                out[12 + c] = _mm512_shuffle_f32x4::<0xdd>(odd01, odd23);
            });
        }
        out
    }

    #[inline(always)]
    fn activations(self, four: i32) -> __m512i {
        lanes!(_mm512_set1_epi32(four))
    }
    #[inline(always)]
    fn signed_start(self, start: i32) -> __m512i {
        lanes!(_mm512_set1_epi32(start))
    }
    #[inline(always)]
    fn signed_weights(self, from: &[u8; 64]) -> __m512i {
        lanes!(_mm512_loadu_si512(from.as_ptr().cast()))
    }
    #[inline(always)]
    fn signed_dot(self, sum: __m512i, w: __m512i, x: __m512i) -> __m512i {
        lanes!(_mm512_dpbusd_epi32(sum, w, x))
    }
    #[inline(always)]
    fn scales(self, from: &[f16; 16]) -> (__m512, __m512) {
        let d = self.half(from);
        (d, self.mul(d, self.splat(RAISE)))
    }
    #[inline(always)]
    fn signed_scaled(self, sum: __m512i, (d, raise): (__m512, __m512)) -> __m512 {
        lanes!(_mm512_fmsub_ps(_mm512_castsi512_ps(sum), d, raise))
    }

    #[inline(always)]
    fn nibble_start(self, start: i32) -> __m512i {
        lanes!(_mm512_set1_epi32(start))
    }
    #[inline(always)]
    fn low_nibbles(self, from: &[u8; 64]) -> __m512i {
        lanes!(_mm512_and_si512(
            _mm512_loadu_si512(from.as_ptr().cast()),
            _mm512_set1_epi8(15)
        ))
    }
    #[inline(always)]
    fn high_nibbles(self, from: &[u8; 64]) -> __m512i {
        lanes!({
            let v = _mm512_loadu_si512(from.as_ptr().cast());
            _mm512_and_si512(_mm512_srli_epi16::<4>(v), _mm512_set1_epi8(15))
        })
    }
    #[inline(always)]
    fn spread_nibbles(self, from: &[u8; 64]) -> __m512i {
        self.signed_weights(from)
    }
    #[inline(always)]
    fn nibble_dot(self, sum: __m512i, w: __m512i, x: __m512i) -> __m512i {
        lanes!(_mm512_dpbusd_epi32(sum, w, x))
    }
    #[inline(always)]
    fn nibble_done(self, sum: __m512i) -> __m512 {
        lanes!(_mm512_cvtepi32_ps(sum))
    }
    #[inline(always)]
    fn nibble_scaled(self, sum: __m512i, _start: i32, d: (__m512, __m512)) -> __m512 {
        self.signed_scaled(sum, d)
    }
    #[inline(always)]
    fn pair_dot(self, w: &[[[u8; 2]; 16]; 4], x: &[i32; 4]) -> __m512 {
        let mut sum = self.nibble_start(0);
        for (w, x) in w.iter().zip(x) {
            lanes!({
                let pairs = _mm512_cvtepu8_epi16(_mm256_loadu_si256(w.as_ptr().cast()));
                sum = _mm512_dpwssd_epi32(sum, pairs, _mm512_set1_epi32(*x));
            });
        }
        self.nibble_done(sum)
    }
    #[inline(always)]
    fn prefetch<T>(self, from: &T, ahead: usize) {
        let address = std::ptr::from_ref(from).cast::<i8>().wrapping_add(ahead);
        // A prefetch reads nothing that the program can see and never faults.
        lanes!(_mm_prefetch::<_MM_HINT_T0>(address));
    }
}
