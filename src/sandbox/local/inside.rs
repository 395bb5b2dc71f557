//! Build the inside of a sandbox: namespaces, mounts, a private root.
//!
//! Two orders, same result. An **ordinary user** makes the user namespace first and mounts within it. **Root** mounts
//! first and then steps into a user namespace whose only user is an unprivileged id of the host: the mounts then belong
//! to a namespace in which the inside has no rights at all.
//!
//! What is seen: a tmpfs root with read-only binds of the host's programs, a small `/etc`, `/proc` of the own pid
//! namespace, a few devices of its own, tmpfs at `/tmp`, `/root` and `/dev/shm`, and the workspace as an overlay on its base.

use std::fs;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd;

use super::protocol::{Notice, Request, Setup, receive, send};
use super::spawn;

/// A step that failed, in words.
pub(super) type Built<T> = Result<T, String>;

fn step<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Built<T> {
    result.map_err(|error| format!("{what}: {error}"))
}

/// Leave the host's namespaces; what is forked next is pid 1 of the new ones.
pub(super) fn leave_host(setup: &Setup) -> Built<()> {
    let mut flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    if !setup.network {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    if setup.map_to.is_some() {
        step("leave the host's groups", unistd::setgroups(&[]))?;
        return step("make namespaces", unshare(flags));
    }
    let (uid, gid) = (unistd::getuid(), unistd::getgid());
    step(
        "make namespaces",
        unshare(flags | CloneFlags::CLONE_NEWUSER),
    )?;
    step("map ids", fs::write("/proc/self/setgroups", "deny"))?;
    step(
        "map ids",
        fs::write("/proc/self/uid_map", format!("0 {uid} 1")),
    )?;
    step(
        "map ids",
        fs::write("/proc/self/gid_map", format!("0 {gid} 1")),
    )
}

/// As pid 1: mount everything, move in, and (as root) give up the host's ids.
pub(super) fn move_in(setup: &Setup, host: BorrowedFd<'_>) -> Built<()> {
    let none = None::<&str>;
    step(
        "make mounts private",
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none),
    )?;
    if !setup.network {
        step("bring loopback up", spawn::loopback_up())?;
    }
    let _ = unistd::sethostname("sandbox");
    let root = &setup.root;
    let tmpfs = |path: &Path, options: String| -> Built<()> {
        step("make a folder", fs::create_dir_all(path))?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        step(
            &format!("mount tmpfs at {}", path.display()),
            mount(
                Some("tmpfs"),
                path,
                Some("tmpfs"),
                flags,
                Some(options.as_str()),
            ),
        )
    };
    tmpfs(root, "mode=755,size=8m".into())?;
    for bind in &setup.binds {
        bind_read_only(bind, &inside(root, bind))?;
    }
    write_etc(root)?;
    devices(root)?;
    let owner = if setup.map_to.is_some() {
        setup.map_to.map(|id| format!(",uid={id},gid={id}"))
    } else {
        None
    };
    let owner = owner.unwrap_or_default();
    let half = setup.file_size.min(setup.memory / 2).max(1 << 20);
    tmpfs(&root.join("tmp"), format!("mode=1777,size={half}{owner}"))?;
    tmpfs(
        &root.join("root"),
        format!("mode=700,size={}{owner}", half / 2),
    )?;
    tmpfs(
        &root.join("dev/shm"),
        format!("mode=1777,size={}{owner}", half / 2),
    )?;
    let proc = root.join("proc");
    step("make a folder", fs::create_dir_all(&proc))?;
    let hard = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    step(
        "mount /proc",
        mount(Some("proc"), &proc, Some("proc"), hard, none),
    )?;
    overlay(setup, &inside(root, Path::new(&setup.workdir)))?;
    step("enter the new root", unistd::chdir(root))?;
    step("pivot_root", unistd::pivot_root(".", "."))?;
    step("leave the old root", umount2(".", MntFlags::MNT_DETACH))?;
    step("enter the new root", unistd::chdir("/"))?;
    let read_only = MsFlags::MS_REMOUNT
        | MsFlags::MS_BIND
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV;
    step("close the root", mount(none, "/", none, read_only, none))?;
    if setup.map_to.is_some() {
        step("make a user namespace", unshare(CloneFlags::CLONE_NEWUSER))?;
        step("ask for id maps", send(host, &Notice::NeedsMap, &[]))?;
        match step("wait for id maps", receive::<Request>(host))? {
            Some((Request::Mapped, _)) => {}
            _ => return Err("the host went away while ids were mapped".into()),
        }
        step("become the mapped user", spawn::become_mapped_root())?;
    }
    Ok(())
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn overlay(setup: &Setup, at: &Path) -> Built<()> {
    step("make a folder", fs::create_dir_all(at))?;
    let escape = |path: &Path| {
        path.to_string_lossy()
            .replace('\\', "\\\\")
            .replace(',', "\\,")
            .replace(':', "\\:")
    };
    // An overlay of an unprivileged user keeps its marks in `user.*` attributes.
    let attributes = if setup.map_to.is_some() {
        ""
    } else {
        ",userxattr"
    };
    let options = format!(
        "lowerdir={},upperdir={},workdir={}{attributes}",
        escape(&setup.lower),
        escape(&setup.upper),
        escape(&setup.work)
    );
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    step(
        "mount the workspace",
        mount(
            Some("overlay"),
            at,
            Some("overlay"),
            flags,
            Some(options.as_str()),
        ),
    )
}

/// Bind with everything mounted beneath it, all of it read-only.
fn bind_read_only(from: &Path, to: &Path) -> Built<()> {
    let name = from.display().to_string();
    let kind = step(&name, fs::symlink_metadata(from))?;
    if let Some(parent) = to.parent() {
        step("make a folder", fs::create_dir_all(parent))?;
    }
    if kind.is_symlink() {
        let target = step(&name, fs::read_link(from))?;
        return step(&name, symlink(target, to));
    }
    if kind.is_dir() {
        step("make a folder", fs::create_dir_all(to))?;
    } else {
        step("make a file", fs::write(to, ""))?;
    }
    let none = None::<&str>;
    step(
        &name,
        mount(
            Some(from),
            to,
            none,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            none,
        ),
    )?;
    for place in mounts_beneath(to)? {
        step(
            &format!("make {} read-only", place.display()),
            remount_read_only(&place),
        )?;
    }
    Ok(())
}

fn remount_read_only(place: &Path) -> nix::Result<()> {
    // A user namespace may not clear flags that the host set: carry over what is there.
    let there = nix::sys::statvfs::statvfs(place)?.flags();
    let mut flags = MsFlags::MS_BIND
        | MsFlags::MS_REMOUNT
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV;
    for (have, keep) in [
        (nix::sys::statvfs::FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (nix::sys::statvfs::FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (
            nix::sys::statvfs::FsFlags::ST_NODIRATIME,
            MsFlags::MS_NODIRATIME,
        ),
        (
            nix::sys::statvfs::FsFlags::ST_RELATIME,
            MsFlags::MS_RELATIME,
        ),
    ] {
        if there.contains(have) {
            flags |= keep;
        }
    }
    mount(None::<&str>, place, None::<&str>, flags, None::<&str>)
}

/// Mount points at or beneath a place (fifth field of `/proc/self/mountinfo`, octal escapes undone).
fn mounts_beneath(place: &Path) -> Built<Vec<PathBuf>> {
    let table = step(
        "read the mount table",
        fs::read_to_string("/proc/self/mountinfo"),
    )?;
    let undo = |text: &str| {
        text.replace("\\040", " ")
            .replace("\\011", "\t")
            .replace("\\012", "\n")
            .replace("\\134", "\\")
    };
    Ok(table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|text| PathBuf::from(undo(text)))
        .filter(|path| path.starts_with(place))
        .collect())
}

/// Devices by name, with their numbers (Documentation/admin-guide/devices.txt of the kernel).
const DEVICES: [(&str, u64, u64); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// A `/dev` that has nothing in common with the host's where this process may make devices; else the host's own,
/// read-only. The mode of a device belongs to the device: through a writable bind of it, its owner could change it for
/// the whole machine.
fn devices(root: &Path) -> Built<()> {
    let dev = root.join("dev");
    step("make a folder", fs::create_dir_all(&dev))?;
    let hard = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let small = Some("mode=755,size=64k");
    step(
        "mount /dev",
        mount(Some("tmpfs"), &dev, Some("tmpfs"), hard, small),
    )?;
    for (name, major, minor) in DEVICES {
        let at = dev.join(name);
        if make_device(&at, major, minor).is_err() {
            let _ = fs::remove_file(&at);
            step(name, bind_device(&Path::new("/dev").join(name), &at))?;
        }
    }
    step("make a folder", fs::create_dir_all(dev.join("shm")))?;
    let pts = dev.join("pts");
    step("make a folder", fs::create_dir_all(&pts))?;
    let options = Some("newinstance,ptmxmode=0666,mode=620");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    step(
        "mount /dev/pts",
        mount(Some("devpts"), &pts, Some("devpts"), flags, options),
    )?;
    for (target, name) in [
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ] {
        step(name, symlink(target, dev.join(name)))?;
    }
    let closed = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | hard;
    step(
        "close /dev",
        mount(None::<&str>, &dev, None::<&str>, closed, None::<&str>),
    )
}

/// Make a device that can be opened. In a user namespace, or without the capability, there is none to be had.
fn make_device(at: &Path, major: u64, minor: u64) -> std::io::Result<()> {
    let mode = Mode::from_bits_truncate(0o666);
    mknod(at, SFlag::S_IFCHR, mode, makedev(major, minor))?;
    fs::set_permissions(at, fs::Permissions::from_mode(0o666))?;
    match fs::File::open(at) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(error),
        // `tty` answers that there is none.
        _ => Ok(()),
    }
}

fn bind_device(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::write(to, "")?;
    let none = None::<&str>;
    mount(Some(from), to, none, MsFlags::MS_BIND, none)?;
    let closed = MsFlags::MS_REMOUNT
        | MsFlags::MS_BIND
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NOEXEC;
    mount(none, to, none, closed, none)?;
    Ok(())
}

/// Names for the two ids that exist inside; nothing of the host's own accounts.
fn write_etc(root: &Path) -> Built<()> {
    let etc = root.join("etc");
    step("make a folder", fs::create_dir_all(&etc))?;
    for (name, text) in [
        (
            "passwd",
            "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
        ),
        ("group", "root:x:0:\nnogroup:x:65534:\n"),
        ("hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n"),
        ("hostname", "sandbox\n"),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\n",
        ),
    ] {
        let at = etc.join(name);
        step(name, fs::write(&at, text))?;
        step(
            name,
            fs::set_permissions(&at, fs::Permissions::from_mode(0o644)),
        )?;
    }
    Ok(())
}
