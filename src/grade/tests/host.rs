//! A sandbox that contains nothing: commands run in a scratch folder of this machine. For tests only.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::sandbox::{
    Bounded, Chunk, Exec, Exit, Kind, Ran, Restored, Sandbox, SandboxError, SandboxReport, Shell,
    SnapshotId, Stream,
};

pub(super) struct Host {
    pub(super) folder: tempfile::TempDir,
    report: SandboxReport,
}

impl Host {
    /// A git repository with these files, committed; the commit's id.
    pub(super) fn new(files: &[(&str, &str)]) -> (Self, String) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let git = |arguments: &[&str]| {
            let out = Command::new("git")
                .args([
                    "-c",
                    "user.name=t",
                    "-c",
                    "user.email=t@t",
                    "-c",
                    "init.defaultBranch=main",
                ])
                .args(arguments)
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(out.status.success(), "{out:?}");
            String::from_utf8(out.stdout).unwrap().trim().to_owned()
        };
        git(&["init", "-q"]);
        git(&["add", "-A"]);
        git(&["commit", "-q", "-m", "base"]);
        let base = git(&["rev-parse", "HEAD"]);
        let report = SandboxReport {
            kind: Kind::Local,
            tier: "host (test)".into(),
            workdir: folder.path().display().to_string(),
            holds: std::collections::BTreeMap::default(),
            notes: Vec::new(),
        };
        (Self { folder, report }, base)
    }
}

fn never<T>(what: &str) -> Result<T, SandboxError> {
    Err(SandboxError::Snapshot(format!(
        "{what} is not there in tests"
    )))
}

#[async_trait]
impl Sandbox for Host {
    fn report(&self) -> &SandboxReport {
        &self.report
    }

    async fn exec(
        &self,
        exec: Exec,
        live: Option<mpsc::Sender<Chunk>>,
    ) -> Result<Ran, SandboxError> {
        let began = Instant::now();
        let (program, arguments) = exec.argv.split_first().unwrap();
        let mut command = tokio::process::Command::new(program);
        command
            .args(arguments)
            .envs(exec.env.iter().cloned())
            .env("HOME", self.folder.path().join(".git"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(SandboxError::os("start"))?;
        let mut stdin = child.stdin.take().unwrap();
        let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (mut out, mut err) = (Bounded::new(exec.keep), Bounded::new(exec.keep));
        let all = async {
            let feed = async {
                let _ = stdin.write_all(&exec.stdin).await;
                drop(stdin);
            };
            let read_out = async {
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = stdout.read(&mut buffer).await {
                    out.push(&buffer[..n]);
                    if let Some(live) = &live {
                        let bytes = buffer[..n].to_vec();
                        let _ = live
                            .send(Chunk {
                                stream: Stream::Stdout,
                                bytes,
                            })
                            .await;
                    }
                }
            };
            let read_err = async {
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = stderr.read(&mut buffer).await {
                    err.push(&buffer[..n]);
                }
            };
            tokio::join!(feed, read_out, read_err);
            child.wait().await
        };
        let ended = tokio::select! {
            ended = tokio::time::timeout(exec.timeout, all) => Some(ended),
            () = exec.cancel.cancelled() => None,
        };
        let exit = match ended {
            Some(Ok(status)) => {
                use std::os::unix::process::ExitStatusExt;
                let status = status.map_err(SandboxError::os("wait"))?;
                match (status.code(), status.signal()) {
                    (Some(code), _) => Exit::Code(code),
                    (None, signal) => Exit::Signal(signal.unwrap_or_default()),
                }
            }
            Some(Err(_)) => Exit::TimedOut,
            None => Exit::Cancelled,
        };
        Ok(Ran {
            exit,
            stdout: out,
            stderr: err,
            took: began.elapsed().min(Duration::from_secs(9)),
        })
    }

    async fn shell(
        &self,
        _argv: Vec<String>,
        _env: Vec<(String, String)>,
        _size: (u16, u16),
    ) -> Result<Box<dyn Shell>, SandboxError> {
        never("a terminal")
    }

    async fn upload(&self, _: &str, _: &[u8], _: bool) -> Result<(), SandboxError> {
        never("upload")
    }

    async fn download(&self, _: &str, _: u64) -> Result<Vec<u8>, SandboxError> {
        never("download")
    }

    async fn snapshot(&self) -> Result<SnapshotId, SandboxError> {
        never("a snapshot")
    }

    async fn restore(&self, _: &SnapshotId) -> Result<Restored, SandboxError> {
        never("restore")
    }

    async fn fork(
        &self,
        _: &SnapshotId,
        _: PathBuf,
        _: String,
    ) -> Result<Box<dyn Sandbox>, SandboxError> {
        never("fork")
    }

    async fn diff(&self, _: &SnapshotId, _: &SnapshotId) -> Result<String, SandboxError> {
        never("diff")
    }

    async fn stop(&self) -> Result<(), SandboxError> {
        Ok(())
    }
}

/// The patch that makes these changes to these files.
pub(super) fn changed(files: &[(&str, &str)], changes: &[(&str, &str)]) -> String {
    let (host, _) = Host::new(files);
    for (path, text) in changes {
        let path = host.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let git = |arguments: &[&str]| {
        let out = Command::new("git")
            .args(arguments)
            .current_dir(host.folder.path())
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    git(&["add", "-A"]);
    git(&["diff", "--cached", "--no-color", "--no-ext-diff"])
}
