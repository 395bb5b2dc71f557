//! Snapshots: the workspace as of a step, kept in a shadow git repository that the agent cannot reach.
//!
//! Mental model: a **manifest** maps each path to a mode and a blob id. A snapshot reads the manifest of the workspace
//! (`scan`; only files whose stat changed are read), writes it as trees into the shadow repository and names it by the
//! tree ids. A restore compares two manifests and touches only what differs, then proves what it did: by a second scan,
//! whose ids must be equal, or, where nobody else can write, by looking at what was touched (`proof`).
//!
//! Files enter as their raw bytes. Nothing of the task's own git configuration (filters, hooks, attributes, line-ending
//! rules) is read or run, because no git operation ever works on the agent's repository: its `.git` is just more files,
//! kept in a tree of its own, so that HEAD, index, refs and stash come back with the files.
//!
//! What it does not hold is said in [`not_held`].

mod ignores;
mod listing;
mod manifest;
mod proof;
mod scan;
mod seed;
mod trees;
mod workspace;

use std::path::{Path, PathBuf};

use git2::{DiffFormat, DiffOptions, ObjectType, Oid, Repository, RepositoryInitOptions};

use super::{Restored, SandboxError, SnapshotId};
pub(crate) use listing::{Found, Listing};
pub(crate) use manifest::{Entry, Manifest};
use proof::Touched;
use scan::{FolderStat, Touch};
pub(crate) use scan::{MOST_BYTES, StatCache};
pub(crate) use seed::Stored;
pub use seed::{Seed, seed};
use trees::Trees;
pub use workspace::Workspace;

pub(crate) fn git_error(what: &str) -> impl FnOnce(git2::Error) -> SandboxError + '_ {
    move |error| SandboxError::Snapshot(format!("{what}: {}", error.message()))
}

/// Rounds of a restore: one for the files, one for what other ignore rules hid, one to spare.
pub(crate) const ROUNDS: usize = 3;

/// What no snapshot holds, in words for a person.
#[must_use]
pub fn not_held(ignored_too: bool) -> Vec<String> {
    let mut words = vec![
        "environment variables and running processes".to_owned(),
        "files outside the workspace, such as packages installed there".to_owned(),
        "empty folders and permissions other than executable".to_owned(),
        "pipes and sockets, files over 256 MiB, folders more than 200 deep, repositories within the repository"
            .to_owned(),
    ];
    if !ignored_too {
        words.push(
            "files that .gitignore hides, such as build products (kept as they are now)".to_owned(),
        );
    }
    words
}

/// The three parts of a snapshot, each a tree.
#[derive(PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) files: Manifest,
    pub(crate) git: Manifest,
    pub(crate) ignored: Manifest,
}

/// The shadow repository of one sandbox.
pub struct Shadow {
    repository: Repository,
    /// The task's base, where large files of its git folder can be had again.
    base: Option<PathBuf>,
    seed: Option<Seed>,
    files: StatCache,
    git: StatCache,
    trees: Trees,
    ignored_too: bool,
}

impl Shadow {
    /// Open, or make, the shadow repository at `at`. With a base folder its content is shared, not stored again.
    pub fn open(at: &Path, base: Option<&Path>, ignored_too: bool) -> Result<Self, SandboxError> {
        let repository = open_bare(at)?;
        let seed = base.map(seed).transpose()?;
        let (mut files, mut git) = (StatCache::default(), StatCache::default());
        if let Some(seed) = &seed {
            add_alternate(at, &seed.objects)?;
            files = seed.files.clone();
            git = seed.git.clone();
        }
        // Reopened so that alternates written just now are seen.
        drop(repository);
        let repository = open_bare(at)?;
        Ok(Self {
            repository,
            base: base.map(Path::to_path_buf),
            seed,
            files,
            git,
            trees: Trees::default(),
            ignored_too,
        })
    }

    /// Let a new shadow repository at `to` read everything that the one at `from` holds.
    pub fn share(from: &Path, to: &Path) -> Result<(), SandboxError> {
        open_bare(to)?;
        add_alternate(to, &from.join("objects"))
    }

    /// Keep the workspace as it is now.
    pub fn snapshot(&mut self, workspace: &Workspace) -> Result<SnapshotId, SandboxError> {
        let (parts, _) = self.scan(workspace, Touch::Nothing)?;
        self.write(&parts)
    }

    /// Put the workspace back and verify that it is.
    pub fn restore(
        &mut self,
        workspace: &Workspace,
        id: &SnapshotId,
    ) -> Result<Restored, SandboxError> {
        let then = self.read(id)?;
        let mut restored = Restored {
            written: 0,
            removed: 0,
            not_restored: not_held(self.ignored_too),
        };
        // Ignore rules come back with the files, and can bring to light what other rules hid: then there is a second
        // round.
        let mut rounds = 0..ROUNDS;
        loop {
            let (now, folders) = self.scan(workspace, Touch::Clear)?;
            // Equal manifests have equal names: no tree need be written to compare.
            if now == then {
                break;
            }
            if rounds.next().is_none() {
                let reached = self.write(&now)?;
                return Err(SandboxError::Snapshot(format!(
                    "the restored workspace is {} (git {}) instead of {} (git {}): something wrote to it meanwhile",
                    reached.files, reached.git, id.files, id.git
                )));
            }
            let touched = self.turn(workspace, &now, &then, &mut restored)?;
            if workspace.is_alone() && proof::holds(workspace, &touched, &folders) {
                break;
            }
        }
        if !then.git.0.is_empty() {
            workspace.complete_git_folder()?;
        }
        Ok(restored)
    }

    /// Make the workspace that is `now` one way the other.
    fn turn(
        &self,
        workspace: &Workspace,
        now: &Parts,
        then: &Parts,
        restored: &mut Restored,
    ) -> Result<Vec<Touched>, SandboxError> {
        let mut touched = Vec::new();
        let plans = [
            ("", &now.files, &then.files),
            (".git", &now.git, &then.git),
            ("", &now.ignored, &then.ignored),
        ];
        for (place, now, then) in plans {
            let (remove, write) = now.changes_to(then);
            workspace.remove(place, &remove)?;
            for (path, entry) in &write {
                let bytes = self.content(place, path, entry)?;
                workspace.write(place, path, *entry, &bytes)?;
            }
            restored.written += write.len();
            restored.removed += remove.len();
            touched.push(Touched {
                place,
                removed: remove,
                written: write,
            });
        }
        Ok(touched)
    }

    /// Unified git diff between the files of two snapshots.
    pub fn diff(&self, from: &SnapshotId, to: &SnapshotId) -> Result<String, SandboxError> {
        let tree = |id: &str| {
            let oid = Oid::from_str(id).map_err(git_error("read a snapshot's name"))?;
            self.repository
                .find_tree(oid)
                .map_err(git_error("find a snapshot"))
        };
        let (from, to) = (tree(&from.files)?, tree(&to.files)?);
        let mut options = DiffOptions::new();
        options.show_binary(true).context_lines(3).id_abbrev(40);
        let diff = self
            .repository
            .diff_tree_to_tree(Some(&from), Some(&to), Some(&mut options))
            .map_err(git_error("compare snapshots"))?;
        let mut patch = Vec::new();
        diff.print(DiffFormat::Patch, |_, _, line| {
            if matches!(line.origin(), '+' | '-' | ' ') {
                patch.push(line.origin() as u8);
            }
            patch.extend_from_slice(line.content());
            true
        })
        .map_err(git_error("write a diff"))?;
        Ok(String::from_utf8(patch)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// Keep a file's content.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<Oid, SandboxError> {
        self.repository
            .blob(bytes)
            .map_err(git_error("keep a file"))
    }

    /// A kept file's content.
    pub(crate) fn blob(&self, oid: Oid) -> Result<Vec<u8>, SandboxError> {
        let blob = self
            .repository
            .find_blob(oid)
            .map_err(git_error("read a kept file"))?;
        Ok(blob.content().to_vec())
    }

    /// Read objects of another repository, too, from now on.
    pub(crate) fn link(&self, objects: &Path) -> Result<(), SandboxError> {
        add_alternate(self.repository.path(), objects)?;
        let odb = self
            .repository
            .odb()
            .map_err(git_error("open the shadow repository"))?;
        let failed = git_error("link the shadow repository");
        odb.add_disk_alternate(&objects.to_string_lossy())
            .map_err(failed)
    }

    /// Make a seed of what was kept so far.
    pub(crate) fn plant(
        &self,
        seed: &Path,
        files: &StatCache,
        git: &StatCache,
        tracked: &std::collections::BTreeSet<Vec<u8>>,
    ) -> Result<(), SandboxError> {
        open_bare(seed)?;
        copy_objects(
            &self.repository.path().join("objects"),
            &seed.join("objects"),
        )
        .map_err(SandboxError::os("keep a seed"))?;
        Stored {
            files: files.clone(),
            git: git.clone(),
            tracked: tracked.clone(),
        }
        .save(seed)
    }

    fn scan(
        &mut self,
        workspace: &Workspace,
        touch: Touch,
    ) -> Result<(Parts, Vec<FolderStat>), SandboxError> {
        let tracked = self.seed.as_ref().map(|seed| &seed.tracked);
        let odb = self
            .repository
            .odb()
            .map_err(git_error("open the shadow repository"))?;
        let store = |bytes: &[u8]| {
            odb.write(ObjectType::Blob, bytes)
                .map_err(git_error("keep a file"))
        };
        let (files, ignored, mut folders) = scan::files(
            workspace,
            tracked,
            self.ignored_too,
            &mut self.files,
            touch,
            store,
        )?;
        let (git, of_git) = scan::git(workspace, &mut self.git, touch, store)?;
        folders.extend(of_git);
        let parts = Parts {
            files,
            git,
            ignored,
        };
        Ok((parts, folders))
    }

    pub(crate) fn write(&mut self, parts: &Parts) -> Result<SnapshotId, SandboxError> {
        let (repository, trees) = (&self.repository, &mut self.trees);
        let files = parts.files.write(repository, trees)?;
        let git = parts.git.write(repository, trees)?;
        let ignored = parts.ignored.write(repository, trees)?;
        let mut builder = self
            .repository
            .treebuilder(None)
            .map_err(git_error("make a tree"))?;
        for (name, tree) in [("git", git), ("ignored", ignored)] {
            builder
                .insert(name, tree, 0o040_000)
                .map_err(git_error("make a tree"))?;
        }
        let state = builder.write().map_err(git_error("write a tree"))?;
        Ok(SnapshotId {
            files: files.to_string(),
            git: state.to_string(),
        })
    }

    pub(crate) fn read(&mut self, id: &SnapshotId) -> Result<Parts, SandboxError> {
        let oid = |text: &str| Oid::from_str(text).map_err(git_error("read a snapshot's name"));
        let state = self
            .repository
            .find_tree(oid(&id.git)?)
            .map_err(git_error("find a snapshot"))?;
        let trees = &mut self.trees;
        let files = Manifest::read(&self.repository, oid(&id.files)?, trees)?;
        let mut part = |name: &str| -> Result<Manifest, SandboxError> {
            match state.get_name(name) {
                Some(entry) => Manifest::read(&self.repository, entry.id(), trees),
                None => Ok(Manifest::default()),
            }
        };
        Ok(Parts {
            files,
            git: part("git")?,
            ignored: part("ignored")?,
        })
    }

    fn content(&self, place: &str, path: &[u8], entry: &Entry) -> Result<Vec<u8>, SandboxError> {
        match self.repository.find_blob(entry.oid) {
            Ok(blob) => Ok(blob.content().to_vec()),
            Err(error) => {
                // Large files of the base's git folder are not stored a second time.
                let from_base = self.base.as_ref().and_then(|base| {
                    let path = base.join(place).join(workspace::native(path));
                    std::fs::read(path).ok()
                });
                from_base
                    .filter(|bytes| {
                        Oid::hash_object(ObjectType::Blob, bytes).is_ok_and(|oid| oid == entry.oid)
                    })
                    .ok_or_else(|| git_error("read a kept file")(error))
            }
        }
    }
}

pub(crate) fn open_bare(at: &Path) -> Result<Repository, SandboxError> {
    if at.join("HEAD").exists() {
        return Repository::open_bare(at).map_err(git_error("open the shadow repository"));
    }
    std::fs::create_dir_all(at).map_err(SandboxError::os("make the shadow repository"))?;
    // Sample hooks and the like would be most of its files.
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false);
    let repository =
        Repository::init_opts(at, &options).map_err(git_error("make the shadow repository"))?;
    let mut config = repository
        .config()
        .map_err(git_error("configure the shadow repository"))?;
    config
        .set_i32("core.looseCompression", 1)
        .map_err(git_error("configure the shadow repository"))?;
    Ok(repository)
}

fn add_alternate(at: &Path, objects: &Path) -> Result<(), SandboxError> {
    let failed = || SandboxError::os("link the shadow repository");
    let list = at.join("objects/info/alternates");
    let objects = std::fs::canonicalize(objects).map_err(failed())?;
    let mut text = std::fs::read_to_string(&list).unwrap_or_default();
    let line = objects.to_string_lossy();
    if !text.lines().any(|there| there == line) {
        text.push_str(&line);
        text.push('\n');
        std::fs::create_dir_all(at.join("objects/info")).map_err(failed())?;
        std::fs::write(&list, text).map_err(failed())?;
    }
    Ok(())
}

/// Objects are never changed once written, so a link is as good as a copy.
fn copy_objects(from: &Path, to: &Path) -> std::io::Result<()> {
    for folder in std::fs::read_dir(from)? {
        let folder = folder?;
        if folder.file_name().len() != 2 || !folder.file_type()?.is_dir() {
            continue;
        }
        let target = to.join(folder.file_name());
        std::fs::create_dir_all(&target)?;
        for object in std::fs::read_dir(folder.path())? {
            let object = object?;
            let at = target.join(object.file_name());
            if !at.exists() && std::fs::hard_link(object.path(), &at).is_err() {
                std::fs::copy(object.path(), &at)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
