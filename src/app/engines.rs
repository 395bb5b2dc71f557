//! What the models computed here are doing, look by look.
//!
//! A look is asked for while the view is open, once a second; rates are what happened between two of them. Nothing here
//! waits for an engine: the answer comes as news.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::engine::schedule::{Load, Speaking};

/// Looks that are kept for the curve.
const KEPT: usize = 240;

/// One engine, as of a look.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Its name.
    pub name: String,
    /// Its memory, and the instructions it computes with.
    pub sentence: String,
    /// Longest context of one stream, tokens.
    pub context: usize,
    /// What it does.
    pub load: Load,
    /// Its streams.
    pub streams: Vec<Speaking>,
}

/// A model that programs of this machine can ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Its name, for them as in the view.
    pub name: String,
    /// Address and port.
    pub address: String,
}

/// One engine over time.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The last look.
    pub now: Look,
    /// Tokens drawn and read a second, between looks, oldest first.
    pub rates: VecDeque<(f64, f64)>,
    at: Timestamp,
}

impl Watched {
    /// Part of the prompts' tokens that was there already; `None` before the first.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        let pages = self.now.load.pages;
        (pages.asked > 0).then(|| pages.found as f64 / pages.asked as f64)
    }

    /// It has something to do.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.now.load.streams + self.now.load.waiting > 0
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Engines {
    /// By name.
    pub all: Vec<Watched>,
    /// A look was asked for and has not come.
    pub looking: bool,
    /// A look has come.
    pub seen: bool,
    /// A model is being opened.
    pub opening: bool,
    /// What is served from here.
    pub served: Option<Served>,
    /// It was asked for, and is being opened.
    pub serving: bool,
    /// First engine in view, where not all fit.
    pub top: usize,
}

impl Engines {
    /// Take in what was seen. While an engine is being opened, what was seen before stays.
    pub fn take(&mut self, looks: Vec<Look>, opening: bool, at: Timestamp) {
        self.looking = false;
        self.seen = true;
        self.opening = opening;
        if opening {
            return;
        }
        let mut before: Vec<Watched> = std::mem::take(&mut self.all);
        for look in looks {
            let known = before.iter().position(|old| old.now.name == look.name);
            let Some(mut old) = known.map(|known| before.swap_remove(known)) else {
                let rates = VecDeque::new();
                self.all.push(Watched {
                    now: look,
                    rates,
                    at,
                });
                continue;
            };
            let seconds = at.duration_since(old.at).as_secs_f64();
            if seconds > 0.05 {
                let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
                let (now, then) = (&look.load, &old.now.load);
                let drawn = rate(now.drawn, then.drawn);
                let read = rate(now.read, then.read);
                old.rates.push_back((drawn, read));
                if old.rates.len() > KEPT {
                    old.rates.pop_front();
                }
                old.at = at;
                old.now = look;
            }
            self.all.push(old);
        }
        self.top = self.top.min(self.all.len().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(drawn: u64, read: u64) -> Look {
        Look {
            name: "m".into(),
            sentence: String::new(),
            context: 100,
            load: Load {
                read,
                drawn,
                ..Load::default()
            },
            streams: Vec::new(),
        }
    }

    #[test]
    fn rates_are_what_happened_between_looks() {
        let mut engines = Engines::default();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        engines.take(vec![look(0, 100)], false, at(10));
        assert!(engines.all[0].rates.is_empty());
        engines.take(vec![look(40, 100)], false, at(12));
        engines.take(vec![look(40, 400)], false, at(15));
        assert_eq!(engines.all[0].rates, [(20.0, 0.0), (0.0, 100.0)]);
        assert_eq!(engines.all[0].hit_rate(), None);
        engines.take(Vec::new(), true, at(16));
        assert_eq!(engines.all.len(), 1, "nothing is known while one is opened");
        engines.take(Vec::new(), false, at(16));
        assert!(engines.all.is_empty(), "an engine that was closed is gone");
    }
}
