//! What a configuration says that would be computed wrongly is refused by name.

use serde_json::{Value, json};

use crate::engine::config::Config;

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
    ] {
        let said = refused(more);
        assert!(said.contains(why), "{said}");
    }
    // A context beyond what positions are tabled for ends there, for everybody.
    let long = json!({"max_position_embeddings": 1_010_000});
    assert_eq!(longest("Qwen2ForCausalLM", &long), Ok(1 << 18));
}
