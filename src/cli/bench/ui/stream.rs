//! A run that somebody else drives: events written into its file, its lock held, so that the workbench follows it as it
//! follows any other run.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::sandbox::SnapshotId;
use crate::trajectory::event::Event;
use crate::trajectory::{RolloutId, Store};

use super::hour;
use super::workload::Workload;

/// Events are written together so often: an agent's output comes in pieces, not in lines.
const TOGETHER: Duration = Duration::from_millis(5);
/// As fast as they are taken: the writer is at most so far ahead of the reader.
const AHEAD: u64 = 4 << 20;

/// How fast events come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Speed {
    /// So many a second.
    PerSecond(u32),
    /// As fast as the process of this id reads them through its descriptor of this number.
    AsTaken(u32, u32),
}

/// The live run. Dropping it ends it.
pub(super) struct Live {
    pub(super) id: RolloutId,
    store: Store,
    file: File,
    // Held as a run holds it.
    _lock: File,
    seq: u64,
    sent: u64,
    base: SnapshotId,
}

/// Events on their way.
pub(super) struct Flow {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<io::Result<()>>>,
}

impl Live {
    /// A run that has begun.
    pub(super) fn begin(workload: &Workload) -> io::Result<Self> {
        let (id, store) = (RolloutId::generate(), workload.store()?);
        let mut events = workload.opening(&id);
        let call = crate::model::ToolCall {
            id: "call".into(),
            name: "execute_bash".into(),
            arguments: r#"{"command": "make test"}"#.into(),
        };
        events.extend([
            Event::Proposed {
                step: 1,
                thought: "I run the tests.".into(),
                calls: vec![call.clone()],
            },
            Event::Action {
                step: 1,
                index: 0,
                call,
                by: crate::trajectory::event::Author::Model,
                original: None,
            },
        ]);
        let base = events.iter().find_map(|event| match event {
            Event::SandboxReady { base, .. } => Some(base.clone()),
            _ => None,
        });
        let base = base.ok_or_else(|| io::Error::other("a run without a sandbox"))?;
        Workload::write(&store, &id, &events)?;
        let folder = store.folder(&id);
        let lock = File::open(folder.join("lock"))?;
        lock.try_lock().map_err(io::Error::other)?;
        let file = File::options()
            .append(true)
            .open(folder.join("events.jsonl"))?;
        Ok(Self {
            id,
            store,
            file,
            _lock: lock,
            seq: events.len() as u64,
            sent: 0,
            base,
        })
    }

    /// Let so many events come, after those that came before: all of them, where more are to come later.
    pub(super) fn flow(&mut self, speed: Speed, most: u64) -> io::Result<Flow> {
        let mut file = self.file.try_clone()?;
        let mut length = file.metadata()?.len();
        let (stop, written) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (base, sent) = (self.base.clone(), self.sent);
        self.sent += most;
        let (stopped, count, first) = (Arc::clone(&stop), Arc::clone(&written), self.seq);
        let thread = std::thread::spawn(move || {
            let began = Instant::now();
            let mut done = 0;
            while done < most && !stopped.load(Ordering::Relaxed) {
                let due = match speed {
                    Speed::PerSecond(rate) => {
                        std::thread::sleep(TOGETHER);
                        u64::try_from(began.elapsed().as_millis()).unwrap_or(0) * u64::from(rate)
                            / 1000
                    }
                    Speed::AsTaken(pid, descriptor) => {
                        if length.saturating_sub(taken(pid, descriptor)) > AHEAD {
                            std::thread::sleep(Duration::from_millis(2));
                            continue;
                        }
                        done + 4000
                    }
                };
                let mut lines = Vec::new();
                while done < due.min(most) {
                    serde_json::to_writer(&mut lines, &hour::record(first, sent + done, &base))?;
                    lines.push(b'\n');
                    done += 1;
                }
                file.write_all(&lines)?;
                length += lines.len() as u64;
                count.store(done, Ordering::Relaxed);
            }
            Ok(())
        });
        Ok(Flow {
            stop,
            written,
            thread: Some(thread),
        })
    }
}

impl Live {
    /// The descriptor through which a process follows this run. Others come and go as its row in the library is made: it is to
    /// be asked for when all is quiet.
    pub(super) fn descriptor(&self, pid: u32) -> io::Result<u32> {
        let path = self.store.folder(&self.id).join("events.jsonl");
        std::fs::read_dir(format!("/proc/{pid}/fd"))?
            .flatten()
            .filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == path))
            .find_map(|entry| entry.file_name().to_str()?.parse().ok())
            .ok_or_else(|| io::Error::other("nobody follows the run"))
    }
}

impl Flow {
    /// Events written so far.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Whether all are written.
    pub(super) fn is_over(&self) -> bool {
        self.thread
            .as_ref()
            .is_none_or(std::thread::JoinHandle::is_finished)
    }

    /// No more.
    pub(super) fn stop(mut self) -> io::Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread
                .join()
                .map_err(|_panic| io::Error::other("the writer died"))??;
        }
        Ok(self.written())
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// How far a process has read a file that it has open.
fn taken(pid: u32, descriptor: u32) -> u64 {
    let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{descriptor}"));
    let info = info.unwrap_or_default();
    let position = info.lines().find_map(|line| line.strip_prefix("pos:"));
    // A process that has closed it reads no more: the writer waits, and the bench says that it does.
    position
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}
