//! Memory that a model may take: what the system could give, within what groups of processes are held to.
//!
//! Mental model: a container, a batch system's job or a service of systemd is a control group with a limit of its own, far below
//! what the machine has, and what goes beyond it is ended by the kernel without a word. Groups lie in each other, and the
//! tightest one counts. Version 2 of control groups only.
//!
//! The system counts memory when it is touched. A cache of keys and values fills up over hours, so what a model that is open was
//! promised, and has not touched yet, is a [`Promise`], and the next model does not reckon with it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// All promises of this process.
static PROMISED: AtomicU64 = AtomicU64::new(0);

/// Bytes that somebody will touch.
#[derive(Debug)]
pub struct Promise {
    all: &'static AtomicU64,
    whole: u64,
    left: u64,
}

impl Promise {
    /// Promise so many bytes until it is dropped.
    #[must_use]
    pub fn of(whole: u64) -> Self {
        Self::among(&PROMISED, whole)
    }

    fn among(all: &'static AtomicU64, whole: u64) -> Self {
        all.fetch_add(whole, Ordering::Relaxed);
        Self {
            all,
            whole,
            left: whole,
        }
    }

    /// So many of them have been touched, and are counted by the system.
    pub fn touched(&mut self, bytes: u64) {
        let left = self.whole.saturating_sub(bytes);
        let less = self.left.saturating_sub(left);
        self.all.fetch_sub(less, Ordering::Relaxed);
        self.left -= less;
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.all.fetch_sub(self.left, Ordering::Relaxed);
    }
}

/// Bytes that are free and promised to nobody, where the system says.
#[must_use]
pub fn free() -> Option<u64> {
    let machine = of_machine(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    let group = std::fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|text| of_groups(Path::new("/sys/fs/cgroup"), &text));
    let free = group.map_or(machine, |group| machine.min(group));
    Some(free.saturating_sub(PROMISED.load(Ordering::Relaxed)))
}

fn of_machine(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// What the groups around this process leave; none where none has a limit.
fn of_groups(root: &Path, own: &str) -> Option<u64> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mut at = PathBuf::from(own);
    let mut least = None;
    loop {
        // A group that cannot be seen from inside a container is asked no more.
        if let Some(left) = of_group(&root.join(&at)) {
            least = Some(least.map_or(left, |least: u64| least.min(left)));
        }
        if !at.pop() {
            return least;
        }
    }
}

fn of_group(folder: &Path) -> Option<u64> {
    let number = |name: &str| -> Option<u64> {
        let text = std::fs::read_to_string(folder.join(name)).ok()?;
        text.trim().parse().ok()
    };
    let (most, used) = (number("memory.max")?, number("memory.current")?);
    // Pages of files are given back when memory is short.
    let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let files: u64 = stat
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, _)| matches!(*name, "inactive_file" | "active_file"))
        .filter_map(|(_, bytes)| bytes.parse::<u64>().ok())
        .sum();
    Some(most.saturating_sub(used.saturating_sub(files)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_group_around_counts_and_pages_of_files_are_free() {
        let root = tempfile::tempdir().unwrap();
        let group = |at: &str, most: &str, used: &str, stat: &str| {
            let folder = root.path().join(at);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("memory.max"), most).unwrap();
            std::fs::write(folder.join("memory.current"), used).unwrap();
            std::fs::write(folder.join("memory.stat"), stat).unwrap();
        };
        let left = |own: &str| of_groups(root.path(), own);
        assert_eq!(left("0::/a/b\n"), None);
        group("a/b", "max\n", "10\n", "");
        assert_eq!(left("0::/a/b\n"), None);
        group(
            "a",
            "1000\n",
            "900\n",
            "anon 500\ninactive_file 300\nactive_file 50\n",
        );
        assert_eq!(left("0::/a/b\n"), Some(450));
        group("a/b", "100\n", "300\n", "");
        assert_eq!(left("0::/a/b\n"), Some(0));
        assert_eq!(left("1:name=x:/a\n"), None);
        // A container is its own root.
        group("", "64\n", "4\n", "");
        assert_eq!(left("0::/\n"), Some(60));
    }

    #[test]
    fn a_promise_is_what_is_not_touched_and_ends_with_who_got_it() {
        static ALL: AtomicU64 = AtomicU64::new(0);
        let all = || ALL.load(Ordering::Relaxed);
        let other = Promise::among(&ALL, 5);
        let mut promise = Promise::among(&ALL, 100);
        promise.touched(30);
        assert_eq!(all(), 5 + 70);
        // What was touched stays so, and more than was promised is no promise.
        promise.touched(10);
        assert_eq!(all(), 5 + 70);
        promise.touched(130);
        assert_eq!(all(), 5);
        drop(promise);
        assert_eq!(all(), 5);
        drop(other);
        assert_eq!(all(), 0);
    }

    #[test]
    fn what_is_available_is_read_from_the_system_s_own_words() {
        let text = "MemTotal: 10 kB\nMemAvailable:    7 kB\n";
        assert_eq!(of_machine(text), Some(7 * 1024));
        assert_eq!(of_machine("MemTotal: 10 kB\n"), None);
        assert!(free().is_some());
    }
}
