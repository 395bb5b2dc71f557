//! A trajectory read for its phases: what was going on at its end, and how long a whole run spends where.

use std::time::Duration;

use serde::Serialize;

use crate::trajectory::{Event, Record};

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// Before the first question: the base is laid out, the sandbox starts.
    Start,
    /// A question is open.
    Model,
    /// An action is being carried out.
    Exec,
    /// Snapshots, decisions, the end.
    Between,
    /// The tests run in a fresh sandbox.
    Grading,
    /// The verdict is there.
    Over,
}

impl Phase {
    /// Those that moments are aimed at.
    pub(super) const AIMED: [Self; 3] = [Self::Model, Self::Exec, Self::Grading];
    /// All, in a run's order.
    pub(super) const ALL: [Self; 6] = [
        Self::Start,
        Self::Model,
        Self::Exec,
        Self::Between,
        Self::Grading,
        Self::Over,
    ];

    /// For a table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Model => "model stream",
            Self::Exec => "exec",
            Self::Between => "between",
            Self::Grading => "grading",
            Self::Over => "over",
        }
    }

    /// How the event that begins it looks in the file. Quotes within strings are escaped there, so that no text of an
    /// agent can look like it.
    pub(super) fn begins(self) -> &'static str {
        match self {
            Self::Model => "\"type\":\"asked\"",
            Self::Exec => "\"type\":\"action\"",
            _ => "\"type\":\"grading_started\"",
        }
    }

    /// The phase in which these records end.
    pub(super) fn of(records: &[Record]) -> Self {
        let mut phase = Self::Start;
        for record in records {
            phase = match &record.event {
                Event::Asked { .. } => Self::Model,
                Event::Action { .. } => Self::Exec,
                Event::GradingStarted { .. } => Self::Grading,
                Event::Graded { .. } | Event::NotGraded { .. } => Self::Over,
                Event::Replied { .. }
                | Event::CallFailed { .. }
                | Event::Observed { .. }
                | Event::Ended { .. } => Self::Between,
                _ => phase,
            };
        }
        phase
    }
}

/// What an undisturbed run is like.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    pub(super) took: Duration,
    pub(super) asked: Vec<Duration>,
    pub(super) acted: Vec<Duration>,
    pub(super) graded: Vec<Duration>,
    pub(super) patch: String,
}

impl Whole {
    /// Read from its records.
    pub(super) fn of(records: &[Record], took: Duration) -> Self {
        let mut whole = Self {
            took,
            asked: Vec::new(),
            acted: Vec::new(),
            graded: Vec::new(),
            patch: String::new(),
        };
        let mut began = None;
        for record in records {
            let since = || {
                let millis = began.map_or(0, |began: i64| record.at.as_millisecond() - began);
                Duration::from_millis(u64::try_from(millis).unwrap_or(0))
            };
            match &record.event {
                Event::Asked { .. } | Event::Action { .. } | Event::GradingStarted { .. } => {
                    began = Some(record.at.as_millisecond());
                }
                Event::Replied { .. } => whole.asked.push(since()),
                Event::Observed { .. } => whole.acted.push(since()),
                Event::Graded { .. } => whole.graded.push(since()),
                Event::Ended { patch, .. } => whole.patch.clone_from(patch),
                _ => {}
            }
        }
        whole
    }

    /// How long each visit to a phase took.
    pub(super) fn spans(&self, phase: Phase) -> &[Duration] {
        match phase {
            Phase::Model => &self.asked,
            Phase::Exec => &self.acted,
            _ => &self.graded,
        }
    }
}
