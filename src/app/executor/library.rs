//! The library's rows, read from the store and told in slices.

use std::sync::Arc;

use super::Shared;
use crate::app::messages::Weight;
use crate::app::news::News;
use crate::trajectory::RolloutId;
use crate::trajectory::index::Summary;

/// Rows told at a time while the store is scanned.
const SLICE: usize = 256;

pub(super) async fn load(shared: Arc<Shared>) {
    let scanning = Arc::clone(&shared);
    let scanned = tokio::task::spawn_blocking(move || {
        let ids = match scanning.store.list() {
            Ok(ids) => ids,
            Err(error) => return Err(error.to_string()),
        };
        let mut rows = Vec::new();
        for id in ids {
            rows.extend(row(&scanning, &id));
            if rows.len() >= SLICE {
                let told = News::Library {
                    rows: std::mem::take(&mut rows),
                    complete: false,
                };
                if scanning.news.blocking_send(told).is_err() {
                    return Ok(());
                }
            }
        }
        let _ = scanning.news.blocking_send(News::Library {
            rows,
            complete: true,
        });
        Ok(())
    })
    .await;
    if let Ok(Err(why)) = scanned {
        shared
            .say(Weight::Error, format!("the library cannot be read: {why}"))
            .await;
    }
}

/// One row anew: its run has begun or ended.
pub(super) async fn refresh(shared: &Arc<Shared>, id: &RolloutId) {
    let (reading, id) = (Arc::clone(shared), id.clone());
    let read = tokio::task::spawn_blocking(move || row(&reading, &id)).await;
    if let Ok(Some(row)) = read {
        let _ = shared
            .news
            .send(News::Library {
                rows: vec![row],
                complete: false,
            })
            .await;
    }
}

fn row(shared: &Shared, id: &RolloutId) -> Option<Summary> {
    let records = shared.store.read(id).ok()?;
    let mut row = Summary::of(id.as_str(), &records)?;
    row.live = shared.store.is_running(id);
    Some(row)
}
