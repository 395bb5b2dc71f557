//! The one grammar of `--tasks`, and the loading behind it.
//!
//! ```text
//! sample                                   the tasks that ship inside spotter
//! gym                                      small made tasks that ship as well, held out from what the bundled policy learned
//! PATH                                     a .jsonl, .json or .parquet file, or a folder of them
//! [hub:]org/name[@revision][:split]        a dataset of the Hugging Face hub
//! ```
//!
//! A path that exists wins over a hub name of the same spelling. Only the words `sample` and `gym` are stronger: write
//! `./sample` for a folder of that name.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::load::{Intake, LoadError, Loaded, load};
use super::sample;
use crate::hub::{Hub, HubError, Progress, Repo, splits};

/// Where tasks come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskSource {
    /// The bundled tasks.
    Sample,
    /// The bundled tasks of the gym.
    Gym,
    /// A file or folder of this machine.
    Path(PathBuf),
    /// A dataset of the hub.
    Hub {
        /// `org/name`.
        id: String,
        /// Branch, tag or commit; `main` where it is left out.
        revision: Option<String>,
        /// Split; may be left out where the dataset has only one.
        split: Option<String>,
    },
}

/// Why tasks cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Neither a path nor a hub name.
    #[error(
        "`{0}`: no such file or folder, and not a dataset name like `SWE-Gym/SWE-Gym-Lite` or `hub:org/name@revision:split`"
    )]
    Neither(String),
    /// Reading failed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The hub failed.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The reader's thread ended early.
    #[error("reading the tasks was interrupted")]
    Interrupted,
}

impl FromStr for TaskSource {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if text == "sample" {
            return Ok(Self::Sample);
        }
        if text == "gym" {
            return Ok(Self::Gym);
        }
        if let Some(name) = text.strip_prefix("hub:") {
            return hub_name(name).ok_or_else(|| SourceError::Neither(text.to_owned()));
        }
        if Path::new(text).exists() {
            return Ok(Self::Path(PathBuf::from(text)));
        }
        hub_name(text).ok_or_else(|| SourceError::Neither(text.to_owned()))
    }
}

/// `org/name[@revision][:split]`. A name that looks like a file is a file that is not there.
fn hub_name(text: &str) -> Option<TaskSource> {
    let (rest, split) = match text.rsplit_once(':') {
        Some((rest, split)) => (rest, Some(split)),
        None => (text, None),
    };
    let (id, revision) = match rest.split_once('@') {
        Some((id, revision)) => (id, Some(revision)),
        None => (rest, None),
    };
    let (org, name) = id.split_once('/')?;
    let file = [".jsonl", ".ndjson", ".json", ".parquet"]
        .iter()
        .any(|ext| name.ends_with(ext));
    let word = |text: &str| {
        !text.is_empty()
            && !text.starts_with('.')
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let revision_fits =
        |r: &str| !r.is_empty() && r.split('/').all(|part| !part.is_empty() && part != "..");
    let fits = word(org)
        && word(name)
        && !file
        && split.is_none_or(word)
        && revision.is_none_or(revision_fits);
    fits.then(|| TaskSource::Hub {
        id: id.to_owned(),
        revision: revision.map(str::to_owned),
        split: split.map(str::to_owned),
    })
}

impl fmt::Display for TaskSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sample => f.write_str("sample"),
            Self::Gym => f.write_str("gym"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Hub {
                id,
                revision,
                split,
            } => {
                write!(f, "hub:{id}")?;
                if let Some(revision) = revision {
                    write!(f, "@{revision}")?;
                }
                if let Some(split) = split {
                    write!(f, ":{split}")?;
                }
                Ok(())
            }
        }
    }
}

impl TaskSource {
    /// Read the tasks; a dataset of the hub is downloaded where it is not in the cache. `progress` hears of downloads.
    ///
    /// # Errors
    /// Where nothing can be read at all; single rows that cannot are in [`Loaded::problems`].
    pub async fn load(&self, progress: &Progress<'_>) -> Result<Loaded, SourceError> {
        match self {
            Self::Sample => blocking(|| Ok(sample::load())).await,
            Self::Gym => blocking(|| Ok(sample::gym())).await,
            Self::Path(path) => {
                let path = path.clone();
                blocking(move || Ok(load(&path)?)).await
            }
            Self::Hub { .. } => self.load_from(&Hub::from_env()?, progress).await,
        }
    }

    /// Like [`TaskSource::load`], with a hub of the caller's.
    ///
    /// # Errors
    /// As [`TaskSource::load`].
    pub async fn load_from(
        &self,
        hub: &Hub,
        progress: &Progress<'_>,
    ) -> Result<Loaded, SourceError> {
        let Self::Hub {
            id,
            revision,
            split,
        } = self
        else {
            return Box::pin(self.load(progress)).await;
        };
        let repo = Repo::dataset(id);
        let snapshot = hub.resolve(&repo, revision.as_deref(), progress).await?;
        let names = splits::choose(&repo, &snapshot.files, split.as_deref())?;
        let mut files = Vec::new();
        for name in names {
            let path = hub.file(&snapshot, &name, progress).await?;
            files.push((path, format!("hub:{id}/{name}")));
        }
        blocking(move || {
            let mut intake = Intake::default();
            for (path, origin) in &files {
                intake.file(path, origin)?;
            }
            Ok(intake.finish())
        })
        .await
    }
}

async fn blocking(
    work: impl FnOnce() -> Result<Loaded, SourceError> + Send + 'static,
) -> Result<Loaded, SourceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(SourceError::Interrupted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(id: &str, revision: Option<&str>, split: Option<&str>) -> TaskSource {
        TaskSource::Hub {
            id: id.to_owned(),
            revision: revision.map(str::to_owned),
            split: split.map(str::to_owned),
        }
    }

    #[test]
    fn every_form_is_understood_and_displayed_as_it_is_read() {
        let forms = [
            ("sample", TaskSource::Sample),
            ("gym", TaskSource::Gym),
            ("src", TaskSource::Path("src".into())),
            ("src/task", TaskSource::Path("src/task".into())),
            (
                "hub:SWE-Gym/SWE-Gym-Lite",
                hub("SWE-Gym/SWE-Gym-Lite", None, None),
            ),
            (
                "hub:a/b@v1.0:train.raw",
                hub("a/b", Some("v1.0"), Some("train.raw")),
            ),
            (
                "hub:a/b@refs/convert/parquet",
                hub("a/b", Some("refs/convert/parquet"), None),
            ),
            ("hub:a/b:test", hub("a/b", None, Some("test"))),
        ];
        for (text, source) in forms {
            let read: TaskSource = text.parse().unwrap();
            assert_eq!(read, source);
            assert_eq!(read.to_string(), text);
        }
        assert_eq!(
            "SWE-Gym/SWE-Gym".parse::<TaskSource>().unwrap(),
            hub("SWE-Gym/SWE-Gym", None, None)
        );
    }

    #[test]
    fn what_is_neither_a_path_nor_a_name_says_so() {
        for text in [
            "nothing",
            "a/b/c",
            "data/rows.jsonl",
            "hub:x",
            "../a",
            "a/b:",
            "a b/c",
            "hub:a/b@x/../y",
        ] {
            let error = text.parse::<TaskSource>().unwrap_err();
            assert!(
                error.to_string().contains("no such file or folder"),
                "{error}"
            );
        }
    }
}
