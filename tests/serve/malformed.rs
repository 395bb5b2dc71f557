//! Bad requests get errors in the protocol's own form, whatever is wrong with them, and harm nobody.

use serde_json::{Value, json};
use spotter::serve::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{chat, get, post, request, send};
use crate::{Served, few_threads};

const CHAT: &str = "/v1/chat/completions";
const TEXT: &str = "/v1/completions";

#[tokio::test(flavor = "multi_thread")]
async fn wrong_values_are_refused_with_the_name_of_what_is_wrong() {
    let served = Served::new().await;
    let messages = |messages: Value| json!({"messages": messages});
    let cases: Vec<(Value, &str)> = vec![
        (json!({"model": 5}), "model"),
        (json!({"model": null}), "model"),
        (json!({"messages": null}), "messages"),
        (json!({"messages": "hi"}), "messages"),
        (messages(json!([])), "messages"),
        (messages(json!(["hi"])), "messages[0]"),
        (messages(json!([{"content": "hi"}])), "messages[0].role"),
        (
            messages(json!([{"role": "wizard", "content": "hi"}])),
            "messages[0].role",
        ),
        (messages(json!([{"role": "user"}])), "messages[0].content"),
        (
            messages(json!([{"role": "user", "content": 7}])),
            "messages[0].content",
        ),
        (
            messages(json!([{"role": "user", "content": [7]}])),
            "messages[0].content[0]",
        ),
        (
            messages(
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
            ),
            "messages[0].content[0].type",
        ),
        (
            messages(json!([{"role": "tool", "content": "hi"}])),
            "messages[0].tool_call_id",
        ),
        (
            messages(json!([{"role": "assistant", "tool_calls": [{"id": "x"}]}])),
            "messages[0].tool_calls[0].function",
        ),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"temperature": -1}), "temperature"),
        (json!({"temperature": 2.5}), "temperature"),
        (json!({"top_p": 7}), "top_p"),
        (json!({"top_k": 1.5}), "top_k"),
        (json!({"min_p": []}), "min_p"),
        (json!({"presence_penalty": 3}), "presence_penalty"),
        (json!({"repetition_penalty": 0}), "repetition_penalty"),
        (json!({"n": 0}), "n"),
        (json!({"n": 1_000_000_000_000_u64}), "n"),
        (json!({"n": -1}), "n"),
        (json!({"n": "2"}), "n"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_tokens": -5}), "max_tokens"),
        (json!({"max_tokens": 1e30}), "max_tokens"),
        (
            json!({"max_completion_tokens": "many"}),
            "max_completion_tokens",
        ),
        (json!({"seed": 1.5}), "seed"),
        (json!({"stop": 5}), "stop"),
        (json!({"stop": [5]}), "stop"),
        (json!({"stop": ""}), "stop"),
        (json!({"stop": vec!["a"; 99]}), "stop"),
        (json!({"stream": "yes"}), "stream"),
        (
            json!({"stream_options": {"include_usage": true}}),
            "stream_options",
        ),
        (
            json!({"stream": true, "stream_options": []}),
            "stream_options",
        ),
        (json!({"logprobs": 3}), "logprobs"),
        (json!({"top_logprobs": 3}), "top_logprobs"),
        (
            json!({"logprobs": true, "top_logprobs": 21}),
            "top_logprobs",
        ),
        (json!({"logit_bias": {"5": 100}}), "logit_bias"),
        (
            json!({"response_format": {"type": "yaml"}}),
            "response_format.type",
        ),
        (
            json!({"response_format": {"type": "json_schema"}}),
            "response_format.json_schema",
        ),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f"}}],
                   "tool_choice": {"type": "function", "function": {"name": "g"}}}),
            "tool_choice",
        ),
        (json!({"functions": [{"name": "f"}]}), "functions"),
        (json!({"modalities": ["audio"]}), "modalities"),
        (json!({"tools": {}}), "tools"),
        (json!({"tools": [{}]}), "tools[0].type"),
        (
            json!({"tools": [{"type": "function"}]}),
            "tools[0].function",
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "a b"}}]}),
            "tools[0].function.name",
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": "x"}}]}),
            "tools[0].function.parameters",
        ),
        (
            json!({"tools": vec![json!({"type": "function", "function": {"name": "f"}}); 2]}),
            "tools",
        ),
        (json!({"tool_choice": 5}), "tool_choice"),
        (json!({"parallel_tool_calls": "no"}), "parallel_tool_calls"),
    ];
    for (more, param) in cases {
        let mut body = chat("hi", json!({}));
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let got = post(served.at, CHAT, &body).await;
        assert_eq!(got.status, 400, "{more} {got:?}");
        let error = got.error();
        assert_eq!(error["param"], param, "{more} {error}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    for (more, param) in [
        (json!({"prompt": null}), "prompt"),
        (json!({"prompt": []}), "prompt"),
        (json!({"prompt": {}}), "prompt"),
        (json!({"prompt": [1, -1]}), "prompt"),
        (json!({"prompt": [1, 4_000_000_000_u32]}), "prompt"),
        (json!({"prompt": [[1], [999]]}), "prompt"),
        (json!({"prompt": ["a", null]}), "prompt"),
        (json!({"prompt": vec!["a"; 1000]}), "prompt"),
        (json!({"prompt": vec!["a"; 30], "n": 16}), "prompt"),
        (json!({"suffix": "x"}), "suffix"),
        (json!({"best_of": 5}), "best_of"),
        (json!({"logprobs": 6}), "logprobs"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"echo": true, "logprobs": 1}), "echo"),
    ] {
        let mut body = json!({"model": "tiny", "prompt": "a"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let got = post(served.at, TEXT, &body).await;
        assert_eq!(got.status, 400, "{more} {got:?}");
        assert_eq!(got.error()["param"], param, "{more}");
    }
    served.is_at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_is_refused_by_its_name_unless_it_asks_for_nothing() {
    let served = Served::new().await;
    let text = json!({"model": "tiny", "prompt": "a", "max_tokens": 2});
    let both = [
        ("min_tokens", json!(5), json!(0)),
        ("ignore_eos", json!(true), json!(false)),
        ("guided_json", json!({"type": "object"}), Value::Null),
        ("guided_choice", json!(["a", "b"]), Value::Null),
        ("guided_regex", json!("a+"), Value::Null),
        ("guided_grammar", json!("root ::= \"a\""), Value::Null),
        ("structured_outputs", json!({"regex": "a+"}), json!({})),
        ("reasoning_effort", json!("low"), Value::Null),
        ("best_of", json!(3), json!(1)),
        ("suffix", json!("x"), json!("")),
        ("stop_token_ids", json!([5]), json!([])),
        ("repeat_penalty", json!(1.1), json!(1.0)),
        ("function_call", json!("auto"), json!("none")),
    ];
    let in_text = [
        (
            "tools",
            json!([{"type": "function", "function": {"name": "f"}}]),
            json!([]),
        ),
        (
            "response_format",
            json!({"type": "json_object"}),
            json!({"type": "text"}),
        ),
        (
            "chat_template_kwargs",
            json!({"enable_thinking": false}),
            json!({}),
        ),
        ("max_completion_tokens", json!(5), Value::Null),
    ];
    let in_chat = [
        ("echo", json!(true), json!(false)),
        ("add_generation_prompt", json!(false), json!(true)),
        ("chat_template_kwargs", json!("x"), json!({})),
    ];
    for (path, mut neutral, own) in [
        (CHAT, chat("hi", json!({})), &in_chat[..]),
        (TEXT, text, &in_text[..]),
    ] {
        let asked = neutral.clone();
        for (name, value, nothing) in both.iter().chain(own) {
            let mut body = asked.clone();
            body[*name] = value.clone();
            let got = post(served.at, path, &body).await;
            assert_eq!(got.status, 400, "{path} {name} {got:?}");
            let error = got.error();
            assert_eq!(error["param"], *name, "{error}");
            assert_eq!(error["type"], "invalid_request_error");
            neutral[*name] = nothing.clone();
        }
        // What nobody has heard of changes nothing that anybody could say.
        neutral["user"] = "somebody".into();
        neutral["never_heard_of"] = json!({"x": 1});
        let got = post(served.at, path, &neutral).await;
        assert_eq!(got.status, 200, "{path} {got:?}");
    }
    let own = json!({"chat_template_kwargs": {"messages": []}});
    let got = post(served.at, CHAT, &chat("hi", own)).await;
    assert_eq!(got.status, 400, "{got:?}");
    assert_eq!(got.error()["param"], "chat_template_kwargs.messages");
    served.is_at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_models_and_addresses_say_what_there_is() {
    let served = Served::new().await;
    for (path, body) in [
        (CHAT, chat("hi", json!({"model": "gpt-7"}))),
        (TEXT, json!({"model": "gpt-7", "prompt": "a"})),
    ] {
        let got = post(served.at, path, &body).await;
        assert_eq!(got.status, 404);
        let error = got.error();
        assert_eq!(error["code"], "model_not_found");
        assert!(error["message"].as_str().unwrap().contains("tiny"));
    }
    assert_eq!(get(served.at, "/v1/models/gpt-7").await.status, 404);
    for path in [
        "/",
        "/v1",
        "/v1/embeddings",
        "/v1/chat/completions/",
        "/%ff",
        "/v1//models",
    ] {
        let got = get(served.at, path).await;
        assert_eq!(got.status, 404, "{path}");
        assert!(
            got.error()["message"]
                .as_str()
                .unwrap()
                .contains("/v1/models")
        );
    }
    assert_eq!(get(served.at, CHAT).await.status, 405);
    assert_eq!(post(served.at, "/v1/models", &json!({})).await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_request_are_refused_and_the_next_one_is_served() {
    let limits = Limits {
        body: 64 << 10,
        ..Limits::default()
    };
    let served = Served::with(limits, None, few_threads()).await;
    let deep = "[".repeat(50_000);
    let nested = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    let good = chat("hi", json!({})).to_string();
    let cut = &good[..good.len() - 1];
    let twice = format!("{good}{good}");
    for body in [
        "",
        " ",
        "null",
        "5",
        "\"x\"",
        "[]",
        "{",
        "{}",
        "{\"model\":",
        "{\"model\": \"tiny\"}",
        "not json",
        "\u{feff}{}",
        &deep,
        &nested,
        cut,
        &twice,
        "{\"model\": NaN}",
        "{'model': 'tiny'}",
    ] {
        for path in [CHAT, TEXT] {
            let got = send(served.at, &request("POST", path, "", body)).await;
            assert_eq!(got.status, 400, "{path} {body:.60} {got:?}");
            got.error();
        }
    }
    let bytes = [b"{\"model\": \"".as_slice(), &[0xff, 0xfe, 0x00], b"\"}"].concat();
    let mut raw = request("POST", CHAT, "", "");
    let head = String::from_utf8(std::mem::take(&mut raw)).unwrap();
    let head = head.replace(
        "content-length: 0",
        &format!("content-length: {}", bytes.len()),
    );
    let got = send(served.at, &[head.as_bytes(), &bytes].concat()).await;
    assert_eq!(got.status, 400);
    let large = chat(&"x".repeat(100 << 10), json!({})).to_string();
    let got = send(served.at, &request("POST", CHAT, "", &large)).await;
    assert_eq!(got.status, 413, "{got:?}");
    got.error();
    // The same without a length that is told beforehand.
    let chunked = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    assert_eq!(send(served.at, chunked.as_bytes()).await.status, 413);
    let got = send(served.at, &request("POST", CHAT, "", &good)).await;
    assert_eq!(got.status, 200);
    served.is_at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_ends_its_own_connection_only() {
    let limits = Limits {
        head: std::time::Duration::from_millis(200),
        body_time: std::time::Duration::from_millis(200),
        ..Limits::default()
    };
    let served = Served::with(limits, None, few_threads()).await;
    let flood = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(5_000));
    let endless = format!("GET /{} HTTP/1.1\r\n", "x".repeat(200_000));
    // The last two never end: one head, one body.
    for bytes in [
        "\r\n\r\n",
        "\u{16}\u{3}\u{1}",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        &flood,
        &endless,
        "GET /v1/models HT",
        "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{",
    ] {
        let mut socket = tokio::net::TcpStream::connect(served.at).await.unwrap();
        let _ = socket.write_all(bytes.as_bytes()).await;
        let mut all = Vec::new();
        let ended = socket.read_to_end(&mut all);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(20), ended).await;
        assert!(ended.is_ok(), "{bytes:.40}");
        let said = String::from_utf8_lossy(&all);
        assert!(!said.contains("200 OK"), "{bytes:.40} {said}");
    }
    assert_eq!(get(served.at, "/v1/models").await.status, 200);
    served.is_at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_tokens_than_the_server_gives_are_refused() {
    let limits = Limits {
        tokens: Some(8),
        ..Limits::default()
    };
    let served = Served::with(limits, None, few_threads()).await;
    let got = post(served.at, CHAT, &chat("hi", json!({"max_tokens": 9}))).await;
    assert_eq!(got.error()["param"], "max_tokens");
    let mut body = chat("hi", json!({"temperature": 0}));
    body.as_object_mut().unwrap().remove("max_tokens");
    let got = post(served.at, CHAT, &body).await.json();
    assert!(got["usage"]["completion_tokens"].as_u64().unwrap() <= 8);
}
