//! What is looked at while measuring, made from a seed: the largest trajectory of SWE-Gym's own sizes, its double in the
//! peer's format, 6,048 small ones, and a 20 MB test log.
//!
//! Their first records are those of a real rollout (the program shows itself once), so that they are what the program
//! writes and not what this file believes it writes.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::agent::Outcome;
use crate::model::{Finish, Message, Role, Sampling, ToolCall, Usage};
use crate::trajectory::event::{Author, Ended, Event, Origin, Record, Start};
use crate::trajectory::{RolloutId, Store};

/// Messages of the largest trajectory: the opening two, then a call and its result for each step, and a last word.
pub(super) const MESSAGES: usize = 101;
/// Its steps.
const STEPS: u32 = 49;
/// Text of the longest step.
const LONGEST: usize = 300_000;
/// Text of all steps.
const TEXT: usize = 700_000;
/// Trajectories of the list.
pub(super) const ROWS: usize = 6048;
/// Bytes of the test log.
const LOG: usize = 20_000_000;
/// What the last message of the opening says, for whoever waits for it.
pub(super) const MARK: &str = "REFERENCE-WORKLOAD";

/// A generator of numbers: the same ones every time (`SplitMix64`).
pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let at = usize::try_from(self.next() % from.len().max(1) as u64).unwrap_or(0);
        from.get(at).copied().unwrap_or_default()
    }
}

const WORDS: &[&str] = &[
    "index", "frame", "merge", "value", "column", "dtype", "series", "cache", "offset", "parser",
    "result", "group", "window", "level", "array", "block", "label", "slice", "engine", "default",
];

/// A line of Python, about 68 bytes.
fn line(seed: &mut Seed) -> String {
    let mut word = || seed.pick(WORDS);
    let words = [word(), word(), word(), word(), word()];
    let [name, of, from, key, value] = words;
    match name.len() + of.len() {
        0..=10 => format!(
            "        if self.{name} is not None and {of}.{from}(\"{key}\", {value}=True):  # {from}"
        ),
        11 => format!(
            "    def _{name}_{of}(self, {from}, {key}=None, *, {value}: int = 42) -> {from}:"
        ),
        _ => format!(
            "        {name} = self._{of}({from}[{key}:], {value}={of}, copy=False)  # see {key}"
        ),
    }
}

fn text(seed: &mut Seed, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 100);
    while text.len() < bytes {
        text.push_str(&line(seed));
        text.push('\n');
    }
    text
}

/// One step of the workload: what is thought, done and seen.
struct Step {
    thought: String,
    command: String,
    seen: String,
}

fn steps() -> Vec<Step> {
    let mut seed = Seed::new(42);
    let rest = (TEXT - LONGEST) / (STEPS as usize - 1);
    (1..=STEPS)
        .map(|number| {
            let bytes = if number == STEPS / 2 {
                LONGEST
            } else {
                rest - 400
            };
            let mut thought = String::new();
            for _ in 0..40 {
                let _ = write!(thought, "{} ", seed.pick(WORDS));
            }
            Step {
                thought: format!("Step {number}: {}.", thought.trim()),
                command: format!("sed -n '{number},$p' pandas/core/{}.py", seed.pick(WORDS)),
                seen: text(&mut seed, bytes),
            }
        })
        .collect()
}

/// Where everything lies.
pub(super) struct Workload {
    pub(super) folder: tempfile::TempDir,
    pub(super) large: RolloutId,
    pub(super) logged: RolloutId,
    pub(super) peer: PathBuf,
    start: Start,
    head: Vec<Record>,
}

impl Workload {
    /// Make it, in a folder of its own.
    pub(super) fn make() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (start, head, whole, log) = shown(folder.path())?;
        let peer = folder.path().join("large.traj.json");
        let made = Self {
            large: RolloutId::generate(),
            logged: RolloutId::generate(),
            peer,
            folder,
            start,
            head,
        };
        let large = made.large.clone();
        Self::write(&made.store()?, &large, &made.large_events())?;
        made.write_peer()?;
        let logged = made.logged.clone();
        let folder = made.store()?.folder(&logged);
        Self::write(
            &made.store()?,
            &logged,
            &whole
                .into_iter()
                .map(|record| record.event)
                .collect::<Vec<_>>(),
        )?;
        std::fs::write(folder.join(log), twenty_megabytes())?;
        made.rows()?;
        Ok(made)
    }

    /// The store of single rollouts.
    pub(super) fn store(&self) -> io::Result<Store> {
        Store::open(self.folder.path().join("store")).map_err(io::Error::other)
    }

    /// The store with many.
    pub(super) fn many(&self) -> PathBuf {
        self.folder.path().join("many")
    }

    /// The beginning of a rollout: started, sandbox, opening.
    pub(super) fn opening(&self, id: &RolloutId) -> Vec<Event> {
        let mut start = self.start.clone();
        start.rollout = id.to_string();
        let mut events = vec![Event::Started(Box::new(start))];
        events.extend(self.head.iter().map(|record| record.event.clone()));
        events.push(Event::Message {
            id: 100_000,
            origin: Origin::Scaffold,
            message: Message::text(Role::User, MARK),
            replaces: None,
        });
        events
    }

    fn large_events(&self) -> Vec<Event> {
        let mut events = self.opening(&self.large);
        let Some(base) = self.head.iter().find_map(|record| match &record.event {
            Event::SandboxReady { base, .. } => Some(base.clone()),
            _ => None,
        }) else {
            return events;
        };
        for (step, text) in (1..).zip(steps()) {
            let call = ToolCall {
                id: format!("call_{step}"),
                name: "execute_bash".into(),
                arguments: json!({"command": text.command}).to_string(),
            };
            events.extend([
                Event::Asked {
                    call: step - 1,
                    step,
                    messages: (0..2 * step).collect(),
                    tools: None,
                    sampling: Sampling::default(),
                    model: "reference".into(),
                    request_sha256: String::new(),
                },
                Event::Message {
                    id: 2 * step,
                    origin: Origin::Model,
                    message: Message {
                        tool_calls: vec![call.clone()],
                        ..Message::text(Role::Assistant, text.thought.clone())
                    },
                    replaces: None,
                },
                Event::Replied {
                    call: step - 1,
                    message: 2 * step,
                    finish: Finish::ToolCalls,
                    usage: Some(Usage {
                        prompt_tokens: 3000 * u64::from(step),
                        completion_tokens: 120,
                        ..Usage::default()
                    }),
                    logprobs: None,
                    served_by: None,
                    retries: 0,
                    took_ms: 2900,
                },
                Event::Proposed {
                    step,
                    thought: text.thought,
                    calls: vec![call.clone()],
                },
                Event::Action {
                    step,
                    index: 0,
                    call: call.clone(),
                    by: Author::Model,
                    original: None,
                },
                Event::Message {
                    id: 2 * step + 1,
                    origin: Origin::Observation,
                    message: Message::tool_result(&call, text.seen.clone()),
                    replaces: None,
                },
                Event::Observed {
                    step,
                    index: 0,
                    outcome: Outcome {
                        text: text.seen,
                        exit: Some(0),
                        error: false,
                        submitted: false,
                        dropped: 0,
                        took: Duration::from_millis(40),
                    },
                    message: 2 * step + 1,
                },
                Event::StepDone {
                    step,
                    snapshot: base.clone(),
                    files: Vec::new(),
                },
            ]);
        }
        events.push(Event::Ended {
            how: Ended::Submitted,
            patch: String::new(),
        });
        events
    }

    fn write_peer(&self) -> io::Result<()> {
        let mut messages = vec![
            json!({"role": "system", "content": "You are a helpful assistant."}),
            json!({"role": "user", "content": MARK}),
        ];
        for step in steps() {
            messages.push(json!({"role": "assistant", "content": format!("{}\n\n```mswea_bash_command\n{}\n```", step.thought, step.command)}));
            messages.push(json!({"role": "user", "content": step.seen}));
        }
        messages.truncate(MESSAGES);
        let whole =
            json!({"info": {}, "messages": messages, "trajectory_format": "mini-swe-agent-1"});
        std::fs::write(&self.peer, whole.to_string())
    }

    /// Write a trajectory as its writer would.
    pub(super) fn write(store: &Store, id: &RolloutId, events: &[Event]) -> io::Result<()> {
        let folder = store.create(id).map_err(io::Error::other)?;
        let mut file = io::BufWriter::new(std::fs::File::create(folder.join("events.jsonl"))?);
        for (seq, event) in (0..).zip(events) {
            let record = Record {
                seq,
                at: at(seq),
                event: event.clone(),
            };
            serde_json::to_writer(&mut file, &record)?;
            file.write_all(b"\n")?;
        }
        file.flush()?;
        std::fs::File::create(folder.join("lock")).map(|_| ())
    }

    fn rows(&self) -> io::Result<()> {
        let store = Store::open(self.many()).map_err(io::Error::other)?;
        let mut seed = Seed::new(7);
        let repositories = [
            "pandas-dev__pandas",
            "python__mypy",
            "getmoto__moto",
            "iterative__dvc",
            "dask__dask",
        ];
        let models = ["qwen3-coder-30b", "devstral-24b", "swe-gym-32b"];
        for row in 0..ROWS {
            let id = RolloutId::generate();
            let mut start = self.start.clone();
            start.rollout = id.to_string();
            start.instance_id = format!("{}-{}", seed.pick(&repositories), 1000 + row);
            start.model.name = seed.pick(&models).into();
            let ended = match seed.next() % 3 {
                0 => Ended::Submitted,
                1 => Ended::Limit {
                    which: "turns".into(),
                },
                _ => Ended::Stuck {
                    rule: "same action".into(),
                },
            };
            let events = [
                Event::Started(Box::new(start)),
                Event::Ended {
                    how: ended,
                    patch: String::new(),
                },
            ];
            Self::write(&store, &id, &events)?;
        }
        Ok(())
    }
}

fn at(seq: u64) -> Timestamp {
    let seconds = 1_767_225_600 + i64::try_from(seq).unwrap_or(0);
    Timestamp::from_second(seconds).unwrap_or_default()
}

/// What the program leaves when it shows itself: the first record, those until the first question, all, and the log's name.
fn shown(folder: &Path) -> io::Result<(Start, Vec<Record>, Vec<Record>, String)> {
    let store = folder.join("shown");
    let status = std::process::Command::new(std::env::current_exe()?)
        .env("SPOTTER_STORE", &store)
        .env("XDG_CONFIG_HOME", folder)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()?;
    let store = Store::open(&store).map_err(io::Error::other)?;
    let id = store.find("last").map_err(io::Error::other)?;
    let records = store.read(&id).map_err(io::Error::other)?;
    let wrong = || {
        io::Error::other(format!(
            "the program could not show itself ({status}): `spotter` alone says why"
        ))
    };
    let Some(Event::Started(start)) = records.first().map(|record| record.event.clone()) else {
        return Err(wrong());
    };
    let log = records.iter().find_map(|record| match &record.event {
        Event::Graded { log, .. } => log.clone(),
        _ => None,
    });
    let head = records
        .iter()
        .skip(1)
        .take_while(|record| !matches!(record.event, Event::Asked { .. }))
        .cloned()
        .collect();
    Ok((*start, head, records, log.ok_or_else(wrong)?))
}

fn twenty_megabytes() -> String {
    let mut seed = Seed::new(20);
    let mut log = String::with_capacity(LOG + 100);
    let mut number = 0u32;
    while log.len() < LOG {
        let _ = match number % 12 {
            0 => writeln!(
                log,
                "\x1b[32mPASSED\x1b[0m tests/test_{}.py::test_{}_{number}",
                seed.pick(WORDS),
                seed.pick(WORDS)
            ),
            1 => writeln!(
                log,
                "E       AssertionError: {} != {}",
                seed.pick(WORDS),
                seed.pick(WORDS)
            ),
            _ => writeln!(log, "{}", line(&mut seed)),
        };
        number += 1;
    }
    log
}
