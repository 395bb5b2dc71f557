//! A model server for measurements: it speaks the OpenAI protocol from a script, slowly, and counts what it is asked.
//!
//! Which answer a question gets depends on the question alone (how many answers it holds already), so that a program
//! that starts again is answered where it left off.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Name of the model that is served.
const MODEL: &str = "scripted";
/// Pieces that an answer comes in.
const PIECES: usize = 12;
/// A question longer than this is not read.
const LONGEST: usize = 16 << 20;

/// One answer: words, and one call.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) words: &'static str,
    pub(super) tool: &'static str,
    pub(super) arguments: Value,
}

/// The running server; it ends with the runtime.
pub(super) struct Script {
    address: std::net::SocketAddr,
    asked: Arc<Mutex<Vec<u32>>>,
}

impl Script {
    /// Serve these turns, with a pause before each piece.
    pub(super) async fn start(turns: Vec<Turn>, pause: Duration) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let asked = Arc::new(Mutex::new(vec![0; turns.len()]));
        let (turns, counts) = (Arc::new(turns), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (turns, counts) = (Arc::clone(&turns), Arc::clone(&counts));
                tokio::spawn(async move {
                    // A client that was killed is what this server is for.
                    let _ = answer(stream, &turns, &counts, pause).await;
                });
            }
        });
        Ok(Self { address, asked })
    }

    /// The text for `--model`.
    pub(super) fn spec(&self) -> String {
        format!("http://{}/v1#{MODEL}", self.address)
    }

    /// How often each turn was asked for so far.
    pub(super) fn asked(&self) -> Vec<u32> {
        self.asked
            .lock()
            .map(|asked| asked.clone())
            .unwrap_or_default()
    }
}

async fn answer(
    mut stream: TcpStream,
    turns: &[Turn],
    asked: &Mutex<Vec<u32>>,
    pause: Duration,
) -> std::io::Result<()> {
    let (head, body) = question(&mut stream).await?;
    if !head.starts_with("POST /v1/chat/completions ") {
        let listed = json!({"object": "list", "data": [{"id": MODEL, "object": "model"}]});
        return whole(&mut stream, "200 OK", &listed).await;
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answered = body["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|message| message["role"] == "assistant")
        .count();
    let Some(turn) = turns.get(answered) else {
        let error = json!({"error": {"message": "the script has no further turn"}});
        return whole(&mut stream, "400 Bad Request", &error).await;
    };
    if let Ok(mut asked) = asked.lock()
        && let Some(count) = asked.get_mut(answered)
    {
        *count += 1;
    }
    stream
        .write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
        )
        .await?;
    for chunk in chunks(turn, answered) {
        tokio::time::sleep(pause).await;
        stream
            .write_all(format!("data: {chunk}\n\n").as_bytes())
            .await?;
    }
    stream.write_all(b"data: [DONE]\n\n").await?;
    stream.shutdown().await
}

/// The head and the body of one request.
async fn question(stream: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut length = None;
    loop {
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(head) = head {
            let text = String::from_utf8_lossy(bytes.get(..head).unwrap_or_default()).into_owned();
            let wanted = *length.get_or_insert_with(|| content_length(&text));
            if bytes.len() >= head + 4 + wanted {
                return Ok((text, bytes.split_off(head + 4)));
            }
        }
        if bytes.len() > LONGEST || stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
    }
}

fn content_length(head: &str) -> usize {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

async fn whole(stream: &mut TcpStream, status: &str, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

fn chunks(turn: &Turn, number: usize) -> Vec<Value> {
    let delta = |delta: Value| json!({"model": MODEL, "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let mut chunks: Vec<Value> = pieces(turn.words, PIECES / 3)
        .into_iter()
        .map(|piece| delta(json!({"content": piece})))
        .collect();
    let call = json!({"index": 0, "id": format!("call_{number}"), "type": "function",
        "function": {"name": turn.tool, "arguments": ""}});
    chunks.push(delta(json!({"tool_calls": [call]})));
    for piece in pieces(&turn.arguments.to_string(), PIECES) {
        chunks.push(delta(
            json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}),
        ));
    }
    chunks.push(json!({"model": MODEL, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}));
    chunks.push(json!({"model": MODEL, "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 3}}));
    chunks
}

/// A text in at most so many pieces.
fn pieces(text: &str, most: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars
        .chunks(chars.len().div_ceil(most).max(1))
        .map(|piece| piece.iter().collect())
        .collect()
}
