//! The thread that documents live on.
//!
//! A parser's state cannot go from thread to thread (it holds pointers of the expression engine), so documents are made,
//! kept and asked on one thread of their own. Requests go in with a ticket; answers come to a function given at the start.
//! When nobody waits for old tickets any more, [`Worker::drop_before`] ends the work for them, within one line.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::{Document, Language};
use crate::text::line::Line;

/// Documents kept; the one that was not asked for the longest goes first.
const DOCUMENTS: usize = 16;
/// Requests that wait; when it is full, [`Worker::ask`] says so and the next frame asks again.
const WAITING: usize = 64;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which document, the caller's own count. Another text needs another key.
    pub key: u64,
    /// Its text.
    pub text: Arc<str>,
    /// Its language.
    pub language: Option<Language>,
    /// Columns between tab stops.
    pub tab: usize,
    /// Lines wanted, from 0.
    pub lines: Range<usize>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The request's.
    pub ticket: u64,
    /// The document's.
    pub key: u64,
    /// The first line's number, from 0.
    pub first: usize,
    /// The lines.
    pub lines: Vec<Line>,
}

/// See the module. The thread ends soon after this is dropped.
#[derive(Debug)]
pub struct Worker {
    requests: SyncSender<(u64, Request)>,
    next: u64,
    oldest: Arc<AtomicU64>,
}

impl Worker {
    /// Start the thread; `answered` is called on it.
    pub fn start(answered: impl FnMut(Answer) + Send + 'static) -> std::io::Result<Self> {
        let (requests, incoming) = sync_channel(WAITING);
        let oldest = Arc::new(AtomicU64::new(0));
        let wanted = Arc::clone(&oldest);
        thread::Builder::new()
            .name("highlight".to_owned())
            .spawn(move || serve(&incoming, &wanted, answered))?;
        Ok(Self {
            requests,
            next: 0,
            oldest,
        })
    }

    /// Ask for lines. The ticket that the answer will carry; none if too much is waiting.
    pub fn ask(&mut self, request: Request) -> Option<u64> {
        let ticket = self.next;
        self.requests.try_send((ticket, request)).ok()?;
        self.next += 1;
        Some(ticket)
    }

    /// Nobody waits for tickets before this one.
    pub fn drop_before(&self, ticket: u64) {
        self.oldest.fetch_max(ticket, Ordering::Relaxed);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.drop_before(u64::MAX);
    }
}

fn serve(
    incoming: &Receiver<(u64, Request)>,
    oldest: &AtomicU64,
    mut answered: impl FnMut(Answer),
) {
    let mut documents: VecDeque<(u64, Document)> = VecDeque::new();
    while let Ok((ticket, request)) = incoming.recv() {
        let cancelled = || ticket < oldest.load(Ordering::Relaxed);
        if cancelled() {
            continue;
        }
        let known = documents.iter().position(|(key, _)| *key == request.key);
        let known = known.and_then(|at| documents.remove(at));
        let (key, mut document) = known.unwrap_or_else(|| {
            let text = request.text.as_ref().to_owned();
            let document = Document::new(text, request.language, request.tab);
            (request.key, document)
        });
        let first = request.lines.start;
        if let Some(lines) = document.highlight(request.lines, &cancelled) {
            answered(Answer {
                ticket,
                key,
                first,
                lines,
            });
        }
        documents.push_back((key, document));
        if documents.len() > DOCUMENTS {
            documents.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_carry_their_tickets_and_dropped_ones_never_come() {
        let (answers, received) = sync_channel(8);
        let mut worker = Worker::start(move |answer| drop(answers.send(answer))).unwrap();
        let request = |lines| Request {
            key: 7,
            text: "x = 1\ny = 2\n".into(),
            language: Language::of_fence("py"),
            tab: 8,
            lines,
        };
        worker.drop_before(1);
        assert_eq!(worker.ask(request(0..1)), Some(0));
        assert_eq!(worker.ask(request(1..2)), Some(1));
        let answer = received.recv().unwrap();
        assert_eq!((answer.ticket, answer.key, answer.first), (1, 7, 1));
        assert_eq!(answer.lines[0].text(), "y = 2");
        drop(worker);
        assert!(received.recv().is_err(), "the thread has ended");
    }
}
