//! A replay: stored records told again by a clock that can be stopped, turned and set.
//!
//! Mental model: the story is a function of the first *n* records. Playing raises *n* as the records' own times pass, at a
//! speed; going back tells the story anew. Long waits (a person's pause, a model of an hour) are cut to a few seconds.
//!
//! While presenting it stops by itself before the [`Moment`]s that an audience should see come.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::app::story::{Act, Story, act, argument};
use crate::model::ToolCall;
use crate::trajectory::Record;
use crate::trajectory::event::Event;

/// Speeds, slowest first.
pub(super) const SPEEDS: [f64; 9] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 50.0];
/// No wait between two records is longer, at speed 1.
const LONGEST_WAIT: f64 = 4.0;

/// What a presenter wants to say a word about before it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A command that fails; what it was is on screen already.
    Error,
    /// A change of a file.
    Edit,
    /// Tests, run by the agent.
    Tests,
    /// What grading says.
    Verdict,
}

impl Moment {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Error => "an error",
            Self::Edit => "an edit",
            Self::Tests => "tests",
            Self::Verdict => "the verdict",
        }
    }

    /// Whether one comes with an event.
    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Action { call, .. } if act(call) == Act::Edit => Some(Self::Edit),
            Event::Action { call, .. } if runs_tests(call) => Some(Self::Tests),
            Event::Observed { outcome, .. }
                if outcome.error || outcome.exit.is_some_and(|code| code != 0) =>
            {
                Some(Self::Error)
            }
            Event::Graded { step: None, .. } | Event::NotGraded { step: None, .. } => {
                Some(Self::Verdict)
            }
            _ => None,
        }
    }
}

fn runs_tests(call: &ToolCall) -> bool {
    let command = argument(call, "command").unwrap_or_default();
    act(call) == Act::Run
        && ["pytest", "unittest"]
            .iter()
            .any(|name| command.contains(name))
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// Records told so far.
    pub at: usize,
    /// It runs.
    pub playing: bool,
    /// Index into the speeds, slowest first.
    pub speed: usize,
    /// It has stopped by itself, before this.
    pub held: Option<Moment>,
    /// By the number of records before it.
    moments: BTreeMap<usize, Moment>,
    /// A person has gone on from here: it does not stop here again.
    passed: Option<usize>,
    /// Seconds since the first record, waits cut, of each record.
    times: Vec<f64>,
    /// Where the clock stands, in those seconds.
    now: f64,
    ticked: Option<Timestamp>,
}

impl Replay {
    /// At the beginning, stopped.
    #[must_use]
    pub fn of(records: &[Record]) -> Self {
        let moments = (0..).zip(records);
        let moments = moments
            .filter_map(|(at, record)| Some((at, Moment::of(&record.event)?)))
            .collect();
        let mut times = Vec::with_capacity(records.len());
        let mut total = 0.0;
        let mut last: Option<Timestamp> = None;
        for record in records {
            if let Some(last) = last {
                let wait = record.at.duration_since(last).as_secs_f64();
                total += wait.clamp(0.0, LONGEST_WAIT);
            }
            last = Some(record.at);
            times.push(total);
        }
        Self {
            at: 0,
            playing: false,
            speed: 2,
            held: None,
            moments,
            passed: None,
            times,
            now: 0.0,
            ticked: None,
        }
    }

    /// Whether the clock runs.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.playing
    }

    /// Seconds so far and in all.
    #[must_use]
    pub fn seconds(&self) -> (f64, f64) {
        (self.now, self.times.last().copied().unwrap_or(0.0))
    }

    /// Times real time.
    #[must_use]
    pub fn factor(&self) -> f64 {
        SPEEDS.get(self.speed).copied().unwrap_or(1.0)
    }

    /// Faster or slower.
    pub fn change_speed(&mut self, by: i64) {
        let to = i64::try_from(self.speed).unwrap_or(0).saturating_add(by);
        self.speed = usize::try_from(to.max(0))
            .unwrap_or(0)
            .min(SPEEDS.len() - 1);
    }

    /// Play or pause.
    pub fn toggle(&mut self) {
        self.playing = !self.playing;
        self.ticked = None;
        self.held = None;
        self.passed = Some(self.at);
        if self.playing && self.at >= self.times.len() {
            self.set(0);
        }
    }

    /// Let time pass, up to the next moment where it `stops` at those. How many records are told afterwards; it never goes back.
    pub fn tick(&mut self, now: Timestamp, stops: bool) -> usize {
        let passed = self
            .ticked
            .map_or(0.0, |then| now.duration_since(then).as_secs_f64().max(0.0));
        self.ticked = Some(now);
        if !self.playing {
            return self.at;
        }
        self.now += passed * self.factor();
        while let Some(time) = self.times.get(self.at) {
            if *time > self.now {
                break;
            }
            let moment = self.moments.get(&self.at).copied();
            if stops && moment.is_some() && self.passed != Some(self.at) {
                self.playing = false;
                self.held = moment;
                self.now = *time;
                break;
            }
            self.at += 1;
        }
        if self.at >= self.times.len() {
            self.playing = false;
        }
        self.at
    }

    /// Set the clock so that `at` records are told.
    pub fn set(&mut self, at: usize) {
        self.at = at.min(self.times.len());
        self.now = self
            .at
            .checked_sub(1)
            .and_then(|last| self.times.get(last))
            .copied()
            .unwrap_or(0.0);
        self.ticked = None;
        self.held = None;
    }

    /// Set the clock to a share of its time, from 0 to 1. Whether anything changes.
    pub fn seek(&mut self, share: f64) -> bool {
        let (_, all) = self.seconds();
        let now = all * share.clamp(0.0, 1.0);
        let at = self.times.partition_point(|time| *time <= now).max(1);
        let changed = at != self.at;
        self.set(at);
        self.now = now;
        changed
    }

    /// Records to be told so that a step is whole (or the end, where it never was).
    #[must_use]
    pub fn end_of_step(records: &[Record], wanted: u32) -> usize {
        records
            .iter()
            .position(
                |record| matches!(&record.event, Event::StepDone { step, .. } if *step >= wanted),
            )
            .map_or(records.len(), |at| at + 1)
    }

    /// The story so far.
    #[must_use]
    pub fn story(&self, records: &[Record]) -> Story {
        Story::of(records.iter().take(self.at))
    }
}
