//! The one rendering of a request. It is a function of the model's name and the request alone: the trajectory stores
//! its hash, and whoever has both can rebuild it byte for byte.

use serde_json::{Map, Value, json};

use crate::model::{ChatRequest, Message, Role, ToolCall, ToolSpec};

/// The body of `POST /chat/completions`.
#[must_use]
pub fn request_body(model: &str, request: &ChatRequest) -> String {
    let sampling = &request.sampling;
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    let messages: Vec<Value> = request.messages.iter().map(message).collect();
    body.insert("messages".to_owned(), Value::Array(messages));
    if !request.tools.is_empty() {
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body.insert("tools".to_owned(), Value::Array(tools));
        body.insert(
            "tool_choice".to_owned(),
            json!(if sampling.require_call {
                "required"
            } else {
                "auto"
            }),
        );
    }
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    set("temperature", sampling.temperature.map(Value::from));
    set("top_p", sampling.top_p.map(Value::from));
    // Not of OpenAI's own protocol, but of most servers that people run.
    set("top_k", sampling.top_k.map(Value::from));
    set("min_p", sampling.min_p.map(Value::from));
    set(
        "repetition_penalty",
        sampling.repetition_penalty.map(Value::from),
    );
    set(
        "presence_penalty",
        sampling.presence_penalty.map(Value::from),
    );
    set(
        "frequency_penalty",
        sampling.frequency_penalty.map(Value::from),
    );
    set("max_tokens", sampling.max_tokens.map(Value::from));
    set("seed", sampling.seed.map(Value::from));
    set(
        "stop",
        (!sampling.stop.is_empty()).then(|| json!(sampling.stop)),
    );
    set("logprobs", sampling.logprobs.then_some(Value::Bool(true)));
    set(
        "top_logprobs",
        sampling
            .top_logprobs
            .filter(|_| sampling.logprobs)
            .map(Value::from),
    );
    set("stream", Some(Value::Bool(true)));
    set("stream_options", Some(json!({"include_usage": true})));
    Value::Object(body).to_string()
}

fn message(message: &Message) -> Value {
    match message.role {
        Role::System => json!({"role": "system", "content": message.content}),
        Role::User => json!({"role": "user", "content": message.content}),
        Role::Tool => json!({
            "role": "tool",
            "tool_call_id": message.tool_call_id.as_deref().unwrap_or_default(),
            "content": message.content,
        }),
        Role::Assistant if message.tool_calls.is_empty() => {
            json!({"role": "assistant", "content": message.content})
        }
        Role::Assistant => {
            let content = match message.content.as_str() {
                "" => Value::Null,
                text => json!(text),
            };
            let calls: Vec<Value> = message.tool_calls.iter().map(call).collect();
            json!({"role": "assistant", "content": content, "tool_calls": calls})
        }
    }
}

fn call(call: &ToolCall) -> Value {
    json!({
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments(&call.arguments)},
    })
}

/// Servers parse the arguments of earlier calls for the chat template and refuse the whole request where one is no
/// JSON object. What a model wrote wrongly is sent as text inside one, so that it still sees its own words.
fn arguments(text: &str) -> String {
    if text.trim().is_empty() {
        return "{}".to_owned();
    }
    match serde_json::from_str::<Map<String, Value>>(text) {
        Ok(_) => text.to_owned(),
        Err(_) => json!({"malformed_arguments": text}).to_string(),
    }
}

fn tool(tool: &ToolSpec) -> Value {
    json!({
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sampling;

    #[test]
    fn the_rendering_is_fixed() {
        let mut asked = Message::text(Role::Assistant, "");
        asked.tool_calls = vec![
            ToolCall {
                id: "c0".into(),
                name: "bash".into(),
                arguments: "{\"command\": \"ls\"}".into(),
            },
            ToolCall {
                id: "c1".into(),
                name: "bash".into(),
                arguments: "{oops".into(),
            },
        ];
        let answered = Message::tool_result(&asked.tool_calls[0], "a\n");
        let request = ChatRequest {
            messages: vec![
                Message::text(Role::System, "s"),
                Message::text(Role::User, "ü"),
                asked,
                answered,
            ],
            tools: vec![ToolSpec {
                name: "bash".into(),
                description: "run".into(),
                parameters: json!({"type": "object", "properties": {"command": {"type": "string"}}}),
            }],
            sampling: Sampling {
                temperature: Some(0.5),
                max_tokens: Some(100),
                seed: Some(7),
                stop: vec!["</function".into()],
                logprobs: true,
                ..Sampling::default()
            },
        };
        assert_eq!(
            request_body("m", &request),
            concat!(
                r#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"ü"},"#,
                r#"{"role":"assistant","content":null,"tool_calls":[{"id":"c0","type":"function","function":"#,
                r#"{"name":"bash","arguments":"{\"command\": \"ls\"}"}},{"id":"c1","type":"function","function":"#,
                r#"{"name":"bash","arguments":"{\"malformed_arguments\":\"{oops\"}"}}]},"#,
                r#"{"role":"tool","tool_call_id":"c0","content":"a\n"}],"tools":[{"type":"function","function":"#,
                r#"{"name":"bash","description":"run","parameters":{"type":"object","properties":{"command":"#,
                r#"{"type":"string"}}}}}],"tool_choice":"auto","temperature":0.5,"max_tokens":100,"seed":7,"#,
                r#""stop":["</function"],"logprobs":true,"stream":true,"stream_options":{"include_usage":true}}"#
            )
        );
    }

    #[test]
    fn every_sampling_setting_that_is_given_is_sent_and_no_other() {
        let plain = ChatRequest {
            messages: Vec::new(),
            tools: Vec::new(),
            sampling: Sampling::default(),
        };
        let settings = ["top_k", "min_p", "penalty", "logprobs", "seed", "stop\""];
        let body = request_body("m", &plain);
        for name in settings {
            assert!(!body.contains(name), "{name} in {body}");
        }
        let request = ChatRequest {
            sampling: Sampling {
                top_k: Some(20),
                min_p: Some(0.05),
                repetition_penalty: Some(1.1),
                presence_penalty: Some(0.5),
                frequency_penalty: Some(-0.5),
                logprobs: true,
                top_logprobs: Some(3),
                ..Sampling::default()
            },
            ..plain
        };
        let sent = concat!(
            r#""top_k":20,"min_p":0.05,"repetition_penalty":1.1,"presence_penalty":0.5,"#,
            r#""frequency_penalty":-0.5,"logprobs":true,"top_logprobs":3,"stream":true"#
        );
        let body = request_body("m", &request);
        assert!(body.contains(sent), "{body}");
    }

    #[test]
    fn a_request_read_back_from_json_renders_the_same() {
        let request = ChatRequest {
            messages: vec![Message::text(Role::User, "x")],
            tools: Vec::new(),
            sampling: Sampling {
                temperature: Some(0.1 + 0.2),
                ..Sampling::default()
            },
        };
        let text = serde_json::to_string(&request).unwrap();
        let again: ChatRequest = serde_json::from_str(&text).unwrap();
        assert_eq!(request_body("m", &request), request_body("m", &again));
    }
}
