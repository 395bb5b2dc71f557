//! Presenter mode: one step at a time, large, with a caption in plain words; what changed so far and the tests under it.

use super::header::state_of;
use super::paint::Paint;
use crate::app::State;
use crate::app::layout::Area;
use crate::app::run::page::push_cut;
use crate::app::run::{Run, call};
use crate::app::story::{Act, Item, Step};
use crate::app::words;
use crate::grade::Group;
use crate::text::diff::Kind;
use crate::text::wrap::{self, Hang};
use crate::text::{Ink, Line, Role, safe};

/// Margin at both sides.
const MARGIN: u16 = 3;

pub(super) fn draw(state: &State, paint: &mut Paint<'_>) {
    let Some(run) = state.run() else {
        return;
    };
    let (width, height) = state.size;
    let glyphs = state.glyphs();
    let frame = state.frame();
    let screen = Area::new(0, 0, width, height).inset(MARGIN.min(width / 20));
    let title = run
        .problem()
        .and_then(|text| text.lines().find(|line| !line.trim().is_empty()))
        .map(|line| line.trim_start_matches('#').trim().replace('`', ""))
        .or_else(|| {
            run.story
                .start
                .as_ref()
                .map(|start| start.instance_id.clone())
        })
        .unwrap_or_default();
    let (sign, role, word) = state_of(run, glyphs, state.outcome());
    let right = Line::of(sign, Ink::of(role).bold())
        .with(&format!(" {word}  step "), Role::Dim)
        .with(&run.step().to_string(), Role::Strong)
        .with(
            &format!(" of {}", run.story.last().max(run.step())),
            Role::Dim,
        );
    let room = usize::from(screen.width).saturating_sub(right.width() + 3);
    let head = wrap::cut(&Line::of(safe::one_line(&title), Role::Heading), room);
    paint.line(screen, 0, &head);
    paint.right(screen, 0, &right, 0);
    paint.rule(
        Area {
            y: 1,
            height: 1,
            ..screen
        },
        glyphs,
    );
    let body = Area {
        y: 3,
        height: (frame.keys_rule.y.saturating_sub(frame.question.height)).saturating_sub(3),
        ..screen
    };
    let mut lines = Vec::new();
    let columns = usize::from(body.width).min(100);
    match run.story.step(run.step()) {
        Some(step) => of_step(
            state,
            run,
            step,
            columns,
            usize::from(body.height),
            &mut lines,
        ),
        None => lines.push(Line::of(
            "The agent reads the report.",
            Ink::of(Role::Strong).bold(),
        )),
    }
    changed(run, columns, usize::from(body.height), &mut lines);
    paint.lines(body, &lines);
}

fn of_step(
    state: &State,
    run: &Run,
    step: &Step,
    columns: usize,
    rows: usize,
    lines: &mut Vec<Line>,
) {
    let glyphs = state.glyphs();
    let caption = caption(step, run);
    lines.extend(wrap::rows(
        &Line::of(caption, Ink::of(Role::Strong).bold()),
        columns,
        Hang::None,
    ));
    lines.push(Line::new());
    let thought = step.thought.text();
    let thought = safe::one_line(&thought.trim().replace('\n', " "));
    let said = wrap::rows(
        &Line::of(thought, Role::Thought),
        columns.min(84),
        Hang::None,
    );
    lines.extend(said.into_iter().take(5));
    lines.push(Line::new());
    for item in &step.items {
        let Item::Action { call, outcome, .. } = item else {
            continue;
        };
        let shown = call::shown(call, run.workdir());
        let mut line = Line::of("   ", Role::Text)
            .with(shown.sign(glyphs), Role::Sign)
            .with(" ", Role::Text);
        let first = safe::one_line(shown.object.lines().next().unwrap_or_default());
        push_cut(
            &mut line,
            format!("{} {first}", shown.verb).trim_start(),
            Ink::of(Role::Action).bold(),
            columns.saturating_sub(6),
        );
        lines.push(line);
        lines.push(Line::new());
        for (added, text) in shown.change.iter().take(10) {
            let (sign, role) = match added {
                Some(true) => ("+", Role::DiffAdd),
                Some(false) => ("-", Role::DiffDel),
                None => (" ", Role::DiffContext),
            };
            let mut line = Line::of(format!("      {sign} "), role);
            push_cut(
                &mut line,
                &wrap::clean(text, 4),
                role,
                columns.saturating_sub(9),
            );
            lines.push(line);
        }
        if let Some(outcome) = outcome.as_ref().filter(|_| shown.act == Act::Run) {
            let all: Vec<&str> = outcome.text.trim_end().lines().collect();
            let most = rows.saturating_sub(lines.len() + 8).clamp(3, 12);
            for text in all.iter().skip(all.len().saturating_sub(most)) {
                let mut line = Line::of("      ", Role::Text);
                push_cut(
                    &mut line,
                    &wrap::clean(text, 4),
                    Role::Text,
                    columns.saturating_sub(6),
                );
                lines.push(line);
            }
        }
        lines.push(Line::new());
    }
    if let Some((_, grading, _)) =
        crate::app::run::Tests::shown(&run.story, step.number).filter(|_| state.outcome())
    {
        let (passed, of) = grading.tally(Group::FailToPass);
        let (kept, all) = grading.tally(Group::PassToPass);
        lines.push(
            Line::of("tests   ", Role::Heading)
                .with(&format!("{} {passed}", glyphs.good()), Role::Pass)
                .with(
                    &format!("  {} {}", glyphs.bad(), of - passed),
                    if passed == of { Role::Dim } else { Role::Fail },
                )
                .with(&format!("   and {all} that must stay green: "), Role::Dim)
                .with(&format!("{} {kept}", glyphs.good()), Role::Pass),
        );
    }
}

/// What it changed so far, where there is room.
fn changed(run: &Run, columns: usize, rows: usize, lines: &mut Vec<Line>) {
    let files = run.diff.list().unwrap_or_default();
    if files.is_empty() || rows < lines.len() + 6 {
        return;
    }
    lines.push(Line::new());
    lines.push(Line::of("what it changed so far", Role::Dim));
    lines.push(Line::new());
    let room = rows.saturating_sub(lines.len() + 1);
    let changed = files
        .iter()
        .flat_map(|file| &file.hunks)
        .flat_map(|hunk| &hunk.lines)
        .filter(|line| line.kind != Kind::Context);
    for line in changed.take(room) {
        let role = if line.kind == Kind::Added {
            Role::DiffAdd
        } else {
            Role::DiffDel
        };
        let mut made = Line::of(format!("      {} ", line.kind.sign()), role);
        push_cut(
            &mut made,
            &wrap::clean(&line.text, 4),
            role,
            columns.saturating_sub(9),
        );
        lines.push(made);
    }
}

/// What happens, for people who do not read shell.
fn caption(step: &Step, run: &Run) -> String {
    let Some((call, outcome)) = step.actions().last() else {
        return if step.streaming {
            "The model thinks.".into()
        } else {
            "The model speaks.".into()
        };
    };
    let shown = call::shown(call, run.workdir());
    let object = safe::one_line(shown.object.lines().next().unwrap_or_default());
    let failed =
        outcome.is_some_and(|outcome| outcome.error || outcome.exit.is_some_and(|code| code != 0));
    let did = match shown.act {
        Act::Submit => "The agent says that it is done.".into(),
        Act::View => format!("The agent reads {object}."),
        Act::Edit => {
            let (added, removed) = shown.counts.unwrap_or_default();
            format!(
                "The agent changes {object}: {} in, {} out.",
                words::many(added, "line", "lines"),
                removed
            )
        }
        Act::Other if shown.verb == "find" => format!("The agent looks up {object}."),
        Act::Run
            if object == "test" || object.contains("pytest") || object.contains("unittest") =>
        {
            "The agent runs tests.".into()
        }
        Act::Run
            if object.starts_with("grep")
                || object.starts_with("find")
                || object.starts_with("rg") =>
        {
            "The agent searches.".into()
        }
        Act::Run | Act::Other => "The agent runs a command.".into(),
    };
    if failed {
        format!("{did}  It fails.")
    } else {
        did
    }
}
