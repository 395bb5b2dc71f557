//! Flags in words, one sentence each.

use super::flag::Flag;

/// A flag in words.
#[must_use]
pub fn flag_sentence(flag: &Flag) -> String {
    let list = |paths: &[String]| paths.join(", ");
    match flag {
        Flag::JunkBeforePatch => "text before the patch's first header was cut".into(),
        Flag::LineEndsChanged => "the patch applied only with its \\r\\n changed to \\n".into(),
        Flag::AppliedWithFuzz => "git refused the patch; patch --fuzz=5 took it".into(),
        Flag::NoBaseCommit => {
            "the base commit is not in the repository; HEAD stood in for it".into()
        }
        Flag::ChangesTestFiles { paths } => {
            format!(
                "the patch's changes to test files were thrown away: {}",
                list(paths)
            )
        }
        Flag::TouchesTestRunner { paths } => {
            format!(
                "the patch changes files that steer the test runner: {}",
                list(paths)
            )
        }
        Flag::ShadowsTestRunner { paths } => format!(
            "the patch adds modules that would stand in for the test runner's, so it is not resolved: {}",
            list(paths)
        ),
        Flag::CompiledFilesRemoved { paths } => {
            format!(
                "compiled files that the patch adds were removed: {}",
                list(paths)
            )
        }
        Flag::InstallFailed { code } => format!(
            "the install command ended with status {code}; the tests ran with what was installed before"
        ),
        Flag::LogTruncated { bytes } => {
            format!("{bytes} bytes in the middle of the log were not kept")
        }
        Flag::ForeignLog => {
            "the log was written by another harness; its markers are only as good as that".into()
        }
        Flag::PrintedMarkers { count } => {
            format!("{count} lines of the test output look like markers; they were not believed")
        }
        Flag::FailedWithoutFailure { code } => {
            format!("the test command ended with status {code}, yet no test failed")
        }
        Flag::PassedWithFailures { count } => {
            format!("the test command ended with status 0, yet {count} listed tests failed")
        }
        Flag::NoStatus => "no line of the log tells a status".into(),
        Flag::NoClosingLine => "the test runner's closing line is missing".into(),
        Flag::CountsDisagree { said, read } => {
            format!("the test runner counts {said} tests, the lines add up to {read} passed")
        }
        Flag::OutsideSummary { count, deciding } => format!(
            "{count} statuses stand outside pytest's closing summary; {deciding} of them decided a listed test"
        ),
        Flag::SeveralSummaries { count } => format!("there are {count} closing summaries"),
        Flag::CutNames { count } => {
            format!("{count} test names are cut and were matched by prefix")
        }
        Flag::AmbiguousNames { count } => {
            format!("{count} test names are cut and their tests disagree; they count as missing")
        }
        Flag::Conflicting { count, listed } => {
            format!("{count} names have lines that disagree, {listed} of them listed")
        }
        Flag::SkippedFailToPass { count } => format!("{count} FAIL_TO_PASS tests were skipped"),
        Flag::UnexpectedPasses { count } => {
            format!("{count} lines say XPASS, which no rule set knows")
        }
        Flag::JunkLines { count } => format!("{count} status lines are about no test"),
        Flag::PassedByAbsence {
            fail_to_pass,
            pass_to_pass,
        } => format!(
            "{} tests passed by being absent from the log ({fail_to_pass} F2P, {pass_to_pass} P2P)",
            fail_to_pass + pass_to_pass
        ),
        Flag::UnexpectedTests { count } => format!("{count} tests in the log were not expected"),
        Flag::Infrastructure { signature, line } => format!("{signature} (line {line})"),
    }
}
