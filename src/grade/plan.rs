//! Everything about a grading that can be decided before a rollout.
//!
//! A [`Plan`] is a value: rule set, parser, image, the commands to run and the files to reset. Making one runs nothing
//! and touches no disk, so a row that can be read but not graded says so before a model spends an hour on it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::directives::{directives, files_of_ids, files_of_node_ids, quoted, test_files};
use super::parser::{Parser, UnknownParser};
use super::patch::{Change, files};
use super::row_script::RowScript;
use super::rules::RuleSet;
use super::spec;
use crate::sandbox::Kind;
use crate::task::{Family, Task, TestList};

/// Seconds for the tests of a SWE-bench or SWE-Gym row (the harness's default).
pub(super) const TEST_SECONDS: u64 = 1800;
/// Seconds for the tests of a task that ships with spotter.
pub(super) const SAMPLE_SECONDS: u64 = 60;
/// Seconds for R2E-Gym's tests.
pub(super) const R2E_SECONDS: u64 = 300;
/// Seconds for a row's own script whose exit status decides (`SkyRL`).
pub(super) const SCRIPT_SECONDS: u64 = 3600;

/// Work directory of the published images.
const IMAGE_WORKDIR: &str = "/testbed";
/// Run without output before everything else in an image; the environment is called `testbed` in all of them.
const ACTIVATE: &str = "if [ -f /opt/miniconda3/bin/activate ]; then source /opt/miniconda3/bin/activate; \
                        conda activate testbed; fi";

/// Why a task cannot be graded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ungradable {
    /// The list that decides is missing or empty.
    #[error("{task} cannot be graded: {list} {why}")]
    Tests {
        /// Instance id.
        task: String,
        /// Which list.
        list: String,
        /// Why.
        why: String,
    },
    /// No test command is known.
    #[error(
        "{task} cannot be graded: there is no specification for {repo} at version `{version}`, and the row brings no script of its own"
    )]
    NoSpecification {
        /// Instance id.
        task: String,
        /// Repository.
        repo: String,
        /// Version.
        version: String,
    },
    /// The log could not be read.
    #[error("{task} cannot be graded: {why}")]
    NoParser {
        /// Instance id.
        task: String,
        /// Why.
        why: String,
    },
    /// The tests need the task's own environment.
    #[error(
        "{task} cannot be graded in the local sandbox: its environment is the image {image}; use the docker sandbox"
    )]
    NeedsImage {
        /// Instance id.
        task: String,
        /// Image.
        image: String,
    },
    /// A container needs an image.
    #[error(
        "{task} cannot be graded in a container: the row names no image; use the local sandbox, or name an image in the row"
    )]
    NoImage {
        /// Instance id.
        task: String,
    },
    /// The rule set asks for something that the row has not.
    #[error(
        "{task} cannot be graded under `{rules}`: the row has no {what}; choose another rule set"
    )]
    NotUnderTheseRules {
        /// Instance id.
        task: String,
        /// Rule set.
        rules: RuleSet,
        /// What is missing.
        what: String,
    },
}

/// A grading, decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Rule set of the verdict.
    pub rules: RuleSet,
    /// How the log is read; `None` where only the exit status counts.
    pub parser: Option<Parser>,
    /// Kind of sandbox that it was made for.
    pub kind: Kind,
    /// Image, in a container. Others that may do are in [`super::image_for`].
    pub image: Option<String>,
    /// Where the repository is said to be; the sandbox's own report counts.
    pub workdir: Option<String>,
    /// Shell lines before install and tests, their output left out of the log.
    pub environment: Vec<String>,
    /// Install command, run again after the patch.
    pub install: Option<String>,
    /// The test command, directives and all.
    pub command: String,
    /// Test files, labels or expressions in that command.
    pub directives: Vec<String>,
    /// Test files put back to the base commit before the test patch.
    pub checkout: Vec<String>,
    /// Test files that the test patch adds: removed first, should the patch under test have made them.
    pub remove: Vec<String>,
    /// Whether the grader applies the test patch (a row's own script does that itself).
    pub applies_test_patch: bool,
    /// SWE-smith: the patch that makes the bug, as its reverse, where the workspace may not have it yet.
    pub bug: Option<String>,
    /// The row's own script, in place of `install` and `command`.
    pub script: Option<RowScript>,
    /// Seconds for the tests; the install command gets as many.
    pub seconds: u64,
    /// What a reader should know of how this was decided.
    pub notes: Vec<String>,
}

impl Plan {
    /// The time for the tests.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// Where a task will be graded, as far as the caller has decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Kind of sandbox.
    pub kind: Kind,
    /// Image to use in place of the row's.
    pub image: Option<String>,
    /// The repository is laid out from a folder, so no image has to hold it.
    pub laid_out: bool,
}

impl From<Kind> for Place {
    fn from(kind: Kind) -> Self {
        Self {
            kind,
            image: None,
            laid_out: false,
        }
    }
}

/// Decide how a task is graded; `rules` overrules the row's default.
pub fn plan(
    task: &Task,
    place: impl Into<Place>,
    rules: Option<RuleSet>,
) -> Result<Plan, Ungradable> {
    let place = place.into();
    let kind = place.kind;
    let rules = rules.unwrap_or_else(|| RuleSet::default_for(task));
    decidable(task, rules)?;
    let parser = parser_of(task, rules)?;
    let mut plan = Plan {
        rules,
        parser,
        kind,
        image: image(task, place)?,
        workdir: (kind == Kind::Docker).then(|| IMAGE_WORKDIR.to_owned()),
        environment: Vec::new(),
        install: None,
        command: String::new(),
        directives: Vec::new(),
        checkout: Vec::new(),
        remove: Vec::new(),
        applies_test_patch: !task.test_patch.trim().is_empty(),
        bug: None,
        script: None,
        seconds: TEST_SECONDS,
        notes: Vec::new(),
    };
    if kind == Kind::Docker {
        plan.environment.push(ACTIVATE.to_owned());
    }
    test_patch_files(task, &mut plan);
    if is_sample(task) {
        sample(task, &mut plan);
    } else if task.family == Family::R2e {
        // The image keeps the tests at the root of its file system; the script looks for them in the repository.
        plan.command =
            String::from("[ -e r2e_tests ] || ln -s /r2e_tests r2e_tests; bash run_tests.sh");
        plan.checkout.push(String::from("run_tests.sh"));
        plan.seconds = R2E_SECONDS;
    } else if let Some(script) = &task.eval_script {
        row_script(script, &mut plan);
    } else if task.family == Family::SweSmith {
        smith(task, &mut plan);
    } else {
        specified(task, &mut plan)?;
    }
    Ok(plan)
}

/// Whether a task ships with spotter (or is made in its manner).
fn is_sample(task: &Task) -> bool {
    task.family == Family::Sample || task.repo.starts_with("spotter/")
}

/// The rule that holds in every rule set: what decides must be known, and there must be some of it.
pub(super) fn decidable(task: &Task, rules: RuleSet) -> Result<(), Ungradable> {
    let id = || task.instance_id.clone();
    if rules == RuleSet::R2e {
        return match &task.expected_output {
            Some(expected) if !expected.is_empty() => Ok(()),
            _ => Err(Ungradable::NotUnderTheseRules {
                task: id(),
                rules,
                what: "map of expected statuses".to_owned(),
            }),
        };
    }
    if rules == RuleSet::ExitCode && task.eval_script.is_none() {
        return Err(Ungradable::NotUnderTheseRules {
            task: id(),
            rules,
            what: "evaluation script whose exit status could decide".to_owned(),
        });
    }
    let tests = |list: &str, why: String| Ungradable::Tests {
        task: id(),
        list: list.to_owned(),
        why,
    };
    match &task.fail_to_pass {
        TestList::Unknown(why) => Err(tests("FAIL_TO_PASS", format!("is unknown ({why})"))),
        TestList::Known(ids) if ids.is_empty() => Err(tests(
            "FAIL_TO_PASS",
            "is empty, so every patch would pass".to_owned(),
        )),
        TestList::Known(_) => match &task.pass_to_pass {
            TestList::Unknown(why) => Err(tests("PASS_TO_PASS", format!("is unknown ({why})"))),
            TestList::Known(_) => Ok(()),
        },
    }
}

/// How the task's log is read under a rule set.
pub(super) fn parser_of(task: &Task, rules: RuleSet) -> Result<Option<Parser>, Ungradable> {
    let named = task.log_parser.as_ref().map(|name| name.parse::<Parser>());
    let base = if is_sample(task) {
        Ok(Parser::Unittest)
    } else if let Some(named) = named {
        named
    } else if let Some(parser) = spec::parser(&task.repo) {
        Ok(parser)
    } else {
        match task.family {
            Family::SweSmith | Family::R2e | Family::Nebius => Ok(Parser::Pytest),
            _ => Err(UnknownParser::of_repo(&task.repo)),
        }
    };
    match (rules, base) {
        (RuleSet::R2e, _) => Ok(Some(Parser::R2e)),
        (RuleSet::SweSmith, Ok(parser)) if parser.has_summary() => Ok(Some(Parser::PytestVerbose)),
        (_, Ok(parser)) => Ok(Some(parser)),
        (RuleSet::ExitCode, Err(_)) => Ok(None),
        (_, Err(why)) => Err(Ungradable::NoParser {
            task: task.instance_id.clone(),
            why: why.to_string(),
        }),
    }
}

fn image(task: &Task, place: Place) -> Result<Option<String>, Ungradable> {
    let image = place
        .image
        .or_else(|| spec::image_for(task).into_iter().next());
    let id = || task.instance_id.clone();
    match (place.kind, image) {
        (Kind::Local, _) if is_sample(task) || place.laid_out => Ok(None),
        (Kind::Local, image) => Err(Ungradable::NeedsImage {
            task: id(),
            image: image.unwrap_or_else(|| "of its dataset".to_owned()),
        }),
        (Kind::Docker, Some(image)) => Ok(Some(image)),
        (Kind::Docker, None) => Err(Ungradable::NoImage { task: id() }),
    }
}

/// Which test files are put back, and which removed.
fn test_patch_files(task: &Task, plan: &mut Plan) {
    for file in files(&task.test_patch) {
        match file.change {
            Change::Added => plan.remove.push(file.new),
            Change::Modified | Change::Deleted => plan.checkout.push(file.old),
            Change::Renamed => {
                plan.checkout.push(file.old);
                plan.remove.push(file.new);
            }
        }
    }
}

fn sample(task: &Task, plan: &mut Plan) {
    let mut files = test_files(&task.test_patch);
    files.retain(|path| {
        std::path::Path::new(path)
            .extension()
            .is_some_and(|e| e == "py")
            && is_test_module(path)
    });
    let ids = task
        .fail_to_pass
        .ids()
        .iter()
        .chain(task.pass_to_pass.ids());
    for path in files_of_ids(ids) {
        if !files.contains(&path) {
            // Not in the test patch, but its tests decide: the base commit's version counts.
            plan.checkout.push(path.clone());
            files.push(path);
        }
    }
    let words: Vec<String> = files.iter().map(|path| quoted(path)).collect();
    plan.command = format!("python3 -m unittest -v {}", words.join(" "));
    plan.directives = files;
    plan.seconds = SAMPLE_SECONDS;
}

/// `__init__.py` and helpers beside the tests hold no tests.
fn is_test_module(path: &str) -> bool {
    path.rsplit('/')
        .next()
        .is_some_and(|name| name.starts_with("test"))
}

fn row_script(script: &str, plan: &mut Plan) {
    plan.applies_test_patch = false;
    // Its environment is its own business.
    plan.environment.clear();
    if plan.rules == RuleSet::ExitCode {
        plan.seconds = SCRIPT_SECONDS;
        plan.script = Some(RowScript::whole(script));
        return;
    }
    let parts = RowScript::split(script);
    if parts.before.is_empty() {
        plan.notes.push(
            "the row's script has no markers: all that it prints is read as test output".to_owned(),
        );
    }
    plan.script = Some(parts);
}

fn smith(task: &Task, plan: &mut Plan) {
    let ids = task
        .fail_to_pass
        .ids()
        .iter()
        .chain(task.pass_to_pass.ids());
    let files = files_of_node_ids(ids);
    let words: Vec<String> = files.iter().map(|path| quoted(path)).collect();
    plan.command = format!(
        "pytest --disable-warnings --color=no --tb=no --verbose {}",
        words.join(" ")
    );
    plan.checkout.extend(files.iter().cloned());
    plan.directives = files;
    plan.bug = Some(task.gold_patch.clone());
}

fn specified(task: &Task, plan: &mut Plan) -> Result<(), Ungradable> {
    let spec = spec::spec(&task.repo, &task.version);
    let test_cmd = match spec {
        Some(spec) => {
            plan.environment.extend(spec.eval_commands.iter().cloned());
            plan.install.clone_from(&spec.install);
            spec.test_cmd.as_str()
        }
        None if task.family == Family::Nebius => {
            plan.notes.push(format!(
                "there is no specification for {}: `pytest -rA` on the files of the test patch is assumed",
                task.repo
            ));
            "pytest -rA"
        }
        None => {
            return Err(Ungradable::NoSpecification {
                task: task.instance_id.clone(),
                repo: task.repo.clone(),
                version: task.version.clone(),
            });
        }
    };
    plan.directives = directives(task);
    let words: Vec<String> = plan.directives.iter().map(|word| quoted(word)).collect();
    plan.command = format!("{} {}", test_cmd.trim_end(), words.join(" "));
    Ok(())
}
