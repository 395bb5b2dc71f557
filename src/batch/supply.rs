//! What attempts are made from, fetched: tasks by their source, the ground of a task with its image.
//!
//! Nothing here prints. Downloads tell a callback how far they are; rows that could not be read come back as sentences.

use std::sync::Arc;

use super::choose::Choice;
use super::order::{OrderError, Which};
use crate::grade;
use crate::hub::News;
use crate::rollout::ground::{Ground, Wishes};
use crate::sandbox::Kind;
use crate::sandbox::docker::Daemon;
use crate::task::source::TaskSource;
use crate::task::{Loaded, Task};
use crate::trajectory::Store;

/// Rows that could not be read which are named one by one; the rest is counted.
const NAMED_ROWS: usize = 20;

/// How a download goes.
#[derive(Debug, Clone, Copy)]
pub enum Fetching<'a> {
    /// A file of the hub.
    File(News<'a>),
    /// A layer of an image.
    Layer {
        /// The image.
        image: &'a str,
        /// Which layer, and what becomes of it.
        layer: &'a str,
        /// Bytes that are here.
        done: u64,
        /// Bytes it will be.
        total: u64,
    },
    /// Nothing is being fetched any more.
    Over,
}

/// Hears of downloads. It is called from several tasks at once and must not wait.
pub type Telling = Arc<dyn Fn(Fetching<'_>) + Send + Sync>;

/// Nobody wants to hear of downloads.
#[must_use]
pub fn untold() -> Telling {
    Arc::new(|_| {})
}

/// Read a source of tasks (`--tasks` text). Rows that could not be read are told in the second part.
///
/// # Errors
/// Where the text names no source, or nothing can be read from it at all.
pub async fn load(
    source: &str,
    telling: &Telling,
) -> Result<(Vec<Arc<Task>>, Vec<String>), OrderError> {
    let source: TaskSource = source.parse().map_err(OrderError::wrong)?;
    let hear = |news: News<'_>| telling(Fetching::File(news));
    let loaded = source.load(&hear).await;
    telling(Fetching::Over);
    let Loaded { tasks, problems } = loaded.map_err(OrderError::failed)?;
    let mut warnings: Vec<String> = problems
        .iter()
        .take(NAMED_ROWS)
        .map(|problem| format!("skipped: {problem}"))
        .collect();
    if problems.len() > NAMED_ROWS {
        warnings.push(format!(
            "skipped: {} further rows; `spotter tasks list` names them all",
            problems.len() - NAMED_ROWS
        ));
    }
    Ok((tasks.into_iter().map(Arc::new).collect(), warnings))
}

/// The task with an id, in any case.
///
/// # Errors
/// Where there is none; the sentence names the nearest.
pub fn find(tasks: &[Arc<Task>], id: &str) -> Result<Arc<Task>, OrderError> {
    let key = id.to_lowercase();
    if let Some(task) = tasks.iter().find(|task| task.key() == key) {
        return Ok(Arc::clone(task));
    }
    let near =
        crate::text::nearest::nearest(id, tasks.iter().map(|task| task.instance_id.as_str()));
    let hint = near
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_default();
    Err(OrderError::Wrong(format!(
        "no task `{id}` among {}{hint}",
        tasks.len()
    )))
}

/// The tasks that are meant, in the order in which they are named or read.
///
/// # Errors
/// Where an id is not there, the filter cannot be understood, or fits nothing.
pub fn choose(
    all: Vec<Arc<Task>>,
    which: &Which,
    source: &str,
) -> Result<Vec<Arc<Task>>, OrderError> {
    match which {
        Which::Ids(ids) => ids.iter().map(|id| find(&all, id)).collect(),
        Which::Filter(text) => {
            let filter = Choice::parse(text).map_err(OrderError::wrong)?;
            let chosen: Vec<_> = all.into_iter().filter(|task| filter.takes(task)).collect();
            if chosen.is_empty() {
                let why = format!("no task of {source} fits `{text}`");
                return Err(OrderError::Wrong(why));
            }
            Ok(chosen)
        }
    }
}

/// Lay the ground of a task, off the async threads; an image that is not here is pulled.
///
/// # Errors
/// Where there is no repository or image for it, or no daemon.
pub async fn lay(
    task: &Arc<Task>,
    wishes: &Wishes,
    store: &Store,
    telling: &Telling,
) -> Result<Ground, OrderError> {
    let (task, wishes, bases) = (Arc::clone(task), wishes.clone(), store.bases());
    let laid = tokio::task::spawn_blocking(move || {
        let images = grade::image_for(&task);
        Ground::lay(&task, &wishes, &images, &bases)
    });
    let ground = laid
        .await
        .map_err(OrderError::failed)?
        .map_err(OrderError::failed)?;
    if let Some(image) = ground
        .image
        .as_ref()
        .filter(|_| ground.kind == Kind::Docker)
    {
        let daemon = Daemon::connect().await.map_err(OrderError::failed)?;
        let mut hear = |pull: crate::sandbox::docker::Pull| {
            if let (Some(done), Some(total)) = (pull.current, pull.total) {
                let layer = format!("{} {}", pull.id, pull.status);
                telling(Fetching::Layer {
                    image,
                    layer: &layer,
                    done,
                    total,
                });
            }
        };
        let pulled = daemon.ensure_image(image, &mut hear).await;
        telling(Fetching::Over);
        pulled.map_err(OrderError::failed)?;
    }
    Ok(ground)
}
