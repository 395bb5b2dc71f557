//! A proven program as a row in SWE-Gym's format, with its files inside.
//!
//! Beside the module there are two files: `check.py`, a script with a few known answers, the reported one among them, for whoever
//! works on the task; and `test_MODULE.py`, unittest cases for what passes already. The row's test patch adds the cases that must come
//! to pass, with arguments that stand in no other file but for the reported ones: to learn `check.py` by heart solves nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::issue;
use super::program::Program;
use super::prove::{Case, Proof};
use super::random::Random;
use super::{Fault, Split};
use crate::task::inline;
use crate::text::diff;

/// Most tests that must come to pass.
const FAILING: usize = 4;
/// Most tests that must keep passing.
const PASSING: usize = 6;
/// Known answers in `check.py` beside the reported one.
const KNOWN: usize = 5;

/// What a row is of.
pub(super) struct Label {
    pub(super) seed: u64,
    pub(super) number: u64,
    pub(super) split: Split,
    pub(super) level: u8,
    pub(super) fault: Fault,
}

/// The row; none where a docstring says otherwise than a test. `random` chooses the issue's words.
pub(super) fn row(
    label: &Label,
    program: &Program,
    proof: &Proof,
    random: &mut Random,
) -> Option<Value> {
    let module = program.reported_module();
    let tests = format!("test_{module}.py");
    let failing: Vec<&Case> = proof.failing.iter().take(FAILING).collect();
    let passing: Vec<&Case> = spread(&proof.passing, PASSING);
    if failing.iter().chain(&passing).any(|case| case.disputed) {
        return None;
    }
    let test_file = test_file(module, &passing, &[]);
    let tests_after = self::test_file(module, &passing, &failing);

    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for (name, source) in program.sources(true) {
        files.insert(format!("{name}.py"), source);
    }
    files.insert("check.py".into(), check_file(module, &failing, &passing));
    files.insert(tests.clone(), test_file.clone());
    let faulty = format!("{}.py", program.faulty_module());
    let fixed = program
        .sources(false)
        .into_iter()
        .find(|(name, _)| name == program.faulty_module());
    let fixed = fixed.map(|(_, source)| source).unwrap_or_default();
    let before = files.get(&faulty).cloned().unwrap_or_default();

    let ids = |prefix: &str, count: usize| -> Vec<String> {
        (1..=count)
            .map(|n| format!("test_{module}.Tests.test_{prefix}_{n}"))
            .collect()
    };
    let function = failing
        .first()
        .map_or("", |case| case.call.split('(').next().unwrap_or_default());
    let issue = failing
        .first()
        .map_or_else(String::new, |case| issue::write(random, function, case));
    let decoys: Vec<Value> = proof
        .decoys
        .iter()
        .map(|decoy| json!({"module": program.module_of(decoy), "line": decoy.line, "text": decoy.text.trim_start()}))
        .collect();
    let letter = label.split.name().get(..1).unwrap_or_default();
    Some(json!({
        "instance_id": format!("gym__l{}-{}-{letter}{}-{:05}", label.level, label.fault.name(), label.seed, label.number),
        "repo": "spotter/gym",
        "base_commit": inline::commit_of(&files, "1"),
        "version": "1",
        "problem_statement": issue,
        "hints_text": "",
        "created_at": "2026-01-01T00:00:00Z",
        "patch": diff::compare(&faulty, Some(&before), Some(&fixed)).patch(),
        "test_patch": diff::compare(&tests, Some(&test_file), Some(&tests_after)).patch(),
        "FAIL_TO_PASS": ids("reported", failing.len()),
        "PASS_TO_PASS": ids("known", passing.len()),
        "difficulty": format!("level {}", label.level),
        "split": label.split.name(),
        "files": files,
        "gym": {"fault": label.fault.name(), "level": label.level, "module": program.faulty_module(), "reported": module, "decoys": decoys},
    }))
}

/// Some of the cases, from all over the list.
fn spread(cases: &[Case], most: usize) -> Vec<&Case> {
    let every = cases.len().div_ceil(most).max(1);
    cases.iter().step_by(every).take(most).collect()
}

fn test_file(module: &str, known: &[&Case], reported: &[&Case]) -> String {
    let mut out =
        format!("import unittest\n\nimport {module}\n\n\nclass Tests(unittest.TestCase):\n");
    let named = |prefix: &'static str| {
        move |(number, case): (usize, &&Case)| (prefix, number + 1, (*case).clone())
    };
    let cases = known
        .iter()
        .enumerate()
        .map(named("known"))
        .chain(reported.iter().enumerate().map(named("reported")));
    for (at, (prefix, number, case)) in cases.enumerate() {
        if at > 0 {
            out.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "    def test_{prefix}_{number}(self):\n        self.assertEqual({}, {})",
            case.call, case.expected
        );
    }
    out
}

/// The script: silent about what holds, one line about the first thing that does not.
fn check_file(module: &str, failing: &[&Case], passing: &[&Case]) -> String {
    let mut cases: Vec<&Case> = failing.iter().take(1).copied().collect();
    cases.extend(passing.iter().take(KNOWN));
    let mut out = String::from("CASES = [\n");
    for case in cases {
        let _ = writeln!(
            out,
            "    (\"{}\", {}),",
            case.call.replace('\\', "\\\\").replace('"', "\\\""),
            case.expected
        );
    }
    let _ = write!(
        out,
        "]\n\n\ndef check():\n    try:\n        import {module}\n    except Exception as error:\n        return \"error: %s: %s\" % (type(error).__name__, error)\n    \
         names = {{\"{module}\": {module}}}\n    for call, expected in CASES:\n        try:\n            got = repr(eval(call, names))\n        \
         except Exception as error:\n            got = type(error).__name__ + \": \" + str(error)\n        \
         if got != repr(expected):\n            return \"failed: %s gave %s, expected %r\" % (call, got[:80], expected)\n\n\n\
         wrong = check()\nprint(wrong or \"all %d passed\" % len(CASES))\nraise SystemExit(1 if wrong else 0)\n"
    );
    out
}
