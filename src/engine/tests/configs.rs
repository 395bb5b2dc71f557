//! What a configuration says that would be computed wrongly is refused by name.

use serde_json::{Value, json};

use super::{config_of, cpu, tiny};
use crate::engine::config::{Config, Scaling};
use crate::engine::decoder::{Decoder, Precision};
use crate::engine::gguf::Gguf;
use crate::engine::weights::Files;

/// The configuration of an architecture with these in it; its longest text, or why it is refused.
fn longest(architecture: &str, more: &Value) -> Result<usize, String> {
    let mut config = json!({
        "architectures": [architecture], "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 96, "vocab_size": 190, "max_position_embeddings": 8192,
        "rope_theta": 10000.0, "rms_norm_eps": 1e-6, "hidden_act": "silu",
    });
    let all = config.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    Config::from_json(&config.to_string(), "config.json")
        .map(|config| config.longest())
        .map_err(|error| error.to_string())
}

#[test]
fn what_candle_transformers_would_compute_wrongly_is_refused_or_not_reached() {
    let plain = json!({});
    assert_eq!(longest("MistralForCausalLM", &plain), Ok(8192));
    let window = json!({"sliding_window": 4096});
    for name in [
        "MistralForCausalLM",
        "Gemma2ForCausalLM",
        "Starcoder2ForCausalLM",
    ] {
        assert_eq!(longest(name, &window), Ok(4096));
    }
    let unused = json!({"sliding_window": 0, "use_sliding_window": false});
    assert_eq!(longest("Qwen2MoeForCausalLM", &unused), Ok(8192));
    let unset = json!({"sliding_window": null, "rope_parameters": {"rope_type": "default"}});
    assert_eq!(longest("Gemma2ForCausalLM", &unset), Ok(8192));
    let scaled = json!({"query_pre_attn_scalar": 144, "head_dim": 128});
    let why = longest("Gemma2ForCausalLM", &scaled).unwrap_err();
    assert!(why.contains("root of 144"), "{why}");
    let why = longest("Gemma3ForCausalLM", &plain).unwrap_err();
    assert!(why.contains("2 key heads"), "{why}");
    let one = json!({"num_key_value_heads": 1, "sliding_window": 512});
    assert_eq!(longest("Gemma3ForCausalLM", &one), Ok(512));
    for scaling in [
        json!({"rope_scaling": {"type": "longrope", "short_factor": [1.0]}}),
        json!({"rope_parameters": {"full_attention": {"rope_type": "longrope"}}}),
    ] {
        let why = longest("Phi3ForCausalLM", &scaling).unwrap_err();
        assert!(why.contains("scaled by `longrope`"), "{why}");
    }
}

#[test]
fn what_our_own_decoders_do_not_compute_is_refused() {
    let refused = |more: Value| longest("LlamaForCausalLM", &more).unwrap_err();
    for (more, why) in [
        (json!({"partial_rotary_factor": 0.5}), "0.5 of each head"),
        (
            json!({"rope_parameters": {"partial_rotary_factor": 0.5}}),
            "0.5 of each head",
        ),
        (json!({"use_sliding_window": true}), "sliding window"),
        (json!({"rope_scaling": {"type": "yarn"}}), "`yarn`"),
        (json!({"hidden_act": "gelu"}), "`gelu`"),
        (json!({"mlp_bias": true}), "biases"),
        (
            json!({"quantization_config": {"quant_method": "gptq", "bits": 4}}),
            "quantised (gptq)",
        ),
        (
            json!({"quantization_config": {"load_in_4bit": true}}),
            "quantised (bitsandbytes)",
        ),
        (
            json!({"quantization": {"group_size": 64, "bits": 4}}),
            "without quantisation",
        ),
    ] {
        let said = refused(more);
        assert!(said.contains(why), "{said}");
    }
    // What is named and holds nothing quantises nothing.
    let nothing = json!({"quantization_config": null, "quantization": {}});
    assert_eq!(longest("LlamaForCausalLM", &nothing), Ok(8192));
    // A context beyond what positions are tabled for ends there, for everybody.
    let long = json!({"max_position_embeddings": 1_010_000});
    assert_eq!(longest("Qwen2ForCausalLM", &long), Ok(1 << 18));
}

/// A GGUF file without tensors, of a small Llama, with a number in it besides.
fn llama_gguf(more: &[(&str, f32)]) -> Vec<u8> {
    let counts = [
        ("embedding_length", 64),
        ("attention.head_count", 4),
        ("block_count", 2),
        ("feed_forward_length", 96),
        ("vocab_size", 190),
        ("context_length", 4096),
    ];
    let mut file = b"GGUF".to_vec();
    file.extend(3u32.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.extend((1 + counts.len() as u64 + more.len() as u64).to_le_bytes());
    let text = |file: &mut Vec<u8>, text: &str| {
        file.extend((text.len() as u64).to_le_bytes());
        file.extend(text.as_bytes());
    };
    text(&mut file, "general.architecture");
    file.extend(8u32.to_le_bytes());
    text(&mut file, "llama");
    for (key, value) in counts {
        text(&mut file, &format!("llama.{key}"));
        file.extend(4u32.to_le_bytes());
        file.extend(u32::to_le_bytes(value));
    }
    for (key, value) in more {
        text(&mut file, &format!("llama.{key}"));
        file.extend(6u32.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file
}

#[test]
fn a_factor_of_positions_counts_in_files_that_do_not_name_its_kind() {
    let scaling = |more: &[(&str, f32)]| {
        let bytes = llama_gguf(more);
        let file = Gguf::read(&bytes, "x.gguf").unwrap();
        Config::from_gguf(&file, "x.gguf").unwrap().scaling
    };
    assert_eq!(scaling(&[]), Scaling::None);
    assert_eq!(scaling(&[("rope.scaling.factor", 1.0)]), Scaling::None);
    let four = Scaling::Linear { factor: 4.0 };
    assert_eq!(scaling(&[("rope.scaling.factor", 4.0)]), four);
    assert_eq!(scaling(&[("rope.scale_linear", 4.0)]), four);
}

/// Why a folder's decoder is not loaded.
fn unloaded(folder: &std::path::Path) -> String {
    let files = Files::open(folder).unwrap();
    let loaded = Decoder::load(
        &config_of(folder),
        &files.checkpoint().unwrap(),
        Precision::F32,
        &cpu(1),
        "tiny",
    );
    loaded.err().unwrap().to_string()
}

#[test]
fn a_tensor_in_numbers_that_are_not_read_is_refused_by_them_and_is_not_called_missing() {
    let folder = tiny("qwen2", 7);
    let path = folder.path().join("model.safetensors");
    let name = "model.layers.1.mlp.up_proj.weight";
    let file = std::fs::read(&path).unwrap();
    let at = file
        .windows(name.len())
        .position(|part| part == name.as_bytes());
    let put = |kind: &str| {
        let mut file = file.clone();
        // `":{"dtype":"` stands between a name and its kind.
        file[at.unwrap() + name.len() + 12..][..3].copy_from_slice(kind.as_bytes());
        std::fs::write(&path, file).unwrap();
    };
    put("I32");
    let why = unloaded(folder.path());
    let sentence = format!("tiny: `{name}` is stored as I32; only F32, F16 and BF16 are read");
    assert!(why.starts_with(&sentence), "{why}");
}

#[test]
fn a_bias_that_would_be_passed_over_is_refused_by_its_name() {
    for (kind, part, dtype) in [
        ("llama", "self_attn.q_proj", "F32"),
        ("qwen2", "self_attn.o_proj", "F32"),
        ("qwen3", "mlp.up_proj", "F32"),
        ("qwen3", "mlp.up_proj", "F64"),
    ] {
        let folder = tiny(kind, 7);
        let path = folder.path().join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        let head = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let mut named: Value = serde_json::from_slice(&bytes[8..8 + head]).unwrap();
        let end = bytes.len() - 8 - head;
        let name = format!("model.layers.1.{part}.bias");
        named[&name] = json!({"dtype": dtype, "shape": [64], "data_offsets": [end, end + 256]});
        let named = named.to_string();
        let mut more = (named.len() as u64).to_le_bytes().to_vec();
        more.extend(named.as_bytes());
        more.extend(&bytes[8 + head..]);
        more.extend([0; 256]);
        std::fs::write(&path, more).unwrap();
        let why = unloaded(folder.path());
        assert!(
            why.contains(&name) && why.contains("not computed here"),
            "{why}"
        );
    }
}
