//! Whether a file has the hash that the hub names it by.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::text::hex::hex;

/// The hash that a file should have, and the one that it has, as a sentence says them.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) expected: String,
    pub(super) found: String,
}

/// How the content differs from what the etag names, if it does: SHA-256 for large files, git's blob id for small ones. An
/// etag of another kind (a mirror's) says nothing about the content.
pub(super) fn difference(path: &Path, etag: &str) -> std::io::Result<Option<Difference>> {
    if !etag.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let (kind, found) = match etag.len() {
        64 => ("sha256", sha256(path)?),
        40 => {
            let id = git2::Oid::hash_file(git2::ObjectType::Blob, path)
                .map_err(std::io::Error::other)?;
            ("git blob", id.to_string())
        }
        _ => return Ok(None),
    };
    if found.eq_ignore_ascii_case(etag) {
        return Ok(None);
    }
    let short = |hash: &str| {
        let beginning = hash.get(..12).unwrap_or(hash);
        format!("{kind} {}", beginning.to_ascii_lowercase())
    };
    Ok(Some(Difference {
        expected: short(etag),
        found: short(&found),
    }))
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(buffer.get(..n).unwrap_or_default());
    }
}
