//! What is answered where a request cannot be served: a status, and the error object that OpenAI's clients read.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::Answer;
use crate::engine::EngineError;

/// See the module.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            code: None,
            param: None,
            message: message.into(),
        }
    }

    fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// The request says something that is not understood or not served.
    pub(super) fn wrong(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// One of its parameters does.
    pub(super) fn parameter(name: impl Into<String>, message: impl std::fmt::Display) -> Self {
        let name = name.into();
        let refusal = Self::wrong(format!("`{name}` {message}"));
        Self {
            param: Some(name),
            ..refusal
        }
    }

    /// More context than there is.
    pub(super) fn too_long(message: impl Into<String>) -> Self {
        let refusal = Self::wrong(message).with_code("context_length_exceeded");
        Self {
            param: Some("messages".into()),
            ..refusal
        }
    }

    /// No such model.
    pub(super) fn model(name: &str, known: &[String]) -> Self {
        let message = format!(
            "The model `{}` does not exist; there are: {}",
            shortened(name),
            known.join(", ")
        );
        let refusal = Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message);
        Self {
            param: Some("model".into()),
            ..refusal.with_code("model_not_found")
        }
    }

    /// No such address, or not with this method.
    pub(super) fn address(status: StatusCode, method: &str, path: &str) -> Self {
        let path = shortened(path);
        let message = format!(
            "There is no {method} {path} here; there are: GET /v1/models, POST /v1/chat/completions, POST /v1/completions, \
             GET /health, GET /metrics"
        );
        Self::new(status, "invalid_request_error", message).with_code("unknown_url")
    }

    /// No key, or another one.
    pub(super) fn key() -> Self {
        let message = "A key is needed: send `Authorization: Bearer KEY` with the key that the server was started with";
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message)
            .with_code("invalid_api_key")
    }

    /// A body that is larger than is read.
    pub(super) fn too_large(most: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalid_request_error",
            format!("The body is larger than {most} bytes"),
        )
    }

    /// A body that does not come.
    pub(super) fn slow(seconds: u64) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "invalid_request_error",
            format!("The body did not come within {seconds} s"),
        )
    }

    /// Too many wait already.
    pub(super) fn busy(waiting: usize) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_error",
            format!("{waiting} requests wait already; try again later"),
        )
        .with_code("rate_limit_exceeded")
    }

    /// The server is about to end.
    pub(super) fn closing() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "server_error",
            "The server is shutting down",
        )
    }

    /// The error object.
    pub(super) fn body(&self) -> Value {
        json!({"error": {
            "message": self.message, "type": self.kind, "param": self.param, "code": self.code,
        }})
    }

    /// As a response.
    pub(super) fn answer(&self) -> Answer {
        let mut response = super::json(self.status, &self.body());
        let headers = response.headers_mut();
        match self.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::TooLong(message) => Self::too_long(message),
            EngineError::Template(_) | EngineError::Tokenizer { .. } | EngineError::Grammar(_) => {
                Self::wrong(error.to_string())
            }
            other => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "server_error",
                other.to_string(),
            ),
        }
    }
}

/// Whatever a client sent is not sent back at any length.
fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MOST).collect();
    short.push('…');
    short
}

/// A whole answer of JSON.
pub(super) fn json(status: StatusCode, body: &Value) -> Answer {
    let body = Full::new(Bytes::from(body.to_string())).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
