//! Addresses that we make ourselves, for links of a terminal.
//!
//! A [`Url`] is made from parts, and each part is percent-encoded byte by byte: whatever a name holds (escape sequences, spaces,
//! bytes that are no text), the address is printable ASCII and leads where it says. There is no way to make one of a text that
//! somebody else wrote as an address.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

/// Terminals cut longer ones, or take them for an attack.
const LONGEST: usize = 2_000;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(String);

/// Where a link is on lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which line.
    pub row: usize,
    /// Which columns of it.
    pub columns: Range<usize>,
    /// Where it leads.
    pub url: Url,
}

impl Url {
    /// A file or folder of this machine, whose name is `host`. `None` for a path that is not absolute.
    #[must_use]
    pub fn of_file(host: &str, path: &Path) -> Option<Self> {
        use std::os::unix::ffi::OsStrExt as _;
        if !path.is_absolute() {
            return None;
        }
        let mut url = String::from("file://");
        encode(&mut url, host.as_bytes(), false);
        encode(&mut url, path.as_os_str().as_bytes(), true);
        Self::short(url)
    }

    /// A commit of a repository on GitHub. `None` where the names are not of that shape.
    #[must_use]
    pub fn of_commit(repo: &str, commit: &str) -> Option<Self> {
        let (owner, name) = repo.split_once('/')?;
        let plain = |text: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !text.is_empty() && !text.starts_with('.') && text.chars().all(known)
        };
        let is_hash = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !plain(owner) || !plain(name) || !is_hash {
            return None;
        }
        Self::short(format!("https://github.com/{owner}/{name}/tree/{commit}"))
    }

    /// As a terminal takes it: printable ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn short(url: String) -> Option<Self> {
        (url.len() <= LONGEST).then_some(Self(url))
    }
}

fn encode(url: &mut String, bytes: &[u8], slashes: bool) {
    for byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if plain || slashes && *byte == b'/' {
            url.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use proptest::prelude::*;

    use super::*;

    fn file(path: &str) -> Option<String> {
        Url::of_file("here", Path::new(path)).map(|url| url.0)
    }

    #[test]
    fn a_path_is_encoded_whatever_it_holds() {
        assert_eq!(
            file("/a b/ü\x1b]8;;x\x07\\%/#?.log").as_deref(),
            Some("file://here/a%20b/%C3%BC%1B%5D8%3B%3Bx%07%5C%25/%23%3F.log")
        );
        assert_eq!(file("a/b"), None);
        assert_eq!(file(&format!("/{}", "a".repeat(3_000))), None);
    }

    #[test]
    fn a_commit_is_linked_only_where_it_can_be_one_of_github() {
        let hash = "fa74fa1f246951aef8f141e1dc5f3facd950f79a";
        assert_eq!(
            Url::of_commit("pandas-dev/pandas", hash).map(|url| url.0),
            Some(format!("https://github.com/pandas-dev/pandas/tree/{hash}"))
        );
        for (repo, commit) in [
            ("pandas", hash),
            ("a/b/c", hash),
            ("../x", hash),
            ("a/..", hash),
            ("a/b\x1b\\", hash),
            ("a@evil.example/b", hash),
            ("a/b", "main"),
            ("a/b", "../../../../../../../../../../../../x/yzz"),
        ] {
            assert_eq!(Url::of_commit(repo, commit), None, "{repo} {commit}");
        }
    }

    proptest! {
        #[test]
        fn no_name_of_a_file_or_host_gets_anything_but_printable_ascii_out(
            host in any::<String>(), name in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            let path = Path::new("/").join(OsStr::from_bytes(&name).to_string_lossy().trim_start_matches('/'));
            if let Some(url) = Url::of_file(&host, &path) {
                prop_assert!(url.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
            }
            let raw = [b"/".as_slice(), &name].concat();
            if let Some(url) = Url::of_file(&host, Path::new(OsStr::from_bytes(&raw))) {
                prop_assert!(url.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
