//! What a user writes who met the fault: the call, what came, what should have come.

use super::prove::{Case, Wrong};
use super::random::Random;

/// Before the call is shown; `{f}` is the function.
const TITLES: &[&str] = &[
    "`{f}` gives the wrong result",
    "Wrong result from `{f}`",
    "`{f}` is off",
    "Bug in `{f}`",
    "`{f}` does not do what it says",
    "Unexpected result of `{f}`",
    "`{f}`: wrong answer",
    "Problem with `{f}`",
    "`{f}` broken?",
    "Result of `{f}` is not right",
];

/// For a fault that raises.
const TITLES_OF_ERRORS: &[&str] = &[
    "`{f}` crashes",
    "`{f}` raises an error",
    "Exception in `{f}`",
    "Crash in `{f}`",
    "`{f}` fails",
];

/// The report; `{c}` the call, `{g}` what came, `{e}` what was expected.
const REPORTS: &[&str] = &[
    "`{c}` returns `{g}`, but it should be `{e}`.",
    "I called `{c}` and got `{g}`. I expected `{e}`.",
    "When I run `{c}` I get `{g}`. The right answer is `{e}`.",
    "For `{c}` the result is `{g}` instead of `{e}`.",
    ">>> {c}\n{g}\n\nThis should be `{e}`.",
    ">>> {c}\n{g}\n\nExpected: {e}",
    "Call: `{c}`\nGot: `{g}`\nExpected: `{e}`",
    "`{c}` should give `{e}`. It gives `{g}`.",
    "Expected `{e}` from `{c}`, not `{g}`.",
    "We rely on `{c}` being `{e}`; since the last change it is `{g}`.",
    "Got `{g}` for `{c}`. According to its docstring it must be `{e}`.",
    "Trying `{c}`: the answer is `{g}`. It ought to be `{e}`.",
];

/// The same where an error came.
const REPORTS_OF_ERRORS: &[&str] = &[
    "`{c}` raises `{g}`. It should return `{e}`.",
    "I called `{c}` and got `{g}`. I expected `{e}`.",
    ">>> {c}\n{g}\n\nThis should be `{e}`.",
    "Running `{c}` ends with `{g}` where `{e}` was expected.",
    "`{c}` should give `{e}`, but it stops with `{g}`.",
];

/// Said by some beside it.
const ASIDES: &[&str] = &[
    "",
    "",
    "",
    "",
    "",
    "",
    "Other inputs seem fine.",
    "Sometimes the result is right.",
    "Please fix.",
    "Found this while testing.",
    "No idea why.",
    "The same happens with other values.",
];

/// The text for a failing case of `function`, written `module.function`.
pub(super) fn write(random: &mut Random, function: &str, case: &Case) -> String {
    let (titles, reports, got) = match &case.wrong {
        Some(Wrong::Error(error)) => (TITLES_OF_ERRORS, REPORTS_OF_ERRORS, error.as_str()),
        Some(Wrong::Value(value)) => (TITLES, REPORTS, value.as_str()),
        None => (TITLES, REPORTS, ""),
    };
    let title = random.pick(titles).replace("{f}", function);
    // One after the other: an answer may hold braces itself.
    let report = random.pick(reports);
    let mut text = String::new();
    let mut rest = report;
    while let Some((before, after)) = rest.split_once('{') {
        let (slot, after) = after.split_once('}').unwrap_or((after, ""));
        text.push_str(before);
        text.push_str(match slot {
            "c" => &case.call,
            "g" => got,
            _ => &case.expected,
        });
        rest = after;
    }
    text.push_str(rest);
    let aside = random.pick(ASIDES);
    let parts = [title.as_str(), text.as_str(), aside];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n\n")
}
