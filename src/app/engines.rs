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
    /// Tells it from others of its name: two folders, or one kept in two precisions.
    pub id: usize,
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

/// A file that is downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    /// Its name.
    pub file: String,
    /// Bytes that are here.
    pub done: u64,
    /// Bytes it will be, if known.
    pub total: Option<u64>,
}

/// A model that programs of this machine can ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The engine that computes it ([`Look::id`]).
    pub engine: usize,
    /// Its name, for them.
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

    /// Seconds since the last look.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> i64 {
        now.duration_since(self.at).as_secs().max(0)
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
    /// What is downloaded, as of the last look.
    pub coming: Vec<Coming>,
    /// What is served from here.
    pub served: Option<Served>,
    /// The `--model` text of what was asked for and is being fetched or opened.
    pub serving: Option<String>,
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
            // One that was closed may have left its place to another.
            let is_it = |old: &Watched| old.now.id == look.id && old.now.name == look.name;
            let known = before.iter().position(is_it);
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
            id: 1,
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
        assert_eq!(engines.all[0].age(at(19)), 4);
        engines.take(Vec::new(), false, at(16));
        assert!(engines.all.is_empty(), "an engine that was closed is gone");
    }

    #[test]
    fn engines_of_one_name_keep_their_own_rates() {
        let mut engines = Engines::default();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let other = |drawn| Look {
            id: 2,
            ..look(drawn, 0)
        };
        engines.take(vec![look(0, 0), other(0)], false, at(10));
        // The order in which they are seen may change.
        engines.take(vec![other(7), look(30, 0)], false, at(11));
        let rates: Vec<(usize, f64)> = engines
            .all
            .iter()
            .map(|watched| (watched.now.id, watched.rates[0].0))
            .collect();
        assert_eq!(rates, [(2, 7.0), (1, 30.0)]);
    }
}
