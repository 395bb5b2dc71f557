//! What a server's refusal means, in the words of the various servers.

use serde_json::Value;

use super::Failed;
use crate::model::ModelError;

/// What to do about an answer that is no reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Auth,
    Overflow,
    Model,
    MayPass,
    Refused,
}

/// How servers say that a request is longer than the context, lower case: vLLM, OpenAI, llama.cpp, `SGLang`, Ollama, TGI
/// and those that imitate them.
const OVERFLOW: &[&str] = &[
    "maximum context length",
    "maximum model length",
    "context_length_exceeded",
    "exceeds the context window",
    "exceed_context_size_error",
    "exceeds the available context size",
    "context size has been exceeded",
    "exceeds the maximum allowed length",
    "longer than the model's context length",
    "exceeds the context length",
    "exceeded max context length",
    "exceeds maximum context length",
    "exceeds context length",
    "prompt is too long",
    "prompt too long",
    "`inputs` must have less than",
    "max_new_tokens` must be <=",
];

pub(super) fn meaning(status: u16, message: &str) -> Meaning {
    let said = message.to_lowercase();
    match status {
        401 | 403 => Meaning::Auth,
        408 | 429 => Meaning::MayPass,
        _ if OVERFLOW.iter().any(|words| said.contains(words)) => Meaning::Overflow,
        404 => Meaning::Model,
        400 | 422 if said.contains("model") && names_an_absence(&said) => Meaning::Model,
        500.. => Meaning::MayPass,
        _ => Meaning::Refused,
    }
}

fn names_an_absence(said: &str) -> bool {
    [
        "model not found",
        "model_not_found",
        "is not a valid model",
        "invalid model name",
    ]
    .iter()
    .any(|words| said.contains(words))
        || (said.contains("the model `") && said.contains("does not exist"))
}

/// An error reported inside a stream that began well.
pub(super) fn within_stream(server: &str, status: Option<u16>, message: &str) -> Failed {
    match meaning(status.unwrap_or(500), message) {
        Meaning::Overflow => Failed::ForGood(ModelError::ContextOverflow {
            message: message.to_owned(),
        }),
        Meaning::MayPass => Failed::perhaps(format!("it reported within the stream: {message}")),
        _ => Failed::ForGood(ModelError::Refused {
            server: server.to_owned(),
            status: status.unwrap_or(200),
            message: message.to_owned(),
        }),
    }
}

/// The sentence inside an error's body, with its code where that says more.
pub(super) fn message(body: &str) -> String {
    let parsed: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let error = parsed.get("error").unwrap_or(&parsed);
    let text = |name: &str| {
        error
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let said = match (error.as_str(), text("message").or_else(|| text("detail"))) {
        (Some(text), _) | (None, Some(text)) => text.to_owned(),
        (None, None) => match parsed.get("detail") {
            Some(detail) => detail.to_string(),
            None => body.trim().to_owned(),
        },
    };
    let code = text("code")
        .or_else(|| text("type"))
        .filter(|code| !said.contains(code));
    let said: String = said.chars().take(500).collect();
    match (code, said.is_empty()) {
        (Some(code), false) => format!("{said} ({code})"),
        (Some(code), true) => code.to_owned(),
        (None, true) => "no explanation".to_owned(),
        (None, false) => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_that_is_too_small_is_recognised_in_every_servers_words() {
        for body in [
            r#"{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens","type":"BadRequestError","code":400}"#,
            r#"{"error":{"message":"The decoder prompt (length 5000) is longer than the maximum model length of 4096.","code":400}}"#,
            r#"{"error":{"message":"Your input is too big","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
            r#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error"}}"#,
            r#"{"object":"error","message":"The input (5000 tokens) is longer than the model's context length (4096 tokens).","code":400}"#,
            r#"{"object":"error","message":"Input length (5000 tokens) exceeds the maximum allowed length (4090 tokens)."}"#,
            r#"{"error":{"message":"prompt too long; exceeded max context length by 12 tokens"}}"#,
            r#"{"error":"input length exceeds the context length"}"#,
        ] {
            assert_eq!(meaning(400, &message(body)), Meaning::Overflow, "{body}");
        }
    }

    #[test]
    fn a_missing_model_a_bad_key_and_a_busy_server_are_told_apart() {
        let missing = r#"{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","code":404}"#;
        assert_eq!(meaning(404, &message(missing)), Meaning::Model);
        assert_eq!(
            meaning(400, "The model `x` does not exist."),
            Meaning::Model
        );
        assert_eq!(meaning(401, "maximum context length"), Meaning::Auth);
        assert_eq!(meaning(429, "slow down"), Meaning::MayPass);
        assert_eq!(meaning(503, ""), Meaning::MayPass);
        assert_eq!(
            meaning(
                400,
                "\"auto\" tool choice requires --enable-auto-tool-choice"
            ),
            Meaning::Refused
        );
    }

    #[test]
    fn the_sentence_is_found_in_every_shape_of_body() {
        assert_eq!(
            message(r#"{"error": {"message": "a", "code": "b"}}"#),
            "a (b)"
        );
        assert_eq!(message(r#"{"error": "a"}"#), "a");
        assert_eq!(message(r#"{"detail": "a"}"#), "a");
        assert_eq!(message("<html>"), "<html>");
        assert_eq!(message(""), "no explanation");
    }
}
