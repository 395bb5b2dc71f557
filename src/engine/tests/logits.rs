//! Our logits are those of `transformers` on the same weights: `tests/fixtures/models/make.py` computed them.

use std::path::Path;

use serde::Deserialize;

use super::{cpu, load};
use crate::engine::cache::Cache;
use crate::engine::config::Config;
use crate::engine::decoder::{Decoder, Part, Precision, Room, Wanted};
use crate::engine::gguf::Gguf;
use crate::engine::kernels::Cpu;
use crate::engine::prefix::{PAGE, Page};
use crate::engine::weights::{Checkpoint, Files};

#[derive(Deserialize)]
struct Expected {
    tokens: Vec<u32>,
    rows: Vec<usize>,
    logits: Vec<Vec<f32>>,
}

/// Largest difference to what was expected, and the largest logit.
fn difference(folder: &Path, precision: Precision) -> (f32, f32) {
    let cpu = cpu(2);
    let decoder = load(folder, precision, &cpu);
    difference_of(&decoder, &cpu, &folder.join("expected.json"))
}

fn difference_of(decoder: &Decoder, cpu: &Cpu, expected: &Path) -> (f32, f32) {
    let text = std::fs::read_to_string(expected).unwrap();
    let expected: Expected = serde_json::from_str(&text).unwrap();
    let count = u32::try_from(expected.tokens.len().div_ceil(PAGE)).unwrap();
    let pages: Vec<Page> = (0..count).rev().map(Page).collect();
    let mut cache = Cache::new(decoder.config(), decoder.precision(), count);
    let part = Part {
        tokens: &expected.tokens,
        past: 0,
        pages: &pages,
        wanted: Wanted::All,
    };
    let logits = decoder
        .forward(&[part], &mut cache, cpu, &mut Room::default())
        .unwrap();
    let vocab = decoder.config().vocab;
    let (mut worst, mut largest) = (0.0f32, 0.0f32);
    for (row, wanted) in expected.rows.iter().zip(&expected.logits) {
        for (ours, theirs) in logits[row * vocab..][..vocab].iter().zip(wanted) {
            worst = worst.max((ours - theirs).abs());
            largest = largest.max(theirs.abs());
        }
    }
    (worst, largest)
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/models")
        .join(name)
}

#[test]
fn single_precision_is_that_of_transformers() {
    for name in ["qwen2", "qwen3", "llama"] {
        let (worst, largest) = difference(&fixture(name), Precision::F32);
        assert!(worst < 1e-4, "{name}: {worst} of {largest}");
    }
}

#[test]
fn eight_bits_stay_near() {
    for name in ["qwen2", "qwen3", "llama"] {
        let (worst, largest) = difference(&fixture(name), Precision::Q8_0);
        assert!(worst < 0.1 * largest, "{name}: {worst} of {largest}");
    }
}

#[test]
fn a_gguf_file_gives_the_same_logits_with_llamas_rows_put_back_in_order() {
    let cpu = cpu(2);
    for name in ["qwen2", "llama"] {
        let path = fixture(&format!("gguf/{name}.gguf"));
        let files = Files::open(&path).unwrap();
        let checkpoint = files.checkpoint().unwrap();
        let Checkpoint::Gguf(file) = &checkpoint else {
            panic!("it is a GGUF file");
        };
        let config = Config::from_gguf(file, "test").unwrap();
        let decoder = Decoder::load(&config, &checkpoint, Precision::F32, &cpu, "test").unwrap();
        let (worst, largest) =
            difference_of(&decoder, &cpu, &fixture(&format!("gguf/{name}.json")));
        assert!(worst < 1e-4, "{name}: {worst} of {largest}");
    }
}

#[test]
fn files_that_are_cut_off_or_lie_are_refused_in_a_sentence_wherever_they_are_cut() {
    let whole = std::fs::read(fixture("gguf/qwen2.gguf")).unwrap();
    let why = |bytes: &[u8]| {
        Gguf::read(bytes, "x.gguf")
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(why(&whole), None);
    for end in (0..whole.len()).step_by(997) {
        let why = why(&whole[..end]).unwrap_or_else(|| panic!("cut at {end} it was read"));
        assert!(why.starts_with("x.gguf: "), "{why}");
    }
    // Any byte of the head may lie: it is read or refused, and never panics.
    for at in 0..2000 {
        for value in [0u8, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            if let Ok(file) = Gguf::read(&bytes, "x.gguf") {
                let _ = Config::from_gguf(&file, "x.gguf");
            }
        }
    }
}
