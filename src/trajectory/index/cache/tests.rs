//! The index: when files are opened, and what is done when it cannot be used.

use super::super::made;
use super::*;
use crate::trajectory::Writer;

fn filled(count: usize) -> (tempfile::TempDir, Store) {
    let keep = tempfile::tempdir().unwrap();
    let store = Store::open(keep.path()).unwrap();
    made::fill(&store, count, 7).unwrap();
    (keep, store)
}

fn refresh(index: &mut Index) -> (Refreshed, Vec<Summary>) {
    let mut told = Vec::new();
    let done = index.refresh(&mut |rows| {
        told.extend(rows);
        true
    });
    (done.unwrap(), told)
}

fn file(store: &Store) -> std::path::PathBuf {
    store.root().join("index.sqlite")
}

fn events(store: &Store, row: &Summary) -> std::path::PathBuf {
    store
        .root()
        .join("rollouts")
        .join(&row.id)
        .join("events.jsonl")
}

#[test]
fn what_was_read_once_is_not_opened_again() {
    let (_keep, store) = filled(600);
    let mut index = Index::open(&store);
    assert!(index.rows().is_empty());
    let (first, told) = refresh(&mut index);
    assert_eq!((first.there, first.opened, told.len()), (600, 600, 600));
    drop(index);
    let mut index = Index::open(&store);
    assert_eq!(index.rows(), told);
    let (second, told) = refresh(&mut index);
    assert_eq!((second.there, second.opened, told.len()), (600, 0, 0));
}

#[test]
fn only_what_changed_is_read_and_what_vanished_is_forgotten() {
    let (_keep, store) = filled(5);
    let rows = refresh(&mut Index::open(&store)).1;
    let text = fs::read_to_string(events(&store, &rows[1])).unwrap();
    let whole = text.lines().count();
    let shorter: Vec<&str> = text.lines().take(1).collect();
    fs::write(events(&store, &rows[1]), shorter.join("\n") + "\n").unwrap();
    assert!(whole > 1);
    fs::remove_dir_all(events(&store, &rows[3]).parent().unwrap()).unwrap();
    let (done, told) = refresh(&mut Index::open(&store));
    assert_eq!(done.opened, 1);
    assert_eq!(done.gone, [rows[3].id.as_str()]);
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0].id, &told[0].ended), (&rows[1].id, &None));
    assert_eq!(Index::open(&store).rows().len(), 4);
}

#[test]
fn a_change_that_keeps_the_size_is_seen_by_its_time() {
    let (_keep, store) = filled(1);
    let row = refresh(&mut Index::open(&store)).1.remove(0);
    let path = events(&store, &row);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("owner__", "other__")).unwrap();
    let later = std::time::SystemTime::now() + Duration::from_secs(5);
    fs::File::open(&path).unwrap().set_modified(later).unwrap();
    let (done, told) = refresh(&mut Index::open(&store));
    assert_eq!(done.opened, 1);
    assert!(told[0].task.starts_with("other__"));
}

#[test]
fn an_index_that_is_gone_broken_or_of_another_version_is_made_again() {
    type Spoil = fn(&Store);
    let spoil: [(&str, Spoil); 5] = [
        ("gone", |store| fs::remove_file(file(store)).unwrap()),
        ("no database", |store| {
            fs::write(file(store), "x".repeat(9000)).unwrap();
        }),
        ("empty", |store| fs::write(file(store), "").unwrap()),
        ("newer", |store| {
            let other = Connection::open(file(store)).unwrap();
            other
                .execute_batch("DROP TABLE rollout; CREATE TABLE rollout (everything TEXT);")
                .unwrap();
            other
                .pragma_update(None, "user_version", SCHEMA + 1)
                .unwrap();
        }),
        ("without its table", |store| {
            let other = Connection::open(file(store)).unwrap();
            other.execute_batch("DROP TABLE rollout").unwrap();
        }),
    ];
    for (how, spoil) in spoil {
        let (_keep, store) = filled(3);
        refresh(&mut Index::open(&store));
        spoil(&store);
        let mut index = Index::open(&store);
        assert!(index.rows().is_empty(), "{how}");
        assert_eq!(refresh(&mut index).0.opened, 3, "{how}");
        drop(index);
        let mut index = Index::open(&store);
        assert_eq!(index.rows().len(), 3, "{how}");
        assert_eq!(refresh(&mut index).0.opened, 0, "{how}");
    }
}

#[test]
fn where_there_is_no_space_or_no_index_at_all_the_files_are_read() {
    let (_keep, store) = filled(40);
    let mut full = Index::open(&store);
    let connection = full.connection.as_ref().unwrap();
    connection.pragma_update(None, "max_page_count", 1).unwrap();
    assert_eq!(refresh(&mut full).1.len(), 40);
    // Nothing could be kept: the next one reads again.
    drop(full);
    assert!(Index::open(&store).rows().is_empty());
    remove(store.root());
    fs::create_dir(file(&store)).unwrap();
    let mut without = Index::open(&store);
    assert!(without.connection.is_none());
    assert_eq!(refresh(&mut without).1.len(), 40);
    assert_eq!(refresh(&mut without).0.opened, 0);
}

#[test]
fn two_that_fill_the_index_at_once_both_end_and_it_is_whole() {
    let (_keep, store) = filled(700);
    let fills: Vec<_> = (0..2)
        .map(|_| {
            let store = store.clone();
            std::thread::spawn(move || refresh(&mut Index::open(&store)).1.len())
        })
        .collect();
    for fill in fills {
        assert_eq!(fill.join().unwrap(), 700);
    }
    let mut index = Index::open(&store);
    assert_eq!(index.rows().len(), 700);
    assert_eq!(refresh(&mut index).0.opened, 0);
}

#[test]
fn a_trajectory_that_cannot_be_read_is_no_row_and_is_not_read_again_until_it_changes() {
    let (_keep, store) = filled(2);
    let rows = refresh(&mut Index::open(&store)).1;
    fs::write(events(&store, &rows[0]), "nonsense\n").unwrap();
    let (done, told) = refresh(&mut Index::open(&store));
    assert_eq!((done.opened, told.len()), (1, 0));
    let mut index = Index::open(&store);
    assert_eq!(index.rows().len(), 1);
    assert_eq!(refresh(&mut index).0.opened, 0);
}

#[test]
fn a_run_that_a_process_works_on_is_live_and_those_who_look_do_not_make_it_so() {
    let (_keep, store) = filled(2);
    let mut index = Index::open(&store);
    let rows = refresh(&mut index).1;
    let id = RolloutId::parse(&rows[0].id).unwrap();
    let writer = Writer::open(&store.folder(&id)).unwrap();
    let told = refresh(&mut index).1;
    assert_eq!(told.len(), 1);
    assert!(told[0].live);
    drop(writer);
    assert!(!index.row(&id).unwrap().live);
    let looking = fs::File::open(store.folder(&id).join("lock")).unwrap();
    looking.try_lock_shared().unwrap();
    assert!(!index.row(&id).unwrap().live);
}

#[test]
fn a_new_field_of_a_row_needs_a_new_version() {
    let (_keep, store) = filled(1);
    let row = refresh(&mut Index::open(&store)).1.remove(0);
    let value = serde_json::to_value(row).unwrap();
    let fields: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let of_version_2 = "id task tasks scaffold model spec kind attempt of batch parent reexecutes started changed seconds steps tokens \
                        ended verdict fail_to_pass pass_to_pass patch marks";
    assert_eq!((SCHEMA, fields.join(" ").as_str()), (2, of_version_2));
}
