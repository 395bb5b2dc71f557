//! What came of carrying recorded actions out again: where it differed, and the sum of it.
//!
//! Mental model: a re-execution is a rollout of its own, whose calls are those of a **recording** and are compared with
//! it one by one. A [`Difference`] says what was otherwise at one place; a [`Comparison`] is the fold of them over the
//! whole re-execution. Which texts count as equal is decided where calls are carried out (`rollout::sameness`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::event::{Event, Record};
use crate::grade::{Verdict, report};

/// Files that a sentence names before it only counts.
const NAMED_FILES: usize = 4;

/// What was otherwise than in the recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Difference {
    /// A command ended with another exit status.
    Exit {
        /// Then.
        recorded: Option<i32>,
        /// Now.
        now: Option<i32>,
    },
    /// The model would have seen another text.
    Text {
        /// First line that differs, from 1.
        line: usize,
        /// That line then; empty where there was none.
        recorded: String,
        /// That line now; empty where there is none.
        now: String,
    },
    /// The workspace holds other files, or the same with other content.
    Workspace {
        /// Which.
        files: Vec<String>,
    },
    /// Grading said something else.
    Verdict {
        /// Then.
        recorded: Box<Verdict>,
        /// Now.
        now: Box<Verdict>,
    },
}

impl Difference {
    /// How the sentence about a workspace begins.
    pub const WORKSPACE: &str = "the workspace differs in";

    /// In a sentence. It quotes what commands printed: make it visible before it reaches a terminal.
    #[must_use]
    pub fn sentence(&self) -> String {
        let status = |exit: &Option<i32>| exit.map_or("none".to_owned(), |exit| exit.to_string());
        match self {
            Self::Exit { recorded, now } => format!(
                "exit status {} instead of {}",
                status(now),
                status(recorded)
            ),
            Self::Text {
                line,
                recorded,
                now,
            } => match (recorded.is_empty(), now.is_empty()) {
                (false, true) => format!("line {line} is missing: `{recorded}`"),
                (true, false) => format!("line {line} is new: `{now}`"),
                _ => format!("line {line} is `{now}` instead of `{recorded}`"),
            },
            Self::Workspace { files } => {
                let named: Vec<&str> = files.iter().take(NAMED_FILES).map(String::as_str).collect();
                let more = match files.len().saturating_sub(NAMED_FILES) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!("{} {}{more}", Self::WORKSPACE, named.join(", "))
            }
            Self::Verdict { recorded, now } => format!(
                "the verdict is {} instead of {}",
                report::word(now),
                report::word(recorded)
            ),
        }
    }
}

/// The sum of a re-execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Calls and commands of people that were carried out again.
    pub observations: u32,
    /// Those of the recording that were not carried out again, because it was stopped.
    #[serde(default)]
    pub left_out: u32,
    /// Those with the same exit status and the same text, but for times, addresses and the like.
    pub equal_observations: u32,
    /// Whole steps.
    pub workspaces: u32,
    /// Those that left the same files.
    pub equal_workspaces: u32,
    /// The first step with any difference; 0 is the workspace before the first.
    pub first: Option<u32>,
    /// Whether the verdict is the same, where there are two.
    pub verdict: Option<bool>,
}

impl Comparison {
    /// Of all records of a re-execution. The recording has so many `observations`, and this `verdict`, if any.
    #[must_use]
    pub fn of(records: &[Record], observations: u32, recorded: Option<&Verdict>) -> Self {
        let mut whole = Sums::default();
        let mut begun = Sums::default();
        let mut verdict = None;
        for record in records {
            match &record.event {
                // What an interrupted step had done is done again.
                Event::Resumed { .. } => begun = whole.clone(),
                Event::Observed { .. } | Event::Typed { .. } => begun.observed += 1,
                Event::Diverged {
                    step, difference, ..
                } => begun.differed(*step, difference),
                Event::StepDone { .. } => {
                    begun.steps += 1;
                    whole = begun.clone();
                }
                Event::HandedBack { .. } => whole = begun.clone(),
                Event::Graded {
                    step: None,
                    grading,
                    ..
                } => verdict = Some(&grading.verdict),
                Event::NotGraded {
                    step: None,
                    verdict: said,
                } => verdict = Some(said),
                _ => {}
            }
        }
        let differing = u32::try_from(begun.differing.len()).unwrap_or(u32::MAX);
        let workspaces = u32::try_from(begun.workspaces.len()).unwrap_or(u32::MAX);
        Self {
            observations: begun.observed,
            left_out: observations.saturating_sub(begun.observed),
            equal_observations: begun.observed.saturating_sub(differing),
            workspaces: begun.steps,
            equal_workspaces: begun.steps.saturating_sub(workspaces),
            first: begun.first,
            verdict: recorded
                .zip(verdict)
                .map(|(recorded, now)| is_same_verdict(recorded, now)),
        }
    }

    /// Whether nothing was otherwise.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.first.is_none() && self.verdict != Some(false) && self.left_out == 0
    }

    /// In a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let verdict = match self.verdict {
            Some(true) => ", the same verdict",
            Some(false) => ", another verdict",
            None => "",
        };
        let first = match self.first {
            Some(0) => "; they part before the first step".to_owned(),
            Some(step) => format!("; they part at step {step}"),
            None => String::new(),
        };
        let left_out = match self.left_out {
            0 => String::new(),
            left => format!("; {left} more of the recording not carried out"),
        };
        format!(
            "{} of {} observations and {} of {} workspaces equal{verdict}{first}{left_out}",
            self.equal_observations, self.observations, self.equal_workspaces, self.workspaces
        )
    }
}

/// Whether two verdicts say the same, whatever their reasons.
#[must_use]
pub fn is_same_verdict(one: &Verdict, other: &Verdict) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

#[derive(Clone, Default)]
struct Sums {
    observed: u32,
    steps: u32,
    /// Observations that differ, by their number among all.
    differing: BTreeSet<u32>,
    /// Steps whose workspace differs.
    workspaces: BTreeSet<u32>,
    first: Option<u32>,
}

impl Sums {
    /// A difference of an observation follows it at once, so that it is the last one's.
    fn differed(&mut self, step: u32, difference: &Difference) {
        match difference {
            Difference::Exit { .. } | Difference::Text { .. } => {
                self.differing.insert(self.observed);
            }
            // Before the first step nothing was done: there is no workspace of a step.
            Difference::Workspace { .. } if step > 0 => {
                self.workspaces.insert(step);
            }
            Difference::Workspace { .. } => {}
            Difference::Verdict { .. } => return,
        }
        self.first = Some(self.first.map_or(step, |first| first.min(step)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Outcome;
    use crate::sandbox::SnapshotId;

    fn records(events: Vec<Event>) -> Vec<Record> {
        (0u64..)
            .zip(events)
            .map(|(seq, event)| Record {
                seq,
                at: jiff::Timestamp::UNIX_EPOCH,
                event,
            })
            .collect()
    }

    fn observed(step: u32) -> Event {
        Event::Observed {
            step,
            index: 0,
            outcome: Outcome {
                text: String::new(),
                exit: None,
                error: false,
                submitted: false,
                dropped: 0,
                took: std::time::Duration::ZERO,
            },
            message: 0,
        }
    }

    fn done(step: u32) -> Event {
        Event::StepDone {
            step,
            snapshot: SnapshotId {
                files: String::new(),
                git: String::new(),
            },
            files: Vec::new(),
        }
    }

    fn differs(step: u32, index: Option<u32>, difference: Difference) -> Event {
        Event::Diverged {
            step,
            index,
            difference,
        }
    }

    fn exit() -> Difference {
        Difference::Exit {
            recorded: Some(0),
            now: Some(1),
        }
    }

    fn text() -> Difference {
        Difference::Text {
            line: 1,
            recorded: "a".into(),
            now: "b".into(),
        }
    }

    fn file() -> Difference {
        Difference::Workspace {
            files: vec!["x.py".into()],
        }
    }

    #[test]
    fn a_call_that_differs_in_two_ways_is_one_observation_that_differs() {
        let sum = Comparison::of(
            &records(vec![
                observed(1),
                done(1),
                observed(2),
                differs(2, Some(0), exit()),
                differs(2, Some(0), text()),
                differs(2, None, file()),
                done(2),
            ]),
            3,
            None,
        );
        assert_eq!(
            sum.sentence(),
            "1 of 2 observations and 1 of 2 workspaces equal; they part at step 2; 1 more of the recording not carried out"
        );
        assert!(!sum.is_equal());
    }

    #[test]
    fn what_an_interrupted_step_had_done_counts_once() {
        let resumed = Event::Resumed {
            step: 1,
            not_restored: Vec::new(),
        };
        let sum = Comparison::of(
            &records(vec![
                observed(1),
                done(1),
                observed(2),
                differs(2, Some(0), exit()),
                resumed,
                observed(2),
                done(2),
            ]),
            2,
            None,
        );
        assert_eq!((sum.observations, sum.equal_observations), (2, 2));
        assert!(sum.is_equal());
    }

    #[test]
    fn verdicts_are_compared_by_what_they_say_not_by_their_reasons() {
        let not = |why: &str| Verdict::NotGraded { why: why.into() };
        let ended = |verdict| {
            records(vec![Event::NotGraded {
                step: None,
                verdict,
            }])
        };
        let same = Comparison::of(&ended(not("a")), 0, Some(&not("b")));
        assert_eq!(same.verdict, Some(true));
        let other = Comparison::of(&ended(not("a")), 0, Some(&Verdict::Resolved));
        assert!(!other.is_equal() && other.sentence().contains("another verdict"));
        assert_eq!(Comparison::of(&ended(not("a")), 0, None).verdict, None);
    }
}
