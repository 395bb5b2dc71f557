//! From record to story: one arm for each kind of event.

use super::grading::GradingNow;
use super::{Bounded, Item, Phase, Step, Story};
use crate::model::{Delta, ToolCall};
use crate::trajectory::comparison::Difference;
use crate::trajectory::event::{Author, Event, Origin, Record};

impl Story {
    /// A whole trajectory.
    #[must_use]
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut story = Self::default();
        for record in records {
            story.tell(record);
        }
        story
    }

    /// Take in one record.
    #[expect(
        clippy::too_many_lines,
        reason = "one arm for each kind of event, each of them small"
    )]
    pub fn tell(&mut self, record: &Record) {
        self.revision += 1;
        self.told += 1;
        self.tested += u64::from(matches!(
            record.event,
            Event::Resumed { .. }
                | Event::GradingStarted { .. }
                | Event::GradingProgress { .. }
                | Event::Graded { .. }
                | Event::NotGraded { .. }
        ));
        let first = self.span.map_or(record.at, |(first, _)| first);
        self.span = Some((first, record.at));
        match &record.event {
            Event::Started(start) => {
                self.turns = start.limits.turns;
                self.step_mode = start.step_mode;
                self.start = Some((**start).clone());
                self.phase = Phase::Preparing;
            }
            Event::SandboxReady { report, base } => {
                self.report = Some(report.clone());
                self.base.get_or_insert_with(|| base.clone());
            }
            Event::Resumed { step, not_restored } => {
                // What a later step had begun is void.
                let keep = step.saturating_sub(self.gone) as usize;
                let branch = self
                    .start
                    .as_ref()
                    .is_some_and(|start| start.parent.is_some());
                self.steps.truncate(keep);
                self.ended = None;
                self.verdict = None;
                self.grading = None;
                self.now = None;
                self.proposed = None;
                self.taken_over = false;
                self.phase = Phase::Asking;
                if branch {
                    for step in &mut self.steps {
                        step.copied = true;
                    }
                }
                let word = if branch { "branches off" } else { "goes on" };
                let mut text = format!("{word} after step {step}");
                if !not_restored.is_empty() {
                    text = format!("{text}; not brought back: {}", not_restored.join(", "));
                }
                self.note(step + 1, text, false);
            }
            // What stands in the context in place of an edited message is no new word.
            Event::Message {
                origin,
                message,
                replaces: None,
                ..
            } if matches!(origin, Origin::Human | Origin::Nudge) => {
                let human = *origin == Origin::Human;
                let text = message.content.clone();
                let number = self.current();
                self.bytes += text.len();
                self.step_mut(number).items.push(Item::Said { human, text });
            }
            Event::Asked { call, step, .. } => {
                self.asked = Some((*call, *step, record.at));
                self.phase = Phase::Asking;
                self.proposed = None;
                let there = self.step_mut(*step);
                there.streaming = true;
                there.thought.clear();
                there.reasoning.clear();
                there.coming.clear();
            }
            Event::Delta { deltas, .. } => {
                let number = self.current();
                let mut bytes = 0;
                let step = self.step_mut(number);
                for delta in deltas {
                    bytes += stream(step, delta);
                }
                self.bytes += bytes;
            }
            Event::Replied {
                usage,
                retries,
                took_ms,
                ..
            } => {
                let number = self.current();
                let usage = *usage;
                let step = self.step_mut(number);
                step.streaming = false;
                step.model_took = Some(std::time::Duration::from_millis(*took_ms));
                step.usage = usage;
                if *retries > 0 {
                    let text = format!("the model answered after {retries} failed attempts");
                    step.items.push(Item::Note {
                        text,
                        attention: false,
                    });
                }
                if let Some(usage) = usage {
                    self.tokens.0 += usage.prompt_tokens;
                    self.tokens.1 += usage.completion_tokens;
                    self.context = usage.prompt_tokens + usage.completion_tokens;
                    if *took_ms > 0 {
                        self.speed =
                            Some(usage.completion_tokens as f64 * 1000.0 / *took_ms as f64);
                    }
                }
            }
            Event::CallFailed { why, .. } => {
                let number = self.current();
                self.step_mut(number).streaming = false;
                self.note(number, format!("the model did not answer: {why}"), true);
            }
            Event::Dropped { why, .. } => {
                let number = self.current();
                let step = self.step_mut(number);
                step.thought.clear();
                step.items.retain(|item| !is_open(item));
                self.proposed = None;
                self.note(number, format!("the answer is dropped: {why}"), false);
            }
            Event::Overflow {
                policy, dropped, ..
            } => {
                let text = format!(
                    "the context did not fit; {policy}: {} messages left out from here on",
                    dropped.len()
                );
                self.note(self.current(), text, true);
            }
            Event::Proposed {
                step,
                thought,
                calls,
            } => self.propose(*step, thought, calls),
            Event::Action {
                step,
                index,
                call,
                by,
                original,
            } => {
                self.phase = Phase::Acting;
                self.proposed = None;
                let there = self.step_mut(*step);
                let item = Item::Action {
                    index: *index,
                    call: call.clone(),
                    by: *by,
                    original: original.clone(),
                    begun: Some(record.at),
                    output: Bounded::default(),
                    outcome: None,
                    skipped: false,
                };
                match action_mut(there, *index) {
                    Some(slot) => *slot = item,
                    None => there.items.push(item),
                }
            }
            Event::Output {
                step, index, text, ..
            } => {
                self.bytes += text.len();
                if let Some(Item::Action { output, .. }) = action_mut(self.step_mut(*step), *index)
                {
                    output.push(text);
                }
            }
            Event::Observed {
                step,
                index,
                outcome: did,
                ..
            } => {
                self.bytes += did.text.len();
                if let Some(Item::Action {
                    outcome, output, ..
                }) = action_mut(self.step_mut(*step), *index)
                {
                    // What the model sees is what is shown; the stream was only its forerunner.
                    output.clear();
                    *outcome = Some(did.clone());
                }
            }
            Event::Skipped { step, index, .. } => {
                if let Some(Item::Action { skipped, .. }) = action_mut(self.step_mut(*step), *index)
                {
                    *skipped = true;
                }
            }
            Event::StepDone {
                step,
                snapshot,
                files,
            } => {
                let there = self.step_mut(*step);
                there.snapshot = Some(snapshot.clone());
                there.files.clone_from(files);
                there.streaming = false;
                // It is whole, and thousands of others may follow.
                there.items.shrink_to_fit();
                self.phase = Phase::Asking;
                self.proposed = None;
                self.bound();
            }
            Event::Control { op } => match op.get("op").and_then(serde_json::Value::as_str) {
                Some("take_over") => self.taken_over = true,
                Some("hand_back") => self.taken_over = false,
                Some("step_mode") => {
                    self.step_mode = op.get("on") == Some(&serde_json::Value::Bool(true));
                }
                Some("resume") => {
                    let keeps = op.get("keep_step_mode");
                    self.step_mode &= keeps == Some(&serde_json::Value::Bool(true));
                }
                _ => {}
            },
            Event::Typed { command, outcome } => {
                let number = self.current();
                self.bytes += outcome.text.len();
                self.step_mut(number).items.push(Item::Typed {
                    command: command.clone(),
                    outcome: outcome.clone(),
                });
            }
            Event::HandedBack { snapshot, .. } => {
                self.taken_over = false;
                if let Some(step) = self
                    .steps
                    .iter_mut()
                    .rev()
                    .find(|step| step.snapshot.is_some())
                {
                    step.snapshot = Some(snapshot.clone());
                    step.revision += 1;
                }
            }
            Event::LimitsChanged { limits } => {
                self.turns = limits.turns;
                let text = format!("limits changed: {} turns", limits.turns);
                self.note(self.current(), text, false);
            }
            Event::Paused { paused, why } => {
                self.phase = if *paused {
                    Phase::Paused { why: why.clone() }
                } else {
                    Phase::Acting
                };
            }
            Event::Marked(mark) => {
                let kind = mark.kind.clone();
                self.marks.push(mark.clone());
                self.step_mut(mark.step).marks.push(kind);
            }
            Event::Repeating { .. } => self.repeating = true,
            Event::Diverged {
                step, difference, ..
            } => self.differ(*step, difference),
            Event::Compared(comparison) => self.compared = Some(comparison.clone()),
            Event::Ended { how, patch } => {
                self.ended = Some((how.clone(), crate::text::patch::summary(patch)));
                self.patch = Some(patch.as_str().into());
                self.proposed = None;
                self.taken_over = false;
                self.phase = Phase::Grading;
                if let Some(step) = self.steps.last_mut() {
                    step.streaming = false;
                    step.revision += 1;
                }
            }
            Event::GradingStarted { step, .. } => {
                self.now = Some(GradingNow {
                    step: *step,
                    ..GradingNow::default()
                });
            }
            Event::GradingProgress { progress } => {
                self.now
                    .get_or_insert_with(GradingNow::default)
                    .take(progress);
            }
            Event::Graded {
                step: None,
                grading,
                log,
            } => {
                self.now = None;
                self.verdict = Some(grading.verdict.clone());
                self.grading = Some(grading.clone());
                self.log.clone_from(log);
                self.phase = Phase::Over;
            }
            Event::Graded {
                step: Some(step),
                grading,
                log,
            } => {
                self.now = None;
                self.as_of.retain(|(there, _, _)| there != step);
                self.as_of.push((*step, grading.clone(), log.clone()));
                self.step_mut(*step);
            }
            Event::NotGraded { step: Some(_), .. } => self.now = None,
            Event::NotGraded { verdict, .. } => {
                self.now = None;
                self.verdict = Some(verdict.clone());
                self.phase = Phase::Over;
            }
            Event::Tools { .. } | Event::Message { .. } => {}
        }
        self.stamp(record);
    }

    /// The step that what happens now belongs to.
    fn current(&self) -> u32 {
        match (self.asked, self.steps.last()) {
            (Some((_, asked, _)), Some(last)) if asked >= last.number => asked,
            (_, Some(last)) if last.snapshot.is_none() => last.number,
            (_, Some(last)) => last.number + 1,
            (Some((_, asked, _)), None) => asked,
            (None, None) => 1,
        }
    }

    fn propose(&mut self, number: u32, thought: &str, calls: &[ToolCall]) {
        self.proposed = Some(number);
        let bytes: usize = calls.iter().map(|call| call.arguments.len()).sum();
        self.bytes += bytes;
        let step = self.step_mut(number);
        step.streaming = false;
        step.coming.clear();
        step.thought.clear();
        step.thought.push(thought);
        step.items.retain(|item| !is_open(item));
        for (index, call) in (0..).zip(calls) {
            step.items.push(Item::Action {
                index,
                call: call.clone(),
                by: Author::Model,
                original: None,
                begun: None,
                output: Bounded::default(),
                outcome: None,
                skipped: false,
            });
        }
    }

    fn differ(&mut self, number: u32, difference: &Difference) {
        if matches!(difference, Difference::Verdict { .. }) {
            // It stands in the sum, below the verdict.
            return;
        }
        let text = difference.sentence();
        // A file that differs mostly differs to the end: it is said where that begins.
        let said_before = matches!(difference, Difference::Workspace { .. })
            && self
                .steps
                .iter()
                .rev()
                .flat_map(|step| step.items.iter().rev())
                .find_map(|item| match item {
                    Item::Differs { text } if text.starts_with(Difference::WORKSPACE) => Some(text),
                    _ => None,
                })
                .is_some_and(|before| *before == text);
        if !said_before {
            self.bytes += text.len();
            let step = self.step_mut(number.max(1));
            step.items.push(Item::Differs { text });
        }
    }

    fn note(&mut self, number: u32, text: String, attention: bool) {
        self.bytes += text.len();
        self.step_mut(number)
            .items
            .push(Item::Note { text, attention });
    }

    /// Records between a step's question and the next one are its time.
    fn stamp(&mut self, record: &Record) {
        if matches!(
            record.event,
            Event::Started(_)
                | Event::Compared(_)
                | Event::Graded { .. }
                | Event::GradingStarted { .. }
                | Event::GradingProgress { .. }
                | Event::NotGraded { .. }
        ) {
            return;
        }
        if let Some(step) = self.steps.last_mut() {
            let first = step.span.map_or(record.at, |(first, _)| first);
            step.span = Some((first, record.at));
        }
    }
}

/// A call that was not carried out.
fn is_open(item: &Item) -> bool {
    matches!(
        item,
        Item::Action {
            begun: None,
            skipped: false,
            ..
        }
    )
}

fn action_mut(step: &mut Step, wanted: u32) -> Option<&mut Item> {
    step.items
        .iter_mut()
        .rev()
        .find(|item| matches!(item, Item::Action { index, .. } if *index == wanted))
}

/// Take in a piece of a reply; bytes that were added.
fn stream(step: &mut Step, delta: &Delta) -> usize {
    match delta {
        Delta::Text { text } => {
            step.thought.push(text);
            text.len()
        }
        Delta::Reasoning { text } => {
            step.reasoning.push(text);
            text.len()
        }
        Delta::Tool {
            index,
            name,
            arguments,
        } => {
            // An index comes from outside: a reply has few calls.
            let index = (*index).min(64);
            while step.coming.len() <= index {
                step.coming.push(<(String, String)>::default());
            }
            if let Some((there, so_far)) = step.coming.get_mut(index) {
                if let Some(name) = name {
                    there.clone_from(name);
                }
                if so_far.len() < 256 << 10 {
                    so_far.push_str(arguments);
                }
            }
            arguments.len()
        }
        Delta::Restart { why } => {
            step.thought.clear();
            step.reasoning.clear();
            step.coming.clear();
            step.items.push(Item::Note {
                text: format!("the answer broke off and is asked for again: {why}"),
                attention: false,
            });
            why.len()
        }
    }
}
