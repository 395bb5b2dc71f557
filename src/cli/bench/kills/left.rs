//! What a killed program and its next start leave behind: processes, mounts, folders, containers.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::sandbox;

/// How long the kernel may take to end what belongs to a process that was killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything that descends from a process now, with the time of its start, which tells it from a later one of the same
/// number.
pub(super) fn descendants(of: Option<u32>) -> Vec<(i32, u64)> {
    let Some(top) = of.and_then(|pid| i32::try_from(pid).ok()) else {
        return Vec::new();
    };
    let table: Vec<(i32, i32, u64)> = numbers().filter_map(stat).collect();
    let mut found: Vec<(i32, u64)> = Vec::new();
    let mut frontier = vec![top];
    while let Some(parent) = frontier.pop() {
        for (pid, its_parent, started) in &table {
            if *its_parent == parent && !found.iter().any(|(there, _)| there == pid) {
                found.push((*pid, *started));
                frontier.push(*pid);
            }
        }
    }
    found
}

fn numbers() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Number, parent and start of a process that is no zombie.
fn stat(pid: i32) -> Option<(i32, i32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold any byte; the fields after the last one are plain.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let state = fields.first()?;
    (!matches!(*state, "Z" | "X")).then_some(())?;
    Some((
        pid,
        fields.get(1)?.parse().ok()?,
        fields.get(19)?.parse().ok()?,
    ))
}

/// What is still there of a store's rollouts when nobody runs them, in words.
pub(super) async fn behind(store: &Path, descendants: &[(i32, u64)], docker: bool) -> Vec<String> {
    let began = Instant::now();
    let mut found = loop {
        let found = alive(store, descendants);
        if found.is_empty() || began.elapsed() > PATIENCE {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    found.extend(folders(store));
    if docker {
        let containers = sandbox::count_containers(store).await;
        if containers > 0 {
            found.push(format!("{containers} containers"));
        }
    }
    found
}

fn alive(store: &Path, descendants: &[(i32, u64)]) -> Vec<String> {
    let mut found: Vec<String> = descendants
        .iter()
        .filter(|(pid, started)| stat(*pid).is_some_and(|(_, _, now)| now == *started))
        .map(|(pid, _)| format!("process {pid}"))
        .collect();
    let rollouts = store.join("rollouts");
    let rollouts = rollouts.to_string_lossy();
    found.extend(
        numbers()
            .filter(|pid| {
                fs::read_to_string(format!("/proc/{pid}/mountinfo"))
                    .is_ok_and(|mounts| mounts.contains(rollouts.as_ref()))
            })
            .map(|pid| format!("a mount seen by process {pid}")),
    );
    found
}

/// Layers, sockets, half-made folders.
fn folders(store: &Path) -> Vec<String> {
    let within = |folder: &Path| -> Vec<std::path::PathBuf> {
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect()
    };
    let kept = ["events.jsonl", "lock", "sandbox", "grade-final.log"];
    let mut found = Vec::new();
    for rollout in within(&store.join("rollouts")) {
        for path in within(&rollout) {
            if !kept.iter().any(|name| path.ends_with(name)) {
                found.push(path);
            }
        }
        found.extend(
            within(&rollout.join("sandbox"))
                .into_iter()
                .filter(|path| !path.ends_with("shadow")),
        );
    }
    let half_made = |path: &std::path::PathBuf| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        name.starts_with('.') || name.contains(".part")
    };
    for base in within(&store.join("bases")) {
        found.extend(
            within(&base)
                .into_iter()
                .filter(|path| path.to_string_lossy().contains(".seed/") && half_made(path)),
        );
        if half_made(&base) {
            found.push(base);
        }
    }
    let inside = |path: &std::path::PathBuf| {
        path.strip_prefix(store)
            .unwrap_or(path)
            .display()
            .to_string()
    };
    found.iter().map(inside).collect()
}
