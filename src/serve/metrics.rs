//! What the server counts, in the text form that Prometheus reads.
//!
//! Names follow its conventions: a counter ends in `_total`, units are seconds and tokens. Nothing of a request's content
//! is in them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::engine::schedule::Load;
use crate::model::Usage;

/// Upper ends of the buckets of times, in seconds.
const BUCKETS: [f64; 12] = [
    0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0,
];

/// See the module.
#[derive(Default)]
pub(super) struct Metrics {
    /// By route and status.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    prompt_tokens: AtomicU64,
    cached_tokens: AtomicU64,
    completion_tokens: AtomicU64,
    abandoned: AtomicU64,
    first: Histogram,
    whole: Histogram,
}

/// Times, counted by bucket.
#[derive(Default)]
struct Histogram {
    counts: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Histogram {
    fn put(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        for (end, count) in BUCKETS.iter().zip(&self.counts) {
            if seconds <= *end {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn write(&self, name: &str, help: &str, out: &mut String) {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        for (end, count) in BUCKETS.iter().zip(&self.counts) {
            let count = count.load(Ordering::Relaxed);
            let _ = writeln!(out, "{name}_bucket{{le=\"{end}\"}} {count}");
        }
        let count = self.count.load(Ordering::Relaxed);
        let sum = self.micros.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(
            out,
            "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {sum}\n{name}_count {count}"
        );
    }
}

impl Metrics {
    /// A request was answered.
    pub(super) fn answered(&self, route: &'static str, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route, status)).or_default() += 1;
    }

    /// Something was said for the first time.
    pub(super) fn first_token(&self, time: Duration) {
        self.first.put(time);
    }

    /// A generation is over, or nobody wanted the rest of it.
    pub(super) fn generated(&self, usage: Usage, time: Duration, abandoned: bool) {
        let add = |to: &AtomicU64, tokens| to.fetch_add(tokens, Ordering::Relaxed);
        add(&self.prompt_tokens, usage.prompt_tokens);
        add(&self.cached_tokens, usage.cached_tokens);
        add(&self.completion_tokens, usage.completion_tokens);
        if abandoned {
            add(&self.abandoned, 1);
        } else {
            self.whole.put(time);
        }
    }

    /// Everything, as text.
    pub(super) fn text(&self, load: &Load, running: usize, waiting: usize) -> String {
        let mut out = String::with_capacity(4096);
        let name = "spotter_http_requests_total";
        let _ = writeln!(
            out,
            "# HELP {name} Requests answered, by route and status.\n# TYPE {name} counter"
        );
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for ((route, status), count) in requests.iter() {
            let _ = writeln!(
                out,
                "{name}{{route=\"{route}\",status=\"{status}\"}} {count}"
            );
        }
        drop(requests);
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        let own: [(&str, &str, f64); 6] = [
            (
                "prompt_tokens_total",
                "Tokens of contexts.",
                of(&self.prompt_tokens),
            ),
            (
                "cached_tokens_total",
                "Tokens of contexts that were there already.",
                of(&self.cached_tokens),
            ),
            (
                "completion_tokens_total",
                "Tokens of replies.",
                of(&self.completion_tokens),
            ),
            (
                "abandoned_total",
                "Generations that ended before their time.",
                of(&self.abandoned),
            ),
            (
                "choices_running",
                "Choices that are generated.",
                running as f64,
            ),
            (
                "requests_waiting",
                "Requests that wait for their turn.",
                waiting as f64,
            ),
        ];
        for (name, help, value) in own.into_iter().chain(of_engine(load)) {
            // By the convention that the names keep.
            let kind = if name.ends_with("_total") {
                "counter"
            } else {
                "gauge"
            };
            let _ = writeln!(
                out,
                "# HELP spotter_{name} {help}\n# TYPE spotter_{name} {kind}\nspotter_{name} {value}"
            );
        }
        let first = "spotter_first_token_seconds";
        self.first.write(
            first,
            "From a request to the first text of its reply.",
            &mut out,
        );
        let whole = "spotter_generation_seconds";
        self.whole
            .write(whole, "From a request to the end of its reply.", &mut out);
        out
    }
}

/// Names, what they are, and their values.
fn of_engine(load: &Load) -> [(&'static str, &'static str, f64); 14] {
    let pages = load.pages;
    [
        (
            "engine_streams",
            "Streams that the engine serves.",
            load.streams as f64,
        ),
        (
            "engine_waiting",
            "Streams that wait in the engine.",
            load.waiting as f64,
        ),
        ("engine_pages", "Pages of the cache.", pages.pages as f64),
        (
            "engine_pages_held",
            "Pages that streams hold.",
            pages.held as f64,
        ),
        (
            "engine_pages_kept",
            "Pages kept for contexts that begin alike.",
            pages.kept as f64,
        ),
        (
            "engine_pages_given_up_total",
            "Pages given up for others.",
            pages.given_up as f64,
        ),
        (
            "engine_tokens_asked_total",
            "Tokens of contexts that were looked for.",
            pages.asked as f64,
        ),
        (
            "engine_tokens_found_total",
            "Tokens of contexts that were found.",
            pages.found as f64,
        ),
        (
            "engine_tokens_read_total",
            "Tokens of contexts that were computed.",
            load.read as f64,
        ),
        (
            "engine_tokens_drawn_total",
            "Tokens that were drawn.",
            load.drawn as f64,
        ),
        (
            "engine_tokens_guessed_total",
            "Tokens that were guessed ahead.",
            load.guessed as f64,
        ),
        (
            "engine_tokens_accepted_total",
            "Guesses that were right.",
            load.accepted as f64,
        ),
        (
            "engine_steps_total",
            "Steps of the engine.",
            load.steps as f64,
        ),
        ("engine_busy_seconds_total", "Seconds in steps.", load.busy),
    ]
}
