//! Frames into the terminal: one buffered, synchronised write each, and counts of what was written.

use std::io::{self, Write};

use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};

/// Counts what goes to the terminal and gathers it: a frame is one write.
#[derive(Debug)]
struct Gathered<W: Write> {
    out: W,
    frame: Vec<u8>,
    bytes: u64,
}

impl<W: Write> Write for Gathered<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frame.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// The backend flushes when it likes; what it wrote goes out when the frame is whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Gathered<W> {
    fn send(&mut self) -> io::Result<()> {
        self.bytes += self.frame.len() as u64;
        let sent = self.out.write_all(&self.frame).and_then(|()| self.out.flush());
        self.frame.clear();
        sent
    }
}

/// See the module.
#[derive(Debug)]
pub struct Canvas<W: Write> {
    terminal: Terminal<CrosstermBackend<Gathered<W>>>,
    sync: bool,
    frames: u64,
}

const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

impl<W: Write> Canvas<W> {
    /// Draw into this. `sync` asks the terminal to show each frame whole.
    pub fn new(out: W, sync: bool) -> io::Result<Self> {
        // The theme decides about colours; crossterm's own reading of NO_COLOR would take modifiers away with them.
        crossterm::style::force_color_output(true);
        let gathered = Gathered {
            out,
            frame: Vec::with_capacity(64 << 10),
            bytes: 0,
        };
        Ok(Self {
            terminal: Terminal::new(CrosstermBackend::new(gathered))?,
            sync,
            frames: 0,
        })
    }

    /// A canvas of a fixed size, for tests and benchmarks without a terminal.
    pub fn fixed(out: W, width: u16, height: u16) -> io::Result<Self> {
        crossterm::style::force_color_output(true);
        let gathered = Gathered {
            out,
            frame: Vec::new(),
            bytes: 0,
        };
        let area = ratatui::layout::Rect::new(0, 0, width, height);
        let options = ratatui::TerminalOptions {
            viewport: ratatui::Viewport::Fixed(area),
        };
        Ok(Self {
            terminal: Terminal::with_options(CrosstermBackend::new(gathered), options)?,
            sync: false,
            frames: 0,
        })
    }

    /// Draw a frame. What did not change is not written.
    pub fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if self.sync {
            self.terminal.backend_mut().writer_mut().frame.extend_from_slice(BEGIN);
        }
        self.terminal.draw(view)?;
        let gathered = self.terminal.backend_mut().writer_mut();
        if self.sync {
            gathered.frame.extend_from_slice(END);
        }
        self.frames += 1;
        gathered.send()
    }

    /// Forget what is on the screen: the next frame is written whole.
    pub fn forget(&mut self) -> io::Result<()> {
        self.terminal.clear()?;
        self.terminal.backend_mut().writer_mut().send()
    }

    /// Frames drawn and bytes written so far.
    #[must_use]
    pub fn written(&mut self) -> (u64, u64) {
        (self.frames, self.terminal.backend_mut().writer_mut().bytes)
    }
}
