//! What is measured on: a generated repository, and where sandboxes of it keep their state.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::{Base, Kind, Limits, Spec};

/// One file changed and one new, as a script.
pub(super) const CHANGE: &str = "echo changed >> dir3/file3.py; echo new > new.txt";

/// Lines of a generated file; with these 2,500 files have 16 MB.
const LINES: usize = 160;

/// A folder with the repository (`base`), a plain copy for the other programs (`plain`), and states.
pub(super) struct Field {
    keep: tempfile::TempDir,
    image: Option<String>,
    pub(super) files: usize,
}

impl Field {
    pub(super) fn new(files: usize, image: Option<String>) -> io::Result<Self> {
        let keep = tempfile::Builder::new()
            .prefix("spotter-bench-")
            .tempdir()?;
        for place in ["base", "plain"] {
            let at = keep.path().join(place);
            generate(&at, files)?;
            git(&at, &["init", "-q"])?;
            git(&at, &["add", "-A"])?;
            git(&at, &["commit", "-q", "-m", "base"])?;
        }
        Ok(Self { keep, image, files })
    }

    pub(super) fn base(&self) -> PathBuf {
        self.keep.path().join("base")
    }

    pub(super) fn plain(&self) -> PathBuf {
        self.keep.path().join("plain")
    }

    pub(super) fn state(&self, name: &str) -> PathBuf {
        self.keep.path().join("states").join(name)
    }

    pub(super) fn spec(&self, kind: Kind, name: &str) -> Spec {
        Spec {
            kind,
            base: Base::Folder(self.base()),
            image: self.image.clone(),
            state: self.state(name),
            cache: self.keep.path().join("cache"),
            owner: name.to_owned(),
            network: false,
            limits: Limits::default(),
            snapshot_ignored: false,
        }
    }
}

fn generate(at: &Path, files: usize) -> io::Result<()> {
    for number in 0..files {
        let folder = at.join(format!("dir{}", number % 100));
        std::fs::create_dir_all(&folder)?;
        let text: Vec<String> = (0..LINES)
            .map(|line| format!("value_{number}_{line} = {}  # generated\n", number * line))
            .collect();
        std::fs::write(folder.join(format!("file{number}.py")), text.concat())?;
    }
    Ok(())
}

/// Run git in a folder, with nothing of the user's own configuration.
pub(super) fn git(at: &Path, arguments: &[&str]) -> io::Result<String> {
    let out = Command::new("git")
        .args(["-c", "user.name=bench", "-c", "user.email=bench@localhost"])
        .args(arguments)
        .current_dir(at)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_INDEX_FILE", at.join(".git/bench-index"))
        .output()?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        return Err(io::Error::other(format!(
            "git {}: {said}",
            arguments.join(" ")
        )));
    }
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
