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

#[test]
fn nothing_is_what_it_is_in_jinja2() {
    let said = |source: &str| {
        let template = ChatTemplate::new(source, "", "").unwrap();
        let messages = serde_json::json!([{"content": "hi", "parts": ["a"]}]);
        template.render(&messages, None::<&()>, false)
    };
    // Qwen3-Coder asks for tools in this way.
    let tools = "{% if tools is iterable and tools | length > 0 %}some{% else %}none{% endif %}";
    assert_eq!(said(tools).unwrap(), "none");
    assert_eq!(
        said("{{ absent | length }}{{ absent | count }}").unwrap(),
        "00"
    );
    assert!(said("{{ none | length }}").is_err());
    for (value, iterable, sequence) in [
        ("messages", "true", "true"),
        ("messages[0]", "true", "true"),
        ("messages[0].content", "true", "true"),
        ("messages[0].parts", "true", "true"),
        ("absent", "true", "true"),
        ("none", "false", "false"),
        ("1", "false", "false"),
    ] {
        let source = format!("{{{{ {value} is iterable }}}} {{{{ {value} is sequence }}}}");
        let said = said(&source).unwrap().to_lowercase();
        assert_eq!(said, format!("{iterable} {sequence}"), "{value}");
    }
}

#[test]
fn a_conversation_with_tools_is_rendered_by_the_template_for_it() {
    let template = ChatTemplate::with(
        "plain {{ messages[0].content }}",
        Some("tools {{ tools | length }}"),
        "",
        "",
    );
    let template = template.unwrap();
    let messages = serde_json::json!([{"content": "hi"}]);
    let tools = serde_json::json!([{"name": "bash"}]);
    assert_eq!(
        template.render(&messages, None::<&()>, true).unwrap(),
        "plain hi"
    );
    assert_eq!(
        template.render(&messages, Some(&tools), true).unwrap(),
        "tools 1"
    );
    assert!(template.mentions("tools {{"));
}

#[test]
fn json_is_written_as_python_writes_it_with_each_of_its_settings() {
    let said = |settings: &str| {
        let source = format!("{{{{ messages[0] | tojson{settings} }}}}");
        let template = ChatTemplate::new(&source, "", "").unwrap();
        let messages = serde_json::json!([{"b": [1, {"z": null, "a": "é😀"}], "a": {}}]);
        template.render(&messages, None::<&()>, false)
    };
    // Each as CPython's `json.dumps` writes it.
    for (settings, text) in [
        ("", r#"{"b": [1, {"z": null, "a": "é😀"}], "a": {}}"#),
        (
            "(separators=(',', ':'))",
            r#"{"b":[1,{"z":null,"a":"é😀"}],"a":{}}"#,
        ),
        (
            "(ensure_ascii=True, sort_keys=True)",
            r#"{"a": {}, "b": [1, {"a": "\u00e9\ud83d\ude00", "z": null}]}"#,
        ),
        (
            "(indent=1, sort_keys=True, separators=(' ;', '='))",
            "{\n \"a\"={} ;\n \"b\"=[\n  1 ;\n  {\n   \"a\"=\"é😀\" ;\n   \"z\"=null\n  }\n ]\n}",
        ),
    ] {
        assert_eq!(said(settings).unwrap(), text, "{settings}");
    }
    for wrong in ["(separators=(',',))", "(cls=1)"] {
        assert!(said(wrong).is_err(), "{wrong}");
    }
}
