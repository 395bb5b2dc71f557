//! The script of a re-execution: what was done in a recorded rollout, in order, without what was void.
//!
//! Mental model: of a trajectory only the **deeds** are kept: the words that stood in the context, the calls that were
//! carried out as they were carried out (a person's edit is the call), skipped calls, commands that people typed in the
//! shell, and the places where the workspace was kept. Model calls, streams, pauses and gradings are none. Deeds of a
//! step that was interrupted and begun again stand there once, as they were done the last time.

use std::collections::HashSet;

use crate::agent::Outcome;
use crate::grade::Verdict;
use crate::model::{Message, Role, ToolCall};
use crate::sandbox::SnapshotId;
use crate::trajectory::event::{Author, Ended, Event, Origin, Record};
use crate::trajectory::fold::State;

/// One thing that was done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Deed {
    /// A message came into the context; never an observation or the opening.
    Message {
        id: u32,
        origin: Origin,
        message: Message,
        replaces: Option<u32>,
    },
    /// What a reply asked for.
    Proposed {
        step: u32,
        thought: String,
        calls: Vec<ToolCall>,
    },
    /// A call was carried out, and what it did.
    Carried {
        step: u32,
        index: u32,
        call: ToolCall,
        by: Author,
        original: Option<ToolCall>,
        outcome: Outcome,
    },
    /// A person skipped a call.
    Skipped { step: u32, index: u32, message: u32 },
    /// A person ran a command in the agent's shell.
    Typed { command: String, outcome: Outcome },
    /// A person gave the shell back.
    HandedBack { snapshot: SnapshotId, told: String },
    /// A command may take so many seconds from here on.
    CommandSeconds(u64),
    /// The rollout had been interrupted: shells and processes were gone.
    WentOn,
    /// A step was whole.
    StepDone { step: u32, snapshot: SnapshotId },
}

impl Deed {
    /// The workspace was kept here: a re-execution that is interrupted goes on after the last of these.
    pub(super) fn keeps_workspace(&self) -> bool {
        matches!(self, Self::HandedBack { .. } | Self::StepDone { .. })
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Script {
    pub(super) deeds: Vec<Deed>,
    /// The workspace before the first of them.
    pub(super) base: Option<SnapshotId>,
    /// How it ended; where it did not, that.
    pub(super) ended: Ended,
    pub(super) verdict: Option<Verdict>,
}

impl Script {
    /// Of a whole trajectory.
    pub(super) fn of(records: &[Record]) -> Self {
        let state = State::of(records);
        let dropped = dropped_messages(records);
        let mut deeds: Vec<Deed> = Vec::new();
        // Everything up to here was whole.
        let mut whole = 0;
        let mut acting = None;
        for record in records {
            let deed = match &record.event {
                Event::Resumed { .. } => {
                    let void = deeds.split_off(whole);
                    deeds.extend(void.into_iter().filter(outlives_an_interruption));
                    acting = None;
                    Deed::WentOn
                }
                Event::Dropped { .. } => {
                    let begun = deeds.split_off(whole);
                    let proposed = |deed: &Deed| matches!(deed, Deed::Proposed { .. });
                    deeds.extend(begun.into_iter().filter(|deed| !proposed(deed)));
                    continue;
                }
                Event::Action {
                    step,
                    index,
                    call,
                    by,
                    original,
                } => {
                    acting = Some((*step, *index, call, *by, original));
                    continue;
                }
                Event::Observed { outcome, .. } => {
                    let Some((step, index, call, by, original)) = acting.take() else {
                        continue;
                    };
                    Deed::Carried {
                        step,
                        index,
                        call: call.clone(),
                        by,
                        original: original.clone(),
                        outcome: outcome.clone(),
                    }
                }
                event => match deed_of(event, &dropped) {
                    Some(deed) => deed,
                    None => continue,
                },
            };
            let keeps = deed.keeps_workspace();
            deeds.push(deed);
            if keeps {
                whole = deeds.len();
            }
        }
        let ended = match state.ended {
            Some((ended, _)) if !matches!(ended, Ended::Error { .. }) => ended,
            _ => Ended::RecordingOver,
        };
        Self {
            deeds,
            base: state.base,
            ended,
            verdict: state.verdict,
        }
    }

    /// Its last step.
    pub(super) fn steps(&self) -> u32 {
        self.deeds
            .iter()
            .map(|deed| match deed {
                Deed::Carried { step, .. } | Deed::StepDone { step, .. } => *step,
                _ => 0,
            })
            .max()
            .unwrap_or(0)
    }

    /// How many of its deeds were observed.
    pub(super) fn observations(&self) -> u32 {
        let observed = |deed: &&Deed| matches!(deed, Deed::Carried { .. } | Deed::Typed { .. });
        u32::try_from(self.deeds.iter().filter(observed).count()).unwrap_or(u32::MAX)
    }

    /// The deeds after so many places where the workspace was kept.
    pub(super) fn after(&self, kept: usize) -> &[Deed] {
        let mut left = kept;
        let at = self.deeds.iter().position(|deed| {
            if left == 0 {
                return true;
            }
            left -= usize::from(deed.keeps_workspace());
            false
        });
        at.and_then(|at| self.deeds.get(at..)).unwrap_or_default()
    }
}

/// The deed that an event is by itself.
fn deed_of(event: &Event, dropped: &HashSet<u32>) -> Option<Deed> {
    Some(match event {
        Event::Message {
            id,
            origin,
            message,
            replaces,
        } if !matches!(origin, Origin::Observation | Origin::Scaffold) && !dropped.contains(id) => {
            Deed::Message {
                id: *id,
                origin: *origin,
                message: message.clone(),
                replaces: *replaces,
            }
        }
        Event::Proposed {
            step,
            thought,
            calls,
        } => Deed::Proposed {
            step: *step,
            thought: thought.clone(),
            calls: calls.clone(),
        },
        Event::Skipped {
            step,
            index,
            message,
        } => Deed::Skipped {
            step: *step,
            index: *index,
            message: *message,
        },
        Event::Typed { command, outcome } => Deed::Typed {
            command: command.clone(),
            outcome: outcome.clone(),
        },
        Event::HandedBack { snapshot, told } => Deed::HandedBack {
            snapshot: snapshot.clone(),
            told: told.clone(),
        },
        Event::LimitsChanged { limits } => Deed::CommandSeconds(limits.command_seconds),
        Event::StepDone { step, snapshot, .. } => Deed::StepDone {
            step: *step,
            snapshot: snapshot.clone(),
        },
        _ => return None,
    })
}

/// What a resume keeps of a step that was not whole: the answer, and what people said.
fn outlives_an_interruption(deed: &Deed) -> bool {
    match deed {
        Deed::Message {
            origin,
            message,
            replaces,
            ..
        } => match origin {
            Origin::Model => true,
            Origin::Human => replaces.is_none() && message.role == Role::User,
            _ => false,
        },
        Deed::CommandSeconds(_) => true,
        _ => false,
    }
}

/// Messages of answers that were dropped to be asked for again.
fn dropped_messages(records: &[Record]) -> HashSet<u32> {
    let dropped: HashSet<u32> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Dropped { call, .. } => Some(*call),
            _ => None,
        })
        .collect();
    records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Replied { call, message, .. } if dropped.contains(call) => Some(*message),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Finish, Sampling};

    struct Tape(Vec<Record>);

    impl Tape {
        fn add(&mut self, event: Event) {
            self.0.push(Record {
                seq: self.0.len() as u64,
                at: jiff::Timestamp::UNIX_EPOCH,
                event,
            });
        }

        fn answered(&mut self, call: u32, step: u32, message: u32) {
            self.add(Event::Asked {
                call,
                step,
                messages: Vec::new(),
                tools: None,
                sampling: Sampling::default(),
                model: String::new(),
                request_sha256: String::new(),
            });
            self.said(message, Origin::Model, Role::Assistant, "an answer");
            self.add(Event::Replied {
                call,
                message,
                finish: Finish::Stop,
                usage: None,
                logprobs: None,
                served_by: None,
                retries: 0,
                took_ms: 0,
            });
        }

        fn said(&mut self, id: u32, origin: Origin, role: Role, text: &str) {
            self.add(Event::Message {
                id,
                origin,
                message: Message::text(role, text),
                replaces: None,
            });
        }

        fn proposed(&mut self, step: u32) {
            self.add(Event::Proposed {
                step,
                thought: String::new(),
                calls: Vec::new(),
            });
        }

        fn began(&mut self, step: u32) {
            self.add(Event::Action {
                step,
                index: 0,
                call: call(),
                by: Author::Model,
                original: None,
            });
        }

        fn carried(&mut self, step: u32) {
            self.began(step);
            self.add(Event::Observed {
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
                message: 99,
            });
        }

        fn done(&mut self, step: u32) {
            self.add(Event::StepDone {
                step,
                snapshot: snapshot(),
                files: Vec::new(),
            });
        }

        fn script(&self) -> (Script, Vec<&'static str>) {
            let script = Script::of(&self.0);
            let words = script.deeds.iter().map(|deed| match deed {
                Deed::Message { origin, .. } if *origin == Origin::Human => "person",
                Deed::Message { .. } => "answer",
                Deed::Proposed { .. } => "proposed",
                Deed::Carried { .. } => "carried",
                Deed::Skipped { .. } => "skipped",
                Deed::Typed { .. } => "typed",
                Deed::HandedBack { .. } => "handed back",
                Deed::CommandSeconds(_) => "limit",
                Deed::WentOn => "went on",
                Deed::StepDone { .. } => "done",
            });
            let words = words.collect();
            (script, words)
        }
    }

    fn call() -> ToolCall {
        ToolCall {
            id: String::new(),
            name: "bash".into(),
            arguments: "{}".into(),
        }
    }

    fn snapshot() -> SnapshotId {
        SnapshotId {
            files: String::new(),
            git: String::new(),
        }
    }

    #[test]
    fn an_interrupted_step_stands_once_with_its_answer_and_what_people_said() {
        let mut tape = Tape(Vec::new());
        tape.answered(0, 1, 1);
        tape.proposed(1);
        tape.carried(1);
        tape.done(1);
        tape.said(2, Origin::Human, Role::User, "mind the cents");
        tape.answered(1, 2, 3);
        tape.proposed(2);
        tape.carried(2);
        tape.began(2);
        tape.add(Event::Resumed {
            step: 1,
            not_restored: Vec::new(),
        });
        tape.proposed(2);
        tape.carried(2);
        tape.carried(2);
        tape.done(2);
        let (script, words) = tape.script();
        let first = ["answer", "proposed", "carried", "done"];
        let second = [
            "person", "answer", "went on", "proposed", "carried", "carried", "done",
        ];
        assert_eq!(words, [&first[..], &second[..]].concat());
        assert_eq!((script.steps(), script.observations()), (2, 3));
        assert_eq!(script.after(1).len(), second.len());
        assert_eq!(script.after(2), []);
    }

    #[test]
    fn an_answer_that_was_dropped_is_no_deed() {
        let mut tape = Tape(Vec::new());
        tape.answered(0, 1, 1);
        tape.proposed(1);
        tape.add(Event::Dropped {
            call: 0,
            why: String::new(),
        });
        tape.answered(1, 1, 2);
        tape.proposed(1);
        tape.carried(1);
        tape.done(1);
        let (script, words) = tape.script();
        assert_eq!(words, ["answer", "proposed", "carried", "done"]);
        assert!(matches!(script.deeds[0], Deed::Message { id: 2, .. }));
    }

    #[test]
    fn a_call_that_never_ended_is_not_carried_out_and_the_end_says_that_the_recording_is_over() {
        let mut tape = Tape(Vec::new());
        tape.answered(0, 1, 1);
        tape.proposed(1);
        tape.carried(1);
        tape.done(1);
        tape.answered(1, 2, 2);
        tape.proposed(2);
        tape.began(2);
        let (script, words) = tape.script();
        assert_eq!(words[4..], ["answer", "proposed"]);
        assert_eq!(script.ended, Ended::RecordingOver);
    }
}
