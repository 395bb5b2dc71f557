//! The library's rows: those of the index at once, then what has changed, then what changes.
//!
//! A change in the store is told by the file system: new folders, old ones that a writer opens, and the folders of runs that a
//! process works on. A live run's row is made again while it grows, but only so often that the reading takes a small part
//! of the time, and once more when it is over. Nothing is looked at while nothing happens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Shared;
use crate::app::messages::Weight;
use crate::app::news::News;
use crate::trajectory::index::{Index, Summary};
use crate::trajectory::{RolloutId, Store};

/// Changes that come within this are told together.
const GATHER: Duration = Duration::from_millis(300);

/// The row of a live run is made again this often at most …
const AGAIN: Duration = Duration::from_secs(1);
/// … and when so many times as long has passed as the last reading took: a long trajectory is long to read.
const SHARE: u32 = 20;

/// A run that a process works on.
struct Live {
    /// Its row may be made again from then on.
    due: Instant,
    /// It has changed since it was made.
    grown: bool,
}

/// What the tasks that serve the library share.
#[derive(Default)]
pub(super) struct Shelf {
    /// Opened with the first question.
    index: Mutex<Option<Index>>,
    /// What the file system told of.
    dirty: Mutex<Dirty>,
    changed: Notify,
    watched: AtomicBool,
}

/// Rollouts to look at; as many as there are at most.
#[derive(Default)]
struct Dirty {
    ids: BTreeSet<String>,
    /// News of the file system were lost: look at all of them.
    all: bool,
}

impl Shelf {
    fn with<T>(&self, store: &Store, ask: impl FnOnce(&mut Index) -> T) -> T {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        ask(index.get_or_insert_with(|| Index::open(store)))
    }

    /// The file system told something.
    fn hear(&self, rollouts: &Path, event: Result<notify::Event, notify::Error>) {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Ok(event) if !super::watch::may_change(&event) && !event.need_rescan() => return,
            Ok(event) if !event.need_rescan() => {
                let ids = event.paths.iter().filter_map(|path| {
                    let inside = path.strip_prefix(rollouts).ok()?;
                    inside.components().next()?.as_os_str().to_str()
                });
                dirty.ids.extend(ids.map(str::to_owned));
            }
            _ => dirty.all = true,
        }
        drop(dirty);
        self.changed.notify_one();
    }

    fn take(&self) -> Dirty {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *dirty)
    }
}

/// Tell all rows, and from now on those that change.
pub(super) async fn load(shared: Arc<Shared>) {
    // Before the first look: what comes after it is told of.
    if !shared.shelf.watched.swap(true, Ordering::AcqRel) {
        tokio::spawn(watch(Arc::clone(&shared)));
    }
    look(&shared, true).await;
}

/// Look at the whole store; `first` tells the kept rows before that.
async fn look(shared: &Arc<Shared>, first: bool) -> Vec<String> {
    let looking = Arc::clone(shared);
    let looked = tokio::task::spawn_blocking(move || {
        looking.shelf.with(&looking.store, |index| {
            let tell = |rows| {
                let complete = false;
                let told = News::Library { rows, complete };
                looking.news.blocking_send(told).is_ok()
            };
            let kept = index.rows();
            let mut live = live_ones(&kept);
            if first && !kept.is_empty() && !tell(kept) {
                return Ok::<_, String>((Vec::new(), live));
            }
            let done = index.refresh(&mut |rows| {
                live.extend(live_ones(&rows));
                tell(rows)
            });
            let done = done.map_err(|error| error.to_string())?;
            Ok((done.gone, live))
        })
    })
    .await;
    match looked {
        Ok(Ok((gone, live))) => {
            if !gone.is_empty() {
                let _ = shared.news.send(News::Gone { ids: gone }).await;
            }
            let over = News::Library {
                rows: Vec::new(),
                complete: true,
            };
            let _ = shared.news.send(over).await;
            if first && !live.is_empty() {
                let mut dirty = shared
                    .shelf
                    .dirty
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                dirty.ids.extend(live.iter().cloned());
                drop(dirty);
                shared.shelf.changed.notify_one();
            }
            live
        }
        Ok(Err(why)) => {
            let text = format!("the library cannot be read: {why}");
            shared.say(Weight::Error, text).await;
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

fn live_ones(rows: &[Summary]) -> Vec<String> {
    let live = rows.iter().filter(|row| row.live);
    live.map(|row| row.id.clone()).collect()
}

/// Watch the store until nobody hears of it any more.
async fn watch(shared: Arc<Shared>) {
    let rollouts = shared.store.root().join("rollouts");
    let (hearing, under) = (Arc::downgrade(&shared), rollouts.clone());
    let watcher = notify::recommended_watcher(move |event| {
        if let Some(shared) = hearing.upgrade() {
            shared.shelf.hear(&under, event);
        }
    });
    let placed = watcher.and_then(|mut watcher| {
        watcher.watch(&rollouts, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    let Ok(mut watcher) = placed else {
        let text = "the store cannot be watched: `reload` shows what other processes do";
        shared.say(Weight::Warning, text).await;
        return;
    };
    let mut live: BTreeMap<String, Live> = BTreeMap::new();
    loop {
        let grown = live.values().filter(|run| run.grown);
        let next = grown.map(|run| run.due).min();
        let due = async {
            match next {
                Some(next) => tokio::time::sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.shelf.changed.notified() => tokio::time::sleep(GATHER).await,
            () = due => {}
            () = shared.news.closed() => return,
        }
        let mut dirty = shared.shelf.take();
        let now = Instant::now();
        let due = live.iter().filter(|(_, run)| run.grown && run.due <= now);
        dirty.ids.extend(due.map(|(id, _)| id.clone()));
        if dirty.all {
            dirty.ids.extend(look(&shared, false).await);
        }
        for id in dirty.ids {
            if let Some(id) = RolloutId::parse(&id) {
                changed(&shared, &mut watcher, &mut live, id).await;
            }
        }
    }
}

/// One rollout has changed, as the file system says.
async fn changed(
    shared: &Arc<Shared>,
    watcher: &mut RecommendedWatcher,
    live: &mut BTreeMap<String, Live>,
    id: RolloutId,
) {
    let folder = shared.store.folder(&id);
    if !folder.exists() {
        live.remove(id.as_str());
        let (asked, gone) = (Arc::clone(shared), id.clone());
        let row = move || asked.shelf.with(&asked.store, |index| index.row(&gone));
        let _ = tokio::task::spawn_blocking(row).await;
        let ids = vec![id.to_string()];
        let _ = shared.news.send(News::Gone { ids }).await;
        return;
    }
    let running = shared.store.is_running(&id);
    let began = Instant::now();
    match live.get_mut(id.as_str()) {
        Some(run) if running && began < run.due => {
            run.grown = true;
            return;
        }
        Some(_) if running => {}
        // Watched before it is read: what is written after the reading is told of.
        _ => drop(watcher.watch(&folder, RecursiveMode::NonRecursive)),
    }
    let row = reread(shared, &id).await;
    let over = match &row {
        Some(row) if row.live => {
            let now = Instant::now();
            let run = Live {
                due: now + AGAIN.max((now - began) * SHARE),
                grown: false,
            };
            live.insert(id.as_str().to_owned(), run);
            false
        }
        // Its folder is there before its first record.
        None => false,
        Some(_) => true,
    };
    if over {
        live.remove(id.as_str());
        let _ = watcher.unwatch(&folder);
    }
}

/// One row anew: its run has begun or ended.
pub(super) fn refresh(shared: &Arc<Shared>, id: &RolloutId) {
    let (shared, id) = (Arc::clone(shared), id.clone());
    tokio::spawn(async move { reread(&shared, &id).await });
}

async fn reread(shared: &Arc<Shared>, id: &RolloutId) -> Option<Summary> {
    let (reading, asked) = (Arc::clone(shared), id.clone());
    let row = move || {
        reading
            .shelf
            .with(&reading.store, |index| index.row(&asked))
    };
    let row = tokio::task::spawn_blocking(row).await.ok()??;
    let told = News::Library {
        rows: vec![row.clone()],
        complete: false,
    };
    let _ = shared.news.send(told).await;
    Some(row)
}

#[cfg(test)]
mod tests;
