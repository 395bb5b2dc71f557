//! One file into the cache: locked, resumed, checked, linked.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, RANGE};
use tokio::io::AsyncWriteExt as _;

use super::api::{self, Meta};
use super::error::may_pass;
use super::http::chain;
use super::verify::{self, Difference};
use super::{Hub, HubError, News, Progress, Snapshot, cache};

/// Attempts in a row that may bring nothing new before the download is given up.
pub(super) const ATTEMPTS: u32 = 5;

/// The first pause between attempts; it doubles.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

pub(super) async fn file(
    hub: &Hub,
    snapshot: &Snapshot,
    name: &str,
    pointer: &Path,
    progress: &Progress<'_>,
) -> Result<(), HubError> {
    let what = format!("`{name}` of {}", snapshot.repo);
    let found = api::meta(hub, snapshot, name).await;
    let meta = found.map_err(|error| as_offline(error, &what))?;
    let root = &hub.settings.cache;
    let blob = cache::blob(root, &snapshot.repo, &meta.etag);
    let parent = blob.parent().unwrap_or(root);
    std::fs::create_dir_all(parent).map_err(HubError::io(parent))?;
    let _lock = cache::lock(root, &snapshot.repo, &meta.etag).await?;
    // While this process waited for the lock, another may have finished.
    if !blob.exists() {
        let mut partial = blob.clone().into_os_string();
        partial.push(".incomplete");
        let partial = Path::new(&partial);
        content(hub, snapshot, name, &meta, partial, progress).await?;
        std::fs::rename(partial, &blob).map_err(HubError::io(&blob))?;
    }
    cache::link(root, &snapshot.repo, &meta.etag, pointer)
}

/// Download to the partial file until it is whole and has the right hash.
async fn content(
    hub: &Hub,
    snapshot: &Snapshot,
    name: &str,
    meta: &Meta,
    partial: &Path,
    progress: &Progress<'_>,
) -> Result<(), HubError> {
    let what = format!("`{name}` of {}", snapshot.repo);
    let mut failures = 0;
    loop {
        let before = length(partial);
        let attempt = attempt(hub, snapshot, name, meta, partial, progress).await;
        match attempt {
            Ok(()) => break,
            Err(Failed::ForGood(error)) => return Err(error),
            Err(Failed::Perhaps(why)) => {
                failures = if length(partial) > before {
                    1
                } else {
                    failures + 1
                };
                if failures >= ATTEMPTS {
                    return Err(HubError::Unreachable { what, why });
                }
                tokio::time::sleep(PAUSE * 2_u32.pow(failures - 1)).await;
            }
        }
    }
    let (path, etag) = (partial.to_owned(), meta.etag.clone());
    let checked = tokio::task::spawn_blocking(move || verify::difference(&path, &etag)).await;
    let difference = checked
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(HubError::io(partial))?;
    let Some(Difference { expected, found }) = difference else {
        return Ok(());
    };
    std::fs::remove_file(partial).map_err(HubError::io(partial))?;
    Err(HubError::Corrupt {
        what,
        expected,
        found,
    })
}

enum Failed {
    /// Asking again will not help.
    ForGood(HubError),
    /// It may.
    Perhaps(String),
}

async fn attempt(
    hub: &Hub,
    snapshot: &Snapshot,
    name: &str,
    meta: &Meta,
    partial: &Path,
    progress: &Progress<'_>,
) -> Result<(), Failed> {
    let for_good = |source| Failed::ForGood(HubError::io(partial)(source));
    let mut have = length(partial);
    if meta.size.is_some_and(|size| have > size) {
        std::fs::remove_file(partial).map_err(for_good)?;
        have = 0;
    }
    if meta.size == Some(have) && have > 0 {
        return Ok(());
    }
    let url = api::content_address(hub, snapshot, name).map_err(Failed::ForGood)?;
    let mut request = api::with_token(hub, hub.clients.follow.get(url));
    if have > 0 {
        request = request.header(RANGE, format!("bytes={have}-"));
    }
    let response = request
        .send()
        .await
        .map_err(|error| Failed::Perhaps(chain(&error)))?;
    let status = response.status();
    if may_pass(status.as_u16()) {
        return Err(Failed::Perhaps(format!("the hub answered {status}")));
    }
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        std::fs::remove_file(partial).map_err(for_good)?;
        return Err(Failed::Perhaps(
            "the partial file does not fit and was dropped".to_owned(),
        ));
    }
    let what = format!("`{name}` of {}", snapshot.repo);
    let accepted = api::accepted(hub, &snapshot.repo, &what, response).await;
    let response = accepted.map_err(Failed::ForGood)?;
    // A server that cannot resume sends the whole file from the start.
    let resumed = status == StatusCode::PARTIAL_CONTENT
        && response
            .headers()
            .get(CONTENT_RANGE)
            .and_then(|range| range.to_str().ok())
            .is_some_and(|range| range.starts_with(&format!("bytes {have}-")));
    let mut options = tokio::fs::OpenOptions::new();
    options
        .create(true)
        .write(true)
        .append(resumed)
        .truncate(!resumed);
    let mut file = options.open(partial).await.map_err(for_good)?;
    let mut done = if resumed { have } else { 0 };
    let mut pieces = response.bytes_stream();
    let coming = |done| News::Coming {
        file: name,
        done,
        total: meta.size,
    };
    progress(coming(done));
    let ended = loop {
        match pieces.next().await {
            None => break Ok(()),
            Some(Err(error)) => break Err(Failed::Perhaps(chain(&error))),
            Some(Ok(piece)) => {
                done += piece.len() as u64;
                if let Some(size) = meta.size
                    && done > size
                {
                    let _ = std::fs::remove_file(partial);
                    break Err(Failed::ForGood(HubError::Corrupt {
                        what,
                        expected: format!("{size} bytes"),
                        found: format!("at least {done} bytes"),
                    }));
                }
                file.write_all(&piece).await.map_err(for_good)?;
                progress(coming(done));
            }
        }
    };
    file.flush().await.map_err(for_good)?;
    ended?;
    match meta.size {
        Some(size) if done < size => Err(Failed::Perhaps(format!(
            "the connection ended after {done} of {size} bytes"
        ))),
        _ => Ok(()),
    }
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

fn as_offline(error: HubError, what: &str) -> HubError {
    match error {
        HubError::Unreachable { why, .. } => HubError::offline(what, &why),
        other => other,
    }
}
