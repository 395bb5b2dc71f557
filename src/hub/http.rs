//! HTTP clients of the whole program: TLS by rustls and ring, set up once.

use std::sync::Once;
use std::time::Duration;

use reqwest::redirect::Policy;

use super::HubError;

/// Time for TCP and TLS to come about.
pub const CONNECT: Duration = Duration::from_secs(10);

static PROVIDER: Once = Once::new();

/// A client's builder with the program's TLS provider and timeouts for connecting. No limit on a whole answer: those
/// who read decide how long silence may last.
pub fn builder() -> reqwest::ClientBuilder {
    PROVIDER.call_once(|| {
        // Fails only where another provider was installed first, which then serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .user_agent(concat!("spotter/", env!("CARGO_PKG_VERSION")))
}

/// One client that follows redirects and one that shows them.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    pub(super) follow: reqwest::Client,
    pub(super) stay: reqwest::Client,
}

impl Clients {
    pub(super) fn new() -> Result<Self, HubError> {
        let setup = |error: reqwest::Error| HubError::Setup(chain(&error));
        let silence = Duration::from_mins(1);
        let follow = builder()
            .redirect(Policy::limited(10))
            .read_timeout(silence)
            .build();
        let stay = builder()
            .redirect(Policy::none())
            .read_timeout(silence)
            .build();
        Ok(Self {
            follow: follow.map_err(setup)?,
            stay: stay.map_err(setup)?,
        })
    }
}

/// An error with its causes, as one sentence. reqwest's own text leaves the cause out. The address is left out too: a
/// signed one is a secret.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let text = match text.split_once(" for url (") {
            Some((before, _)) => before.to_owned(),
            None => text,
        };
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}
