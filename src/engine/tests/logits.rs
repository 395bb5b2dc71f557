//! Our logits are those of `transformers`, of PEFT and, of quantised files, of llama.cpp on the same weights: the scripts beside
//! `tests/fixtures/models` asked them.

use std::path::Path;

use serde::Deserialize;

use super::{cpu, load};
use crate::engine::adapter::Adapter;
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
    /// torch's logits where it rounds every activation to bfloat16, too.
    #[serde(default)]
    bf16: Vec<Vec<f32>>,
    /// llama.cpp's logits, which it computes with activations of eight bits.
    #[serde(default)]
    llama: Vec<Vec<f32>>,
}

/// Largest difference to what was expected, and the largest logit.
fn difference(folder: &Path, precision: Precision) -> (f32, f32) {
    let cpu = cpu(2);
    let decoder = load(folder, precision, &cpu);
    difference_of(&decoder, &cpu, &folder.join("expected.json"))
}

fn difference_of(decoder: &Decoder, cpu: &Cpu, expected: &Path) -> (f32, f32) {
    let expected = read(expected);
    let ours = computed(decoder, cpu, &expected);
    (worst(&ours, &expected.logits), largest(&expected.logits))
}

fn read(expected: &Path) -> Expected {
    let text = std::fs::read_to_string(expected).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn worst(ours: &[Vec<f32>], theirs: &[Vec<f32>]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let pairs = ours.iter().flatten().zip(theirs.iter().flatten());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn largest(logits: &[Vec<f32>]) -> f32 {
    let all = logits.iter().flatten();
    all.fold(0.0, |most, logit| most.max(logit.abs()))
}

/// Our logits in the rows that were kept.
fn computed(decoder: &Decoder, cpu: &Cpu, expected: &Expected) -> Vec<Vec<f32>> {
    computed_with(None, decoder, cpu, expected)
}

fn computed_with(
    adapter: Option<&Adapter>,
    decoder: &Decoder,
    cpu: &Cpu,
    expected: &Expected,
) -> Vec<Vec<f32>> {
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
        .forward_with(&[part], &[adapter], &mut cache, cpu, &mut Room::default())
        .unwrap();
    let vocab = decoder.config().vocab;
    let rows = expected.rows.iter();
    rows.map(|row| logits[row * vocab..][..vocab].to_vec())
        .collect()
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

/// "2e-2 for bf16" is taken to mean: of the largest logit, and from what exact (single precision) arithmetic makes of the same
/// weights, which are bfloat16. It cannot mean from torch's own logits in bfloat16: torch rounds every activation, too, so that
/// its logits lie 0.05 to 0.14 from the exact ones (1 to 3 % of the largest), further than ours. From those ours may lie twice
/// as far.
#[test]
fn bfloat16_is_that_of_transformers() {
    let cpu = cpu(2);
    for name in ["qwen2", "qwen3", "llama"] {
        let decoder = load(&fixture(name), Precision::Bf16, &cpu);
        let expected = read(&fixture(name).join("expected_bf16.json"));
        let ours = computed(&decoder, &cpu, &expected);
        let most = largest(&expected.logits);
        // Keys and values are kept in half precision; everything else is single.
        let exact = worst(&ours, &expected.logits) / most;
        assert!(exact < 2e-2, "{name}: {exact} with the same weights");
        let rounding = worst(&expected.bf16, &expected.logits) / most;
        let torch = worst(&ours, &expected.bf16) / most;
        assert!(
            torch < 4e-2 && exact < rounding,
            "{name}: {torch} from torch's, which lie {rounding} from exact ones, ours {exact}"
        );
        println!(
            "{name}: ours {exact:.4}, torch's {rounding:.4}, apart {torch:.4} of the largest logit"
        );
    }
}

#[test]
fn quantised_types_are_read_as_defined_and_computed_as_nearly_as_llama_cpp_does() {
    let cpu = cpu(2);
    let expected = read(&fixture("gguf/mixed.json"));
    let exact = |precision| {
        let path = fixture("gguf/mixed.gguf");
        let files = Files::open(&path).unwrap();
        let checkpoint = files.checkpoint().unwrap();
        let Checkpoint::Gguf(file) = &checkpoint else {
            panic!("it is a GGUF file");
        };
        let config = Config::from_gguf(file, "test").unwrap();
        let decoder = Decoder::load(&config, &checkpoint, precision, &cpu, "test").unwrap();
        worst(&computed(&decoder, &cpu, &expected), &expected.logits)
    };
    let most = largest(&expected.logits);
    let single = exact(Precision::F32);
    assert!(single < 1e-4, "{single} of {most}");
    // Both round activations to eight bits; ours may lie no further from the truth than twice theirs.
    let theirs = worst(&expected.llama, &expected.logits);
    let ours = exact(Precision::Stored);
    println!("ours {ours:.3}, llama.cpp's {theirs:.3}, the largest logit {most:.3}");
    assert!(ours < 2.0 * theirs, "{ours} of {most}; llama.cpp {theirs}");
}

#[test]
fn an_adapter_that_peft_wrote_computes_what_peft_does() {
    let cpu = cpu(2);
    let decoder = load(&fixture("qwen2"), Precision::F32, &cpu);
    for name in ["plain", "uneven"] {
        let folder = fixture("qwen2/adapters").join(name);
        let adapter = Adapter::open(&folder, decoder.config(), &cpu).unwrap();
        let expected = read(&folder.join("expected.json"));
        let without = worst(&computed(&decoder, &cpu, &expected), &expected.logits);
        let with = computed_with(Some(&adapter), &decoder, &cpu, &expected);
        let with = worst(&with, &expected.logits);
        assert!(with < 1e-4 && without > 0.5, "{name}: {with}, {without}");
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
    // Llama's is split, and says its scaling of positions as divisors.
    for (name, file) in [("qwen2", "qwen2"), ("llama", "llama-00002-of-00002")] {
        let path = fixture(&format!("gguf/{file}.gguf"));
        let files = Files::open(&path).unwrap();
        let checkpoint = files.checkpoint().unwrap();
        let Checkpoint::Gguf(file) = &checkpoint else {
            panic!("it is a GGUF file");
        };
        let config = Config::from_gguf(file, "test").unwrap();
        let decoder = Decoder::load(&config, &checkpoint, Precision::F32, &cpu, "test").unwrap();
        let (worst, largest) = difference_of(&decoder, &cpu, &fixture(name).join("expected.json"));
        assert!(worst < 1e-4, "{name}: {worst} of {largest}");
    }
}

#[test]
fn a_part_of_a_split_file_without_the_others_is_refused_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("llama-00001-of-00002.gguf");
    std::fs::copy(fixture("gguf/llama-00001-of-00002.gguf"), &part).unwrap();
    let why = Files::open(&part).err().unwrap().to_string();
    assert!(
        why.contains("of 2 files of weights these are missing: llama-00002-of-00002.gguf"),
        "{why}"
    );
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
