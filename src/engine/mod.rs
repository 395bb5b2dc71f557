//! Local inference: a model's files in, tokens out, on the user's own processor.
//!
//! ```text
//! files ─▶ config, weights ─▶ plan ─▶ decoder ─┐
//! tokenizer, template ◀── conversation         ├─ schedule: one thread, all streams in one step
//!         └────────── prompt ──▶ prefix tree ──┘        └─ sample ─▶ tokens ─▶ text
//! ```
//!
//! Mental model: an [`Engine`] is one model, opened once and shared by whoever asks. A conversation becomes tokens by the
//! model's own template; requests run together, each over a bounded channel; what several have in common is computed once.
//! Everything that cannot work is said before the weights are read.
//!
//! It knows nothing of agents, tools or rollouts; what a reply means is for its readers.

mod about;
pub mod adapter;
pub mod cache;
pub mod compute;
pub mod config;
pub mod constraint;
#[cfg(all(feature = "cuda", target_os = "linux", target_arch = "x86_64"))]
mod cuda_libraries;
pub mod decoder;
pub mod device;
mod error;
pub mod foreign;
pub mod gguf;
pub mod kernels;
mod loader;
pub mod lookup;
mod map;
pub mod memory;
mod open;
pub mod plan;
pub mod prefix;
pub mod sample;
pub mod schedule;
pub mod split;
pub mod template;
pub mod tensors;
pub mod tokenizer;
pub mod weights;

#[cfg(test)]
mod tests;

pub use decoder::Precision;
pub use error::EngineError;
pub use open::{Engine, Reply, Wishes};
