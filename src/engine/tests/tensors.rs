//! The decoder on candle's tensors, candle-transformers' own models, and ours say the same.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use candle_transformers::models::{mistral, qwen2, qwen3};

use super::{config_of, cpu, load, tiny};
use crate::engine::cache::Cache;
use crate::engine::compute::{Compute, OnCpu};
use crate::engine::decoder::{Part, Precision, Room, Wanted};
use crate::engine::device::Place;
use crate::engine::prefix::{PAGE, Page};
use crate::engine::sample::Settings;
use crate::engine::schedule::Said;
use crate::engine::tensors::OnTensors;
use crate::engine::weights::Files;
use crate::engine::{Engine, Wishes};

fn on_tensors(folder: &Path, precision: Precision, pages: u32) -> OnTensors {
    let files = Files::open(folder).unwrap();
    let checkpoint = files.checkpoint().unwrap();
    let config = config_of(folder);
    OnTensors::load(&config, &checkpoint, precision, &Device::Cpu, pages, "tiny").unwrap()
}

fn worst(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let apart = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, f32::max)
}

fn tokens(count: u32, salt: u32) -> Vec<u32> {
    (0..count)
        .map(|at| (at * 37 + salt * 11 + at * at) % 190)
        .collect()
}

#[test]
fn tensors_and_kernels_agree_over_chunks_streams_and_scattered_pages() {
    for kind in ["qwen2", "qwen3", "llama"] {
        let folder = tiny(kind, 3);
        let cpu = cpu(1);
        let mut kernels = OnCpu::new(load(folder.path(), Precision::F32, &cpu), cpu, 16);
        let mut tensors = on_tensors(folder.path(), Precision::F32, 16);
        let texts = [tokens(70, 1), tokens(45, 2)];
        let pages = [vec![Page(9), Page(2), Page(14)], vec![Page(3), Page(0)]];
        // A chunk of both, then the rest of the first beside one token of the second.
        let steps: [&[(usize, std::ops::Range<usize>, Wanted)]; 3] = [
            &[(0, 0..40, Wanted::None), (1, 0..44, Wanted::All)],
            &[(1, 44..45, Wanted::Last), (0, 40..70, Wanted::All)],
            &[(0, 69..70, Wanted::Last)],
        ];
        for step in steps {
            let parts: Vec<Part<'_>> = step
                .iter()
                .map(|(stream, range, wanted)| Part {
                    tokens: &texts[*stream][range.clone()],
                    past: range.start,
                    pages: &pages[*stream],
                    wanted: *wanted,
                })
                .collect();
            let ours = kernels.step(&parts, &[None, None]).unwrap();
            let theirs = tensors.step(&parts, &[None, None]).unwrap();
            let apart = worst(&ours, &theirs);
            assert!(apart < 1e-4, "{kind}: {apart}");
        }
        // A page that was copied is as good as the original.
        kernels.copy(Page(9), Page(5), PAGE).unwrap();
        tensors.copy(Page(9), Page(5), PAGE).unwrap();
        let part = Part {
            tokens: &texts[0][32..50],
            past: 32,
            pages: &[Page(5), Page(6)],
            wanted: Wanted::Last,
        };
        let ours = kernels.step(&[part], &[None]).unwrap();
        let theirs = tensors.step(&[part], &[None]).unwrap();
        assert!(worst(&ours, &theirs) < 1e-4);
    }
}

#[test]
fn blocks_of_a_gguf_file_are_computed_as_they_are_stored() {
    let folder = tiny("qwen2", 8);
    let text = tokens(40, 5);
    let part = Part {
        tokens: &text,
        past: 0,
        pages: &[Page(0), Page(1)],
        wanted: Wanted::Last,
    };
    let plain = on_tensors(folder.path(), Precision::F32, 2)
        .step(&[part], &[None])
        .unwrap();
    let eight = on_tensors(folder.path(), Precision::Q8_0, 2)
        .step(&[part], &[None])
        .unwrap();
    let largest = plain.iter().fold(0f32, |most, logit| most.max(logit.abs()));
    let apart = worst(&plain, &eight);
    assert!(apart > 0.0 && apart < 0.1 * largest, "{apart} of {largest}");
}

/// The logits after the last token, by candle-transformers.
fn reference(folder: &Path, kind: &str, text: &[u32]) -> Vec<f32> {
    let tensors = candle_core::safetensors::load(folder.join("model.safetensors"), &Device::Cpu);
    let weights = VarBuilder::from_tensors(tensors.unwrap(), DType::F32, &Device::Cpu);
    let mut config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("config.json")).unwrap())
            .unwrap();
    let more = serde_json::json!({
        "sliding_window": 4096, "max_window_layers": 2, "use_sliding_window": false, "attention_bias": false,
    });
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let input = Tensor::new(text, &Device::Cpu)
        .unwrap()
        .unsqueeze(0)
        .unwrap();
    let logits = if kind == "qwen2" {
        let config: qwen2::Config = serde_json::from_value(config).unwrap();
        let mut model = qwen2::ModelForCausalLM::new(&config, weights).unwrap();
        model.forward(&input, 0)
    } else {
        let config: qwen3::Config = serde_json::from_value(config).unwrap();
        let mut model = qwen3::ModelForCausalLM::new(&config, weights).unwrap();
        model.forward(&input, 0)
    };
    logits.unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn our_logits_are_those_of_candle_transformers() {
    for kind in ["qwen2", "qwen3"] {
        let folder = tiny(kind, 21);
        let cpu = cpu(2);
        let decoder = load(folder.path(), Precision::F32, &cpu);
        let text = tokens(60, 7);
        let part = Part {
            tokens: &text,
            past: 0,
            pages: &[Page(1), Page(0)],
            wanted: Wanted::Last,
        };
        let mut cache = Cache::new(decoder.config(), Precision::F32, 2);
        let ours = decoder
            .forward(&[part], &mut cache, &cpu, &mut Room::default())
            .unwrap();
        let apart = worst(&ours, &reference(folder.path(), kind, &text));
        assert!(apart < 1e-4, "{kind}: {apart}");
    }
}

/// A small Mistral whose words are its tokens.
fn small_mistral() -> (tempfile::TempDir, mistral::Config) {
    let folder = tempfile::tempdir().unwrap();
    let vocabulary: serde_json::Map<String, serde_json::Value> = (0..600u32)
        .map(|id| (format!("w{id}"), id.into()))
        .collect();
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "w0"},
    });
    let at = folder.path().join("tokenizer.json");
    std::fs::write(at, tokenizer.to_string()).unwrap();
    let config = serde_json::json!({
        "architectures": ["MistralForCausalLM"], "vocab_size": 600, "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "hidden_act": "silu",
        "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "sliding_window": null,
        "use_flash_attn": false,
    });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let config: mistral::Config = serde_json::from_value(config).unwrap();
    let map = VarMap::new();
    let weights = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    mistral::Model::new(&config, weights).unwrap();
    // What it made is drawn by chance that nobody can seed; here each number is known.
    let mut tensors = HashMap::new();
    for (name, var) in map.data().lock().unwrap().iter() {
        let count = u32::try_from(var.elem_count()).unwrap();
        let salt = name.bytes().map(u32::from).sum::<u32>();
        let numbers = (0..count).map(|at| {
            let drawn = (at.wrapping_mul(2_654_435_761) ^ salt.wrapping_mul(40_503)) >> 8;
            (drawn % 2_000) as f32 / 1_000.0 - 1.0
        });
        let numbers: Vec<f32> = numbers.collect();
        let tensor = Tensor::from_vec(numbers, var.dims(), &Device::Cpu).unwrap();
        let scaled = if name.contains("norm") {
            tensor
        } else {
            (tensor * 0.3).unwrap()
        };
        tensors.insert(name.clone(), scaled);
    }
    let at = folder.path().join("model.safetensors");
    candle_core::safetensors::save(&tensors, at).unwrap();
    (folder, config)
}

#[tokio::test]
async fn a_family_that_is_not_ours_is_computed_by_candle_transformers_stream_after_stream() {
    let (folder, config) = small_mistral();
    let wishes = Wishes {
        place: Place::Cpu,
        ..Wishes::default()
    };
    let engine = Engine::open(folder.path(), &wishes).unwrap();
    assert!(
        engine.sentence().contains("candle-transformers"),
        "{}",
        engine.sentence()
    );
    let tensors =
        candle_core::safetensors::load(folder.path().join("model.safetensors"), &Device::Cpu);
    let weights = VarBuilder::from_tensors(tensors.unwrap(), DType::F32, &Device::Cpu);
    let mut model = mistral::Model::new(&config, weights).unwrap();
    // Two that are asked together: each is what the model says alone.
    let prompts = [vec![5u32, 9, 300, 41], vec![5, 9, 300, 7, 8, 9]];
    let replies = prompts.clone().map(|prompt| {
        engine
            .ask(prompt, Settings::default(), None, None, 12)
            .unwrap()
    });
    for (mut reply, mut text) in replies.into_iter().zip(prompts) {
        let mut said = Vec::new();
        while let Some(piece) = reply.next().await {
            match piece {
                Said::Token(drawn) => said.push(drawn.token),
                Said::Over(_) => break,
                Said::Begun { found } => assert_eq!(found, 0),
            }
        }
        let mut expected = Vec::new();
        for _ in 0..said.len() {
            model.clear_kv_cache();
            let input = Tensor::new(text.as_slice(), &Device::Cpu).unwrap();
            let logits = model.forward(&input.unsqueeze(0).unwrap(), 0).unwrap();
            let best: u32 = logits
                .flatten_all()
                .unwrap()
                .argmax(0)
                .unwrap()
                .to_scalar()
                .unwrap();
            text.push(best);
            expected.push(best);
        }
        assert!(!said.is_empty());
        assert_eq!(said, expected);
    }
}

#[test]
fn a_form_that_candle_transformers_has_not_is_refused() {
    let (folder, _) = small_mistral();
    let open = |precision| {
        let wishes = Wishes {
            place: Place::Cpu,
            precision,
            ..Wishes::default()
        };
        Engine::open(folder.path(), &wishes)
    };
    let why = open(Precision::Q4_0).err().unwrap().to_string();
    assert!(why.contains("--quant and --dtype are for Qwen2"), "{why}");
    let engine = open(Precision::F32).unwrap();
    assert_eq!(engine.context(), 512);
}
