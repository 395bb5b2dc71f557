//! Tool calls and JSON that a grammar holds a model to: its weights are drawn, and yet what it says can be read.

use serde_json::{Value, json};

use crate::Served;
use crate::client::{chat, post};

const CHAT: &str = "/v1/chat/completions";

fn tools() -> Value {
    let tool = |name: &str, parameters: Value| json!({"type": "function", "function": {"name": name, "parameters": parameters}});
    json!([
        tool(
            "bash",
            json!({
                "type": "object", "required": ["command"],
                "properties": {"command": {"type": "string", "maxLength": 30}, "timeout": {"type": "integer", "minimum": 0, "maximum": 600}},
            })
        ),
        tool(
            "edit",
            json!({
                "type": "object", "required": ["path", "how"],
                "properties": {
                    "path": {"type": "string", "maxLength": 20}, "how": {"enum": ["view", "create"]},
                    "lines": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "maxItems": 2},
                },
            })
        ),
        tool("submit", json!({"type": "object", "properties": {}})),
    ])
}

/// The arguments fit: what is needed is there, of its kind, and nothing else is.
fn check(name: &str, arguments: &Value) {
    let fields = arguments.as_object().unwrap();
    match name {
        "bash" => {
            assert!(fields["command"].as_str().unwrap().chars().count() <= 30);
            assert!(
                fields
                    .keys()
                    .all(|key| key == "command" || key == "timeout")
            );
            let timeout = fields
                .get("timeout")
                .map(|timeout| timeout.as_u64().unwrap());
            assert!(timeout.unwrap_or(0) <= 600);
        }
        "edit" => {
            assert!(fields["path"].is_string());
            assert!(["view", "create"].contains(&fields["how"].as_str().unwrap()));
        }
        "submit" => assert!(fields.is_empty()),
        other => panic!("there is no tool {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_must_come_is_always_one_that_can_be_carried_out() {
    let served = Served::new().await;
    let mut names = std::collections::BTreeMap::<String, usize>::new();
    for seed in 0..15 {
        let mut body = chat(
            "do something",
            json!({"tools": tools(), "tool_choice": "required", "seed": seed, "temperature": 1.0, "max_tokens": 400}),
        );
        if seed % 3 == 0 {
            body["stream"] = true.into();
        }
        let got = post(served.at, CHAT, &body).await;
        assert_eq!(got.status, 200, "{got:?}");
        let (call, finish) = if seed % 3 == 0 {
            let chunks = got.chunks();
            let find = |path: &str| {
                let mut found = chunks.iter().filter_map(|chunk| chunk.pointer(path));
                found.find(|value| !value.is_null()).cloned().unwrap()
            };
            (
                find("/choices/0/delta/tool_calls/0/function"),
                find("/choices/0/finish_reason"),
            )
        } else {
            let choice = got.json()["choices"][0].clone();
            let calls = choice["message"]["tool_calls"].as_array().unwrap();
            assert_eq!(calls.len(), 1);
            assert!(choice["message"]["content"].is_null());
            (
                calls[0]["function"].clone(),
                choice["finish_reason"].clone(),
            )
        };
        assert_eq!(finish, "tool_calls");
        let name = call["name"].as_str().unwrap();
        let arguments = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
        check(name, &arguments);
        *names.entry(name.to_owned()).or_default() += 1;
    }
    assert!(names.len() >= 2, "{names:?}");
    // A tool that is named is the one that is called.
    let only = json!({"type": "function", "function": {"name": "edit"}});
    let body = chat(
        "x",
        json!({"tools": tools(), "tool_choice": only, "temperature": 1.0, "max_tokens": 900}),
    );
    let got = post(served.at, CHAT, &body).await.json();
    assert_eq!(
        got["choices"][0]["message"]["tool_calls"][0]["function"]["name"],
        "edit"
    );
    served.is_at_rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_asked_for_by_its_schema_comes() {
    let served = Served::new().await;
    let schema = json!({
        "type": "object", "required": ["answer", "sure"], "additionalProperties": false,
        "properties": {"answer": {"type": "string", "maxLength": 12}, "sure": {"type": "boolean"}},
    });
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}});
    for seed in 0..10 {
        let more =
            json!({"response_format": format, "seed": seed, "temperature": 1.0, "max_tokens": 400});
        let got = post(served.at, CHAT, &chat("well?", more)).await.json();
        let choice = &got["choices"][0];
        assert_eq!(choice["finish_reason"], "stop", "{got}");
        let text = choice["message"]["content"].as_str().unwrap();
        let answer: Value = serde_json::from_str(text).unwrap();
        assert!(answer["answer"].is_string() && answer["sure"].is_boolean());
    }
    let format =
        json!({"type": "json_schema", "json_schema": {"schema": {"type": "no such type"}}});
    let got = post(
        served.at,
        CHAT,
        &chat("well?", json!({"response_format": format})),
    )
    .await;
    assert_eq!(got.status, 400, "{got:?}");
    got.error();
}
