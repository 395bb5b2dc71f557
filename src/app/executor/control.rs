//! Operations on a run, one after the other, in the order in which they were given.
//!
//! What takes long (a command in the shell) is waited for beside the line, so that an interrupt can follow it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Shared, start};
use crate::app::news::News;
use crate::rollout::{Op, socket};
use crate::trajectory::RolloutId;

/// Operations that may wait for the answer to the one before; more are dropped, and a person gives them again.
const WAITING: usize = 64;
/// An operation that is not answered by then does not hold the next one up.
const QUICK: Duration = Duration::from_millis(500);

/// A line to a run: it ends when nobody can send on it any more.
pub(super) fn line(
    runtime: &tokio::runtime::Handle,
    shared: Arc<Shared>,
    name: String,
) -> mpsc::Sender<Op> {
    let (sender, mut ops) = mpsc::channel::<Op>(WAITING);
    runtime.spawn(async move {
        while let Some(op) = ops.recv().await {
            let sent = tokio::spawn(send(Arc::clone(&shared), name.clone(), op));
            // The task goes on where this stops waiting for it.
            let _ = tokio::time::timeout(QUICK, sent).await;
        }
    });
    sender
}

async fn send(shared: Arc<Shared>, id: String, op: Op) {
    let what = start::name_of(&op);
    let folder = RolloutId::parse(&id).map(|id| shared.store.folder(&id));
    let answer = match folder {
        Some(folder) => socket::ask(&folder, &op)
            .await
            .map_err(|error| format!("the run does not answer: {error}")),
        None => Err("that is no rollout's id".into()),
    };
    let _ = shared.news.send(News::Answered { id, what, answer }).await;
}
