//! Whether a file has the hash that the hub names it by.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::text::hex::hex;

/// Whether the content belongs to the etag: SHA-256 for large files, git's blob id for small ones. An etag of
/// another kind (a mirror's) says nothing about the content.
pub(super) fn matches(path: &Path, etag: &str) -> std::io::Result<bool> {
    let hex = etag.bytes().all(|b| b.is_ascii_hexdigit());
    match etag.len() {
        64 if hex => Ok(sha256(path)?.eq_ignore_ascii_case(etag)),
        40 if hex => {
            let id = git2::Oid::hash_file(git2::ObjectType::Blob, path)
                .map_err(std::io::Error::other)?;
            Ok(id.to_string().eq_ignore_ascii_case(etag))
        }
        _ => Ok(true),
    }
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
