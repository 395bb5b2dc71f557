//! The local sandbox: namespaces of this machine, no daemon, as root or as an ordinary user.
//!
//! Mental model: one **init** process per sandbox (this program, re-executed) owns the inside; the host talks to it over
//! a socket pair and hands it open pipes for each command. The workspace is an overlay over the task's base folder, so a
//! start or a fork costs a mount. The host reads and writes workspace files through the init's root directory, confined
//! beneath the workspace. Where a kernel or a policy withholds something, the next lower tier is taken ([`Tier`]) and
//! the report says what no longer holds.
//!
//! Not here: what is snapshotted and how ([`super::snapshot`]).

mod deep;
mod descriptors;
mod fence;
mod host;
pub mod init;
mod inside;
pub mod prefix;
mod process;
mod protocol;
mod reach;
mod spawn;
mod syscalls;
pub mod tiers;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::snapshot::{Shadow, Workspace};
use super::{
    Base, Chunk, Exec, Ran, Restored, Sandbox, SandboxError, SandboxReport, Shell, SnapshotId,
    Spec, files as through_exec,
};
pub(crate) use deep::remove_tree;
pub use protocol::Tier;

use host::Host;
pub use host::use_init_program;

/// The one id of the host that commands have when spotter itself runs as root. Inside it is seen as root, but for the
/// lowest tier.
pub const MAPPED_ID: u32 = 61_234;

/// A running local sandbox.
pub struct Local {
    spec: Spec,
    tier: Tier,
    host: Arc<Host>,
    report: SandboxReport,
    shadow: tokio::sync::Mutex<Shadow>,
}

impl Local {
    /// Start in the best tier that works here.
    pub async fn start(spec: Spec) -> Result<Self, SandboxError> {
        let tier = tokio::task::spawn_blocking(tiers::best)
            .await
            .map_err(|error| SandboxError::NoTier(error.to_string()))??;
        Self::start_in(spec, tier).await
    }

    /// Start in a given tier.
    pub async fn start_in(spec: Spec, tier: Tier) -> Result<Self, SandboxError> {
        let Base::Folder(base) = spec.base.clone() else {
            return Err(SandboxError::NoTier(
                "it needs the task's repository as a folder; an image can only be used with --sandbox docker".into(),
            ));
        };
        let (spec_there, base_there) = (spec.clone(), base);
        let (host, report, shadow) = tokio::task::spawn_blocking(move || {
            let (host, report) = Host::start(&spec_there, &base_there, tier)?;
            let shadow = Shadow::open(
                &spec_there.state.join("shadow"),
                Some(&base_there),
                spec_there.snapshot_ignored,
            )?;
            Ok::<_, SandboxError>((host, report, shadow))
        })
        .await
        .map_err(|error| SandboxError::NoTier(error.to_string()))??;
        Ok(Self {
            spec,
            tier,
            host: Arc::new(host),
            report,
            shadow: tokio::sync::Mutex::new(shadow),
        })
    }

    /// The tier it runs in.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.tier
    }

    async fn with_shadow<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Shadow, Workspace) -> Result<T, SandboxError> + Send,
    ) -> Result<T, SandboxError> {
        let mut shadow = self.shadow.lock().await;
        let folder = self.host.workspace()?;
        tokio::task::block_in_place(|| {
            let workspace = Workspace::open(&folder, self.host.owner())?;
            act(&mut shadow, workspace)
        })
    }
}

#[async_trait]
impl Sandbox for Local {
    fn report(&self) -> &SandboxReport {
        &self.report
    }

    async fn exec(
        &self,
        exec: Exec,
        live: Option<mpsc::Sender<Chunk>>,
    ) -> Result<Ran, SandboxError> {
        process::run(&self.host, exec, live).await
    }

    async fn shell(
        &self,
        argv: Vec<String>,
        env: Vec<(String, String)>,
        size: (u16, u16),
    ) -> Result<Box<dyn Shell>, SandboxError> {
        Ok(Box::new(process::Terminal::open(
            Arc::clone(&self.host),
            argv,
            &env,
            size,
        )?))
    }

    async fn upload(&self, path: &str, bytes: &[u8], executable: bool) -> Result<(), SandboxError> {
        through_exec::upload(self, path, bytes, executable).await
    }

    async fn download(&self, path: &str, most: u64) -> Result<Vec<u8>, SandboxError> {
        through_exec::download(self, path, most).await
    }

    async fn snapshot(&self) -> Result<SnapshotId, SandboxError> {
        self.with_shadow(|shadow, workspace| shadow.snapshot(&workspace))
            .await
    }

    async fn restore(&self, id: &SnapshotId) -> Result<Restored, SandboxError> {
        self.host.end_all().await?;
        // Without a pid namespace, something may have got away.
        let alone = self.tier != Tier::Landlock;
        self.with_shadow(|shadow, workspace| {
            if alone {
                shadow.restore(&workspace.alone(), id)
            } else {
                shadow.restore(&workspace, id)
            }
        })
        .await
    }

    async fn fork(
        &self,
        id: &SnapshotId,
        state: PathBuf,
        owner: String,
    ) -> Result<Box<dyn Sandbox>, SandboxError> {
        let spec = Spec {
            state: state.clone(),
            owner,
            ..self.spec.clone()
        };
        let from = self.spec.state.join("shadow");
        Shadow::share(&from, &state.join("shadow"))?;
        let fork = Self::start_in(spec, self.tier).await?;
        fork.restore(id).await?;
        Ok(Box::new(fork))
    }

    async fn diff(&self, from: &SnapshotId, to: &SnapshotId) -> Result<String, SandboxError> {
        let shadow = self.shadow.lock().await;
        shadow.diff(from, to)
    }

    async fn stop(&self) -> Result<(), SandboxError> {
        let host = Arc::clone(&self.host);
        tokio::task::spawn_blocking(move || host.stop())
            .await
            .map_err(|error| SandboxError::Gone(error.to_string()))
    }
}

/// Give a tree to an id, links themselves included. Used when spotter is root, so that the mapped id owns its base. The
/// top comes last: a base whose top has been given was given whole, however the program that did it ended.
fn give_to(path: &Path, id: u32) -> std::io::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        for entry in std::fs::read_dir(path)? {
            give_to(&entry?.path(), id)?;
        }
    }
    std::os::unix::fs::lchown(path, Some(id), Some(id))
}
