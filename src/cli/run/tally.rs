//! What many rollouts came to: how many were resolved, with the interval that this many tasks allow; the gym's by level and family.
//!
//! Tasks are the sample: with several attempts at each, the interval is that of the tasks that were solved at least once, since
//! attempts at one task are not independent.

use std::collections::BTreeMap;

use crate::gym;

/// 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Lines for results by task name; none where a rollout was interrupted, which says nothing about the model.
pub(super) fn lines<'a>(results: impl Iterator<Item = (&'a str, Option<bool>)>) -> Vec<String> {
    let (mut rollouts, mut resolved, mut interrupted) = (0, 0, 0);
    let mut solved: BTreeMap<&str, bool> = BTreeMap::new();
    for (task, good) in results {
        let Some(good) = good else {
            interrupted += 1;
            continue;
        };
        rollouts += 1;
        resolved += usize::from(good);
        *solved.entry(task).or_default() |= good;
    }
    let mut lines = Vec::new();
    if interrupted > 0 {
        lines.push(format!(
            "{interrupted} of {} rollouts were not carried to their end and count for nothing here",
            rollouts + interrupted
        ));
    }
    if rollouts == 0 {
        return lines;
    }
    if rollouts == solved.len() {
        lines.push(format!("{} rollouts resolved", share(resolved, rollouts)));
    } else {
        lines.push(format!("{resolved} of {rollouts} rollouts resolved"));
        let once = solved.values().filter(|good| **good).count();
        lines.push(format!(
            "{} tasks solved at least once",
            share(once, solved.len())
        ));
    }
    let mut groups: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (task, good) in &solved {
        let Some((level, fault)) = gym::of_id(task) else {
            continue;
        };
        for group in [format!("level {level}"), fault.to_owned()] {
            let (count, all) = groups.entry(group).or_default();
            *count += usize::from(*good);
            *all += 1;
        }
    }
    if groups.len() > 2 {
        // Levels first.
        let (levels, faults): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|(name, _)| name.starts_with("level "));
        lines.extend(
            levels
                .into_iter()
                .chain(faults)
                .map(|(name, (count, all))| format!("  {name:<11} {}", share(count, all))),
        );
    }
    lines
}

/// `44 of 200 (22.0 %, 95 % interval 16.8 to 28.2 %)`; a handful is told without.
fn share(count: usize, of: usize) -> String {
    if of < 10 {
        return format!("{count} of {of}");
    }
    let (low, high) = wilson(count, of);
    let percent = 100.0 * count as f64 / of as f64;
    format!(
        "{count} of {of} ({percent:.1} %, 95 % interval {:.1} to {:.1} %)",
        100.0 * low,
        100.0 * high
    )
}

/// Wilson's score interval (1927) at 95 % for `count` of `of`, as shares.
fn wilson(count: usize, of: usize) -> (f64, f64) {
    let n = of.max(1) as f64;
    let p = count as f64 / n;
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (
        ((middle - half) / scale).max(0.0),
        ((middle + half) / scale).min(1.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilson_s() {
        let close = |(low, high): (f64, f64), want: (f64, f64)| {
            (low - want.0).abs() < 5e-5 && (high - want.1).abs() < 5e-5
        };
        assert!(
            close(wilson(44, 200), (0.1682, 0.2824)),
            "{:?}",
            wilson(44, 200)
        );
        assert!(close(wilson(0, 20), (0.0, 0.1611)), "{:?}", wilson(0, 20));
    }

    fn ended((task, good): (&str, bool)) -> (&str, Option<bool>) {
        (task, Some(good))
    }

    #[test]
    fn what_was_interrupted_is_told_and_stands_in_no_share() {
        let results = [
            ("a", Some(true)),
            ("b", None),
            ("c", Some(false)),
            ("d", None),
        ];
        assert_eq!(
            lines(results.into_iter()),
            [
                "2 of 4 rollouts were not carried to their end and count for nothing here",
                "1 of 2 rollouts resolved"
            ]
        );
        assert_eq!(lines([("a", None)].into_iter()).len(), 1);
    }

    #[test]
    fn attempts_at_one_task_count_once_for_the_interval() {
        let results = [("a", false), ("a", true), ("b", false), ("b", false)];
        assert_eq!(
            lines(results.map(ended).into_iter()),
            [
                "1 of 4 rollouts resolved",
                "1 of 2 tasks solved at least once"
            ]
        );
    }

    #[test]
    fn the_gym_s_tasks_are_told_by_level_and_family() {
        let results = [
            ("gym__l1-swap-h1-00000", true),
            ("gym__l2-off-by-one-h1-00001", false),
            ("gym__l1-swap-h1-00002", false),
        ];
        let told = lines(results.map(ended).into_iter());
        assert_eq!(
            told,
            [
                "1 of 3 rollouts resolved",
                "  level 1     1 of 2",
                "  level 2     0 of 1",
                "  off-by-one  0 of 1",
                "  swap        1 of 2"
            ]
        );
    }
}
