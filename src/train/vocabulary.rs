//! A byte-level BPE learned on the demonstrations, and the chat template that goes with it.
//!
//! Mental model: a small model learns to copy before it learns anything else, and copies best what is one token wherever it
//! stands. So text is split such that a word or identifier never carries what is around it (`total` is the same token after a
//! space, a bracket or a line's start), spaces go with the punctuation beside them (` = `, `, `, `):`), a line break goes with
//! the indentation after it, and digits stand alone. Within these pieces pairs are merged as in Sennrich et al. 2016, over bytes.
//!
//! Every byte is in the vocabulary, so that any text can be read and written.

use std::path::Path;

use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior};

use super::TrainError;

/// Pieces within which pairs are merged; see the module.
const PIECES: &str =
    r"[\p{L}_][\p{L}\p{M}_]*|\p{N}|\n[ \t]*| ?[^\s\p{L}\p{M}\p{N}_]+ *|[^\S\n]+|\s+|\p{M}+";

/// Ends the assistant's turn.
pub const END: &str = "<|im_end|>";
/// Borders of turns; [`END`] is the first.
pub const SPECIAL: &[&str] = &[END, "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"];

/// A turn is its role's token and its text; only the assistant's are ended, for that is what it has to learn.
pub const TEMPLATE: &str = "\
{% for message in messages %}
{% if message.tool_calls %}
{{ raise_exception('this model writes its actions as text: use a scaffold with a text form of actions') }}
{% endif %}
{% if message.role not in ['system', 'user', 'assistant', 'tool'] %}
{{ raise_exception('there is no role ' + message.role) }}
{% endif %}
{{- '<|' + message.role + '|>' }}
{%- if message.role == 'assistant' %}
{%- generation %}{{- message.content + '<|im_end|>' }}{%- endgeneration %}
{%- else %}
{{- message.content }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|assistant|>' }}
{%- endif %}
";

/// Learn a vocabulary of `entries` (bytes and turn borders among them) and write it as `tokenizer.json`.
///
/// # Errors
/// Where the texts are too few for so many, or the file cannot be written.
pub fn learn(texts: &[String], entries: usize, to: &Path) -> Result<usize, TrainError> {
    let failed = |error: tokenizers::Error| TrainError::Vocabulary(error.to_string());
    let least = 256 + SPECIAL.len();
    if entries < least {
        return Err(TrainError::Vocabulary(format!(
            "{entries} entries cannot hold the 256 bytes and {} borders of turns: give at least {least}",
            SPECIAL.len()
        )));
    }
    let mut tokenizer = tokenizers::Tokenizer::new(BPE::default());
    let split = Split::new(
        SplitPattern::Regex(PIECES.to_owned()),
        SplitDelimiterBehavior::Isolated,
        false,
    )
    .map_err(failed)?;
    tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![
        PreTokenizerWrapper::Split(split),
        PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, false, false)),
    ])));
    tokenizer.with_decoder(Some(ByteLevel::new(false, false, false)));
    let special = SPECIAL
        .iter()
        .map(|token| AddedToken::from(*token, true).normalized(false))
        .collect();
    let mut trainer: TrainerWrapper = BpeTrainer::builder()
        .vocab_size(entries)
        .show_progress(false)
        .min_frequency(2)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .special_tokens(special)
        .build()
        .into();
    tokenizer
        .train(&mut trainer, texts.iter().map(String::as_str))
        .map_err(failed)?;
    tokenizer.save(to, false).map_err(failed)?;
    Ok(tokenizer.get_vocab_size(true))
}
