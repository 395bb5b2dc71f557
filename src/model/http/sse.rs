//! Server-sent events from bytes that arrive in any pieces.
//!
//! Only `data:` matters here; comments (kept-alive pings) and other fields are skipped. Lines end in `\n`, `\r\n` or
//! `\r`. The caller bounds the whole answer, and with it what is held here.

/// A reader of events.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Option<String>,
    after_return: bool,
}

impl Events {
    /// Take bytes in; the events that they complete come out.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut out = Vec::new();
        for &byte in bytes {
            match byte {
                b'\n' if std::mem::take(&mut self.after_return) => {}
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    out.extend(self.end_line());
                }
                _ => {
                    self.after_return = false;
                    self.line.push(byte);
                }
            }
        }
        out
    }

    /// The event that the end of the stream completes: some servers leave the last blank line out.
    pub(super) fn finish(&mut self) -> impl Iterator<Item = String> {
        let last = if self.line.is_empty() {
            None
        } else {
            self.end_line()
        };
        last.into_iter().chain(self.data.take())
    }

    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.data.take();
        }
        if let Some(data) = line.strip_prefix(b"data:") {
            let data = String::from_utf8_lossy(data.strip_prefix(b" ").unwrap_or(data));
            match &mut self.data {
                Some(before) => {
                    before.push('\n');
                    before.push_str(&data);
                }
                None => self.data = Some(data.into_owned()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(pieces: &[&[u8]]) -> Vec<String> {
        let mut events = Events::default();
        let mut out: Vec<String> = pieces.iter().flat_map(|piece| events.push(piece)).collect();
        out.extend(events.finish());
        out
    }

    #[test]
    fn data_is_found_among_comments_fields_and_every_line_end() {
        let text =
            b": ping\r\n\r\nevent: x\ndata: a\n\ndata:b\r\rdata: c\ndata: d\n\n\nid: 1\ndata: end";
        assert_eq!(all(&[text]), ["a", "b", "c\nd", "end"]);
        assert_eq!(all(&[b"data: \xc3", b"\xbc\r", b"\n\r\n"]), ["ü"]);
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_does_not_matter(
            text in "(data: ?[a-zü]{0,4}|:c|)((\n|\r\n|\r){1,2}(data: ?[a-zü]{0,4}|:c|id: 1)){0,8}", cuts in prop::collection::vec(0usize..60, 0..6),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let mut from = 0;
            let mut pieces = Vec::new();
            for cut in cuts {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            prop_assert_eq!(all(&pieces), all(&[bytes]));
        }
    }
}
