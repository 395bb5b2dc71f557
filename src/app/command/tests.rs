//! The table is whole, and the built-in keymaps fit it.

use std::collections::BTreeSet;

use super::*;
use crate::app::executor::known;
use crate::keymap::{self, Found, Key, Keymap, shown};

/// The contexts that hold together, nearest first: those of `State::contexts`, with every pane and every state of a run.
fn stacks() -> Vec<Vec<&'static str>> {
    let mut stacks: Vec<Vec<&str>> = vec![
        vec!["picker", "field"],
        vec!["messages", "move", "global"],
        vec!["confirm"],
        vec!["welcome"],
        vec!["ask", "field"],
        vec!["query", "field"],
        vec!["form", "move"],
        vec!["tasks", "move", "global"],
        vec!["library", "move", "global"],
        vec!["engines", "move", "global"],
    ];
    for pane in ["transcript", "diff", "tests", "files", "notes"] {
        for more in [
            &[][..],
            &["approve"],
            &["search"],
            &["demo"],
            &["replay"],
            &["log"],
        ] {
            let mut stack = more.to_vec();
            stack.extend([pane, "run", "move", "global"]);
            stacks.push(stack);
        }
    }
    stacks
}

fn built_in() -> Vec<(&'static str, Keymap)> {
    keymap::BUILT_IN
        .iter()
        .map(|(name, _)| {
            let (keymap, warnings) = keymap::load(name, None, &known());
            let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            assert!(told.is_empty(), "{name}: {told:?}");
            (*name, keymap)
        })
        .collect()
}

#[test]
fn ids_are_unique_and_every_command_says_what_it_does() {
    let mut seen = BTreeSet::new();
    for command in all() {
        assert!(seen.insert(command.id), "{} twice", command.id);
        assert!(
            CONTEXTS.iter().any(|(name, _)| *name == command.context),
            "{}: context {}",
            command.id,
            command.context
        );
        assert!(
            !command.title.is_empty() && command.doc.ends_with('.'),
            "{}",
            command.id
        );
    }
}

#[test]
fn a_wrong_command_is_told_with_the_nearest_right_one() {
    let told = check("move.row 1").unwrap_err();
    assert!(told.contains("did you mean `move.rows`"), "{told}");
    let told = check("copy everything").unwrap_err();
    assert!(told.contains("command, step, diff, hunk, id"), "{told}");
    assert!(check("app.quit later").is_err() && check("app.quit now").is_ok());
    assert!(check("palette.open 3").is_err());
}

#[test]
fn every_binding_of_a_built_in_keymap_is_reached_somewhere() {
    for (name, keymap) in built_in() {
        for (context, keys, binding) in keymap.all() {
            let reached = stacks().iter().any(|stack| {
                stack.contains(&context)
                    && matches!(keymap.find(stack, keys), Found::Command(there) if there == binding)
                    && (1..keys.len()).all(|end| keymap.find(stack, &keys[..end]) == Found::Prefix)
            });
            assert!(
                reached,
                "{name}: [{context}] `{}` is taken by a nearer context wherever it holds",
                shown(keys)
            );
        }
    }
}

#[test]
fn every_command_is_reached_by_a_key_of_its_context_or_by_the_palette() {
    for (name, keymap) in built_in() {
        let palette = |command: &Command| {
            let typed = [
                "field", "picker", "query", "ask", "confirm", "welcome", "messages", "move",
            ];
            !typed.contains(&command.context)
        };
        for command in all() {
            let keys = stacks()
                .iter()
                .any(|stack| !keymap.keys_for(stack, command.id, None).is_empty());
            // Moves by half pages and edits by words are comfort that `minimal` leaves out.
            let comfort = name == "minimal" && matches!(command.context, "move" | "field");
            // Run by the answer to a question.
            let answer = command.id.ends_with("-confirmed");
            assert!(
                keys || palette(command) || comfort || answer,
                "{name}: nothing runs `{}`",
                command.id
            );
        }
    }
}

#[test]
fn wherever_one_is_there_is_a_key_that_leads_out_and_one_that_helps() {
    let leave = [
        "layer.close",
        "confirm.no",
        "welcome.close",
        "field.cancel",
        "form.close",
        "app.quit",
    ];
    for (name, keymap) in built_in() {
        for stack in stacks() {
            let runs = |command: &str| !keymap.keys_for(&stack, command, None).is_empty();
            assert!(
                leave.iter().any(|command| runs(command)),
                "{name}: {stack:?}"
            );
            if stack.contains(&"global") {
                assert!(
                    runs("palette.open") && runs("help.open"),
                    "{name}: {stack:?}"
                );
            }
            // Ctrl-C is what people press when they do not know.
            let ctrl_c = Key::sequence("ctrl-c").unwrap();
            let Found::Command(binding) = keymap.find(&stack, &ctrl_c) else {
                panic!("{name}: ctrl-c does nothing in {stack:?}");
            };
            assert!(
                leave.contains(&binding.command.as_str()),
                "{name}: {stack:?}"
            );
        }
    }
}

#[test]
fn typing_is_never_taken_for_a_command() {
    for (name, keymap) in built_in() {
        for stack in stacks().iter().filter(|stack| stack.contains(&"field")) {
            for c in (' '..='~').chain(['ä', '世']) {
                assert_eq!(
                    keymap.find(stack, &[Key::char(c)]),
                    Found::Nothing,
                    "{name}: `{c}` in {stack:?}"
                );
            }
        }
    }
}

#[test]
fn no_key_is_bound_that_terminals_send_as_another() {
    // Without an extended protocol these are Tab, Enter, Escape and plain keys with a control that is lost.
    let lost = [
        "ctrl-i",
        "ctrl-m",
        "ctrl-[",
        "ctrl-enter",
        "shift-enter",
        "ctrl-tab",
    ];
    for (name, keymap) in built_in() {
        for (context, keys, _) in keymap.all() {
            for key in keys {
                assert!(
                    !lost.contains(&key.to_string().as_str()),
                    "{name}: [{context}] {key}"
                );
            }
        }
    }
}
