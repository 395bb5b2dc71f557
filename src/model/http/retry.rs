//! When to ask again.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// How often, and with which pauses, a failed question is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all.
    pub attempts: u32,
    /// The first pause; each further one is twice as long.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 6,
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
        }
    }
}

/// The longest that a server may ask us to wait.
const LONGEST_ASKED: Duration = Duration::from_mins(5);

impl Retry {
    /// The pause after so many failures: between half and all of the doubled one, so that many rollouts that failed
    /// together do not come back together; never less than the server asked for.
    pub(super) fn pause(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let doubled = self
            .first
            .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        let full = doubled.min(self.longest);
        // The hasher's keys are random: enough for spreading out.
        let spread = u32::try_from(RandomState::new().hash_one(failures) % 1024).unwrap_or(0);
        let own = full / 2 + full / 2 * spread / 1024;
        own.max(asked.unwrap_or_default().min(LONGEST_ASKED))
    }
}

/// `Retry-After`: seconds, or a date.
pub(super) fn after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(jiff::Timestamp::now())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_stay_bounded_and_heed_the_server() {
        let retry = Retry::default();
        for failures in 1..20 {
            let pause = retry.pause(failures, None);
            let full = retry
                .first
                .saturating_mul(2_u32.saturating_pow(failures - 1))
                .min(retry.longest);
            assert!(full / 2 <= pause && pause <= full, "{failures}: {pause:?}");
        }
        assert_eq!(
            retry.pause(1, Some(Duration::from_secs(70))),
            Duration::from_secs(70)
        );
        assert_eq!(
            retry.pause(1, Some(Duration::from_secs(9999))),
            LONGEST_ASKED
        );
    }

    #[test]
    fn retry_after_may_be_seconds_or_a_date() {
        assert_eq!(after("2"), Some(Duration::from_secs(2)));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
        assert_eq!(after("-1"), None);
    }
}
