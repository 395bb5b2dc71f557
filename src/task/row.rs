//! One row of any family to a [`Task`].
//!
//! A field that must be there and is not, or has another type, makes the row unusable; the text says which field. The
//! two test lists never do: a task without them can be read and attempted, only not graded.

use serde_json::{Map, Value};

use super::{Family, Task, family, hash, inline, r2e, test_list};
use crate::text::patch;

/// Columns that any family's row is made of; readers skip all others.
pub(super) const COLUMNS: &[&str] = &[
    "instance_id",
    "repo",
    "base_commit",
    "version",
    "problem_statement",
    "hints_text",
    "created_at",
    "patch",
    "test_patch",
    "FAIL_TO_PASS",
    "PASS_TO_PASS",
    "environment_setup_commit",
    "difficulty",
    "split",
    "files",
    "image",
    "image_name",
    "docker_image",
    "eval_script",
    "log_parser",
    "eval_type",
    "meta",
    "install_config",
    "repo_name",
    "commit_hash",
    "parsed_commit_content",
    "expected_output_json",
];

/// Read a row that stood at `origin`.
pub(super) fn task(row: &Map<String, Value>, origin: String) -> Result<Task, String> {
    let family = family::family(row);
    let mut task = if family == Family::R2e {
        r2e::task(row)?
    } else {
        common(row, family)?
    };
    for patch in [&mut task.gold_patch, &mut task.test_patch] {
        if !patch.is_empty() && !patch.ends_with('\n') {
            patch.push('\n');
        }
    }
    if task.instance_id.chars().any(char::is_control) {
        return Err("`instance_id` holds control characters".to_owned());
    }
    task.origin = origin;
    task.hash = hash::of(&task);
    Ok(task)
}

fn common(row: &Map<String, Value>, family: Family) -> Result<Task, String> {
    let id = required(row, "instance_id")?;
    let repo = required(row, "repo")?;
    let mut task = Task::named(&id, &repo, family);
    task.image = first_of(row, &["image", "image_name", "docker_image"])?;
    task.eval_script = optional(row, "eval_script")?.filter(|text| !text.trim().is_empty());
    task.log_parser = optional(row, "log_parser")?.filter(|text| !text.is_empty());
    task.eval_type = optional(row, "eval_type")?.filter(|text| !text.is_empty());
    task.difficulty = optional(row, "difficulty")?.filter(|text| !text.is_empty());
    task.split = optional(row, "split")?.filter(|text| !text.is_empty());
    task.files = files(row)?;
    // Such a row's image holds the repository at its base.
    let image_decides =
        family == Family::SweSmith || (task.image.is_some() && task.eval_script.is_some());
    task.base_commit = optional(row, "base_commit")?.unwrap_or_default();
    let in_the_image = image_decides && task.base_commit.is_empty();
    if !in_the_image && !is_commit(&task.base_commit) {
        return Err(match task.base_commit.as_str() {
            "" => "`base_commit` is missing".to_owned(),
            other => format!("`base_commit` is `{other}`, not 40 hex digits"),
        });
    }
    task.version = optional(row, "version")?.unwrap_or_default();
    // SWE-smith has rows whose statement was never written; the text is there and empty.
    task.problem_statement = match optional(row, "problem_statement")? {
        Some(text) => text,
        None if family == Family::SweSmith => String::new(),
        None => return Err("`problem_statement` is missing".to_owned()),
    };
    task.hints_text = optional(row, "hints_text")?.unwrap_or_default();
    task.created_at = optional(row, "created_at")?.unwrap_or_default();
    task.test_patch = optional(row, "test_patch")?.unwrap_or_default();
    task.gold_patch = required(row, "patch")?;
    if family == Family::SweSmith {
        task.gold_patch = patch::reverse(&task.gold_patch)
            .map_err(|error| format!("`patch` makes the bug and cannot be reversed: {error}"))?;
    }
    task.fail_to_pass = test_list::decode("FAIL_TO_PASS", row.get("FAIL_TO_PASS"), false);
    task.pass_to_pass = test_list::decode("PASS_TO_PASS", row.get("PASS_TO_PASS"), true);
    Ok(task)
}

/// The files that a row holds: an object of paths and texts.
fn files(row: &Map<String, Value>) -> Result<inline::Files, String> {
    let files = match row.get("files") {
        None | Some(Value::Null) => return Ok(inline::Files::new()),
        Some(Value::Object(files)) => files,
        Some(other) => {
            return Err(format!(
                "`files` is {}, not an object of paths and texts",
                kind(other)
            ));
        }
    };
    let one = |(path, text): (&String, &Value)| {
        if !inline::is_plain(path) {
            return Err(format!(
                "`files` names `{}`, which is no plain relative path",
                path.escape_debug()
            ));
        }
        let text = text
            .as_str()
            .ok_or_else(|| format!("`files`: the text of `{path}` is {}", kind(text)))?;
        Ok((path.clone(), text.to_owned()))
    };
    files.iter().map(one).collect()
}

/// A text that must be there and not empty.
pub(super) fn required(row: &Map<String, Value>, name: &str) -> Result<String, String> {
    match optional(row, name)? {
        Some(text) if !text.is_empty() => Ok(text),
        Some(_) => Err(format!("`{name}` is empty")),
        None => Err(format!("`{name}` is missing")),
    }
}

/// A text, if it is there; null is absence.
pub(super) fn optional(row: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match row.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(n)) if name == "version" => Err(format!(
            "`version` is the number {n}, not a string: 1.10 could not be told from 1.1"
        )),
        Some(other) => Err(format!("`{name}` is {}, not a string", kind(other))),
    }
}

fn first_of(row: &Map<String, Value>, names: &[&str]) -> Result<Option<String>, String> {
    for name in names {
        if let Some(text) = optional(row, name)?.filter(|text| !text.is_empty()) {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// A full commit id.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
