//! Training: demonstrations in, a model's folder out, on the user's own processor.
//!
//! ```text
//! store, JSONL ─▶ lessons ─▶ vocabulary ─▶ rows (tokens, weights) ─▶ order ─▶ trainer ─▶ checkpoints, folder
//!                 what was said             what is learned            which when
//! ```
//!
//! Mental model: a [`lesson`] is a conversation with a note at each of the model's turns: learn it or not. Rendered by the
//! policy's own chat template, the very text that the engine will render, it becomes a [`row`](rows) of tokens with a weight
//! each; everything else is masked. The [`trainer`] takes steps over batches of rows: every thread carries whole sequences
//! [forward and backward](network) with a gradient of its own. [`policy`] is the whole way, from a store to a folder that the
//! engine opens by its path, in one call; it can be cancelled and killed, and goes on from its last checkpoint.
//!
//! What is here is full training of small Qwen2 decoders in single precision. It knows nothing of screens, sandboxes or how
//! demonstrations came to be.

pub mod chance;
pub mod checkpoint;
mod claim;
mod error;
pub mod folder;
pub mod lesson;
pub mod network;
pub mod order;
pub mod policy;
pub mod rows;
pub mod shape;
pub mod start;
#[cfg(test)]
mod tests;
pub mod trainer;
pub mod vocabulary;

pub use error::TrainError;
