//! The exponential of sixteen lanes.
//!
//! e^x = 2^n · e^r with n the nearest integer to x / ln 2 and a polynomial of degree 6 for r (coefficients of Cephes'
//! `expf`); within 5e-7 of it. Below −87.7 it is exactly 0, above 88 it stays at e^88, NaN stays NaN.

use super::simd::Simd;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts: multiples of the first are exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Adding and taking it away rounds to whole numbers.
const ROUND: f32 = 12_582_912.0;
const COEFFICIENTS: [f32; 6] = [
    1.987_569_1e-4,
    1.398_199_9e-3,
    8.333_452e-3,
    4.166_579_6e-2,
    1.666_666_5e-1,
    0.5,
];

/// e^x, lane by lane.
#[inline(always)]
pub(super) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    // The second operand wins where one is NaN.
    let x = s.min(s.splat(88.0), s.max(s.splat(-88.0), x));
    let round = s.splat(ROUND);
    let n = s.sub(s.fma(x, s.splat(LOG2_E), round), round);
    let r = s.fma(n, s.splat(-LN2_LOW), s.fma(n, s.splat(-LN2_HIGH), x));
    let mut p = s.splat(COEFFICIENTS[0]);
    for c in &COEFFICIENTS[1..] {
        p = s.fma(p, r, s.splat(*c));
    }
    let e = s.add(s.fma(p, s.mul(r, r), r), s.splat(1.0));
    s.mul(e, s.power_of_two(n))
}
