//! Bringing a model's patch in, and the task's own tests over it.
//!
//! As the benchmarks do: `git apply`, then `patch --fuzz=5`. Test files that the test patch changes come from the base
//! commit again, and those that it adds are removed first, should the patch under test have made them (the harness of
//! origin does not do that, and its `git apply` fails then).

use super::Verdict;
use super::commands::{GIT_TIME, git_apply, infrastructure, ok, words};
use super::evaluate::Run;
use super::flag::Flag;
use super::forensics;
use super::patch::{Tidy, files, forbidden, tidy};
use super::shell;
use crate::sandbox::{Exec, Exit};

impl Run<'_> {
    /// Apply the patch under test, or say why it does not apply.
    pub(super) async fn apply(&mut self, patch: &Tidy) -> Result<(), Verdict> {
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
        self.bring_in(patch).await?;
        let paths = forensics::compiled(&changed);
        if !paths.is_empty() {
            let remove = shell::remove(&paths, GIT_TIME);
            let removed = self.logged("remove compiled files", remove).await?;
            ok(&removed, "the compiled files cannot be removed")?;
            self.flag(&Flag::CompiledFilesRemoved { paths });
        }
        Ok(())
    }

    /// `git apply` as it is and with line ends changed, then `patch` likewise.
    async fn bring_in(&mut self, patch: &Tidy) -> Result<(), Verdict> {
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

    /// The task's own test files, whatever the patch made of them.
    pub(super) async fn reset_tests(&mut self, base: &str) -> Result<(), Verdict> {
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

    /// The test patch itself; a failure is not the fault of the patch under test.
    pub(super) async fn apply_test_patch(&mut self) -> Result<(), Verdict> {
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
}
