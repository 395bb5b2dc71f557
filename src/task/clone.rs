//! A task's repository from a clone that the user has: everything up to the base commit and nothing after it.
//!
//! An agent that finds the fix in `git log --all` solves nothing, so the new repository does not point at the clone: it
//! gets one pack of the objects that the base commit reaches, and the tags among them (projects that ask git for
//! their version fail to install without). No remotes, no reflog of the clone, no hooks; submodules stay empty folders.
//! The clone is only read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Repository, Revwalk, Sort};

use super::row::is_commit;
use super::write_tree::{check_out, git, io, make};

pub use super::write_tree::MaterialiseError;

/// The clone of `owner/name` below `repos`: `owner__name`, `owner/name` or `name`, each also with `.git`.
#[must_use]
pub fn find(repos: &Path, repo: &str) -> Option<PathBuf> {
    let name = repo.rsplit('/').next().unwrap_or(repo);
    let wanted = [repo.replace('/', "__"), name.to_owned()];
    let direct = repos.join(repo);
    if repo.contains('/')
        && !repo.split('/').any(|part| matches!(part, "" | "." | ".."))
        && direct.is_dir()
    {
        return Some(direct);
    }
    let entries: Vec<PathBuf> = std::fs::read_dir(repos)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    wanted
        .iter()
        .find_map(|wanted| {
            // Rows and folders differ in case (`Project-MONAI`).
            entries.iter().find(|path| {
                let name = path
                    .file_name()
                    .map(|name| name.to_string_lossy().to_lowercase());
                let wanted = wanted.to_lowercase();
                name.is_some_and(|name| {
                    name == wanted || name.strip_suffix(".git") == Some(&wanted)
                })
            })
        })
        .cloned()
}

/// Make a repository at `dest` whose HEAD is `base_commit`, holding only what that commit reaches.
///
/// # Errors
/// Where `dest` is not empty, the clone lacks the commit, or reading and writing fail.
pub fn materialise_from_clone(
    clone: &Path,
    base_commit: &str,
    dest: &Path,
) -> Result<(), MaterialiseError> {
    let missing = || MaterialiseError::NoCommit {
        clone: clone.to_owned(),
        commit: base_commit.to_owned(),
    };
    let source = Repository::open(clone).map_err(git(clone.display().to_string()))?;
    let base = Oid::from_str(base_commit)
        .ok()
        .filter(|_| is_commit(base_commit))
        .ok_or_else(missing)?;
    if source.find_commit(base).is_err() {
        return Err(missing());
    }
    make(dest, |repo| fill(&source, clone, base, &repo)).map_err(|error| match error {
        MaterialiseError::Git { source, .. } if source.code() == git2::ErrorCode::NotFound => {
            MaterialiseError::Partial {
                clone: clone.to_owned(),
            }
        }
        other => other,
    })
}

fn fill(
    source: &Repository,
    clone: &Path,
    base: Oid,
    repo: &Repository,
) -> Result<(), MaterialiseError> {
    let what = || git(format!("{}: history cannot be copied", clone.display()));
    let mut reached = HashSet::new();
    for id in walk_from(source, base).map_err(what())? {
        reached.insert(id.map_err(what())?);
    }
    let tags = tags(source, &reached).map_err(what())?;

    let mut pack = source.packbuilder().map_err(what())?;
    pack.set_threads(0);
    let mut walk = walk_from(source, base).map_err(what())?;
    pack.insert_walk(&mut walk).map_err(what())?;
    for (_, id) in &tags {
        if !reached.contains(id) {
            pack.insert_object(*id, None).map_err(what())?;
        }
    }
    let folder = repo.path().join("objects").join("pack");
    std::fs::create_dir_all(&folder).map_err(io(&folder))?;
    pack.write(&folder, 0o444).map_err(what())?;
    copy_shallow(source, repo, &reached)?;
    // Opened anew: the pack came in behind the back of the first handle.
    let repo = Repository::open(repo.path()).map_err(what())?;
    for (name, id) in &tags {
        repo.reference(name, *id, true, "tag").map_err(what())?;
    }
    check_out(&repo, base)
}

/// The commits that a commit reaches, itself included.
fn walk_from(source: &Repository, base: Oid) -> Result<Revwalk<'_>, git2::Error> {
    let mut walk = source.revwalk()?;
    walk.set_sorting(Sort::TIME)?;
    walk.push(base)?;
    Ok(walk)
}

/// Tags whose commit is reached: reference name and the id that it holds (of the tag object, if it has one).
fn tags(source: &Repository, reached: &HashSet<Oid>) -> Result<Vec<(String, Oid)>, git2::Error> {
    let mut tags = Vec::new();
    for reference in source.references_glob("refs/tags/*")? {
        let reference = reference?;
        let (Ok(name), Some(id)) = (reference.name(), reference.target()) else {
            continue;
        };
        // A tag of a tag would need a chain of objects; none of the field's repositories has one.
        let direct = reference.peel(ObjectType::Any).is_ok_and(|object| {
            object
                .as_tag()
                .is_none_or(|tag| tag.target_type() == Some(ObjectType::Commit))
        });
        let of_the_past = reference
            .peel_to_commit()
            .is_ok_and(|commit| reached.contains(&commit.id()));
        if direct && of_the_past {
            tags.push((name.to_owned(), id));
        }
    }
    Ok(tags)
}

/// A shallow clone's history ends at commits whose parents it lacks; the copy must know which.
fn copy_shallow(
    source: &Repository,
    repo: &Repository,
    reached: &HashSet<Oid>,
) -> Result<(), MaterialiseError> {
    if !source.is_shallow() {
        return Ok(());
    }
    let from = source.commondir().join("shallow");
    let text = std::fs::read_to_string(&from).map_err(io(&from))?;
    let kept: String = text
        .lines()
        .filter(|line| Oid::from_str(line).is_ok_and(|id| reached.contains(&id)))
        .flat_map(|line| [line, "\n"])
        .collect();
    let to = repo.path().join("shallow");
    std::fs::write(&to, kept).map_err(io(&to))
}

#[cfg(test)]
mod tests;
