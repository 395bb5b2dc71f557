//! The table holds together.

use std::collections::BTreeSet;

use super::*;

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
