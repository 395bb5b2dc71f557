//! JSONL, streamed: one row in memory at a time, and no line of a broken file can take all of it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

use super::load::Intake;

/// The longest line that is read. Real rows stay under 2 MB; a longer line is a file of another kind.
const LONGEST_LINE: usize = 64 << 20;

pub(super) fn read(path: &Path, origin: &str, intake: &mut Intake) -> std::io::Result<()> {
    read_from(
        BufReader::with_capacity(1 << 16, File::open(path)?),
        origin,
        intake,
    )
}

pub(super) fn read_from(
    mut input: impl BufRead,
    origin: &str,
    intake: &mut Intake,
) -> std::io::Result<()> {
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        number += 1;
        let most = LONGEST_LINE as u64 + 1;
        if input.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.len() > LONGEST_LINE {
            let what = format!("this line is longer than {} MB", LONGEST_LINE >> 20);
            intake.problem(origin, number, what);
            skip_line(&mut input)?;
            continue;
        }
        one(&line, number, origin, intake);
    }
}

fn one(line: &[u8], number: u64, origin: &str, intake: &mut Intake) {
    let bytes = without_bom(line, number == 1).trim_ascii();
    if bytes.is_empty() {
        return;
    }
    match std::str::from_utf8(bytes) {
        Err(error) => {
            let what = format!("invalid UTF-8 after byte {}", error.valid_up_to());
            intake.problem(origin, number, what);
        }
        Ok(text) => match serde_json::from_str(text) {
            Ok(Value::Object(row)) => intake.row(origin, number, &row),
            Ok(_) => intake.problem(origin, number, "this line is JSON but not an object"),
            Err(error) => {
                let what = format!(
                    "invalid JSON at column {}: {}",
                    error.column(),
                    reason(&error)
                );
                intake.problem(origin, number, what);
            }
        },
    }
}

/// What serde says, without its own line and column, which count from the row's start.
pub(super) fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}

/// The bytes after a byte order mark, which some Windows tools write.
pub(super) fn without_bom(bytes: &[u8], at_start: bool) -> &[u8] {
    match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) if at_start => rest,
        _ => bytes,
    }
}

fn skip_line(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        if let Some(at) = buffer.iter().position(|b| *b == b'\n') {
            input.consume(at + 1);
            return Ok(());
        }
        let all = buffer.len();
        input.consume(all);
    }
}
