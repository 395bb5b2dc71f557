//! Any OpenAI-compatible server: vLLM, `SGLang`, llama.cpp, Ollama, or a hosted one.
//!
//! One question is one `POST {base}/chat/completions` with `stream: true`. What comes back is read leniently, as servers
//! differ (`assemble`); what is sent is one fixed rendering (`wire`), because the trajectory stores its hash. What
//! may pass is tried again with growing pauses (`retry`): no connection, 408, 429, 5xx, silence, a stream that
//! breaks off or turns into something else. What was streamed before a break is void and announced as [`Delta::Restart`]. Everything else is an error
//! at once (`refusal`). The key is read from the environment and appears in no error and no `Debug` output.

mod assemble;
mod models;
mod refusal;
mod retry;
mod server;
mod sse;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ChatModel, ChatRequest, Delta, ModelError, ModelInfo, ModelKind, Reply};
use crate::hub::http::chain;
use assemble::Assembler;
use server::Server;

pub use retry::Retry;
pub use server::HttpSettings;
pub use wire::request_body;

/// The largest answer that is read, as a stream or whole.
const LARGEST_ANSWER: usize = 64 << 20;

/// A model behind an OpenAI-compatible server.
#[derive(Debug)]
pub struct HttpModel {
    info: ModelInfo,
    server: Server,
    retry: Retry,
}

/// Why one attempt brought no reply.
#[derive(Debug)]
enum Failed {
    /// Asking again would bring the same.
    ForGood(ModelError),
    /// It may pass; wait at least so long, if the server said.
    Perhaps { why: String, wait: Option<Duration> },
}

impl Failed {
    fn perhaps(why: impl Into<String>) -> Self {
        Self::Perhaps {
            why: why.into(),
            wait: None,
        }
    }
}

impl HttpModel {
    /// A model by name. Without a name the server is asked, and has to offer exactly one.
    ///
    /// # Errors
    /// Where the server cannot be asked for its models, or offers none or several.
    pub async fn open(settings: &HttpSettings, name: Option<&str>) -> Result<Self, ModelError> {
        let server = Server::new(settings)?;
        let offered = models::offered(&server).await;
        let (name, context) = match (name, offered) {
            (Some(name), Ok(offered)) => (name.to_owned(), models::context_of(&offered, name)),
            // Not every server lists its models; a wrong name shows at the first question.
            (Some(name), Err(_)) => (name.to_owned(), None),
            (None, Ok(offered)) => models::only(&server, offered)?,
            (None, Err(error)) => return Err(error),
        };
        Ok(Self::with(settings, server, name, context))
    }

    /// A model by name, without asking the server anything yet.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn named(settings: &HttpSettings, name: &str) -> Result<Self, ModelError> {
        let server = Server::new(settings)?;
        Ok(Self::with(settings, server, name.to_owned(), None))
    }

    fn with(settings: &HttpSettings, server: Server, name: String, context: Option<u32>) -> Self {
        Self {
            info: ModelInfo {
                kind: ModelKind::Http,
                spec: format!("{}#{name}", settings.base),
                name,
                context,
            },
            server,
            retry: settings.retry,
        }
    }

    async fn ask(
        &self,
        request: &ChatRequest,
        deltas: &mpsc::Sender<Delta>,
    ) -> Result<Reply, ModelError> {
        let body = request_body(&self.info.name, request);
        let mut failures = 0;
        loop {
            let mut streamed = false;
            let attempt = self.attempt(&body, request, deltas, &mut streamed).await;
            let (why, wait) = match attempt {
                Ok(reply) => {
                    return Ok(Reply {
                        retries: failures,
                        ..reply
                    });
                }
                Err(Failed::ForGood(error)) => return Err(error),
                Err(Failed::Perhaps { why, wait }) => (why, wait),
            };
            failures += 1;
            if failures >= self.retry.attempts {
                return Err(ModelError::Unavailable {
                    server: self.server.base.to_string(),
                    attempts: failures,
                    last: why,
                });
            }
            if streamed {
                // A closed channel means that nobody watches.
                let _ = deltas.send(Delta::Restart { why }).await;
            }
            tokio::time::sleep(self.retry.pause(failures, wait)).await;
        }
    }

    async fn attempt(
        &self,
        body: &str,
        request: &ChatRequest,
        deltas: &mpsc::Sender<Delta>,
        streamed: &mut bool,
    ) -> Result<Reply, Failed> {
        let post = self
            .server
            .request(reqwest::Method::POST, "chat/completions")?
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_owned());
        let response = self.server.send(post).await?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        if is_html(&response) {
            return Err(self.a_page());
        }
        let calls_before = request.messages.iter().map(|m| m.tool_calls.len()).sum();
        let mut assembler = Assembler::new(calls_before);
        self.read(response, &mut assembler, deltas, streamed)
            .await?;
        Ok(assembler.reply())
    }

    /// Read the answer to its end. Servers that do not stream answer with one JSON object, whatever they call it.
    async fn read(
        &self,
        response: Response,
        assembler: &mut Assembler,
        deltas: &mpsc::Sender<Delta>,
        streamed: &mut bool,
    ) -> Result<(), Failed> {
        let mut events = sse::Events::default();
        let mut whole: Option<Vec<u8>> = None;
        let mut total = 0;
        let mut first = true;
        let mut pieces = response.bytes_stream();
        loop {
            let piece = match tokio::time::timeout(self.server.idle, pieces.next()).await {
                Err(_) => return Err(Failed::perhaps(self.server.silent())),
                Ok(Some(Err(error))) => return Err(Failed::perhaps(chain(&error))),
                Ok(Some(Ok(piece))) => piece,
                Ok(None) => break,
            };
            total += piece.len();
            if total > LARGEST_ANSWER {
                let message = format!("the answer is longer than {} MB", LARGEST_ANSWER >> 20);
                return Err(self.malformed(message));
            }
            if std::mem::take(&mut first) {
                match piece.iter().find(|byte| !byte.is_ascii_whitespace()) {
                    Some(b'{') => whole = Some(Vec::new()),
                    Some(b'<') => return Err(self.a_page()),
                    _ => {}
                }
            }
            if let Some(whole) = &mut whole {
                whole.extend_from_slice(&piece);
                continue;
            }
            for event in events.push(&piece) {
                if event == "[DONE]" {
                    return complete(assembler, true);
                }
                self.take(&event, assembler, deltas, streamed).await?;
            }
        }
        match whole {
            Some(whole) => {
                let text = String::from_utf8_lossy(&whole);
                self.take(&text, assembler, deltas, streamed).await?;
            }
            None => {
                for event in events.finish().filter(|event| event != "[DONE]") {
                    self.take(&event, assembler, deltas, streamed).await?;
                }
            }
        }
        complete(assembler, false)
    }

    /// One chunk's JSON.
    async fn take(
        &self,
        text: &str,
        assembler: &mut Assembler,
        deltas: &mpsc::Sender<Delta>,
        streamed: &mut bool,
    ) -> Result<(), Failed> {
        let news = match assembler.take(text) {
            Ok(news) => news,
            // What stands between us and the server speaks up in its own words when the server is away.
            Err(assemble::Bad::Chunk(message)) => return Err(Failed::perhaps(message)),
            Err(assemble::Bad::Error { status, message }) => {
                return Err(refusal::within_stream(
                    self.server.base.as_str(),
                    status,
                    &message,
                ));
            }
        };
        for delta in news {
            *streamed = true;
            let _ = deltas.send(delta).await;
        }
        Ok(())
    }

    async fn refused(&self, response: Response) -> Failed {
        let status = response.status();
        let wait = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| retry::after(value.to_str().ok()?));
        let body = self
            .server
            .body(response, 64 << 10)
            .await
            .unwrap_or_default();
        let message = refusal::message(&body);
        let server = self.server.base.as_str();
        match refusal::meaning(status.as_u16(), &message) {
            refusal::Meaning::Auth => Failed::ForGood(ModelError::Auth {
                server: server.to_owned(),
                status: status.as_u16(),
            }),
            refusal::Meaning::Overflow => Failed::ForGood(ModelError::ContextOverflow { message }),
            refusal::Meaning::Model => {
                let offered = models::offered(&self.server).await;
                Failed::ForGood(models::unknown(
                    &self.server,
                    &self.info.name,
                    offered,
                    &message,
                ))
            }
            refusal::Meaning::MayPass => Failed::Perhaps {
                why: format!("{status}: {message}"),
                wait,
            },
            refusal::Meaning::Refused => Failed::ForGood(ModelError::Refused {
                server: server.to_owned(),
                status: status.as_u16(),
                message,
            }),
        }
    }

    /// The address leads to something for people; asking again would bring the same.
    fn a_page(&self) -> Failed {
        let message = format!(
            "{}/chat/completions answered with a web page; it should be /v1/chat/completions of an OpenAI-compatible \
             server, so that the address given usually ends in /v1",
            self.server.base.as_str().trim_end_matches('/')
        );
        self.malformed(message)
    }

    fn malformed(&self, message: String) -> Failed {
        Failed::ForGood(ModelError::Malformed {
            server: self.server.base.to_string(),
            message,
        })
    }
}

#[async_trait]
impl ChatModel for HttpModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn chat(
        &self,
        request: &ChatRequest,
        deltas: mpsc::Sender<Delta>,
        cancel: &CancellationToken,
    ) -> Result<Reply, ModelError> {
        // Dropping the other branch closes the connection, which is how servers learn to stop.
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(ModelError::Cancelled),
            reply = self.ask(request, &deltas) => reply,
        }
    }
}

fn is_html(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.trim_start().to_lowercase().starts_with("text/html"))
}

/// An answer without a reason for its end was cut off, unless the server said that it is done.
fn complete(assembler: &Assembler, done: bool) -> Result<(), Failed> {
    if assembler.is_empty() && !done {
        return Err(Failed::perhaps("the answer was empty"));
    }
    if !assembler.has_ended() && !done {
        return Err(Failed::perhaps("the stream broke off"));
    }
    Ok(())
}
