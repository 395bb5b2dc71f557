//! A model of the local engine attempts a task through the whole loop: what it says is nonsense, that it says it is not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should say where"
)]

mod workbench;

use std::path::{Path, PathBuf};

use serde_json::json;
use spotter::model::ModelKind;
use spotter::trajectory::event::Event;
use workbench::{Bench, TASK};

/// A small model with drawn weights, a tokenizer of words and a template.
fn model(bench: &Bench) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/qwen2");
    let folder = bench.folder.path().join("tiny-words");
    std::fs::create_dir(&folder).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(from.join(file), folder.join(file)).unwrap();
    }
    let mut vocabulary = serde_json::Map::new();
    for (id, word) in ["<unk>", "<|im_start|>", "<|im_end|>"].iter().enumerate() {
        vocabulary.insert((*word).to_owned(), id.into());
    }
    for id in 3..160 {
        vocabulary.insert(format!("word{id}"), id.into());
    }
    let special = |id: u32, word: &str| json!({"id": id, "content": word, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(1, "<|im_start|>"), special(2, "<|im_end|>")],
        "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    });
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let settings = json!({
        "chat_template": "{% for message in messages %}<|im_start|> {{ message.role }} {{ message.content }} <|im_end|> {% endfor %}{% if add_generation_prompt %}<|im_start|> assistant {% endif %}",
        "eos_token": "<|im_end|>",
    });
    std::fs::write(folder.join("tokenizer_config.json"), settings.to_string()).unwrap();
    folder
}

/// An attempt in which the model says a few words at a time.
fn run_with(model: &str) -> [&str; 8] {
    [
        "run",
        TASK,
        "--model",
        model,
        "--scaffold",
        "bash",
        "--max-tokens",
        "12",
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_model_is_opened_asked_in_turns_and_computes_what_is_new_only() {
    let bench = Bench::new();
    let path = model(&bench);
    let path = path.to_str().unwrap();
    let args = run_with(path);
    let ran = bench.spotter(&args).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let id = bench.only();
    let records = bench.records(&id);
    let state = bench.state(&id);
    let start = state.start.unwrap();
    assert_eq!(start.model.kind, ModelKind::Local);
    assert_eq!(
        (start.model.name.as_str(), start.model.context),
        ("tiny-words", Some(4096))
    );
    let usages: Vec<_> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Replied { usage, .. } => *usage,
            _ => None,
        })
        .collect();
    assert!(usages.len() >= 2, "{usages:?}");
    for (before, now) in usages.iter().zip(usages.iter().skip(1)) {
        // Everything of the turn before but its last token, which was said and never read.
        let known = before.prompt_tokens + before.completion_tokens;
        assert!(
            now.cached_tokens + 2 >= before.prompt_tokens,
            "{before:?} {now:?}"
        );
        assert!(
            now.prompt_tokens > before.prompt_tokens && now.cached_tokens <= known,
            "{now:?}"
        );
    }
    // The same seed says the same.
    let again = bench.spotter(&args).await;
    assert_eq!(again.code, 3, "{again:?}");
    let said = |id| {
        let messages = bench.state(id).messages();
        messages
            .into_iter()
            .map(|message| message.content)
            .collect::<Vec<_>>()
    };
    let other = bench
        .store()
        .list()
        .unwrap()
        .into_iter()
        .find(|one| *one != id)
        .unwrap();
    assert_eq!(said(&id), said(&other));
}

/// An adapter of PEFT's layout on every layer's `down_proj`, large enough to be heard.
fn adapter(bench: &Bench, model: &Path) -> PathBuf {
    let text = std::fs::read_to_string(model.join("config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&text).unwrap();
    let size = |name: &str| usize::try_from(config[name].as_u64().unwrap()).unwrap();
    let (hidden, inner) = (size("hidden_size"), size("intermediate_size"));
    let folder = bench.folder.path().join("loud");
    std::fs::create_dir(&folder).unwrap();
    let (mut head, mut data) = (serde_json::Map::new(), Vec::<u8>::new());
    for layer in 0..size("num_hidden_layers") {
        for (part, rows, columns) in [("lora_A", 2, inner), ("lora_B", hidden, 2)] {
            let first = data.len();
            for at in 0..rows * columns {
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                let weight = ((at * 7 + layer * 3) % 11) as f32 / 5.0 - 1.0;
                data.extend(weight.to_le_bytes());
            }
            let name = format!("base_model.model.model.layers.{layer}.mlp.down_proj.{part}.weight");
            let entry = json!({"dtype": "F32", "shape": [rows, columns], "data_offsets": [first, data.len()]});
            head.insert(name, entry);
        }
    }
    let bytes = spotter::train::folder::safetensors(head, &data);
    std::fs::write(folder.join("adapter_model.safetensors"), bytes).unwrap();
    let config =
        json!({"peft_type": "LORA", "r": 2, "lora_alpha": 8, "target_modules": ["down_proj"]});
    std::fs::write(folder.join("adapter_config.json"), config.to_string()).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_speaks_with_an_adapter_beside_its_model_and_says_so() {
    let bench = Bench::new();
    let path = model(&bench);
    let adapter = adapter(&bench, &path);
    let (path, adapter) = (path.to_str().unwrap(), adapter.to_str().unwrap());
    let run = [&run_with(path)[..], &["--turns", "2"]].concat();
    let ran = bench.spotter(&run).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let plain = bench.only();
    let ran = bench
        .spotter(&[&run[..], &["--adapter", adapter]].concat())
        .await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let ids = bench.store().list().unwrap();
    let second = ids.into_iter().find(|id| *id != plain).unwrap();
    let said = |id| bench.state(id).messages()[2].content.clone();
    assert_ne!(said(&plain), said(&second));
    let start = bench.state(&second).start.unwrap();
    assert_eq!(start.model.name, "tiny-words+loud");
    assert_eq!(start.model.spec, format!("{path}+{adapter}"));
    let wrong = bench
        .spotter(&[&run[..], &["--adapter", "nowhere"]].concat())
        .await;
    assert!(
        wrong.code != 0 && wrong.err.contains("nowhere"),
        "{wrong:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_is_merged_into_a_model_that_runs_and_what_would_go_unheard_is_refused() {
    let bench = Bench::new();
    let path = model(&bench);
    let adapter = adapter(&bench, &path);
    let out = bench.folder.path().join("merged");
    let (path, adapter) = (path.to_str().unwrap(), adapter.to_str().unwrap());
    let export = async |model: &str| {
        let out = out.to_str().unwrap();
        let all = [
            "export-adapter",
            "--model",
            model,
            "--adapter",
            adapter,
            "--out",
            out,
        ];
        bench.spotter(&all).await
    };
    for (model, why) in [
        (
            format!("{path}+{adapter}"),
            "one adapter is merged at a time",
        ),
        (format!("{path}#q4_0"), "stored as its base is"),
    ] {
        let ran = export(&model).await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(why), "{ran:?}");
        assert!(!out.exists());
    }
    let ran = export(path).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("is the merged model"), "{ran:?}");
    // It says what the base says with the adapter beside it.
    let said = async |args: &[&str]| {
        let before = bench.store().list().unwrap();
        let ran = bench.spotter(args).await;
        assert_eq!(ran.code, 3, "{ran:?}");
        let now = bench.store().list().unwrap();
        let id = now.into_iter().find(|id| !before.contains(id)).unwrap();
        bench.state(&id).messages()[2].content.clone()
    };
    let turns = ["--turns", "2"];
    let merged = [&run_with(out.to_str().unwrap())[..], &turns].concat();
    let beside = [&run_with(path)[..], &turns, &["--adapter", adapter]].concat();
    assert_eq!(said(&merged).await, said(&beside).await);
    let again = export(path).await;
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.err.contains("not empty"), "{again:?}");
}

#[tokio::test]
async fn replies_are_not_said_to_be_held_to_calls_where_calls_are_text() {
    let bench = Bench::new();
    let run = ["run", TASK, "--model", "policy", "--scaffold", "gym"];
    let ran = bench
        .spotter(&[&run[..], &["--require-call"]].concat())
        .await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err.contains("`gym` writes its calls as text"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_a_model_is_said_in_one_sentence_before_anything_is_made() {
    let bench = Bench::new();
    let path = model(&bench);
    let refused = async |why: &str| {
        let ran = bench
            .spotter(&["run", TASK, "--model", path.to_str().unwrap()])
            .await;
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains(why), "`{why}` in {ran:?}");
        assert!(bench.store().list().unwrap().is_empty());
    };
    let config = std::fs::read_to_string(path.join("config.json")).unwrap();
    let put = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
    put(
        "config.json",
        &config.replace("Qwen2ForCausalLM", "MambaForCausalLM"),
    );
    refused("`MambaForCausalLM` is not computed here; known: Qwen2ForCausalLM").await;
    put(
        "config.json",
        &config.replace("\"hidden_size\": 64", "\"hidden_size\": 80"),
    );
    refused("config").await;
    put("config.json", &config);
    put("generation_config.json", "{\"eos_token_id\": 2,");
    refused("generation_config.json: it is no JSON: EOF while parsing a value at line 1 column 19")
        .await;
    std::fs::remove_file(path.join("generation_config.json")).unwrap();
    let index = json!({"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}});
    put("model.safetensors.index.json", &index.to_string());
    refused(
        "of 2 files of weights these are missing: model-00001-of-00002.safetensors, model-00002",
    )
    .await;
    std::fs::remove_file(path.join("model.safetensors.index.json")).unwrap();
    let weights = std::fs::read(path.join("model.safetensors")).unwrap();
    std::fs::write(
        path.join("model.safetensors"),
        weights.get(..100_000).unwrap(),
    )
    .unwrap();
    refused("the file is cut off").await;
}
