//! The policy that comes inside the program, laid out as a folder that the engine can open.
//!
//! Mental model: its files are part of the program's bytes, and the engine maps files. So where it is asked for, they are
//! written to a folder of the user's cache, named after what is in them: another policy is another folder, and one that is
//! there, to the byte, is left as it is. A file that is not whole is replaced, never written into: who has it mapped keeps
//! what was there.
//!
//! How the policy was made and what it can do stands on its card, `sample_tasks/policy/README.md`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use sha2::{Digest as _, Sha256};

use super::ModelError;
use crate::config;
use crate::text::hex::hex;

/// What stands for it in `--model` and in a trajectory.
pub const NAME: &str = "policy";

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/sample_tasks/policy");

/// The folder with the policy in it, in the user's cache.
///
/// # Errors
/// Where it cannot be written there.
pub fn folder() -> Result<PathBuf, ModelError> {
    let Some(cache) = config::cache_folder() else {
        return Err(ModelError::Spec(format!(
            "`{NAME}`: the bundled policy is laid out in the user's cache, and neither XDG_CACHE_HOME nor HOME says where that is"
        )));
    };
    unpack(&cache)
}

/// The same, in a folder of the caller's.
fn unpack(cache: &Path) -> Result<PathBuf, ModelError> {
    let folder = cache.join(format!("{NAME}-{}", fingerprint()));
    let failed = |error: std::io::Error| {
        ModelError::Spec(format!(
            "`{NAME}`: the bundled policy cannot be laid out in {}: {error}; XDG_CACHE_HOME names another place",
            folder.display()
        ))
    };
    fs::create_dir_all(&folder).map_err(failed)?;
    for file in FILES.files() {
        let Some(name) = file.path().file_name() else {
            continue;
        };
        let path = folder.join(name);
        if !is_whole(&path, file.contents()) {
            replace(&path, file.contents()).map_err(failed)?;
        }
    }
    Ok(folder)
}

/// What is written about it, which does not make it another one.
const CARD: &str = "README.md";

/// The beginning of the hash of all that it is computed from.
fn fingerprint() -> String {
    let mut hash = Sha256::new();
    for file in FILES.files() {
        if file.path().ends_with(CARD) {
            continue;
        }
        hash.update(file.path().as_os_str().as_encoded_bytes());
        hash.update((file.contents().len() as u64).to_le_bytes());
        hash.update(file.contents());
    }
    let mut name = hex(&hash.finalize());
    name.truncate(8);
    name
}

fn is_whole(path: &Path, contents: &[u8]) -> bool {
    let as_long = fs::metadata(path).is_ok_and(|about| about.len() == contents.len() as u64);
    as_long && fs::read(path).is_ok_and(|bytes| bytes == contents)
}

/// Written beside, under a name of this process's own, then put in its place: others may be doing the same.
fn replace(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension(format!("part-{}", std::process::id()));
    let written = fs::File::create(&beside)
        .and_then(|mut part| part.write_all(contents))
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What stays would only be in the way; the first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_laid_out_once_and_what_is_broken_is_put_right_without_touching_the_old_file() {
        let cache = tempfile::tempdir().unwrap();
        let folder = unpack(cache.path()).unwrap();
        let weights = folder.join("model.safetensors");
        let changed = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        let before = changed(&weights);
        assert_eq!(unpack(cache.path()).unwrap(), folder);
        assert_eq!(changed(&weights), before);

        let old = fs::File::open(&weights).unwrap();
        let whole = fs::read(&weights).unwrap();
        let mut broken = whole.clone();
        broken[100] ^= 1;
        fs::write(&weights, &broken).unwrap();
        unpack(cache.path()).unwrap();
        assert_eq!(fs::read(&weights).unwrap(), whole);
        let mut mapped = Vec::new();
        std::io::Read::read_to_end(&mut &old, &mut mapped).unwrap();
        assert!(
            mapped == broken,
            "the file that was open has been written to"
        );
    }

    #[test]
    fn where_it_cannot_lie_is_said_with_what_to_do() {
        let cache = tempfile::tempdir().unwrap();
        let file = cache.path().join("a-file");
        fs::write(&file, "").unwrap();
        let error = unpack(&file).unwrap_err().to_string();
        assert!(
            error.contains("XDG_CACHE_HOME") && error.contains("a-file"),
            "{error}"
        );
    }

    #[test]
    fn it_stays_below_eight_megabytes() {
        let all: usize = FILES.files().map(|file| file.contents().len()).sum();
        assert!(all <= 8_000_000, "{all} bytes");
        for name in ["config.json", "tokenizer.json", "chat_template.jinja", CARD] {
            assert!(FILES.get_file(name).is_some(), "{name} is missing");
        }
    }
}
