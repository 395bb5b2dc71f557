//! A log and a rule set in, a [`Grading`] out. Nothing is run.
//!
//! The order in which a verdict is found:
//!
//! 1. what the grader itself noted in its own log ends it: the patch did not apply, the tests did not end in time;
//! 2. each listed test gets a status, and counts as [`RuleSet::count`] says; no failure is *resolved*;
//! 3. `swebench-5` calls a run invalid (an infrastructure error) if there is neither a status nor a sign that the suite
//!    ran, if the exit status is not zero though no test failed, or zero though a listed test failed; `swe-smith`, if
//!    there is no status at all;
//! 4. where the rules are ours to set, a resolved verdict is taken back: a patch that adds a stand-in for the test
//!    runner is not resolved under any rule set, and a `unittest` log must end with the runner's closing line, count at
//!    least as many tests as passed, and agree with the exit status. The flags say so.

use super::Verdict;
use super::evidence;
use super::expected;
use super::facts::Facts;
use super::flag::Flag;
use super::grading::{Grading, TestOutcome};
use super::parser::Parser;
use super::plan::{Ungradable, decidable, parser_of};
use super::rules::{Counted, Group, RuleSet};
use super::section::{self, Section};
use super::statuses::Statuses;
use crate::task::Task;

/// Keys of the notes that a grader leaves in its log for a later judge.
pub(super) const NOTE_VERDICT: &str = "Verdict";
pub(super) const NOTE_FLAG: &str = "Flag";
pub(super) const NOTE_TIMED_OUT: &str = "Tests Timed Out";

/// Judge a stored log under a rule set. Works for spotter's own logs and, flagged as such, for other harnesses'.
pub fn regrade(log: &str, task: &Task, rules: RuleSet) -> Result<Grading, Ungradable> {
    decidable(task, rules)?;
    let parser = parser_of(task, rules)?;
    Ok(judge(log, task, rules, parser))
}

/// Judge a log.
pub(super) fn judge(log: &str, task: &Task, rules: RuleSet, parser: Option<Parser>) -> Grading {
    let section = section::find(log);
    let mut grading = Grading::ended(Verdict::Unresolved, rules, log.to_owned());
    grading.parser = parser;
    grading.exit_code = section.exit_code;
    grading.flags = noted_flags(&section);
    if let Some(verdict) = noted_verdict(&section) {
        grading.verdict = verdict;
        return grading;
    }
    if !section.started {
        grading.verdict = Verdict::NotGraded {
            why: "the log holds no test output".to_owned(),
        };
        return grading;
    }
    let readings = parser.map_or_else(Vec::new, |parser| {
        parser.read(rules.names(), section.text, section.first)
    });
    let statuses = Statuses::new(parser.unwrap_or(Parser::Pytest), &readings);
    grading.names = statuses.len();
    grading.evidence = evidence::read(parser, section.text, section.first);
    grading.tests = if rules == RuleSet::R2e {
        let (tests, flag) = expected::compare(task, &statuses);
        grading.flags.extend(flag);
        tests
    } else {
        listed(task, rules, &statuses)
    };
    let facts = Facts {
        section: &section,
        readings: &readings,
        statuses: &statuses,
        parser,
    };
    let flags = facts.flags(&grading);
    grading.flags.extend(flags);
    grading.verdict = verdict(&section, &grading);
    grading.suspicious =
        grading.verdict == Verdict::Resolved && grading.flags.iter().any(Flag::contradicts);
    grading
}

fn noted_flags(section: &Section<'_>) -> Vec<Flag> {
    let notes = section.notes.iter().filter(|(key, _)| *key == NOTE_FLAG);
    notes
        .filter_map(|(_, json)| serde_json::from_str(json).ok())
        .collect()
}

fn noted_verdict(section: &Section<'_>) -> Option<Verdict> {
    serde_json::from_str(section.note(NOTE_VERDICT)?).ok()
}

fn listed(task: &Task, rules: RuleSet, statuses: &Statuses) -> Vec<TestOutcome> {
    let group = |group: Group, ids: &[String]| -> Vec<TestOutcome> {
        ids.iter()
            .map(|id| {
                let found = statuses.find(id);
                let counted = rules.count(group, found.status);
                TestOutcome {
                    id: id.clone(),
                    group,
                    status: found.status,
                    passed: counted == Counted::Pass,
                    counted,
                    line: found.line,
                    matched: found.matched,
                    conflicting: found.conflicting,
                    expected: None,
                }
            })
            .collect()
    };
    let mut tests = group(Group::FailToPass, task.fail_to_pass.ids());
    tests.extend(group(Group::PassToPass, task.pass_to_pass.ids()));
    tests
}

fn verdict(section: &Section<'_>, grading: &Grading) -> Verdict {
    if let Some(seconds) = section.note(NOTE_TIMED_OUT) {
        return Verdict::TimedOut {
            seconds: seconds.trim().parse().unwrap_or_default(),
        };
    }
    if grading.rules == RuleSet::ExitCode {
        return match section.exit_code {
            Some(0) if taken_back(grading) => Verdict::Unresolved,
            Some(0) => Verdict::Resolved,
            Some(_) => Verdict::Unresolved,
            None => Verdict::NotGraded {
                why: "the log does not hold the exit status that would decide".to_owned(),
            },
        };
    }
    if let Some(why) = invalid(grading) {
        return Verdict::InfrastructureError { why };
    }
    let unexpected = grading
        .flags
        .iter()
        .any(|flag| matches!(flag, Flag::UnexpectedTests { .. }));
    let failed = grading
        .tests
        .iter()
        .any(|test| test.counted == Counted::Fail);
    if failed || unexpected || taken_back(grading) {
        Verdict::Unresolved
    } else {
        Verdict::Resolved
    }
}

/// Why the run says nothing, under the rule sets that know such runs.
fn invalid(grading: &Grading) -> Option<String> {
    for flag in &grading.flags {
        let why = match (grading.rules, flag) {
            (RuleSet::SweBench5, Flag::NoStatus) if !grading.evidence.suite_ran => {
                "the log holds no test status and no sign that the tests ran".to_owned()
            }
            (RuleSet::SweSmith, Flag::NoStatus) => {
                "the log holds no test status, and every test would pass by being absent".to_owned()
            }
            (RuleSet::SweBench5, Flag::FailedWithoutFailure { code }) => {
                format!("the test command ended with status {code}, yet no test failed")
            }
            (RuleSet::SweBench5, Flag::PassedWithFailures { count }) => {
                format!("the test command ended with status 0, yet {count} listed tests failed")
            }
            _ => continue,
        };
        return Some(why);
    }
    None
}

/// Whether a resolved verdict is taken back, where the rules are ours.
fn taken_back(grading: &Grading) -> bool {
    grading.flags.iter().any(|flag| match flag {
        Flag::ShadowsTestRunner { .. } => true,
        Flag::NoClosingLine
        | Flag::CountsDisagree { .. }
        | Flag::FailedWithoutFailure { .. }
        | Flag::SkippedFailToPass { .. } => grading.parser == Some(Parser::Unittest),
        _ => false,
    })
}
