//! What the readers promise, on files of every kind.

use std::io::Write as _;

use serde_json::json;

use super::*;
use crate::task::{Family, TestList};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const PATCH: &str = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n";

fn row(id: &str) -> serde_json::Value {
    json!({
        "instance_id": id, "repo": "python/mypy", "base_commit": COMMIT, "version": "1.10",
        "problem_statement": "It breaks.\r\n", "hints_text": "", "created_at": "2023-01-01T00:00:00Z",
        "patch": PATCH, "test_patch": "", "FAIL_TO_PASS": ["a::b"], "PASS_TO_PASS": [],
    })
}

fn with(id: &str, field: &str, value: serde_json::Value) -> serde_json::Value {
    let mut row = row(id);
    row[field] = value;
    row
}

struct File {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn file(name: &str, bytes: impl AsRef<[u8]>) -> File {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    File { path, _dir: dir }
}

fn read(name: &str, bytes: impl AsRef<[u8]>) -> Loaded {
    load(&file(name, bytes).path).unwrap()
}

fn problems(loaded: &Loaded) -> Vec<(u64, String)> {
    loaded
        .problems
        .iter()
        .map(|p| (p.line, p.what.clone()))
        .collect()
}

fn fixture(name: &str) -> Loaded {
    load(
        &Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/tasks")
            .join(name),
    )
    .unwrap()
}

#[test]
fn a_row_becomes_a_task_with_its_text_kept_as_it_is() {
    let loaded = read("rows.jsonl", row("python__mypy-1").to_string());
    assert_eq!(problems(&loaded), []);
    let task = &loaded.tasks[0];
    assert_eq!(task.instance_id, "python__mypy-1");
    assert_eq!(task.version, "1.10");
    assert_eq!(task.problem_statement, "It breaks.\r\n");
    assert_eq!(task.gold_patch, PATCH);
    assert_eq!(task.fail_to_pass, TestList::Known(vec!["a::b".into()]));
    assert_eq!(task.pass_to_pass, TestList::Known(vec![]));
    assert_eq!(task.family, Family::SweGym);
    assert_eq!(task.hash.len(), 64);
    assert!(task.origin.ends_with("rows.jsonl:1"));
}

#[test]
fn jsonl_reports_each_bad_line_with_its_number_and_reads_on() {
    let mut text = b"\xef\xbb\xbf".to_vec();
    writeln!(text, "{}\r", row("a__a-1")).unwrap();
    text.extend_from_slice(b"\n[1]\n{\"instance_id\": \xff}\n{\"instance_id\": }\n");
    writeln!(text, "{}", with("a__a-2", "repo", json!(null))).unwrap();
    writeln!(text, "{}", with("a__a-3", "version", json!(1.1))).unwrap();
    writeln!(text, "{}", with("a__a-4", "base_commit", json!("main"))).unwrap();
    writeln!(text, "{}", with("a__a-5", "patch", json!(["x"]))).unwrap();
    write!(text, "{}", row("a__a-6")).unwrap();
    let loaded = read("rows.jsonl", text);
    let ids: Vec<_> = loaded
        .tasks
        .iter()
        .map(|t| t.instance_id.as_str())
        .collect();
    assert_eq!(ids, ["a__a-1", "a__a-6"]);
    let expected = [
        (3, "this line is JSON but not an object"),
        (4, "invalid UTF-8 after byte 16"),
        (5, "invalid JSON at column 17: expected value"),
        (6, "`repo` is missing"),
        (
            7,
            "`version` is the number 1.1, not a string: 1.10 could not be told from 1.1",
        ),
        (8, "`base_commit` is `main`, not 40 hex digits"),
        (9, "`patch` is a list, not a string"),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(n, w)| (*n, (*w).to_owned()))
        .collect();
    assert_eq!(problems(&loaded), expected);
}

#[test]
fn a_line_without_end_is_a_problem_and_not_an_abort() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    out.write_all(b"{\"x\": \"").unwrap();
    for _ in 0..65 {
        out.write_all(&vec![b'a'; 1 << 20]).unwrap();
    }
    write!(out, "\"}}\n{}\n", row("a__a-1")).unwrap();
    out.into_inner().unwrap();
    let loaded = load(&path).unwrap();
    assert_eq!(loaded.tasks.len(), 1);
    assert_eq!(
        problems(&loaded),
        [(1, "this line is longer than 64 MB".to_owned())]
    );
}

#[test]
fn json_lists_and_dicts_name_the_line_of_the_element() {
    let list =
        serde_json::to_string_pretty(&json!([row("a__a-1"), 3, with("a__a-2", "repo", json!(1))]))
            .unwrap();
    let loaded = read("rows.json", &list);
    let line = |needle: &str| list.lines().position(|l| l.contains(needle)).unwrap() as u64 + 1;
    let expected = [
        (line("  3,"), "this element is not an object".to_owned()),
        (
            line("a__a-2") - 1,
            "`repo` is a number, not a string".to_owned(),
        ),
    ];
    assert_eq!(problems(&loaded), expected);
    assert_eq!(loaded.tasks.len(), 1);

    let dict =
        serde_json::to_string_pretty(&json!({"a__a-1": row("a__a-1"), "a__a-2": row("a__a-2")}))
            .unwrap();
    assert_eq!(read("rows.json", &dict).tasks.len(), 2);
    assert_eq!(
        read("one.json", format!("\n{}", row("a__a-1"))).tasks[0]
            .origin
            .rsplit(':')
            .next(),
        Some("2")
    );
    assert_eq!(
        read(
            "really.json",
            format!("{}\n{}\n", row("a__a-1"), row("a__a-2"))
        )
        .tasks
        .len(),
        2
    );
    let broken = read("rows.json", "[\n{\"a\": 1},\n{\"a\" 2}\n]");
    assert_eq!(
        problems(&broken),
        [(3, "invalid JSON at column 6: expected `:`".to_owned())]
    );
}

#[test]
fn the_same_row_twice_is_one_task_and_different_rows_are_a_problem_that_names_both() {
    let lines = [
        row("A__A-1"),
        row("A__A-1"),
        row("B__B-1"),
        with("b__b-1", "version", json!("2.0")),
        row("C__C-1"),
    ];
    let text = lines.map(|row| row.to_string()).join("\n");
    let loaded = read("rows.jsonl", text);
    let ids: Vec<_> = loaded
        .tasks
        .iter()
        .map(|t| t.instance_id.as_str())
        .collect();
    assert_eq!(ids, ["A__A-1", "C__C-1"]);
    assert_eq!(loaded.problems.len(), 1);
    assert_eq!(loaded.problems[0].line, 4);
    assert!(
        loaded.problems[0]
            .what
            .contains("rows.jsonl:3 with different contents")
    );
}

#[test]
fn the_hash_follows_what_decides_a_verdict_and_nothing_else() {
    let hash = |row: serde_json::Value| read("r.jsonl", row.to_string()).tasks[0].hash.clone();
    let plain = hash(row("a__a-1"));
    assert_eq!(
        plain,
        hash(with("A__A-1", "problem_statement", json!("another")))
    );
    assert_eq!(
        plain,
        hash(with("a__a-1", "FAIL_TO_PASS", json!("[\"a::b\"]")))
    );
    for (field, value) in [
        ("version", "2.0"),
        ("test_patch", PATCH),
        ("image", "i"),
        ("base_commit", &"f".repeat(40)),
    ] {
        assert_ne!(plain, hash(with("a__a-1", field, json!(value))), "{field}");
    }
}

#[test]
fn families_are_told_apart_by_their_fields() {
    let family = |row: serde_json::Value| {
        let loaded = read("r.jsonl", row.to_string());
        assert_eq!(problems(&loaded), []);
        loaded.tasks[0].family
    };
    assert_eq!(family(row("python__mypy-1")), Family::SweGym);
    let mut bench = row("astropy__astropy-1");
    bench["repo"] = json!("astropy/astropy");
    assert_eq!(family(bench.clone()), Family::SweGym);
    bench["FAIL_TO_PASS"] = json!("[\"a\"]");
    assert_eq!(family(bench.clone()), Family::SweBench);
    bench["environment_setup_commit"] = json!(null);
    bench["FAIL_TO_PASS"] = json!(["a"]);
    assert_eq!(family(bench), Family::SweBench);
    assert_eq!(
        family(with("a__a-1", "meta", json!({"is_lite": true}))),
        Family::Nebius
    );
    assert_eq!(
        family(with("a__a-1", "log_parser", json!("p"))),
        Family::SweBench
    );
}

#[test]
fn a_row_with_its_own_evaluation_needs_no_commit() {
    let mut new = with("a__a-1", "image", json!("swebench/x:1"));
    for (field, value) in [
        ("eval_script", "#!/bin/bash\n"),
        ("log_parser", "pytest"),
        ("eval_type", "fail_only"),
    ] {
        new[field] = json!(value);
    }
    new.as_object_mut().unwrap().remove("base_commit");
    new.as_object_mut().unwrap().remove("version");
    let loaded = read("r.jsonl", new.to_string());
    let task = &loaded.tasks[0];
    assert_eq!(task.family, Family::SweBench);
    assert_eq!(task.eval_type.as_deref(), Some("fail_only"));
    assert_eq!(task.image.as_deref(), Some("swebench/x:1"));
}

#[test]
fn the_bug_of_swe_smith_is_turned_into_its_solution() {
    let smith = json!({
        "instance_id": "pandas-dev__pandas.95280573.pr_53652", "repo": "swesmith/pandas-dev__pandas.95280573",
        "image_name": "jyangballin/swesmith.x86_64.pandas", "patch": PATCH, "problem_statement": "",
        "FAIL_TO_PASS": ["a"], "PASS_TO_PASS": ["b"],
    });
    let loaded = read("r.jsonl", smith.to_string());
    let task = &loaded.tasks[0];
    assert_eq!(task.family, Family::SweSmith);
    assert_eq!(task.gold_patch, PATCH.replace("-a\n+b", "-b\n+a"));
    let mut torn = smith;
    torn["patch"] = json!("--- a/x\n+++ b/x\n@@ -1,9 +1 @@\n a\n");
    let what = &read("r.jsonl", torn.to_string()).problems[0].what;
    assert_eq!(
        what,
        "`patch` makes the bug and cannot be reversed: line 4 of the patch: the hunk ends early"
    );
}

#[test]
fn r2e_rows_are_named_by_their_image_and_never_start_from_the_solution() {
    let range = |start, length| json!({"start": start, "length": length});
    let commit = json!({
        "old_commit_hash": "^", "new_commit_hash": COMMIT,
        "file_diffs": [
            {"header": {"file": {"path": "src/a.py"}, "misc_line": null}, "is_binary_file": false,
             "minus_file": {"path": "a/src/a.py"}, "plus_file": {"path": "b/src/a.py"},
             "hunks": [{"descriptor": {"old_range": range(1, 2), "new_range": range(1, 2), "section": "f"},
               "line_group": {"all_lines": [
                 {"content": "x", "type": "context"}, {"content": "a", "type": "deleted"},
                 {"content": "b", "type": "added"}, {"content": "No newline at end of file", "type": "note"}]}}]},
            {"header": {"file": {"path": "tests/test_a.py"}}, "plus_file": {"path": "b/tests/test_a.py"},
             "minus_file": {"path": "/dev/null"},
             "hunks": [{"descriptor": {"old_range": range(0, 0), "new_range": range(1, 1)},
               "line_group": {"all_lines": [{"content": "t", "type": "added"}]}}]},
        ],
    });
    let row = json!({
        "repo_name": "aiohttp", "docker_image": "namanjain12/aiohttp_final:d7cd", "commit_hash": COMMIT,
        "parsed_commit_content": commit.to_string(), "problem_statement": "[ISSUE]",
        "expected_output_json": "{\"T.test\": \"PASSED\"}",
    });
    let loaded = read("r.jsonl", row.to_string());
    assert_eq!(problems(&loaded), []);
    let task = &loaded.tasks[0];
    assert_eq!(task.instance_id, "namanjain12/aiohttp_final:d7cd");
    assert_eq!((task.family, task.base_commit.as_str()), (Family::R2e, ""));
    assert_eq!(
        task.gold_patch,
        "diff --git a/src/a.py b/src/a.py\n--- a/src/a.py\n+++ b/src/a.py\n@@ -1,2 +1,2 @@ f\n x\n-a\n+b\n\\ No newline at \
         end of file\n"
    );
    assert!(task.test_patch.contains(
        "new file mode 100644\n--- /dev/null\n+++ b/tests/test_a.py\n@@ -0,0 +1,1 @@\n+t\n"
    ));
    assert_eq!(task.expected_output.as_ref().unwrap()["T.test"], "PASSED");
    assert!(matches!(task.fail_to_pass, TestList::Unknown(_)));
}

#[test]
fn parquet_gives_the_same_tasks_as_the_rows_it_was_made_from() {
    let rows = fixture("rows.jsonl");
    assert_eq!(problems(&rows), []);
    let without_origin = |loaded: Loaded| -> Vec<Task> {
        let clear = |mut task: Task| {
            task.origin.clear();
            task
        };
        loaded.tasks.into_iter().map(clear).collect()
    };
    let expected = without_origin(rows);
    for name in [
        "rows.parquet",
        "large_strings.parquet",
        "dictionary.parquet",
    ] {
        let loaded = fixture(name);
        assert_eq!(problems(&loaded), [], "{name}");
        assert!(loaded.tasks[1].origin.ends_with(".parquet:2"));
        assert_eq!(without_origin(loaded), expected, "{name}");
    }
}

#[test]
fn nested_columns_and_times_of_parquet_are_read() {
    let loaded = fixture("nebius.parquet");
    assert_eq!(problems(&loaded), [(2, "`repo` is missing".to_owned())]);
    let task = &loaded.tasks[0];
    assert_eq!(task.family, Family::Nebius);
    assert_eq!(task.created_at, "2023-01-02T03:04:05Z");
    assert_eq!(task.image.as_deref(), Some("swerebench/x"));
}

#[test]
fn what_is_no_parquet_is_one_problem_of_the_file() {
    let loaded = read("x.parquet", "PAR1 not really PAR1");
    assert_eq!(loaded.problems.len(), 1);
    assert_eq!(loaded.problems[0].line, 0);
}

#[test]
fn a_folder_is_read_file_by_file_and_an_empty_one_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(load(dir.path()), Err(LoadError::NoFiles { .. })));
    assert!(matches!(
        load(&dir.path().join("missing.jsonl")),
        Err(LoadError::Io { .. })
    ));
    std::fs::create_dir(dir.path().join("data")).unwrap();
    std::fs::write(dir.path().join("data/b.jsonl"), row("b__b-1").to_string()).unwrap();
    std::fs::write(dir.path().join("data/a.jsonl"), row("a__a-1").to_string()).unwrap();
    std::fs::write(dir.path().join("dataset_infos.json"), "{}").unwrap();
    let loaded = load(dir.path()).unwrap();
    let ids: Vec<_> = loaded
        .tasks
        .iter()
        .map(|t| t.instance_id.as_str())
        .collect();
    assert_eq!(ids, ["a__a-1", "b__b-1"]);
    assert_eq!(problems(&loaded), []);
}
