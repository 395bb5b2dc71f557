//! Ask the model once: record the question, stream the answer into the trajectory, record the answer.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::RolloutError;
use super::control::Interrupt;
use super::drive::Driver;
use crate::agent::{OverflowPolicy, Turn, drop_oldest_half};
use crate::model::http::request_body;
use crate::model::recorded;
use crate::model::{ChatRequest, Delta, ModelError, Reply};
use crate::trajectory::Writer;
use crate::trajectory::event::{Ended, Event, MISTAKE, Mark, Origin, SAID_AGAIN};
use crate::trajectory::request::{sha256, tools_hash};

/// Pieces are merged over this long: twenty events a second are enough for an eye, and bound the file's growth.
const MERGE: Duration = Duration::from_millis(50);

/// Pieces that may wait for the merger; a model that is faster waits.
const WAITING_DELTAS: usize = 256;

/// How far the seeds of two calls of an attempt lie apart; those of a task's attempts are neighbours.
const SEEDS_APART: u64 = 1_000_003;

/// What asking came to.
pub(super) enum Asked {
    Turn(Turn),
    Again,
    End(Ended),
    Stopped,
}

impl Driver {
    /// Ask for step `step`.
    pub(super) async fn ask(&mut self, step: u32) -> Result<Asked, RolloutError> {
        let (ids, request) = self.question()?;
        let model = self.attempt.model.info().name.clone();
        let body = request_body(&model, &request);
        let call = self.state.next_call;
        self.emit(Event::Asked {
            call,
            step,
            messages: ids,
            tools: (!request.tools.is_empty()).then(|| tools_hash(&request.tools)),
            sampling: request.sampling.clone(),
            model,
            request_sha256: sha256(body.as_bytes()),
        })?;
        let began = Instant::now();
        let cancel = CancellationToken::new();
        let (sender, receiver) = mpsc::channel(WAITING_DELTAS);
        let chatting = self.attempt.model.chat(&request, sender, &cancel);
        let merging = merge(&self.writer, call, receiver);
        let abandon = self.abandon.clone();
        let deadline = self.deadline();
        let both = async { tokio::join!(chatting, merging) };
        let ((reply, merged), interrupt) = tokio::select! {
            done = self.desk.attend(&cancel, deadline, true, "the model is being asked", both) => done,
            () = abandon.cancelled() => return Err(self.abandoned()),
        };
        merged?;
        match (reply, interrupt) {
            (Ok(reply), None) => self.answered(call, reply, began.elapsed()).map(Asked::Turn),
            (_, Some(Interrupt::BreakOff)) => {
                self.emit(Event::CallFailed {
                    call,
                    why: "a person asked to ask again".into(),
                })?;
                Ok(Asked::Again)
            }
            (_, Some(Interrupt::Stop)) => {
                self.emit(Event::CallFailed {
                    call,
                    why: "a person stopped the rollout".into(),
                })?;
                Ok(Asked::Stopped)
            }
            (_, Some(Interrupt::Time)) => {
                let which = "wall time".to_owned();
                self.emit(Event::CallFailed {
                    call,
                    why: "the rollout's time is over".into(),
                })?;
                Ok(Asked::End(Ended::Limit { which }))
            }
            (Err(ModelError::ContextOverflow { message }), None) => self.overflowed(call, &message),
            (Err(error), None) => {
                let why = error.to_string();
                self.emit(Event::CallFailed {
                    call,
                    why: why.clone(),
                })?;
                Ok(Asked::End(match error {
                    ModelError::HumanLeft => Ended::Stopped { why },
                    _ => Ended::Error {
                        part: "model".into(),
                        why,
                    },
                }))
            }
        }
    }

    /// The context as of now as a request, with the ids of its messages; its tools are on record.
    fn question(&mut self) -> Result<(Vec<u32>, ChatRequest), RolloutError> {
        let ids: Vec<u32> = self
            .state
            .context
            .iter()
            .chain(&self.state.unfinished)
            .copied()
            .collect();
        let messages = ids
            .iter()
            .filter_map(|id| self.state.parts().message(*id).cloned())
            .collect();
        let tools = self.attempt.scaffold.tools();
        let mut sampling = self.attempt.sampling.clone();
        // Each call draws by its own: with the same numbers, asking again would bring the same reply.
        let apart = u64::from(self.state.next_call).wrapping_mul(SEEDS_APART);
        sampling.seed = sampling.seed.map(|seed| seed.wrapping_add(apart));
        for phrase in self.attempt.scaffold.stop() {
            if !sampling.stop.contains(&phrase) {
                sampling.stop.push(phrase);
            }
        }
        let hash = tools_hash(&tools);
        let known = self
            .state
            .parts()
            .request(&[], Some(&hash), &sampling)
            .is_some();
        if !tools.is_empty() && !known {
            self.emit(Event::Tools {
                hash,
                tools: tools.clone(),
            })?;
        }
        Ok((
            ids,
            ChatRequest {
                messages,
                tools,
                sampling,
            },
        ))
    }

    fn answered(&mut self, call: u32, reply: Reply, took: Duration) -> Result<Turn, RolloutError> {
        let turn = self.attempt.scaffold.read(&reply);
        // A stop phrase is not part of a reply, but of what the model said.
        let message = self.attempt.scaffold.said(&reply);
        let id = self.state.next_message;
        let Reply {
            message: _,
            finish,
            usage,
            logprobs,
            served_by,
            retries,
        } = reply;
        let mark = match served_by.as_deref() {
            Some(recorded::ON_PURPOSE) => Some(MISTAKE),
            Some(recorded::SAID_AGAIN) => Some(SAID_AGAIN),
            _ => None,
        };
        let evidence = message.content.clone();
        self.emit(Event::Message {
            id,
            origin: Origin::Model,
            message,
            replaces: None,
        })?;
        self.emit(Event::Replied {
            call,
            message: id,
            finish,
            usage,
            logprobs,
            served_by,
            retries,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        })?;
        if let Some(kind) = mark {
            let step = self.state.step + 1;
            self.emit(Event::Marked(Mark {
                kind: kind.into(),
                step,
                evidence,
            }))?;
        }
        Ok(turn)
    }

    /// The context does not fit: do what the scaffold says, in the open.
    fn overflowed(&mut self, call: u32, why: &str) -> Result<Asked, RolloutError> {
        self.emit(Event::CallFailed {
            call,
            why: why.into(),
        })?;
        let policy = self.attempt.scaffold.overflow();
        let dropped: Vec<u32> = match policy {
            OverflowPolicy::Stop => Vec::new(),
            OverflowPolicy::DropOldestHalf => {
                let messages = self.state.messages();
                drop_oldest_half(&messages, self.state.opening)
                    .into_iter()
                    .filter_map(|index| self.state.context.get(index).copied())
                    .collect()
            }
        };
        let name = match policy {
            OverflowPolicy::Stop => "stop",
            OverflowPolicy::DropOldestHalf => "drop-oldest-half",
        };
        let ends = dropped.is_empty();
        self.emit(Event::Overflow {
            call,
            why: why.into(),
            policy: name.into(),
            dropped,
        })?;
        Ok(if ends {
            Asked::End(Ended::Limit {
                which: "context".into(),
            })
        } else {
            Asked::Again
        })
    }
}

/// Write the pieces of a reply, merged, until the model lets go of the channel.
async fn merge(
    writer: &Writer,
    call: u32,
    mut pieces: mpsc::Receiver<Delta>,
) -> Result<(), RolloutError> {
    let mut waiting: Vec<Delta> = Vec::new();
    let mut due: Option<tokio::time::Instant> = None;
    loop {
        tokio::select! {
            piece = pieces.recv() => match piece {
                Some(piece) => {
                    due.get_or_insert_with(|| tokio::time::Instant::now() + MERGE);
                    join(&mut waiting, piece);
                }
                None => break,
            },
            () = tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {
                due = None;
                writer.append(Event::Delta { call, deltas: std::mem::take(&mut waiting) })?;
            }
        }
    }
    if !waiting.is_empty() {
        writer.append(Event::Delta {
            call,
            deltas: waiting,
        })?;
    }
    Ok(())
}

fn join(waiting: &mut Vec<Delta>, piece: Delta) {
    match (waiting.last_mut(), piece) {
        (Some(Delta::Text { text }), Delta::Text { text: more })
        | (Some(Delta::Reasoning { text }), Delta::Reasoning { text: more }) => {
            text.push_str(&more);
        }
        (
            Some(Delta::Tool {
                index, arguments, ..
            }),
            Delta::Tool {
                index: same,
                name: None,
                arguments: more,
            },
        ) if *index == same => {
            arguments.push_str(&more);
        }
        (_, piece) => waiting.push(piece),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Delta {
        Delta::Text { text: text.into() }
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_within_fifty_milliseconds_are_one_event() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, _) = Writer::open(folder.path()).unwrap();
        let (sender, receiver) = mpsc::channel(8);
        let feed = async move {
            for _ in 0..10 {
                sender.send(text("a")).await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let (merged, ()) = tokio::join!(merge(&writer, 0, receiver), feed);
        merged.unwrap();
        let records =
            crate::trajectory::store::read_events(&folder.path().join("events.jsonl")).unwrap();
        let texts: Vec<String> = records
            .iter()
            .map(|record| match &record.event {
                Event::Delta { deltas, .. } => match deltas.as_slice() {
                    [Delta::Text { text }] => text.clone(),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(texts.concat(), "aaaaaaaaaa");
        assert!(texts.len() <= 3, "{texts:?}");
    }
}
