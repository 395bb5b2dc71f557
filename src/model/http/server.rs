//! The server's address, key and patience, and the one way of talking to it.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Response, Url};

use super::{Failed, Retry};
use crate::hub::http::{builder, chain};
use crate::model::ModelError;
use crate::text::secret::Secret;

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Up to and with `/v1`.
    pub base: Url,
    /// Sent as bearer token.
    pub key: Option<Secret>,
    /// The longest silence: before the first byte and between pieces.
    pub idle: Duration,
    /// When and how often to ask again.
    pub retry: Retry,
}

impl HttpSettings {
    /// Defaults for a base address, with the key of `SPOTTER_API_KEY` or `OPENAI_API_KEY`.
    ///
    /// # Errors
    /// Where the address is none, or holds a password.
    pub fn new(base: &str) -> Result<Self, ModelError> {
        let bad = |why: &str| ModelError::Spec(format!("model address: {why}"));
        let base = Url::parse(base.trim_end_matches('/')).map_err(|error| {
            bad(&format!(
                "`{base}`: {error}; write http://host:port/v1#name"
            ))
        })?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(bad(
                "only http and https are spoken; write http://host:port/v1#name",
            ));
        }
        // The address is shown and stored; a password in it would be, too.
        if base.password().is_some() || !base.username().is_empty() {
            return Err(bad("leave user and password out and set SPOTTER_API_KEY"));
        }
        let key = ["SPOTTER_API_KEY", "OPENAI_API_KEY"]
            .iter()
            .find_map(|name| Secret::new(&std::env::var(name).ok()?));
        Ok(Self {
            base,
            key,
            idle: Duration::from_mins(5),
            retry: Retry::default(),
        })
    }
}

/// The server itself: what every kind of question to it needs.
#[derive(Debug, Clone)]
pub(super) struct Server {
    client: reqwest::Client,
    pub(super) base: Url,
    key: Option<Secret>,
    pub(super) idle: Duration,
}

impl Server {
    pub(super) fn new(settings: &HttpSettings) -> Result<Self, ModelError> {
        let client = builder().build().map_err(|error| {
            ModelError::Spec(format!("HTTPS cannot be set up: {}", chain(&error)))
        })?;
        Ok(Self {
            client,
            base: settings.base.clone(),
            key: settings.key.clone(),
            idle: settings.idle,
        })
    }

    pub(super) fn request(
        &self,
        method: reqwest::Method,
        path: &str,
    ) -> Result<reqwest::RequestBuilder, Failed> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| {
                Failed::ForGood(ModelError::Spec(
                    "the model address takes no path".to_owned(),
                ))
            })?
            .pop_if_empty()
            .extend(path.split('/'));
        let request = self.client.request(method, url);
        Ok(match &self.key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        })
    }

    pub(super) async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, Failed> {
        match tokio::time::timeout(self.idle, request.send()).await {
            Err(_) => Err(Failed::perhaps(self.silent())),
            Ok(Err(error)) if error.is_builder() => {
                Err(Failed::ForGood(ModelError::Spec(chain(&error))))
            }
            Ok(Err(error)) => Err(Failed::perhaps(chain(&error))),
            Ok(Ok(response)) => Ok(response),
        }
    }

    /// At most `most` bytes of a body; what is longer is cut.
    pub(super) async fn body(&self, response: Response, most: usize) -> Result<String, Failed> {
        let mut body = Vec::new();
        let mut pieces = response.bytes_stream();
        while body.len() < most {
            match tokio::time::timeout(self.idle, pieces.next()).await {
                Err(_) => return Err(Failed::perhaps(self.silent())),
                Ok(None) => break,
                Ok(Some(Err(error))) => return Err(Failed::perhaps(chain(&error))),
                Ok(Some(Ok(piece))) => body.extend_from_slice(&piece),
            }
        }
        body.truncate(most);
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    pub(super) fn silent(&self) -> String {
        format!("it said nothing for {} s", self.idle.as_secs_f32())
    }
}
