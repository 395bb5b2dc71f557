//! What of a rollout is learned in which a person had a hand, and of a store with a file that cannot be read.

use std::path::Path;

use serde_json::json;

use crate::model::{Finish, Message, ModelKind, Role, Sampling, ToolCall};
use crate::train::lesson::{Lessons, Source};
use crate::trajectory::event::{Author, Ended, Event, Origin, Start};
use crate::trajectory::{Record, Store};

/// A trajectory, event by event; message 0 opens it.
struct Tape(Vec<Record>);

impl Tape {
    fn of(kind: ModelKind) -> Self {
        let mut tape = Self(Vec::new());
        let limits = json!({"turns": 9, "command_seconds": 9, "format_errors": 3});
        let start = json!({
            "rollout": "r", "spotter": "0", "instance_id": "a task", "task_hash": "", "tasks": "", "scaffold": "gym",
            "scaffold_hash": "", "tool_form": "line", "sampling": Sampling::default(), "attempt": 1, "of": 1, "limits": limits,
            "model": {"kind": kind, "name": "m", "spec": "m", "context": null}, "sandbox": "local", "network": false,
            "sandbox_limits": crate::sandbox::Limits::default(), "base_commit": "", "rules": null,
        });
        let start: Start = serde_json::from_value(start).unwrap();
        tape.add(Event::Started(Box::new(start)));
        tape.say(0, Origin::Scaffold, Role::User, None);
        tape
    }

    fn add(&mut self, event: Event) {
        self.0.push(Record {
            seq: self.0.len() as u64,
            at: jiff::Timestamp::UNIX_EPOCH,
            event,
        });
    }

    fn say(&mut self, id: u32, origin: Origin, role: Role, replaces: Option<u32>) {
        self.add(Event::Message {
            id,
            origin,
            message: Message::text(role, format!("message {id}")),
            replaces,
        });
    }

    /// The model is asked with these messages and answers with message `reply`.
    fn reply(&mut self, step: u32, messages: &[u32], reply: u32) {
        self.add(Event::Asked {
            call: step,
            step,
            messages: messages.to_vec(),
            tools: None,
            sampling: Sampling::default(),
            model: "m".into(),
            request_sha256: String::new(),
        });
        self.say(reply, Origin::Model, Role::Assistant, None);
        self.add(Event::Replied {
            call: step,
            message: reply,
            finish: Finish::Stop,
            usage: None,
            logprobs: None,
            served_by: None,
            retries: 0,
            took_ms: 0,
        });
    }

    fn carry(&mut self, step: u32, by: Author, observation: u32) {
        self.add(Event::Action {
            step,
            index: 0,
            call: ToolCall {
                id: String::new(),
                name: "bash".into(),
                arguments: "{}".into(),
            },
            by,
            original: None,
        });
        self.say(observation, Origin::Observation, Role::User, None);
    }

    fn end(&mut self) {
        self.add(Event::Ended {
            how: Ended::Submitted,
            patch: String::new(),
        });
    }

    fn keep(&self, store: &Path, id: &str) {
        let folder = store.join("rollouts").join(id);
        std::fs::create_dir_all(&folder).unwrap();
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|record| serde_json::to_string(record).unwrap() + "\n")
            .collect();
        std::fs::write(folder.join("events.jsonl"), lines.concat()).unwrap();
    }
}

/// Of each lesson, its messages and whether they are learned.
fn taken(tape: &Tape) -> (Vec<Vec<(String, bool)>>, Lessons) {
    let mut lessons = Lessons::default();
    lessons.take(&tape.0);
    let said = |message: &serde_json::Value| message["content"].as_str().unwrap().to_owned();
    let all = lessons.all.iter().map(|lesson| {
        let messages = lesson.messages.iter().map(said);
        messages.zip(lesson.learned.iter().copied()).collect()
    });
    (all.collect(), lessons)
}

fn expected(turns: &[(u32, bool)]) -> Vec<(String, bool)> {
    let turns = turns.iter();
    turns
        .map(|(id, learned)| (format!("message {id}"), *learned))
        .collect()
}

#[test]
fn a_reply_that_a_person_edited_is_not_learned_nor_is_the_edit() {
    let mut tape = Tape::of(ModelKind::Http);
    tape.reply(1, &[0], 1);
    tape.carry(1, Author::Model, 2);
    tape.reply(2, &[0, 1, 2], 3);
    tape.say(4, Origin::Human, Role::Assistant, Some(3));
    tape.carry(2, Author::Human, 5);
    tape.reply(3, &[0, 1, 2, 4, 5], 6);
    tape.end();
    let (lessons, _) = taken(&tape);
    let first = [(0, false), (1, true), (2, false), (3, false)];
    // What was learned once is not learned again where the conversation goes on otherwise.
    let second = [
        (0, false),
        (1, false),
        (2, false),
        (4, false),
        (5, false),
        (6, true),
    ];
    assert_eq!(lessons, [expected(&first), expected(&second)]);
}

#[test]
fn a_reply_whose_call_a_person_skipped_or_made_is_context_and_not_learned() {
    let mut tape = Tape::of(ModelKind::Local);
    tape.reply(1, &[0], 1);
    tape.say(2, Origin::Human, Role::User, None);
    tape.add(Event::Skipped {
        step: 1,
        index: 0,
        message: 2,
    });
    tape.reply(2, &[0, 1, 2], 3);
    tape.carry(2, Author::Human, 4);
    tape.reply(3, &[0, 1, 2, 3, 4], 5);
    tape.carry(3, Author::Model, 6);
    tape.end();
    let (lessons, _) = taken(&tape);
    let turns = [
        (0, false),
        (1, false),
        (2, false),
        (3, false),
        (4, false),
        (5, true),
    ];
    assert_eq!(lessons, [expected(&turns)]);
}

#[test]
fn what_a_person_answered_in_a_model_s_place_is_not_learned() {
    for (kind, source) in [
        (ModelKind::Human, None),
        (ModelKind::Expert, Some(Source::Expert)),
        (ModelKind::Http, Some(Source::Model)),
    ] {
        let mut tape = Tape::of(kind);
        tape.reply(1, &[0], 1);
        tape.end();
        let (_, lessons) = taken(&tape);
        assert_eq!(lessons.all.len(), usize::from(source.is_some()), "{kind:?}");
        assert_eq!(lessons.sources.into_keys().next(), source);
        let left = lessons.left_out.into_keys().next();
        let why = "rollouts in which a person answered";
        assert_eq!(left, source.is_none().then_some(why));
    }
}

#[test]
fn a_rollout_that_cannot_be_read_is_counted_and_the_others_are_learned() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(folder.path()).unwrap();
    let mut tape = Tape::of(ModelKind::Http);
    tape.reply(1, &[0], 1);
    tape.end();
    tape.keep(folder.path(), "a");
    tape.keep(folder.path(), "b");
    let damage = |id: &str| {
        let path = folder.path().join("rollouts").join(id).join("events.jsonl");
        std::fs::write(path, "no event\n").unwrap();
    };
    damage("a");
    let why = "rollouts that cannot be read";
    let lessons = Lessons::read(folder.path(), &mut |_, _| true).unwrap();
    assert_eq!(
        (lessons.all.len(), lessons.left_out.get(why)),
        (1, Some(&1))
    );
    damage("b");
    let said = Lessons::read(folder.path(), &mut |_, _| true).unwrap_err();
    assert!(
        said.to_string().contains("2 rollouts that cannot"),
        "{said}"
    );
}
