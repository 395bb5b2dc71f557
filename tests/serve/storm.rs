//! Many requests of random shape, with clients that break off at random: nothing is left of them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use spotter::engine::Wishes;
use spotter::serve::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::Served;
use crate::client::{chat, post, request};

struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn flip(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }
}

/// A request of any shape; some are wrong.
fn drawn(chance: &mut Chance) -> Vec<u8> {
    // Few beginnings, so that pages are shared.
    let beginning = ["fix the bug ", "look at the tests ", ""][chance.below(3) as usize];
    let text = format!(
        "{beginning}{}",
        "and so on ".repeat(chance.below(40) as usize)
    );
    let mut more = json!({
        "max_tokens": 1 + chance.below(60), "temperature": chance.below(3) as f64 / 2.0, "stream": chance.flip(2),
    });
    let fields: [(&str, Value); 10] = [
        ("n", json!(1 + chance.below(3))),
        ("seed", json!(chance.below(5))),
        ("stop", json!(["e", "th"])),
        ("logprobs", json!(true)),
        ("top_p", json!(0.9)),
        ("top_k", json!(5)),
        ("presence_penalty", json!(0.5)),
        (
            "tools",
            json!([{"type": "function", "function": {"name": "bash"}}]),
        ),
        ("temperature", json!("hot")),
        ("model", json!("another")),
    ];
    for (name, value) in fields {
        if chance.flip(8) {
            more[name] = value;
        }
    }
    if chance.flip(3) {
        let mut body = json!({"model": "tiny", "prompt": text});
        for name in ["max_tokens", "temperature", "stream", "n", "seed", "stop"] {
            if let Some(value) = more.get(name) {
                body[name] = value.clone();
            }
        }
        return request("POST", "/v1/completions", "", &body.to_string());
    }
    request(
        "POST",
        "/v1/chat/completions",
        "",
        &chat(&text, more).to_string(),
    )
}

/// Send it, all or in part; read the answer, all or in part. True where it came whole.
async fn weather(served: &Served, mut chance: Chance) -> bool {
    let bytes = drawn(&mut chance);
    let Ok(mut socket) = TcpStream::connect(served.at).await else {
        return false;
    };
    let sent = match chance.below(10) {
        0 => chance.below(bytes.len() as u64) as usize,
        _ => bytes.len(),
    };
    if socket.write_all(&bytes[..sent]).await.is_err() || sent < bytes.len() {
        return false;
    }
    let patience = match chance.below(3) {
        0 => usize::MAX,
        1 => chance.below(3_000) as usize,
        _ => {
            tokio::time::sleep(Duration::from_millis(chance.below(30))).await;
            return false;
        }
    };
    let mut got = Vec::new();
    let mut piece = [0; 512];
    while got.len() < patience {
        match socket.read(&mut piece).await {
            Ok(0) => {
                let text = String::from_utf8_lossy(&got);
                let status = text.split(' ').nth(1).unwrap_or_default();
                assert!(["200", "400", "404", "429"].contains(&status), "{text}");
                return status == "200";
            }
            Ok(read) => got.extend_from_slice(&piece[..read]),
            Err(_) => return false,
        }
    }
    false
}

/// Memory of this process that is in use, bytes.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
    kilobytes.parse::<u64>().unwrap() << 10
}

/// So many of these requests came whole.
async fn weathers(
    served: &Arc<Served>,
    requests: std::ops::Range<u64>,
    room: &Arc<Semaphore>,
) -> u64 {
    let mut going = Vec::new();
    for number in requests {
        let place = Arc::clone(room).acquire_owned().await.unwrap();
        let served = Arc::clone(served);
        going.push(tokio::spawn(async move {
            let whole = weather(&served, Chance(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))).await;
            drop(place);
            whole
        }));
    }
    let mut whole = 0;
    for one in going {
        whole += u64::from(one.await.unwrap());
    }
    whole
}

async fn storm(requests: u64, at_a_time: usize) {
    // So little cache that streams give up pages for one another.
    let wishes = Wishes {
        cache_tokens: Some(4_096),
        threads: Some(2),
        ..Wishes::default()
    };
    let limits = Limits {
        queue: 64,
        ..Limits::default()
    };
    let served = Arc::new(Served::with(limits, None, wishes).await);
    post(
        served.at,
        "/v1/chat/completions",
        &chat("warm up", json!({})),
    )
    .await;
    served.is_at_rest().await;
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    let room = Arc::new(Semaphore::new(at_a_time));
    let whole = weathers(&served, 0..requests, &room).await;
    assert!(whole > requests / 10, "{whole} of {requests} came whole");
    served.is_at_rest().await;
    for _ in 0..1_000 {
        if tasks.num_alive_tasks() <= before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(tasks.num_alive_tasks() <= before, "tasks are left over");
    let load = served.engine.load().await;
    assert_eq!(load.pages.held, 0, "{load:?}");
    assert!(load.pages.found > 0 && load.pages.given_up > 0, "{load:?}");
    let metrics = crate::client::get(served.at, "/metrics").await.body;
    for line in [
        "spotter_choices_running 0\n",
        "spotter_requests_waiting 0\n",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    // What was seen before is seen again: the pages that were kept are right.
    let ask = || post(served.at, "/v1/chat/completions", &SAME);
    static SAME: std::sync::LazyLock<Value> =
        std::sync::LazyLock::new(|| chat("fix the bug and so on ", json!({"temperature": 0})));
    let texts = [ask().await.json(), ask().await.json()];
    assert_eq!(texts[0]["choices"], texts[1]["choices"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_of_any_shape_leave_nothing_behind() {
    storm(1_000, 48).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "ten thousand requests take a minute or more: cargo test --test serve -- --ignored"]
async fn ten_thousand_requests_of_any_shape_leave_nothing_behind() {
    storm(10_000, 64).await;
}

/// In a process of its own, with one heap: where each thread has a heap, what they leave free in each other's comes and goes by
/// megabytes (a heap profile says that nothing is live in it), and a leak would hide there.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "three minutes: cargo test --test serve -- --ignored storm::requests_take_no_memory_with_them"]
fn requests_take_no_memory_with_them() {
    const ONE_HEAP: (&str, &str) = ("MALLOC_ARENA_MAX", "1");
    let name = "storm::requests_take_no_memory_with_them";
    if std::env::var(ONE_HEAP.0).as_deref() == Ok(ONE_HEAP.1) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(memory_of_requests());
    } else {
        let ended = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", name])
            .env(ONE_HEAP.0, ONE_HEAP.1)
            .status();
        assert!(ended.unwrap().success());
    }
}

#[cfg(target_os = "linux")]
#[expect(clippy::print_stdout, reason = "what it measures is to be read, too")]
async fn memory_of_requests() {
    // So little cache that all of it has been touched before it is counted.
    let wishes = Wishes {
        cache_tokens: Some(4_096),
        threads: Some(2),
        ..Wishes::default()
    };
    let served = Arc::new(Served::with(Limits::default(), None, wishes).await);
    let room = Arc::new(Semaphore::new(64));
    // Until every cache and pool has its size.
    weathers(&served, 0..7_000, &room).await;
    served.is_at_rest().await;
    let before = resident();
    let mut more = 0;
    for thousand in 7..17 {
        weathers(&served, 1_000 * thousand..1_000 * (thousand + 1), &room).await;
        served.is_at_rest().await;
        more = resident().saturating_sub(before);
        println!("after {} thousand: {more} bytes more", thousand + 1);
    }
    // A hundred bytes that each left would be a million.
    assert!(more < 1_000_000, "{more} bytes more");
}
