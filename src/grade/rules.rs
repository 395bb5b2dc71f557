//! Rule sets: how lines become statuses, and statuses a verdict.
//!
//! The field's graders disagree on what a missing, a skipped or an unreadable test means, so the rule set's name is
//! kept with every verdict, and a stored log can be judged again under another.
//!
//! | | `swe-gym` | `swebench-5` | `swe-smith` | `r2e` | `exit-code` |
//! |---|---|---|---|---|---|
//! | missing test | fails | fails | **passes**, counted | fails (the maps differ) | – |
//! | skipped `FAIL_TO_PASS` | ignored | fails | ignored | must equal | – |
//! | skipped `PASS_TO_PASS` | ignored | maintained | ignored | must equal | – |
//! | `XFAIL` | passes | passes | passes | must equal | – |
//! | `XPASS` | unknown word: missing | missing | missing | must equal | – |
//! | names with spaces | cut at the first space | whole; an id cut in the row matches by prefix | cut | whole | – |
//! | exit status against the log | flagged | the run is invalid | flagged | flagged | is the verdict |
//! | no status at all | every test missing | invalid | invalid | missing | – |
//!
//! What holds in all of them: only what the grader itself put between its markers is read; an empty or unknown
//! `FAIL_TO_PASS` cannot be graded; printed markers are not believed; and where one cut name stands for several tests,
//! it counts only if these agree.
//!
//! Two places are stricter than the programs described: `swe-smith` does not pass a run without a single status (there,
//! everything would pass by absence), and a cut name whose tests disagree is not decided by whichever came last.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::parser::Names;
use super::status::Status;
use crate::task::{Family, Task};

/// A named set of grading rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RuleSet {
    /// SWE-Gym's fork of SWE-bench 2.x: its rows, and the tasks that ship with spotter.
    #[serde(rename = "swe-gym")]
    SweGym,
    /// SWE-bench 5.x: SWE-bench rows and nebius.
    #[serde(rename = "swebench-5")]
    SweBench5,
    /// SWE-smith: `-v` logs; a missing test passes.
    #[serde(rename = "swe-smith")]
    SweSmith,
    /// R2E-Gym: the map of statuses must equal the expected one.
    #[serde(rename = "r2e")]
    R2e,
    /// The exit status of the row's own script is the verdict.
    #[serde(rename = "exit-code")]
    ExitCode,
}

/// No rule set has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rule set; choose one of swe-gym, swebench-5, swe-smith, r2e, exit-code")]
pub struct UnknownRuleSet(String);

/// Which list a test stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Must go from failing to passing.
    FailToPass,
    /// Must keep passing.
    PassToPass,
    /// R2E-Gym: one entry of the map of expected statuses.
    Expected,
}

/// How a test's status counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// For the patch.
    Pass,
    /// Against it.
    Fail,
    /// Neither: the rule set leaves it out.
    Ignored,
}

impl RuleSet {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::SweGym,
        Self::SweBench5,
        Self::SweSmith,
        Self::R2e,
        Self::ExitCode,
    ];

    /// The name kept with every verdict.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SweGym => "swe-gym",
            Self::SweBench5 => "swebench-5",
            Self::SweSmith => "swe-smith",
            Self::R2e => "r2e",
            Self::ExitCode => "exit-code",
        }
    }

    /// What a row of this kind is graded with unless somebody chose otherwise.
    ///
    /// A SWE-Gym row that brings its own script but no parser is one of `SkyRL`'s subset, where the exit status decides.
    #[must_use]
    pub fn default_for(task: &Task) -> Self {
        match task.family {
            Family::SweGym if task.eval_script.is_some() && task.log_parser.is_none() => {
                Self::ExitCode
            }
            Family::SweGym | Family::Sample => Self::SweGym,
            Family::SweBench | Family::Nebius => Self::SweBench5,
            Family::SweSmith => Self::SweSmith,
            Family::R2e => Self::R2e,
        }
    }

    /// How far a test's name reaches in a line of the log.
    #[must_use]
    pub fn names(self) -> Names {
        match self {
            Self::SweBench5 | Self::R2e => Names::Whole,
            Self::SweGym | Self::SweSmith | Self::ExitCode => Names::Cut,
        }
    }

    /// How a status (or its absence) counts for a test of that list. Not asked for `r2e`, which compares maps.
    #[must_use]
    pub fn count(self, group: Group, status: Option<Status>) -> Counted {
        match status {
            Some(status) if status.passes() => Counted::Pass,
            Some(status) if status.fails() => Counted::Fail,
            Some(Status::Skipped) => match (self, group) {
                (Self::SweBench5, Group::PassToPass) => Counted::Pass,
                (Self::SweBench5, _) => Counted::Fail,
                _ => Counted::Ignored,
            },
            // `XPASS` is no status, so it is as good as missing.
            Some(_) | None if self == Self::SweSmith => Counted::Pass,
            Some(_) | None => Counted::Fail,
        }
    }
}

impl fmt::Display for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for RuleSet {
    type Err = UnknownRuleSet;

    fn from_str(name: &str) -> Result<Self, UnknownRuleSet> {
        Self::ALL
            .into_iter()
            .find(|rules| rules.name() == name)
            .ok_or_else(|| UnknownRuleSet(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_reads_back_in_text_and_in_json() {
        for rules in RuleSet::ALL {
            assert_eq!(rules.to_string().parse::<RuleSet>().unwrap(), rules);
            let json = serde_json::to_string(&rules).unwrap();
            assert_eq!(json, format!("\"{}\"", rules.name()));
            assert_eq!(serde_json::from_str::<RuleSet>(&json).unwrap(), rules);
        }
        let wrong = "swebench".parse::<RuleSet>().unwrap_err().to_string();
        assert!(wrong.contains("swebench-5"), "{wrong}");
    }

    #[test]
    fn missing_and_skipped_count_as_the_table_says() {
        use Counted::{Fail, Ignored, Pass};
        use Group::{FailToPass, PassToPass};
        for (rules, missing, skipped_f2p, skipped_p2p) in [
            (RuleSet::SweGym, Fail, Ignored, Ignored),
            (RuleSet::SweBench5, Fail, Fail, Pass),
            (RuleSet::SweSmith, Pass, Ignored, Ignored),
        ] {
            assert_eq!(rules.count(FailToPass, None), missing, "{rules}");
            assert_eq!(rules.count(PassToPass, None), missing, "{rules}");
            assert_eq!(
                rules.count(FailToPass, Some(Status::Xpass)),
                missing,
                "{rules}"
            );
            assert_eq!(
                rules.count(FailToPass, Some(Status::Skipped)),
                skipped_f2p,
                "{rules}"
            );
            assert_eq!(
                rules.count(PassToPass, Some(Status::Skipped)),
                skipped_p2p,
                "{rules}"
            );
            assert_eq!(
                rules.count(PassToPass, Some(Status::Xfail)),
                Pass,
                "{rules}"
            );
            assert_eq!(
                rules.count(PassToPass, Some(Status::Error)),
                Fail,
                "{rules}"
            );
            assert_eq!(
                rules.count(FailToPass, Some(Status::Failed)),
                Fail,
                "{rules}"
            );
        }
    }
}
