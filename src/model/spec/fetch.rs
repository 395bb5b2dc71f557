//! A model's files brought from the hub.
//!
//! Mental model: what is small comes first. Once `config.json` is there it is known whether the engine computes such a model, so
//! one that it does not is refused before any of its weights travel. A GGUF file keeps all that in itself and comes whole, after the
//! tokenizer beside it, which is for vocabularies that are not read out of the file. The files lie in the hub's cache then; opening
//! them is for others.

use std::path::{Path, PathBuf};

use super::weights::{self, Choice};
use crate::engine::config::Config;
use crate::hub::{Hub, HubError, Progress, Repo, Snapshot};
use crate::model::ModelError;

/// Says which decoder it is.
const CONFIG: &str = "config.json";

/// What the engine does not open safetensors without.
const NEEDED: [&str; 2] = [CONFIG, "tokenizer.json"];

/// The path that the engine opens: of a GGUF file (the one that is named, or the only one), or of the folder with safetensors.
///
/// # Errors
/// Where the files cannot be had, or the engine would refuse them.
pub(super) async fn fetched(
    hub: &Hub,
    id: &str,
    file: Option<&str>,
    progress: &Progress<'_>,
) -> Result<PathBuf, ModelError> {
    let refused = |why: String| ModelError::Spec(format!("hub:{id}: {why}"));
    let failed = |error: HubError| refused(error.to_string());
    let snapshot = hub.resolve(&Repo::model(id), None, progress).await;
    let snapshot = snapshot.map_err(failed)?;
    match weights::choose(&snapshot, file).map_err(failed)? {
        Choice::Gguf { tokenizer, pieces } => {
            let small: Vec<String> = tokenizer.into_iter().collect();
            let brought = all(hub, &snapshot, &small, progress).await;
            brought.map_err(failed)?;
            let first = all(hub, &snapshot, &pieces, progress).await;
            let first = first.map_err(failed)?;
            first.ok_or_else(|| refused("it has no GGUF file".to_owned()))
        }
        Choice::Safetensors { about, weights } => {
            let missing = NEEDED
                .into_iter()
                .find(|needed| !about.iter().any(|name| name == needed));
            if let Some(missing) = missing {
                let place = match &snapshot.from_cache {
                    Some(why) => format!(" in the cache ({why})"),
                    None => String::new(),
                };
                return Err(refused(format!(
                    "there is no {missing}{place} beside its safetensors, which cannot be opened without it"
                )));
            }
            let config = hub.file(&snapshot, CONFIG, progress).await;
            let config = config.map_err(failed)?;
            computed(&config).await.map_err(refused)?;
            for names in [&about, &weights] {
                let brought = all(hub, &snapshot, names, progress).await;
                brought.map_err(failed)?;
            }
            Ok(config.parent().unwrap_or(&config).to_owned())
        }
    }
}

/// Bring these files, in their order; the first one's path.
async fn all(
    hub: &Hub,
    snapshot: &Snapshot,
    names: &[String],
    progress: &Progress<'_>,
) -> Result<Option<PathBuf>, HubError> {
    let mut first = None;
    for name in names {
        let at = hub.file(snapshot, name, progress).await?;
        first = first.or(Some(at));
    }
    Ok(first)
}

/// Whether the engine computes what a configuration describes.
async fn computed(config: &Path) -> Result<(), String> {
    let text = tokio::fs::read_to_string(config).await;
    let text = text.map_err(|error| format!("{}: {error}", config.display()))?;
    Config::from_json(&text, CONFIG).map_err(|error| error.to_string())?;
    Ok(())
}

#[cfg(test)]
mod tests;
