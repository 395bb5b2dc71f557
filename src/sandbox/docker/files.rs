//! Snapshots of a container's workspace: list inside, compare outside, fetch what changed.
//!
//! Listing, fetching and writing run as the agent's own user with the container's own `find` and `tar`: there is nothing
//! to gain by replacing them. What they say is bounded and parsed as hostile. Of the git folder, objects that the image
//! brought along are not listed: they are many, and named by their content.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use super::exec::Container;
use crate::sandbox::snapshot::{
    Entry, Found, Listing, MOST_BYTES, Parts, Seed, Shadow, StatCache, Stored,
};
use crate::sandbox::{Exec, Exit, SandboxError};

const PATIENCE: Duration = Duration::from_mins(5);

/// Bytes fetched by one command.
const BATCH: u64 = 64 << 20;

/// Bytes that a listing may have.
const LONGEST_LISTING: usize = 128 << 20;

/// `kind mode size modified changed path`, ended by a NUL; first the workspace, then its git folder.
const LIST: &str = r"find . -mindepth 1 -maxdepth 201 -name .git -prune -o \( -type f -o -type l \) -printf 'w %y %m %s %T@ %C@ %P\0'
if [ -d .git ] && [ ! -L .git ]; then
  find .git -mindepth 1 -maxdepth 201 -path .git/objects -prune -o \( -type f -o -type l \) -printf 'g %y %m %s %T@ %C@ %P\0'
fi";

/// Reads snapshots out of a container.
pub(super) struct Reader {
    tracked: BTreeSet<Vec<u8>>,
    ignored_too: bool,
    files: StatCache,
    git: StatCache,
    /// Where the first reading of an image is kept for its next containers.
    seed: Option<PathBuf>,
}

impl Reader {
    pub(super) fn new(
        tracked: BTreeSet<Vec<u8>>,
        ignored_too: bool,
        seed: Option<PathBuf>,
        shadow: &Shadow,
    ) -> Result<Self, SandboxError> {
        let mut reader = Self {
            tracked,
            ignored_too,
            files: StatCache::default(),
            git: StatCache::default(),
            seed: None,
        };
        match &seed {
            Some(at) if at.join("stats.json").exists() => {
                let stored = Stored::load(at)?;
                shadow.link(&at.join("objects"))?;
                (reader.files, reader.git) = (stored.files, stored.git);
            }
            _ => reader.seed = seed,
        }
        Ok(reader)
    }

    /// The folder that `seed` knows was put into the container just now, and nobody has written there since: what is
    /// where it was put need not be fetched to be known.
    pub(super) async fn adopt(
        &mut self,
        container: &Container,
        seed: &Seed,
    ) -> Result<(), SandboxError> {
        let (workspace, git) = list(container).await?;
        self.files = Listing::put_there(workspace, &seed.files);
        self.git = Listing::put_there(git, &seed.git);
        Ok(())
    }

    /// The workspace as it is now.
    pub(super) async fn read(
        &mut self,
        container: &Container,
        shadow: &mut Shadow,
    ) -> Result<Parts, SandboxError> {
        let (workspace, git) = list(container).await?;
        // Ignore files first: they decide what else is wanted.
        let mut listing = Listing::new(workspace, &self.files);
        let rules = listing.missing_ignore_files();
        fetch(container, shadow, "", &mut listing, &rules).await?;
        let wanted = listing.decide(&self.tracked, self.ignored_too, shadow)?;
        fetch(container, shadow, "", &mut listing, &wanted).await?;
        let (files, ignored) = listing.manifests();
        self.files = listing.remember();
        let mut listing = Listing::new(git, &self.git);
        let wanted = listing.all_missing();
        fetch(container, shadow, ".git/", &mut listing, &wanted).await?;
        let (git, _) = listing.manifests();
        self.git = listing.remember();
        if let Some(seed) = self.seed.take() {
            // What an image holds is the same in its next container; failing to keep it costs time only.
            let _ = shadow.plant(&seed, &self.files, &self.git, &self.tracked);
        }
        Ok(Parts {
            files,
            git,
            ignored,
        })
    }
}

/// The workspace and its git folder.
async fn list(container: &Container) -> Result<(Vec<Found>, Vec<Found>), SandboxError> {
    let mut exec = Exec::bash(LIST, PATIENCE);
    exec.env.push(("LC_ALL".into(), "C".into()));
    exec.keep = LONGEST_LISTING * 2;
    let ran = container.run(exec, None).await?;
    if ran.exit != Exit::Code(0) && ran.stdout.total() == 0 {
        let why = format!(
            "the workspace could not be listed: {}",
            ran.stderr.text().trim()
        );
        return Err(SandboxError::Snapshot(why));
    }
    if ran.stdout.total() > LONGEST_LISTING as u64 {
        return Err(SandboxError::Snapshot(
            "the workspace holds too many files".into(),
        ));
    }
    Ok(parse(&ran.stdout.into_bytes()))
}

fn parse(bytes: &[u8]) -> (Vec<Found>, Vec<Found>) {
    let (mut workspace, mut git) = (Vec::new(), Vec::new());
    for line in bytes.split(|byte| *byte == 0) {
        let mut fields = line.splitn(7, |byte| *byte == b' ');
        let mut text = || {
            fields
                .next()
                .and_then(|field| std::str::from_utf8(field).ok())
        };
        let (Some(place), Some(kind), Some(mode), Some(size), Some(modified), Some(changed)) =
            (text(), text(), text(), text(), text(), text())
        else {
            continue;
        };
        let Some(path) = fields.next() else { continue };
        let (Ok(mode), Ok(size)) = (u32::from_str_radix(mode, 8), size.parse()) else {
            continue;
        };
        let found = Found::new(
            path.to_vec(),
            kind == "l",
            mode,
            size,
            nanoseconds(modified),
            nanoseconds(changed),
        );
        if place == "w" {
            workspace.push(found);
        } else {
            git.push(found);
        }
    }
    (workspace, git)
}

/// `1700000000.1234567890` (any number of digits) as nanoseconds.
fn nanoseconds(text: &str) -> i128 {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction
        .chars()
        .chain(std::iter::repeat('0'))
        .take(9)
        .collect();
    seconds.parse::<i128>().unwrap_or(0) * 1_000_000_000 + digits.parse::<i128>().unwrap_or(0)
}

async fn fetch(
    container: &Container,
    shadow: &mut Shadow,
    place: &str,
    listing: &mut Listing,
    wanted: &[(Vec<u8>, u64)],
) -> Result<(), SandboxError> {
    if wanted.iter().map(|(_, bytes)| bytes).sum::<u64>() > MOST_BYTES {
        return Err(SandboxError::Snapshot(format!(
            "more than {} MiB changed in the workspace",
            MOST_BYTES >> 20
        )));
    }
    let mut rest = wanted;
    while !rest.is_empty() {
        let mut size = 0;
        let count = rest
            .iter()
            .take_while(|(_, bytes)| {
                size += bytes + 1024;
                size <= BATCH
            })
            .count()
            .max(1);
        let (batch, later) = rest.split_at(count.min(rest.len()));
        rest = later;
        let mut names = Vec::new();
        for (path, _) in batch {
            names.extend_from_slice(place.as_bytes());
            names.extend_from_slice(path);
            names.push(0);
        }
        let mut exec = Exec::bash(
            "tar --null -T - --no-recursion --ignore-failed-read -cf - 2>/dev/null",
            PATIENCE,
        );
        exec.stdin = names;
        exec.keep = usize::try_from(BATCH * 4).unwrap_or(usize::MAX);
        let ran = container.run(exec, None).await?;
        let bytes = ran.stdout.into_bytes();
        let mut archive = tar::Archive::new(bytes.as_slice());
        for entry in archive.entries().into_iter().flatten() {
            let Ok(mut entry) = entry else { break };
            let path = entry.path_bytes().into_owned();
            let Some(path) = path.strip_prefix(place.as_bytes()) else {
                continue;
            };
            let mut content = Vec::new();
            if entry.header().entry_type().is_symlink() {
                content = entry
                    .link_name_bytes()
                    .map(std::borrow::Cow::into_owned)
                    .unwrap_or_default();
            } else if entry.read_to_end(&mut content).is_err() {
                break;
            }
            listing.learn(path, shadow.keep(&content)?);
        }
    }
    Ok(())
}

/// Before a restore: open what is closed to its owner, remove what no snapshot holds.
pub(super) async fn clear(container: &Container) -> Result<(), SandboxError> {
    let script = r"find . -type d ! -perm -700 -exec chmod 755 {} \;
find . -mindepth 200 -maxdepth 200 -type d -prune -exec rm -rf -- {} +
find . -type f ! -perm -400 -perm -100 -exec chmod 755 -- {} +
find . -type f ! -perm -400 -exec chmod 644 -- {} +
find . \( -type p -o -type s \) -delete";
    container
        .run(Exec::bash(script, PATIENCE), None)
        .await
        .map(drop)
}

/// Remove and write paths of the workspace (or, with `.git/`, of its git folder).
pub(super) async fn put(
    container: &Container,
    shadow: &mut Shadow,
    place: &str,
    remove: &[Vec<u8>],
    write: &[(Vec<u8>, Entry)],
) -> Result<(), SandboxError> {
    if !remove.is_empty() {
        let mut names = Vec::new();
        for path in remove {
            names.extend_from_slice(b"./");
            names.extend_from_slice(place.as_bytes());
            names.extend_from_slice(path);
            names.push(0);
        }
        let script = r#"xargs -0 sh -c 'for path do rm -f -- "$path"; rmdir -p --ignore-fail-on-non-empty -- "$(dirname -- "$path")" 2>/dev/null; done; true' remove"#;
        let mut exec = Exec::bash(script, PATIENCE);
        exec.stdin = names;
        container.run(exec, None).await?;
    }
    if write.is_empty() {
        return Ok(());
    }
    let mut builder = tar::Builder::new(Vec::new());
    for (path, entry) in write {
        let name = PathBuf::from(place).join(std::ffi::OsStr::from_bytes(path));
        let content = shadow.blob(entry.oid)?;
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.mode & 0o777);
        let added = if entry.mode == 0o120_000 {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            long_link(&mut builder, &mut header, &content)
                .and_then(|()| builder.append_data(&mut header, &name, std::io::empty()))
        } else {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, &name, content.as_slice())
        };
        added.map_err(SandboxError::os("pack a snapshot"))?;
    }
    let mut exec = Exec::bash(
        "tar -xf - --no-same-owner --unlink-first --recursive-unlink -m",
        PATIENCE,
    );
    exec.stdin = builder
        .into_inner()
        .map_err(SandboxError::os("pack a snapshot"))?;
    let ran = container.run(exec, None).await?;
    if ran.exit != Exit::Code(0) {
        return Err(SandboxError::Snapshot(format!(
            "files could not be written: {}",
            ran.stderr.text().trim()
        )));
    }
    forget_bytecode(container, write).await
}

/// Give a header its link's target byte for byte: the library would tidy it (`.` becomes nothing).
fn long_link(
    builder: &mut tar::Builder<Vec<u8>>,
    header: &mut tar::Header,
    target: &[u8],
) -> std::io::Result<()> {
    const INLINE: usize = 100;
    if target.len() <= INLINE {
        return header.set_link_name_literal(target);
    }
    let mut long = tar::Header::new_gnu();
    long.set_entry_type(tar::EntryType::GNULongLink);
    long.set_mode(0o644);
    long.set_size(target.len() as u64 + 1);
    let content = [target, &[0]].concat();
    builder.append_data(&mut long, "././@LongLink", content.as_slice())?;
    header.set_link_name_literal(target.get(..INLINE).unwrap_or_default())
}

/// See the local sandbox: a restored source can have time and size of an older compiled one.
async fn forget_bytecode(
    container: &Container,
    write: &[(Vec<u8>, Entry)],
) -> Result<(), SandboxError> {
    if write.iter().any(|(path, _)| path.ends_with(b".py")) {
        let script =
            "find . -name .git -prune -o -type d -name __pycache__ -prune -exec rm -rf -- {} +";
        container.run(Exec::bash(script, PATIENCE), None).await?;
    }
    Ok(())
}
