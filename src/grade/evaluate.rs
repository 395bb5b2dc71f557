//! Carrying a plan out in a fresh sandbox.
//!
//! Each step is a command of its own, and what it prints is a chapter of the log: the patch, the test files, the test
//! patch, the install command, the tests. Only the tests' chapter is ever parsed, and its bounds are written by the
//! grader around what that one command printed. Patches and scripts go in by standard input, so that no file of theirs
//! lies where the tested code could change it; the tests' own standard input is empty.
//!
//! Whatever goes wrong becomes a verdict; this function does not fail. The sandbox must be fresh and at the base commit;
//! it is left as the tests left it, for the caller to stop.

use std::time::Instant;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::commands::{GIT_TIME, ended_early, git, git_apply, infrastructure, words};
use super::flag::Flag;
use super::grading::Grading;
use super::judge::{self, NOTE_FLAG, NOTE_TIMED_OUT, NOTE_VERDICT};
use super::parser::LogReader;
use super::patch::{Tidy, tidy};
use super::plan::Plan;
use super::progress::{Progress, Stage, follow};
use super::section::{LogWriter, nonce};
use super::{Verdict, shell};
use crate::sandbox::{Chunk, Exec, Exit, Ran, Sandbox};
use crate::task::Task;

/// Bytes of test output that are kept: the largest logs of the field are a tenth of it.
const KEEP: usize = 64 << 20;
/// Chunks between the sandbox and the reader of lines; when full the tests wait, as they would for a slow pipe.
const CHUNKS: usize = 64;

/// Grade a patch. A blank one is *empty patch*, and nothing runs.
pub async fn grade(
    plan: &Plan,
    task: &Task,
    patch: &str,
    sandbox: &dyn Sandbox,
    progress: mpsc::Sender<Progress>,
    cancel: &CancellationToken,
) -> Grading {
    match tidy(patch) {
        Some(patch) => run(plan, task, Some(patch), sandbox, progress, cancel).await,
        None => Grading::ended(Verdict::EmptyPatch, plan.rules, String::new()),
    }
}

/// Run the tests on the base commit without any patch: what a check of the task itself needs.
pub async fn grade_unpatched(
    plan: &Plan,
    task: &Task,
    sandbox: &dyn Sandbox,
    progress: mpsc::Sender<Progress>,
    cancel: &CancellationToken,
) -> Grading {
    run(plan, task, None, sandbox, progress, cancel).await
}

async fn run(
    plan: &Plan,
    task: &Task,
    patch: Option<Tidy>,
    sandbox: &dyn Sandbox,
    progress: mpsc::Sender<Progress>,
    cancel: &CancellationToken,
) -> Grading {
    let began = Instant::now();
    let mut run = Run {
        plan,
        task,
        sandbox,
        progress,
        cancel,
        log: LogWriter::new(nonce()),
        script: String::new(),
    };
    if let Err(verdict) = Box::pin(run.all(patch)).await
        && let Ok(json) = serde_json::to_string(&verdict)
    {
        run.log.note(NOTE_VERDICT, &json);
    }
    run.stage(Stage::Judge);
    let log = run.log.finish();
    let mut grading = judged(log, task.clone(), plan).await;
    grading.seconds = began.elapsed().as_secs_f64();
    grading.script = run.script;
    grading.sandbox = Some(sandbox.report().clone());
    grading
}

/// Reading a log of many megabytes takes a while, so it is done where it holds nobody up.
async fn judged(log: String, task: Task, plan: &Plan) -> Grading {
    let (rules, parser) = (plan.rules, plan.parser);
    let judged =
        tokio::task::spawn_blocking(move || judge::judge(&log, &task, rules, parser)).await;
    judged.unwrap_or_else(|why| {
        let why = format!("the log could not be judged: {why}");
        Grading::ended(infrastructure(why), rules, String::new())
    })
}

/// Make SWE-smith's bug in a workspace that has not got it; whether it was made. For tasks of other families nothing is
/// done.
pub async fn make_bug(plan: &Plan, sandbox: &dyn Sandbox) -> Result<bool, String> {
    let Some(fix) = &plan.bug else {
        return Ok(false);
    };
    let run = async |exec: Exec| {
        sandbox
            .exec(exec, None)
            .await
            .map_err(|why| why.to_string())
    };
    // Applies backwards: the bug is not there yet.
    let fixed = run(git_apply(fix, &["--check", "--reverse"])).await?;
    if fixed.exit != Exit::Code(0) {
        return Ok(false);
    }
    let made = run(git_apply(fix, &["--reverse"])).await?;
    if made.exit != Exit::Code(0) {
        return Err(format!("the bug cannot be made: {}", words(&made)));
    }
    Ok(true)
}

/// Make what was changed part of the last commit, so that no diff shows an agent the bug: it is the solution backwards.
pub async fn hide_changes(sandbox: &dyn Sandbox) -> Result<(), String> {
    let hidden = sandbox.exec(shell::script(HIDE, GIT_TIME), None).await;
    let hidden = hidden.map_err(|why| why.to_string())?;
    if hidden.exit != Exit::Code(0) {
        return Err(format!(
            "the bug cannot be hidden in the last commit: {}",
            words(&hidden)
        ));
    }
    Ok(())
}

/// Amend the last commit and forget the old one.
const HIDE: &str = "set -e
git() { command git -c safe.directory='*' -c core.hooksPath=/dev/null -c user.name=spotter -c user.email=spotter@localhost \"$@\"; }
git commit -q --all --amend --no-edit --no-verify --allow-empty
git reflog expire --expire=now --all
git prune --expire=now";

/// A grading under way. `Err` of its steps is the verdict that ends it.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    pub(super) task: &'a Task,
    sandbox: &'a dyn Sandbox,
    progress: mpsc::Sender<Progress>,
    cancel: &'a CancellationToken,
    log: LogWriter,
    script: String,
}

impl Run<'_> {
    async fn all(&mut self, patch: Option<Tidy>) -> Result<(), Verdict> {
        self.stage(Stage::Prepare);
        let base = self.prepare().await?;
        if let Some(patch) = patch {
            self.stage(Stage::ApplyPatch);
            self.apply(&patch).await?;
        }
        self.stage(Stage::ResetTests);
        self.reset_tests(&base).await?;
        if self.plan.applies_test_patch {
            self.apply_test_patch().await?;
        }
        let mut before = shell::silent(&self.plan.environment);
        if let Some(install) = &self.plan.install {
            self.stage(Stage::Install);
            self.install(&format!("{before}{install}\n")).await?;
        }
        let mut command = self.plan.command.as_str();
        if let Some(script) = &self.plan.script {
            if !script.before.is_empty() {
                self.stage(Stage::Install);
                before = self.script_before(&script.before).await?;
            }
            command = &script.tests;
        }
        self.stage(Stage::Tests);
        command.clone_into(&mut self.script);
        self.tests(format!("{before}{command}\n")).await
    }

    /// The commit to reset to; makes SWE-smith's bug if the workspace has not got it.
    async fn prepare(&mut self) -> Result<String, Verdict> {
        self.quiet(shell::script(
            "git config --global --add safe.directory '*'",
            GIT_TIME,
        ))
        .await?;
        let wanted = format!("{}^{{commit}}", self.task.base_commit);
        let known = self
            .quiet(git(&["rev-parse", "--quiet", "--verify", &wanted]))
            .await?;
        let base = if known.exit == Exit::Code(0) {
            self.task.base_commit.clone()
        } else {
            let head = self
                .quiet(git(&["rev-parse", "--quiet", "--verify", "HEAD"]))
                .await?;
            if head.exit != Exit::Code(0) {
                return Err(infrastructure(format!(
                    "the workspace is no git repository with a commit: {}",
                    words(&head)
                )));
            }
            self.flag(&Flag::NoBaseCommit);
            head.stdout.text().trim().to_owned()
        };
        if make_bug(self.plan, self.sandbox)
            .await
            .map_err(infrastructure)?
        {
            self.log.step("make the bug", "");
        }
        Ok(base)
    }

    async fn install(&mut self, script: &str) -> Result<(), Verdict> {
        let mut exec = shell::script(script, self.plan.timeout());
        exec.keep = 1 << 20;
        let ran = self.logged("install", exec).await?;
        match ran.exit {
            Exit::Code(0) => {}
            Exit::TimedOut => {
                return Err(infrastructure(format!(
                    "the install command did not end within {} s",
                    self.plan.seconds
                )));
            }
            exit => self.flag(&Flag::InstallFailed {
                code: exit.status(),
            }),
        }
        Ok(())
    }

    /// The part of a row's script before its tests; gives the shell's state, to start the tests with.
    async fn script_before(&mut self, before: &str) -> Result<String, Verdict> {
        let exec = shell::script_with_state(before, self.plan.timeout());
        let ran = self.quiet(exec).await?;
        self.log
            .step("the row's script, up to its tests", &ran.stderr.text());
        let state = ran.stdout.text();
        if ran.exit == Exit::TimedOut || state.is_empty() {
            return Err(infrastructure(format!(
                "the row's script did not reach its tests: {}",
                words(&ran)
            )));
        }
        Ok(state)
    }

    async fn tests(&mut self, script: String) -> Result<(), Verdict> {
        let mut exec = shell::script(&script, self.plan.timeout());
        exec.keep = KEEP;
        exec.cancel = self.cancel.clone();
        let (sender, chunks) = mpsc::channel::<Chunk>(CHUNKS);
        let reader = self
            .plan
            .parser
            .map(|parser| LogReader::new(parser, self.plan.rules.names()));
        let ids = self
            .task
            .fail_to_pass
            .ids()
            .iter()
            .chain(self.task.pass_to_pass.ids());
        let follow = follow(
            chunks,
            reader,
            ids.cloned().collect(),
            self.progress.clone(),
        );
        let (ran, ()) = tokio::join!(self.sandbox.exec(exec, Some(sender)), follow);
        let ran = ran.map_err(|why| infrastructure(why.to_string()))?;
        let code = match ran.exit {
            Exit::Code(_) | Exit::Signal(_) => Some(ran.exit.status()),
            _ => None,
        };
        self.log.tests(&ran.stdout.text(), code);
        if ran.stdout.dropped() > 0 {
            self.flag(&Flag::LogTruncated {
                bytes: ran.stdout.dropped(),
            });
        }
        if ran.exit == Exit::TimedOut {
            self.log
                .note(NOTE_TIMED_OUT, &self.plan.seconds.to_string());
        }
        ended_early(&ran)
    }

    /// Run a command whose output is no part of the log.
    async fn quiet(&self, mut exec: Exec) -> Result<Ran, Verdict> {
        exec.cancel = self.cancel.clone();
        let ran = self.sandbox.exec(exec, None).await;
        let ran = ran.map_err(|why| infrastructure(why.to_string()))?;
        ended_early(&ran)?;
        Ok(ran)
    }

    /// Run a command whose output is a chapter of the log.
    pub(super) async fn logged(&mut self, what: &str, exec: Exec) -> Result<Ran, Verdict> {
        let ran = self.quiet(exec).await?;
        let output = format!("{}{}", ran.stdout.text(), ran.stderr.text());
        self.log.step(what, &output);
        Ok(ran)
    }

    /// Note a fact that the log itself does not show.
    pub(super) fn flag(&mut self, flag: &Flag) {
        if let Ok(json) = serde_json::to_string(flag) {
            self.log.note(NOTE_FLAG, &json);
        }
    }

    fn stage(&self, stage: Stage) {
        // Dropped when nobody reads: progress is for a screen.
        let _ = self.progress.try_send(Progress::Stage(stage));
    }
}
