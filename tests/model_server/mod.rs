//! A real HTTP server that speaks the OpenAI protocol from a script, for every test that needs a model.
//!
//! ```ignore
//! mod model_server;
//! use model_server::{ModelServer, Turn};
//!
//! let server = ModelServer::start(vec![
//!     Turn::call("bash", json!({"command": "ls"})),
//!     Turn::text("partly").dropped(),       // the connection breaks; the client asks again
//!     Turn::status(429, "busy").header("retry-after", "0"),
//!     Turn::text("done"),
//! ]).await;
//! let model = server.url();                 // http://127.0.0.1:PORT/v1
//! assert_eq!(server.calls(), 4);            // questions asked, retries included
//! server.requests()[0]["messages"]          // what was asked
//! ```
//!
//! Each question takes the next turn; when they run out the answer is status 500. `GET /models` lists [`MODEL`], or
//! what [`ModelServer::offering`] was given.

#![allow(
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "every test that includes this uses another part of it, and a server that cannot start should fail it"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::{Value, json};

/// The name of the model that is served.
pub const MODEL: &str = "scripted";

/// What the server does with one question.
#[derive(Debug, Clone)]
pub struct Turn {
    status: u16,
    headers: Vec<(String, String)>,
    chunks: Vec<Value>,
    raw: Option<String>,
    whole: bool,
    ended: bool,
    pause: Duration,
    silent: bool,
}

impl Turn {
    /// A reply of text, streamed word by word.
    pub fn text(text: &str) -> Self {
        let chunks = text
            .split_inclusive(' ')
            .map(|piece| delta(json!({"content": piece})))
            .collect();
        Self::chunks(chunks, "stop")
    }

    /// A reply that is one tool call, its arguments in pieces of three characters.
    pub fn call(name: &str, arguments: Value) -> Self {
        Self::text_and_calls("", &[(name, &arguments.to_string())])
    }

    /// Text and then calls; arguments are the raw text, which need not be JSON.
    pub fn text_and_calls(text: &str, calls: &[(&str, &str)]) -> Self {
        let mut turn = Self::text(text);
        for (index, (name, arguments)) in calls.iter().enumerate() {
            let id = format!("server_{}", unique());
            let begin = json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}});
            turn.chunks.push(delta(json!({"tool_calls": [begin]})));
            let chars: Vec<char> = arguments.chars().collect();
            for piece in chars.chunks(3) {
                let piece: String = piece.iter().collect();
                turn.chunks.push(delta(
                    json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}),
                ));
            }
        }
        if !calls.is_empty() {
            turn.finish("tool_calls");
        }
        turn
    }

    /// Chunks of the caller's own, and then one with this `finish_reason` and the usage.
    pub fn chunks(chunks: Vec<Value>, finish: &str) -> Self {
        let mut turn = Self {
            status: 200,
            headers: Vec::new(),
            chunks,
            raw: None,
            whole: false,
            ended: true,
            pause: Duration::ZERO,
            silent: false,
        };
        turn.finish(finish);
        turn
    }

    fn finish(&mut self, reason: &str) {
        self.chunks.retain(|chunk| {
            chunk
                .pointer("/choices/0/finish_reason")
                .is_none_or(Value::is_null)
        });
        self.chunks.retain(|chunk| chunk.get("usage").is_none());
        self.chunks.push(json!({"model": MODEL, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}));
        self.chunks.push(json!({"model": MODEL, "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 3}}));
    }

    /// Reasoning before everything else, as `reasoning_content`.
    pub fn reasoning(mut self, text: &str) -> Self {
        self.chunks
            .insert(0, delta(json!({"reasoning_content": text})));
        self
    }

    /// The reply ends because `max_tokens` was reached.
    pub fn cut_off(mut self) -> Self {
        self.finish("length");
        self
    }

    /// Break the connection where the reply would end.
    pub fn dropped(mut self) -> Self {
        self.chunks.retain(|chunk| chunk.get("usage").is_none());
        self.chunks.pop();
        self.ended = false;
        self
    }

    /// Wait so long before each piece.
    pub fn slow(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Ignore `stream` and answer with one JSON object.
    pub fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// An HTTP error with a body in OpenAI's form.
    pub fn status(status: u16, message: &str) -> Self {
        let body = json!({"error": {"message": message, "type": "error", "code": null}});
        Self {
            status,
            ..Self::raw(&body.to_string())
        }
    }

    /// The request is longer than the context, in vLLM's words.
    pub fn overflow() -> Self {
        Self::status(
            400,
            "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
        )
    }

    /// A body that is sent as it is, as an event stream.
    pub fn raw(body: &str) -> Self {
        Self {
            raw: Some(body.to_owned()),
            ..Self::text("")
        }
    }

    /// An event that is no JSON.
    pub fn garbage() -> Self {
        Self::raw("data: <html>gateway</html>\n\n")
    }

    /// Take the question and never answer.
    pub fn silent() -> Self {
        Self {
            silent: true,
            ..Self::text("")
        }
    }

    /// A header of the answer.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

fn delta(delta: Value) -> Value {
    json!({"model": MODEL, "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn unique() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

#[derive(Default)]
struct Seen {
    turns: std::collections::VecDeque<Turn>,
    bodies: Vec<String>,
    keys: Vec<Option<String>>,
    models: Vec<String>,
}

/// The running server; it ends with the test's runtime.
#[derive(Clone)]
pub struct ModelServer {
    address: std::net::SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl ModelServer {
    /// Serve these turns, one a question.
    pub async fn start(turns: Vec<Turn>) -> Self {
        Self::offering(turns, &[MODEL]).await
    }

    /// Serve these turns and list these models.
    pub async fn offering(turns: Vec<Turn>, models: &[&str]) -> Self {
        let seen = Arc::new(Mutex::new(Seen {
            turns: turns.into(),
            models: models.iter().map(|m| (*m).to_owned()).collect(),
            ..Seen::default()
        }));
        let app = Router::new().fallback(answer).with_state(seen.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, seen }
    }

    /// The base address, with `/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The text for `--model`.
    pub fn spec(&self) -> String {
        format!("{}#{MODEL}", self.url())
    }

    /// How many questions were asked, retries included.
    pub fn calls(&self) -> usize {
        self.seen.lock().unwrap().bodies.len()
    }

    /// The questions, parsed.
    pub fn requests(&self) -> Vec<Value> {
        let seen = self.seen.lock().unwrap();
        seen.bodies
            .iter()
            .map(|body| serde_json::from_str(body).unwrap())
            .collect()
    }

    /// The questions, byte for byte.
    pub fn bodies(&self) -> Vec<String> {
        self.seen.lock().unwrap().bodies.clone()
    }

    /// The `Authorization` header of each question.
    pub fn keys(&self) -> Vec<Option<String>> {
        self.seen.lock().unwrap().keys.clone()
    }

    /// Turns that nobody has asked for yet.
    pub fn left(&self) -> usize {
        self.seen.lock().unwrap().turns.len()
    }
}

async fn answer(
    State(seen): State<Arc<Mutex<Seen>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    let json = |status: u16, body: Value| {
        let build = Response::builder()
            .status(status)
            .header("content-type", "application/json");
        build.body(Body::from(body.to_string())).unwrap()
    };
    if (method.as_str(), uri.path()) == ("GET", "/v1/models") {
        let models = seen.lock().unwrap().models.clone();
        let data: Vec<Value> = models
            .iter()
            .map(|id| json!({"id": id, "object": "model", "max_model_len": 4096}))
            .collect();
        return json(200, json!({"object": "list", "data": data}));
    }
    if (method.as_str(), uri.path()) != ("POST", "/v1/chat/completions") {
        return json(404, json!({"detail": "Not Found"}));
    }
    let turn = {
        let mut seen = seen.lock().unwrap();
        seen.bodies.push(body.clone());
        seen.keys.push(
            headers
                .get("authorization")
                .map(|key| key.to_str().unwrap().to_owned()),
        );
        seen.turns.pop_front()
    };
    let asked: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
    match turn {
        None => json(
            500,
            json!({"error": {"message": "the script has no further turn"}}),
        ),
        Some(_)
            if !seen
                .lock()
                .unwrap()
                .models
                .iter()
                .any(|m| asked["model"] == m.as_str()) =>
        {
            let message = format!(
                "The model `{}` does not exist.",
                asked["model"].as_str().unwrap_or_default()
            );
            json(
                404,
                json!({"object": "error", "message": message, "type": "NotFoundError", "code": 404}),
            )
        }
        Some(turn) => play(turn).await,
    }
}

async fn play(turn: Turn) -> Response<Body> {
    if turn.silent {
        std::future::pending::<()>().await;
    }
    let mut build = Response::builder().status(turn.status);
    for (name, value) in &turn.headers {
        build = build.header(name, value);
    }
    if let Some(raw) = turn.raw {
        return build.body(Body::from(raw)).unwrap();
    }
    if turn.whole {
        return build
            .header("content-type", "application/json")
            .body(Body::from(joined(&turn.chunks).to_string()))
            .unwrap();
    }
    let mut events: Vec<Result<Bytes, std::io::Error>> = turn
        .chunks
        .iter()
        .map(|chunk| Ok(Bytes::from(format!("data: {chunk}\n\n"))))
        .collect();
    if turn.ended {
        events.push(Ok(Bytes::from_static(b"data: [DONE]\n\n")));
    } else {
        events.push(Err(std::io::Error::other("dropped")));
    }
    let pause = turn.pause;
    let stream = futures_util::stream::unfold(events.into_iter(), move |mut events| async move {
        let event = events.next()?;
        if event.is_err() {
            // What was sent before must reach the client before the connection breaks.
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        tokio::time::sleep(pause).await;
        Some((event, events))
    });
    build
        .header("content-type", "text/event-stream")
        .body(Body::from_stream(stream))
        .unwrap()
}

/// The answer of a server that does not stream.
fn joined(chunks: &[Value]) -> Value {
    let mut content = String::new();
    let mut calls: Vec<Value> = Vec::new();
    let mut finish = Value::Null;
    let mut usage = Value::Null;
    for chunk in chunks {
        let choice = &chunk["choices"][0];
        content.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        for piece in choice["delta"]["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
        {
            if piece.get("id").is_some() {
                calls.push(piece.clone());
            } else if let Some(call) = calls.last_mut() {
                let so_far = call["function"]["arguments"].as_str().unwrap().to_owned();
                call["function"]["arguments"] =
                    json!(so_far + piece["function"]["arguments"].as_str().unwrap());
            }
        }
        if !choice["finish_reason"].is_null() {
            finish = choice["finish_reason"].clone();
        }
        if chunk.get("usage").is_some() {
            usage = chunk["usage"].clone();
        }
    }
    let message = json!({"role": "assistant", "content": content, "tool_calls": calls});
    json!({"object": "chat.completion", "model": MODEL, "usage": usage,
           "choices": [{"index": 0, "message": message, "finish_reason": finish}]})
}
