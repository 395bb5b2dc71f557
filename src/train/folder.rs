//! A policy's folder: what the engine, and `transformers`, open by its path.
//!
//! Mental model: everything but the weights is written before the first step, the weights (bfloat16) at each checkpoint, each
//! file whole under another name first; so the folder can be opened at any time after the first checkpoint.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use half::bf16;
use serde_json::json;

use super::TrainError;
use super::error::file;
use super::lesson::Source;
use super::shape::{Layout, Shape};
use super::vocabulary::{END, TEMPLATE};

/// Name of the weights.
pub const WEIGHTS: &str = "model.safetensors";
/// Name of the tokenizer.
pub const TOKENIZER: &str = "tokenizer.json";
/// Name of the card.
pub const CARD: &str = "README.md";
/// On the card of a run that can go on.
const UNFINISHED: &str = "It was ended before its steps were done.";

/// Write a file whole, or not at all.
///
/// # Errors
/// What the file system says.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let beside = path.with_extension("part");
    let mut part = fs::File::create(&beside).map_err(file(&beside, "make"))?;
    part.write_all(bytes)
        .and_then(|()| part.sync_all())
        .map_err(file(&beside, "write"))?;
    fs::rename(&beside, path).map_err(file(path, "put in its place"))
}

/// Everything but weights, tokenizer and card.
///
/// # Errors
/// What the file system says.
pub fn describe(folder: &Path, shape: &Shape, end: u32) -> Result<(), TrainError> {
    let config = json!({
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "vocab_size": shape.vocab,
        "max_position_embeddings": shape.context,
        "rope_theta": shape.rope_theta,
        "rms_norm_eps": shape.rms_eps,
        "hidden_act": "silu",
        "attention_dropout": 0.0,
        "use_sliding_window": false,
        "tie_word_embeddings": true,
        "eos_token_id": end,
        "torch_dtype": "bfloat16",
    });
    let tokenizer = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": END,
        "model_max_length": shape.context,
        "clean_up_tokenization_spaces": false,
        "add_bos_token": false,
    });
    let generation = json!({"do_sample": false, "eos_token_id": end, "pad_token_id": end});
    for (name, value) in [
        ("config.json", config),
        ("tokenizer_config.json", tokenizer),
        ("generation_config.json", generation),
    ] {
        let text = format!("{value:#}\n");
        write(&folder.join(name), text.as_bytes())?;
    }
    write(&folder.join("chat_template.jinja"), TEMPLATE.as_bytes())
}

/// The file of weights: bfloat16, under the names of a Hugging Face checkpoint.
#[must_use]
pub fn weights(layout: &Layout, weights: &[f32]) -> Vec<u8> {
    let mut head = serde_json::Map::new();
    head.insert("__metadata__".into(), json!({"format": "pt"}));
    let mut data = Vec::with_capacity(2 * layout.total);
    for tensor in layout.tensors() {
        let first = data.len();
        for weight in weights.get(tensor.at.clone()).unwrap_or_default() {
            data.extend(bf16::from_f32(*weight).to_le_bytes());
        }
        let entry =
            json!({"dtype": "BF16", "shape": tensor.sizes, "data_offsets": [first, data.len()]});
        head.insert(tensor.name, entry);
    }
    safetensors(head, &data)
}

/// Write the weights; how many bytes.
///
/// # Errors
/// What the file system says.
pub fn write_weights(folder: &Path, layout: &Layout, weights: &[f32]) -> Result<u64, TrainError> {
    let bytes = self::weights(layout, weights);
    write(&folder.join(WEIGHTS), &bytes)?;
    Ok(bytes.len() as u64)
}

/// A safetensors file: a length, a JSON head (padded with spaces to eights), the data.
#[must_use]
pub fn safetensors(head: serde_json::Map<String, serde_json::Value>, data: &[u8]) -> Vec<u8> {
    let mut head = serde_json::Value::Object(head).to_string().into_bytes();
    head.resize(head.len().next_multiple_of(8), b' ');
    let mut bytes = (head.len() as u64).to_le_bytes().to_vec();
    bytes.extend(head);
    bytes.extend(data);
    bytes
}

/// What the card tells of a policy's making.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// The command.
    pub command: String,
    /// The policy that it began with, where it did not with random weights: its name, and the beginning of its weights' hash.
    pub from: Option<(String, String)>,
    /// Version of the program.
    pub version: String,
    /// Where demonstrations came from, as a list for the card.
    pub demonstrations: String,
    /// How many they were, by whose words they are.
    pub sources: BTreeMap<Source, usize>,
    /// Demonstrations, tokens, tokens that are learned.
    pub rows: [usize; 3],
    /// What a token counts that is not the assistant's.
    pub context_weight: f32,
    /// What was left out, by why.
    pub left_out: BTreeMap<&'static str, usize>,
    /// Weights, counted.
    pub parameters: usize,
    /// Steps, tokens seen, seconds worked.
    pub work: (u64, u64, u64),
    /// Threads and kind of instructions.
    pub machine: String,
    /// Seed.
    pub seed: u64,
    /// Steps and what validation said after them: loss, tokens right in a thousand, turns right in a thousand.
    pub validation: Vec<(u64, f64, u64, u64)>,
    /// Rows of validation, and where they came from, if they were not kept back.
    pub validated_by: (usize, Option<String>),
    /// It was ended before its time.
    pub unfinished: bool,
}

/// Whether there is a card of a run that came to its end.
#[must_use]
pub fn is_finished(folder: &Path) -> bool {
    fs::read_to_string(folder.join(CARD)).is_ok_and(|card| !card.contains(UNFINISHED))
}

/// Write the card.
///
/// # Errors
/// What the file system says.
pub fn write_card(folder: &Path, shape: &Shape, made: &Made) -> Result<(), TrainError> {
    let [rows, tokens, learned] = made.rows;
    let (steps, seen, seconds) = made.work;
    // Writing to a String cannot fail.
    let mut left = String::new();
    for (why, count) in &made.left_out {
        let _ = writeln!(left, "- left out: {count} {why}");
    }
    if left.is_empty() {
        left.push_str("- nothing was left out\n");
    }
    let others = if made.context_weight > 0.0 {
        format!(
            "what it only reads counts {} of one, its mistakes nothing",
            made.context_weight
        )
    } else {
        "everything else is masked".into()
    };
    let ended = if made.unfinished {
        format!("{UNFINISHED}\n\n")
    } else {
        String::new()
    };
    let sources = made.sources.iter();
    let sources: Vec<String> = sources
        .map(|(source, count)| format!("{count} {}", source.words()))
        .collect();
    let is_gym = made.sources.keys().all(|source| *source == Source::Expert);
    let (title, task, knows) = if is_gym {
        (
            "A small policy for spotter's gym",
            "demonstrations of small repair tasks",
            "It knows nothing else: no language, no programming beyond those tasks, no task outside the gym. It acts through the same \
             loop, tools and sandbox as every model, with a scaffold of its own.",
        )
    } else {
        (
            "A small policy",
            "the conversations that are named below",
            "It knows nothing else.",
        )
    };
    let text = format!(
        "# {title}\n\n\
         A decoder of {parameters} parameters (Qwen2 architecture, {layers} layers of width {hidden}, {heads} heads of {head_dim}, \
         {vocab} byte-level BPE entries, bfloat16), trained from {from} on {task}. {knows}\n\n\
         ## How it was made\n\n\
         ```\n{command}\n```\n\n\
         - spotter {version}, seed {seed}, {machine}\n\
         - demonstrations from {demonstrations} ({sources}): {rows} conversations, {tokens} tokens, \
         {learned} of them learned (the assistant's own turns; {others})\n\
         {left}\
         - {steps} steps, {seen} tokens, {minutes:.1} minutes\n\n\
         {ended}{validation}",
        parameters = made.parameters,
        from = made.from.as_ref().map_or_else(
            || "random weights".to_owned(),
            |(from, digest)| format!("the weights of an earlier one, `{from}` ({digest}),")
        ),
        layers = shape.layers,
        hidden = shape.hidden,
        heads = shape.heads,
        head_dim = shape.head_dim,
        vocab = shape.vocab,
        command = made.command,
        version = made.version,
        seed = made.seed,
        machine = made.machine,
        demonstrations = made.demonstrations,
        sources = sources.join(", "),
        minutes = seconds as f64 / 60.0,
        validation = validation(made),
    );
    write(
        &folder.join(CARD),
        format!("{}\n", text.trim_end()).as_bytes(),
    )
}

/// The card's section on validation; nothing, where there was none.
fn validation(made: &Made) -> String {
    let (rows, from) = &made.validated_by;
    if made.validation.is_empty() {
        return String::new();
    }
    let whose = from.as_ref().map_or_else(
        || "of tasks that were kept back".to_owned(),
        |from| format!("from `{from}`"),
    );
    let mut text = format!(
        "## Validation\n\n\
         On {rows} demonstrations {whose}, each turn given what came before it there (so this is no rate of solved tasks):\n\n\
         | step | loss | tokens right | whole turns right |\n|---|---|---|---|\n"
    );
    let percent = |thousandth: u64| thousandth as f64 / 10.0;
    for (step, loss, right, turns) in &made.validation {
        let (right, turns) = (percent(*right), percent(*turns));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {step} | {loss:.4} | {right:.1} % | {turns:.1} % |");
    }
    text
}
