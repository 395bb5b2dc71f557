//! What ends a request before its time: a client that goes, a queue that is full, a server that is told to end.

use std::time::{Duration, Instant};

use serde_json::json;
use spotter::engine::Wishes;
use spotter::serve::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{chat, get, post, request};
use crate::{Served, few_threads};

const CHAT: &str = "/v1/chat/completions";

/// A chat that would go on for thousands of tokens.
fn endless(more: serde_json::Value) -> Vec<u8> {
    let mut body = chat(
        "go on",
        json!({"max_tokens": 4000, "temperature": 1.0, "seed": 3}),
    );
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    request("POST", CHAT, "", &body.to_string())
}

async fn begun(served: &Served, bytes: &[u8], streams: usize) -> TcpStream {
    let mut socket = TcpStream::connect(served.at).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    while served.engine.load().await.streams < streams {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_ends_its_streams_whether_it_was_streamed_to_or_waited() {
    let served = Served::new().await;
    for more in [json!({"stream": true, "n": 3}), json!({"n": 3})] {
        let socket = begun(&served, &endless(more), 3).await;
        drop(socket);
        served.is_at_rest().await;
    }
    // Nobody drew the thousands of tokens that were asked for.
    let drawn = served.engine.load().await.drawn;
    assert!(drawn < 12_000, "{drawn}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_said_at_once_and_a_place_in_it_is_given_up_with_the_connection() {
    let limits = Limits {
        running: 1,
        queue: 1,
        ..Limits::default()
    };
    let served = Served::with(limits, None, few_threads()).await;
    let runs = begun(&served, &endless(json!({"stream": true})), 1).await;
    let mut waits = TcpStream::connect(served.at).await.unwrap();
    waits.write_all(&endless(json!({}))).await.unwrap();
    let waiting = async |wanted: &str| {
        while !get(served.at, "/metrics").await.body.contains(wanted) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    waiting("spotter_requests_waiting 1\n").await;
    let refused = post(served.at, CHAT, &chat("me too", json!({}))).await;
    assert_eq!(refused.status, 429);
    assert!(refused.head.contains("retry-after: 1"));
    assert_eq!(refused.error()["type"], "rate_limit_error");
    drop(waits);
    waiting("spotter_requests_waiting 0\n").await;
    drop(runs);
    assert_eq!(
        post(served.at, CHAT, &chat("now", json!({}))).await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_is_cut_off_and_holds_up_nobody() {
    let limits = Limits {
        stalled: Duration::from_millis(300),
        ..Limits::default()
    };
    let wishes = Wishes {
        cache_tokens: Some(16_384),
        ..few_threads()
    };
    let served = Served::with(limits, None, wishes).await;
    // Log-probabilities make it more than the socket's buffers hold.
    let more = json!({"stream": true, "n": 4, "logprobs": true, "top_logprobs": 20});
    let stalled = begun(&served, &endless(more), 4).await;
    for _ in 0..5 {
        let got = post(served.at, CHAT, &chat("hello", json!({}))).await;
        assert_eq!(got.status, 200);
    }
    served.is_at_rest().await;
    drop(stalled);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_answered_is_finished_when_the_server_is_told_to_end() {
    let served = Served::new().await;
    let body = chat(
        "go on",
        json!({"max_tokens": 300, "stream": true, "seed": 1}),
    );
    let bytes = request("POST", CHAT, "", &body.to_string());
    let mut socket = begun(&served, &bytes, 1).await;
    served.stop.cancel();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    assert!(text.contains("[DONE]"), "{text}");
    let Served { running, at, .. } = served;
    assert!(running.await.unwrap(), "everything finished");
    assert!(TcpStream::connect(at).await.is_err(), "nobody listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_finish_in_time_is_cut_off() {
    let limits = Limits {
        drain: Duration::from_millis(50),
        ..Limits::default()
    };
    let served = Served::with(limits, None, few_threads()).await;
    let socket = begun(&served, &endless(json!({"stream": true, "n": 8})), 8).await;
    let told = Instant::now();
    served.stop.cancel();
    let Served {
        running, engine, ..
    } = served;
    assert!(!running.await.unwrap());
    assert!(told.elapsed() < Duration::from_secs(20));
    drop(socket);
    for _ in 0..2_000 {
        if engine.load().await.pages.held == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("pages are held: {:?}", engine.load().await);
}
