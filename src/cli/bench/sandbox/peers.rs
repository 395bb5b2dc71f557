//! The plain programs that do the same as a sandbox, or part of it.

use std::io;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::field::{CHANGE, Field, git};
use super::table::Table;

/// Run a program; `false` where it is not there.
fn timed(table: &mut Table, what: &str, argv: &[&str]) -> io::Result<bool> {
    let Some((program, arguments)) = argv.split_first() else {
        return Ok(false);
    };
    let began = Instant::now();
    let ran = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match ran {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Ok(status) if !status.success() => {
            Err(io::Error::other(format!("{}: {status}", argv.join(" "))))
        }
        Ok(_) => {
            table.note(what, began.elapsed());
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// A shell, bubblewrap, and git in a plain folder.
pub(super) fn plain(field: &Field, table: &mut Table) -> io::Result<()> {
    timed(table, "sh -c true", &["sh", "-c", "true"])?;
    timed(
        table,
        "bwrap true",
        &["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"],
    )?;
    let at = field.plain();
    let write = |table: &mut Table, what: &str| -> io::Result<String> {
        let began = Instant::now();
        git(&at, &["add", "-A"])?;
        let tree = git(&at, &["write-tree"])?;
        table.note(what, began.elapsed());
        Ok(tree)
    };
    let tree = write(table, "git add, write-tree; nothing changed")?;
    let changed = Command::new("sh")
        .args(["-c", CHANGE])
        .current_dir(&at)
        .status()?;
    if !changed.success() {
        return Err(io::Error::other("the plain copy could not be changed"));
    }
    write(table, "git add, write-tree; 1 changed and 1 new")?;
    let began = Instant::now();
    git(&at, &["read-tree", "--reset", "-u", &tree])?;
    table.note("git read-tree --reset -u", began.elapsed());
    Ok(())
}

/// `docker run`; a container that idles and has the repository copied in; `docker exec` in it.
pub(super) fn docker(image: &str, field: &Field, table: &mut Table) -> io::Result<()> {
    let name = format!("spotter-bench-{}", std::process::id());
    let run = ["docker", "run", "--rm", "--network", "none", image, "true"];
    timed(table, "docker run true", &run)?;
    let idle = [
        "run",
        "-d",
        "--rm",
        "--network",
        "none",
        "--name",
        &name,
        image,
        "sleep",
        "600",
    ];
    let began = Instant::now();
    let made = Command::new("docker")
        .args(idle)
        .stdout(Stdio::null())
        .status()?;
    if !made.success() {
        return Err(io::Error::other("docker run failed"));
    }
    let copy = format!(
        "tar -C '{}' -cf - . | docker cp - {name}:/testbed",
        field.base().display()
    );
    let copied = Command::new("sh").args(["-c", &copy]).status()?.success();
    table.note("docker run -d, docker cp", began.elapsed());
    let did = if copied {
        timed(
            table,
            "docker exec true",
            &["docker", "exec", &name, "true"],
        )
    } else {
        Err(io::Error::other("docker cp failed"))
    };
    let _ = Command::new("docker")
        .args(["rm", "-f", &name])
        .stdout(Stdio::null())
        .status();
    did.map(drop)
}
