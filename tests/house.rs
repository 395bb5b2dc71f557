//! The rules of the house, held by walking the sources: imports point down only, few modules name the crates that are
//! theirs, every module says what it is for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::string_slice,
    reason = "a test that cannot go on should say where"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the top floor down; a room may import those after it.
const ROOMS: &[&str] = &[
    "cli",
    "ui",
    "term",
    "app",
    "theme",
    "keymap",
    "serve",
    "gym",
    "batch",
    "rollout",
    "train",
    "trajectory",
    "agent",
    "grade",
    "sandbox",
    "task",
    "model",
    "engine",
    "hub",
    "text",
    "config",
];

/// Crates that only some rooms may name.
const OWNED: &[(&str, &[&str])] = &[
    ("bollard", &["sandbox"]),
    ("nix", &["sandbox"]),
    ("landlock", &["sandbox"]),
    ("seccompiler", &["sandbox"]),
    ("cap_std", &["sandbox"]),
    ("reqwest", &["model", "hub"]),
    ("parquet", &["task"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("ratatui", &["ui", "term", "theme"]),
    ("crossterm", &["ui", "term", "theme"]),
    ("rustix", &["term", "engine"]),
    ("portable_pty", &["cli"]),
    ("notify", &["app"]),
    ("rusqlite", &["trajectory"]),
    ("syntect", &["text"]),
    ("two_face", &["text"]),
    ("similar", &["text"]),
    ("vt100", &["text", "cli"]),
    ("nucleo_matcher", &["text"]),
    ("pulldown_cmark", &["text"]),
    ("tokenizers", &["engine", "train"]),
    ("memmap2", &["engine"]),
    ("half", &["engine", "train"]),
    ("llguidance", &["engine"]),
    ("candle_core", &["engine", "train"]),
    ("candle_nn", &["engine", "train"]),
    ("candle_transformers", &["engine"]),
    ("hyper", &["serve"]),
    ("hyper_util", &["serve"]),
    ("http_body_util", &["serve"]),
];

fn sources() -> BTreeMap<PathBuf, String> {
    fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.insert(path.clone(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    found
}

fn room(path: &Path) -> Option<String> {
    let inside = path
        .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .unwrap();
    let first = inside.components().next()?.as_os_str().to_str()?;
    Some(first.trim_end_matches(".rs").to_owned()).filter(|name| ROOMS.contains(&name.as_str()))
}

/// Code without its comments: what a doc comment links to is no import.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn imports_point_down_only() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(room) = room(&path) else { continue };
        let floor = ROOMS.iter().position(|name| *name == room).unwrap();
        for (number, line) in code(&text) {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + 7..];
                let named: Vec<&str> = match rest.strip_prefix('{') {
                    Some(list) => list
                        .split(',')
                        .map(|item| item.trim().split("::").next().unwrap())
                        .collect(),
                    None => vec![
                        rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                            .next()
                            .unwrap(),
                    ],
                };
                for name in named {
                    let above = ROOMS
                        .iter()
                        .position(|other| *other == name)
                        .is_some_and(|other| other < floor);
                    if above {
                        wrong.push(format!(
                            "{}:{number}: {room} imports {name}",
                            path.display()
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_are_named_only_in_their_rooms() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(room) = room(&path) else { continue };
        for (number, line) in code(&text) {
            for (name, rooms) in OWNED {
                let named = line.match_indices(&format!("{name}::")).any(|(at, _)| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                });
                if named && !rooms.contains(&room.as_str()) {
                    wrong.push(format!("{}:{number}: {room} names {name}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_opens_by_saying_what_it_is_for() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn no_file_is_named_for_nothing_or_longer_than_an_idea() {
    for (path, text) in sources() {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(
            ![
                "utils", "util", "common", "helpers", "helper", "types", "misc"
            ]
            .contains(&name.as_str()),
            "{name}"
        );
        assert!(
            text.lines().count() <= 700,
            "{} has {} lines",
            path.display(),
            text.lines().count()
        );
    }
}

#[test]
fn unsafe_code_is_in_few_named_files() {
    let with: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| code(text).any(|(_, line)| line.contains("unsafe {")))
        .map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let libraries = ["cuda_libraries.rs"];
    let kernels = ["avx2.rs", "avx512.rs", "deal.rs", "pool.rs"];
    let others = ["map.rs", "descriptors.rs", "spawn.rs"];
    assert_eq!(with, [&libraries[..], &kernels, &others].concat());
}
