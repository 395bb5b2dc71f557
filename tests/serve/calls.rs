//! Tool calls and JSON that a grammar holds a model to: its weights are drawn, and yet what it says can be read.

use serde_json::{Value, json};

use spotter::engine::Engine;
use spotter::model::local::prompt;
use spotter::model::{Message, Role, ToolCall};

use crate::client::{chat, post};
use crate::{Served, few_threads, tiny_model};

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

/// A template that writes calls as Qwen3-Coder's does.
const XML: &str = "{%- for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{%- for call in m.tool_calls or [] %}\
<tool_call>\n<function={{ call.function.name }}>\n{%- for key, value in call.function.arguments | items %}\
<parameter={{ key }}>\n{{ value }}\n</parameter>\n{%- endfor %}</function>\n</tool_call>{%- endfor %}<|im_end|>\n{%- endfor %}\
{%- if add_generation_prompt %}<|im_start|>assistant\n{%- endif %}";

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_must_come_is_held_to_xml_where_the_template_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny");
    tiny_model::put(&path);
    let settings = json!({"chat_template": XML, "eos_token": "<|im_end|>"});
    std::fs::write(path.join("tokenizer_config.json"), settings.to_string()).unwrap();
    let engine = std::sync::Arc::new(Engine::open(&path, &few_threads()).unwrap());
    let limits = spotter::serve::Limits::default();
    let served = Served::of(engine, folder, limits, None).await;
    let mut names = std::collections::BTreeMap::<String, usize>::new();
    for seed in 0..15 {
        let more = json!({
            "tools": tools(), "tool_choice": "required", "seed": seed, "temperature": 1.0, "max_tokens": 600,
            "logprobs": true,
        });
        let got = post(served.at, CHAT, &chat("do something", more)).await;
        assert_eq!(got.status, 200, "{got:?}");
        let choice = got.json()["choices"][0].clone();
        assert_eq!(choice["finish_reason"], "tool_calls", "{choice}");
        let written: String = choice["logprobs"]["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|token| token["token"].as_str().unwrap())
            .collect();
        assert!(written.starts_with("<tool_call>\n<function="), "{written}");
        let calls = choice["message"]["tool_calls"].as_array().unwrap();
        assert_eq!(calls.len(), 1, "{written}");
        let call = &calls[0]["function"];
        let name = call["name"].as_str().unwrap();
        let arguments = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
        check(name, &arguments);
        *names.entry(name.to_owned()).or_default() += 1;
    }
    assert!(names.len() >= 2, "{names:?}");
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

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_asked_for_is_no_call_whatever_it_looks_like() {
    let served = Served::new().await;
    let schema = |name: Value| {
        json!({
            "type": "object", "required": ["name", "arguments"], "additionalProperties": false,
            "properties": {"name": name, "arguments": {"type": "object", "properties": {}, "additionalProperties": false}},
        })
    };
    for name in [json!({"enum": ["Bob"]}), json!({"enum": ["submit"]})] {
        let format = json!({"type": "json_schema", "json_schema": {"name": "person", "schema": schema(name)}});
        let more = json!({"response_format": format, "tools": tools(), "max_tokens": 400, "n": 2});
        let got = post(served.at, CHAT, &chat("who?", more)).await.json();
        for choice in got["choices"].as_array().unwrap() {
            assert_eq!(choice["finish_reason"], "stop", "{got}");
            let text = choice["message"]["content"].as_str().unwrap();
            let person: Value = serde_json::from_str(text).unwrap();
            assert!(person["name"].is_string());
            assert!(choice["message"]["tool_calls"].is_null());
        }
    }
    served.is_at_rest().await;
}

/// What a template of its own makes of a history with a call.
fn rendered(template: &str, call: &Message) -> String {
    let folder = tempfile::tempdir().unwrap();
    tiny_model::put(folder.path());
    let settings = json!({"chat_template": template, "eos_token": "<|im_end|>"});
    let path = folder.path().join("tokenizer_config.json");
    std::fs::write(path, settings.to_string()).unwrap();
    let engine = Engine::open(folder.path(), &few_threads()).unwrap();
    let messages = [Message::text(Role::User, "go"), call.clone()];
    let tokens = prompt(&engine, &messages, &[], &serde_json::Map::new()).unwrap();
    engine.decoded(&tokens)
}

#[test]
fn a_history_reaches_each_template_in_the_form_that_it_reads() {
    let mut call = Message::text(Role::Assistant, "");
    call.tool_calls.push(ToolCall {
        id: "1".into(),
        name: "bash".into(),
        arguments: "{\"a\":1}".into(),
    });
    let each = |what: &str| format!("{{% for m in messages %}}{what}{{% endfor %}}");
    let of_call = |what: &str| {
        each(&format!(
            "{{% for c in m.tool_calls or [] %}}{what}{{% endfor %}}"
        ))
    };
    // Most read an object. Some put a text together, which an object is not.
    let objects = of_call("{{ c.function.arguments | tojson }}");
    assert_eq!(rendered(&objects, &call), "{\"a\": 1}");
    let strings = of_call("{{ 'call ' + c['function']['arguments'] }}");
    assert_eq!(rendered(&strings, &call), "call {\"a\":1}");
    // A content that is not there is none where that is asked, and prints as nothing elsewhere.
    let asks = each("{% if m['content'] is not none %}[{{ m['content'] }}]{% endif %}");
    assert_eq!(rendered(&asks, &call), "[go]");
    let prints = each("[{{ m.content }}]");
    assert_eq!(rendered(&prints, &call), "[go][]");
    // Reasoning is there where there was some.
    let thinks = each("[{{ m.reasoning_content if m.reasoning_content is string else '' }}]");
    assert_eq!(rendered(&thinks, &call), "[][]");
    call.reasoning = Some("hm".into());
    assert_eq!(rendered(&thinks, &call), "[][hm]");
}
