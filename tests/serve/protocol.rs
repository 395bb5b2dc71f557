//! What well-formed requests bring.

use serde_json::{Value, json};
use spotter::serve::Limits;

use crate::client::{chat, get, post, request, send};
use crate::{Served, few_threads};

const CHAT: &str = "/v1/chat/completions";
const TEXT: &str = "/v1/completions";

fn joined(chunks: &[Value], path: &str) -> String {
    chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0].pointer(path)?.as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn models_health_and_metrics_are_there() {
    let served = Served::new().await;
    let models = get(served.at, "/v1/models").await.json();
    assert_eq!(models["object"], "list");
    assert_eq!(models["data"][0]["id"], "tiny");
    assert_eq!(models["data"][0]["max_model_len"], 4096);
    assert_eq!(get(served.at, "/v1/models/tiny").await.json()["id"], "tiny");
    assert_eq!(
        get(served.at, "/health").await.json(),
        json!({"status": "ok"})
    );
    post(served.at, CHAT, &chat("count me", json!({}))).await;
    served.is_at_rest().await;
    let metrics = get(served.at, "/metrics").await.body;
    for line in [
        "spotter_http_requests_total{route=\"chat\",status=\"200\"} 1",
        "spotter_choices_running 0",
        "spotter_engine_pages_held 0",
        "spotter_generation_seconds_count 1",
    ] {
        assert!(
            metrics.lines().any(|one| one == line),
            "{line} in {metrics}"
        );
    }
    let said: f64 = metrics
        .lines()
        .find_map(|line| line.strip_prefix("spotter_completion_tokens_total "))
        .unwrap()
        .parse()
        .unwrap();
    assert!(said > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_is_the_same_whole_and_streamed() {
    let served = Served::new().await;
    for seed in 0..4 {
        let settings = json!({"seed": seed, "temperature": 0.8, "logprobs": true, "top_logprobs": 2, "max_tokens": 40});
        let whole = post(served.at, CHAT, &chat("hello", settings.clone())).await;
        assert_eq!(whole.status, 200, "{whole:?}");
        let whole = whole.json();
        let choice = &whole["choices"][0];
        assert_eq!(whole["object"], "chat.completion");
        assert_eq!(choice["message"]["role"], "assistant");
        let mut settings = settings;
        settings["stream"] = true.into();
        settings["stream_options"] = json!({"include_usage": true});
        let chunks = post(served.at, CHAT, &chat("hello", settings))
            .await
            .chunks();
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(
            joined(&chunks, "/delta/content"),
            choice["message"]["content"]
        );
        assert_eq!(joined(&chunks, "/finish_reason"), choice["finish_reason"]);
        let (last, rest) = chunks.split_last().unwrap();
        assert_eq!(last["choices"], json!([]));
        assert!(rest.iter().all(|chunk| chunk["usage"].is_null()));
        for count in ["prompt_tokens", "completion_tokens", "total_tokens"] {
            assert_eq!(last["usage"][count], whole["usage"][count], "{count}");
        }
        // The second one found the first one's context.
        let prompt = whole["usage"]["prompt_tokens"].as_u64().unwrap();
        let cached = &last["usage"]["prompt_tokens_details"]["cached_tokens"];
        assert_eq!(cached.as_u64().unwrap(), prompt - 1);
        let scored: Vec<Value> = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["logprobs"]["content"].as_array())
            .flatten()
            .cloned()
            .collect();
        assert_eq!(&Value::from(scored.clone()), &choice["logprobs"]["content"]);
        assert_eq!(
            scored.len() as u64,
            whole["usage"]["completion_tokens"].as_u64().unwrap()
        );
        for token in &scored {
            assert!(token["logprob"].as_f64().unwrap() < 0.0);
            assert!(token["certainty"].as_f64().unwrap() > 0.0);
            let likeliest = token["top_logprobs"].as_array().unwrap();
            assert_eq!(likeliest.len(), 2);
            assert!(likeliest[0]["logprob"].as_f64() >= likeliest[1]["logprob"].as_f64());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_says_the_same_and_choices_have_seeds_of_their_own() {
    let served = Served::new().await;
    let ask = |more: Value| {
        let at = served.at;
        async move {
            let got = post(at, CHAT, &chat("say something", more)).await;
            assert_eq!(got.status, 200, "{got:?}");
            let choices = got.json()["choices"].as_array().unwrap().clone();
            let text = |choice: &Value| choice["message"]["content"].as_str().unwrap().to_owned();
            choices.iter().map(text).collect::<Vec<String>>()
        }
    };
    let three = ask(json!({"seed": 5, "n": 3})).await;
    assert_eq!(three.len(), 3);
    assert_ne!(three[0], three[1]);
    for (seed, text) in (5..).zip(&three) {
        assert_eq!(ask(json!({"seed": seed})).await, std::slice::from_ref(text));
    }
    // Without a seed two replies differ; greedy ones do not.
    assert_ne!(ask(json!({})).await, ask(json!({})).await);
    let greedy = json!({"temperature": 0});
    assert_eq!(ask(greedy.clone()).await, ask(greedy).await);
    // Streamed choices come side by side, each with its own number.
    let body = chat("say something", json!({"seed": 5, "n": 3, "stream": true}));
    let chunks = post(served.at, CHAT, &body).await.chunks();
    for (index, text) in three.iter().enumerate() {
        let own: String = chunks
            .iter()
            .map(|chunk| &chunk["choices"][0])
            .filter(|choice| choice["index"] == index)
            .filter_map(|choice| choice["delta"]["content"].as_str())
            .collect();
        assert_eq!(&own, text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_phrase_ends_the_reply_and_is_no_part_of_it() {
    let served = Served::new().await;
    let with = |stop: Value| {
        chat(
            "hello",
            json!({"temperature": 0, "max_tokens": 60, "stop": stop}),
        )
    };
    let whole = post(served.at, CHAT, &with(json!([]))).await.json();
    let text = whole["choices"][0]["message"]["content"].as_str().unwrap();
    let middle: String = text.chars().skip(9).take(3).collect();
    let before = text.split(&middle).next().unwrap();
    for stop in [json!(middle), json!(["never said", middle])] {
        let got = post(served.at, CHAT, &with(stop)).await.json();
        assert_eq!(got["choices"][0]["message"]["content"], before);
        assert_eq!(got["choices"][0]["finish_reason"], "stop");
    }
    served.is_at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_go_on_with_texts_and_tokens_alike() {
    let served = Served::new().await;
    let ask = |prompt: Value, more: Value| {
        let mut body = json!({"model": "tiny", "prompt": prompt, "temperature": 0});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let at = served.at;
        async move { post(at, TEXT, &body).await }
    };
    let one = ask(json!("abc"), json!({})).await.json();
    assert_eq!(one["object"], "text_completion");
    assert_eq!(one["usage"]["completion_tokens"], 16);
    let text = one["choices"][0]["text"].as_str().unwrap();
    // a, b, c follow the four special tokens and the 64 letters before them.
    let tokens = [68, 69, 70];
    let again = ask(json!(tokens), json!({})).await.json();
    assert_eq!(again["choices"][0]["text"], text);
    let two = ask(json!(["abc", "xyz"]), json!({})).await.json();
    assert_eq!(two["choices"].as_array().unwrap().len(), 2);
    assert_eq!(two["choices"][0]["text"], text);
    assert_eq!(two["usage"]["prompt_tokens"], 6);
    let lists = ask(json!([tokens, tokens]), json!({"echo": true}))
        .await
        .json();
    assert_eq!(lists["choices"][1]["text"], format!("abc{text}"));
    let scored = ask(json!("abc"), json!({"logprobs": 2, "max_tokens": 4}))
        .await
        .json();
    let logprobs = &scored["choices"][0]["logprobs"];
    for field in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
        assert_eq!(logprobs[field].as_array().unwrap().len(), 4, "{field}");
    }
    let streamed = ask(json!("abc"), json!({"stream": true})).await.chunks();
    assert_eq!(joined(&streamed, "/text"), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_begin_as_the_models_tokenizer_begins_them_unless_that_is_declined() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny");
    crate::tiny_model::put(&path);
    let file = path.join("tokenizer.json");
    let mut tokenizer: Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    tokenizer["post_processor"] = json!({"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [0], "tokens": ["<|im_start|>"]}}});
    std::fs::write(&file, tokenizer.to_string()).unwrap();
    let engine = spotter::engine::Engine::open(&path, &few_threads()).unwrap();
    let served = Served::of(engine.into(), folder, Limits::default(), None).await;
    let ask = |prompt: Value, more: Value| {
        let mut body = json!({"model": "tiny", "prompt": prompt, "temperature": 0, "echo": true});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let at = served.at;
        async move { post(at, TEXT, &body).await.json() }
    };
    let said = |got: &Value| {
        let text = got["choices"][0]["text"].as_str().unwrap().to_owned();
        (got["usage"]["prompt_tokens"].as_u64().unwrap(), text)
    };
    let framed = said(&ask(json!("abc"), json!({})).await);
    assert_eq!(framed.0, 4);
    assert!(framed.1.starts_with("abc"), "{framed:?}");
    let bare = said(&ask(json!("abc"), json!({"add_special_tokens": false})).await);
    assert_eq!(bare.0, 3);
    let tokens = said(&ask(json!([0, 68, 69, 70]), json!({})).await);
    assert_eq!(tokens, (4, format!("<|im_start|>{}", framed.1)));
    // A conversation's template writes its own beginning.
    let chats = json!({"add_special_tokens": true});
    assert_eq!(post(served.at, CHAT, &chat("a", chats)).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_answer_by_their_names_beside_their_base() {
    let served = Served::new().await;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["plain", "uneven"] {
        let folder = root.join("tests/fixtures/models/qwen2/adapters").join(name);
        served.engine.load_adapter(name, &folder).unwrap();
    }
    let models = get(served.at, "/v1/models").await.json();
    let names: Vec<&str> = models["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["tiny", "plain", "uneven"]);
    let ask = |name: &'static str| {
        let mut body = chat("count to ten", json!({"max_tokens": 30, "temperature": 0}));
        body["model"] = name.into();
        let at = served.at;
        async move {
            let got = post(at, CHAT, &body).await.json();
            assert_eq!(got["model"], name);
            got["choices"][0]["message"]["content"]
                .as_str()
                .unwrap()
                .to_owned()
        }
    };
    let alone = [ask("tiny").await, ask("plain").await, ask("uneven").await];
    assert!(
        alone[0] != alone[1] && alone[1] != alone[2] && alone[0] != alone[2],
        "{alone:?}"
    );
    let together = tokio::join!(ask("uneven"), ask("tiny"), ask("plain"), ask("tiny"));
    let (uneven, tiny, plain, again) = together;
    assert_eq!([&tiny, &plain, &uneven], [&alone[0], &alone[1], &alone[2]]);
    assert_eq!(again, tiny);
    let unknown = json!({"model": "none", "messages": [{"role": "user", "content": "a"}]});
    assert_eq!(post(served.at, CHAT, &unknown).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_request_leaves_out_is_drawn_as_the_models_makers_would() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny");
    crate::tiny_model::put(&path);
    let usual = json!({"do_sample": true, "temperature": 1.3, "top_k": 1});
    std::fs::write(path.join("generation_config.json"), usual.to_string()).unwrap();
    let engine = spotter::engine::Engine::open(&path, &few_threads()).unwrap();
    let served = Served::of(engine.into(), folder, Limits::default(), None).await;
    let ask = |mut settings: Value| {
        settings["max_tokens"] = 20.into();
        let at = served.at;
        async move {
            let got = post(at, CHAT, &chat("hello", settings)).await.json();
            got["choices"][0]["message"]["content"].clone()
        }
    };
    let greedy = ask(json!({"temperature": 0})).await;
    for seed in 0..4 {
        assert_eq!(ask(json!({"seed": seed})).await, greedy);
        assert_ne!(ask(json!({"seed": seed, "top_k": -1})).await, greedy);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_requests_are_refused_with_numbers_and_long_replies_end_with_the_context() {
    let wishes = spotter::engine::Wishes {
        cache_tokens: Some(256),
        ..few_threads()
    };
    let served = Served::with(Limits::default(), None, wishes).await;
    let long = "x".repeat(400);
    let got = post(served.at, CHAT, &chat(&long, json!({}))).await;
    assert_eq!(got.status, 400);
    let error = got.error();
    assert_eq!(error["code"], "context_length_exceeded");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("256"), "{message}");
    let fits = chat(&"x".repeat(200), json!({"max_tokens": 4000}));
    let got = post(served.at, CHAT, &fits).await.json();
    let usage = &got["usage"];
    assert!(usage["total_tokens"].as_u64().unwrap() <= 256, "{usage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_a_request_reach_the_template() {
    let served = Served::new().await;
    let ask = |more: Value| {
        let at = served.at;
        async move {
            let got = post(at, CHAT, &chat("hello", more)).await;
            assert_eq!(got.status, 200, "{got:?}");
            got.json()["usage"]["prompt_tokens"].as_u64().unwrap()
        }
    };
    let plain = ask(json!({})).await;
    let thinking = |thinks: bool| json!({"chat_template_kwargs": {"enable_thinking": thinks}});
    assert_eq!(ask(thinking(true)).await, plain);
    assert!(ask(thinking(false)).await > plain);
}

/// Where threads for what takes long are all held, a prompt waits for one; the thread that serves everybody goes on.
#[test]
fn nobody_waits_while_a_prompt_becomes_tokens() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let served = Served::new().await;
        let (release, held) = std::sync::mpsc::channel::<()>();
        let holder = tokio::task::spawn_blocking(move || held.recv());
        let body = json!({"model": "tiny", "prompt": "hello", "max_tokens": 1});
        let bytes = request("POST", TEXT, "", &body.to_string());
        let at = served.at;
        let answer = tokio::spawn(async move { send(at, &bytes).await });
        for _ in 0..20 {
            let health = get(at, "/health").await;
            assert_eq!(health.status, 200, "{health:?}");
        }
        assert!(!answer.is_finished());
        release.send(()).unwrap();
        let got = answer.await.unwrap();
        assert_eq!(got.status, 200, "{got:?}");
        holder.await.unwrap().unwrap();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_opens_everything_but_health() {
    let served = Served::with(Limits::default(), Some("sk-right"), few_threads()).await;
    for path in ["/v1/models", "/metrics", "/nothing"] {
        for header in [
            "",
            "authorization: Bearer sk-wrong\r\n",
            "authorization: sk-right\r\n",
        ] {
            let got = send(served.at, &request("GET", path, header, "")).await;
            assert_eq!(got.status, 401, "{path} {header}");
            assert_eq!(got.error()["code"], "invalid_api_key");
        }
    }
    let right = "authorization: Bearer sk-right\r\n";
    let got = send(served.at, &request("GET", "/v1/models", right, "")).await;
    assert_eq!(got.status, 200);
    assert_eq!(get(served.at, "/health").await.status, 200);
}
