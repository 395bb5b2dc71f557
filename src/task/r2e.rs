//! R2E-Gym rows: a commit taken apart into JSON instead of a patch, expected statuses instead of test lists.
//!
//! There is no `instance_id`; the image's name is the key. `commit_hash` is the commit that *solves* the task, so it is
//! never taken as the base: the image holds the base, and `old_commit_hash` names it where it is a full id.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::row::{is_commit, optional, required};
use super::{Family, Task, TestList};

#[derive(Deserialize)]
struct Commit {
    file_diffs: Vec<FileDiff>,
    #[serde(default)]
    old_commit_hash: Option<String>,
}

#[derive(Deserialize)]
struct FileDiff {
    header: Header,
    #[serde(default)]
    is_binary_file: bool,
    #[serde(default)]
    minus_file: Option<Named>,
    #[serde(default)]
    plus_file: Option<Named>,
    #[serde(default)]
    hunks: Vec<Hunk>,
}

#[derive(Deserialize)]
struct Header {
    file: Named,
    #[serde(default)]
    misc_line: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    path: String,
}

#[derive(Deserialize)]
struct Hunk {
    descriptor: Descriptor,
    line_group: LineGroup,
}

#[derive(Deserialize)]
struct Descriptor {
    old_range: Range,
    new_range: Range,
    #[serde(default)]
    section: Option<String>,
}

#[derive(Deserialize)]
struct Range {
    start: u64,
    #[serde(default)]
    length: Option<u64>,
}

#[derive(Deserialize)]
struct LineGroup {
    all_lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    content: String,
    #[serde(rename = "type")]
    kind: String,
}

pub(super) fn task(row: &Map<String, Value>) -> Result<Task, String> {
    let image = required(row, "docker_image")?;
    let id = match optional(row, "instance_id")? {
        Some(id) if !id.is_empty() => id,
        _ => image.clone(),
    };
    let repo = match optional(row, "repo")? {
        Some(repo) if !repo.is_empty() => repo,
        _ => required(row, "repo_name")?,
    };
    let mut task = Task::named(&id, &repo, Family::R2e);
    task.image = Some(image);
    task.problem_statement = optional(row, "problem_statement")?.unwrap_or_default();
    task.expected_output = Some(expected(row)?);
    let why = "R2E-Gym rows hold expected statuses instead";
    task.fail_to_pass = TestList::Unknown(format!("FAIL_TO_PASS is missing: {why}"));
    task.pass_to_pass = TestList::Unknown(format!("PASS_TO_PASS is missing: {why}"));
    let commit: Commit = serde_json::from_str(&required(row, "parsed_commit_content")?)
        .map_err(|error| format!("`parsed_commit_content` is no commit in JSON: {error}"))?;
    task.base_commit = commit
        .old_commit_hash
        .iter()
        .find(|hash| is_commit(hash))
        .cloned()
        .unwrap_or_default();
    for file in &commit.file_diffs {
        let text = patch_of(file)?;
        if is_test(&file.header.file.path) {
            task.test_patch.push_str(&text);
        } else {
            task.gold_patch.push_str(&text);
        }
    }
    Ok(task)
}

fn expected(row: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let unreadable = |why: String| format!("`expected_output_json` is no JSON object: {why}");
    match row.get("expected_output_json") {
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(Value::String(text)) => {
            serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))
        }
        Some(_) => Err(unreadable("it has another type".to_owned())),
        None => Err("`expected_output_json` is missing".to_owned()),
    }
}

/// Files whose path names a test belong to the tests, as the dataset's makers split them.
fn is_test(path: &str) -> bool {
    path.split('/').any(|part| {
        matches!(part, "test" | "tests" | "testing" | "e2e")
            || part.starts_with("test_")
            || part.ends_with("_test.py")
    })
}

/// A git diff of one file from its parts.
fn patch_of(file: &FileDiff) -> Result<String, String> {
    let path = &file.header.file.path;
    if file.is_binary_file {
        return Ok(String::new());
    }
    let misc = file
        .header
        .misc_line
        .as_deref()
        .map(str::trim_end)
        .unwrap_or_default();
    let old = file
        .minus_file
        .as_ref()
        .map_or_else(|| format!("a/{path}"), |named| named.path.clone());
    let new = file
        .plus_file
        .as_ref()
        .map_or_else(|| format!("b/{path}"), |named| named.path.clone());
    let mut out = format!("diff --git a/{path} b/{path}\n");
    if !misc.is_empty() {
        out.push_str(misc);
        out.push('\n');
    } else if old == "/dev/null" {
        out.push_str("new file mode 100644\n");
    } else if new == "/dev/null" {
        out.push_str("deleted file mode 100644\n");
    }
    if file.hunks.is_empty() {
        return Ok(out);
    }
    // Writing to a String cannot fail.
    let _ = write!(out, "--- {old}\n+++ {new}\n");
    for hunk in &file.hunks {
        let part = &hunk.descriptor;
        let range = |range: &Range| format!("{},{}", range.start, range.length.unwrap_or(1));
        let (old, new) = (range(&part.old_range), range(&part.new_range));
        let section = part.section.as_deref().map(str::trim).unwrap_or_default();
        let space = if section.is_empty() { "" } else { " " };
        let _ = writeln!(out, "@@ -{old} +{new} @@{space}{section}");
        for line in &hunk.line_group.all_lines {
            match line.kind.as_str() {
                "context" => out.push(' '),
                "added" => out.push('+'),
                "deleted" => out.push('-'),
                "note" => out.push_str("\\ "),
                other => {
                    return Err(format!(
                        "`parsed_commit_content` has a line of unknown type `{other}` in {path}"
                    ));
                }
            }
            out.push_str(&line.content);
            out.push('\n');
        }
    }
    Ok(out)
}
