//! Commands wherever text is typed.

use super::{Command, always};
use crate::app::effect::Effect;
use crate::app::field::Field;
use crate::app::state::State;

macro_rules! edits {
    ($($id:literal, $title:literal, $doc:literal, $edit:expr;)+) => {
        &[$(Command {
            id: $id,
            title: $title,
            doc: $doc,
            context: "field",
            arguments: &[],
            hint: 0,
            enabled: always,
            run: |state, _| typed(state, $edit),
        },)+
        Command {
            id: "field.accept",
            title: "accept",
            doc: "Take what is typed.",
            context: "ask",
            arguments: &[],
            hint: 1,
            enabled: always,
            run: |state, _| crate::app::update::accept(state),
        },
        Command {
            id: "field.cancel",
            title: "cancel",
            doc: "Leave it as it was.",
            context: "ask",
            arguments: &[],
            hint: 2,
            enabled: always,
            run: |state, _| crate::app::update::close(state),
        },
        Command {
            id: "field.newline",
            title: "new line",
            doc: "A line end in what is typed.",
            context: "ask",
            arguments: &[],
            hint: 0,
            enabled: always,
            run: |state, _| typed(state, |field| field.insert("\n")),
        },
        Command {
            id: "field.older",
            title: "older",
            doc: "What was typed before.",
            context: "ask",
            arguments: &[],
            hint: 0,
            enabled: always,
            run: |state, _| crate::app::update::history(state, 1),
        },
        Command {
            id: "field.newer",
            title: "newer",
            doc: "What was typed after that.",
            context: "ask",
            arguments: &[],
            hint: 0,
            enabled: always,
            run: |state, _| crate::app::update::history(state, -1),
        }]
    };
}

pub(super) const COMMANDS: &[Command] = edits! {
    "field.left", "left", "One character left.", Field::left;
    "field.right", "right", "One character right.", Field::right;
    "field.word-left", "word left", "One word left.", Field::word_left;
    "field.word-right", "word right", "One word right.", Field::word_right;
    "field.home", "start", "To the start.", Field::home;
    "field.end", "end", "To the end.", Field::end;
    "field.backspace", "rub out", "Remove the character before the cursor.", Field::backspace;
    "field.delete", "delete", "Remove the character under the cursor.", Field::delete;
    "field.delete-word", "rub out a word", "Remove the word before the cursor.", Field::delete_word;
    "field.delete-to-start", "clear to the start", "Remove everything before the cursor.", Field::delete_to_start;
    "field.delete-to-end", "clear to the end", "Remove everything after the cursor.", Field::delete_to_end;
};

fn typed(state: &mut State, edit: impl FnOnce(&mut Field)) -> Vec<Effect> {
    crate::app::update::edit_field(state, edit)
}
