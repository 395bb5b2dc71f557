//! A rollout as a plain stream of lines: the page that the transcript will be, for pipes, logs and small terminals.
//!
//! Step number in the gutter, thought as prose, an action on its own line with one sign, what it printed behind a thin
//! line and cut to what matters. Everything that a model, an agent or a test wrote is made visible first.

use std::collections::HashMap;

use super::ink::{self, Ink};
use super::width;
use crate::agent::Outcome;
use crate::app::glyph::Glyphs;
use crate::app::run::call;
use crate::batch::News;
use crate::grade::{Progress, Stage, report};
use crate::model::{ModelKind, Role, ToolCall};
use crate::sandbox::Holds;
use crate::text::safe::{one_line, visible};
use crate::trajectory::comparison::Difference;
use crate::trajectory::event::{Author, Ended, Event, Start};

/// Said where the expert acts.
pub(crate) const EXPERT: &str = "the expert knows the gold patch: no figure stands on it";
/// Said where a recorded model acts.
pub(crate) const RECORDED: &str = "recorded answers: no figure stands on them";
/// Lines of an observation that are shown from its beginning and from its end.
const HEAD: usize = 8;
const TAIL: usize = 4;
/// Columns before an observation's text, the mark of one of many rollouts included.
const BEFORE: usize = 11;
/// Widest prose; longer lines are hard to read.
const PROSE: usize = 84;

/// Prints news.
pub(crate) struct Stream {
    json: bool,
    many: bool,
    ink: Ink,
    shown: HashMap<String, Shown>,
}

/// A rollout of the stream.
struct Shown {
    /// Counts rollouts from 1.
    number: usize,
    /// Records that it shares with its parent.
    copied: u64,
    /// What was said last of how its workspace differs from a recording's.
    workspace: Option<String>,
}

impl Stream {
    /// For one rollout or many, as lines for people or JSON.
    pub(crate) fn new(json: bool, many: bool) -> Self {
        Self {
            json,
            many,
            ink: Ink::detect(),
            shown: HashMap::new(),
        }
    }

    /// Print one piece of news.
    pub(crate) fn tell(&mut self, news: &News) {
        let (id, lines) = match news {
            News::Begun { id, copied, .. } => {
                let number = self.shown.len() + 1;
                let copied = *copied;
                let shown = Shown {
                    number,
                    copied,
                    workspace: None,
                };
                self.shown.insert(id.to_string(), shown);
                return;
            }
            News::Over { .. } => return,
            News::Missed { id, from, why } => {
                let why = one_line(why);
                ink::complain(&format!(
                    "rollout {id}: events from {from} on are not shown: {why}"
                ));
                return;
            }
            News::NoSocket { id, why } => {
                let why = one_line(why);
                ink::complain(&format!(
                    "rollout {id} cannot be steered with `spotter control`: {why}"
                ));
                return;
            }
            News::Record { id, record } => {
                if self.json {
                    let mut value = serde_json::to_value(record).unwrap_or_default();
                    if let serde_json::Value::Object(fields) = &mut value {
                        fields.insert("rollout".into(), id.as_str().into());
                    }
                    ink::print(&value.to_string());
                    return;
                }
                // What a branch shares with its parent was told with the parent; its own first event was not.
                let copied = self.shown.get(id.as_str()).map_or(0, |shown| shown.copied);
                if record.seq < copied && !matches!(record.event, Event::Started(_)) {
                    return;
                }
                if self.was_said(id.as_str(), &record.event) {
                    return;
                }
                (id, lines(&record.event, self.ink))
            }
        };
        let mark = if self.many {
            let number = self.shown.get(id.as_str()).map_or(0, |shown| shown.number);
            self.ink.dim(&format!("[{number}] "))
        } else {
            String::new()
        };
        for line in lines {
            match width::terminal() {
                None => ink::print(&format!("{mark}{line}")),
                Some(columns) => {
                    let room = if self.many { columns - 4 } else { columns };
                    for line in width::broken(&line, room) {
                        ink::print(&format!("{mark}{line}"));
                    }
                }
            }
        }
    }
}

impl Stream {
    /// A file that differs from the recording's mostly differs to the end: it is said once.
    fn was_said(&mut self, id: &str, event: &Event) -> bool {
        let Event::Diverged { difference, .. } = event else {
            return false;
        };
        if !matches!(difference, Difference::Workspace { .. }) {
            return false;
        }
        let now = Some(difference.sentence());
        self.shown.get_mut(id).is_some_and(|shown| {
            let said = shown.workspace == now;
            shown.workspace = now;
            said
        })
    }
}

/// The lines of one event; none for those that a stream leaves out.
#[expect(
    clippy::too_many_lines,
    reason = "one arm for each kind of event, each of them small"
)]
pub(crate) fn lines(event: &Event, ink: Ink) -> Vec<String> {
    match event {
        Event::Started(start) => started(start, ink),
        Event::SandboxReady { report, .. } => {
            let open: Vec<String> = report
                .holds
                .iter()
                .filter_map(|(name, holds)| match holds {
                    Holds::No(why) => Some(format!("{name} ({why})")),
                    _ => None,
                })
                .collect();
            let mut lines =
                vec![ink.dim(&format!("sandbox {} at {}", report.tier, report.workdir))];
            if !open.is_empty() {
                lines.push(ink.attention(&format!("not held: {}", one_line(&open.join(", ")))));
            }
            lines.push(String::new());
            lines
        }
        Event::Resumed { step, not_restored } => {
            let mut lines = vec![ink.accent(&format!("going on after step {step}"))];
            lines.push(ink.dim(&format!("not restored: {}", not_restored.join("; "))));
            lines.push(String::new());
            lines
        }
        Event::Proposed { step, thought, .. } => {
            let mut lines = Vec::new();
            let gutter = ink.bold(&format!("{step:>3}"));
            let thought = visible(thought.trim()).into_owned();
            let mut prose = wrap(&thought, PROSE.min(width::columns() - BEFORE)).into_iter();
            lines.push(format!("{gutter}  {}", prose.next().unwrap_or_default()));
            lines.extend(prose.map(|line| format!("     {line}")));
            lines
        }
        Event::Action { call, by, .. } => {
            let by = if *by == Author::Human {
                ink.attention("  (edited by a person)")
            } else {
                String::new()
            };
            action(call, ink)
                .into_iter()
                .map(|line| format!("     {line}{by}"))
                .collect()
        }
        Event::Observed { outcome, .. } => observed(outcome, ink),
        Event::Skipped { .. } => vec![
            format!("     {}", ink.attention("skipped by a person")),
            String::new(),
        ],
        Event::Message {
            origin: crate::trajectory::Origin::Human,
            message,
            ..
        } if message.role == Role::User => {
            vec![format!(
                "     {} {}",
                ink.attention("person:"),
                one_line(&message.content)
            )]
        }
        Event::CallFailed { why, .. } => vec![format!("     {}", ink.bad(&one_line(why)))],
        Event::Overflow {
            policy, dropped, ..
        } => {
            vec![format!(
                "     {}",
                ink.attention(&format!(
                    "the context is full: {policy}, {} messages left out",
                    dropped.len()
                ))
            )]
        }
        Event::Paused { paused: true, why } => vec![format!(
            "     {}",
            ink.attention(&format!("‖ paused: {why}"))
        )],
        Event::Marked(mark) => {
            vec![format!(
                "     {}",
                ink.attention(&format!("⚑ {}: {}", mark.kind, one_line(&mark.evidence)))
            )]
        }
        Event::Repeating { .. } => vec![format!(
            "     {}",
            ink.attention("⚑ the same action three times")
        )],
        Event::Diverged { difference, .. } => vec![format!(
            "     {}",
            ink.attention(&format!("≠ {}", one_line(&difference.sentence())))
        )],
        Event::Compared(comparison) => {
            let text = format!("compared with the recording: {}", comparison.sentence());
            vec![if comparison.is_equal() {
                ink.good(&text)
            } else {
                ink.attention(&text)
            }]
        }
        Event::Ended { how, patch } => vec![ended(how, patch, ink), String::new()],
        Event::GradingStarted { rules, step, .. } => {
            let of = step
                .map(|step| format!(" as of step {step}"))
                .unwrap_or_default();
            vec![ink.dim(&format!("◐ grading{of} in a fresh sandbox, rules {rules}"))]
        }
        Event::GradingProgress {
            progress: Progress::Stage(Stage::Tests),
        } => {
            vec![ink.dim("  running the task's tests")]
        }
        Event::Graded { grading, log, .. } => {
            let mut lines = folded(&report::lines(grading), ink);
            if let Some(log) = log {
                lines.push(ink.dim(&format!("  test log: {log}")));
            }
            lines
        }
        Event::NotGraded { verdict, .. } => {
            vec![format!(
                "{} {}",
                report::glyph(verdict),
                one_line(&report::sentence(verdict))
            )]
        }
        _ => Vec::new(),
    }
}

fn started(start: &Start, ink: Ink) -> Vec<String> {
    let model = match start.model.kind {
        ModelKind::Recorded if start.model.name == "recorded" => "recorded".to_owned(),
        ModelKind::Recorded => format!("{} (recorded)", start.model.name),
        ModelKind::Expert => format!("{} (knows the gold patch)", start.model.name),
        ModelKind::Human => "a person".to_owned(),
        ModelKind::Http => start.model.name.clone(),
        ModelKind::Local => format!("{} (the local engine)", start.model.name),
    };
    let mut attempt = String::new();
    if start.of > 1 {
        attempt = format!(", attempt {} of {}", start.attempt, start.of);
    }
    let mut lines = vec![
        ink.bold(&start.instance_id) + &attempt,
        ink.dim(&format!("{} · {}", start.scaffold, one_line(&model))),
        ink.dim(&format!("rollout {}", start.rollout)),
    ];
    if start.model.kind == ModelKind::Expert {
        lines.push(ink.attention(EXPERT));
    }
    if start.model.kind == ModelKind::Recorded && start.reexecutes.is_none() {
        lines.push(ink.attention(RECORDED));
    }
    if let Some(recording) = &start.reexecutes {
        lines.push(ink.dim(&format!(
            "carries out again what {recording} did, and compares"
        )));
    }
    if let Some(parent) = &start.parent {
        lines.push(ink.dim(&format!(
            "branch of {} after step {}",
            parent.rollout, parent.step
        )));
    }
    lines
}

/// The sign of an action and what it is done to, as the workbench has them, not yet made visible.
pub(crate) fn sign(call: &ToolCall) -> (&'static str, String) {
    // No work directory is taken off: a line of a log stands alone.
    let shown = call::shown(call, "/");
    let head = [shown.verb, &shown.object, &shown.detail];
    let head: Vec<&str> = head.into_iter().filter(|part| !part.is_empty()).collect();
    let mut what = head.join(" ");
    for (sign, line) in &shown.change {
        let sign = match sign {
            Some(true) => "+",
            Some(false) => "-",
            None => " ",
        };
        what.extend(["\n", sign, " ", line]);
    }
    (shown.sign(Glyphs::default()), what)
}

/// One action on its own line, with one sign.
fn action(call: &ToolCall, ink: Ink) -> Vec<String> {
    let (sign, what) = sign(call);
    let shown = visible(&what).into_owned();
    let mut lines = shown.lines();
    let first = cut(lines.next().unwrap_or_default());
    let mut out = vec![format!("{} {}", ink.accent(sign), ink.bold(&first))];
    let rest: Vec<&str> = lines.collect();
    out.extend(
        rest.iter()
            .take(HEAD)
            .map(|line| format!("  {}", cut(line))),
    );
    if rest.len() > HEAD {
        out.push(ink.dim(&format!("  … {} further lines", rest.len() - HEAD)));
    }
    out
}

fn observed(outcome: &Outcome, ink: Ink) -> Vec<String> {
    let shown = visible(outcome.text.trim_end()).into_owned();
    let all: Vec<&str> = shown.lines().collect();
    let bar = ink.dim("│");
    let mut lines: Vec<String> = Vec::new();
    let hidden = all.len().saturating_sub(HEAD + TAIL + 1);
    if hidden == 0 {
        lines.extend(all.iter().map(|line| format!("     {bar} {}", cut(line))));
    } else {
        lines.extend(
            all.iter()
                .take(HEAD)
                .map(|line| format!("     {bar} {}", cut(line))),
        );
        lines.push(format!(
            "     {bar} {}",
            ink.dim(&format!("… {} lines", all.len() - HEAD - TAIL))
        ));
        lines.extend(
            all.iter()
                .skip(all.len() - TAIL)
                .map(|line| format!("     {bar} {}", cut(line))),
        );
    }
    let mut foot = format!("{:.1} s", outcome.took.as_secs_f64());
    if let Some(exit) = outcome.exit.filter(|exit| *exit != 0) {
        foot = format!("exit {exit}, {foot}");
    }
    lines.push(format!("     {}", ink.dim(&foot)));
    lines.push(String::new());
    lines
}

fn ended(how: &Ended, patch: &str, ink: Ink) -> String {
    let words = match how {
        Ended::Submitted => "submitted".to_owned(),
        Ended::Limit { which } => format!("ended: limit on {which} reached"),
        Ended::Stuck { rule } => format!("ended: stuck ({rule})"),
        Ended::RecordingOver => "ended: the recording ends here".to_owned(),
        Ended::Stopped { why } if why.is_empty() => "stopped by a person".to_owned(),
        Ended::Stopped { why } => format!("stopped: {}", one_line(why)),
        Ended::Error { part, why } => format!("ended by an error ({part}): {}", one_line(why)),
    };
    let summary = crate::text::patch::summary(patch);
    let size = match summary.files.len() {
        0 => "no patch".to_owned(),
        1 => format!("patch: 1 file, +{} −{}", summary.added, summary.removed),
        many => format!(
            "patch: {many} files, +{} −{}",
            summary.added, summary.removed
        ),
    };
    format!(
        "{} {}",
        ink.bold(&format!("∎ {words}")),
        ink.dim(&format!("· {size}"))
    )
}

/// Dress a line of a report by its first sign.
pub(crate) fn verdict(line: &str, ink: Ink) -> String {
    match line.trim_start().chars().next() {
        Some('✓') => ink.good(line),
        Some('✗' | '∅' | '⊘' | '◷' | '!') => ink.bad(line),
        _ => line.to_owned(),
    }
}

/// A report whose passed tests are counted: what failed is what there is to read.
fn folded(report: &[String], ink: Ink) -> Vec<String> {
    let passed = |line: &&String| line.starts_with("  ✓");
    let count = report.iter().filter(passed).count();
    let mut lines: Vec<String> = report
        .iter()
        .filter(|line| !passed(line))
        .map(|line| verdict(line, ink))
        .collect();
    if count > 0 {
        let tests = if count == 1 { "test" } else { "tests" };
        lines.push(ink.good(&format!("  ✓ {count} {tests} passed")));
    }
    lines
}

fn cut(line: &str) -> String {
    width::cut(line, width::columns() - BEFORE)
}

/// Break prose at spaces; lines of the text stay lines.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_prints_cannot_reach_the_terminal_raw() {
        let outcome = Outcome {
            text: "\x1b]0;title\x07\x1b[2Jgone\u{202e}abc".into(),
            exit: Some(1),
            error: true,
            submitted: false,
            dropped: 0,
            took: std::time::Duration::from_millis(1200),
        };
        let shown = observed(&outcome, Ink::plain()).join("\n");
        assert!(
            !shown.contains('\x1b') && !shown.contains('\u{202e}') && !shown.contains('\x07'),
            "{shown:?}"
        );
        assert!(shown.contains("exit 1, 1.2 s"), "{shown}");
    }

    #[test]
    fn long_observations_keep_head_and_tail_and_count_the_rest() {
        let text: Vec<String> = (1..=50).map(|number| number.to_string()).collect();
        let outcome = Outcome {
            text: text.join("\n"),
            exit: Some(0),
            error: false,
            submitted: false,
            dropped: 0,
            took: std::time::Duration::ZERO,
        };
        let shown = observed(&outcome, Ink::plain());
        assert!(
            shown.iter().any(|line| line.contains("… 38 lines")),
            "{shown:?}"
        );
        assert!(shown.iter().any(|line| line.ends_with("│ 50")));
    }
}
