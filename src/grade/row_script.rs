//! A row's own evaluation script (SWE-bench 5.x, `SkyRL`'s subset).
//!
//! Such a script prints its markers itself, in the middle of one shell's output: `: '>>>>> Start Test Output'` under
//! `set -x`. Anything that runs before could print the same. So the script is cut at these lines; each part is run by
//! its own command, the second with the variables and the folder that the first ended with, and the grader puts its own
//! markers around the second's output. What follows the end marker restores files of a sandbox that is thrown away: it
//! is not run.

use serde::{Deserialize, Serialize};

/// A script, cut at its markers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowScript {
    /// Up to the start marker.
    pub before: String,
    /// Between the markers; all of it where there are none.
    pub tests: String,
}

impl RowScript {
    /// The script as it is, its exit status being the last command's.
    #[must_use]
    pub fn whole(script: &str) -> Self {
        Self {
            before: String::new(),
            tests: unix(script),
        }
    }

    /// Cut at the last start marker and the first end marker behind it. The last, because a test patch stands inside the
    /// script and might show a marker, too.
    #[must_use]
    pub fn split(script: &str) -> Self {
        let script = unix(script);
        let lines: Vec<&str> = script.split('\n').collect();
        let start = lines
            .iter()
            .rposition(|line| is_marker(line, "Start Test Output"));
        let Some(start) = start else {
            return Self::whole(&script);
        };
        let behind = lines.get(start + 1..).unwrap_or_default();
        let end = behind
            .iter()
            .position(|line| is_marker(line, "End Test Output"));
        let tests = behind
            .get(..end.unwrap_or(behind.len()))
            .unwrap_or_default();
        Self {
            before: lines.get(..start).unwrap_or_default().join("\n"),
            // A 5.x script keeps the tests' status in this variable; an older one ends on the test command.
            tests: format!(
                "{}\nexit \"${{SWEBENCH_TEST_EXIT_CODE:-$?}}\"\n",
                tests.join("\n")
            ),
        }
    }
}

fn unix(script: &str) -> String {
    script.replace("\r\n", "\n")
}

/// `: '>>>>> Start Test Output'` (traced no-op) or an `echo` of it.
fn is_marker(line: &str, what: &str) -> bool {
    let line = line.trim();
    (line.starts_with(':') || line.starts_with("echo "))
        && line.contains(">>>>> ")
        && line.contains(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_cut_at_its_own_markers_and_not_at_those_of_a_patch() {
        let script = "set -x\ngit apply - <<'EOF'\n+: '>>>>> Start Test Output'\nEOF\n: '>>>>> Start Test Output'\npytest\n\
                      SWEBENCH_TEST_EXIT_CODE=$?\n: '>>>>> End Test Output'\ngit checkout x\n";
        let parts = RowScript::split(script);
        assert!(parts.before.ends_with("EOF"));
        assert!(
            parts
                .tests
                .starts_with("pytest\nSWEBENCH_TEST_EXIT_CODE=$?\nexit ")
        );
        assert!(!parts.tests.contains("checkout"));
    }

    #[test]
    fn a_script_without_markers_stays_whole() {
        let parts = RowScript::split("pytest -rA\r\n");
        assert_eq!(parts, RowScript::whole("pytest -rA\n"));
        assert_eq!(parts.before, "");
    }
}
