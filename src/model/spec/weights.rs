//! Which files of a repository are a model.
//!
//! Mental model: names in, names out; nothing is asked and nothing is read. A model is one GGUF file, or all pieces of one that
//! was split, with the tokenizer beside it; or it is the safetensors at the top of its repository and a few small files beside them. Other copies of the same
//! weights stay where they are: those in folders, and the `consolidated…` ones that only Mistral's own programs read. Whether a
//! model can be computed is for its reader to say.

use std::collections::BTreeMap;
use std::path::Path;

use crate::engine::split;
use crate::hub::{HubError, Snapshot, check_name};

/// A model's files, by their paths in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// A GGUF file.
    Gguf {
        /// A `tokenizer.json` beside it: not every vocabulary of such files is read here.
        tokenizer: Option<String>,
        /// The file, or the pieces of one, the first piece first.
        pieces: Vec<String>,
    },
    /// Safetensors, and what describes them.
    Safetensors {
        /// Small files: configuration, tokenizer, template.
        about: Vec<String>,
        /// The weights.
        weights: Vec<String>,
    },
}

/// Small files beside safetensors.
const ABOUT: [&str; 7] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "additional_chat_templates/tool_use.jinja",
    "model.safetensors.index.json",
];

/// Names that a sentence lists at most.
const LISTED: usize = 40;

/// The files of the model that a person means: the GGUF file of this path; where none is named, the safetensors, or else the
/// only GGUF model that is there.
///
/// # Errors
/// Where there is no such file, no model, or several to choose from; the sentence says what is there.
pub(super) fn choose(snapshot: &Snapshot, file: Option<&str>) -> Result<Choice, HubError> {
    let models = by_model(&snapshot.files);
    let weights = safetensors(&snapshot.files);
    let id = &snapshot.repo.id;
    let of = match &snapshot.from_cache {
        Some(why) => format!("{} as the cache has it ({why})", snapshot.repo),
        None => snapshot.repo.to_string(),
    };
    if let Some(file) = file {
        let pieces = models.get(&first_piece(file));
        if let Some(pieces) = pieces.filter(|pieces| pieces.iter().any(|piece| piece == file)) {
            return whole(snapshot, pieces.clone(), &of);
        }
        let instead = match (models.is_empty(), weights.is_empty()) {
            (false, _) => format!("its GGUF files: {}", listed(models.keys())),
            (true, false) => format!("it has no GGUF files; `hub:{id}` takes its safetensors"),
            (true, true) => format!("there is: {}", listed(snapshot.files.iter())),
        };
        return Err(HubError::Unclear(format!(
            "{of} has no `{file}`; {instead}"
        )));
    }
    if !weights.is_empty() {
        let about = ABOUT
            .into_iter()
            .filter(|name| snapshot.files.iter().any(|file| file == name))
            .map(str::to_owned)
            .collect();
        return Ok(Choice::Safetensors { about, weights });
    }
    if models.len() > 1 {
        let first = models.keys().next().map_or("", String::as_str);
        return Err(HubError::Unclear(format!(
            "{of} has several GGUF files; name one, as in `hub:{id}/{first}`; there are: {}",
            listed(models.keys())
        )));
    }
    let Some(only) = models.into_values().next() else {
        return Err(HubError::Unclear(format!(
            "{of} has no safetensors as transformers lays them out, and no GGUF file; there is: {}",
            listed(snapshot.files.iter())
        )));
    };
    whole(snapshot, only, &of)
}

/// A GGUF file of which no piece is missing, and the tokenizer beside it.
fn whole(snapshot: &Snapshot, pieces: Vec<String>, of: &str) -> Result<Choice, HubError> {
    let first = pieces.first().map_or("", String::as_str);
    if let Some((stem, count)) = split::parts(first) {
        let all = (1..=count).map(|number| split::part(stem, number, count));
        let missing: Vec<String> = all.filter(|piece| !pieces.contains(piece)).collect();
        if !missing.is_empty() {
            return Err(HubError::Unclear(format!(
                "{of} lacks pieces of a GGUF file, which cannot be opened without them: {}",
                listed(missing.iter())
            )));
        }
    }
    let beside = Path::new(first).with_file_name("tokenizer.json");
    let is_beside = |file: &&String| Path::new(file) == beside;
    let tokenizer = snapshot.files.iter().find(is_beside).cloned();
    Ok(Choice::Gguf { tokenizer, pieces })
}

/// Whether a text can be the path of a GGUF file in a repository.
///
/// # Errors
/// Where the path leaves the repository, or is that of another kind of file.
pub(super) fn check(file: &str) -> Result<(), HubError> {
    check_name(file)?;
    if is_gguf(file) {
        return Ok(());
    }
    Err(HubError::Unclear(format!(
        "`{file}` is no GGUF file; other files are not opened by themselves"
    )))
}

/// The GGUF files, each with its other pieces, under the first one's name.
fn by_model(files: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut models: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| is_gguf(file)) {
        models
            .entry(first_piece(file))
            .or_default()
            .push(file.clone());
    }
    for pieces in models.values_mut() {
        pieces.sort();
    }
    models
}

fn is_gguf(file: &str) -> bool {
    let kind = Path::new(file).extension();
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("gguf"))
}

/// The first piece of the file that this one is a piece of; a file that is whole is its own.
fn first_piece(file: &str) -> String {
    let first = |(stem, count)| split::part(stem, 1, count);
    split::parts(file).map_or_else(|| file.to_owned(), first)
}

/// Those at the top that transformers reads, in order.
fn safetensors(files: &[String]) -> Vec<String> {
    // `consolidated.safetensors`, `consolidated.00.safetensors`, `consolidated-00001-of-00051.safetensors`.
    let is_copy = |name: &str| {
        let rest = name.strip_prefix("consolidated");
        rest.is_some_and(|rest| rest.starts_with(['.', '-']))
    };
    let mut found: Vec<String> = files
        .iter()
        .filter(|name| !name.contains('/') && name.ends_with(".safetensors") && !is_copy(name))
        .cloned()
        .collect();
    found.sort();
    found
}

/// Names as a sentence has them, the first ones where there are many.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let first: Vec<&str> = names.take(LISTED).map(String::as_str).collect();
    match (first.is_empty(), more) {
        (true, _) => "nothing".to_owned(),
        (false, 0) => first.join(", "),
        (false, more) => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Repo;

    fn chosen(files: &[&str], file: Option<&str>) -> Result<Choice, String> {
        let snapshot = Snapshot {
            repo: Repo::model("o/n"),
            commit: "0".repeat(40),
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            from_cache: None,
        };
        choose(&snapshot, file).map_err(|error| error.to_string())
    }

    fn gguf(files: &[&str], tokenizer: Option<&str>) -> Choice {
        Choice::Gguf {
            tokenizer: tokenizer.map(str::to_owned),
            pieces: files.iter().map(|file| (*file).to_owned()).collect(),
        }
    }

    #[test]
    fn safetensors_come_before_gguf_files_and_without_copies_of_themselves() {
        let files = [
            "model-00002-of-00002.safetensors",
            "model-00001-of-00002.safetensors",
            "consolidated.safetensors",
            "consolidated.00.safetensors",
            "consolidated-00001-of-00002.safetensors",
            "onnx/model.safetensors",
            "model-q4.gguf",
            "README.md",
            "tokenizer.json",
            "config.json",
            "additional_chat_templates/tool_use.jinja",
            "additional_chat_templates/rag.jinja",
        ];
        let Choice::Safetensors { about, weights } = chosen(&files, None).unwrap() else {
            panic!("there are safetensors");
        };
        assert_eq!(
            about,
            [
                "config.json",
                "tokenizer.json",
                "additional_chat_templates/tool_use.jinja"
            ]
        );
        assert_eq!(
            weights,
            [
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors"
            ]
        );
        let named = chosen(&files, Some("model-q4.gguf"));
        let beside = Some("tokenizer.json");
        assert_eq!(named.unwrap(), gguf(&["model-q4.gguf"], beside));
    }

    #[test]
    fn a_tokenizer_comes_with_the_gguf_file_that_it_lies_beside() {
        let files = ["a/x.gguf", "a/tokenizer.json", "b/x.gguf", "tokenizer.json"];
        for (file, tokenizer) in [("a/x.gguf", Some("a/tokenizer.json")), ("b/x.gguf", None)] {
            let found = chosen(&files, Some(file));
            assert_eq!(found.unwrap(), gguf(&[file], tokenizer));
        }
    }

    #[test]
    fn the_pieces_of_a_split_file_are_one_model_whichever_is_named() {
        let files = ["q/x-00002-of-00002.gguf", "q/x-00001-of-00002.gguf", "a.md"];
        let pieces = ["q/x-00001-of-00002.gguf", "q/x-00002-of-00002.gguf"];
        let whole = gguf(&pieces, None);
        for file in [
            None,
            Some("q/x-00001-of-00002.gguf"),
            Some("q/x-00002-of-00002.gguf"),
        ] {
            assert_eq!(chosen(&files, file).unwrap(), whole);
        }
        assert_eq!(
            chosen(&files, Some("q/x-00003-of-00002.gguf")).unwrap_err(),
            "model o/n has no `q/x-00003-of-00002.gguf`; its GGUF files: q/x-00001-of-00002.gguf"
        );
    }

    #[test]
    fn a_split_file_that_lacks_a_piece_is_refused_by_its_name() {
        let files = ["x-00001-of-00003.gguf", "x-00003-of-00003.gguf"];
        assert_eq!(
            chosen(&files, None).unwrap_err(),
            "model o/n lacks pieces of a GGUF file, which cannot be opened without them: x-00002-of-00003.gguf"
        );
    }

    #[test]
    fn what_is_not_there_is_answered_with_what_is() {
        let cases: [(&[&str], Option<&str>, &str); 5] = [
            (
                &["b.gguf", "a.gguf", "config.json"],
                None,
                "model o/n has several GGUF files; name one, as in `hub:o/n/a.gguf`; there are: a.gguf, b.gguf",
            ),
            (
                &["b.gguf", "a.gguf"],
                Some("c.gguf"),
                "model o/n has no `c.gguf`; its GGUF files: a.gguf, b.gguf",
            ),
            (
                &["model.safetensors"],
                Some("c.gguf"),
                "model o/n has no `c.gguf`; it has no GGUF files; `hub:o/n` takes its safetensors",
            ),
            (
                &["params.json", "consolidated.safetensors"],
                None,
                "model o/n has no safetensors as transformers lays them out, and no GGUF file; there is: params.json, \
                 consolidated.safetensors",
            ),
            (
                &["pytorch_model.bin"],
                Some("c.gguf"),
                "model o/n has no `c.gguf`; there is: pytorch_model.bin",
            ),
        ];
        for (files, file, sentence) in cases {
            assert_eq!(chosen(files, file).unwrap_err(), sentence);
        }
    }

    #[test]
    fn long_lists_end() {
        let names: Vec<String> = (0..60).map(|at| format!("{at:02}.gguf")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let error = chosen(&names, None).unwrap_err();
        assert!(error.ends_with(" 38.gguf, 39.gguf and 20 more"), "{error}");
    }

    #[test]
    fn a_path_that_leaves_the_repository_or_is_none_of_a_gguf_file_is_refused() {
        check("q/x.gguf").unwrap();
        for file in [
            "",
            "../x.gguf",
            "a/../../x.gguf",
            "/etc/x.gguf",
            "x.gguf/",
            "a\\x.gguf",
        ] {
            assert!(matches!(check(file), Err(HubError::Path(_))), "{file}");
        }
        let error = check("model.safetensors").unwrap_err().to_string();
        assert!(error.contains("is no GGUF file"), "{error}");
    }
}
