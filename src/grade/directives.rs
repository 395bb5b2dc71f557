//! What follows the test command: the files of the test patch, or whatever the repository's runner takes instead.

use super::patch::{Change, files};
use crate::task::Task;

/// Endings of files that are no tests. `csv` has no dot in the harness of origin, and stays that way.
const NOT_TESTS: [&str; 11] = [
    ".json", ".png", "csv", ".txt", ".md", ".jpg", ".jpeg", ".pkl", ".yml", ".yaml", ".toml",
];

/// The test files of a patch, without those that it deletes.
pub(super) fn test_files(test_patch: &str) -> Vec<String> {
    files(test_patch)
        .into_iter()
        .filter(|file| file.change != Change::Deleted)
        .map(|file| file.new)
        .filter(|path| !NOT_TESTS.iter().any(|ending| path.ends_with(ending)))
        .collect()
}

/// A repository's directives, not yet quoted.
pub(super) fn directives(task: &Task) -> Vec<String> {
    let repo = task.repo.to_lowercase();
    if repo == "python/mypy" {
        return vec![case_names(&task.test_patch).join(" or ")];
    }
    let files = test_files(&task.test_patch);
    if repo == "django/django" {
        return files.iter().map(|path| django_label(path)).collect();
    }
    files
}

/// `tests/model_fields/tests.py` → `model_fields.tests`.
fn django_label(path: &str) -> String {
    let path = path.strip_suffix(".py").unwrap_or(path);
    let path = path.strip_prefix("tests/").unwrap_or(path);
    path.replace('/', ".")
}

/// mypy's tests are cases in data files: `[case NAME]`, in the lines that the patch adds or shows. Each name once, in
/// order.
fn case_names(test_patch: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in test_patch.split('\n') {
        let Some(text) = line.strip_prefix(['+', ' ']) else {
            continue;
        };
        let found = text
            .split_once("[case ")
            .and_then(|(_, rest)| rest.split_once(']'));
        if let Some((name, _)) = found
            && !name.is_empty()
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }
    names
}

/// The test files of `module.Class.test` ids: the last two parts are class and test.
pub(super) fn files_of_ids<'a>(ids: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    for id in ids {
        let parts: Vec<&str> = id.split('.').collect();
        let Some(module) = parts.len().checked_sub(2).and_then(|n| parts.get(..n)) else {
            continue;
        };
        let path = format!("{}.py", module.join("/"));
        if !module.is_empty() && !files.contains(&path) {
            files.push(path);
        }
    }
    files
}

/// The test files of `path::Class::test` ids.
pub(super) fn files_of_node_ids<'a>(ids: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    for id in ids {
        if let Some((path, _)) = id.split_once("::")
            && !files.iter().any(|known| known == path)
        {
            files.push(path.to_owned());
        }
    }
    files
}

/// A word of the shell, quoted where it must be.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_files_leave_out_data_and_deleted_files() {
        let patch = "diff --git a/tests/t.py b/tests/t.py\n--- a/tests/t.py\n+++ b/tests/t.py\n@@ -1 +1 @@\n-a\n+b\n\
                     diff --git a/tests/d.json b/tests/d.json\nnew file mode 100644\n\
                     diff --git a/tests/old.py b/tests/old.py\ndeleted file mode 100644\n";
        assert_eq!(test_files(patch), ["tests/t.py"]);
    }

    #[test]
    fn mypy_runs_the_cases_that_the_patch_adds_or_shows() {
        let patch = "@@ -1,4 +1,6 @@\n [case testA]\n x\n+[case testB-xfail]\n+y\n-[case testGone]\n [case testA]\n";
        assert_eq!(case_names(patch), ["testA", "testB-xfail"]);
    }

    #[test]
    fn ids_lead_to_files() {
        let ids = [
            "tests.test_x.TestY.test_z",
            "tests.test_x.TestY.test_w",
            "odd",
        ]
        .map(String::from);
        assert_eq!(files_of_ids(ids.iter()), ["tests/test_x.py"]);
        let ids = ["a/b.py::C::t", "a/b.py::u"].map(String::from);
        assert_eq!(files_of_node_ids(ids.iter()), ["a/b.py"]);
        assert_eq!(
            django_label("tests/model_fields/tests.py"),
            "model_fields.tests"
        );
    }

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quoted("tests/t.py"), "tests/t.py");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(quoted(""), "''");
    }
}
