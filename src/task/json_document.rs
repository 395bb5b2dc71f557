//! A `.json` file: a list of rows, a dict of rows by id, one row, or JSONL under the wrong name.
//!
//! The document is read whole. Rows are kept as raw slices of it at first, so that each one's line is known.

use std::fmt;
use std::path::Path;

use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::jsonl::{self, reason, without_bom};
use super::load::Intake;

/// The largest document that is read whole; larger sets come as JSONL or Parquet.
const LARGEST: u64 = 1 << 30;

pub(super) fn read(path: &Path, origin: &str, intake: &mut Intake) -> std::io::Result<()> {
    let size = std::fs::metadata(path)?.len();
    if size > LARGEST {
        let what = format!(
            "larger than {} MB; convert it to JSONL or Parquet",
            LARGEST >> 20
        );
        intake.problem(origin, 0, what);
        return Ok(());
    }
    let bytes = std::fs::read(path)?;
    let bytes = without_bom(&bytes, true);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            intake.problem(origin, newlines(before) + 1, "invalid UTF-8");
            return Ok(());
        }
    };
    let mut lines = Lines::of(text);
    match entries(text) {
        Ok(Entries::Rows(rows)) => {
            for raw in rows {
                one(lines.at(raw), raw, origin, intake);
            }
        }
        // A dict of objects by id; a single row's values are texts and lists.
        Ok(Entries::Fields(fields)) if fields.iter().all(|raw| raw.get().starts_with('{')) => {
            for raw in fields {
                one(lines.at(raw), raw, origin, intake);
            }
        }
        Ok(Entries::Fields(_)) => match serde_json::from_str(text) {
            Ok(Value::Object(row)) => intake.row(origin, first_line(text), &row),
            _ => intake.problem(
                origin,
                0,
                "neither a list of rows, nor a dict of rows, nor a row",
            ),
        },
        Err(_) if looks_like_jsonl(text) => jsonl::read_from(text.as_bytes(), origin, intake)?,
        Err(error) => {
            let what = format!(
                "invalid JSON at column {}: {}",
                error.column(),
                reason(&error)
            );
            intake.problem(origin, error.line() as u64, what);
        }
    }
    Ok(())
}

/// Where the rows stand, counted on from one to the next.
struct Lines<'a> {
    text: &'a str,
    counted: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            text,
            counted: 0,
            line: 1,
        }
    }

    /// The line of a slice of the text that lies behind all asked for before.
    fn at(&mut self, raw: &RawValue) -> u64 {
        // The distance of their addresses is the slice's offset.
        let offset = (raw.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let between = self.text.as_bytes().get(self.counted..offset);
        self.line += newlines(between.unwrap_or_default());
        self.counted = self.counted.max(offset);
        self.line
    }
}

fn one(line: u64, raw: &RawValue, origin: &str, intake: &mut Intake) {
    match serde_json::from_str(raw.get()) {
        Ok(Value::Object(row)) => intake.row(origin, line, &row),
        Ok(_) => intake.problem(origin, line, "this element is not an object"),
        Err(error) => intake.problem(origin, line, format!("invalid JSON: {}", reason(&error))),
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.split(|b| *b == b'\n').skip(1).count() as u64
}

fn first_line(text: &str) -> u64 {
    let blank = text.len() - text.trim_start().len();
    newlines(text.as_bytes().get(..blank).unwrap_or_default()) + 1
}

/// The first line alone is a whole object, and more follows.
fn looks_like_jsonl(text: &str) -> bool {
    let first = text.trim_start().lines().next().unwrap_or_default();
    first.starts_with('{') && serde_json::from_str::<&RawValue>(first).is_ok()
}

enum Entries<'a> {
    Rows(Vec<&'a RawValue>),
    Fields(Vec<&'a RawValue>),
}

fn entries(text: &str) -> Result<Entries<'_>, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let entries = json.deserialize_any(TopLevel)?;
    json.end()?;
    Ok(entries)
}

struct TopLevel;

impl<'de> Visitor<'de> for TopLevel {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        while let Some(raw) = list.next_element()? {
            rows.push(raw);
        }
        Ok(Entries::Rows(rows))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((_, raw)) = map.next_entry::<String, &RawValue>()? {
            fields.push(raw);
        }
        Ok(Entries::Fields(fields))
    }
}
