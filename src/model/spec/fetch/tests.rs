//! Models from a local server that behaves as the hub does: what is asked of it, and what is not.

use super::*;
use crate::engine::weights::Files;
use crate::hub::scripted::{COMMIT, Script, asked, hub, serve};

/// A configuration that the engine knows, but for its architecture.
fn config(architecture: &str) -> Vec<u8> {
    let config = serde_json::json!({
        "architectures": [architecture], "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 96, "vocab_size": 190,
        "max_position_embeddings": 4096, "rope_theta": 10000.0, "rms_norm_eps": 1e-6,
    });
    config.to_string().into_bytes()
}

/// A repository of these files: the configuration is a Qwen2's, the others hold their names.
fn repository(names: &[&str]) -> Script {
    let mut script = Script::default();
    for name in names {
        let content = match *name {
            CONFIG => config("Qwen2ForCausalLM"),
            other => other.as_bytes().to_vec(),
        };
        script.files.insert((*name).to_owned(), content);
    }
    script
}

/// What comes of asking for `hub:o/n`, or for a file of it, and which files the server was asked for.
async fn fetch(
    script: Script,
    cache: &Path,
    file: Option<&str>,
) -> (Result<PathBuf, String>, Vec<String>) {
    let (url, shared) = serve(script).await;
    let hub = hub(&url, cache, false);
    let found = fetched(&hub, "o/n", file, &|_| {}).await;
    (found.map_err(|error| error.to_string()), asked(&shared))
}

/// Where the files of the repository are in a cache.
fn snapshot(cache: &Path) -> PathBuf {
    cache.join("models--o--n/snapshots").join(COMMIT)
}

#[tokio::test]
async fn one_gguf_file_of_several_comes_alone_and_opens() {
    let cache = tempfile::tempdir().unwrap();
    let fixture = "tests/fixtures/models/gguf/qwen2.gguf";
    let model = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture)).unwrap();
    for name in ["q4.gguf", "more/q4.gguf"] {
        let names = ["README.md", "q4.gguf", "more/q4.gguf", "model.safetensors"];
        let mut script = repository(&names);
        script.files.insert(name.to_owned(), model.clone());
        let cache = cache.path().join(name);
        let (found, asked) = fetch(script, &cache, Some(name)).await;
        let at = found.unwrap();
        assert_eq!(at, snapshot(&cache).join(name));
        assert_eq!(asked, [name]);
        let files = Files::open(&at).unwrap();
        files.checkpoint().unwrap();
    }
}

#[tokio::test]
async fn the_only_gguf_file_needs_no_name_and_one_of_several_does() {
    let cache = tempfile::tempdir().unwrap();
    let names = ["README.md", CONFIG, "q8.gguf"];
    let (found, asked) = fetch(repository(&names), cache.path(), None).await;
    assert_eq!(found.unwrap(), snapshot(cache.path()).join("q8.gguf"));
    assert_eq!(asked, ["q8.gguf"]);

    let cache = tempfile::tempdir().unwrap();
    let names = ["README.md", CONFIG, "q8.gguf", "q4.gguf"];
    let (found, asked) = fetch(repository(&names), cache.path(), None).await;
    assert_eq!(
        found.unwrap_err(),
        "hub:o/n: model o/n has several GGUF files; name one, as in `hub:o/n/q4.gguf`; there are: q4.gguf, q8.gguf"
    );
    assert!(asked.is_empty(), "{asked:?}");
}

#[tokio::test]
async fn the_tokenizer_beside_a_gguf_file_comes_with_it_and_before_it() {
    let cache = tempfile::tempdir().unwrap();
    let names = ["q8.gguf", "tokenizer.json", "tokenizer_config.json"];
    let (found, asked) = fetch(repository(&names), cache.path(), None).await;
    let at = found.unwrap();
    assert_eq!(at, snapshot(cache.path()).join("q8.gguf"));
    assert_eq!(asked, ["tokenizer.json", "q8.gguf"]);
    assert!(at.with_file_name("tokenizer.json").is_file());
}

#[tokio::test]
async fn a_split_file_that_lacks_a_piece_is_refused_before_the_others_are_asked_for() {
    let cache = tempfile::tempdir().unwrap();
    let names = ["x-00001-of-00003.gguf", "x-00003-of-00003.gguf"];
    let (found, asked) = fetch(repository(&names), cache.path(), None).await;
    let error = found.unwrap_err();
    assert!(error.contains("x-00002-of-00003.gguf"), "{error}");
    assert!(asked.is_empty(), "{asked:?}");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_answered_with_those_that_are() {
    let cache = tempfile::tempdir().unwrap();
    let names = ["q8.gguf", "q4.gguf"];
    let (found, asked) = fetch(repository(&names), cache.path(), Some("q2.gguf")).await;
    assert_eq!(
        found.unwrap_err(),
        "hub:o/n: model o/n has no `q2.gguf`; its GGUF files: q4.gguf, q8.gguf"
    );
    assert!(asked.is_empty(), "{asked:?}");
}

#[tokio::test]
async fn a_split_file_comes_with_all_its_pieces() {
    let cache = tempfile::tempdir().unwrap();
    let pieces = ["x-00001-of-00002.gguf", "x-00002-of-00002.gguf"];
    let names = [pieces[1], pieces[0], "y.gguf"];
    let (found, asked) = fetch(repository(&names), cache.path(), Some(pieces[1])).await;
    assert_eq!(found.unwrap(), snapshot(cache.path()).join(pieces[0]));
    assert_eq!(asked, pieces);
}

#[tokio::test]
async fn what_is_small_comes_first_and_copies_of_the_weights_not_at_all() {
    let cache = tempfile::tempdir().unwrap();
    let names = [
        "consolidated.safetensors",
        "consolidated.00.safetensors",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "onnx/model.safetensors",
        "q4.gguf",
        "tokenizer.json",
        "additional_chat_templates/tool_use.jinja",
        CONFIG,
    ];
    let (found, asked) = fetch(repository(&names), cache.path(), None).await;
    assert_eq!(found.unwrap(), snapshot(cache.path()));
    assert_eq!(
        asked,
        [
            CONFIG,
            "tokenizer.json",
            "additional_chat_templates/tool_use.jinja",
            "model.safetensors.index.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
        ]
    );
}

#[tokio::test]
async fn a_model_that_is_not_computed_is_refused_before_its_weights_are_asked_for() {
    let cache = tempfile::tempdir().unwrap();
    let mut script = repository(&["model.safetensors", "tokenizer.json"]);
    let unknown = config("MambaForCausalLM");
    script.files.insert(CONFIG.to_owned(), unknown);
    let (found, asked) = fetch(script, cache.path(), None).await;
    let error = found.unwrap_err();
    assert!(
        error.starts_with(
            "hub:o/n: config.json: the architecture `MambaForCausalLM` is not computed here"
        ),
        "{error}"
    );
    assert_eq!(asked, [CONFIG]);
}

#[tokio::test]
async fn quantised_weights_are_refused_by_their_method_before_they_are_asked_for() {
    let cache = tempfile::tempdir().unwrap();
    let mut script = repository(&["model.safetensors", "tokenizer.json"]);
    let mut config: serde_json::Value =
        serde_json::from_slice(&config("Qwen2ForCausalLM")).unwrap();
    config["quantization_config"] = serde_json::json!({"quant_method": "fp8"});
    let config = config.to_string().into_bytes();
    script.files.insert(CONFIG.to_owned(), config);
    let (found, asked) = fetch(script, cache.path(), None).await;
    let error = found.unwrap_err();
    let sentence = "hub:o/n: config.json: its weights are quantised (fp8), which is not read here";
    assert!(error.starts_with(sentence), "{error}");
    assert_eq!(asked, [CONFIG]);
}

#[tokio::test]
async fn safetensors_without_what_describes_them_are_not_asked_for() {
    let cache = tempfile::tempdir().unwrap();
    for (names, missing) in [
        (["model.safetensors", "tokenizer.json"], CONFIG),
        (["model.safetensors", CONFIG], "tokenizer.json"),
    ] {
        let (found, asked) = fetch(repository(&names), cache.path(), None).await;
        let error = found.unwrap_err();
        let sentence = format!("hub:o/n: there is no {missing} beside its safetensors");
        assert!(error.starts_with(&sentence), "{error}");
        assert!(asked.is_empty(), "{asked:?}");
    }
}
