//! The run view: its panes, the grid of attempts, and the question that waits.

use super::header::state_of;
use super::paint::Paint;
use crate::app::State;
use crate::app::layer::Asked;
use crate::app::layout::{Area, Class};
use crate::app::run::page::push_cut;
use crate::app::run::{Pane, Run, call};
use crate::app::scrub::Scrub;
use crate::app::state::View;
use crate::app::words;
use crate::keymap::shown;
use crate::text::{Ink, Line, Role, safe};

pub(super) fn draw(state: &State, paint: &mut Paint<'_>) {
    let body = state.frame().body;
    let Some(run) = state.run() else {
        empty(state, body, paint);
        return;
    };
    if let Some(why) = run
        .unreadable
        .as_ref()
        .filter(|_| run.story.start.is_none())
    {
        let line = Line::of(safe::one_line(why), Role::Error);
        let rows = crate::text::wrap::rows(
            &line,
            usize::from(body.width.saturating_sub(4)),
            crate::text::wrap::Hang::None,
        );
        paint.lines(body.inset(2), &rows);
        return;
    }
    if state.grid && state.runs.len() > 1 && state.class() > Class::Small {
        grid(state, body, paint);
        return;
    }
    let panes = state.panes();
    let glyphs = state.glyphs();
    for (at, (pane, area)) in panes.iter().enumerate() {
        if at > 0 {
            if area.x > 0 {
                paint.rule_down(area.x - 1, body.y, body.y + body.height, glyphs);
            }
            // Panes below one another have a rule between.
            if area.y > body.y {
                paint.rule(
                    Area {
                        y: area.y - 1,
                        height: 1,
                        ..*area
                    },
                    glyphs,
                );
            }
        }
        draw_pane(state, run, *pane, *area, panes.len() > 1, paint);
    }
}

fn empty(state: &State, body: Area, paint: &mut Paint<'_>) {
    let key = |command: &str| {
        let keys = state
            .keymap
            .keys_for(&["run", "move", "global"], command, None);
        keys.first().map(|keys| shown(keys)).unwrap_or_default()
    };
    let lines = [
        Line::of("No run is open.", Role::Strong),
        Line::new(),
        Line::of(key("view.tasks"), Role::Key)
            .with("  the tasks: Enter starts an attempt", Role::Text),
        Line::of(key("view.library"), Role::Key).with(
            "  the library: Enter opens a stored or running one",
            Role::Text,
        ),
    ];
    paint.lines(body.inset(3), &lines);
}

fn draw_pane(
    state: &State,
    run: &Run,
    pane: Pane,
    area: Area,
    several: bool,
    paint: &mut Paint<'_>,
) {
    let glyphs = state.glyphs();
    let focused = run.focus == pane;
    if area.height == 0 {
        return;
    }
    let mut title = Line::new();
    if several || state.class() > Class::Small {
        title.push(if focused { glyphs.focus() } else { " " }, Role::Focus);
        let ink = if focused {
            Ink::of(Role::Heading).bold()
        } else {
            Ink::of(Role::Text)
        };
        title.push(pane.title(), ink);
        title.push("  ", Role::Text);
    } else {
        title.push(" ", Role::Text);
    }
    let words = match pane {
        Pane::Transcript => transcript_words(state, run),
        Pane::Diff => run.diff.subtitle.clone(),
        Pane::Tests => match &run.log {
            Some(log) => format!(
                "{} {} {} of {}",
                log.file,
                glyphs.dot(),
                log.scroll.top + 1,
                log.scroll.len
            ),
            None => run.tests.subtitle.clone(),
        },
        Pane::Files => format!("after step {}", run.story.whole_step(run.transcript.cursor)),
        Pane::Notes => String::new(),
    };
    let room = usize::from(area.width).saturating_sub(title.width() + 1);
    let before = title.width();
    push_cut(&mut title, &safe::one_line(&words), Role::Dim, room);
    paint.line(area, 0, &title);
    let log = run.log.as_ref().filter(|_| pane == Pane::Tests);
    if let (Some(log), Some(site)) = (log, &state.settings.site)
        && let Some(url) = site.link(&run.id, &log.file)
    {
        let name = crate::text::wrap::columns(&safe::one_line(&log.file));
        let end = (before + name).min(title.width());
        paint.link(area, 0, before..end, &url);
    }
    let (_, rows) = area.top(crate::app::update::PANE_HEAD);
    let inside = if pane == Pane::Transcript {
        rows
    } else {
        Area {
            x: rows.x + 1,
            width: rows.width.saturating_sub(1),
            ..rows
        }
    };
    let (lines, cursor) = match pane {
        Pane::Transcript => (&run.transcript.visible, None),
        Pane::Diff => (&run.diff.visible, None),
        Pane::Tests => match &run.log {
            Some(log) => (&log.visible, None),
            None => (&run.tests.visible, Some(run.tests.list)),
        },
        Pane::Files => (&run.files.visible, Some(run.files.list)),
        Pane::Notes => (&run.notes.visible, Some(run.notes.list)),
    };
    for (row, line) in (0..inside.height).zip(lines) {
        let here = cursor.is_some_and(|list| list.top + usize::from(row) == list.cursor);
        if here && focused {
            paint.selected(inside, row, line, glyphs);
        } else {
            paint.line(inside, row, line);
        }
    }
    if pane == Pane::Notes {
        for place in &run.notes.links {
            let row = u16::try_from(place.row).unwrap_or(u16::MAX);
            paint.link(inside, row, place.columns.clone(), &place.url);
        }
    }
    if pane == Pane::Transcript {
        below(run, area, paint, state);
    }
}

fn transcript_words(state: &State, run: &Run) -> String {
    let glyphs = state.glyphs();
    let mut words = words::many(run.story.last() as usize, "step", "steps");
    if run.transcript.follow && run.live {
        words = format!("following {}   {words}", glyphs.below());
    }
    if let Some(search) = &run.search {
        words = format!(
            "{words}   /{}  {}",
            search.text,
            crate::app::words::many(search.steps.len(), "step", "steps")
        );
    }
    words
}

/// A reader who scrolled up is told what waits below.
fn below(run: &Run, area: Area, paint: &mut Paint<'_>, state: &State) {
    let rows = run
        .transcript
        .rows
        .saturating_sub(run.transcript.top + run.transcript.height);
    if rows == 0 || run.transcript.follow {
        return;
    }
    let words = format!("{} {} more ", state.glyphs().below(), rows);
    paint.right(area, 0, &Line::of(words, Role::Dim), 0);
}

/// All open runs in small panes: state, last action, tests.
fn grid(state: &State, body: Area, paint: &mut Paint<'_>) {
    let glyphs = state.glyphs();
    let columns = if body.width >= 150 { 3 } else { 2 };
    let rows = u16::try_from(state.runs.len().div_ceil(columns))
        .unwrap_or(1)
        .max(1);
    let height = (body.height / rows).clamp(4, 14);
    let columns = u16::try_from(columns).unwrap_or(2);
    let width = body.width / columns;
    for (at, run) in state.runs.iter().enumerate() {
        let at16 = u16::try_from(at).unwrap_or(0);
        let area = Area::new(
            body.x + at16 % columns * width,
            body.y + at16 / columns * height,
            width.saturating_sub(2),
            height.saturating_sub(1),
        );
        if area.y + area.height > body.y + body.height {
            break;
        }
        let (sign, role, word) = state_of(run, glyphs, state.outcome());
        let here = at == state.current;
        let mut head = Line::of(if here { glyphs.focus() } else { " " }, Role::Focus)
            .with(&format!("{:>2} ", at + 1), Role::Dim)
            .with(sign, role)
            .with(" ", Role::Text);
        let name = run
            .story
            .start
            .as_ref()
            .map_or(run.id.as_str(), |start| start.instance_id.as_str());
        let ink = if here {
            Ink::of(Role::Heading).bold()
        } else {
            Ink::of(Role::Text)
        };
        let right = format!("{word}  {}/{}", run.story.last(), run.story.turns);
        let room = usize::from(area.width).saturating_sub(head.width() + right.len() + 2);
        push_cut(&mut head, &safe::one_line(name), ink, room);
        let taken = paint.line(area, 0, &head);
        paint.right(area, 0, &Line::of(right, Role::Dim), taken);
        let most = usize::from(area.height.saturating_sub(1));
        let steps: Vec<_> = run.story.steps.iter().rev().take(most).collect();
        for (row, step) in (1..).zip(steps.iter().rev()) {
            let mut line = Line::of(format!("   {:>3} ", step.number), Role::Dim);
            if let Some((call, _)) = step.actions().last() {
                let shown = call::shown(call, run.workdir());
                line.push(shown.sign(glyphs), Role::Sign);
                line.push(" ", Role::Text);
                let words = format!("{} {}", shown.verb, shown.object);
                let room = usize::from(area.width).saturating_sub(line.width());
                push_cut(
                    &mut line,
                    safe::one_line(words.trim()).as_str(),
                    Role::Text,
                    room,
                );
            } else {
                let room = usize::from(area.width).saturating_sub(line.width());
                let thought = step.thought.text();
                push_cut(
                    &mut line,
                    &safe::one_line(thought.lines().last().unwrap_or_default()),
                    Role::Dim,
                    room,
                );
            }
            paint.line(area, row, &line);
        }
    }
}

/// The line where a person is asked: something to type, an action that waits, a replay's scrub bar.
pub(super) fn question(state: &State, area: Area, paint: &mut Paint<'_>) {
    if area.height == 0 {
        return;
    }
    let glyphs = state.glyphs();
    let inside = area.inset(1);
    if let Some(ask) = &state.ask {
        let role = match ask.what {
            Asked::Shell => Role::Human,
            _ => Role::Attention,
        };
        let sign = if ask.what == Asked::Shell {
            ""
        } else {
            glyphs.prompt()
        };
        let mut label = Line::of(sign, role);
        if !sign.is_empty() {
            label.push(" ", Role::Text);
        }
        label.push(&ask.label, role);
        label.push(" ", Role::Text);
        paint.field(inside, 0, &label, &ask.field);
        return;
    }
    let Some(run) = state.run().filter(|_| state.view == View::Run) else {
        return;
    };
    if let Some(step) = run.waiting() {
        let mut line =
            Line::of(glyphs.paused(), Ink::of(Role::Paused).bold()).with(" next ", Role::Paused);
        if let Some((call, _)) = step.actions().next() {
            let shown = call::shown(call, run.workdir());
            line.push(shown.sign(glyphs), Role::Sign);
            line.push(" ", Role::Text);
            let words = format!(
                "{} {}",
                shown.verb,
                shown.object.lines().next().unwrap_or_default()
            );
            let room = (usize::from(inside.width) / 2).max(20);
            push_cut(
                &mut line,
                safe::one_line(words.trim()).as_str(),
                Role::Action,
                room,
            );
            let more = step.actions().count() - 1;
            if more > 0 {
                line.push(&format!(" and {more} more"), Role::Dim);
            }
        }
        for (command, word) in [
            ("run.approve", "approve"),
            ("run.edit", "edit"),
            ("run.skip", "skip"),
            ("run.say", "say"),
        ] {
            let keys = state.keymap.keys_for(&["approve", "run"], command, None);
            if let Some(keys) = keys.first() {
                line.push("   ", Role::Text);
                line.push(&shown(keys), Ink::of(Role::Key).bold());
                line.push(&format!(" {word}"), Role::Text);
            }
        }
        paint.line(inside, 0, &line);
        return;
    }
    if run.holds_shell() {
        held_shell(state, run, inside, paint);
        return;
    }
    if run.replay.is_some() {
        scrub(state, paint);
    }
}

/// A person has the agent's shell, and types nothing now.
fn held_shell(state: &State, run: &Run, area: Area, paint: &mut Paint<'_>) {
    let mut line =
        Line::of("$", Ink::of(Role::Human).bold()).with(" the shell is yours", Role::Human);
    if run.story.waiting().is_some() {
        line.push("; an action waits until you hand it back", Role::Dim);
    }
    for (command, word) in [("run.take-over", "type"), ("run.hand-back", "hand back")] {
        let keys = state.keymap.keys_for(&["run"], command, None);
        if let Some(keys) = keys.first() {
            line.push("   ", Role::Text);
            line.push(&shown(keys), Ink::of(Role::Key).bold());
            line.push(&format!(" {word}"), Role::Text);
        }
    }
    paint.line(area, 0, &line);
}

/// The scrub bar: what is told, what is to come, the clock, the speed.
fn scrub(state: &State, paint: &mut Paint<'_>) {
    let Some(scrub) = Scrub::of(state) else {
        return;
    };
    let glyphs = state.glyphs();
    let (told, columns) = (usize::from(scrub.here), usize::from(scrub.bar.width));
    if columns > 0 {
        let line = Line::of(glyphs.rule().repeat(told), Role::Accent)
            .with(glyphs.here(), Ink::of(Role::Accent).bold())
            .with(
                &glyphs.rule().repeat(columns.saturating_sub(told + 1)),
                Role::Rule,
            );
        paint.line(scrub.bar, 0, &line);
    }
    let held = state
        .run()
        .and_then(|run| run.replay.as_ref())
        .is_some_and(|replay| replay.held.is_some());
    let role = if held { Role::Attention } else { Role::Dim };
    paint.right(scrub.line, 0, &Line::of(scrub.words, role), 0);
}
