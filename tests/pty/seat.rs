//! A seat in front of the workbench: a terminal, its keyboard, its screen.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use spotter::cli::pty::{Launch, Terminal};

use crate::record;

/// Longest wait for something that must come.
pub(crate) const LONGEST: Duration = Duration::from_secs(20);

/// What to sit down in front of.
#[derive(Clone)]
pub(crate) struct Seat {
    launch: Launch,
    name: String,
}

impl Seat {
    /// `spotter ARGS` in a test's own folder (home and store below it), 160×48, a terminal that answers.
    pub(crate) fn new(name: &str, folder: &Path, args: &[&str]) -> Self {
        let path = std::env::var("PATH").unwrap();
        let home = folder.join("home");
        std::fs::create_dir_all(&home).unwrap();
        let mut env: Vec<(String, String)> = [
            ("PATH", path.as_str()),
            ("TERM", "xterm-256color"),
            ("COLORTERM", "truecolor"),
            ("LANG", "C.UTF-8"),
            ("HOME", home.to_str().unwrap()),
            ("SPOTTER_STORE", folder.join("store").to_str().unwrap()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        if let Ok(tier) = std::env::var("SPOTTER_TIER") {
            env.push(("SPOTTER_TIER".into(), tier));
        }
        Self {
            launch: Launch {
                program: PathBuf::from(env!("CARGO_BIN_EXE_spotter")),
                args: args.iter().map(|arg| (*arg).to_owned()).collect(),
                env,
                folder: folder.to_owned(),
                width: 160,
                height: 48,
                mute: false,
                keep: true,
            },
            name: name.to_owned(),
        }
    }

    /// Other arguments.
    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.launch.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        self
    }

    /// Another program in place of spotter.
    pub(crate) fn program(mut self, program: &str, args: &[&str]) -> Self {
        self.launch.program = PathBuf::from(program);
        self.launch.args = args.iter().map(|arg| (*arg).to_owned()).collect();
        self
    }

    pub(crate) fn size(mut self, width: u16, height: u16) -> Self {
        (self.launch.width, self.launch.height) = (width, height);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.launch.env.retain(|(there, _)| there != name);
        self.launch.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A terminal that answers no question.
    pub(crate) fn mute(mut self) -> Self {
        self.launch.mute = true;
        self
    }

    /// No welcome: it was seen before.
    pub(crate) fn welcomed(self) -> Self {
        let state = self.launch.folder.join("home/.local/state/spotter");
        std::fs::create_dir_all(&state).unwrap();
        std::fs::write(state.join("session.toml"), "welcomed = true\n").unwrap();
        self
    }

    pub(crate) fn sit(self) -> Sitting {
        let terminal = Terminal::start(&self.launch).unwrap();
        Sitting {
            before: terminal.settings_before().map(str::to_owned),
            terminal,
            store: self.launch.folder.join("store"),
            name: self.name,
            size: (self.launch.width, self.launch.height),
        }
    }
}

/// The program is there.
pub(crate) struct Sitting {
    pub(crate) terminal: Terminal,
    /// The terminal's settings before the program touched them.
    pub(crate) before: Option<String>,
    name: String,
    size: (u16, u16),
    store: PathBuf,
}

impl Sitting {
    /// Type keys.
    pub(crate) fn press(&self, keys: &str) -> &Self {
        // That it has ended meanwhile is for the next look to say.
        let _ = self.terminal.press(keys);
        self
    }

    /// Wait for a text on the screen.
    #[track_caller]
    pub(crate) fn see(&self, text: &str) -> &Self {
        self.wait_for(&format!("`{text}` on the screen"), |screen| {
            screen.contains(text)
        })
    }

    /// Wait until a text is gone.
    #[track_caller]
    pub(crate) fn see_no(&self, text: &str) -> &Self {
        self.wait_for(&format!("no `{text}` on the screen"), |screen| {
            !screen.contains(text)
        })
    }

    /// Wait for what the screen should show.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, mut look: impl FnMut(&str) -> bool) -> &Self {
        let found = self
            .terminal
            .wait(LONGEST, |screen| look(&screen.contents()).then_some(()));
        assert!(
            found.is_some(),
            "{}: waited too long for {what}; the screen:\n{}",
            self.name,
            self.screen()
        );
        self
    }

    /// The screen's text.
    pub(crate) fn screen(&self) -> String {
        self.terminal.text()
    }

    /// Processor time that the program has used, in hundredths of a second.
    pub(crate) fn cpu(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.terminal.pid().unwrap()));
        let stat = stat.unwrap();
        let after_name = stat.rsplit(')').next().unwrap();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        // `utime` and `stime` of proc(5), counted from the state, in ticks of USER_HZ, which is 100 on Linux.
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Everything that reached the terminal.
    pub(crate) fn raw(&self) -> Vec<u8> {
        self.terminal.raw().0
    }

    pub(crate) fn resize(&mut self, width: u16, height: u16) {
        self.size = (width, height);
        self.terminal.resize(width, height).unwrap();
    }

    /// `kill -SIGNAL`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.terminal.pid().unwrap();
        kill(signal, pid);
    }

    /// Wait for its end; the exit code.
    #[track_caller]
    pub(crate) fn exit_code(&mut self) -> u32 {
        let status = self.terminal.end(LONGEST);
        let Some(status) = status else {
            panic!(
                "{}: it does not end; the screen:\n{}",
                self.name,
                self.screen()
            );
        };
        self.record();
        status.exit_code()
    }

    /// Leave as people do.
    #[track_caller]
    pub(crate) fn quit(&mut self) {
        self.press("q");
        assert_eq!(self.exit_code(), 0, "{}", self.screen());
    }

    /// Keep what was seen, where somebody asked for it.
    pub(crate) fn record(&self) {
        let Some(folder) = std::env::var_os("SPOTTER_RECORD") else {
            return;
        };
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let (bytes, pieces) = self.terminal.raw();
        let cast = record::cast(self.size, self.terminal.started(), &bytes, &pieces);
        std::fs::write(folder.join(format!("{}.cast", self.name)), cast).unwrap();
    }

    /// A still of the screen as it is, where somebody asked for it.
    pub(crate) fn still(&self, name: &str) -> &Self {
        if let Some(folder) = std::env::var_os("SPOTTER_RECORD") {
            std::fs::create_dir_all(&folder).unwrap();
            let svg = self.terminal.look(record::svg);
            std::fs::write(PathBuf::from(folder).join(format!("{name}.svg")), svg).unwrap();
        }
        self
    }
}

impl Drop for Sitting {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.record();
            let raw = self.raw();
            let tail = String::from_utf8_lossy(&raw[raw.len().saturating_sub(600)..]).into_owned();
            eprintln!(
                "{}, when it was left (running: {}; the last bytes: {tail:?}):\n{}",
                self.name,
                self.terminal.is_running(),
                self.screen()
            );
            let log = std::process::Command::new("sh")
                .args(["-c", r#"grep -hE '"type":"(control|paused|proposed|step_done|ended)"' "$SPOTTER_STORE"/rollouts/*/events.jsonl | cut -c1-300"#])
                .env("SPOTTER_STORE", self.store.clone())
                .output();
            eprintln!("{}", String::from_utf8_lossy(&log.unwrap().stdout));
        }
    }
}

/// `kill -SIGNAL PID`.
pub(crate) fn kill(signal: &str, pid: u32) {
    let status = std::process::Command::new("kill")
        .args([&format!("-{signal}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "kill -{signal} {pid}");
}

/// Look again and again until it is so.
#[track_caller]
pub(crate) fn until(what: &str, mut look: impl FnMut() -> bool) {
    let began = Instant::now();
    while !look() {
        assert!(began.elapsed() < LONGEST, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
