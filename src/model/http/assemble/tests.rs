//! Chunks as the various servers write them.

use serde_json::json;

use super::*;

fn reply(chunks: &[Value]) -> (Reply, Vec<Delta>) {
    let mut assembler = Assembler::new(3);
    let news = chunks
        .iter()
        .flat_map(|chunk| assembler.take(&chunk.to_string()).unwrap())
        .collect();
    (assembler.reply(), news)
}

fn delta(delta: &Value) -> Value {
    json!({"model": "m", "choices": [{"index": 0, "delta": delta}]})
}

fn piece(call: &Value) -> Value {
    delta(&json!({"tool_calls": [call]}))
}

fn calls(reply: &Reply) -> Vec<(&str, &str, &str)> {
    let calls = reply.message.tool_calls.iter();
    calls
        .map(|c| (c.id.as_str(), c.name.as_str(), c.arguments.as_str()))
        .collect()
}

#[test]
fn text_reasoning_usage_and_logprobs_are_put_together() {
    let (reply, news) = reply(&[
        delta(&json!({"role": "assistant", "content": null, "reasoning_content": "hm"})),
        delta(&json!({"content": "", "reasoning": "m"})),
        delta(&json!({"content": [{"type": "text", "text": "a"}]})),
        json!({"choices": [{"delta": {"content": "b"}, "finish_reason": "stop",
               "logprobs": {"content": [{"token": "b", "logprob": -0.5, "bytes": [98], "top_logprobs":
               [{"token": "c", "logprob": -0.25, "bytes": [99]}]}, {"token": "", "logprob": -9, "top_logprobs": null}]}}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2,
               "prompt_tokens_details": {"cached_tokens": 4}}}),
    ]);
    assert_eq!(reply.message.content, "ab");
    assert_eq!(reply.message.reasoning.as_deref(), Some("hmm"));
    assert_eq!(reply.finish, Finish::Stop);
    assert_eq!(
        reply.usage.unwrap(),
        Usage {
            prompt_tokens: 5,
            completion_tokens: 2,
            cached_tokens: 4
        }
    );
    let logprobs = reply.logprobs.unwrap();
    assert_eq!(logprobs[0].token, "b");
    assert_eq!(logprobs[0].top_logprobs[0].token, "c");
    assert_eq!(crate::model::self_certainty(&logprobs), None);
    assert_eq!(reply.served_by.as_deref(), Some("m"));
    assert_eq!(news.len(), 4);
}

#[test]
fn calls_in_pieces_are_joined_by_index() {
    let (reply, _) = reply(&[
        piece(
            &json!({"index": 0, "id": "x", "type": "function", "function": {"name": "bash", "arguments": ""}}),
        ),
        piece(&json!({"index": 0, "function": {"arguments": "{\"a\""}})),
        piece(&json!({"index": 1, "id": "y", "function": {"name": "edit", "arguments": "{}"}})),
        piece(&json!({"index": 0, "id": null, "function": {"name": null, "arguments": ": 1}"}})),
        json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}),
    ]);
    assert_eq!(
        calls(&reply),
        [("x", "bash", "{\"a\": 1}"), ("y", "edit", "{}")]
    );
    assert_eq!(reply.finish, Finish::ToolCalls);
}

#[test]
fn whole_calls_without_index_or_id_or_under_one_index_stay_apart() {
    let (without, _) = reply(&[
        piece(&json!({"function": {"name": "a", "arguments": {"x": 1}}})),
        piece(&json!({"function": {"name": "b", "arguments": "{}"}})),
        json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
    ]);
    assert_eq!(
        calls(&without),
        [("call_3", "a", "{\"x\":1}"), ("call_4", "b", "{}")]
    );
    assert_eq!(without.finish, Finish::ToolCalls);
    let (same, _) = reply(&[
        piece(&json!({"index": 0, "id": "p", "function": {"name": "a", "arguments": "{}"}})),
        piece(&json!({"index": 0, "id": "q", "function": {"name": "a", "arguments": "{}"}})),
    ]);
    assert_eq!(calls(&same), [("p", "a", "{}"), ("q", "a", "{}")]);
}

#[test]
fn a_whole_answer_is_read_like_a_stream() {
    let message = json!({"role": "assistant", "content": null,
        "tool_calls": [{"id": "i", "type": "function", "function": {"name": "a", "arguments": "{}"}}]});
    let (reply, _) = reply(&[
        json!({"object": "chat.completion", "choices": [{"message": message,
        "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}),
    ]);
    assert_eq!(calls(&reply), [("i", "a", "{}")]);
}

#[test]
fn errors_and_garbage_are_told_apart() {
    let mut assembler = Assembler::new(0);
    assert!(matches!(assembler.take("not json"), Err(Bad::Chunk(_))));
    assert_eq!(
        assembler.take("{\"error\": {\"message\": \"boom\", \"code\": 500}}"),
        Err(Bad::Error {
            status: Some(500),
            message: "boom".into()
        })
    );
}
