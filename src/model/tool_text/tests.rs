//! Every form is read, in any pieces, and nothing is lost.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn tools() -> Vec<ToolSpec> {
    let tool = |name: &str, parameters: Value| ToolSpec {
        name: name.into(),
        description: format!("The {name} tool."),
        parameters,
    };
    vec![
        tool(
            "bash",
            json!({"type": "object", "properties": {"command": {"type": "string", "description": "what to run"}},
            "required": ["command"]}),
        ),
        tool(
            "edit",
            json!({"type": "object", "properties": {
            "command": {"type": "string", "enum": ["view", "create"]}, "path": {"type": "string"},
            "text": {"type": "string"}, "line": {"type": "integer"}, "range": {"type": "array"}, "all": {"type": "boolean"}},
            "required": ["command", "path"]}),
        ),
        tool("finish", json!({"type": "object", "properties": {}})),
    ]
}

fn calls(text: &str, form: Form) -> Vec<(String, Value, Option<String>)> {
    let pieces = parse(text, form, &tools());
    let calls = pieces.into_iter().filter_map(|piece| match piece {
        Piece::Call(call) => Some((
            call.name,
            serde_json::from_str(&call.arguments).unwrap(),
            call.problem,
        )),
        Piece::Text(_) => None,
    });
    calls.collect()
}

fn words(text: &str, form: Form) -> String {
    let pieces = parse(text, form, &tools());
    pieces
        .iter()
        .map(|p| {
            if let Piece::Text(t) = p {
                t.as_str()
            } else {
                ""
            }
        })
        .collect()
}

fn one(text: &str, form: Form) -> (String, Value, Option<String>) {
    let mut calls = calls(text, form);
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls.remove(0)
}

fn bash(command: &str) -> (String, Value, Option<String>) {
    ("bash".into(), json!({"command": command}), None)
}

#[test]
fn the_xml_form_is_read_with_and_without_its_end() {
    let call = "<function=bash>\n<parameter=command>ls -l</parameter>\n";
    for end in ["</function>", "</function", "", "</fun", "</function>\n"] {
        let text = format!("I look.\n{call}{end}");
        assert_eq!(one(&text, Form::Xml), bash("ls -l"), "{end:?}");
        assert!(words(&text, Form::Xml).starts_with("I look.\n"));
    }
    let wrapped = format!("<tool_call>\n{call}</function>\n</tool_call> done");
    assert_eq!(one(&wrapped, Form::Xml), bash("ls -l"));
    assert_eq!(words(&wrapped, Form::Xml), " done");
    assert_eq!(
        one(&wrapped.replace("</tool_call> done", ""), Form::Any),
        bash("ls -l")
    );
}

#[test]
fn values_keep_their_indentation_and_may_hold_the_closing_tag_of_a_function() {
    let text = "<function=edit>\n<parameter=command>create</parameter>\n<parameter=path>/x</parameter>\n<parameter=text>\n\n    if a:\n</function>\n\n</parameter>\n</function>";
    let (_, arguments, problem) = one(text, Form::Xml);
    assert_eq!(problem, None);
    assert_eq!(arguments["text"], "\n    if a:\n</function>\n");
}

#[test]
fn values_become_what_the_schema_wants() {
    let text = "<function=edit><parameter=command>\nview\n</parameter><parameter=path>x</parameter>\
                <parameter=line> 5 </parameter><parameter=range>[1, -1]</parameter><parameter=all>True</parameter></function>";
    let (_, arguments, problem) = one(text, Form::Xml);
    assert_eq!(problem, None);
    assert_eq!(
        arguments,
        json!({"command": "view", "path": "x", "line": 5, "range": [1, -1], "all": true})
    );
}

#[test]
fn what_is_wrong_is_said_in_words_and_the_call_is_kept() {
    let problem = |text: &str, form| one(text, form).2.unwrap();
    let xml = |inside: &str| problem(&format!("<function={inside}</function>"), Form::Xml);
    assert_eq!(
        xml("bsh>\n"),
        "There is no tool `bsh`. The tools are: bash, edit, finish."
    );
    assert_eq!(xml("bash>"), "`bash` needs a value for: command.");
    assert_eq!(
        xml("finish><parameter=x>1</parameter>"),
        "`x` is not a parameter of `finish`; it takes none."
    );
    assert_eq!(
        xml("edit><parameter=command>rm</parameter><parameter=path>x</parameter>"),
        "Parameter `command` of `edit` must be one of: `view`, `create`."
    );
    assert_eq!(
        xml(
            "edit><parameter=command>view</parameter><parameter=path>x</parameter><parameter=line>five</parameter>"
        ),
        "Parameter `line` of `edit` must be an integer."
    );
    assert_eq!(
        xml("bash>oops<parameter=command>x</parameter>"),
        "`oops` stands outside of any parameter in the call of `bash`."
    );
    assert_eq!(
        xml("bash><parameter=command>a</parameter><parameter=command>b</parameter>"),
        "Parameter `command` of `bash` is given twice."
    );
    assert_eq!(
        problem("<function=bash>\n<parameter=command>ls", Form::Xml),
        "Parameter `command` of `bash` is not closed with `</parameter>`."
    );
    assert_eq!(
        problem("<function=ba", Form::Xml),
        "The call breaks off inside `<function=`."
    );
    assert!(
        problem("<tool_call>{\"name\": \"bash\", </tool_call>", Form::Hermes)
            .contains("not valid JSON")
    );
    assert!(
        problem("<tool_call>ls</tool_call>", Form::Hermes).contains("must hold one JSON object")
    );
    assert!(
        problem("<tool_call>{\"x\": 1}</tool_call>", Form::Hermes)
            .contains("`name` and `arguments`")
    );
    assert!(
        problem(
            "<tool_call>{\"name\": \"bash\", \"arguments\": [1]}</tool_call>",
            Form::Hermes
        )
        .contains("must be a JSON object")
    );
    assert!(problem("<|python_tag|>print(1)", Form::Llama).contains("must be followed by"));
}

#[test]
fn hermes_calls_are_read_one_after_the_other() {
    let text = "Hm. <tool_call>\n{\"name\": \"bash\", \"arguments\": {\"command\": \"echo '</tool_call>}'\"}}\n</tool_call>\n\
                <tool_call>{\"name\": \"finish\", \"arguments\": {}}</tool_call>";
    for form in [Form::Hermes, Form::Any, Form::Xml] {
        let calls = calls(text, form);
        assert_eq!(calls[0], bash("echo '</tool_call>}'"));
        assert_eq!(calls[1].0, "finish");
        assert_eq!(words(text, form), "Hm. \n");
    }
    let open = "<tool_call>{\"name\": \"bash\", \"arguments\": \"{\\\"command\\\": \\\"ls\\\"}\"}";
    assert_eq!(one(open, Form::Hermes), bash("ls"));
}

#[test]
fn llama_calls_are_read_after_the_tag_or_bare() {
    let object = "{\"name\": \"bash\", \"parameters\": {\"command\": \"ls\"}}";
    assert_eq!(
        one(&format!("<|python_tag|>{object}<|eom_id|>"), Form::Llama),
        bash("ls")
    );
    assert_eq!(one(&format!(" {object}\n"), Form::Llama), bash("ls"));
    assert_eq!(
        one(
            &format!("{{\"type\": \"function\", \"function\": {object}}}"),
            Form::Any
        ),
        bash("ls")
    );
    assert_eq!(calls(&format!("{object}; {object}"), Form::Llama).len(), 2);
    let said = "{\"answer\": 5} is what I found";
    assert_eq!(calls(said, Form::Llama), []);
    assert_eq!(words(said, Form::Llama), said);
    assert_eq!(calls(object, Form::Hermes), []);
}

#[test]
fn a_bare_call_that_is_cut_off_or_no_json_is_reported_with_its_text() {
    for (text, why) in [
        (
            "{\"name\": \"bash\", \"parameters\": {\"command\": \"ls",
            "not valid JSON",
        ),
        (" {\n \"name\"", "not valid JSON"),
        (
            "{\"name\": bash, \"parameters\": {\"command\": \"ls\"}}",
            "not valid JSON",
        ),
        (
            "{ \"type\" : \"function\", \"function\": {\"name\": \"bash\"",
            "not valid JSON",
        ),
        (
            "{\"name\": \"bash\", \"command\": \"ls\"}",
            "`name` and `arguments`",
        ),
    ] {
        for form in [Form::Llama, Form::Any] {
            let mut pieces = parse(text, form, &tools());
            let Some(Piece::Call(call)) = pieces.pop() else {
                panic!("no call in {text}");
            };
            assert_eq!((pieces, call.raw.as_str()), (Vec::new(), text));
            let problem = call.problem.unwrap();
            assert!(problem.contains(why), "{text}: {problem}");
        }
        assert_eq!(words(text, Form::Hermes), text);
    }
    // One that follows a good one is a call as well.
    let object = "{\"name\": \"bash\", \"parameters\": {\"command\": \"ls\"}}";
    let two = calls(&format!("{object}; {{\"name\": \"ba"), Form::Llama);
    assert_eq!(two[0], bash("ls"));
    assert!(two[1].2.as_ref().unwrap().contains("not valid JSON"));
    // Until it is whole nothing of it is said.
    let mut parser = Parser::new(Form::Any, &tools());
    assert!(parser.push("{\"name\": \"bash\", ").is_empty());
    assert!(parser.push("\"parameters\": {}").is_empty());
    assert!(matches!(parser.finish().as_slice(), [Piece::Call(call)] if call.problem.is_some()));
}

#[test]
fn a_bare_object_is_a_call_of_a_tool_that_is_there_or_no_call() {
    let answers = [
        "{\"name\": \"Bob\"}",
        "{\"name\": \"Bob\", \"arguments\": {\"command\": \"ls\"}}",
        "{\"parameters\": {}, \"name\": \"Bob\"}",
        "{\"name\": \"bash script\", \"parameters\": {}}",
        "{\"name\": \"Bo",
        "{\"name\": \"Bob\", \"age\"",
        "{\"name\": Bob}",
        "{\"type\": \"function\", \"name\": \"Bob\"}",
        "{\"type\": \"function\"} and then \"name\": \"bash\"",
    ];
    for text in answers {
        for form in [Form::Any, Form::Llama] {
            assert_eq!(calls(text, form), [], "{text}");
            assert_eq!(words(text, form), text);
        }
    }
    // Marked as a call it is one, and its problem is told.
    for text in [
        "<tool_call>{\"name\": \"Bob\", \"arguments\": {}}</tool_call>",
        "<|python_tag|>{\"name\": \"Bob\", \"parameters\": {}}",
        "<function=Bob></function>",
    ] {
        let problem = one(text, Form::Any).2.unwrap();
        assert!(problem.starts_with("There is no tool `Bob`."), "{problem}");
    }
}

#[test]
fn prose_that_only_looks_like_a_call_stays_prose() {
    let answers = [
        "{\"names\": [\"a\"]",
        "{\"type\": \"fruit\", ",
        "{",
        "{\"nam",
    ];
    for text in answers {
        assert_eq!(words(text, Form::Any), text);
    }
    for text in ["a < b and <function", "<tool_cal", "x <functional> y", ""] {
        assert_eq!(words(text, Form::Any), text);
        assert_eq!(calls(text, Form::Any), []);
    }
}

#[test]
fn native_arguments_are_checked_the_same_way() {
    let check = |arguments: &str| {
        let call = ToolCall {
            id: "x".into(),
            name: "bash".into(),
            arguments: arguments.into(),
        };
        check_native(&call, &tools())
    };
    assert_eq!(check("{\"command\": \"ls\"}").unwrap()["command"], "ls");
    assert_eq!(check("").unwrap_err(), "`bash` needs a value for: command.");
    assert!(
        check("{\"command\"")
            .unwrap_err()
            .contains("not valid JSON")
    );
    assert_eq!(
        check("[]").unwrap_err(),
        "The arguments of `bash` must be a JSON object."
    );
    assert_eq!(
        check("{\"command\": 5}").unwrap_err(),
        "Parameter `command` of `bash` must be a string."
    );
}

#[test]
fn the_tools_are_listed_with_their_parameters() {
    let text = render_tools_xml(&tools());
    assert!(text.contains("---- BEGIN FUNCTION #1: bash ----\nDescription: The bash tool.\nParameters:\n  (1) command (string, required): what to run\n---- END FUNCTION #1 ----"));
    assert!(text.contains("(1) command (string, required) One of: view, create.\n  (2) path (string, required)\n  (3) text (string, optional)"));
    assert!(text.contains("Description: The finish tool.\nParameters: none"));
}

/// Adjacent words joined: where they are cut is the stream's matter.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (out.last_mut(), piece) {
            (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
            (_, piece) => out.push(piece),
        }
    }
    out
}

fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("<function=bash>".to_owned()),
        Just("<parameter=command>".to_owned()),
        Just("</parameter>".to_owned()),
        Just("</function>".to_owned()),
        Just("</function".to_owned()),
        Just("<tool_call>".to_owned()),
        Just("</tool_call>".to_owned()),
        Just("<|python_tag|>".to_owned()),
        Just("<|eom_id|>".to_owned()),
        Just("{\"name\": \"bash\", \"arguments\": {\"command\": \"ü\"}}".to_owned()),
        Just("{\"name\": \"bash\"".to_owned()),
        Just("{\"name\": \"Bob\", ".to_owned()),
        Just("{ \"type\": \"function\", ".to_owned()),
        "[ -~\nä<{}\"]{0,6}",
    ];
    prop::collection::vec(part, 0..10).prop_map(|parts| parts.concat())
}

fn any_form() -> impl Strategy<Value = Form> {
    prop_oneof![
        Just(Form::Xml),
        Just(Form::Hermes),
        Just(Form::Llama),
        Just(Form::Any)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn where_the_text_is_cut_does_not_matter(text in any_text(), form in any_form(), size in 1usize..7) {
        let tools = tools();
        let mut parser = Parser::new(form, &tools);
        let chars: Vec<char> = text.chars().collect();
        let mut pieces = Vec::new();
        for piece in chars.chunks(size) {
            pieces.extend(parser.push(&piece.iter().collect::<String>()));
        }
        pieces.extend(parser.finish());
        prop_assert_eq!(joined(pieces), joined(parse(&text, form, &tools)));
    }

    #[test]
    fn any_value_survives_the_xml_form(
        command in "[ -;=-~\n\täé]{0,20}", path in "[a-z/ ]{1,5}", line in any::<i32>(), all in any::<bool>(),
    ) {
        let arguments = json!({"command": "view", "path": path, "text": command, "line": line, "all": all});
        let call = ToolCall { id: String::new(), name: "edit".into(), arguments: arguments.to_string() };
        let (name, read, problem) = one(&call_to_xml(&call), Form::Xml);
        prop_assert_eq!((name.as_str(), read, problem), ("edit", arguments, None));
    }
}
