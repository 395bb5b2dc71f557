//! The tasks view: query and windowed list at the left, the task and the start form at the right.

use super::paint::Paint;
use crate::app::State;
use crate::app::layout::{Area, Class};
use crate::app::query::Query;
use crate::app::run::page::push_cut;
use crate::app::run::state_of;
use crate::app::tasks::Part;
use crate::app::update::{LIST_HEAD, tasks_split};
use crate::app::words;
use crate::keymap::shown;
use crate::task::Task;
use crate::text::{Ink, Line, Role, safe};

pub(super) fn draw(state: &State, paint: &mut Paint<'_>) {
    let body = state.frame().body;
    let split = tasks_split(state);
    if state.class() <= Class::Small {
        if state.filling {
            form(state, body.inset(1), paint);
        } else if state.tasks.part == Part::Statement {
            paint.lines(body.inset(1), &state.tasks.visible);
        } else {
            list(state, body, paint);
        }
        return;
    }
    let (left, right) = body.left(split);
    list(state, left, paint);
    paint.rule_down(split, body.y, body.y + body.height, state.glyphs());
    let right = Area {
        x: split + 1,
        width: right.width.saturating_sub(1),
        ..right
    };
    detail(state, right, paint);
}

/// The line where a query is typed, or what it says.
pub(super) fn query_line(
    query: &Query,
    area: Area,
    hint: &str,
    paint: &mut Paint<'_>,
    state: &State,
) {
    let glyphs = state.glyphs();
    let mut label = Line::of(glyphs.prompt(), Role::Accent);
    label.push(" ", Role::Text);
    let inside = area.inset(1);
    if query.active {
        paint.field(inside, 0, &label, &query.field);
    } else if query.field.is_empty() {
        label.push(hint, Role::Dim);
        paint.line(inside, 0, &label);
    } else {
        label.push(&safe::one_line(query.field.text()), Role::Text);
        paint.line(inside, 0, &label);
    }
    if let Some(error) = &query.error {
        let line = Line::of(safe::one_line(error), Role::Error);
        paint.line(
            Area {
                y: area.y + 1,
                ..inside
            },
            0,
            &line,
        );
    }
}

/// A name whose matched characters stand out.
pub(super) fn matched(
    line: &mut Line,
    name: &str,
    ranges: Option<&Vec<std::ops::Range<usize>>>,
    ink: Ink,
    columns: usize,
) {
    let clean = safe::one_line(name);
    let Some(ranges) = ranges.filter(|_| clean == name) else {
        push_cut(line, &clean, ink, columns);
        return;
    };
    let mut at = 0;
    let mut made = Line::new();
    for range in ranges {
        made.push(clean.get(at..range.start).unwrap_or_default(), ink);
        made.push(
            clean.get(range.clone()).unwrap_or_default(),
            Ink {
                bold: true,
                ..Ink::of(Role::Match)
            },
        );
        at = range.end;
    }
    made.push(clean.get(at..).unwrap_or_default(), ink);
    let cut = crate::text::wrap::cut(&made, columns);
    for (text, ink) in cut.pieces() {
        line.push(text, ink);
    }
}

#[expect(clippy::too_many_lines, reason = "the columns of a row, in order")]
fn list(state: &State, area: Area, paint: &mut Paint<'_>) {
    let tasks = &state.tasks;
    let glyphs = state.glyphs();
    let key = |command: &str| {
        let keys = state
            .keymap
            .keys_for(&["tasks", "move", "global"], command, None);
        keys.first().map(|keys| shown(keys)).unwrap_or_default()
    };
    let hint = format!(
        "{} filters: words, repo:pandas files:1 f2p:<5",
        key("query.open")
    );
    query_line(&tasks.query, area, &hint, paint, state);
    let width = usize::from(area.width);
    let (wide_attempts, figures) = if width >= 78 {
        (14, true)
    } else {
        (8, width >= 52)
    };
    let mut head = Line::of("   task", Role::Dim);
    let right = if figures {
        18 + wide_attempts + 12
    } else {
        wide_attempts + 2
    };
    let name_room = width.saturating_sub(right + 4);
    head.push(
        &" ".repeat((name_room + 3).saturating_sub(head.width())),
        Role::Text,
    );
    if figures {
        head.push(
            &format!("{:>6}{:>6}{:>6}", "files", "f2p", "p2p"),
            Role::Dim,
        );
    }
    head.push(&format!("  {:<wide_attempts$}", "attempts"), Role::Dim);
    if figures {
        head.push(&format!("{:>10}", "last"), Role::Dim);
    }
    if tasks.query.error.is_none() {
        paint.line(
            Area {
                y: area.y + 2,
                ..area
            },
            0,
            &head,
        );
    }
    let (_, rows) = area.top(LIST_HEAD);
    if tasks.query.rows.is_empty() {
        empty(state, rows, paint);
        return;
    }
    let window = tasks.list.window();
    let shown: Vec<&std::sync::Arc<Task>> = tasks
        .query
        .rows
        .get(window.clone())
        .unwrap_or_default()
        .iter()
        .filter_map(|row| tasks.all.get(*row))
        .collect();
    let hits = tasks
        .query
        .matched(shown.iter().map(|task| task.instance_id.as_str()));
    for (row, (task, at)) in (0..rows.height).zip(shown.iter().zip(window)) {
        let here = at == tasks.list.cursor;
        let marked = tasks.chosen.contains(&task.instance_id);
        let mut line = Line::of(if here { glyphs.focus() } else { " " }, Role::Focus);
        line.push(if marked { glyphs.good() } else { " " }, Role::Accent);
        line.push(" ", Role::Text);
        let ink = if here {
            Ink::of(Role::Strong).bold()
        } else {
            Ink::of(Role::Text)
        };
        matched(
            &mut line,
            &task.instance_id,
            hits.get(usize::from(row)),
            ink,
            name_room,
        );
        line.push(
            &" ".repeat((name_room + 3).saturating_sub(line.width())),
            Role::Text,
        );
        if figures {
            let summary = if state.settings.blind {
                String::from("·")
            } else {
                crate::text::patch::summary(&task.gold_patch)
                    .files
                    .len()
                    .to_string()
            };
            let f2p = task.fail_to_pass.ids().len();
            let p2p = task.pass_to_pass.ids().len();
            line.push(&format!("{summary:>6}{f2p:>6}{p2p:>6}"), Role::Dim);
        }
        line.push("  ", Role::Text);
        attempts(state, &task.instance_id, wide_attempts, figures, &mut line);
        paint.line(rows, row, &line);
    }
}

fn attempts(state: &State, id: &str, room: usize, last: bool, line: &mut Line) {
    let glyphs = state.glyphs();
    let rows = state
        .tasks
        .attempts
        .get(id)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let skip = rows.len().saturating_sub(room);
    let mut used = 0;
    for row in rows
        .iter()
        .skip(skip)
        .filter_map(|row| state.library.rows.get(*row))
    {
        if state.outcome() {
            let (sign, role) = state_of(row, glyphs);
            line.push(sign, role);
        } else {
            line.push(glyphs.other(), Role::Dim);
        }
        used += 1;
    }
    if used == 0 {
        line.push(glyphs.ungraded(), Role::Dim);
        used = 1;
    }
    line.push(&" ".repeat(room.saturating_sub(used)), Role::Text);
    if last {
        let when = rows
            .last()
            .and_then(|row| state.library.rows.get(*row))
            .map(|row| words::ago(row.started, state.now))
            .unwrap_or_default();
        line.push(&format!("{when:>10}"), Role::Dim);
    }
}

fn empty(state: &State, area: Area, paint: &mut Paint<'_>) {
    let tasks = &state.tasks;
    let key = |command: &str| {
        let keys = state.keymap.keys_for(&["tasks", "global"], command, None);
        keys.first().map(|keys| shown(keys)).unwrap_or_default()
    };
    let lines = if tasks.request.is_some() {
        vec![Line::of(
            format!("reading {} {}", tasks.source, state.glyphs().more()),
            Role::Dim,
        )]
    } else if let Some(why) = &tasks.error {
        let width = usize::from(area.width.saturating_sub(4));
        let mut lines = crate::text::wrap::rows(
            &Line::of(safe::one_line(why), Role::Error),
            width,
            crate::text::wrap::Hang::None,
        );
        lines.push(Line::new());
        lines.push(Line::of(key("source.change"), Role::Key).with("  load others", Role::Text));
        lines
    } else if tasks.all.is_empty() {
        vec![
            Line::of("There are no tasks here.", Role::Strong),
            Line::new(),
            Line::of(key("source.change"), Role::Key).with(
                "  load some: sample, a file, or SWE-Gym/SWE-Gym-Lite",
                Role::Text,
            ),
        ]
    } else {
        vec![
            Line::of("No task fits the filter.", Role::Strong),
            Line::new(),
            Line::of(key("query.clear"), Role::Key).with("  clears it", Role::Text),
        ]
    };
    paint.lines(area.inset(3), &lines);
}

fn detail(state: &State, area: Area, paint: &mut Paint<'_>) {
    let tasks = &state.tasks;
    let glyphs = state.glyphs();
    let Some(task) = tasks.current() else {
        return;
    };
    let focused = tasks.part == Part::Statement && !state.filling;
    let mut title = Line::of(if focused { glyphs.focus() } else { " " }, Role::Focus);
    title.push(&safe::one_line(&task.instance_id), Role::Heading);
    if let Some(difficulty) = &task.difficulty {
        title.push("  ", Role::Text);
        title.push(&safe::one_line(difficulty), Role::Dim);
    }
    let taken = paint.line(area, 0, &title);
    if let Some(url) = task.base_url() {
        let name = crate::text::wrap::columns(&safe::one_line(&task.instance_id));
        paint.link(area, 0, 1..1 + name, &url);
    }
    let count = Line::of((tasks.list.cursor + 1).to_string(), Role::Strong)
        .with(&format!(" of {} ", tasks.query.rows.len()), Role::Dim);
    paint.right(area, 0, &count, taken + 1);
    let inside = area.inset(1);
    let form_rows = if state.filling {
        u16::try_from(tasks.form.entries.len()).unwrap_or(9) + 2
    } else {
        5
    };
    let (below, above) = inside.bottom(form_rows);
    let (_, above) = above.top(2);
    paint.lines(above, &tasks.visible);
    if tasks.scroll.below() > 0 {
        let more = Line::of(
            format!("{} {} more ", glyphs.below(), tasks.scroll.below()),
            Role::Dim,
        );
        let (last, _) = above.bottom(1);
        paint.right(last, 0, &more, 0);
    }
    if state.filling {
        let (_, below) = below.top(1);
        form(state, below, paint);
    } else {
        start_line(state, below, paint);
    }
}

/// The values, and what Enter does.
fn start_line(state: &State, area: Area, paint: &mut Paint<'_>) {
    let form = &state.tasks.form;
    let glyphs = state.glyphs();
    let value = |line: &mut Line, name: &str| {
        line.push(name, Role::Dim);
        line.push(" ", Role::Text);
        let value = form.value(name);
        if value.is_empty() {
            line.push("none", Role::Attention);
        } else {
            line.push(&safe::one_line(value), Role::Input);
        }
        line.push("  ", Role::Text);
    };
    let (mut first, mut second, mut third) = (
        Line::of("start   ", Role::Heading),
        Line::of("        ", Role::Text),
        Line::of("        ", Role::Text),
    );
    for name in ["k", "temperature", "steps", "sandbox"] {
        // A limit that is the scaffold's own is nothing to choose by.
        if name != "steps" || !form.value(name).is_empty() {
            value(&mut first, name);
        }
    }
    for name in ["scaffold", "model"] {
        value(&mut second, name);
    }
    // Runs that wait, or are slow on purpose, say so.
    for (name, usual) in [("step mode", "off"), ("pace", "0")] {
        if form.value(name) != usual {
            value(&mut third, name);
        }
    }
    for (row, line) in (1..).zip([first, second, third]) {
        let line = crate::text::wrap::cut(&line, usize::from(area.width));
        paint.line(area, row, &line);
    }
    let attempts = state.tasks.meant().len() * form.value("k").parse::<usize>().unwrap_or(1);
    let edit = state.keymap.keys_for(&["tasks"], "form.open", None);
    let edit = edit.first().map(|keys| shown(keys)).unwrap_or_default();
    let line = Line::of(glyphs.enter(), Role::Key)
        .with(
            &format!(" start {}", words::many(attempts, "attempt", "attempts")),
            Role::Text,
        )
        .with("   ", Role::Text)
        .with(&edit, Role::Key)
        .with(" change", Role::Text);
    paint.line(area, 4, &line);
}

fn form(state: &State, area: Area, paint: &mut Paint<'_>) {
    let form = &state.tasks.form;
    let glyphs = state.glyphs();
    let count = state.tasks.meant().len();
    let head = Line::of("start", Role::Heading).with(
        &format!("   {}", words::many(count, "task", "tasks")),
        Role::Dim,
    );
    paint.line(area, 0, &head);
    for (row, entry) in (1u16..).zip(&form.entries) {
        let here = usize::from(row - 1) == form.cursor;
        let mut line = Line::of(if here { glyphs.focus() } else { " " }, Role::Focus);
        line.push(
            &format!(" {:<12} ", entry.name),
            if here { Role::Strong } else { Role::Dim },
        );
        if let Some(ask) = state.ask.as_ref().filter(|_| here) {
            paint.field(area, row, &line, &ask.field);
            continue;
        }
        let value = entry.value.text();
        if value.is_empty() {
            line.push(entry.unset(), Role::Dim);
        } else {
            line.push(&safe::one_line(value), Role::Input);
        }
        let doc = Line::of(entry.doc, Role::Dim);
        let taken = paint.line(area, row, &line);
        if here {
            paint.right(area, row, &doc, taken + 2);
        }
    }
}
