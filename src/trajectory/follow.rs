//! Reading a trajectory while somebody writes it.
//!
//! A follower remembers how far it has read and takes whole lines only: what another process is just writing is left for the
//! next time. It does not wait; whoever drives it decides when to look again.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::event::Record;

/// Bytes read at a time: a bound on the memory of one step, and on how long whoever takes its records in is busy with them.
const CHUNK: usize = 128 << 10;

/// See the module.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: Option<File>,
    offset: u64,
    rest: Vec<u8>,
    line: u64,
}

/// What one look gave.
#[derive(Debug, Default)]
pub struct Seen {
    /// Records, in order.
    pub records: Vec<Record>,
    /// There was nothing after them.
    pub caught_up: bool,
}

impl Follower {
    /// Of a rollout's folder, from the beginning.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self {
            path: folder.join("events.jsonl"),
            file: None,
            offset: 0,
            rest: Vec::new(),
            line: 0,
        }
    }

    /// Read what is there, up to a bound.
    ///
    /// # Errors
    /// A line in the middle that is no record, with file and line. A file that does not exist yet is an empty one.
    pub fn look(&mut self) -> Result<Seen, String> {
        let told = |error: std::io::Error| format!("{}: {error}", self.path.display());
        if self.file.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(Seen {
                        caught_up: true,
                        ..Seen::default()
                    });
                }
                Err(error) => return Err(told(error)),
            }
        }
        let Some(file) = &mut self.file else {
            return Ok(Seen::default());
        };
        let length = file.metadata().map_err(told)?.len();
        if length < self.offset {
            // A resume cut a torn line off; it was never told.
            self.offset = length;
            self.rest.clear();
        }
        file.seek(SeekFrom::Start(self.offset)).map_err(told)?;
        let before = self.rest.len();
        let got = file
            .take(CHUNK as u64)
            .read_to_end(&mut self.rest)
            .map_err(told)?;
        self.offset += got as u64;
        let mut seen = Seen {
            caught_up: got < CHUNK,
            ..Seen::default()
        };
        let Some(end) = self
            .rest
            .get(before..)
            .and_then(|new| new.iter().rposition(|byte| *byte == b'\n'))
        else {
            return Ok(seen);
        };
        let whole: Vec<u8> = self.rest.drain(..=before + end).collect();
        for line in whole.split_inclusive(|byte| *byte == b'\n') {
            self.line += 1;
            let record = serde_json::from_slice(line).map_err(|error| {
                format!(
                    "{}:{}: not an event: {error}",
                    self.path.display(),
                    self.line
                )
            })?;
            seen.records.push(record);
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64) -> String {
        format!(
            "{{\"seq\":{seq},\"at\":\"2026-01-01T00:00:00Z\",\"type\":\"repeating\",\"step\":1}}\n"
        )
    }

    #[test]
    fn only_whole_lines_are_taken_and_none_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut follower = Follower::of(folder.path());
        assert!(follower.look().unwrap().caught_up);
        let (first, second) = (line(0), line(1));
        let (half, other) = second.split_at(20);
        std::fs::write(&path, format!("{first}{half}")).unwrap();
        assert_eq!(follower.look().unwrap().records.len(), 1);
        assert!(follower.look().unwrap().records.is_empty());
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        std::io::Write::write_all(&mut file, other.as_bytes()).unwrap();
        let seen = follower.look().unwrap();
        assert_eq!(
            seen.records
                .iter()
                .map(|record| record.seq)
                .collect::<Vec<_>>(),
            [1]
        );
    }

    #[test]
    fn a_line_that_is_no_record_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("events.jsonl"),
            format!("{}nonsense\n", line(0)),
        )
        .unwrap();
        let told = Follower::of(folder.path()).look().unwrap_err();
        assert!(told.contains("events.jsonl:2: not an event"), "{told}");
    }
}
