//! The specifications of SWE-Gym's and SWE-bench's repositories, and the names of their images.
//!
//! The values (install and test commands by version, parser by repository) are SWE-Gym/SWE-Bench-Fork's at 242429c,
//! trimmed to what grading needs and kept as data in `specs.json`; their licence (MIT) is in `specs.LICENSE`.
//! A version is a string: `1.10` is not `1.1`. Repositories are compared without case, as tools differ in it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::parser::Parser;
use crate::task::{Family, Task};

#[derive(Debug, Deserialize)]
struct Table {
    parsers: BTreeMap<String, String>,
    specs: Vec<Spec>,
}

/// How one repository is installed and tested at some of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Spec {
    repo: String,
    versions: Vec<String>,
    /// Python of the environment, where one is named.
    pub python: Option<String>,
    /// Run again after the patch, so that changed set-up files take effect.
    pub install: Option<String>,
    /// Run before anything else, in the same shell.
    #[serde(default)]
    pub eval_commands: Vec<String>,
    /// Test command; test files or `-k` expressions follow.
    pub test_cmd: String,
}

static TABLE: LazyLock<Option<Table>> =
    LazyLock::new(|| serde_json::from_str(include_str!("specs.json")).ok());

/// The specification of a repository at a version.
#[must_use]
pub fn spec(repo: &str, version: &str) -> Option<&'static Spec> {
    TABLE.as_ref()?.specs.iter().find(|spec| {
        spec.repo.eq_ignore_ascii_case(repo) && spec.versions.iter().any(|v| v == version)
    })
}

/// The versions of a repository that have a specification.
#[must_use]
pub fn versions(repo: &str) -> Vec<&'static str> {
    let specs = TABLE.iter().flat_map(|table| &table.specs);
    specs
        .filter(|spec| spec.repo.eq_ignore_ascii_case(repo))
        .flat_map(|spec| spec.versions.iter().map(String::as_str))
        .collect()
}

/// The parser of a repository's logs.
#[must_use]
pub(super) fn parser(repo: &str) -> Option<Parser> {
    let name = TABLE.as_ref()?.parsers.get(&repo.to_lowercase())?;
    name.parse().ok()
}

/// The images that a task may run in, as published, best first.
///
/// | family | reference |
/// |---|---|
/// | SWE-Gym | `xingyaoww/sweb.eval.x86_64.{id}`, `__` → `_s_`, lower case |
/// | SWE-bench | the row's, else `swebench/sweb.eval.x86_64.{id}`, `__` → `_1776_`, lower case |
/// | SWE-smith | the row's; as pushed, with `jyangballin/` or `swebench/` before it and `__` → `_1776_` |
/// | others | the row's |
#[must_use]
pub fn image_for(task: &Task) -> Vec<String> {
    let mut out: Vec<String> = task.image.iter().cloned().collect();
    let id = task.key();
    match task.family {
        Family::SweGym => out.push(format!(
            "xingyaoww/sweb.eval.x86_64.{}",
            id.replace("__", "_s_")
        )),
        Family::SweBench => out.push(format!(
            "swebench/sweb.eval.x86_64.{}",
            id.replace("__", "_1776_")
        )),
        Family::SweSmith => {
            if let Some(name) = task.image.as_ref().filter(|name| !name.contains('/')) {
                let pushed = name.replace("__", "_1776_");
                out.push(format!("jyangballin/{pushed}"));
                out.push(format!("swebench/{pushed}"));
            }
        }
        Family::Nebius | Family::R2e | Family::Sample => {}
    }
    out.dedup();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The repositories of SWE-Gym, as its rows spell them.
    const SWE_GYM: [&str; 11] = [
        "getmoto/moto",
        "python/mypy",
        "conan-io/conan",
        "dask/dask",
        "Project-MONAI/MONAI",
        "iterative/dvc",
        "bokeh/bokeh",
        "modin-project/modin",
        "pydantic/pydantic",
        "pandas-dev/pandas",
        "facebookresearch/hydra",
    ];

    #[test]
    fn every_repository_of_swe_gym_has_versions_and_a_parser() {
        for repo in SWE_GYM {
            assert!(versions(repo).len() >= 10, "{repo}");
            let want = match repo {
                "pydantic/pydantic" => Parser::PytestPydantic,
                _ => Parser::Pytest,
            };
            assert_eq!(parser(repo), Some(want), "{repo}");
        }
        assert_eq!(versions("getmoto/moto").len(), 14);
        assert_eq!(versions("python/mypy").len(), 23);
        assert_eq!(versions("iterative/dvc").len(), 147);
    }

    #[test]
    fn every_specification_names_a_repository_with_a_parser() {
        let table = TABLE.as_ref().unwrap();
        for spec in &table.specs {
            assert!(parser(&spec.repo).is_some(), "{}", spec.repo);
            assert!(!spec.test_cmd.is_empty());
        }
        assert!(table.specs.len() > 60);
    }

    #[test]
    fn a_version_is_a_string() {
        assert!(spec("python/mypy", "1.10").is_some());
        assert!(spec("python/mypy", "1.1").is_some());
        assert_eq!(spec("python/mypy", "1.100"), None);
        let old = spec("python/mypy", "1.6").unwrap();
        assert_eq!(old.test_cmd, "pytest -n0 -rA -k");
    }
}
