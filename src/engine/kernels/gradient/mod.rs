//! What training adds to the kernels: products of plain matrices, causal attention and rows, forward and backward.
//!
//! A [`Core`] is one thread's arithmetic. There is no parallelism inside an operator: for the small models that are trained
//! here each thread takes whole sequences forward and backward with a gradient of its own, and nobody waits for anybody.
//! Everything is in single precision and goes through the inner loop of `float_tile`, from pieces
//! that are copied into its layout just before; weights stay as they are stored, row-major, for both directions.
//!
//! An operator's order of summation depends on its shapes alone, so a step is the same, bit for bit, each time (per tier).
//! It knows nothing of models, losses over several operators, or optimisers beyond one update rule.

mod attention;
mod loss;
mod product;
mod rows;
#[cfg(test)]
mod tests;
mod update;

pub use attention::Causal;
pub use product::Matrix;
pub use rows::Direction;
pub use update::AdamW;

use super::cpu::Cpu;
use super::layout::Line32;
use super::tier::Isa;

/// One thread's arithmetic, and its room for pieces.
#[derive(Debug)]
pub struct Core {
    isa: Isa,
    strips: Vec<f32>,
    panel: Vec<Line32>,
    attention: attention::Room,
}

impl Cpu {
    /// Arithmetic of one thread with this processor's instructions.
    #[must_use]
    pub fn core(&self) -> Core {
        Core {
            isa: self.isa,
            strips: Vec::new(),
            panel: Vec::new(),
            attention: attention::Room::default(),
        }
    }
}
