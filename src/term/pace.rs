//! When the next frame is due: at once after a key, at most sixty times a second otherwise, never when nothing changed.
//!
//! A pure value of instants, so that it is tested without waiting.

use std::time::{Duration, Instant};

/// The shortest time between two frames that nobody's key asked for.
pub(crate) const SHORTEST: Duration = Duration::from_micros(16_667);

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    last: Option<Instant>,
    due: Option<Instant>,
}

impl Pace {
    /// Something changed that may wait for the next frame.
    pub fn changed(&mut self, now: Instant) {
        let earliest = self.last.map_or(now, |last| (last + SHORTEST).max(now));
        self.due = Some(self.due.map_or(earliest, |due| due.min(earliest)));
    }

    /// A person did something: the answer is drawn at once.
    pub fn urgent(&mut self, now: Instant) {
        self.due = Some(now);
    }

    /// When to draw; `None` while nothing changed.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A frame was drawn.
    pub fn drawn(&mut self, now: Instant) {
        self.last = Some(now);
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_wait_for_the_next_frame_and_keys_do_not() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.due(), None);
        pace.changed(start);
        assert_eq!(pace.due(), Some(start));
        pace.drawn(start);
        assert_eq!(pace.due(), None);
        let later = start + Duration::from_millis(3);
        pace.changed(later);
        pace.changed(later + Duration::from_millis(1));
        assert_eq!(pace.due(), Some(start + SHORTEST));
        pace.urgent(later);
        assert_eq!(pace.due(), Some(later));
        pace.changed(later);
        assert_eq!(pace.due(), Some(later));
    }

    #[test]
    fn two_thousand_changes_a_second_are_sixty_frames() {
        let start = Instant::now();
        let (mut pace, mut frames) = (Pace::default(), 0);
        for tick in 0..20_000u32 {
            let now = start + Duration::from_micros(100) * tick;
            if tick % 5 == 0 {
                pace.changed(now);
            }
            if pace.due().is_some_and(|due| due <= now) {
                frames += 1;
                pace.drawn(now);
            }
        }
        assert!((115..=121).contains(&frames), "{frames}");
    }
}
