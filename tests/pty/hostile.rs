//! Whatever an agent, a test or a log prints: it is shown, and nothing of it reaches the terminal as more than text.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::json;

use crate::model_server::{ModelServer, Turn};
use crate::seat::{Seat, Sitting};
use crate::workbench::Bench;

/// Sequences and characters that do something to a terminal or to its reader; each line has a name that is no harm.
const CORPUS: &[(&str, &[u8])] = &[
    ("clipboard", b"\x1b]52;c;RVZJTA==\x07"),
    ("title", b"\x1b]0;EVIL TITLE\x07"),
    (
        "link",
        b"\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    ),
    (
        "notification",
        b"\x1b]9;EVIL\x07\x1b]777;notify;EVIL;x\x1b\\",
    ),
    ("clear", b"\x1b[2J\x1b[3J\x1b[H"),
    ("main-screen", b"\x1b[?1049l\x1b[?25h\x1b[?2004l"),
    ("reset", b"\x1bc\x1b[!p"),
    (
        "report",
        b"\x1b[6n\x1b[c\x1b[>c\x1b[18t\x1b]11;?\x07\x1bP+q544e\x1b\\",
    ),
    (
        "colours",
        b"\x1b[31;5;7mred\x1b[0m \x1b[38;2;1;2;3mtrue\x1b[m",
    ),
    ("private", b"\x1b_EVIL\x1b\\\x1b^EVIL\x1b\\\x1bXEVIL\x1b\\"),
    ("c1-eight-bit", b"\x9b31m\x9d0;EVIL\x9c"),
    ("c1-utf8", b"\xc2\x9b31m\xc2\x9d0;EVIL\xc2\x9c"),
    (
        "bidi",
        "\u{202e}gnp.exe\u{202c} \u{2066}x\u{2069} \u{200f}\u{061c}".as_bytes(),
    ),
    (
        "invisible",
        "a\u{200b}b\u{2060}c\u{feff}d\u{00ad}e\u{e0041}".as_bytes(),
    ),
    (
        "separators",
        "one\u{2028}two\u{2029}three\u{85}four".as_bytes(),
    ),
    ("controls", b"\x00\x01\x07\x08\x0b\x0c\x0e\x0f\x7f"),
    ("overwrite", b"safe text\rEVIL\x08\x08\x08\x08gone"),
    ("invalid", b"\xff\xfe\xc0\xaf\xed\xa0\x80\xf5\x80"),
    ("unfinished", b"\x1b[38;2;\x1b]0;never ended"),
    (
        "combining",
        "z\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}\u{309}".as_bytes(),
    ),
];

fn corpus() -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, sequence) in CORPUS {
        bytes.extend_from_slice(format!("begin-{name} ").as_bytes());
        bytes.extend_from_slice(sequence);
        bytes.extend_from_slice(format!(" end-{name}\n").as_bytes());
    }
    bytes
}

/// What reached the terminal is text and the workbench's own sequences.
#[track_caller]
fn harmless(seat: &Sitting) {
    let raw = seat.raw();
    let text = String::from_utf8(raw).expect("what is drawn is UTF-8");
    let mut wrong = String::new();
    for (at, c) in text.char_indices() {
        let around = || text[at..].chars().take(24).collect::<String>();
        let bad = match c {
            '\x1b' => !known(&text[at..]),
            '\r' | '\n' => {
                text[..at].matches("\x1b[?1049h").count()
                    > text[..at].matches("\x1b[?1049l").count()
            }
            c if c.is_control() => !matches!(c, '\x08'),
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
            | '\u{61c}'
            | '\u{ad}'
            | '\u{e0000}'..='\u{e007f}' => true,
            _ => false,
        };
        if bad && wrong.len() < 2000 {
            let _ = writeln!(wrong, "at {at}: {:?}", around());
        }
    }
    assert!(wrong.is_empty(), "reached the terminal:\n{wrong}");
    assert_eq!(
        text.matches("\x1b[?1049l").count(),
        1,
        "left once, at the end"
    );
}

/// Whether a sequence is one that the workbench sends.
fn known(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("\x1b[") else {
        // The one question, and links of its own.
        return text.starts_with("\x1b]11;?\x1b\\")
            || text.starts_with("\x1b\\")
            || text.starts_with("\x1b]8;;") && !text[..text.len().min(60)].contains("evil");
    };
    let end = rest.find(|c: char| ('@'..='~').contains(&c));
    let Some(end) = end else { return false };
    let (parameters, last) = (&rest[..end], rest.as_bytes()[end]);
    match last {
        b'm' | b'H' | b'G' | b'd' | b'A' | b'B' | b'C' | b'D' | b'X' | b'K' | b'J' => parameters
            .chars()
            .all(|c| c.is_ascii_digit() || c == ';' || c == ':'),
        b'h' | b'l' => [
            "?1049", "?25", "?2004", "?1004", "?1000", "?1002", "?1006", "?2026",
        ]
        .contains(&parameters),
        b'u' => [">1", "<1"].contains(&parameters),
        b'c' => parameters.is_empty(),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_printed_reaches_the_terminal_raw() {
    let bench = Bench::new();
    let octal: String = corpus()
        .iter()
        .map(|byte| format!("\\{byte:03o}"))
        .collect();
    let server = ModelServer::start(vec![
        Turn::text_and_calls(
            &String::from_utf8_lossy(&corpus()),
            &[("execute_bash", &json!({"command": format!("printf '{octal}'")}).to_string())],
        ),
        Turn::call("execute_bash", json!({"command": "python3 -c \"print('x' * 1000000)\"; printf '\\033]0;EVIL\\007' > 'a\\033[2Jname'; touch \"$(printf 'b\\033]52;c;RVZJTA==\\007')\""})),
        Turn::call("finish", json!({})),
    ])
    .await;
    let spec = server.spec();
    let mut seat = Seat::new("hostile", bench.folder.path(), &["tui", "--model", &spec])
        .welcomed()
        .sit();
    seat.see("20 tasks")
        .press("/108<Enter>")
        .see("1 of 1")
        .press("<Enter>");
    seat.see("unresolved").see("stored");
    // Everything of it is looked at: all steps with all they hold, top to bottom, then the other panes.
    seat.press("zw").press("gg");
    for _ in 0..12 {
        seat.press("<C-d>");
        let _ = seat
            .terminal
            .settle(std::time::Duration::from_millis(40), crate::seat::LONGEST);
    }
    seat.press("gg").see("begin-clipboard");
    seat.press("<Tab>jj<Tab>jj<Tab>jj<Tab>jj");
    // A log of 100 MB of it.
    let id = bench.only();
    let log = bench.store().folder(&id).join("grade-final.log");
    let block = corpus().repeat((1 << 20) / corpus().len());
    let mut file = std::fs::File::create(&log).unwrap();
    for _ in 0..100 {
        file.write_all(&block).unwrap();
    }
    seat.press("<M-e><Enter>").see("begin-");
    seat.press("G").press("gg").press("<C-d><C-d>");
    let _ = seat
        .terminal
        .settle(std::time::Duration::from_millis(150), crate::seat::LONGEST);
    seat.press("q");
    assert_eq!(seat.exit_code(), 0);
    harmless(&seat);
}
