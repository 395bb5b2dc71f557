//! Models of true shapes with random weights, as files that every peer reads: GGUF, or a folder of Hugging Face's layout.
//!
//! What an engine's speed depends on is the shape and how weights are stored, not what they say. The same file serves all
//! sides of a comparison. Its vocabulary has a size and no words (`no_vocab`), so that nothing but tokens goes in and out.
//!
//! Blocks are drawn so that a weight has mean 0 and a deviation of about 0.02, as trained ones have: with a mean, every
//! position of a deep model gives the same logits.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// How matrices are stored; norms and biases are always single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Q8_0,
    Q4_0,
    Q4K,
    F32,
}

/// A shape and how it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    hidden: usize,
    intermediate: usize,
    layers: usize,
    heads: usize,
    kv_heads: usize,
    pub(super) vocab: usize,
    pub(super) stored: Stored,
}

const fn half_billion(name: &'static str, stored: Stored) -> Shape {
    Shape {
        name,
        hidden: 896,
        intermediate: 4864,
        layers: 24,
        heads: 14,
        kv_heads: 2,
        vocab: 151_936,
        stored,
    }
}

const fn one_and_a_half(name: &'static str, stored: Stored) -> Shape {
    Shape {
        name,
        hidden: 1536,
        intermediate: 8960,
        layers: 28,
        heads: 12,
        kv_heads: 2,
        vocab: 151_936,
        stored,
    }
}

/// Those of Qwen2.5-0.5B and 1.5B. The embedding, which is the head too, is `Q8_0` where matrices have four bits.
pub(super) const SHAPES: [Shape; 5] = [
    half_billion("0.5b-q8_0", Stored::Q8_0),
    half_billion("0.5b-q4_0", Stored::Q4_0),
    one_and_a_half("1.5b-q8_0", Stored::Q8_0),
    one_and_a_half("1.5b-q4_k", Stored::Q4K),
    half_billion("0.5b-f32", Stored::F32),
];

/// A tensor to be written.
struct Drawn {
    gguf: String,
    folder: String,
    /// Rows first; one size for a vector.
    shape: Vec<usize>,
    stored: Stored,
    /// All ones (a norm).
    ones: bool,
}

impl Shape {
    /// The file or folder, made where it is not there yet.
    pub(super) fn file(&self, folder: &Path) -> io::Result<PathBuf> {
        std::fs::create_dir_all(folder)?;
        if self.stored == Stored::F32 {
            let at = folder.join(self.name);
            if !at.join("config.json").is_file() {
                std::fs::create_dir_all(&at)?;
                self.write_folder(&at)?;
            }
            return Ok(at);
        }
        let at = folder.join(format!("{}.gguf", self.name));
        if !at.is_file() {
            let part = at.with_extension("part");
            let mut file = BufWriter::with_capacity(1 << 20, File::create(&part)?);
            self.write_gguf(&mut file)?;
            file.into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .sync_all()?;
            std::fs::rename(&part, &at)?;
        }
        Ok(at)
    }

    fn tensors(&self) -> Vec<Drawn> {
        let head = match self.stored {
            Stored::F32 => Stored::F32,
            _ => Stored::Q8_0,
        };
        let narrow = self.hidden / self.heads * self.kv_heads;
        let mut all = Vec::new();
        let mut add = |gguf: String, folder: String, shape: &[usize], stored| {
            let ones = folder.contains("norm");
            all.push(Drawn {
                gguf,
                folder,
                shape: shape.to_vec(),
                stored,
                ones,
            });
        };
        let (hidden, wide) = (self.hidden, self.intermediate);
        add(
            "token_embd.weight".into(),
            "model.embed_tokens.weight".into(),
            &[self.vocab, hidden],
            head,
        );
        add(
            "output_norm.weight".into(),
            "model.norm.weight".into(),
            &[hidden],
            Stored::F32,
        );
        for layer in 0..self.layers {
            let vectors = [
                ("attn_norm.weight", "input_layernorm.weight", hidden),
                ("ffn_norm.weight", "post_attention_layernorm.weight", hidden),
                ("attn_q.bias", "self_attn.q_proj.bias", hidden),
                ("attn_k.bias", "self_attn.k_proj.bias", narrow),
                ("attn_v.bias", "self_attn.v_proj.bias", narrow),
            ];
            for (gguf, folder, size) in vectors {
                let names = (
                    format!("blk.{layer}.{gguf}"),
                    format!("model.layers.{layer}.{folder}"),
                );
                add(names.0, names.1, &[size], Stored::F32);
            }
            let matrices = [
                ("attn_q", "self_attn.q_proj", hidden, hidden),
                ("attn_k", "self_attn.k_proj", narrow, hidden),
                ("attn_v", "self_attn.v_proj", narrow, hidden),
                ("attn_output", "self_attn.o_proj", hidden, hidden),
                ("ffn_gate", "mlp.gate_proj", wide, hidden),
                ("ffn_up", "mlp.up_proj", wide, hidden),
                ("ffn_down", "mlp.down_proj", hidden, wide),
            ];
            for (gguf, folder, rows, columns) in matrices {
                let names = (
                    format!("blk.{layer}.{gguf}.weight"),
                    format!("model.layers.{layer}.{folder}.weight"),
                );
                add(names.0, names.1, &[rows, columns], self.stored);
            }
        }
        all
    }

    /// `docs/gguf.md` of the ggml project, version 3.
    fn write_gguf(&self, out: &mut impl Write) -> io::Result<()> {
        let tensors = self.tensors();
        let mut head = Vec::new();
        head.extend(b"GGUF");
        head.extend(3u32.to_le_bytes());
        head.extend((tensors.len() as u64).to_le_bytes());
        let numbers = [
            ("qwen2.block_count", self.layers),
            ("qwen2.context_length", 32_768),
            ("qwen2.embedding_length", self.hidden),
            ("qwen2.feed_forward_length", self.intermediate),
            ("qwen2.attention.head_count", self.heads),
            ("qwen2.attention.head_count_kv", self.kv_heads),
            ("qwen2.vocab_size", self.vocab),
        ];
        let floats = [
            ("qwen2.attention.layer_norm_rms_epsilon", 1e-6f32),
            ("qwen2.rope.freq_base", 1e6),
        ];
        let texts = [
            ("general.architecture", "qwen2"),
            ("tokenizer.ggml.model", "no_vocab"),
        ];
        let count = numbers.len() + floats.len() + texts.len();
        head.extend((count as u64).to_le_bytes());
        for (key, value) in texts {
            text(&mut head, key);
            head.extend(8u32.to_le_bytes());
            text(&mut head, value);
        }
        for (key, value) in numbers {
            text(&mut head, key);
            head.extend(4u32.to_le_bytes());
            head.extend(u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes());
        }
        for (key, value) in floats {
            text(&mut head, key);
            head.extend(6u32.to_le_bytes());
            head.extend(value.to_le_bytes());
        }
        let mut offset = 0u64;
        for tensor in &tensors {
            text(&mut head, &tensor.gguf);
            head.extend(u32::try_from(tensor.shape.len()).unwrap_or(0).to_le_bytes());
            for size in tensor.shape.iter().rev() {
                head.extend((*size as u64).to_le_bytes());
            }
            head.extend(tensor.stored.ggml().to_le_bytes());
            head.extend(offset.to_le_bytes());
            offset += (tensor.bytes() as u64).next_multiple_of(ALIGNED);
        }
        pad(&mut head, 0);
        out.write_all(&head)?;
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for tensor in &tensors {
            let written = tensor.write(out, &mut dice)?;
            let mut rest = Vec::new();
            pad(&mut rest, written);
            out.write_all(&rest)?;
        }
        Ok(())
    }

    fn write_folder(&self, at: &Path) -> io::Result<()> {
        let tensors = self.tensors();
        let mut offset = 0;
        let mut entries = serde_json::Map::new();
        for tensor in &tensors {
            let end = offset + tensor.bytes();
            let entry = serde_json::json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [offset, end]});
            entries.insert(tensor.folder.clone(), entry);
            offset = end;
        }
        let mut head = serde_json::Value::Object(entries).to_string();
        head.push_str(&" ".repeat(head.len().next_multiple_of(8) - head.len()));
        let file = File::create(at.join("model.safetensors"))?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        out.write_all(&(head.len() as u64).to_le_bytes())?;
        out.write_all(head.as_bytes())?;
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for tensor in &tensors {
            tensor.write(&mut out, &mut dice)?;
        }
        out.flush()?;
        let config = serde_json::json!({
            "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu",
            "hidden_size": self.hidden, "intermediate_size": self.intermediate, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads, "vocab_size": self.vocab,
            "max_position_embeddings": 32_768, "rms_norm_eps": 1e-6, "rope_theta": 1e6, "tie_word_embeddings": true,
            "torch_dtype": "float32", "bos_token_id": 0, "eos_token_id": 1,
        });
        std::fs::write(at.join("config.json"), config.to_string())
    }
}

/// GGUF's default.
const ALIGNED: u64 = 32;

fn text(into: &mut Vec<u8>, text: &str) {
    into.extend((text.len() as u64).to_le_bytes());
    into.extend(text.as_bytes());
}

/// Fill up `into`, which ends `written` bytes after an aligned place or its own beginning.
fn pad(into: &mut Vec<u8>, written: usize) {
    let end = written + into.len();
    let aligned = (end as u64).next_multiple_of(ALIGNED);
    into.resize(
        into.len() + usize::try_from(aligned).unwrap_or(end) - end,
        0,
    );
}

impl Stored {
    /// The type's number in the format.
    fn ggml(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::Q4_0 => 2,
            Self::Q8_0 => 8,
            Self::Q4K => 12,
        }
    }

    /// Weights and bytes of a block.
    fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::Q4_0 => (32, 18),
            Self::Q8_0 => (32, 34),
            Self::Q4K => (256, 144),
        }
    }

    /// A block with weights of deviation 0.02 or so.
    fn draw(self, into: &mut [u8], dice: &mut Dice) {
        // Scales as half-precision bits.
        let half = |bits: u16| bits.to_le_bytes();
        dice.fill(into);
        match self {
            Self::F32 => {
                // Uniform over ±0.035.
                let (words, _) = into.as_chunks_mut::<4>();
                for word in words {
                    let number = u32::from_le_bytes(*word) as f32 / u32::MAX as f32 - 0.5;
                    *word = (number * 0.07).to_le_bytes();
                }
            }
            Self::Q8_0 => copy(into, 0, &half(0x0c7d) /* 0.02 / 73 */),
            Self::Q4_0 => {
                copy(into, 0, &half(0x1cc3) /* 0.02 / 4.3 */);
                // Nibbles 1 to 15: with 0 the mean is not 0.
                for byte in into.iter_mut().skip(2) {
                    let (low, high) = (*byte & 15, *byte >> 4);
                    *byte = low.max(1) | high.max(1) << 4;
                }
            }
            Self::Q4K => {
                // Scales and minima alike, 32 to 63, so that a weight is d·s·(q − 7.5).
                copy(into, 0, &half(0x0608) /* 9.2e-5 */);
                copy(into, 2, &half(0x11a7) /* 7.5 of it */);
                let mut scales = [0u8; 12];
                for j in 0..8u8 {
                    let six = 32 + dice.byte() % 32;
                    let at = usize::from(j % 4);
                    let (scale, minimum, rest) = (at, at + 4, at + 8);
                    if j < 4 {
                        for place in [scale, minimum] {
                            copy(&mut scales, place, &[six]);
                        }
                    } else {
                        copy(&mut scales, rest, &[six & 15 | (six & 15) << 4]);
                        for place in [scale, minimum] {
                            let low = scales.get(place).copied().unwrap_or(0);
                            copy(&mut scales, place, &[low | (six >> 4) << 6]);
                        }
                    }
                }
                copy(into, 4, &scales);
            }
        }
    }
}

fn copy(into: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = into.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

impl Drawn {
    fn bytes(&self) -> usize {
        let (weights, bytes) = self.stored.block();
        self.shape.iter().product::<usize>() / weights * bytes
    }

    fn write(&self, out: &mut impl Write, dice: &mut Dice) -> io::Result<usize> {
        let (_, bytes) = self.stored.block();
        let blocks = self.bytes() / bytes;
        let mut block = vec![0u8; bytes];
        for _ in 0..blocks {
            if self.ones {
                block.copy_from_slice(&1f32.to_le_bytes());
            } else {
                self.stored.draw(&mut block, dice);
            }
            out.write_all(&block)?;
        }
        Ok(self.bytes())
    }
}

/// xorshift64* (Vigna 2016): fast, and the same everywhere.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[7]
    }

    fn fill(&mut self, into: &mut [u8]) {
        for chunk in into.chunks_mut(8) {
            let drawn = self.next().to_le_bytes();
            chunk.copy_from_slice(drawn.get(..chunk.len()).unwrap_or_default());
        }
    }

    /// Tokens to compute with.
    pub(super) fn tokens(&mut self, count: usize, vocab: usize) -> Vec<u32> {
        let most = vocab.max(1) as u64;
        (0..count)
            .map(|_| u32::try_from(self.next() % most).unwrap_or(0))
            .collect()
    }
}
