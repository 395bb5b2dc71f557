//! The one writer of a trajectory: append, then show.
//!
//! An event is one `write` of one whole line. `fsync` follows where losing the event to a power cut would lose work:
//! at steps, verdicts and controls. Readers in this process get each record after it was written, over a broadcast
//! channel of fixed size: a reader that falls behind is told how many it missed and reads them from the file.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::broadcast;

use super::TrajectoryError;
use super::event::{Event, Record};

/// Records that a reader in this process may be behind by.
const BEHIND: usize = 4096;

/// How long another process may hold a rollout only to look at it or to clean up after it.
const PASSING: Duration = Duration::from_millis(600);

/// Open for writing by this process alone.
pub struct Writer {
    path: PathBuf,
    inner: Mutex<Inner>,
    news: broadcast::Sender<Record>,
    _lock: File,
}

struct Inner {
    file: File,
    next: u64,
}

/// A folder's own time says when somebody last began to write in it: those who watch the store, and not each of the
/// thousands of folders in it, hear of that. Where it cannot be set they see it at their next look.
fn touch(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.set_modified(std::time::SystemTime::now()));
}

impl Writer {
    /// Open the trajectory in `folder`, new or old; a torn last line is cut off. Fails with
    /// [`TrajectoryError::Busy`] while another process has it.
    pub fn open(folder: &Path) -> Result<(Self, Vec<Record>), TrajectoryError> {
        let path = folder.join("events.jsonl");
        let failed = |what: &'static str| {
            let path = path.display().to_string();
            move |source| TrajectoryError::File { path, what, source }
        };
        let lock_path = folder.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(failed("lock"))?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(fs::TryLockError::WouldBlock) if began.elapsed() < PASSING => {
                    std::thread::park_timeout(Duration::from_millis(10));
                }
                Err(fs::TryLockError::WouldBlock) => {
                    let name = folder.file_name().unwrap_or_default().to_string_lossy();
                    return Err(TrajectoryError::Busy(name.into_owned()));
                }
                Err(fs::TryLockError::Error(error)) => return Err(failed("lock")(error)),
            }
        }
        touch(folder);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed("open"))?;
        let records = super::store::read_events(&path)?;
        let whole = whole_length(&path).map_err(failed("read"))?;
        file.set_len(whole)
            .map_err(failed("cut the torn last line off"))?;
        file.seek(SeekFrom::End(0)).map_err(failed("open"))?;
        let next = records.last().map_or(0, |record| record.seq + 1);
        let (news, _) = broadcast::channel(BEHIND);
        let writer = Self {
            path,
            inner: Mutex::new(Inner { file, next }),
            news,
            _lock: lock,
        };
        Ok((writer, records))
    }

    /// Append an event. When this returns, a `kill -9` cannot lose it.
    pub fn append(&self, event: Event) -> Result<Record, TrajectoryError> {
        let durable = matches!(
            event,
            Event::Started(_)
                | Event::StepDone { .. }
                | Event::Ended { .. }
                | Event::Graded { .. }
                | Event::NotGraded { .. }
                | Event::Replied { .. }
                | Event::Control { .. }
                | Event::HandedBack { .. }
        );
        let failed = |what: &'static str| {
            let path = self.path.display().to_string();
            move |source: std::io::Error| TrajectoryError::File { path, what, source }
        };
        let mut inner = self.inner.lock().map_err(|_poisoned| {
            failed("append")(std::io::Error::other("an earlier write failed half-way"))
        })?;
        let record = Record {
            seq: inner.next,
            at: now(),
            event,
        };
        let mut line =
            serde_json::to_vec(&record).map_err(|error| failed("encode an event")(error.into()))?;
        line.push(b'\n');
        let start = inner.file.stream_position().map_err(failed("append"))?;
        if let Err(error) = inner.file.write_all(&line) {
            // A full disk can take half a line: take it back, so that the file stays whole.
            let _ = inner.file.set_len(start);
            let _ = inner.file.seek(SeekFrom::Start(start));
            return Err(failed(
                "append (the file keeps everything before this event)",
            )(error));
        }
        inner.next += 1;
        if durable {
            inner
                .file
                .sync_data()
                .map_err(failed("make an event durable"))?;
        }
        // While the file is held: news come in the order of the file.
        let _ = self.news.send(record.clone());
        drop(inner);
        Ok(record)
    }

    /// Records from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Record> {
        self.news.subscribe()
    }
}

/// Milliseconds are as fine as anybody reads.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

fn whole_length(path: &Path) -> std::io::Result<u64> {
    use std::io::Read;
    let mut file = File::open(path)?;
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut buffer = [0u8; 8192];
    while end > 0 {
        let start = end.saturating_sub(buffer.len() as u64);
        file.seek(SeekFrom::Start(start))?;
        let length = usize::try_from(end - start).unwrap_or(buffer.len());
        let part = buffer.get_mut(..length).unwrap_or_default();
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        Event::CallFailed {
            call: 0,
            why: text.into(),
        }
    }

    #[test]
    fn a_torn_last_line_is_cut_off_and_the_count_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, before) = Writer::open(folder.path()).unwrap();
        assert!(before.is_empty());
        writer.append(event("one")).unwrap();
        writer.append(event("two")).unwrap();
        drop(writer);
        let path = folder.path().join("events.jsonl");
        let mut torn = fs::read(&path).unwrap();
        torn.extend_from_slice(b"{\"seq\":2,\"at\":\"20");
        fs::write(&path, &torn).unwrap();
        let (writer, before) = Writer::open(folder.path()).unwrap();
        assert_eq!(before.len(), 2);
        assert_eq!(writer.append(event("three")).unwrap().seq, 2);
        assert_eq!(super::super::store::read_events(&path).unwrap().len(), 3);
    }

    #[test]
    fn a_trajectory_has_one_writer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Writer::open(folder.path()).unwrap();
        assert!(matches!(
            Writer::open(folder.path()),
            Err(TrajectoryError::Busy(_))
        ));
        drop(first);
        assert!(Writer::open(folder.path()).is_ok());
    }

    #[test]
    fn somebody_who_only_looks_does_not_keep_the_writer_out() {
        let keep = tempfile::tempdir().unwrap();
        let store = crate::trajectory::Store::open(keep.path()).unwrap();
        let id = crate::trajectory::RolloutId::generate();
        let folder = store.create(&id).unwrap();
        drop(Writer::open(&folder).unwrap());
        let hold = store.hold(&id).unwrap();
        assert!(store.hold(&id).is_none());
        let passing = std::thread::spawn(move || {
            std::thread::park_timeout(Duration::from_millis(100));
            drop(hold);
        });
        let open = Writer::open(&folder).unwrap();
        assert!(store.hold(&id).is_none());
        drop(open);
        passing.join().unwrap();
    }

    #[test]
    fn a_whole_line_that_is_no_event_is_named_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("events.jsonl"), "{\"seq\":0}\n").unwrap();
        let error = Writer::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("events.jsonl:1:"), "{error}");
    }

    #[test]
    fn what_was_appended_reaches_readers_after_it_reached_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, _) = Writer::open(folder.path()).unwrap();
        let mut news = writer.subscribe();
        writer.append(event("one")).unwrap();
        let seen = news.try_recv().unwrap();
        let kept = super::super::store::read_events(&folder.path().join("events.jsonl")).unwrap();
        assert_eq!(kept, [seen]);
    }
}
