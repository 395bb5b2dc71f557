//! Small models with weights that are drawn, and what is tested over several files of the engine.
#![expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "numbers that the test itself makes"
)]

pub(super) mod adapters;
mod configs;
mod failures;
mod families;
mod guesses;
mod logits;
mod room;
mod streams;
mod templates;
mod tensors;
mod texts;
mod together;

use std::fmt::Write as _;
use std::path::Path;

use crate::engine::config::Config;
use crate::engine::decoder::{Decoder, Precision};
use crate::engine::kernels::{Cpu, Options};
use crate::engine::weights::Files;

pub(super) fn cpu(threads: usize) -> Cpu {
    let options = Options {
        threads,
        ..Options::new().unwrap()
    };
    Cpu::new(&options).unwrap()
}

pub(super) fn config_of(folder: &Path) -> Config {
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    Config::from_json(&text, "config.json").unwrap()
}

pub(super) fn load(folder: &Path, precision: Precision, cpu: &Cpu) -> Decoder {
    let config = config_of(folder);
    let files = Files::open(folder).unwrap();
    Decoder::load(
        &config,
        &files.checkpoint().unwrap(),
        precision,
        cpu,
        "tiny",
    )
    .unwrap()
}

/// Two layers of width 64, 4 heads over 2, vocabulary 190, in a folder of Hugging Face's layout.
pub(super) fn tiny(kind: &str, seed: u64) -> tempfile::TempDir {
    let (name, tied) = match kind {
        "qwen2" => ("Qwen2ForCausalLM", true),
        "qwen3" => ("Qwen3ForCausalLM", true),
        _ => ("LlamaForCausalLM", false),
    };
    let folder = tempfile::tempdir().unwrap();
    let config = serde_json::json!({
        "architectures": [name], "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 96, "vocab_size": 190,
        "max_position_embeddings": 4096, "rope_theta": 10000.0, "rms_norm_eps": 1e-6,
        "tie_word_embeddings": tied, "hidden_act": "silu",
    });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let mut tensors: Vec<(String, Vec<usize>, f32)> = vec![
        ("model.embed_tokens.weight".into(), vec![190, 64], 1.0),
        ("model.norm.weight".into(), vec![64], 0.0),
    ];
    if !tied {
        tensors.push(("lm_head.weight".into(), vec![190, 64], 0.3));
    }
    for layer in 0..2 {
        let mut add = |part: &str, shape: &[usize], scale: f32| {
            tensors.push((
                format!("model.layers.{layer}.{part}"),
                shape.to_vec(),
                scale,
            ));
        };
        add("input_layernorm.weight", &[64], 0.0);
        add("post_attention_layernorm.weight", &[64], 0.0);
        add("self_attn.q_proj.weight", &[64, 64], 0.3);
        add("self_attn.k_proj.weight", &[32, 64], 0.3);
        add("self_attn.v_proj.weight", &[32, 64], 0.2);
        add("self_attn.o_proj.weight", &[64, 64], 0.2);
        add("mlp.gate_proj.weight", &[96, 64], 0.2);
        add("mlp.up_proj.weight", &[96, 64], 0.2);
        add("mlp.down_proj.weight", &[64, 96], 0.2);
        match kind {
            "qwen2" => {
                add("self_attn.q_proj.bias", &[64], 0.5);
                add("self_attn.k_proj.bias", &[32], 0.5);
                add("self_attn.v_proj.bias", &[32], 0.5);
            }
            "qwen3" => {
                add("self_attn.q_norm.weight", &[16], 0.0);
                add("self_attn.k_norm.weight", &[16], 0.0);
            }
            _ => {}
        }
    }
    let mut state = seed;
    let mut uniform = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let tensors: Vec<_> = tensors
        .into_iter()
        .map(|(name, shape, scale)| {
            let numbers = (0..shape.iter().product::<usize>()).map(|_| {
                // Norms lie around one.
                if scale == 0.0 {
                    1.0 + 0.2 * uniform()
                } else {
                    scale * uniform()
                }
            });
            (name, shape, numbers.collect())
        })
        .collect();
    put_safetensors(&folder.path().join("model.safetensors"), &tensors);
    folder
}

/// Tensors in single precision.
pub(super) fn put_safetensors(path: &Path, tensors: &[(String, Vec<usize>, Vec<f32>)]) {
    let (mut head, mut data) = (String::from("{"), Vec::new());
    for (name, shape, numbers) in tensors {
        let from = data.len();
        for number in numbers {
            data.extend_from_slice(&number.to_le_bytes());
        }
        let comma = if head.len() > 1 { "," } else { "" };
        write!(head, "{comma}\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape:?},\"data_offsets\":[{from},{}]}}", data.len()).unwrap();
    }
    head.push('}');
    let mut file = (head.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(head.as_bytes());
    file.extend_from_slice(&data);
    std::fs::write(path, file).unwrap();
}
