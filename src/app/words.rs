//! How figures are said: durations as people say them, tokens and bytes short, and always in a fixed width where they stand
//! in columns.

use std::time::Duration;

use jiff::Timestamp;

/// `0.4 s`, `41 s`, `4 min`, `2 h 5 min`.
#[must_use]
pub fn duration(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let whole = took.as_secs();
    match whole {
        0..=9 => format!("{seconds:.1} s"),
        10..=119 => format!("{seconds:.0} s"),
        120..=3599 => format!("{} min", whole / 60),
        3600..=86_399 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// `00:41`, `1:02:03`: a clock that does not move its neighbours.
#[must_use]
pub fn clock(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole seconds of a run, clamped at zero"
    )]
    let whole = seconds.max(0.0) as u64;
    if whole >= 3600 {
        format!(
            "{}:{:02}:{:02}",
            whole / 3600,
            whole % 3600 / 60,
            whole % 60
        )
    } else {
        format!("{:02}:{:02}", whole / 60, whole % 60)
    }
}

/// `611`, `1.2k`, `168k`, `7.2M`.
#[must_use]
pub fn count(n: u64) -> String {
    match n {
        0..=999 => n.to_string(),
        1_000..=9_999 => format!("{:.1}k", n as f64 / 1e3),
        10_000..=999_499 => format!("{:.0}k", n as f64 / 1e3),
        _ => format!("{:.1}M", n as f64 / 1e6),
    }
}

/// `812 B`, `1.9 kB`, `20 kB`, `3.1 MB`, `15.2 GB`.
#[must_use]
pub fn bytes(n: u64) -> String {
    match n {
        0..=999 => format!("{n} B"),
        1_000..=9_999 => format!("{:.1} kB", n as f64 / 1e3),
        10_000..=999_499 => format!("{:.0} kB", n as f64 / 1e3),
        999_500..=999_949_999 => format!("{:.1} MB", n as f64 / 1e6),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}

/// `now`, `4 min ago`, `2 h ago`, `yesterday`, `3 days ago`, `2026-11-21`.
#[must_use]
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs();
    match seconds {
        ..=59 => "now".into(),
        60..=3_599 => format!("{} min ago", seconds / 60),
        3_600..=86_399 => format!("{} h ago", seconds / 3_600),
        86_400..=172_799 => "yesterday".into(),
        172_800..=1_209_599 => format!("{} days ago", seconds / 86_400),
        _ => then.strftime("%Y-%m-%d").to_string(),
    }
}

/// A kind of sandbox in a word.
#[must_use]
pub fn sandbox(kind: crate::sandbox::Kind) -> &'static str {
    match kind {
        crate::sandbox::Kind::Local => "local",
        crate::sandbox::Kind::Docker => "docker",
    }
}

/// `1 file`, `3 files`.
#[must_use]
pub fn many(n: usize, one: &str, more: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_said_as_people_say_them() {
        let said = |seconds| duration(Duration::from_secs_f64(seconds));
        assert_eq!(said(0.44), "0.4 s");
        assert_eq!(said(41.2), "41 s");
        assert_eq!(said(250.0), "4 min");
        assert_eq!(said(7500.0), "2 h 5 min");
        assert_eq!(
            (clock(41.9), clock(3723.0)),
            ("00:41".into(), "1:02:03".into())
        );
        assert_eq!(
            (count(611), count(1_234), count(167_834)),
            ("611".into(), "1.2k".into(), "168k".into())
        );
        assert_eq!(
            (bytes(1_900), bytes(20_000_000)),
            ("1.9 kB".into(), "20.0 MB".into())
        );
        assert_eq!(many(1, "file", "files"), "1 file");
    }
}
