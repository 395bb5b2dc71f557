//! The daemon: reach it, have images, make and sweep containers.

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use futures_util::TryStreamExt;

use crate::sandbox::{SandboxError, Spec};

/// Label with the owner: the rollout's id.
pub const OWNER: &str = "dev.spotter.owner";
/// Label with the folder of the host that the container's sandbox keeps its state in.
pub const STATE: &str = "dev.spotter.state";

/// Idles, reaps what loses its parent, ends at once when told to.
const IDLE: &str = "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait $!; done";

/// A piece of progress of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Layer, or the image itself.
    pub id: String,
    /// What happens to it.
    pub status: String,
    /// Bytes so far.
    pub current: Option<u64>,
    /// Bytes in all.
    pub total: Option<u64>,
}

/// A daemon that answered.
#[derive(Clone)]
pub struct Daemon {
    pub(super) docker: bollard::Docker,
    pub(super) address: String,
}

impl Daemon {
    /// Connect to `DOCKER_HOST` or the machine's own socket.
    pub async fn connect() -> Result<Self, SandboxError> {
        let address =
            std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into());
        Self::connect_to(&address).await
    }

    /// Connect to a given address.
    pub async fn connect_to(address: &str) -> Result<Self, SandboxError> {
        let unreachable = |error: Error| SandboxError::Unreachable {
            what: format!("the Docker daemon at {address}"),
            why: error.to_string(),
        };
        let docker = bollard::Docker::connect_with_host(address).map_err(unreachable)?;
        let docker = docker.negotiate_version().await.map_err(unreachable)?;
        Ok(Self {
            docker,
            address: address.to_owned(),
        })
    }

    /// Version and address, for `doctor`.
    pub async fn describe(&self) -> Result<String, SandboxError> {
        let version = self
            .docker
            .version()
            .await
            .map_err(|error| self.error("asking its version", error))?;
        let text = |field: Option<String>| field.unwrap_or_else(|| "?".into());
        Ok(format!(
            "{} (API {}) at {}",
            text(version.version),
            text(version.api_version),
            self.address
        ))
    }

    /// What an error of the daemon means for a sandbox.
    pub(super) fn error(&self, doing: &str, error: Error) -> SandboxError {
        match error {
            Error::DockerResponseServerError {
                status_code: 404 | 409,
                message,
            } => SandboxError::Gone(format!("{doing}: {message}")),
            Error::DockerResponseServerError { message, .. } => {
                SandboxError::Gone(format!("{doing}: {message}"))
            }
            other => SandboxError::Unreachable {
                what: format!("the Docker daemon at {}", self.address),
                why: format!("{doing}: {other}"),
            },
        }
    }

    /// The image's id; pulled where it is missing.
    pub async fn ensure_image(
        &self,
        image: &str,
        progress: &mut (dyn FnMut(Pull) + Send),
    ) -> Result<String, SandboxError> {
        if let Some(id) = self.image_id(image).await? {
            return Ok(id);
        }
        let failed = |error: Error| SandboxError::Image {
            image: image.into(),
            why: error.to_string(),
        };
        let (name, tag) = match image.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (image, "latest"),
        };
        let options = CreateImageOptionsBuilder::default()
            .from_image(name)
            .tag(tag)
            .build();
        let mut pulling = std::pin::pin!(self.docker.create_image(Some(options), None, None));
        while let Some(info) = pulling.try_next().await.map_err(failed)? {
            let detail = info.progress_detail.unwrap_or_default();
            let count = |field: Option<i64>| field.and_then(|count| u64::try_from(count).ok());
            progress(Pull {
                id: info.id.unwrap_or_default(),
                status: info.status.unwrap_or_default(),
                current: count(detail.current),
                total: count(detail.total),
            });
        }
        self.image_id(image)
            .await?
            .ok_or_else(|| SandboxError::Image {
                image: image.into(),
                why: "the pull ended, but the image is not there".into(),
            })
    }

    pub(super) async fn image_id(&self, image: &str) -> Result<Option<String>, SandboxError> {
        match self.docker.inspect_image(image).await {
            Ok(found) => Ok(found.id),
            Err(Error::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(None),
            Err(error) => Err(self.error("looking for an image", error)),
        }
    }

    /// Make a container, confined as the spec says; it is not started.
    pub(super) async fn create(
        &self,
        spec: &Spec,
        image: &str,
        workdir: &str,
    ) -> Result<String, SandboxError> {
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let host = HostConfig {
            network_mode: Some(if spec.network { "bridge" } else { "none" }.into()),
            memory: Some(count(spec.limits.memory)),
            memory_swap: Some(count(spec.limits.memory)),
            nano_cpus: Some(i64::from(spec.limits.milli_cpus) * 1_000_000),
            pids_limit: Some(count(spec.limits.processes)),
            cap_drop: Some(vec!["ALL".into()]),
            security_opt: Some(vec!["no-new-privileges".into()]),
            ..HostConfig::default()
        };
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            entrypoint: Some(Vec::new()),
            cmd: Some(["sh", "-c", IDLE].map(String::from).to_vec()),
            env: Some(vec![super::exec::own_mark()]),
            working_dir: Some(workdir.to_owned()),
            hostname: Some("sandbox".into()),
            labels: Some(HashMap::from([
                (OWNER.to_owned(), spec.owner.clone()),
                (STATE.to_owned(), spec.state.to_string_lossy().into_owned()),
            ])),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        };
        let name = format!(
            "spotter-{}",
            ulid::Ulid::generate().to_string().to_lowercase()
        );
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let made = self.docker.create_container(Some(options), body).await;
        made.map(|made| made.id)
            .map_err(|error| self.error("making a container", error))
    }

    /// Remove a container with everything in it; gone already is fine.
    pub(super) async fn remove(&self, id: &str) {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        let _ = self.docker.remove_container(id, Some(options)).await;
    }

    /// Containers whose state lies beneath `root`, running or not: id and owner.
    pub(in crate::sandbox) async fn of_store(
        &self,
        root: &std::path::Path,
    ) -> Vec<(String, String)> {
        let filters = HashMap::from([("label".to_owned(), vec![OWNER.to_owned()])]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let listed = self.docker.list_containers(Some(options)).await;
        let ours = listed
            .unwrap_or_default()
            .into_iter()
            .filter_map(|container| {
                let mut labels = container.labels.unwrap_or_default();
                let state = labels.remove(STATE)?;
                let owner = labels.remove(OWNER)?;
                let ours = std::path::Path::new(&state).starts_with(root);
                ours.then_some((container.id?, owner))
            });
        ours.collect()
    }

    /// Remove containers whose state lies beneath `root` and whose owner is not among `running`; how many.
    pub async fn sweep(&self, root: &std::path::Path, running: &[String]) -> usize {
        let mut removed = 0;
        for (id, owner) in self.of_store(root).await {
            if !running.contains(&owner) {
                self.remove(&id).await;
                removed += 1;
            }
        }
        removed
    }
}
