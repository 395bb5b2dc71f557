//! What is decided before a rollout.

use super::{ids, task};
use crate::grade::{Parser, RuleSet, Ungradable, image_for, plan};
use crate::sandbox::Kind;
use crate::task::{Family, TestList};

const TEST_PATCH: &str = "diff --git a/tests/test_a.py b/tests/test_a.py\n--- a/tests/test_a.py\n+++ b/tests/test_a.py\n@@ -1 +1 @@\n-a\n+b\n\
                          diff --git a/tests/test_b.py b/tests/test_b.py\nnew file mode 100644\n--- /dev/null\n+++ b/tests/test_b.py\n@@ -0,0 +1 @@\n+b\n\
                          diff --git a/tests/data.json b/tests/data.json\n--- a/tests/data.json\n+++ b/tests/data.json\n@@ -1 +1 @@\n-a\n+b\n";

#[test]
fn every_swe_gym_repository_has_its_command() {
    for (repo, version, command) in [
        (
            "getmoto/moto",
            "5.0",
            "pytest -n0 -rA tests/test_a.py tests/test_b.py",
        ),
        (
            "conan-io/conan",
            "2.1",
            "pytest -n0 -rA tests/test_a.py tests/test_b.py",
        ),
        (
            "dask/dask",
            "2024.5",
            "pytest -n0 -rA  --color=no tests/test_a.py tests/test_b.py",
        ),
        (
            "Project-MONAI/MONAI",
            "1.0",
            "pytest -rA tests/test_a.py tests/test_b.py",
        ),
        (
            "iterative/dvc",
            "3.0",
            "pytest -rA tests/test_a.py tests/test_b.py",
        ),
        (
            "bokeh/bokeh",
            "3.0",
            "pytest -rA -n0 tests/test_a.py tests/test_b.py",
        ),
        (
            "modin-project/modin",
            "0.20",
            "pytest -n0 -rA tests/test_a.py tests/test_b.py",
        ),
        (
            "pydantic/pydantic",
            "2.0",
            "pytest -rA --tb=short -vv -o console_output_style=classic --no-header tests/test_a.py tests/test_b.py",
        ),
        (
            "pandas-dev/pandas",
            "2.0",
            "pytest -rA --tb=long tests/test_a.py tests/test_b.py",
        ),
        (
            "facebookresearch/hydra",
            "1.3",
            "pytest -rA --tb=long tests/test_a.py tests/test_b.py",
        ),
    ] {
        let mut task = task(Family::SweGym, repo);
        task.version = version.into();
        task.test_patch = TEST_PATCH.into();
        let plan = plan(&task, Kind::Docker, None).unwrap();
        assert_eq!(plan.command, command, "{repo}");
        assert_eq!(plan.rules, RuleSet::SweGym);
        assert_eq!(plan.checkout, ["tests/test_a.py", "tests/data.json"]);
        assert_eq!(plan.remove, ["tests/test_b.py"]);
        assert!(plan.install.is_some(), "{repo}");
        assert_eq!(plan.seconds, 1800);
    }
}

#[test]
fn mypy_runs_its_cases_by_name() {
    let mut task = task(Family::SweGym, "python/mypy");
    task.version = "1.6".into();
    task.test_patch = "diff --git a/test-data/unit/c.test b/test-data/unit/c.test\n--- a/test-data/unit/c.test\n+++ b/test-data/unit/c.test\n\
                       @@ -1,2 +1,4 @@\n [case testOld]\n x\n+[case testNew]\n+y\n"
        .into();
    let plan = plan(&task, Kind::Docker, None).unwrap();
    assert_eq!(plan.command, "pytest -n0 -rA -k 'testOld or testNew'");
    assert_eq!(plan.checkout, ["test-data/unit/c.test"]);
}

#[test]
fn django_gets_labels_and_swebench_rows_the_newer_rules() {
    let mut task = task(Family::SweBench, "django/django");
    task.version = "3.0".into();
    task.test_patch = TEST_PATCH.into();
    let plan = plan(&task, Kind::Docker, None).unwrap();
    assert!(
        plan.command.ends_with("--parallel 1 test_a test_b"),
        "{}",
        plan.command
    );
    assert_eq!(
        (plan.rules, plan.parser),
        (RuleSet::SweBench5, Some(Parser::Django))
    );
    assert!(plan.environment.iter().any(|line| line.contains("LC_ALL")));
}

#[test]
fn a_row_that_cannot_be_graded_says_why_beforehand() {
    let good = || {
        let mut task = task(Family::SweGym, "getmoto/moto");
        task.version = "5.0".into();
        task
    };
    let why = |task: &crate::task::Task, kind, rules| plan(task, kind, rules).unwrap_err();
    let mut row = good();
    row.fail_to_pass = ids(&[]);
    let said = why(&row, Kind::Docker, None).to_string();
    assert!(said.contains("FAIL_TO_PASS is empty"), "{said}");
    // The rule holds in every rule set.
    for rules in [RuleSet::SweGym, RuleSet::SweBench5, RuleSet::SweSmith] {
        assert!(matches!(
            why(&row, Kind::Docker, Some(rules)),
            Ungradable::Tests { .. }
        ));
    }
    row.fail_to_pass = TestList::Unknown("the field is missing".into());
    assert!(
        why(&row, Kind::Docker, None)
            .to_string()
            .contains("the field is missing")
    );
    let mut row = good();
    row.version = "99".into();
    assert!(matches!(
        why(&row, Kind::Docker, None),
        Ungradable::NoSpecification { .. }
    ));
    let mut row = good();
    row.repo = "a/b".into();
    assert!(matches!(
        why(&row, Kind::Docker, None),
        Ungradable::NoParser { .. }
    ));
    let said = why(&good(), Kind::Local, None).to_string();
    assert!(
        said.contains("xingyaoww/sweb.eval.x86_64.owner_s_name-1"),
        "{said}"
    );
    assert!(matches!(
        why(&good(), Kind::Docker, Some(RuleSet::R2e)),
        Ungradable::NotUnderTheseRules { .. }
    ));
    assert!(matches!(
        why(&good(), Kind::Docker, Some(RuleSet::ExitCode)),
        Ungradable::NotUnderTheseRules { .. }
    ));
    assert!(matches!(
        why(&task(Family::Sample, "spotter/x"), Kind::Docker, None),
        Ungradable::NoImage { .. }
    ));
}

#[test]
fn images_are_named_as_they_are_published() {
    let mut row = task(Family::SweGym, "Project-MONAI/MONAI");
    row.instance_id = "Project-MONAI__MONAI-1".into();
    assert_eq!(
        image_for(&row),
        ["xingyaoww/sweb.eval.x86_64.project-monai_s_monai-1"]
    );
    row.family = Family::SweBench;
    assert_eq!(
        image_for(&row),
        ["swebench/sweb.eval.x86_64.project-monai_1776_monai-1"]
    );
    row.image = Some("own/image:1".into());
    assert_eq!(
        image_for(&row).first().map(String::as_str),
        Some("own/image:1")
    );
    row.family = Family::Nebius;
    assert_eq!(image_for(&row), ["own/image:1"]);
}

#[test]
fn a_sample_runs_the_files_of_its_tests() {
    let mut row = task(Family::Sample, "spotter/x");
    row.fail_to_pass = ids(&["tests.test_a.T.t"]);
    row.pass_to_pass = ids(&["tests.test_c.T.t"]);
    row.test_patch = TEST_PATCH.into();
    let plan = plan(&row, Kind::Local, None).unwrap();
    assert_eq!(
        plan.command,
        "python3 -m unittest -v tests/test_a.py tests/test_b.py tests/test_c.py"
    );
    assert_eq!(
        plan.checkout,
        ["tests/test_a.py", "tests/data.json", "tests/test_c.py"]
    );
    assert_eq!((plan.seconds, plan.install), (60, None));
}

#[test]
fn rows_with_a_script_and_no_parser_are_judged_by_its_exit_status() {
    let mut row = task(Family::SweGym, "getmoto/moto");
    row.eval_script = Some("pytest\n".into());
    let plan = plan(&row, Kind::Docker, None).unwrap();
    assert_eq!((plan.rules, plan.seconds), (RuleSet::ExitCode, 3600));
    assert!(plan.environment.is_empty());
}
