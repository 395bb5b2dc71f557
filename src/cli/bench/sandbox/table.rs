//! The numbers: median, least and most of each thing, the ratio to what it is compared with, and with what they were
//! made.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::field::Field;

/// Each thing of ours and the plain program that does most nearly the same.
const PEERS: &[(&str, &str)] = &[
    ("local: start", "docker run true"),
    ("local: exec `true`", "sh -c true"),
    (
        "local: snapshot, nothing changed",
        "git add, write-tree; nothing changed",
    ),
    (
        "local: snapshot, 1 changed and 1 new",
        "git add, write-tree; 1 changed and 1 new",
    ),
    ("local: restore", "git read-tree --reset -u"),
    ("local: fork", "bwrap true"),
    ("docker: start", "docker run -d, docker cp"),
    ("docker: exec `true`", "docker exec true"),
    (
        "docker: snapshot, nothing changed",
        "git add, write-tree; nothing changed",
    ),
    (
        "docker: snapshot, 1 changed and 1 new",
        "git add, write-tree; 1 changed and 1 new",
    ),
    ("docker: restore", "git read-tree --reset -u"),
    ("docker: fork", "docker run -d, docker cp"),
];

/// Times in milliseconds by name, in the order in which they first came.
pub(super) struct Table {
    times: Vec<(String, Vec<f64>)>,
    made_with: Vec<(String, String)>,
}

impl Table {
    pub(super) fn new(field: &Field) -> Self {
        let build = if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        };
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let made_with = [
            (
                "spotter",
                format!("{} ({build})", env!("CARGO_PKG_VERSION")),
            ),
            ("kernel", file("/proc/sys/kernel/osrelease")),
            ("git", said("git", &["--version"])),
            (
                "docker",
                said("docker", &["version", "--format", "{{.Server.Version}}"]),
            ),
            (
                "storage",
                said("docker", &["info", "--format", "{{.Driver}}"]),
            ),
            ("bwrap", said("bwrap", &["--version"])),
            ("cores", cores.to_string()),
            ("files", field.files.to_string()),
            ("load before", file("/proc/loadavg")),
        ];
        Self {
            times: Vec::new(),
            made_with: made_with
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
        }
    }

    pub(super) fn note(&mut self, what: &str, took: Duration) {
        let took = took.as_secs_f64() * 1000.0;
        match self.times.iter_mut().find(|(name, _)| name == what) {
            Some((_, times)) => times.push(took),
            None => self.times.push((what.to_owned(), vec![took])),
        }
    }

    pub(super) fn finish(&mut self) {
        self.made_with
            .push(("load after".into(), file("/proc/loadavg")));
        for (_, times) in &mut self.times {
            times.sort_by(f64::total_cmp);
        }
    }

    fn median(&self, what: &str) -> Option<f64> {
        let (_, times) = self.times.iter().find(|(name, _)| name == what)?;
        median(times)
    }

    fn peer(&self, what: &str) -> Option<(&'static str, f64)> {
        let (_, peer) = PEERS.iter().find(|(name, _)| *name == what)?;
        Some((peer, self.median(what)? / self.median(peer)?))
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let width = self
            .times
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or(0);
        let mut lines = vec![format!("{:width$}  median (min–max) ms, n", "")];
        for (name, times) in &self.times {
            let (least, most) = (times.first().copied(), times.last().copied());
            let ratio = self
                .peer(name)
                .map(|(peer, ratio)| format!("  {ratio:.2} × {peer}"))
                .unwrap_or_default();
            lines.push(format!(
                "{name:width$}  {:.1} ({:.1}–{:.1}), {}{ratio}",
                median(times).unwrap_or_default(),
                least.unwrap_or_default(),
                most.unwrap_or_default(),
                times.len()
            ));
        }
        lines.extend(
            self.made_with
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        lines
    }

    pub(super) fn json(&self) -> Value {
        let times: Vec<Value> = self
            .times
            .iter()
            .map(|(name, times)| {
                let peer = self.peer(name);
                json!({
                    "what": name,
                    "median_ms": median(times),
                    "min_ms": times.first(),
                    "max_ms": times.last(),
                    "n": times.len(),
                    "peer": peer.map(|(peer, _)| peer),
                    "ratio": peer.map(|(_, ratio)| ratio),
                })
            })
            .collect();
        let made_with: serde_json::Map<String, Value> = self
            .made_with
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        json!({"made_with": made_with, "times": times})
    }
}

/// Of sorted times.
fn median(times: &[f64]) -> Option<f64> {
    let middle = times.len() / 2;
    if times.len() % 2 == 1 {
        return times.get(middle).copied();
    }
    let (low, high) = (times.get(middle.checked_sub(1)?)?, times.get(middle)?);
    Some(f64::midpoint(*low, *high))
}

fn file(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn said(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(out) if out.status.success() => String::from_utf8_lossy(&out.stdout).trim().to_owned(),
        _ => "not here".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[1.0, 2.0, 6.0, 9.0]), Some(4.0));
    }
}
