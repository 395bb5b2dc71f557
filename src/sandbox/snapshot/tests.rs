//! Snapshots on plain folders: exactness, hostile links, git state, tracked-but-ignored files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

struct Place {
    _keep: tempfile::TempDir,
    work: PathBuf,
    shadow: Shadow,
}

fn place() -> Place {
    let keep = tempfile::tempdir().unwrap();
    let work = keep.path().join("work");
    fs::create_dir_all(work.join("pkg")).unwrap();
    fs::write(work.join("pkg/a.py"), "print(1)\n").unwrap();
    fs::write(work.join(".gitignore"), "*.log\nbuild/\n").unwrap();
    let shadow = Shadow::open(&keep.path().join("shadow"), None, false).unwrap();
    Place {
        work,
        shadow,
        _keep: keep,
    }
}

fn open(work: &Path) -> Workspace {
    Workspace::open(work, None).unwrap()
}

#[test]
fn restore_brings_back_exactly_what_was_there() {
    let mut it = place();
    let first = it.shadow.snapshot(&open(&it.work)).unwrap();
    fs::write(it.work.join("pkg/a.py"), "print(2)\n").unwrap();
    fs::remove_file(it.work.join(".gitignore")).unwrap();
    fs::create_dir_all(it.work.join("new/deep")).unwrap();
    fs::write(it.work.join("new/deep/b.txt"), "b").unwrap();
    let second = it.shadow.snapshot(&open(&it.work)).unwrap();
    assert_ne!(first, second);
    let done = it.shadow.restore(&open(&it.work), &first).unwrap();
    assert_eq!((done.written, done.removed), (2, 2));
    assert_eq!(
        fs::read_to_string(it.work.join("pkg/a.py")).unwrap(),
        "print(1)\n"
    );
    assert!(!it.work.join("new").exists());
    it.shadow.restore(&open(&it.work), &second).unwrap();
    assert_eq!(
        fs::read_to_string(it.work.join("new/deep/b.txt")).unwrap(),
        "b"
    );
}

#[test]
fn a_write_that_puts_size_and_time_back_is_still_seen() {
    let mut it = place();
    let file = it.work.join("pkg/a.py");
    std::thread::park_timeout(std::time::Duration::from_millis(60));
    let before = it.shadow.snapshot(&open(&it.work)).unwrap();
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "print(9)\n").unwrap();
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(time)
        .unwrap();
    assert_ne!(it.shadow.snapshot(&open(&it.work)).unwrap(), before);
}

#[test]
fn a_folder_replaced_by_a_link_out_of_the_workspace_is_never_written_through() {
    let mut it = place();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("a.py"), "host\n").unwrap();
    let first = it.shadow.snapshot(&open(&it.work)).unwrap();
    fs::remove_dir_all(it.work.join("pkg")).unwrap();
    symlink(outside.path(), it.work.join("pkg")).unwrap();
    it.shadow.snapshot(&open(&it.work)).unwrap();
    it.shadow.restore(&open(&it.work), &first).unwrap();
    assert_eq!(
        fs::read_to_string(outside.path().join("a.py")).unwrap(),
        "host\n"
    );
    assert_eq!(
        fs::read_to_string(it.work.join("pkg/a.py")).unwrap(),
        "print(1)\n"
    );
}

#[test]
fn ignored_files_stay_out_of_the_diff_and_tracked_ones_in_it() {
    let keep = tempfile::tempdir().unwrap();
    let work = keep.path().join("work");
    let repository = Repository::init(&work).unwrap();
    fs::write(work.join(".gitignore"), "*.log\n").unwrap();
    fs::write(work.join("kept.log"), "1\n").unwrap();
    let mut index = repository.index().unwrap();
    index.add_path(Path::new(".gitignore")).unwrap();
    index
        .add_all(["kept.log"], git2::IndexAddOption::FORCE, None)
        .unwrap();
    index.write().unwrap();
    let mut shadow = Shadow::open(&keep.path().join("shadow"), Some(&work), false).unwrap();
    let first = shadow.snapshot(&open(&work)).unwrap();
    fs::write(work.join("kept.log"), "2\n").unwrap();
    fs::write(work.join("noise.log"), "x\n").unwrap();
    let second = shadow.snapshot(&open(&work)).unwrap();
    let diff = shadow.diff(&first, &second).unwrap();
    assert!(
        diff.contains("kept.log") && !diff.contains("noise.log"),
        "{diff}"
    );
    assert!(
        diff.starts_with("diff --git a/kept.log b/kept.log\n"),
        "{diff}"
    );
}

#[test]
fn the_tasks_own_git_state_comes_back_with_the_files() {
    let keep = tempfile::tempdir().unwrap();
    let work = keep.path().join("work");
    let repository = Repository::init(&work).unwrap();
    fs::write(work.join("a"), "1").unwrap();
    let mut shadow = Shadow::open(&keep.path().join("shadow"), Some(&work), false).unwrap();
    let head = fs::read(work.join(".git/HEAD")).unwrap();
    let first = shadow.snapshot(&open(&work)).unwrap();
    fs::write(work.join(".git/HEAD"), "ref: refs/heads/elsewhere\n").unwrap();
    fs::write(work.join(".git/refs/heads/x"), "0".repeat(40)).unwrap();
    drop(repository);
    fs::remove_dir_all(work.join(".git/info")).unwrap();
    shadow.restore(&open(&work), &first).unwrap();
    assert_eq!(fs::read(work.join(".git/HEAD")).unwrap(), head);
    assert!(!work.join(".git/refs/heads/x").exists());
    fs::remove_dir_all(work.join(".git")).unwrap();
    shadow.restore(&open(&work), &first).unwrap();
    assert!(Repository::open(&work).is_ok());
}

#[test]
fn pipes_and_dangling_links_neither_block_nor_break_a_snapshot() {
    let mut it = place();
    nix::unistd::mkfifo(&it.work.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink("/nowhere/at/all", it.work.join("dangling")).unwrap();
    let id = it.shadow.snapshot(&open(&it.work)).unwrap();
    fs::remove_file(it.work.join("dangling")).unwrap();
    it.shadow.restore(&open(&it.work), &id).unwrap();
    assert_eq!(
        fs::read_link(it.work.join("dangling")).unwrap(),
        Path::new("/nowhere/at/all")
    );
}

#[test]
fn a_scan_of_an_unchanged_workspace_reads_no_file() {
    let mut it = place();
    std::thread::park_timeout(std::time::Duration::from_millis(60));
    it.shadow.snapshot(&open(&it.work)).unwrap();
    let reads = std::cell::Cell::new(0);
    let store = |_: &[u8]| {
        reads.set(reads.get() + 1);
        Ok(Oid::ZERO_SHA1)
    };
    scan::files(
        &open(&it.work),
        None,
        false,
        &mut it.shadow.files,
        scan::Touch::Nothing,
        store,
    )
    .unwrap();
    assert_eq!(reads.get(), 0);
}

#[test]
fn many_first_starts_on_one_base_make_one_seed() {
    let keep = tempfile::tempdir().unwrap();
    let base = keep.path().join("base");
    let repository = Repository::init(&base).unwrap();
    for number in 0..50 {
        fs::write(base.join(format!("{number}.txt")), number.to_string()).unwrap();
    }
    drop(repository);
    let starts: Vec<_> = (0..8)
        .map(|number| {
            let (base, at) = (base.clone(), keep.path().join(format!("shadow-{number}")));
            std::thread::spawn(move || {
                let mut shadow = Shadow::open(&at, Some(&base), false)?;
                shadow.snapshot(&Workspace::open(&base, None)?)
            })
        })
        .collect();
    let ids: Vec<SnapshotId> = starts
        .into_iter()
        .map(|start| start.join().unwrap().unwrap())
        .collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn rules_that_hide_everything_hide_nothing_from_a_restore() {
    let mut it = place();
    let first = it.shadow.snapshot(&open(&it.work)).unwrap();
    fs::write(it.work.join(".gitignore"), "*\n").unwrap();
    fs::write(it.work.join("hidden"), "x").unwrap();
    it.shadow.restore(&open(&it.work), &first).unwrap();
    assert!(!it.work.join("hidden").exists());
}

#[test]
fn names_that_git_refuses_and_names_that_no_text_holds_come_back() {
    use std::os::unix::ffi::OsStrExt;
    let mut it = place();
    let first = it.shadow.snapshot(&open(&it.work)).unwrap();
    let odd = it.work.join(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    for folder in [it.work.join(".GIT"), it.work.join("git~1"), odd] {
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("config"), "x").unwrap();
    }
    let second = it.shadow.snapshot(&open(&it.work)).unwrap();
    it.shadow.restore(&open(&it.work), &first).unwrap();
    assert!(!it.work.join(".GIT").exists());
    it.shadow.restore(&open(&it.work), &second).unwrap();
    assert!(it.work.join("git~1/config").exists());
}

#[test]
fn a_restore_leaves_no_pipe_and_opens_what_was_closed() {
    use std::os::unix::fs::PermissionsExt;
    let mut it = place();
    let first = it.shadow.snapshot(&open(&it.work)).unwrap();
    nix::unistd::mkfifo(&it.work.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let closed = fs::Permissions::from_mode(0o000);
    fs::set_permissions(it.work.join("pkg/a.py"), closed.clone()).unwrap();
    fs::set_permissions(it.work.join("pkg"), closed).unwrap();
    it.shadow.restore(&open(&it.work), &first).unwrap();
    assert!(!it.work.join("pipe").exists());
    let mode = fs::metadata(it.work.join("pkg/a.py"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn a_restore_leaves_alone_what_is_only_closed_to_writing() {
    use std::os::unix::fs::PermissionsExt;
    let mut it = place();
    let file = it.work.join("pkg/a.py");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    let first = it.shadow.snapshot(&open(&it.work)).unwrap();
    fs::write(it.work.join("new.txt"), "new").unwrap();
    it.shadow.restore(&open(&it.work), &first).unwrap();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o444);
}

/// What a restore in a workspace of ours alone leaves to the whole scan, and what it proves without.
#[test]
fn a_proof_holds_for_what_was_restored_and_for_nothing_else() {
    let mut it = place();
    fs::create_dir(it.work.join("other")).unwrap();
    fs::write(it.work.join("other/c.txt"), "c").unwrap();
    let first = it.shadow.snapshot(&open(&it.work)).unwrap();
    let then = it.shadow.read(&first).unwrap();
    fs::write(it.work.join("pkg/a.py"), "print(2)\n").unwrap();
    fs::write(it.work.join("pkg/new.py"), "new").unwrap();
    let turned = |it: &mut Place| {
        let (now, folders) = it.shadow.scan(&open(&it.work), Touch::Clear).unwrap();
        let mut done = Restored {
            written: 0,
            removed: 0,
            not_restored: Vec::new(),
        };
        let touched = it
            .shadow
            .turn(&open(&it.work), &now, &then, &mut done)
            .unwrap();
        assert_eq!((done.written, done.removed), (1, 2));
        (touched, folders)
    };
    let (touched, folders) = turned(&mut it);
    let holds = |it: &Place| proof::holds(&open(&it.work), &touched, &folders);
    assert!(holds(&it));
    // A file that was written is not as it should be.
    fs::write(it.work.join("pkg/a.py"), "print(3)\n").unwrap();
    assert!(!holds(&it));
    fs::write(it.work.join("pkg/a.py"), "print(1)\n").unwrap();
    assert!(holds(&it));
    // One that was removed is there again.
    fs::write(it.work.join("pkg/new.py"), "new").unwrap();
    assert!(!holds(&it));
    fs::remove_file(it.work.join("pkg/new.py")).unwrap();
    assert!(holds(&it));
    // Something came into a folder that the restore had nothing to do with.
    fs::write(it.work.join("other/d.txt"), "d").unwrap();
    assert!(!holds(&it));
}

#[test]
fn a_restored_rule_is_never_proven_without_a_second_scan() {
    let mut it = place();
    let first = it.shadow.snapshot(&open(&it.work)).unwrap();
    fs::write(it.work.join(".gitignore"), "*\n").unwrap();
    fs::write(it.work.join("hidden"), "x").unwrap();
    let alone = open(&it.work).alone();
    it.shadow.restore(&alone, &first).unwrap();
    assert!(!it.work.join("hidden").exists());
}

#[test]
fn a_restore_of_one_file_opens_one_file() {
    let mut it = place();
    for number in 0..40 {
        fs::write(it.work.join(format!("pkg/{number}.txt")), "text").unwrap();
    }
    std::thread::park_timeout(std::time::Duration::from_millis(60));
    let first = it.shadow.snapshot(&open(&it.work)).unwrap();
    fs::write(it.work.join("pkg/a.py"), "print(2)\n").unwrap();
    let alone = open(&it.work).alone();
    scan::reads::forget();
    let done = it.shadow.restore(&alone, &first).unwrap();
    assert_eq!((done.written, done.removed), (1, 1));
    // The rules, the changed file, and the written one for the proof.
    assert_eq!(scan::reads::count(), 3);
}

#[test]
fn a_restore_that_follows_a_snapshot_inflates_no_tree_and_one_of_an_older_process_only_those_it_has_not_seen()
 {
    let mut it = place();
    for number in 0..10 {
        let folder = it.work.join(format!("pkg/{number}"));
        fs::create_dir(&folder).unwrap();
        // Folders that hold the same are one tree.
        fs::write(folder.join("a.txt"), format!("text {number}")).unwrap();
    }
    let first = it.shadow.snapshot(&open(&it.work)).unwrap();
    fs::write(it.work.join("pkg/3/a.txt"), "other").unwrap();
    let second = it.shadow.snapshot(&open(&it.work)).unwrap();
    let before = trees::inflated::count();
    it.shadow.restore(&open(&it.work), &first).unwrap();
    it.shadow.restore(&open(&it.work), &second).unwrap();
    assert_eq!(trees::inflated::count(), before);

    let at = it.shadow.repository.path().to_owned();
    it.shadow = Shadow::open(&at, None, false).unwrap();
    it.shadow.restore(&open(&it.work), &first).unwrap();
    let all = trees::inflated::count() - before;
    assert!(all >= 12, "{all}");
    // The top, `pkg` and `pkg/3`: the rest has been seen.
    it.shadow.read(&second).unwrap();
    assert_eq!(trees::inflated::count() - before - all, 3);
}
