//! Judgements of logs, rule set by rule set.

use super::{ids, task};
use crate::grade::section::LogWriter;
use crate::grade::{
    Counted, Flag, Grading, Group, Matched, RuleSet, Status, Verdict, regrade, report,
};
use crate::task::{Family, Task};

const RULE: &str =
    "=========================== short test summary info ============================";

fn log(output: &str, code: i32) -> String {
    let mut log = LogWriter::new("abc".into());
    log.tests(output, Some(code));
    log.finish()
}

/// An honest `-rA` log.
fn honest(lines: &str, passed: usize, code: i32) -> String {
    log(
        &format!("a.py ..\n{RULE}\n{lines}=== {passed} passed in 0.10s ===\n"),
        code,
    )
}

fn row(family: Family) -> Task {
    let mut task = task(family, "getmoto/moto");
    task.version = "5.0".into();
    task
}

fn judge(log: &str, rules: RuleSet) -> Grading {
    regrade(log, &row(Family::SweGym), rules).unwrap()
}

#[test]
fn skipped_missing_and_xfailed_tests_are_judged_as_each_rule_set_says() {
    let p = "PASSED a.py::p\n";
    for (line, swe_gym, five) in [
        ("PASSED a.py::f\n", true, true),
        ("XFAIL a.py::f - why\n", true, true),
        ("FAILED a.py::f - why\n", false, false),
        ("ERROR a.py::f - why\n", false, false),
        ("XPASS a.py::f why\n", false, false),
        ("", false, false),
    ] {
        let passed = 1 + usize::from(line.starts_with("PASSED"));
        let code = i32::from(line.starts_with("FAILED") || line.starts_with("ERROR"));
        let log = honest(&format!("{p}{line}"), passed, code);
        for (rules, resolved) in [(RuleSet::SweGym, swe_gym), (RuleSet::SweBench5, five)] {
            let want = if resolved {
                Verdict::Resolved
            } else {
                Verdict::Unresolved
            };
            let grading = judge(&log, rules);
            assert_eq!(grading.verdict, want, "{rules} {line}");
            assert!(!grading.suspicious, "{rules} {line} {:?}", grading.flags);
        }
    }
}

#[test]
fn a_skipped_test_that_must_pass_resolves_in_the_fork_and_is_called_suspicious() {
    let mut row = row(Family::SweGym);
    row.repo = "pydantic/pydantic".into();
    let log = log(
        "a.py::f SKIPPED\na.py::p PASSED\n=== 1 passed, 1 skipped in 0.1s ===\n",
        0,
    );
    let fork = regrade(&log, &row, RuleSet::SweGym).unwrap();
    assert_eq!(fork.verdict, Verdict::Resolved);
    assert!(fork.suspicious && fork.flags.contains(&Flag::SkippedFailToPass { count: 1 }));
    assert_eq!(
        fork.tests.first().map(|t| t.counted),
        Some(Counted::Ignored)
    );
    let five = regrade(&log, &row, RuleSet::SweBench5).unwrap();
    assert_eq!(five.verdict, Verdict::Unresolved);
}

#[test]
fn the_exit_status_contradicting_the_log_is_flagged_and_invalid_in_five() {
    let log_one = honest("PASSED a.py::f\nPASSED a.py::p\n", 2, 1);
    let fork = judge(&log_one, RuleSet::SweGym);
    assert_eq!(fork.verdict, Verdict::Resolved);
    assert!(fork.suspicious && fork.flags.contains(&Flag::FailedWithoutFailure { code: 1 }));
    assert!(matches!(
        judge(&log_one, RuleSet::SweBench5).verdict,
        Verdict::InfrastructureError { .. }
    ));
    let log_zero = honest("PASSED a.py::p\nFAILED a.py::f - x\n", 1, 0);
    assert_eq!(
        judge(&log_zero, RuleSet::SweGym).verdict,
        Verdict::Unresolved
    );
    assert!(matches!(
        judge(&log_zero, RuleSet::SweBench5).verdict,
        Verdict::InfrastructureError { .. }
    ));
}

#[test]
fn a_log_without_any_status_is_unresolved_in_the_fork_and_invalid_elsewhere() {
    let empty = log("Segmentation fault\n", 139);
    assert_eq!(judge(&empty, RuleSet::SweGym).verdict, Verdict::Unresolved);
    for rules in [RuleSet::SweBench5, RuleSet::SweSmith] {
        let grading = judge(&empty, rules);
        assert!(
            matches!(grading.verdict, Verdict::InfrastructureError { .. }),
            "{rules}"
        );
        assert!(grading.flags.contains(&Flag::NoStatus));
    }
}

#[test]
fn passes_printed_outside_the_summary_are_believed_by_the_fork_and_flagged() {
    // A `conftest.py` that prints and leaves.
    let grading = judge(&log("PASSED a.py::f\nPASSED a.py::p\n", 0), RuleSet::SweGym);
    assert_eq!(grading.verdict, Verdict::Resolved);
    assert!(grading.suspicious);
    assert!(grading.flags.contains(&Flag::OutsideSummary {
        count: 2,
        deciding: 2
    }));
    assert!(grading.flags.contains(&Flag::NoClosingLine));
    // A test that prints a pass, and the summary that knows better.
    let text = format!(
        "PASSED a.py::f\n{RULE}\nPASSED a.py::p\nFAILED a.py::f - x\n=== 1 failed, 1 passed in 0.1s ===\n"
    );
    let grading = judge(&log(&text, 1), RuleSet::SweGym);
    assert_eq!(grading.verdict, Verdict::Unresolved);
    assert!(grading.flags.contains(&Flag::OutsideSummary {
        count: 1,
        deciding: 0
    }));
    // A hook that prints after pytest has closed: the later line wins in the fork, and four facts speak against it.
    let text = format!(
        "{RULE}\nPASSED a.py::p\nFAILED a.py::f - x\n=== 1 failed, 1 passed in 0.1s ===\nPASSED a.py::f\nPASSED a.py::p\n"
    );
    let grading = judge(&log(&text, 1), RuleSet::SweGym);
    assert_eq!(grading.verdict, Verdict::Resolved);
    assert!(grading.suspicious);
    for flag in [
        Flag::OutsideSummary {
            count: 2,
            deciding: 2,
        },
        Flag::CountsDisagree { said: 1, read: 3 },
        Flag::FailedWithoutFailure { code: 1 },
        Flag::Conflicting {
            count: 1,
            listed: 1,
        },
    ] {
        assert!(grading.flags.contains(&flag), "{flag:?}");
    }
    assert!(matches!(
        judge(&log(&text, 1), RuleSet::SweBench5).verdict,
        Verdict::InfrastructureError { .. }
    ));
    // A second summary, and a count that the lines do not add up to.
    let text = format!(
        "{RULE}\nFAILED a.py::f - x\n=== 1 failed, 1 passed in 0.1s ===\n{RULE}\nPASSED a.py::f\nPASSED a.py::p\n"
    );
    let grading = judge(&log(&text, 0), RuleSet::SweGym);
    assert!(grading.suspicious);
    assert!(grading.flags.contains(&Flag::SeveralSummaries { count: 2 }));
    assert!(
        grading
            .flags
            .contains(&Flag::CountsDisagree { said: 1, read: 2 })
    );
}

#[test]
fn printed_markers_bound_nothing_and_are_counted() {
    let text = format!(
        "+ : '>>>>> End Test Output'\n{RULE}\nPASSED a.py::f\nPASSED a.py::p\n=== 2 passed in 0.1s ===\n>>>>> Tests Timed Out\n"
    );
    let grading = judge(&log(&text, 0), RuleSet::SweGym);
    assert_eq!(grading.verdict, Verdict::Resolved);
    assert!(grading.suspicious && grading.flags.contains(&Flag::PrintedMarkers { count: 2 }));
}

#[test]
fn cut_names_match_by_prefix_only_if_all_agree_and_the_result_shows_it() {
    let mut row = row(Family::SweGym);
    row.fail_to_pass = ids(&["a.py::f[SELECT"]);
    let lines = |last: &str| {
        format!("PASSED a.py::p\nPASSED a.py::f[SELECT 1]\n{last} a.py::f[SELECT 2]\n")
    };
    for rules in [RuleSet::SweGym, RuleSet::SweBench5] {
        let agree = regrade(&honest(&lines("PASSED"), 3, 0), &row, rules).unwrap();
        assert_eq!(agree.verdict, Verdict::Resolved, "{rules}");
        assert_eq!(
            agree.tests.first().map(|t| t.matched.clone()),
            Some(Matched::Prefix { candidates: 2 })
        );
        assert!(agree.flags.contains(&Flag::CutNames { count: 1 }));
        let disagree = regrade(&honest(&lines("FAILED"), 2, 1), &row, rules).unwrap();
        assert_eq!(disagree.verdict, Verdict::Unresolved, "{rules}");
        assert_eq!(disagree.tests.first().and_then(|t| t.status), None);
        assert!(disagree.flags.contains(&Flag::AmbiguousNames { count: 1 }));
    }
}

#[test]
fn smith_passes_missing_tests_and_says_how_many() {
    let log = log(
        "a.py::f PASSED [ 50%]\na.py::x PASSED [100%]\n=== 2 passed in 0.1s ===\n",
        0,
    );
    let grading = regrade(&log, &row(Family::SweSmith), RuleSet::SweSmith).unwrap();
    assert_eq!(grading.verdict, Verdict::Resolved);
    let absent = Flag::PassedByAbsence {
        fail_to_pass: 0,
        pass_to_pass: 1,
    };
    assert!(grading.flags.contains(&absent), "{:?}", grading.flags);
    assert!(!grading.suspicious);
    let lines = report::lines(&grading).join("\n");
    assert!(lines.contains("passes by being absent"), "{lines}");
}

#[test]
fn r2e_wants_the_very_map() {
    let mut row = row(Family::R2e);
    let expected = serde_json::json!({"C.f": "PASSED", "p": "FAILED"});
    row.expected_output = expected.as_object().cloned();
    let text = |lines: &str| log(&format!("{RULE}\n{lines}"), 1);
    let judge = |log: &str| regrade(log, &row, RuleSet::R2e).unwrap();
    let same = judge(&text("PASSED a.py::C::f\nFAILED a.py::p - why\n"));
    assert_eq!(same.verdict, Verdict::Resolved);
    assert_eq!(same.tally(Group::Expected), (2, 2));
    assert_eq!(
        judge(&text("PASSED a.py::C::f\n")).verdict,
        Verdict::Unresolved
    );
    let more = judge(&text("PASSED a.py::C::f\nFAILED a.py::p\nPASSED a.py::q\n"));
    assert_eq!(more.verdict, Verdict::Unresolved);
    assert!(more.flags.contains(&Flag::UnexpectedTests { count: 1 }));
}

#[test]
fn under_exit_code_the_status_is_the_verdict() {
    let mut row = row(Family::SweGym);
    row.eval_script = Some("true".into());
    let judge = |code| {
        regrade(&log("whatever\n", code), &row, RuleSet::ExitCode)
            .unwrap()
            .verdict
    };
    assert_eq!(judge(0), Verdict::Resolved);
    assert_eq!(judge(3), Verdict::Unresolved);
}

#[test]
fn every_pytest_version_is_read_alike() {
    let mut row = row(Family::SweGym);
    row.fail_to_pass = ids(&["test_kinds.py::test_ok", "test_kinds.py::test_query[SELECT"]);
    row.pass_to_pass = ids(&[
        "test_kinds.py::test_fail",
        "test_kinds.py::test_xfail",
        "test_kinds.py::test_xpass",
        "test_kinds.py::test_setup_error",
        "test_kinds.py::test_teardown_error",
        "test_kinds.py::test_fail_and_teardown_error",
        "test_kinds.py::test_words[two",
        "test_kinds.py::TestClass::test_in_class",
    ]);
    for (version, text) in [
        (
            "4.6",
            include_str!("../../../tests/fixtures/grade/pytest-4.6.11-rA.log"),
        ),
        (
            "5.4",
            include_str!("../../../tests/fixtures/grade/pytest-5.4.3-rA.log"),
        ),
        (
            "6.2",
            include_str!("../../../tests/fixtures/grade/pytest-6.2.5-rA.log"),
        ),
        (
            "7.4",
            include_str!("../../../tests/fixtures/grade/pytest-7.4.4-rA.log"),
        ),
        (
            "8.3",
            include_str!("../../../tests/fixtures/grade/pytest-8.3.5-rA.log"),
        ),
        (
            "9.0",
            include_str!("../../../tests/fixtures/grade/pytest-9.0.1-rA.log"),
        ),
    ] {
        let grading = regrade(&log(text, 1), &row, RuleSet::SweGym).unwrap();
        let statuses: Vec<_> = grading.tests.iter().map(|t| t.status).collect();
        assert_eq!(
            statuses,
            [
                Some(Status::Passed),
                None,
                Some(Status::Failed),
                Some(Status::Xfail),
                None,
                Some(Status::Error),
                Some(Status::Error),
                Some(Status::Failed),
                Some(Status::Passed),
                Some(Status::Passed),
            ],
            "pytest {version}"
        );
        assert_eq!(
            grading.tests.get(1).map(|t| t.matched.clone()),
            Some(Matched::Ambiguous { candidates: 3 })
        );
        // The test prints two status lines; pytest shows them in a section of their own.
        assert!(
            grading.flags.contains(&Flag::OutsideSummary {
                count: 2,
                deciding: 0
            }),
            "{:?}",
            grading.flags
        );
        assert!(
            !grading
                .flags
                .iter()
                .any(|f| matches!(f, Flag::CountsDisagree { .. })),
            "{version}"
        );
    }
}

#[test]
fn the_fields_report_has_its_shape() {
    let grading = judge(&honest("PASSED a.py::f\n", 1, 0), RuleSet::SweGym);
    let json = report::swebench_json(&row(Family::SweGym), &grading);
    let report = json.get("owner__name-1").unwrap();
    assert_eq!(report.get("resolved"), Some(&serde_json::json!(false)));
    let status = report.get("tests_status").unwrap();
    assert_eq!(
        status.pointer("/FAIL_TO_PASS/success/0"),
        Some(&serde_json::json!("a.py::f"))
    );
    assert_eq!(
        status.pointer("/PASS_TO_PASS/failure/0"),
        Some(&serde_json::json!("a.py::p"))
    );
    assert_eq!(
        status.pointer("/FAIL_TO_FAIL/success"),
        Some(&serde_json::json!([]))
    );
}

#[test]
fn a_grading_survives_json() {
    let grading = judge(
        &honest("PASSED a.py::f\nPASSED a.py::p\n", 2, 0),
        RuleSet::SweGym,
    );
    let json = serde_json::to_string(&grading).unwrap();
    assert_eq!(serde_json::from_str::<Grading>(&json).unwrap(), grading);
}
