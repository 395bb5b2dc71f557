"""Runs every probe in a process of its own; one line each: name, TAB, GOT or why not."""
import ctypes, errno, json, os, signal, socket, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)
WORK = os.getcwd()
TMP = os.environ.get("TMPDIR", "/tmp")
HOST = json.loads(sys.argv[1])


def call(number, *arguments):
    """A raw system call; raises where the kernel refuses."""
    done = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if done < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return done


def text(value):
    return ctypes.c_char_p(value.encode())


def read(path):
    return open(path, "rb").read(4096)


def write(path):
    """Opened for writing is proof enough: where it succeeds the file is the machine's own."""
    open(path, "ab").close()
    return True


def others():
    """Processes that are not below this command."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with open(f"/proc/{name}/stat") as file:
                words = file.read().rsplit(")", 1)[1].split()
            if int(words[3]) != os.getsid(0):
                yield int(name)


def any_of(action, values):
    last = None
    for value in values:
        try:
            if action(value):
                return True
        except (OSError, PermissionError) as error:
            last = error
    if last:
        raise last
    return False


def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(b"x", ("1.1.1.1", 53))
    return True


def abstract():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(2)
    s.connect("\0" + HOST["abstract"])
    return True


def named():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(2)
    s.connect(HOST["socket"])
    return True


def named_datagram():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendmsg([b"x"], [], 0, HOST["datagram"])
    return True


def pair_datagram():
    a, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    a.sendmsg([b"x"], [], 0, HOST["datagram"])
    return True


def opened():
    """Descriptors besides the three, not counting the one that lists them."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found += [os.readlink(f"/proc/self/fd/{name}")] if int(name) > 2 else []
        except OSError:
            pass
    return found


# Before this program opens any of its own.
OPENED = opened()
KEEPER = os.getppid()


def new_namespace_by_clone(flag):
    pid = call(56, flag | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


def sti():
    import fcntl, pty
    pid, master = pty.fork()
    if pid == 0:
        try:
            fcntl.ioctl(0, 0x5412, b"x")
            os._exit(7)
        except OSError:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def escape_chroot():
    os.mkdir(TMP + "/jail")
    os.chroot(TMP + "/jail")
    return True


def x32():
    call(0x40000000 | 39)
    return True


def device():
    os.mknod(TMP + "/sda", 0o600 | 0o020000, os.makedev(1, 1))
    return True


def set_id():
    """A set-user-id program keeps its effect?"""
    for program in ["/usr/bin/su", "/bin/su", "/usr/bin/mount", "/usr/bin/passwd"]:
        if os.path.exists(program) and os.stat(program).st_mode & 0o4000:
            with open("/proc/self/status") as file:
                return "NoNewPrivs:\t1" not in file.read()
    return False


def kill_others():
    """Any process outside this command's own session, init apart."""
    pids = [pid for pid in others() if pid != 1]
    return any_of(lambda pid: os.kill(pid, 0) is None and pid not in (os.getpid(), os.getppid()), HOST["pids"]) if HOST["pids"] else False


PROBES = [
    # Network.
    ("tcp out", lambda: socket.create_connection(("1.1.1.1", 80), 2)),
    ("udp out", udp),
    ("name resolution", lambda: socket.getaddrinfo("example.org", 80)),
    ("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
    ("packet socket", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)),
    ("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)),
    ("kernel crypto socket", lambda: socket.socket(38, socket.SOCK_SEQPACKET)),
    ("host's loopback", lambda: socket.create_connection(("127.0.0.1", HOST["port"]), 2)),
    ("host's abstract socket", abstract),
    ("host's named socket", named),
    ("host's datagram socket", named_datagram),
    ("host's datagram socket, from a pair", pair_datagram),
    # Reading outside.
    ("/etc/shadow", lambda: b"root:$" in read("/etc/shadow") or b"root:*" in read("/etc/shadow")),
    ("host's file", lambda: read(HOST["secret"])),
    ("host's folder", lambda: os.listdir(HOST["folder"])),
    ("state of another rollout", lambda: os.listdir(HOST["other"])),
    ("root of init", lambda: os.listdir("/proc/1/root/")),
    ("environment of init", lambda: read("/proc/1/environ")),
    ("memory of init", lambda: open("/proc/1/mem", "rb")),
    ("descriptors of the host's program or the keeper", lambda: any_of(lambda pid: os.readlink(f"/proc/{pid}/fd/0"), [*HOST["pids"], KEEPER])),
    ("environment of the host's program", lambda: any_of(lambda pid: read(f"/proc/{pid}/environ"), HOST["pids"])),
    ("/proc/kcore", lambda: read("/proc/kcore")),
    ("/dev/mem", lambda: read("/dev/mem")),
    ("host's disk", lambda: any_of(read, ["/dev/vda", "/dev/sda", "/dev/nvme0n1"])),
    ("inherited descriptors", lambda: OPENED),
    # Writing outside.
    ("write /etc", lambda: write("/etc/passwd")),
    ("write /usr", lambda: write("/usr/bin/env")),
    ("make a file in /usr", lambda: write("/usr/planted")),
    ("write /sys", lambda: any_of(write, ["/sys/kernel/uevent_helper", "/sys/power/state", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/release_agent"])),
    ("write /proc/sys", lambda: any_of(write, ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sys/kernel/hostname"])),
    ("sysrq", lambda: write("/proc/sysrq-trigger")),
    ("write host's file", lambda: write(HOST["secret"])),
    ("change mode of host's file", lambda: os.chmod(HOST["secret"], 0o777) is None),
    ("change mode of a device", lambda: os.chmod("/dev/null", 0o666) is None),
    ("change times of host's file", lambda: os.utime(HOST["secret"]) is None),
    ("truncate host's file", lambda: os.truncate(HOST["secret"], 6) is None),
    ("link host's file", lambda: os.link(HOST["secret"], WORK + "/linked") is None),
    ("lower oom score", lambda: open("/proc/self/oom_score_adj", "w").write("-900") and open("/proc/self/oom_score_adj").read().strip() == "-900"),
    # System calls.
    ("mount", lambda: call(165, text("none"), text(TMP), text("tmpfs"), 0, 0) == 0),
    ("umount", lambda: call(166, text("/proc"), 2) == 0),
    ("bind through the new mount calls", lambda: call(428, -100, text("/"), 1)),
    ("open a file system", lambda: call(430, text("tmpfs"), 0)),
    ("pivot_root", lambda: call(155, text("."), text(".")) == 0),
    ("chroot", escape_chroot),
    ("unshare user", lambda: call(272, 0x10000000) == 0),
    ("unshare mount", lambda: call(272, 0x00020000) == 0),
    ("clone into a user namespace", lambda: new_namespace_by_clone(0x10000000)),
    ("clone into a network namespace", lambda: new_namespace_by_clone(0x40000000)),
    ("clone into a time namespace", lambda: call(272, 0x80) == 0),
    ("clone3", lambda: call(435, 0, 0)),
    ("setns", lambda: call(308, os.open("/proc/self/ns/net", os.O_RDONLY), 0) == 0),
    ("ptrace", lambda: call(101, 0, 0, 0, 0) == 0),
    ("read another's memory", lambda: call(310, os.getppid(), 0, 0, 0, 0, 0) == 0),
    ("bpf", lambda: call(321, 0, ctypes.create_string_buffer(b"\x01\0\0\0\x04\0\0\0\x04\0\0\0\x01\0\0\0" + bytes(100)), 72)),
    ("userfaultfd", lambda: call(323, 1)),
    ("io_uring", lambda: call(425, 4, ctypes.create_string_buffer(120))),
    ("perf events", lambda: call(298, ctypes.create_string_buffer(struct.pack("IIQ", 1, 112, 0) + bytes(200)), 0, -1, -1, 0)),
    ("keys", lambda: call(248, text("user"), text("k"), text("v"), 1, -3)),
    ("key rings", lambda: call(250, 0, -3, 1)),
    ("kexec", lambda: call(246, 0, 0, 0, 0) == 0),
    ("reboot", lambda: call(169, 0xFEE1DEAD, 672274793, 0, 0) == 0),
    ("load a module", lambda: call(313, os.open("/bin/sh", os.O_RDONLY), text(""), 0) == 0),
    ("set the clock", lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()) is None),
    ("host name", lambda: socket.sethostname("x") is None),
    ("open by handle", lambda: call(303, -100, text("/"), ctypes.create_string_buffer(struct.pack("Ii", 64, 0) + bytes(64)), ctypes.byref(ctypes.c_int()), 0) == 0),
    ("calls by their x32 numbers", x32),
    ("swap", lambda: call(168, text("/")) == 0),
    ("kernel log", lambda: call(103, 3, ctypes.create_string_buffer(100), 100) >= 0),
    ("make a device", device),
    ("set-user-id programs", set_id),
    ("real-time priority", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)) is None),
    ("type into a terminal", sti),
    ("signal the host's program", kill_others),
    ("become another user", lambda: os.setuid(1) is None),
    ("give a file away", lambda: (open(TMP + "/own", "w").close(), os.chown(TMP + "/own", 1, 1))[1] is None),
    ("System V memory that outlives the sandbox", lambda: HOST["ipc"] and call(29, 0, 4096, 0o1600) >= 0),
]


def one(name, action):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        signal.alarm(10)
        try:
            found = action()
            said = "GOT " + repr(found)[:80] if found else "held"
        except BaseException as error:
            said = f"held: {type(error).__name__}: {error}"
        os.write(writer, said.encode(errors="replace"))
        os._exit(0)
    os.close(writer)
    said = b""
    while piece := os.read(reader, 4096):
        said += piece
    os.close(reader)
    os.waitpid(pid, 0)
    print(name, (said.decode(errors="replace") or "held: killed").replace("\n", " "), sep="\t", flush=True)


for name, action in PROBES:
    one(name, action)
