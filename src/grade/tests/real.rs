//! Real logs of SWE-smith's repository (`tests/test_logs/run_evaluation`), where they are: `SPOTTER_REAL_DATA` names a
//! folder with `swe-smith/<name>/{test_output.txt,report.json}`.

use std::path::PathBuf;

use serde_json::Value;

use super::task;
use crate::grade::{Flag, Grading, Group, RuleSet, Verdict, regrade};
use crate::task::{Family, Task, TestList};

struct Sample {
    log: String,
    report: Value,
    task: Task,
}

fn sample(name: &str) -> Sample {
    let root = PathBuf::from(std::env::var("SPOTTER_REAL_DATA").expect("SPOTTER_REAL_DATA is set"));
    let folder = root.join("swe-smith").join(name);
    let log = std::fs::read_to_string(folder.join("test_output.txt")).unwrap();
    let report = std::fs::read_to_string(folder.join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let mut task = task(Family::SweSmith, "swesmith/pandas-dev__pandas.95280573");
    task.fail_to_pass = TestList::Known(listed(&report, "FAIL_TO_PASS", &["success", "failure"]));
    task.pass_to_pass = TestList::Known(listed(&report, "PASS_TO_PASS", &["success", "failure"]));
    Sample { log, report, task }
}

fn listed(report: &Value, group: &str, ways: &[&str]) -> Vec<String> {
    let all = ways.iter().flat_map(|way| {
        let list = report.pointer(&format!("/tests_status/{group}/{way}"));
        list.and_then(Value::as_array).cloned().unwrap_or_default()
    });
    all.filter_map(|id| Some(id.as_str()?.to_owned())).collect()
}

fn passed(grading: &Grading, group: Group) -> Vec<String> {
    let of = grading
        .tests
        .iter()
        .filter(|t| t.group == group && t.passed);
    of.map(|t| t.id.clone()).collect()
}

#[test]
#[ignore = "needs SPOTTER_REAL_DATA"]
fn our_verdicts_are_those_of_the_reports() {
    for (name, resolved, names) in [
        ("moto_pr_7331", true, 210),
        ("pandas_pr_53652", true, 11),
        ("pandas_pr_53856", false, 1482),
    ] {
        let Sample { log, report, task } = sample(name);
        let grading = regrade(&log, &task, RuleSet::SweSmith).unwrap();
        assert_eq!(report.get("resolved"), Some(&Value::Bool(resolved)));
        assert_eq!(grading.verdict == Verdict::Resolved, resolved, "{name}");
        assert_eq!(grading.names, names, "{name}");
        for (group, key) in [
            (Group::FailToPass, "FAIL_TO_PASS"),
            (Group::PassToPass, "PASS_TO_PASS"),
        ] {
            assert_eq!(
                passed(&grading, group),
                listed(&report, key, &["success"]),
                "{name} {key}"
            );
        }
        assert!(grading.flags.contains(&Flag::ForeignLog));
        assert!(
            !grading
                .flags
                .iter()
                .any(|f| matches!(f, Flag::PassedByAbsence { .. })),
            "{name}"
        );
        assert!(grading.evidence.suite_ran);
    }
}

#[test]
#[ignore = "needs SPOTTER_REAL_DATA"]
fn the_log_with_conflicting_lines_has_the_counts_that_were_measured() {
    let Sample { log, task, .. } = sample("pandas_pr_53856");
    let grading = regrade(&log, &task, RuleSet::SweGym).unwrap();
    assert_eq!(grading.names, 759);
    let conflicting = grading.flags.iter().find_map(|flag| match flag {
        Flag::Conflicting { count, .. } => Some(*count),
        _ => None,
    });
    assert_eq!(conflicting, Some(646));
    assert_eq!(grading.verdict, Verdict::Unresolved);
    // The fork's parser finds nothing in `-v` logs.
    for name in ["moto_pr_7331", "pandas_pr_53652"] {
        let Sample { log, task, .. } = sample(name);
        assert_eq!(
            regrade(&log, &task, RuleSet::SweGym).unwrap().names,
            0,
            "{name}"
        );
    }
}
