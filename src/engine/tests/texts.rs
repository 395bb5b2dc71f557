//! Text that comes token by token is the text of all tokens.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::engine::gguf::Gguf;
use crate::engine::tokenizer::Tokenizer;

/// A vocabulary of the kind of Llama 2: words with a mark before them, all bytes, an end.
fn with_bytes(folder: &Path) -> Arc<Tokenizer> {
    let mut vocab = serde_json::Map::new();
    let bytes = (0..256).map(|byte| format!("<0x{byte:02X}>"));
    let words = ["▁", "▁Say", "▁end", "x", "</s>"].map(str::to_owned);
    for (id, word) in bytes.chain(words).enumerate() {
        vocab.insert(word, json!(id));
    }
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "</s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [260], "tokens": ["</s>"]}}},
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

#[test]
fn in_the_middle_of_a_text_a_word_keeps_the_space_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = with_bytes(folder.path());
    let (say, end) = (257, 258);
    assert_eq!(tokenizer.decode(&[say, end]), "Say end");
    assert_eq!(tokenizer.decode_inside(&[say, end]), " Say end");
    assert_eq!(tokenizer.decode_inside(&[259]), "x");
    assert_eq!(tokenizer.decode_inside(&[0x0a]), "\n");
    assert!(tokenizer.decode_inside(&[0xc3]).contains('\u{fffd}'));
    let said = |mut stream: crate::engine::tokenizer::Stream| {
        let mut text: String = [say, 0xc3, 0xa9, end]
            .map(|token| stream.push(token))
            .concat();
        text.push_str(&stream.finish());
        text
    };
    assert_eq!(said(tokenizer.stream()), "Sayé end");
    assert_eq!(said(tokenizer.stream_inside()), " Sayé end");
}

#[test]
fn a_text_by_itself_begins_as_the_tokenizer_begins_texts_and_a_rendered_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = with_bytes(folder.path());
    assert_eq!(tokenizer.encode("x").unwrap(), [259]);
    assert_eq!(tokenizer.encode_framed("x").unwrap(), [260, 259]);
}

/// A GGUF file without tensors: a vocabulary of letters, split in this way.
fn vocabulary(split: &str, adds: Option<bool>) -> Vec<u8> {
    with_tokens(split, adds, &["a", "b", "<s>"])
}

fn with_tokens(split: &str, adds: Option<bool>, tokens: &[&str]) -> Vec<u8> {
    let mut file = b"GGUF".to_vec();
    file.extend(3u32.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.extend((5 + u64::from(adds.is_some())).to_le_bytes());
    let text = |file: &mut Vec<u8>, text: &str| {
        file.extend((text.len() as u64).to_le_bytes());
        file.extend(text.as_bytes());
    };
    for (key, value) in [("model", "gpt2"), ("pre", split)] {
        text(&mut file, &format!("tokenizer.ggml.{key}"));
        file.extend(8u32.to_le_bytes());
        text(&mut file, value);
    }
    for (key, values) in [("tokens", tokens), ("merges", &[])] {
        text(&mut file, &format!("tokenizer.ggml.{key}"));
        file.extend([9u32.to_le_bytes(), 8u32.to_le_bytes()].concat());
        file.extend((values.len() as u64).to_le_bytes());
        for value in values {
            text(&mut file, value);
        }
    }
    text(&mut file, "tokenizer.ggml.bos_token_id");
    file.extend([4u32.to_le_bytes(), 2u32.to_le_bytes()].concat());
    if let Some(adds) = adds {
        text(&mut file, "tokenizer.ggml.add_bos_token");
        file.extend(7u32.to_le_bytes());
        file.push(adds.into());
    }
    file
}

#[test]
fn a_text_of_a_gguf_file_begins_as_the_file_says_or_as_its_kind_does() {
    for (split, adds, tokens) in [
        ("llama-bpe", None, &[2, 1, 0][..]),
        ("llama-bpe", Some(false), &[1, 0]),
        ("qwen2", None, &[1, 0]),
        ("qwen2", Some(true), &[2, 1, 0]),
    ] {
        let bytes = vocabulary(split, adds);
        let file = Gguf::read(&bytes, "x.gguf").unwrap();
        let tokenizer = Tokenizer::of_gguf(&file, "x.gguf").unwrap();
        assert_eq!(tokenizer.encode("ba").unwrap(), [1, 0]);
        assert_eq!(
            tokenizer.encode_framed("ba").unwrap(),
            tokens,
            "{split} {adds:?}"
        );
    }
}

/// A tokenizer.json of these tokens, one word each.
fn put_words(folder: &Path, words: &[&str]) {
    let vocab: serde_json::Map<String, serde_json::Value> = words
        .iter()
        .enumerate()
        .map(|(id, word)| ((*word).to_owned(), json!(id)))
        .collect();
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": words[0]},
    });
    std::fs::write(folder.join("tokenizer.json"), file.to_string()).unwrap();
}

#[test]
fn a_gguf_files_own_vocabulary_comes_before_a_tokenizer_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    put_words(folder.path(), &["other", "words"]);
    let bytes = vocabulary("qwen2", None);
    let file = Gguf::read(&bytes, "x.gguf").unwrap();
    let tokenizer = Tokenizer::of_gguf_or_beside(&file, &path, "x.gguf").unwrap();
    assert_eq!(tokenizer.encode("ba").unwrap(), [1, 0]);
}

#[test]
fn a_tokenizer_beside_a_gguf_file_is_read_only_where_it_has_the_files_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    let bytes = with_tokens("deepseek", None, &["<s>", "\u{2581}a", "b  c", "[PAD3]"]);
    let file = Gguf::read(&bytes, "x.gguf").unwrap();
    let found = || {
        let found = Tokenizer::of_gguf_or_beside(&file, &path, "x.gguf");
        found.map_err(|error| error.to_string())
    };
    let why = found().err().unwrap();
    assert!(
        why.contains("split as `deepseek`") && why.contains("tokenizer.json"),
        "{why}"
    );
    // Converters write spaces for the marks of some tokens, and fill up.
    put_words(folder.path(), &["<s>", "\u{2581}a", "b\u{2581}\u{2581}c"]);
    assert_eq!(found().unwrap().id("\u{2581}a"), Some(1));
    for (words, why) in [
        (
            &["<s>", "\u{2581}a", "d"][..],
            "token 2 is `b  c` in the file and `d` in it",
        ),
        (
            &["<s>", "\u{2581}a"],
            "token 2 is `b  c` in the file and not in it",
        ),
        (&["<s>", "a", "b", "c", "d"], "it has 5 tokens, the file 4"),
    ] {
        put_words(folder.path(), words);
        let said = found().err().unwrap();
        let sentence = format!(
            "{}/tokenizer.json: it is not the tokenizer of x.gguf",
            folder.path().display()
        );
        assert!(said.starts_with(&sentence) && said.contains(why), "{said}");
    }
}
