//! Frames into the terminal: one buffered, synchronised write each, and counts of what was written.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};

/// Gathers what the backend writes: a frame is one write.
#[derive(Debug, Clone, Default)]
struct Gathered(Rc<RefCell<Vec<u8>>>);

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// The backend flushes when it likes; what it wrote goes out when the frame is whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// See the module.
#[derive(Debug)]
pub struct Canvas<W: Write> {
    terminal: Terminal<CrosstermBackend<Gathered>>,
    gathered: Gathered,
    out: W,
    sync: bool,
    frames: u64,
    bytes: u64,
}

const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

impl<W: Write> Canvas<W> {
    /// Draw into this. `sync` asks the terminal to show each frame whole.
    pub fn new(out: W, sync: bool) -> io::Result<Self> {
        // The theme decides about colours; crossterm's own reading of NO_COLOR would take modifiers away with them.
        crossterm::style::force_color_output(true);
        let gathered = Gathered::default();
        Ok(Self {
            terminal: Terminal::new(CrosstermBackend::new(gathered.clone()))?,
            gathered,
            out,
            sync,
            frames: 0,
            bytes: 0,
        })
    }

    /// A canvas of a fixed size, for tests and benchmarks without a terminal.
    pub fn fixed(out: W, width: u16, height: u16) -> io::Result<Self> {
        crossterm::style::force_color_output(true);
        let gathered = Gathered::default();
        let area = ratatui::layout::Rect::new(0, 0, width, height);
        let options = ratatui::TerminalOptions {
            viewport: ratatui::Viewport::Fixed(area),
        };
        Ok(Self {
            terminal: Terminal::with_options(CrosstermBackend::new(gathered.clone()), options)?,
            gathered,
            out,
            sync: false,
            frames: 0,
            bytes: 0,
        })
    }

    /// Draw a frame. What did not change is not written.
    pub fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if self.sync {
            self.gathered.0.borrow_mut().extend_from_slice(BEGIN);
        }
        self.terminal.draw(view)?;
        if self.sync {
            self.gathered.0.borrow_mut().extend_from_slice(END);
        }
        self.frames += 1;
        self.send()
    }

    /// Forget what is on the screen: the next frame is written whole.
    pub fn forget(&mut self) -> io::Result<()> {
        // Not `Terminal::clear`: it asks the terminal where the cursor is and waits two seconds for the answer, which the
        // reader of the input takes away from it.
        let area = self.terminal.get_frame().area();
        self.terminal.resize(area)?;
        self.send()
    }

    /// Frames drawn and bytes written so far.
    #[must_use]
    pub fn written(&self) -> (u64, u64) {
        (self.frames, self.bytes)
    }

    /// What is drawn into.
    pub fn out(&mut self) -> &mut W {
        &mut self.out
    }

    fn send(&mut self) -> io::Result<()> {
        let mut gathered = self.gathered.0.borrow_mut();
        super::link::join(&mut gathered);
        self.bytes += gathered.len() as u64;
        let sent = self
            .out
            .write_all(&gathered)
            .and_then(|()| self.out.flush());
        gathered.clear();
        sent
    }
}
