//! The scrub bar of a replay: where it lies and the words beside it, so that drawing and the pointer agree.

use super::layout::Area;
use super::run::Run;
use super::state::{Preset, State, View};
use super::words;
use crate::text::wrap;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrub {
    /// The line that it shares with the words.
    pub line: Area,
    /// Its cells.
    pub bar: Area,
    /// The one where the clock stands, from 0.
    pub here: u16,
    /// Clock, speed, state.
    pub words: String,
}

/// Columns between the bar and the words.
const GAP: usize = 3;

impl Scrub {
    /// The bar that is on screen.
    #[must_use]
    pub fn of(state: &State) -> Option<Self> {
        let run = state.run().filter(|_| state.view == View::Run)?;
        let replay = run.replay.as_ref().filter(|_| state.ask.is_none())?;
        let (line, _) = state.frame().question.inset(1).top(1);
        if line.height == 0 {
            return None;
        }
        let words = words_of(state, run)?;
        let room = usize::from(line.width).saturating_sub(wrap::columns(&words) + GAP);
        let bar = Area {
            width: u16::try_from(room).unwrap_or(0),
            ..line
        };
        let (now, all) = replay.seconds();
        let share = if all > 0.0 { now / all } else { 1.0 };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of the columns of a terminal"
        )]
        let here = (f64::from(bar.width) * share.clamp(0.0, 1.0)) as u16;
        Some(Self {
            line,
            bar,
            here: here.min(bar.width.saturating_sub(1)),
            words,
        })
    }

    /// The share of the time that a column stands for; beyond the ends it is theirs.
    #[must_use]
    pub fn share(&self, column: u16) -> f64 {
        let most = self.bar.width.saturating_sub(1).max(1);
        f64::from(column.saturating_sub(self.bar.x).min(most)) / f64::from(most)
    }
}

fn words_of(state: &State, run: &Run) -> Option<String> {
    let replay = run.replay.as_ref()?;
    let (now, all) = replay.seconds();
    let mut words = format!(
        "{} / {}   {}{}   ",
        words::clock(now),
        words::clock(all),
        replay.factor(),
        state.glyphs().times()
    );
    match replay.held {
        Some(moment) => {
            words.push_str("paused before ");
            words.push_str(moment.words());
        }
        None if replay.playing => words.push_str("playing"),
        None => words.push_str("paused"),
    }
    if state.preset == Preset::Demo && replay.held.is_none() {
        words.push_str(if state.pauses() {
            ", stops by itself"
        } else {
            ", plays through"
        });
    }
    if run.left_out > 0 {
        let kept = run.records.len();
        words.push_str("   ");
        words.push_str(&super::words::count(kept as u64));
        words.push_str(" of ");
        words.push_str(&super::words::count((kept + run.left_out) as u64));
        words.push_str(" records");
    }
    Some(words)
}
