//! Too much at once: two hundred resizes, a megabyte pasted, keys typed faster than frames are drawn.

use crate::seat::{Seat, until};
use crate::workbench::Bench;

#[test]
fn two_hundred_resizes_down_to_one_cell_leave_a_whole_screen() {
    let bench = Bench::new();
    let mut seat = Seat::new(
        "resizes",
        bench.folder.path(),
        &["tui", "--tasks", "sample"],
    )
    .welcomed()
    .sit();
    seat.see("20 tasks");
    let sizes = [
        (1, 1),
        (20, 5),
        (300, 90),
        (80, 24),
        (40, 10),
        (2, 60),
        (250, 2),
        (160, 48),
    ];
    for (number, (width, height)) in sizes.into_iter().cycle().take(200).enumerate() {
        seat.resize(width, height);
        // Some come while a frame is drawn, some between two.
        if number % 9 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        seat.press(if number % 2 == 0 { "j" } else { "k" });
    }
    seat.resize(80, 24);
    seat.see("20 tasks");
    seat.resize(160, 48);
    seat.see("20 tasks").see("spotter__tally-130").see("filter");
    // Each line is what a whole redraw would put there, once the last of the keys was taken.
    let quiet = || {
        let silence = std::time::Duration::from_millis(200);
        let _ = seat.terminal.settle(silence, crate::seat::LONGEST);
    };
    quiet();
    let before = seat.screen();
    seat.press("<C-l>");
    quiet();
    assert_eq!(
        seat.screen(),
        before,
        "what was on the screen was what should be"
    );
    seat.quit();
}

#[test]
fn a_megabyte_pasted_is_text_and_never_keys() {
    let bench = Bench::new();
    let mut seat = Seat::new("paste", bench.folder.path(), &["tui", "--tasks", "sample"])
        .welcomed()
        .sit();
    seat.see("20 tasks");
    // Where nothing takes text, nothing happens, whatever the text says.
    let text = "q\r:app.quit now\r\u{1b}[31m".repeat(1 << 20 >> 4);
    seat.terminal.paste(&text).unwrap();
    seat.see("nothing takes a paste here");
    seat.press("/");
    seat.terminal.paste(&text).unwrap();
    seat.press("<C-u>tally-108<Enter>").see("1 of 1");
    assert!(seat.terminal.is_running());
    seat.quit();
}

#[test]
fn no_key_is_lost_however_fast_they_come() {
    let bench = Bench::new();
    let mut seat = Seat::new("typing", bench.folder.path(), &["tui", "--tasks", "sample"])
        .welcomed()
        .sit();
    seat.see("20 tasks").press("/");
    let word = "abcdefghijklmnopqrstuvwxyz".repeat(4);
    for piece in word.as_bytes().chunks(3) {
        seat.terminal.send(piece).unwrap();
    }
    // A narrow field shows the end of it.
    let end = &word[word.len() - 60..];
    until("all of it", || seat.screen().contains(end));
    for _ in 0..word.len() {
        seat.terminal.send(b"\x7f").unwrap();
    }
    // As many were typed as are taken away: one more, and the field is empty and the list whole.
    seat.press("tally-108").see("1 of 1");
    seat.press("<Enter>");
    seat.quit();
}
