//! Operations on a run, sent in the order in which a person gave them.
//!
//! Each run has a desk of its own: a task that sends one operation, waits for its answer, then sends the next. What takes
//! long (a command in the shell) is waited for beside it, so that an interrupt can follow: order holds for what is quick.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Shared;
use super::start::name_of;
use crate::app::news::News;
use crate::rollout::{Op, socket};
use crate::trajectory::RolloutId;

/// Operations that may wait for one run; a person does not type so fast.
const WAITING: usize = 64;
/// An operation that is not answered by then does not hold the next one up.
const QUICK: Duration = Duration::from_millis(500);

/// The desk of a run: operations go in, answers come as news.
pub(super) fn desk(
    runtime: &tokio::runtime::Handle,
    shared: Arc<Shared>,
    id: String,
) -> mpsc::Sender<Op> {
    let (sender, mut ops) = mpsc::channel(WAITING);
    runtime.spawn(async move {
        while let Some(op) = ops.recv().await {
            let sent = tokio::spawn(send(Arc::clone(&shared), id.clone(), op));
            // The task goes on where this stops waiting for it.
            let _ = tokio::time::timeout(QUICK, sent).await;
        }
    });
    sender
}

async fn send(shared: Arc<Shared>, id: String, op: Op) {
    let what = name_of(&op);
    let folder = RolloutId::parse(&id).map(|id| shared.store.folder(&id));
    let answer = match folder {
        Some(folder) => socket::ask(&folder, &op)
            .await
            .map_err(|error| format!("the run does not answer: {error}")),
        None => Err("that is no rollout's id".into()),
    };
    let _ = shared.news.send(News::Answered { id, what, answer }).await;
}
