//! A grading in words: plain text for a terminal or a file, and the field's `report.json`.
//!
//! Names of tests and words of git come from hostile text; whoever prints these lines makes control bytes visible.

use serde_json::{Value, json};

use super::Verdict;
pub use super::flag_words::flag_sentence;
use super::grading::{Grading, TestOutcome};
use super::rules::{Counted, Group};
use super::statuses::Matched;
use crate::task::Task;

/// One sign for each verdict.
#[must_use]
pub fn glyph(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Resolved => "✓",
        Verdict::Unresolved => "✗",
        Verdict::EmptyPatch => "∅",
        Verdict::PatchDoesNotApply { .. } => "⊘",
        Verdict::TimedOut { .. } => "◷",
        Verdict::InfrastructureError { .. } => "!",
        Verdict::NotGraded { .. } => "·",
    }
}

/// A verdict's name.
#[must_use]
pub fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Resolved => "resolved",
        Verdict::Unresolved => "unresolved",
        Verdict::EmptyPatch => "empty patch",
        Verdict::PatchDoesNotApply { .. } => "patch does not apply",
        Verdict::TimedOut { .. } => "timed out",
        Verdict::InfrastructureError { .. } => "infrastructure error",
        Verdict::NotGraded { .. } => "not graded",
    }
}

/// A verdict with its reason.
#[must_use]
pub fn sentence(verdict: &Verdict) -> String {
    let word = word(verdict);
    match verdict {
        Verdict::PatchDoesNotApply { why }
        | Verdict::InfrastructureError { why }
        | Verdict::NotGraded { why } => format!("{word}: {why}"),
        Verdict::TimedOut { seconds } => {
            format!("{word}: the tests did not end within {seconds} s")
        }
        Verdict::Resolved | Verdict::Unresolved | Verdict::EmptyPatch => word.to_owned(),
    }
}

/// `12 of 12 F2P, 300 of 301 P2P`.
#[must_use]
pub fn tally(grading: &Grading) -> String {
    let parts = [
        (Group::FailToPass, "F2P"),
        (Group::PassToPass, "P2P"),
        (Group::Expected, "expected"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter_map(|(group, name)| match grading.tally(group) {
            (_, 0) => None,
            (passed, all) => Some(format!("{passed} of {all} {name}")),
        })
        .collect();
    if parts.is_empty() {
        "no tests".to_owned()
    } else {
        parts.join(", ")
    }
}

/// Everything, failing tests first.
#[must_use]
pub fn lines(grading: &Grading) -> Vec<String> {
    let verdict = &grading.verdict;
    let mut head = format!("{} {}", glyph(verdict), sentence(verdict));
    if grading.suspicious {
        head.push_str(" (suspicious)");
    }
    let mut out = vec![head];
    let place = grading
        .sandbox
        .as_ref()
        .map_or("a stored log", |report| report.tier.as_str());
    let mut facts = vec![
        tally(grading),
        format!("rules {}", grading.rules),
        place.to_owned(),
    ];
    if grading.seconds > 0.0 {
        facts.push(format!("{:.1} s", grading.seconds));
    }
    if let Some(code) = grading.exit_code {
        facts.push(format!("exit status {code}"));
    }
    out.push(format!("  {}", facts.join(" · ")));
    for flag in &grading.flags {
        let sign = if flag.contradicts() { "!" } else { "·" };
        out.push(format!("  {sign} {}", flag_sentence(flag)));
    }
    let order = |test: &&TestOutcome| match test.counted {
        Counted::Fail => 0,
        Counted::Ignored => 1,
        Counted::Pass => 2,
    };
    let mut tests: Vec<&TestOutcome> = grading.tests.iter().collect();
    tests.sort_by_key(order);
    if !tests.is_empty() {
        out.push(String::new());
    }
    out.extend(tests.into_iter().map(test_line));
    out
}

fn test_line(test: &TestOutcome) -> String {
    let sign = match test.counted {
        Counted::Pass => "✓",
        Counted::Fail => "✗",
        Counted::Ignored => "·",
    };
    let group = match test.group {
        Group::FailToPass => "F2P",
        Group::PassToPass => "P2P",
        Group::Expected => "exp",
    };
    let status = test.status.map_or("missing", super::status::Status::word);
    let line = test.line.map_or_else(String::new, |line| line.to_string());
    let mut row = format!("  {sign} {group}  {status:<8} {line:>7}  {}", test.id);
    match &test.matched {
        Matched::Prefix { candidates } => {
            row.push_str(&format_count(
                " (cut name, stands for ",
                *candidates,
                "test)",
                "tests)",
            ));
        }
        Matched::Ambiguous { candidates } => {
            row.push_str(&format_count(
                " (cut name, ",
                *candidates,
                "test disagrees)",
                "tests disagree)",
            ));
        }
        Matched::Absent if test.passed => row.push_str(" (passes by being absent)"),
        Matched::Exact | Matched::Absent => {}
    }
    if test.conflicting {
        row.push_str(" (lines disagree)");
    }
    if let Some(expected) = test.expected.as_ref().filter(|_| !test.passed) {
        row.push_str(" (expected ");
        row.push_str(expected);
        row.push(')');
    }
    row
}

fn format_count(before: &str, count: usize, one: &str, many: &str) -> String {
    format!("{before}{count} {}", if count == 1 { one } else { many })
}

/// SWE-bench's `report.json` of one instance. Verdicts that its shape does not know (timed out, infrastructure error, not
/// graded) have no `tests_status`, as there; under `swe-gym` a missing patch has the fork's key `none`, not written here.
#[must_use]
pub fn swebench_json(task: &Task, grading: &Grading) -> Value {
    let ran = matches!(grading.verdict, Verdict::Resolved | Verdict::Unresolved);
    let exists = grading.verdict != Verdict::EmptyPatch;
    let mut report = json!({
        "patch_is_None": false,
        "patch_exists": exists,
        "patch_successfully_applied":
            exists && !matches!(grading.verdict, Verdict::PatchDoesNotApply { .. }),
        "resolved": grading.verdict == Verdict::Resolved,
    });
    if ran && let Some(map) = report.as_object_mut() {
        let list = |group: Group, counted: Counted| -> Vec<&str> {
            let of = grading.tests.iter();
            of.filter(|test| test.group == group && test.counted == counted)
                .map(|test| test.id.as_str())
                .collect()
        };
        let both = |group| {
            json!({
                "success": list(group, Counted::Pass),
                "failure": list(group, Counted::Fail),
            })
        };
        let none = json!({"success": [], "failure": []});
        map.insert(
            "tests_status".to_owned(),
            json!({
                "FAIL_TO_PASS": both(Group::FailToPass),
                "PASS_TO_PASS": both(Group::PassToPass),
                "FAIL_TO_FAIL": none.clone(),
                "PASS_TO_FAIL": none,
            }),
        );
    }
    if let Verdict::InfrastructureError { why } = &grading.verdict
        && let Some(map) = report.as_object_mut()
    {
        map.insert("infra_failure".to_owned(), json!(true));
        map.insert("infra_failure_reason".to_owned(), json!(why));
    }
    let mut out = serde_json::Map::new();
    out.insert(task.instance_id.clone(), report);
    Value::Object(out)
}
