//! A program in a terminal of its own, driven from outside as a person would: keys go in, a screen comes out.
//!
//! Mental model: a [`Terminal`] is the outer end of a pty. One thread only reads what the program prints and notes when it
//! came, so that no program waits for this one's emulator and no time holds the emulator's. A second one gives it to the
//! emulator and answers what programs ask their terminal; after every change it lets whoever is in [`Terminal::wait`] look
//! before it goes on. [`Terminal::press`] types. The measurements of `bench ui` and the tests of the whole program use the
//! same one, so that what is measured is what is tested. The workbench itself knows nothing of it.

mod answer;
mod keys;

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize};

/// A lone Esc and the key after it must not be read as one key with Alt.
const AFTER_ESC: Duration = Duration::from_millis(60);
/// The kernel hands out at most so much at a time: a shorter piece is the last for now.
const PIECE: usize = 4095;
/// Whoever waits has looked by then, or is not coming back.
const LOOK: Duration = Duration::from_secs(1);
/// End of a synchronised frame.
pub const FRAME_END: &[u8] = b"\x1b[?2026l";

/// What to start, and in which terminal.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: Vec<(String, String)>,
    /// Where it starts.
    pub folder: PathBuf,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// The terminal answers nothing that it is asked.
    pub mute: bool,
    /// Keep every byte that was printed.
    pub keep: bool,
}

/// A piece of what was printed.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// When it was read.
    pub at: Instant,
    /// Where it ends in all that was printed.
    pub end: usize,
}

struct Inner {
    parser: vt100::Parser,
    raw: Vec<u8>,
    pieces: Vec<Piece>,
    bytes: u64,
    frames: u64,
    last: Instant,
    last_frame: Option<Instant>,
    tail: Vec<u8>,
    closed: bool,
    /// Somebody looks at every change.
    waiting: bool,
    /// They have looked at this one.
    looked: bool,
}

struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
    /// Bytes read so far; the emulator may not have come to the last ones yet.
    read: AtomicU64,
    /// The reader is to let go of the terminal.
    closing: AtomicBool,
}

type Writer = Arc<Mutex<Box<dyn Write + Send>>>;

/// See the module. Dropping it hangs up: the program loses its terminal, and is killed if it stays.
pub struct Terminal {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Writer>,
    child: Box<dyn Child + Send + Sync>,
    shared: Arc<Shared>,
    started: Instant,
    before: Option<String>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn settings(master: &(dyn MasterPty + Send)) -> Option<String> {
    Some(format!("{:?}", master.get_termios()?))
}

fn other(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

fn parser(width: u16, height: u16) -> vt100::Parser {
    let side = |n| std::num::NonZeroU16::new(n).unwrap_or(std::num::NonZeroU16::MIN);
    vt100::Parser::new(side(height), side(width), 0)
}

fn size(width: u16, height: u16) -> PtySize {
    PtySize {
        rows: height,
        cols: width,
        pixel_width: 0,
        pixel_height: 0,
    }
}

impl Terminal {
    /// Start a program in a new terminal.
    pub fn start(launch: &Launch) -> io::Result<Self> {
        let pair = portable_pty::native_pty_system()
            .openpty(size(launch.width, launch.height))
            .map_err(other)?;
        let mut command = CommandBuilder::new(&launch.program);
        command.args(&launch.args);
        command.env_clear();
        for (name, value) in &launch.env {
            command.env(name, value);
        }
        command.cwd(&launch.folder);
        let reader = pair.master.try_clone_reader().map_err(other)?;
        let writer = pair.master.take_writer().map_err(other)?;
        let writer: Writer = Arc::new(Mutex::new(writer));
        let now = Instant::now();
        let shared = Arc::new(Shared {
            inner: Mutex::new(Inner {
                parser: parser(launch.width, launch.height),
                raw: Vec::new(),
                pieces: Vec::new(),
                bytes: 0,
                frames: 0,
                last: now,
                last_frame: None,
                tail: Vec::new(),
                closed: false,
                waiting: false,
                looked: false,
            }),
            changed: Condvar::new(),
            read: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        });
        let (printed, pieces) = channel();
        let there = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("terminal".into())
            .spawn(move || read(reader, &there, &printed))?;
        let (there, answers) = (Arc::clone(&shared), Arc::clone(&writer));
        let (mute, keep) = (launch.mute, launch.keep);
        std::thread::Builder::new()
            .name("emulator".into())
            .spawn(move || {
                // What this ends with is that the terminal is closed: there is nobody to tell.
                let answers = (!mute).then_some(answers);
                emulate(&pieces, &there, answers.as_ref(), keep);
            })?;
        let before = settings(&*pair.master);
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).map_err(other)?;
        drop(pair.slave);
        Ok(Self {
            master: Some(pair.master),
            writer: Some(writer),
            child,
            shared,
            started,
            before,
        })
    }

    /// When the program was started.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.process_id()
    }

    /// Type keys: `gt<Enter><C-p>`; `<lt>` is `<`. Returns when the last one was written.
    pub fn press(&self, text: &str) -> io::Result<Instant> {
        let mut written = Instant::now();
        for part in keys::encode(text).map_err(other)? {
            self.send(&part)?;
            written = Instant::now();
            if part.ends_with(b"\x1b") {
                std::thread::sleep(AFTER_ESC);
            }
        }
        Ok(written)
    }

    /// Send bytes as they are.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let Some(writer) = &self.writer else {
            return Err(other("the terminal was hung up"));
        };
        let mut writer = held(writer);
        writer.write_all(bytes)?;
        writer.flush()
    }

    /// Paste a text, bracketed where the program asked for that.
    pub fn paste(&self, text: &str) -> io::Result<()> {
        let bracketed = held(&self.shared.inner).parser.screen().bracketed_paste();
        if !bracketed {
            return self.send(text.as_bytes());
        }
        self.send(format!("\x1b[200~{text}\x1b[201~").as_bytes())
    }

    /// Wait until the screen shows something; when that came, and what it was. `None` if it never did.
    pub fn wait<T>(
        &self,
        patience: Duration,
        mut look: impl FnMut(&vt100::Screen) -> Option<T>,
    ) -> Option<(Instant, T)> {
        self.watch(patience, |inner| {
            look(inner.parser.screen()).map(|found| (inner.last, found))
        })
    }

    /// The same, and wait for the end of the frame that shows it, for programs that mark them. That is when it came.
    pub fn wait_frame(
        &self,
        patience: Duration,
        look: impl FnMut(&vt100::Screen) -> bool,
    ) -> Option<Instant> {
        self.wait_frame_since(self.started, patience, look)
    }

    /// The same, of a frame that comes after a moment: what was printed before it is looked at no more.
    pub fn wait_frame_since(
        &self,
        since: Instant,
        patience: Duration,
        mut look: impl FnMut(&vt100::Screen) -> bool,
    ) -> Option<Instant> {
        let mut shown = None;
        self.watch(patience, |inner| {
            if shown.is_none() && inner.last >= since && look(inner.parser.screen()) {
                shown = Some(inner.last);
            }
            inner
                .last_frame
                .filter(|end| shown.is_some_and(|at| *end >= at))
        })
    }

    /// Look after every change, until something is found.
    fn watch<T>(&self, patience: Duration, mut look: impl FnMut(&Inner) -> Option<T>) -> Option<T> {
        let until = Instant::now() + patience;
        let mut inner = held(&self.shared.inner);
        inner.waiting = true;
        let found = loop {
            let found = look(&inner);
            inner.looked = true;
            self.shared.changed.notify_all();
            if found.is_some() || inner.closed {
                break found;
            }
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                break None;
            };
            inner = self
                .shared
                .changed
                .wait_timeout_while(inner, left, |inner| inner.looked && !inner.closed)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        };
        inner.waiting = false;
        found
    }

    /// Wait until nothing was printed for so long; when the last came.
    #[must_use]
    pub fn settle(&self, silence: Duration, patience: Duration) -> Instant {
        let until = Instant::now() + patience;
        loop {
            let (last, bytes) = {
                let inner = held(&self.shared.inner);
                (inner.last, inner.bytes)
            };
            let now = Instant::now();
            let quiet = now.saturating_duration_since(last);
            let all = bytes == self.shared.read.load(Ordering::SeqCst);
            if all && quiet >= silence || now >= until {
                return last;
            }
            let rest = silence.saturating_sub(quiet);
            std::thread::sleep(rest.clamp(Duration::from_millis(1), Duration::from_millis(20)));
        }
    }

    /// The screen's text, a line a row.
    #[must_use]
    pub fn text(&self) -> String {
        held(&self.shared.inner).parser.screen().contents()
    }

    /// Look at the screen as it is.
    pub fn look<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(held(&self.shared.inner).parser.screen())
    }

    /// Bytes printed and frames ended so far.
    #[must_use]
    pub fn printed(&self) -> (u64, u64) {
        let inner = held(&self.shared.inner);
        (inner.bytes, inner.frames)
    }

    /// Everything that was printed, and when; empty unless it is kept.
    #[must_use]
    pub fn raw(&self) -> (Vec<u8>, Vec<Piece>) {
        let inner = held(&self.shared.inner);
        (inner.raw.clone(), inner.pieces.clone())
    }

    /// Give the terminal another size, as a person does by dragging its corner.
    pub fn resize(&self, width: u16, height: u16) -> io::Result<()> {
        {
            let mut inner = held(&self.shared.inner);
            let side = |n| std::num::NonZeroU16::new(n).unwrap_or(std::num::NonZeroU16::MIN);
            inner
                .parser
                .screen_mut()
                .set_size(side(height), side(width));
        }
        match &self.master {
            Some(master) => master.resize(size(width, height)).map_err(other),
            None => Err(other("the terminal was hung up")),
        }
    }

    /// The terminal's settings (echo, line editing, signals …), to be compared.
    #[must_use]
    pub fn settings(&self) -> Option<String> {
        settings(self.master.as_deref()?)
    }

    /// The same as they were before the program was started.
    #[must_use]
    pub fn settings_before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    /// Close the terminal under the program.
    pub fn hang_up(&mut self) {
        // The reader has the terminal, too, and waits in a read: another size is something to tell of, and then it lets go.
        self.shared.closing.store(true, Ordering::SeqCst);
        if let Some(master) = &self.master {
            let _ = master.resize(size(41, 11));
        }
        self.writer = None;
        self.master = None;
    }

    /// Wait for the program's end and for all that it printed.
    pub fn end(&mut self, patience: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + patience;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                _ if Instant::now() >= until => return None,
                _ => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        // A child that it left behind may hold the terminal open; what the program itself printed is there soon.
        let soon = Instant::now() + Duration::from_millis(500);
        let mut inner = held(&self.shared.inner);
        while !inner.closed
            && let Some(left) = soon.checked_duration_since(Instant::now())
        {
            inner = self
                .shared
                .changed
                .wait_timeout(inner, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        Some(status)
    }

    /// Whether the program is still there.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.hang_up();
        if self.is_running() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What was read at a time, and when.
type Printed = (Instant, Vec<u8>);

fn read(mut reader: Box<dyn Read + Send>, shared: &Shared, printed: &Sender<Printed>) {
    let mut buffer = vec![0u8; 65_536];
    // What is left when the last slave closes is an error (EIO) on Linux, the end of the file elsewhere.
    while let Ok(length) = reader.read(&mut buffer)
        && length > 0
    {
        let at = Instant::now();
        shared.read.fetch_add(length as u64, Ordering::SeqCst);
        let bytes = buffer.get(..length).unwrap_or_default().to_vec();
        if printed.send((at, bytes)).is_err() || shared.closing.load(Ordering::SeqCst) {
            break;
        }
    }
}

fn emulate(pieces: &Receiver<Printed>, shared: &Shared, answers: Option<&Writer>, keep: bool) {
    let mut asked = answer::Questions::default();
    while let Ok((at, bytes)) = pieces.recv() {
        let mut inner = held(&shared.inner);
        inner.parser.process(&bytes);
        inner.last = at;
        inner.bytes += bytes.len() as u64;
        if keep {
            inner.raw.extend_from_slice(&bytes);
            let end = inner.raw.len();
            inner.pieces.push(Piece { at, end });
        }
        let ends = frame_ends(&mut inner.tail, &bytes);
        if ends > 0 {
            inner.frames += ends;
            inner.last_frame = Some(at);
        }
        let cursor = inner.parser.screen().cursor_position();
        if let Some(writer) = answers {
            let told = asked.answers(&bytes, cursor);
            if !told.is_empty() {
                let mut writer = held(writer);
                let _ = writer.write_all(&told).and_then(|()| writer.flush());
            }
        }
        if ends > 0 || bytes.len() < PIECE {
            inner.looked = false;
            shared.changed.notify_all();
            let seen = |inner: &mut Inner| inner.waiting && !inner.looked;
            drop(shared.changed.wait_timeout_while(inner, LOOK, seen));
        }
    }
    held(&shared.inner).closed = true;
    shared.changed.notify_all();
}

/// How many frames end in these bytes; `tail` is what may be the beginning of a mark that was cut.
fn frame_ends(tail: &mut Vec<u8>, bytes: &[u8]) -> u64 {
    tail.extend_from_slice(bytes);
    let mut ends = 0;
    let mut after = 0;
    for (at, window) in tail.windows(FRAME_END.len()).enumerate() {
        if window == FRAME_END {
            ends += 1;
            after = at + FRAME_END.len();
        }
    }
    let keep = after.max(tail.len().saturating_sub(FRAME_END.len() - 1));
    tail.drain(..keep);
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frames_end_is_seen_once_wherever_it_is_cut() {
        let text = b"abc\x1b[?2026l\x1b[?2026hx\x1b[?2026l";
        for cut in 0..=text.len() {
            let mut tail = Vec::new();
            let ends = frame_ends(&mut tail, &text[..cut]) + frame_ends(&mut tail, &text[cut..]);
            assert_eq!(ends, 2, "cut at {cut}");
        }
    }
}
