//! The clipboard by OSC 52: it works over ssh, and nothing is ever read from it.

use std::io::{self, Write};

use base64::Engine as _;

/// Terminals cut or refuse more.
const MOST: usize = 74_000;

/// Put a text on the clipboard. `Err` says what to do instead.
pub fn copy(out: &mut impl Write, text: &str) -> io::Result<()> {
    if text.len() > MOST {
        return Err(io::Error::other(format!(
            "{} bytes are more than terminals take at once ({MOST}); open it in the editor instead",
            text.len()
        )));
    }
    let encoded = base64::engine::general_purpose::STANDARD.encode(text);
    write!(out, "\x1b]52;c;{encoded}\x1b\\")?;
    out.flush()
}
