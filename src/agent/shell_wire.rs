//! What is typed into a persistent shell for one command, and finding where the command's output begins and ends.
//!
//! A terminal has one stream in and one out, so commands, their input, their output and the shell's own words share it. Each
//! command is one `eval` of a quoted word: it runs at the top level (`cd`, `export` and functions stay), its input is the
//! terminal, and a syntax error stays its own. Around it the shell prints marks: control characters, a number of 128 random
//! bits made for this command, and the shell's process id. Text that the command prints can only look like a mark, since
//! the number did not exist when the command was written. (A program that reads the shell's variables could print a true one; it would
//! deceive nobody but its own author.)
//!
//! The end is marked twice, by `PROMPT_COMMAND` and by `PS1`: a command may replace one of them (activating an environment
//! does), and the prompt comes back however the command ended, interrupts included.
//!
//! Lines stay far below 4096 bytes, where a terminal in canonical mode cuts.

/// Longest piece of a command on one line.
const PIECE: usize = 900;
/// A mark that has no end after so many bytes is no mark.
const LONGEST_MARK: usize = 8192;
/// Of output between two commands (background jobs), the most that is kept for the next result.
const LATE: usize = 64 * 1024;
const EDGE: u8 = 0x1e;

/// A number for one command.
pub(super) fn nonce() -> String {
    format!("{:032x}", u128::from(ulid::Ulid::generate()) ^ seed())
}

/// 128 bits that only this process knows: a ULID by itself begins with the time.
fn seed() -> u128 {
    use std::hash::{BuildHasher, RandomState};
    let half = || u128::from(RandomState::new().hash_one(std::process::id()));
    (half() << 64) | half()
}

/// A word in the shell's `$'…'` quoting, over as many lines as it needs.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8 + 16);
    out.push_str("$'");
    let mut length = 0;
    for byte in text.bytes() {
        if length >= PIECE {
            out.push_str("'\\\n$'");
            length = 0;
        }
        match byte {
            // `!` could be taken for a history expansion.
            b'\'' | b'\\' | b'!' | 0..=0x1f | 0x7f.. => {
                for shift in [6, 3, 0] {
                    if shift == 6 {
                        out.push('\\');
                    }
                    out.push(char::from(b'0' + ((byte >> shift) & 7)));
                }
                length += 4;
            }
            plain => {
                out.push(char::from(plain));
                length += 1;
            }
        }
    }
    out.push('\'');
    out
}

/// What to type so that `command` runs between the marks of `nonce`. `status` is what `$?` was.
pub(super) fn typed(command: &str, nonce: &str, status: i32) -> String {
    // Only where it can matter: with `set -e` a failing status ends the shell.
    let status = if status != 0 && command.contains('$') && command.contains('?') {
        format!("(exit {status}); ")
    } else {
        String::new()
    };
    format!("{}{status}\\\neval {}\n", prepare(nonce), quoted(command))
}

/// Terminal settings, prompts and the mark of the beginning. Its own errors and traces (`set -x`) are not shown. The `:`
/// is there because bash, after a syntax error in an `eval`, takes the next line's first word for no reserved word.
fn prepare(nonce: &str) -> String {
    format!(
        " :; {{ stty -echo -onlcr -ixon; PS2= PS1=$'\\036{nonce}p;$$;$?\\036' PROMPT_COMMAND=$'\\
{{ builtin printf \\'\\\\036%se;%s;%s\\\\036\\' {nonce} \"$$\" \"$?\"; }} 2>/dev/null'; \\
builtin printf '\\036%sb;%s;0\\036' {nonce} \"$$\"; }} 2>/dev/null; "
    )
}

/// Where the stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Typed, not begun: what comes is the echo or a prompt of somebody's making.
    Waiting,
    /// Output of the command.
    Running,
    /// Between the two marks of the end: a prompt that something was put before.
    Prompt,
    /// Output of background jobs.
    Idle,
}

/// Splits a terminal's stream into output and marks.
#[derive(Debug)]
pub(super) struct Marks {
    nonce: String,
    stage: Stage,
    shell: Option<u32>,
    /// Marks of an end since the command began.
    ends: u32,
    held: Vec<u8>,
    late: Vec<u8>,
}

impl Marks {
    pub(super) fn new() -> Self {
        Self {
            nonce: String::new(),
            stage: Stage::Waiting,
            shell: None,
            ends: 0,
            held: Vec::new(),
            late: Vec::new(),
        }
    }

    /// A new command is about to be typed. Gives the output that came since the last one ended.
    pub(super) fn begin(&mut self, nonce: String) -> Vec<u8> {
        self.nonce = nonce;
        self.stage = Stage::Waiting;
        self.ends = 0;
        self.held.clear();
        std::mem::take(&mut self.late)
    }

    /// Take in a piece: the command's output in it, and its exit status if it ends in this piece.
    pub(super) fn feed(&mut self, piece: &[u8]) -> (Vec<u8>, Option<i32>) {
        self.held.extend_from_slice(piece);
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        let mut out = Vec::new();
        let mut ended = None;
        while let Some(at) = rest.iter().position(|byte| *byte == EDGE) {
            let (before, from) = rest.split_at(at);
            self.keep(before, &mut out);
            match self.mark(from) {
                Mark::Whole {
                    kind,
                    status,
                    length,
                } => {
                    ended = self.step(kind, status).or(ended);
                    rest = from.get(length..).unwrap_or_default();
                }
                Mark::None => {
                    self.keep(&[EDGE], &mut out);
                    rest = from.get(1..).unwrap_or_default();
                }
                Mark::Unfinished => {
                    self.held = from.to_vec();
                    return (out, ended);
                }
            }
        }
        self.keep(rest, &mut out);
        (out, ended)
    }

    /// How often the shell has said that the command is over, and whether the prompt itself has come.
    pub(super) fn ends(&self) -> (u32, bool) {
        (self.ends, self.stage == Stage::Idle)
    }

    /// What was held back for a mark that never came whole.
    pub(super) fn flush(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    fn keep(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.stage {
            Stage::Running => out.extend_from_slice(bytes),
            Stage::Idle => {
                let room = LATE.saturating_sub(self.late.len());
                self.late.extend(bytes.iter().take(room));
            }
            Stage::Waiting | Stage::Prompt => {}
        }
    }

    fn step(&mut self, kind: u8, status: i32) -> Option<i32> {
        let live = matches!(self.stage, Stage::Waiting | Stage::Running);
        self.ends += u32::from(kind != b'b');
        match kind {
            b'b' => {
                if self.stage == Stage::Waiting {
                    self.stage = Stage::Running;
                }
                None
            }
            b'e' => {
                self.stage = Stage::Prompt;
                live.then_some(status)
            }
            _ => {
                self.stage = Stage::Idle;
                live.then_some(status)
            }
        }
    }

    /// The mark at the start of `text`, which begins with its edge.
    fn mark(&mut self, text: &[u8]) -> Mark {
        let inner = text.get(1..).unwrap_or_default();
        let nonce = self.nonce.as_bytes();
        let common = inner.len().min(nonce.len());
        if nonce.is_empty() || inner.get(..common) != nonce.get(..common) {
            return Mark::None;
        }
        let Some(end) = inner.iter().position(|byte| *byte == EDGE) else {
            return if text.len() > LONGEST_MARK {
                Mark::None
            } else {
                Mark::Unfinished
            };
        };
        let body = inner
            .get(nonce.len()..end)
            .and_then(|body| std::str::from_utf8(body).ok());
        let Some((kind, shell, status)) = body.and_then(fields) else {
            return Mark::None;
        };
        if kind == b'b' {
            self.shell = Some(shell);
        }
        if self.shell.is_some_and(|known| known != shell) {
            return Mark::None;
        }
        Mark::Whole {
            kind,
            status,
            length: end + 2,
        }
    }
}

enum Mark {
    Whole {
        kind: u8,
        status: i32,
        length: usize,
    },
    Unfinished,
    None,
}

/// `e;4711;130`
fn fields(body: &str) -> Option<(u8, u32, i32)> {
    let mut parts = body.split(';');
    let kind = match parts.next()? {
        "b" => b'b',
        "e" => b'e',
        "p" => b'p',
        _ => return None,
    };
    let shell = parts.next()?.parse().ok()?;
    let status = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some((kind, shell, status))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const N: &str = "0123456789abcdef0123456789abcdef";

    fn stream(middle: &str) -> Vec<u8> {
        format!("echo of typing\u{1e}{N}b;7;0\u{1e}{middle}\u{1e}{N}e;7;3\u{1e}(venv) \u{1e}{N}p;7;3\u{1e}from a job").into_bytes()
    }

    proptest! {
        #[test]
        fn output_is_found_whole_however_the_stream_is_cut(middle in "[a-z\u{1e};0-9é]{0,40}", cut in 1usize..20) {
            let mut marks = Marks::new();
            marks.begin(N.into());
            let (mut out, mut ended) = (Vec::new(), None);
            for piece in stream(&middle).chunks(cut) {
                let (more, end) = marks.feed(piece);
                out.extend(more);
                ended = ended.or(end);
            }
            prop_assert_eq!(String::from_utf8(out).unwrap(), middle);
            prop_assert_eq!(ended, Some(3));
            prop_assert_eq!(marks.begin("other".into()), b"from a job");
        }

        #[test]
        fn no_typed_line_is_long_enough_for_a_terminal_to_cut(command in any::<String>(), times in 1usize..400) {
            let typed = typed(&command.repeat(times), N, 1);
            prop_assert!(typed.lines().all(|line| line.len() < 1000));
            prop_assert!(typed.bytes().all(|byte| byte == b'\n' || (0x20..0x7f).contains(&byte)));
        }
    }

    #[test]
    fn marks_of_another_number_or_another_process_are_output() {
        let other = "f".repeat(32);
        let fake = format!("\u{1e}{other}e;7;0\u{1e}\u{1e}{N}e;8;0\u{1e}");
        let mut marks = Marks::new();
        marks.begin(N.into());
        let (out, ended) = marks.feed(&stream(&fake));
        assert_eq!(String::from_utf8(out).unwrap(), fake);
        assert_eq!(ended, Some(3));
    }

    #[test]
    fn numbers_differ() {
        assert_ne!(nonce(), nonce());
        assert_eq!(nonce().len(), 32);
    }
}
