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

/// A process below `top` that goes by a name (at most 15 bytes, as the kernel keeps them).
pub(super) fn named_below(top: Pid, name: &str) -> Option<i32> {
    let named = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    below(&parents(), top.as_raw()).into_iter().find(named)
}

/// Direct children that are alive.
pub(super) fn children_of(parent: Pid) -> Vec<Pid> {
    parents()
        .into_iter()
        .filter(|(_, its_parent)| *its_parent == parent.as_raw())
        .map(|(pid, _)| Pid::from_raw(pid))
        .collect()
}

/// A process with less shared memory than this is not looked at more closely: programs and libraries are shared, too.
const WORTH_A_LOOK: u64 = 32 << 20;

/// Bytes resident in everything below `top`: what is a process's own, its part of what several share, and segments of
/// System V, which need no process to hold them.
pub(super) fn memory_of(top: Pid) -> u64 {
    let processes: u64 = below(&parents(), top.as_raw())
        .into_iter()
        .filter_map(|pid| {
            let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
            let mut fields = statm.split_whitespace().skip(1).map(str::parse::<u64>);
            let (resident, shared) = (fields.next()?.ok()? * 4096, fields.next()?.ok()? * 4096);
            let part = if shared > WORTH_A_LOOK {
                shared_part(pid)
            } else {
                0
            };
            Some(resident.saturating_sub(shared) + part)
        })
        .sum();
    processes + detached_segments()
}

/// A process's part of the memory that it shares with others of its tree (files of a disk do not count).
fn shared_part(pid: i32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kibibytes = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Pss_Shmem:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Ids of the System V segments of this namespace.
pub(super) fn segments() -> Vec<i32> {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let ids = table.lines().skip(1);
    ids.filter_map(|line| line.split_whitespace().nth(1)?.parse().ok())
        .collect()
}

/// Bytes of the System V segments of this namespace that no process holds (attached ones are counted there).
fn detached_segments() -> u64 {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    let detached = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (attached, resident) = (fields.get(6)?, fields.get(14)?);
        (*attached == "0").then(|| resident.parse::<u64>().ok())?
    });
    detached.sum()
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
        for _ in 0..CHASES {
            chase(top);
        }
        let _ = nix::poll::poll(&mut [], nix::poll::PollTimeout::from(2u8));
    }
    false
}

/// How often the shortest-lived are tried to be caught before all of `/proc` is read again.
const CHASES: usize = 50;

/// Kill what the kernel lists below `top`. A process that forks and ends at once is gone before all of `/proc` has been
/// read; this list is short and read in a few microseconds, but it may miss some while others come and go.
fn chase(top: Pid) {
    let mut frontier = vec![top.as_raw()];
    while let Some(parent) = frontier.pop() {
        let listed = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        for child in listed.unwrap_or_default().split_whitespace() {
            if let Ok(child) = child.parse() {
                let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
                frontier.push(child);
            }
        }
    }
}
