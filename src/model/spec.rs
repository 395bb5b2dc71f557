//! The one grammar of `--model`.
//!
//! ```text
//! http://host:port/v1#name     an OpenAI-compatible server (https too); without #name it has to offer exactly one
//! hub:org/name                 weights of the Hugging Face hub, for the local engine
//! PATH                         weights on this machine, for the local engine
//! human                        a person types
//! recorded:PATH                the answers of an earlier trajectory
//! ```

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::http::{HttpModel, HttpSettings};
use super::local::Local;
use super::{ChatModel, ModelError, human};
use crate::hub::{Hub, Repo};

/// Which model to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSpec {
    /// An OpenAI-compatible server.
    Http {
        /// Up to and with `/v1`.
        base: String,
        /// The model's name there.
        name: Option<String>,
    },
    /// Weights of the hub.
    Hub(String),
    /// Weights on this machine.
    Path(PathBuf),
    /// A person.
    Human,
    /// An earlier trajectory.
    Recorded(PathBuf),
}

impl FromStr for ModelSpec {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let bad = |why: &str| Err(ModelError::Spec(format!("`{text}`: {why}")));
        if text == "human" {
            return Ok(Self::Human);
        }
        if let Some(path) = text.strip_prefix("recorded:") {
            return match path {
                "" => bad("name the trajectory, as in recorded:PATH"),
                path => Ok(Self::Recorded(path.into())),
            };
        }
        if let Some(id) = text.strip_prefix("hub:") {
            let parts: Vec<&str> = id.split('/').collect();
            return match parts.as_slice() {
                [org, name] if !org.is_empty() && !name.is_empty() => Ok(Self::Hub(id.to_owned())),
                _ => bad("a model of the hub is written hub:org/name"),
            };
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            let (base, name) = text.split_once('#').unwrap_or((text, ""));
            let base = HttpSettings::new(base)?.base.to_string();
            return Ok(Self::Http {
                base: base.trim_end_matches('/').to_owned(),
                name: (!name.is_empty()).then(|| name.to_owned()),
            });
        }
        if Path::new(text).exists() {
            return Ok(Self::Path(text.into()));
        }
        bad(
            "not a model: write http://host:port/v1#name, hub:org/name, the path of a model's folder, human or recorded:PATH",
        )
    }
}

impl fmt::Display for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http {
                base,
                name: Some(name),
            } => write!(f, "{base}#{name}"),
            Self::Http { base, name: None } => f.write_str(base),
            Self::Hub(id) => write!(f, "hub:{id}"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Human => f.write_str("human"),
            Self::Recorded(path) => write!(f, "recorded:{}", path.display()),
        }
    }
}

impl ModelSpec {
    /// Open a server or a person at this terminal. A recording is opened by whoever can read trajectories.
    ///
    /// # Errors
    /// Where the server cannot be asked for its models, or the kind cannot be opened here.
    pub async fn open(&self) -> Result<Box<dyn ChatModel>, ModelError> {
        match self {
            Self::Http { base, name } => {
                let settings = HttpSettings::new(base)?;
                Ok(Box::new(HttpModel::open(&settings, name.as_deref()).await?))
            }
            Self::Human => Ok(Box::new(human::at_stdin())),
            Self::Recorded(path) => Err(ModelError::Recording(format!(
                "{} has to be read as a trajectory first",
                path.display()
            ))),
            Self::Path(_) | Self::Hub(_) => {
                let weights = self.weights().await?;
                Ok(Box::new(Local::open(&weights, &self.to_string()).await?))
            }
        }
    }
}

impl ModelSpec {
    /// Where the weights are that the local engine opens; those of the hub are downloaded where they are not there.
    ///
    /// # Errors
    /// Where they cannot be had, or it is no model of the local engine.
    pub async fn weights(&self) -> Result<PathBuf, ModelError> {
        match self {
            Self::Path(path) => Ok(path.clone()),
            Self::Hub(id) => fetched(id).await,
            other => Err(ModelError::Spec(format!(
                "{other}: these are no weights for the local engine; give a folder, a GGUF file or hub:org/name"
            ))),
        }
    }
}

/// The files of a model that the engine reads, in the hub's cache; downloaded where they are not there.
async fn fetched(id: &str) -> Result<PathBuf, ModelError> {
    let failed = |error: crate::hub::HubError| ModelError::Spec(format!("hub:{id}: {error}"));
    let hub = Hub::from_env().map_err(failed)?;
    let repo = Repo::model(id);
    let snapshot = hub.resolve(&repo, None).await.map_err(failed)?;
    let mut folder = None;
    let wanted = |name: &str| {
        !name.contains('/') && (name.ends_with(".safetensors") || READ.contains(&name))
    };
    let names: Vec<String> = snapshot
        .files
        .iter()
        .filter(|name| wanted(name))
        .cloned()
        .collect();
    for name in &names {
        let at = hub
            .file(&snapshot, name, &|_, _, _| {})
            .await
            .map_err(failed)?;
        folder = at.parent().map(Path::to_path_buf);
    }
    folder.ok_or_else(|| {
        ModelError::Spec(format!(
            "hub:{id}: there are no files of a model that the engine reads"
        ))
    })
}

/// Files of a model beside its weights.
const READ: [&str; 6] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood_and_displayed_as_it_is_read() {
        let forms = [
            (
                "http://h:8000/v1#Qwen/Q3",
                ModelSpec::Http {
                    base: "http://h:8000/v1".into(),
                    name: Some("Qwen/Q3".into()),
                },
            ),
            (
                "https://h/v1",
                ModelSpec::Http {
                    base: "https://h/v1".into(),
                    name: None,
                },
            ),
            ("hub:a/b", ModelSpec::Hub("a/b".into())),
            ("src", ModelSpec::Path("src".into())),
            ("human", ModelSpec::Human),
            ("recorded:x/y", ModelSpec::Recorded("x/y".into())),
        ];
        for (text, spec) in forms {
            let read: ModelSpec = text.parse().unwrap();
            assert_eq!(read, spec);
            assert_eq!(read.to_string(), text);
        }
        assert_eq!(
            "http://h/v1/#n".parse::<ModelSpec>().unwrap().to_string(),
            "http://h/v1#n"
        );
    }

    #[test]
    fn what_is_no_model_says_how_to_write_one_and_hides_passwords() {
        for text in [
            "gpt-4",
            "hub:x",
            "recorded:",
            "http://",
            "https://me:pw@h/v1",
        ] {
            let error = text.parse::<ModelSpec>().unwrap_err().to_string();
            assert!(!error.contains("pw@"), "{error}");
        }
    }
}
