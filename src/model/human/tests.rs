//! What a person types becomes what a model would have said.

use serde_json::json;

use super::*;
use crate::model::{ModelKind, Role, Sampling, ToolCall};

fn tools() -> Vec<ToolSpec> {
    let tool = |name: &str, parameters: serde_json::Value| ToolSpec {
        name: name.into(),
        description: String::new(),
        parameters,
    };
    vec![
        tool(
            "bash",
            json!({"type": "object", "properties": {"command": {"type": "string"}}}),
        ),
        tool("finish", json!({})),
    ]
}

fn human(prompts: mpsc::Sender<HumanPrompt>) -> Human {
    let info = ModelInfo {
        kind: ModelKind::Human,
        name: "human".into(),
        spec: "human".into(),
        context: None,
    };
    Human::new(info, prompts)
}

fn request() -> ChatRequest {
    let mut said = Message::text(Role::Assistant, "");
    said.tool_calls = vec![ToolCall {
        id: "call_0".into(),
        name: "bash".into(),
        arguments: "{}".into(),
    }];
    ChatRequest {
        messages: vec![
            Message::text(Role::User, "task"),
            said.clone(),
            Message::tool_result(&said.tool_calls[0], "out"),
        ],
        tools: tools(),
        sampling: Sampling::default(),
    }
}

#[tokio::test]
async fn a_typed_command_is_a_call_with_an_id_of_its_own() {
    let (send, mut prompts) = mpsc::channel(1);
    let human = human(send);
    let front = async {
        let prompt = prompts.recv().await.unwrap();
        assert_eq!(prompt.messages.len(), 1);
        assert_eq!(prompt.messages[0].content, "out");
        let message = message_of_line("ls -l", &prompt.tools).unwrap();
        prompt.answer.send(message).unwrap();
    };
    let (deltas, _watch) = mpsc::channel(8);
    let cancel = CancellationToken::new();
    let request = request();
    let (reply, ()) = tokio::join!(human.chat(&request, deltas, &cancel), front);
    let reply = reply.unwrap();
    assert_eq!(reply.finish, Finish::ToolCalls);
    let call = &reply.message.tool_calls[0];
    assert_eq!((call.id.as_str(), call.name.as_str()), ("call_1", "bash"));
    assert_eq!(call.arguments, "{\"command\":\"ls -l\"}");
}

#[tokio::test]
async fn leaving_and_cancelling_end_the_question() {
    let (send, mut prompts) = mpsc::channel(1);
    let human = human(send);
    let cancel = CancellationToken::new();
    let request = request();
    let (deltas, _watch) = mpsc::channel(8);
    let leave = async { drop(prompts.recv().await) };
    let (reply, ()) = tokio::join!(human.chat(&request, deltas.clone(), &cancel), leave);
    assert!(matches!(reply, Err(ModelError::HumanLeft)));
    let stop = async { cancel.cancel() };
    let (reply, ()) = tokio::join!(human.chat(&request, deltas, &cancel), stop);
    assert!(matches!(reply, Err(ModelError::Cancelled)));
}

#[test]
fn lines_mean_what_the_help_says() {
    let tools = tools();
    assert_eq!(
        message_of_line("/say hello there", &tools).unwrap().content,
        "hello there"
    );
    assert_eq!(
        message_of_line("/finish", &tools).unwrap().tool_calls[0].name,
        "finish"
    );
    assert_eq!(
        message_of_line("/bin/ls", &tools).unwrap().tool_calls[0].name,
        "bash"
    );
    assert!(message_of_line("", &tools).is_err());
    assert!(message_of_line("/quit", &tools).is_err());
    assert!(message_of_line("/finish", &[]).is_err());
    assert!(message_of_line("ls", &[]).is_err());
}
