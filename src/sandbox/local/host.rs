//! The host's side of a local sandbox: start the init, build the folders it needs, pass requests, notice its end.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use tokio::sync::watch;

use super::protocol::{Notice, Request, Setup, Tier, receive, send};
use super::{MAPPED_ID, give_to, prefix, reach, remove_tree, tree};
use crate::sandbox::{Holds, Kind, SandboxError, SandboxReport, Spec};

/// How long building the inside may take before something must be wrong.
const START_TIMEOUT: i64 = 30;

/// How long what is killed may take to go.
pub(super) const KILL_PATIENCE: Duration = Duration::from_secs(10);

static INIT_PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Start inits from this program instead of the running one: for programs that use spotter as a library, such as its
/// own tests.
pub fn use_init_program(path: impl Into<PathBuf>) {
    let _ = INIT_PROGRAM.set(path.into());
}

/// A running init and the ways to reach it.
pub(super) struct Host {
    tier: Tier,
    socket: OwnedFd,
    child: Mutex<Option<Child>>,
    /// The init as this machine numbers it; its root directory is the inside.
    pid: i32,
    pub(super) workdir: String,
    /// Who owns the inside and what the host writes there; `None` is whoever spotter runs as.
    owner: Option<u32>,
    /// Folder that holds what the workspace has grown by.
    pub(super) growth: PathBuf,
    pub(super) disk: u64,
    pub(super) env: Vec<String>,
    next: AtomicU64,
    stopped: AtomicBool,
    /// Ids of commands that were ended for memory, counted; the last value tells who.
    memory: watch::Receiver<Vec<u64>>,
    gone: watch::Receiver<bool>,
}

impl Host {
    /// Start an init in a tier and wait until commands may come. Blocking.
    pub(super) fn start(
        spec: &Spec,
        base: &Path,
        tier: Tier,
    ) -> Result<(Self, SandboxReport), SandboxError> {
        let python = prefix::find();
        let setup = prepare(spec, base, tier, &python)?;
        let os = |what: &str| SandboxError::os(what.to_owned());
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .map_err(|error| os("make a socket pair")(error.into()))?;
        let patience = TimeVal::seconds(START_TIMEOUT);
        setsockopt(&ours, sockopt::ReceiveTimeout, &patience)
            .map_err(|error| os("set a timeout")(error.into()))?;
        let mut child = init_command(tier, &setup)?
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(os("start the sandbox's init"))?;
        send(ours.as_fd(), &Request::Setup(Box::new(setup.clone())), &[])
            .map_err(os("talk to the init"))?;
        let ready = greet(&ours, setup.map_to, write_maps);
        let (pid, landlock) = match ready {
            // Within bubblewrap's pid namespace the init cannot know how this machine numbers it.
            Ok((_, landlock)) if tier == Tier::Bubblewrap => {
                let top = nix::unistd::Pid::from_raw(child.id().cast_signed());
                let found = tree::named_below(top, super::init::NAME);
                let pid = found.ok_or_else(|| {
                    SandboxError::NoTier(format!("{}: its init is not to be found", tier.name()))
                })?;
                (pid, landlock)
            }
            Ok(ready) => ready,
            Err(why) => {
                let _ = child.kill();
                // What it forked ends with the socket; while it lived, its words would have no end.
                drop(ours);
                let mut said = String::new();
                if let Some(mut stderr) = child.stderr.take() {
                    let _ = stderr.by_ref().take(2000).read_to_string(&mut said);
                }
                let _ = child.wait();
                let said = said.trim();
                let why = if said.is_empty() {
                    why
                } else {
                    format!("{why} ({said})")
                };
                return Err(SandboxError::NoTier(format!("{}: {why}", tier.name())));
            }
        };
        setsockopt(&ours, sockopt::ReceiveTimeout, &TimeVal::seconds(0))
            .map_err(|error| os("clear a timeout")(error.into()))?;
        let (memory_in, memory) = watch::channel(Vec::new());
        let (gone_in, gone) = watch::channel(false);
        let listener = ours.try_clone().map_err(os("listen to the init"))?;
        std::thread::Builder::new()
            .name("sandbox-notices".into())
            .spawn(move || {
                while let Ok(Some((notice, _))) = receive::<Notice>(listener.as_fd()) {
                    if let Notice::MemoryExceeded { ids } = notice {
                        let _ = memory_in.send(ids);
                    }
                }
                let _ = gone_in.send(true);
            })
            .map_err(os("listen to the init"))?;
        let growth = if tier == Tier::Namespaces {
            setup.upper.clone()
        } else {
            PathBuf::from(&setup.workdir)
        };
        let host = Self {
            tier,
            socket: ours,
            child: Mutex::new(Some(child)),
            pid,
            workdir: setup.workdir.clone(),
            owner: unprivileged(),
            growth,
            disk: spec.limits.disk,
            env: environment(&setup, &python),
            next: AtomicU64::new(1),
            stopped: AtomicBool::new(false),
            memory,
            gone,
        };
        let report = report(spec, tier, &setup, landlock, &python);
        Ok((host, report))
    }

    /// Ask the init to run a command; the id to name it by.
    pub(super) fn exec(
        &self,
        argv: Vec<String>,
        env: Vec<String>,
        cwd: String,
        tty: bool,
        fds: &[RawFd],
    ) -> Result<u64, SandboxError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.ask(
            &Request::Exec {
                id,
                argv,
                env,
                cwd,
                tty,
            },
            fds,
        )?;
        Ok(id)
    }

    /// End one command's tree.
    pub(super) fn kill(&self, id: u64) -> Result<(), SandboxError> {
        self.ask(&Request::Kill { id }, &[])
    }

    /// End everything inside but the init, and wait until it is gone.
    pub(super) async fn end_all(&self) -> Result<(), SandboxError> {
        self.ask(&Request::KillAll, &[])?;
        let all_gone = async {
            while !tree::children_of(nix::unistd::Pid::from_raw(self.pid)).is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let ended = tokio::time::timeout(KILL_PATIENCE, all_gone).await;
        ended.map_err(|_late| SandboxError::Gone("processes inside could not be ended".into()))
    }

    fn ask(&self, request: &Request, fds: &[RawFd]) -> Result<(), SandboxError> {
        if *self.gone.borrow() {
            return Err(SandboxError::Gone("its init process ended".into()));
        }
        send(self.socket.as_fd(), request, fds)
            .map_err(|error| SandboxError::Gone(error.to_string()))
    }

    /// Fires when the init is gone.
    pub(super) fn gone(&self) -> watch::Receiver<bool> {
        self.gone.clone()
    }

    /// Changes when the tree was ended for its memory.
    pub(super) fn memory_exceeded(&self) -> watch::Receiver<Vec<u64>> {
        self.memory.clone()
    }

    /// The workspace as a path of the host.
    pub(super) fn workspace(&self) -> Result<PathBuf, SandboxError> {
        if *self.gone.borrow() {
            return Err(SandboxError::Gone("its init process ended".into()));
        }
        Ok(match self.tier {
            Tier::Landlock => PathBuf::from(&self.workdir),
            Tier::Namespaces | Tier::Bubblewrap => {
                PathBuf::from(format!("/proc/{}/root{}", self.pid, self.workdir))
            }
        })
    }

    /// Who must own files that the host writes into the workspace; `None` is whoever spotter runs as.
    pub(super) fn owner(&self) -> Option<u32> {
        self.owner
    }

    /// End the init and with it everything inside. Blocking, safe to repeat.
    pub(super) fn stop(&self) {
        if self.stopped.swap(true, Ordering::SeqCst) {
            return;
        }
        let _ = nix::sys::socket::shutdown(
            std::os::fd::AsRawFd::as_raw_fd(&self.socket),
            nix::sys::socket::Shutdown::Both,
        );
        let child = self.child.lock().ok().and_then(|mut child| child.take());
        if let Some(mut child) = child {
            let _ = child.wait();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Answer the init until it is ready: its pid and whether Landlock is enforced. Two processes speak here, the one that
/// forked it and itself; which of them is heard first is not known.
fn greet(
    socket: &OwnedFd,
    map_to: Option<u32>,
    map: impl Fn(i32, u32) -> std::io::Result<()>,
) -> Result<(i32, bool), String> {
    let (mut pid, mut needs_map, mut ready) = (None, false, None);
    loop {
        let notice =
            receive::<Notice>(socket.as_fd()).map_err(|error| format!("no answer: {error}"))?;
        match notice.map(|(notice, _)| notice) {
            Some(Notice::Forked { pid: forked }) => pid = Some(forked),
            Some(Notice::NeedsMap) => needs_map = true,
            Some(Notice::Ready { landlock, .. }) => ready = Some(landlock),
            Some(Notice::Failed { why }) => return Err(why),
            Some(Notice::MemoryExceeded { .. }) => {}
            None => return Err("it ended while starting".into()),
        }
        if let (Some(pid), true) = (pid, needs_map) {
            needs_map = false;
            let id = map_to.ok_or("it asked for id maps that it should not need")?;
            map(pid, id).map_err(|error| format!("write id maps: {error}"))?;
            send(socket.as_fd(), &Request::Mapped, &[]).map_err(|error| error.to_string())?;
        }
        if let (Some(pid), Some(landlock)) = (pid, ready) {
            return Ok((pid, landlock));
        }
    }
}

fn write_maps(pid: i32, id: u32) -> std::io::Result<()> {
    fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
    fs::write(format!("/proc/{pid}/uid_map"), format!("0 {id} 1"))?;
    fs::write(format!("/proc/{pid}/gid_map"), format!("0 {id} 1"))
}

/// The id to be inside where spotter is root: as root, a program owns the machine's files and devices, and the kernel
/// does not count its processes.
fn unprivileged() -> Option<u32> {
    nix::unistd::geteuid().is_root().then_some(MAPPED_ID)
}

fn prepare(
    spec: &Spec,
    base: &Path,
    tier: Tier,
    python: &prefix::Python,
) -> Result<Setup, SandboxError> {
    let os = |what: &str| SandboxError::os(what.to_owned());
    let folder = |name: &str| -> Result<PathBuf, SandboxError> {
        let path = spec.state.join(name);
        fs::create_dir_all(&path).map_err(os("make a sandbox folder"))?;
        fs::canonicalize(&path).map_err(os("make a sandbox folder"))
    };
    let lower = fs::canonicalize(base).map_err(|error| SandboxError::Os {
        what: format!("open the task's base {}", base.display()),
        source: error,
    })?;
    let id = unprivileged();
    let map_to = id.filter(|_| tier == Tier::Namespaces);
    let become_id = id.filter(|_| tier == Tier::Landlock);
    for leftover in ["upper", "work", "workspace"] {
        remove_tree(&spec.state.join(leftover)).map_err(os("clear an old sandbox folder"))?;
    }
    let (upper, work, root) = (folder("upper")?, folder("work")?, folder("root")?);
    if let Some(id) = map_to {
        let owner = lower
            .symlink_metadata()
            .map_err(os("look at the base"))?
            .uid();
        if owner != id {
            give_to(&lower, id).map_err(os("give the base to the sandbox's user"))?;
        }
        give_to(&upper, id).map_err(os("give the workspace to the sandbox's user"))?;
    }
    let workdir = if tier == Tier::Namespaces {
        "/testbed".to_owned()
    } else {
        let copy = folder("workspace")?;
        if let Some(id) = id {
            reach::check(&copy, id)?;
        }
        copy_tree(&lower, &copy).map_err(os("copy the base"))?;
        if let Some(id) = id {
            for place in [&copy, &work] {
                give_to(place, id).map_err(os("give the workspace to the sandbox's user"))?;
            }
        }
        copy.to_string_lossy().into_owned()
    };
    let mut binds = prefix::binds(python);
    if let Some(id) = id.filter(|_| tier != Tier::Namespaces) {
        binds.retain(|bind| reach::closed_to(bind, id).is_none());
    }
    Ok(Setup {
        tier,
        map_to,
        become_id,
        lower,
        upper,
        work,
        root,
        binds,
        workdir,
        network: spec.network,
        memory: spec.limits.memory,
        processes: spec.limits.processes,
        file_size: spec.limits.disk,
    })
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir_all(&target)?;
            copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

fn init_command(tier: Tier, setup: &Setup) -> Result<std::process::Command, SandboxError> {
    let program = match INIT_PROGRAM.get() {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(SandboxError::os("find spotter's own program"))?,
    };
    if tier != Tier::Bubblewrap {
        let mut command = std::process::Command::new(program);
        command.arg("__sandbox-init");
        return Ok(command);
    }
    let mut command = std::process::Command::new("bwrap");
    if let Some(id) = unprivileged() {
        reach::check(&program, id)?;
        command.uid(id).gid(id);
    }
    command.args([
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
    ]);
    command.args([
        "--uid", "0", "--gid", "0", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
        "--tmpfs", "/root",
    ]);
    if !setup.network {
        command.arg("--unshare-net");
    }
    for bind in setup.binds.iter().chain([&program]) {
        command.arg("--ro-bind").arg(bind).arg(bind);
    }
    command
        .arg("--bind")
        .arg(&setup.workdir)
        .arg(&setup.workdir);
    command.arg("--").arg(program).arg("__sandbox-init");
    Ok(command)
}

fn environment(setup: &Setup, python: &prefix::Python) -> Vec<String> {
    let (home, scratch) = if setup.tier == Tier::Landlock {
        let scratch = setup.work.to_string_lossy().into_owned();
        (scratch.clone(), scratch)
    } else {
        ("/root".to_owned(), "/tmp".to_owned())
    };
    let mut path = String::from("/usr/local/bin:/usr/bin:/bin");
    if let Some(bin) = &python.bin {
        path = format!("{}:{path}", bin.display());
    }
    vec![
        format!("PATH={path}"),
        format!("HOME={home}"),
        format!("TMPDIR={scratch}"),
        "LANG=C.UTF-8".into(),
        "USER=root".into(),
        "TERM=dumb".into(),
        "PAGER=cat".into(),
        "GIT_PAGER=cat".into(),
        "PIP_PROGRESS_BAR=off".into(),
    ]
}

fn report(
    spec: &Spec,
    tier: Tier,
    setup: &Setup,
    landlock: bool,
    python: &prefix::Python,
) -> SandboxReport {
    let no = |why: &str| Holds::No(why.to_owned());
    let lowest = tier == Tier::Landlock;
    let holds = BTreeMap::from([
        (
            "files outside".to_owned(),
            if lowest && !landlock {
                no("Landlock is not available")
            } else {
                Holds::Yes
            },
        ),
        (
            "network".to_owned(),
            if spec.network {
                no("allowed for this task")
            } else {
                Holds::Yes
            },
        ),
        ("processes".to_owned(), Holds::Yes),
        (
            "process tree".to_owned(),
            if lowest { Holds::Watched } else { Holds::Yes },
        ),
        (
            "modes and times outside".to_owned(),
            if lowest {
                no("Landlock does not cover them: those of files of the same user can be changed")
            } else {
                Holds::Yes
            },
        ),
        ("memory".to_owned(), Holds::Watched),
        ("memory of one process".to_owned(), Holds::Yes),
        ("disk".to_owned(), Holds::Watched),
        ("size of one file".to_owned(), Holds::Yes),
        ("privileges".to_owned(), Holds::Yes),
        ("syscalls".to_owned(), Holds::Yes),
    ]);
    let mut notes = Vec::new();
    if !landlock {
        notes.push("this kernel enforces no Landlock rules".to_owned());
    }
    let closed = |bin: &&PathBuf| {
        let id = unprivileged().filter(|_| tier != Tier::Namespaces);
        id.and_then(|id| reach::closed_to(bin, id)).is_some()
    };
    match &python.bin {
        Some(bin) if closed(&bin) => notes.push(format!(
            "python3 from {} cannot be run by user {MAPPED_ID}, who the commands run as",
            bin.display()
        )),
        Some(bin) => notes.push(format!("python3 from {}", bin.display())),
        None => notes.push("no python3 found on this machine".to_owned()),
    }
    SandboxReport {
        kind: Kind::Local,
        tier: tier.name().to_owned(),
        workdir: setup.workdir.clone(),
        holds,
        notes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets() -> (OwnedFd, OwnedFd) {
        let (family, kind) = (AddressFamily::Unix, SockType::SeqPacket);
        socketpair(family, kind, None, SockFlag::SOCK_CLOEXEC).unwrap()
    }

    #[test]
    fn an_init_that_is_ready_before_its_parent_has_said_its_pid_is_waited_for() {
        let (ours, theirs) = sockets();
        let tell = |notice: &Notice| send(theirs.as_fd(), notice, &[]).unwrap();
        tell(&Notice::Ready {
            landlock: true,
            seccomp: true,
        });
        tell(&Notice::Forked { pid: 7 });
        assert_eq!(greet(&ours, None, |_, _| Ok(())), Ok((7, true)));
        tell(&Notice::Ready {
            landlock: true,
            seccomp: true,
        });
        drop(theirs);
        let why = greet(&ours, None, |_, _| Ok(())).unwrap_err();
        assert!(why.contains("ended while starting"), "{why}");
    }

    #[test]
    fn an_init_that_is_heard_before_its_parent_gets_its_id_maps() {
        let (ours, theirs) = sockets();
        let tell = |notice: &Notice| send(theirs.as_fd(), notice, &[]).unwrap();
        tell(&Notice::NeedsMap);
        tell(&Notice::Forked { pid: 7 });
        tell(&Notice::Ready {
            landlock: true,
            seccomp: true,
        });
        let mapped = std::cell::Cell::new(None);
        let map = |pid, id| {
            mapped.set(Some((pid, id)));
            Ok(())
        };
        assert_eq!(greet(&ours, Some(3), map), Ok((7, true)));
        assert_eq!(mapped.get(), Some((7, 3)));
        let answer = receive::<Request>(theirs.as_fd()).unwrap();
        assert!(matches!(answer, Some((Request::Mapped, _))));
    }
}
