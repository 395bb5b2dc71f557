//! The decoder: tokens of several streams in, logits out. One definition of Qwen2, Qwen3 and Llama.
//!
//! Mental model: every call carries a few [`Part`]s, each some tokens of one stream that follow what its pages hold already: a
//! piece of a prompt, one token of a reply, or a guess of several. All their rows go through each layer together, so that
//! weights are read once for all; only attention looks at each stream's own pages. What a row computes depends on its own
//! stream alone, to the bit: the kernels sum in an order that knows nothing of the other rows.
//!
//! Formulas: Vaswani et al. 2017 with pre-norm (`RMSNorm`, Zhang & Sennrich 2019), rotary positions (Su et al. 2021), grouped
//! heads (Ainslie et al. 2023), `SwiGLU` (Shazeer 2020); shapes as in each model's `config.json`.

use super::EngineError;
use super::adapter::{self, Adapter, Module};
use super::cache::{Attention, Cache};
use super::config::{Config, Scaling};
use super::kernels::{Cpu, Format, Heads, Keep, Linear, Packed, Rotary, Scratch};
use super::loader::{Layer, Loader};
use super::prefix::{PAGE, Page};
use super::weights::{Checkpoint, Tensor};

/// Which logits are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// None: more of the prompt follows.
    None,
    /// Those after the last token.
    Last,
    /// Those after each.
    All,
}

/// Some tokens of one stream.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// They.
    pub tokens: &'a [u32],
    /// Tokens before them.
    pub past: usize,
    /// Pages of the stream, with room for these.
    pub pages: &'a [Page],
    /// Logits.
    pub wanted: Wanted,
}

impl Part<'_> {
    pub(super) fn wanted_rows(&self) -> std::ops::Range<usize> {
        let rows = self.tokens.len();
        match self.wanted {
            Wanted::None => rows..rows,
            Wanted::Last => rows.saturating_sub(1)..rows,
            Wanted::All => 0..rows,
        }
    }
}

/// See the module.
pub struct Decoder {
    config: Config,
    embedding: Packed,
    layers: Vec<Layer<Packed>>,
    norm: Vec<f32>,
    head: Option<Packed>,
    rotary: Rotary,
    precision: Precision,
}

/// Room that calls share: it grows to the largest call.
#[derive(Default)]
pub struct Room {
    scratch: Scratch,
    x: Vec<f32>,
    h: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    normed: Vec<f32>,
    attended: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    adapted: adapter::Room,
}

/// How weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// As they are stored, as nearly as there is a kernel for it.
    #[default]
    Stored,
    /// Single precision.
    F32,
    /// bfloat16.
    Bf16,
    /// 8 bits.
    Q8_0,
    /// 4 bits.
    Q4_0,
}

impl Precision {
    /// Its names on the command line and in a model's text, but for what is stored.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("f32", Self::F32),
        ("bf16", Self::Bf16),
        ("q8_0", Self::Q8_0),
        ("q4_0", Self::Q4_0),
    ];

    /// By its name, in any case.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let named = |(known, _): &&(&str, Self)| known.eq_ignore_ascii_case(name);
        Some(Self::NAMES.iter().find(named)?.1)
    }

    /// Its name; none where weights are kept as they are stored.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let named = |(_, precision): &&(&str, Self)| *precision == self;
        Some(Self::NAMES.iter().find(named)?.0)
    }

    fn keep(self, stored: Format) -> Keep {
        match (self, stored) {
            (Self::Stored, Format::BF16) | (Self::Bf16, _) => Keep::BF16,
            (Self::Stored, _) => Keep::Stored,
            (Self::F32, _) => Keep::F32,
            (Self::Q8_0, _) => Keep::Q8_0,
            (Self::Q4_0, _) => Keep::Q4_0,
        }
    }
}

impl Decoder {
    /// Pack a checkpoint's weights.
    ///
    /// # Errors
    /// Where a tensor is missing or has another shape than the configuration says.
    pub fn load(
        config: &Config,
        checkpoint: &Checkpoint<'_>,
        precision: Precision,
        cpu: &Cpu,
        origin: &str,
    ) -> Result<Self, EngineError> {
        let pack = |tensor: &Tensor<'_>, bytes: &[u8]| {
            let (rows, columns) = tensor.matrix().ok_or("it is no matrix")?;
            let keep = precision.keep(tensor.format);
            Packed::from_bytes(tensor.format, rows, columns, bytes, keep, cpu)
                .map_err(|error| error.to_string())
        };
        let loader = Loader {
            config,
            checkpoint,
            origin,
            make: &pack,
        };
        let mut layers = Vec::with_capacity(config.layers);
        for number in 0..config.layers {
            layers.push(loader.layer(number)?);
        }
        let (hidden, vocab) = (config.hidden, config.vocab);
        Ok(Self {
            embedding: loader.matrix("model.embed_tokens.weight", vocab, hidden)?,
            norm: loader.vector("model.norm.weight", hidden)?,
            head: if config.tied {
                None
            } else {
                Some(loader.matrix("lm_head.weight", vocab, hidden)?)
            },
            rotary: rotary(config),
            layers,
            precision,
            config: config.clone(),
        })
    }

    /// Its shape.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How its weights are kept.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Bytes of its weights.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let packed = |layer: &Layer<Packed>| {
            let all = [
                &layer.query,
                &layer.key,
                &layer.value,
                &layer.output,
                &layer.gate,
                &layer.up,
                &layer.down,
            ];
            all.iter().map(|packed| packed.bytes()).sum::<usize>()
        };
        let layers: usize = self.layers.iter().map(packed).sum();
        let tables = self.embedding.bytes() + self.head.as_ref().map_or(0, Packed::bytes);
        (layers + tables + self.rotary.bytes()) as u64
    }

    /// One step of all parts: keys and values of their tokens are in the cache then, and the logits that are wanted come
    /// back, row after row.
    ///
    /// # Errors
    /// A token or position that is none, or a kernel that failed.
    pub fn forward(
        &self,
        parts: &[Part<'_>],
        cache: &mut Cache,
        cpu: &Cpu,
        room: &mut Room,
    ) -> Result<Vec<f32>, EngineError> {
        self.forward_with(parts, &[], cache, cpu, room)
    }

    /// The same, some of the parts with adapters: the list has one place for each part, or is empty.
    ///
    /// # Errors
    /// As above.
    #[expect(
        clippy::too_many_lines,
        reason = "a layer is read in one piece, in the order in which it is computed"
    )]
    pub fn forward_with(
        &self,
        parts: &[Part<'_>],
        adapters: &[Option<&Adapter>],
        cache: &mut Cache,
        cpu: &Cpu,
        room: &mut Room,
    ) -> Result<Vec<f32>, EngineError> {
        let config = &self.config;
        let rows: usize = parts.iter().map(|part| part.tokens.len()).sum();
        let (hidden, wide, narrow) = (config.hidden, config.query_width(), config.kv_width());
        let mut positions = Vec::with_capacity(rows);
        sized(&mut room.x, rows * hidden);
        let tokens = parts.iter().flat_map(|part| part.tokens);
        for (token, x) in tokens.zip(room.x.chunks_exact_mut(hidden)) {
            self.embedding.row(*token as usize, x)?;
        }
        for part in parts {
            positions.extend(part.past..part.past + part.tokens.len());
            let room = part.pages.len() * PAGE;
            if part.past + part.tokens.len() > room {
                return Err(EngineError::Computing(format!(
                    "{} tokens do not fit into pages for {room}",
                    part.past + part.tokens.len()
                )));
            }
        }
        let shape = Heads {
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            page_tokens: PAGE,
        };
        for (buffer, width) in [
            (&mut room.h, hidden),
            (&mut room.q, wide),
            (&mut room.k, narrow),
            (&mut room.v, narrow),
            (&mut room.normed, wide.max(narrow)),
            (&mut room.attended, wide),
            (&mut room.gate, config.intermediate),
            (&mut room.up, config.intermediate),
        ] {
            sized(buffer, rows * width);
        }
        let of_parts = adapters.iter().copied().chain(std::iter::repeat(None));
        let rows_of = parts.iter().map(|part| part.tokens.len());
        let groups = adapter::groups(rows_of.zip(of_parts));
        for (number, layer) in self.layers.iter().enumerate() {
            let Room {
                scratch,
                x,
                h,
                q,
                k,
                v,
                normed,
                attended,
                gate,
                up,
                adapted,
            } = room;
            cpu.rms_norm(x, &layer.attention_norm, config.rms_eps, h)?;
            let bias = |at: usize| {
                let all = layer.biases.as_ref();
                all.and_then(|all| all.get(at)).map(Vec::as_slice)
            };
            let products = [
                Linear {
                    weight: &layer.query,
                    bias: bias(0),
                },
                Linear {
                    weight: &layer.key,
                    bias: bias(1),
                },
                Linear {
                    weight: &layer.value,
                    bias: bias(2),
                },
            ];
            cpu.matmul_many(&products, h, &mut [&mut *q, &mut *k, &mut *v], scratch)?;
            for group in &groups {
                for (module, out) in [
                    (Module::Query, &mut *q),
                    (Module::Key, &mut *k),
                    (Module::Value, &mut *v),
                ] {
                    group.add((number, module), h, out, cpu, (scratch, adapted))?;
                }
            }
            if let Some([of_query, of_key]) = &layer.head_norms {
                for (heads, weight) in [(&mut *q, of_query), (&mut *k, of_key)] {
                    let out = normed.get_mut(..heads.len()).unwrap_or_default();
                    cpu.rms_norm(heads, weight, config.rms_eps, out)?;
                    heads.copy_from_slice(out);
                }
            }
            cpu.rotate(&self.rotary, q, &positions)?;
            cpu.rotate(&self.rotary, k, &positions)?;
            let mut from = 0;
            for part in parts {
                let to = from + part.tokens.len() * narrow;
                let keys = k.get(from..to).unwrap_or_default();
                let values = v.get(from..to).unwrap_or_default();
                cache.put(number, part, keys, values);
                from = to;
            }
            let call = Attention {
                shape,
                parts,
                layer: number,
                queries: q,
                out: attended,
            };
            cache.attend(call, cpu, scratch)?;
            cpu.matmul((&layer.output).into(), attended, h, scratch)?;
            for group in &groups {
                group.add(
                    (number, Module::Output),
                    attended,
                    h,
                    cpu,
                    (scratch, adapted),
                )?;
            }
            cpu.add(x, h)?;
            cpu.rms_norm(x, &layer.ffn_norm, config.rms_eps, h)?;
            let products = [Linear::from(&layer.gate), Linear::from(&layer.up)];
            cpu.matmul_many(&products, h, &mut [&mut *gate, &mut *up], scratch)?;
            for group in &groups {
                for (module, out) in [(Module::Gate, &mut *gate), (Module::Up, &mut *up)] {
                    group.add((number, module), h, out, cpu, (scratch, adapted))?;
                }
            }
            cpu.silu_mul(gate, up)?;
            cpu.matmul((&layer.down).into(), gate, h, scratch)?;
            for group in &groups {
                group.add((number, Module::Down), gate, h, cpu, (scratch, adapted))?;
            }
            cpu.add(x, h)?;
        }
        self.logits(parts, cpu, room)
    }

    fn logits(
        &self,
        parts: &[Part<'_>],
        cpu: &Cpu,
        room: &mut Room,
    ) -> Result<Vec<f32>, EngineError> {
        let hidden = self.config.hidden;
        let mut chosen = Vec::new();
        let mut first = 0;
        for part in parts {
            let rows = part.wanted_rows();
            let from = (first + rows.start) * hidden..(first + rows.end) * hidden;
            chosen.extend_from_slice(room.x.get(from).unwrap_or_default());
            first += part.tokens.len();
        }
        let rows = chosen.len() / hidden;
        let mut normed = vec![0.0; chosen.len()];
        cpu.rms_norm(&chosen, &self.norm, self.config.rms_eps, &mut normed)?;
        let mut logits = vec![0.0; rows * self.config.vocab];
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        cpu.matmul(head.into(), &normed, &mut logits, &mut room.scratch)?;
        Ok(logits)
    }
}

fn sized(buffer: &mut Vec<f32>, numbers: usize) {
    buffer.resize(numbers, 0.0);
}

/// The table of rotations.
fn rotary(config: &Config) -> Rotary {
    let inverse = inverse_frequencies(config);
    Rotary::from_inverse_frequencies(&inverse, 1.0, config.longest())
}

/// Radians a position for each pair of a head, scaled as the model wants them.
#[expect(
    clippy::cast_possible_truncation,
    reason = "angles are reckoned in double precision and kept in single"
)]
pub(super) fn inverse_frequencies(config: &Config) -> Vec<f32> {
    let theta = f64::from(config.rope_theta);
    (0..config.head_dim / 2)
        .map(|at| {
            let plain = theta.powf(-(2.0 * at as f64) / config.head_dim as f64);
            scaled(plain, at, &config.scaling) as f32
        })
        .collect()
}

/// Llama 3.1's rule is that of `transformers`' `_compute_llama3_parameters`.
fn scaled(frequency: f64, at: usize, scaling: &Scaling) -> f64 {
    match scaling {
        Scaling::None => frequency,
        Scaling::Linear { factor } => frequency / f64::from(*factor),
        Scaling::Divided(by) => frequency / by.get(at).copied().map_or(1.0, f64::from),
        Scaling::Llama3 {
            factor,
            low,
            high,
            original,
        } => {
            let (factor, low, high) = (f64::from(*factor), f64::from(*low), f64::from(*high));
            let original = f64::from(*original);
            let wavelength = 2.0 * std::f64::consts::PI / frequency;
            if wavelength < original / high {
                frequency
            } else if wavelength > original / low {
                frequency / factor
            } else {
                let smooth = (original / wavelength - low) / (high - low);
                (1.0 - smooth) * frequency / factor + smooth * frequency
            }
        }
    }
}
