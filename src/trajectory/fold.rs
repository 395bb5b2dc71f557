//! A trajectory read into the state it leaves behind: what a resume goes on from and what a list shows.
//!
//! A pure function of the records. What an interrupted step left behind is told apart from what is whole, so that a
//! resume can void the one and keep the other: an answer that a model gave is never asked for again.

use std::collections::HashMap;

use super::comparison::Comparison;
use super::event::{Ended, Event, Mark, Origin, Record, Start};
use super::request::Parts;
use crate::grade::{Grading, Verdict};
use crate::model::{Message, Role, ToolCall};
use crate::sandbox::{SandboxReport, SnapshotId};

/// A model's answer that was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Its number among the calls.
    pub call: u32,
    /// Step it belongs to.
    pub step: u32,
    /// Message id.
    pub message: u32,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// First event.
    pub start: Option<Start>,
    /// The sandbox that the run used last.
    pub report: Option<SandboxReport>,
    /// Untouched workspace.
    pub base: Option<SnapshotId>,
    /// Ids of the messages of the context, in order, as of the last whole step (plus the opening).
    pub context: Vec<u32>,
    /// How many of them are the scaffold's opening.
    pub opening: usize,
    /// Messages added since, by the step that is not whole yet.
    pub unfinished: Vec<u32>,
    /// Answer of the step that is not whole yet, where the model gave one.
    pub answer: Option<Answer>,
    /// Last whole step; 0 before the first.
    pub step: u32,
    /// Workspace after each whole step, and as people left it between two.
    pub snapshots: Vec<(u32, SnapshotId)>,
    /// Answers that the model gave.
    pub answers: u32,
    /// Answers that were dropped to be asked for again.
    pub dropped_answers: u32,
    /// Calls carried out, by step, in order; whole steps only.
    pub actions: Vec<(u32, ToolCall)>,
    /// Next free message id.
    pub next_message: u32,
    /// Next free call number.
    pub next_call: u32,
    /// Tokens of all answered calls: prompt and reply.
    pub tokens: (u64, u64),
    /// Limits now in force.
    pub limits: Option<crate::agent::Limits>,
    /// How it ended, with the patch.
    pub ended: Option<(Ended, String)>,
    /// Verdict on the final patch.
    pub verdict: Option<Verdict>,
    /// Grading of the final patch.
    pub grading: Option<Box<Grading>>,
    /// Tests as of a step, all that were run, in the order in which they ended.
    pub step_gradings: Vec<(u32, Box<Grading>)>,
    /// Audit marks.
    pub marks: Vec<Mark>,
    /// Whether the paper's loop was ever seen.
    pub repeating: bool,
    /// Waiting for a person.
    pub paused: bool,
    /// Each step's actions wait for approval.
    pub step_mode: bool,
    /// What people said or typed that the agent has not heard yet, in order.
    pub unheard: Vec<String>,
    /// A person's word that it ends; gone once it has.
    pub stopping: Option<String>,
    /// It went on as a branch: its own end is of no interest.
    pub rewound: bool,
    /// What a re-execution came to.
    pub compared: Option<Comparison>,
    /// First and last record's time.
    pub span: Option<(jiff::Timestamp, jiff::Timestamp)>,
    /// Time that was worked; waiting for a person is none, nor is the time between an interruption and going on.
    pub worked: std::time::Duration,
    /// Where each message comes from.
    pub origins: HashMap<u32, Origin>,
    /// What is written is a grading by somebody who does not run it.
    afterwards: bool,
    asked: HashMap<u32, u32>,
    pending_actions: Vec<(u32, ToolCall)>,
    parts: Parts,
}

impl State {
    /// Read a whole trajectory.
    #[must_use]
    pub fn of(records: &[Record]) -> Self {
        let mut state = Self::default();
        for record in records {
            state.apply(record);
        }
        state
    }

    /// Messages and tools by name.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The context as of the last whole step.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.context
            .iter()
            .filter_map(|id| self.parts.message(*id).cloned())
            .collect()
    }

    /// The workspace as of a step; step 0 is the base.
    #[must_use]
    pub fn snapshot_at(&self, step: u32) -> Option<&SnapshotId> {
        self.snapshots
            .iter()
            .rev()
            .find(|(there, _)| *there == step)
            .map(|(_, id)| id)
            .or(self.base.as_ref().filter(|_| step == 0))
    }

    /// The newest result of the tests as of a step.
    #[must_use]
    pub fn grading_at(&self, step: u32) -> Option<&Grading> {
        let mut newest_first = self.step_gradings.iter().rev();
        newest_first
            .find(|(there, _)| *there == step)
            .map(|(_, grading)| grading.as_ref())
    }

    /// Take in one record.
    #[expect(
        clippy::too_many_lines,
        reason = "one arm for each kind of event, each of them small"
    )]
    pub fn apply(&mut self, record: &Record) {
        self.count_time(record);
        self.parts.learn(&record.event);
        match &record.event {
            Event::Started(start) => {
                self.limits = Some(start.limits.clone());
                self.step_mode = start.step_mode;
                self.start = Some((**start).clone());
            }
            Event::SandboxReady { report, base } => {
                self.report = Some(report.clone());
                self.base.get_or_insert_with(|| base.clone());
            }
            Event::Resumed { .. } => {
                // The answer stays: it is used again.
                self.forget_interrupted_step();
                self.paused = false;
                // What ended by an error goes on.
                self.ended = None;
                self.verdict = None;
                self.grading = None;
            }
            Event::Message {
                id,
                replaces,
                origin,
                message,
            } => {
                self.hear(*origin, message);
                self.next_message = self.next_message.max(id + 1);
                self.origins.insert(*id, *origin);
                if let Some(old) = replaces {
                    self.unfinished
                        .iter_mut()
                        .filter(|there| *there == old)
                        .for_each(|there| *there = *id);
                } else if *origin == Origin::Scaffold {
                    self.context.push(*id);
                    self.opening = self.context.len();
                } else {
                    self.unfinished.push(*id);
                }
            }
            Event::Dropped { call, .. } => {
                if let Some(answer) = self.answer.take_if(|answer| answer.call == *call) {
                    self.unfinished.retain(|id| *id != answer.message);
                    self.dropped_answers += 1;
                }
            }
            Event::Asked { call, step, .. } => {
                self.next_call = self.next_call.max(call + 1);
                self.asked.insert(*call, *step);
            }
            Event::Replied {
                call,
                message,
                usage,
                ..
            } => {
                let step = self.asked.get(call).copied().unwrap_or(self.step + 1);
                self.answer = Some(Answer {
                    call: *call,
                    step,
                    message: *message,
                });
                self.answers += 1;
                let usage = usage.unwrap_or_default();
                self.tokens.0 += usage.prompt_tokens;
                self.tokens.1 += usage.completion_tokens;
            }
            Event::Overflow { dropped, .. } => self.context.retain(|id| !dropped.contains(id)),
            Event::Action { step, call, .. } => self.pending_actions.push((*step, call.clone())),
            Event::StepDone { step, snapshot, .. } => {
                self.step = *step;
                self.snapshots.push((*step, snapshot.clone()));
                self.context.append(&mut self.unfinished);
                self.actions.append(&mut self.pending_actions);
                self.answer = None;
            }
            Event::LimitsChanged { limits } => self.limits = Some(limits.clone()),
            Event::Paused { paused, .. } => self.paused = *paused,
            Event::Marked(mark) => self.marks.push(mark.clone()),
            Event::Repeating { .. } => self.repeating = true,
            Event::Compared(comparison) => self.compared = Some(comparison.clone()),
            Event::Ended { how, patch } => {
                self.ended = Some((how.clone(), patch.clone()));
                self.stopping = None;
                // A verdict that came before was on another end.
                self.verdict = None;
                self.grading = None;
            }
            Event::Graded {
                step: Some(step),
                grading,
                ..
            } => self.step_gradings.push((*step, grading.clone())),
            Event::Graded {
                step: None,
                grading,
                ..
            } => {
                self.verdict = Some(grading.verdict.clone());
                self.grading = Some(grading.clone());
            }
            Event::NotGraded {
                step: None,
                verdict,
            } => self.verdict = Some(verdict.clone()),
            Event::Control { op } => self.obey(op),
            Event::HandedBack { snapshot, told } => {
                self.snapshots.push((self.step, snapshot.clone()));
                if !told.is_empty() {
                    self.unheard.push(told.clone());
                }
            }
            Event::Tools { .. }
            | Event::Delta { .. }
            | Event::CallFailed { .. }
            | Event::Proposed { .. }
            | Event::Output { .. }
            | Event::Observed { .. }
            | Event::Skipped { .. }
            | Event::NotGraded { step: Some(_), .. }
            | Event::Typed { .. }
            | Event::Diverged { .. }
            | Event::GradingStarted { .. }
            | Event::GradingProgress { .. } => {}
        }
    }

    /// Operations that change what happens later: a resume goes by them, too.
    fn obey(&mut self, op: &serde_json::Value) {
        let text = |name: &str| {
            let text = op.get(name).and_then(serde_json::Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        match text("op").as_str() {
            "say" => self.unheard.push(text("text")),
            "stop" => self.stopping = Some(text("why")),
            "rewind" => {
                let step = op.get("step").and_then(serde_json::Value::as_u64);
                self.stopping = Some(format!("branched at step {}", step.unwrap_or_default()));
                self.rewound = true;
            }
            "step_mode" => {
                self.step_mode = op.get("on") == Some(&serde_json::Value::Bool(true));
            }
            "resume" => {
                let keeps = op.get("keep_step_mode") == Some(&serde_json::Value::Bool(true));
                self.step_mode &= keeps;
            }
            _ => {}
        }
    }

    /// What a person said and the agent now hears.
    fn hear(&mut self, origin: Origin, message: &Message) {
        if origin == Origin::Human
            && message.role == Role::User
            && let Some(at) = self
                .unheard
                .iter()
                .position(|text| *text == message.content)
        {
            self.unheard.remove(at);
        }
    }

    fn count_time(&mut self, record: &Record) {
        let (first, last) = self.span.unwrap_or((record.at, record.at));
        // What comes first after a start, or may: how long nobody ran it before is not known to be work.
        let after_a_start = matches!(
            record.event,
            Event::SandboxReady { .. }
                | Event::Ended {
                    how: Ended::Error { .. },
                    ..
                }
        );
        self.afterwards = match record.event {
            Event::GradingStarted { afterwards, .. } => afterwards,
            Event::GradingProgress { .. } | Event::Graded { .. } | Event::NotGraded { .. } => {
                self.afterwards
            }
            _ => false,
        };
        if !after_a_start && !self.paused && !self.afterwards {
            let millis = record.at.as_millisecond() - last.as_millisecond();
            self.worked += std::time::Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        }
        self.span = Some((first, record.at));
    }

    /// It ended and what grading said is final: there is nothing to go on with.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let over = matches!(&self.ended, Some((how, _)) if !matches!(how, Ended::Error { .. }));
        let judged = self
            .verdict
            .as_ref()
            .is_some_and(|verdict| !matches!(verdict, Verdict::InfrastructureError { .. }));
        over && judged
    }

    /// Keep the answer that was given and what people said; what came after the answer will come again.
    fn forget_interrupted_step(&mut self) {
        let answer = self.answer.as_ref().map(|answer| answer.message);
        let mut kept = Vec::new();
        for id in std::mem::take(&mut self.unfinished) {
            let by_model_or_edited = self
                .parts
                .message(id)
                .is_some_and(|message| message.role == Role::Assistant);
            if by_model_or_edited {
                kept.extend(answer);
            } else if self.origins.get(&id) == Some(&Origin::Human) {
                kept.push(id);
            }
        }
        self.unfinished = kept;
        self.pending_actions.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Kind;

    fn records(events: Vec<(i64, Event)>) -> Vec<Record> {
        (0u64..)
            .zip(events)
            .map(|(seq, (second, event))| Record {
                seq,
                at: jiff::Timestamp::from_second(second).unwrap(),
                event,
            })
            .collect()
    }

    fn ready() -> Event {
        Event::SandboxReady {
            report: SandboxReport {
                kind: Kind::Local,
                tier: String::new(),
                workdir: String::new(),
                holds: std::collections::BTreeMap::new(),
                notes: Vec::new(),
            },
            base: SnapshotId {
                files: String::new(),
                git: String::new(),
            },
        }
    }

    fn note() -> Event {
        Event::CallFailed {
            call: 0,
            why: String::new(),
        }
    }

    fn ended(how: Ended) -> Event {
        Event::Ended {
            how,
            patch: String::new(),
        }
    }

    fn failed(part: &str) -> Event {
        ended(Ended::Error {
            part: part.into(),
            why: String::new(),
        })
    }

    #[test]
    fn time_in_which_nobody_ran_it_is_not_counted() {
        let resumed = Event::Resumed {
            step: 0,
            not_restored: Vec::new(),
        };
        let state = State::of(&records(vec![
            (0, ready()),
            (10, note()),
            (90_000, ready()),
            (90_001, resumed),
            (90_006, note()),
            (180_000, failed("sandbox")),
        ]));
        assert_eq!(state.worked.as_secs(), 16);
    }

    #[test]
    fn waiting_for_a_person_is_no_work() {
        let paused = |paused| Event::Paused {
            paused,
            why: String::new(),
        };
        let state = State::of(&records(vec![
            (0, ready()),
            (10, paused(true)),
            (40_000, note()),
            (50_000, paused(false)),
            (50_007, note()),
        ]));
        assert_eq!(state.worked.as_secs(), 17);
    }

    #[test]
    fn the_newest_tests_of_a_step_win_and_those_that_broke_off_say_nothing_of_the_rollout() {
        let mut all = vec![(
            0,
            Event::NotGraded {
                step: Some(1),
                verdict: Verdict::InfrastructureError { why: String::new() },
            },
        )];
        let first = Verdict::NotGraded { why: String::new() };
        for (second, verdict) in [(1, first), (2, Verdict::Resolved)] {
            let grading = Grading {
                verdict,
                rules: crate::grade::RuleSet::SweGym,
                parser: None,
                tests: Vec::new(),
                flags: Vec::new(),
                suspicious: false,
                exit_code: None,
                names: 0,
                evidence: crate::grade::Evidence::default(),
                seconds: 0.0,
                script: String::new(),
                sandbox: None,
                raw_log: String::new(),
            };
            let graded = Event::Graded {
                step: Some(1),
                grading: Box::new(grading),
                log: None,
            };
            all.push((second, graded));
        }
        let state = State::of(&records(all));
        assert_eq!(state.verdict, None);
        assert_eq!(state.step_gradings.len(), 2);
        let newest = state.grading_at(1).map(|grading| grading.verdict.clone());
        assert_eq!(newest, Some(Verdict::Resolved));
    }

    #[test]
    fn a_verdict_belongs_to_the_end_before_it() {
        let not_graded = || Event::NotGraded {
            step: None,
            verdict: Verdict::NotGraded { why: String::new() },
        };
        let first = vec![(0, failed("sandbox")), (1, not_graded())];
        assert!(!State::of(&records(first.clone())).is_settled());
        let again = vec![(2, ready()), (3, ended(Ended::Submitted))];
        let state = State::of(&records([first, again].concat()));
        assert_eq!(state.verdict, None);
        assert!(!state.is_settled());
        let mut judged = records(vec![(0, ended(Ended::Submitted)), (1, not_graded())]);
        assert!(State::of(&judged).is_settled());
        judged.pop();
        assert!(!State::of(&judged).is_settled());
    }
}
