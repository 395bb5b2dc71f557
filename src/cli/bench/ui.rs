//! `spotter bench ui`: what the workbench costs a person who waits for it, and its machine, beside the peer that can do some of
//! the same (mini-swe-agent's inspector).
//!
//! The real program runs in a pty of 200×60, as a person's terminal would run it; times are from a key to the end of the
//! frame that answers it, as it is read from the pty: the emulator that looks at the frame comes after that. What the pty and
//! the threads that read it cost is a line of its own. Rounds of ours and the peer's alternate. What it was measured with is
//! printed with the numbers.

mod drive;
mod hour;
mod long;
mod stream;
mod table;
mod workload;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;

use crate::cli::pty::Terminal;
use crate::cli::{Failure, ink};
use drive::{answer, answer_in, answer_with, memory, ms, quiet};
use stream::{Live, Speed};
pub(super) use table::at_most;
use table::{Goal, Table};
use workload::{MARK, Workload};

/// Arguments of `spotter bench ui`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// How often each thing is done
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = super::counted())]
    repetitions: usize,
    /// Events of the long run
    #[arg(long, value_name = "N", default_value_t = 7_200_000)]
    events: u64,
    /// mini-swe-agent's `mini-extra`, measured beside
    #[arg(long, value_name = "PROGRAM")]
    peer: Option<PathBuf>,
    /// Only what has this in its name: driver start open key stream scroll filter log idle memory long
    #[arg(long, value_name = "WORD")]
    only: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const DRIVER: &str = "the measuring itself: key → echo of `cat`";
const START: &str = "start → first full frame";
const OPEN: &str = "open 168k tokens, 101 messages";
const KEY: &str = "key → frame, idle";
const FILTER: &str = "filter key over 6,048";
const STREAM: &str = "key → frame, 2,000 events/s";
const MEMORY: &str = "memory, tasks";
const OWN: &str = "  of it its own; the rest is the program's file, shared";
const LARGE: &str = "memory, the largest trajectory opened";

/// A part of the measurement, of which all but the long run are.
type Part = fn(&mut Bench) -> io::Result<()>;

struct Bench {
    program: PathBuf,
    peer: Option<PathBuf>,
    workload: Workload,
    table: Table,
    repetitions: usize,
}

impl Bench {
    fn ours(&self, args: &[&str], store: &Path) -> io::Result<Terminal> {
        let args: Vec<&str> = ["tui", "--tasks", "sample"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        drive::start(&self.program, &args, self.workload.folder.path(), store)
    }

    fn on_large(&self) -> io::Result<Terminal> {
        let store = self.workload.store()?;
        self.ours(&[self.workload.large.as_str()], store.root())
    }

    /// A fresh start, with nothing and with the largest trajectory; the peer in between.
    fn starts(&mut self) -> io::Result<()> {
        for _ in 0..self.repetitions {
            let empty = self.workload.folder.path().join("empty");
            let terminal = self.ours(&[], &empty)?;
            let first = terminal
                .wait_frame(drive::LONGEST, |screen| {
                    screen.contents().contains("library")
                })
                .ok_or_else(|| io::Error::other("no first frame"))?;
            self.table.note(
                START,
                "ms",
                Goal::Median(30.0),
                ms(first.duration_since(terminal.started())),
            );
            quiet(&terminal);
            let small = memory(&terminal);
            self.table.note(MEMORY, "MB", Goal::Most(25.0), small);
            let own = drive::own_memory(&terminal);
            self.table.note(OWN, "MB", Goal::None, own);
            drop(terminal);

            let terminal = self.on_large()?;
            let shown = drive::until_framed(&terminal, "Step 1:")?;
            self.table.note(OPEN, "ms", Goal::Median(60.0), shown);
            let settled = ms(quiet(&terminal).duration_since(terminal.started()));
            self.table.note(
                "  and its last change after that (highlighting)",
                "ms",
                Goal::Median(150.0),
                (settled - shown).max(0.0),
            );
            // Fifteen more than what the program may take by itself.
            let large = memory(&terminal);
            self.table.note(LARGE, "MB", Goal::Most(40.0), large);
            drop(terminal);
            self.peer_start()?;
        }
        Ok(())
    }

    fn peer_start(&mut self) -> io::Result<()> {
        let Some(peer) = &self.peer else {
            return Ok(());
        };
        let path = self.workload.peer.display().to_string();
        let terminal = drive::start(
            peer,
            &["inspector", &path],
            self.workload.folder.path(),
            Path::new("/"),
        )?;
        let shown = drive::until_shown(&terminal, MARK)?;
        self.table.peer(OPEN, shown);
        quiet(&terminal);
        self.table.peer(MEMORY, memory(&terminal));
        for _ in 0..4 {
            let before = terminal.text();
            let pressed = Instant::now();
            terminal.press("l")?;
            let seen = terminal.wait(drive::LONGEST, |screen| {
                (screen.contents() != before).then_some(())
            });
            let (at, ()) = seen.ok_or_else(|| io::Error::other("the peer does not answer"))?;
            self.table.peer("next step", ms(at.duration_since(pressed)));
            quiet(&terminal);
        }
        terminal.press("<C-c>")?;
        terminal.press("q")?;
        Ok(())
    }

    /// What the measuring itself costs: a program that only gives back what it gets.
    fn driver(&mut self) -> io::Result<()> {
        let terminal = drive::start(
            Path::new("/bin/sh"),
            &["-c", "stty raw -echo; echo ready; exec cat"],
            self.workload.folder.path(),
            Path::new("/"),
        )?;
        drive::until_shown(&terminal, "ready")?;
        for _ in 0..self.repetitions * 7 {
            let before = terminal.text();
            let pressed = Instant::now();
            terminal.press("x")?;
            let seen = terminal.wait(drive::LONGEST, |screen| {
                (screen.contents() != before).then_some(())
            });
            let (at, ()) = seen.ok_or_else(|| io::Error::other("no echo"))?;
            let took = ms(at.saturating_duration_since(pressed));
            self.table.note(DRIVER, "ms", Goal::None, took);
            std::thread::sleep(Duration::from_millis(15));
        }
        Ok(())
    }

    fn keys(&mut self) -> io::Result<()> {
        let terminal = self.ours(&[], &self.workload.folder.path().join("empty"))?;
        drive::until_shown(&terminal, "20 tasks")?;
        quiet(&terminal);
        for round in 0..self.repetitions * 7 {
            let key = if round % 12 < 6 { "j" } else { "k" };
            let took = answer(&terminal, key)?;
            self.table.note(KEY, "ms", Goal::Both(2.0, 8.0), took);
            std::thread::sleep(Duration::from_millis(15));
        }
        quiet(&terminal);
        let (before, ticks) = (terminal.printed(), drive::ticks(&terminal));
        std::thread::sleep(Duration::from_secs(10));
        let (bytes, frames) = terminal.printed();
        self.table.note(
            "idle for 10 s: frames",
            "frames",
            Goal::Most(0.0),
            (frames - before.1) as f64,
        );
        self.table.note(
            "idle for 10 s: bytes",
            "bytes",
            Goal::Most(0.0),
            (bytes - before.0) as f64,
        );
        let used = (drive::ticks(&terminal) - ticks) as f64;
        self.table.note(
            "idle for 10 s: processor",
            "ticks of 10 ms",
            Goal::Most(0.0),
            used,
        );
        Ok(())
    }

    fn scrolls(&mut self) -> io::Result<()> {
        let terminal = self.on_large()?;
        drive::until_shown(&terminal, "Step 1:")?;
        quiet(&terminal);
        let mut middles = Vec::new();
        for (place, keys, there) in [
            ("top", "gg", "j"),
            ("middle", "25gs", "j"),
            ("bottom", "G", "k"),
        ] {
            terminal.press("zw")?;
            quiet(&terminal);
            terminal.press(keys)?;
            quiet(&terminal);
            let what = format!("scroll, {place}");
            for _ in 0..self.repetitions * 16 {
                // The heading counts the rows below: no other change of the screen is taken for the answer.
                let took = answer_in(&terminal, there, "▌Transcript")?;
                self.table.note(&what, "ms", Goal::Late(5.0), took);
                std::thread::sleep(Duration::from_millis(10));
            }
            middles.push(at_most(self.table.values(&what), 0.5).unwrap_or_default());
        }
        if let [top, .., bottom] = middles.as_slice() {
            self.table.note(
                "scroll, bottom over top (p50)",
                "×",
                Goal::Most(1.5),
                bottom / top,
            );
        }
        for round in 0..self.repetitions {
            let took = answer(&terminal, if round % 20 < 10 { "[" } else { "]" })?;
            self.table.note("next step", "ms", Goal::None, took);
            quiet(&terminal);
        }
        Ok(())
    }

    fn filters(&mut self) -> io::Result<()> {
        let many = self.workload.many();
        let began = Instant::now();
        let terminal = self.ours(&[], &many)?;
        drive::until_shown(&terminal, "20 tasks")?;
        terminal.press("gl")?;
        drive::until_shown(&terminal, "6048 trajectories")
            .or_else(|_| drive::until_shown(&terminal, "6,048 trajectories"))?;
        self.table.note(
            "6,048 trajectories listed, from start",
            "ms",
            Goal::None,
            ms(began.elapsed()),
        );
        quiet(&terminal);
        terminal.press("/")?;
        quiet(&terminal);
        let mut typed = String::new();
        while self.table.values(FILTER).len() < self.repetitions * 10 {
            for key in ["p", "a", "n", "d", "a", "s", "1", "<BS>", "2", "<BS>"] {
                match key {
                    "<BS>" => drop(typed.pop()),
                    letter => typed.push_str(letter),
                }
                // The line that is typed in, and under it the rows that are left: one frame.
                let line = format!("› {typed}");
                let took = answer_with(&terminal, key, |screen| {
                    screen.lines().any(|there| there.trim() == line)
                })?;
                self.table.note(FILTER, "ms", Goal::Late(16.0), took);
                std::thread::sleep(Duration::from_millis(10));
            }
            terminal.press("<C-u>")?;
            typed.clear();
            quiet(&terminal);
        }
        self.table.note(
            "memory with 6,048 listed",
            "MB",
            Goal::None,
            memory(&terminal),
        );
        Ok(())
    }

    fn logs(&mut self) -> io::Result<()> {
        for _ in 0..self.repetitions.div_ceil(3) {
            let store = self.workload.store()?;
            let terminal = self.ours(&[self.workload.logged.as_str()], store.root())?;
            drive::until_shown(&terminal, "resolved")?;
            quiet(&terminal);
            terminal.press("<M-e>")?;
            quiet(&terminal);
            let took = answer_with(&terminal, "<Enter>", |screen| {
                screen.contains("AssertionError")
            })?;
            self.table
                .note("20 MB log: first screen", "ms", Goal::Most(100.0), took);
            quiet(&terminal);
            for _ in 0..10 {
                let took = answer(&terminal, "j")?;
                self.table
                    .note("20 MB log: scroll", "ms", Goal::Late(5.0), took);
                std::thread::sleep(Duration::from_millis(10));
            }
            self.table
                .note("20 MB log: memory", "MB", Goal::None, memory(&terminal));
        }
        Ok(())
    }

    /// The focus goes from pane to pane and back: an answer that a stream of events cannot give by itself.
    fn focus(
        &mut self,
        terminal: &Terminal,
        what: &str,
        goal: Goal,
        times: usize,
    ) -> io::Result<()> {
        for round in 0..times {
            let (key, title) = if round % 2 == 0 {
                ("<Tab>", "▌Diff")
            } else {
                ("<S-Tab>", "▌Transcript")
            };
            let took = answer_with(terminal, key, |screen| screen.contains(title))?;
            self.table.note(what, "ms", goal, took);
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn streams(&mut self) -> io::Result<()> {
        let mut live = Live::begin(&self.workload)?;
        let store = self.workload.store()?;
        let terminal = self.ours(&[live.id.as_str()], store.root())?;
        drive::until_shown(&terminal, "▌Transcript")?;
        let flow = live.flow(Speed::PerSecond(2000), u64::MAX)?;
        std::thread::sleep(Duration::from_secs(1));
        let (before, began, ticks) = (terminal.printed(), Instant::now(), drive::ticks(&terminal));
        let times = self.repetitions * 7 / 2 * 2;
        self.focus(&terminal, STREAM, Goal::Both(3.0, 16.0), times)?;
        let (bytes, frames) = terminal.printed();
        let seconds = began.elapsed().as_secs_f64();
        self.table.note(
            "  frames a second meanwhile (keys included)",
            "frames",
            Goal::None,
            (frames - before.1) as f64 / seconds,
        );
        self.table.note(
            "  kilobytes a second meanwhile",
            "kB",
            Goal::None,
            (bytes - before.0) as f64 / 1000.0 / seconds,
        );
        self.table.note(
            "  processor meanwhile",
            "% of a core",
            Goal::None,
            (drive::ticks(&terminal) - ticks) as f64 / seconds,
        );
        let written = flow.stop()?;
        self.table.say(format!(
            "stream: {written} events written while {times} keys were answered, none lost"
        ));
        Ok(())
    }
}

/// Run the subcommand.
pub(crate) async fn run(args: Args) -> Result<ExitCode, Failure> {
    tokio::task::spawn_blocking(move || measure(&args))
        .await
        .map_err(Failure::error)?
        .map_err(Failure::error)
}

fn measure(args: &Args) -> io::Result<ExitCode> {
    let mut table = Table::default();
    let build = if cfg!(debug_assertions) {
        "debug: no figure stands on it"
    } else {
        "release"
    };
    table.with(
        "spotter",
        format!("{} ({build})", env!("CARGO_PKG_VERSION")),
    );
    table.with(
        "terminal",
        "200×60, answers DA1, CPR, OSC 11, DECRQM; times end when the frame's last byte is read, before it is emulated",
    );
    table.with("kernel", read("/proc/sys/kernel/osrelease"));
    table.with(
        "cores",
        std::thread::available_parallelism()
            .map_or(0, std::num::NonZero::get)
            .to_string(),
    );
    table.with("load before", read("/proc/loadavg"));
    table.with(
        "peer",
        args.peer.as_ref().map_or_else(
            || "none (--peer …/mini-extra)".to_owned(),
            |peer| version(peer),
        ),
    );
    ink::complain("making the workload");
    let mut bench = Bench {
        program: std::env::current_exe()?,
        peer: args.peer.clone(),
        workload: Workload::make()?,
        table,
        repetitions: args.repetitions.max(1),
    };
    let parts: [(&str, Part); 7] = [
        ("driver", Bench::driver),
        ("start open memory", Bench::starts),
        ("key idle", Bench::keys),
        ("scroll", Bench::scrolls),
        ("filter", Bench::filters),
        ("log", Bench::logs),
        ("stream", Bench::streams),
    ];
    let wanted = |names: &str| {
        args.only
            .as_ref()
            .is_none_or(|only| names.contains(only.as_str()))
    };
    for (names, part) in parts {
        if wanted(names) {
            ink::complain(names);
            // What one part cannot measure does not take the others' figures away.
            if let Err(error) = part(&mut bench) {
                bench.table.say(format!("{names}: NOT MEASURED: {error}"));
            }
            let load = read("/proc/loadavg");
            bench.table.with(&format!("load after {names}"), load);
        }
    }
    if wanted("long") && args.events > 0 {
        ink::complain("long");
        if let Err(error) = long::measure(&mut bench, args.events) {
            bench.table.say(format!("long: NOT MEASURED: {error}"));
        }
    }
    bench.table.with("load after", read("/proc/loadavg"));
    if args.json {
        ink::print(&bench.table.json().to_string());
    } else {
        for line in bench.table.lines() {
            ink::print(&line);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// What the peer is: the version of its package, as its own Python says.
fn version(peer: &Path) -> String {
    let python = peer.with_file_name("python");
    let asked = "import importlib.metadata as m; print('mini-swe-agent', m.version('mini-swe-agent'), 'textual', m.version('textual'))";
    std::process::Command::new(python)
        .args(["-c", asked])
        .output()
        .ok()
        .map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
        .filter(|words| !words.is_empty())
        .unwrap_or_else(|| peer.display().to_string())
}
