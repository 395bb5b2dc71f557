//! Links of a terminal (OSC 8): cells that carry an address, and the stream made short again.
//!
//! Each cell opens and closes its link itself, so that a frame may rewrite any of them, or lay something over some, and
//! nothing leaks into its neighbours. Where cells of one link are written one after the other, `join` takes out what closes
//! and opens it between them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::text::url::Url;

const START: &[u8] = b"\x1b]8;";
const CLOSE: &[u8] = b"\x1b]8;;\x1b\\";
const END: &[u8] = b"\x1b\\";

/// A cell's symbol as a part of a link. The id has a terminal see the cells of one link as one, on several rows too.
#[must_use]
pub fn cell(symbol: &str, url: &Url) -> String {
    let mut hasher = DefaultHasher::new();
    url.as_str().hash(&mut hasher);
    let id = hasher.finish() & 0xffff_ffff;
    format!(
        "\x1b]8;id={id:x};{}\x1b\\{symbol}\x1b]8;;\x1b\\",
        url.as_str()
    )
}

/// The same stream, each link opened and closed once where its cells follow one another.
pub(super) fn join(bytes: &mut Vec<u8>) {
    if !bytes.windows(START.len()).any(|there| there == START) {
        return;
    }
    let mut joined = Vec::with_capacity(bytes.len());
    let mut open: Vec<u8> = Vec::new();
    let mut rest: &[u8] = bytes;
    while let Some(first) = rest.first() {
        if let Some(after) = rest.strip_prefix(CLOSE) {
            if !open.is_empty()
                && let Some(on) = after.strip_prefix(open.as_slice())
            {
                rest = on;
                continue;
            }
            open.clear();
            joined.extend_from_slice(CLOSE);
            rest = after;
        } else if rest.starts_with(START)
            && let Some(end) = rest.windows(END.len()).position(|there| there == END)
        {
            let (opening, after) = rest
                .split_at_checked(end + END.len())
                .unwrap_or((rest, b""));
            open = opening.to_vec();
            joined.extend_from_slice(opening);
            rest = after;
        } else {
            joined.push(*first);
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    *bytes = joined;
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn cells_of_one_link_in_a_row_open_it_once() {
        let url = |path| Url::of_file("h", Path::new(path)).unwrap();
        let (one, other) = (url("/a"), url("/b"));
        let text = [
            "x",
            &cell("a", &one),
            &cell("b", &one),
            "\x1b[2;1H",
            &cell("c", &one),
            &cell("d", &other),
            "y",
        ];
        let mut bytes = text.concat().into_bytes();
        join(&mut bytes);
        let told = String::from_utf8(bytes).unwrap();
        assert_eq!(told.matches("/a\x1b\\").count(), 2, "{told:?}");
        assert_eq!(told.matches("/b\x1b\\").count(), 1);
        assert_eq!(told.matches("\x1b]8;;\x1b\\").count(), 3, "each is closed");
        assert!(
            told.contains("/a\x1b\\ab\x1b]8;;\x1b\\\x1b[2;1H"),
            "{told:?}"
        );
        assert!(told.ends_with("d\x1b]8;;\x1b\\y"), "{told:?}");
        let mut plain = b"\x1b[1mx".to_vec();
        join(&mut plain);
        assert_eq!(plain, b"\x1b[1mx");
    }
}
