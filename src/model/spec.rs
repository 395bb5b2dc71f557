//! The one grammar of `--model`.
//!
//! ```text
//! http://host:port/v1#name     an OpenAI-compatible server (https too); without #name it has to offer exactly one
//! hub:org/name                 weights of the Hugging Face hub, for the local engine: safetensors, or its only GGUF file
//! hub:org/name/FILE.gguf       one GGUF file of a repository there
//! PATH                         weights on this machine, for the local engine: a folder, or a GGUF file
//! policy                       the small policy that comes with the program, for the gym's tasks
//! hub:org/name#q8_0, …         the same, kept as f32, bf16, q8_0 or q4_0, whatever they are stored as
//! MODEL+DIR                    any of these with an adapter beside it, of PEFT's layout, in a folder
//! human                        a person types
//! recorded:PATH                the answers of an earlier trajectory
//! ```

mod fetch;
mod weights;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::http::{HttpModel, HttpSettings};
use super::local::{self, Local};
use super::{ChatModel, ModelError, bundled, human};
use crate::engine::Precision;
use crate::hub::{Hub, Progress};

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
    Hub {
        /// org/name.
        id: String,
        /// A GGUF file of it; else what it has.
        file: Option<String>,
        /// How they are kept.
        precision: Precision,
    },
    /// Weights on this machine.
    Path {
        /// A folder, or a GGUF file.
        path: PathBuf,
        /// How they are kept.
        precision: Precision,
    },
    /// The policy inside the program.
    Bundled {
        /// How its weights are kept.
        precision: Precision,
    },
    /// Weights with an adapter beside them.
    Adapted {
        /// The weights.
        base: Box<Self>,
        /// Its folder.
        adapter: PathBuf,
    },
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
        if text == bundled::NAME {
            return Ok(Self::Bundled {
                precision: Precision::Stored,
            });
        }
        if let Some(path) = text.strip_prefix("recorded:") {
            return match path {
                "" => bad("name the trajectory, as in recorded:PATH"),
                path => Ok(Self::Recorded(path.into())),
            };
        }
        // How what is at a path is kept.
        let kept = text.rsplit_once('#').filter(|(path, name)| {
            !name.contains('+') && (*path == bundled::NAME || Path::new(path).exists())
        });
        // A path that exists wins over one with an adapter, and an address may hold a `+`.
        if let Some((base, adapter)) = text.rsplit_once('+')
            && !text.contains("://")
            && !Path::new(text).exists()
            && kept.is_none()
        {
            let base: Self = base.parse()?;
            if !Path::new(adapter).is_dir() {
                return bad("after `+` comes the folder of an adapter, and there is none");
            }
            return base.with_adapter(adapter.into());
        }
        if let Some(name) = text.strip_prefix("hub:") {
            return of_hub(name).or_else(|why| bad(&why));
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
            return Ok(Self::Path {
                path: text.into(),
                precision: Precision::Stored,
            });
        }
        if let Some((path, name)) = kept {
            return match Precision::of_name(name) {
                Some(precision) if path == bundled::NAME => Ok(Self::Bundled { precision }),
                Some(precision) => Ok(Self::Path {
                    path: path.into(),
                    precision,
                }),
                None => bad(UNKNOWN),
            };
        }
        bad(
            "not a model: write http://host:port/v1#name, hub:org/name, the path of a model's folder, policy, human or recorded:PATH",
        )
    }
}

/// `org/name[/FILE.gguf][#PRECISION]`, or why it is none.
fn of_hub(text: &str) -> Result<ModelSpec, String> {
    let (text, precision) = match text.split_once('#') {
        Some((text, name)) => (text, Precision::of_name(name).ok_or(UNKNOWN)?),
        None => (text, Precision::Stored),
    };
    let parts: Vec<&str> = text.splitn(3, '/').collect();
    let (org, name, file) = match parts.as_slice() {
        [org, name] => (*org, *name, None),
        [org, name, file] => (*org, *name, Some(*file)),
        _ => ("", "", None),
    };
    if org.is_empty() || name.is_empty() {
        return Err("a model of the hub is written hub:org/name or hub:org/name/FILE.gguf".into());
    }
    if let Some(file) = file {
        weights::check(file).map_err(|error| error.to_string())?;
    }
    Ok(ModelSpec::Hub {
        id: format!("{org}/{name}"),
        file: file.map(str::to_owned),
        precision,
    })
}

impl fmt::Display for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http {
                base,
                name: Some(name),
            } => write!(f, "{base}#{name}"),
            Self::Http { base, name: None } => f.write_str(base),
            Self::Hub {
                id,
                file,
                precision,
            } => {
                write!(f, "hub:{id}")?;
                if let Some(file) = file {
                    write!(f, "/{file}")?;
                }
                kept(f, *precision)
            }
            Self::Path { path, precision } => {
                write!(f, "{}", path.display())?;
                kept(f, *precision)
            }
            Self::Bundled { precision } => {
                f.write_str(bundled::NAME)?;
                kept(f, *precision)
            }
            Self::Adapted { base, adapter } => write!(f, "{base}+{}", adapter.display()),
            Self::Human => f.write_str("human"),
            Self::Recorded(path) => write!(f, "recorded:{}", path.display()),
        }
    }
}

/// Weights are kept as one of these.
const UNKNOWN: &str = "after `#` comes how weights are kept: f32, bf16, q8_0 or q4_0";

fn kept(f: &mut fmt::Formatter<'_>, precision: Precision) -> fmt::Result {
    precision.name().map_or(Ok(()), |name| write!(f, "#{name}"))
}

impl ModelSpec {
    /// The same weights, kept in another way.
    ///
    /// # Errors
    /// Where the model is none that this program computes.
    pub fn with_precision(self, precision: Precision) -> Result<Self, ModelError> {
        match self {
            Self::Hub { id, file, .. } => Ok(Self::Hub {
                id,
                file,
                precision,
            }),
            Self::Path { path, .. } => Ok(Self::Path { path, precision }),
            Self::Bundled { .. } => Ok(Self::Bundled { precision }),
            Self::Adapted { base, adapter } => Ok(Self::Adapted {
                base: Box::new(base.with_precision(precision)?),
                adapter,
            }),
            other => Err(ModelError::Spec(format!(
                "`{other}`: its weights are not computed here; --dtype and --quant are for a path, hub:org/name or policy"
            ))),
        }
    }

    /// The same weights, with an adapter beside them.
    ///
    /// # Errors
    /// Where the model is none that this program computes, or has one.
    pub fn with_adapter(self, adapter: PathBuf) -> Result<Self, ModelError> {
        match self {
            Self::Hub { .. } | Self::Path { .. } | Self::Bundled { .. } => Ok(Self::Adapted {
                base: Box::new(self),
                adapter,
            }),
            Self::Adapted { .. } => {
                Err(ModelError::Spec(format!("`{self}`: one adapter at a time")))
            }
            other => Err(ModelError::Spec(format!(
                "`{other}`: its weights are not computed here; adapters are for a path, hub:org/name or policy"
            ))),
        }
    }

    /// Open a server, weights, or a person at this terminal. A recording is opened by whoever can read trajectories.
    /// `progress` hears of downloads.
    ///
    /// # Errors
    /// Where the server cannot be asked for its models, or the kind cannot be opened here.
    pub async fn open(&self, progress: &Progress<'_>) -> Result<Box<dyn ChatModel>, ModelError> {
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
            Self::Path { .. } | Self::Bundled { .. } | Self::Hub { .. } | Self::Adapted { .. } => {
                // Where it is resumed from another folder it is the same files.
                let whole = self.clone().absolute()?;
                let weights = whole.weights(progress).await?;
                let text = whole.to_string();
                let (precision, adapter) = (whole.precision(), whole.adapter());
                let model = Local::open(&weights, precision, adapter, &text).await?;
                Ok(Box::new(model))
            }
        }
    }
}

impl ModelSpec {
    /// Its paths from the root of the file system: what is at `.` has a name then.
    ///
    /// # Errors
    /// Where there is nothing.
    pub fn absolute(self) -> Result<Self, ModelError> {
        Ok(match self {
            Self::Path { path, precision } => Self::Path {
                path: local::absolute(&path)?,
                precision,
            },
            Self::Adapted { base, adapter } => Self::Adapted {
                base: Box::new(base.absolute()?),
                adapter: local::absolute(&adapter)?,
            },
            other => other,
        })
    }

    /// The adapter beside its weights.
    #[must_use]
    pub fn adapter(&self) -> Option<&Path> {
        match self {
            Self::Adapted { adapter, .. } => Some(adapter),
            _ => None,
        }
    }

    /// How a local model's weights are kept.
    #[must_use]
    pub fn precision(&self) -> Precision {
        match self {
            Self::Path { precision, .. }
            | Self::Hub { precision, .. }
            | Self::Bundled { precision } => *precision,
            Self::Adapted { base, .. } => base.precision(),
            _ => Precision::Stored,
        }
    }

    /// Where the weights are that the local engine opens; those of the hub are downloaded where they are not there.
    ///
    /// # Errors
    /// Where they cannot be had, or it is no model of the local engine.
    pub async fn weights(&self, progress: &Progress<'_>) -> Result<PathBuf, ModelError> {
        match self {
            Self::Path { path, .. } => Ok(path.clone()),
            Self::Hub { id, file, .. } => {
                let hub = Hub::from_env();
                let hub = hub.map_err(|error| ModelError::Spec(format!("hub:{id}: {error}")))?;
                Box::pin(fetch::fetched(&hub, id, file.as_deref(), progress)).await
            }
            Self::Bundled { .. } => bundled::folder(),
            Self::Adapted { base, .. } => Box::pin(base.weights(progress)).await,
            other => Err(ModelError::Spec(format!(
                "{other}: these are no weights for the local engine; give a folder, a GGUF file or hub:org/name"
            ))),
        }
    }
}

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
            (
                "hub:a/b",
                ModelSpec::Hub {
                    id: "a/b".into(),
                    file: None,
                    precision: Precision::Stored,
                },
            ),
            (
                "hub:a/b#q4_0",
                ModelSpec::Hub {
                    id: "a/b".into(),
                    file: None,
                    precision: Precision::Q4_0,
                },
            ),
            (
                "hub:a/b/q/c-Q4_K_M.gguf#bf16",
                ModelSpec::Hub {
                    id: "a/b".into(),
                    file: Some("q/c-Q4_K_M.gguf".into()),
                    precision: Precision::Bf16,
                },
            ),
            (
                "src",
                ModelSpec::Path {
                    path: "src".into(),
                    precision: Precision::Stored,
                },
            ),
            (
                "src#bf16",
                ModelSpec::Path {
                    path: "src".into(),
                    precision: Precision::Bf16,
                },
            ),
            ("human", ModelSpec::Human),
            (
                "policy#q8_0",
                ModelSpec::Bundled {
                    precision: Precision::Q8_0,
                },
            ),
            (
                "hub:a/b#q8_0+src",
                ModelSpec::Adapted {
                    base: Box::new(ModelSpec::Hub {
                        id: "a/b".into(),
                        file: None,
                        precision: Precision::Q8_0,
                    }),
                    adapter: "src".into(),
                },
            ),
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
    fn a_plus_in_a_folders_name_is_a_part_of_it_whatever_follows() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a+b");
        let adapter = root.path().join("c");
        for folder in [&folder, &adapter] {
            std::fs::create_dir(folder).unwrap();
        }
        let path = folder.display();
        let kept = ModelSpec::Path {
            path: folder.clone(),
            precision: Precision::Q8_0,
        };
        let both = ModelSpec::Adapted {
            base: Box::new(kept.clone()),
            adapter: adapter.clone(),
        };
        for (text, spec) in [
            (format!("{path}#q8_0"), kept),
            (format!("{path}#q8_0+{}", adapter.display()), both),
        ] {
            let read: ModelSpec = text.parse().unwrap();
            assert_eq!(read, spec);
            assert_eq!(read.to_string(), text);
        }
        let error = format!("{path}#q9").parse::<ModelSpec>().unwrap_err();
        assert!(error.to_string().contains(UNKNOWN), "{error}");
    }

    #[test]
    fn what_is_no_model_says_how_to_write_one_and_hides_passwords() {
        for text in [
            "gpt-4",
            "hub:x",
            "hub:a/b#q9",
            "hub:/b",
            "hub:a/b/",
            "hub:a/b/model.safetensors",
            "hub:a/b/../../c.gguf",
            "hub:a/b//etc/c.gguf",
            "src#q9",
            "src+not-there",
            "src+src+src",
            "human+src",
            "recorded:",
            "http://",
            "https://me:pw@h/v1",
        ] {
            let error = text.parse::<ModelSpec>().unwrap_err().to_string();
            assert!(!error.contains("pw@"), "{error}");
        }
    }
}
