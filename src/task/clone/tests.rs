//! A copy of a clone must hold the past whole and nothing of the future.

use git2::{Signature, Time};

use super::*;

struct History {
    _dir: tempfile::TempDir,
    path: PathBuf,
    commits: Vec<Oid>,
}

/// Three commits with a tag on each; the last brings a file that nobody may see.
fn history() -> History {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("Owner__Name");
    let repo = Repository::init(&path).unwrap();
    repo.remote("origin", "https://example.invalid/x.git")
        .unwrap();
    let me = Signature::new("a", "a@b", &Time::new(1_000_000_000, 0)).unwrap();
    let mut commits: Vec<Oid> = Vec::new();
    for (n, name) in ["a.txt", "dir/b.txt", "secret.txt"].iter().enumerate() {
        let file = path.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, format!("content {n}\r\n")).unwrap();
        let mut index = repo.index().unwrap();
        index.add_path(Path::new(name)).unwrap();
        index.write().unwrap();
        let tree = repo.find_tree(index.write_tree().unwrap()).unwrap();
        let parents: Vec<_> = commits
            .last()
            .map(|id| repo.find_commit(*id).unwrap())
            .into_iter()
            .collect();
        let parents: Vec<&git2::Commit<'_>> = parents.iter().collect();
        let id = repo
            .commit(Some("HEAD"), &me, &me, "m", &tree, &parents)
            .unwrap();
        let object = repo.find_object(id, None).unwrap();
        if n == 0 {
            repo.tag("v0", &object, &me, "annotated", false).unwrap();
        } else {
            repo.tag_lightweight(&format!("v{n}"), &object, false)
                .unwrap();
        }
        commits.push(id);
    }
    History {
        path,
        commits,
        _dir: dir,
    }
}

#[test]
fn only_the_history_of_the_base_commit_is_copied() {
    let history = history();
    let base = history.commits[1];
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("repo");
    materialise_from_clone(&history.path, &base.to_string(), &dest).unwrap();
    let repo = Repository::open(&dest).unwrap();
    assert_eq!(repo.head().unwrap().peel_to_commit().unwrap().id(), base);
    assert!(repo.find_commit(history.commits[0]).is_ok());
    assert!(repo.find_commit(history.commits[2]).is_err());
    let secret = Oid::hash_object(ObjectType::Blob, b"content 2\r\n").unwrap();
    assert!(repo.find_blob(secret).is_err());
    assert_eq!(repo.statuses(None).unwrap().len(), 0);
    assert_eq!(
        std::fs::read(dest.join("dir/b.txt")).unwrap(),
        b"content 1\r\n"
    );
    assert!(!dest.join("secret.txt").exists());
    assert_eq!(repo.remotes().unwrap().len(), 0);
    assert!(!dest.join(".git/hooks").exists());
    let tags = repo.tag_names(None).unwrap();
    let mut tags: Vec<&str> = tags.iter().flatten().flatten().collect();
    tags.sort_unstable();
    assert_eq!(tags, ["v0", "v1"]);
    assert!(
        repo.find_reference("refs/tags/v0")
            .unwrap()
            .peel_to_tag()
            .is_ok()
    );
}

#[test]
fn a_commit_that_the_clone_lacks_is_an_error_that_says_what_to_do() {
    let history = history();
    let dir = tempfile::tempdir().unwrap();
    for commit in ["1".repeat(40), "main".to_owned()] {
        let error =
            materialise_from_clone(&history.path, &commit, &dir.path().join("x")).unwrap_err();
        assert!(error.to_string().contains("git fetch"), "{error}");
    }
}

#[test]
fn a_clone_without_all_objects_is_refused_and_leaves_nothing_behind() {
    let history = history();
    let blob = Oid::hash_object(ObjectType::Blob, b"content 0\r\n")
        .unwrap()
        .to_string();
    let (folder, name) = blob.split_at(2);
    std::fs::remove_file(history.path.join(".git/objects").join(folder).join(name)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("x");
    let error =
        materialise_from_clone(&history.path, &history.commits[1].to_string(), &dest).unwrap_err();
    assert!(matches!(error, MaterialiseError::Partial { .. }), "{error}");
    assert!(!dest.exists());
}

#[test]
fn clones_are_found_by_either_name_whatever_the_case() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["project-monai__monai", "dask.git", "x/y"] {
        std::fs::create_dir_all(dir.path().join(name)).unwrap();
    }
    let found = |repo: &str| {
        find(dir.path(), repo).map(|path| path.strip_prefix(dir.path()).unwrap().to_owned())
    };
    assert_eq!(
        found("Project-MONAI/MONAI"),
        Some("project-monai__monai".into())
    );
    assert_eq!(found("dask/dask"), Some("dask.git".into()));
    assert_eq!(found("x/y"), Some("x/y".into()));
    assert_eq!(found("../x"), Some("x".into()));
    assert_eq!(found("python/mypy"), None);
}
