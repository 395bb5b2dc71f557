//! The Docker sandbox: one container per sandbox, through any daemon that speaks Docker's protocol.
//!
//! Mental model: the container idles on a shell that reaps; every command is an `exec` in it. Nothing of the host is
//! mounted. The shadow repository of snapshots lies on the host: a listing is read out of the container, then the files
//! that changed, as the agent's own user, so that a hostile program inside can at worst spoil its own snapshots.
//!
//! Containers carry labels ([`daemon`]), so that what a killed spotter left behind can be found and removed. Images of
//! tasks are used through a prepared copy without the repository's future history (`prepare`).

pub mod daemon;
mod exec;
mod files;
mod prepare;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::snapshot::{ROUNDS, Shadow};
use super::{
    Base, Chunk, Exec, Exit, Holds, Kind, Ran, Restored, Sandbox, SandboxError, SandboxReport,
    Shell, SnapshotId, Spec, files as through_exec,
};
pub use daemon::{Daemon, Pull};
use files::Reader;

/// Where published images keep the repository.
pub const WORKDIR: &str = "/testbed";

/// A running container.
pub struct Docker {
    spec: Spec,
    container: Arc<exec::Container>,
    report: SandboxReport,
    shadow: tokio::sync::Mutex<(Shadow, Reader)>,
}

impl Docker {
    /// Start one; the image is pulled where it is missing.
    pub async fn start(spec: Spec) -> Result<Self, SandboxError> {
        let daemon = Daemon::connect().await?;
        let asked = spec.image.clone().ok_or_else(|| SandboxError::Image {
            image: "(none)".into(),
            why: "no image is known for this task; name one with --image".into(),
        })?;
        let image_id = daemon.ensure_image(&asked, &mut |_| {}).await?;
        let image = match &spec.base {
            Base::Image => prepare::without_future(&daemon, &spec, &image_id, WORKDIR).await?,
            Base::Folder(_) => image_id.clone(),
        };
        let id = daemon.create(&spec, &image, WORKDIR).await?;
        let container = Arc::new(exec::Container::new(daemon, id, &spec));
        let started = Self::finish_start(&spec, &container, &image_id).await;
        let (shadow, reader) = match started {
            Ok(made) => made,
            Err(error) => {
                container.remove().await;
                return Err(error);
            }
        };
        let report = report(&spec, &asked, &image_id);
        Ok(Self {
            spec,
            container,
            report,
            shadow: tokio::sync::Mutex::new((shadow, reader)),
        })
    }

    async fn finish_start(
        spec: &Spec,
        container: &exec::Container,
        image: &str,
    ) -> Result<(Shadow, Reader), SandboxError> {
        container.start().await?;
        if let Base::Folder(base) = &spec.base {
            container.upload_tree(base, WORKDIR).await?;
        }
        let base = match &spec.base {
            Base::Folder(base) => Some(base.as_path()),
            Base::Image => None,
        };
        let shadow = Shadow::open(&spec.state.join("shadow"), base, spec.snapshot_ignored)?;
        let tracked = tracked(container).await?;
        let seed = matches!(spec.base, Base::Image).then(|| {
            let short: String = image
                .trim_start_matches("sha256:")
                .chars()
                .take(20)
                .collect();
            spec.cache.join(format!("image-{short}.seed"))
        });
        let mut reader = Reader::new(tracked, spec.snapshot_ignored, seed, &shadow)?;
        if let Some(base) = base {
            reader
                .adopt(container, &crate::sandbox::snapshot::seed(base)?)
                .await?;
        }
        Ok((shadow, reader))
    }
}

/// Paths that the task's own git tracks: asked before the agent has touched anything.
async fn tracked(container: &exec::Container) -> Result<BTreeSet<Vec<u8>>, SandboxError> {
    let script = "git -c safe.directory='*' ls-files -z 2>/dev/null";
    let mut exec = Exec::bash(script, std::time::Duration::from_mins(2));
    exec.keep = 256 << 20;
    let ran = container.run(exec, None).await?;
    let bytes = ran.stdout.into_bytes();
    Ok(bytes
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty())
        .map(<[u8]>::to_vec)
        .collect())
}

#[async_trait]
impl Sandbox for Docker {
    fn report(&self) -> &SandboxReport {
        &self.report
    }

    async fn exec(
        &self,
        exec: Exec,
        live: Option<mpsc::Sender<Chunk>>,
    ) -> Result<Ran, SandboxError> {
        self.container.run(exec, live).await
    }

    async fn shell(
        &self,
        argv: Vec<String>,
        env: Vec<(String, String)>,
        size: (u16, u16),
    ) -> Result<Box<dyn Shell>, SandboxError> {
        Ok(Box::new(
            exec::Terminal::open(Arc::clone(&self.container), argv, env, size).await?,
        ))
    }

    async fn upload(&self, path: &str, bytes: &[u8], executable: bool) -> Result<(), SandboxError> {
        through_exec::upload(self, path, bytes, executable).await
    }

    async fn download(&self, path: &str, most: u64) -> Result<Vec<u8>, SandboxError> {
        through_exec::download(self, path, most).await
    }

    async fn snapshot(&self) -> Result<SnapshotId, SandboxError> {
        let mut both = self.shadow.lock().await;
        let (shadow, reader) = &mut *both;
        let parts = reader.read(&self.container, shadow).await?;
        shadow.write(&parts)
    }

    async fn restore(&self, id: &SnapshotId) -> Result<Restored, SandboxError> {
        self.container.end_all().await?;
        let mut both = self.shadow.lock().await;
        let (shadow, reader) = &mut *both;
        let then = shadow.read(id)?;
        let mut restored = Restored {
            written: 0,
            removed: 0,
            not_restored: super::snapshot::not_held(self.spec.snapshot_ignored),
        };
        restored
            .not_restored
            .push("git objects of the image that were deleted inside".into());
        files::clear(&self.container).await?;
        // As in the local sandbox: the rules that come back can bring files to light.
        let mut rounds = 0..ROUNDS;
        loop {
            let now = reader.read(&self.container, shadow).await?;
            let reached = shadow.write(&now)?;
            if reached == *id {
                break;
            }
            if rounds.next().is_none() {
                return Err(SandboxError::Snapshot(format!(
                    "the restored workspace is {} instead of {}: something wrote to it meanwhile",
                    reached.files, id.files
                )));
            }
            let plans = [
                ("", &now.files, &then.files),
                (".git/", &now.git, &then.git),
                ("", &now.ignored, &then.ignored),
            ];
            for (place, now, then) in plans {
                let (remove, write) = now.changes_to(then);
                files::put(&self.container, shadow, place, &remove, &write).await?;
                restored.removed += remove.len();
                restored.written += write.len();
            }
        }
        Ok(restored)
    }

    async fn fork(
        &self,
        id: &SnapshotId,
        state: PathBuf,
        owner: String,
    ) -> Result<Box<dyn Sandbox>, SandboxError> {
        Shadow::share(&self.spec.state.join("shadow"), &state.join("shadow"))?;
        let fork = Self::start(Spec {
            state,
            owner,
            ..self.spec.clone()
        })
        .await?;
        fork.restore(id).await?;
        Ok(Box::new(fork))
    }

    async fn diff(&self, from: &SnapshotId, to: &SnapshotId) -> Result<String, SandboxError> {
        self.shadow.lock().await.0.diff(from, to)
    }

    async fn stop(&self) -> Result<(), SandboxError> {
        self.container.remove().await;
        Ok(())
    }
}

fn report(spec: &Spec, image: &str, id: &str) -> SandboxReport {
    let network = if spec.network {
        Holds::No("allowed for this task".into())
    } else {
        Holds::Yes
    };
    let holds = BTreeMap::from([
        ("files outside".to_owned(), Holds::Yes),
        ("network".to_owned(), network),
        ("processes".to_owned(), Holds::Yes),
        ("process tree".to_owned(), Holds::Watched),
        ("memory".to_owned(), Holds::Yes),
        ("disk".to_owned(), Holds::Watched),
        ("cpu".to_owned(), Holds::Yes),
        ("privileges".to_owned(), Holds::Yes),
        ("syscalls".to_owned(), Holds::Yes),
    ]);
    SandboxReport {
        kind: Kind::Docker,
        tier: "docker".into(),
        workdir: WORKDIR.into(),
        holds,
        notes: vec![format!("image {image} ({id})")],
    }
}

/// The exit that a daemon's exit code stands for.
fn exit_of(code: i64) -> Exit {
    Exit::Code(i32::try_from(code).unwrap_or(-1))
}
