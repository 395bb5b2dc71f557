//! The line of keys: what works here, from the command table, most useful first, cut to fit; or how a sequence goes on.

use super::paint::Paint;
use crate::app::State;
use crate::app::command;
use crate::app::layout::Area;
use crate::app::messages::Weight;
use crate::keymap::shown;
use crate::text::{Ink, Line, Role};

pub(super) fn draw(state: &State, area: Area, paint: &mut Paint<'_>) {
    let inside = area.inset(1);
    if let Some(toast) = &state.messages.toast {
        let role = match toast.weight {
            Weight::Info => Role::Accent,
            Weight::Warning => Role::Attention,
            Weight::Error => Role::Error,
        };
        let mut line = Line::new();
        let sign = match toast.weight {
            Weight::Info => state.glyphs().other(),
            _ => state.glyphs().infra(),
        };
        line.push(sign, Ink::of(role).bold());
        line.push(" ", Role::Text);
        line.push(&toast.text, role);
        paint.line(
            inside,
            0,
            &crate::text::wrap::cut(&line, usize::from(inside.width)),
        );
        return;
    }
    let mut right = Line::new();
    if let Some(count) = state.count {
        right.push(&count.to_string(), Role::Strong);
        right.push(" ", Role::Text);
    }
    if !state.pending.is_empty() {
        right.push(&shown(&state.pending), Ink::of(Role::Key).bold());
        right.push(" ", Role::Text);
    }
    let room = usize::from(inside.width).saturating_sub(right.width() + 1);
    let (near, always) = hints(state);
    // Help and palette keep their place; what can be done here has the rest.
    let mut last = Line::new();
    for hint in &always {
        add(&mut last, hint, room);
    }
    let mut line = Line::new();
    let kept = last.width() + 2;
    for hint in &near {
        if !add(&mut line, hint, room.saturating_sub(kept)) {
            break;
        }
    }
    if !line.is_empty() && !last.is_empty() {
        line.push("  ", Role::Text);
    }
    for (text, ink) in last.pieces() {
        line.push(text, ink);
    }
    paint.line(inside, 0, &line);
    paint.right(inside, 0, &right, 0);
}

/// Keys, and what they do.
type Hint = (String, &'static str);

/// Put a hint at the end of a line, where there is room.
fn add(line: &mut Line, (keys, title): &Hint, room: usize) -> bool {
    let mut next = Line::new();
    if !line.is_empty() {
        next.push("  ", Role::Text);
    }
    next.push(keys, Ink::of(Role::Key));
    next.push(&format!(" {title}"), Role::Text);
    if line.width() + next.width() > room {
        return false;
    }
    for (text, ink) in next.pieces() {
        line.push(text, ink);
    }
    true
}

/// What can be done here, most useful first; and what can be done everywhere.
fn hints(state: &State) -> (Vec<Hint>, Vec<Hint>) {
    let contexts = state.contexts();
    let mut hints: Vec<(usize, u8, String, &'static str)> = command::all()
        .filter(|command| command.hint > 0 && contexts.contains(&command.context))
        .filter(|command| (command.enabled)(state).is_ok())
        .filter_map(|command| {
            let near = contexts
                .iter()
                .position(|context| *context == command.context)?;
            let keys = if command.arguments.contains(&"N") {
                // Back and forth: `[ ]`.
                let one = |argument| {
                    let keys = state.keymap.keys_for(&contexts, command.id, Some(argument));
                    keys.first().map(|keys| shown(keys))
                };
                match (one("-1"), one("1")) {
                    (Some(back), Some(on)) if back.len() + on.len() <= 4 => format!("{back} {on}"),
                    (_, Some(on)) => on,
                    (Some(back), None) => back,
                    (None, None) => return None,
                }
            } else {
                let keys = state.keymap.keys_for(&contexts, command.id, None);
                shown(keys.first()?)
            };
            let keys = match keys.as_str() {
                "enter" => state.glyphs().enter().to_owned(),
                _ => keys,
            };
            Some((near, command.hint, keys, command.title_in(state)))
        })
        .collect();
    // What the nearest context offers comes first.
    hints.sort_by_key(|(near, hint, _, _)| (*near, *hint));
    let (always, near): (Vec<_>, Vec<_>) =
        hints.into_iter().partition(|(_, hint, _, _)| *hint >= 90);
    let plain = |hints: Vec<(usize, u8, String, &'static str)>| {
        let hints = hints.into_iter();
        hints.map(|(_, _, keys, title)| (keys, title)).collect()
    };
    (plain(near), plain(always))
}
