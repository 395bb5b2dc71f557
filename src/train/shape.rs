//! The shape of a small Qwen2 decoder, where its weights lie in one buffer, and how they begin.
//!
//! Mental model: all weights are one slice of floats; a [`Layout`] names the parts of it by the tensors of a Hugging Face
//! checkpoint. Query, key and value lie one after the other, as do gate and up, so each of them is one product. Gradients
//! and the optimiser's state have the same layout.

use std::ops::Range;

use super::TrainError;
use super::chance::Chance;

/// Sizes of a decoder. The head is the embedding.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    /// Rows of the embedding; a multiple of sixteen.
    pub vocab: usize,
    /// Width of the residual stream; a multiple of sixteen.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Heads of keys and values; they divide the query heads.
    pub kv_heads: usize,
    /// Width of a head; a multiple of sixteen.
    pub head_dim: usize,
    /// Width of the feed-forward part; a multiple of sixteen.
    pub intermediate: usize,
    /// Longest context in tokens.
    pub context: usize,
    /// Base of the rotary frequencies.
    pub rope_theta: f32,
    /// Added to the mean square before its root.
    pub rms_eps: f32,
}

impl Shape {
    /// What cannot be trained is said here.
    ///
    /// # Errors
    /// A size that is none, or one that the kernels do not take.
    pub fn check(&self) -> Result<(), TrainError> {
        let sixteens = [
            ("the vocabulary", self.vocab, 1 << 18),
            ("the width", self.hidden, 1 << 13),
            ("the width of a head", self.head_dim, 1 << 9),
            ("the feed-forward width", self.intermediate, 1 << 15),
        ];
        for (what, found, most) in sixteens {
            if found == 0 || found > most || !found.is_multiple_of(16) {
                return Err(TrainError::Shape(format!(
                    "{what} is {found}; multiples of 16 from 16 to {most} are trained here"
                )));
            }
        }
        for (what, found, most) in [
            ("layers", self.layers, 256),
            ("heads", self.heads, 256),
            ("key heads", self.kv_heads, 256),
            ("tokens of context", self.context, 1 << 16),
        ] {
            if found == 0 || found > most {
                return Err(TrainError::Shape(format!(
                    "{found} {what}; from 1 to {most} are trained here"
                )));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(TrainError::Shape(format!(
                "{} heads cannot share {} key heads evenly",
                self.heads, self.kv_heads
            )));
        }
        Ok(())
    }

    /// Width of all query heads.
    #[must_use]
    pub fn wide(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of q ‖ k ‖ v.
    #[must_use]
    pub fn qkv(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }
}

/// One layer's parts.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerLayout {
    /// `input_layernorm`, `[hidden]`.
    pub attention_norm: Range<usize>,
    /// `q_proj`, `k_proj`, `v_proj`, `[(heads + 2 · kv_heads) · head_dim, hidden]`.
    pub qkv: Range<usize>,
    /// Their biases.
    pub qkv_bias: Range<usize>,
    /// `o_proj`, `[hidden, heads · head_dim]`.
    pub output: Range<usize>,
    /// `post_attention_layernorm`, `[hidden]`.
    pub ffn_norm: Range<usize>,
    /// `gate_proj`, `up_proj`, `[2 intermediate, hidden]`.
    pub gate_up: Range<usize>,
    /// `down_proj`, `[hidden, intermediate]`.
    pub down: Range<usize>,
}

/// Where everything lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// The sizes.
    pub shape: Shape,
    /// `embed_tokens`, `[vocab, hidden]`.
    pub embedding: Range<usize>,
    /// Layers, first to last.
    pub layers: Vec<LayerLayout>,
    /// The last norm, `[hidden]`.
    pub norm: Range<usize>,
    /// Numbers in all.
    pub total: usize,
}

/// A tensor as a checkpoint names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its sizes, slowest first.
    pub sizes: Vec<usize>,
    /// Where it lies.
    pub at: Range<usize>,
}

impl Layout {
    /// Lay a shape out.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let mut end = 0;
        let mut take = |numbers: usize| {
            let at = end..end + numbers;
            end = at.end;
            at
        };
        let hidden = shape.hidden;
        let embedding = take(shape.vocab * hidden);
        let layers = (0..shape.layers)
            .map(|_| LayerLayout {
                attention_norm: take(hidden),
                qkv: take(shape.qkv() * hidden),
                qkv_bias: take(shape.qkv()),
                output: take(hidden * shape.wide()),
                ffn_norm: take(hidden),
                gate_up: take(2 * shape.intermediate * hidden),
                down: take(hidden * shape.intermediate),
            })
            .collect();
        let norm = take(hidden);
        Self {
            shape,
            embedding,
            layers,
            norm,
            total: end,
        }
    }

    /// Every tensor of a checkpoint, by its Hugging Face name.
    #[must_use]
    pub fn tensors(&self) -> Vec<Named> {
        let shape = &self.shape;
        let hidden = shape.hidden;
        let mut all = vec![Named {
            name: "model.embed_tokens.weight".into(),
            sizes: vec![shape.vocab, hidden],
            at: self.embedding.clone(),
        }];
        let (wide, narrow) = (shape.wide(), shape.kv_heads * shape.head_dim);
        for (number, layer) in self.layers.iter().enumerate() {
            let mut add = |part: &str, sizes: &[usize], start: usize| {
                let numbers: usize = sizes.iter().product();
                all.push(Named {
                    name: format!("model.layers.{number}.{part}"),
                    sizes: sizes.to_vec(),
                    at: start..start + numbers,
                });
            };
            add(
                "input_layernorm.weight",
                &[hidden],
                layer.attention_norm.start,
            );
            let mut first = 0;
            for (name, rows) in [("q", wide), ("k", narrow), ("v", narrow)] {
                let start = layer.qkv.start + first * hidden;
                add(
                    &format!("self_attn.{name}_proj.weight"),
                    &[rows, hidden],
                    start,
                );
                let start = layer.qkv_bias.start + first;
                add(&format!("self_attn.{name}_proj.bias"), &[rows], start);
                first += rows;
            }
            add(
                "self_attn.o_proj.weight",
                &[hidden, wide],
                layer.output.start,
            );
            add(
                "post_attention_layernorm.weight",
                &[hidden],
                layer.ffn_norm.start,
            );
            let between = shape.intermediate;
            add(
                "mlp.gate_proj.weight",
                &[between, hidden],
                layer.gate_up.start,
            );
            let start = layer.gate_up.start + between * hidden;
            add("mlp.up_proj.weight", &[between, hidden], start);
            add("mlp.down_proj.weight", &[hidden, between], layer.down.start);
        }
        all.push(Named {
            name: "model.norm.weight".into(),
            sizes: vec![hidden],
            at: self.norm.clone(),
        });
        all
    }

    /// The parts that weight decay applies to: matrices, in order, apart from each other.
    #[must_use]
    pub fn decayed(&self) -> Vec<Range<usize>> {
        let mut parts = vec![self.embedding.clone()];
        for layer in &self.layers {
            parts.extend([
                layer.qkv.clone(),
                layer.output.clone(),
                layer.gate_up.clone(),
                layer.down.clone(),
            ]);
        }
        parts
    }

    /// Weights to begin with: norms one, biases zero, matrices normal with deviation 1/√inputs, those that write to the
    /// residual stream smaller by √(2 · layers) (Radford et al. 2019), the embedding half as large as the others: tied, it is
    /// the head as well, and logits should begin small.
    #[must_use]
    pub fn begin(&self, seed: u64) -> Vec<f32> {
        let mut weights = vec![0.0; self.total];
        let mut chance = Chance::new(seed);
        let mut normal = |weights: &mut [f32], at: &Range<usize>, deviation: f32| {
            for weight in weights.get_mut(at.clone()).unwrap_or_default() {
                *weight = chance.normal() * deviation;
            }
        };
        let shape = &self.shape;
        let of = |inputs: usize| (inputs as f32).sqrt().recip();
        let residual = (2.0 * shape.layers as f32).sqrt().recip();
        normal(&mut weights, &self.embedding, 0.5 * of(shape.hidden));
        for layer in &self.layers {
            normal(&mut weights, &layer.qkv, of(shape.hidden));
            normal(&mut weights, &layer.output, of(shape.wide()) * residual);
            normal(&mut weights, &layer.gate_up, of(shape.hidden));
            normal(&mut weights, &layer.down, of(shape.intermediate) * residual);
            for norm in [&layer.attention_norm, &layer.ffn_norm] {
                weights.get_mut(norm.clone()).unwrap_or_default().fill(1.0);
            }
        }
        weights
            .get_mut(self.norm.clone())
            .unwrap_or_default()
            .fill(1.0);
        weights
    }
}
