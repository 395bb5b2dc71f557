//! Sandboxes: where an agent's commands run, contained.
//!
//! [`Sandbox`] is all that a rollout and the grader know of one. Two kinds: [`local`] (namespaces of this machine, no
//! daemon) and [`docker`]. Everything that runs inside is hostile: output is bounded, limits hold for the whole tree,
//! and the host reads files only beneath the workspace, never through a link that leads out of it.
//!
//! Every sandbox says in its [`SandboxReport`] which tier it is and which limits really hold there.
//! This room knows nothing of tasks or agents.

pub mod docker;
mod files;
#[cfg(target_os = "linux")]
pub mod local;
pub mod output;
pub mod snapshot;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use output::Bounded;

/// Which kind to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Namespaces of this machine.
    Local,
    /// A Docker (or compatible) daemon.
    Docker,
}

/// What may be used up inside. All are for the whole tree unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Bytes that the workspace may grow by.
    pub disk: u64,
    /// CPU shares in thousandths of a core (Docker only).
    pub milli_cpus: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 4 << 30,
            processes: 512,
            disk: 4 << 30,
            milli_cpus: 2000,
        }
    }
}

/// What the workspace starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Base {
    /// A folder of this machine: a repository checked out at the base commit. It is never written to.
    Folder(PathBuf),
    /// The workspace is what the image holds at the work directory.
    Image,
}

/// How to start a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Kind.
    pub kind: Kind,
    /// What the workspace starts from.
    pub base: Base,
    /// Docker image reference; ignored by the local kind.
    pub image: Option<String>,
    /// Folder of the host where this sandbox keeps its layers and the shadow repository; made if missing. It is never
    /// visible inside.
    pub state: PathBuf,
    /// Folder of the host for what sandboxes of one image share.
    pub cache: PathBuf,
    /// Who owns it: the rollout's id. Container labels and the clean-up of leftovers use it.
    pub owner: String,
    /// Allow the network.
    pub network: bool,
    /// Limits.
    pub limits: Limits,
    /// Snapshot files that the workspace's ignore rules hide, too.
    pub snapshot_ignored: bool,
}

/// Whether a limit holds in this tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// Enforced by the kernel.
    Yes,
    /// Watched from outside and acted on after the fact.
    Watched,
    /// Not held; the text says why.
    No(String),
}

/// What a sandbox says of itself, kept in the trajectory and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxReport {
    /// Kind.
    pub kind: Kind,
    /// `T1 namespaces`, `T2 bubblewrap`, `T3 landlock`, `docker`.
    pub tier: String,
    /// Work directory as seen inside.
    pub workdir: String,
    /// By name: files outside, network, processes, memory, disk, privileges, syscalls.
    pub holds: BTreeMap<String, Holds>,
    /// Anything a reader should know: image digest, what a missing tier needs.
    pub notes: Vec<String>,
}

/// One command to run.
#[derive(Debug, Clone)]
pub struct Exec {
    /// Program and arguments; no shell unless it names one.
    pub argv: Vec<String>,
    /// Added to the sandbox's own environment.
    pub env: Vec<(String, String)>,
    /// Work directory inside; `None` is the workspace.
    pub cwd: Option<String>,
    /// Bytes for standard input; then it is closed.
    pub stdin: Vec<u8>,
    /// After this long the whole tree is killed.
    pub timeout: Duration,
    /// Bytes kept per stream: half from the head, half from the tail.
    pub keep: usize,
    /// Ends it early, tree and all.
    pub cancel: CancellationToken,
}

impl Exec {
    /// `bash -c SCRIPT` in the workspace.
    #[must_use]
    pub fn bash(script: impl Into<String>, timeout: Duration) -> Self {
        Self::new(vec!["bash".into(), "-c".into(), script.into()], timeout)
    }

    /// A program with its arguments.
    #[must_use]
    pub fn new(argv: Vec<String>, timeout: Duration) -> Self {
        Self {
            argv,
            env: Vec::new(),
            cwd: None,
            stdin: Vec::new(),
            timeout,
            keep: 1 << 20,
            cancel: CancellationToken::new(),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Its own exit status.
    Code(i32),
    /// Killed by a signal that spotter did not send.
    Signal(i32),
    /// Killed with its tree when the time was over.
    TimedOut,
    /// Killed with its tree because the caller cancelled.
    Cancelled,
    /// Killed with its tree because a watched limit was exceeded.
    LimitExceeded(Limit),
}

impl Exit {
    /// The status a shell would report: the code, or 128 + signal, or 124 for a timeout.
    #[must_use]
    pub fn status(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
            Self::TimedOut => 124,
            Self::Cancelled => 130,
            Self::LimitExceeded(_) => 137,
        }
    }
}

/// A limit that a watcher enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Memory of the tree.
    Memory,
    /// Size of the workspace.
    Disk,
}

/// What a command left behind.
#[derive(Debug, Clone)]
pub struct Ran {
    /// How it ended.
    pub exit: Exit,
    /// Standard output.
    pub stdout: Bounded,
    /// Standard error.
    pub stderr: Bounded,
    /// Wall time.
    pub took: Duration,
}

/// Which stream a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A terminal, where the two are one.
    Pty,
}

/// A piece of output while it runs.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Which stream.
    pub stream: Stream,
    /// The bytes, raw.
    pub bytes: Vec<u8>,
}

/// Names a snapshot: the tree ids of the workspace's files and of the task's git state, 40 hex digits each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SnapshotId {
    /// Tree of the workspace's files.
    pub files: String,
    /// Tree of the task's own git state (HEAD, index, refs, stash).
    pub git: String,
}

/// What a restore did, and what it could not bring back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Paths written.
    pub written: usize,
    /// Paths removed.
    pub removed: usize,
    /// What a snapshot does not hold, in words for a person.
    pub not_restored: Vec<String>,
}

/// What can go wrong with a sandbox. The rollout ends as *error (sandbox)* on any of these.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The daemon, or what stands in its place, cannot be reached.
    #[error("{what} cannot be reached: {why}; `spotter doctor` says what is missing")]
    Unreachable {
        /// `the Docker daemon at …`.
        what: String,
        /// The cause.
        why: String,
    },
    /// The image is not here and cannot be pulled.
    #[error("image `{image}` cannot be had: {why}")]
    Image {
        /// Reference.
        image: String,
        /// The cause.
        why: String,
    },
    /// No tier of the local sandbox works here.
    #[error("the local sandbox cannot start: {0}; `spotter doctor` says what is missing")]
    NoTier(String),
    /// It stopped under us.
    #[error("the sandbox is gone: {0}")]
    Gone(String),
    /// A path inside cannot be read or written.
    #[error("{path}: {why}")]
    File {
        /// Path as seen inside.
        path: String,
        /// The cause.
        why: String,
    },
    /// A snapshot cannot be made, read or verified.
    #[error("snapshot: {0}")]
    Snapshot(String),
    /// Anything else of the operating system.
    #[error("{what}: {source}")]
    Os {
        /// What was being done.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl SandboxError {
    /// For `map_err`: an operating-system error with what was being done.
    pub fn os(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Os { what, source }
    }
}

/// A live terminal inside. Dropping it kills its tree.
#[async_trait]
pub trait Shell: Send {
    /// Type bytes (`\x03` interrupts what runs in the foreground).
    async fn input(&mut self, bytes: &[u8]) -> Result<(), SandboxError>;
    /// The next output; `None` when the terminal is closed. Cancel-safe.
    async fn output(&mut self) -> Result<Option<Vec<u8>>, SandboxError>;
    /// Kill the shell and everything it started.
    async fn close(&mut self) -> Result<(), SandboxError>;
}

/// A contained workspace.
#[async_trait]
pub trait Sandbox: Send + Sync {
    /// What it is and what holds.
    fn report(&self) -> &SandboxReport;

    /// Run a command to its end. Output goes to `live` as it comes (a full channel slows the command down; a closed
    /// one is no error) and, bounded, into the result.
    async fn exec(
        &self,
        exec: Exec,
        live: Option<mpsc::Sender<Chunk>>,
    ) -> Result<Ran, SandboxError>;

    /// Open a terminal running `argv` in the workspace (columns × rows).
    async fn shell(
        &self,
        argv: Vec<String>,
        env: Vec<(String, String)>,
        size: (u16, u16),
    ) -> Result<Box<dyn Shell>, SandboxError>;

    /// Write a file (parents are made). `path` is absolute or relative to the workspace, as seen inside.
    async fn upload(&self, path: &str, bytes: &[u8], executable: bool) -> Result<(), SandboxError>;

    /// Read a file of at most `most` bytes.
    async fn download(&self, path: &str, most: u64) -> Result<Vec<u8>, SandboxError>;

    /// Keep the workspace as it is now.
    async fn snapshot(&self) -> Result<SnapshotId, SandboxError>;

    /// Put the workspace back exactly; processes inside are ended first.
    async fn restore(&self, id: &SnapshotId) -> Result<Restored, SandboxError>;

    /// A second sandbox of the same kind whose workspace is that snapshot; `state` and `owner` are its own.
    async fn fork(
        &self,
        id: &SnapshotId,
        state: PathBuf,
        owner: String,
    ) -> Result<Box<dyn Sandbox>, SandboxError>;

    /// Unified git diff between two snapshots (ignored files are left out).
    async fn diff(&self, from: &SnapshotId, to: &SnapshotId) -> Result<String, SandboxError>;

    /// End everything inside and release what it holds; the snapshots stay in `state`.
    async fn stop(&self) -> Result<(), SandboxError>;
}

/// Start a sandbox of the kind that the spec asks for.
pub async fn start(spec: Spec) -> Result<Box<dyn Sandbox>, SandboxError> {
    match spec.kind {
        Kind::Local => Ok(Box::new(local::Local::start(spec).await?)),
        Kind::Docker => Ok(Box::new(docker::Docker::start(spec).await?)),
    }
}

/// Let a sandbox that will keep its state in `to` restore snapshots that one in `from` made.
pub fn share_snapshots(from: &std::path::Path, to: &std::path::Path) -> Result<(), SandboxError> {
    snapshot::Shadow::share(&from.join("shadow"), &to.join("shadow"))
}

/// Unified git diff between two snapshots of a sandbox that need not run any more.
pub fn stored_diff(
    state: &std::path::Path,
    from: &SnapshotId,
    to: &SnapshotId,
) -> Result<String, SandboxError> {
    snapshot::Shadow::open(&state.join("shadow"), None, false)?.diff(from, to)
}

/// Remove everything that a sandbox kept in its state folder.
pub fn clear(state: &std::path::Path) -> std::io::Result<()> {
    local::remove_tree(state)
}

/// Remove a sandbox's layers and keep its snapshots; whether there was anything to remove.
pub fn clear_layers(state: &std::path::Path) -> std::io::Result<bool> {
    let mut found = false;
    for name in ["upper", "work", "root", "workspace"] {
        let layer = state.join(name);
        found |= layer.exists();
        local::remove_tree(&layer)?;
    }
    Ok(found)
}

/// Remove containers that belong to a store and to none of the `running` rollouts; how many. No daemon, no containers.
pub async fn sweep_containers(root: &std::path::Path, running: &[String]) -> usize {
    match docker::Daemon::connect().await {
        Ok(daemon) => daemon.sweep(root, running).await,
        Err(_) => 0,
    }
}

/// How many containers belong to a store, running or not.
pub async fn count_containers(root: &std::path::Path) -> usize {
    match docker::Daemon::connect().await {
        Ok(daemon) => daemon.of_store(root).await.len(),
        Err(_) => 0,
    }
}
