//! The library view: a windowed table.

use super::paint::Paint;
use super::tasks::{matched, query_line};
use crate::app::State;
use crate::app::layout::Area;
use crate::app::library::Column;
use crate::app::run::page::{ended, push_cut};
use crate::app::run::state_of;
use crate::app::update::LIST_HEAD;
use crate::app::words;
use crate::grade::report;
use crate::keymap::shown;
use crate::text::{Ink, Line, Role, safe};
use crate::trajectory::index::Summary;

pub(super) fn draw(state: &State, paint: &mut Paint<'_>) {
    let body = state.frame().body;
    let library = &state.library;
    let glyphs = state.glyphs();
    let keys = state
        .keymap
        .keys_for(&["library", "global"], "query.open", None);
    let key = keys.first().map(|keys| shown(keys)).unwrap_or_default();
    let hint = format!("{key} filters: words, verdict:resolved steps:<30 model:qwen");
    query_line(&library.query, body, &hint, paint, state);
    let widths = Widths::of(usize::from(body.width));
    if library.query.error.is_none() {
        paint.line(
            Area {
                y: body.y + 2,
                ..body
            },
            0,
            &widths.head(state),
        );
    }
    let (_, rows) = body.top(LIST_HEAD);
    if library.query.rows.is_empty() {
        empty(state, rows, paint);
        return;
    }
    let window = library.list.window();
    let shown: Vec<&Summary> = library
        .query
        .rows
        .get(window.clone())
        .unwrap_or_default()
        .iter()
        .filter_map(|row| library.rows.get(*row))
        .collect();
    let hits = library
        .query
        .matched(shown.iter().map(|row| row.task.as_str()));
    for (at, (row, number)) in (0..rows.height).zip(shown.iter().zip(window)) {
        let here = number == library.list.cursor;
        let mut line = Line::of(if here { glyphs.focus() } else { " " }, Role::Focus);
        let (sign, role) = if state.outcome() {
            state_of(row, glyphs)
        } else {
            (glyphs.other(), Role::Dim)
        };
        line.push(sign, role);
        line.push(" ", Role::Text);
        let ink = if here {
            Ink::of(Role::Strong).bold()
        } else {
            Ink::of(Role::Text)
        };
        matched(
            &mut line,
            &row.task,
            hits.get(usize::from(at)),
            ink,
            widths.task,
        );
        widths.rest(state, row, &mut line);
        paint.line(rows, at, &line);
    }
}

fn empty(state: &State, area: Area, paint: &mut Paint<'_>) {
    let key = |command: &str| {
        let keys = state.keymap.keys_for(&["library", "global"], command, None);
        keys.first().map(|keys| shown(keys)).unwrap_or_default()
    };
    let lines = if !state.library.rows.is_empty() {
        vec![
            Line::of("No trajectory fits the filter.", Role::Strong),
            Line::new(),
            Line::of(key("query.clear"), Role::Key).with("  clears it", Role::Text),
        ]
    } else if state.library.complete {
        vec![
            Line::of("The store is empty.", Role::Strong),
            Line::new(),
            Line::of(key("view.tasks"), Role::Key)
                .with("  the tasks: Enter starts an attempt", Role::Text),
        ]
    } else {
        vec![Line::of(
            format!("reading the store {}", state.glyphs().more()),
            Role::Dim,
        )]
    };
    paint.lines(area.inset(3), &lines);
}

/// Columns of the table at a width.
struct Widths {
    task: usize,
    how: usize,
    model: usize,
    figures: bool,
}

impl Widths {
    fn of(width: usize) -> Self {
        let figures = width >= 70;
        let fixed = 3 + 2 + 9 + 10 + if figures { 8 + 8 + 10 } else { 8 };
        let room = width.saturating_sub(fixed);
        let model = if width >= 110 { (room / 4).min(28) } else { 0 };
        let how = if width >= 96 { 22 } else { 0 };
        Self {
            task: room.saturating_sub(model + how).max(10),
            how,
            model,
            figures,
        }
    }

    fn head(&self, state: &State) -> Line {
        let library = &state.library;
        let glyphs = state.glyphs();
        let title = |column: Column| {
            if column == library.sort {
                let sign = if library.ascending {
                    glyphs.ascending()
                } else {
                    glyphs.descending()
                };
                format!("{}{sign}", column.title())
            } else {
                column.title().to_owned()
            }
        };
        let ink = |column: Column| {
            if column == library.sort {
                Role::Text
            } else {
                Role::Dim
            }
        };
        let mut line = Line::of("   ", Role::Text);
        line.push(
            &format!("{:<w$}", title(Column::Task), w = self.task),
            ink(Column::Task),
        );
        line.push(&format!("{:>9}", title(Column::Steps)), ink(Column::Steps));
        if self.figures {
            line.push(
                &format!("{:>8}", title(Column::Tokens)),
                ink(Column::Tokens),
            );
            line.push(
                &format!("{:>8}", title(Column::Seconds)),
                ink(Column::Seconds),
            );
            line.push(&format!("{:>10}", "patch"), Role::Dim);
        } else {
            line.push(
                &format!("{:>8}", title(Column::Seconds)),
                ink(Column::Seconds),
            );
        }
        if self.how > 0 {
            line.push(
                &format!("  {:<w$}", title(Column::Verdict), w = self.how - 2),
                ink(Column::Verdict),
            );
        }
        if self.model > 0 {
            line.push(
                &format!("  {:<w$}", title(Column::Model), w = self.model - 2),
                ink(Column::Model),
            );
        }
        line.push(
            &format!("{:>12}", title(Column::Started)),
            ink(Column::Started),
        );
        line
    }

    fn rest(&self, state: &State, row: &Summary, line: &mut Line) {
        line.push(
            &" ".repeat((self.task + 3).saturating_sub(line.width())),
            Role::Text,
        );
        let glyphs = state.glyphs();
        line.push(&format!("{:>9}", row.steps), Role::Text);
        let took = words::duration(std::time::Duration::from_secs_f64(
            row.seconds.clamp(0.0, 1e9),
        ));
        if self.figures {
            line.push(
                &format!("{:>8}", words::count(row.tokens.0 + row.tokens.1)),
                Role::Dim,
            );
            line.push(&format!("{took:>8}"), Role::Dim);
            let (files, added, removed) = row.patch;
            let patch = if files == 0 {
                String::new()
            } else {
                format!("+{added} {}{removed}", glyphs.minus())
            };
            line.push(&format!("{patch:>10}"), Role::Dim);
        } else {
            line.push(&format!("{took:>8}"), Role::Dim);
        }
        if self.how > 0 {
            let how = match (&row.verdict, &row.ended) {
                (Some(verdict), _) if state.outcome() => report::word(verdict).to_owned(),
                _ if row.live => "running".into(),
                (_, Some(how)) => ended(how),
                (_, None) => "interrupted".into(),
            };
            let before = line.width();
            line.push("  ", Role::Text);
            push_cut(line, &safe::one_line(&how), Role::Text, self.how - 3);
            line.push(
                &" ".repeat((before + self.how).saturating_sub(line.width())),
                Role::Text,
            );
        }
        if self.model > 0 {
            let before = line.width();
            line.push("  ", Role::Text);
            let role = if row.kind.counts() {
                Role::Dim
            } else {
                Role::Attention
            };
            push_cut(line, &safe::one_line(&row.model), role, self.model - 3);
            line.push(
                &" ".repeat((before + self.model).saturating_sub(line.width())),
                Role::Text,
            );
        }
        line.push(
            &format!("{:>12}", words::ago(row.started, state.now)),
            Role::Dim,
        );
    }
}
