//! A peer in a process of its own, asked over pipes: it loads the same file and tells seconds.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;

use crate::cli::Failure;

const SCRIPT: &str = include_str!("peer.py");

/// See the module.
pub(super) struct Peer {
    child: Child,
    ask: ChildStdin,
    told: BufReader<ChildStdout>,
    /// What it says of itself: versions and flags.
    pub(super) name: String,
    /// Seconds from its beginning until it could compute.
    pub(super) load: f64,
}

#[derive(Deserialize)]
struct Hello {
    name: String,
    load: f64,
}

#[derive(Deserialize)]
struct Took {
    seconds: f64,
}

impl Peer {
    /// Start one: `python` has the peer's packages, `kind` and what follows are the script's arguments.
    pub(super) fn start(
        python: &Path,
        kind: &str,
        file: &Path,
        more: &[&str],
    ) -> Result<Self, Failure> {
        let failed = |what: String| Failure::error(format!("{}: {what}", python.display()));
        let mut child = Command::new(python)
            .args(["-c", SCRIPT, kind])
            .arg(file)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let (Some(ask), Some(told)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed("no pipes".into()));
        };
        let mut told = BufReader::new(told);
        let hello: Hello = answer(&mut told).map_err(failed)?;
        Ok(Self {
            child,
            ask,
            told,
            name: hello.name,
            load: hello.load,
        })
    }

    /// Seconds that a command took.
    pub(super) fn seconds(&mut self, command: &str) -> Result<f64, Failure> {
        let asked = writeln!(self.ask, "{command}").and_then(|()| self.ask.flush());
        asked.map_err(Failure::error)?;
        let took: Took = answer(&mut self.told)
            .map_err(|why| Failure::error(format!("{}: {why}", self.name)))?;
        Ok(took.seconds)
    }
}

fn answer<T: serde::de::DeserializeOwned>(told: &mut BufReader<ChildStdout>) -> Result<T, String> {
    let mut line = String::new();
    // Libraries print what they like; an answer is an object.
    loop {
        line.clear();
        let read = told
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("the peer ended; what it said is above".into());
        }
        if line.starts_with('{') {
            return serde_json::from_str(&line).map_err(|error| error.to_string());
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
