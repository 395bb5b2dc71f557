//! What the host and a sandbox's init say to each other: one JSON text per datagram of a `SOCK_SEQPACKET` pair, with
//! open descriptors beside it.
//!
//! The host closes its end by dying, too: the init reads end-of-file and ends everything inside. Results of a command
//! do not come this way but through the command's own status pipe ([`Status`]), so that no answer can be mixed up.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;

use nix::cmsg_space;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::descriptors::own;

/// Largest datagram: Linux's default socket buffer holds it.
pub(super) const MOST: usize = 160 * 1024;

/// First message to a new init: everything it needs to build the inside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) tier: Tier,
    /// The host is root: mounts are made before the user namespace, whose one user is this id outside.
    pub(crate) map_to: Option<u32>,
    /// The host is root and the tier has no user namespace of its own: commands take this id before they start.
    pub(crate) become_id: Option<u32>,
    /// The base, never written to.
    pub(crate) lower: PathBuf,
    /// What the agent changes.
    pub(crate) upper: PathBuf,
    /// Overlay's own scratch folder.
    pub(crate) work: PathBuf,
    /// An empty folder that becomes the root of the inside.
    pub(crate) root: PathBuf,
    /// Folders and files of the host that are seen read-only at the same place.
    pub(crate) binds: Vec<PathBuf>,
    pub(crate) workdir: String,
    pub(crate) network: bool,
    pub(crate) memory: u64,
    pub(crate) processes: u64,
    pub(crate) file_size: u64,
}

/// How strongly this machine lets us contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Own namespaces, overlay, rlimits, Landlock, seccomp.
    Namespaces,
    /// bubblewrap's namespaces over a plain copy; the rest as above.
    Bubblewrap,
    /// A plain copy; Landlock, seccomp and rlimits only.
    Landlock,
}

impl Tier {
    /// For people: `T1 namespaces`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "T1 namespaces",
            Self::Bubblewrap => "T2 bubblewrap",
            Self::Landlock => "T3 landlock",
        }
    }
}

/// From the host.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Boxed apart from the loop: the first message only.
    Setup(Box<Setup>),
    /// The host has written the id maps.
    Mapped,
    /// Run a command. Descriptors: in, out, err, status; with `tty`: terminal, status.
    Exec {
        id: u64,
        argv: Vec<String>,
        env: Vec<String>,
        cwd: String,
        tty: bool,
    },
    /// End that command's whole tree.
    Kill { id: u64 },
    /// End everything but the init.
    KillAll,
}

/// From the init.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// The process that is pid 1 inside, as the host numbers it.
    Forked { pid: i32 },
    /// Please write my id maps.
    NeedsMap,
    /// Commands may come.
    Ready { landlock: bool, seccomp: bool },
    /// The inside could not be built.
    Failed { why: String },
    /// The tree held more memory than allowed and was ended.
    MemoryExceeded { ids: Vec<u64> },
}

/// One line of a command's status pipe; end-of-file says that its whole tree is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Code(i32),
    Signal(i32),
    /// `execve` failed with this errno.
    CannotRun(i32),
}

/// Send one message with descriptors.
pub(crate) fn send<T: Serialize>(
    socket: BorrowedFd<'_>,
    message: &T,
    fds: &[RawFd],
) -> std::io::Result<()> {
    let text = serde_json::to_vec(message)?;
    if text.len() > MOST {
        return Err(std::io::Error::other(format!(
            "the command line and environment have {} bytes; at most {MOST} can be passed: put long input into a file",
            text.len()
        )));
    }
    let rights = [ControlMessage::ScmRights(fds)];
    let control = if fds.is_empty() { &[][..] } else { &rights[..] };
    sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(&text)],
        control,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(())
}

/// Receive one message; `None` when the other side is gone.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: BorrowedFd<'_>,
) -> std::io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut buffer = vec![0u8; MOST];
    let mut control = cmsg_space!([RawFd; 8]);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let received = loop {
        match recvmsg::<()>(
            socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::MSG_CMSG_CLOEXEC,
        ) {
            Err(nix::errno::Errno::EINTR) => {}
            other => break other?,
        }
    };
    let mut fds = Vec::new();
    for message in received.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = message {
            fds.extend(raw.into_iter().map(own));
        }
    }
    let length = received.bytes;
    if length == 0 {
        return Ok(None);
    }
    buffer.truncate(length);
    Ok(Some((serde_json::from_slice(&buffer)?, fds)))
}
