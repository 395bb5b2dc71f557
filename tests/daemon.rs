//! The Docker daemon goes away under a rollout. The daemon is the test's own: another data folder, another socket.
//!
//! Ignored where no daemon is: `cargo test --test daemon -- --ignored` (as root, with the image of
//! `tests/image/make-test-image` in the machine's own daemon, which is only read).
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const IMAGE: &str = "spotter-test:latest";
const TASK: &str = "spotter__tally-108";

/// A daemon of one's own.
struct Daemon {
    keep: tempfile::TempDir,
    running: Option<Child>,
}

impl Daemon {
    /// Start it and give it the image.
    fn start() -> Self {
        let mut daemon = Self {
            keep: tempfile::tempdir().unwrap(),
            running: None,
        };
        daemon.rise();
        let script = format!(
            "docker -H unix:///var/run/docker.sock save {IMAGE} | docker -H {} load",
            daemon.address()
        );
        let loaded = Command::new("sh").args(["-ec", &script]).output().unwrap();
        assert!(loaded.status.success(), "{loaded:?}");
        daemon
    }

    fn address(&self) -> String {
        format!("unix://{}/docker.sock", self.keep.path().display())
    }

    fn rise(&mut self) {
        let at = |name: &str| self.keep.path().join(name).display().to_string();
        let _ = fs::remove_file(at("pid"));
        // The machine's own configuration is not for this one.
        fs::write(at("daemon.json"), "{}").unwrap();
        let log = fs::File::create(at("log")).unwrap();
        let child = Command::new("dockerd")
            .args(["--config-file", &at("daemon.json")])
            .args(["--data-root", &at("data"), "--exec-root", &at("exec")])
            .args(["--pidfile", &at("pid"), "-H", &self.address()])
            .args(["--bridge=none", "--iptables=false", "--ip-masq=false"])
            .args(["--containerd-namespace", "spotter-test"])
            .args(["--containerd-plugins-namespace", "spotter-test-plugins"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running = Some(child);
        let began = Instant::now();
        loop {
            let asked = Command::new("docker")
                .args(["-H", &self.address(), "version"])
                .output()
                .unwrap();
            if asked.status.success() {
                return;
            }
            let log = || fs::read_to_string(at("log")).unwrap();
            assert!(began.elapsed() < Duration::from_secs(60), "{}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// SIGKILL.
    fn fall(&mut self) {
        let mut child = self.running.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // Its containerd goes with it, but not at once, and a daemon that starts meanwhile would rely on it.
        let file = self.keep.path().join("exec/containerd/containerd.pid");
        let pid = fs::read_to_string(&file).unwrap();
        let process = Path::new("/proc").join(pid.trim());
        let _ = Command::new("kill").args(["-9", pid.trim()]).status();
        while fs::read_to_string(process.join("cmdline")).is_ok_and(|line| !line.is_empty()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        fs::remove_file(file).unwrap();
    }

    fn containers(&self) -> String {
        let listed = Command::new("docker")
            .args(["-H", &self.address(), "ps", "-aq"])
            .output()
            .unwrap();
        String::from_utf8(listed.stdout).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
        // What a killed daemon had started names its folder on its command line.
        let mine = self.keep.path().display().to_string();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let command = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            let pid = entry.file_name().into_string().unwrap_or_default();
            if command.contains(&mine) && pid != std::process::id().to_string() {
                let _ = Command::new("kill").args(["-9", &pid]).status();
            }
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for point in points.filter(|point| point.starts_with(&mine)) {
            let _ = Command::new("umount").args(["-l", point]).status();
        }
    }
}

struct Place {
    keep: tempfile::TempDir,
    address: String,
}

impl Place {
    fn spotter(&self, args: &[&str], out: &str) -> Child {
        let out = fs::File::create(self.keep.path().join(out)).unwrap();
        Command::new(env!("CARGO_BIN_EXE_spotter"))
            .arg("run")
            .args(args)
            .args(["--json", "--store", "store"])
            .env("DOCKER_HOST", &self.address)
            .env("XDG_CONFIG_HOME", self.keep.path())
            .current_dir(self.keep.path())
            .stderr(out.try_clone().unwrap())
            .stdout(out)
            .spawn()
            .unwrap()
    }

    fn attempt(&self, answers: &str) -> Child {
        fs::write(self.keep.path().join("answers.jsonl"), answers).unwrap();
        let model = ["--model", "recorded:answers.jsonl", "--tasks", "sample"];
        let sandbox = ["--sandbox", "docker", "--image", IMAGE];
        self.spotter(&[&[TASK], &model[..], &sandbox].concat(), "first")
    }

    fn resume(&self) -> Option<i32> {
        let mut child = self.spotter(&["--resume", "last"], "second");
        child.wait().unwrap().code()
    }

    fn said(&self, out: &str) -> String {
        let text = fs::read_to_string(self.keep.path().join(out)).unwrap();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.contains("progress"))
            .collect();
        lines[lines.len().saturating_sub(6)..].join("\n")
    }

    /// The last event of a kind.
    fn last(&self, kind: &str) -> Option<Value> {
        let text = fs::read_to_string(self.events()?).unwrap();
        text.lines()
            .rev()
            .filter_map(|line| serde_json::from_str(line).ok())
            .find(|event: &Value| event["type"] == kind)
    }

    fn events(&self) -> Option<PathBuf> {
        let rollouts = fs::read_dir(self.keep.path().join("store/rollouts")).ok()?;
        let mut paths = rollouts
            .flatten()
            .map(|entry| entry.path().join("events.jsonl"));
        paths.find(|path| path.exists())
    }

    /// Wait until the trajectory holds a text.
    fn until(&self, text: &str) {
        let began = Instant::now();
        let holds = |path: PathBuf| fs::read_to_string(path).is_ok_and(|all| all.contains(text));
        while !self.events().is_some_and(holds) {
            let said = || self.said("first");
            assert!(began.elapsed() < Duration::from_secs(120), "{}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn recording() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recorded");
    let text = fs::read_to_string(path.join(format!("{TASK}.jsonl"))).unwrap();
    text.lines().map(|line| line.to_owned() + "\n").collect()
}

fn runs(command: &str) -> String {
    let arguments = json!({"command": command}).to_string();
    let call = json!({"id": "call_x", "name": "execute_bash", "arguments": arguments});
    json!({"role": "assistant", "content": "", "tool_calls": [call]}).to_string() + "\n"
}

#[test]
#[ignore = "needs root, a Docker daemon and the test image"]
fn a_daemon_that_goes_away_ends_the_rollout_honestly_and_it_goes_on_later() {
    let mut daemon = Daemon::start();
    let place = Place {
        keep: tempfile::tempdir().unwrap(),
        address: daemon.address(),
    };

    // While a command runs.
    let mut answers = recording();
    answers.insert(2, runs("echo going; sleep 5"));
    let mut running = place.attempt(&answers.concat());
    place.until("\"text\":\"going");
    daemon.fall();
    let began = Instant::now();
    let code = running.wait().unwrap().code();
    let said = place.said("first");
    assert_eq!(code, Some(3), "{said}");
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
    let how = place.last("ended").unwrap();
    assert_eq!(
        (&how["ended"], &how["part"]),
        (&json!("error"), &json!("sandbox"))
    );
    let why = how["why"].as_str().unwrap();
    assert!(
        why.contains("daemon") && why.contains("docker.sock"),
        "{why}"
    );
    assert_eq!(place.last("not_graded").unwrap()["verdict"], "not_graded");
    assert_eq!(how["patch"], "");

    // Still away: that is said, and the rollout is left as it is.
    let before = fs::read(place.events().unwrap()).unwrap();
    assert_eq!(place.resume(), Some(1), "{}", place.said("second"));
    assert!(place.said("second").contains("cannot be reached"));
    assert_eq!(fs::read(place.events().unwrap()).unwrap(), before);
    daemon.rise();
    assert_eq!(place.resume(), Some(0), "{}", place.said("second"));
    assert_eq!(
        place.last("graded").unwrap()["grading"]["verdict"]["verdict"],
        "resolved"
    );
    assert_eq!(daemon.containers(), "");

    // During grading.
    let place = Place {
        keep: tempfile::tempdir().unwrap(),
        address: daemon.address(),
    };
    let mut answers = recording();
    answers.insert(
        4,
        runs("printf 'import time\\ntime.sleep(4)\\n' >> tally/amounts.py"),
    );
    let mut running = place.attempt(&answers.concat());
    place.until("\"stage\":\"tests\"");
    daemon.fall();
    assert_eq!(running.wait().unwrap().code(), Some(3));
    let verdict = place
        .last("graded")
        .map(|event| event["grading"]["verdict"].clone())
        .or_else(|| place.last("not_graded"))
        .unwrap();
    assert_eq!(verdict["verdict"], "infrastructure_error", "{verdict}");
    assert!(verdict.to_string().contains("docker.sock"), "{verdict}");
    daemon.rise();
    let asked = place.last("asked");
    assert_eq!(place.resume(), Some(0), "{}", place.said("second"));
    assert_eq!(place.last("asked"), asked);
    assert_eq!(daemon.containers(), "");
}
