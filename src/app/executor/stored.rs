//! What is done with what is stored: diffs of workspaces, raw logs, tests as of a step, checks.

use std::sync::Arc;

use super::{Shared, fetching};
use crate::app::fences::Fences;
use crate::app::messages::Weight;
use crate::app::news::{News, Request};
use crate::batch::as_of::{self, AsOf};
use crate::batch::{check, checks, supply};
use crate::grade::{Check, CheckVerdict, report};
use crate::rollout::ground::Wishes;
use crate::sandbox::snapshot::Shadow;
use crate::sandbox::{Kind, Limits, SnapshotId};
use crate::task::Task;
use crate::text::diff::{self, FileDiff};
use crate::text::log::Log;
use crate::text::safe::one_line;
use crate::trajectory::RolloutId;

/// A raw log larger than this is not read whole.
const LARGEST_LOG: u64 = 256 << 20;

pub(super) async fn diff(
    shared: Arc<Shared>,
    name: String,
    request: Request,
    span: crate::app::run::Span,
    snapshots: (SnapshotId, SnapshotId),
) {
    let reading = Arc::clone(&shared);
    let id = name.clone();
    let made = tokio::task::spawn_blocking(move || files_between(&reading, &id, &snapshots)).await;
    let result = made
        .unwrap_or_else(|error| Err(error.to_string()))
        .map(Arc::new);
    let files = result.as_ref().ok().cloned();
    let told = News::Diff {
        id: name.clone(),
        request,
        result,
    };
    if shared.news.send(told).await.is_err() {
        return;
    }
    // Plain first: the colours follow when they are there.
    let Some(files) = files.filter(|files| !files.is_empty()) else {
        return;
    };
    let made = tokio::task::spawn_blocking(move || crate::app::run::highlight(&files)).await;
    if let Ok(code) = made {
        let code = Arc::new(code);
        let _ = shared
            .news
            .send(News::Code {
                id: name,
                span,
                code,
            })
            .await;
    }
}

/// The code in a task's statement, in colours. That there is none is an answer, too.
pub(super) async fn fences(shared: Arc<Shared>, task: Arc<Task>) {
    let name = task.instance_id.clone();
    let made = tokio::task::spawn_blocking(move || Fences::of(&task.problem_statement)).await;
    let fences = Arc::new(made.unwrap_or_default());
    let told = News::Fences { task: name, fences };
    let _ = shared.news.send(told).await;
}

fn files_between(
    shared: &Shared,
    name: &str,
    (old, new): &(SnapshotId, SnapshotId),
) -> Result<Vec<FileDiff>, String> {
    let id = RolloutId::parse(name).ok_or("that is no rollout's id")?;
    let at = shared.store.folder(&id).join("sandbox").join("shadow");
    let shadow = Shadow::open(&at, None, false).map_err(|error| error.to_string())?;
    let patch = shadow.diff(old, new).map_err(|error| error.to_string())?;
    Ok(diff::parse(&patch))
}

pub(super) async fn log(shared: Arc<Shared>, name: String, file: String) {
    let reading = Arc::clone(&shared);
    let (id, asked) = (name.clone(), file.clone());
    let read = tokio::task::spawn_blocking(move || read_log(&reading, &id, &asked)).await;
    let result = read
        .unwrap_or_else(|error| Err(error.to_string()))
        .map(Arc::new);
    let _ = shared
        .news
        .send(News::Log {
            id: name,
            file,
            result,
        })
        .await;
}

fn read_log(shared: &Shared, name: &str, file: &str) -> Result<Log, String> {
    let id = RolloutId::parse(name).ok_or("that is no rollout's id")?;
    // The name comes from a trajectory: only a file of this folder is meant.
    if file.contains('/') || file.starts_with('.') {
        return Err(format!("`{file}` is no log of this run"));
    }
    let path = shared.store.folder(&id).join(file);
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let size = std::fs::metadata(&path).map_err(told)?.len();
    if size > LARGEST_LOG {
        return Err(format!(
            "{} has {} bytes, too many to show here; open it with a pager",
            path.display(),
            size
        ));
    }
    std::fs::read(&path).map(Log::new).map_err(told)
}

/// What happens is written to the trajectory, and read from there by whoever has the run open.
pub(super) async fn test(shared: Arc<Shared>, name: String, step: u32) {
    let Some(id) = RolloutId::parse(&name) else {
        return;
    };
    let (telling, cancel) = (fetching::telling(&shared), shared.going.child_token());
    let ran = Box::pin(as_of::run(
        &shared.store,
        &id,
        step,
        None,
        &telling,
        &cancel,
    ))
    .await;
    match ran {
        Ok(AsOf { result, .. }) => {
            let (weight, words) = match &result {
                Ok((grading, _)) => (Weight::Info, report::sentence(&grading.verdict)),
                Err(verdict) => (Weight::Warning, report::sentence(verdict)),
            };
            let words = one_line(&words);
            let text = format!("tests as of step {step}: {words}");
            shared.say(weight, text).await;
        }
        Err(why) => {
            let text = format!("the tests as of step {step} cannot be run: {why}");
            shared.say(Weight::Error, text).await;
        }
    }
    super::library::refresh(&shared, &id);
}

/// As `spotter tasks check` does it, once; the result is kept in the store.
pub(super) async fn check(shared: Arc<Shared>, source: String, id: String) {
    let text = match Box::pin(checked(&shared, &source, &id)).await {
        Ok(check) => {
            let weight = match check.verdict {
                CheckVerdict::Sound => Weight::Info,
                _ => Weight::Warning,
            };
            (
                weight,
                format!("{id}: {}", one_line(&checks::words(&check))),
            )
        }
        Err(why) => (Weight::Error, format!("{id} cannot be checked: {why}")),
    };
    shared.say(text.0, text.1).await;
}

async fn checked(shared: &Arc<Shared>, source: &str, id: &str) -> Result<Check, String> {
    let telling = fetching::telling(shared);
    let loaded = supply::load(source, &telling).await;
    let (tasks, _) = loaded.map_err(|error| error.to_string())?;
    let task = supply::find(&tasks, id).map_err(|error| error.to_string())?;
    let kind = match shared.settings.sandbox.as_deref() {
        Some("docker") => Kind::Docker,
        _ => Kind::Local,
    };
    let wishes = Wishes {
        kind,
        repos: shared.settings.repos.clone(),
        image: None,
        network: false,
        limits: Limits::default(),
        snapshot_ignored: false,
    };
    let check = check::check(&task, &shared.store, &wishes, 1, None, &telling).await?;
    checks::keep(&shared.store, &task, &check)?;
    Ok(check)
}
