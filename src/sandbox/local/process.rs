//! A command of a local sandbox as the host sees it: pipes, a status, a clock, and the watcher of the disk.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use super::host::{Host, KILL_PATIENCE};
use super::protocol::Status;
use super::{deep, descriptors};
use crate::sandbox::{Bounded, Chunk, Exec, Exit, Limit, Ran, SandboxError, Shell, Stream};

/// After a command has ended, what it left running may still hold its output open: read on for this long.
const AFTERMATH: Duration = Duration::from_millis(100);

/// How often the size of the workspace is looked at while something runs.
const DISK_CLOCK: Duration = Duration::from_millis(300);

/// How long a notice that was sent may take to be heard on a busy machine.
const NOTICE: Duration = Duration::from_millis(250);

const KILLED: i32 = nix::sys::signal::Signal::SIGKILL as i32;

fn os(what: &'static str) -> impl Fn(std::io::Error) -> SandboxError {
    move |source| SandboxError::Os {
        what: what.into(),
        source,
    }
}

fn pair() -> Result<(OwnedFd, OwnedFd), SandboxError> {
    pipe2(OFlag::O_CLOEXEC).map_err(|error| os("make a pipe")(error.into()))
}

fn reader(fd: OwnedFd) -> Result<pipe::Receiver, SandboxError> {
    pipe::Receiver::from_owned_fd(fd).map_err(os("open a pipe"))
}

/// What is `/dev/stdout` inside is opened anew there, by somebody else than who made the pipe.
fn hand_over(host: &Host, ends: [&OwnedFd; 3]) -> Result<(), SandboxError> {
    let Some(owner) = host.owner() else {
        return Ok(());
    };
    for end in ends {
        nix::unistd::fchown(end, Some(owner.into()), Some(owner.into()))
            .map_err(|error| os("hand over a pipe")(error.into()))?;
    }
    Ok(())
}

/// Run to the end.
pub(super) async fn run(
    host: &Host,
    exec: Exec,
    live: Option<mpsc::Sender<Chunk>>,
) -> Result<Ran, SandboxError> {
    let began = Instant::now();
    let (in_read, in_write) = pair()?;
    let (out_read, out_write) = pair()?;
    let (err_read, err_write) = pair()?;
    let (status_read, status_write) = pair()?;
    let env = environment(host, &exec.env);
    let cwd = exec.cwd.clone().unwrap_or_else(|| host.workdir.clone());
    hand_over(host, [&in_read, &out_write, &err_write])?;
    let theirs = [&in_read, &out_write, &err_write, &status_write].map(AsRawFd::as_raw_fd);
    let mut memory = host.memory_exceeded();
    memory.mark_unchanged();
    let id = host.exec(exec.argv.clone(), env, cwd, false, &theirs)?;
    drop((in_read, out_write, err_write, status_write));

    let stdin = exec.stdin;
    let mut writer = pipe::Sender::from_owned_fd(in_write).map_err(os("open a pipe"))?;
    let feeder = tokio::spawn(async move {
        let _ = writer.write_all(&stdin).await;
    });
    let (done_in, _) = tokio::sync::watch::channel(false);
    let stdout = collect(
        reader(out_read)?,
        Stream::Stdout,
        exec.keep,
        live.clone(),
        done_in.subscribe(),
    );
    let stderr = collect(
        reader(err_read)?,
        Stream::Stderr,
        exec.keep,
        live,
        done_in.subscribe(),
    );
    let mut status = StatusPipe {
        pipe: reader(status_read)?,
        text: Vec::new(),
    };
    let mut gone = host.gone();

    let ended = tokio::select! {
        first = status.first() => Ended::Itself(first),
        () = tokio::time::sleep(exec.timeout) => Ended::Forced(Exit::TimedOut),
        () = exec.cancel.cancelled() => Ended::Forced(Exit::Cancelled),
        _ = memory.changed() => Ended::Forced(Exit::LimitExceeded(Limit::Memory)),
        () = disk_exceeded(host) => Ended::Forced(Exit::LimitExceeded(Limit::Disk)),
        _ = gone.wait_for(|gone| *gone) => return Err(SandboxError::Gone("its init process ended".into())),
    };
    let exit = match ended {
        Ended::Itself(Some(Status::Code(code))) => Exit::Code(code),
        Ended::Itself(Some(Status::Signal(signal))) => {
            if killed_for_memory(&mut memory, signal).await {
                Exit::LimitExceeded(Limit::Memory)
            } else {
                Exit::Signal(signal)
            }
        }
        Ended::Itself(Some(Status::CannotRun(errno))) => {
            drop(done_in);
            let why = std::io::Error::from_raw_os_error(errno);
            let program = exec.argv.first().cloned().unwrap_or_default();
            let mut complaint = Bounded::new(exec.keep.max(256));
            complaint.push(format!("{program}: {why}\n").as_bytes());
            let code = if errno == nix::errno::Errno::ENOENT as i32 {
                127
            } else {
                126
            };
            return Ok(Ran {
                exit: Exit::Code(code),
                stdout: Bounded::new(0),
                stderr: complaint,
                took: began.elapsed(),
            });
        }
        Ended::Itself(None) => {
            if killed_for_memory(&mut memory, KILLED).await {
                Exit::LimitExceeded(Limit::Memory)
            } else {
                Exit::Signal(KILLED)
            }
        }
        Ended::Forced(exit) => {
            host.kill(id)?;
            let _ = tokio::time::timeout(KILL_PATIENCE, status.closed()).await;
            exit
        }
    };
    feeder.abort();
    let _ = done_in.send(true);
    let (stdout, stderr) = tokio::join!(stdout, stderr);
    let lost = |error: tokio::task::JoinError| SandboxError::Gone(error.to_string());
    Ok(Ran {
        exit,
        stdout: stdout.map_err(lost)?,
        stderr: stderr.map_err(lost)?,
        took: began.elapsed(),
    })
}

enum Ended {
    Itself(Option<Status>),
    Forced(Exit),
}

fn environment(host: &Host, more: &[(String, String)]) -> Vec<String> {
    let mut env = host.env.clone();
    for (name, value) in more {
        let prefix = format!("{name}=");
        env.retain(|entry| !entry.starts_with(&prefix));
        env.push(format!("{prefix}{value}"));
    }
    env
}

struct StatusPipe {
    pipe: pipe::Receiver,
    text: Vec<u8>,
}

impl StatusPipe {
    /// The first line, or `None` when the pipe closes without one. Cancel-safe.
    async fn first(&mut self) -> Option<Status> {
        loop {
            if let Some(line) = self
                .text
                .split(|byte| *byte == b'\n')
                .next()
                .filter(|line| line.len() < self.text.len())
            {
                return serde_json::from_slice(line).ok();
            }
            match self.pipe.read_buf(&mut self.text).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Wait until the whole tree is gone.
    async fn closed(&mut self) {
        let mut rest = Vec::new();
        let _ = self.pipe.read_to_end(&mut rest).await;
    }
}

/// Ending the whole tree for its memory ends this command by a signal, too; the notice, which was sent before the signal
/// but comes another way, tells which it was.
async fn killed_for_memory(
    memory: &mut tokio::sync::watch::Receiver<Vec<u64>>,
    signal: i32,
) -> bool {
    signal == KILLED
        && tokio::time::timeout(NOTICE, memory.changed())
            .await
            .is_ok_and(|changed| changed.is_ok())
}

/// Read a stream to its end, or until shortly after `done`; what comes later is read and thrown away, so that a
/// program left in the background is not killed by a closed pipe.
fn collect(
    mut pipe: pipe::Receiver,
    stream: Stream,
    keep: usize,
    live: Option<mpsc::Sender<Chunk>>,
    mut done: tokio::sync::watch::Receiver<bool>,
) -> tokio::task::JoinHandle<Bounded> {
    tokio::spawn(async move {
        let mut kept = Bounded::new(keep);
        let mut buffer = vec![0u8; 64 * 1024];
        let mut until: Option<tokio::time::Instant> = None;
        loop {
            let read = tokio::select! {
                biased;
                read = pipe.read(&mut buffer) => read,
                _ = done.changed(), if until.is_none() => {
                    until = Some(tokio::time::Instant::now() + AFTERMATH);
                    continue;
                }
                () = tokio::time::sleep_until(until.unwrap_or_else(tokio::time::Instant::now)), if until.is_some() => {
                    tokio::spawn(discard(pipe));
                    return kept;
                }
            };
            let Ok(bytes) = read.map(|length| buffer.get(..length).unwrap_or_default()) else {
                return kept;
            };
            if bytes.is_empty() {
                return kept;
            }
            kept.push(bytes);
            if let Some(live) = &live {
                let _ = live
                    .send(Chunk {
                        stream,
                        bytes: bytes.to_vec(),
                    })
                    .await;
            }
            if until.is_some_and(|until| tokio::time::Instant::now() > until) {
                tokio::spawn(discard(pipe));
                return kept;
            }
        }
    })
}

async fn discard(mut pipe: pipe::Receiver) {
    let mut buffer = vec![0u8; 64 * 1024];
    while matches!(pipe.read(&mut buffer).await, Ok(length) if length > 0) {}
}

/// Returns when the workspace is over its limit and still growing.
async fn disk_exceeded(host: &Host) {
    let growth = host.growth.clone();
    let measure = move || deep::size_of(&growth);
    let Ok(before) = tokio::task::spawn_blocking(measure.clone()).await else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(DISK_CLOCK).await;
        let Ok(now) = tokio::task::spawn_blocking(measure.clone()).await else {
            return std::future::pending().await;
        };
        if now > host.disk && now > before {
            return;
        }
    }
}

/// A live terminal inside.
pub(super) struct Terminal {
    host: Arc<Host>,
    id: u64,
    master: AsyncFd<OwnedFd>,
    status: StatusPipe,
}

impl Terminal {
    /// Open one running `argv` in the workspace.
    pub(super) fn open(
        host: Arc<Host>,
        argv: Vec<String>,
        env: &[(String, String)],
        (columns, rows): (u16, u16),
    ) -> Result<Self, SandboxError> {
        let size = nix::pty::Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty =
            nix::pty::openpty(&size, None).map_err(|error| os("open a terminal")(error.into()))?;
        let (status_read, status_write) = pair()?;
        let env = environment(&host, env);
        let fds = [pty.slave.as_raw_fd(), status_write.as_raw_fd()];
        let id = host.exec(argv, env, host.workdir.clone(), true, &fds)?;
        let flags = OFlag::O_NONBLOCK | OFlag::O_RDWR;
        nix::fcntl::fcntl(&pty.master, nix::fcntl::FcntlArg::F_SETFL(flags))
            .map_err(|error| os("open a terminal")(error.into()))?;
        nix::fcntl::fcntl(
            &pty.master,
            nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC),
        )
        .map_err(|error| os("open a terminal")(error.into()))?;
        let master = descriptors::watched(pty.master).map_err(os("open a terminal"))?;
        Ok(Self {
            host,
            id,
            master,
            status: StatusPipe {
                pipe: reader(status_read)?,
                text: Vec::new(),
            },
        })
    }
}

#[async_trait]
impl Shell for Terminal {
    async fn input(&mut self, bytes: &[u8]) -> Result<(), SandboxError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut ready = self
                .master
                .writable()
                .await
                .map_err(os("type into the terminal"))?;
            match ready.try_io(|fd| nix::unistd::write(fd.get_ref(), rest).map_err(Into::into)) {
                Ok(Ok(written)) => rest = rest.get(written..).unwrap_or_default(),
                Ok(Err(error)) => return Err(SandboxError::Gone(format!("its terminal: {error}"))),
                Err(_not_yet) => {}
            }
        }
        Ok(())
    }

    async fn output(&mut self) -> Result<Option<Vec<u8>>, SandboxError> {
        let mut buffer = vec![0u8; 64 * 1024];
        loop {
            let mut ready = self
                .master
                .readable()
                .await
                .map_err(os("read the terminal"))?;
            match ready
                .try_io(|fd| nix::unistd::read(fd.get_ref(), &mut buffer).map_err(Into::into))
            {
                Ok(Ok(length)) if length > 0 => {
                    buffer.truncate(length);
                    return Ok(Some(buffer));
                }
                // EIO is how a terminal says that its last user is gone.
                Ok(_) => return Ok(None),
                Err(_not_yet) => {}
            }
        }
    }

    async fn close(&mut self) -> Result<(), SandboxError> {
        self.host.kill(self.id)?;
        let _ = tokio::time::timeout(KILL_PATIENCE, self.status.closed()).await;
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.host.kill(self.id);
    }
}
