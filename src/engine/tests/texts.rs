//! Text that comes token by token is the text of all tokens.

use std::sync::Arc;

use serde_json::json;

use crate::engine::tokenizer::Tokenizer;

/// A vocabulary of the kind of Llama 2: words with a mark before them, all bytes, an end.
fn with_bytes(folder: &std::path::Path) -> Arc<Tokenizer> {
    let mut vocab = serde_json::Map::new();
    let bytes = (0..256).map(|byte| format!("<0x{byte:02X}>"));
    let words = ["▁", "▁Say", "▁end", "x", "</s>"].map(str::to_owned);
    for (id, word) in bytes.chain(words).enumerate() {
        vocab.insert(word, json!(id));
    }
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "post_processor": null,
        "added_tokens": [{"id": 260, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}],
        "normalizer": null, "pre_tokenizer": null,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": true, "vocab": vocab, "merges": []},
    });
    let path = folder.join("tokenizer.json");
    std::fs::write(&path, file.to_string()).unwrap();
    Arc::new(Tokenizer::open(&path).unwrap())
}

#[test]
fn letters_that_are_written_as_bytes_come_whole_one_after_another() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = with_bytes(folder.path());
    let (say, end) = (257, 258);
    let bytes = |text: &str| text.bytes().map(u32::from).collect::<Vec<_>>();
    for tokens in [
        [vec![say], bytes("éа한"), vec![end]].concat(),
        [
            vec![say],
            bytes("é\n"),
            vec![259],
            bytes("\n\n"),
            vec![end, end],
        ]
        .concat(),
        [bytes("😀😀😀😀😀"), vec![end], bytes("😀"), vec![259]].concat(),
        [vec![say, 256, 256], bytes("한"), vec![256, end]].concat(),
        [vec![say], bytes("한")[..2].to_vec()].concat(),
    ] {
        let mut stream = tokenizer.stream();
        let mut text: String = tokens.iter().map(|token| stream.push(*token)).collect();
        text.push_str(&stream.finish());
        assert_eq!(text, tokenizer.decode(&tokens));
    }
}
