//! Everything about a model but its weights: its shape, tokenizer, template, the tokens that end a turn, how it is drawn from.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::EngineError;
use super::config::Config;
use super::gguf::{self, Gguf};
use super::sample::usual::Usual;
use super::template::ChatTemplate;
use super::tokenizer::Tokenizer;

/// See the module.
pub(super) struct About {
    pub(super) config: Config,
    pub(super) tokenizer: Tokenizer,
    pub(super) template: Option<ChatTemplate>,
    /// Tokens that end a turn.
    pub(super) ends: Vec<u32>,
    pub(super) usual: Usual,
}

impl About {
    pub(super) fn of_gguf(file: &Gguf<'_>, path: &Path, origin: &str) -> Result<Self, EngineError> {
        let config = Config::from_gguf(file, origin)?;
        let tokenizer = Tokenizer::of_gguf_or_beside(file, path, origin)?;
        let text_of = |key: &str| {
            let id = file.unsigned(key).and_then(|id| u32::try_from(id).ok());
            match (id, file.value("tokenizer.ggml.tokens")) {
                (Some(id), Some(gguf::Value::List(tokens))) => match tokens.get(id as usize) {
                    Some(gguf::Value::Text(text)) => (*text).to_owned(),
                    _ => String::new(),
                },
                _ => String::new(),
            }
        };
        let (bos, eos) = (
            text_of("tokenizer.ggml.bos_token_id"),
            text_of("tokenizer.ggml.eos_token_id"),
        );
        let template = file
            .text("tokenizer.chat_template")
            .map(|source| {
                let with_tools = file.text("tokenizer.chat_template.tool_use");
                ChatTemplate::with(source, with_tools, &bos, &eos)
            })
            .transpose()?;
        let ends = ends(&tokenizer, config.eos.clone());
        Ok(Self {
            config,
            tokenizer,
            template,
            ends,
            usual: Usual::default(),
        })
    }

    pub(super) fn of_folder(folder: &Path) -> Result<Self, EngineError> {
        let origin = folder.join("config.json").display().to_string();
        let config = std::fs::read_to_string(folder.join("config.json"));
        let config = config.map_err(|source| EngineError::File {
            path: origin.clone(),
            source,
        })?;
        let config = Config::from_json(&config, &origin)?;
        let tokenizer = Tokenizer::open(&folder.join("tokenizer.json"))?;
        let settings = json(folder, "tokenizer_config.json")?;
        let token = |name: &str| match settings.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Object(token)) => token
                .get("content")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            _ => String::new(),
        };
        let inside = settings.get("chat_template");
        let source = text(folder, "chat_template.jinja")?;
        let source = source.or_else(|| template_called(inside?, "default"));
        let with_tools = text(folder, "additional_chat_templates/tool_use.jinja")?;
        let with_tools = with_tools.or_else(|| template_called(inside?, "tool_use"));
        let template = source
            .map(|source| {
                let (bos, eos) = (token("bos_token"), token("eos_token"));
                ChatTemplate::with(&source, with_tools.as_deref(), &bos, &eos)
            })
            .transpose()?;
        let mut eos = config.eos.clone();
        let generation = json(folder, "generation_config.json")?;
        match generation.get("eos_token_id") {
            Some(Value::Array(ids)) => eos.extend(ids.iter().filter_map(number)),
            Some(id) => eos.extend(number(id)),
            None => {}
        }
        eos.extend(tokenizer.id(&token("eos_token")));
        let ends = ends(&tokenizer, eos);
        Ok(Self {
            config,
            tokenizer,
            template,
            ends,
            usual: Usual::of(&generation),
        })
    }
}

/// A file of a folder; `None` where there is none.
fn text(folder: &Path, name: &str) -> Result<Option<String>, EngineError> {
    let path = folder.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EngineError::File {
            path: path.display().to_string(),
            source,
        }),
    }
}

/// The same, of JSON; null where there is none. What such a file says of ends and templates would be missing without a word if
/// one that cannot be understood were passed over.
fn json(folder: &Path, name: &str) -> Result<Value, EngineError> {
    let Some(text) = text(folder, name)? else {
        return Ok(Value::Null);
    };
    serde_json::from_str(&text).map_err(|error| EngineError::Config {
        origin: folder.join(name).display().to_string(),
        why: format!("it is no JSON: {error}; download or write it again"),
    })
}

/// One of the templates that lie in a configuration: one text, which is the default, or a list of such with names.
fn template_called(inside: &Value, name: &str) -> Option<String> {
    let found = match inside {
        Value::String(text) => (name == "default").then_some(text.as_str()),
        Value::Array(list) => list
            .iter()
            .find(|one| one.get("name").and_then(Value::as_str) == Some(name))
            .and_then(|one| one.get("template")?.as_str()),
        _ => None,
    };
    found.map(str::to_owned)
}

fn number(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

/// Tokens that end a turn: those that the files name, and those that every model of these families ends with.
fn ends(tokenizer: &Tokenizer, mut named: Vec<u32>) -> Vec<u32> {
    for token in [
        "<|im_end|>",
        "<|eot_id|>",
        "<|eom_id|>",
        "<|endoftext|>",
        "<|end_of_text|>",
    ] {
        named.extend(tokenizer.id(token));
    }
    named.sort_unstable();
    named.dedup();
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beside_the_weights_that_is_no_json_is_a_refusal_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let name = "tokenizer_config.json";
        assert_eq!(json(folder.path(), name).unwrap(), Value::Null);
        let path = folder.path().join(name);
        std::fs::write(&path, "{\n  \"eos_token\": \"</s>\",\n  \"chat_tem").unwrap();
        let why = json(folder.path(), name).unwrap_err().to_string();
        let place = path.display().to_string();
        assert!(
            why.starts_with(&place) && why.contains("line 3 column"),
            "{why}"
        );
        std::fs::write(&path, b"{\"eos_token\": \"\xff\"}").unwrap();
        let why = text(folder.path(), name).unwrap_err().to_string();
        assert!(why.starts_with(&place), "{why}");
        std::fs::write(&path, "{\"eos_token\": null}").unwrap();
        assert!(json(folder.path(), name).unwrap().is_object());
    }
}
