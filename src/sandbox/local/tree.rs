//! Process trees, read from `/proc`: who descends from whom, what they hold in memory, and how to end them all.

use std::collections::BTreeMap;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Parent of every live process that can be seen (zombies hold nothing and are left out).
fn parents() -> BTreeMap<i32, i32> {
    let mut table = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // The name stands in parentheses and may hold any byte; the fields after the last one are plain.
        let Some((_, fields)) = stat.rsplit_once(')') else {
            continue;
        };
        let mut fields = fields.split_whitespace();
        let (state, parent) = (fields.next(), fields.next());
        if let (Some(state), Some(Ok(parent))) = (state, parent.map(str::parse::<i32>))
            && state != "Z"
        {
            table.insert(pid, parent);
        }
    }
    table
}

fn below(table: &BTreeMap<i32, i32>, top: i32) -> Vec<i32> {
    let mut found = Vec::new();
    let mut frontier = vec![top];
    while let Some(parent) = frontier.pop() {
        for (pid, its_parent) in table {
            if *its_parent == parent && !found.contains(pid) && *pid != top {
                found.push(*pid);
                frontier.push(*pid);
            }
        }
    }
    found
}

/// Direct children that are alive.
pub(super) fn children_of(parent: Pid) -> Vec<Pid> {
    parents()
        .into_iter()
        .filter(|(_, its_parent)| *its_parent == parent.as_raw())
        .map(|(pid, _)| Pid::from_raw(pid))
        .collect()
}

/// Bytes resident in everything below `top`; pages shared between processes count once for each.
pub(super) fn memory_of(top: Pid) -> u64 {
    let page = 4096;
    below(&parents(), top.as_raw())
        .into_iter()
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/statm")).ok())
        .filter_map(|statm| {
            let mut fields = statm.split_whitespace().skip(1).map(str::parse::<u64>);
            let (resident, shared) = (fields.next()?.ok()?, fields.next()?.ok()?);
            Some(resident.saturating_sub(shared) * page)
        })
        .sum()
}

/// Kill everything below `top` (not `top` itself). First stop what is there until nothing new appears, so that no fork
/// can outrun the kill. `false` if something was still alive after many rounds.
pub(super) fn end_below(top: Pid) -> bool {
    let signal_all = |signal| {
        let found = below(&parents(), top.as_raw());
        for pid in &found {
            let _ = kill(Pid::from_raw(*pid), signal);
        }
        found
    };
    let mut before = Vec::new();
    for _ in 0..20 {
        let now = signal_all(Signal::SIGSTOP);
        if now.iter().all(|pid| before.contains(pid)) {
            break;
        }
        before = now;
    }
    for _ in 0..200 {
        if signal_all(Signal::SIGKILL).is_empty() {
            return true;
        }
        let _ = nix::poll::poll(&mut [], nix::poll::PollTimeout::from(2u8));
    }
    false
}
