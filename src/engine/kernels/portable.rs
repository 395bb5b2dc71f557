//! The tier that runs everywhere: sixteen lanes as arrays, left to the compiler.
//!
//! It is the reference of the other tiers' tests and the only one off x86-64. It does not fuse multiply and add, as
//! that is a library call where the processor lacks it; so its sums differ from the other tiers' in the last bits.

use half::f16;

use super::layout::RAISED;
use super::simd::Simd;

/// Token of the portable tier.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

#[inline(always)]
fn zip(a: [f32; 16], b: [f32; 16], f: impl Fn(f32, f32) -> f32) -> [f32; 16] {
    let mut out = [0.0; 16];
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = f(a, b);
    }
    out
}

#[inline(always)]
fn products(sum: &mut [i32; 16], w: &[u8; 64], x: [i8; 4]) {
    let (rows, _) = w.as_chunks::<4>();
    for (sum, w) in sum.iter_mut().zip(rows) {
        for (w, x) in w.iter().zip(x) {
            *sum = sum.wrapping_add(i32::from(*w) * i32::from(x));
        }
    }
}

#[inline(always)]
fn floats(v: [i32; 16]) -> [f32; 16] {
    v.map(|v| v as f32)
}

impl Simd for Portable {
    type F = [f32; 16];
    type I = [i32; 16];
    type N = [i32; 16];
    type B = [u8; 64];
    type X = [i8; 4];
    type D = [f32; 16];

    const INTEGER_ROWS: usize = 4;
    const INTEGER_MOST: usize = 4;
    const FLOAT_ROWS: usize = 4;
    const PAIRS: bool = false;

    #[inline(always)]
    fn splat(self, v: f32) -> Self::F {
        [v; 16]
    }
    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> Self::F {
        *from
    }
    #[inline(always)]
    fn store(self, v: Self::F, to: &mut [f32; 16]) {
        *to = v;
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        self.add(self.mul(a, b), c)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "n is whole and in −126..=127"
    )]
    fn power_of_two(self, n: Self::F) -> Self::F {
        n.map(|n| f32::from_bits(((n as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    fn sum(self, v: Self::F) -> f32 {
        let mut v = v;
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                v[i] += v[i + half];
            }
        }
        v[0]
    }
    #[inline(always)]
    fn largest(self, v: Self::F) -> f32 {
        v.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
    #[inline(always)]
    fn half(self, from: &[f16; 16]) -> Self::F {
        from.map(f16::to_f32)
    }
    #[inline(always)]
    fn bf16_pair(self, from: &[u32; 16]) -> (Self::F, Self::F) {
        (
            from.map(|v| f32::from_bits(v << 16)),
            from.map(|v| f32::from_bits(v & 0xffff_0000)),
        )
    }
    #[inline(always)]
    fn bytes(self, from: &[u8; 16]) -> Self::F {
        from.map(f32::from)
    }
    #[inline(always)]
    fn transpose(self, rows: [Self::F; 16]) -> [Self::F; 16] {
        let mut out = [[0.0; 16]; 16];
        for (i, row) in rows.iter().enumerate() {
            for (out, v) in out.iter_mut().zip(row) {
                out[i] = *v;
            }
        }
        out
    }

    #[inline(always)]
    fn activations(self, four: i32) -> Self::X {
        four.to_le_bytes().map(u8::cast_signed)
    }
    #[inline(always)]
    fn scales(self, from: &[f16; 16]) -> Self::D {
        self.half(from)
    }
    #[inline(always)]
    fn signed_start(self, start: i32) -> Self::I {
        [start; 16]
    }
    #[inline(always)]
    fn signed_weights(self, from: &[u8; 64]) -> Self::B {
        *from
    }
    #[inline(always)]
    fn signed_dot(self, sum: Self::I, w: Self::B, x: Self::X) -> Self::I {
        let mut sum = sum;
        products(&mut sum, &w, x);
        sum
    }
    #[inline(always)]
    fn signed_scaled(self, sum: Self::I, d: Self::D) -> Self::F {
        self.mul(floats(sum.map(|v| v.wrapping_sub(RAISED))), d)
    }

    #[inline(always)]
    fn nibble_start(self, start: i32) -> Self::N {
        [start; 16]
    }
    #[inline(always)]
    fn low_nibbles(self, from: &[u8; 64]) -> Self::B {
        from.map(|v| v & 15)
    }
    #[inline(always)]
    fn high_nibbles(self, from: &[u8; 64]) -> Self::B {
        from.map(|v| v >> 4)
    }
    #[inline(always)]
    fn spread_nibbles(self, from: &[u8; 64]) -> Self::B {
        *from
    }
    #[inline(always)]
    fn nibble_dot(self, sum: Self::N, w: Self::B, x: Self::X) -> Self::N {
        self.signed_dot(sum, w, x)
    }
    #[inline(always)]
    fn nibble_done(self, sum: Self::N) -> Self::F {
        floats(sum)
    }
    #[inline(always)]
    fn nibble_scaled(self, sum: Self::N, _start: i32, d: Self::D) -> Self::F {
        self.signed_scaled(sum, d)
    }
    #[inline(always)]
    fn pair_dot(self, w: &[[[u8; 2]; 16]; 4], x: &[i32; 4]) -> Self::F {
        let mut sum = [0_i32; 16];
        for (w, x) in w.iter().zip(x) {
            let bytes = x.to_le_bytes();
            let first = i32::from(i16::from_le_bytes([bytes[0], bytes[1]]));
            let second = i32::from(i16::from_le_bytes([bytes[2], bytes[3]]));
            for (sum, w) in sum.iter_mut().zip(w) {
                *sum += i32::from(w[0]) * first + i32::from(w[1]) * second;
            }
        }
        floats(sum)
    }
    #[inline(always)]
    fn prefetch<T>(self, _from: &T, _ahead: usize) {}
}
