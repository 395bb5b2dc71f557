//! Which vocabulary a GGUF file is read with: its own where that can be read, else a `tokenizer.json` beside it that has the
//! same tokens.
//!
//! A folder may hold files of several models, and one tokenizer.json: with that of another model every prompt would be other
//! words, and nothing would say so. So each token of the file is looked for in it. What one of them writes as `▁` the other may
//! write as a space (converters do so with added tokens); rows that no text becomes need not be there.

use std::path::Path;

use super::Tokenizer;
use crate::engine::EngineError;
use crate::engine::gguf::{Gguf, Value};

impl Tokenizer {
    /// The tokenizer of a GGUF file at a path: made of its own vocabulary, or read from beside it.
    ///
    /// # Errors
    /// Where the file's own is not read here and there is none beside it, or that of another model.
    pub fn of_gguf_or_beside(
        file: &Gguf<'_>,
        path: &Path,
        origin: &str,
    ) -> Result<Self, EngineError> {
        let own = Self::of_gguf(file, origin);
        let beside = path.with_file_name("tokenizer.json");
        if own.is_ok() || !beside.is_file() {
            return own;
        }
        let tokenizer = Self::open(&beside)?;
        match tokenizer.other_than(file) {
            None => Ok(tokenizer),
            Some(why) => Err(EngineError::Tokenizer {
                origin: beside.display().to_string(),
                why: format!(
                    "it is not the tokenizer of {origin}, whose own vocabulary is not read here: {why}; put the \
                     tokenizer.json of that model there"
                ),
            }),
        }
    }

    /// Why this is not the tokenizer of a file; `None` where it is, or the file says nothing of its tokens.
    fn other_than(&self, file: &Gguf<'_>) -> Option<String> {
        let Some(Value::List(tokens)) = file.value("tokenizer.ggml.tokens") else {
            return None;
        };
        if self.rows() > tokens.len() {
            return Some(format!(
                "it has {} tokens, the file {}",
                self.rows(),
                tokens.len()
            ));
        }
        let kinds = match file.value("tokenizer.ggml.token_type") {
            Some(Value::List(kinds)) => kinds.as_slice(),
            _ => &[],
        };
        (0u32..).zip(tokens).find_map(|(id, token)| {
            let Value::Text(theirs) = token else {
                return Some(format!("the file's token {id} is no text"));
            };
            let ours = match self.inner.id_to_token(id) {
                Some(ours) if spelled(&ours) == spelled(theirs) => return None,
                Some(ours) => format!("`{ours}` in it"),
                // 5: unused.
                None if kinds.get(id as usize) == Some(&Value::Unsigned(5)) => return None,
                // What older converters fill up with.
                None if theirs.starts_with("[PAD") => return None,
                None => "not in it".to_owned(),
            };
            Some(format!("token {id} is `{theirs}` in the file and {ours}"))
        })
    }
}

fn spelled(token: &str) -> String {
    token.replace('\u{2581}', " ")
}
