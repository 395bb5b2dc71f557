//! What programs print, and what hostile ones do.

use proptest::prelude::*;

use super::*;

fn plain(printed: &str) -> Vec<String> {
    lines(printed.as_bytes(), Role::Output)
        .iter()
        .map(|line| line.text().to_owned())
        .collect()
}

#[test]
fn colours_stay_over_line_ends_and_become_roles() {
    let lines = lines(b"a\x1b[1;31mred\nstill\x1b[0m not", Role::Output);
    let pieces: Vec<Vec<_>> = lines
        .iter()
        .map(|line| {
            line.pieces()
                .map(|(text, ink)| (text, ink.role, ink.bold))
                .collect()
        })
        .collect();
    assert_eq!(
        pieces,
        [
            vec![("a", Role::Output, false), ("red", Role::Ansi1, true)],
            vec![("still", Role::Ansi1, true), (" not", Role::Output, false)],
        ]
    );
}

#[test]
fn progress_bars_and_backspaces_come_out_as_they_look_in_the_end() {
    assert_eq!(plain("10%\r50%\r100%\n"), ["100%"]);
    assert_eq!(plain("downloading\rdone\r\n"), ["doneloading"]);
    assert_eq!(plain("downloading\r\x1b[Kdone\n"), ["done"]);
    assert_eq!(plain("abc\x1b[2K\rx"), ["x"]);
    assert_eq!(plain("ab\x08\x08xy\x08"), ["xy"]);
    assert_eq!(plain("ab\x08 \x08"), ["a "]);
    assert_eq!(plain("日本\rx"), ["x 本"]);
    assert_eq!(plain("a\tb"), ["a       b"]);
    assert_eq!(plain("abc\x1b[1Gx\x1b[5Cy\x1b[2Dz"), ["xbc  zy"]);
}

#[test]
fn all_other_sequences_vanish_and_deceiving_characters_are_shown() {
    assert_eq!(
        plain(
            "\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1bPq#0\x1b\\b\x1b[2J\x1b[5;5Hc\x1b(B\x1b7d"
        ),
        ["alinkbcd"]
    );
    assert_eq!(plain("\u{9b}31ma\u{9d}52;c;xyz\u{9c}b"), ["ab"]);
    assert_eq!(plain("a\u{202e}b\u{7}\0"), ["a<U+202E>b␇␀"]);
    assert_eq!(plain("\x1b[8mhidden"), ["hidden"]);
    assert_eq!(plain("\x1b[?25lx\x1b[>4;2my\x1b[ q"), ["xy"]);
}

#[test]
fn an_unfinished_sequence_waits_and_swallows_no_further_line() {
    let mut ansi = Ansi::new(Role::Output);
    ansi.feed(b"a\x1b[3", |_| panic!("no line is finished"));
    assert_eq!(ansi.tail().unwrap().text(), "a");
    ansi.feed(b"1mb\xe2\x82", |_| panic!("no line is finished"));
    assert_eq!(ansi.tail().unwrap().text(), "ab");
    let mut found = Vec::new();
    ansi.feed(b"\xac\x1b]0;never ends\nc", |line| {
        found.push(line.text().to_owned());
    });
    assert_eq!(found, ["ab€"]);
    assert_eq!(ansi.tail().unwrap().text(), "c");
    let long = format!("\x1b]0;{}end", "x".repeat(MAX_STRING + 1));
    assert!(plain(&long)[0].ends_with("xend"));
}

#[test]
fn bytes_that_are_no_text_are_marked() {
    let found = lines(b"a\xffb\xe2\x28", Role::Output);
    assert_eq!(found[0].text(), "a\u{fffd}b\u{fffd}(");
}

#[test]
fn an_endless_line_is_cut_and_its_rest_counted() {
    let printed = "x".repeat(3 * MAX_COLUMNS);
    let mut ansi = Ansi::new(Role::Output);
    for _ in 0..100 {
        ansi.feed(printed.as_bytes(), |_| {});
        // An attack on the row's width.
        ansi.feed(b"\x1b[999999999999C", |_| {});
    }
    assert!(ansi.cells.len() == MAX_COLUMNS);
    let tail = ansi.tail().unwrap();
    assert!(tail.text().ends_with("more columns"));
    assert!(tail.text().len() < MAX_COLUMNS + 60);
}

#[test]
fn few_bytes_make_no_long_rows() {
    let printed = "\x1b[9999999Gx\x1b[9999999Cx\n".repeat(100);
    let lines = lines(printed.as_bytes(), Role::Output);
    let longest = lines.iter().map(|line| line.text().len()).max();
    assert_eq!((lines.len(), longest), (100, Some(2 * MAX_JUMP + 2)));
}

proptest! {
    #[test]
    fn how_the_bytes_are_cut_makes_no_difference(
        parts in proptest::collection::vec(prop_oneof![
            Just("\x1b[1;32m".to_owned()), Just("\x1b]0;x\x07".to_owned()), Just("\r".to_owned()), Just("\n".to_owned()),
            Just("\x08".to_owned()), Just("日".to_owned()), Just("\x1b[K".to_owned()), "[a-z]{1,4}", any::<String>(),
        ], 0..30),
        sizes in proptest::collection::vec(1usize..7, 1..8),
    ) {
        let bytes = parts.concat().into_bytes();
        let whole = lines(&bytes, Role::Output);
        let mut ansi = Ansi::new(Role::Output);
        let mut found = Vec::new();
        let mut rest = bytes.as_slice();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*size).min(rest.len()));
            ansi.feed(now, |line| found.push(line));
            rest = later;
        }
        found.extend(ansi.tail());
        prop_assert_eq!(found, whole);
    }

    #[test]
    fn nothing_hidden_is_left(bytes in any::<Vec<u8>>(), text in any::<String>()) {
        for line in lines(&bytes, Role::Output).into_iter().chain(lines(text.as_bytes(), Role::Output)) {
            prop_assert!(!line.text().chars().any(|c| safe::is_hidden(c) || c == '\n' || c == '\t'));
        }
    }
}
