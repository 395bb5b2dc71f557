//! Whether two observations are the same, as far as a re-execution can be expected to repeat them.
//!
//! Mental model: before two texts are compared, what no two runs share is **masked** in both: times and durations,
//! memory addresses, process ids, the random parts of temporary paths, ids of commits made just now, and the fill that
//! test runners draw around a duration. Everything else must be equal. A mask can hide a true difference (a program that
//! prints a wrong time); it never makes one.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::agent::Outcome;
use crate::trajectory::comparison::Difference;

/// Characters of a line that a difference quotes.
const QUOTED: usize = 160;

/// What is masked, in this order: (what it looks like, what stands for it). The order matters: dates before durations.
const MASKS: &[(&str, &str)] = &[
    // 2026-01-31T10:00:00.5Z, 2026-01-31 10:00:00 +0100
    (
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?",
        "«time»",
    ),
    // Sat Jan 31 10:00:00 2026 +0000 (git log, date, ctime)
    (
        r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:\d{1,2} )?[A-Z][a-z]{2} +(?:\d{1,2} )?(?:\d{4} )?\d\d:\d\d(?::\d\d)?(?: [A-Z]{3,4})?(?: \d{4})?(?: [+-]\d{4})?",
        "«time»",
    ),
    // Jan 31 10:00 and Jan 31  2026 (ls -l)
    (
        r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d (?:\d\d:\d\d(?::\d\d)?| ?\d{4})",
        "«time»",
    ),
    (r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b", "«time»"),
    // real 0m0.004s (time)
    (r"\b\d+m\d+(?:\.\d+)?s\b", "«duration»"),
    // 0.03s, 12 ms, 1.5 seconds
    (
        r"\b\d+(?:\.\d+)? ?(?:ns|us|µs|ms|s|secs?|seconds?|minutes?)\b",
        "«duration»",
    ),
    (r"\b0x[0-9a-fA-F]{5,}\b", "«address»"),
    (r"(?i)\b(pid|process)([ =:#]+)\d+\b", "$1$2«pid»"),
    // [1] 4711 (a job of the shell)
    (r"(?m)^(\[\d+\]) \d+$", "$1 «pid»"),
    (r"(/(?:var/)?tmp)/[A-Za-z0-9_.+-]+", "$1/«temporary»"),
    // commit 0a1b…, [main 0a1b2c3] (commits made in the run carry its time)
    (r"\bcommit [0-9a-f]{7,40}\b", "commit «commit»"),
    (
        r"(?m)^\[([^\]\s]+(?: \(root-commit\))?) [0-9a-f]{7,40}\]",
        "[$1 «commit»]",
    ),
    // ==== 3 passed in 0.03s ====
    (r"={3,}", "==="),
    (r"-{3,}", "---"),
    (r"_{3,}", "___"),
    // columns are as wide as their widest number
    (r"[ \t]+", " "),
];

static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    MASKS
        .iter()
        .filter_map(|(pattern, mask)| Some((Regex::new(pattern).ok()?, *mask)))
        .collect()
});

/// A text with everything masked that no two runs share.
#[must_use]
pub fn masked(text: &str) -> String {
    let mut text = Cow::Borrowed(text);
    for (pattern, mask) in PATTERNS.iter() {
        if let Cow::Owned(new) = pattern.replace_all(&text, *mask) {
            text = Cow::Owned(new);
        }
    }
    text.into_owned()
}

/// What is otherwise in an observation: nothing, its exit status, its text, or both.
#[must_use]
pub fn differences(recorded: &Outcome, now: &Outcome) -> Vec<Difference> {
    let mut found = Vec::new();
    if recorded.exit != now.exit {
        found.push(Difference::Exit {
            recorded: recorded.exit,
            now: now.exit,
        });
    }
    if recorded.text != now.text {
        found.extend(first_line_that_differs(&recorded.text, &now.text));
    }
    found
}

fn first_line_that_differs(recorded: &str, now: &str) -> Option<Difference> {
    // Masks can take several lines together no more than a line can hold a line break: they work line by line.
    let (then_masked, now_masked) = (masked(recorded), masked(now));
    let (mut then_lines, mut now_lines) = (then_masked.lines(), now_masked.lines());
    let mut line = 0;
    loop {
        line += 1;
        match (then_lines.next(), now_lines.next()) {
            (None, None) => return None,
            (Some(then), Some(now)) if then.trim_end() == now.trim_end() => {}
            _ => break,
        }
    }
    let quote = |text: &str| {
        let raw = text.lines().nth(line - 1).unwrap_or_default();
        let mut quoted: String = raw.chars().take(QUOTED).collect();
        if raw.chars().nth(QUOTED).is_some() {
            quoted.push('…');
        }
        quoted
    };
    Some(Difference::Text {
        line,
        recorded: quote(recorded),
        now: quote(now),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mask_is_a_pattern() {
        assert_eq!(PATTERNS.len(), MASKS.len());
    }

    #[test]
    fn what_no_two_runs_share_is_masked() {
        for (one, other) in [
            (
                "=== 3 passed in 0.03s ===",
                "====== 3 passed in 12.41s =====",
            ),
            ("Ran 12 tests in 0.004s", "Ran 12 tests in 1.2s"),
            (
                "<Cart object at 0x7f3a2c1b0d90>",
                "<Cart object at 0x7f9911aabbcc>",
            ),
            (
                "drwxr-xr-x 2 u u   40 Nov 21 10:46 src",
                "drwxr-xr-x 2 u u 40 Jan  3 09:01 src",
            ),
            (
                "Date:   Sat Nov 21 10:46:48 2026 +0000",
                "Date:   Mon Jan 5 01:02:03 2026 +0100",
            ),
            ("commit 0a1b2c3d4e5f", "commit ffffeeee00001"),
            ("[main 0a1b2c3] fix", "[main 7654321] fix"),
            ("[1] 4711", "[1] 99"),
            ("pid 12 ended", "pid 99 ended"),
            ("wrote /tmp/tmpab12_x/out.txt", "wrote /tmp/tmpzz9/out.txt"),
            ("at 2026-11-21T10:46:48.123Z", "at 2026-11-22T01:00:00Z"),
            ("real\t0m0.004s", "real\t0m1.1s"),
        ] {
            assert_eq!(masked(one), masked(other), "{one} / {other}");
        }
    }

    #[test]
    fn what_a_program_computes_is_not_masked() {
        for (one, other) in [
            ("3 passed in 0.03s", "2 passed, 1 failed in 0.03s"),
            ("total 1200", "total 1300"),
            (
                "d41d8cd98f00b204e9800998ecf8427e",
                "0cc175b9c0f1b6a831c399e269772661",
            ),
            ("x = 0x1f", "x = 0x2f"),
            ("/usr/lib/a", "/usr/lib/b"),
            ("version 1.2.3", "version 1.2.4"),
        ] {
            assert_ne!(masked(one), masked(other), "{one} / {other}");
        }
    }

    fn outcome(exit: i32, text: &str) -> Outcome {
        Outcome {
            text: text.into(),
            exit: Some(exit),
            error: false,
            submitted: false,
            dropped: 0,
            took: std::time::Duration::ZERO,
        }
    }

    #[test]
    fn the_first_line_that_differs_is_quoted_as_it_was_printed() {
        let then = outcome(0, "a\nb took 3 ms\nc 1\n");
        let now = outcome(1, "a\nb took 9 ms\nc 2\n");
        let found = differences(&then, &now);
        let sentences: Vec<String> = found.iter().map(Difference::sentence).collect();
        assert_eq!(
            sentences,
            [
                "exit status 1 instead of 0",
                "line 3 is `c 2` instead of `c 1`"
            ]
        );
        let shorter = differences(&then, &outcome(0, "a\nb took 1 ms\n"));
        assert_eq!(shorter[0].sentence(), "line 3 is missing: `c 1`");
        assert_eq!(differences(&then, &then), []);
    }
}
