//! The real program in a folder of its own: run it, wait for what it writes, steer it, read what it left.
//!
//! Nothing of the person who runs the tests is seen by it: home, settings and store are in a temporary folder.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    unreachable_pub,
    reason = "every test that includes this uses another part of it, and what cannot go on should fail it"
)]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use spotter::model::http::request_body;
use spotter::model::{Message, Role};
use spotter::trajectory::event::{Ended, Event};
use spotter::trajectory::fold::State;
use spotter::trajectory::request::{Parts, sha256};
use spotter::trajectory::{Record, RolloutId, Store};
use tokio::process::{Child, Command};

/// The task that most conversations are about.
pub const TASK: &str = "spotter__tally-108";

/// Longest wait for something that must come.
const LONGEST: Duration = Duration::from_secs(90);

/// What a finished program left.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A program that runs in the background; gone when dropped.
pub struct Running {
    child: Child,
}

impl Running {
    /// Wait for its end.
    pub async fn end(self) -> Ran {
        let output = tokio::time::timeout(LONGEST, self.child.wait_with_output())
            .await
            .expect("the program ends")
            .unwrap();
        ran(&output)
    }
}

fn ran(output: &std::process::Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout.clone()).unwrap(),
        err: String::from_utf8(output.stderr.clone()).unwrap(),
    }
}

/// A folder for one test.
pub struct Bench {
    pub folder: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        Self { folder }
    }

    pub fn store(&self) -> Store {
        Store::open(self.folder.path().join("store")).unwrap()
    }

    /// A file of the test's own.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spotter"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if (name.starts_with("SPOTTER_") && name != "SPOTTER_TIER")
                || name.starts_with("XDG_")
                || name.ends_with("_KEY")
            {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path().join("home"))
            .env("SPOTTER_STORE", self.folder.path().join("store"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Run it to its end.
    pub async fn spotter(&self, args: &[&str]) -> Ran {
        self.start(args).end().await
    }

    /// Run it to its end with something on its standard input.
    pub async fn spotter_told(&self, args: &[&str], told: &str) -> Ran {
        use tokio::io::AsyncWriteExt;
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(told.as_bytes()).await.unwrap();
        drop(stdin);
        Running { child }.end().await
    }

    /// Start it.
    pub fn start(&self, args: &[&str]) -> Running {
        Running {
            child: self.command(args).spawn().unwrap(),
        }
    }

    /// `spotter control last …` of another process, its answer read as JSON.
    pub async fn control(&self, what: &[&str]) -> serde_json::Value {
        self.control_of("last", what).await
    }

    /// `spotter control ROLLOUT …`.
    pub async fn control_of(&self, rollout: &str, what: &[&str]) -> serde_json::Value {
        let args: Vec<&str> = ["control", rollout, "--json"]
            .into_iter()
            .chain(what.iter().copied())
            .collect();
        let ran = self.spotter(&args).await;
        let answer: serde_json::Value =
            serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{what:?}: {ran:?}"));
        assert_eq!(ran.code, i32::from(answer["ok"] != true), "{ran:?}");
        answer
    }

    /// An operation that must be granted.
    pub async fn granted(&self, what: &[&str]) -> serde_json::Value {
        let answer = self.control(what).await;
        assert_eq!(answer["ok"], true, "{what:?}: {answer}");
        answer
    }

    /// An operation that must be refused; why.
    pub async fn refused(&self, what: &[&str]) -> String {
        let answer = self.control(what).await;
        assert_eq!(answer["ok"], false, "{what:?}: {answer}");
        answer["error"].as_str().unwrap().to_owned()
    }

    /// The one rollout of the store.
    pub fn only(&self) -> RolloutId {
        let ids = self.store().list().unwrap();
        assert_eq!(ids.len(), 1, "{ids:?}");
        ids[0].clone()
    }

    /// Its events. Every line must parse, and none may be missing.
    pub fn records(&self, id: &RolloutId) -> Vec<Record> {
        let records = self.store().read(id).unwrap();
        for (number, record) in (0..).zip(&records) {
            assert_eq!(record.seq, number, "a gap");
        }
        records
    }

    /// Its events and what they add up to.
    pub fn state(&self, id: &RolloutId) -> State {
        State::of(&self.records(id))
    }

    /// Wait until the newest rollout's events show something.
    pub async fn until<T>(&self, what: &str, look: impl Fn(&[Record]) -> Option<T>) -> T {
        let id = wait(what, || self.store().list().unwrap().last().cloned()).await;
        self.until_of(&id, what, look).await
    }

    /// Wait until a rollout's events show something.
    pub async fn until_of<T>(
        &self,
        id: &RolloutId,
        what: &str,
        look: impl Fn(&[Record]) -> Option<T>,
    ) -> T {
        wait(what, || look(&self.store().read(id).unwrap_or_default())).await
    }

    /// Wait until the newest rollout proposes something and listens for a decision.
    pub async fn until_proposed(&self, step: u32) {
        self.until(&format!("step {step} waits for approval"), |records| {
            let proposed = records.iter().rposition(
                |record| matches!(record.event, Event::Proposed { step: there, .. } if there == step),
            )?;
            records[proposed..]
                .iter()
                .any(|record| matches!(record.event, Event::Paused { paused: true, .. }))
                .then_some(())
        })
        .await;
    }
}

/// Look again and again until it is there.
pub async fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < LONGEST, "waited too long: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What each model call sent, rebuilt from the trajectory; checked against the hash that was recorded when it was sent.
pub fn rebuilt(records: &[Record]) -> Vec<String> {
    let parts = Parts::of(records);
    records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Asked {
                messages,
                tools,
                sampling,
                model,
                request_sha256,
                ..
            } => {
                let request = parts
                    .request(messages, tools.as_deref(), sampling)
                    .expect("every part of the request is stored");
                let body = request_body(model, &request);
                assert_eq!(&sha256(body.as_bytes()), request_sha256);
                Some(body)
            }
            _ => None,
        })
        .collect()
}

/// The bodies that the server received are exactly those that the trajectory holds, in order.
pub fn assert_rebuilt(records: &[Record], received: &[String]) {
    let (mut sent, mut received) = (rebuilt(records), received.to_vec());
    // A question that is asked again is the same question.
    sent.dedup();
    received.dedup();
    assert_eq!(sent, received);
}

/// How it ended.
pub fn ended(state: &State) -> Ended {
    state.ended.clone().expect("it ended").0
}

/// Answers of the recorded conversation that solves [`TASK`] with the codeact scaffold.
pub fn solving() -> Vec<Message> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/recorded/spotter__tally-108.jsonl"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let messages: Vec<Message> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(messages.iter().all(|m| m.role == Role::Assistant));
    messages
}

/// A command that solves [`TASK`] from its work directory.
pub fn solving_command() -> String {
    let messages = solving();
    let edit = messages
        .iter()
        .flat_map(|message| &message.tool_calls)
        .map(|call| serde_json::from_str::<serde_json::Value>(&call.arguments).unwrap())
        .find(|arguments| arguments["command"] == "str_replace")
        .unwrap();
    format!(
        "python3 - <<'EOF'\npath = 'tally/amounts.py'\ntext = open(path).read()\nold = {}\nnew = {}\nassert old in text\n\
         open(path, 'w').write(text.replace(old, new))\nEOF",
        edit["old_str"], edit["new_str"]
    )
}
