//! A **task**: one SWE-Gym-style instance, read from any of the field's files.
//!
//! Rows differ by source in names, encodings and what they carry (`source`); past the reader they are all a [`Task`].
//! A malformed row is reported with file and line and skipped, never guessed. This room knows nothing of how a task
//! is run or graded.
//!
//! The way of a row: a [`source`] names files; [`load`](load()) finds the rows in them (JSONL, a JSON list or dict,
//! Parquet) with their places; `row` turns one row into a [`Task`] by its [`Family`]; equal rows are one, different rows with
//! the same id are a problem. [`sample`] holds the tasks that ship inside spotter, [`inline`] makes
//! the repository of a row that holds its own files, [`clone`] makes a repository that
//! knows nothing after the base commit, [`fields`] answers the filter language.

pub mod clone;
mod family;
pub mod fields;
mod hash;
pub mod inline;
mod json_document;
mod jsonl;
mod load;
mod numpy_list;
mod parquet_rows;
mod r2e;
mod row;
pub mod sample;
pub mod source;
mod test_list;
mod write_tree;

pub use load::{LoadError, Loaded, Problem, load};

use serde::{Deserialize, Serialize};

use crate::text::url::Url;

/// Which dataset's conventions a row follows. It decides the default rule set of grading and the image's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// SWE-Gym, SWE-Gym Lite and Raw.
    SweGym,
    /// SWE-bench, Lite, Verified, and 5.x rows that carry their own evaluation.
    SweBench,
    /// SWE-smith: `patch` makes the bug, the gold patch is its reverse.
    SweSmith,
    /// nebius SWE-rebench and SWE-bench-extra.
    Nebius,
    /// R2E-Gym: a map of expected statuses instead of test lists.
    R2e,
    /// Tasks that ship inside spotter, and others whose row holds its files.
    Sample,
}

/// The tests that decide, or why they cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestList {
    /// Test ids in the row's order.
    Known(Vec<String>),
    /// The field was missing, empty where it may not be, or unreadable; the text says which.
    Unknown(String),
}

impl TestList {
    /// The ids, or an empty slice where they are unknown.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        match self {
            Self::Known(ids) => ids,
            Self::Unknown(_) => &[],
        }
    }
}

/// One SWE-Gym-style task, as every later room sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// `owner__name-PR`, as the row spells it (tools differ in case; compare with [`Task::key`]).
    pub instance_id: String,
    /// `owner/name`.
    pub repo: String,
    /// 40 hex digits; empty where the row has none and the image holds the base (SWE-smith, R2E-Gym).
    pub base_commit: String,
    /// Key into the repository's specifications. A string: `"1.10"` is not `"1.1"`.
    pub version: String,
    /// Issue text, Markdown.
    pub problem_statement: String,
    /// Comments made before the fix; often empty.
    pub hints_text: String,
    /// As in the row.
    pub created_at: String,
    /// The patch that solves it (already reversed for SWE-smith rows). Always ends in a newline; `\r\n` is kept as read.
    pub gold_patch: String,
    /// The patch of test files only; empty where the row has none.
    pub test_patch: String,
    /// Tests that must go from failing to passing.
    pub fail_to_pass: TestList,
    /// Tests that must keep passing.
    pub pass_to_pass: TestList,
    /// Whose conventions the row follows.
    pub family: Family,
    /// Image named by the row itself (`image`, `image_name`, `docker_image`).
    pub image: Option<String>,
    /// The row's own evaluation script (SWE-bench 5.x, SkyRL subset).
    pub eval_script: Option<String>,
    /// The row's own log parser name (SWE-bench 5.x).
    pub log_parser: Option<String>,
    /// The row's own way of judging (SWE-bench 5.x): `pass_and_fail` or `fail_only`.
    #[serde(default)]
    pub eval_type: Option<String>,
    /// R2E-Gym: expected status by test.
    pub expected_output: Option<serde_json::Map<String, serde_json::Value>>,
    /// `difficulty`, where the row has one.
    pub difficulty: Option<String>,
    /// What it is for, where the row says: `train`, `validation`, `held-out`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// The files that it starts from, by path, where the row holds them ([`inline`]).
    #[serde(default, skip_serializing_if = "inline::Files::is_empty")]
    pub files: inline::Files,
    /// SHA-256 (hex) of everything above that decides a verdict; kept with every check and rollout.
    pub hash: String,
    /// Where it was read: file (or hub name) and line or row number, for messages.
    pub origin: String,
}

impl Task {
    /// Its base commit on the web. `None` for repositories that are not there under their own name.
    #[must_use]
    pub fn base_url(&self) -> Option<Url> {
        match self.family {
            Family::SweGym | Family::SweBench | Family::Nebius => {
                Url::of_commit(&self.repo, &self.base_commit)
            }
            Family::SweSmith | Family::R2e | Family::Sample => None,
        }
    }

    /// An otherwise empty task of this name, for rows and tests to fill in.
    #[must_use]
    pub fn named(instance_id: &str, repo: &str, family: Family) -> Self {
        Self {
            instance_id: instance_id.to_owned(),
            repo: repo.to_owned(),
            base_commit: String::new(),
            version: String::new(),
            problem_statement: String::new(),
            hints_text: String::new(),
            created_at: String::new(),
            gold_patch: String::new(),
            test_patch: String::new(),
            fail_to_pass: TestList::Unknown("FAIL_TO_PASS is missing".to_owned()),
            pass_to_pass: TestList::Unknown("PASS_TO_PASS is missing".to_owned()),
            family,
            image: None,
            eval_script: None,
            log_parser: None,
            eval_type: None,
            expected_output: None,
            difficulty: None,
            split: None,
            files: inline::Files::new(),
            hash: String::new(),
            origin: String::new(),
        }
    }

    /// The instance id folded for comparison: tools differ in case (`Project-MONAI` / `project-monai`).
    #[must_use]
    pub fn key(&self) -> String {
        self.instance_id.to_lowercase()
    }
}
