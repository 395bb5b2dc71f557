//! From `fork` to `execve`: how a command inside becomes a process, and who waits for it.
//!
//! ```text
//! init (pid 1) ── keeper (one per command, subreaper) ── command ── whatever it starts
//! ```
//!
//! The **keeper** makes a command's tree knowable: descendants that leave their session or lose their parent are handed
//! to the keeper, never to init, so "kill this command with all it started" has an exact meaning. It writes the
//! command's status to the status pipe at once and lives until its last descendant is gone; then the pipe closes.
//! Keepers hold their capabilities, so a command (which has none) can neither trace them nor open their descriptors.
//!
//! Between `fork` and `execve` a process is its own single thread: init has no threads.
#![expect(
    unsafe_code,
    reason = "fork, signal dispositions, ioctl and capability calls have no safe form"
)]

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{self, ForkResult, Pid};
use seccompiler::BpfProgram;

use super::protocol::Status;

/// What a command gets.
pub(super) struct Command {
    pub(super) argv: Vec<CString>,
    pub(super) env: Vec<CString>,
    pub(super) cwd: CString,
    pub(super) path: Vec<CString>,
    pub(super) tty: bool,
    /// in, out, err; or the one terminal.
    pub(super) streams: Vec<OwnedFd>,
    pub(super) status: OwnedFd,
}

/// What every command is held to.
pub(super) struct Confinement {
    pub(super) filters: Vec<BpfProgram>,
    pub(super) landlock: Option<super::fence::Fence>,
    pub(super) memory: u64,
    pub(super) processes: u64,
    pub(super) file_size: u64,
    /// The id that a command takes, where it would else be root of the host.
    pub(super) become_id: Option<u32>,
}

/// Fork; in the child run `child` and end with what it returns.
///
/// Only for processes without threads (init, keepers): the child may then use the allocator and locks.
pub(super) fn fork_into(child: impl FnOnce() -> i32) -> nix::Result<Pid> {
    // SAFETY: the caller has no threads, so no lock can be held by one that the child lacks.
    match unsafe { unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let code = child();
            // SAFETY: ends the child at once, without the parent's exit handlers.
            unsafe { libc::_exit(code) }
        }
    }
}

/// Start a command under a new keeper; the keeper's pid.
pub(super) fn start(command: Command, confinement: &Confinement) -> nix::Result<Pid> {
    fork_into(|| keep(command, confinement))
}

fn keep(command: Command, confinement: &Confinement) -> i32 {
    let _ = prctl::set_child_subreaper(true);
    let _ = prctl::set_name(c"keeper");
    let Ok(status) = command.status.try_clone() else {
        return 1;
    };
    let forked = fork_into(|| become_command(&command, confinement));
    // The keeper holds no end of the command's streams: end-of-file must mean that the tree is done with them.
    drop(command);
    let child = match forked {
        Ok(child) => child,
        Err(error) => {
            report(&status, Status::CannotRun(error as i32));
            return 1;
        }
    };
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => {
                report(&status, Status::Code(code));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                report(&status, Status::Signal(signal as i32));
            }
            Err(nix::errno::Errno::EINTR) | Ok(_) => {}
            Err(_) => return 0,
        }
    }
}

fn report(pipe: &OwnedFd, status: Status) {
    if let Ok(mut line) = serde_json::to_vec(&status) {
        line.push(b'\n');
        let _ = unistd::write(pipe.as_fd(), &line);
    }
}

/// Never returns on success; the value is the exit status of a command that could not be run.
fn become_command(command: &Command, confinement: &Confinement) -> i32 {
    match prepare(command, confinement) {
        Ok(()) => {}
        Err(error) => {
            report(&command.status, Status::CannotRun(error as i32));
            return 127;
        }
    }
    let mut last = nix::errno::Errno::ENOENT;
    for program in &command.path {
        let Err(error) = unistd::execve(program, &command.argv, &command.env);
        if !matches!(
            error,
            nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR
        ) {
            last = error;
        }
    }
    report(&command.status, Status::CannotRun(last as i32));
    127
}

fn prepare(command: &Command, confinement: &Confinement) -> nix::Result<()> {
    let _ = prctl::set_child_subreaper(false);
    unistd::setsid()?;
    let stream = |index: usize| command.streams.get(index).ok_or(nix::errno::Errno::EBADF);
    if command.tty {
        let terminal = stream(0)?;
        unistd::dup2_stdin(terminal)?;
        unistd::dup2_stdout(terminal)?;
        unistd::dup2_stderr(terminal)?;
        // SAFETY: takes no pointer; this process leads a session without a terminal.
        unsafe { libc::ioctl(0, libc::TIOCSCTTY as _, 0) };
    } else {
        unistd::dup2_stdin(stream(0)?)?;
        unistd::dup2_stdout(stream(1)?)?;
        unistd::dup2_stderr(stream(2)?)?;
    }
    unistd::chdir(command.cwd.as_c_str())?;
    default_signals()?;
    let limit = |resource, value: u64| setrlimit(resource, value, value);
    limit(Resource::RLIMIT_CORE, 0)?;
    limit(Resource::RLIMIT_NOFILE, 4096)?;
    limit(Resource::RLIMIT_NPROC, confinement.processes)?;
    limit(Resource::RLIMIT_FSIZE, confinement.file_size)?;
    limit(Resource::RLIMIT_AS, confinement.memory)?;
    drop_bounding_set();
    if let Some(id) = confinement.become_id {
        unistd::setgroups(&[])?;
        unistd::setresgid(id.into(), id.into(), id.into())?;
        unistd::setresuid(id.into(), id.into(), id.into())?;
    }
    drop_capabilities()?;
    prctl::set_no_new_privs()?;
    if let Some(fence) = &confinement.landlock {
        fence.enforce().map_err(|_why| nix::errno::Errno::EACCES)?;
    }
    for filter in &confinement.filters {
        seccompiler::apply_filter(filter).map_err(|_why| nix::errno::Errno::EINVAL)?;
    }
    Ok(())
}

/// Rust ignores SIGPIPE and init blocks SIGCHLD; a command expects neither.
fn default_signals() -> nix::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in [
        Signal::SIGPIPE,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGCHLD,
    ] {
        // SAFETY: the default disposition runs no code of ours.
        unsafe { sigaction(signal, &default) }?;
    }
    SigSet::empty().thread_set_mask()
}

/// `capset`'s header and data, version 3 (linux/capability.h).
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// What no program that is started may have, whatever its file says.
fn drop_bounding_set() {
    for capability in 0..64 {
        // SAFETY: takes numbers only. Fails with EINVAL past the last capability that this kernel knows, and with
        // EPERM where the process may not (then its own sets are empty already).
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
    }
}

fn drop_capabilities() -> nix::Result<()> {
    let header = CapHeader {
        version: 0x2008_0522,
        pid: 0,
    };
    let data = [CapData::default(); 2];
    // SAFETY: both pointers are to live values of the layout that version 3 of the call reads.
    let answer = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    nix::errno::Errno::result(answer).map(drop)
}

/// Close whatever spotter itself was started with besides its three streams: a program that started it without care
/// must not hand its files to the inside. What is opened from here on closes at `execve`.
pub(super) fn close_inherited() {
    // SAFETY: takes numbers only; nothing of this process uses these descriptors yet.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) };
}

/// Remove a System V segment of this namespace; processes that hold it keep it until they end.
pub(super) fn remove_segment(id: i32) {
    // SAFETY: with this command the pointer is not used.
    unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
}

/// A C string, or the errno that `execve` would give for text with a NUL in it.
pub(super) fn c_string(text: &str) -> nix::Result<CString> {
    CString::new(text).map_err(|_nul| nix::errno::Errno::EINVAL)
}

/// Where to look for a program: itself where it names a folder, else each folder of `search_path`.
pub(super) fn candidates(program: &CStr, search_path: &str) -> Vec<CString> {
    let bytes = program.to_bytes();
    if bytes.contains(&b'/') {
        return vec![program.to_owned()];
    }
    search_path
        .split(':')
        .filter(|folder| !folder.is_empty())
        .filter_map(|folder| CString::new([folder.as_bytes(), b"/", bytes].concat()).ok())
        .collect()
}

/// Give up the host's ids for id 0 of the new user namespace.
pub(super) fn become_mapped_root() -> nix::Result<()> {
    unistd::setresgid(0.into(), 0.into(), 0.into())?;
    unistd::setresuid(0.into(), 0.into(), 0.into())?;
    prctl::set_dumpable(true)
}

/// Bring the loopback interface of this network namespace up.
pub(super) fn loopback_up() -> nix::Result<()> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: an all-zero `ifreq` is a valid value of plain C data.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed() as libc::c_char;
    }
    let flags = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING);
    request.ifr_ifru.ifru_flags = flags.map_err(|_too_wide| nix::errno::Errno::EINVAL)?;
    // SAFETY: `request` is a live, initialised `ifreq`, which is what this ioctl reads.
    let answer = unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw const request,
        )
    };
    nix::errno::Errno::result(answer).map(drop)
}
