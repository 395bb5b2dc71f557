//! Diffs read back, applied by another git, and drawn.

use proptest::prelude::*;

use super::*;
use crate::text::{Line, Role, safe, wrap};

fn no_code(_: Side, _: usize) -> Option<Line> {
    None
}

fn drawn(file: &FileDiff, items: &[Item], look: Look) -> Vec<String> {
    items
        .iter()
        .flat_map(|item| look.draw(file, *item, &no_code))
        .map(|line| line.text().to_owned())
        .collect()
}

const CUT: Look = Look {
    width: 40,
    wrap: false,
    tab: 4,
};

const OLD: &str = "def f(x):\n    return x + 1\n\n\ndef g():\n    pass\n\n\ndef h():\n\tpass";
const NEW: &str = "def f(x):\n    return x + 2\n\n\ndef g():\n    pass\n\n\ndef h():\n\tpass\n";

#[test]
fn a_comparison_has_numbers_words_and_line_ends() {
    let file = compare("a.py", Some(OLD), Some(NEW));
    assert_eq!((file.added, file.removed, file.hunks.len()), (2, 2, 2));
    let removed = &file.hunks[0].lines[1];
    assert_eq!((removed.old, removed.new), (Some(2), None));
    assert_eq!(removed.text.get(removed.words[0].clone()), Some("1"));
    assert!(file.hunks[1].lines[3].unterminated);
    assert_eq!(
        file.patch(),
        "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n\
         @@ -1,5 +1,5 @@\n def f(x):\n-    return x + 1\n+    return x + 2\n \n \n def g():\n\
         @@ -7,4 +7,4 @@\n \n \n def h():\n-\tpass\n\\ No newline at end of file\n+\tpass\n"
    );
}

#[test]
fn a_comparison_is_drawn_in_one_column_and_in_two() {
    let file = compare("a.py", Some(OLD), Some(NEW));
    let rows = drawn(&file, &unified(&file), CUT);
    assert_eq!(
        rows[..5],
        [
            "a.py  +2 −2",
            "@@ -1,5 +1,5 @@",
            " 1  1   def f(x):",
            " 2    -     return x + 1",
            "    2 +     return x + 2",
        ]
    );
    assert_eq!(rows[12], "10    -     pass (no newline at end)");
    let rows = drawn(&file, &pairs(&file), CUT);
    assert_eq!(
        rows[2..4],
        [
            " 1   def f(x):     │  1   def f(x):",
            " 2 -     return x… │  2 +     return x …",
        ]
    );
}

#[test]
fn code_keeps_its_roles_on_the_ground_of_its_line() {
    let file = compare("a.py", Some("x = 1\n"), Some("x = 2\n"));
    let code = |side, _| {
        let digit = if side == Side::Old { "1" } else { "2" };
        Some(Line::of("x = ", Role::Code).with(digit, Role::CodeNumber))
    };
    let rows = CUT.draw(&file, Item::Line(0, 1), &code);
    let pieces: Vec<_> = rows[0]
        .pieces()
        .map(|(_, ink)| (ink.role, ink.over))
        .collect();
    assert_eq!(
        pieces[2..],
        [
            (Role::Code, Some(Role::DiffAdd)),
            (Role::CodeNumber, Some(Role::DiffAddWord)),
        ]
    );
}

const GIT: &str = "From abc\ndiff --git \"a/sp \\303\\244\\t.txt\" \"b/sp \\303\\244\\t.txt\"\nindex 1..2 100644\n\
--- \"a/sp \\303\\244\\t.txt\"\n+++ \"b/sp \\303\\244\\t.txt\"\n@@ -1 +1,2 @@ fn main\n--- a\n+++ b\n+more\n\
diff --git a/new b/new\nnew file mode 100755\nindex 0..1\n--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n\
diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\
diff --git a/from b/to\nsimilarity index 100%\nrename from from\nrename to to\n\
diff --git a/run b/run\nold mode 100644\nnew mode 100755\n\
diff --git a/i.png b/i.png\nindex 1..2\nGIT binary patch\nliteral 3\nKcmZQzWMXDvWn~2bQ~\n\n--- a/not\n+++ b/not\n@@ -1 +1 @@\n\n\
diff --git a/j.png b/j.png\nBinary files a/j.png and b/j.png differ\n";

#[test]
fn a_git_patch_is_read_file_by_file() {
    let files = parse(GIT);
    let seen: Vec<_> = files
        .iter()
        .map(|file| {
            (
                file.path.as_str(),
                file.status,
                file.binary,
                file.added,
                file.removed,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("sp ä\t.txt", Status::Modified, false, 2, 1),
            ("new", Status::Added, false, 1, 0),
            ("gone", Status::Removed, false, 0, 1),
            ("to", Status::Renamed, false, 0, 0),
            ("run", Status::Mode, false, 0, 0),
            ("i.png", Status::Modified, true, 0, 0),
            ("j.png", Status::Modified, true, 0, 0),
        ]
    );
    assert_eq!(files[0].hunks[0].heading, " fn main");
    assert_eq!(
        files[0].hunks[0].lines[0].text, "-- a",
        "text that looks like a header"
    );
    assert!(files[1].hunks[0].lines[0].unterminated);
    assert_eq!(files[3].old_path.as_deref(), Some("from"));
    assert_eq!(files[4].modes, Some(("100644".into(), "100755".into())));
    let printed: String = files.iter().map(FileDiff::patch).collect();
    assert_eq!(format!("From abc\n{printed}"), GIT);
}

#[test]
fn a_patch_without_git_headers_is_read_too() {
    let files = parse(
        "--- old/a.c\t2020-01-01\n+++ new/a.c\t2020-01-02\n@@ -1 +1 @@\n-a\n+b\n--- x\n+++ x\n@@ -1 +1 @@\n-a\n+b\n",
    );
    assert_eq!(files[0].path, "new/a.c");
    assert_eq!(files[0].old_path.as_deref(), Some("old/a.c"));
    assert_eq!(
        (files[1].path.as_str(), files[1].old_path.as_deref()),
        ("x", None)
    );
}

#[test]
fn hostile_text_is_never_drawn_raw_and_marks_stay_on_their_words() {
    let file = compare(
        "\x1b]0;x\x07",
        Some("a\t\u{202e}one two\n"),
        Some("a\t\u{202e}one \x1b[31mtwo\n"),
    );
    for items in [unified(&file), pairs(&file)] {
        for row in drawn(&file, &items, CUT) {
            assert!(
                !row.chars()
                    .any(|c| safe::is_hidden(c) || c == '\n' || c == '\t')
            );
        }
    }
    let wide = Look { width: 90, ..CUT };
    let rows = wide.draw(&file, Item::Line(0, 1), &no_code);
    let marked: String = rows[0]
        .pieces()
        .filter(|(_, ink)| ink.role == Role::DiffAddWord)
        .map(|(text, _)| text)
        .collect();
    assert!(marked.contains('␛') && !marked.contains("one"), "{marked}");
}

#[test]
fn what_is_too_large_is_compared_less_closely_and_says_so() {
    let lines = |seed: usize, n: usize| -> String {
        let lines: Vec<_> = (0..n)
            .map(|i| ((i * 7919 + seed) % n).to_string())
            .collect();
        lines.join("\n")
    };
    // Every line moved: the worst that a comparison can meet. Done at all means that the work is bounded.
    let file = compare(
        "shuffled",
        Some(&lines(0, 20_000)),
        Some(&lines(9_000, 20_000)),
    );
    assert_ne!(file.detail, Detail::Block);
    let file = compare("huge", Some(&lines(0, 120_000)), Some(&lines(1, 120_000)));
    assert_eq!((file.detail, file.hunks.len()), (Detail::Block, 1));
    let long = "x ".repeat(1 << 20);
    let file = compare("one line", Some(&long), Some(&format!("{long}y")));
    assert_eq!(file.detail, Detail::SomeWords);
    assert!(file.hunks[0].lines.iter().all(|line| line.words.is_empty()));
}

#[test]
fn a_hunk_can_be_copied_alone_and_binary_files_say_what_they_are() {
    let file = compare("a.py", Some(OLD), Some(NEW));
    let alone = parse(&file.hunk_patch(1).unwrap());
    assert_eq!(alone[0].hunks, file.hunks[1..]);
    assert_eq!(file.hunk_patch(2), None);
    let binary = compare("b", Some("\0"), None);
    assert_eq!(
        drawn(&binary, &unified(&binary), CUT),
        ["b  removed  binary"]
    );
    assert!(compare("same", Some("x"), Some("x")).hunks.is_empty());
}

/// Another implementation of git applies the patch.
fn applied(old: Option<&str>, patch: &str) -> Option<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let repo = git2::Repository::init_bare(dir.path()).unwrap();
    let mut builder = repo.treebuilder(None).unwrap();
    if let Some(old) = old {
        let blob = repo.blob(old.as_bytes()).unwrap();
        builder.insert("f\"ä", blob, 0o100_644).unwrap();
    }
    let tree = repo.find_tree(builder.write().unwrap()).unwrap();
    let diff = git2::Diff::from_buffer(patch.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{patch}"));
    let index = repo.apply_to_tree(&tree, &diff, None).unwrap();
    let entry = index.get_path(std::path::Path::new("f\"ä"), 0)?;
    Some(repo.find_blob(entry.id).unwrap().content().to_vec())
}

fn texts() -> impl Strategy<Value = String> {
    (
        proptest::collection::vec("[ab\\-+ @]{0,3}\r?", 0..25),
        any::<bool>(),
    )
        .prop_map(|(lines, end)| lines.join("\n") + if end { "\n" } else { "" })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_printed_comparison_applies_and_reads_back(old in proptest::option::of(texts()), new in texts()) {
        let file = compare("f\"ä", old.as_deref(), Some(&new));
        let patch = file.patch();
        if file.hunks.is_empty() {
            prop_assert_eq!(old.unwrap_or_default(), new);
        } else {
            prop_assert_eq!(applied(old.as_deref(), &patch), Some(new.into_bytes()));
            prop_assert_eq!(&parse(&patch)[0], &file);
        }
    }

    #[test]
    fn heights_agree_with_what_is_drawn(old in texts(), new in texts(), width in 0usize..30, wrap in any::<bool>()) {
        let file = compare("f", Some(&old), Some(&new));
        let look = Look { width, wrap, tab: 8 };
        for item in unified(&file).into_iter().chain(pairs(&file)) {
            let rows = look.draw(&file, item, &no_code);
            prop_assert_eq!(look.height(&file, item), rows.len());
            prop_assert!(rows.iter().all(|row| wrap::columns(row.text()) <= width));
        }
    }

    #[test]
    fn no_text_makes_reading_or_drawing_panic(lines in proptest::collection::vec(
        prop_oneof![
            Just("diff --git a/x b/x".to_owned()), Just("--- a/x".to_owned()), Just("+++ \"b/\\777\\".to_owned()),
            Just("@@ -1,18446744073709551615 +18446744073709551615,9 @@".to_owned()), Just("GIT binary patch".to_owned()),
            Just("\\ No".to_owned()), "[-+ ].{0,5}", any::<String>(),
        ], 0..30)) {
        for file in parse(&lines.join("\n")) {
            for item in unified(&file).into_iter().chain(pairs(&file)) {
                let _ = CUT.draw(&file, item, &no_code);
            }
            let _ = file.patch();
        }
    }
}
