//! Keys as people write them, made into what a terminal sends: `gt<Enter><C-p><M-x><S-Tab>`.

/// A word in angle brackets that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`<{0}>` is no key: write <Enter> <Esc> <Tab> <S-Tab> <Up> <PgDn> <F5> <C-x> <M-x> <lt> <Space>"
)]
pub(super) struct NoKey(String);

const NAMED: &[(&str, &[u8])] = &[
    ("Enter", b"\r"),
    ("Esc", b"\x1b"),
    ("Tab", b"\t"),
    ("S-Tab", b"\x1b[Z"),
    ("BS", b"\x7f"),
    ("Del", b"\x1b[3~"),
    ("Up", b"\x1b[A"),
    ("Down", b"\x1b[B"),
    ("Right", b"\x1b[C"),
    ("Left", b"\x1b[D"),
    ("Home", b"\x1b[H"),
    ("End", b"\x1b[F"),
    ("PgUp", b"\x1b[5~"),
    ("PgDn", b"\x1b[6~"),
    ("Space", b" "),
    ("lt", b"<"),
    ("F1", b"\x1bOP"),
    ("F2", b"\x1bOQ"),
    ("F5", b"\x1b[15~"),
];

/// The bytes, cut after every lone Esc: what follows one must come later, or it would be a key with Alt.
pub(super) fn encode(text: &str) -> Result<Vec<Vec<u8>>, NoKey> {
    let mut parts = vec![Vec::new()];
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let bracketed = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (bytes, after) = if let Some((name, after)) = bracketed {
            (named(name)?, after)
        } else {
            let (head, after) = rest.split_at(first.len_utf8());
            (head.as_bytes().to_vec(), after)
        };
        rest = after;
        let lone = bytes == b"\x1b";
        if let Some(part) = parts.last_mut() {
            part.extend(bytes);
        }
        if lone {
            parts.push(Vec::new());
        }
    }
    parts.retain(|part| !part.is_empty());
    Ok(parts)
}

fn named(name: &str) -> Result<Vec<u8>, NoKey> {
    let wrong = || NoKey(name.to_owned());
    if let Some((_, bytes)) = NAMED.iter().find(|(there, _)| *there == name) {
        return Ok(bytes.to_vec());
    }
    let (held, key) = name.split_once('-').ok_or_else(wrong)?;
    let mut chars = key.chars();
    let (Some(c), None) = (chars.next(), chars.next()) else {
        return match held {
            "M" => Ok([b"\x1b".to_vec(), named(key)?].concat()),
            _ => Err(wrong()),
        };
    };
    match held {
        "C" => u8::try_from(c)
            .ok()
            .filter(u8::is_ascii_alphabetic)
            .map(|byte| vec![byte & 0x1f])
            .ok_or_else(wrong),
        "M" => Ok(format!("\x1b{c}").into_bytes()),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_terminals_send() {
        let one = |text| encode(text).unwrap().concat();
        assert_eq!(one("gt<Enter>"), b"gt\r");
        assert_eq!(one("<C-p><M-x><S-Tab>"), b"\x10\x1bx\x1b[Z");
        assert_eq!(one("<M-Enter>ü<lt>"), "\x1b\rü<".as_bytes());
        assert_eq!(
            encode("a<Esc>b<Esc>").unwrap(),
            [b"a\x1b".to_vec(), b"b\x1b".to_vec()]
        );
        assert!(encode("<Entre>").is_err());
    }
}
