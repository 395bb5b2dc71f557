//! Moving: one set of commands for every list and page.

use super::{Command, Told, always};
use crate::app::effect::Effect;
use crate::app::list::Move;
use crate::app::state::State;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        id: "move.rows",
        title: "up, down",
        doc: "By rows; a count multiplies.",
        context: "move",
        arguments: &["N"],
        hint: 0,
        enabled: always,
        run: |state, told| go(state, told, Move::Rows),
    },
    Command {
        id: "move.half",
        title: "half a page",
        doc: "By half a window.",
        context: "move",
        arguments: &["N"],
        hint: 0,
        enabled: always,
        run: |state, told| go(state, told, Move::Half),
    },
    Command {
        id: "move.page",
        title: "a page",
        doc: "By a window.",
        context: "move",
        arguments: &["N"],
        hint: 0,
        enabled: always,
        run: |state, told| go(state, told, Move::Page),
    },
    Command {
        id: "move.first",
        title: "to the top",
        doc: "To the first row; with a count to that row or step.",
        context: "move",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, told| crate::app::update::go(state, to(told, Move::First)),
    },
    Command {
        id: "move.last",
        title: "to the end",
        doc: "To the last row, and stay there; with a count to that row or step.",
        context: "move",
        arguments: &[],
        hint: 0,
        enabled: always,
        run: |state, told| crate::app::update::go(state, to(told, Move::Last)),
    },
];

fn go(state: &mut State, told: &Told, step: impl Fn(i64) -> Move) -> Vec<Effect> {
    let by: i64 = told.argument.parse().unwrap_or(1);
    crate::app::update::go(state, step(by.saturating_mul(told.times())))
}

fn to(told: &Told, otherwise: Move) -> Move {
    match told.count {
        Some(row) => Move::To((row as usize).saturating_sub(1)),
        None => otherwise,
    }
}
