//! An answer of the terminal that comes late, taken out of what was typed.
//!
//! The terminal is asked for its ground at the start, and waited for shortly. Over a slow line, or while the terminal itself
//! is busy, the answer comes when keys are read already, and looks like keys: `alt-]`, then `11;rgb:1e1e/…`, then `alt-\` or
//! `ctrl-g`. Unfiltered it would press them. It is waited for only while it is owed; what turns out to be no answer is given
//! back as the keys that it was.

use std::time::{Duration, Instant};

use super::caps::is_light;
use crate::keymap::{Code, Key};

/// How long an answer may be owed.
const OWED: Duration = Duration::from_secs(30);
/// How long one may take from its first to its last byte.
const WHOLE: Duration = Duration::from_secs(2);
/// Longest answer.
const LONGEST: usize = 40;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Late {
    /// Until when an answer may come.
    owed: Option<Instant>,
    /// One that has begun.
    begun: Option<(Instant, Vec<Key>)>,
}

/// What became of a key.
#[derive(Debug, PartialEq)]
pub(super) enum Taken {
    /// These were typed.
    Typed(Vec<Key>),
    /// It is part of an answer, as far as can be seen.
    Held,
    /// It ends an answer: whether the ground is light, where it says so.
    Answer(Option<bool>),
}

impl Late {
    /// An answer is owed; `begun` is what has come of it, from its `ESC ]` on, where that has been read.
    pub(super) fn owed(begun: &[u8], now: Instant) -> Self {
        let text = String::from_utf8_lossy(begun);
        let begun = text.strip_prefix("\x1b]").map(|rest| {
            let keys = std::iter::once(START).chain(rest.chars().map(Key::char));
            (now, keys.collect())
        });
        Self {
            owed: Some(now + OWED),
            begun,
        }
    }

    /// Look at a key.
    pub(super) fn take(&mut self, key: Key, now: Instant) -> Taken {
        if self.owed.is_none_or(|until| now > until) {
            let mut typed = self.give_back();
            typed.push(key);
            return Taken::Typed(typed);
        }
        let Some((since, keys)) = &mut self.begun else {
            if key == START {
                self.begun = Some((now, vec![key]));
                return Taken::Held;
            }
            return Taken::Typed(vec![key]);
        };
        let plain = !key.ctrl && !key.alt;
        let fits = matches!(key.code, Code::Char(c) if plain && (c.is_ascii_alphanumeric() || ";:/".contains(c)));
        let in_time = now.duration_since(*since) < WHOLE && keys.len() < LONGEST;
        if in_time && (key == END || key == BELL) {
            let text: String = keys.iter().filter_map(char_of).collect();
            *self = Self::default();
            return Taken::Answer(is_light(&text));
        }
        if in_time && fits {
            keys.push(key);
            return Taken::Held;
        }
        let mut typed = self.give_back();
        typed.push(key);
        Taken::Typed(typed)
    }

    /// Everything that is held back.
    fn give_back(&mut self) -> Vec<Key> {
        self.begun.take().map(|(_, keys)| keys).unwrap_or_default()
    }
}

const fn with(c: char, ctrl: bool, alt: bool) -> Key {
    Key {
        code: Code::Char(c),
        ctrl,
        alt,
        shift: false,
    }
}

/// `ESC ]`, `ESC \` and `BEL`, as keys.
const START: Key = with(']', false, true);
const END: Key = with('\\', false, true);
const BELL: Key = with('g', true, false);

fn char_of(key: &Key) -> Option<char> {
    match key.code {
        Code::Char(c) => Some(c),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(late: &mut Late, keys: &[Key], now: Instant) -> Vec<Taken> {
        keys.iter().map(|key| late.take(*key, now)).collect()
    }

    fn answer(text: &str, end: Key) -> Vec<Key> {
        let text = text.chars().map(Key::char);
        std::iter::once(START).chain(text).chain([end]).collect()
    }

    #[test]
    fn an_answer_presses_nothing_and_says_what_it_says() {
        let now = Instant::now();
        for (text, end, light) in [
            ("11;rgb:0000/0000/0000", END, Some(false)),
            ("11;rgb:ff/ff/f0", BELL, Some(true)),
            ("11;rgba:1e1e/1e1e/1e1e/ffff", END, None),
        ] {
            let mut late = Late::owed(b"", now);
            let mut taken = fed(&mut late, &answer(text, end), now);
            assert_eq!(taken.pop(), Some(Taken::Answer(light)), "{text}");
            assert!(taken.iter().all(|taken| *taken == Taken::Held), "{text}");
            // There is one answer: what comes then is typed.
            assert_eq!(late.take(START, now), Taken::Typed(vec![START]));
        }
    }

    #[test]
    fn one_that_was_cut_in_two_is_still_one() {
        let now = Instant::now();
        let mut late = Late::owed(b"\x1b]11;rgb:ffff/ff", now);
        let rest: Vec<Key> = "ff/ffff".chars().map(Key::char).chain([END]).collect();
        let taken = fed(&mut late, &rest, now);
        assert_eq!(taken.last(), Some(&Taken::Answer(Some(true))));
    }

    #[test]
    fn what_is_no_answer_is_given_back_as_it_was_typed() {
        let now = Instant::now();
        let mut late = Late::owed(b"", now);
        assert_eq!(
            late.take(Key::char('j'), now),
            Taken::Typed(vec![Key::char('j')])
        );
        assert_eq!(late.take(START, now), Taken::Held);
        assert_eq!(late.take(Key::char('1'), now), Taken::Held);
        let enter = Key::plain(Code::Enter);
        let all = vec![START, Key::char('1'), enter];
        assert_eq!(late.take(enter, now), Taken::Typed(all));
        // Long after it began, and when nothing is owed.
        assert_eq!(late.take(START, now), Taken::Held);
        let all = vec![START, Key::char('q')];
        assert_eq!(late.take(Key::char('q'), now + WHOLE), Taken::Typed(all));
        assert_eq!(late.take(START, now + 2 * OWED), Taken::Typed(vec![START]));
    }
}
