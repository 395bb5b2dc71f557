//! What lies over the view: which-key at once after a prefix, pickers, messages, a question that cannot be undone, the welcome.

use super::paint::Paint;
use super::tasks::matched;
use super::word;
use crate::app::State;
use crate::app::command;
use crate::app::layer::{Layer, Picker};
use crate::app::layout::Area;
use crate::app::messages::Weight;
use crate::app::run::page::push_cut;
use crate::app::words;
use crate::keymap::shown;
use crate::text::wrap::{self, Hang};
use crate::text::{Ink, Line, Role};

pub(super) fn draw(state: &State, paint: &mut Paint<'_>) {
    match state.layers.last() {
        Some(Layer::Picker(picker)) => draw_picker(state, picker, paint),
        Some(Layer::Messages(list)) => messages(state, *list, paint),
        Some(Layer::Confirm { question, .. }) => confirm(state, question, paint),
        Some(Layer::Welcome) => welcome(state, paint),
        None => {}
    }
    if !state.pending.is_empty() {
        which_key(state, paint);
    }
}

/// An area for something of a size, in the upper middle, with a blank edge around.
fn middle(state: &State, width: u16, height: u16, paint: &mut Paint<'_>) -> Area {
    let body = state.frame().body;
    let width = (width + 4).min(state.size.0);
    let height = (height + 2).min(body.height);
    let area = Area::new(
        (state.size.0 - width) / 2,
        body.y + (body.height - height) / 4,
        width,
        height,
    );
    paint.popup(area);
    let glyphs = state.glyphs();
    // A thin rule above and below: enough to tell it from what lies under it.
    paint.rule(area, glyphs);
    let (last, _) = area.bottom(1);
    paint.rule(last, glyphs);
    let (_, inside) = area.top(1);
    let (_, inside) = inside.bottom(1);
    inside.inset(2)
}

fn draw_picker(state: &State, picker: &Picker, paint: &mut Paint<'_>) {
    let glyphs = state.glyphs();
    let wide = picker
        .choices
        .iter()
        .any(|choice| !choice.detail.is_empty());
    let rows = u16::try_from(picker.list.height.min(picker.query.rows.len().max(1))).unwrap_or(20);
    let width = if wide { 96 } else { 44 };
    let area = middle(state, width, rows + 2, paint);
    let label = Line::of(picker.title, Role::Heading)
        .with("  ", Role::Text)
        .with(glyphs.prompt(), Role::Accent)
        .with(" ", Role::Text);
    paint.field(area, 0, &label, &picker.query.field);
    let window = picker.list.window();
    let list: Vec<_> = picker
        .query
        .rows
        .get(window.clone())
        .unwrap_or_default()
        .iter()
        .filter_map(|row| picker.choices.get(*row))
        .collect();
    if list.is_empty() {
        paint.line(area, 2, &word("nothing fits", Role::Dim));
    }
    let hits = picker
        .query
        .matched(list.iter().map(|choice| choice.label.as_str()));
    let column = picker.purpose.label().min(usize::from(area.width) * 3 / 5);
    let keys = list
        .iter()
        .map(|choice| choice.keys.len())
        .max()
        .unwrap_or(0)
        .min(14);
    for (at, (choice, number)) in (0u16..).zip(list.iter().zip(window)) {
        let here = number == picker.list.cursor;
        let mut line =
            Line::of(if here { glyphs.focus() } else { " " }, Role::Focus).with(" ", Role::Text);
        if keys > 0 {
            line.push(&format!("{:<keys$}  ", choice.keys), Role::Key);
        }
        let ink = match (&choice.disabled, here) {
            (Some(_), _) => Ink::of(Role::Dim),
            (None, true) => Ink::of(Role::Strong).bold(),
            (None, false) => Ink::of(Role::Text),
        };
        let room = usize::from(area.width).saturating_sub(line.width());
        matched(
            &mut line,
            &choice.label,
            hits.get(usize::from(at)),
            ink,
            room.min(column + 4),
        );
        if wide {
            let pad = 2 + keys + 2 + column;
            line.push(
                &" ".repeat(pad.saturating_sub(line.width()).max(2)),
                Role::Text,
            );
            let room = usize::from(area.width).saturating_sub(line.width());
            match &choice.disabled {
                Some(why) => push_cut(
                    &mut line,
                    why,
                    Ink {
                        italic: true,
                        ..Ink::of(Role::Dim)
                    },
                    room,
                ),
                None => push_cut(&mut line, &choice.detail, Role::Dim, room),
            }
        }
        paint.line(area, at + 2, &line);
    }
}

fn messages(state: &State, list: crate::app::list::List, paint: &mut Paint<'_>) {
    let body = state.frame().body;
    let area = middle(state, 100, body.height.saturating_sub(4).min(24), paint);
    let count = state.messages.newest().len();
    let head =
        Line::of("Messages", Role::Heading).with(&format!("  {count}, newest first"), Role::Dim);
    paint.line(area, 0, &head);
    if count == 0 {
        paint.line(area, 2, &word("nothing was said yet", Role::Dim));
    }
    let rows = area.height.saturating_sub(2);
    for (row, message) in (0..rows).zip(state.messages.newest().skip(list.top)) {
        let here = list.top + usize::from(row) == list.cursor;
        let (sign, role) = match message.weight {
            Weight::Info => (state.glyphs().ungraded(), Role::Dim),
            Weight::Warning => (state.glyphs().infra(), Role::Attention),
            Weight::Error => (state.glyphs().bad(), Role::Error),
        };
        let mut line = Line::of(if here { state.glyphs().focus() } else { " " }, Role::Focus)
            .with(sign, role)
            .with(" ", Role::Text);
        let when = words::ago(message.at, state.now);
        let room = usize::from(area.width).saturating_sub(line.width() + when.len() + 1);
        push_cut(&mut line, &message.text, Role::Text, room);
        let taken = paint.line(area, row + 2, &line);
        paint.right(area, row + 2, &word(&when, Role::Dim), taken);
    }
}

fn confirm(state: &State, question: &str, paint: &mut Paint<'_>) {
    let rows = wrap::rows(
        &Line::of(question, Role::Strong),
        60.min(usize::from(state.size.0) - 6),
        Hang::None,
    );
    let height = u16::try_from(rows.len()).unwrap_or(4) + 2;
    let area = middle(state, 62, height, paint);
    paint.lines(area, &rows);
    let line = Line::of("y", Role::Key)
        .with(" yes", Role::Text)
        .with("    ", Role::Text)
        .with("n", Role::Key)
        .with(" no", Role::Text);
    paint.line(area, height - 1, &line);
}

fn welcome(state: &State, paint: &mut Paint<'_>) {
    let key = |command: &str, contexts: &[&str]| {
        let keys = state.keymap.keys_for(contexts, command, None);
        format!(
            "{:>8}  ",
            keys.first().map(|keys| shown(keys)).unwrap_or_default()
        )
    };
    let line = |keys: String, words: &str| Line::of(keys, Role::Key).with(words, Role::Text);
    let lines = [
        Line::of("Welcome to spotter.", Role::Heading),
        Line::new(),
        Line::of(
            "Here are tasks. An agent attempts one in a sandbox; you watch, steer and",
            Role::Text,
        ),
        Line::of(
            "replay it, and the task's own tests say what it came to.",
            Role::Text,
        ),
        Line::new(),
        line(
            key("task.start", &["tasks"]),
            "start an attempt at the task under the cursor",
        ),
        line(
            key("form.open", &["tasks"]),
            "choose model, scaffold, number of attempts",
        ),
        line(
            key("view.library", &["global"]),
            "everything that was ever run",
        ),
        line(key("palette.open", &["global"]), "all commands"),
        line(key("help.open", &["global"]), "what can be done here"),
        Line::new(),
        Line::of(state.glyphs().enter(), Role::Key)
            .with(" begins; this does not come back", Role::Dim),
    ];
    let area = middle(state, 74, u16::try_from(lines.len()).unwrap_or(12), paint);
    paint.lines(area, &lines);
}

/// How an unfinished sequence can go on, at once.
fn which_key(state: &State, paint: &mut Paint<'_>) {
    let contexts = state.contexts();
    let rows: Vec<(String, String)> = state
        .keymap
        .continuations(&contexts, &state.pending)
        .into_iter()
        .map(|(key, binding, more)| {
            let title = match (&binding.description, command::find(&binding.command)) {
                _ if more > 1 => format!("{more} more"),
                (Some(own), _) => own.clone(),
                (None, Some(command)) if command.arguments.len() > 1 => {
                    format!("{} {}", command.title, binding.argument)
                }
                (None, Some(command)) => command.title.to_owned(),
                (None, None) => binding.command.clone(),
            };
            (key.to_string(), title)
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    let body = state.frame().body;
    let per_column = usize::from(body.height.saturating_sub(2)).clamp(1, 12);
    let columns = rows.len().div_ceil(per_column);
    let width = rows
        .iter()
        .map(|(key, title)| key.chars().count() + title.chars().count() + 5)
        .max()
        .unwrap_or(20);
    let height = u16::try_from(rows.len().min(per_column)).unwrap_or(1) + 1;
    let whole = u16::try_from(width * columns + 2)
        .unwrap_or(u16::MAX)
        .min(state.size.0);
    let area = Area::new(
        state.size.0 - whole,
        (body.y + body.height).saturating_sub(height),
        whole,
        height,
    );
    paint.popup(area);
    paint.rule(area, state.glyphs());
    for (at, (key, title)) in rows.iter().enumerate() {
        let column = u16::try_from(at / per_column * width).unwrap_or(0);
        let row = u16::try_from(at % per_column).unwrap_or(0) + 1;
        let place = Area {
            x: area.x + column + 2,
            width: whole.saturating_sub(column + 2),
            ..area
        };
        let line = Line::of(key.as_str(), Role::Key)
            .with("  ", Role::Text)
            .with(title, Role::Text);
        paint.line(place, row, &line);
    }
}
