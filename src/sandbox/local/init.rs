//! The init of a sandbox: pid 1 inside, a small server without threads.
//!
//! Started as `spotter __sandbox-init` with the control socket as standard input. It builds the inside
//! (`inside`), then waits for three things at once: requests of the host, children that ended, and a clock for
//! the memory of the tree. When the host's end of the socket closes, however the host died, it ends, and the kernel ends
//! everything in its pid namespace with it; in tiers without one it kills the tree itself.
//!
//! Any child of init that is not a keeper lost its keeper by force (the agent killed it): it is killed on sight.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::fence::Fence;
use super::inside;
use super::protocol::{Notice, Request, Setup, Tier, receive, send};
use super::spawn::{self, Command, Confinement};
use super::tree;

/// How often the memory of the tree is looked at while something runs.
const MEMORY_CLOCK: Duration = Duration::from_millis(100);

/// What the process table calls an init.
pub(super) const NAME: &str = "spotter-init";

/// Run as the init of a sandbox; returns when it is over. Nothing else of the program may have started.
#[must_use]
pub fn main() -> ExitCode {
    spawn::close_inherited();
    let stdin = std::io::stdin();
    let host = stdin.as_fd();
    let Ok(Some((Request::Setup(setup), _))) = receive::<Request>(host) else {
        return ExitCode::from(2);
    };
    match run(&setup, host) {
        Ok(code) => code,
        Err(why) => {
            let _ = send(host, &Notice::Failed { why }, &[]);
            ExitCode::FAILURE
        }
    }
}

fn run(setup: &Setup, host: BorrowedFd<'_>) -> Result<ExitCode, String> {
    if let Ok(name) = spawn::c_string(NAME) {
        let _ = prctl::set_name(&name);
    }
    if setup.tier != Tier::Namespaces {
        let _ = send(
            host,
            &Notice::Forked {
                pid: std::process::id().cast_signed(),
            },
            &[],
        );
        return serve(setup, host);
    }
    inside::leave_host(setup)?;
    let child = spawn::fork_into(|| {
        let served = inside::move_in(setup, host).and_then(|()| serve(setup, host));
        if let Err(why) = served {
            let _ = send(host, &Notice::Failed { why }, &[]);
        }
        0
    })
    .map_err(|error| format!("fork: {error}"))?;
    send(
        host,
        &Notice::Forked {
            pid: child.as_raw(),
        },
        &[],
    )
    .map_err(|error| error.to_string())?;
    while let Err(Errno::EINTR) = waitpid(child, None) {}
    Ok(ExitCode::SUCCESS)
}

struct Server<'a> {
    setup: &'a Setup,
    host: BorrowedFd<'a>,
    confinement: Confinement,
    /// Commands by id, with their keepers.
    keepers: BTreeMap<u64, Pid>,
    own_pids: bool,
}

fn serve(setup: &Setup, host: BorrowedFd<'_>) -> Result<ExitCode, String> {
    let _ = prctl::set_child_subreaper(true);
    let own_pids = setup.tier != Tier::Landlock;
    let filters = spawn_filters(setup)?;
    let fence = fence(setup);
    let mut server = Server {
        setup,
        host,
        confinement: Confinement {
            filters,
            landlock: Some(fence.clone()),
            memory: setup.memory,
            processes: setup.processes,
            file_size: setup.file_size,
            become_id: setup.become_id,
        },
        keepers: BTreeMap::new(),
        own_pids,
    };
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block().map_err(|error| error.to_string())?;
    let signals = SignalFd::with_flags(&children, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(|error| error.to_string())?;
    let enforced = probe_fence(&fence);
    server.confinement.landlock = server.confinement.landlock.filter(|_| enforced);
    if setup.tier == Tier::Landlock && !enforced {
        return Err("this kernel enforces no Landlock rules".into());
    }
    let seccomp = !server.confinement.filters.is_empty();
    send(
        host,
        &Notice::Ready {
            landlock: enforced,
            seccomp,
        },
        &[],
    )
    .map_err(|error| error.to_string())?;
    server.listen(&signals);
    server.end_all();
    Ok(ExitCode::SUCCESS)
}

fn spawn_filters(setup: &Setup) -> Result<Vec<seccompiler::BpfProgram>, String> {
    // With a network namespace of its own, local sockets do no harm and tests may need them.
    let sockets = setup.network || setup.tier != Tier::Landlock;
    super::syscalls::filters(sockets)
}

fn fence(setup: &Setup) -> Fence {
    let workdir = std::path::PathBuf::from(&setup.workdir);
    if setup.tier == Tier::Landlock {
        let mut read = setup.binds.clone();
        read.push("/proc".into());
        let write = vec![
            workdir,
            setup.work.clone(),
            "/dev/null".into(),
            "/dev/zero".into(),
            "/dev/tty".into(),
            "/dev/pts".into(),
        ];
        read.extend([
            "/dev/urandom".into(),
            "/dev/random".into(),
            "/dev/full".into(),
        ]);
        return Fence {
            read,
            write,
            scoped: true,
        };
    }
    let write = ["/tmp", "/root", "/dev"]
        .iter()
        .map(Into::into)
        .chain([workdir])
        .collect();
    Fence {
        read: vec!["/".into()],
        write,
        scoped: false,
    }
}

/// Try the rules in a child: they cannot be taken back.
fn probe_fence(fence: &Fence) -> bool {
    let probe = spawn::fork_into(|| {
        let _ = prctl::set_no_new_privs();
        i32::from(!fence.enforce().unwrap_or(false))
    });
    matches!(
        probe.map(|pid| waitpid(pid, None)),
        Ok(Ok(WaitStatus::Exited(_, 0)))
    )
}

impl Server<'_> {
    fn listen(&mut self, signals: &SignalFd) {
        let mut looked = Instant::now();
        loop {
            let wait = if self.keepers.is_empty() {
                PollTimeout::NONE
            } else {
                PollTimeout::from(100u8)
            };
            let mut fds = [
                PollFd::new(self.host, PollFlags::POLLIN),
                PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, wait) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
            let [host, child] = &fds;
            let host_news = host.any().unwrap_or(true);
            if child.any().unwrap_or(false) {
                while let Ok(Some(_)) = signals.read_signal() {}
                self.reap();
            }
            if host_news {
                match receive::<Request>(self.host) {
                    Ok(Some((request, fds))) => self.handle(request, fds),
                    Ok(None) | Err(_) => return,
                }
            }
            if looked.elapsed() >= MEMORY_CLOCK && !self.keepers.is_empty() {
                looked = Instant::now();
                self.watch_memory();
            }
        }
    }

    fn handle(&mut self, request: Request, fds: Vec<OwnedFd>) {
        match request {
            Request::Exec {
                id,
                argv,
                env,
                cwd,
                tty,
            } => {
                if let Ok(keeper) = self.start(&argv, &env, &cwd, tty, fds) {
                    self.keepers.insert(id, keeper);
                }
                // On failure the status pipe closes without a line, which the host reads as the failure it is.
            }
            Request::Kill { id } => {
                if let Some(keeper) = self.keepers.get(&id) {
                    self.end_tree(*keeper);
                }
            }
            Request::KillAll => self.end_all(),
            Request::Setup(_) | Request::Mapped => {}
        }
    }

    fn start(
        &self,
        argv: &[String],
        env: &[String],
        cwd: &str,
        tty: bool,
        mut fds: Vec<OwnedFd>,
    ) -> nix::Result<Pid> {
        let status = fds.pop().ok_or(Errno::EBADF)?;
        let strings = |texts: &[String]| {
            texts
                .iter()
                .map(|text| spawn::c_string(text))
                .collect::<nix::Result<Vec<_>>>()
        };
        let argv = strings(argv)?;
        let search = env
            .iter()
            .find_map(|entry| entry.strip_prefix("PATH="))
            .unwrap_or("/usr/bin:/bin");
        let path = spawn::candidates(argv.first().ok_or(Errno::EINVAL)?, search);
        let command = Command {
            path,
            argv,
            env: strings(env)?,
            cwd: spawn::c_string(cwd)?,
            tty,
            streams: fds,
            status,
        };
        spawn::start(command, &self.confinement)
    }

    fn reap(&mut self) {
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            match status.pid() {
                Some(pid) => self.keepers.retain(|_, keeper| *keeper != pid),
                None => break,
            }
        }
        let is_stray = |pid: &Pid| !self.keepers.values().any(|keeper| keeper == pid);
        for stray in tree::children_of(Pid::this()).into_iter().filter(is_stray) {
            tree::end_below(stray);
            let _ = kill(stray, Signal::SIGKILL);
        }
    }

    fn watch_memory(&self) {
        if tree::memory_of(Pid::this()) > self.setup.memory {
            let ids = self.keepers.keys().copied().collect();
            let _ = send(self.host, &Notice::MemoryExceeded { ids }, &[]);
            self.end_all();
        }
    }

    fn end_tree(&self, keeper: Pid) {
        if !tree::end_below(keeper) && self.own_pids {
            self.end_all();
        }
        // The agent can have stopped it; with its tree gone, nobody can again.
        let _ = kill(keeper, Signal::SIGCONT);
    }

    fn end_all(&self) {
        if self.own_pids {
            // As pid 1 of its own namespace this reaches exactly what runs inside, in one stroke that no fork can
            // outrun.
            let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
            for segment in tree::segments() {
                spawn::remove_segment(segment);
            }
        } else {
            for keeper in self.keepers.values() {
                tree::end_below(*keeper);
            }
        }
    }
}
