//! The tasks that ship inside spotter, so that it can be tried with nothing downloaded.
//!
//! Two sets: hand-written ones ([`load`]), and small made ones of the gym's held-out split ([`gym`]), whose rows hold their files.
//!
//! `sample_tasks/` holds each package with all fixes and tests in place, and rows like those of any other set. The tree
//! a task starts from is the package with the task's two patches taken back. It is computed in a scratch repository,
//! and only its own files go to the destination: the solved versions must not lie among the objects there.

use std::path::Path;

use git2::{Diff, Index, IndexEntry, IndexTime, Oid, Repository, Signature, Time};
use include_dir::{Dir, include_dir};

use super::load::Intake;
use super::write_tree::{check_out, git, io, make};
use super::{Family, Loaded, Task, hash};
use crate::text::patch;

pub use super::write_tree::MaterialiseError;

static PACKAGES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/sample_tasks/packages");
const ROWS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/sample_tasks/tasks.jsonl"
));

const GYM_ROWS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/sample_tasks/gym/tasks.jsonl"
));

/// The time of every base commit: 2026-01-01T00:00:00Z. Part of its id.
pub(super) const COMMIT_TIME: i64 = 1_767_225_600;

/// What messages call the bundled rows.
const ORIGIN: &str = "sample";
const GYM_ORIGIN: &str = "gym";

/// The bundled tasks.
#[must_use]
pub fn load() -> Loaded {
    let mut loaded = read(ROWS, ORIGIN);
    for task in &mut loaded.tasks {
        task.family = Family::Sample;
        task.hash = hash::of(task);
    }
    loaded
}

/// The bundled tasks of the gym: those that a small model may solve.
#[must_use]
pub fn gym() -> Loaded {
    read(GYM_ROWS, GYM_ORIGIN)
}

fn read(rows: &[u8], origin: &str) -> Loaded {
    let mut intake = Intake::default();
    if let Err(error) = intake.jsonl(rows, origin) {
        intake.problem(origin, 0, error.to_string());
    }
    intake.finish()
}

/// Write the tree that a bundled task starts from to `dest`, as a git repository whose HEAD is its base commit.
///
/// # Errors
/// Where `dest` is not empty, the task is none of the bundled ones, or what was made is not the commit its row names.
pub fn materialise(task: &Task, dest: &Path) -> Result<(), MaterialiseError> {
    let name = task.repo.rsplit('/').next().unwrap_or_default();
    let package = PACKAGES
        .get_dir(name)
        .filter(|_| task.family == Family::Sample);
    let Some(package) = package else {
        let what = format!("`{}` is not one of the bundled tasks", task.instance_id);
        return Err(MaterialiseError::NoSuchTask(what));
    };
    let scratch = tempfile::tempdir().map_err(io(&std::env::temp_dir()))?;
    let work = Repository::init_bare(scratch.path()).map_err(git("a scratch repository"))?;
    let base = base_index(&work, package, task)?;

    make(dest, |repo| fill(&repo, &work, &base, task, name))
}

/// Copy the base tree's blobs over and commit them.
fn fill(
    repo: &Repository,
    work: &Repository,
    base: &Index,
    task: &Task,
    name: &str,
) -> Result<(), MaterialiseError> {
    let what = || {
        git(format!(
            "`{}`: its base tree cannot be written",
            task.instance_id
        ))
    };
    let mut index = Index::new().map_err(what())?;
    for entry in base.iter() {
        let blob = work.find_blob(entry.id).map_err(what())?;
        repo.blob(blob.content()).map_err(what())?;
        index.add(&entry).map_err(what())?;
    }
    let tree = index
        .write_tree_to(repo)
        .and_then(|id| repo.find_tree(id))
        .map_err(what())?;
    let author = Signature::new("spotter", "spotter@localhost", &Time::new(COMMIT_TIME, 0))
        .map_err(what())?;
    let message = format!("{name} {}\n", task.version);
    let made = repo
        .commit(None, &author, &author, &message, &tree, &[])
        .map_err(what())?;
    if made.to_string() != task.base_commit {
        return Err(MaterialiseError::WrongCommit {
            what: task.instance_id.clone(),
            made: made.to_string(),
            expected: task.base_commit.clone(),
        });
    }
    check_out(repo, made)
}

/// The package's final tree with the tests' patch and the gold patch taken back.
fn base_index(
    work: &Repository,
    package: &Dir<'_>,
    task: &Task,
) -> Result<Index, MaterialiseError> {
    let what = || {
        git(format!(
            "`{}`: its patches cannot be taken back",
            task.instance_id
        ))
    };
    let mut index = Index::new().map_err(what())?;
    add(work, package, package.path(), &mut index).map_err(what())?;
    for patch in [&task.test_patch, &task.gold_patch] {
        let back = patch::reverse(patch).map_err(|error| {
            MaterialiseError::NoSuchTask(format!("`{}`: {error}", task.instance_id))
        })?;
        let tree = index
            .write_tree_to(work)
            .and_then(|id| work.find_tree(id))
            .map_err(what())?;
        let diff = Diff::from_buffer(back.as_bytes()).map_err(what())?;
        index = work.apply_to_tree(&tree, &diff, None).map_err(what())?;
    }
    Ok(index)
}

/// Files of a package, without what Python caches beside them.
fn add(
    work: &Repository,
    dir: &Dir<'_>,
    root: &Path,
    index: &mut Index,
) -> Result<(), git2::Error> {
    for sub in dir.dirs() {
        if sub
            .path()
            .file_name()
            .is_none_or(|name| name != "__pycache__")
        {
            add(work, sub, root, index)?;
        }
    }
    for file in dir.files() {
        let path = file.path().strip_prefix(root).unwrap_or(file.path());
        if path.extension().is_none_or(|ext| ext != "pyc") {
            index.add(&entry(path, work.blob(file.contents())?))?;
        }
    }
    Ok(())
}

fn entry(path: &Path, id: Oid) -> IndexEntry {
    IndexEntry {
        ctime: IndexTime::new(0, 0),
        mtime: IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode: 0o100_644,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.to_string_lossy().replace('\\', "/").into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_row_is_read() {
        let loaded = load();
        assert_eq!(loaded.problems, []);
        assert!(!loaded.tasks.is_empty());
        assert!(
            loaded
                .tasks
                .iter()
                .all(|task| task.family == Family::Sample)
        );
    }

    #[test]
    fn every_row_of_the_gym_is_read_held_out_and_holds_the_files_of_its_commit() {
        let loaded = gym();
        assert_eq!(loaded.problems, []);
        assert!(loaded.tasks.len() >= 24);
        for task in loaded.tasks {
            assert_eq!(task.split.as_deref(), Some("held-out"));
            assert_eq!(task.family, Family::Sample);
            let made = super::super::inline::commit_of(&task.files, &task.version);
            assert_eq!(made, task.base_commit, "{}", task.instance_id);
        }
    }

    #[test]
    fn every_bundled_task_becomes_a_clean_repository_at_its_base_commit() {
        for task in load().tasks {
            let dir = tempfile::tempdir().unwrap();
            let dest = dir.path().join("repo");
            materialise(&task, &dest).unwrap();
            let repo = Repository::open(&dest).unwrap();
            let head = repo.head().unwrap();
            assert_eq!(head.name().unwrap(), "refs/heads/main");
            assert_eq!(
                head.peel_to_commit().unwrap().id().to_string(),
                task.base_commit
            );
            assert_eq!(
                repo.statuses(None).unwrap().len(),
                0,
                "{}",
                task.instance_id
            );
            // The solution is not among the objects, and applies.
            let gold = Diff::from_buffer(task.gold_patch.as_bytes()).unwrap();
            let base = head.peel_to_tree().unwrap();
            for delta in gold
                .deltas()
                .filter(|delta| !delta.new_file().id().is_zero())
            {
                let solved = delta.new_file().id().to_string();
                let prefix = solved.trim_end_matches('0');
                assert!(
                    repo.revparse_single(prefix).is_err(),
                    "{}",
                    task.instance_id
                );
            }
            repo.apply_to_tree(&base, &gold, None).unwrap();
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x"), "").unwrap();
        let task = load().tasks.remove(0);
        assert!(matches!(
            materialise(&task, dir.path()),
            Err(MaterialiseError::NotEmpty(_))
        ));
    }

    #[test]
    fn a_row_with_another_base_commit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut task = load().tasks.remove(0);
        task.base_commit = "0".repeat(40);
        let error = materialise(&task, &dir.path().join("r")).unwrap_err();
        assert!(
            matches!(error, MaterialiseError::WrongCommit { .. }),
            "{error}"
        );
    }
}
