//! A small HTTP client that can do what real ones do not: break off anywhere.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest wait for an answer.
const LONGEST: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The error object of a refusal, checked for its shape.
    pub(crate) fn error(&self) -> Value {
        let error = self.json()["error"].clone();
        let fields: Vec<&String> = error.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["message", "type", "param", "code"], "{self:?}");
        assert!(!error["message"].as_str().unwrap().is_empty());
        error
    }

    /// The chunks of a stream, without its end.
    pub(crate) fn chunks(&self) -> Vec<Value> {
        assert!(self.head.contains("text/event-stream"), "{self:?}");
        let mut events: Vec<&str> = self
            .body
            .split("\n\n")
            .filter(|event| !event.is_empty())
            .map(|event| event.strip_prefix("data: ").unwrap())
            .collect();
        assert_eq!(events.pop(), Some("[DONE]"), "{self:?}");
        events
            .into_iter()
            .map(|event| serde_json::from_str(event).unwrap())
            .collect()
    }
}

/// The bytes of a request.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: spotter\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(crate) async fn send(to: SocketAddr, bytes: &[u8]) -> Got {
    let mut socket = TcpStream::connect(to).await.unwrap();
    let _ = socket.write_all(bytes).await;
    let mut all = Vec::new();
    // A server that refuses a large body closes while it is still being sent.
    let read = tokio::time::timeout(LONGEST, socket.read_to_end(&mut all)).await;
    let _ = read.expect("an answer in time");
    got(&all)
}

fn got(all: &[u8]) -> Got {
    let text = String::from_utf8(all.to_vec()).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no head in {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let head = head.to_lowercase();
    let body = if head.contains("transfer-encoding: chunked") {
        joined(body)
    } else {
        body.to_owned()
    };
    Got { status, head, body }
}

fn joined(mut text: &str) -> String {
    let mut body = String::new();
    loop {
        let (size, rest) = text.split_once("\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.push_str(&rest[..size]);
        text = rest[size..].strip_prefix("\r\n").unwrap();
    }
}

pub(crate) async fn get(to: SocketAddr, path: &str) -> Got {
    send(to, &request("GET", path, "", "")).await
}

pub(crate) async fn post(to: SocketAddr, path: &str, body: &Value) -> Got {
    send(to, &request("POST", path, "", &body.to_string())).await
}

/// A chat of one message, with more fields.
pub(crate) fn chat(text: &str, more: Value) -> Value {
    let mut body =
        json!({"model": "tiny", "messages": [{"role": "user", "content": text}], "max_tokens": 12});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}
