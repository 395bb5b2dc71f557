//! Carry one call out: the action is on record first, its output streams into the trajectory, then what the model will
//! see.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::control::Interrupt;
use super::drive::Driver;
use super::{RolloutError, audit};
use crate::agent::Outcome;
use crate::model::ToolCall;
use crate::sandbox::{Chunk, Stream};
use crate::trajectory::Writer;
use crate::trajectory::event::{Author, Event, Origin};

/// Output is merged over this long.
const MERGE: Duration = Duration::from_millis(50);

/// Pieces of output that may wait; a command that prints faster is slowed down.
const WAITING_CHUNKS: usize = 64;

/// Bytes of one action's output that go into the trajectory as they stream. What the model sees has its own bound; what
/// lies between is only counted.
const MOST_STREAMED: usize = 256 * 1024;

/// What a call came to.
pub(super) enum Carried {
    Done(Box<Outcome>),
    Stopped,
    /// The rollout's own time was over before the call was.
    OutOfTime,
}

impl Driver {
    /// Carry out call `index` of step `step`.
    pub(super) async fn carry(
        &mut self,
        step: u32,
        index: u32,
        call: &ToolCall,
        by: Author,
        original: Option<ToolCall>,
    ) -> Result<Carried, RolloutError> {
        self.emit(Event::Action {
            step,
            index,
            call: call.clone(),
            by,
            original,
        })?;
        for mark in audit::of_action(step, call) {
            self.emit(Event::Marked(mark))?;
        }
        let cancel = CancellationToken::new();
        let (live, chunks) = mpsc::channel(WAITING_CHUNKS);
        let abandon = self.abandon.clone();
        let deadline = self.deadline();
        let (result, interrupt) = {
            self.hands.limit_commands(self.limits().command_seconds);
            let performing = self.hands.perform(call, live, &cancel);
            let merging = merge(&self.writer, step, index, chunks);
            let both = async { tokio::join!(performing, merging) };
            let ((outcome, merged), interrupt) = tokio::select! {
                done = self.desk.attend(&cancel, deadline, false, "an action is being carried out", both) => done,
                () = abandon.cancelled() => return Err(self.abandoned()),
            };
            merged?;
            (outcome, interrupt)
        };
        let outcome: Outcome = result?;
        self.memory.acted(call, &outcome, by);
        let message = self.attempt.scaffold.observe(call, &outcome);
        let id = self.state.next_message;
        self.emit(Event::Message {
            id,
            origin: Origin::Observation,
            message,
            replaces: None,
        })?;
        self.emit(Event::Observed {
            step,
            index,
            outcome: outcome.clone(),
            message: id,
        })?;
        Ok(match interrupt {
            Some(Interrupt::Stop) => Carried::Stopped,
            Some(Interrupt::Time) => Carried::OutOfTime,
            Some(Interrupt::BreakOff) | None => Carried::Done(Box::new(outcome)),
        })
    }
}

/// Write output, merged and bounded, until the channel closes.
pub(super) async fn merge(
    writer: &Writer,
    step: u32,
    index: u32,
    mut chunks: mpsc::Receiver<Chunk>,
) -> Result<(), RolloutError> {
    let mut waiting: Vec<(Stream, Vec<u8>)> = Vec::new();
    let mut due: Option<tokio::time::Instant> = None;
    let mut written = 0usize;
    let mut beyond = 0u64;
    let write = |waiting: &mut Vec<(Stream, Vec<u8>)>| -> Result<(), RolloutError> {
        for (stream, bytes) in std::mem::take(waiting) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            writer.append(Event::Output {
                step,
                index,
                stream,
                text,
            })?;
        }
        Ok(())
    };
    loop {
        tokio::select! {
            chunk = chunks.recv() => match chunk {
                Some(Chunk { stream, bytes }) => {
                    if written >= MOST_STREAMED {
                        beyond += bytes.len() as u64;
                        continue;
                    }
                    written += bytes.len();
                    due.get_or_insert_with(|| tokio::time::Instant::now() + MERGE);
                    match waiting.last_mut() {
                        Some((there, text)) if *there == stream => text.extend_from_slice(&bytes),
                        _ => waiting.push((stream, bytes)),
                    }
                }
                None => break,
            },
            () = tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {
                due = None;
                write(&mut waiting)?;
            }
        }
    }
    write(&mut waiting)?;
    if beyond > 0 {
        let text = format!("\n[… {beyond} further bytes not streamed …]\n");
        writer.append(Event::Output {
            step,
            index,
            stream: Stream::Stdout,
            text,
        })?;
    }
    Ok(())
}
