//! The HTTP model against a real server that behaves as servers and networks do.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod model_server;

use std::time::{Duration, Instant};

use model_server::{MODEL, ModelServer, Turn};
use serde_json::json;
use spotter::model::http::{HttpModel, HttpSettings, request_body};
use spotter::model::spec::ModelSpec;
use spotter::model::{
    ChatModel, ChatRequest, Delta, Finish, Message, ModelError, Reply, Role, Sampling, ToolSpec,
};
use spotter::text::secret::Secret;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

fn settings(server: &ModelServer) -> HttpSettings {
    let mut settings = HttpSettings::new(&server.url()).unwrap();
    settings.key = Secret::new("sk-secret");
    settings.retry.first = Duration::from_millis(1);
    settings
}

fn request() -> ChatRequest {
    ChatRequest {
        messages: vec![Message::text(Role::User, "hello")],
        tools: vec![ToolSpec {
            name: "bash".into(),
            description: "run a command".into(),
            parameters: json!({"type": "object", "properties": {"command": {"type": "string"}}}),
        }],
        sampling: Sampling::default(),
    }
}

async fn ask_with(settings: HttpSettings) -> (Result<Reply, ModelError>, Vec<Delta>) {
    let model = HttpModel::named(&settings, MODEL).unwrap();
    let (send, mut receive) = mpsc::channel(1024);
    let reply = model
        .chat(&request(), send, &CancellationToken::new())
        .await;
    let mut deltas = Vec::new();
    while let Ok(delta) = receive.try_recv() {
        deltas.push(delta);
    }
    (reply, deltas)
}

async fn ask(turns: Vec<Turn>) -> (Result<Reply, ModelError>, Vec<Delta>, ModelServer) {
    let server = ModelServer::start(turns).await;
    let (reply, deltas) = ask_with(settings(&server)).await;
    (reply, deltas, server)
}

fn streamed_text(deltas: &[Delta]) -> String {
    deltas.iter().fold(String::new(), |mut all, delta| {
        match delta {
            Delta::Text { text } => all.push_str(text),
            Delta::Restart { .. } => all.clear(),
            Delta::Reasoning { .. } | Delta::Tool { .. } => {}
        }
        all
    })
}

#[tokio::test]
async fn a_streamed_reply_arrives_in_pieces_and_whole() {
    let turn = Turn::text_and_calls("I will look. ", &[("bash", "{\"command\": \"ls\"}")])
        .reasoning("hmm");
    let (reply, deltas, server) = ask(vec![turn]).await;
    let reply = reply.unwrap();
    assert_eq!(reply.message.content, "I will look. ");
    assert_eq!(reply.message.reasoning.as_deref(), Some("hmm"));
    assert_eq!(
        reply.message.tool_calls[0].arguments,
        "{\"command\": \"ls\"}"
    );
    assert_eq!(reply.finish, Finish::ToolCalls);
    assert_eq!(reply.usage.unwrap().prompt_tokens, 10);
    assert_eq!(reply.retries, 0);
    assert_eq!(streamed_text(&deltas), reply.message.content);
    assert!(deltas.len() > 5);
    assert_eq!(
        server.bodies()[0],
        request_body(MODEL, &request()),
        "what is sent is the public rendering"
    );
    assert_eq!(server.keys()[0].as_deref(), Some("Bearer sk-secret"));
}

#[tokio::test]
async fn a_server_that_ignores_stream_is_understood() {
    let turn =
        Turn::text_and_calls("ok ", &[("bash", "{}"), ("bash", "{\"command\": \"x\"}")]).whole();
    let (reply, deltas, _) = ask(vec![turn]).await;
    let reply = reply.unwrap();
    assert_eq!(reply.message.tool_calls.len(), 2);
    assert_eq!(reply.finish, Finish::ToolCalls);
    assert_eq!(streamed_text(&deltas), "ok ");
}

#[tokio::test]
async fn a_dropped_stream_is_void_and_asked_again() {
    let (reply, deltas, server) = ask(vec![
        Turn::text("half of an ").dropped(),
        Turn::text("whole answer"),
    ])
    .await;
    let reply = reply.unwrap();
    assert_eq!(reply.message.content, "whole answer");
    assert_eq!((reply.retries, server.calls()), (1, 2));
    assert_eq!(
        deltas
            .iter()
            .filter(|d| matches!(d, Delta::Restart { .. }))
            .count(),
        1
    );
    assert_eq!(streamed_text(&deltas), "whole answer");
}

#[tokio::test]
async fn busy_and_broken_servers_are_asked_again_and_heeded() {
    let turns = vec![
        Turn::status(429, "busy").header("retry-after", "0.3"),
        Turn::status(503, "starting"),
        Turn::status(500, "oops"),
        Turn::text("at last"),
    ];
    let before = Instant::now();
    let (reply, deltas, _) = ask(turns).await;
    assert!(before.elapsed() >= Duration::from_millis(300));
    assert_eq!(reply.unwrap().retries, 3);
    assert!(
        !deltas.iter().any(|d| matches!(d, Delta::Restart { .. })),
        "nothing was streamed before"
    );
}

#[tokio::test]
async fn a_server_that_keeps_failing_is_given_up_with_its_last_words() {
    let (reply, _, server) = ask(vec![Turn::status(500, "engine is dead"); 9]).await;
    let error = reply.unwrap_err().to_string();
    assert!(
        error.contains("failed 6 times") && error.contains("engine is dead"),
        "{error}"
    );
    assert_eq!(server.calls(), 6);
}

#[tokio::test]
async fn errors_that_do_not_pass_are_not_repeated() {
    for (turn, fits) in [
        (
            Turn::status(401, "bad key sk-secret"),
            (|e| matches!(e, ModelError::Auth { status: 401, .. })) as fn(&ModelError) -> bool,
        ),
        (Turn::status(403, "no"), |e| {
            matches!(e, ModelError::Auth { status: 403, .. })
        }),
        (Turn::overflow(), |e| {
            matches!(e, ModelError::ContextOverflow { .. })
        }),
        (Turn::status(400, "tools are off"), |e| {
            matches!(e, ModelError::Refused { status: 400, .. })
        }),
    ] {
        let (reply, _, server) = ask(vec![turn, Turn::text("never")]).await;
        let error = reply.unwrap_err();
        assert!(fits(&error), "{error}");
        assert_eq!(server.calls(), 1);
        assert!(
            !format!("{error} {error:?}").contains("sk-secret"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn an_error_inside_the_stream_is_an_error() {
    let inside = |body: &str| {
        Turn::raw(&format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}]}}\n\ndata: {body}\n\n"
        ))
    };
    let overflow = inside("{\"error\":{\"message\":\"maximum context length is 5\",\"code\":400}}");
    let (reply, ..) = ask(vec![overflow]).await;
    assert!(matches!(
        reply.unwrap_err(),
        ModelError::ContextOverflow { .. }
    ));
    let dead = inside("{\"error\":\"engine died\"}");
    let (reply, deltas, _) = ask(vec![dead, Turn::text("again")]).await;
    assert_eq!(reply.unwrap().message.content, "again");
    assert_eq!(streamed_text(&deltas), "again");
}

#[tokio::test]
async fn an_unknown_model_is_told_with_what_there_is() {
    let server = ModelServer::offering(vec![Turn::text("x")], &["one", "two"]).await;
    let (reply, _) = ask_with(settings(&server)).await;
    let error = reply.unwrap_err().to_string();
    assert!(
        error.contains("no model `scripted`; it offers: one, two"),
        "{error}"
    );
    let error = HttpModel::open(&settings(&server), None)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("several models (one, two)") && error.contains("#one"),
        "{error}"
    );
    let mut wrong = settings(&server);
    wrong.base = server.url().trim_end_matches("/v1").parse().unwrap();
    let (reply, _) = ask_with(wrong).await;
    assert!(
        reply
            .unwrap_err()
            .to_string()
            .contains("usually ends in /v1")
    );
}

#[tokio::test]
async fn the_only_model_needs_no_name() {
    let server = ModelServer::start(vec![Turn::text("x")]).await;
    let spec: ModelSpec = server.url().parse().unwrap();
    let model = spec.open(&|_| {}).await.unwrap();
    assert_eq!(model.info().name, MODEL);
    assert_eq!(model.info().context, Some(4096));
    assert_eq!(model.info().spec, server.spec());
}

#[tokio::test]
async fn silence_and_no_connection_are_failures_that_may_pass() {
    let server = ModelServer::start(vec![
        Turn::silent(),
        Turn::text("a b c").slow(Duration::from_millis(400)),
        Turn::text("ok"),
    ])
    .await;
    let mut impatient = settings(&server);
    impatient.idle = Duration::from_millis(150);
    let (reply, _) = ask_with(impatient.clone()).await;
    assert_eq!(reply.unwrap().retries, 2);
    impatient.base = "http://127.0.0.1:9/v1".parse().unwrap();
    impatient.retry.attempts = 2;
    let (reply, _) = ask_with(impatient).await;
    let error = reply.unwrap_err();
    assert!(
        matches!(error, ModelError::Unavailable { attempts: 2, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn cancelling_ends_the_call_before_its_answer_comes() {
    let server =
        ModelServer::start(vec![Turn::text("a b c d").slow(Duration::from_secs(60))]).await;
    let model = HttpModel::named(&settings(&server), MODEL).unwrap();
    let (send, _receive) = mpsc::channel(8);
    let cancel = CancellationToken::new();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        cancel.cancel();
        Instant::now()
    };
    let request = request();
    let (reply, cancelled) = tokio::join!(model.chat(&request, send, &cancel), stop);
    assert!(matches!(reply.unwrap_err(), ModelError::Cancelled));
    assert!(
        cancelled.elapsed() < Duration::from_secs(5),
        "{:?}",
        cancelled.elapsed()
    );
}

#[tokio::test]
async fn nobody_needs_to_watch() {
    let server = ModelServer::start(vec![Turn::text("a b c d")]).await;
    let model = HttpModel::named(&settings(&server), MODEL).unwrap();
    let (send, receive) = mpsc::channel(1);
    drop(receive);
    let reply = model
        .chat(&request(), send, &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(reply.message.content, "a b c d");
}

#[tokio::test]
async fn a_web_page_is_no_model_and_is_asked_once() {
    let page = "<!doctype html><html><body>Welcome</body></html>";
    let by_type = Turn::raw("Welcome").header("content-type", "text/html; charset=utf-8");
    for turn in [Turn::raw(page), by_type] {
        let (reply, _, server) = ask(vec![turn]).await;
        let error = reply.unwrap_err();
        assert!(matches!(error, ModelError::Malformed { .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains(&server.url()), "{said}");
        assert!(said.contains("/v1/chat/completions"), "{said}");
        assert_eq!(server.calls(), 1);
    }
}
