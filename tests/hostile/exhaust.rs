//! Using things up: output, processes, memory in every disguise, disk, files.

use std::time::{Duration, Instant};

use spotter::sandbox::{Exec, Exit, Limit, Limits};

use crate::place::{Place, Where};

/// All of them, one after the other, each in a sandbox of its own.
pub(crate) async fn all(at: Where) {
    output(at).await;
    processes(at).await;
    memory(at).await;
    disk(at).await;
}

/// Resident memory of this program in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// `SPOTTER_HOSTILE_BYTES` asks for more (10 GB: `10000000000`).
async fn output(at: Where) {
    let it = Place::new(at, Limits::default()).await;
    let bytes: u64 = std::env::var("SPOTTER_HOSTILE_BYTES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(if at == Where::Docker {
            200_000_000
        } else {
            1_000_000_000
        });
    let before = resident();
    let script = format!("head -c {bytes} /dev/zero; head -c 1000000 /dev/zero >&2; echo END");
    let mut exec = Exec::bash(script, Duration::from_secs(600));
    exec.keep = 100_000;
    let ran = it.sandbox.exec(exec, None).await.unwrap();
    assert_eq!(ran.stdout.total(), bytes + 4);
    assert!(ran.stdout.text().ends_with("END\n"));
    let grown = resident().saturating_sub(before);
    println!("{bytes} bytes in {:?}, grown by {grown}", ran.took);
    assert!(grown < 64 << 20, "grown by {grown} bytes");
    it.sandbox.stop().await.unwrap();
}

async fn processes(at: Where) {
    let limits = Limits {
        processes: 100,
        ..Limits::default()
    };
    let it = Place::new(at, limits).await;
    for bomb in [
        "f(){ f|f & }; f; sleep 60",
        // Every one leaves its session and its parent.
        "python3 -c 'import os\nwhile True:\n try:\n  if os.fork()==0:\n   os.setsid()\n   if os.fork(): os._exit(0)\n except OSError: pass'",
        // Never more than two, but never the same.
        "env -i python3 -c 'import os\nwhile True:\n if os.fork(): os._exit(0)\n os.setsid()' & sleep 60",
    ] {
        let began = Instant::now();
        let ran = it.bash_for(bomb, Duration::from_secs(2)).await;
        assert_eq!(ran.exit, Exit::TimedOut, "{bomb}");
        assert!(
            began.elapsed() < Duration::from_secs(40),
            "{bomb}: {:?}",
            began.elapsed()
        );
        assert_eq!(it.said("echo alive").await, "alive\n", "{bomb}");
    }
    let many = "import os,time\nn=0\ntry:\n while n<400:\n  if os.fork()==0: time.sleep(20); os._exit(0)\n  n+=1\nexcept OSError: pass\nprint(n)\nos.kill(0,9)";
    let said = it.said(&format!("setsid -w python3 -uc '{many}'")).await;
    let number: u64 = said.lines().next().unwrap().parse().unwrap();
    assert!(number < 101, "{number} processes");
    it.sandbox.stop().await.unwrap();
}

async fn memory(at: Where) {
    let limits = Limits {
        memory: 256 << 20,
        ..Limits::default()
    };
    let it = Place::new(at, limits).await;
    let python = |script: &str| {
        format!("python3 -c '{script}\nimport time; time.sleep(15); print(\"HELD\")'")
    };
    let forked = "import os,mmap\nfor i in range(6):\n if os.fork()==0: break\n";
    for (what, script) in [
        ("one process", python("x=b\"x\"*(2<<30)")),
        ("many processes", python(&format!("{forked}x=b\"x\"*(100<<20)"))),
        (
            "shared memory",
            python(&format!("{forked}m=mmap.mmap(-1,100<<20)\n[m.write(b\"x\"*(1<<20)) for _ in range(100)]")),
        ),
        (
            "files in memory, never mapped",
            python("import os\nf=[os.memfd_create(\"m\") for _ in range(8)]\nfor d in f:\n for _ in range(100): os.write(d, b\"x\"*(1<<20))"),
        ),
        (
            "System V segments, never attached",
            python(
                "import ctypes,os\nc=ctypes.CDLL(None); c.shmat.restype=ctypes.c_void_p\nc.shmdt.argtypes=[ctypes.c_void_p]\nfor i in range(8):\n k=c.shmget(0,100<<20,0o1600); a=c.shmat(k,None,0)\n ctypes.memset(a,1,100<<20); c.shmdt(a)",
            ),
        ),
        (
            "/tmp and /dev/shm",
            "for d in /tmp /dev/shm /root; do for i in 1 2 3 4 5 6; do head -c 100M /dev/zero > $d/f$i; done; done; du -sm /tmp /dev/shm /root | awk \"{n+=\\$1} END {if (n>300) print \\\"HELD\\\"}\"; rm -f /tmp/f* /dev/shm/f* /root/f*".to_owned(),
        ),
    ] {
        if at == Where::Docker && what.starts_with("/tmp") {
            // There, they are the container's disk.
            continue;
        }
        let ran = it.bash(&script).await;
        println!("{what}: {:?} after {:?} {}", ran.exit, ran.took, ran.stderr.text());
        // In a container the kernel kills one after the other until the rest has room.
        let room = if at == Where::Docker { 2 } else { 0 };
        let held = ran.stdout.text().matches("HELD").count();
        assert!(held <= room, "{what}: {held} of them, {:?}", ran.exit);
        assert_eq!(it.said("echo alive").await, "alive\n", "{what}");
    }
    it.sandbox.stop().await.unwrap();
}

async fn disk(at: Where) {
    let limits = Limits {
        disk: 40 << 20,
        ..Limits::default()
    };
    let it = Place::new(at, limits).await;
    let deep = "mkdir deep; cd deep; python3 -c 'import os,time\ntry:\n for i in range(4000):\n  os.mkdir(\"d\"*20); os.chdir(\"d\"*20)\nexcept OSError: pass\nfor i in range(400):\n open(f\"f{i}\",\"wb\").write(b\"x\"*(5<<20)); time.sleep(.05)'";
    for (what, script) in [
        (
            "many files",
            "for i in $(seq 400); do head -c 5M /dev/zero > f$i; sleep 0.05; done",
        ),
        ("files too deep for a path", deep),
        (
            "a million files of nothing",
            "python3 -c 'import os\nfor i in range(1000000):\n if i%1000==0: os.mkdir(f\"e{i}\")\n open(f\"e{i//1000*1000}/{i}\",\"w\").close()'",
        ),
    ] {
        if at == Where::Docker && !what.starts_with("many") {
            // A daemon counts bytes only, and only those that a path leads to.
            continue;
        }
        let ran = it.bash(script).await;
        println!(
            "{what}: {:?} after {:?} {}",
            ran.exit,
            ran.took,
            ran.stderr.text()
        );
        assert_eq!(
            ran.exit,
            Exit::LimitExceeded(Limit::Disk),
            "{what}: {}",
            ran.stderr.text()
        );
        it.bash("rm -rf f* e* deep").await;
    }
    // Files with nothing in them take no disk: the watcher does not see them, and the snapshot stops at its own bound instead
    // of reading all of their 11.7 GB.
    let before = read_so_far();
    it.bash("for i in $(seq 300); do truncate -s 39M sparse$i; done")
        .await;
    let kept = it.sandbox.snapshot().await;
    println!(
        "sparse files: {:?}",
        kept.as_ref().err().map(ToString::to_string)
    );
    let read = read_so_far() - before;
    assert!(read < 8_000_000_000, "{read} bytes were read");
    it.sandbox.stop().await.unwrap();
    spotter::sandbox::clear(&it.keep.path().join("state")).unwrap();
}

/// Bytes that this process has read.
fn read_so_far() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().trim().parse().unwrap()
}
