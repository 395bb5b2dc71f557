//! Many rollouts: so many at a time, each with its control socket, until all are over.
//!
//! Branches that a person asks for while a rollout runs are run after it, in the same place. What every rollout writes
//! goes to one listener; one that falls behind is told how much it missed, it never slows a rollout down.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::rollout::socket::Control;
use crate::rollout::{self, Finished, Remote, Rollout, RolloutError, control};
use crate::trajectory::fold::State;
use crate::trajectory::{Record, RolloutId};

/// News that may wait for the listener; a rollout's own writing never waits for it.
pub const WAITING_NEWS: usize = 1024;

/// What a listener hears.
#[derive(Debug, Clone)]
pub enum News {
    /// A rollout begins; operations can be sent to it.
    Begun {
        /// Its name.
        id: RolloutId,
    },
    /// Something was written.
    Record {
        /// Which rollout.
        id: RolloutId,
        /// What.
        record: Box<Record>,
    },
    /// The listener was too slow for this many records; they are in the file.
    Missed {
        /// Which rollout.
        id: RolloutId,
        /// How many.
        count: u64,
    },
}

/// A rollout that is opened when its turn comes: laying out a repository or pulling an image for thousands of tasks
/// beforehand would fill the disk before the first one began.
pub struct Job {
    /// For messages: the task.
    pub name: String,
    /// Opens it.
    pub open: Pin<Box<dyn Future<Output = Result<Rollout, RolloutError>> + Send>>,
}

/// How one rollout came out.
pub struct Came {
    /// The job's name.
    pub name: String,
    /// What its trajectory says, or why it could not be carried to an end.
    pub result: Result<Box<State>, RolloutError>,
}

/// Run jobs, `at_once` at a time. Results come in the order in which they end.
pub async fn run(
    jobs: Vec<Job>,
    at_once: usize,
    step_mode: bool,
    abandon: &CancellationToken,
    news: mpsc::Sender<News>,
) -> Vec<Came> {
    let places = Arc::new(Semaphore::new(at_once.max(1)));
    let mut running = JoinSet::new();
    for Job { name, open } in jobs {
        let (places, abandon, news) = (Arc::clone(&places), abandon.clone(), news.clone());
        running.spawn(async move {
            let Ok(_place) = places.acquire_owned().await else {
                return Vec::new();
            };
            let came = |result| Came {
                name: name.clone(),
                result,
            };
            if abandon.is_cancelled() {
                return vec![came(Err(RolloutError::NotBegun(name.clone())))];
            }
            match open.await {
                Ok(rollout) => {
                    let results = Box::pin(one(rollout, step_mode, &abandon, &news)).await;
                    results.into_iter().map(came).collect()
                }
                Err(error) => vec![came(Err(error))],
            }
        });
    }
    drop(news);
    let mut came = Vec::new();
    while let Some(ended) = running.join_next().await {
        came.extend(ended.unwrap_or_default());
    }
    came
}

/// One rollout and the branches that grow out of it.
async fn one(
    mut rollout: Rollout,
    step_mode: bool,
    abandon: &CancellationToken,
    news: &mpsc::Sender<News>,
) -> Vec<Result<Box<State>, RolloutError>> {
    let mut results = Vec::new();
    loop {
        let id = rollout.id.clone();
        let (remote, desk) = control::desk(step_mode);
        let listening = listen(&rollout, remote);
        let _ = news.send(News::Begun { id: id.clone() }).await;
        let telling = tokio::spawn(tell(id, rollout.subscribe(), news.clone()));
        let result = Box::pin(rollout::run(rollout, desk, abandon.clone())).await;
        drop(listening);
        // The writer is gone with the rollout, so the teller ends when it has told everything.
        let _ = telling.await;
        match result {
            Ok(Finished::Branched { parent, branch }) => {
                results.push(Ok(parent));
                rollout = *branch;
            }
            Ok(Finished::Over(state)) => {
                results.push(Ok(state));
                return results;
            }
            Err(error) => {
                results.push(Err(error));
                return results;
            }
        }
    }
}

/// A rollout without a socket still runs; only nobody can steer it.
fn listen(rollout: &Rollout, remote: Remote) -> Option<Control> {
    Control::listen(&rollout.folder(), remote).ok()
}

async fn tell(id: RolloutId, mut records: broadcast::Receiver<Record>, news: mpsc::Sender<News>) {
    loop {
        let item = match records.recv().await {
            Ok(record) => News::Record {
                id: id.clone(),
                record: Box::new(record),
            },
            Err(broadcast::error::RecvError::Lagged(count)) => News::Missed {
                id: id.clone(),
                count,
            },
            Err(broadcast::error::RecvError::Closed) => return,
        };
        if news.send(item).await.is_err() {
            return;
        }
    }
}
