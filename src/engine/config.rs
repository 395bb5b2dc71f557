//! What a decoder's shape is, read from a Hugging Face `config.json` or from the metadata of a GGUF file.
//!
//! Mental model: both say the same under other names; here it is checked once (every number that sizes a buffer is bounded,
//! heads divide, the architecture is one that the decoder computes), so that nothing after it has to doubt it. What the
//! decoder would compute wrongly is refused by name.

use serde::Deserialize;

use super::EngineError;
use super::foreign::Family;
use super::gguf::Gguf;
use super::weights::Tensor;

/// Positions that rotations are tabled for; a longer context ends there.
const MOST_POSITIONS: usize = 1 << 18;

/// Decoders that are computed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// Qwen2 and Qwen2.5: biases on q, k and v.
    Qwen2,
    /// Qwen3: norms on q and k.
    Qwen3,
    /// Llama 2 and 3, and what has their shape.
    Llama,
    /// None of ours: candle-transformers computes it.
    Foreign(Family),
}

/// How positions beyond those of pretraining are rotated.
#[derive(Debug, Clone, PartialEq)]
pub enum Scaling {
    /// As they are.
    None,
    /// All frequencies divided.
    Linear {
        /// By this.
        factor: f32,
    },
    /// Llama 3.1: low frequencies divided, high ones kept, those between blended.
    Llama3 {
        /// By this.
        factor: f32,
        /// Wavelengths longer than the original context over this are divided.
        low: f32,
        /// Wavelengths shorter than the original context over this are kept.
        high: f32,
        /// Original context, in tokens.
        original: f32,
    },
    /// Each frequency by its own divisor: how a GGUF file says Llama 3.1's rule.
    Divided(Vec<f32>),
}

/// See the module. Counts are within bounds that no published model reaches.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Which decoder.
    pub architecture: Architecture,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; they divide the query heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width of the feed-forward part.
    pub intermediate: usize,
    /// Rows of the embedding.
    pub vocab: usize,
    /// Longest context in tokens.
    pub context: usize,
    /// Base of the rotary frequencies.
    pub rope_theta: f32,
    /// What is done to them.
    pub scaling: Scaling,
    /// Added to the mean square before its root.
    pub rms_eps: f32,
    /// The head is the embedding.
    pub tied: bool,
    /// Tokens that end a reply, as the model's files say.
    pub eos: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

impl OneOrMany {
    fn all(self) -> Vec<u32> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

#[derive(Deserialize)]
struct HfConfig {
    #[serde(default)]
    architectures: Vec<String>,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    rope_theta: Option<f32>,
    rope_scaling: Option<serde_json::Value>,
    rope_parameters: Option<serde_json::Value>,
    /// `norm_epsilon` where norms are no RMS norms (those of `Starcoder2ForCausalLM`).
    #[serde(alias = "norm_epsilon")]
    rms_norm_eps: f32,
    #[serde(default)]
    tie_word_embeddings: bool,
    use_sliding_window: Option<bool>,
    sliding_window: Option<usize>,
    hidden_act: Option<String>,
    partial_rotary_factor: Option<f64>,
    query_pre_attn_scalar: Option<f64>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    eos_token_id: Option<OneOrMany>,
    quantization_config: Option<serde_json::Value>,
    /// So in folders of MLX.
    quantization: Option<serde_json::Value>,
}

/// The architectures by the names that their files give.
const KNOWN: &[(&str, &str, Architecture)] = &[
    ("Qwen2ForCausalLM", "qwen2", Architecture::Qwen2),
    ("Qwen3ForCausalLM", "qwen3", Architecture::Qwen3),
    ("LlamaForCausalLM", "llama", Architecture::Llama),
];

fn known() -> String {
    let ours = KNOWN.iter().map(|(name, _, _)| *name);
    let others = Family::ALL.iter().map(|(name, _)| *name);
    let names: Vec<&str> = ours.chain(others).collect();
    names.join(", ")
}

impl Config {
    /// Read a `config.json`.
    ///
    /// # Errors
    /// What is missing, unknown or out of bounds, in a sentence that names `origin`.
    pub fn from_json(text: &str, origin: &str) -> Result<Self, EngineError> {
        let refused = |why: String| EngineError::Config {
            origin: origin.to_owned(),
            why,
        };
        let found: HfConfig =
            serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
        let said = [&found.quantization_config, &found.quantization];
        if let Some(method) = said.into_iter().flatten().find_map(quantised) {
            return Err(refused(format!(
                "its weights are quantised ({method}), which is not read here; take the model's repository without \
                 quantisation (--quant q8_0 or q4_0 keeps it small), or a GGUF file of it"
            )));
        }
        let name = found.architectures.first().map_or("", String::as_str);
        if let Some((_, family)) = Family::ALL.iter().find(|(known, _)| *known == name) {
            let config = Self::of_family(*family, found).map_err(refused)?;
            config.check().map_err(refused)?;
            return Ok(config);
        }
        let Some((_, _, architecture)) = KNOWN.iter().find(|(known, _, _)| *known == name) else {
            let known = known();
            return Err(refused(format!(
                "the architecture `{name}` is not computed here; known: {known}"
            )));
        };
        if found.use_sliding_window == Some(true) {
            return Err(refused(
                "it attends through a sliding window, which is not computed here".into(),
            ));
        }
        if found.mlp_bias == Some(true)
            || (*architecture != Architecture::Qwen2 && found.attention_bias == Some(true))
        {
            return Err(refused(
                "it has biases that its architecture has not as published; they are not computed here".into(),
            ));
        }
        if let Some(act) = found.hidden_act.as_deref().filter(|act| *act != "silu") {
            return Err(refused(format!(
                "its activation is `{act}`; only silu is computed here"
            )));
        }
        let parameters = found.rope_parameters.as_ref();
        let part = found.partial_rotary_factor;
        let part = part.or_else(|| parameters?.get("partial_rotary_factor")?.as_f64());
        if let Some(part) = part.filter(|part| *part < 1.0) {
            return Err(refused(format!(
                "it turns {part} of each head by position; only whole heads are turned here"
            )));
        }
        let theta = |value: &serde_json::Value| single(value.get("rope_theta")?);
        let config = Self {
            architecture: *architecture,
            hidden: found.hidden_size,
            layers: found.num_hidden_layers,
            heads: found.num_attention_heads,
            kv_heads: found
                .num_key_value_heads
                .unwrap_or(found.num_attention_heads),
            head_dim: found
                .head_dim
                .unwrap_or(found.hidden_size / found.num_attention_heads.max(1)),
            intermediate: found.intermediate_size,
            vocab: found.vocab_size,
            context: found.max_position_embeddings,
            rope_theta: found
                .rope_theta
                .or_else(|| parameters.and_then(theta))
                .unwrap_or(10_000.0),
            scaling: scaling_of(found.rope_scaling.as_ref().or(parameters)).map_err(refused)?,
            rms_eps: found.rms_norm_eps,
            tied: found.tie_word_embeddings,
            eos: found.eos_token_id.map_or_else(Vec::new, OneOrMany::all),
        };
        config.check().map_err(refused)?;
        Ok(config)
    }

    /// What planning and serving need of a decoder that is not ours; candle-transformers reads the rest itself.
    ///
    /// Of what it computes otherwise than the model was trained (candle-transformers 0.11), scaled positions and Gemma's own scale of
    /// attention are refused, and the context ends where a sliding window would begin to slide. Gemma 3 fails with several key heads.
    fn of_family(family: Family, found: HfConfig) -> Result<Self, String> {
        let said = found
            .rope_scaling
            .as_ref()
            .or(found.rope_parameters.as_ref());
        let by_layers = said.and_then(serde_json::Value::as_object).into_iter();
        let by_layers = by_layers.flat_map(serde_json::Map::values);
        for said in said
            .into_iter()
            .chain(by_layers.filter(|said| said.is_object()))
        {
            if let Some(kind) = kind_of_scaling(said) {
                return Err(format!(
                    "its rotary positions are scaled by `{kind}`, which candle-transformers does not compute as it was trained; \
                     within its first context remove `rope_scaling` from config.json"
                ));
            }
        }
        let heads = found.num_attention_heads;
        let kv_heads = found.num_key_value_heads.unwrap_or(heads);
        let head_dim = found.head_dim.unwrap_or(found.hidden_size / heads.max(1));
        if let Some(scalar) = found
            .query_pre_attn_scalar
            .filter(|scalar| (scalar - head_dim as f64).abs() > 1e-6)
        {
            return Err(format!(
                "its attention is scaled by the root of {scalar}, and candle-transformers takes that of a head's width, {head_dim}"
            ));
        }
        if family == Family::Gemma3 && kv_heads > 1 {
            return Err(format!(
                "it has {kv_heads} key heads, and candle-transformers computes Gemma 3 with one only"
            ));
        }
        let context = found.max_position_embeddings;
        let window = found.sliding_window.unwrap_or(context);
        Ok(Self {
            architecture: Architecture::Foreign(family),
            hidden: found.hidden_size,
            layers: found.num_hidden_layers,
            heads,
            kv_heads,
            head_dim,
            intermediate: found.intermediate_size,
            vocab: found.vocab_size,
            context: if found.use_sliding_window == Some(false) {
                context
            } else {
                context.min(window)
            },
            rope_theta: found.rope_theta.unwrap_or(10_000.0),
            scaling: Scaling::None,
            rms_eps: found.rms_norm_eps,
            tied: found.tie_word_embeddings,
            eos: found.eos_token_id.map_or_else(Vec::new, OneOrMany::all),
        })
    }

    /// Read the metadata of a GGUF file.
    ///
    /// # Errors
    /// As [`Config::from_json`].
    pub fn from_gguf(file: &Gguf<'_>, origin: &str) -> Result<Self, EngineError> {
        let refused = |why: String| EngineError::Config {
            origin: origin.to_owned(),
            why,
        };
        let name = file.text("general.architecture").unwrap_or_default();
        let Some((_, prefix, architecture)) = KNOWN.iter().find(|(_, known, _)| *known == name)
        else {
            let known: Vec<&str> = KNOWN.iter().map(|(_, name, _)| *name).collect();
            return Err(refused(format!(
                "the architecture `{name}` is not computed here; known: {}",
                known.join(", ")
            )));
        };
        let count = |key: &str| -> Option<usize> {
            let value = file.unsigned(&format!("{prefix}.{key}"))?;
            usize::try_from(value).ok()
        };
        let need =
            |key: &str| count(key).ok_or_else(|| refused(format!("`{prefix}.{key}` is missing")));
        let number = |key: &str| file.float(&format!("{prefix}.{key}"));
        let (hidden, heads) = (need("embedding_length")?, need("attention.head_count")?);
        let vocab = count("vocab_size")
            .or_else(|| file.length("tokenizer.ggml.tokens"))
            .ok_or_else(|| refused("neither a vocabulary nor its size is there".into()))?;
        let head_dim = count("attention.key_length").unwrap_or(hidden / heads.max(1));
        let turned = count("rope.dimension_count").unwrap_or(head_dim);
        if turned != head_dim {
            return Err(refused(format!(
                "it turns {turned} of each head's {head_dim} numbers by position; only all of them are turned here"
            )));
        }
        // Files from before there were kinds have the factor alone, the oldest by another name.
        let factor = number("rope.scaling.factor").or_else(|| number("rope.scale_linear"));
        // 0 and 1 leave positions as they are.
        let factor = factor.filter(|factor| ![0.0, 1.0].contains(factor));
        let kind = file.text(&format!("{prefix}.rope.scaling.type"));
        let kind = kind.or_else(|| factor.map(|_| "linear"));
        let scaling = match (kind, file.tensor("rope_freqs.weight")) {
            (None | Some("none"), None) => Scaling::None,
            (None | Some("none"), Some(divisors)) => {
                divided(&divisors, head_dim).map_err(refused)?
            }
            (Some("linear"), None) => Scaling::Linear {
                factor: factor.unwrap_or(1.0),
            },
            (Some(other), _) => {
                return Err(refused(format!(
                    "its rotary positions are scaled by `{other}`, which is not computed here"
                )));
            }
        };
        let config = Self {
            architecture: *architecture,
            hidden,
            layers: need("block_count")?,
            heads,
            kv_heads: count("attention.head_count_kv").unwrap_or(heads),
            head_dim,
            intermediate: need("feed_forward_length")?,
            vocab,
            context: need("context_length")?,
            rope_theta: number("rope.freq_base").unwrap_or(10_000.0),
            scaling,
            rms_eps: number("attention.layer_norm_rms_epsilon").unwrap_or(1e-6),
            tied: file.tensor("output.weight").is_none(),
            eos: file
                .unsigned("tokenizer.ggml.eos_token_id")
                .and_then(|id| u32::try_from(id).ok())
                .into_iter()
                .collect(),
        };
        config.check().map_err(refused)?;
        Ok(config)
    }

    /// Width of all query heads together.
    #[must_use]
    pub fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key heads together.
    #[must_use]
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Longest text of one stream, in tokens: the model's own, within what positions are tabled for.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.context.min(MOST_POSITIONS)
    }

    /// Weights, counted.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        let layer = self.hidden * (self.query_width() * 2 + self.kv_width() * 2)
            + 3 * self.hidden * self.intermediate
            + 2 * self.hidden;
        let tables = if self.tied { 1 } else { 2 };
        (layer * self.layers + tables * self.vocab * self.hidden + self.hidden) as u64
    }

    /// Bounds that no published model reaches, and what must divide.
    fn check(&self) -> Result<(), String> {
        let bounds = [
            ("layers", self.layers, 1 << 10),
            ("heads", self.heads, 1 << 10),
            ("key heads", self.kv_heads, 1 << 10),
            ("head width", self.head_dim, 1 << 10),
            ("hidden width", self.hidden, 1 << 16),
            ("feed-forward width", self.intermediate, 1 << 18),
            ("vocabulary", self.vocab, 1 << 22),
            ("context", self.context, 1 << 27),
        ];
        for (what, found, most) in bounds {
            if found == 0 || found > most {
                return Err(format!("{what}: {found} is not between 1 and {most}"));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(format!(
                "{} query heads are not a multiple of {} key heads",
                self.heads, self.kv_heads
            ));
        }
        // A limit of our kernels.
        let ours = !matches!(self.architecture, Architecture::Foreign(_));
        if ours && !self.head_dim.is_multiple_of(16) {
            return Err(format!(
                "heads of {} are not computed here: only multiples of 16 are",
                self.head_dim
            ));
        }
        if !(self.rms_eps.is_finite() && self.rms_eps >= 0.0 && self.rope_theta > 1.0) {
            return Err(format!(
                "rms_norm_eps {} and rope_theta {} make no sense",
                self.rms_eps, self.rope_theta
            ));
        }
        Ok(())
    }
}

/// A number of a configuration: none of them needs more than single precision.
#[expect(clippy::cast_possible_truncation, reason = "see above")]
fn single(value: &serde_json::Value) -> Option<f32> {
    Some(value.as_f64()? as f32)
}

/// `rope_freqs.weight`, which llama.cpp's converter writes for Llama 3.1 and later in place of a kind of scaling.
fn divided(tensor: &Tensor<'_>, head_dim: usize) -> Result<Scaling, String> {
    let divisors = tensor.floats().unwrap_or_default();
    let sound = |divisor: &f32| divisor.is_finite() && *divisor > 0.0;
    if divisors.len() != head_dim / 2 || !divisors.iter().all(sound) {
        return Err(format!(
            "`rope_freqs.weight` should be {} positive numbers, one for each pair of a head, but it is {:?}",
            head_dim / 2,
            tensor.shape
        ));
    }
    Ok(Scaling::Divided(divisors))
}

/// How a folder's weights are quantised, in its own word, if they are.
fn quantised(said: &serde_json::Value) -> Option<String> {
    let said = said.as_object().filter(|said| !said.is_empty())?;
    let word = |name: &str| said.get(name)?.as_str().map(str::to_owned);
    let method = word("quant_method").or_else(|| word("quant_algo"));
    Some(method.unwrap_or_else(|| {
        // Before methods had names there was one.
        if said.keys().any(|key| key.starts_with("load_in_")) {
            "bitsandbytes".to_owned()
        } else {
            "by a method that is not named".to_owned()
        }
    }))
}

/// How positions are scaled, by the older or the newer name of the field, if they are.
fn kind_of_scaling(value: &serde_json::Value) -> Option<&str> {
    let kind = value.get("rope_type").or_else(|| value.get("type"))?;
    kind.as_str().filter(|kind| *kind != "default")
}

fn scaling_of(value: Option<&serde_json::Value>) -> Result<Scaling, String> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(Scaling::None);
    };
    let number = |name: &str| {
        let number = value.get(name).and_then(single);
        number
            .filter(|number| number.is_finite() && *number > 0.0)
            .ok_or_else(|| format!("its rotary scaling says no `{name}`"))
    };
    match kind_of_scaling(value) {
        None => Ok(Scaling::None),
        Some("linear") => Ok(Scaling::Linear {
            factor: number("factor")?,
        }),
        Some("llama3") => Ok(Scaling::Llama3 {
            factor: number("factor")?,
            low: number("low_freq_factor")?,
            high: number("high_freq_factor")?,
            original: number("original_max_position_embeddings")?,
        }),
        Some(other) => Err(format!(
            "its rotary positions are scaled by `{other}`, which is not computed here; within its first context remove \
             `rope_scaling` from config.json"
        )),
    }
}
