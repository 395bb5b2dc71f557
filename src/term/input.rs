//! What the terminal sends, as events of the state.
//!
//! The stream is dropped while another program has the terminal (crossterm reads on even if nobody polls it) and made anew
//! afterwards. A wheel notch is three lines, whatever number of events the terminal makes of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crossterm::event::{
    Event as Raw, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton,
    MouseEventKind,
};
use futures_util::StreamExt as _;

use super::late::{Late, Taken};
use crate::app::event::{Event, Mouse, MouseKind};
use crate::keymap::{Code, Key};

/// Wheel events closer than this belong to one notch or one swipe.
const NOTCH: Duration = Duration::from_millis(80);

/// See the module.
pub struct Input {
    stream: Option<EventStream>,
    wheel: Wheel,
    late: Late,
    /// Heard, and not told yet.
    ready: VecDeque<Heard>,
}

/// What the terminal sent.
#[derive(Debug)]
pub enum Heard {
    /// Something for the state.
    Event(Event),
    /// Its answer to what was asked at the start: whether its ground is light.
    Ground(bool),
}

impl Input {
    /// Begin to read. `owed` is what has come of an answer that is still to come, where one is.
    #[must_use]
    pub fn new(owed: Option<&[u8]>) -> Self {
        let late = owed.map(|begun| Late::owed(begun, Instant::now()));
        Self {
            stream: Some(EventStream::new()),
            wheel: Wheel::default(),
            late: late.unwrap_or_default(),
            ready: VecDeque::new(),
        }
    }

    /// The next that is heard; `None` when the terminal is gone. Safe to cancel.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some(heard) = self.ready.pop_front() {
                return Some(heard);
            }
            let Some(stream) = &mut self.stream else {
                return std::future::pending().await;
            };
            match stream.next().await? {
                Ok(raw) => {
                    let now = Instant::now();
                    match self.wheel.translate(raw, now) {
                        Some(Event::Key(key)) => self.hear(key, now),
                        Some(event) => self.ready.push_back(Heard::Event(event)),
                        None => {}
                    }
                }
                Err(_) => return None,
            }
        }
    }

    fn hear(&mut self, key: Key, now: Instant) {
        match self.late.take(key, now) {
            Taken::Typed(keys) => {
                let keys = keys.into_iter().map(|key| Heard::Event(Event::Key(key)));
                self.ready.extend(keys);
            }
            Taken::Answer(Some(light)) => self.ready.push_back(Heard::Ground(light)),
            Taken::Answer(None) | Taken::Held => {}
        }
    }

    /// Let go of the terminal.
    pub fn release(&mut self) {
        self.stream = None;
    }

    /// Read again.
    pub fn resume(&mut self) {
        self.stream = Some(EventStream::new());
    }
}

/// Turns bursts of wheel events into lines.
#[derive(Debug, Default)]
struct Wheel {
    last: Option<(Instant, bool, u32)>,
}

impl Wheel {
    fn translate(&mut self, raw: Raw, now: Instant) -> Option<Event> {
        match raw {
            Raw::Key(key) => self::key(key).map(Event::Key),
            Raw::Paste(text) => Some(Event::Paste(text)),
            Raw::Resize(width, height) => Some(Event::Resize(width, height)),
            Raw::FocusGained => Some(Event::Focus(true)),
            Raw::FocusLost => Some(Event::Focus(false)),
            Raw::Mouse(mouse) => {
                let kind = match mouse.kind {
                    MouseEventKind::Down(MouseButton::Left) => MouseKind::Press,
                    MouseEventKind::Drag(MouseButton::Left) => MouseKind::Drag,
                    MouseEventKind::Up(MouseButton::Left) => MouseKind::Release,
                    MouseEventKind::ScrollUp => MouseKind::Wheel(-self.lines(now, false)?),
                    MouseEventKind::ScrollDown => MouseKind::Wheel(self.lines(now, true)?),
                    _ => return None,
                };
                Some(Event::Mouse(Mouse {
                    kind,
                    column: mouse.column,
                    row: mouse.row,
                }))
            }
        }
    }

    /// The first event of a burst is a notch of three lines; the two that some terminals send after it are part of that, and
    /// what follows is a swipe of one line each.
    fn lines(&mut self, now: Instant, down: bool) -> Option<i32> {
        let count = match self.last {
            Some((then, same, count)) if same == down && now.duration_since(then) < NOTCH => {
                count + 1
            }
            _ => 0,
        };
        self.last = Some((now, down, count));
        match count {
            0 => Some(3),
            1 | 2 => None,
            _ => Some(1),
        }
    }
}

fn key(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let held = |modifier| event.modifiers.contains(modifier);
    let mut key = Key {
        code: Code::Esc,
        ctrl: held(KeyModifiers::CONTROL),
        alt: held(KeyModifiers::ALT),
        shift: held(KeyModifiers::SHIFT),
    };
    key.code = match event.code {
        KeyCode::Char(c) => {
            // With the enhanced protocol a shifted letter may come as the plain one and the modifier.
            let c = if key.shift && c.is_ascii_lowercase() {
                c.to_ascii_uppercase()
            } else {
                c
            };
            key.shift = false;
            Code::Char(c)
        }
        KeyCode::BackTab => {
            key.shift = true;
            Code::Tab
        }
        KeyCode::Enter => Code::Enter,
        KeyCode::Esc => Code::Esc,
        KeyCode::Tab => Code::Tab,
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Delete => Code::Delete,
        KeyCode::Insert => Code::Insert,
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        KeyCode::PageUp => Code::PageUp,
        KeyCode::PageDown => Code::PageDown,
        KeyCode::F(number) => Code::F(number),
        _ => return None,
    };
    Some(key)
}

/// Keys that were typed before the stream was read, as far as they are plain characters.
#[must_use]
pub fn typed_before(bytes: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(bytes);
    let mut events = Vec::new();
    let chars = text.chars();
    for c in chars {
        let key = match c {
            '\r' | '\n' => Key::plain(Code::Enter),
            '\t' => Key::plain(Code::Tab),
            '\x7f' => Key::plain(Code::Backspace),
            // A sequence: what it means is not worth a second parser for a tenth of a second.
            '\x1b' => break,
            c if c.is_control() => {
                let letter = char::from(u8::try_from(u32::from(c)).unwrap_or(0) | 0x60);
                Key {
                    ctrl: true,
                    ..Key::char(letter)
                }
            }
            c => Key::char(c),
        };
        events.push(Event::Key(key));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notch_is_three_lines_whatever_the_terminal_makes_of_it() {
        let start = Instant::now();
        let mut wheel = Wheel::default();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(wheel.lines(at(0), true), Some(3));
        assert_eq!(wheel.lines(at(1), true), None);
        assert_eq!(wheel.lines(at(2), true), None);
        assert_eq!(wheel.lines(at(200), true), Some(3));
        assert_eq!(wheel.lines(at(210), false), Some(3));
    }

    #[test]
    fn keys_come_as_keymaps_write_them() {
        let from = |code, modifiers| key(KeyEvent::new(code, modifiers)).map(|key| key.to_string());
        assert_eq!(
            from(KeyCode::Char('G'), KeyModifiers::SHIFT).as_deref(),
            Some("G")
        );
        assert_eq!(
            from(KeyCode::Char('g'), KeyModifiers::SHIFT).as_deref(),
            Some("G")
        );
        assert_eq!(
            from(KeyCode::BackTab, KeyModifiers::SHIFT).as_deref(),
            Some("shift-tab")
        );
        assert_eq!(
            from(KeyCode::Char('p'), KeyModifiers::CONTROL).as_deref(),
            Some("ctrl-p")
        );
        let typed = typed_before(b"q\x10\r");
        assert_eq!(typed.len(), 3);
    }
}
