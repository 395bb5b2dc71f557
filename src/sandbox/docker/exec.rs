//! Commands in a container: streams, exit code, a clock, and an end to whole trees.
//!
//! Docker cannot kill an exec. Each one therefore carries a mark in its environment, and a second exec, as the same
//! user, kills every process with that mark or, having cleared its environment, without any; then everything but pid 1
//! is killed; and if even that cannot run (a fork bomb holds every process number, the shell was replaced), the
//! container is restarted: its files stay.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use bollard::query_parameters::{
    InspectContainerOptionsBuilder, ResizeExecOptionsBuilder, RestartContainerOptionsBuilder,
    StartContainerOptions, UploadToContainerOptionsBuilder,
};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::daemon::Daemon;
use crate::sandbox::{
    Bounded, Chunk, Exec, Exit, Limit, Ran, SandboxError, Shell, Spec, Stream as Which,
};

/// How often an exec is asked whether it has ended, beside its streams: what it left in the background can hold those
/// open.
const POLL: Duration = Duration::from_millis(500);
/// How often the size of the writable layer is asked for.
const DISK_CLOCK: Duration = Duration::from_secs(2);
/// After a command has ended its streams are read on for this long.
const AFTERMATH: Duration = Duration::from_millis(100);
/// How long one way of killing may take before the next is tried.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

const MARK: &str = "SPOTTER_EXEC";

/// What the marks of this program's commands begin with.
fn family() -> String {
    std::process::id().to_string()
}

/// The mark of what belongs to no command: pid 1 and its sleep.
pub(super) fn own_mark() -> String {
    format!("{MARK}={}-0", family())
}

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// A container and the way to its daemon.
pub(super) struct Container {
    daemon: Daemon,
    id: String,
    disk: u64,
    next: AtomicU64,
}

struct Started {
    id: String,
    mark: String,
    output: Output,
    input: Input,
}

impl Container {
    pub(super) fn new(daemon: Daemon, id: String, spec: &Spec) -> Self {
        Self {
            daemon,
            id,
            disk: spec.limits.disk,
            next: AtomicU64::new(1),
        }
    }

    pub(super) async fn start(&self) -> Result<(), SandboxError> {
        let started = self
            .daemon
            .docker
            .start_container(&self.id, None::<StartContainerOptions>)
            .await;
        started.map_err(|error| self.daemon.error("starting the container", error))
    }

    pub(super) async fn remove(&self) {
        self.daemon.remove(&self.id).await;
    }

    /// Put a folder of the host into the container, owned by its root.
    pub(super) async fn upload_tree(&self, from: &Path, to: &str) -> Result<(), SandboxError> {
        let from = from.to_path_buf();
        let packed = tokio::task::spawn_blocking(move || pack(&from)).await;
        let packed = packed.map_err(|error| SandboxError::Gone(error.to_string()))?;
        let packed = packed.map_err(SandboxError::os("pack the task's base"))?;
        // The folder itself may be missing in an image that is not made for tasks.
        let mut exec = Exec::new(
            vec!["mkdir".into(), "-p".into(), to.into()],
            Duration::from_secs(30),
        );
        exec.cwd = Some("/".into());
        self.run(exec, None).await?;
        let options = UploadToContainerOptionsBuilder::default().path(to).build();
        let body = bollard::body_full(packed.into());
        let sent = self
            .daemon
            .docker
            .upload_to_container(&self.id, Some(options), body)
            .await;
        sent.map_err(|error| self.daemon.error("uploading the task's base", error))
    }

    async fn begin(
        &self,
        argv: Vec<String>,
        env: &[(String, String)],
        cwd: Option<String>,
        terminal: Option<(u16, u16)>,
    ) -> Result<Started, SandboxError> {
        let mark = format!("{}-{}", family(), self.next.fetch_add(1, Ordering::Relaxed));
        let mut all = vec![
            format!("{MARK}={mark}"),
            "BASH_ENV=/root/.bashrc".into(),
            "PAGER=cat".into(),
            "GIT_PAGER=cat".into(),
            "PIP_PROGRESS_BAR=off".into(),
            "LANG=C.UTF-8".into(),
        ];
        all.extend(env.iter().map(|(name, value)| format!("{name}={value}")));
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(terminal.is_some()),
            env: Some(all),
            cmd: Some(argv),
            working_dir: Some(cwd.unwrap_or_else(|| super::WORKDIR.into())),
            ..ExecConfig::default()
        };
        let made = self.daemon.docker.create_exec(&self.id, config).await;
        let id = made
            .map_err(|error| self.daemon.error("starting a command", error))?
            .id;
        let options = bollard::exec::StartExecOptions {
            tty: terminal.is_some(),
            ..Default::default()
        };
        let started = self.daemon.docker.start_exec(&id, Some(options)).await;
        match started.map_err(|error| self.daemon.error("starting a command", error))? {
            StartExecResults::Attached { output, input } => {
                if let Some((columns, rows)) = terminal {
                    let size = ResizeExecOptionsBuilder::default()
                        .w(columns.into())
                        .h(rows.into())
                        .build();
                    let _ = self.daemon.docker.resize_exec(&id, size).await;
                }
                Ok(Started {
                    id,
                    mark,
                    output,
                    input,
                })
            }
            StartExecResults::Detached => {
                Err(SandboxError::Gone("the daemon detached a command".into()))
            }
        }
    }

    /// The exit code once it has ended.
    async fn ended(&self, id: &str) -> Result<Option<i64>, SandboxError> {
        let inspected = self.daemon.docker.inspect_exec(id).await;
        let inspected =
            inspected.map_err(|error| self.daemon.error("asking after a command", error))?;
        Ok(if inspected.running == Some(true) {
            None
        } else {
            Some(inspected.exit_code.unwrap_or(-1))
        })
    }

    /// Run to the end.
    pub(super) async fn run(
        &self,
        exec: Exec,
        live: Option<mpsc::Sender<Chunk>>,
    ) -> Result<Ran, SandboxError> {
        let began = Instant::now();
        let Started {
            id,
            mark,
            mut output,
            mut input,
        } = self.begin(exec.argv, &exec.env, exec.cwd, None).await?;
        let stdin = exec.stdin;
        let feeder = tokio::spawn(async move {
            let _ = input.write_all(&stdin).await;
            let _ = input.shutdown().await;
            // The connection carries the output, too: it is held until the command is done.
            input
        });
        let (mut stdout, mut stderr) = (Bounded::new(exec.keep), Bounded::new(exec.keep));
        let deadline = tokio::time::sleep(exec.timeout);
        tokio::pin!(deadline);
        let disk = self.disk_exceeded();
        tokio::pin!(disk);
        let mut poll = tokio::time::interval_at(tokio::time::Instant::now() + POLL, POLL);
        let mut forced = None;
        let mut until: Option<tokio::time::Instant> = None;
        loop {
            tokio::select! {
                biased;
                () = &mut deadline, if forced.is_none() && until.is_none() => forced = Some(Exit::TimedOut),
                () = exec.cancel.cancelled(), if forced.is_none() && until.is_none() => forced = Some(Exit::Cancelled),
                () = &mut disk, if forced.is_none() && until.is_none() => forced = Some(Exit::LimitExceeded(Limit::Disk)),
                piece = output.next() => {
                    let Some(piece) = piece else { break };
                    let piece = piece.map_err(|error| self.daemon.error("reading a command's output", error))?;
                    let (stream, kept) = match &piece {
                        LogOutput::StdErr { .. } => (Which::Stderr, &mut stderr),
                        _ => (Which::Stdout, &mut stdout),
                    };
                    kept.push(piece.as_ref());
                    if let Some(live) = &live {
                        let _ = live.send(Chunk { stream, bytes: piece.as_ref().to_vec() }).await;
                    }
                }
                _ = poll.tick(), if until.is_none() => {
                    if self.ended(&id).await?.is_some() {
                        until = Some(tokio::time::Instant::now() + AFTERMATH);
                    }
                }
                () = tokio::time::sleep_until(until.unwrap_or_else(tokio::time::Instant::now)), if until.is_some() => break,
            }
            if forced.is_some() && until.is_none() {
                self.kill(&id, &mark).await?;
                until = Some(tokio::time::Instant::now() + AFTERMATH);
            }
        }
        feeder.abort();
        let exit = match forced {
            Some(exit) => exit,
            None => self.exit_code(&id).await?,
        };
        Ok(Ran {
            exit,
            stdout,
            stderr,
            took: began.elapsed(),
        })
    }

    /// The daemon can close the streams a moment before it knows the code.
    async fn exit_code(&self, id: &str) -> Result<Exit, SandboxError> {
        for _ in 0..100 {
            if let Some(code) = self.ended(id).await? {
                return Ok(super::exit_of(code));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(SandboxError::Gone(
            "a command's streams are closed, but it has not ended".into(),
        ))
    }

    /// Returns when the writable layer is over its limit and still growing.
    async fn disk_exceeded(&self) {
        let options = || InspectContainerOptionsBuilder::default().size(true).build();
        let mut before = 0;
        loop {
            tokio::time::sleep(DISK_CLOCK).await;
            let Ok(found) = self
                .daemon
                .docker
                .inspect_container(&self.id, Some(options()))
                .await
            else {
                continue;
            };
            let now = found
                .size_rw
                .and_then(|size| u64::try_from(size).ok())
                .unwrap_or(0);
            if now > self.disk && now > before {
                return;
            }
            before = now;
        }
    }

    /// End every process with a command's mark, and those without any.
    async fn kill(&self, id: &str, mark: &str) -> Result<(), SandboxError> {
        let script = r#"mark="SPOTTER_EXEC=$1"; family="SPOTTER_EXEC=$2-[0-9][0-9]*"
for round in 1 2 3 4 5 6 7 8 9 10; do
  found=
  for folder in /proc/[0-9]*; do
    pid=${folder#/proc/}
    if [ "$pid" != 1 ] && [ "$pid" != $$ ] && ! grep -q '^State:.Z' "$folder/status" 2>/dev/null; then
      if grep -qzFx "$mark" "$folder/environ" 2>/dev/null || ! grep -qzx "$family" "$folder/environ" 2>/dev/null; then
        kill -9 "$pid" 2>/dev/null && found=1
      fi
    fi
  done
  [ -z "$found" ] && exit 0
done
exit 1"#;
        let argv = ["sh", "-c", script, "end", mark, &family()]
            .map(String::from)
            .to_vec();
        if self.quietly(argv).await == Some(0) && self.ended(id).await?.is_some() {
            return Ok(());
        }
        self.end_all().await
    }

    /// End everything but pid 1.
    pub(super) async fn end_all(&self) -> Result<(), SandboxError> {
        let argv = ["sh", "-c", "kill -9 -1"].map(String::from).to_vec();
        if self.quietly(argv).await.is_some() && self.idle().await {
            return Ok(());
        }
        let options = RestartContainerOptionsBuilder::default().t(0).build();
        let restarted = self
            .daemon
            .docker
            .restart_container(&self.id, Some(options))
            .await;
        restarted.map_err(|error| self.daemon.error("restarting the container", error))
    }

    /// Whether the daemon sees pid 1 and its sleep only: what runs inside may have replaced the programs that were to
    /// end it.
    async fn idle(&self) -> bool {
        for _ in 0..20 {
            let top = self.daemon.docker.top_processes(&self.id, None).await;
            let count = top
                .ok()
                .and_then(|top| top.processes)
                .map_or(0, |all| all.len());
            if (1..=2).contains(&count) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// Run something small and short; its exit code, or `None` when it could not be run in time.
    async fn quietly(&self, argv: Vec<String>) -> Option<i64> {
        let work = async {
            let mut started = self.begin(argv, &[], Some("/".into()), None).await.ok()?;
            while let Some(Ok(_)) = started.output.next().await {}
            // The killer can be among the killed, and 126 or 127 say that it never ran.
            match self.ended(&started.id).await.ok()? {
                Some(126 | 127) | None => None,
                Some(code) => Some(code),
            }
        };
        tokio::time::timeout(KILL_PATIENCE, work).await.ok()?
    }
}

/// A tar archive of a folder, everything owned by root.
fn pack(from: &Path) -> std::io::Result<Vec<u8>> {
    fn add(
        builder: &mut tar::Builder<Vec<u8>>,
        folder: &Path,
        inside: &Path,
    ) -> std::io::Result<()> {
        let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), inside.join(entry.file_name()));
            let kind = path.symlink_metadata()?;
            let mut header = tar::Header::new_gnu();
            header.set_metadata(&kind);
            header.set_uid(0);
            header.set_gid(0);
            if kind.is_symlink() {
                builder.append_link(&mut header, &name, std::fs::read_link(&path)?)?;
            } else if kind.is_dir() {
                builder.append_data(&mut header, &name, std::io::empty())?;
                add(builder, &path, &name)?;
            } else if kind.is_file() {
                builder.append_data(&mut header, &name, std::fs::File::open(&path)?)?;
            }
        }
        Ok(())
    }
    let mut builder = tar::Builder::new(Vec::new());
    add(&mut builder, from, Path::new(""))?;
    builder.into_inner()
}

/// A terminal in a container.
pub(super) struct Terminal {
    container: Arc<Container>,
    id: String,
    mark: String,
    output: Output,
    input: Input,
}

impl Terminal {
    pub(super) async fn open(
        container: Arc<Container>,
        argv: Vec<String>,
        env: Vec<(String, String)>,
        size: (u16, u16),
    ) -> Result<Self, SandboxError> {
        let Started {
            id,
            mark,
            output,
            input,
        } = container.begin(argv, &env, None, Some(size)).await?;
        Ok(Self {
            container,
            id,
            mark,
            output,
            input,
        })
    }
}

#[async_trait]
impl Shell for Terminal {
    async fn input(&mut self, bytes: &[u8]) -> Result<(), SandboxError> {
        let failed = |error: std::io::Error| SandboxError::Gone(format!("its terminal: {error}"));
        self.input.write_all(bytes).await.map_err(failed)?;
        self.input.flush().await.map_err(failed)
    }

    async fn output(&mut self) -> Result<Option<Vec<u8>>, SandboxError> {
        match self.output.next().await {
            None => Ok(None),
            Some(Ok(piece)) => Ok(Some(piece.into_bytes().to_vec())),
            Some(Err(error)) => Err(self.container.daemon.error("reading the terminal", error)),
        }
    }

    async fn close(&mut self) -> Result<(), SandboxError> {
        self.container.kill(&self.id, &self.mark).await
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let container = Arc::clone(&self.container);
        let (id, mark) = (std::mem::take(&mut self.id), std::mem::take(&mut self.mark));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = container.kill(&id, &mark).await;
            });
        }
    }
}
