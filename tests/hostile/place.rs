//! Where the attacks are run: a sandbox of each kind over the same small repository, and the outer guard.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use spotter::sandbox::docker::Docker;
use spotter::sandbox::local::{Local, Tier, use_init_program};
use spotter::sandbox::{Base, Exec, Kind, Limits, Ran, Sandbox, Spec};

pub(crate) const IMAGE: &str = "spotter-test:latest";

/// Memory of the whole test program with all that it starts; a failure meets this before it meets the machine.
const GUARD_MEMORY: u64 = 8 << 30;
/// Processes likewise.
const GUARD_PROCESSES: u64 = 4000;

/// The unprivileged id that root takes to be an ordinary user.
const ORDINARY: u32 = 61_777;
/// Set in the program that is run again as an ordinary user: the program for inits.
const AS_USER: &str = "SPOTTER_HOSTILE_INIT";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// The local sandbox's top tier, as whoever runs the test.
    Top,
    /// Its lowest tier.
    Landlock,
    Docker,
}

pub(crate) struct Place {
    pub(crate) keep: tempfile::TempDir,
    pub(crate) sandbox: Box<dyn Sandbox>,
}

impl Place {
    pub(crate) async fn new(at: Where, limits: Limits) -> Self {
        guard();
        use_init_program(init_program());
        let keep = tempfile::tempdir().unwrap();
        // Started by root, the lowest tier's commands are another user's, who has to pass through.
        std::fs::set_permissions(keep.path(), PermissionsExt::from_mode(0o711)).unwrap();
        let base = keep.path().join("base");
        repository(&base);
        let spec = Spec {
            kind: Kind::Local,
            base: Base::Folder(base),
            image: Some(IMAGE.into()),
            state: keep.path().join("state"),
            cache: keep.path().join("cache"),
            owner: "hostile".into(),
            network: false,
            limits,
            snapshot_ignored: false,
        };
        let sandbox: Box<dyn Sandbox> = match at {
            Where::Top => Box::new(Local::start_in(spec, Tier::Namespaces).await.unwrap()),
            Where::Landlock => Box::new(Local::start_in(spec, Tier::Landlock).await.unwrap()),
            Where::Docker => Box::new(
                Docker::start(Spec {
                    kind: Kind::Docker,
                    ..spec
                })
                .await
                .unwrap(),
            ),
        };
        Self { keep, sandbox }
    }

    pub(crate) async fn bash(&self, script: &str) -> Ran {
        self.bash_for(script, Duration::from_secs(60)).await
    }

    pub(crate) async fn bash_for(&self, script: &str, time: Duration) -> Ran {
        self.sandbox
            .exec(Exec::bash(script, time), None)
            .await
            .unwrap()
    }

    /// What a script printed, on both streams.
    pub(crate) async fn said(&self, script: &str) -> String {
        let ran = self.bash(script).await;
        format!("{}{}", ran.stdout.text(), ran.stderr.text())
    }
}

/// A committed repository with one package.
fn repository(base: &Path) {
    std::fs::create_dir_all(base.join("pkg")).unwrap();
    std::fs::write(base.join("pkg/a.py"), "print(1)\n").unwrap();
    std::fs::write(base.join("pkg/b.py"), "print(2)\n").unwrap();
    std::fs::write(base.join(".gitignore"), "*.log\n").unwrap();
    let repository = git2::Repository::init(base).unwrap();
    let mut index = repository.index().unwrap();
    index
        .add_all(["*"], git2::IndexAddOption::DEFAULT, None)
        .unwrap();
    index.write().unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let who = git2::Signature::now("t", "t@t").unwrap();
    repository
        .commit(Some("HEAD"), &who, &who, "base", &tree, &[])
        .unwrap();
}

pub(crate) fn init_program() -> PathBuf {
    std::env::var_os(AS_USER).map_or_else(|| env!("CARGO_BIN_EXE_spotter").into(), PathBuf::from)
}

/// Put this program under an outer limit, once: a control group where root can make one, else its own resource limits.
fn guard() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        if std::env::var_os(AS_USER).is_some() {
            // The program that started this one has done it for both.
            return;
        }
        let group = |folder: &str, file: &str, value: u64| -> bool {
            let at = Path::new(folder).join(format!("spotter-hostile-{}", std::process::id()));
            std::fs::create_dir(&at).is_ok()
                && std::fs::write(at.join(file), value.to_string()).is_ok()
                && std::fs::write(at.join("cgroup.procs"), std::process::id().to_string()).is_ok()
        };
        group("/sys/fs/cgroup/pids", "pids.max", GUARD_PROCESSES);
        if !group(
            "/sys/fs/cgroup/memory",
            "memory.limit_in_bytes",
            GUARD_MEMORY,
        ) {
            use nix::sys::resource::{Resource, setrlimit};
            setrlimit(Resource::RLIMIT_AS, GUARD_MEMORY * 4, GUARD_MEMORY * 4).unwrap();
        }
    });
}

/// Run one test of this program again as an ordinary user. Where that is who runs it anyway, there is nothing to do:
/// the test itself ran as one.
pub(crate) fn again_as_an_ordinary_user(test: &str) {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    guard();
    // The build folder may lie where nobody else may look.
    let open = tempfile::tempdir().unwrap();
    let copy = |from: &Path, name: &str| {
        let to = open.path().join(name);
        std::fs::copy(from, &to).unwrap();
        std::os::unix::fs::chown(&to, Some(ORDINARY), Some(ORDINARY)).unwrap();
        to
    };
    let tests = copy(&std::env::current_exe().unwrap(), "tests");
    let init = copy(&init_program(), "spotter");
    std::os::unix::fs::chown(open.path(), Some(ORDINARY), Some(ORDINARY)).unwrap();
    let id = ORDINARY.to_string();
    let ran = Command::new("setpriv")
        .args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"])
        .arg(tests)
        .args(["--exact", test, "--nocapture"])
        .env(AS_USER, init)
        .env("TMPDIR", open.path())
        .env("HOME", open.path())
        .current_dir(open.path())
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}
