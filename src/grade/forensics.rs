//! What a reader of a verdict should know besides the verdict.
//!
//! A flag states a fact with its count or its paths. Some facts contradict a pass ([`Flag::contradicts`]): a resolved
//! verdict that has one is shown as suspicious, and where the rules are ours to set it is not given (see
//! [`super::judge`]). The files that a patch names are read here; what the log says comes from [`super::evidence`].
//!
//! Code under test runs in the tests' own process and can, with some care, write a log that looks honest in every
//! respect. Flags make careless attempts visible; they are no proof of innocence.

use serde::{Deserialize, Serialize};

use super::parser::Parser;
use super::patch::{Change, PatchFile};

/// One fact about a grading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "flag", rename_all = "snake_case")]
pub enum Flag {
    /// Text before the patch's first header was cut.
    JunkBeforePatch,
    /// The patch applied only after its `\r\n` had become `\n`.
    LineEndsChanged,
    /// `git apply` refused the patch; `patch --fuzz=5` took it.
    AppliedWithFuzz,
    /// The base commit is not in the repository; `HEAD` stood in for it.
    NoBaseCommit,
    /// The patch changes files that the test patch decides; these changes were thrown away.
    ChangesTestFiles {
        /// The files.
        paths: Vec<String>,
    },
    /// The patch changes files that steer the test runner.
    TouchesTestRunner {
        /// The files.
        paths: Vec<String>,
    },
    /// The patch adds modules that would stand in for the test runner or for what it imports.
    ShadowsTestRunner {
        /// The files.
        paths: Vec<String>,
    },
    /// The install command failed; the tests ran with what was installed before.
    InstallFailed {
        /// Its exit status.
        code: i32,
    },
    /// More was printed than is kept: the middle is missing.
    LogTruncated {
        /// Bytes.
        bytes: u64,
    },
    /// The log was written by another harness and is bounded by markers that its script printed, or not at all.
    ForeignLog,
    /// Lines in the test output look like markers; they were not believed.
    PrintedMarkers {
        /// How many.
        count: usize,
    },
    /// Non-zero exit status, yet no test failed.
    FailedWithoutFailure {
        /// Exit status.
        code: i32,
    },
    /// Exit status zero, yet deciding tests failed.
    PassedWithFailures {
        /// How many.
        count: usize,
    },
    /// No line of the log tells a status.
    NoStatus,
    /// The runner's closing line is missing.
    NoClosingLine,
    /// The runner's own count of passed tests is not what the lines add up to.
    CountsDisagree {
        /// The runner's.
        said: u64,
        /// Ours.
        read: u64,
    },
    /// Statuses stand outside pytest's closing summary: some program printed them.
    OutsideSummary {
        /// Lines.
        count: usize,
        /// Listed tests that were decided by one.
        deciding: usize,
    },
    /// More than one heading *short test summary info*.
    SeveralSummaries {
        /// How many.
        count: usize,
    },
    /// Ids that are cut at a space, matched by prefix.
    CutNames {
        /// How many.
        count: usize,
    },
    /// Cut ids whose tests disagree; they count as missing.
    AmbiguousNames {
        /// How many.
        count: usize,
    },
    /// Names with lines that disagree.
    Conflicting {
        /// How many, of all names in the log.
        count: usize,
        /// How many of these are listed tests.
        listed: usize,
    },
    /// `FAIL_TO_PASS` tests that were skipped.
    SkippedFailToPass {
        /// How many.
        count: usize,
    },
    /// Lines with `XPASS`, which no rule set knows.
    UnexpectedPasses {
        /// How many.
        count: usize,
    },
    /// Status lines about no test.
    JunkLines {
        /// How many.
        count: usize,
    },
    /// Tests that passed by being absent from the log.
    PassedByAbsence {
        /// `FAIL_TO_PASS` among them.
        fail_to_pass: usize,
        /// `PASS_TO_PASS` among them.
        pass_to_pass: usize,
    },
    /// Tests in the log that the expected map does not have.
    UnexpectedTests {
        /// How many.
        count: usize,
    },
    /// A line shows a mark of a broken machine.
    Infrastructure {
        /// SWE-bench 5's name of it.
        signature: String,
        /// Line of the log.
        line: usize,
    },
}

impl Flag {
    /// Whether it contradicts a resolved verdict.
    #[must_use]
    pub fn contradicts(&self) -> bool {
        match self {
            Self::ShadowsTestRunner { .. }
            | Self::PrintedMarkers { .. }
            | Self::FailedWithoutFailure { .. }
            | Self::NoStatus
            | Self::NoClosingLine
            | Self::CountsDisagree { .. }
            | Self::SeveralSummaries { .. }
            | Self::SkippedFailToPass { .. } => true,
            Self::OutsideSummary { deciding, .. } => *deciding > 0,
            Self::PassedByAbsence { fail_to_pass, .. } => *fail_to_pass > 0,
            _ => false,
        }
    }
}

/// Files by which pytest, unittest, tox or the interpreter are steered, wherever they lie.
const STEERING: [&str; 10] = [
    "conftest.py",
    "pytest.ini",
    ".pytest.ini",
    "tox.ini",
    "setup.cfg",
    "pyproject.toml",
    "sitecustomize.py",
    "usercustomize.py",
    "run_tests.sh",
    ".coveragerc",
];

/// What pytest is made of, `unittest`, and the interpreter's own hooks: no honest patch adds one at the root.
const RUNNERS: [&str; 6] = [
    "pytest",
    "_pytest",
    "pluggy",
    "unittest",
    "sitecustomize",
    "usercustomize",
];

/// Modules of the standard library that `python3 -m unittest -v` loads to run a test that fails and one that passes,
/// after the work directory has become the path's first entry: the union over Python 3.6 to 3.13.
const LOADED_BY_UNITTEST: [&str; 59] = [
    "__future__",
    "_colorize",
    "argparse",
    "ast",
    "asyncio",
    "base64",
    "bisect",
    "bz2",
    "collections",
    "concurrent",
    "contextlib",
    "contextvars",
    "copy",
    "copyreg",
    "dataclasses",
    "difflib",
    "dis",
    "enum",
    "fnmatch",
    "functools",
    "gettext",
    "heapq",
    "importlib",
    "inspect",
    "ipaddress",
    "keyword",
    "linecache",
    "locale",
    "logging",
    "lzma",
    "ntpath",
    "opcode",
    "operator",
    "pathlib",
    "pkgutil",
    "pprint",
    "queue",
    "random",
    "re",
    "reprlib",
    "runpy",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "ssl",
    "string",
    "struct",
    "subprocess",
    "tempfile",
    "textwrap",
    "threading",
    "token",
    "tokenize",
    "traceback",
    "types",
    "typing",
    "warnings",
    "weakref",
];

/// What a patch's file list says: changed test files, steering files, stand-ins for the runner.
///
/// `decided` are the files that the grader resets. `unittest` is run with the work directory first on the path, so there
/// every module that the runner loads can be stood in for; `pytest` is a script in another folder, and only what is not
/// in the standard library can.
pub(super) fn of_patch(
    files: &[PatchFile],
    decided: &[String],
    parser: Option<Parser>,
) -> Vec<Flag> {
    let mut out = Vec::new();
    let paths = |wanted: &dyn Fn(&PatchFile) -> bool| -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        for file in files.iter().filter(|file| wanted(file)) {
            if !paths.contains(&file.new) {
                paths.push(file.new.clone());
            }
        }
        paths
    };
    let is_decided = |file: &PatchFile| decided.contains(&file.old) || decided.contains(&file.new);
    let changed = paths(&is_decided);
    let steering = paths(&|file| {
        let name = file.new.rsplit('/').next().unwrap_or_default();
        !is_decided(file)
            && (STEERING.contains(&name)
                || std::path::Path::new(name)
                    .extension()
                    .is_some_and(|e| e == "pth"))
    });
    let shadows = paths(&|file| {
        matches!(file.change, Change::Added | Change::Renamed)
            && root_module(file).is_some_and(|module| stands_in(module, parser))
    });
    if !changed.is_empty() {
        out.push(Flag::ChangesTestFiles { paths: changed });
    }
    if !steering.is_empty() {
        out.push(Flag::TouchesTestRunner { paths: steering });
    }
    if !shadows.is_empty() {
        out.push(Flag::ShadowsTestRunner { paths: shadows });
    }
    out
}

/// The module that a file makes importable from the repository's root: `unittest/__init__.py`, `unittest.py`,
/// `unittest.cpython-312.so`, or a link called `unittest`. A folder without `__init__` stands in for nothing that can be
/// found elsewhere.
fn root_module(file: &PatchFile) -> Option<&str> {
    let path = file.new.as_str();
    if file.link && !path.contains('/') {
        return path.split('.').next();
    }
    let (stem, ending) = match path.split_once('/') {
        Some((folder, rest)) => (folder, rest.strip_prefix("__init__.")?),
        None => path.split_once('.')?,
    };
    let kind = ending.rsplit('.').next();
    matches!(kind, Some("py" | "pyc" | "so" | "pyd")).then_some(stem)
}

fn stands_in(module: &str, parser: Option<Parser>) -> bool {
    RUNNERS.contains(&module)
        || (parser == Some(Parser::Unittest) && LOADED_BY_UNITTEST.contains(&module))
}

#[cfg(test)]
mod tests {
    use super::super::patch::files;
    use super::*;

    fn added(path: &str) -> Vec<PatchFile> {
        files(&format!(
            "diff --git a/{path} b/{path}\nnew file mode 100644\n"
        ))
    }

    #[test]
    fn modules_that_stand_in_for_the_runner_are_found() {
        for path in [
            "unittest.py",
            "unittest/__init__.py",
            "sitecustomize.py",
            "random.py",
            "pytest.py",
            "random.cpython-312.so",
        ] {
            let flags = of_patch(&added(path), &[], Some(Parser::Unittest));
            assert!(
                flags
                    .iter()
                    .any(|flag| matches!(flag, Flag::ShadowsTestRunner { .. })),
                "{path}: {flags:?}"
            );
        }
        for path in [
            "src/random.py",
            "test.py",
            "reproduce.py",
            "unittest.md",
            "types/readme.txt",
            "unittest/x.py",
        ] {
            assert!(
                of_patch(&added(path), &[], Some(Parser::Unittest)).is_empty(),
                "{path}"
            );
        }
        assert!(of_patch(&added("random.py"), &[], Some(Parser::Pytest)).is_empty());
    }

    #[test]
    fn a_module_that_was_there_before_is_no_stand_in() {
        let change =
            files("diff --git a/random.py b/random.py\n--- a/random.py\n+++ b/random.py\n");
        assert!(of_patch(&change, &[], Some(Parser::Unittest)).is_empty());
    }

    #[test]
    fn steering_files_and_decided_files_are_told_apart() {
        let mut patch = added("tests/conftest.py");
        patch.extend(added("tests/test_x.py"));
        let flags = of_patch(
            &patch,
            &["tests/test_x.py".to_owned()],
            Some(Parser::Pytest),
        );
        assert_eq!(
            flags,
            [
                Flag::ChangesTestFiles {
                    paths: vec!["tests/test_x.py".into()]
                },
                Flag::TouchesTestRunner {
                    paths: vec!["tests/conftest.py".into()]
                },
            ]
        );
    }
}
