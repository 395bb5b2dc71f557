//! Which of the host's programs the inside sees: the system's own folders, and the interpreter that `python3` means on
//! this machine, wherever its prefix lies.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The interpreter found, if any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Python {
    /// Its folder of programs.
    pub bin: Option<PathBuf>,
    /// Its installation prefix, where that is not one of the system's folders.
    pub prefix: Option<PathBuf>,
    /// Its version, as it says it.
    pub version: Option<String>,
}

/// Folders and files of the system that are seen read-only. The host's accounts, keys and configuration are not among
/// them.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/magic",
    "/etc/python3",
    "/etc/python3.11",
    "/etc/java-17-openjdk",
    "/opt/miniconda3",
    "/nix/store",
];

/// Ask each `python3` of the search path, in order, who it is; the first that answers is taken. Cached for the life of
/// the program: a shim may take a tenth of a second to answer.
pub fn find() -> Python {
    static FOUND: std::sync::OnceLock<Python> = std::sync::OnceLock::new();
    FOUND.get_or_init(search).clone()
}

fn search() -> Python {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    for folder in std::env::split_paths(&path) {
        let program = folder.join("python3");
        if !program.is_file() {
            continue;
        }
        let script = "import sys;print(sys.executable);print(sys.base_prefix);print('.'.join(map(str,sys.version_info[:3])))";
        let answer = Command::new(&program)
            .args(["-I", "-c", script])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let Ok(answer) = answer else { continue };
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        let mut lines = text.lines();
        if let (true, Some(executable), Some(prefix)) =
            (answer.status.success(), lines.next(), lines.next())
        {
            let prefix = PathBuf::from(prefix);
            // A virtual environment's own packages do not belong inside; its base interpreter does.
            let bin = if Path::new(executable).starts_with(&prefix) {
                Path::new(executable).parent().map(Path::to_path_buf)
            } else {
                Some(prefix.join("bin"))
            };
            let of_system = SYSTEM.iter().any(|folder| prefix.starts_with(folder));
            return Python {
                bin,
                prefix: (!of_system).then_some(prefix),
                version: lines.next().map(ToOwned::to_owned),
            };
        }
    }
    Python::default()
}

/// Everything of the host that the inside sees, as far as it exists.
pub(super) fn binds(python: &Python) -> Vec<PathBuf> {
    SYSTEM
        .iter()
        .map(PathBuf::from)
        .chain(python.prefix.clone())
        .filter(|path| path.symlink_metadata().is_ok())
        .collect()
}
