//! Adapters beside their base against weights that were merged, by hand and by the export.

use std::path::Path;
use std::sync::Arc;

use super::{config_of, cpu, load, put_safetensors, tiny};
use crate::engine::adapter::folders::Folders;
use crate::engine::adapter::{Adapter, Module, merge};
use crate::engine::cache::Cache;
use crate::engine::decoder::{Decoder, Part, Precision, Room, Wanted};
use crate::engine::kernels::Cpu;
use crate::engine::prefix::Page;
use crate::engine::weights::Files;

/// An adapter of the small models.
pub(super) struct Shape {
    pub(super) seed: u64,
    pub(super) rank: usize,
    pub(super) modules: Vec<Module>,
    pub(super) config: serde_json::Value,
}

impl Shape {
    /// All matrices, changed so much that greedy text is another.
    pub(super) fn strong(seed: u64) -> Self {
        Self {
            seed,
            rank: 4,
            modules: Module::ALL.to_vec(),
            config: serde_json::json!({"peft_type": "LORA", "r": 4, "lora_alpha": 8}),
        }
    }
}

fn sizes(module: Module) -> (usize, usize) {
    match module {
        Module::Query | Module::Output => (64, 64),
        Module::Key | Module::Value => (32, 64),
        Module::Gate | Module::Up => (96, 64),
        Module::Down => (64, 96),
    }
}

type Pair = (usize, Module, Vec<f32>, Vec<f32>);

/// A and B of each matrix.
fn pairs(shape: &Shape) -> Vec<Pair> {
    let mut state = shape.seed.wrapping_add(99);
    let mut uniform = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let mut all = Vec::new();
    for layer in 0..2 {
        for module in &shape.modules {
            let (rows, columns) = sizes(*module);
            let mut drawn = |count: usize| (0..count).map(|_| 0.2 * uniform()).collect();
            let (down, up) = (drawn(shape.rank * columns), drawn(rows * shape.rank));
            all.push((layer, *module, down, up));
        }
    }
    all
}

/// Its folder, as PEFT writes it.
pub(super) fn tiny_adapter(shape: &Shape) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("adapter_config.json");
    std::fs::write(config, shape.config.to_string()).unwrap();
    let mut tensors = Vec::new();
    for (layer, module, down, up) in pairs(shape) {
        let (rows, columns) = sizes(module);
        let path = format!("base_model.model.model.layers.{layer}.{}", module.path());
        tensors.push((
            format!("{path}.lora_A.weight"),
            vec![shape.rank, columns],
            down,
        ));
        tensors.push((format!("{path}.lora_B.weight"), vec![rows, shape.rank], up));
    }
    put_safetensors(&folder.path().join("adapter_model.safetensors"), &tensors);
    folder
}

/// The base with the adapter added to its weights, number by number.
fn merged_by_hand(base: &Path, shape: &Shape, scale: f32) -> tempfile::TempDir {
    let files = Files::open(base).unwrap();
    let checkpoint = files.checkpoint().unwrap();
    let crate::engine::weights::Checkpoint::Safetensors(all, _) = &checkpoint else {
        panic!("it is a folder");
    };
    let pairs = pairs(shape);
    let tensors: Vec<_> = all
        .iter()
        .map(|(name, tensor)| {
            let mut numbers = tensor.floats().unwrap();
            let found = pairs.iter().find(|(layer, module, ..)| {
                *name == format!("model.layers.{layer}.{}.weight", module.path())
            });
            if let Some((_, module, down, up)) = found {
                let (rows, columns) = sizes(*module);
                for row in 0..rows {
                    for column in 0..columns {
                        let sum: f64 = (0..shape.rank)
                            .map(|at| {
                                f64::from(up[row * shape.rank + at])
                                    * f64::from(down[at * columns + column])
                            })
                            .sum();
                        numbers[row * columns + column] += scale * sum as f32;
                    }
                }
            }
            (name.clone(), tensor.shape.clone(), numbers)
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    put_safetensors(&folder.path().join("model.safetensors"), &tensors);
    std::fs::copy(base.join("config.json"), folder.path().join("config.json")).unwrap();
    folder
}

/// Logits of several texts in one call, some of them with adapters.
fn logits(decoder: &Decoder, adapters: &[Option<&Adapter>], cpu: &Cpu) -> Vec<Vec<f32>> {
    let mut cache = Cache::new(decoder.config(), decoder.precision(), 8);
    let texts: Vec<Vec<u32>> = (0..adapters.len() as u32)
        .map(|text| (0..20).map(|at| (at * 37 + 11 * text) % 190).collect())
        .collect();
    let pages: Vec<[Page; 1]> = (0..adapters.len() as u32).map(|at| [Page(at)]).collect();
    let parts: Vec<Part<'_>> = texts
        .iter()
        .zip(&pages)
        .map(|(tokens, pages)| Part {
            tokens,
            past: 0,
            pages,
            wanted: Wanted::All,
        })
        .collect();
    let room = &mut Room::default();
    let all = decoder
        .forward_with(&parts, adapters, &mut cache, cpu, room)
        .unwrap();
    all.chunks(20 * 190).map(<[f32]>::to_vec).collect()
}

fn bits(logits: &[f32]) -> Vec<u32> {
    logits.iter().map(|logit| logit.to_bits()).collect()
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f32::max)
}

#[test]
fn beside_the_base_it_computes_what_merged_weights_do_and_leaves_other_streams_alone() {
    let cpu = cpu(2);
    for kind in ["qwen2", "qwen3", "llama"] {
        let base = tiny(kind, 7);
        let decoder = load(base.path(), Precision::F32, &cpu);
        let own = |rank: usize, alpha: u32, stabilised: bool, modules: &[Module]| Shape {
            seed: rank as u64,
            rank,
            modules: modules.to_vec(),
            config: serde_json::json!({
                "peft_type": "LORA", "r": rank, "lora_alpha": alpha, "use_rslora": stabilised,
            }),
        };
        let shapes = [
            (own(4, 8, false, &Module::ALL), 2.0),
            (own(9, 6, true, &[Module::Query, Module::Value]), 2.0),
        ];
        let adapters: Vec<Adapter> = shapes
            .iter()
            .map(|(shape, _)| {
                let folder = tiny_adapter(shape);
                Adapter::open(folder.path(), decoder.config(), &cpu).unwrap()
            })
            .collect();
        let [first, second] = adapters.as_slice() else {
            panic!("there are two");
        };
        // Two streams of the first, not side by side.
        let mixed = [Some(first), None, Some(second), Some(first)];
        let ours = logits(&decoder, &mixed, &cpu);
        let plain = logits(&decoder, &[None; 4], &cpu);
        assert_eq!(bits(&ours[1]), bits(&plain[1]), "{kind}");
        for (at, number) in [(0, 0), (2, 1), (3, 0)] {
            let (shape, scale) = &shapes[number];
            let merged = merged_by_hand(base.path(), shape, *scale);
            let merged = load(merged.path(), Precision::F32, &cpu);
            let theirs = logits(&merged, &[None; 4], &cpu);
            let difference = worst(&ours[at], &theirs[at]);
            assert!(difference < 1e-4, "{kind} {at}: {difference}");
            let changed = worst(&ours[at], &plain[at]);
            assert!(changed > 0.05, "{kind} {at}: {changed}");
        }
        // Alone it gives the same bits as among others.
        let alone = logits(&decoder, &[Some(first), Some(first), None, None], &cpu);
        assert_eq!(bits(&alone[0]), bits(&ours[0]), "{kind}");
    }
}

#[test]
fn a_folders_adapter_is_one_while_it_is_held_and_another_where_its_files_have_changed() {
    let cpu = cpu(1);
    let config = config_of(tiny("llama", 3).path());
    let folder = tiny_adapter(&Shape::strong(5));
    let all = Folders::default();
    let adapter = || {
        let load = || Adapter::open(folder.path(), &config, &cpu);
        all.adapter(folder.path(), load).unwrap()
    };
    let first = adapter();
    assert_eq!(adapter().key(), first.key());
    // Trained further: the files have the same sizes.
    let again = tiny_adapter(&Shape::strong(6));
    let name = "adapter_model.safetensors";
    let there = folder.path().join(name);
    std::fs::copy(again.path().join(name), &there).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
    let file = std::fs::File::options().write(true).open(&there).unwrap();
    file.set_modified(later).unwrap();
    let second = adapter();
    assert_ne!(second.key(), first.key());
    assert_eq!(adapter().key(), second.key());
    // Who held the first one has it still; with the last who held it it is gone.
    let key = second.key();
    let gone = Arc::downgrade(&second);
    drop((first, second));
    assert!(gone.upgrade().is_none());
    assert_ne!(adapter().key(), key);
}

#[test]
fn the_export_is_the_base_with_the_adapter_added() {
    let cpu = cpu(1);
    let base = tiny("llama", 3);
    let shape = Shape::strong(5);
    let adapter = tiny_adapter(&shape);
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("merged");
    merge::export(base.path(), adapter.path(), &out).unwrap();
    let by_hand = merged_by_hand(base.path(), &shape, 2.0);
    let ours = logits(&load(&out, Precision::F32, &cpu), &[None], &cpu);
    let theirs = logits(&load(by_hand.path(), Precision::F32, &cpu), &[None], &cpu);
    assert!(worst(&ours[0], &theirs[0]) < 1e-4);
    let again = merge::export(base.path(), adapter.path(), &out);
    assert!(again.unwrap_err().to_string().contains("not empty"));
}

#[test]
fn the_export_of_a_base_in_shards_is_in_the_same_shards_and_computes_what_the_whole_one_does() {
    let cpu = cpu(1);
    let base = tiny("llama", 3);
    let shape = Shape::strong(5);
    let adapter = tiny_adapter(&shape);
    let by_hand = merged_by_hand(base.path(), &shape, 2.0);
    let whole = base.path().join("model.safetensors");
    let shards = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ];
    let mut index = serde_json::Map::new();
    {
        let files = Files::open(base.path()).unwrap();
        let checkpoint = files.checkpoint().unwrap();
        let crate::engine::weights::Checkpoint::Safetensors(all, _) = &checkpoint else {
            panic!("it is a folder");
        };
        let mut parts = [Vec::new(), Vec::new()];
        for (name, tensor) in all {
            // Matrices of one layer lie in both.
            let at = usize::from(name.contains("mlp"));
            index.insert(name.clone(), shards[at].into());
            parts[at].push((name.clone(), tensor.shape.clone(), tensor.floats().unwrap()));
        }
        for (shard, part) in shards.iter().zip(&parts) {
            put_safetensors(&base.path().join(shard), part);
        }
    }
    std::fs::remove_file(&whole).unwrap();
    let index = serde_json::json!({"metadata": {}, "weight_map": index}).to_string();
    let beside = base.path().join("model.safetensors.index.json");
    std::fs::write(&beside, &index).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("merged");
    merge::export(base.path(), adapter.path(), &out).unwrap();
    assert_eq!(
        names(&out),
        [
            "config.json",
            shards[0],
            shards[1],
            "model.safetensors.index.json"
        ]
    );
    let copied = std::fs::read_to_string(out.join("model.safetensors.index.json"));
    assert_eq!(copied.unwrap(), index);
    let ours = logits(&load(&out, Precision::F32, &cpu), &[None], &cpu);
    let theirs = logits(&load(by_hand.path(), Precision::F32, &cpu), &[None], &cpu);
    assert!(worst(&ours[0], &theirs[0]) < 1e-4);
}

#[test]
fn the_export_of_a_tied_base_is_tied() {
    let cpu = cpu(1);
    let base = tiny("qwen2", 3);
    let shape = Shape::strong(5);
    let adapter = tiny_adapter(&shape);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("merged");
    merge::export(base.path(), adapter.path(), &out).unwrap();
    assert!(config_of(&out).tied);
    let (head, _) = taken_apart(&out.join("model.safetensors"));
    assert!(head.get("lm_head.weight").is_none());
    let by_hand = merged_by_hand(base.path(), &shape, 2.0);
    let ours = logits(&load(&out, Precision::F32, &cpu), &[None], &cpu);
    let theirs = logits(&load(by_hand.path(), Precision::F32, &cpu), &[None], &cpu);
    assert!(worst(&ours[0], &theirs[0]) < 1e-4);
}

#[test]
fn what_describes_the_base_is_in_the_export_and_its_unmerged_weights_in_other_formats_are_not() {
    let base = tiny("llama", 3);
    let adapter = tiny_adapter(&Shape::strong(5));
    let about = [
        "additional_chat_templates/tool_use.jinja",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "merges.txt",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "vocab.json",
    ];
    let weights = [
        "consolidated.00.pth",
        "consolidated.safetensors",
        "flax_model.msgpack",
        "model-Q4_K_M.GGUF",
        "model.onnx",
        "model.onnx_data",
        "onnx/model.onnx",
        "original/consolidated.00.pth",
        "pytorch_model.bin",
        "pytorch_model.bin.index.json",
        "pytorch_model.pt",
        "tf_model.h5",
    ];
    for name in about.iter().chain(&weights) {
        let path = base.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if *name != "config.json" {
            std::fs::write(path, format!("this is {name}")).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("merged");
    merge::export(base.path(), adapter.path(), &out).unwrap();
    for name in about {
        let [there, here] = [base.path(), &out].map(|folder| std::fs::read(folder.join(name)));
        assert_eq!(here.unwrap(), there.unwrap(), "{name}");
    }
    for name in weights {
        assert!(!out.join(name).exists(), "{name}");
    }
    // One of the names above is that of a folder, and the merged weights come to the rest.
    assert_eq!(names(&out).len(), about.len() + 1);
}

fn names(folder: &Path) -> Vec<String> {
    let all = std::fs::read_dir(folder).unwrap();
    let all = all.map(|one| one.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = all.collect();
    names.sort();
    names
}

/// Head and data of a file of safetensors.
fn taken_apart(path: &Path) -> (serde_json::Value, Vec<u8>) {
    let file = std::fs::read(path).unwrap();
    let (length, rest) = file.split_first_chunk::<8>().unwrap();
    let (head, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    (serde_json::from_slice(head).unwrap(), data.to_vec())
}

fn put_together(path: &Path, head: &serde_json::Value, data: &[u8]) {
    let head = head.to_string();
    let length = (head.len() as u64).to_le_bytes();
    std::fs::write(path, [length.as_slice(), head.as_bytes(), data].concat()).unwrap();
}

#[test]
fn tensors_of_other_kinds_and_what_the_file_says_of_itself_are_in_the_export_as_they_were() {
    let base = tiny("llama", 3);
    let weights = base.path().join("model.safetensors");
    let (mut head, mut data) = taken_apart(&weights);
    head["__metadata__"] = serde_json::json!({"format": "pt", "made": "by hand"});
    // By their names they would lie otherwise, and floats at an odd byte.
    for (name, dtype, shape, bytes) in [
        ("steps", "I64", vec![2], vec![7; 16]),
        ("a.mask", "BOOL", vec![5], vec![1; 5]),
        ("a.scales", "F8_E4M3", vec![3], vec![9; 3]),
    ] {
        let from = data.len();
        data.extend_from_slice(&bytes);
        let place = [from, data.len()];
        head[name] = serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": place});
    }
    put_together(&weights, &head, &data);
    let adapter = tiny_adapter(&Shape::strong(5));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/merged");
    merge::export(base.path(), adapter.path(), &out).unwrap();
    let (ours, merged) = taken_apart(&out.join("model.safetensors"));
    // Each has its kind, shape and place.
    assert_eq!(ours, head);
    for (name, about) in head.as_object().unwrap() {
        if name == "__metadata__" {
            continue;
        }
        let at = |end: usize| about["data_offsets"][end].as_u64().unwrap() as usize;
        let same = merged[at(0)..at(1)] == data[at(0)..at(1)];
        assert_eq!(same, !name.contains("_proj."), "{name}");
    }
}

#[test]
fn an_export_that_cannot_be_made_is_refused_before_anything_is_written() {
    let adapter = tiny_adapter(&Shape::strong(5));
    let name = "model.layers.1.mlp.down_proj.weight";
    let refused = |change: &dyn Fn(&mut serde_json::Value), why: &str| {
        let base = tiny("llama", 3);
        let weights = base.path().join("model.safetensors");
        let (mut head, data) = taken_apart(&weights);
        change(&mut head);
        put_together(&weights, &head, &data);
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("merged");
        let error = merge::export(base.path(), adapter.path(), &out).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(name) && error.contains(why), "{error}");
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    };
    let gone = |head: &mut serde_json::Value| {
        head.as_object_mut().unwrap().remove(name);
    };
    refused(&gone, "which the adapter changes, is not there");
    let whole = |head: &mut serde_json::Value| head[name]["dtype"] = "I32".into();
    refused(&whole, "is stored as I32");
    let turned = |head: &mut serde_json::Value| head[name]["shape"] = serde_json::json!([96, 64]);
    refused(&turned, "has the shape [96, 64], not 64 × 96");
}

#[test]
fn an_export_takes_the_place_of_an_empty_folder_and_an_export_that_fails_leaves_it() {
    let base = tiny("llama", 3);
    let adapter = tiny_adapter(&Shape::strong(5));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("merged");
    std::fs::create_dir(&out).unwrap();
    // Weights that are not called so are copied, too, and then cannot be written: found out in the middle.
    let beside =
        ["weights.data", "model.safetensors.index.json"].map(|name| base.path().join(name));
    std::fs::copy(base.path().join("model.safetensors"), &beside[0]).unwrap();
    let index = serde_json::json!({"weight_map": {"x": "weights.data"}});
    std::fs::write(&beside[1], index.to_string()).unwrap();
    let error = merge::export(base.path(), adapter.path(), &out).unwrap_err();
    assert!(error.to_string().contains("weights.data"), "{error}");
    assert_eq!(names(folder.path()), ["merged"]);
    assert!(names(&out).is_empty());
    for file in beside {
        std::fs::remove_file(file).unwrap();
    }
    merge::export(base.path(), adapter.path(), &out).unwrap();
    assert_eq!(names(folder.path()), ["merged"]);
    assert_eq!(names(&out).len(), 2);
}

#[test]
fn what_is_no_adapter_of_this_model_is_refused_in_a_sentence() {
    let cpu = cpu(1);
    let base = tiny("qwen2", 1);
    let config = config_of(base.path());
    let refused = |folder: &Path, why: &str| {
        let error = Adapter::open(folder, &config, &cpu)
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{error}");
    };
    let folder = tiny_adapter(&Shape {
        config: serde_json::json!({"peft_type": "LORA", "r": 16}),
        ..Shape::strong(1)
    });
    refused(
        folder.path(),
        "should have rank 16, but its matrices have 4",
    );
    let folder = tiny_adapter(&Shape {
        config: serde_json::json!({"peft_type": "LORA", "r": 4, "use_dora": true}),
        ..Shape::strong(1)
    });
    refused(folder.path(), "`use_dora` is set");
    let folder = tiny_adapter(&Shape::strong(1));
    let weights = folder.path().join("adapter_model.safetensors");
    let query = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
    let put = |name: &str, shape: [usize; 2]| {
        let numbers = vec![0.0; shape[0] * shape[1]];
        put_safetensors(&weights, &[(name.to_owned(), shape.to_vec(), numbers)]);
    };
    put(query, [4, 64]);
    refused(folder.path(), "one of its two matrices only");
    put(&query.replace("layers.0", "layers.9"), [4, 64]);
    refused(folder.path(), "of layer 9; the model has 2");
    put("base_model.model.lm_head.lora_A.weight", [4, 64]);
    refused(
        folder.path(),
        "`base_model.model.lm_head.lora_A.weight` is no part",
    );
    let up = query.replace("lora_A", "lora_B");
    let wrong = [
        (query.to_owned(), vec![4, 65], vec![0.0; 260]),
        (up, vec![64, 4], vec![0.0; 256]),
    ];
    put_safetensors(&weights, &wrong);
    refused(folder.path(), "it is an adapter of another model");
    put(query, [4, 64]);
    let (mut head, data) = taken_apart(&weights);
    head[query]["dtype"] = "F8_E4M3".into();
    put_together(&weights, &head, &data);
    refused(folder.path(), "is stored as F8_E4M3");
    std::fs::remove_file(&weights).unwrap();
    refused(folder.path(), "adapter_model.safetensors");
    std::fs::write(folder.path().join("adapter_model.bin"), "x").unwrap();
    refused(folder.path(), "only adapter_model.bin is there");
    std::fs::remove_file(folder.path().join("adapter_config.json")).unwrap();
    refused(folder.path(), "adapter_config.json");
}
