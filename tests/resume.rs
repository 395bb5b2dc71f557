//! `spotter run --resume` on every kind of rollout that can lie in a store, and stores that cannot be written to.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on should say where, and one that is skipped why"
)]
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use spotter::trajectory::{RolloutId, Store, Writer};

const SPOTTER: &str = env!("CARGO_BIN_EXE_spotter");
const TASK: &str = "spotter__tally-108";

fn recording() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recorded");
    fs::read_to_string(path.join(format!("{TASK}.jsonl"))).unwrap()
}

/// One answer that runs a command.
fn runs(command: &str) -> String {
    let arguments = json!({"command": command}).to_string();
    let call = json!({"id": "call_x", "name": "execute_bash", "arguments": arguments});
    json!({"role": "assistant", "content": "", "tool_calls": [call]}).to_string() + "\n"
}

struct Place {
    keep: tempfile::TempDir,
}

impl Place {
    fn new(answers: &str) -> Self {
        let place = Self {
            keep: tempfile::tempdir().unwrap(),
        };
        fs::write(place.answers(), answers).unwrap();
        place
    }

    fn answers(&self) -> PathBuf {
        self.keep.path().join("answers.jsonl")
    }

    fn store(&self) -> Store {
        Store::open(self.keep.path().join("store")).unwrap()
    }

    fn spotter(&self, args: &[&str]) -> Output {
        Command::new(SPOTTER)
            .arg("run")
            .args(args)
            .arg("--store")
            .arg(self.keep.path().join("store"))
            .env("XDG_CONFIG_HOME", self.keep.path())
            .current_dir(self.keep.path())
            .output()
            .unwrap()
    }

    fn attempt(&self) -> Output {
        let model = format!("recorded:{}", self.answers().display());
        self.spotter(&[TASK, "--tasks", "sample", "--model", &model])
    }

    fn resume(&self) -> Output {
        self.spotter(&["--resume", "last"])
    }

    fn id(&self) -> RolloutId {
        self.store().find("last").unwrap()
    }

    fn events(&self) -> PathBuf {
        self.store().folder(&self.id()).join("events.jsonl")
    }

    fn count(&self, kind: &str) -> usize {
        let text = fs::read_to_string(self.events()).unwrap();
        text.lines()
            .filter(|line| serde_json::from_str::<Value>(line).unwrap()["type"] == kind)
            .count()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn a_rollout_that_is_over_says_its_verdict_and_asks_nothing() {
    let place = Place::new(&recording());
    assert_eq!(place.attempt().status.code(), Some(0));
    let before = fs::read(place.events()).unwrap();
    // Even its model is not needed any more.
    fs::remove_file(place.answers()).unwrap();
    let again = place.resume();
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert!(said(&again).contains("resolved"), "{}", said(&again));
    assert_eq!(fs::read(place.events()).unwrap(), before);
    let json = place.spotter(&["--resume", "last", "--json"]);
    let last: Value = serde_json::from_str(said(&json).lines().last().unwrap()).unwrap();
    assert_eq!(last["type"], "graded");
}

#[test]
fn a_rollout_that_is_over_and_not_resolved_says_so_with_its_exit_code() {
    let finish = recording().lines().last().unwrap().to_owned() + "\n";
    let place = Place::new(&finish);
    assert_eq!(place.attempt().status.code(), Some(3));
    let again = place.resume();
    assert_eq!(again.status.code(), Some(3), "{}", said(&again));
    assert!(said(&again).contains("empty patch"), "{}", said(&again));
}

#[test]
fn one_that_died_while_it_was_graded_is_graded_and_asks_nothing() {
    let place = Place::new(&recording());
    place.attempt();
    let text = fs::read_to_string(place.events()).unwrap();
    let cut: Vec<&str> = text
        .lines()
        .take_while(|line| !line.contains("\"type\":\"graded\""))
        .collect();
    fs::write(place.events(), cut.join("\n")).unwrap();
    let asked = place.count("asked");
    let again = place.resume();
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert_eq!((place.count("asked"), place.count("graded")), (asked, 1));
}

#[test]
fn one_that_died_before_its_first_event_is_to_be_started_anew() {
    let place = Place::new(&recording());
    let store = place.store();
    let folder = store.create(&RolloutId::generate()).unwrap();
    fs::write(folder.join("events.jsonl"), "").unwrap();
    let again = place.resume();
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("start it anew"), "{}", said(&again));
    // Half a first event is no event either.
    fs::write(folder.join("events.jsonl"), "{\"seq\":0,\"at\":").unwrap();
    assert!(said(&place.resume()).contains("start it anew"));
}

#[test]
fn one_that_ended_because_its_model_failed_goes_on_when_the_model_is_back() {
    let all = recording();
    let first: String = all.split_inclusive('\n').take(3).collect();
    let place = Place::new(&first);
    let failed = place.attempt();
    assert_eq!(failed.status.code(), Some(3), "{}", said(&failed));
    assert!(said(&failed).contains("error (model)"), "{}", said(&failed));
    assert!(said(&failed).contains("not graded"), "{}", said(&failed));
    fs::write(place.answers(), &all).unwrap();
    let again = place.resume();
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert_eq!(place.count("replied"), all.lines().count());
}

#[test]
fn one_whose_model_is_another_now_says_so_and_goes_on() {
    let all = recording();
    let place = Place::new(&all.split_inclusive('\n').take(3).collect::<String>());
    place.attempt();
    fs::write(place.answers(), &all).unwrap();
    let text = fs::read_to_string(place.events()).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let mut start: Value = serde_json::from_str(first).unwrap();
    start["model"]["name"] = "policy-0ld".into();
    fs::write(place.events(), format!("{start}\n{rest}")).unwrap();
    let again = place.resume();
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    let said = said(&again);
    assert!(said.contains("the rollout began with policy-0ld"), "{said}");
}

#[test]
fn one_whose_opening_was_cut_in_two_is_given_the_rest_of_it() {
    let place = Place::new(&recording());
    place.attempt();
    let text = fs::read_to_string(place.events()).unwrap();
    let mut messages = 0;
    let cut: String = text
        .split_inclusive('\n')
        .take_while(|line| {
            messages += usize::from(line.contains("\"type\":\"message\""));
            messages < 2
        })
        .collect();
    fs::write(place.events(), cut).unwrap();
    let again = place.resume();
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    let state = spotter::trajectory::fold::State::of(&place.store().read(&place.id()).unwrap());
    assert_eq!(state.opening, 2);
    assert!(state.messages()[1].content.contains("refund"));
}

#[test]
fn a_line_that_is_no_event_is_named_with_its_place_and_nothing_is_touched() {
    let place = Place::new(&recording());
    place.attempt();
    let text = fs::read_to_string(place.events()).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.insert(4, "\u{1}\u{2} not an event");
    let spoilt = lines.join("\n") + "\n";
    fs::write(place.events(), &spoilt).unwrap();
    let again = place.resume();
    assert_eq!(again.status.code(), Some(1));
    assert!(
        said(&again).contains("events.jsonl:5: "),
        "{}",
        said(&again)
    );
    assert_eq!(fs::read_to_string(place.events()).unwrap(), spoilt);
}

#[test]
fn one_that_another_process_runs_is_refused() {
    let first: String = recording().split_inclusive('\n').take(2).collect();
    let place = Place::new(&first);
    place.attempt();
    let folder = place.store().folder(&place.id());
    let (writer, _) = Writer::open(&folder).unwrap();
    fs::create_dir_all(folder.join("sandbox/upper/kept")).unwrap();
    let second = place.resume();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        said(&second).contains("is being run by another process"),
        "{}",
        said(&second)
    );
    assert!(
        folder.join("sandbox/upper/kept").exists(),
        "layers of a running rollout were swept"
    );
    drop(writer);
    assert_ne!(place.resume().status.code(), Some(1));
}

/// Run a script with mounts of its own; `None` where that is not allowed.
fn with_mounts(place: &Place, script: &str) -> Option<Output> {
    let may = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"])
        .output();
    if !may.is_ok_and(|may| may.status.success()) {
        eprintln!("skipped: mounting needs root and unshare");
        return None;
    }
    fs::create_dir_all(place.keep.path().join("store")).unwrap();
    let ran = Command::new("unshare")
        .args(["-m", "bash", "-euc", script])
        .env("SPOTTER", SPOTTER)
        .env("SPOTTER_STORE", "store")
        .env("XDG_CONFIG_HOME", place.keep.path())
        .current_dir(place.keep.path())
        .output()
        .unwrap();
    Some(ran)
}

#[test]
fn a_full_disk_is_named_and_the_rollout_goes_on_when_there_is_room() {
    let slow = runs("sleep 1.5; seq 1 9000");
    let place = Place::new(&(slow + &recording()));
    let script = format!(
        r#"
        mount -t tmpfs -o size=48m none store
        "$SPOTTER" run {TASK} --tasks sample --model recorded:answers.jsonl > first.txt 2>&1 &
        until grep -q '"type":"action"' store/rollouts/*/events.jsonl 2>/dev/null; do sleep 0.05; done
        cat /dev/zero > store/filler 2>/dev/null || true
        wait $! && exit 20 || echo "first $?"
        cp store/rollouts/*/events.jsonl between.jsonl
        rm store/filler
        "$SPOTTER" run --resume last > second.txt 2>&1 || echo "second $?"
        "#
    );
    let Some(ran) = with_mounts(&place, &script) else {
        return;
    };
    let read = |name: &str| fs::read_to_string(place.keep.path().join(name)).unwrap_or_default();
    let (first, second) = (read("first.txt"), read("second.txt"));
    assert!(ran.status.success(), "{}\n{first}\n{second}", said(&ran));
    assert_eq!(said(&ran), "first 1\n", "{first}\n{second}");
    assert!(
        first.contains("events.jsonl: ") && first.contains("No space left"),
        "{first}"
    );
    assert!(second.contains("resolved"), "{second}");
    let between = read("between.jsonl");
    assert!(between.ends_with('\n'), "a torn line was left");
    for line in between.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[test]
fn a_store_that_cannot_be_written_to_is_named_and_can_still_be_read() {
    let place = Place::new(&recording());
    let script = format!(
        r#"
        mount -t tmpfs none store
        "$SPOTTER" run {TASK} --tasks sample --model recorded:answers.jsonl > first.txt 2>&1
        mount -o remount,ro store
        "$SPOTTER" run {TASK} --tasks sample --model recorded:answers.jsonl > second.txt 2>&1 || echo "second $?"
        "$SPOTTER" run --resume last > third.txt 2>&1
        "#
    );
    let Some(ran) = with_mounts(&place, &script) else {
        return;
    };
    let read = |name: &str| fs::read_to_string(place.keep.path().join(name)).unwrap_or_default();
    assert!(ran.status.success(), "{}", said(&ran));
    assert_eq!(said(&ran), "second 1\n");
    let second = read("second.txt");
    assert!(
        second.contains("store") && second.contains("Read-only file system"),
        "{second}"
    );
    assert!(
        read("third.txt").contains("resolved"),
        "{}",
        read("third.txt")
    );
}
