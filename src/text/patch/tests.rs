//! A reversed patch must undo what the patch did, for every kind of change git can write.

use git2::{Delta, DiffFindOptions, DiffFormat, DiffOptions, FileMode, Oid, Repository, Tree};
use proptest::prelude::*;

use super::*;

/// Files of a tree: name, lines, whether the last has a line end, line end, executable.
type Files = Vec<(String, Vec<u8>, bool)>;

fn scratch() -> (tempfile::TempDir, Repository) {
    let dir = tempfile::tempdir().unwrap();
    let repo = Repository::init_bare(dir.path()).unwrap();
    (dir, repo)
}

fn tree<'r>(repo: &'r Repository, files: &Files) -> Tree<'r> {
    let mut builder = repo.treebuilder(None).unwrap();
    for (name, bytes, executable) in files {
        let mode = if *executable {
            FileMode::BlobExecutable
        } else {
            FileMode::Blob
        };
        let blob = repo.blob(bytes).unwrap();
        builder.insert(name, blob, mode.into()).unwrap();
    }
    repo.find_tree(builder.write().unwrap()).unwrap()
}

fn diff_text(repo: &Repository, old: &Tree<'_>, new: &Tree<'_>) -> String {
    let mut options = DiffOptions::new();
    options.show_binary(true).context_lines(2);
    let mut diff = repo
        .diff_tree_to_tree(Some(old), Some(new), Some(&mut options))
        .unwrap();
    diff.find_similar(Some(DiffFindOptions::new().renames(true)))
        .unwrap();
    let mut text = Vec::new();
    diff.print(DiffFormat::Patch, |_, _, line| {
        if matches!(line.origin(), '+' | '-' | ' ') {
            text.push(u8::try_from(line.origin()).unwrap());
        }
        text.extend_from_slice(line.content());
        true
    })
    .unwrap();
    String::from_utf8(text).unwrap()
}

fn applied(repo: &Repository, base: &Tree<'_>, patch: &str) -> Oid {
    if patch.is_empty() {
        return base.id();
    }
    let diff = git2::Diff::from_buffer(patch.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{patch}"));
    assert!(diff.deltas().all(|d| d.status() != Delta::Conflicted));
    repo.apply_to_tree(base, &diff, None)
        .unwrap()
        .write_tree_to(repo)
        .unwrap()
}

fn undoes(old: &Files, new: &Files) {
    let (_dir, repo) = scratch();
    let executable = old.iter().chain(new).any(|(_, _, executable)| *executable);
    let (old, new) = (tree(&repo, old), tree(&repo, new));
    let forward = diff_text(&repo, &old, &new);
    if !forward.is_empty() && git2::Diff::from_buffer(forward.as_bytes()).is_err() {
        // libgit2 cannot read all that it writes: a rename that also changes the mode.
        return;
    }
    if executable && forward.contains("similarity index 100%") {
        // libgit2 forgets that a file was executable when it renames it untouched; git does not.
        assert_eq!(reverse(&reverse(&forward).unwrap()).unwrap(), forward);
        return;
    }
    let back = reverse(&forward).unwrap();
    assert_eq!(
        applied(&repo, &new, &back),
        old.id(),
        "{forward}\n----\n{back}"
    );
    assert_eq!(reverse(&back).unwrap(), forward);
}

fn file(name: &str, text: &str) -> (String, Vec<u8>, bool) {
    (name.to_owned(), text.as_bytes().to_vec(), false)
}

#[test]
fn new_deleted_renamed_and_mode_changes_are_undone() {
    let long = "line\n".repeat(40);
    undoes(&vec![], &vec![file("new.txt", "a\nb\n"), file("empty", "")]);
    undoes(&vec![file("gone.txt", "a\nb"), file("empty", "")], &vec![]);
    undoes(
        &vec![file("old_name", &format!("{long}x\n"))],
        &vec![file("new_name", &format!("{long}y\n"))],
    );
    undoes(&vec![file("ä\t.txt", &long)], &vec![file("ö\".txt", &long)]);
    let mut executable = file("run.sh", "#!/bin/sh\n");
    executable.2 = true;
    undoes(&vec![file("run.sh", "#!/bin/sh\n")], &vec![executable]);
}

#[test]
fn missing_newlines_carriage_returns_and_binaries_are_undone() {
    undoes(&vec![file("a", "x\ny")], &vec![file("a", "x\nz\n")]);
    undoes(&vec![file("a", "x\ny\n")], &vec![file("a", "x\ny")]);
    undoes(
        &vec![file("a", "x\r\ny\r\n")],
        &vec![file("a", "x\r\nw\r\nz")],
    );
    undoes(
        &vec![file("a", "--- x\n+++ y\n")],
        &vec![file("a", "@@ -1 +1 @@\n-- \n")],
    );
    let binary = |bytes: &[u8]| ("b.bin".to_owned(), bytes.to_vec(), false);
    undoes(
        &vec![binary(b"\0\x01\x02")],
        &vec![binary(b"\0\xff\xfe\xfd")],
    );
}

#[test]
fn a_patch_with_carriage_returns_in_every_line_keeps_them() {
    let patch = "diff --git a/x b/x\r\nindex 1..2 100644\r\n--- a/x\r\n+++ b/x\r\n@@ -1 +1,2 @@ f\r\n-a\r\n+b\r\n+c\r\n";
    let back = "diff --git a/x b/x\r\nindex 2..1 100644\r\n--- a/x\r\n+++ b/x\r\n@@ -1,2 +1 @@ f\r\n-b\r\n-c\r\n+a\r\n";
    assert_eq!(reverse(patch).unwrap(), back);
}

#[test]
fn what_cannot_be_undone_is_an_error_with_its_line() {
    let short = "--- a/x\n+++ b/x\n@@ -1,3 +1,2 @@\n a\n-b\n";
    assert_eq!(
        reverse(short).unwrap_err().to_string(),
        "line 5 of the patch: the hunk ends early"
    );
    let copied = "diff --git a/x b/y\nsimilarity index 100%\ncopy from x\ncopy to y\n";
    assert_eq!(reverse(copied).unwrap_err().line, 3);
    assert_eq!(reverse("").unwrap(), "");
    assert_eq!(reverse("no patch at all").unwrap(), "no patch at all\n");
}

#[test]
fn the_summary_counts_files_and_lines() {
    let patch = "diff --git a/p/x.py b/p/x.py\nindex 1..2 100644\n--- a/p/x.py\n+++ b/p/x.py\n@@ -1,2 +1,3 @@\n a\n--- b\n\
                 +++ c\n+d\ndiff --git a/gone b/gone\ndeleted file mode 100644\nindex 1..0\n--- a/gone\n+++ /dev/null\n\
                 @@ -1 +0,0 @@\n-x\ndiff --git a/empty b/empty\nnew file mode 100644\nindex 0..e\n";
    let summary = summary(patch);
    assert_eq!(summary.files, ["p/x.py", "gone", "empty"]);
    assert_eq!((summary.added, summary.removed), (2, 2));
    assert_eq!(
        super::summary("--- x\n+++ y\n@@ -1 +1 @@\n-a\n+b\n").files,
        ["y"]
    );
}

fn any_files() -> impl Strategy<Value = Files> {
    let line = prop_oneof![Just("same".to_owned()), "[ab+@\\\\ -]{0,3}"];
    let text = (
        prop::collection::vec(line, 0..12),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(lines, crlf, ended)| {
            let end = if crlf { "\r\n" } else { "\n" };
            let mut text = lines.join(end);
            if ended && !lines.is_empty() {
                text.push_str(end);
            }
            text.into_bytes()
        });
    let file = (text, any::<bool>());
    prop::collection::btree_map("[a-c]d", file, 0..4).prop_map(|files| {
        files
            .into_iter()
            .map(|(name, (text, mode))| (name, text, mode))
            .collect()
    })
}

proptest! {
    #[test]
    fn the_reverse_of_any_diff_applies_and_restores(old in any_files(), new in any_files()) {
        undoes(&old, &new);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-+@ 0-9a,\\n\\\\]{0,60}|.{0,60}") {
        let _ = reverse(&text);
        let _ = summary(&text);
    }
}
