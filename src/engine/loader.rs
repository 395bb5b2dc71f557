//! Takes a decoder's weights out of a checkpoint, by name, checked against its configuration.
//!
//! What a matrix becomes (packed for the kernels, a tensor of a device) is for who asks: `make` gets its rows, with those
//! that positions turn in the order of the original, and makes it.

use super::EngineError;
use super::config::{Architecture, Config};
use super::weights::{Checkpoint, Tensor, unreadable};

/// A layer's weights.
pub(super) struct Layer<M> {
    pub(super) attention_norm: Vec<f32>,
    pub(super) query: M,
    pub(super) key: M,
    pub(super) value: M,
    /// Of query, key and value.
    pub(super) biases: Option<[Vec<f32>; 3]>,
    /// Of the heads of query and key.
    pub(super) head_norms: Option<[Vec<f32>; 2]>,
    pub(super) output: M,
    pub(super) ffn_norm: Vec<f32>,
    pub(super) gate: M,
    pub(super) up: M,
    pub(super) down: M,
}

/// Makes a matrix of a tensor's description and its rows.
pub(super) type Make<'a, M> = dyn Fn(&Tensor<'_>, &[u8]) -> Result<M, String> + 'a;

/// See the module.
pub(super) struct Loader<'a, M> {
    pub(super) config: &'a Config,
    pub(super) checkpoint: &'a Checkpoint<'a>,
    /// The file, for what is said of it.
    pub(super) origin: &'a str,
    pub(super) make: &'a Make<'a, M>,
}

impl<M> Loader<'_, M> {
    pub(super) fn layer(&self, number: usize) -> Result<Layer<M>, EngineError> {
        let config = self.config;
        let name = |part: &str| format!("model.layers.{number}.{part}");
        let (hidden, wide, narrow) = (config.hidden, config.query_width(), config.kv_width());
        let biases = match config.architecture {
            Architecture::Qwen2 => Some([
                self.vector(&name("self_attn.q_proj.bias"), wide)?,
                self.vector(&name("self_attn.k_proj.bias"), narrow)?,
                self.vector(&name("self_attn.v_proj.bias"), narrow)?,
            ]),
            _ => None,
        };
        let head_norms = match config.architecture {
            Architecture::Qwen3 => Some([
                self.vector(&name("self_attn.q_norm.weight"), config.head_dim)?,
                self.vector(&name("self_attn.k_norm.weight"), config.head_dim)?,
            ]),
            _ => None,
        };
        self.has_no_other_biases(number, biases.is_some())?;
        let query = name("self_attn.q_proj.weight");
        let key = name("self_attn.k_proj.weight");
        let inner = config.intermediate;
        Ok(Layer {
            attention_norm: self.vector(&name("input_layernorm.weight"), hidden)?,
            query: self.rotated(&query, wide, hidden, config.heads)?,
            key: self.rotated(&key, narrow, hidden, config.kv_heads)?,
            value: self.matrix(&name("self_attn.v_proj.weight"), narrow, hidden)?,
            biases,
            head_norms,
            output: self.matrix(&name("self_attn.o_proj.weight"), hidden, wide)?,
            ffn_norm: self.vector(&name("post_attention_layernorm.weight"), hidden)?,
            gate: self.matrix(&name("mlp.gate_proj.weight"), inner, hidden)?,
            up: self.matrix(&name("mlp.up_proj.weight"), inner, hidden)?,
            down: self.matrix(&name("mlp.down_proj.weight"), hidden, inner)?,
        })
    }

    /// A bias that would be passed over would make another model of it.
    fn has_no_other_biases(&self, layer: usize, computed: bool) -> Result<(), EngineError> {
        let of_attention = ["q_proj", "k_proj", "v_proj", "o_proj"].map(|part| ("self_attn", part));
        let of_the_rest = ["gate_proj", "up_proj", "down_proj"].map(|part| ("mlp", part));
        for (at, (block, part)) in of_attention.into_iter().chain(of_the_rest).enumerate() {
            let name = format!("model.layers.{layer}.{block}.{part}.bias");
            let is_there =
                self.checkpoint.tensor(&name).is_some() || self.checkpoint.unread(&name).is_some();
            if (at >= 3 || !computed) && is_there {
                return Err(self.refused(format!(
                    "it has `{name}`, and biases of that kind are not computed here"
                )));
            }
        }
        Ok(())
    }

    fn refused(&self, why: String) -> EngineError {
        EngineError::Weights {
            origin: self.origin.to_owned(),
            why,
        }
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor<'_>, EngineError> {
        let tensor = self.checkpoint.tensor(name).ok_or_else(|| {
            let why = match self.checkpoint.unread(name) {
                Some(dtype) => unreadable(name, dtype),
                None => format!("the tensor `{name}` is missing"),
            };
            self.refused(why)
        })?;
        if tensor.shape != shape {
            return Err(self.refused(format!(
                "`{name}` is {:?}, but the configuration says {shape:?}",
                tensor.shape
            )));
        }
        Ok(tensor)
    }

    pub(super) fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>, EngineError> {
        let tensor = self.tensor(name, &[length])?;
        tensor
            .floats()
            .ok_or_else(|| self.refused(format!("`{name}` is quantised; floats are expected")))
    }

    pub(super) fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<M, EngineError> {
        let tensor = self.tensor(name, &[rows, columns])?;
        self.pack(name, &tensor, tensor.bytes)
    }

    /// Rows that will be turned by position. Llama's lie interleaved in GGUF files, pair by pair; here the first halves of
    /// all pairs come before the second ones, as in the original.
    fn rotated(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
        heads: usize,
    ) -> Result<M, EngineError> {
        let tensor = self.tensor(name, &[rows, columns])?;
        if self.config.architecture != Architecture::Llama || !self.checkpoint.interleaves_heads() {
            return self.pack(name, &tensor, tensor.bytes);
        }
        let row_bytes = tensor.bytes.len() / rows.max(1);
        let (head, half) = (rows / heads.max(1), rows / heads.max(1) / 2);
        let mut bytes = Vec::with_capacity(tensor.bytes.len());
        for row in 0..rows {
            let (of, within) = (row / head, row % head);
            let there = of * head + 2 * (within % half) + within / half;
            let from = there * row_bytes;
            bytes.extend_from_slice(tensor.bytes.get(from..from + row_bytes).unwrap_or_default());
        }
        self.pack(name, &tensor, &bytes)
    }

    fn pack(&self, name: &str, tensor: &Tensor<'_>, bytes: &[u8]) -> Result<M, EngineError> {
        (self.make)(tensor, bytes).map_err(|why| self.refused(format!("`{name}`: {why}")))
    }
}
