//! The two ends of a page: which task it is and where the run came from; how it ended and what grading said.

use super::{Fold, Look, prose, text};
use crate::app::story::{Phase, Story};
use crate::app::words;
use crate::grade::report;
use crate::text::wrap::{self, Hang};
use crate::text::{Ink, Line, Role};
use crate::trajectory::event::Ended;

/// The head of the page: which task, and where it came from.
#[must_use]
pub fn opening(story: &Story, problem: Option<&str>, fold: Fold, look: Look<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    let Some(start) = &story.start else {
        return vec![
            Line::of("     nothing is written yet", Role::Dim),
            Line::new(),
        ];
    };
    if let Some(problem) = problem {
        let title = problem
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        let title = title.trim_start_matches('#').trim().replace('`', "");
        let line = Line::of(text(&title), Role::Heading);
        for row in wrap::rows(&line, look.prose(), Hang::None) {
            lines.push(Look::indented(&row));
        }
        if fold == Fold::Whole {
            for row in prose(problem, Ink::of(Role::Dim), look) {
                lines.push(Look::indented(&row));
            }
        }
    }
    if let Some(recording) = &start.reexecutes {
        lines.push(Look::indented(&Line::of(
            format!("carries out again what {} did", text(recording)),
            Role::Dim,
        )));
    }
    if let Some(parent) = &start.parent {
        lines.push(Look::indented(&Line::of(
            format!("branch of {} after step {}", parent.rollout, parent.step),
            Role::Dim,
        )));
    }
    if let Some(report) = &story.report {
        let open: Vec<&str> = report
            .holds
            .iter()
            .filter(|(_, holds)| matches!(holds, crate::sandbox::Holds::No { .. }))
            .map(|(name, _)| name.as_str())
            .collect();
        if !open.is_empty() {
            let words = format!("not held in {}: {}", report.tier, open.join(", "));
            for row in wrap::rows(
                &Line::of(text(&words), Role::Attention),
                look.prose(),
                Hang::Columns(2),
            ) {
                lines.push(Look::indented(&row));
            }
        }
    }
    if story.gone > 0 {
        lines.push(Look::indented(&Line::of(
            format!(
                "steps 1{}{} are in the file only; a replay shows them",
                look.glyphs.range(),
                story.gone
            ),
            Role::Dim,
        )));
    }
    if !lines.is_empty() {
        lines.push(Line::new());
    }
    lines
}

/// The end of the page: what is under way now, how it ended, what grading said.
#[must_use]
pub fn ending(story: &Story, look: Look<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    if story.phase == Phase::Preparing && story.steps.is_empty() {
        lines.push(Look::indented(
            &Line::of(look.glyphs.running(), Role::Running)
                .with(" the sandbox is being made", Role::Dim),
        ));
    }
    if let Some((how, patch)) = &story.ended {
        let words = ended(how);
        let size = match patch.files.len() {
            0 => "no patch".into(),
            files => words::many(files, "file", "files"),
        };
        let mut line = Line::of(look.glyphs.submit(), Role::Sign)
            .with(" ", Role::Text)
            .with(&text(&words), Role::Strong)
            .with(&format!("  {size}"), Role::Dim);
        if !patch.files.is_empty() {
            line.push(&format!(" +{}", patch.added), Role::DiffAdd);
            line.push(
                &format!(" {}{}", look.glyphs.minus(), patch.removed),
                Role::DiffDel,
            );
        }
        lines.push(Look::indented(&line));
    }
    if !look.outcome {
        return lines;
    }
    if let Some(now) = story.now.as_ref() {
        let of = now
            .step
            .map(|step| format!(" as of step {step}"))
            .unwrap_or_default();
        let line = Line::of(look.glyphs.grading(), Role::Running)
            .with(&format!(" grading{of} in a fresh sandbox"), Role::Dim);
        lines.push(Look::indented(&line));
    }
    if let Some(verdict) = &story.verdict {
        let (sign, role) = look.glyphs.verdict(verdict);
        let mut line = Line::of(sign, Ink::of(role).bold()).with(" ", Role::Text);
        line.push(&text(&report::sentence(verdict)), Ink::of(role).bold());
        if let Some(grading) = &story.grading {
            line.push(&format!("  {}", report::tally(grading)), Role::Dim);
        }
        for row in wrap::rows(&line, look.prose(), Hang::Columns(2)) {
            lines.push(Look::indented(&row));
        }
    }
    if let Some(comparison) = &story.compared {
        let (sign, role) = if comparison.is_equal() {
            (look.glyphs.good(), Role::Pass)
        } else {
            (look.glyphs.differs(), Role::Attention)
        };
        let line = Line::of(sign, Ink::of(role).bold())
            .with(" ", Role::Text)
            .with("compared with the recording: ", Role::Dim)
            .with(&comparison.sentence(), Role::Text);
        for row in wrap::rows(&line, look.prose(), Hang::Columns(2)) {
            lines.push(Look::indented(&row));
        }
    }
    lines
}

/// How it ended, in words.
#[must_use]
pub fn ended(how: &Ended) -> String {
    match how {
        Ended::Submitted => "submitted".into(),
        Ended::Limit { which } => format!("limit on {which} reached"),
        Ended::Stuck { rule } => format!("stuck: {rule}"),
        Ended::RecordingOver => "the recording ends here".into(),
        Ended::Stopped { why } if why.is_empty() => "stopped by a person".into(),
        Ended::Stopped { why } => format!("stopped by a person: {why}"),
        Ended::Error { part, why } => format!("error ({part}): {why}"),
    }
}
