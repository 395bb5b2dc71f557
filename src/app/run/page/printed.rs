//! What a call printed: behind a thin line, cut to what matters, with a foot that says how it ended.

use super::call::Shown;
use super::cut::push_cut;
use super::{Fold, HEAD, Look, TAIL, clean, left_out};
use crate::agent::Outcome;
use crate::app::story::Bounded;
use crate::app::words;
use crate::text::wrap::{self, Hang};
use crate::text::{Line, Role};

/// Columns of one line of an observation that are looked at while it is folded.
const LONGEST: usize = 400;

pub(super) fn barred(line: &Line, look: Look<'_>) -> Line {
    let mut out = Line::of(look.glyphs.bar(), Role::Bar).with(" ", Role::Text);
    for (piece, ink) in line.pieces() {
        out.push(piece, ink);
    }
    out
}

pub(super) fn observation(
    shown: &Shown,
    outcome: &Outcome,
    fold: Fold,
    look: Look<'_>,
    body: &mut Vec<Line>,
) {
    let failed = outcome.error || outcome.exit.is_some_and(|code| code != 0);
    let mut words = outcome.text.trim_end();
    if fold != Fold::Whole
        && let Some(code) = outcome.exit
    {
        // The foot says it, too.
        let said = format!("[Command finished with exit code {code}]");
        words = words
            .strip_suffix(said.as_str())
            .unwrap_or(words)
            .trim_end();
    }
    if shown.is_quiet() && !failed && fold != Fold::Whole {
        return;
    }
    let count = words.lines().count();
    if fold == Fold::Whole {
        for line in words.lines() {
            let made = printed(line);
            for row in wrap::rows(&made, look.columns().saturating_sub(2), Hang::None) {
                body.push(barred(&row, look));
            }
        }
    } else {
        let few = count <= HEAD + TAIL + 1;
        let head = if few { count } else { HEAD };
        let room = look.columns().saturating_sub(2);
        let push = |line: &&str, body: &mut Vec<Line>| {
            let mut made = Line::new();
            let cut: String = line.chars().take(LONGEST).collect();
            for (piece, ink) in printed(&cut).pieces() {
                let left = room.saturating_sub(made.width());
                push_cut(&mut made, piece, ink, left);
            }
            body.push(barred(&made, look));
        };
        let all: Vec<&str> = words.lines().collect();
        all.iter().take(head).for_each(|line| push(line, body));
        if !few {
            let more = left_out(count - HEAD - TAIL, Some(words.len()), look);
            body.push(barred(&more, look));
            let tail = all.len().saturating_sub(TAIL);
            all.iter().skip(tail).for_each(|line| push(line, body));
        }
    }
    let mut foot = Line::of(look.glyphs.foot(), Role::Bar).with(" ", Role::Text);
    if let Some(code) = outcome.exit {
        let role = if code == 0 { Role::Dim } else { Role::Fail };
        foot.push(&format!("exit {code}"), role);
        foot.push(&format!(" {} ", look.glyphs.dot()), Role::Dim);
    } else if outcome.error {
        foot.push(&format!("failed {} ", look.glyphs.dot()), Role::Fail);
    }
    foot.push(&words::duration(outcome.took), Role::Dim);
    if outcome.dropped > 0 {
        let dropped = words::bytes(outcome.dropped);
        foot.push(
            &format!(" {} {dropped} left out", look.glyphs.dot()),
            Role::Dim,
        );
    }
    body.push(foot);
}

/// A line that a command printed; the words by which test runners say pass and fail have their colours.
fn printed(line: &str) -> Line {
    let clean = clean(line);
    let trimmed = clean.trim_end();
    let verdicts = [
        ("ok", Role::Pass),
        ("PASSED", Role::Pass),
        ("FAIL", Role::Fail),
        ("FAILED", Role::Fail),
        ("ERROR", Role::Fail),
    ];
    for (word, role) in verdicts {
        if let Some(before) = trimmed.strip_suffix(word)
            && (before.ends_with("... ") || before.ends_with(' ') && before.contains("::"))
        {
            return Line::of(before, Role::Output).with(word, role);
        }
        if let Some(after) = trimmed.strip_prefix(word)
            && word != "ok"
            && (after.starts_with(": ") || after.starts_with(' ') && after.contains("::"))
        {
            return Line::of(word, role).with(after, Role::Output);
        }
    }
    Line::of(clean, Role::Output)
}

/// A command that runs: the last of what it printed.
pub(super) fn running(output: &Bounded, look: Look<'_>, body: &mut Vec<Line>) {
    // Empty lines at the very end are not shown: there may be as many again.
    let words = output.end(4 * (HEAD + TAIL));
    let mut tail: Vec<&str> = words.trim_end().rsplit('\n').take(HEAD + TAIL).collect();
    tail.reverse();
    let room = look.columns().saturating_sub(2);
    for line in tail
        .iter()
        .filter(|line| tail.len() > 1 || !line.is_empty())
    {
        let mut made = Line::new();
        // A progress bar rewrites its line: its last state is what a terminal shows.
        let last = line
            .trim_end_matches('\r')
            .rsplit('\r')
            .next()
            .unwrap_or_default();
        push_cut(&mut made, &clean(last), Role::Output, room);
        body.push(barred(&made, look));
    }
    body.push(
        Line::of(look.glyphs.foot(), Role::Bar)
            .with(" ", Role::Text)
            .with(look.glyphs.running(), Role::Running)
            .with(" running", Role::Dim),
    );
}
