//! Links of the terminal (OSC 8): which there are, and what the terminal is sent for them.

use std::sync::Arc;

use super::bench::{Bench, STORED, bench};
use spotter::app::state::Site;
use spotter::task::Family;

const CLOSE: &str = "\u{1b}]8;;\u{1b}\\";

fn linking(width: u16, height: u16) -> Bench {
    let mut bench = bench(width, height).linking();
    bench.state.settings.site = Some(Site {
        store: "/store of mine/\u{1b}]8;;x".into(),
        host: "here".into(),
    });
    bench
}

/// What was sent since the last time.
fn sent(bench: &mut Bench) -> String {
    bench.draw();
    String::from_utf8(std::mem::take(&mut bench.raw)).unwrap()
}

/// Addresses that were opened, in order; each has to be closed before the next, and nothing else begins with OSC.
fn opened(sent: &str) -> Vec<String> {
    let mut urls = Vec::new();
    let mut open = false;
    for part in sent.split("\u{1b}]").skip(1) {
        let (told, _) = part
            .split_once("\u{1b}\\")
            .expect("a sequence is not ended");
        let told = told.strip_prefix("8;").expect("only links");
        if told == ";" {
            assert!(open, "closed twice");
            open = false;
            continue;
        }
        assert!(!open, "not closed: {told}");
        open = true;
        let (id, url) = told.split_once(';').unwrap();
        assert!(id.starts_with("id="), "{told}");
        assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
        urls.push(url.to_owned());
    }
    assert!(!open, "left open");
    urls
}

const FOLDER: &str = "file://here/store%20of%20mine/%1B%5D8%3B%3Bx/rollouts";

#[test]
fn the_notes_lead_to_the_trajectory_and_its_folder() {
    let mut bench = linking(160, 48);
    bench.press("gl<Enter><M-n>zz");
    sent(&mut bench);
    bench.resize(160, 48);
    let told = sent(&mut bench);
    let urls = opened(&told);
    for url in [
        format!("{FOLDER}/{STORED}/events.jsonl"),
        format!("{FOLDER}/{STORED}"),
    ] {
        // The cells of a link are one run of text: it is opened once.
        let count = urls.iter().filter(|there| **there == url).count();
        assert_eq!(count, 1, "{url}: {urls:?}");
    }
    let start = told.find("events.jsonl\u{1b}\\").unwrap();
    let (text, _) = told[start..].split_once(CLOSE).unwrap();
    assert!(text.ends_with(STORED), "{text:?}");
    // Nothing changes, nothing is sent.
    assert_eq!(opened(&sent(&mut bench)), Vec::<String>::new());
    // What was laid over it and taken away again leaves the same screen.
    let before = bench.screen();
    bench.press("?");
    opened(&sent(&mut bench));
    bench.press("<Esc>");
    opened(&sent(&mut bench));
    assert_eq!(bench.screen(), before);
    bench.press("gt");
    let screen = bench.screen();
    assert!(!screen.contains(STORED), "{screen}");
}

#[test]
fn a_raw_log_leads_to_its_file_and_a_name_that_leads_out_of_the_folder_nowhere() {
    let mut bench = linking(80, 24);
    bench.press("gl<Enter><M-e>");
    sent(&mut bench);
    bench.press("<Enter>");
    let url = format!("{FOLDER}/{STORED}/grade-final.log");
    assert_eq!(opened(&sent(&mut bench)), [url]);
    for file in ["../../secret", ".lock", "a/b"] {
        let run = bench.state.run_mut().unwrap();
        run.log.as_mut().unwrap().file = file.into();
        let told = sent(&mut bench);
        assert!(!told.is_empty());
        assert_eq!(opened(&told), Vec::<String>::new(), "{file}");
    }
}

#[test]
fn a_task_leads_to_its_base_commit_where_that_is_on_the_web() {
    let mut bench = linking(160, 48);
    assert_eq!(opened(&sent(&mut bench)), Vec::<String>::new(), "bundled");
    let mut task = (*bench.state.tasks.all[0]).clone();
    task.family = Family::SweGym;
    task.repo = "pandas-dev/pandas".into();
    let url = format!(
        "https://github.com/pandas-dev/pandas/tree/{}",
        task.base_commit
    );
    task.instance_id = "pandas-dev__\u{6f22}-1".into();
    bench.state.tasks.all[0] = Arc::new(task.clone());
    bench.state.tasks.refilter();
    let told = sent(&mut bench);
    // The cursor is moved after a wide character, and the link opened again.
    assert_eq!(opened(&told), [url.clone(), url]);
    let screen = bench.screen();
    assert!(
        screen.contains("pandas-dev__\u{6f22}-1  one line"),
        "{screen}"
    );
    task.repo = "evil\u{1b}]8;;x\u{1b}\\/b".into();
    bench.state.tasks.all[0] = Arc::new(task);
    assert_eq!(opened(&sent(&mut bench)), Vec::<String>::new());
}

#[test]
fn nothing_is_linked_while_presenting_or_where_the_terminal_is_not_known_for_it() {
    let mut bench = linking(160, 48);
    bench.press("gl<Enter><F5>");
    sent(&mut bench);
    bench.press("]]");
    assert_eq!(opened(&sent(&mut bench)), Vec::<String>::new());
    let mut plain = super::bench::bench(160, 48);
    plain.press("gl<Enter>");
    assert!(!sent(&mut plain).contains("\u{1b}]8"));
}
