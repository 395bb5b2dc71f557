//! Planting things in the workspace for spotter's own work on it to trip over: snapshots, restores, file transfers.

use std::time::Duration;

use spotter::sandbox::Limits;

use crate::place::{Place, Where};

/// Everything there is to see of a workspace, names as bytes.
const STATE: &str = "find . -printf '%y %m %p %l\\n' | grep -v '^d' | grep -v ' ./.git/objects/' | sort; cat pkg/a.py pkg/b.py; cat .git/HEAD .git/config; git rev-parse HEAD; git status --porcelain; git fsck 2>&1";

/// Each is done to a fresh state, snapshotted, undone; then the snapshot is brought back and must be the same again.
const PLANTED: &[(&str, &str)] = &[
    ("objects deleted", "rm -rf .git/objects"),
    ("index corrupted", "head -c 500 /dev/urandom > .git/index"),
    (
        "HEAD and refs gone",
        "rm -rf .git/HEAD .git/refs; echo nonsense > .git/packed-refs",
    ),
    ("no repository any more", "rm -rf .git"),
    (
        "a repository that is a file",
        "mv .git ../tmp/moved || rm -rf .git; echo 'gitdir: /etc' > .git",
    ),
    (
        "a repository that is a link",
        "rm -rf .git; ln -s /etc .git",
    ),
    (
        "hooks and configuration",
        "for h in pre-commit post-checkout post-index-change fsmonitor-watchman reference-transaction; do printf '#!/bin/sh\\ntouch /testbed/RAN /tmp/RAN\\n' > .git/hooks/$h; chmod +x .git/hooks/$h; done; \
         git config core.fsmonitor 'touch RAN;'; git config core.hooksPath .git/hooks; git config core.sshCommand 'touch RAN'; git config diff.external 'touch RAN'; \
         git config filter.x.clean 'touch RAN; cat'; git config filter.x.smudge 'touch RAN; cat'; git config filter.x.process 'touch RAN'; git config include.path /etc/gitconfig; git config alias.status '!touch RAN'; \
         git config core.worktree /etc; git config diff.x.textconv 'touch RAN'; echo '* filter=x diff=x text eol=crlf' > .gitattributes; mkdir -p .git/info; echo '* filter=x' > .git/info/attributes; printf 'a\\r\\nb\\n' > crlf.txt",
    ),
    (
        "links out",
        "rm -rf pkg; ln -s /etc pkg; ln -s / root; ln -s . self; ln -s ../../../../etc/passwd up",
    ),
    (
        "a chain of links",
        "ln -s l2 l1; ln -s l1 l2; mkdir q; ln -s .. q/p",
    ),
    (
        "hard links",
        "ln pkg/a.py hard; ln pkg/a.py pkg/also.py; echo changed >> hard",
    ),
    (
        "pipes and sockets",
        "mkfifo pipe pkg/pipe .git/pipe; rm pkg/a.py; mkfifo pkg/a.py; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'",
    ),
    (
        "folders for files",
        "rm pkg/a.py; mkdir -p pkg/a.py/x; echo y > pkg/a.py/x/y; rm -rf .git/HEAD; mkdir .git/HEAD; echo z > .git/HEAD/z",
    ),
    (
        "files for folders",
        "rm -rf pkg; echo file > pkg; rm -rf .git/refs; echo file > .git/refs",
    ),
    (
        "names that no text holds",
        "python3 -c 'import os\nfor n in [b\"new\\nline\", b\"\\xff\\xfe\", b\"tab\\t\", b\"-rf\", b\" \", b\"*\", b\"\\x1b[31m\", b\"x\"*255]:\n open(n,\"w\").write(\"f\"); os.mkdir(n[:250]+b\".d\"); open(n[:250]+b\".d/\"+n,\"w\").write(\"g\")'",
    ),
    (
        "names that git does not like",
        "mkdir -p .GIT sub 'git~1' .git. 2>/dev/null; echo x > .GIT/config; echo x > 'git~1/config'; echo x > sub/file; echo y > .gitmodules",
    ),
    (
        "closed files and folders",
        "mkdir closed; echo x > closed/x; chmod 000 closed pkg/b.py; chmod 500 pkg",
    ),
    ("odd modes", "chmod 7777 pkg/a.py; chmod 001 pkg/b.py"),
    (
        "a rule that hides everything",
        "echo '*' > .gitignore; echo x > hidden; echo '[' > pkg/.gitignore",
    ),
];

/// A container's git objects are not kept: a restore says so.
const LOSES_OBJECTS: &[&str] = &[
    "objects deleted",
    "no repository any more",
    "a repository that is a file",
    "a repository that is a link",
];

pub(crate) async fn all(at: Where) {
    let it = Place::new(at, Limits::default()).await;
    let clean = it.sandbox.snapshot().await.unwrap();
    let state = it.said(STATE).await;
    assert!(
        state.contains("print(1)") && !state.contains("fatal"),
        "{state}"
    );
    let mut failed = Vec::new();
    for (what, script) in PLANTED {
        if at == Where::Docker && LOSES_OBJECTS.contains(what) {
            continue;
        }
        it.bash(script).await;
        let planted = match it.sandbox.snapshot().await {
            Ok(planted) => planted,
            Err(error) => {
                failed.push(format!("{what}: snapshot: {error}"));
                it.bash("chmod -R u+rwX . ; git reset -q --hard; git clean -qfdx")
                    .await;
                continue;
            }
        };
        if let Err(error) = it.sandbox.diff(&clean, &planted).await {
            failed.push(format!("{what}: diff: {error}"));
        }
        if let Err(error) = it.sandbox.restore(&clean).await {
            failed.push(format!("{what}: restore: {error}"));
            it.bash("chmod -R u+rwX .").await;
            continue;
        }
        let back = it.said(STATE).await;
        if back != state {
            let lines = |one: &str, other: &str| -> Vec<String> {
                let there: Vec<&str> = other.lines().collect();
                one.lines()
                    .filter(|line| !there.contains(line))
                    .map(String::from)
                    .collect()
            };
            failed.push(format!(
                "{what}: restored with {:?} and without {:?}",
                lines(&back, &state),
                lines(&state, &back)
            ));
        }
        if let Err(error) = it.sandbox.restore(&planted).await {
            failed.push(format!("{what}: forth: {error}"));
        }
        let ran = it.said("ls -d RAN /tmp/RAN pkg/RAN 2>/dev/null").await;
        if !ran.is_empty() {
            failed.push(format!("{what}: ran {ran}"));
        }
        if let Err(error) = it.sandbox.restore(&clean).await {
            failed.push(format!("{what}: back: {error}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n---\n"));
    deep(&it, at).await;
    races(&it).await;
    transfers(&it).await;
    it.sandbox.stop().await.unwrap();
    spotter::sandbox::clear(&it.keep.path().join("state")).unwrap();
}

/// A path of 4,000 folders: longer than any program can name at once.
async fn deep(it: &Place, at: Where) {
    let clean = it.sandbox.snapshot().await.unwrap();
    it.bash("python3 -c 'import os\ntry:\n for i in range(4000):\n  os.mkdir(\"d\"); os.chdir(\"d\")\nexcept OSError: pass\nopen(\"f\",\"w\").write(\"deep\")'")
        .await;
    let kept = it.sandbox.snapshot().await;
    println!("4,000 deep: {kept:?}");
    if at != Where::Docker {
        kept.unwrap();
    }
    it.sandbox.restore(&clean).await.unwrap();
    it.bash("rm -rf d").await;
    it.sandbox.restore(&clean).await.unwrap();
}

/// Files and folders become links and back while snapshots are made. Nothing of outside may get in.
async fn races(it: &Place) {
    let outside = it.keep.path().join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("a.py"), "OUTSIDE").unwrap();
    let clean = it.sandbox.snapshot().await.unwrap();
    let script = format!(
        "python3 -c 'import os\nos.mkdir(\"r\"); open(\"r/a.py\",\"w\").write(\"in\"); open(\"g\",\"w\").write(\"in\")\nwhile True:\n \
         os.rename(\"r\",\"s\"); os.symlink(\"{0}\",\"r\"); os.unlink(\"r\"); os.rename(\"s\",\"r\")\n os.rename(\"g\",\"h\"); os.symlink(\"{0}/a.py\",\"g\"); os.unlink(\"g\"); os.mkfifo(\"g\"); os.unlink(\"g\"); os.rename(\"h\",\"g\")' &",
        outside.display()
    );
    it.bash(&script).await;
    let until = std::time::Instant::now() + Duration::from_secs(3);
    let mut made = 0;
    while std::time::Instant::now() < until {
        if let Ok(id) = it.sandbox.snapshot().await {
            let diff = it.sandbox.diff(&clean, &id).await.unwrap();
            assert!(!diff.contains("OUTSIDE"), "{diff}");
            made += 1;
        }
    }
    println!("{made} snapshots in the race");
    it.sandbox.restore(&clean).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(outside.join("a.py")).unwrap(),
        "OUTSIDE"
    );
}

/// Single files: nothing is written or read that a command could not reach, and nothing is waited for.
async fn transfers(it: &Place) {
    let outside = it.keep.path().join("outside");
    let secret = outside.join("a.py");
    it.bash(&format!(
        "ln -sf {} link; ln -sf {} dirlink; rm -f p; mkfifo p",
        secret.display(),
        outside.display()
    ))
    .await;
    assert!(it.sandbox.download("link", 100).await.is_err());
    let _ = it.sandbox.upload("link", b"through", false).await;
    let _ = it.sandbox.upload("dirlink/a.py", b"through", false).await;
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "OUTSIDE");
    assert!(it.sandbox.download("p", 100).await.is_err());
    assert!(it.sandbox.download("/dev/zero", 100).await.is_err());
    let odd = "-x\n$(touch RAN)'\"";
    it.sandbox.upload(odd, b"odd", false).await.unwrap();
    assert_eq!(it.sandbox.download(odd, 100).await.unwrap(), b"odd");
    assert_eq!(it.said("ls RAN 2>/dev/null").await, "");
}
