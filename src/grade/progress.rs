//! What a grading tells while it runs.
//!
//! Progress is for a screen: it is sent where there is room and dropped where there is none, so that a slow reader never
//! holds the tests up. The [`super::Grading`] at the end is complete.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::parser::LogReader;
use super::status::Status;
use crate::sandbox::Chunk;

/// A step of a grading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Looking at the workspace.
    Prepare,
    /// Applying the patch under test.
    ApplyPatch,
    /// Putting the test files back and applying the test patch.
    ResetTests,
    /// Running the install command.
    Install,
    /// Running the tests.
    Tests,
    /// Reading the log.
    Judge,
}

/// One piece of news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// A step begins.
    Stage(Stage),
    /// A line of test output, raw: whoever shows it makes control bytes visible.
    Line(String),
    /// The log says something of a listed test. A later line may say otherwise.
    Test {
        /// As the row spells it.
        id: String,
        /// What it says.
        status: Status,
    },
}

/// A line longer than this is handed on in pieces.
const LONGEST_LINE: usize = 64 * 1024;

/// Turn chunks into lines and statuses until the channel closes.
pub(super) async fn follow(
    mut chunks: mpsc::Receiver<Chunk>,
    mut reader: Option<LogReader>,
    listed: HashSet<String>,
    progress: mpsc::Sender<Progress>,
) {
    let mut line: Vec<u8> = Vec::new();
    let mut number = 0;
    let mut seen = 0;
    while let Some(chunk) = chunks.recv().await {
        for piece in chunk.bytes.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece);
            if line.last() != Some(&b'\n') && line.len() < LONGEST_LINE {
                continue;
            }
            number += 1;
            let text = String::from_utf8_lossy(&line);
            let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
            line.clear();
            if let Some(reader) = &mut reader {
                reader.feed(number, &text);
                for reading in reader.readings().get(seen..).unwrap_or_default() {
                    if listed.contains(&reading.id) {
                        // Dropped when full; see above.
                        let _ = progress.try_send(Progress::Test {
                            id: reading.id.clone(),
                            status: reading.status,
                        });
                    }
                }
                seen = reader.readings().len();
            }
            let _ = progress.try_send(Progress::Line(text));
        }
    }
}
