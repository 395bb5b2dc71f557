//! The local engine behind an OpenAI-compatible HTTP server.
//!
//! ```text
//! socket ─▶ listen ─▶ routes ─▶ chat, completions: JSON ─▶ question ─▶ admission ─▶ speech of the engine
//!                        └▶ models, health, metrics                                      │
//!                                     one JSON answer, or server-sent events ◀─ generation
//! ```
//!
//! Mental model: a request is read strictly (a field that would change its reply and is not served is refused by its name, in
//! the protocol's own error form, never ignored: `unserved` has the list; what nobody has heard of is passed over), waits for
//! its turn in a queue of bounded length, and is then one stream of the engine for each choice. The answer *is* the request's
//! life: a client that goes away drops it, which ends the streams within one step of the engine and gives their pages back.
//! Who reads slowly holds up nobody; who does not read at all is cut off.
//!
//! It binds to this machine alone unless told otherwise, and knows nothing of rollouts.

mod admission;
mod chat;
mod completions;
mod fields;
mod generation;
mod listen;
mod messages;
mod metrics;
mod patience;
mod refusal;
mod routes;
mod sampling;
mod stream;
mod unserved;
mod wrapping;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::combinators::UnsyncBoxBody;
use hyper::Response;
use hyper::body::Bytes;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::text::secret::Secret;
use admission::Admission;
use metrics::Metrics;
use refusal::json;

pub use listen::Server;

/// What is sent back.
type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Needed in every request but those for `/health`, where there is one.
    pub key: Option<Secret>,
    /// The model's name; its folder's or file's otherwise.
    pub name: Option<String>,
    /// See there.
    pub limits: Limits,
}

/// What a client may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    /// Choices that are generated at a time.
    pub running: usize,
    /// Requests that wait for their turn; further ones are answered with status 429.
    pub queue: usize,
    /// Tokens of a reply; a request for more is refused.
    pub tokens: Option<usize>,
    /// Choices of one request.
    pub choices: usize,
    /// Connections; further ones wait to be accepted.
    pub connections: usize,
    /// For a request's head to come, and for the next one on the same connection.
    pub head: Duration,
    /// For its body.
    pub body_time: Duration,
    /// For a client to read something of what is sent.
    pub stalled: Duration,
    /// For what is being answered, once the server is told to end.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 16 << 20,
            running: 32,
            queue: 256,
            tokens: None,
            choices: 16,
            connections: 1024,
            head: Duration::from_secs(30),
            body_time: Duration::from_secs(60),
            stalled: Duration::from_secs(120),
            drain: Duration::from_secs(30),
        }
    }
}

/// What all requests share.
struct House {
    engine: Arc<Engine>,
    name: String,
    key: Option<Secret>,
    limits: Limits,
    admission: Admission,
    metrics: Arc<Metrics>,
    /// Seconds since 1970.
    started: u64,
    /// Set when the server is told to end: nothing new begins.
    closing: CancellationToken,
}

impl House {
    fn new(engine: Arc<Engine>, options: Options, closing: CancellationToken) -> Self {
        let Options {
            key, name, limits, ..
        } = options;
        Self {
            name: name.unwrap_or_else(|| engine.name().to_owned()),
            admission: Admission::new(limits.running, limits.queue),
            metrics: Arc::default(),
            started: now(),
            engine,
            key,
            limits,
            closing,
        }
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
