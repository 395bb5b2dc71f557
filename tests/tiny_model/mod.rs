//! A model small enough for any test: weights that were drawn (`tests/fixtures/models`), letters for tokens, a chat
//! template of the usual shape. What it says is noise; how it is said is not.

#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "every test that includes this uses another part of it, and what cannot be made should fail it"
)]

use std::path::Path;

use serde_json::{Map, Value, json};

/// Rows of the fixture's embedding: each is a token here.
const VOCABULARY: usize = 160;

const TEMPLATE: &str = "{%- if tools %}<|im_start|>system\n{%- for tool in tools %}{{ tool | tojson }}\n{%- endfor %}<|im_end|>\n{%- endif %}\
{%- for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}\
{%- for call in message.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>{%- endfor %}<|im_end|>\n{%- endfor %}\
{%- if add_generation_prompt %}<|im_start|>assistant\n\
{%- if enable_thinking is defined and enable_thinking is false %}<think></think>{%- endif %}{%- endif %}";

/// Make it in an empty or missing folder.
pub fn put(folder: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/qwen2");
    std::fs::create_dir_all(folder).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(from.join(file), folder.join(file)).unwrap();
    }
    std::fs::write(folder.join("tokenizer.json"), tokenizer().to_string()).unwrap();
    let settings = json!({"chat_template": TEMPLATE, "eos_token": "<|im_end|>"});
    std::fs::write(folder.join("tokenizer_config.json"), settings.to_string()).unwrap();
}

/// Bytes of ASCII that print, white space, two bytes that make `ä` together, and pairs of letters up to the number.
fn tokenizer() -> Value {
    let special = ["<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"];
    let mut tokens: Vec<String> = special.iter().map(|token| (*token).to_owned()).collect();
    tokens.extend((0x21u8..0x7f).map(|byte| char::from(byte).to_string()));
    // Space, line feed, tab; C3 and A4.
    tokens.extend(["Ġ", "Ċ", "ĉ", "Ã", "¤"].map(str::to_owned));
    let mut merges: Vec<[String; 2]> = Vec::new();
    'pairs: for first in "etaoinsrh".chars() {
        for second in "etaoinsrhdl".chars() {
            if tokens.len() == VOCABULARY {
                break 'pairs;
            }
            tokens.push(format!("{first}{second}"));
            merges.push([first.to_string(), second.to_string()]);
        }
    }
    let vocabulary: Map<String, Value> = tokens
        .iter()
        .enumerate()
        .map(|(id, token)| (token.clone(), id.into()))
        .collect();
    let added: Vec<Value> = special
        .iter()
        .enumerate()
        .map(|(id, token)| {
            json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": id < 2})
        })
        .collect();
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                  "vocab": vocabulary, "merges": merges},
    })
}
