//! Tests of the room as a whole: gradings in a folder of this machine, judgements of logs, and (where they are) real
//! logs of other harnesses.

mod host;
mod judging;
mod planning;
mod real;
mod running;

use crate::task::{Family, Task, TestList};

/// A task with nothing in it.
pub(super) fn task(family: Family, repo: &str) -> Task {
    Task {
        eval_type: None,
        instance_id: "owner__name-1".into(),
        repo: repo.into(),
        base_commit: "0".repeat(40),
        version: "1.0".into(),
        problem_statement: String::new(),
        hints_text: String::new(),
        created_at: String::new(),
        gold_patch: String::new(),
        test_patch: String::new(),
        fail_to_pass: TestList::Known(vec!["a.py::f".into()]),
        pass_to_pass: TestList::Known(vec!["a.py::p".into()]),
        family,
        image: None,
        eval_script: None,
        log_parser: None,
        expected_output: None,
        difficulty: None,
        split: None,
        files: std::collections::BTreeMap::new(),
        hash: "hash".into(),
        origin: "test:1".into(),
    }
}

pub(super) fn ids(list: &[&str]) -> TestList {
    TestList::Known(list.iter().map(|id| (*id).to_owned()).collect())
}
