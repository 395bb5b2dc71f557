//! Sixteen lanes: the vocabulary in which every kernel is written once.
//!
//! A [`Simd`] is a token. Holding one proves that the processor has its instructions, so its methods are safe to call;
//! tokens of a tier are made by detection alone. A kernel is a [`Kernel`]: arguments in a struct, and a generic `run` that
//! is inlined into one function per tier which enables that tier's instructions. Everything on the way down must be
//! `#[inline(always)]`, or the instructions are called instead of emitted.
//!
//! Lanes are mostly sixteen rows of a weight matrix. Nothing here sums across lanes but [`Simd::sum`], in fixed order.

use half::f16;

/// Code that runs on any tier.
pub(super) trait Kernel {
    /// What it answers.
    type Out;
    /// The body; implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, s: S) -> Self::Out;
}

/// Operations of one tier. All are lane by lane unless said.
pub(super) trait Simd: Copy {
    /// Sixteen `f32`.
    type F: Copy;
    /// Sixteen `i32`, or what a tier prefers while it sums signed weights.
    type I: Copy;
    /// Sums in progress of nibble products; may be narrower than `i32` for 32 products a lane.
    type N: Copy;
    /// 64 bytes: four consecutive columns for each of sixteen rows.
    type B: Copy;
    /// Four activations, `i8`, for all rows.
    type X: Copy;
    /// The scales of sixteen rows' blocks, and what a tier wants beside them.
    type D: Copy;

    /// Activation rows in one tile of an integer product, two row groups wide if [`Self::PAIRS`].
    const INTEGER_ROWS: usize;
    /// Most activation rows of one tile in one row group.
    const INTEGER_MOST: usize;
    /// Activation rows in one tile of a float product (32 weight rows wide with [`Self::PAIRS`], else 16).
    const FLOAT_ROWS: usize;
    /// Whether two row groups fit into the registers.
    const PAIRS: bool;

    /// All lanes `v`.
    fn splat(self, v: f32) -> Self::F;
    /// Read sixteen.
    fn load(self, from: &[f32; 16]) -> Self::F;
    /// Write sixteen.
    fn store(self, v: Self::F, to: &mut [f32; 16]);
    /// a + b.
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// a − b.
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// a · b.
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// a / b.
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// a · b + c, rounded once where the tier can.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The larger; `b` where either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The smaller; `b` where either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// 2^n for whole `n` in −126..=127.
    fn power_of_two(self, n: Self::F) -> Self::F;
    /// Sum of the lanes, as a tree of fixed shape.
    fn sum(self, v: Self::F) -> f32;
    /// Largest lane.
    fn largest(self, v: Self::F) -> f32;
    /// Sixteen half-precision numbers.
    fn half(self, from: &[f16; 16]) -> Self::F;
    /// Two columns of bfloat16: the low and the high halves of sixteen words.
    fn bf16_pair(self, from: &[u32; 16]) -> (Self::F, Self::F);
    /// Sixteen bytes, 0..=255.
    fn bytes(self, from: &[u8; 16]) -> Self::F;
    /// Rows become columns.
    fn transpose(self, rows: [Self::F; 16]) -> [Self::F; 16];

    /// Four activations for every row.
    fn activations(self, four: i32) -> Self::X;
    /// Scales of one block of each row.
    fn scales(self, from: &[f16; 16]) -> Self::D;
    /// The start of a sum over weights stored as value + 128; `start` is [`RAISED`](super::layout::RAISED) − 128 · Σ
    /// activations.
    fn signed_start(self, start: i32) -> Self::I;
    /// Read 64 weights stored as value + 128.
    fn signed_weights(self, from: &[u8; 64]) -> Self::B;
    /// Add four products to each row.
    fn signed_dot(self, sum: Self::I, w: Self::B, x: Self::X) -> Self::I;
    /// The finished sums by their scales.
    fn signed_scaled(self, sum: Self::I, d: Self::D) -> Self::F;

    /// The start of a sum over nibbles: 0, or [`RAISED`](super::layout::RAISED) and what each product is too large by.
    fn nibble_start(self, start: i32) -> Self::N;
    /// Read 64 bytes and take their low nibbles.
    fn low_nibbles(self, from: &[u8; 64]) -> Self::B;
    /// Read 64 bytes and take their high nibbles.
    fn high_nibbles(self, from: &[u8; 64]) -> Self::B;
    /// Read 64 values that are already 0..=15, one a byte.
    fn spread_nibbles(self, from: &[u8; 64]) -> Self::B;
    /// Add four products of nibbles to each row; at most eight times between start and done.
    fn nibble_dot(self, sum: Self::N, w: Self::B, x: Self::X) -> Self::N;
    /// Finished sums that started at 0, as floats.
    fn nibble_done(self, sum: Self::N) -> Self::F;
    /// Finished sums that were raised, by their scales; `start` is what they started at.
    fn nibble_scaled(self, sum: Self::N, start: i32, d: Self::D) -> Self::F;

    /// Σ over four pairs of two byte weights a row times two `i16` of `x`, as floats.
    fn pair_dot(self, w: &[[[u8; 2]; 16]; 4], x: &[i32; 4]) -> Self::F;

    /// Ask for the cache line `ahead` bytes after `from`, which need not exist.
    fn prefetch<T>(self, from: &T, ahead: usize);
}
