//! What the terminal can do, from its environment and, after the first frame, from its own answer.
//!
//! Colour level: an explicit setting, `NO_COLOR`, `TERM=dumb`, `COLORTERM`, the ending of `TERM`, else 16. `COLORFGBG` and an
//! OSC 11 query say whether its ground is light; the query is answered by all that matter and waits 100 ms at most. What
//! comes later is not lost: see `late.rs`.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::theme::Level;

/// Longest wait for an answer.
const WAIT: Duration = Duration::from_millis(100);

/// How many colours to use. `wanted` is the `--color` flag or setting: auto, always, never, mono, 16, 256, true.
#[must_use]
pub fn level(wanted: &str, env: impl Fn(&str) -> Option<String>) -> Level {
    let term = env("TERM").unwrap_or_default();
    let by_term = || {
        let color = env("COLORTERM").unwrap_or_default();
        if color == "truecolor" || color == "24bit" || term.ends_with("-direct") {
            Level::True
        } else if term.ends_with("-256color") || term == "xterm-kitty" || term == "alacritty" {
            Level::Ansi256
        } else {
            Level::Ansi16
        }
    };
    match wanted {
        "never" | "mono" => Level::Mono,
        "16" => Level::Ansi16,
        "256" => Level::Ansi256,
        "true" => Level::True,
        "always" => by_term(),
        _ if env("NO_COLOR").is_some_and(|value| !value.is_empty()) => Level::Mono,
        _ if term == "dumb" => Level::Mono,
        _ => by_term(),
    }
}

/// Whether the terminal's ground is light, as far as the environment says: some set `COLORFGBG` to ink and ground among the 16.
#[must_use]
pub fn ground(env: impl Fn(&str) -> Option<String>) -> Option<bool> {
    let value = env("COLORFGBG")?;
    let ground: u8 = value.rsplit(';').next()?.trim().parse().ok()?;
    (ground < 16).then_some(ground == 7 || ground > 8)
}

/// Whether the terminal's locale can show more than ASCII.
#[must_use]
pub fn unicode(env: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| env(name).filter(|value| !value.is_empty()));
    match locale {
        Some(locale) => {
            let locale = locale.to_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
        // Containers and services often have none; terminals of this century speak UTF-8.
        None => env("TERM").is_none_or(|term| term != "linux" && term != "dumb"),
    }
}

/// Whether the terminal makes links of addresses (OSC 8). `wanted` is the `--links` flag: auto, always, never.
///
/// Only those that are known for it are sent any. Within tmux or screen it is not known which terminal looks on, and older
/// ones of both print what they do not understand.
#[must_use]
pub fn links(wanted: &str, env: impl Fn(&str) -> Option<String>) -> bool {
    let term = env("TERM").unwrap_or_default();
    match wanted {
        "always" => return true,
        "never" => return false,
        _ => {}
    }
    let multiplexed = env("TMUX").is_some()
        || env("STY").is_some()
        || ["tmux", "screen"].iter().any(|name| term.starts_with(name));
    if multiplexed || term == "linux" || term == "dumb" {
        return false;
    }
    let by_term = [
        "xterm-kitty",
        "xterm-ghostty",
        "foot",
        "wezterm",
        "alacritty",
        "contour",
    ];
    let programs = ["WezTerm", "iTerm.app", "vscode", "ghostty", "mintty", "rio"];
    let at_least = |name: &str, least: u32| {
        let version = env(name).and_then(|text| text.parse::<u32>().ok());
        version.is_some_and(|version| version >= least)
    };
    by_term.iter().any(|name| {
        term.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }) || env("TERM_PROGRAM").is_some_and(|program| programs.contains(&program.as_str()))
        || env("WT_SESSION").is_some()
        || at_least("VTE_VERSION", 5_000)
        || at_least("KONSOLE_VERSION", 201_200)
}

/// What the terminal answered in time.
#[derive(Debug, Default, PartialEq)]
pub struct Answer {
    /// Whether its ground is light, where it said so.
    pub light: Option<bool>,
    /// What was typed meanwhile.
    pub typed: Vec<u8>,
    /// Where not everything was answered: what has come of the answer to the ground, maybe nothing.
    pub owed: Option<Vec<u8>>,
}

/// Ask the terminal for its ground. Raw mode is on and nobody else reads yet.
///
/// The last of the two questions (device attributes) is answered by every terminal, so the wait ends with it.
#[must_use]
pub fn ask_ground() -> Answer {
    let mut out = std::io::stdout();
    if out
        .write_all(b"\x1b]11;?\x1b\\\x1b[c")
        .and_then(|()| out.flush())
        .is_err()
    {
        return Answer::default();
    }
    let started = Instant::now();
    let mut got: Vec<u8> = Vec::new();
    let stdin = std::io::stdin();
    while let Some(left) = WAIT.checked_sub(started.elapsed()) {
        let mut fds = [rustix::event::PollFd::new(
            &stdin,
            rustix::event::PollFlags::IN,
        )];
        let timeout = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(n) if n > 0 => {}
            _ => break,
        }
        let mut buffer = [0u8; 1024];
        match rustix::io::read(&stdin, &mut buffer) {
            Ok(n) if n > 0 => got.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            _ => break,
        }
        if device_attributes(&got).is_some() {
            break;
        }
    }
    read_answer(&got)
}

/// Where the answer to the device attributes question lies.
fn device_attributes(got: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = got.windows(3).position(|bytes| bytes == b"\x1b[?")?;
    let end = got.get(start..)?.iter().position(|byte| *byte == b'c')?;
    Some(start..start + end + 1)
}

fn read_answer(got: &[u8]) -> Answer {
    let mut rest = got.to_vec();
    let attributes = device_attributes(&rest);
    // Questions are answered in order: after the last answer nothing is owed.
    let mut owed = attributes.is_none().then(Vec::new);
    if let Some(range) = attributes {
        rest.drain(range);
    }
    let start = rest.windows(5).position(|bytes| bytes == b"\x1b]11;");
    let Some(start) = start else {
        // The first bytes of an answer.
        let tails = [b"\x1b]11".as_slice(), b"\x1b]1", b"\x1b]"];
        if let Some(tail) = tails.into_iter().find(|tail| rest.ends_with(tail))
            && let Some(owed) = &mut owed
        {
            rest.truncate(rest.len() - tail.len());
            owed.extend_from_slice(tail);
        }
        return Answer {
            light: None,
            typed: rest,
            owed,
        };
    };
    let after = rest.get(start..).unwrap_or_default();
    let end = after
        .iter()
        .position(|byte| *byte == 0x07)
        .map(|at| at + 1)
        .or_else(|| {
            after
                .windows(2)
                .position(|bytes| bytes == b"\x1b\\")
                .map(|at| at + 2)
        });
    let Some(end) = end else {
        let begun = rest.split_off(start);
        return Answer {
            light: None,
            typed: rest,
            owed: owed.map(|_| begun),
        };
    };
    let answer: Vec<u8> = rest.drain(start..start + end).collect();
    Answer {
        light: is_light(&String::from_utf8_lossy(&answer)),
        typed: rest,
        owed: None,
    }
}

/// `rgb:ffff/ffff/ffff`, with one to four digits each.
pub(super) fn is_light(answer: &str) -> Option<bool> {
    let (_, colours) = answer.split_once("rgb:")?;
    let mut parts = colours.split(['/', '\x1b', '\x07']).map(|part| {
        let value = u32::from_str_radix(part, 16).ok()?;
        let most = 16u32
            .checked_pow(u32::try_from(part.len()).ok()?)?
            .checked_sub(1)?;
        Some(f64::from(value) / f64::from(most))
    });
    let (red, green, blue) = (parts.next()??, parts.next()??, parts.next()??);
    Some(0.299 * red + 0.587 * green + 0.114 * blue > 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pairs: &[(&str, &str)], wanted: &str) -> Level {
        level(wanted, |name| {
            pairs
                .iter()
                .find(|(there, _)| *there == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_flag_goes_over_no_color_and_that_over_the_terminal() {
        let terminal = ("TERM", "xterm-256color");
        assert_eq!(at(&[terminal], "auto"), Level::Ansi256);
        assert_eq!(
            at(&[terminal, ("COLORTERM", "truecolor")], "auto"),
            Level::True
        );
        assert_eq!(at(&[terminal, ("NO_COLOR", "1")], "auto"), Level::Mono);
        assert_eq!(at(&[terminal, ("NO_COLOR", "")], "auto"), Level::Ansi256);
        assert_eq!(at(&[terminal, ("NO_COLOR", "1")], "256"), Level::Ansi256);
        assert_eq!(at(&[("TERM", "dumb")], "auto"), Level::Mono);
        assert_eq!(at(&[("TERM", "vt100")], "auto"), Level::Ansi16);
    }

    #[test]
    fn the_environment_may_say_what_the_ground_is() {
        let said = |value: Option<&str>| ground(|_| value.map(str::to_owned));
        assert_eq!(said(Some("15;0")), Some(false));
        assert_eq!(said(Some("0;default;15")), Some(true));
        assert_eq!(said(Some("0;7")), Some(true));
        assert_eq!(said(Some("15;8")), Some(false));
        for nothing in [None, Some("15;default"), Some(""), Some("0;200")] {
            assert_eq!(said(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn only_terminals_that_are_known_for_links_get_any_and_none_within_another() {
        let at = |pairs: &[(&str, &str)], wanted: &str| {
            links(wanted, |name| {
                let found = pairs.iter().find(|(there, _)| *there == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let kitty = ("TERM", "xterm-kitty");
        for known in [
            kitty,
            ("TERM", "foot-extra"),
            ("TERM_PROGRAM", "iTerm.app"),
            ("VTE_VERSION", "7402"),
            ("KONSOLE_VERSION", "220401"),
            ("WT_SESSION", "x"),
        ] {
            assert!(at(&[known], "auto"), "{known:?}");
            assert!(!at(&[known], "never"), "{known:?}");
            for around in [("TMUX", "/tmp/x,1,0"), ("STY", "1.pts")] {
                assert!(!at(&[known, around], "auto"), "{known:?} {around:?}");
            }
        }
        for unknown in [
            ("TERM", "xterm-256color"),
            ("TERM", "tmux-256color"),
            ("TERM", "footloose"),
            ("TERM_PROGRAM", "Apple_Terminal"),
            ("VTE_VERSION", "4601"),
            ("VTE_VERSION", "x"),
        ] {
            assert!(!at(&[unknown], "auto"), "{unknown:?}");
            assert!(at(&[unknown], "always"), "{unknown:?}");
        }
        assert!(!at(&[("TERM", "linux"), ("WT_SESSION", "x")], "auto"));
    }

    #[test]
    fn answers_are_taken_out_of_what_was_typed() {
        let told = |light, typed: &[u8], owed: Option<&[u8]>| Answer {
            light,
            typed: typed.to_vec(),
            owed: owed.map(<[u8]>::to_vec),
        };
        let got = b"j\x1b]11;rgb:fdfd/f6f6/e3e3\x1b\\k\x1b[?62;22cl";
        assert_eq!(read_answer(got), told(Some(true), b"jkl", None));
        let dark = b"\x1b]11;rgb:1e/1e/2e\x07\x1b[?1c";
        assert_eq!(read_answer(dark), told(Some(false), b"", None));
        // A terminal that knows of no ground owes nothing, one that has not answered does.
        assert_eq!(read_answer(b"x\x1b[?1c"), told(None, b"x", None));
        assert_eq!(read_answer(b"x"), told(None, b"x", Some(b"")));
        for begun in [b"\x1b]11;rgb:2".as_slice(), b"\x1b]1", b"\x1b]"] {
            let got = [b"x", begun].concat();
            assert_eq!(read_answer(&got), told(None, b"x", Some(begun)));
        }
    }
}
