//! Whose conventions a row follows, told from its fields and ids.
//!
//! Rows do not say which dataset they come from. The marks are looked for from the most to the least certain:
//!
//! | family | mark |
//! |---|---|
//! | sample | `files`: the row holds what it starts from |
//! | R2E-Gym | `expected_output_json`, or `docker_image` and `commit_hash` without an `instance_id` |
//! | SWE-smith | `repo` starts with `swesmith/`, or the id is `owner__name.<8 hex>.…`, or the image's name says so |
//! | nebius | `install_config`, or `meta` with its validators |
//! | SWE-Gym | one of its eleven repositories without `environment_setup_commit` |
//! | SWE-bench | `environment_setup_commit`, `difficulty`, its 5.x fields, or test lists inside a string |
//! | SWE-Gym | everything else: Raw, and subsets of other repositories |

use serde_json::{Map, Value};

use super::Family;

/// The repositories of SWE-Gym and SWE-Gym Lite, lower case.
const SWE_GYM_REPOS: [&str; 11] = [
    "bokeh/bokeh",
    "conan-io/conan",
    "dask/dask",
    "facebookresearch/hydra",
    "getmoto/moto",
    "iterative/dvc",
    "modin-project/modin",
    "pandas-dev/pandas",
    "project-monai/monai",
    "pydantic/pydantic",
    "python/mypy",
];

pub(super) fn family(row: &Map<String, Value>) -> Family {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
    let has = |name: &str| row.get(name).is_some_and(|value| !value.is_null());
    let id = text("instance_id");
    let repo = text("repo");
    let image = ["image_name", "docker_image", "image"].map(text).concat();
    if row
        .get("files")
        .and_then(Value::as_object)
        .is_some_and(|files| !files.is_empty())
    {
        return Family::Sample;
    }
    if has("expected_output_json") || (id.is_empty() && has("docker_image") && has("commit_hash")) {
        return Family::R2e;
    }
    if repo.starts_with("swesmith/") || image.contains("swesmith") || is_smith_id(id) {
        return Family::SweSmith;
    }
    let meta_of_nebius = |meta: &Value| {
        meta.get("failed_lite_validators").is_some() || meta.get("is_lite").is_some()
    };
    if has("install_config") || row.get("meta").is_some_and(meta_of_nebius) {
        return Family::Nebius;
    }
    // The key counts even with a null in it: some SWE-bench-shaped files write it so.
    let setup = row.contains_key("environment_setup_commit");
    if !setup && SWE_GYM_REPOS.contains(&repo.to_lowercase().as_str()) && !has("log_parser") {
        return Family::SweGym;
    }
    let in_a_string = row.get("FAIL_TO_PASS").is_some_and(Value::is_string);
    if setup || has("difficulty") || has("log_parser") || has("eval_type") || in_a_string {
        return Family::SweBench;
    }
    Family::SweGym
}

/// `owner__name.<8 hex>.<kind>`.
fn is_smith_id(id: &str) -> bool {
    let mut parts = id.split('.').rev().skip(1);
    id.contains("__")
        && parts.any(|part| part.len() == 8 && part.bytes().all(|b| b.is_ascii_hexdigit()))
}
