//! The events of a run that goes on for an hour: steps of two thousand events each, most of them pieces of a reply and of a
//! command's output.

use std::time::Duration;

use serde_json::json;

use crate::agent::Outcome;
use crate::model::{Delta, Finish, Message, Role, Sampling, ToolCall, Usage};
use crate::sandbox::{SnapshotId, Stream};
use crate::trajectory::event::{Author, Event, Origin, Record};

/// Events of a step.
pub(super) const STEP: u64 = 2000;
/// Of them, pieces of the reply.
const REPLY: u64 = 400;

/// What the last event of a step prints on the screen.
pub(super) fn last_line(events: u64) -> String {
    format!("::test_{} ", events.saturating_sub(1))
}

/// The record of a number; `first` is that of the run's records before them.
pub(super) fn record(first: u64, number: u64, base: &SnapshotId) -> Record {
    Record {
        seq: first + number,
        at: jiff::Timestamp::now(),
        event: event(number, base),
    }
}

fn event(number: u64, base: &SnapshotId) -> Event {
    // Step 1 is under way when they begin.
    let round = u32::try_from(number / STEP).unwrap_or(u32::MAX - 2);
    let (step, call, index) = (round + 2, round + 1, 0);
    let message = 200_000 + 2 * round;
    match number % STEP {
        0 => Event::Asked {
            call,
            step,
            messages: vec![0, 1, message.saturating_sub(1)],
            tools: None,
            sampling: Sampling::default(),
            model: "reference".into(),
            request_sha256: String::new(),
        },
        at if at <= REPLY => Event::Delta {
            call,
            deltas: vec![Delta::Text {
                text: format!("word {at} "),
            }],
        },
        401 => Event::Message {
            id: message,
            origin: Origin::Model,
            message: Message {
                tool_calls: vec![made(step)],
                ..Message::text(Role::Assistant, thought(step))
            },
            replaces: None,
        },
        402 => Event::Replied {
            call,
            message,
            finish: Finish::ToolCalls,
            usage: Some(Usage {
                prompt_tokens: 3000,
                completion_tokens: REPLY,
                ..Usage::default()
            }),
            logprobs: None,
            served_by: None,
            retries: 0,
            took_ms: 200,
        },
        403 => Event::Proposed {
            step,
            thought: thought(step),
            calls: vec![made(step)],
        },
        404 => Event::Action {
            step,
            index,
            call: made(step),
            by: Author::Model,
            original: None,
        },
        at if at < STEP - 3 => Event::Output {
            step,
            index,
            stream: Stream::Stdout,
            text: line(number),
        },
        at if at == STEP - 3 => Event::Message {
            id: message + 1,
            origin: Origin::Observation,
            message: Message::tool_result(&made(step), printed(number + 2)),
            replaces: None,
        },
        at if at == STEP - 2 => Event::Observed {
            step,
            index,
            outcome: Outcome {
                text: printed(number + 1),
                exit: Some(0),
                error: false,
                submitted: false,
                dropped: 0,
                took: Duration::from_millis(800),
            },
            message: message + 1,
        },
        _ => Event::StepDone {
            step,
            snapshot: base.clone(),
            files: Vec::new(),
        },
    }
}

/// A look at a file every other step, a command else.
fn made(step: u32) -> ToolCall {
    let view = json!({"command": "view", "path": format!("/testbed/tests/test_{step}.py")});
    let run = json!({"command": format!("make test-{step}")});
    let (name, arguments) = if step.is_multiple_of(2) {
        ("str_replace_editor", view)
    } else {
        ("execute_bash", run)
    };
    ToolCall {
        id: format!("call_{step}"),
        name: name.into(),
        arguments: arguments.to_string(),
    }
}

fn thought(step: u32) -> String {
    format!("I run the tests of part {step}, then I look at what they said about it.")
}

fn line(number: u64) -> String {
    format!("tests/test_frame.py::test_{number} \x1b[32mPASSED\x1b[0m in 0.01 s\n")
}

/// What the model sees of the output; its last line has the number of the step's last event.
fn printed(last: u64) -> String {
    (last.saturating_sub(30)..=last).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::story::Story;

    #[test]
    fn an_hours_events_are_steps_that_end_and_their_last_line_is_told() {
        let base = SnapshotId {
            files: "0".repeat(40),
            git: "0".repeat(40),
        };
        let mut records: Vec<Record> = (0..3 * STEP).map(|n| record(5, n, &base)).collect();
        let begun = Event::StepDone {
            step: 1,
            snapshot: base.clone(),
            files: Vec::new(),
        };
        let at = jiff::Timestamp::UNIX_EPOCH;
        records.insert(
            0,
            Record {
                seq: 4,
                at,
                event: begun,
            },
        );
        let story = Story::of(&records);
        let steps: Vec<u32> = story.steps.iter().map(|step| step.number).collect();
        assert_eq!(steps, [1, 2, 3, 4]);
        assert!(
            story
                .steps
                .iter()
                .all(|step| step.snapshot.is_some() && !step.streaming)
        );
        let whole = crate::app::update::step_text;
        let mut run = crate::app::run::Run::new("a", 1);
        run.story = story;
        let last = steps.last().copied().unwrap();
        assert!(
            whole(&run, last).contains(&last_line(3 * STEP)),
            "{}",
            whole(&run, last)
        );
    }
}
