//! Tokens: a model's own tokenizer, and text that comes out while tokens come in.
//!
//! Mental model: `tokenizer.json` (or the vocabulary of a GGUF file, made into the same) decides; special tokens in a rendered
//! conversation are tokens, special tokens that a message quotes are the template's matter. [`Stream`] gives out text as soon
//! as it is whole: a character that is cut between two tokens waits for the second.

mod beside;

use std::path::Path;
use std::sync::Arc;

use ahash::AHashMap;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::template::{SpecialToken, TemplateProcessing};
use tokenizers::{AddedToken, DecoderWrapper, PreTokenizerWrapper, SplitDelimiterBehavior};

use super::EngineError;
use super::gguf::{Gguf, Value};

/// How Qwen2 and later split text before merging; its `tokenizer.json` says the same.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// How Llama 3 does.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Letters of which every vocabulary has one as a token.
const LETTERS: [&str; 5] = ["a", "e", "x", "0", "."];

/// See the module.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// A token that is a letter by itself, and that letter as the decoder writes it: what stands after it is in the middle of a text.
    letter: Option<(u32, String)>,
}

impl Tokenizer {
    /// Read a `tokenizer.json`.
    ///
    /// # Errors
    /// Where it is not there or cannot be understood.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        tokenizers::Tokenizer::from_file(path)
            .map(Self::over)
            .map_err(|error| EngineError::Tokenizer {
                origin: path.display().to_string(),
                why: error.to_string(),
            })
    }

    /// Make one of a GGUF file's vocabulary.
    ///
    /// # Errors
    /// Where it is of a kind that is not read here: give the model's `tokenizer.json` beside the file.
    pub fn of_gguf(file: &Gguf<'_>, origin: &str) -> Result<Self, EngineError> {
        Self::made(file)
            .map(Self::over)
            .map_err(|why| EngineError::Tokenizer {
                origin: origin.to_owned(),
                why: format!(
                    "{why}; put the model's tokenizer.json beside the file, it is read in its place"
                ),
            })
    }

    fn over(inner: tokenizers::Tokenizer) -> Self {
        let mut tokenizer = Self {
            inner,
            letter: None,
        };
        tokenizer.letter = LETTERS.iter().find_map(|letter| {
            let token = *tokenizer.encode(letter).ok()?.last()?;
            let text = tokenizer.decode(&[token]);
            (tokenizer.is_text(token) && text.trim() == *letter).then_some((token, text))
        });
        tokenizer
    }

    fn made(file: &Gguf<'_>) -> Result<tokenizers::Tokenizer, String> {
        let model = file.text("tokenizer.ggml.model").unwrap_or_default();
        let pre = file.text("tokenizer.ggml.pre").unwrap_or_default();
        let pattern = match (model, pre) {
            ("gpt2", "qwen2") => QWEN2,
            ("gpt2", "llama-bpe" | "llama3") => LLAMA3,
            _ => {
                return Err(format!(
                    "its vocabulary, of kind `{model}` split as `{pre}`, is not read here"
                ));
            }
        };
        let list = |key: &str| match file.value(key) {
            Some(Value::List(list)) => Ok(list),
            _ => Err(format!("`{key}` is missing")),
        };
        let text = |value: &Value<'_>| match value {
            Value::Text(text) => Ok((*text).to_owned()),
            other => Err(format!("{other:?} among its texts")),
        };
        let tokens: Vec<String> = list("tokenizer.ggml.tokens")?
            .iter()
            .map(text)
            .collect::<Result<_, _>>()?;
        let kinds = list("tokenizer.ggml.token_type").ok();
        let merges: Vec<(String, String)> = list("tokenizer.ggml.merges")?
            .iter()
            .map(|value| {
                let merge = text(value)?;
                let (left, right) = merge
                    .split_once(' ')
                    .ok_or_else(|| format!("`{merge}` is no merge"))?;
                Ok::<_, String>((left.to_owned(), right.to_owned()))
            })
            .collect::<Result<_, _>>()?;
        let vocabulary: AHashMap<String, u32> = tokens.iter().cloned().zip(0u32..).collect();
        let bpe = BPE::builder()
            .vocab_and_merges(vocabulary, merges)
            .ignore_merges(pattern == LLAMA3)
            .build()
            .map_err(|error| error.to_string())?;
        let mut tokenizer = tokenizers::Tokenizer::new(bpe);
        let split = Split::new(
            SplitPattern::Regex(pattern.to_owned()),
            SplitDelimiterBehavior::Isolated,
            false,
        )
        .map_err(|error| error.to_string())?;
        let bytes = ByteLevel::new(false, false, false);
        tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![
            PreTokenizerWrapper::Split(split),
            PreTokenizerWrapper::ByteLevel(bytes),
        ])));
        tokenizer.with_decoder(Some(ByteLevel::new(false, false, false)));
        // 3: control, 4: user-defined.
        let special: Vec<AddedToken> = tokens
            .iter()
            .zip(kinds.map(Vec::as_slice).unwrap_or_default())
            .filter(|(_, kind)| matches!(kind, Value::Unsigned(3 | 4)))
            .map(|(token, kind)| {
                AddedToken::from(token.clone(), *kind == Value::Unsigned(3)).normalized(false)
            })
            .collect();
        tokenizer
            .add_special_tokens(special)
            .map_err(|error| error.to_string())?;
        // llama.cpp's rule: what the file says; else those that split as Llama 3 does begin with it.
        let begins = match file.value("tokenizer.ggml.add_bos_token") {
            Some(Value::Bool(begins)) => *begins,
            _ => pattern == LLAMA3,
        };
        let first = file
            .unsigned("tokenizer.ggml.bos_token_id")
            .and_then(|id| u32::try_from(id).ok());
        if let Some(first) = first.filter(|_| begins)
            && let Some(text) = tokens.get(first as usize)
        {
            tokenizer.with_post_processor(Some(beginning(first, text)?));
        }
        Ok(tokenizer)
    }

    /// The tokens of a rendered text; special tokens in it are themselves.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        self.encoded(text, false)
    }

    /// The tokens of a text by itself, which no template wrote: with what the tokenizer puts around texts, as the token that some
    /// models expect at the beginning.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn encode_framed(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        self.encoded(text, true)
    }

    fn encoded(&self, text: &str, framed: bool) -> Result<Vec<u32>, EngineError> {
        let encoding = self.inner.encode_fast(text, framed);
        let encoding = encoding.map_err(|error| EngineError::Tokenizer {
            origin: "a prompt".into(),
            why: error.to_string(),
        })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of tokens, special ones too.
    #[must_use]
    pub fn decode(&self, tokens: &[u32]) -> String {
        self.inner.decode(tokens, false).unwrap_or_default()
    }

    /// The text of tokens that stand in the middle of a text: some decoders take the space before a text's first word away.
    #[must_use]
    pub fn decode_inside(&self, tokens: &[u32]) -> String {
        let inside = self.letter.as_ref().and_then(|(letter, text)| {
            let whole = self.decode(&[&[*letter], tokens].concat());
            whole.strip_prefix(text.as_str()).map(str::to_owned)
        });
        inside.unwrap_or_else(|| self.decode(tokens))
    }

    /// The id of a token by its text.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The bytes of each token, by its number; those of special tokens after a byte that no text has. `None` where the
    /// vocabulary is not of byte-level kind.
    #[must_use]
    pub fn bytes_of_tokens(&self) -> Option<Vec<Vec<u8>>> {
        if !matches!(self.inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_))) {
            return None;
        }
        let bytes = byte_of_letter();
        let added = self.inner.get_added_tokens_decoder();
        let mut words = vec![Vec::new(); self.size()];
        for (token, id) in self.inner.get_vocab(true) {
            let Some(word) = words.get_mut(id as usize) else {
                continue;
            };
            *word = match added.get(&id) {
                Some(added) if added.special => [&[0xff], added.content.as_bytes()].concat(),
                Some(added) => added.content.clone().into_bytes(),
                None => token
                    .chars()
                    .filter_map(|letter| bytes.get(&letter).copied())
                    .collect(),
            };
        }
        Some(words)
    }

    /// Whether a token is whole characters, and not a byte that is written as one (`<0x0A>`).
    fn is_text(&self, token: u32) -> bool {
        let word = self.inner.id_to_token(token).unwrap_or_default();
        let is_byte = word.len() == 6 && word.starts_with("<0x") && word.ends_with('>');
        !is_byte && !self.decode(&[token]).contains('\u{fffd}')
    }

    /// How many tokens there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Rows that an embedding must have for it: added tokens may have any numbers.
    #[must_use]
    pub fn rows(&self) -> usize {
        let added = self.inner.get_added_tokens_decoder();
        let rows = added.keys().max().map_or(0, |last| *last as usize + 1);
        rows.max(self.size())
    }

    /// Text as it comes.
    #[must_use]
    pub fn stream(self: &Arc<Self>) -> Stream {
        Stream {
            tokenizer: Arc::clone(self),
            tokens: Vec::new(),
            context: None,
            told: 0,
            waiting: 0,
        }
    }

    /// Text as it comes in the middle of another: the space before its first word is a part of it.
    #[must_use]
    pub fn stream_inside(self: &Arc<Self>) -> Stream {
        let mut stream = self.stream();
        if let Some((letter, text)) = &self.letter {
            stream.context = Some(*letter);
            stream.tokens.push(*letter);
            stream.told = text.len();
        }
        stream
    }
}

/// Texts begin with this token.
fn beginning(token: u32, text: &str) -> Result<TemplateProcessing, String> {
    let bos = SpecialToken::new("bos".into(), vec![token], vec![text.to_owned()])
        .map_err(|error| format!("{error}"))?;
    TemplateProcessing::builder()
        .try_single("bos $A")?
        .special_tokens(vec![bos])
        .build()
        .map_err(|error| error.to_string())
}

/// Byte-level vocabularies write each byte as a letter: itself where it prints, one after U+0100 where it does not.
fn byte_of_letter() -> AHashMap<char, u8> {
    let mut next = 0x100u32;
    (0..=255u8)
        .filter_map(|byte| {
            let letter = match byte {
                b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => Some(char::from(byte)),
                _ => {
                    next += 1;
                    char::from_u32(next - 1)
                }
            };
            Some((letter?, byte))
        })
        .collect()
}

/// Text that comes out while tokens come in.
pub struct Stream {
    tokenizer: Arc<Tokenizer>,
    /// Tokens whose text is not all given out, after one that gives them their context.
    tokens: Vec<u32>,
    /// The last token that is text by itself: some decoders join tokens with a space, so the next one needs one before it. A byte of
    /// a character will not do: decoders take a row of such bytes together, or not at all.
    context: Option<u32>,
    /// Bytes of their text that were given out.
    told: usize,
    /// Tokens since the text was whole.
    waiting: usize,
}

impl Stream {
    /// One token more; the text that is whole now, often empty.
    pub fn push(&mut self, token: u32) -> String {
        self.tokens.push(token);
        self.waiting += 1;
        let text = self.tokenizer.decode(&self.tokens);
        if text.ends_with('\u{fffd}') && self.waiting < 16 {
            return String::new();
        }
        let new = text.get(self.told..).unwrap_or_default().to_owned();
        if self.tokenizer.is_text(token) {
            self.context = Some(token);
        }
        if let Some(context) = self.context {
            self.tokens = vec![context];
        }
        self.told = self.tokenizer.decode(&self.tokens).len();
        self.waiting = 0;
        new
    }

    /// No token follows: the text that was not whole, as it is.
    pub fn finish(&mut self) -> String {
        let text = self.tokenizer.decode(&self.tokens);
        let left = text.get(self.told..).unwrap_or_default().to_owned();
        self.told = text.len();
        left
    }
}
