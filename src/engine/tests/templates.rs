//! Our rendering of chat templates is that of `transformers`: `tests/fixtures/templates/make.py` asks it.

use serde_json::Value;

use crate::engine::template::ChatTemplate;

#[test]
fn every_conversation_is_rendered_as_transformers_does_and_refused_with_the_templates_words() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/templates/");
    let read = |name: &str| std::fs::read_to_string(format!("{folder}{name}")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&read("rendered.json")).unwrap();
    assert_eq!(cases.len(), 24);
    for case in cases {
        let name = format!(
            "{} {} answer {} tools {}",
            case["template"],
            case["conversation"],
            case["answer"],
            !case["tools"].is_null()
        );
        let source = read(case["template"].as_str().unwrap());
        let template = ChatTemplate::new(&source, "<|begin_of_text|>", "<|eot_id|>").unwrap();
        let tools = (!case["tools"].is_null()).then_some(&case["tools"]);
        let ours = template.render(&case["messages"], tools, case["answer"] == true);
        if let Some(theirs) = case.get("rendered") {
            assert_eq!(ours.unwrap(), theirs.as_str().unwrap(), "{name}");
        } else {
            let why = ours.unwrap_err().to_string();
            assert!(
                why.contains(case["refused"].as_str().unwrap()),
                "{name}: {why}"
            );
        }
    }
}

#[test]
fn variables_of_the_caller_are_read_besides_and_change_none_of_the_others() {
    let source = "{{ messages[0].content }}\
{%- if enable_thinking is defined and enable_thinking is false %} quietly{% endif %}{{ eos_token }}";
    let template = ChatTemplate::new(source, "", ".").unwrap();
    let messages = serde_json::json!([{"content": "hi"}]);
    let with = |variables: Value| {
        let variables = variables.as_object().unwrap();
        template
            .render_with(&messages, None::<&()>, true, variables)
            .unwrap()
    };
    assert_eq!(with(serde_json::json!({})), "hi.");
    assert_eq!(with(serde_json::json!({"enable_thinking": true})), "hi.");
    assert_eq!(
        with(serde_json::json!({"enable_thinking": false, "eos_token": "!"})),
        "hi quietly."
    );
}

#[test]
fn a_template_that_is_none_is_refused_with_its_line() {
    let why = ChatTemplate::new("a\n{% if %}", "", "")
        .err()
        .unwrap()
        .to_string();
    assert!(why.contains("line 2") || why.contains(":2"), "{why}");
}
