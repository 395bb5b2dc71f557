//! Living on: after the command, after its time, after its keeper, after the sandbox.

use std::time::{Duration, Instant};

use spotter::sandbox::{Exit, Limits};

use crate::place::{Place, Where};

/// Programs of this machine whose command line holds a word; those in namespaces below are seen, too.
fn alive(word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(word) {
            found.push(line);
        }
    }
    found
}

async fn gone(word: &str) {
    let mut left = alive(word);
    for _ in 0..40 {
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        left = alive(word);
    }
    assert!(left.is_empty(), "still alive: {left:?}");
}

/// Leave in every way there is; `WORD` names them for [`alive`].
const LEAVE: &str = "setsid sleep WORD & (setsid setsid sh -c 'sleep WORD; true' &); env -i setsid -f /bin/sleep WORD; \
                     env -i SPOTTER_EXEC=other setsid -f /bin/sleep WORD; (trap '' TERM HUP INT; nohup sleep WORD &) >/dev/null 2>&1;";

pub(crate) async fn all(at: Where) {
    let it = Place::new(at, Limits::default()).await;
    let number = 4_000_000 + u64::from(std::process::id()) * 10 + at as u64;
    let word = format!("{number}.5");
    let leave = LEAVE.replace("WORD", &word);

    let ran = it
        .bash_for(&format!("{leave} sleep {word}"), Duration::from_secs(1))
        .await;
    assert_eq!(ran.exit, Exit::TimedOut);
    assert!(ran.took < Duration::from_secs(12), "{:?}", ran.took);
    gone(&word).await;

    // The command ends and leaves them: they may live, but not past a restore.
    let first = it.sandbox.snapshot().await.unwrap();
    it.bash(&leave).await;
    assert!(!alive(&word).is_empty());
    it.sandbox.restore(&first).await.unwrap();
    gone(&word).await;

    kill_the_keepers(&it, at).await;

    it.bash(&leave).await;
    assert!(!alive(&word).is_empty());
    // Whatever stands in for the shell by now; the container can come to its end by it, too.
    if at == Where::Docker {
        let replace = "python3 - <<'X'\nimport os\nfor p in ['/bin/sh','/bin/dash','/usr/bin/sh','/usr/bin/dash','/bin/grep','/usr/bin/grep']:\n  try:\n    os.rename(p, p+'.real'); open(p,'w').write('#!/usr/bin/python3\\nimport sys\\nsys.exit(0)\\n'); os.chmod(p,0o755)\n  except OSError: pass\nX\n";
        it.bash(replace).await;
        let ran = it
            .bash_for(&format!("sleep {word}"), Duration::from_secs(1))
            .await;
        assert_eq!(ran.exit, Exit::TimedOut);
        gone(&word).await;
    }

    it.sandbox.stop().await.unwrap();
    gone(&word).await;
}

/// Kill whoever may be in charge; the command must end, and what it left must go.
async fn kill_the_keepers(it: &Place, at: Where) {
    let number = 5_000_000 + u64::from(std::process::id()) * 10 + at as u64;
    for (index, attack) in [
        "kill -9 1; kill -STOP 1; kill -9 $PPID; sleep WORD",
        "setsid -f sleep WORD; kill -9 -1; sleep WORD",
        "setsid -f sleep WORD; kill -STOP $PPID; exit 0",
        "setsid -f sleep WORD; kill -STOP $PPID; sleep WORD",
        // Its keeper is dead, and it is never the same process twice: six chains, each link of which forks and ends.
        "setsid -f python3 -c 'import os,sys,time\nos.environ[\"X\"]=\"WORD\"\ntime.sleep(.3)\nfor _ in range(5):\n if not os.fork(): break\nwhile True:\n if os.fork(): os._exit(0)' WORD; kill -9 $PPID; sleep WORD",
    ]
    .into_iter()
    .enumerate()
    {
        let word = format!("{number}.25{index}");
        let attack = attack.replace("WORD", &word);
        let began = Instant::now();
        let ran = it.bash_for(&attack, Duration::from_secs(3)).await;
        println!("{attack:?}: {:?} after {:?}", ran.exit, ran.took);
        // It ends, however busy the machine is: a bound that only what hangs comes to.
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "{attack}: {:?}",
            began.elapsed()
        );
        assert_eq!(it.said("echo alive").await, "alive\n", "{attack}");
        // Where the keeper was out of reach the command ended by itself, and what it left may stay until the restore.
        if at != Where::Docker && ran.exit != Exit::Code(0) {
            gone(&word).await;
        }
    }
    let now = it.sandbox.snapshot().await.unwrap();
    it.sandbox.restore(&now).await.unwrap();
    gone(&format!("{number}.25")).await;
}
