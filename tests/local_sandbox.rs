//! The local sandbox on this machine, in its top tier: commands, limits, hostile programs, snapshots.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::string_slice,
    reason = "a test that cannot go on should say where"
)]
#![cfg(target_os = "linux")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use spotter::sandbox::local::{Local, Tier, use_init_program};
use spotter::sandbox::{Base, Exec, Exit, Kind, Limit, Limits, Ran, Sandbox, Spec};

struct Place {
    keep: tempfile::TempDir,
    sandbox: Local,
}

fn spec(keep: &tempfile::TempDir, limits: Limits) -> Spec {
    let base = keep.path().join("base");
    if !base.exists() {
        std::fs::create_dir_all(base.join("pkg")).unwrap();
        std::fs::write(base.join("pkg/a.py"), "print(1)\n").unwrap();
        git2::Repository::init(&base).unwrap();
    }
    Spec {
        kind: Kind::Local,
        base: Base::Folder(base),
        image: None,
        state: keep.path().join("state"),
        cache: keep.path().join("cache"),
        owner: "test".into(),
        network: false,
        limits,
        snapshot_ignored: false,
    }
}

async fn place_in(tier: Option<Tier>, limits: Limits) -> Place {
    // Another user may not reach the build's own folder and is given a copy.
    let program = std::env::var("SPOTTER_TEST_PROGRAM");
    use_init_program(program.unwrap_or_else(|_| env!("CARGO_BIN_EXE_spotter").to_owned()));
    let keep = tempfile::tempdir().unwrap();
    // Started by root, the lower tiers' commands are another user's, who has to pass through.
    std::fs::set_permissions(keep.path(), PermissionsExt::from_mode(0o711)).unwrap();
    let spec = spec(&keep, limits);
    let sandbox = match tier {
        Some(tier) => Local::start_in(spec, tier).await.unwrap(),
        None => Local::start(spec).await.unwrap(),
    };
    Place { keep, sandbox }
}

async fn place() -> Place {
    place_in(None, Limits::default()).await
}

fn bubblewrap() -> bool {
    let tried = std::process::Command::new("bwrap")
        .arg("--version")
        .output();
    tried.is_ok()
}

async fn bash(sandbox: &Local, script: &str) -> Ran {
    sandbox
        .exec(Exec::bash(script, Duration::from_secs(30)), None)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_its_streams_status_and_workspace() {
    let it = place().await;
    let ran = bash(
        &it.sandbox,
        "cat pkg/a.py; echo oops >&2; id -u; pwd; exit 3",
    )
    .await;
    assert_eq!(ran.exit, Exit::Code(3));
    assert_eq!(ran.stdout.text(), "print(1)\n0\n/testbed\n");
    assert_eq!(ran.stderr.text(), "oops\n");
    assert!(
        it.sandbox.report().tier.starts_with("T1"),
        "{:?}",
        it.sandbox.report()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_arrives_whole() {
    let it = place().await;
    let mut exec = Exec::bash("wc -c", Duration::from_secs(10));
    exec.stdin = vec![b'x'; 3_000_000];
    assert_eq!(
        it.sandbox
            .exec(exec, None)
            .await
            .unwrap()
            .stdout
            .text()
            .trim(),
        "3000000"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_program_is_told_as_a_shell_would() {
    let it = place().await;
    let ran = it
        .sandbox
        .exec(
            Exec::new(vec!["no-such-program".into()], Duration::from_secs(5)),
            None,
        )
        .await
        .unwrap();
    assert_eq!(ran.exit, Exit::Code(127));
    assert!(ran.stderr.text().contains("no-such-program"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_ends_the_whole_tree_even_what_left_its_session() {
    let it = place().await;
    let script = "setsid sleep 1000 & (setsid setsid sh -c 'sleep 1001' &) ; env -i setsid sleep 1002 & sleep 1003";
    let began = Instant::now();
    let ran = it
        .sandbox
        .exec(Exec::bash(script, Duration::from_millis(400)), None)
        .await
        .unwrap();
    assert_eq!(ran.exit, Exit::TimedOut);
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
    let left = bash(
        &it.sandbox,
        "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done | grep -c '[s]leep'",
    )
    .await;
    assert_eq!(left.stdout.text().trim(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_host_is_seen_or_written() {
    let it = place().await;
    let ran = bash(
        &it.sandbox,
        "touch /usr/x /etc/x /x 2>&1; ls /home /var /srv 2>&1; ls / ; cat /etc/shadow 2>&1; ls -A /root | wc -l; \
         mount -t tmpfs t /mnt 2>&1; unshare -U true 2>&1; cat /proc/1/environ 2>&1 | head -c 100; ls /proc/1/fd 2>&1 | head -2; \
         grep Cap /proc/self/status; grep NoNewPrivs /proc/self/status",
    )
    .await;
    let text = ran.stdout.text();
    for word in [
        "Read-only file system",
        "NoNewPrivs:\t1",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
    ] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    assert!(
        text.contains("Permission denied") || text.contains("No such file"),
        "{text}"
    );
    assert!(!text.contains("root:$"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_a_loopback_and_no_network() {
    let it = place().await;
    let script = "import socket\ns=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(); c=socket.create_connection(s.getsockname()); print('loop')\ntry:\n socket.create_connection(('1.1.1.1',80),2); print('OUT')\nexcept OSError as e: print(e)";
    let ran = it
        .sandbox
        .exec(
            Exec::new(
                vec!["python3".into(), "-c".into(), script.into()],
                Duration::from_secs(20),
            ),
            None,
        )
        .await
        .unwrap();
    let text = ran.stdout.text();
    assert!(
        text.contains("loop") && text.contains("unreachable"),
        "{text}{}",
        ran.stderr.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_meets_its_limit_and_the_sandbox_lives_on() {
    let it = place_in(
        None,
        Limits {
            processes: 100,
            ..Limits::default()
        },
    )
    .await;
    let ran = it
        .sandbox
        .exec(
            Exec::bash("f(){ f|f & }; f; sleep 60", Duration::from_secs(2)),
            None,
        )
        .await
        .unwrap();
    assert_eq!(ran.exit, Exit::TimedOut);
    assert_eq!(
        bash(&it.sandbox, "echo alive").await.stdout.text(),
        "alive\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_and_many_meet_the_memory_limit() {
    let it = place_in(
        None,
        Limits {
            memory: 300 << 20,
            ..Limits::default()
        },
    )
    .await;
    let one = bash(&it.sandbox, "python3 -c 'x=bytearray(2<<30)'").await;
    assert_eq!(one.exit, Exit::Code(1), "{}", one.stderr.text());
    assert!(one.stderr.text().contains("MemoryError"));
    let many = "for i in 1 2 3 4 5 6; do python3 -c 'import time; x=b\"x\"*(150<<20); time.sleep(20)' & done; wait";
    assert_eq!(
        bash(&it.sandbox, many).await.exit,
        Exit::LimitExceeded(Limit::Memory)
    );
    assert_eq!(
        bash(&it.sandbox, "echo alive").await.stdout.text(),
        "alive\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_the_agents_own_problem() {
    let it = place_in(
        None,
        Limits {
            disk: 30 << 20,
            ..Limits::default()
        },
    )
    .await;
    let one = bash(&it.sandbox, "head -c 100M /dev/zero > big").await;
    assert_eq!(one.exit.status(), 128 + 25, "{}", one.stderr.text());
    let many = bash(
        &it.sandbox,
        "for i in $(seq 200); do head -c 5M /dev/zero > f$i; sleep 0.05; done",
    )
    .await;
    assert_eq!(many.exit, Exit::LimitExceeded(Limit::Disk));
    assert_eq!(
        bash(&it.sandbox, "rm -f big f*; echo clean")
            .await
            .stdout
            .text(),
        "clean\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_output_is_bounded_and_counted() {
    let it = place().await;
    let mut exec = Exec::bash(
        "head -c 1G /dev/zero | tr '\\0' 'y'; echo END",
        Duration::from_secs(60),
    );
    exec.keep = 1000;
    let ran = it.sandbox.exec(exec, None).await.unwrap();
    assert_eq!(ran.stdout.total(), (1 << 30) + 4);
    assert!(ran.stdout.text().ends_with("END\n"));
    assert!(ran.stdout.text().len() < 1200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_left_in_the_background_does_not_hold_the_command() {
    let it = place().await;
    let began = Instant::now();
    let ran = bash(&it.sandbox, "(sleep 30; echo late) & echo now").await;
    assert_eq!(ran.stdout.text(), "now\n");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_restore_and_fork_the_workspace() {
    let it = place().await;
    let first = it.sandbox.snapshot().await.unwrap();
    bash(
        &it.sandbox,
        "echo 'print(2)' > pkg/a.py; echo new > new.txt; rm -rf .git",
    )
    .await;
    let second = it.sandbox.snapshot().await.unwrap();
    let diff = it.sandbox.diff(&first, &second).await.unwrap();
    assert!(
        diff.contains("+print(2)") && diff.contains("new.txt"),
        "{diff}"
    );
    it.sandbox.restore(&first).await.unwrap();
    assert_eq!(
        bash(
            &it.sandbox,
            "cat pkg/a.py; ls; ls .git/HEAD; echo 3 >> pkg/a.py"
        )
        .await
        .stdout
        .text(),
        "print(1)\npkg\n.git/HEAD\n"
    );
    let fork = it
        .sandbox
        .fork(&second, it.keep.path().join("fork"), "fork".into())
        .await
        .unwrap();
    let ran = fork
        .exec(
            Exec::bash(
                "cat pkg/a.py new.txt; echo mine >> pkg/a.py",
                Duration::from_secs(5),
            ),
            None,
        )
        .await
        .unwrap();
    assert_eq!(
        ran.stdout.text(),
        "print(2)\nnew\n",
        "{}",
        ran.stderr.text()
    );
    assert_eq!(
        bash(&it.sandbox, "cat pkg/a.py").await.stdout.text(),
        "print(1)\n3\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn links_planted_by_the_agent_lead_the_host_nowhere() {
    let it = place().await;
    let outside = it.keep.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("a.py"), "host").unwrap();
    let first = it.sandbox.snapshot().await.unwrap();
    let target: PathBuf = outside.canonicalize().unwrap();
    bash(
        &it.sandbox,
        &format!("rm -rf pkg; ln -s {} pkg; mkfifo pipe", target.display()),
    )
    .await;
    it.sandbox.snapshot().await.unwrap();
    it.sandbox.restore(&first).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(outside.join("a.py")).unwrap(),
        "host"
    );
    assert_eq!(
        bash(&it.sandbox, "cat pkg/a.py").await.stdout.text(),
        "print(1)\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_in_and_come_out() {
    let it = place().await;
    it.sandbox
        .upload("deep/er/x.bin", &[0, 1, 2, 255], true)
        .await
        .unwrap();
    assert_eq!(
        it.sandbox.download("deep/er/x.bin", 10).await.unwrap(),
        [0, 1, 2, 255]
    );
    assert!(it.sandbox.download("deep/er/x.bin", 3).await.is_err());
    let error = it
        .sandbox
        .download("nope", 3)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("nope") && error.contains("no such file"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_takes_input_and_an_interrupt() {
    let it = place().await;
    let argv = ["bash", "--noprofile", "--norc"].map(String::from).to_vec();
    let mut shell = it
        .sandbox
        .shell(argv, vec![("PS1".into(), "> ".into())], (80, 24))
        .await
        .unwrap();
    let mut seen = String::new();
    shell.input(b"sleep 100\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    shell.input(b"\x03").await.unwrap();
    shell
        .input(b"echo $((40+2)); tty -s && echo is-a-tty; exit\n")
        .await
        .unwrap();
    while let Ok(Ok(Some(bytes))) =
        tokio::time::timeout(Duration::from_secs(10), shell.output()).await
    {
        seen.push_str(&String::from_utf8_lossy(&bytes));
    }
    assert!(seen.contains("42") && seen.contains("is-a-tty"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lowest_tier_still_keeps_the_agent_in_its_folder_and_off_the_network() {
    let it = place_in(Some(Tier::Landlock), Limits::default()).await;
    let outside = it.keep.path().join("secret");
    std::fs::write(&outside, "secret").unwrap();
    let script = format!(
        "cat pkg/a.py; cat {0} 2>&1; echo x > {0} 2>&1; python3 -c 'import socket; socket.create_connection((\"1.1.1.1\",80))' 2>&1 | tail -1",
        outside.display()
    );
    let text = bash(&it.sandbox, &script).await.stdout.text();
    assert!(text.starts_with("print(1)\n"), "{text}");
    assert!(
        !text.contains("\nsecret") && text.contains("ermission denied"),
        "{text}"
    );
    assert!(text.contains("PermissionError"), "{text}");
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn bubblewrap_where_it_is_installed_contains_as_well() {
    if !bubblewrap() {
        println!("bubblewrap is not installed: nothing was tried");
        return;
    }
    let it = place_in(Some(Tier::Bubblewrap), Limits::default()).await;
    let first = it.sandbox.snapshot().await.unwrap();
    let script = "cat pkg/a.py; echo 2 > pkg/a.py; ls /home 2>&1; cat /proc/self/status | grep CapEff; ls /sys/class/net 2>&1; touch /usr/x 2>&1";
    let text = bash(&it.sandbox, script).await.stdout.text();
    assert!(text.starts_with("print(1)\n"), "{text}");
    assert!(
        text.contains("CapEff:\t0000000000000000") && !text.contains("eth"),
        "{text}"
    );
    let ran = it
        .sandbox
        .exec(
            Exec::bash("setsid sleep 1000 & sleep 1000", Duration::from_millis(300)),
            None,
        )
        .await
        .unwrap();
    assert_eq!(ran.exit, Exit::TimedOut);
    it.sandbox.restore(&first).await.unwrap();
    assert_eq!(
        bash(&it.sandbox, "cat pkg/a.py").await.stdout.text(),
        "print(1)\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn started_by_root_no_command_of_any_tier_is_root_of_the_host() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    for tier in [Tier::Namespaces, Tier::Bubblewrap, Tier::Landlock] {
        if tier == Tier::Bubblewrap && !bubblewrap() {
            continue;
        }
        let it = place_in(Some(tier), Limits::default()).await;
        let first = it.sandbox.snapshot().await.unwrap();
        bash(&it.sandbox, "sleep 60 & echo changed > pkg/a.py; touch new").await;
        let made = match tier {
            Tier::Namespaces => it.keep.path().join("state/upper/new"),
            _ => it.keep.path().join("state/workspace/new"),
        };
        assert_eq!(made.metadata().unwrap().uid(), 61_234, "{tier:?}");
        let script = "chmod 666 /dev/null && echo changed; id -u";
        let text = bash(&it.sandbox, script).await.stdout.text();
        let seen = if tier == Tier::Landlock {
            "61234\n"
        } else {
            "0\n"
        };
        assert_eq!(text, seen, "{tier:?}");
        it.sandbox.restore(&first).await.unwrap();
        let script = "cat pkg/a.py && echo mine > pkg/a.py && cat pkg/a.py";
        let text = bash(&it.sandbox, script).await.stdout.text();
        assert_eq!(text, "print(1)\nmine\n", "{tier:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lowest_tier_refuses_root_a_store_that_its_user_cannot_enter() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    use_init_program(env!("CARGO_BIN_EXE_spotter"));
    let keep = tempfile::tempdir().unwrap();
    std::fs::set_permissions(keep.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let started = Local::start_in(spec(&keep, Limits::default()), Tier::Landlock).await;
    let why = started.map(drop).unwrap_err().to_string();
    let closed = format!("may not enter {}", keep.path().display());
    assert!(why.contains(&closed), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_inside_are_not_the_hosts_and_cannot_be_changed() {
    let it = place().await;
    let script = "for d in null zero full random urandom tty; do chmod 600 /dev/$d && echo $d; done 2>&1 | grep -v 'Read-only file system'; \
                  echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; touch /dev/x 2>/dev/null && echo made; \
                  stat -c %d /dev/null";
    let text = bash(&it.sandbox, script).await.stdout.text();
    let (said, device) = text.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(said, "3\n3", "{text}");
    if nix::unistd::geteuid().is_root() {
        let host = std::fs::metadata("/dev/null").unwrap().dev().to_string();
        assert_ne!(device, host);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commands_own_streams_can_be_opened_by_their_names() {
    let it = place().await;
    let script = "echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin";
    let mut exec = Exec::bash(script, Duration::from_secs(10));
    exec.stdin = b"in\n".to_vec();
    let ran = it.sandbox.exec(exec, None).await.unwrap();
    assert_eq!(
        (ran.stdout.text().as_str(), ran.stderr.text().as_str()),
        ("out\nin\n", "err\n")
    );
}
