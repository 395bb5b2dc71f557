//! An agent's hands in the local sandbox of this machine: the persistent shell, subshells, the editor.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spotter::agent::{Hands, Outcome, Scaffold};
use spotter::model::ToolCall;
use spotter::sandbox::local::{Local, use_init_program};
use spotter::sandbox::{Base, Chunk, Exec, Kind, Limits, Sandbox, Spec};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

struct Place {
    keep: tempfile::TempDir,
    sandbox: Arc<Local>,
    hands: Hands,
    cancel: CancellationToken,
}

/// A sandbox with one small package, and a scaffold whose `[limits]` and `[shell]` may be replaced.
async fn place(scaffold: &str, changes: &str) -> Place {
    use_init_program(env!("CARGO_BIN_EXE_spotter"));
    let keep = tempfile::tempdir().unwrap();
    let base = keep.path().join("base");
    std::fs::create_dir_all(base.join("pkg")).unwrap();
    std::fs::write(base.join("pkg/a.py"), "print(1)\n").unwrap();
    std::fs::write(base.join(".hidden"), "").unwrap();
    git2::Repository::init(&base).unwrap();
    let spec = Spec {
        kind: Kind::Local,
        base: Base::Folder(base),
        image: None,
        state: keep.path().join("state"),
        cache: keep.path().join("cache"),
        owner: "test".into(),
        network: false,
        limits: Limits::default(),
        snapshot_ignored: false,
    };
    let sandbox = Arc::new(Local::start(spec).await.unwrap());
    let folder = keep.path().join("scaffold.toml");
    std::fs::write(&folder, format!("extends = \"{scaffold}\"\n{changes}")).unwrap();
    let scaffold = Arc::new(Scaffold::load(folder.to_str().unwrap()).unwrap());
    let hands = Hands::new(scaffold, Arc::clone(&sandbox) as Arc<dyn Sandbox>);
    Place {
        keep,
        sandbox,
        hands,
        cancel: CancellationToken::new(),
    }
}

const QUICK: &str =
    "[limits]\nturns = 9\ncommand_seconds = 3\nformat_errors = 3\n[shell]\nquiet_seconds = 1\n";

fn call(name: &str, arguments: &Value) -> ToolCall {
    ToolCall {
        id: "1".into(),
        name: name.into(),
        arguments: arguments.to_string(),
    }
}

impl Place {
    async fn perform(&mut self, name: &str, arguments: &Value) -> Outcome {
        // Nobody listens: a closed channel is no error.
        let (live, _) = mpsc::channel(8);
        self.hands
            .perform(&call(name, arguments), live, &self.cancel)
            .await
            .unwrap()
    }

    async fn shell(&mut self, command: &str) -> Outcome {
        self.perform("execute_bash", &json!({"command": command}))
            .await
    }

    /// Runs it and takes the footer off.
    async fn says(&mut self, command: &str) -> String {
        let outcome = self.shell(command).await;
        let footer = format!(
            "\n[Command finished with exit code {}]",
            outcome.exit.unwrap_or(-1)
        );
        outcome
            .text
            .strip_suffix(&footer)
            .unwrap_or_else(|| panic!("no footer in {outcome:?}"))
            .to_owned()
    }

    async fn edit(&mut self, arguments: Value) -> Outcome {
        self.perform("str_replace_editor", &arguments).await
    }

    async fn cat(&self, path: &str) -> Vec<u8> {
        self.sandbox.download(path, 1 << 20).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_variables_and_functions_stay() {
    let mut it = place("codeact", "").await;
    assert_eq!(it.says("pwd").await, "/testbed");
    assert_eq!(
        it.says("cd pkg; export A=1; B=2; f() { echo f$1; }; declare -A m=([k]=v)")
            .await,
        ""
    );
    assert_eq!(
        it.says("pwd; echo $A$B; f 3; echo ${m[k]}").await,
        "/testbed/pkg\n12\nf3\nv"
    );
    let failed = it.shell("false").await;
    assert_eq!((failed.exit, failed.error), (Some(1), false));
    assert_eq!(it.says("echo status $?").await, "status 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn heredocs_comments_quotes_and_several_lines_run_as_they_are_written() {
    let mut it = place("codeact", "").await;
    let script = "# a comment\ncat > x.txt <<'EOF'\na $b `c` 'd' \"e\" \\f !g\n\ttab\nEOF\ncat x.txt; for i in 1 2; do\n  echo \"$i!\"\ndone # end";
    assert_eq!(
        it.says(script).await,
        "a $b `c` 'd' \"e\" \\f !g\n\ttab\n1!\n2!"
    );
    assert_eq!(
        it.says("echo 日本語 🦀 | wc -m; echo 'naïve'")
            .await
            .lines()
            .last(),
        Some("naïve")
    );
    let broken = it.shell("echo 'never closed").await;
    assert!(
        broken.exit != Some(0) && broken.text.contains("unexpected EOF"),
        "{broken:?}"
    );
    assert_eq!(it.says("echo on").await, "on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_of_200_kilobytes_arrives_whole() {
    let mut it = place("codeact", "").await;
    let body = "0123456789 it's\\n! é\n".repeat(10_000);
    let script = format!("cat > big.txt <<'EOF'\n{body}EOF\nwc -c < big.txt");
    assert_eq!(it.says(&script).await, body.len().to_string());
    assert_eq!(it.cat("big.txt").await, body.as_bytes());
    let mut other = place("bash", "").await;
    let outcome = other.perform("bash", &json!({"command": script})).await;
    assert!(
        outcome
            .text
            .contains(&format!("<output>\n{}\n</output>", body.len())),
        "{outcome:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_s_own_machinery_is_not_seen() {
    let mut it = place("codeact", "").await;
    assert_eq!(it.says("stty echo; echo a").await, "a");
    assert_eq!(it.says("echo b").await, "b");
    let traced = it.says("set -x; echo c").await;
    assert!(
        traced.contains("+ echo c\nc") && !traced.contains("036"),
        "{traced}"
    );
    let traced = it.says("echo d; set +x").await;
    assert!(
        !traced.contains("036") && traced.contains("+ echo d\nd"),
        "{traced}"
    );
    assert_eq!(it.says("set -u; PS1='(venv) '\"$PS1\"; echo e").await, "e");
    assert_eq!(it.says("echo f; PS1='root@box# '").await, "f");
    assert_eq!(it.says("PROMPT_COMMAND=; echo g").await, "g");
    assert_eq!(it.says("echo h").await, "h");
    assert_eq!(it.says("env | grep -c 036; history | wc -l").await, "0\n0");
}

#[tokio::test(flavor = "multi_thread")]
async fn printed_marks_are_output_and_change_nothing() {
    let mut it = place("codeact", "").await;
    let nonce = "0123456789abcdef0123456789abcdef";
    let fake = format!("printf '\\036{nonce}e;%s;0\\036\\n' $$; echo after; false");
    let outcome = it.shell(&fake).await;
    assert_eq!(outcome.exit, Some(1), "{outcome:?}");
    assert!(outcome.text.contains("after"), "{outcome:?}");
    // A shell started inside inherits the prompt only if it was exported, and is another process.
    let nested = "set -a; PS1=$PS1; PROMPT_COMMAND=$PROMPT_COMMAND; set +a; echo 'echo inner' | bash --norc -i 2>/dev/null; echo outer";
    assert!(it.says(nested).await.ends_with("outer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_waits_can_be_typed_into_polled_and_interrupted() {
    let mut it = place("codeact", QUICK).await;
    let waits = it.shell("read -p 'name? ' n; echo \"hello $n\"").await;
    assert!(
        waits.text.contains("name?") && waits.text.contains("exit code -1"),
        "{waits:?}"
    );
    assert_eq!(waits.exit, None);
    assert_eq!(it.says("world").await, "hello world");
    let repl = it.shell("python3 -q").await;
    assert!(repl.text.contains(">>>"), "{repl:?}");
    let answer = it.shell("print(6*7)").await;
    assert!(answer.text.contains("42"), "{answer:?}");
    let interrupted = it.shell("ctrl+c").await;
    assert!(
        interrupted.text.contains("KeyboardInterrupt"),
        "{interrupted:?}"
    );
    let left = it.shell("exit()").await;
    assert_eq!(left.exit, Some(0), "{left:?}");
    it.shell("for i in 2 3; do sleep 1.3; echo $i; done").await;
    let mut seen = String::new();
    for _ in 0..5 {
        let poll = it.shell("").await;
        seen.push_str(&poll.text);
        if poll.exit.is_some() {
            break;
        }
    }
    assert!(seen.contains('3') && seen.contains("exit code 0"), "{seen}");
    let idle = it.shell("").await;
    assert!(
        idle.error && idle.text.contains("no command is running"),
        "{idle:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_takes_too_long_is_interrupted_and_the_shell_lives_on() {
    let mut it = place(
        "codeact",
        &QUICK.replace("quiet_seconds = 1", "quiet_seconds = 0"),
    )
    .await;
    it.says("X=kept").await;
    let began = Instant::now();
    let outcome = it.shell("echo begun; sleep 100").await;
    assert!(
        outcome.error && outcome.text.contains("Command timed out. Sending SIGINT"),
        "{outcome:?}"
    );
    assert!(
        outcome.text.starts_with("begun\n") && outcome.exit == Some(130),
        "{outcome:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(it.says("echo $X").await, "kept");
    let endless = it.shell("while :; do :; done").await;
    assert_eq!(endless.exit, Some(130), "{endless:?}");
    assert_eq!(it.says("echo $X").await, "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_interrupt_ends_is_killed_with_its_shell_and_the_model_is_told() {
    let mut it = place("codeact", QUICK).await;
    it.says("cd pkg").await;
    let quiet = it
        .shell("trap '' INT QUIT; (trap '' INT QUIT HUP; sleep 1000); sleep 1000")
        .await;
    assert!(quiet.text.contains("still running"), "{quiet:?}");
    it.shell("").await;
    let outcome = it.shell("").await;
    assert!(
        outcome.text.contains("the shell was killed") && outcome.error,
        "{outcome:?}"
    );
    assert_eq!(it.says("pwd; pgrep sleep | wc -l").await, "/testbed\n0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_ends_itself_is_told_and_replaced() {
    let mut it = place("codeact", "").await;
    for command in ["exit 3", "set -e; false", "kill -9 $$", "exec true"] {
        let outcome = it.shell(command).await;
        assert!(
            outcome.error && outcome.text.contains("The shell itself ended"),
            "{command}: {outcome:?}"
        );
        assert_eq!(
            it.says("echo $SHLVL; pwd").await.lines().last(),
            Some("/testbed"),
            "{command}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn background_jobs_run_on_and_do_not_hold_the_command() {
    let mut it = place("codeact", "").await;
    // It ends after the command that starts it, or never.
    let job = "(until [ -e go ]; do sleep 0.05; done; echo late; touch done.txt) &";
    it.says(job).await;
    let began = Instant::now();
    let mut next = it.says("touch go; ls").await;
    while !(next.contains("late") && next.contains("done.txt")) {
        assert!(began.elapsed() < Duration::from_secs(60), "{next}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        next += &it.says("ls").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_of_output_is_bounded_and_counted() {
    let mut it = place("codeact", "").await;
    let outcome = it
        .shell("echo BEGIN; head -c 1G /dev/zero | tr '\\0' 'y'; echo END")
        .await;
    assert_eq!(outcome.exit, Some(0));
    assert!(
        outcome.text.starts_with("BEGIN\nyyy") && outcome.text.contains("yEND\n[Command finished"),
        "{}",
        outcome.text.len()
    );
    assert!(
        outcome
            .text
            .contains("\n[... Observation truncated due to length ...]\n")
    );
    assert!(outcome.text.chars().count() < 30_100);
    assert!(outcome.dropped > (1 << 30) - 300_000, "{}", outcome.dropped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_it_at_once_and_the_raw_output_went_to_who_listens() {
    let mut it = place("codeact", "").await;
    it.says("X=kept").await;
    for (command, kept) in [
        ("printf '\\033[31mred\\n'; sleep 100", "kept"),
        (
            "trap '' INT; printf '\\033[31mred\\n'; while :; do sleep 1; done",
            "",
        ),
    ] {
        let (live, mut chunks) = mpsc::channel::<Chunk>(8);
        let cancel = CancellationToken::new();
        let call = call("execute_bash", &json!({"command": command}));
        let began = tokio::spawn({
            let cancel = cancel.clone();
            async move {
                let mut seen = Vec::new();
                while let Some(chunk) = chunks.recv().await {
                    seen.extend(chunk.bytes);
                    if seen.ends_with(b"red\n") {
                        break;
                    }
                }
                cancel.cancel();
                (Instant::now(), seen)
            }
        });
        let outcome = it.hands.perform(&call, live, &cancel).await.unwrap();
        let (cancelled, seen) = began.await.unwrap();
        assert!(
            cancelled.elapsed() < Duration::from_secs(20),
            "{:?}",
            cancelled.elapsed()
        );
        assert_eq!(String::from_utf8_lossy(&seen), "\u{1b}[31mred\n");
        assert!(
            outcome.error
                && outcome.text.starts_with("red\n")
                && outcome.text.contains("cancelled"),
            "{outcome:?}"
        );
        assert_eq!(it.says("echo $X").await, kept, "{command}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_s_command_runs_in_the_agent_s_shell_and_a_reset_forgets_it() {
    let mut it = place("codeact", "").await;
    it.says("cd pkg; X=agent").await;
    let (live, _) = mpsc::channel(8);
    let cancel = it.cancel.clone();
    let outcome = it
        .hands
        .human("echo $X; X=person", live, &cancel)
        .await
        .unwrap();
    assert!(outcome.text.starts_with("agent\n"), "{outcome:?}");
    assert_eq!(it.says("echo $X").await, "person");
    let snapshot = it.sandbox.snapshot().await.unwrap();
    it.sandbox.restore(&snapshot).await.unwrap();
    it.hands.reset().await;
    assert_eq!(it.says("echo [$X]; pwd").await, "[]\n/testbed");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bash_call_is_a_new_subshell_with_its_streams_in_order() {
    let mut it = place("bash", "").await;
    let run = async |it: &mut Place, command: &str| {
        it.perform("bash", &json!({"command": command})).await
    };
    let first = run(
        &mut it,
        "cd pkg; X=1; echo out; echo err >&2; echo out2; exit 4",
    )
    .await;
    assert_eq!(
        first.text,
        "<returncode>4</returncode>\n<output>\nout\nerr\nout2\n</output>"
    );
    assert_eq!(first.exit, Some(4));
    let second = run(&mut it, "echo [$X]; pwd; echo $PAGER").await;
    assert_eq!(
        second.text,
        "<returncode>0</returncode>\n<output>\n[]\n/testbed\ncat\n</output>"
    );
    let long = run(&mut it, "head -c 5000 /dev/zero | tr '\\0' a; head -c 10 /dev/zero | tr '\\0' b; head -c 5000 /dev/zero | tr '\\0' c").await;
    let (head, tail) = ("a".repeat(5000), "c".repeat(5000));
    assert!(long.text.contains(&format!("<output_head>\n{head}\n</output_head>\n<elided_chars>\n10 characters elided\n</elided_chars>\n<output_tail>\n{tail}\n</output_tail>")), "{}", long.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bash_call_that_takes_too_long_is_killed_and_the_model_is_told() {
    let mut it = place(
        "bash",
        "[limits]\nturns = 9\ncommand_seconds = 1\nformat_errors = 3\n",
    )
    .await;
    let outcome = it
        .perform("bash", &json!({"command": "echo begun; sleep 50"}))
        .await;
    assert_eq!(
        outcome.text,
        "<exception>The command took more than 1 seconds and was killed.</exception>\n<returncode>-1</returncode>\n<output>\nbegun\n</output>"
    );
    assert!(outcome.error && outcome.exit.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_handed_in_by_the_first_line_only_and_only_with_status_zero() {
    let mut it = place("bash", "").await;
    let line = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT";
    for (command, submitted) in [
        (format!("echo {line}"), true),
        (format!("echo {line}; git diff"), true),
        (format!("echo done; echo {line}"), false),
        (format!("echo {line}; exit 1"), false),
        (format!("echo {line} now"), false),
    ] {
        let outcome = it.perform("bash", &json!({"command": command})).await;
        assert_eq!(outcome.submitted, submitted, "{command}");
    }
    let mut other = place("codeact", "").await;
    assert!(!other.shell(&format!("echo {line}")).await.submitted);
    assert!(other.perform("finish", &json!({})).await.submitted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_found_with_its_file_and_lines_and_one_of_them_changed() {
    let mut it = place("gym", "").await;
    let files = [
        (
            "pkg/shapes.py",
            "import math\n\n\ndef area(r):\n    return math.pi * r\n\n\ndef areas(rs):\n    return [area(r) for r in rs]\n",
        ),
        ("a.txt", "def area(x):\n"),
        (
            "box.py",
            "class Box:\n    def area(self):\n        return 1\n",
        ),
    ];
    for (path, text) in files {
        it.sandbox
            .upload(path, text.as_bytes(), false)
            .await
            .unwrap();
    }
    let found = it.perform("find", &json!({"name": "area"})).await;
    assert_eq!(
        found.text,
        "box.py\n2     def area(self):\n3         return 1\n\npkg/shapes.py\n4 def area(r):\n5     return math.pi * r"
    );
    let change =
        json!({"name": "area", "old": "return math.pi * r", "new": "return math.pi * r ** 2"});
    let changed = it.perform("change", &change).await;
    assert_eq!(
        (changed.text.as_str(), changed.error),
        (
            "pkg/shapes.py\n4 def area(r):\n5     return math.pi * r ** 2\n6",
            false
        )
    );
    // A file is named like a function; what is in neither is told.
    let change = json!({"name": "a.txt", "old": "def area(x):", "new": "def area(y):"});
    assert_eq!(
        it.perform("change", &change).await.text,
        "a.txt\n1 def area(y):"
    );
    for (name, why) in [
        ("area", "error: no line of area says `def area(x):`"),
        ("b.txt", "error: there is no file b.txt"),
        ("volume", "error: there is no function or class volume"),
    ] {
        let change = json!({"name": name, "old": "def area(x):", "new": "def area(y):"});
        let told = it.perform("change", &change).await;
        assert_eq!((told.text.as_str(), told.error), (why, true));
    }
    let found = it.perform("find", &json!({"name": "area"})).await;
    assert!(found.text.ends_with("5     return math.pi * r ** 2"));

    // What cannot be read takes nothing from what was found.
    let closed = [
        "sh",
        "-c",
        "mkdir closed; touch closed/x.py; chmod 0 closed/x.py closed",
    ];
    let exec = Exec::new(closed.map(String::from).to_vec(), Duration::from_secs(5));
    it.sandbox.exec(exec, None).await.unwrap();
    assert_eq!(
        it.perform("find", &json!({"name": "area"})).await.text,
        found.text
    );

    for (name, why) in [
        ("are", "error: there is no function or class are"),
        ("a*", "error: that is no name of a function or class"),
        ("a.*", "error: there is no file a.*"),
        (
            "x; touch y",
            "error: that is no name of a function or class",
        ),
        ("", "error: that is no name of a function or class"),
    ] {
        let none = it.perform("find", &json!({ "name": name })).await;
        assert_eq!((none.text.as_str(), none.error), (why, true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_editor_creates_replaces_inserts_shows_and_takes_back() {
    let mut it = place("codeact", "").await;
    let path = "/testbed/new/b.py";
    let made = it
        .edit(json!({"command": "create", "path": path, "file_text": "a\n\tb\nc\n"}))
        .await;
    assert_eq!(
        (made.text.as_str(), made.error),
        ("File created successfully at: /testbed/new/b.py", false)
    );
    let again = it
        .edit(json!({"command": "create", "path": path, "file_text": ""}))
        .await;
    assert_eq!(
        again.text,
        format!(
            "ERROR:\nFile already exists at: {path}. Cannot overwrite files using command `create`."
        )
    );
    assert!(again.error);
    let edited = it
        .edit(json!({"command": "str_replace", "path": path, "old_str": "\tb", "new_str": "\tB"}))
        .await;
    assert!(
        edited.text.contains("     2\t\tB\n") && edited.text.contains("Review the changes"),
        "{edited:?}"
    );
    it.edit(json!({"command": "insert", "path": path, "insert_line": 3, "new_str": "d"}))
        .await;
    assert_eq!(it.cat(path).await, b"a\n\tB\nc\nd\n");
    it.edit(json!({"command": "undo_edit", "path": path})).await;
    let undone = it.edit(json!({"command": "undo_edit", "path": path})).await;
    assert!(
        undone
            .text
            .starts_with("Last edit to /testbed/new/b.py undone successfully."),
        "{undone:?}"
    );
    assert_eq!(it.cat(path).await, b"a\n\tb\nc\n");
    let none = it.edit(json!({"command": "undo_edit", "path": path})).await;
    assert_eq!(
        none.text,
        format!("ERROR:\nNo edit history found for {path}.")
    );
    let folder = it
        .edit(json!({"command": "view", "path": "/testbed"}))
        .await;
    assert_eq!(
        folder.text,
        "Here's the files and directories up to 2 levels deep in /testbed, excluding hidden items:\n\
         /testbed\n/testbed/new\n/testbed/new/b.py\n/testbed/pkg\n/testbed/pkg/a.py\n"
    );
    for (arguments, words) in [
        (
            json!({"command": "view", "path": "/testbed/none"}),
            "The path /testbed/none does not exist. Please provide a valid path.",
        ),
        (
            json!({"command": "view", "path": "pkg/a.py"}),
            "Maybe you meant /testbed/pkg/a.py?",
        ),
        (
            json!({"command": "insert", "path": "/testbed/pkg", "insert_line": 1, "new_str": ""}),
            "is a directory and only the `view` command",
        ),
        (
            json!({"command": "view", "path": "/testbed", "view_range": [1, 2]}),
            "not allowed when `path` points to a directory.",
        ),
        (
            json!({"command": "str_replace", "path": path, "new_str": "x"}),
            "Parameter `old_str` is required for command: str_replace",
        ),
    ] {
        let refused = it.edit(arguments).await;
        assert!(refused.error && refused.text.contains(words), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_keeps_line_ends_and_the_executable_bit_and_refuses_what_is_no_text() {
    let mut it = place("codeact", "").await;
    it.says("printf 'a\\r\\nb\\r\\n' > crlf.txt; printf '#!/bin/sh\\necho hi\\n' > run.sh; chmod +x run.sh; printf 'a\\r\\nb\\nc' > mixed.txt; printf '\\377\\n' > latin.txt; head -c 5M /dev/zero > large.bin").await;
    it.edit(json!({"command": "str_replace", "path": "/testbed/crlf.txt", "old_str": "a\nb", "new_str": "a\nx\nb"})).await;
    assert_eq!(it.cat("crlf.txt").await, b"a\r\nx\r\nb\r\n");
    it.edit(json!({"command": "str_replace", "path": "/testbed/mixed.txt", "old_str": "c", "new_str": "d"})).await;
    assert_eq!(it.cat("mixed.txt").await, b"a\r\nb\nd");
    it.edit(json!({"command": "str_replace", "path": "/testbed/run.sh", "old_str": "hi", "new_str": "ho"})).await;
    assert_eq!(it.says("./run.sh").await, "ho");
    let latin = it
        .edit(json!({"command": "view", "path": "/testbed/latin.txt"}))
        .await;
    assert!(latin.error && latin.text.contains("not UTF-8"), "{latin:?}");
    let large = it
        .edit(json!({"command": "view", "path": "/testbed/large.bin"}))
        .await;
    assert!(
        large.error && large.text.contains("more than 4 MiB"),
        "{large:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_out_of_the_workspace_reaches_nothing_of_this_machine() {
    let mut it = place("codeact", "").await;
    let secret = it.keep.path().join("secret.txt");
    std::fs::write(&secret, "host").unwrap();
    let link = format!("ln -s {} link.txt", secret.display());
    it.says(&link).await;
    let seen = it
        .edit(json!({"command": "view", "path": "/testbed/link.txt"}))
        .await;
    assert!(seen.error && !seen.text.contains("host"), "{seen:?}");
    it.edit(json!({"command": "create", "path": "/testbed/link.txt", "file_text": "agent"}))
        .await;
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "host");
    let written = it
        .edit(json!({"command": "create", "path": "/usr/bin/x", "file_text": "agent"}))
        .await;
    assert!(
        written.error && written.text.contains("Read-only"),
        "{written:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_and_progress_bars_reach_the_model_as_plain_text() {
    let mut it = place("codeact", "").await;
    assert_eq!(
        it.says("printf '\\033[32mok\\033[0m\\n10%%\\r100%%\\nend\\n'")
            .await,
        "ok\n100%\nend"
    );
    let ran = it
        .sandbox
        .exec(Exec::bash("true", Duration::from_secs(5)), None)
        .await
        .unwrap();
    assert_eq!(ran.exit.status(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_that_meets_bash_while_it_forks_leaves_no_stuck_shell() {
    let mut it = place("codeact", "").await;
    let start = call("execute_bash", &json!({"command": "echo begun; sleep 100"}));
    for round in 0..25 {
        let (live, mut chunks) = mpsc::channel::<Chunk>(1);
        let cancel = CancellationToken::new();
        let waits = tokio::spawn({
            let cancel = cancel.clone();
            async move {
                chunks.recv().await;
                cancel.cancel();
            }
        });
        it.hands.perform(&start, live, &cancel).await.unwrap();
        waits.await.unwrap();
        let began = Instant::now();
        assert_eq!(it.says("echo hi").await, "hi", "round {round}");
        assert!(began.elapsed() < Duration::from_secs(20), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_startup_file_that_ends_the_shell_is_left_out() {
    let mut it = place("codeact", "[shell]\nstartup = \". ./rc; STARTED=yes\"\n").await;
    assert_eq!(
        it.says("echo $STARTED; echo exit > rc")
            .await
            .lines()
            .last(),
        Some("yes")
    );
    it.shell("exit").await;
    assert_eq!(it.says("echo [$STARTED]").await, "[]");
}
