//! What a listener hears of rollouts, and the teller that sees that it hears each record once, in order.
//!
//! The writer hands records on over a channel that forgets what a slow reader has not taken. The teller notices by the
//! records' numbers and reads the missing ones back from the file, so that a listener may be as slow as it likes: it
//! holds up the teller, never the rollout.

use std::path::{Path, PathBuf};

use tokio::sync::{broadcast, mpsc};

use crate::grade::Verdict;
use crate::trajectory::store::each_event;
use crate::trajectory::{Record, RolloutId, TrajectoryError};

/// News that may wait for the listener; a rollout's own writing never waits for it.
pub const WAITING_NEWS: usize = 1024;

/// Names a job on its floor, in the order in which jobs were added, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobNumber(pub u64);

/// What a listener hears.
#[derive(Debug, Clone)]
pub enum News {
    /// A rollout begins; operations can be sent to it. A branch that grows out of it begins under the same job.
    Begun {
        /// Which job.
        job: JobNumber,
        /// The job's name: the task.
        name: String,
        /// The rollout.
        id: RolloutId,
        /// A branch: so many of the records that follow are its parent's.
        copied: u64,
    },
    /// Something was written.
    Record {
        /// Which rollout.
        id: RolloutId,
        /// What.
        record: Box<Record>,
    },
    /// Records that the listener was too slow for could not be read back.
    Missed {
        /// Which rollout.
        id: RolloutId,
        /// The first of them.
        from: u64,
        /// Why.
        why: String,
    },
    /// It has no control socket: only this process can steer it.
    NoSocket {
        /// Which rollout.
        id: RolloutId,
        /// Why.
        why: String,
    },
    /// A rollout is over, or never began.
    Over {
        /// Which job.
        job: JobNumber,
        /// The job's name: the task.
        name: String,
        /// The rollout, where one was opened and did not take the program's own fault to end.
        id: Option<RolloutId>,
        /// The verdict, where there is one; else what went wrong.
        how: Result<Option<Verdict>, String>,
    },
}

/// Records of one rollout on their way to a listener.
pub(super) struct Teller {
    pub(super) id: RolloutId,
    /// The rollout's events.
    pub(super) file: PathBuf,
    /// Number of the next record that the listener has to hear.
    pub(super) next: u64,
    pub(super) news: mpsc::Sender<News>,
}

impl Teller {
    /// Tell until the writer is gone and everything is told, or nobody listens any more.
    pub(super) async fn tell(mut self, mut records: broadcast::Receiver<Record>) {
        // What was written before anybody listened.
        let mut listened_to = self.read_back().await;
        while listened_to {
            listened_to = match records.recv().await {
                Ok(record) if record.seq < self.next => true,
                Ok(record) if record.seq == self.next => self.pass(record).await,
                // The record has been written, so it is in the file with those before it.
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => self.read_back().await,
                Err(broadcast::error::RecvError::Closed) => return,
            };
        }
    }

    async fn read_back(&mut self) -> bool {
        match from(&self.file, self.next).await {
            Ok(missing) => {
                for record in missing {
                    if !self.pass(record).await {
                        return false;
                    }
                }
                true
            }
            Err(error) => {
                let missed = News::Missed {
                    id: self.id.clone(),
                    from: self.next,
                    why: error.to_string(),
                };
                // The file does not become readable by trying at each record.
                let _ = self.news.send(missed).await;
                false
            }
        }
    }

    async fn pass(&mut self, record: Record) -> bool {
        self.next = record.seq + 1;
        let record = News::Record {
            id: self.id.clone(),
            record: Box::new(record),
        };
        self.news.send(record).await.is_ok()
    }
}

/// The records of a file from a number on.
async fn from(file: &Path, next: u64) -> Result<Vec<Record>, TrajectoryError> {
    let path = file.to_path_buf();
    let failed = |error: tokio::task::JoinError| TrajectoryError::File {
        path: file.display().to_string(),
        what: "read back",
        source: std::io::Error::other(error),
    };
    let read = move || {
        let mut records = Vec::new();
        each_event(&path, |record| {
            if record.seq >= next {
                records.push(record);
            }
        })?;
        Ok(records)
    };
    tokio::task::spawn_blocking(read).await.map_err(failed)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trajectory::event::Event;
    use crate::trajectory::{Store, Writer};

    fn note(call: u32) -> Event {
        Event::CallFailed {
            call,
            why: String::new(),
        }
    }

    #[tokio::test]
    async fn a_listener_that_is_far_behind_hears_every_record_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let id = RolloutId::generate();
        let (writer, _) = Writer::open(&store.create(&id).unwrap()).unwrap();
        writer.append(note(0)).unwrap();
        let records = writer.subscribe();
        let (news, mut heard) = mpsc::channel(1);
        let teller = Teller {
            file: store.folder(&id).join("events.jsonl"),
            id,
            next: 0,
            news,
        };
        // More than the writer keeps for anybody, before the teller begins.
        for call in 1..9_000 {
            writer.append(note(call)).unwrap();
        }
        let telling = tokio::spawn(teller.tell(records));
        let mut next = 0;
        while next < 9_100 {
            let Some(News::Record { record, .. }) = heard.recv().await else {
                panic!("after {next}");
            };
            assert_eq!(record.seq, next);
            next += 1;
            if next == 8_000 {
                for call in 9_000..9_100 {
                    writer.append(note(call)).unwrap();
                }
            }
        }
        drop(writer);
        telling.await.unwrap();
        assert!(heard.recv().await.is_none());
    }
}
