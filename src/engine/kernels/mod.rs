//! Arithmetic of the engine on the CPU: packed weights, matrix products, norms, rotary embedding and paged attention.
//!
//! A model is a list of calls on one [`Cpu`], which joins an instruction [`Tier`] (found at run time) and a [`Pool`] of
//! threads. Weights are repacked once into [`Packed`], sixteen rows interleaved, and are read from that copy alone.
//! Every kernel is written once, generic over sixteen lanes (`simd.rs`), and compiled for each tier.
//!
//! What holds throughout: **an output's order of summation depends on its own inputs only**, not on how many rows are
//! computed beside it nor on the number of threads. Reading a prompt at once or token by token gives the same bits (per
//! tier). Nothing here allocates per call once a [`Scratch`] has grown, beyond a few words.
//!
//! [`gradient`] adds what training needs. Nothing here knows of models, files, tokens or devices.
#![expect(
    clippy::inline_always,
    reason = "everything below a tier's entry must be compiled with that tier's instructions"
)]
#![expect(
    clippy::needless_range_loop,
    reason = "indices over small constant ranges unroll; zips of zips hide the tile"
)]
#![expect(
    clippy::many_single_char_names,
    reason = "m, n, k, x and w are the names of the field"
)]

mod attention;
mod avx2;
mod avx512;
mod block;
mod chances;
mod cpu;
mod deal;
mod error;
mod exponential;
mod float_tile;
pub mod gradient;
mod inputs;
mod integer_tile;
mod layout;
mod mass;
mod matmul;
mod norm;
mod pack;
mod pool;
mod portable;
mod quantise;
mod repack;
mod rotary;
mod score_tile;
mod simd;
mod spread;
#[cfg(test)]
mod tests;
mod tier;

pub use attention::{Cell, Heads, Sequence};
pub use block::Format;
pub use chances::{BLOCK, chances};
pub use cpu::{Cpu, Options, Scratch};
pub use error::KernelError;
pub use mass::read_speed;
pub use matmul::Linear;
pub use pack::{Keep, Packed};
pub use pool::{Pool, StartHook};
pub use rotary::Rotary;
pub use tier::Tier;
