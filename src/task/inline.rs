//! Tasks whose row holds the files that the repository starts from.
//!
//! The row's `files` maps paths to texts. From them one root commit is made, always the same: `base_commit` must be its id, so
//! that a row whose files were changed is refused. It is the way of small made tasks: thousands of them are one file.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use git2::{ObjectType, Oid, Signature, Time};

use super::Task;
use super::sample::COMMIT_TIME;
use super::write_tree::{MaterialiseError, check_out, git, make};

/// Paths and texts.
pub type Files = BTreeMap<String, String>;

/// A path of a row: relative, plain, and not git's own.
pub(super) fn is_plain(path: &str) -> bool {
    let names = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(name) if name != ".git"));
    names && !path.is_empty() && !path.contains(['\\', '\0', '\n'])
}

/// The id of the commit that these files make, without writing anything.
#[must_use]
pub fn commit_of(files: &Files, version: &str) -> String {
    let tree = tree_of(files);
    let who = format!("spotter <spotter@localhost> {COMMIT_TIME} +0000");
    let commit = format!(
        "tree {tree}\nauthor {who}\ncommitter {who}\n\n{}",
        message(version)
    );
    id(ObjectType::Commit, commit.as_bytes()).to_string()
}

fn message(version: &str) -> String {
    format!("base {version}\n")
}

/// Hashing fails only where memory does.
fn id(kind: ObjectType, bytes: &[u8]) -> Oid {
    Oid::hash_object(kind, bytes).unwrap_or(Oid::ZERO_SHA1)
}

/// The id of the tree of these files, folders first made of what lies in them.
fn tree_of(files: &Files) -> Oid {
    // Git sorts a folder as if its name ended in a slash.
    let mut entries: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut folders: BTreeMap<&str, Files> = BTreeMap::new();
    for (path, text) in files {
        if let Some((folder, rest)) = path.split_once('/') {
            let inside = folders.entry(folder).or_default();
            inside.insert(rest.to_owned(), text.clone());
        } else {
            let blob = id(ObjectType::Blob, text.as_bytes());
            entries.insert(path.clone(), entry("100644", path, blob));
        }
    }
    for (folder, inside) in folders {
        entries.insert(
            format!("{folder}/"),
            entry("40000", folder, tree_of(&inside)),
        );
    }
    let bytes: Vec<u8> = entries.into_values().flatten().collect();
    id(ObjectType::Tree, &bytes)
}

fn entry(mode: &str, name: &str, id: Oid) -> Vec<u8> {
    [mode.as_bytes(), b" ", name.as_bytes(), b"\0", id.as_bytes()].concat()
}

/// Write the files that a task starts from to `dest`, as a git repository whose HEAD is its base commit.
///
/// # Errors
/// Where `dest` is not empty, the row holds no files, or what was made is not the commit it names.
pub fn materialise(task: &Task, dest: &Path) -> Result<(), MaterialiseError> {
    if task.files.is_empty() {
        return Err(MaterialiseError::NoSuchTask(format!(
            "the row of `{}` holds no files",
            task.instance_id
        )));
    }
    make(dest, |repo| {
        let what = || {
            git(format!(
                "`{}`: its files cannot be written",
                task.instance_id
            ))
        };
        let tree = write(&repo, &task.files).map_err(what())?;
        let tree = repo.find_tree(tree).map_err(what())?;
        let author = Signature::new("spotter", "spotter@localhost", &Time::new(COMMIT_TIME, 0))
            .map_err(what())?;
        let made = repo
            .commit(None, &author, &author, &message(&task.version), &tree, &[])
            .map_err(what())?;
        if made.to_string() != task.base_commit {
            return Err(MaterialiseError::WrongCommit {
                what: task.instance_id.clone(),
                made: made.to_string(),
                expected: task.base_commit.clone(),
            });
        }
        check_out(&repo, made)
    })
}

fn write(repo: &git2::Repository, files: &Files) -> Result<Oid, git2::Error> {
    let mut builder = repo.treebuilder(None)?;
    let mut folders: BTreeMap<&str, Files> = BTreeMap::new();
    for (path, text) in files {
        if let Some((folder, rest)) = path.split_once('/') {
            let inside = folders.entry(folder).or_default();
            inside.insert(rest.to_owned(), text.clone());
        } else {
            builder.insert(path, repo.blob(text.as_bytes())?, 0o100_644)?;
        }
    }
    for (folder, inside) in folders {
        builder.insert(folder, write(repo, &inside)?, 0o040_000)?;
    }
    builder.write()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Family;

    fn task() -> Task {
        let mut task = Task::named("x__y-1", "spotter/y", Family::Sample);
        task.version = "1".into();
        for (path, text) in [
            ("a.py", "a = 1\n"),
            ("b/c.py", ""),
            ("b.py", "b"),
            ("b/d/e.txt", "e\n"),
        ] {
            task.files.insert(path.into(), text.into());
        }
        task.base_commit = commit_of(&task.files, "1");
        task
    }

    #[test]
    fn the_commit_that_is_reckoned_is_the_one_that_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let dest = folder.path().join("r");
        materialise(&task(), &dest).unwrap();
        let repo = git2::Repository::open(&dest).unwrap();
        assert_eq!(
            repo.head()
                .unwrap()
                .peel_to_commit()
                .unwrap()
                .id()
                .to_string(),
            task().base_commit
        );
        assert_eq!(repo.statuses(None).unwrap().len(), 0);
        assert_eq!(
            std::fs::read_to_string(dest.join("b/d/e.txt")).unwrap(),
            "e\n"
        );
    }

    #[test]
    fn files_that_are_not_those_of_the_commit_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut changed = task();
        changed.files.insert("a.py".into(), "a = 2\n".into());
        let error = materialise(&changed, &folder.path().join("r")).unwrap_err();
        assert!(
            matches!(error, MaterialiseError::WrongCommit { .. }),
            "{error}"
        );
    }

    #[test]
    fn paths_that_lead_elsewhere_are_no_files_of_a_row() {
        for path in [
            "/a",
            "../a",
            "a/../b",
            "",
            ".git/config",
            "a/.git/x",
            "a\\b",
            "a\nb",
        ] {
            assert!(!is_plain(path), "{path}");
        }
        assert!(is_plain("a/b.py"));
    }
}
