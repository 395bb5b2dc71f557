//! Driving the program: start it in a pty of 200×60, press a key, take the time until the frame that answers is whole.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cli::pty::{Launch, Terminal};

/// Longest wait for anything.
pub(super) const LONGEST: Duration = Duration::from_secs(60);
/// Longest wait for the answer to a key.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nothing printed for so long: it is done.
pub(super) const SILENCE: Duration = Duration::from_millis(120);

/// A terminal of the reference size with a program in it.
pub(super) fn start(
    program: &Path,
    args: &[&str],
    folder: &Path,
    store: &Path,
) -> io::Result<Terminal> {
    let home = folder.join("home");
    let state = home.join(".local/state/spotter");
    std::fs::create_dir_all(&state)?;
    // The welcome is for the first start; what is measured is every other one.
    std::fs::write(state.join("session.toml"), "welcomed = true\n")?;
    let words = |text: &str| text.to_owned();
    Terminal::start(&Launch {
        program: program.to_owned(),
        args: args.iter().copied().map(words).collect(),
        env: vec![
            (words("PATH"), std::env::var("PATH").unwrap_or_default()),
            (words("TERM"), words("xterm-256color")),
            (words("COLORTERM"), words("truecolor")),
            (words("LANG"), words("C.UTF-8")),
            (words("HOME"), home.display().to_string()),
            (words("SPOTTER_STORE"), store.display().to_string()),
            (words("MSWEA_SILENT_STARTUP"), words("1")),
            (words("MSWEA_CONFIGURED"), words("true")),
        ],
        folder: folder.to_owned(),
        width: 200,
        height: 60,
        mute: false,
        keep: false,
    })
}

pub(super) fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

fn lost(what: &str, terminal: &Terminal) -> io::Error {
    io::Error::other(format!("{what}; the screen:\n{}", terminal.text()))
}

/// Milliseconds from the start until the screen shows a text.
pub(super) fn until_shown(terminal: &Terminal, text: &str) -> io::Result<f64> {
    let seen = terminal.wait(LONGEST, |screen| {
        screen.contents().contains(text).then_some(())
    });
    let (at, ()) = seen.ok_or_else(|| lost(&format!("`{text}` never came"), terminal))?;
    Ok(ms(at.duration_since(terminal.started())))
}

/// Milliseconds from the start until the end of the frame that shows a text, for programs that mark their frames.
pub(super) fn until_framed(terminal: &Terminal, text: &str) -> io::Result<f64> {
    let at = terminal
        .wait_frame(LONGEST, |screen| screen.contents().contains(text))
        .ok_or_else(|| lost(&format!("`{text}` never came"), terminal))?;
    Ok(ms(at.duration_since(terminal.started())))
}

/// Milliseconds from a key to the end of the frame in which the line that holds a text is another one than before.
pub(super) fn answer_in(terminal: &Terminal, key: &str, text: &str) -> io::Result<f64> {
    let line = |screen: &str| {
        let line = screen.lines().find(|line| line.contains(text));
        line.map(str::to_owned)
    };
    let before = line(&terminal.text());
    answer_with(terminal, key, |screen| line(screen) != before)
}

/// Milliseconds from a key to the end of the frame whose screen is another one than before.
pub(super) fn answer(terminal: &Terminal, key: &str) -> io::Result<f64> {
    let before = terminal.text();
    answer_with(terminal, key, |screen| screen != before)
}

/// Milliseconds from a key to the end of the frame that shows what is looked for.
pub(super) fn answer_with(
    terminal: &Terminal,
    key: &str,
    look: impl Fn(&str) -> bool,
) -> io::Result<f64> {
    let pressed = Instant::now();
    terminal.press(key)?;
    let at = terminal
        .wait_frame_since(pressed, PATIENCE, |screen| look(&screen.contents()))
        .ok_or_else(|| lost(&format!("no answer to {key}"), terminal))?;
    Ok(ms(at.saturating_duration_since(pressed)))
}

/// Wait until it is quiet, then a little.
pub(super) fn quiet(terminal: &Terminal) -> Instant {
    terminal.settle(SILENCE, LONGEST)
}

/// Resident memory of a process and all below it, in megabytes.
pub(super) fn memory(terminal: &Terminal) -> f64 {
    let Some(pid) = terminal.pid() else {
        return 0.0;
    };
    kilobytes(pid, "VmRSS:") / 1000.0
}

/// What of it is no file's.
pub(super) fn own_memory(terminal: &Terminal) -> f64 {
    let pid = terminal.pid().unwrap_or(0);
    kilobytes(pid, "RssAnon:") / 1000.0
}

fn kilobytes(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<f64>().ok())
        .map_or(0.0, |kibi| kibi * 1.024)
}

/// Processor time that a process has had, in clock ticks (10 ms).
pub(super) fn ticks(terminal: &Terminal) -> u64 {
    let Some(pid) = terminal.pid() else { return 0 };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some((_, after)) = stat.rsplit_once(')') else {
        return 0;
    };
    after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum()
}
