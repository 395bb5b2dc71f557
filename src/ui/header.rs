//! The header: where one is at the left, the state at the right; figures never move their neighbours.

use super::paint::Paint;
use crate::app::State;
use crate::app::glyph::Glyphs;
use crate::app::layout::{Area, Class};
use crate::app::run::Run;
use crate::app::state::{Preset, View};
use crate::app::story::Phase;
use crate::app::words;
use crate::grade::Group;
use crate::model::ModelKind;
use crate::text::{Ink, Line, Role, safe};

pub(super) fn draw(state: &State, paint: &mut Paint<'_>) {
    let parts = state.frame();
    let (left, right) = match state.view {
        View::Run => match state.run() {
            Some(run) => (run_left(state, run), run_right(state, run)),
            None => (views(state), Line::new()),
        },
        View::Tasks => (views(state), tasks_right(state)),
        View::Library => (views(state), library_right(state)),
        View::Engines => (views(state), Line::new()),
    };
    // The state is what one looks for: a long task's name gives way to it.
    let wide = u16::try_from(right.width())
        .unwrap_or(u16::MAX)
        .min(parts.header.width * 3 / 4);
    let small = state.class() == Class::Small && state.view == View::Run;
    let header = if small {
        parts.header
    } else {
        parts.header.inset(1)
    };
    let room = header.width.saturating_sub(wide + 2);
    let place = Area {
        width: room,
        ..header
    };
    paint.line(place, 0, &crate::text::wrap::cut(&left, usize::from(room)));
    paint.right(header, 0, &right, 0);
    if parts.strip.height > 0 {
        let inset = u16::from(!small);
        strip(state, parts.strip.inset(inset), paint);
    }
    paint.rule(parts.rule, state.glyphs());
}

/// One clear line for a window that is too small for more.
pub(super) fn tiny(state: &State, paint: &mut Paint<'_>) {
    let (width, height) = state.size;
    let area = Area::new(0, 0, width, height);
    let line = match (state.view, state.run()) {
        (View::Run, Some(run)) => {
            let (sign, role, word) = state_of(run, state.glyphs(), state.outcome());
            Line::of(sign, role).with(
                &format!(" {word} step {}/{}", run.story.last(), run.story.turns),
                Role::Text,
            )
        }
        _ => Line::of("spotter wants 40×10 cells", Role::Text),
    };
    paint.line(area, 0, &line);
}

fn views(state: &State) -> Line {
    let mut line = Line::of("spotter", Ink::of(Role::Accent).bold());
    for (view, name) in [
        (View::Tasks, "tasks"),
        (View::Run, "run"),
        (View::Library, "library"),
        (View::Engines, "engines"),
    ] {
        let ink = if view == state.view {
            Ink::of(Role::Strong)
        } else {
            Ink::of(Role::Dim)
        };
        line.push("  ", Role::Text);
        line.push(name, ink);
        if view == View::Run && !state.runs.is_empty() {
            line.push(&format!(" {}", state.runs.len()), Role::Dim);
        }
    }
    line
}

fn tasks_right(state: &State) -> Line {
    let dot = state.glyphs().dot();
    let mut line = Line::new();
    if state.tasks.request.is_some() {
        line.push("loading ", Role::Dim);
    }
    line.push(&safe::one_line(&state.tasks.source), Role::Dim);
    line.push(
        &format!(
            " {dot} {}",
            words::many(state.tasks.all.len(), "task", "tasks")
        ),
        Role::Dim,
    );
    if !state.tasks.chosen.is_empty() {
        line.push(&format!(" {dot} "), Role::Dim);
        line.push(
            &format!("{} marked", state.tasks.chosen.len()),
            Role::Accent,
        );
    }
    if state.settings.blind {
        line.push(&format!(" {dot} "), Role::Dim);
        line.push("blind", Role::Attention);
    }
    line
}

fn library_right(state: &State) -> Line {
    let dot = state.glyphs().dot();
    let library = &state.library;
    let mut line = Line::new();
    if !library.complete {
        line.push("reading the store ", Role::Dim);
    }
    line.push(
        &format!(
            "{} of {}",
            library.query.rows.len(),
            words::many(library.rows.len(), "trajectory", "trajectories")
        ),
        Role::Dim,
    );
    if state.outcome() {
        let resolved = library
            .rows
            .iter()
            .filter(|row| row.verdict == Some(crate::grade::Verdict::Resolved))
            .count();
        line.push(&format!(" {dot} "), Role::Dim);
        line.push(state.glyphs().good(), Role::Resolved);
        line.push(&format!(" {resolved}"), Role::Dim);
    }
    line
}

fn run_left(state: &State, run: &Run) -> Line {
    let glyphs = state.glyphs();
    let dot = glyphs.dot();
    let mut line = Line::new();
    let small = state.class() == Class::Small;
    if small {
        line.push(glyphs.focus(), Role::Focus);
    } else {
        line.push("spotter", Ink::of(Role::Accent).bold());
        let place = match (&run.replay, run.live) {
            (Some(_), _) => "replay",
            (None, true) => "run",
            (None, false) => "stored",
        };
        line.push(&format!("  {place} {} ", glyphs.prompt()), Role::Dim);
    }
    let Some(start) = &run.story.start else {
        line.push(&run.id, Role::Strong);
        return line;
    };
    line.push(&safe::one_line(&start.instance_id), Role::Strong);
    if start.of > 1 {
        line.push(if small { " " } else { " attempt " }, Role::Dim);
        line.push(&start.attempt.to_string(), Role::Strong);
        line.push(&format!("/{}", start.of), Role::Dim);
    }
    if !small {
        let model = match start.model.kind {
            ModelKind::Recorded if start.model.name == "recorded" => "recorded".into(),
            ModelKind::Recorded => format!("{} (recorded)", start.model.name),
            ModelKind::Expert => format!("{} (knows the gold patch)", start.model.name),
            ModelKind::Human => "a person".into(),
            ModelKind::Http | ModelKind::Local => start.model.name.clone(),
        };
        line.push(
            &format!(" {dot} {} {dot} ", safe::one_line(&start.scaffold)),
            Role::Dim,
        );
        let role = if start.model.kind.counts() {
            Role::Dim
        } else {
            Role::Attention
        };
        line.push(&safe::one_line(&model), role);
    }
    line
}

/// Sign, role and word of what a run is doing.
pub(super) fn state_of(
    run: &Run,
    glyphs: Glyphs,
    outcome: bool,
) -> (&'static str, Role, &'static str) {
    let story = &run.story;
    if run.unreadable.is_some() {
        return (glyphs.infra(), Role::Error, "unreadable");
    }
    match &story.phase {
        _ if story.verdict.is_some() && !outcome => (glyphs.ungraded(), Role::Dim, "over"),
        _ if story.now.is_none() && story.verdict.is_some() => {
            let verdict = story.verdict.as_ref().map(|verdict| {
                let (sign, role) = glyphs.verdict(verdict);
                (sign, role, crate::grade::report::word(verdict))
            });
            verdict.unwrap_or((glyphs.ungraded(), Role::Dim, "over"))
        }
        Phase::Paused { .. } => (glyphs.paused(), Role::Paused, "paused"),
        Phase::Waiting => (glyphs.waiting(), Role::Waiting, "waiting"),
        Phase::Preparing => (glyphs.running(), Role::Running, "preparing"),
        Phase::Asking => (glyphs.running(), Role::Running, "thinking"),
        Phase::Acting => (glyphs.running(), Role::Running, "acting"),
        Phase::Grading => (glyphs.grading(), Role::Running, "grading"),
        Phase::Over if story.ended.is_some() => (glyphs.ungraded(), Role::Dim, "ended"),
        Phase::Over => (glyphs.waiting(), Role::Waiting, "interrupted"),
    }
}

fn run_right(state: &State, run: &Run) -> Line {
    let glyphs = state.glyphs();
    let story = &run.story;
    let small = state.class() == Class::Small;
    let (sign, role, word) = state_of(run, glyphs, state.outcome());
    let mut line = Line::of(sign, Ink::of(role).bold());
    if !small || word == "paused" {
        line.push(&format!(" {word}"), role);
    }
    line.push(if small { " " } else { "  step " }, Role::Dim);
    line.push(&format!("{:>2}", story.last()), Role::Strong);
    line.push(&format!("/{}", story.turns), Role::Dim);
    if story.context > 0 {
        line.push("  ctx ", Role::Dim);
        line.push(&words::count(story.context), Role::Strong);
        let most = story.start.as_ref().and_then(|start| start.model.context);
        if let Some(most) = most {
            line.push(&format!("/{}", words::count(u64::from(most))), Role::Dim);
        }
    }
    if let Some(speed) = story.speed.filter(|_| run.live) {
        line.push(&format!("  {speed:>4.0} "), Role::Text);
        line.push("tok/s", Role::Dim);
    }
    if let Some(report) = &story.report {
        let tier = safe::one_line(report.tier.split_whitespace().next().unwrap_or_default());
        let kind = if small {
            String::new()
        } else {
            format!("{} ", crate::app::words::sandbox(report.kind))
        };
        line.push(&format!("  {kind}{tier}"), Role::Dim);
    }
    if !story.marks.is_empty() {
        line.push(&format!("  {}", glyphs.mark()), Role::Attention);
        line.push(&story.marks.len().to_string(), Role::Text);
    }
    let seconds = match &run.replay {
        Some(replay) => replay.seconds().0,
        None if run.live && !story.is_over() && !state.settings.still => {
            story.span.map_or(0.0, |(from, _)| {
                state.now.duration_since(from).as_secs_f64().max(0.0)
            })
        }
        None => story.seconds(),
    };
    line.push("  ", Role::Text);
    line.push(&words::clock(seconds), Role::Dim);
    line
}

/// Attempts that are open, or tabs on a small screen.
fn strip(state: &State, area: Area, paint: &mut Paint<'_>) {
    let glyphs = state.glyphs();
    let Some(run) = state.run() else {
        return;
    };
    let small = state.class() == Class::Small || run.zoom;
    let mut line = Line::new();
    if small {
        for pane in crate::app::run::Pane::ALL {
            let focused = pane == run.focus;
            let title = pane.title().to_lowercase();
            line.push(" ", Role::Text);
            line.push(
                &title,
                if focused {
                    Ink::of(Role::Strong)
                } else {
                    Ink::of(Role::Dim)
                },
            );
            if let Some(more) = tab_figure(state, run, pane) {
                line.push(" ", Role::Text);
                for (text, ink) in more.pieces() {
                    line.push(text, ink);
                }
            }
            line.push(" ", Role::Text);
        }
    } else {
        line.push("attempts ", Role::Dim);
    }
    let mut attempts = Line::new();
    let room = usize::from(area.width).saturating_sub(30) / 5;
    let first = state.current.saturating_sub(room.saturating_sub(2));
    if first > 0 {
        attempts.push(&format!("{} ", glyphs.more()), Role::Dim);
    }
    for (at, other) in state.runs.iter().enumerate().skip(first).take(room.max(4)) {
        let (sign, role, _) = state_of(other, glyphs, state.outcome());
        let number = format!(" {} ", at + 1);
        if at == state.current {
            attempts.push(
                &number,
                Ink {
                    reverse: true,
                    ..Ink::of(Role::Strong)
                },
            );
        } else {
            attempts.push(&number, Role::Dim);
        }
        attempts.push(sign, role);
        attempts.push(" ", Role::Text);
    }
    if small {
        let taken = paint.line(area, 0, &line);
        if state.runs.len() > 1 {
            paint.right(area, 0, &attempts, taken + 1);
        }
        return;
    }
    for (text, ink) in attempts.pieces() {
        line.push(text, ink);
    }
    let taken = paint.line(area, 0, &line);
    let mut right = Line::new();
    if state.preset == Preset::Review {
        right.push("review   ", Role::Dim);
    }
    if let Some((_, grading, _)) =
        crate::app::run::Tests::shown(&run.story, run.step()).filter(|_| state.outcome())
    {
        let (passed, of) = grading.tally(Group::FailToPass);
        let (kept, all) = grading.tally(Group::PassToPass);
        right.push("tests ", Role::Dim);
        right.push(
            &passed.to_string(),
            if passed == of { Role::Pass } else { Role::Fail },
        );
        right.push(&format!("/{of} {} ", glyphs.dot()), Role::Dim);
        right.push(
            &kept.to_string(),
            if kept == all { Role::Pass } else { Role::Fail },
        );
        right.push(&format!("/{all}"), Role::Dim);
    }
    paint.right(area, 0, &right, taken + 1);
}

fn tab_figure(state: &State, run: &Run, pane: crate::app::run::Pane) -> Option<Line> {
    use crate::app::run::Pane;
    let glyphs = state.glyphs();
    match pane {
        Pane::Diff => {
            let files = run.diff.list()?;
            let added: usize = files.iter().map(|file| file.added).sum();
            let removed: usize = files.iter().map(|file| file.removed).sum();
            (added + removed > 0).then(|| {
                Line::of(format!("+{added}"), Role::DiffAdd)
                    .with(&format!(" {}{removed}", glyphs.minus()), Role::DiffDel)
            })
        }
        Pane::Tests => {
            let (_, grading, _) = crate::app::run::Tests::shown(&run.story, run.step())
                .filter(|_| state.outcome())?;
            let (passed, of) = grading.tally(Group::FailToPass);
            Some(if passed == of {
                Line::of(format!("{}{passed}", glyphs.good()), Role::Pass)
            } else {
                Line::of(format!("{}{}", glyphs.bad(), of - passed), Role::Fail)
            })
        }
        Pane::Notes if !run.story.marks.is_empty() => Some(Line::of(
            format!("{}{}", glyphs.mark(), run.story.marks.len()),
            Role::Attention,
        )),
        _ => None,
    }
}
