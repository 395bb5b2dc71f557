//! However it ends, the terminal is as it was: its settings, and every mode that was switched on.
//!
//! A tenth of the ends run with the ordinary tests; `cargo test --test pty -- --ignored two_hundred` runs all of them.

use std::time::Duration;

use crate::model_server::{ModelServer, Turn};
use crate::seat::{LONGEST, Seat, Sitting, until};
use crate::workbench::Bench;

/// What is switched on, and what switches it off.
const MODES: &[(&str, &str, &str)] = &[
    ("the alternate screen", "\x1b[?1049h", "\x1b[?1049l"),
    ("a hidden cursor", "\x1b[?25l", "\x1b[?25h"),
    ("bracketed paste", "\x1b[?2004h", "\x1b[?2004l"),
    ("focus reports", "\x1b[?1004h", "\x1b[?1004l"),
    ("the mouse (buttons)", "\x1b[?1000h", "\x1b[?1000l"),
    ("the mouse (drags)", "\x1b[?1002h", "\x1b[?1002l"),
    ("the mouse (far cells)", "\x1b[?1006h", "\x1b[?1006l"),
    ("the keyboard's flags", "\x1b[>1u", "\x1b[<1u"),
    ("a synchronised frame", "\x1b[?2026h", "\x1b[?2026l"),
];

/// Ways to end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Quit,
    CtrlC,
    Terminate,
    HangUpSignal,
    Interrupt,
    Panic,
    PanicOfATask,
    Suspended,
    Editor,
    EditorCrashed,
    TerminalGone,
    EarlySignal,
}

const ENDS: &[End] = &[
    End::Quit,
    End::CtrlC,
    End::Terminate,
    End::HangUpSignal,
    End::Interrupt,
    End::Panic,
    End::PanicOfATask,
    End::Suspended,
    End::Editor,
    End::EditorCrashed,
    End::TerminalGone,
    End::EarlySignal,
];

/// Every mode is off: what switched it off last came after what switched it on last.
#[track_caller]
fn modes_are_off(raw: &[u8], how: End) {
    let text = String::from_utf8_lossy(raw);
    for (what, on, off) in MODES {
        let (on, off) = (text.rfind(on), text.rfind(off));
        assert!(
            on.is_none() || off > on,
            "{how:?}: {what} is still on ({on:?}, {off:?})"
        );
    }
}

#[track_caller]
fn restored(seat: &Sitting, how: End) {
    modes_are_off(&seat.raw(), how);
    assert!(seat.before.is_some());
    assert_eq!(
        seat.terminal.settings(),
        seat.before,
        "{how:?}: the terminal's settings"
    );
    assert!(
        seat.terminal.look(|screen| !screen.alternate_screen()
            && !screen.hide_cursor()
            && !screen.bracketed_paste()),
        "{how:?}"
    );
}

/// The kernel's own count of what is switched on is what the program was asked for.
#[track_caller]
fn entered(seat: &Sitting) {
    assert_ne!(seat.terminal.settings(), seat.before, "raw mode");
    assert!(seat.terminal.look(vt100::Screen::alternate_screen));
}

async fn end(how: End, number: usize) {
    let bench = Bench::new();
    let folder = bench.folder.path();
    let name = format!("end-{number}-{how:?}");
    let seat = || Seat::new(&name, folder, &["tui", "--tasks", "sample"]).welcomed();
    let plain = |seat: Seat| {
        let seat = seat.sit();
        seat.see("20 tasks");
        entered(&seat);
        seat
    };
    match how {
        End::Quit => {
            let mut seat = plain(seat());
            seat.press("q");
            assert_eq!(seat.exit_code(), 0);
            restored(&seat, how);
        }
        End::CtrlC => {
            let mut seat = plain(seat());
            seat.press("<C-c>");
            assert_eq!(seat.exit_code(), 0);
            restored(&seat, how);
        }
        End::Terminate | End::HangUpSignal | End::Interrupt => {
            let mut seat = plain(seat());
            let (signal, code) = match how {
                End::Terminate => ("TERM", 143),
                End::HangUpSignal => ("HUP", 129),
                _ => ("INT", 130),
            };
            seat.signal(signal);
            assert_eq!(seat.exit_code(), code);
            restored(&seat, how);
        }
        End::EarlySignal => {
            // At any moment of its start.
            let mut seat = seat().sit();
            std::thread::sleep(Duration::from_millis(3 * (number as u64 % 40)));
            seat.signal("TERM");
            seat.exit_code();
            restored(&seat, how);
        }
        End::Panic => {
            let mut seat = plain(seat().env("SPOTTER_TEST_PANIC", "loop"));
            seat.press("j");
            assert_eq!(seat.exit_code(), 101);
            restored(&seat, how);
            assert!(
                seat.screen().contains("SPOTTER_TEST_PANIC"),
                "the panic is told after it"
            );
        }
        End::PanicOfATask => {
            let mut seat = plain(seat().env("SPOTTER_TEST_PANIC", "task"));
            seat.press("j");
            // Another key, so that there is another look.
            std::thread::sleep(Duration::from_millis(50));
            seat.press("k");
            seat.see("a task of spotter's own failed");
            entered(&seat);
            seat.press("q");
            assert_eq!(seat.exit_code(), 0);
            restored(&seat, how);
        }
        End::Suspended => {
            // The shell's own line editing asks for pastes in brackets, too.
            let inputrc = bench.file("inputrc", "set enable-bracketed-paste off\n");
            let seat = seat().env("INPUTRC", inputrc.to_str().unwrap());
            suspended(
                &seat.program("/bin/bash", &["--norc", "--noprofile", "-i"]),
                how,
            );
        }
        End::Editor | End::EditorCrashed => {
            let script = if how == End::Editor {
                "#!/bin/sh\nstty -a > $0.stty\nprintf 'the editor is here'\nkill -INT $PPID\nread answer\n"
            } else {
                "#!/bin/sh\nstty raw -echo\nprintf '\\033[?1049hthe editor is here'\nread answer\nkill -SEGV $$\n"
            };
            let editor = bench.file("editor", script);
            std::process::Command::new("chmod")
                .arg("+x")
                .arg(&editor)
                .status()
                .unwrap();
            around_an_editor(seat().env("EDITOR", editor.to_str().unwrap()), &bench, how).await;
        }
        End::TerminalGone => {
            let mut seat = plain(seat());
            let pid = seat.terminal.pid().unwrap();
            seat.terminal.hang_up();
            assert!(
                seat.terminal.end(LONGEST).is_some(),
                "it ends with its terminal"
            );
            assert!(!std::path::Path::new(&format!("/proc/{pid}/status")).exists());
        }
    }
}

/// Ctrl-Z gives the shell its terminal back, `fg` takes it again.
fn suspended(seat: &Seat, how: End) {
    let mut seat = seat.clone().env("PS1", "ready> ").sit();
    seat.see("ready>")
        .press("stty -g<Enter>")
        .see("ready> stty -g");
    let settings = |seat: &Sitting| {
        let screen = seat.screen();
        let found = screen.lines().rfind(|line| line.matches(':').count() > 10);
        found.map(str::to_owned)
    };
    until("the settings", || settings(&seat).is_some());
    let before = settings(&seat);
    seat.press(&format!(
        "{} tui --tasks sample<Enter>",
        env!("CARGO_BIN_EXE_spotter")
    ))
    .see("20 tasks");
    seat.press("<C-z>").see("Stopped");
    modes_are_off(&seat.raw(), how);
    seat.press("clear; stty -g<Enter>").see_no("Stopped");
    until("the settings again", || settings(&seat).is_some());
    assert_eq!(
        settings(&seat),
        before,
        "the shell's settings while it is stopped"
    );
    seat.press("fg<Enter>").see("20 tasks");
    seat.press("q").see("ready>");
    modes_are_off(&seat.raw(), how);
    seat.press("exit<Enter>");
    seat.exit_code();
}

/// The editor has a terminal as the shell left it; whatever it does with it, the workbench has its own again.
async fn around_an_editor(seat: Seat, bench: &Bench, how: End) {
    let server = ModelServer::start(vec![Turn::call(
        "execute_bash",
        serde_json::json!({"command": "echo waits"}),
    )])
    .await;
    let spec = server.spec();
    let running = bench.start(&["run", crate::workbench::TASK, "--model", &spec, "--step"]);
    bench.until_proposed(1).await;
    let id = bench.only();
    let store = bench.store();
    let mut seat = seat.args(&["tui", id.as_str()]).sit();
    seat.see("approve");
    seat.press("<C-e>").see("the editor is here");
    if how == End::Editor {
        let stty = std::fs::read_to_string(bench.folder.path().join("editor.stty")).unwrap();
        assert!(
            stty.contains(" icanon") && stty.contains(" echo "),
            "{stty}"
        );
    }
    seat.press("<Enter>").press("<C-j>").see("approve");
    entered(&seat);
    // The one that was killed is told; the other's Ctrl-C was its own.
    if how == End::EditorCrashed {
        seat.see("nothing is changed");
    }
    // The run dies, and its sandbox with it: the workbench does not.
    drop(running);
    until("the run is gone", || !store.is_running(&id));
    seat.see("interrupted").press("q");
    // It may not have been seen yet that nobody runs it any more; then it asks.
    until("it ends or asks", || {
        !seat.terminal.is_running() || seat.screen().contains("under way")
    });
    seat.press("y");
    assert_eq!(seat.exit_code(), 0);
    restored(&seat, how);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_is_restored_however_it_ends() {
    for (number, how) in ENDS.iter().cycle().take(20).enumerate() {
        end(*how, number).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes; all the ends"]
async fn the_terminal_is_restored_in_two_hundred_of_two_hundred_ends() {
    for (number, how) in ENDS.iter().cycle().take(200).enumerate() {
        end(*how, number).await;
    }
}

#[test]
fn a_mute_terminal_is_waited_for_shortly_and_restored() {
    let bench = Bench::new();
    let mut seat = Seat::new("mute", bench.folder.path(), &["tui", "--tasks", "sample"])
        .welcomed()
        .mute()
        .sit();
    seat.see("20 tasks");
    seat.press("/tally<Enter>").see("1 of 5");
    seat.quit();
    restored(&seat, End::Quit);
}

#[test]
fn an_answer_that_comes_late_presses_no_key_and_still_chooses_the_theme() {
    let bench = Bench::new();
    let config = bench.folder.path().join("home/.config/spotter");
    std::fs::create_dir_all(&config).unwrap();
    let theme = "theme = { dark = \"gruvbox-dark\", light = \"catppuccin-latte\" }\n";
    std::fs::write(config.join("config.toml"), theme).unwrap();
    let mut seat = Seat::new("late", bench.folder.path(), &["tui", "--tasks", "sample"])
        .welcomed()
        .mute()
        .sit();
    seat.see("20 tasks");
    // Long after the program gave up waiting, and cut in two.
    std::thread::sleep(Duration::from_millis(400));
    seat.terminal.send(b"\x1b]11;rgb:ff").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let rest = b"ff/ffff/ffff\x1b\\\x1b[?62;22c";
    seat.terminal.send(rest).unwrap();
    // The ink of the light theme.
    let light = |screen: &vt100::Screen| {
        let cells = (0..160).filter_map(|column| screen.cell(0, column));
        let mut inks = cells.map(vt100::Cell::fgcolor);
        inks.any(|ink| ink == vt100::Color::Rgb(0x4c, 0x4f, 0x69))
            .then_some(())
    };
    assert!(seat.terminal.wait(Duration::from_secs(20), light).is_some());
    let screen = seat.screen();
    assert!(
        !screen.contains("Commands") && !screen.contains("blind"),
        "{screen}"
    );
    seat.quit();
    restored(&seat, End::Quit);
}
