//! The Docker sandbox on a real daemon, with the image that `tests/image/make-test-image` makes.
//!
//! Ignored where no daemon is: `cargo test --test docker_sandbox -- --ignored` runs them; CI runs them all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::string_slice,
    reason = "a test that cannot go on should say where"
)]
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use spotter::sandbox::docker::Docker;
use spotter::sandbox::{Base, Exec, Exit, Kind, Limit, Limits, Ran, Sandbox, Spec};

const IMAGE: &str = "spotter-test:latest";

struct Place {
    keep: tempfile::TempDir,
    sandbox: Docker,
}

async fn place(limits: Limits) -> Place {
    let keep = tempfile::tempdir().unwrap();
    let base = keep.path().join("base");
    std::fs::create_dir_all(base.join("pkg")).unwrap();
    std::fs::write(base.join("pkg/a.py"), "print(1)\n").unwrap();
    std::fs::write(base.join(".gitignore"), "*.log\nbuild/\n").unwrap();
    git2::Repository::init(&base).unwrap();
    let spec = Spec {
        kind: Kind::Docker,
        base: Base::Folder(base),
        image: Some(IMAGE.into()),
        state: keep.path().join("state"),
        cache: keep.path().join("cache"),
        owner: "test".into(),
        network: false,
        limits,
        snapshot_ignored: false,
    };
    let sandbox = Docker::start(spec).await.unwrap();
    Place { keep, sandbox }
}

async fn bash(sandbox: &Docker, script: &str) -> Ran {
    sandbox
        .exec(Exec::bash(script, Duration::from_secs(60)), None)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn a_command_has_its_streams_status_input_and_workspace() {
    let it = place(Limits::default()).await;
    let mut exec = Exec::bash(
        "cat pkg/a.py; cat; echo oops >&2; pwd; exit 3",
        Duration::from_secs(20),
    );
    exec.stdin = b"from outside\n".to_vec();
    let ran = it.sandbox.exec(exec, None).await.unwrap();
    assert_eq!(ran.exit, Exit::Code(3));
    assert_eq!(ran.stdout.text(), "print(1)\nfrom outside\n/testbed\n");
    assert_eq!(ran.stderr.text(), "oops\n");
    let mut big = Exec::bash("wc -c", Duration::from_secs(20));
    big.stdin = vec![b'x'; 3_000_000];
    assert_eq!(
        it.sandbox
            .exec(big, None)
            .await
            .unwrap()
            .stdout
            .text()
            .trim(),
        "3000000"
    );
    it.sandbox.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn a_timeout_ends_the_whole_tree_and_a_fork_bomb_too() {
    let it = place(Limits {
        processes: 100,
        ..Limits::default()
    })
    .await;
    let script = "setsid sleep 1000 & (setsid setsid sh -c 'sleep 1001' &) ; sleep 1003";
    let ran = it
        .sandbox
        .exec(Exec::bash(script, Duration::from_secs(1)), None)
        .await
        .unwrap();
    assert_eq!(ran.exit, Exit::TimedOut);
    let left = bash(&it.sandbox, "ps aux | grep -c '[s]leep 100'").await;
    assert_eq!(left.stdout.text().trim(), "0");
    let began = Instant::now();
    let ran = it
        .sandbox
        .exec(
            Exec::bash("f(){ f|f & }; f; sleep 60", Duration::from_secs(2)),
            None,
        )
        .await
        .unwrap();
    assert_eq!(ran.exit, Exit::TimedOut);
    assert!(
        began.elapsed() < Duration::from_secs(40),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        bash(&it.sandbox, "echo alive").await.stdout.text(),
        "alive\n"
    );
    it.sandbox.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn privileges_network_memory_and_disk_are_limited() {
    let it = place(Limits {
        memory: 200 << 20,
        disk: 60 << 20,
        ..Limits::default()
    })
    .await;
    let text = bash(&it.sandbox, "grep -E 'Cap(Eff|Bnd)|NoNewPrivs' /proc/self/status; ls /sys/class/net; mount -t tmpfs t /mnt 2>&1").await.stdout.text();
    assert!(
        text.contains("CapEff:\t0000000000000000") && text.contains("NoNewPrivs:\t1"),
        "{text}"
    );
    assert!(
        text.contains("lo") && !text.contains("eth0") && text.contains("denied"),
        "{text}"
    );
    let hog = bash(&it.sandbox, "python3 -c 'x=b\"x\"*(1<<30)'").await;
    assert_eq!(hog.exit.status(), 137, "{}", hog.stderr.text());
    let disk = bash(
        &it.sandbox,
        "for i in $(seq 400); do head -c 5M /dev/zero > f$i; sleep 0.05; done",
    )
    .await;
    assert_eq!(disk.exit, Exit::LimitExceeded(Limit::Disk));
    assert_eq!(
        bash(&it.sandbox, "rm -f f*; echo clean")
            .await
            .stdout
            .text(),
        "clean\n"
    );
    it.sandbox.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn endless_output_is_bounded_and_a_background_program_does_not_hold_the_command() {
    let it = place(Limits::default()).await;
    let mut exec = Exec::bash(
        "head -c 200M /dev/zero | tr '\\0' 'y'; echo END",
        Duration::from_secs(120),
    );
    exec.keep = 1000;
    let ran = it.sandbox.exec(exec, None).await.unwrap();
    assert_eq!(ran.stdout.total(), (200 << 20) + 4);
    assert!(ran.stdout.text().ends_with("END\n"));
    let began = Instant::now();
    let ran = bash(&it.sandbox, "(sleep 30; echo late) & echo now").await;
    assert_eq!(ran.stdout.text(), "now\n");
    assert!(began.elapsed() < Duration::from_secs(20));
    it.sandbox.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn snapshots_restore_and_fork_the_workspace() {
    let it = place(Limits::default()).await;
    let first = it.sandbox.snapshot().await.unwrap();
    bash(&it.sandbox, "echo 'print(2)' > pkg/a.py; mkdir -p new/deep build; echo new > new/deep/n.txt; echo x > build/o; echo y > a.log; ln -s /etc/passwd link; rm -rf .git/refs; echo 'ref: refs/heads/else' > .git/HEAD").await;
    let second = it.sandbox.snapshot().await.unwrap();
    let diff = it.sandbox.diff(&first, &second).await.unwrap();
    assert!(
        diff.contains("+print(2)") && diff.contains("new/deep/n.txt") && diff.contains("link"),
        "{diff}"
    );
    assert!(
        !diff.contains("a.log") && !diff.contains("build/o"),
        "{diff}"
    );
    it.sandbox.restore(&first).await.unwrap();
    let text = bash(
        &it.sandbox,
        "cat pkg/a.py .git/HEAD; ls; echo 3 >> pkg/a.py",
    )
    .await
    .stdout
    .text();
    assert!(text.starts_with("print(1)\nref: refs/heads/ma"), "{text}");
    assert!(!text.contains("new") && !text.contains("link"), "{text}");
    let fork = it
        .sandbox
        .fork(&second, it.keep.path().join("fork"), "fork".into())
        .await
        .unwrap();
    let ran = fork
        .exec(
            Exec::bash(
                "cat pkg/a.py new/deep/n.txt; readlink link",
                Duration::from_secs(20),
            ),
            None,
        )
        .await
        .unwrap();
    assert_eq!(
        ran.stdout.text(),
        "print(2)\nnew\n/etc/passwd\n",
        "{}",
        ran.stderr.text()
    );
    assert_eq!(
        bash(&it.sandbox, "cat pkg/a.py").await.stdout.text(),
        "print(1)\n3\n"
    );
    fork.stop().await.unwrap();
    it.sandbox.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn files_go_in_and_out_and_a_terminal_takes_an_interrupt() {
    let it = place(Limits::default()).await;
    it.sandbox
        .upload("deep/er/x.bin", &[0, 1, 2, 255], true)
        .await
        .unwrap();
    assert_eq!(
        it.sandbox.download("deep/er/x.bin", 10).await.unwrap(),
        [0, 1, 2, 255]
    );
    let argv = ["bash", "--noprofile", "--norc"].map(String::from).to_vec();
    let mut shell = it
        .sandbox
        .shell(argv, vec![("PS1".into(), "> ".into())], (80, 24))
        .await
        .unwrap();
    let mut seen = String::new();
    shell.input(b"sleep 100\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
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
    it.sandbox.stop().await.unwrap();
}

/// An image as task images are published: the repository at `/testbed`, its later history and remotes still in it.
fn published_image() -> (String, String, String) {
    let run = |args: &[&str]| {
        let out = std::process::Command::new("docker")
            .args(args)
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    };
    let script = "cd /testbed && git init -q -b main . && git config user.email a@b && git config user.name a && \
        mkdir pkg && echo 'x = 1' > pkg/a.py && printf '*.log\\n' > .gitignore && git add . && git commit -qm base && \
        git tag v1 && git rev-parse HEAD > /base && \
        echo 'x = 2' > pkg/a.py && git commit -qam fix && git tag v2 && git rev-parse HEAD > /future && \
        git branch later && git remote add origin https://example.org/x && git reset -q --hard HEAD~1";
    let name = format!("spotter-test-task-{}", std::process::id());
    run(&[
        "run",
        "--name",
        &name,
        "--network",
        "none",
        IMAGE,
        "bash",
        "-c",
        script,
    ]);
    let base = run(&["cp", &format!("{name}:/base"), "-"]);
    let future = run(&["cp", &format!("{name}:/future"), "-"]);
    let id = |tar: &str| tar.chars().skip(512).take(40).collect::<String>();
    let image = format!("{name}:latest");
    run(&["commit", &name, &image]);
    run(&["rm", "-f", &name]);
    (image, id(&base), id(&future))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn an_images_future_is_not_there_and_its_workspace_is_snapshotted() {
    let (image, base, future) = published_image();
    let keep = tempfile::tempdir().unwrap();
    let spec = |name: &str| Spec {
        kind: Kind::Docker,
        base: Base::Image,
        image: Some(image.clone()),
        state: keep.path().join(name),
        cache: keep.path().join("cache"),
        owner: name.into(),
        network: false,
        limits: Limits::default(),
        snapshot_ignored: false,
    };
    for name in ["first", "second"] {
        let sandbox = Docker::start(spec(name)).await.unwrap();
        let script = format!(
            "git rev-parse HEAD; git log --all --oneline | wc -l; git remote; git tag; git branch -a; \
             git cat-file -t {future} 2>&1; git fsck --lost-found --no-progress 2>&1; git reflog | wc -l; git status --short"
        );
        let text = bash(&sandbox, &script).await.stdout.text();
        assert!(
            text.starts_with(&format!("{base}\n1\nv1\n* main\n")),
            "{text}"
        );
        assert!(
            !text.contains("dangling") && !text.contains("later") && !text.contains("v2"),
            "{text}"
        );
        assert!(
            text.contains("Not a valid object name") || text.contains("could not get object info"),
            "{text}"
        );
        let before = sandbox.snapshot().await.unwrap();
        bash(&sandbox, "echo 'x = 3' > pkg/a.py; echo n > n.txt; echo l > l.log; git add -A; git commit -qm mine").await;
        let after = sandbox.snapshot().await.unwrap();
        let diff = sandbox.diff(&before, &after).await.unwrap();
        assert!(
            diff.contains("-x = 1\n+x = 3\n") && diff.contains("n.txt") && !diff.contains("l.log"),
            "{diff}"
        );
        sandbox.restore(&before).await.unwrap();
        let text = bash(
            &sandbox,
            "git rev-parse HEAD; git status --short; cat pkg/a.py",
        )
        .await
        .stdout
        .text();
        assert_eq!(text, format!("{base}\nx = 1\n"));
        sandbox.stop().await.unwrap();
    }
    assert!(
        keep.path().join("cache").read_dir().unwrap().count() > 0,
        "the image's first reading is kept"
    );
    let docker = |args: &[&str]| {
        std::process::Command::new("docker")
            .args(args)
            .output()
            .unwrap()
            .stdout
    };
    let prepared = String::from_utf8(docker(&[
        "images",
        "-q",
        "--filter",
        "label=dev.spotter.prepared-from",
    ]))
    .unwrap();
    for id in prepared.lines().chain([image.as_str()]) {
        docker(&["rmi", "-f", id]);
    }
}
