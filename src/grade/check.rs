//! Is a task itself sound? Its gold patch must resolve it, and without any patch exactly the `FAIL_TO_PASS` tests must not
//! pass; both several times over, because a test that changes its mind makes every verdict on the task a matter of luck.
//!
//! Only the judgement is here: gradings in, [`Check`] out. Who runs them, how often, and where a check is kept is for the
//! caller. A check speaks for one hash of the task and one rule set.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Verdict;
use super::grading::Grading;
use super::rules::{Group, RuleSet};
use super::status::Status;
use crate::task::Task;

/// What a check's run was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckedPatch {
    /// The row's gold patch.
    Gold,
    /// No patch at all: [`super::grade_unpatched`].
    Empty,
}

/// One test of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedTest {
    /// As the row spells it.
    pub id: String,
    /// Its list.
    pub group: Group,
    /// What the log said.
    pub status: Option<Status>,
    /// It counted as passed.
    pub passed: bool,
}

/// One run of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckRun {
    /// With which patch.
    pub patch: CheckedPatch,
    /// What grading said.
    pub verdict: Verdict,
    /// Every listed test.
    pub tests: Vec<CheckedTest>,
    /// Wall time.
    pub seconds: f64,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "check")]
pub enum CheckVerdict {
    /// Gold resolves it and nothing else does, each time.
    Sound,
    /// It cannot tell a good patch from none.
    Broken {
        /// Why.
        why: String,
    },
    /// These tests did not say the same each time.
    Flaky {
        /// Their ids.
        tests: Vec<String>,
    },
}

/// A task's check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Hash of the task as it was.
    pub task_hash: String,
    /// Rule set.
    pub rules: RuleSet,
    /// The runs, in order.
    pub runs: Vec<CheckRun>,
    /// What they add up to.
    pub verdict: CheckVerdict,
}

impl CheckRun {
    /// What a check keeps of a grading.
    #[must_use]
    pub fn new(patch: CheckedPatch, grading: &Grading) -> Self {
        let tests = grading.tests.iter().map(|test| CheckedTest {
            id: test.id.clone(),
            group: test.group,
            status: test.status,
            passed: test.passed,
        });
        Self {
            patch,
            verdict: grading.verdict.clone(),
            tests: tests.collect(),
            seconds: grading.seconds,
        }
    }
}

impl Check {
    /// Judge the runs.
    #[must_use]
    pub fn new(task: &Task, rules: RuleSet, runs: Vec<CheckRun>) -> Self {
        Self {
            task_hash: task.hash.clone(),
            rules,
            verdict: judge(&runs),
            runs,
        }
    }
}

fn judge(runs: &[CheckRun]) -> CheckVerdict {
    let broken = |why: String| CheckVerdict::Broken { why };
    for patch in [CheckedPatch::Gold, CheckedPatch::Empty] {
        if !runs.iter().any(|run| run.patch == patch) {
            return broken(format!("there is no run with {}", name(patch)));
        }
    }
    // A run without a verdict on the patch says nothing of the tests, so it comes first.
    for (at, run) in runs.iter().enumerate() {
        if !matches!(run.verdict, Verdict::Resolved | Verdict::Unresolved) {
            return broken(format!(
                "run {} of {}, with {}: {}",
                at + 1,
                runs.len(),
                name(run.patch),
                super::report::sentence(&run.verdict)
            ));
        }
    }
    let flaky = flaky(runs);
    if !flaky.is_empty() {
        return CheckVerdict::Flaky { tests: flaky };
    }
    for run in runs {
        if let Some(why) = wrong(run) {
            return broken(why);
        }
    }
    CheckVerdict::Sound
}

fn name(patch: CheckedPatch) -> &'static str {
    match patch {
        CheckedPatch::Gold => "the gold patch",
        CheckedPatch::Empty => "no patch",
    }
}

/// Tests that passed in one run and not in another with the same patch.
fn flaky(runs: &[CheckRun]) -> Vec<String> {
    let mut said: BTreeMap<(CheckedPatch, &str), BTreeSet<bool>> = BTreeMap::new();
    for run in runs {
        for test in &run.tests {
            said.entry((run.patch, test.id.as_str()))
                .or_default()
                .insert(test.passed);
        }
    }
    let unsteady: BTreeSet<&str> = said
        .iter()
        .filter(|(_, ways)| ways.len() > 1)
        .map(|((_, id), _)| *id)
        .collect();
    unsteady.into_iter().map(str::to_owned).collect()
}

/// What one run shows to be wrong with the task.
fn wrong(run: &CheckRun) -> Option<String> {
    let of = |group: Group, passed: bool| -> Vec<&str> {
        let those = run
            .tests
            .iter()
            .filter(|t| t.group == group && t.passed == passed);
        those.map(|test| test.id.as_str()).collect()
    };
    let some = |ids: &[&str], what: &str| {
        let first = ids.first()?;
        let more = match ids.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        Some(format!("{what}: {first}{more}"))
    };
    match run.patch {
        CheckedPatch::Gold => some(
            &of(Group::FailToPass, false),
            "the gold patch does not make a FAIL_TO_PASS test pass",
        )
        .or_else(|| {
            some(
                &of(Group::PassToPass, false),
                "a PASS_TO_PASS test fails with the gold patch",
            )
        })
        .or_else(|| {
            (run.verdict != Verdict::Resolved)
                .then(|| "the gold patch does not resolve it".to_owned())
        }),
        CheckedPatch::Empty => some(
            &of(Group::FailToPass, true),
            "a FAIL_TO_PASS test passes without any patch",
        )
        .or_else(|| {
            some(
                &of(Group::PassToPass, false),
                "a PASS_TO_PASS test fails without any patch",
            )
        })
        .or_else(|| {
            (run.verdict == Verdict::Resolved)
                .then(|| "it is resolved without any patch".to_owned())
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(patch: CheckedPatch, verdict: Verdict, f2p: bool, p2p: bool) -> CheckRun {
        let test = |id: &str, group, passed| CheckedTest {
            id: id.into(),
            group,
            status: None,
            passed,
        };
        CheckRun {
            patch,
            verdict,
            tests: vec![
                test("f", Group::FailToPass, f2p),
                test("p", Group::PassToPass, p2p),
            ],
            seconds: 0.1,
        }
    }

    fn gold(f2p: bool, p2p: bool) -> CheckRun {
        let verdict = if f2p && p2p {
            Verdict::Resolved
        } else {
            Verdict::Unresolved
        };
        run(CheckedPatch::Gold, verdict, f2p, p2p)
    }

    fn empty(f2p: bool, p2p: bool) -> CheckRun {
        run(CheckedPatch::Empty, Verdict::Unresolved, f2p, p2p)
    }

    #[test]
    fn a_task_is_sound_if_gold_and_nothing_else_resolves_it_each_time() {
        let runs = [
            gold(true, true),
            empty(false, true),
            gold(true, true),
            empty(false, true),
        ];
        assert_eq!(judge(&runs), CheckVerdict::Sound);
    }

    #[test]
    fn a_task_is_broken_if_gold_fails_or_no_patch_passes() {
        for runs in [
            [gold(false, true), empty(false, true)],
            [gold(true, false), empty(false, true)],
            [gold(true, true), empty(true, true)],
            [gold(true, true), empty(false, false)],
        ] {
            assert!(
                matches!(judge(&runs), CheckVerdict::Broken { .. }),
                "{runs:?}"
            );
        }
        assert!(matches!(
            judge(&[gold(true, true)]),
            CheckVerdict::Broken { .. }
        ));
        let late = run(
            CheckedPatch::Gold,
            Verdict::TimedOut { seconds: 60 },
            false,
            false,
        );
        assert!(matches!(
            judge(&[late, empty(false, true)]),
            CheckVerdict::Broken { .. }
        ));
    }

    #[test]
    fn a_test_that_changes_its_mind_makes_the_task_flaky() {
        let runs = [gold(true, true), gold(true, false), empty(false, true)];
        assert_eq!(
            judge(&runs),
            CheckVerdict::Flaky {
                tests: vec!["p".into()]
            }
        );
    }
}
