//! The program as it is really run: a child process on a store of its own, killed or left to end.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::draw::Aim;
use crate::cli::place::SandboxKind;

/// A run that takes longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often the events file is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// What is started.
pub(super) struct Program {
    path: PathBuf,
    sandbox: SandboxKind,
    image: Option<String>,
}

/// How a run came out.
pub(super) struct Ended {
    /// `None` where a signal ended it.
    pub(super) code: Option<i32>,
    /// Whole lines of standard output.
    pub(super) printed: Vec<String>,
    pub(super) complained: String,
    /// Processes that it had started, with the time of their start.
    pub(super) descendants: Vec<(i32, u64)>,
}

impl Program {
    /// The running program itself.
    pub(super) fn new(sandbox: SandboxKind, image: Option<String>) -> std::io::Result<Self> {
        Ok(Self {
            path: std::env::current_exe()?,
            sandbox,
            image,
        })
    }

    /// Whether containers have to be looked for.
    pub(super) fn in_docker(&self) -> bool {
        self.sandbox == SandboxKind::Docker
    }

    fn command(&self, store: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command.arg("run").args(args).arg("--json");
        command.arg("--store").arg(store);
        // Settings of a person must not change what is measured.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SPOTTER_") {
                command.env_remove(name);
            }
        }
        command
            .env("XDG_CONFIG_HOME", store)
            .current_dir(store)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// A new rollout, to its end or to the aimed moment.
    pub(super) async fn attempt(
        &self,
        store: &Path,
        model: &str,
        aim: Option<Aim>,
    ) -> std::io::Result<Ended> {
        let kind = match self.sandbox {
            SandboxKind::Local => "local",
            SandboxKind::Docker => "docker",
        };
        let mut args = vec![
            super::TASK,
            "--tasks",
            "sample",
            "--model",
            model,
            "--sandbox",
            kind,
        ];
        if let Some(image) = &self.image {
            args.extend(["--image", image]);
        }
        let child = self.command(store, &args).spawn()?;
        follow(child, store, aim).await
    }

    /// Go on with an interrupted one.
    pub(super) async fn resume(&self, store: &Path, id: &str) -> std::io::Result<Ended> {
        let child = self.command(store, &["--resume", id]).spawn()?;
        follow(child, store, None).await
    }
}

async fn follow(mut child: Child, store: &Path, aim: Option<Aim>) -> std::io::Result<Ended> {
    let began = Instant::now();
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let mut descendants = Vec::new();
    if let Some(aim) = aim {
        tokio::select! {
            _ = child.wait() => {}
            () = reach(aim, store, began) => {
                descendants = super::left::descendants(child.id());
                child.start_kill()?;
            }
        }
    }
    let status = tokio::time::timeout(PATIENCE, child.wait()).await;
    let Ok(status) = status else {
        let _ = child.kill().await;
        return Err(std::io::Error::other(format!(
            "it did not end within {} s",
            PATIENCE.as_secs()
        )));
    };
    let text = |bytes: Result<Vec<u8>, _>| {
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    };
    let printed = text(stdout.await);
    Ok(Ended {
        code: status?.code(),
        printed: printed
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .map(ToOwned::to_owned)
            .collect(),
        complained: text(stderr.await),
        descendants,
    })
}

fn drain(
    stream: Option<impl tokio::io::AsyncRead + Unpin + Send + 'static>,
) -> JoinHandle<Vec<u8>> {
    tokio::spawn(async move {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes).await;
        }
        bytes
    })
}

/// Wait for the moment.
async fn reach(aim: Aim, store: &Path, began: Instant) {
    match aim {
        Aim::Anywhere(after) => tokio::time::sleep(after.saturating_sub(began.elapsed())).await,
        Aim::Within(phase, number, after) => {
            let mut file = None;
            let mut text = String::new();
            loop {
                if file.is_none() {
                    file = events(store).and_then(|path| std::fs::File::open(path).ok());
                }
                if let Some(file) = &mut file {
                    let mut new = Vec::new();
                    let _ = std::io::Read::read_to_end(file, &mut new);
                    text.push_str(&String::from_utf8_lossy(&new));
                }
                if text.matches(phase.begins()).count() > number {
                    return tokio::time::sleep(after).await;
                }
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

fn events(store: &Path) -> Option<PathBuf> {
    let rollouts = std::fs::read_dir(store.join("rollouts")).ok()?;
    let paths = rollouts
        .flatten()
        .map(|entry| entry.path().join("events.jsonl"));
    paths.into_iter().find(|path| path.exists())
}
