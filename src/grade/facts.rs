//! The facts of one log: its statuses, what it says of itself, and where the two disagree.

use std::collections::BTreeSet;

use super::evidence::Evidence;
use super::flag::Flag;
use super::grading::{Grading, TestOutcome};
use super::parser::{Form, Parser, Reading};
use super::rules::Group;
use super::section::{Bounds, Section};
use super::status::Status;
use super::statuses::{Matched, Statuses};

/// What a judge looks at.
pub(super) struct Facts<'a> {
    pub(super) section: &'a Section<'a>,
    pub(super) readings: &'a [Reading],
    pub(super) statuses: &'a Statuses,
    pub(super) parser: Option<Parser>,
}

impl Facts<'_> {
    /// Everything that a reader should know, from the log alone.
    pub(super) fn flags(&self, grading: &Grading) -> Vec<Flag> {
        let mut out = Vec::new();
        let mut say = |said: bool, flag: Flag| {
            if said {
                out.push(flag);
            }
        };
        let tests = &grading.tests;
        let counted =
            |wanted: &dyn Fn(&TestOutcome) -> bool| tests.iter().filter(|t| wanted(t)).count();
        say(self.section.bounds != Bounds::Ours, Flag::ForeignLog);
        let count = self.section.false_markers;
        say(count > 0, Flag::PrintedMarkers { count });
        let evidence = &grading.evidence;
        say(
            self.statuses.len() == 0 && self.parser.is_some(),
            Flag::NoStatus,
        );
        say(
            !evidence.suite_ran && self.parser.is_some(),
            Flag::NoClosingLine,
        );
        if let (Some(code), Some(_)) = (self.section.exit_code, self.parser) {
            let failing = self.statuses.failing();
            say(
                code != 0 && failing == 0,
                Flag::FailedWithoutFailure { code },
            );
            let count = counted(&|t| t.status.is_some_and(Status::fails));
            say(code == 0 && count > 0, Flag::PassedWithFailures { count });
        }
        if let Some((said, read)) = self.counts(evidence) {
            say(true, Flag::CountsDisagree { said, read });
        }
        let (count, deciding) = self.outside(evidence, tests);
        say(count > 0, Flag::OutsideSummary { count, deciding });
        let count = evidence.summaries;
        say(count > 1, Flag::SeveralSummaries { count });
        let count = counted(&|t| matches!(t.matched, Matched::Prefix { .. }));
        say(count > 0, Flag::CutNames { count });
        let count = counted(&|t| matches!(t.matched, Matched::Ambiguous { .. }));
        say(count > 0, Flag::AmbiguousNames { count });
        let (count, listed) = (self.statuses.conflicting(), counted(&|t| t.conflicting));
        say(count > 0, Flag::Conflicting { count, listed });
        let count = counted(&|t| t.group == Group::FailToPass && t.status == Some(Status::Skipped));
        say(count > 0, Flag::SkippedFailToPass { count });
        let count = self.statuses.xpass;
        say(count > 0, Flag::UnexpectedPasses { count });
        let count = self.statuses.junk;
        say(count > 0, Flag::JunkLines { count });
        let absent = |group| counted(&|t| t.group == group && t.passed && t.status.is_none());
        let (fail_to_pass, pass_to_pass) = (absent(Group::FailToPass), absent(Group::PassToPass));
        say(
            fail_to_pass + pass_to_pass > 0,
            Flag::PassedByAbsence {
                fail_to_pass,
                pass_to_pass,
            },
        );
        for (signature, line) in &evidence.infra {
            let (signature, line) = (signature.clone(), *line);
            say(true, Flag::Infrastructure { signature, line });
        }
        out
    }

    /// The runner's count against ours, where they disagree.
    fn counts(&self, evidence: &Evidence) -> Option<(u64, u64)> {
        let said = evidence.said?;
        if self.parser == Some(Parser::Unittest) {
            // It counts the tests that it ran, whatever came of them.
            let passed = self
                .statuses
                .iter()
                .filter(|(_, e)| e.status == Status::Passed)
                .count();
            let read = passed as u64;
            return (read > said).then_some((said, read));
        }
        let summary = evidence.summary?;
        let lines = self
            .readings
            .iter()
            .filter(|reading| reading.line > summary);
        let read = lines
            .filter(|reading| reading.form == Form::Leading && reading.status == Status::Passed)
            .count() as u64;
        // A summary without a single pass was not asked for passes (`-rA`).
        let asked = self.parser.is_some_and(Parser::has_summary) && read > 0;
        (asked && self.parser != Some(Parser::R2e) && read != said).then_some((said, read))
    }

    /// Lines that open with a status and stand outside the last summary (or there is none), and how many listed tests
    /// such a line decided.
    fn outside(&self, evidence: &Evidence, tests: &[TestOutcome]) -> (usize, usize) {
        if !self.parser.is_some_and(Parser::has_summary) {
            return (0, 0);
        }
        let begin = evidence.summary.unwrap_or(usize::MAX);
        let end = evidence.closing.unwrap_or(usize::MAX);
        let outside: BTreeSet<usize> = self
            .readings
            .iter()
            .filter(|reading| {
                reading.form == Form::Leading && (reading.line < begin || reading.line > end)
            })
            .map(|reading| reading.line)
            .collect();
        let decided = |test: &&TestOutcome| {
            test.status.is_some() && test.line.is_some_and(|line| outside.contains(&line))
        };
        (outside.len(), tests.iter().filter(decided).count())
    }
}
