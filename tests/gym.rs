//! The gym through everything that tasks go through: made, read, checked, demonstrated by the real program in the real sandbox,
//! graded with the normal rules.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should say where"
)]

mod workbench;

use std::collections::BTreeMap;

use spotter::grade::Verdict;
use spotter::gym;
use spotter::model::ModelKind;
use spotter::task::{self, Task, sample};
use spotter::train::lesson::Lessons;
use spotter::trajectory::RolloutId;
use spotter::trajectory::event::{Ended, Event, MISTAKE, SAID_AGAIN};
use spotter::trajectory::fold::State;
use workbench::{Bench, Ran};

/// Make tasks in the bench's folder; the rows' text.
async fn rows(bench: &Bench, count: &str, split: &str, folder: &str) -> String {
    let ran = bench
        .spotter(&[
            "gym", "make", "--seed", "4", "--count", count, "--split", split, "--out", folder,
        ])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    std::fs::read_to_string(bench.folder.path().join(folder).join("tasks.jsonl")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_order_makes_the_same_rows_and_each_is_sound() {
    let bench = Bench::new();
    let first = rows(&bench, "32", "train", "tasks").await;
    assert_eq!(rows(&bench, "32", "train", "again").await, first);
    // A shorter order makes the first of them.
    let fewer = rows(&bench, "3", "train", "fewer").await;
    assert_eq!(fewer.lines().count(), 3);
    assert!(first.starts_with(&fewer));
    let loaded = task::load(&bench.folder.path().join("tasks")).unwrap();
    assert_eq!(loaded.problems, []);
    let tasks = loaded.tasks;
    assert_eq!(tasks.len(), 32);
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for task in &tasks {
        *kinds
            .entry(gym::of_id(&task.instance_id).unwrap().1)
            .or_default() += 1;
    }
    assert!(kinds.len() >= 7, "{kinds:?}");
    let checked = bench
        .spotter(&["tasks", "check", "--tasks", "tasks", "--jobs", "2"])
        .await;
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(
        checked.out.contains("32 of 32 tasks are sound"),
        "{checked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bundled_tasks_are_sound_and_told_apart_by_their_split() {
    let bench = Bench::new();
    let count = sample::gym().tasks.len();
    let checked = bench.spotter(&["tasks", "check", "--tasks", "gym"]).await;
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(
        checked
            .out
            .contains(&format!("{count} of {count} tasks are sound")),
        "{checked:?}"
    );
    let listed = bench
        .spotter(&[
            "tasks",
            "list",
            "--tasks",
            "gym",
            "--filter",
            "split:held-out difficulty:\"level 1\"",
        ])
        .await;
    assert!(
        listed.out.contains("gym__l1-") && !listed.out.contains("gym__l2-"),
        "{listed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_expert_s_demonstrations_resolve_and_say_what_they_are() {
    let bench = Bench::new();
    rows(&bench, "24", "validation", "tasks").await;
    let ran = bench
        .spotter(&[
            "gym",
            "demonstrate",
            "--tasks",
            "tasks",
            "--grade",
            "--mistakes",
            "60",
        ])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let store = bench.store();
    let ids = store.list().unwrap();
    assert_eq!(ids.len(), 24);
    let (mut mistakes, mut said) = (0, 0);
    for id in ids {
        let records = store.read(&id).unwrap();
        let state = State::of(&records);
        let start = state.start.as_ref().unwrap();
        assert_eq!(
            state.verdict,
            Some(Verdict::Resolved),
            "{}",
            start.instance_id
        );
        assert!(matches!(state.ended, Some((Ended::Submitted, _))));
        assert_eq!(start.model.kind, ModelKind::Expert);
        assert!(!start.model.kind.counts());
        assert_eq!(
            (start.scaffold.as_str(), start.tasks.as_str()),
            ("gym", "tasks")
        );
        let mut wrong = Vec::new();
        for record in &records {
            match &record.event {
                Event::Replied { .. } => said += 1,
                Event::Marked(mark) if mark.kind == MISTAKE => wrong.push(mark.step),
                Event::Observed { step, outcome, .. } if wrong.contains(&(step - 1)) => {
                    // What follows a mistake is the check, and it fails.
                    assert!(
                        outcome.text.starts_with("failed: ") || outcome.text.starts_with("error: "),
                        "{}",
                        outcome.text
                    );
                }
                _ => {}
            }
        }
        mistakes += wrong.len();
    }
    assert!(
        mistakes >= 8,
        "{mistakes} mistakes of 24 demonstrations at 60 %"
    );
    // A policy learns every turn of them but the mistakes, from one lesson each.
    let lessons = Lessons::read(store.root(), &mut |_, _| true).unwrap();
    assert_eq!((lessons.all.len(), lessons.left_out.len()), (24, 0));
    let learned = lessons.all.iter().flat_map(|lesson| &lesson.learned);
    assert_eq!(learned.filter(|learned| **learned).count(), said - mistakes);
}

/// A function of the task's first module, and its last statement.
fn a_function(task: &Task) -> (&str, &str) {
    let modules = task.files.iter().filter(|(name, _)| *name != "check.py");
    let bodies = modules.filter_map(|(_, text)| text.split_once("def "));
    let (_, body) = bodies.into_iter().next().unwrap();
    let (body, _) = body.split_once("\n\n").unwrap_or((body, ""));
    let (name, _) = body.split_once('(').unwrap();
    (name, body.lines().last().unwrap().trim())
}

/// A command line without texts.
async fn ran(bench: &Bench, line: &str) -> Ran {
    let args: Vec<&str> = line.split_whitespace().collect();
    bench.spotter(&args).await
}

/// The store `attempts`: three failed attempts at the folder's tasks, one whose calls are in another form, four demonstrations.
async fn attempts(bench: &Bench) {
    let tasks = task::load(&bench.folder.path().join("tasks"))
        .unwrap()
        .tasks;
    for (number, task) in tasks.iter().enumerate() {
        // It says again what is right, then does harm, then says the same twice, and hands in.
        let (name, last) = a_function(task);
        let replies = [
            format!("find {name}"),
            format!("change {name} {last}\n=> {last}"),
            format!("change {name} {last}\n=> return 'nothing'"),
            format!("change {name} return 'nothing'\n=> return 'nothing'"),
            format!("change {name} return 'nothing'\n=> return 'nothing'"),
            "submit".to_owned(),
        ];
        let lines = replies.map(|said| {
            let said = serde_json::json!({"role": "assistant", "content": said});
            said.to_string()
        });
        bench.file("wrong.jsonl", &lines.join("\n"));
        let form = if number == 3 { "xml" } else { "line" };
        let what = "--scaffold gym --model recorded:wrong.jsonl --store attempts";
        let id = &task.instance_id;
        let line = format!("run --tasks tasks {id} {what} --tool-form {form}");
        assert_ne!(ran(bench, &line).await.code, 0);
    }
    let shown = ran(bench, "gym demonstrate --tasks tasks --store attempts").await;
    assert_eq!(shown.code, 0, "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_expert_goes_on_from_attempts_that_failed_and_what_they_said_is_not_learned() {
    let bench = Bench::new();
    rows(&bench, "4", "train", "tasks").await;
    attempts(&bench).await;
    let gone_on = ran(
        &bench,
        "gym demonstrate --tasks tasks --after attempts --grade",
    )
    .await;
    assert_eq!(gone_on.code, 0, "{gone_on:?}");
    assert!(
        gone_on
            .err
            .contains("passed over: 4 rollouts of the expert")
            && gone_on
                .err
                .contains("passed over: 1 rollouts with another scaffold")
            && gone_on.out.contains("3 of 3 demonstrations handed in"),
        "{gone_on:?}"
    );
    let store = bench.store();
    let (mut said, mut marked) = (0, 0);
    for id in &store.list().unwrap() {
        let records = store.read(id).unwrap();
        let state = State::of(&records);
        assert_eq!(state.verdict, Some(Verdict::Resolved));
        let steps: Vec<u32> = records
            .iter()
            .filter_map(|record| match &record.event {
                Event::Marked(mark) if mark.kind == SAID_AGAIN => Some(mark.step),
                _ => None,
            })
            .collect();
        // From the first change on; not the reply that was said twice, nor the end.
        assert!((2..=4).contains(&steps.len()), "{steps:?}");
        assert!((1..).zip(&steps).all(|(number, step)| number == *step));
        said += state.answers as usize;
        marked += steps.len();
    }
    let again = ran(&bench, "gym demonstrate --tasks tasks --after attempts").await;
    assert_eq!(again.code, 0, "{again:?}");
    assert!(
        again.err.contains("passed over: 3 demonstrations")
            && again.out.contains("nothing is left"),
        "{again:?}"
    );
    let lessons = Lessons::read(store.root(), &mut |_, _| true).unwrap();
    assert_eq!(lessons.all.len(), 3);
    let learned = lessons.all.iter().flat_map(|lesson| &lesson.learned);
    assert_eq!(learned.filter(|learned| **learned).count(), said - marked);
}

/// As a kill before the end leaves a rollout.
fn cut(bench: &Bench, id: &RolloutId) {
    let path = bench.store().folder(id).join("events.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let at = text.lines().position(|line| line.contains("\"submitted\""));
    let lines: Vec<&str> = text.lines().take(at.unwrap()).collect();
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_given_again_demonstrates_what_is_missing_and_nothing_twice() {
    let bench = Bench::new();
    rows(&bench, "4", "train", "tasks").await;
    let order = "gym demonstrate --tasks tasks";
    assert_eq!(ran(&bench, order).await.code, 0);
    let ids = bench.store().list().unwrap();
    assert_eq!(ids.len(), 4);
    cut(&bench, &ids[2]);
    let again = ran(&bench, order).await;
    assert_eq!(again.code, 0, "{again:?}");
    assert!(
        again.err.contains("passed over: 3 demonstrations")
            && again.out.contains("1 of 1 demonstrations handed in"),
        "{again:?}"
    );
    let nothing = ran(&bench, order).await;
    assert_eq!(nothing.code, 0, "{nothing:?}");
    assert!(nothing.out.contains("nothing is left"), "{nothing:?}");
    assert_eq!(bench.store().list().unwrap().len(), 5);
    // Other settings are other demonstrations.
    for more in ["--seed 2", "--mistakes 0"] {
        let other = ran(&bench, &format!("{order} {more}")).await;
        assert!(
            other.out.contains("4 of 4 demonstrations handed in"),
            "{other:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_cannot_be_written_are_refused_before_the_work_and_those_of_before_stay() {
    let bench = Bench::new();
    // So many that making them would take an hour.
    let many = "gym make --split train --count 1000000 --out";
    bench.file("in_the_way", "");
    let refused = ran(&bench, &format!("{many} in_the_way/tasks")).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    let before = bench.file("tasks/tasks.jsonl", "of before\n");
    std::fs::create_dir(bench.folder.path().join("tasks/tasks.jsonl.part")).unwrap();
    let refused = ran(&bench, &format!("{many} tasks")).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(std::fs::read_to_string(before).unwrap(), "of before\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_gone_on_from_that_is_said() {
    let bench = Bench::new();
    rows(&bench, "4", "train", "tasks").await;
    let no_store = ran(&bench, "gym demonstrate --tasks tasks --after tasks").await;
    assert_eq!(no_store.code, 1, "{no_store:?}");
    assert!(no_store.err.contains("tasks is no store"), "{no_store:?}");
    // What nobody can say again any more is passed over.
    attempts(&bench).await;
    for id in std::fs::read_dir(bench.folder.path().join("attempts/rollouts")).unwrap() {
        std::fs::remove_dir_all(id.unwrap().path().join("sandbox")).unwrap();
    }
    let gone = ran(&bench, "gym demonstrate --tasks tasks --after attempts").await;
    assert_eq!(gone.code, 1, "{gone:?}");
    assert!(
        gone.err.contains("3 rollouts whose snapshots are gone")
            && gone.err.contains("attempts has no attempt at these tasks"),
        "{gone:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_are_none_of_the_gym_s_cannot_be_demonstrated() {
    let bench = Bench::new();
    let row = sample::gym().tasks.remove(0);
    let text = serde_json::json!({
        "instance_id": "a__b-1", "repo": "a/b", "base_commit": row.base_commit, "problem_statement": "x", "patch": row.gold_patch,
    });
    std::fs::write(bench.folder.path().join("other.jsonl"), format!("{text}\n")).unwrap();
    let ran = bench
        .spotter(&["gym", "demonstrate", "--tasks", "other.jsonl"])
        .await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("none of the gym's"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bundled_policy_solves_tasks_that_the_same_network_of_random_weights_does_not() {
    let tasks = "gym__l1-comparison-h2026-00000 gym__l1-off-by-one-h2026-00004 gym__l1-variable-h2026-00008";
    let bench = Bench::new();
    let learned = format!("run --tasks gym {tasks} --scaffold gym --model policy --jobs 2");
    let learned = ran(&bench, &learned).await;
    assert!(
        learned.out.contains("3 of 3 rollouts resolved"),
        "{learned:?}"
    );
    // One step at next to no rate: the vocabulary is learned, the weights are those it began with.
    rows(&bench, "3", "train", "made").await;
    let shown = ran(&bench, "gym demonstrate --tasks made --store shown").await;
    assert_eq!(shown.code, 0, "{shown:?}");
    let began = "train policy --demonstrations shown --steps 1 --batch 256 --rate 1e-9 --warm-up 1 --out random";
    let began = ran(&bench, began).await;
    assert_eq!(began.code, 0, "{began:?}");
    let few = "--turns 5 --max-tokens 32 --jobs 2 --store drawn";
    let random = format!("run --tasks gym {tasks} --scaffold gym --model random {few}");
    let random = ran(&bench, &random).await;
    assert!(
        random.out.contains("0 of 3 rollouts resolved"),
        "{random:?}"
    );
}
