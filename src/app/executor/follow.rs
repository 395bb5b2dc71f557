//! A run followed: its records so far, then those to come.
//!
//! A change of its folder wakes the follower; a live run is also looked at every so often, for a file system that tells
//! nothing. A run that is over costs nothing until its folder changes again.

use std::sync::Arc;
use std::time::Duration;

use notify::Watcher as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::app::news::{News, Request};
use crate::trajectory::RolloutId;
use crate::trajectory::follow::Follower;

/// How often a live run is looked at when nothing wakes the follower.
const LIVE: Duration = Duration::from_millis(250);
/// Pieces that may wait to be taken in before the next is read. The channel counts news, and a piece of a file is a large one.
const AHEAD: usize = 4;
/// How often it is looked whether they were.
const TAKEN: Duration = Duration::from_millis(1);
/// Pieces that come close together are told together.
const GATHER: Duration = Duration::from_millis(8);

pub(super) async fn follow(
    shared: Arc<Shared>,
    name: String,
    generation: Request,
    stop: CancellationToken,
) {
    let Some(id) = RolloutId::parse(&name) else {
        return;
    };
    let folder = shared.store.folder(&id);
    let changed = Arc::new(Notify::new());
    let wake = Arc::clone(&changed);
    let told = move |event: notify::Result<notify::Event>| {
        if event.map_or(true, |event| super::watch::may_change(&event)) {
            wake.notify_one();
        }
    };
    let mut watcher = notify::recommended_watcher(told).ok();
    if let Some(watcher) = &mut watcher {
        let _ = watcher.watch(&folder, notify::RecursiveMode::NonRecursive);
    }
    let mut follower = Follower::of(&folder);
    let mut was_live = None;
    loop {
        // At the end of the file as in its middle: a writer that never rests ends every piece at the end of the file.
        if !taken(&shared, &stop).await {
            return;
        }
        let live = shared.store.is_running(&id);
        let (back, seen) = {
            let looked = tokio::task::spawn_blocking(move || {
                let mut follower = follower;
                let seen = follower.look();
                (follower, seen)
            });
            match looked.await {
                Ok(both) => both,
                Err(_) => return,
            }
        };
        follower = back;
        let seen = match seen {
            Ok(seen) => seen,
            Err(why) => {
                let _ = shared.news.send(News::Unreadable { id: name, why }).await;
                return;
            }
        };
        let caught_up = seen.caught_up;
        let news = !seen.records.is_empty() || was_live != Some(live);
        if news {
            let told = News::Records {
                id: name.clone(),
                generation,
                records: seen.records,
                live,
                caught_up,
            };
            let sent = tokio::select! {
                sent = shared.news.send(told) => sent.is_ok(),
                () = stop.cancelled() => false,
            };
            if !sent {
                return;
            }
        }
        let over = was_live == Some(true) && !live && caught_up;
        if over || was_live.is_none() && caught_up && !live {
            super::library::refresh(&shared, &id);
        }
        if caught_up {
            was_live = Some(live);
            let timeout = if live {
                LIVE
            } else {
                Duration::from_secs(3600)
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = changed.notified() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(timeout) => {}
            }
        }
    }
}

/// Wait until what was told was taken in, but for a few pieces. False if nobody wants more.
async fn taken(shared: &Shared, stop: &CancellationToken) -> bool {
    let waiting = || shared.news.max_capacity() - shared.news.capacity();
    while waiting() > AHEAD && !stop.is_cancelled() && !shared.news.is_closed() {
        tokio::time::sleep(TAKEN).await;
    }
    !stop.is_cancelled() && !shared.news.is_closed()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::app::effect::Effect;
    use crate::app::executor::{Executor, Folders, WAITING};
    use crate::trajectory::Store;

    #[tokio::test]
    async fn of_a_run_that_writes_without_rest_a_few_pieces_wait_and_none_is_lost() {
        let keep = tempfile::tempdir().unwrap();
        let store = Store::open(keep.path()).unwrap();
        let (sender, mut news) = tokio::sync::mpsc::channel(WAITING);
        let settings = crate::config::Settings::default();
        let mut executor = Executor::new(store.clone(), settings, Folders::default(), sender);
        let id = RolloutId::generate();
        let folder = store.create(&id).unwrap();
        let lock = std::fs::File::create(folder.join("lock")).unwrap();
        lock.try_lock().unwrap();
        let mut file = std::fs::File::create(folder.join("events.jsonl")).unwrap();
        executor.carry_out(Effect::Open {
            id: id.to_string(),
            generation: 1,
        });
        let written = 100;
        for seq in 0..written {
            let line = format!(
                "{{\"seq\":{seq},\"at\":\"2026-01-01T00:00:00Z\",\"type\":\"repeating\",\"step\":1}}\n"
            );
            file.write_all(line.as_bytes()).unwrap();
            tokio::time::sleep(2 * GATHER).await;
            assert!(news.len() <= AHEAD + 2, "{} pieces wait", news.len());
        }
        let mut told = 0;
        while told < written {
            let next = tokio::time::timeout(Duration::from_secs(30), news.recv()).await;
            if let Some(News::Records { records, .. }) = next.unwrap() {
                told += records.len();
            }
        }
        assert_eq!(told, written);
    }
}
