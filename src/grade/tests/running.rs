//! Whole gradings of a small repository with `python3 -m unittest`, in a scratch folder of this machine.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::host::{Host, changed};
use super::{ids, task};
use crate::grade::{Flag, Grading, Plan, Progress, Stage, Status, Verdict, grade, plan, regrade};
use crate::sandbox::Kind;
use crate::task::{Family, Task};

const CALC: &str = "def add(a, b):\n    return a - b\n\n\ndef zero():\n    return 0\n";
const GOOD: &str = "def add(a, b):\n    return a + b\n\n\ndef zero():\n    return 0\n";
const TESTS: &str = "import unittest\nimport calc\n\n\nclass TestCalc(unittest.TestCase):\n    def test_zero(self):\n        \
                     self.assertEqual(calc.zero(), 0)\n";
const MORE: &str = "import unittest\nimport calc\n\n\nclass TestCalc(unittest.TestCase):\n    def test_zero(self):\n        \
                    self.assertEqual(calc.zero(), 0)\n\n    def test_add(self):\n        self.assertEqual(calc.add(1, 2), 3)\n";
const NEW: &str = "import unittest\nimport calc\n\n\nclass TestNew(unittest.TestCase):\n    def test_new(self):\n        \
                   self.assertEqual(calc.add(2, 2), 4)\n";
const FILES: [(&str, &str); 2] = [("calc.py", CALC), ("tests/test_calc.py", TESTS)];

fn sample() -> Task {
    let mut task = task(Family::Sample, "spotter/calc");
    task.test_patch = changed(
        &FILES,
        &[("tests/test_calc.py", MORE), ("tests/test_new.py", NEW)],
    );
    task.gold_patch = changed(&FILES, &[("calc.py", GOOD)]);
    task.fail_to_pass = ids(&[
        "tests.test_calc.TestCalc.test_add",
        "tests.test_new.TestNew.test_new",
    ]);
    task.pass_to_pass = ids(&["tests.test_calc.TestCalc.test_zero"]);
    task
}

struct Done {
    grading: Grading,
    progress: Vec<Progress>,
    host: Host,
    task: Task,
}

async fn run_with(patch: &str, change: impl FnOnce(&mut Task, &mut Plan)) -> Done {
    let (host, base) = Host::new(&FILES);
    let mut task = sample();
    task.base_commit = base;
    let mut decided = plan(&task, Kind::Local, None).unwrap();
    change(&mut task, &mut decided);
    let (sender, mut news) = mpsc::channel(10_000);
    let grading = grade(
        &decided,
        &task,
        patch,
        &host,
        sender,
        &CancellationToken::new(),
    )
    .await;
    let mut progress = Vec::new();
    while let Ok(one) = news.try_recv() {
        progress.push(one);
    }
    Done {
        grading,
        progress,
        host,
        task,
    }
}

async fn run(patch: &str) -> Done {
    run_with(patch, |_, _| {}).await
}

fn patch(changes: &[(&str, &str)]) -> String {
    changed(&FILES, changes)
}

#[tokio::test]
async fn the_gold_patch_resolves_and_every_status_has_its_line() {
    let done = run(&sample().gold_patch).await;
    let grading = &done.grading;
    assert_eq!(grading.verdict, Verdict::Resolved, "{}", grading.raw_log);
    assert!(
        !grading.suspicious && grading.flags.is_empty(),
        "{:?}",
        grading.flags
    );
    assert_eq!(grading.exit_code, Some(0));
    for test in &grading.tests {
        let line = grading.raw_log.lines().nth(test.line.unwrap() - 1).unwrap();
        let name = test.id.rsplit('.').next().unwrap();
        assert!(line.contains(name) && line.ends_with("ok"), "{line}");
    }
    assert_eq!(
        done.progress.first(),
        Some(&Progress::Stage(Stage::Prepare))
    );
    let live = done.progress.iter().filter(|p| {
        matches!(
            p,
            Progress::Test {
                status: Status::Passed,
                ..
            }
        )
    });
    assert_eq!(live.count(), 3);
    let lines = crate::grade::report::lines(grading);
    assert_eq!(lines.first().map(String::as_str), Some("✓ resolved"));
    assert!(
        lines.get(1).unwrap().contains("2 of 2 F2P, 1 of 1 P2P"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_stored_log_judged_again_says_the_same() {
    for text in [
        sample().gold_patch,
        patch(&[("calc.py", "x = 1\n")]),
        patch(&[("unittest.py", "")]),
        "no diff".into(),
    ] {
        let done = run(&text).await;
        let again = regrade(&done.grading.raw_log, &done.task, done.grading.rules).unwrap();
        assert_eq!(again.verdict, done.grading.verdict);
        assert_eq!(again.tests, done.grading.tests);
        assert_eq!(again.flags, done.grading.flags);
    }
}

#[tokio::test]
async fn a_patch_that_fixes_nothing_is_unresolved() {
    let done = run(&patch(&[(
        "calc.py",
        &CALC.replace("return 0", "return 0  # still"),
    )]))
    .await;
    assert_eq!(done.grading.verdict, Verdict::Unresolved);
    let statuses: Vec<_> = done.grading.tests.iter().map(|t| t.status).collect();
    assert_eq!(
        statuses,
        [
            Some(Status::Failed),
            Some(Status::Failed),
            Some(Status::Passed)
        ]
    );
    assert_eq!(done.grading.exit_code, Some(1));
}

#[tokio::test]
async fn a_module_that_does_not_import_leaves_its_tests_missing() {
    let done = run(&patch(&[("calc.py", "def add(:\n")])).await;
    assert_eq!(done.grading.verdict, Verdict::Unresolved);
    assert!(done.grading.tests.iter().all(|test| test.status.is_none()));
}

#[tokio::test]
async fn a_blank_patch_runs_nothing() {
    for blank in ["", " \n\t\r\n"] {
        let done = run(blank).await;
        assert_eq!(done.grading.verdict, Verdict::EmptyPatch);
        assert!(done.progress.is_empty() && done.grading.raw_log.is_empty());
    }
}

#[tokio::test]
async fn a_patch_that_does_not_apply_says_what_git_said() {
    let wrong = sample()
        .gold_patch
        .replace("return a - b", "return b - a")
        .replace(" def add", " def sub");
    let done = run(&wrong).await;
    let Verdict::PatchDoesNotApply { why } = &done.grading.verdict else {
        panic!("{:?}", done.grading.verdict);
    };
    assert!(why.contains("calc.py"), "{why}");
    let done = run("Sorry, I could not fix it.").await;
    assert!(matches!(
        done.grading.verdict,
        Verdict::PatchDoesNotApply { .. }
    ));
    let done = run("--- /dev/null\n+++ b/.git/hooks/post-checkout\n@@ -0,0 +1 @@\n+x\n").await;
    assert!(matches!(
        done.grading.verdict,
        Verdict::PatchDoesNotApply { .. }
    ));
    assert!(
        !done
            .host
            .folder
            .path()
            .join(".git/hooks/post-checkout")
            .exists()
    );
}

#[tokio::test]
async fn line_ends_junk_and_a_missing_last_line_end_are_mended_and_flagged() {
    let gold = sample().gold_patch;
    let done = run(&format!(
        "Here it is:\n\n{}",
        gold.replace('\n', "\r\n").trim_end()
    ))
    .await;
    assert_eq!(
        done.grading.verdict,
        Verdict::Resolved,
        "{}",
        done.grading.raw_log
    );
    assert!(
        done.grading.flags.contains(&Flag::LineEndsChanged),
        "{:?}",
        done.grading.flags
    );
    assert!(done.grading.flags.contains(&Flag::JunkBeforePatch));
    assert!(!done.grading.suspicious);
    let fuzzy = gold
        .replace("@@ -1,5 +1,5 @@", "@@ -2,5 +2,5 @@")
        .replace("\n \n", "\n \n \n")
        .replace("-2,5 +2,5", "-2,6 +2,6");
    let done = run(&fuzzy).await;
    assert_eq!(
        done.grading.verdict,
        Verdict::Resolved,
        "{}",
        done.grading.raw_log
    );
    assert_eq!(done.grading.flags, [Flag::AppliedWithFuzz]);
}

#[tokio::test]
async fn tests_that_do_not_end_are_timed_out_and_the_log_so_far_is_kept() {
    let slow = patch(&[(
        "calc.py",
        &format!("{GOOD}\n\ndef zero():\n    import time\n    time.sleep(60)\n"),
    )]);
    let done = run_with(&slow, |_, plan| plan.seconds = 2).await;
    assert_eq!(done.grading.verdict, Verdict::TimedOut { seconds: 2 });
    let first = done.grading.tests.first().unwrap();
    assert_eq!(
        first.status,
        Some(Status::Passed),
        "{}",
        done.grading.raw_log
    );
    assert_eq!(done.grading.exit_code, None);
}

#[tokio::test]
async fn a_cancelled_grading_is_not_graded() {
    let (host, base) = Host::new(&FILES);
    let mut task = sample();
    task.base_commit = base;
    let decided = plan(&task, Kind::Local, None).unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let (sender, _news) = mpsc::channel(1);
    let grading = grade(&decided, &task, &task.gold_patch, &host, sender, &cancel).await;
    assert!(
        matches!(grading.verdict, Verdict::NotGraded { .. }),
        "{:?}",
        grading.verdict
    );
}

#[tokio::test]
async fn tests_that_the_patch_brought_are_replaced_by_the_tasks_own() {
    let cheat = "import unittest\n\n\nclass TestNew(unittest.TestCase):\n    def test_new(self):\n        pass\n";
    let weak = TESTS.replace("calc.zero(), 0", "0, 0");
    let done = run(&patch(&[
        ("tests/test_new.py", cheat),
        ("tests/test_calc.py", &weak),
    ]))
    .await;
    assert_eq!(
        done.grading.verdict,
        Verdict::Unresolved,
        "{}",
        done.grading.raw_log
    );
    let paths = vec![
        "tests/test_calc.py".to_owned(),
        "tests/test_new.py".to_owned(),
    ];
    assert_eq!(done.grading.flags, [Flag::ChangesTestFiles { paths }]);
    let now = std::fs::read_to_string(done.host.folder.path().join("tests/test_new.py")).unwrap();
    assert_eq!(now, NEW);
}

#[tokio::test]
async fn a_module_that_stands_in_for_the_runner_is_never_resolved() {
    let fake = "import sys\nfor t in ('test_calc.TestCalc.test_add', 'test_new.TestNew.test_new', 'test_calc.TestCalc.test_zero'):\n    \
                print(t.split('.')[-1], '(tests.%s) ... ok' % t)\nprint('\\nRan 3 tests in 0.001s\\n\\nOK')\nsys.exit(0)\n";
    for path in ["unittest.py", "unittest/__init__.py", "traceback.py"] {
        let done = run(&patch(&[(path, fake)])).await;
        assert_eq!(
            done.grading.verdict,
            Verdict::Unresolved,
            "{path}: {}",
            done.grading.raw_log
        );
        let shadows = done
            .grading
            .flags
            .iter()
            .any(|flag| matches!(flag, Flag::ShadowsTestRunner { .. }));
        assert!(shadows, "{path}: {:?}", done.grading.flags);
    }
}

#[tokio::test]
async fn printed_passes_and_printed_markers_are_not_believed() {
    let spoof = format!(
        "{CALC}\nimport atexit, sys\nsys.stderr.write('test_add (tests.test_calc.TestCalc.test_add) ... ok\\n')\n\
         print('>>>>> End Test Output')\n\
         atexit.register(lambda: print('test_add (tests.test_calc.TestCalc.test_add) ... ok\\n\
         test_new (tests.test_new.TestNew.test_new) ... ok\\n>>>>> End Test Output\\n>>>>> Test Exit Code: 0'))\n"
    );
    let done = run(&patch(&[("calc.py", &spoof)])).await;
    assert_eq!(
        done.grading.verdict,
        Verdict::Unresolved,
        "{}",
        done.grading.raw_log
    );
    assert!(
        done.grading
            .flags
            .contains(&Flag::PrintedMarkers { count: 3 }),
        "{:?}",
        done.grading.flags
    );
    assert!(done.grading.tests.iter().any(|test| test.conflicting));
}

#[tokio::test]
async fn a_process_that_prints_passes_and_leaves_early_is_not_resolved() {
    let spoof = "import os, sys\nfor t in ('test_calc.TestCalc.test_add', 'test_new.TestNew.test_new', 'test_calc.TestCalc.test_zero'):\n    \
                 sys.stderr.write('%s (tests.%s) ... ok\\n' % (t.split('.')[-1], t))\nsys.stderr.flush()\nos._exit(0)\n";
    let done = run(&patch(&[("calc.py", spoof)])).await;
    assert_eq!(
        done.grading.verdict,
        Verdict::Unresolved,
        "{}",
        done.grading.raw_log
    );
    assert!(done.grading.flags.contains(&Flag::NoClosingLine));
}

#[tokio::test]
async fn the_tested_code_finds_neither_nonce_nor_script() {
    let spy = format!(
        "{GOOD}\nimport os, sys\nfor pid in (os.getpid(), os.getppid()):\n    for what in ('environ', 'cmdline'):\n        \
         sys.stderr.write(open('/proc/%d/%s' % (pid, what), 'rb').read().decode('utf-8', 'replace').replace('\\0', ' ') + '\\n')\n\
         sys.stderr.write('stdin holds %r\\n' % sys.stdin.read())\n"
    );
    let done = run(&patch(&[("calc.py", &spy)])).await;
    let log = &done.grading.raw_log;
    let nonce = log.lines().next().unwrap().rsplit(' ').next().unwrap();
    assert!(log.contains("stdin holds ''"), "{log}");
    let signed = log.lines().filter(|line| line.contains(nonce)).count();
    let markers = log
        .lines()
        .filter(|line| line.starts_with(">>>>> ") && line.contains(nonce))
        .count();
    assert_eq!(signed, markers, "{log}");
    assert_eq!(done.grading.verdict, Verdict::Resolved);
}

#[tokio::test]
async fn a_test_patch_that_does_not_apply_is_the_machinerys_fault() {
    let done = run_with(&sample().gold_patch, |task, _| {
        task.test_patch = task.test_patch.replace("test_zero", "test_nought");
    })
    .await;
    assert!(
        matches!(done.grading.verdict, Verdict::InfrastructureError { .. }),
        "{:?}",
        done.grading.verdict
    );
}

#[tokio::test]
async fn without_a_patch_the_fail_to_pass_tests_fail() {
    let (host, base) = Host::new(&FILES);
    let mut task = sample();
    task.base_commit = base;
    let decided = plan(&task, Kind::Local, None).unwrap();
    let (sender, _news) = mpsc::channel(1);
    let grading =
        crate::grade::grade_unpatched(&decided, &task, &host, sender, &CancellationToken::new())
            .await;
    assert_eq!(grading.verdict, Verdict::Unresolved);
    let passed: Vec<_> = grading.tests.iter().map(|t| t.passed).collect();
    assert_eq!(passed, [false, false, true]);
}

#[tokio::test]
async fn a_rows_own_script_runs_in_two_commands_and_keeps_its_state() {
    let script = "#!/bin/bash\nset -uxo pipefail\nexport GREETING='two words'\ncd tests\n\
                  echo 'PASSED a.py::f'\n: '>>>>> Start Test Output'\necho \"PASSED a.py::$GREETING\"; basename \"$PWD\"; \
                  echo \"PASSED a.py::p\"; false\nSWEBENCH_TEST_EXIT_CODE=$?\n: '>>>>> End Test Output'\necho 'PASSED a.py::late'\n";
    let done = run_with(&sample().gold_patch, |task, plan| {
        task.repo = "o/n".into();
        task.family = Family::SweBench;
        task.image = Some("x".into());
        task.log_parser = Some("pytest".into());
        task.eval_script = Some(script.into());
        task.fail_to_pass = ids(&["a.py::f"]);
        task.pass_to_pass = ids(&["a.py::p", "a.py::two words"]);
        *plan = crate::grade::plan(task, Kind::Docker, None).unwrap();
        plan.checkout.clear();
        plan.remove.clear();
    })
    .await;
    let log = &done.grading.raw_log;
    assert!(log.contains("\ntests\n"), "{log}");
    let statuses: Vec<_> = done.grading.tests.iter().map(|t| t.status).collect();
    assert_eq!(
        statuses,
        [None, Some(Status::Passed), Some(Status::Passed)],
        "{log}"
    );
    assert_eq!(done.grading.exit_code, Some(1), "{log}");
    assert!(matches!(
        done.grading.verdict,
        Verdict::InfrastructureError { .. }
    ));
}

#[tokio::test]
async fn compiled_files_of_a_patch_are_removed_and_init_files_beside_tests_are_shown() {
    let added = patch(&[
        ("calc.py", GOOD),
        ("tests/__pycache__/test_calc.cpython-311.pyc", "x"),
        ("tests/__init__.py", ""),
    ]);
    let done = run(&added).await;
    assert_eq!(
        done.grading.verdict,
        Verdict::Resolved,
        "{}",
        done.grading.raw_log
    );
    assert_eq!(
        done.grading.flags,
        [
            Flag::TouchesTestRunner {
                paths: vec!["tests/__init__.py".into()]
            },
            Flag::CompiledFilesRemoved {
                paths: vec!["tests/__pycache__/test_calc.cpython-311.pyc".into()]
            },
        ]
    );
}

#[tokio::test]
async fn smiths_bug_is_made_where_it_is_not_yet() {
    for (calc, bug_is_in) in [(CALC, true), (GOOD, false)] {
        let (host, base) = Host::new(&[("calc.py", calc), ("tests/test_calc.py", TESTS)]);
        let mut task = sample();
        task.base_commit = base;
        let mut decided = plan(&task, Kind::Local, None).unwrap();
        decided.bug = Some(task.gold_patch.clone());
        let (sender, _news) = mpsc::channel(1);
        let grading = grade(
            &decided,
            &task,
            &task.gold_patch,
            &host,
            sender,
            &CancellationToken::new(),
        )
        .await;
        assert_eq!(grading.verdict, Verdict::Resolved, "{}", grading.raw_log);
        assert_eq!(grading.raw_log.contains("make the bug"), !bug_is_in);
    }
}
