//! Between two steps: people's wishes are granted, pauses are waited out, limits looked at, and what people said becomes
//! messages.
//!
//! Time is counted as work unless the rollout waits for a person; time worked before an interruption counts.

use std::time::{Duration, Instant};

use super::RolloutError;
use super::drive::Driver;
use crate::model::{Message, Role};
use crate::trajectory::event::{Ended, Event, Origin};

/// How long a rollout has worked.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    earlier: Duration,
    waited: Duration,
    waiting: Option<Instant>,
    stepped: Option<Instant>,
}

impl Clock {
    /// It begins now, after so much earlier work.
    pub(super) fn after(earlier: Duration) -> Self {
        Self {
            began: Instant::now(),
            earlier,
            waited: Duration::ZERO,
            waiting: None,
            stepped: None,
        }
    }

    /// It waits for a person from now on, or does not any more; whether that is new.
    fn wait(&mut self, waits: bool) -> bool {
        match (self.waiting, waits) {
            (None, true) => self.waiting = Some(Instant::now()),
            (Some(since), false) => {
                self.waited += since.elapsed();
                self.waiting = None;
            }
            _ => return false,
        }
        true
    }

    /// How long the next step has to wait, where steps begin no faster than `pace`.
    fn early(&self, pace: Duration) -> Option<Duration> {
        let since = self.stepped?.elapsed();
        pace.checked_sub(since).filter(|left| !left.is_zero())
    }

    fn worked(&self) -> Duration {
        let waiting = self.waiting.map_or(Duration::ZERO, |since| since.elapsed());
        (self.earlier + self.began.elapsed()).saturating_sub(self.waited + waiting)
    }
}

impl Driver {
    /// Grant wishes, wait while paused, look at the limits.
    pub(super) async fn between_steps(&mut self) -> Result<Option<Ended>, RolloutError> {
        let doing = "between two steps";
        loop {
            self.update_summary();
            self.desk.drain(doing);
            self.apply_granted();
            while let Some(request) = self.desk.kept.pop_front() {
                self.grant(request).await?;
            }
            if self.abandon.is_cancelled() {
                return Err(self.abandoned());
            }
            if self.desk.stop.is_some() {
                return Ok(Some(self.stopped()));
            }
            let waiting =
                self.taken.is_some() || self.desk.paused || self.desk.steps_left == Some(0);
            if !waiting {
                if let Some(ended) = self.limit_reached() {
                    return Ok(Some(ended));
                }
                let Some(left) = self.clock.early(self.attempt.pace) else {
                    break;
                };
                self.dawdle(left).await?;
                continue;
            }
            let why = if self.taken.is_some() {
                "a person has the shell"
            } else {
                "a person paused it"
            };
            self.show_paused(true, why)?;
            self.wait_for_news("paused").await?;
        }
        self.show_paused(false, "")?;
        self.clock.stepped = Some(Instant::now());
        for text in self.state.unheard.clone() {
            let id = self.state.next_message;
            self.emit(Event::Message {
                id,
                origin: Origin::Human,
                message: Message::text(Role::User, text),
                replaces: None,
            })?;
            self.memory.watch.human();
        }
        Ok(None)
    }

    /// Let people look at the last step. What they want meanwhile is heard at once; nobody there is no reason to hurry.
    async fn dawdle(&mut self, left: Duration) -> Result<(), RolloutError> {
        self.show_paused(false, "")?;
        self.clock.wait(true);
        let news = async {
            if !self.desk.news("between two steps").await {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = news => {}
            () = tokio::time::sleep(left) => {}
            () = self.abandon.cancelled() => return Err(self.abandoned()),
        }
        self.clock.wait(false);
        Ok(())
    }

    pub(super) async fn wait_for_news(&mut self, doing: &str) -> Result<(), RolloutError> {
        tokio::select! {
            came = self.desk.news(doing) => {
                if !came {
                    // Nobody is left who could let it go on.
                    self.desk.stop = Some("paused, and nobody is left to resume it".into());
                }
                Ok(())
            }
            () = self.abandon.cancelled() => Err(self.abandoned()),
        }
    }

    pub(super) fn show_paused(&mut self, paused: bool, why: &str) -> Result<(), RolloutError> {
        if self.clock.wait(paused) {
            self.emit(Event::Paused {
                paused,
                why: why.into(),
            })?;
        }
        Ok(())
    }

    /// When the rollout's own time is over, if it has a limit.
    pub(super) fn deadline(&self) -> Option<tokio::time::Instant> {
        let limit = Duration::from_secs(self.limits().wall_seconds);
        let left = limit.saturating_sub(self.clock.worked());
        (!limit.is_zero()).then(|| tokio::time::Instant::now() + left)
    }

    /// Take in what the desk has put on record.
    pub(super) fn apply_granted(&mut self) {
        for record in std::mem::take(&mut self.desk.granted) {
            self.state.apply(&record);
        }
    }

    fn limit_reached(&self) -> Option<Ended> {
        let limits = self.limits();
        let (prompt, reply) = self.state.tokens;
        let seconds = self.clock.worked().as_secs();
        let cost = self.attempt.price.map_or(0.0, |price| {
            (prompt as f64 * price.prompt + reply as f64 * price.reply) / 1e6
        });
        let which = if self.state.step >= limits.turns {
            "turns"
        } else if limits.tokens > 0 && prompt + reply >= limits.tokens {
            "tokens"
        } else if limits.wall_seconds > 0 && seconds >= limits.wall_seconds {
            "wall time"
        } else if limits.cost > 0.0 && cost >= limits.cost {
            "cost"
        } else {
            return None;
        };
        Some(Ended::Limit {
            which: which.into(),
        })
    }

    fn update_summary(&mut self) {
        let limits = self.limits();
        let summary = serde_json::json!({
            "rollout": self.id.as_str(),
            "task": self.attempt.task.instance_id,
            "step": self.state.step,
            "turns": limits.turns,
            "tokens": self.state.tokens.0 + self.state.tokens.1,
            "model": self.attempt.model.info(),
            "sandbox": self.sandbox.report().tier,
        });
        if let serde_json::Value::Object(summary) = summary {
            self.desk.summary = summary;
        }
    }
}
