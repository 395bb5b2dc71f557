//! Carrying a plan out in a fresh sandbox.
//!
//! Each step is a command of its own, and what it prints is a chapter of the log: the patch, the test files, the test
//! patch, the install command, the tests. Only the tests' chapter is ever parsed, and its bounds are written by the
//! grader around what that one command printed. Patches and scripts go in by standard input, so that no file of theirs
//! lies where the tested code could change it; the tests' own standard input is empty.
//!
//! Whatever goes wrong becomes a verdict; this function does not fail. The sandbox must be fresh and at the base commit;
//! it is left as the tests left it, for the caller to stop.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::forensics::{self, Flag};
use super::grading::Grading;
use super::judge::{self, NOTE_FLAG, NOTE_TIMED_OUT, NOTE_VERDICT};
use super::parser::LogReader;
use super::patch::{Tidy, files, forbidden, tidy};
use super::plan::Plan;
use super::progress::{Progress, Stage, follow};
use super::section::{LogWriter, nonce};
use super::{Verdict, shell};
use crate::sandbox::{Chunk, Exec, Exit, Ran, Sandbox};
use crate::task::Task;

/// Bytes of test output that are kept: the largest logs of the field are a tenth of it.
const KEEP: usize = 64 << 20;
/// Time for one git command.
const GIT_TIME: Duration = Duration::from_mins(2);
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
    let mut grading = judge::judge(&log, task, plan.rules, plan.parser);
    grading.seconds = began.elapsed().as_secs_f64();
    grading.script = run.script;
    grading.sandbox = Some(sandbox.report().clone());
    grading
}

/// A grading under way. `Err` of its steps is the verdict that ends it.
struct Run<'a> {
    plan: &'a Plan,
    task: &'a Task,
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
        if let Some(bug) = &self.plan.bug {
            // Applies forwards: the bug is in already. Backwards: it is not yet.
            let fixed = self
                .quiet(git_apply(bug, &["--check", "--reverse"]))
                .await?;
            if fixed.exit == Exit::Code(0) {
                let made = self
                    .logged("make the bug", git_apply(bug, &["--reverse"]))
                    .await?;
                ok(&made, "the bug cannot be made")?;
            }
        }
        Ok(base)
    }

    async fn apply(&mut self, patch: &Tidy) -> Result<(), Verdict> {
        let changed = files(&patch.patch);
        if changed.is_empty() {
            return Err(Verdict::PatchDoesNotApply {
                why: "it holds no diff".to_owned(),
            });
        }
        if let Some(path) = forbidden(&changed) {
            return Err(Verdict::PatchDoesNotApply {
                why: format!("it would write `{path}`, which no patch may"),
            });
        }
        let decided: Vec<String> = [&self.plan.checkout[..], &self.plan.remove[..]].concat();
        for flag in forensics::of_patch(&changed, &decided, self.plan.parser) {
            self.flag(&flag);
        }
        if patch.cut {
            self.flag(&Flag::JunkBeforePatch);
        }
        let first = self
            .logged("git apply", git_apply(&patch.patch, &[]))
            .await?;
        if first.exit == Exit::Code(0) {
            return Ok(());
        }
        if let Some(unix) = &patch.unix {
            let second = self
                .logged("git apply, line ends changed", git_apply(unix, &[]))
                .await?;
            if second.exit == Exit::Code(0) {
                self.flag(&Flag::LineEndsChanged);
                return Ok(());
            }
        }
        for (text, changed) in [(Some(&patch.patch), false), (patch.unix.as_ref(), true)] {
            let Some(text) = text else { continue };
            if self.patch_with_fuzz(text).await? {
                self.flag(&Flag::AppliedWithFuzz);
                if changed {
                    self.flag(&Flag::LineEndsChanged);
                }
                return Ok(());
            }
        }
        Err(Verdict::PatchDoesNotApply { why: words(&first) })
    }

    /// `patch` as the benchmarks fall back to; tried without writing first, because it is not all or nothing.
    async fn patch_with_fuzz(&mut self, text: &str) -> Result<bool, Verdict> {
        let with = |last: &[&str]| {
            let mut argv = vec!["patch", "--batch", "--fuzz=5", "-p1"];
            argv.extend(last);
            let mut exec = Exec::new(argv.into_iter().map(str::to_owned).collect(), GIT_TIME);
            text.as_bytes().clone_into(&mut exec.stdin);
            exec
        };
        let dry = self
            .logged("patch --fuzz=5, dry", with(&["--dry-run"]))
            .await?;
        if dry.exit != Exit::Code(0) {
            return Ok(false);
        }
        let wet = with(&["--no-backup-if-mismatch", "--reject-file=-"]);
        let wet = self.logged("patch --fuzz=5", wet).await?;
        Ok(wet.exit == Exit::Code(0))
    }

    async fn reset_tests(&mut self, base: &str) -> Result<(), Verdict> {
        if let Some(path) = forbidden(&files(&self.task.test_patch)) {
            return Err(infrastructure(format!(
                "the test patch would write `{path}`"
            )));
        }
        let reset = shell::reset(base, &self.plan.checkout, GIT_TIME);
        ok(
            &self.logged("reset the test files", reset).await?,
            "the test files cannot be reset",
        )?;
        let remove = shell::remove(&self.plan.remove, GIT_TIME);
        ok(
            &self
                .logged("remove what the test patch adds", remove)
                .await?,
            "the test files cannot be removed",
        )
    }

    async fn apply_test_patch(&mut self) -> Result<(), Verdict> {
        let Some(patch) = tidy(&self.task.test_patch) else {
            return Ok(());
        };
        let first = self
            .logged("apply the test patch", git_apply(&patch.patch, &[]))
            .await?;
        let Some(unix) = patch.unix.filter(|_| first.exit != Exit::Code(0)) else {
            return ok(&first, "the test patch does not apply");
        };
        let again = git_apply(&unix, &[]);
        let second = self
            .logged("apply the test patch, line ends changed", again)
            .await?;
        ok(&second, "the test patch does not apply")
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

    async fn logged(&mut self, what: &str, exec: Exec) -> Result<Ran, Verdict> {
        let ran = self.quiet(exec).await?;
        let output = format!("{}{}", ran.stdout.text(), ran.stderr.text());
        self.log.step(what, &output);
        Ok(ran)
    }

    fn flag(&mut self, flag: &Flag) {
        if let Ok(json) = serde_json::to_string(flag) {
            self.log.note(NOTE_FLAG, &json);
        }
    }

    fn stage(&self, stage: Stage) {
        // Dropped when nobody reads: progress is for a screen.
        let _ = self.progress.try_send(Progress::Stage(stage));
    }
}

fn git(arguments: &[&str]) -> Exec {
    let mut argv = vec!["git", "-c", "core.hooksPath=/dev/null"];
    argv.extend(arguments);
    let mut exec = Exec::new(argv.into_iter().map(str::to_owned).collect(), GIT_TIME);
    exec.env = vec![("LC_ALL".into(), "C".into())];
    exec
}

fn git_apply(patch: &str, arguments: &[&str]) -> Exec {
    let mut all = vec!["apply", "--verbose", "--whitespace=nowarn"];
    all.extend(arguments);
    all.push("-");
    let mut exec = git(&all);
    patch.as_bytes().clone_into(&mut exec.stdin);
    exec
}

fn infrastructure(why: String) -> Verdict {
    Verdict::InfrastructureError { why }
}

fn ended_early(ran: &Ran) -> Result<(), Verdict> {
    match ran.exit {
        Exit::Cancelled => Err(Verdict::NotGraded {
            why: "it was cancelled".to_owned(),
        }),
        Exit::LimitExceeded(limit) => Err(infrastructure(format!(
            "a command exceeded the sandbox's {} limit",
            match limit {
                crate::sandbox::Limit::Memory => "memory",
                crate::sandbox::Limit::Disk => "disk",
            }
        ))),
        _ => Ok(()),
    }
}

fn ok(ran: &Ran, what: &str) -> Result<(), Verdict> {
    if ran.exit == Exit::Code(0) {
        return Ok(());
    }
    Err(infrastructure(format!("{what}: {}", words(ran))))
}

/// What a failed command said: git's `error:` lines, or else the last line, or else its status.
fn words(ran: &Ran) -> String {
    let said = format!("{}\n{}", ran.stdout.text(), ran.stderr.text());
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let errors: Vec<&str> = lines
        .iter()
        .filter_map(|line| {
            line.strip_prefix("error: ")
                .or_else(|| line.strip_prefix("fatal: "))
        })
        .take(3)
        .collect();
    match (errors.is_empty(), lines.last()) {
        (false, _) => errors.join("; "),
        (true, Some(last)) => (*last).to_owned(),
        (true, None) => format!("it ended with status {}", ran.exit.status()),
    }
}
