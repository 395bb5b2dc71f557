//! The engines view: each model that is computed here, what it draws and reads in a second, its pages, its streams.

use super::paint::Paint;
use crate::app::State;
use crate::app::engines::Watched;
use crate::app::layout::Area;
use crate::app::words;
use crate::engine::schedule::Speaking;
use crate::keymap::shown;
use crate::text::wrap::columns;
use crate::text::{Line, Role, safe};

/// Heights of a curve's columns.
const STEPS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// The same in ASCII.
const PLAIN: [&str; 8] = [".", ".", ":", ":", "|", "|", "#", "#"];
/// Longest curve, columns: a look each second.
const CURVE: usize = 120;
/// Columns of a download without its name and its bar.
const FIGURES: usize = 36;
/// Rows of an engine without its streams.
const HEAD: u16 = 6;

pub(super) fn draw(state: &State, paint: &mut Paint<'_>) {
    let mut room = state.frame().body.inset(1);
    if let Some(model) = &state.engines.serving {
        opening(state, model, room, paint);
        let (_, rest) = room.top(2.min(room.height));
        room = rest;
    }
    if !state.engines.coming.is_empty() {
        let taken = coming(state, room, paint);
        let (_, rest) = room.top(taken.min(room.height));
        room = rest;
    }
    if state.engines.all.is_empty() {
        empty(state, room.inset(2), paint);
        return;
    }
    let shown = state.engines.all.iter().skip(state.engines.top);
    let left = state.engines.all.len() - state.engines.top;
    for (number, watched) in shown.enumerate() {
        if room.height < HEAD {
            let line = format!("{} {} more below", state.glyphs().below(), left - number);
            paint.line(room, 0, &Line::of(line, Role::Dim));
            return;
        }
        let taken = engine(state, watched, room, paint);
        let (_, rest) = room.top(taken.min(room.height));
        room = rest;
    }
}

/// Draws what is on its way to be served.
fn opening(state: &State, model: &str, area: Area, paint: &mut Paint<'_>) {
    let more = state.glyphs().more();
    let keys = state.keymap.keys_for(&["engines"], "engines.serve", None);
    let key = keys.first().map(|keys| shown(keys)).unwrap_or_default();
    let ends = format!(" to serve it {more}   {key}  ends it");
    let before = "opening ";
    let room = usize::from(area.width).saturating_sub(columns(before) + columns(&ends));
    let line = Line::of(before, Role::Dim)
        .with(&end_of(&safe::one_line(model), room, more), Role::Strong)
        .with(&format!(" to serve it {more}   "), Role::Dim)
        .with(&key, Role::Key)
        .with("  ends it", Role::Text);
    paint.line(area, 0, &line);
}

/// Draws what is downloaded; the rows that it took.
fn coming(state: &State, area: Area, paint: &mut Paint<'_>) -> u16 {
    let glyphs = state.glyphs();
    let all = &state.engines.coming;
    paint.line(area, 0, &Line::of("Downloading", Role::Heading));
    let room = usize::from(area.width).saturating_sub(FIGURES);
    let wide = (room / 4).clamp(8, 40);
    let files: Vec<String> = all.iter().map(|file| safe::one_line(&file.file)).collect();
    let longest = files.iter().map(|name| columns(name)).max().unwrap_or(0);
    let named = longest.min(room.saturating_sub(wide).max(16));
    let shown = all.len().min(usize::from(area.height / 2).max(1));
    for ((row, file), name) in (1..).zip(all.iter().take(shown)).zip(&files) {
        let mut line = Line::of("   ", Role::Text);
        let name = end_of(name, named, glyphs.more());
        line.push(&name, Role::Text);
        line.push(
            &" ".repeat((named + 2).saturating_sub(columns(&name))),
            Role::Text,
        );
        let total = file.total.filter(|total| *total > 0);
        if let Some(total) = total {
            let part = file.done.min(total) as f64 / total as f64;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a part of a few columns"
            )]
            let done = (part * wide as f64) as usize;
            line.push(&glyphs.block().repeat(done), Role::Accent);
            line.push(&glyphs.shade().repeat(wide - done), Role::Dim);
            line.push(&format!("{:>5.0} %", part * 100.0), Role::Strong);
        }
        let of = total.map(|total| format!(" of {}", words::bytes(total)));
        let text = format!("  {}{}", words::bytes(file.done), of.unwrap_or_default());
        line.push(&text, Role::Dim);
        paint.line(area, row, &line);
    }
    let rows = u16::try_from(shown).unwrap_or(u16::MAX).saturating_add(2);
    if shown < all.len() {
        let line = format!("   and {} more", all.len() - shown);
        paint.line(area, rows - 1, &Line::of(line, Role::Dim));
        return rows + 1;
    }
    rows
}

/// As much of the end of a name as fits: pieces of a model differ there.
fn end_of(name: &str, width: usize, more: &str) -> String {
    if columns(name) <= width {
        return name.to_owned();
    }
    let room = width.saturating_sub(columns(more));
    let mut ends = name
        .char_indices()
        .map(|(at, _)| name.get(at..).unwrap_or_default());
    let end = ends.find(|end| columns(end) <= room).unwrap_or_default();
    format!("{more}{end}")
}

fn empty(state: &State, area: Area, paint: &mut Paint<'_>) {
    let engines = &state.engines;
    if engines.serving.is_some() {
        // That is said above.
        return;
    }
    let waits = match (engines.opening, engines.seen) {
        (true, _) => Some("A model is being opened"),
        // An engine answers between two of its steps.
        (false, false) => Some("The engines are being asked"),
        (false, true) => None,
    };
    if let Some(what) = waits {
        let line = format!("{what} {}", state.glyphs().more());
        paint.line(area, 0, &Line::of(line, Role::Dim));
        return;
    }
    let keys = state
        .keymap
        .keys_for(&["engines", "global"], "view.tasks", None);
    let key = keys.first().map(|keys| shown(keys)).unwrap_or_default();
    let keys = state.keymap.keys_for(&["engines"], "engines.serve", None);
    let serve = keys.first().map(|keys| shown(keys)).unwrap_or_default();
    let lines = [
        Line::of("No model is computed here now.", Role::Strong),
        Line::new(),
        Line::of(
            "Give the start form a model of this machine: the path of its",
            Role::Text,
        ),
        Line::of(
            "folder or GGUF file, hub:org/name, or the bundled policy.",
            Role::Text,
        ),
        Line::of(
            "It is opened when the first attempt begins, and closed after",
            Role::Dim,
        ),
        Line::of("the last one that uses it.", Role::Dim),
        Line::new(),
        Line::of(key, Role::Key).with("  the tasks, where attempts start", Role::Text),
        Line::of(serve, Role::Key).with(
            "  serve the form's model to other programs, as `spotter serve` does",
            Role::Text,
        ),
    ];
    paint.lines(area, &lines);
}

/// Draws one engine; the rows that it took.
fn engine(state: &State, watched: &Watched, area: Area, paint: &mut Paint<'_>) -> u16 {
    let glyphs = state.glyphs();
    let dot = glyphs.dot();
    let load = &watched.now.load;
    let mut line = Line::of(safe::one_line(&watched.now.name), Role::Heading);
    if let Some(served) = &state.engines.served
        && served.engine == watched.now.id
    {
        line.push("  served at ", Role::Accent);
        line.push(&format!("http://{}/v1", served.address), Role::Strong);
    }
    line.push(
        &format!("  {}", safe::one_line(&watched.now.sentence)),
        Role::Dim,
    );
    paint.line(area, 0, &line);

    let (drawn, read) = watched.rates.back().copied().unwrap_or_default();
    // Nothing is known of the others while one is opened.
    let old = state.engines.opening;
    let figure = if old { Role::Dim } else { Role::Strong };
    let mut line = Line::of(format!("{drawn:>8.1}"), figure);
    line.push(" tok/s drawn", Role::Dim);
    line.push(&format!("{read:>10.0}"), figure);
    line.push(" tok/s read", Role::Dim);
    if old {
        let text = format!("  as of {} s ago", watched.age(state.now));
        line.push(&text, Role::Dim);
    }
    line.push("     ", Role::Text);
    line.push(&words::many(load.streams, "stream", "streams"), Role::Text);
    if load.waiting > 0 {
        line.push(&format!(" {dot} {} wait", load.waiting), Role::Attention);
    }
    line.push(
        &format!(
            "     in all {} drawn {dot} {} read {dot} {} computing",
            words::count(load.drawn),
            words::count(load.read),
            words::duration(std::time::Duration::from_secs_f64(
                load.busy.clamp(0.0, 1e9)
            )),
        ),
        Role::Dim,
    );
    paint.line(area, 1, &line);

    pages(state, watched, area, paint);

    let wide = usize::from(area.width.saturating_sub(2)).min(CURVE);
    let rates: Vec<f64> = watched
        .rates
        .iter()
        .rev()
        .take(wide)
        .map(|rate| rate.0)
        .collect();
    let most = rates.iter().copied().fold(1.0, f64::max);
    let steps = if state.settings.ascii { PLAIN } else { STEPS };
    let mut line = Line::of(" ", Role::Text);
    for rate in rates.iter().rev() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of eight steps"
        )]
        let at = (rate / most * 7.0).round() as usize;
        let sign = if *rate > 0.0 {
            steps.get(at).copied()
        } else {
            None
        };
        line.push(sign.unwrap_or(" "), Role::Accent);
    }
    paint.line(area, 3, &line);

    if watched.now.streams.is_empty() {
        let line = "   at rest: it computes when an attempt asks";
        paint.line(area, 4, &Line::of(line, Role::Dim));
        return HEAD;
    }
    let head = format!(
        "{:>8}{:>10}{:>20}{:>12}{:>10}{:>10}",
        "request", "prompt", "there already", "computed", "drawn", "tok/s"
    );
    paint.line(area, 4, &Line::of(head, Role::Dim));
    let room = area.height.saturating_sub(HEAD);
    let count = u16::try_from(watched.now.streams.len()).unwrap_or(u16::MAX);
    for (row, stream) in (0..room.min(count)).zip(&watched.now.streams) {
        paint.line(area, 5 + row, &of_stream(stream));
    }
    HEAD + room.min(count)
}

fn pages(state: &State, watched: &Watched, area: Area, paint: &mut Paint<'_>) {
    let glyphs = state.glyphs();
    let dot = glyphs.dot();
    let pages = watched.now.load.pages;
    let wide = usize::from(area.width / 4).clamp(8, 40);
    let all = pages.pages.max(1);
    let part = |count: usize| (count * wide).div_ceil(all).min(wide);
    let held = part(pages.held);
    let kept = part(pages.held + pages.kept).saturating_sub(held);
    let mut line = Line::of("   pages ", Role::Dim);
    line.push(&glyphs.block().repeat(held), Role::Accent);
    line.push(&glyphs.block().repeat(kept), Role::Dim);
    line.push(&glyphs.shade().repeat(wide - held - kept), Role::Dim);
    line.push(
        &format!(
            "  {} held {dot} {} kept {dot} {} free",
            pages.held,
            pages.kept,
            pages.pages.saturating_sub(pages.held + pages.kept)
        ),
        Role::Text,
    );
    if let Some(rate) = watched.hit_rate() {
        line.push(&format!("     {:.0} %", rate * 100.0), Role::Strong);
        line.push(" of prompts were there already", Role::Dim);
    }
    if pages.given_up > 0 {
        line.push(&format!(" {dot} {} given up", pages.given_up), Role::Dim);
    }
    paint.line(area, 2, &line);
}

fn of_stream(stream: &Speaking) -> Line {
    let share = stream.found as f64 / stream.prompt.max(1) as f64 * 100.0;
    let there = format!("{} ({share:.0} %)", words::count(stream.found as u64));
    let rate = if stream.drawn > 1 && stream.seconds > 0.0 {
        format!("{:.1}", (stream.drawn - 1) as f64 / stream.seconds)
    } else {
        "reads".into()
    };
    Line::of(format!("{:>8}", stream.number), Role::Text)
        .with(
            &format!("{:>10}", words::count(stream.prompt as u64)),
            Role::Text,
        )
        .with(&format!("{there:>20}"), Role::Dim)
        .with(
            &format!("{:>12}", words::count(stream.computed as u64)),
            Role::Dim,
        )
        .with(
            &format!("{:>10}", words::count(stream.drawn as u64)),
            Role::Text,
        )
        .with(&format!("{rate:>10}"), Role::Strong)
}
