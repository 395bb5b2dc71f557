//! Entering the terminal and leaving it as it was: on quit, on a panic, on a signal, around `$EDITOR` and Ctrl-Z.
//!
//! Whatever happens, [`restore`] is called once more than needed rather than once less: it is idempotent, and what a
//! terminal does not know it ignores. The panic hook restores before the message is printed. A panic of another thread than
//! the one that entered ends a task, not the program: the terminal stays as it is, and [`panicked`] gives the words.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;

use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange,
    KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};

static ENTERED: AtomicBool = AtomicBool::new(false);
static MOUSE: AtomicBool = AtomicBool::new(false);
static HOOK: std::sync::Once = std::sync::Once::new();
/// The terminal's settings when it was taken.
static ORIGINAL: Mutex<Option<rustix::termios::Termios>> = Mutex::new(None);
/// Whose panic ends the program.
static OWNER: Mutex<Option<ThreadId>> = Mutex::new(None);
/// What other threads panicked with.
static OTHERS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// More of them than this say nothing new.
const MOST_OTHERS: usize = 16;

/// Buttons, drags and the wheel, in cells beyond 223: not every motion, which crossterm's own command would ask for.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1002h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1002l\x1b[?1000l";

/// See the module. Dropping it restores the terminal.
#[derive(Debug)]
pub struct Guard(());

impl Guard {
    /// Take the terminal. A panic from here on restores it before it says what happened.
    pub fn enter(mouse: bool) -> io::Result<Self> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(io::Error::other(
                "standard input and output must be a terminal",
            ));
        }
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                let owner = *OWNER.lock().unwrap_or_else(PoisonError::into_inner);
                let here = std::thread::current().id();
                if ENTERED.load(Ordering::SeqCst) && owner.is_some_and(|owner| owner != here) {
                    let mut others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
                    if others.len() < MOST_OTHERS {
                        others.push(info.to_string());
                    }
                    return;
                }
                restore();
                before(info);
            }));
        });
        *OWNER.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current().id());
        MOUSE.store(mouse, Ordering::SeqCst);
        claim()?;
        Ok(Self(()))
    }

    /// Give the terminal back for a while: the editor's, the shell's.
    pub fn leave(&self) {
        restore();
    }

    /// Take it again from a shell, which may have changed its settings meanwhile: they are the ones to go back to.
    pub fn reenter(&self) -> io::Result<()> {
        claim()
    }

    /// Take it again from a program that was to leave it as it was. One that crashed did not.
    pub fn reclaim(&self) -> io::Result<()> {
        if let Some(original) = &*ORIGINAL.lock().unwrap_or_else(PoisonError::into_inner) {
            rustix::termios::tcsetattr(
                io::stdin(),
                rustix::termios::OptionalActions::Now,
                original,
            )?;
        }
        claim()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// What tasks of other threads panicked with since this was asked last.
#[must_use]
pub fn panicked() -> Vec<String> {
    std::mem::take(&mut OTHERS.lock().unwrap_or_else(PoisonError::into_inner))
}

fn claim() -> io::Result<()> {
    let settings = rustix::termios::tcgetattr(io::stdin())?;
    *ORIGINAL.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
    enable_raw_mode()?;
    ENTERED.store(true, Ordering::SeqCst);
    let mut out = io::stdout();
    let done = (|| {
        execute!(
            out,
            EnterAlternateScreen,
            EnableBracketedPaste,
            EnableFocusChange,
            // Terminals that do not know the flags ignore them; Esc then waits a little, as everywhere.
            PushKeyboardEnhancementFlags(KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES),
            cursor::Hide
        )?;
        if MOUSE.load(Ordering::SeqCst) {
            out.write_all(MOUSE_ON)?;
        }
        out.flush()
    })();
    if done.is_err() {
        restore();
    }
    done
}

/// Undo all that entering did. Safe to call at any time, from any thread, any number of times.
pub(super) fn restore() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    // Each by itself: one that fails must not keep the others from happening.
    let _ = out.write_all(MOUSE_OFF);
    let _ = execute!(out, PopKeyboardEnhancementFlags);
    let _ = execute!(out, DisableFocusChange);
    let _ = execute!(out, DisableBracketedPaste);
    // A synchronised update that a panic broke off would hold the screen back; attributes would stay.
    let _ = out.write_all(b"\x1b[?2026l\x1b[0m");
    let _ = execute!(out, cursor::Show);
    let _ = execute!(out, LeaveAlternateScreen);
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// Stop the whole process group as Ctrl-Z does; returns when somebody continues it.
pub fn stop() -> io::Result<()> {
    rustix::process::kill_current_process_group(rustix::process::Signal::STOP)?;
    Ok(())
}

/// Throw away what was typed while another program had the terminal.
pub fn flush_input() {
    let _ = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
}
