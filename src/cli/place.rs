//! Arguments that several subcommands share: where the store is, how sandboxes are made; and what comes of them said
//! aloud: warnings, tasks, ground.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args as ClapArgs, ValueEnum};

use super::{Failure, ink, progress};
use crate::batch::{OrderError, supply};
use crate::config::{self, Settings};
use crate::rollout::ground::{Ground, Wishes};
use crate::sandbox::{Kind, Limits};
use crate::task::Task;
use crate::text::safe::visible;
use crate::trajectory::Store;

/// The settings of the files; their mistakes are told once.
pub(crate) fn settings() -> Settings {
    let (settings, warnings) = config::load();
    for warning in warnings {
        ink::complain(&format!("warning: {}", visible(&warning.to_string())));
    }
    settings
}

/// Where rollouts are kept.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct StoreArgs {
    /// Folder of rollouts [default: the project's .spotter/, else the user's data folder]
    #[arg(long, value_name = "DIR", env = "SPOTTER_STORE")]
    pub(crate) store: Option<PathBuf>,
}

impl StoreArgs {
    pub(crate) fn open(&self, settings: &Settings) -> Result<Store, Failure> {
        let root = self
            .store
            .clone()
            .or_else(|| settings.store.clone())
            .unwrap_or_else(config::default_store);
        Store::open(root).map_err(Failure::error)
    }
}

/// Kind of sandbox, for the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SandboxKind {
    /// Namespaces of this machine, no daemon
    Local,
    /// A container of a Docker daemon
    Docker,
}

impl From<SandboxKind> for Kind {
    fn from(kind: SandboxKind) -> Self {
        match kind {
            SandboxKind::Local => Self::Local,
            SandboxKind::Docker => Self::Docker,
        }
    }
}

/// How sandboxes are made.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct SandboxArgs {
    /// Where commands run [default: local]
    #[arg(long, value_enum)]
    pub(crate) sandbox: Option<SandboxKind>,
    /// Folder of clones (`owner__name` or name), for rows whose image is not used
    #[arg(long, value_name = "DIR")]
    pub(crate) repos: Option<PathBuf>,
    /// Docker image to use in place of the task's own (needs bash, git, python3, find and tar)
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// Let the agent use the network; it is recorded and shown
    #[arg(long)]
    pub(crate) network: bool,
    /// Memory of a sandbox, MiB
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    pub(crate) memory: u64,
    /// Processes and threads in a sandbox
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub(crate) processes: u64,
    /// What the workspace may grow by, MiB
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    pub(crate) disk: u64,
    /// Keep files that .gitignore hides in snapshots, too
    #[arg(long)]
    pub(crate) snapshot_ignored: bool,
}

impl SandboxArgs {
    pub(crate) fn wishes(&self, settings: &Settings) -> Result<Wishes, Failure> {
        let kind = match (self.sandbox, settings.sandbox.as_deref()) {
            (Some(kind), _) => kind.into(),
            (None, None | Some("local")) => Kind::Local,
            (None, Some("docker")) => Kind::Docker,
            (None, Some(other)) => {
                return Err(Failure::usage(format!(
                    "`sandbox` in the settings is `{other}`; known: local, docker"
                )));
            }
        };
        Ok(Wishes {
            kind,
            repos: self.repos.clone().or_else(|| settings.repos.clone()),
            image: self.image.clone(),
            network: self.network,
            limits: Limits {
                memory: self.memory << 20,
                processes: self.processes,
                disk: self.disk << 20,
                ..Limits::default()
            },
            snapshot_ignored: self.snapshot_ignored,
        })
    }
}

/// Warnings of an order, which may quote files and rows.
pub(crate) fn warn(warnings: &[String]) {
    for warning in warnings {
        ink::complain(&visible(warning));
    }
}

/// Lay the ground of a task; an image that is not here is pulled, and that is shown.
pub(crate) async fn lay(
    task: &Arc<Task>,
    wishes: &Wishes,
    store: &Store,
) -> Result<Ground, OrderError> {
    supply::lay(task, wishes, store, &progress::telling()).await
}

/// Read a source of tasks; rows that could not be read are told.
pub(crate) async fn load(source: &str) -> Result<Vec<Arc<Task>>, OrderError> {
    let (tasks, warnings) = supply::load(source, &progress::telling()).await?;
    warn(&warnings);
    Ok(tasks)
}
