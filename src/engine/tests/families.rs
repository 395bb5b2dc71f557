//! What candle-transformers computes for the families that are not ours is what `transformers` computes with the same folder.
//!
//! The folders are as transformers 5 saves them (`tests/fixtures/models/families.py`); a prompt is given at once and in pieces.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde::Deserialize;

use crate::engine::compute::Compute as _;
use crate::engine::config::{Architecture, Config};
use crate::engine::decoder::{Part, Wanted};
use crate::engine::foreign::{Family, Foreign};
use crate::engine::prefix::Page;
use crate::engine::weights::Files;

#[derive(Deserialize)]
struct Expected {
    tokens: Vec<u32>,
    rows: Vec<usize>,
    logits: Vec<Vec<f32>>,
}

fn load(folder: &Path, change: impl FnOnce(String) -> String) -> Result<Foreign, String> {
    let json = change(std::fs::read_to_string(folder.join("config.json")).unwrap());
    let config = Config::from_json(&json, "config.json").map_err(|error| error.to_string())?;
    let Architecture::Foreign(family) = config.architecture else {
        panic!("{:?}", config.architecture);
    };
    let files = Files::open(folder).unwrap();
    let checkpoint = files.checkpoint().unwrap();
    Foreign::load(
        family,
        &config,
        &json,
        &checkpoint,
        &Device::Cpu,
        "the folder",
    )
    .map_err(|error| error.to_string())
}

/// Logits of the last of some tokens, which come in pieces of at most so many.
fn last(model: &mut Foreign, tokens: &[u32], at_once: usize) -> Result<Vec<f32>, String> {
    let pages = [Page(0)];
    let mut logits = Vec::new();
    let mut past = 0;
    for tokens in tokens.chunks(at_once) {
        let piece = Part {
            tokens,
            past,
            pages: &pages,
            wanted: Wanted::Last,
        };
        let step = model.step(&[piece], &[None]);
        logits = step.map_err(|error| format!("{at_once} at once, {past} past: {error}"))?;
        past += tokens.len();
    }
    Ok(logits)
}

/// The largest difference of a logit.
fn apart(folder: &Path) -> Result<f32, String> {
    let mut model = load(folder, |json| json)?;
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Expected = serde_json::from_str(&expected).unwrap();
    let mut worst = 0.0_f32;
    for (row, logits) in expected.rows.iter().zip(&expected.logits) {
        for at_once in [usize::MAX, 7, 1] {
            let found = last(&mut model, &expected.tokens[..=*row], at_once)?;
            assert_eq!(found.len(), logits.len());
            let pairs = found.iter().zip(logits);
            worst = pairs.fold(worst, |worst, (a, b)| worst.max((a - b).abs()));
        }
    }
    Ok(worst)
}

#[test]
fn each_family_s_logits_are_those_of_transformers_on_the_same_folder() {
    let folders = folders();
    let outcomes = folders.iter().map(|(_, folder)| (folder, apart(folder)));
    let wrong: Vec<(&PathBuf, Result<f32, String>)> = outcomes
        .filter(|(_, apart)| !matches!(apart, Ok(apart) if *apart < 1e-4))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let shown: BTreeSet<&str> = folders.iter().map(|(name, _)| name.as_str()).collect();
    let all: BTreeSet<&str> = Family::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(shown, all, "a folder for each family");
}

#[test]
fn a_folder_of_which_candle_would_pass_over_a_tensor_is_refused() {
    let folders = folders();
    let find = |name: &str| folders.iter().find(|(known, _)| known == name);
    let (_, from) = find("Starcoder2ForCausalLM").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(from.join("config.json"), folder.path().join("config.json")).unwrap();
    let all = candle_core::safetensors::load(from.join("model.safetensors"), &Device::Cpu).unwrap();
    let opened = |name: &str, tensor: &Tensor, tied: bool| {
        let mut all = all.clone();
        all.insert(name.into(), tensor.clone());
        candle_core::safetensors::save(&all, folder.path().join("model.safetensors")).unwrap();
        let tie = format!("\"tie_word_embeddings\": {tied}");
        load(folder.path(), |json| {
            json.replace("\"tie_word_embeddings\": true", &tie)
        })
    };
    let embedding = &all["model.embed_tokens.weight"];
    let other = (embedding * 2.0).unwrap();
    let why = opened("lm_head.weight", &other, false).err().unwrap();
    assert!(
        why.contains("without 1 of its tensors (lm_head.weight)"),
        "{why}"
    );
    // A head that is the embedding, a table that follows from the configuration.
    assert!(opened("lm_head.weight", &other, true).is_ok());
    assert!(opened("lm_head.weight", embedding, false).is_ok());
    let table = "model.layers.0.self_attn.rotary_emb.inv_freq";
    assert!(opened(table, embedding, true).is_ok());
}

/// The folders, each with its architecture.
fn folders() -> Vec<(String, PathBuf)> {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/families");
    let folders = std::fs::read_dir(at).unwrap();
    let of = |folder: PathBuf| {
        let json = std::fs::read_to_string(folder.join("config.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        (
            json["architectures"][0].as_str().unwrap().to_owned(),
            folder,
        )
    };
    folders.map(|folder| of(folder.unwrap().path())).collect()
}
