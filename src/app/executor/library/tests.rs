//! The library kept up to date with what other processes do to the store.

use tokio::sync::mpsc::Receiver;

use super::*;
use crate::app::effect::Effect;
use crate::app::executor::{Executor, Folders, WAITING};
use crate::trajectory::Writer;
use crate::trajectory::index::made;

/// Longest wait for what must come.
const LONGEST: Duration = Duration::from_secs(30);

struct Bench {
    _keep: tempfile::TempDir,
    store: Store,
    executor: Executor,
    news: Receiver<News>,
}

impl Bench {
    async fn of(count: usize) -> (Self, Vec<Summary>) {
        let keep = tempfile::tempdir().unwrap();
        let store = Store::open(keep.path()).unwrap();
        made::fill(&store, count, 3).unwrap();
        let (sender, news) = tokio::sync::mpsc::channel(WAITING);
        let settings = crate::config::Settings::default();
        let executor = Executor::new(store.clone(), settings, Folders::default(), sender);
        let mut bench = Self {
            _keep: keep,
            store,
            executor,
            news,
        };
        let rows = bench.load().await;
        (bench, rows)
    }

    async fn next(&mut self) -> News {
        let next = tokio::time::timeout(LONGEST, self.news.recv()).await;
        next.unwrap().unwrap()
    }

    async fn load(&mut self) -> Vec<Summary> {
        self.executor.carry_out(Effect::LoadLibrary);
        let mut told = Vec::new();
        loop {
            if let News::Library { rows, complete } = self.next().await {
                told.extend(rows);
                if complete {
                    return told;
                }
            }
        }
    }

    async fn row(&mut self) -> Summary {
        loop {
            if let News::Library { rows, .. } = self.next().await
                && let Some(row) = rows.into_iter().next()
            {
                return row;
            }
        }
    }

    /// A run of another process: its folder, then its records.
    fn begin(&self, like: &Summary) -> (RolloutId, Writer) {
        let from = self.store.folder(&RolloutId::parse(&like.id).unwrap());
        let id = RolloutId::generate();
        let folder = self.store.create(&id).unwrap();
        let text = std::fs::read_to_string(from.join("events.jsonl")).unwrap();
        let first = text.lines().next().unwrap();
        std::fs::write(folder.join("events.jsonl"), format!("{first}\n")).unwrap();
        (id, Writer::open(&folder).unwrap().0)
    }
}

#[tokio::test]
async fn runs_of_other_processes_appear_change_when_they_end_and_go() {
    let (mut bench, rows) = Bench::of(3).await;
    assert_eq!(rows.len(), 3);
    let (id, writer) = bench.begin(&rows[0]);
    let row = bench.row().await;
    assert_eq!((row.id.as_str(), row.live), (id.as_str(), true));
    assert_eq!(row.ended, None);
    let how = crate::trajectory::Ended::Submitted;
    let patch = String::new();
    writer
        .append(crate::trajectory::Event::Ended { how, patch })
        .unwrap();
    drop(writer);
    let row = bench.row().await;
    assert_eq!((row.id.as_str(), row.live), (id.as_str(), false));
    assert!(row.ended.is_some());
    std::fs::remove_dir_all(bench.store.folder(&id)).unwrap();
    loop {
        if let News::Gone { ids } = bench.next().await {
            assert_eq!(ids, [id.as_str()]);
            break;
        }
    }
}

#[tokio::test]
async fn a_run_that_was_live_at_the_start_is_told_of_when_it_ends() {
    let (mut bench, rows) = Bench::of(1).await;
    let (id, writer) = bench.begin(&rows[0]);
    bench.row().await;
    // Another workbench opens while it runs.
    let settings = crate::config::Settings::default();
    let (sender, news) = tokio::sync::mpsc::channel(WAITING);
    bench.executor = Executor::new(bench.store.clone(), settings, Folders::default(), sender);
    bench.news = news;
    let rows = bench.load().await;
    assert!(rows.iter().any(|row| row.id == id.as_str() && row.live));
    drop(writer);
    loop {
        let row = bench.row().await;
        assert_eq!(row.id, id.as_str());
        if !row.live {
            break;
        }
    }
}

/// Steps that a run has done since it was looked at, written at once.
fn steps(folder: &Path, steps: std::ops::RangeInclusive<u32>) {
    use std::io::Write as _;
    let mut text = String::new();
    for step in steps {
        let snapshot = crate::sandbox::SnapshotId {
            files: "0".into(),
            git: "0".into(),
        };
        let record = crate::trajectory::Record {
            seq: step.into(),
            at: jiff::Timestamp::from_second(1_900_000_000 + i64::from(step)).unwrap(),
            event: crate::trajectory::Event::StepDone {
                step,
                snapshot,
                files: Vec::new(),
            },
        };
        text.push_str(&serde_json::to_string(&record).unwrap());
        text.push('\n');
    }
    let file = std::fs::OpenOptions::new()
        .append(true)
        .open(folder.join("events.jsonl"));
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn an_old_run_that_another_process_goes_on_with_is_told_of_without_a_reload() {
    let (mut bench, rows) = Bench::of(2).await;
    let old = &rows[1];
    let folder = bench.store.folder(&RolloutId::parse(&old.id).unwrap());
    let writer = Writer::open(&folder).unwrap().0;
    let row = bench.row().await;
    assert_eq!((row.id.as_str(), row.live), (old.id.as_str(), true));
    drop(writer);
}

#[tokio::test]
async fn the_steps_of_a_live_row_move_while_it_runs_and_not_with_each_of_them() {
    let (mut bench, rows) = Bench::of(1).await;
    let (id, _writer) = bench.begin(&rows[0]);
    let folder = bench.store.folder(&id);
    assert_eq!(bench.row().await.steps, 0);
    steps(&folder, 1..=200);
    let mut told = 0;
    loop {
        let row = bench.row().await;
        told += 1;
        assert!(row.live && row.id == id.as_str(), "{row:?}");
        if row.steps == 200 {
            break;
        }
    }
    // One more reading may be under way from before the last of them.
    assert!(told <= 2, "{told} rows for steps that came at once");
    // The last is told though nothing follows it.
    steps(&folder, 201..=201);
    assert_eq!(bench.row().await.steps, 201);
}

#[tokio::test]
async fn looking_at_a_live_run_is_not_taken_for_a_change_of_it() {
    let (mut bench, rows) = Bench::of(1).await;
    let (id, _writer) = bench.begin(&rows[0]);
    bench.row().await;
    let folder = bench.store.folder(&id);
    for _ in 0..3 {
        std::fs::read(folder.join("events.jsonl")).unwrap();
        assert!(bench.store.is_running(&id));
    }
    let told = tokio::time::timeout(AGAIN * 3, bench.row()).await;
    assert!(told.is_err(), "{told:?}");
}
