//! What a scaffold says and understands, without a sandbox.

use std::fmt::Write as _;

use super::*;
use crate::model::ToolCall;
use crate::model::{Finish, Reply};

fn task() -> TaskView {
    TaskView {
        instance_id: "acme__wheel-7".into(),
        repo: "acme/wheel".into(),
        problem_statement: "`spin()` fails on 0.\n{{ not a template }} </pr_description>".into(),
        hints: String::new(),
        workdir: "/testbed".into(),
        base_commit: "abc".into(),
    }
}

fn reply(content: &str, tool_calls: Vec<ToolCall>, finish: Finish) -> Reply {
    Reply {
        message: Message {
            tool_calls,
            ..Message::text(Role::Assistant, content)
        },
        finish,
        usage: None,
        logprobs: None,
        served_by: None,
        retries: 0,
    }
}

fn call(name: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: "c1".into(),
        name: name.into(),
        arguments: arguments.into(),
    }
}

fn shown(scaffold: &Scaffold) -> String {
    let opening = scaffold.opening(&task()).unwrap();
    let mut out = String::new();
    for message in &opening {
        writeln!(out, "=== {:?} ===\n{}", message.role, message.content).unwrap();
    }
    out.push_str("=== tools ===\n");
    out.push_str(&serde_json::to_string_pretty(&scaffold.tools()).unwrap());
    out
}

#[test]
fn the_opening_names_the_task_and_offers_the_tools_in_the_scaffold_s_form() {
    for name in Scaffold::builtin_names() {
        let native = Scaffold::load(name).unwrap().with_form(ToolForm::Native);
        let xml = Scaffold::load(name).unwrap().with_form(ToolForm::Xml);
        for scaffold in [&native, &xml] {
            let text = shown(scaffold);
            assert!(
                text.contains("`spin()` fails on 0.\n{{ not a template }}"),
                "the issue stands as it was written"
            );
            // The one for small models says as little as it can.
            assert!(name == &"gym" || (text.contains("/testbed") && text.contains("acme/wheel")));
            let form = format!("{:?}", scaffold.form()).to_lowercase();
            insta::assert_snapshot!(format!("opening_{name}_{form}"), text);
        }
        assert!(!native.tools().is_empty() && native.stop().is_empty());
        assert!(xml.tools().is_empty() && xml.stop() == ["</function"]);
        let system = &xml.opening(&task()).unwrap()[0].content;
        for tool in native.tools() {
            assert!(
                system.contains(&tool.name),
                "{} is described in the system message",
                tool.name
            );
        }
        assert_eq!(native.hash(), xml.hash());
        assert_eq!(native.hash().len(), 64);
    }
}

#[test]
fn in_the_line_form_a_message_is_one_call_and_the_tools_are_lines() {
    let scaffold = Scaffold::load("gym").unwrap();
    assert_eq!(scaffold.form(), ToolForm::Line);
    let opening = scaffold.opening(&task()).unwrap();
    assert_eq!(
        opening[0].content,
        "Fix the bug.\nfind NAME\nview FILE\nchange NAME OLD\n=> NEW\ntest\nsubmit"
    );
    assert_eq!(
        opening[1].content,
        "`spin()` fails on 0.\n{{ not a template }} </pr_description>"
    );
    assert!(scaffold.tools().is_empty() && scaffold.stop().is_empty());

    let said = "change spin total = 1\n=> if not xs:\n    return 0\ntotal = 1";
    let turn = scaffold.read(&reply(said, Vec::new(), Finish::Stop));
    assert_eq!((turn.calls.len(), turn.problems.len()), (1, 0));
    assert_eq!(turn.thought, "");
    assert_eq!(scaffold.rewrite("", &turn.calls).content, said);
    // A reply that was cut off may lack half of a line.
    let half = scaffold.read(&reply(said, Vec::new(), Finish::Length));
    assert_eq!((half.calls.len(), half.problems.len()), (0, 1));
    let wrong = scaffold.read(&reply("change spin x", Vec::new(), Finish::Stop));
    let (call, why) = &wrong.problems[0];
    let complaint = scaffold.complain(Some(call), why);
    assert_eq!(complaint.role, Role::User);
    assert!(complaint.content.starts_with("error: "), "{complaint:?}");
    let none = scaffold.read(&reply("I think that", Vec::new(), Finish::Stop));
    assert!(none.calls.is_empty() && none.problems.is_empty());
}

#[test]
fn a_script_tool_without_a_command_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = "extends = \"gym\"\n[[tools]]\nname = \"t\"\nacts = \"script\"\ndescription = \"test.md\"\n";
    std::fs::write(folder.path().join("scaffold.toml"), text).unwrap();
    let told = Scaffold::load(folder.path().to_str().unwrap())
        .unwrap_err()
        .to_string();
    assert!(told.contains("names its command in `run`"), "{told}");
}

#[test]
fn hints_are_shown_only_where_there_are_any() {
    for name in Scaffold::builtin_names() {
        let scaffold = Scaffold::load(name).unwrap();
        let without = &scaffold.opening(&task()).unwrap()[1].content;
        let with = TaskView {
            hints: "look at the axle".into(),
            ..task()
        };
        assert!(!without.contains("<hints>"));
        assert!(
            scaffold.opening(&with).unwrap()[1]
                .content
                .contains("<hints>\nlook at the axle\n</hints>")
        );
    }
}

#[test]
fn several_native_calls_are_read_in_order_and_bad_ones_are_told_apart() {
    let scaffold = Scaffold::load("codeact").unwrap();
    let calls = vec![
        call("execute_bash", r#"{"command": "ls"}"#),
        call("python", "{}"),
        call("finish", ""),
        call("execute_bash", r#"{"command": "ls"#),
    ];
    let turn = scaffold.read(&reply("I look", calls.clone(), Finish::ToolCalls));
    assert_eq!(turn.thought, "I look");
    assert_eq!(turn.calls, [calls[0].clone(), calls[2].clone()]);
    assert_eq!(turn.problems.len(), 2);
    assert!(turn.problems[0].1.contains("`python`") && turn.problems[0].1.contains("execute_bash"));
    let told = scaffold.complain(Some(&calls[1]), &turn.problems[0].1);
    assert_eq!(
        (told.role, told.tool_call_id.as_deref()),
        (Role::Tool, Some("c1"))
    );
    assert!(
        told.content
            .ends_with("[Error occurred in processing last action]"),
        "{told:?}"
    );
}

#[test]
fn a_native_call_that_a_limit_cut_is_told_so_and_the_whole_ones_before_it_count() {
    let scaffold = Scaffold::load("codeact").unwrap();
    let calls = vec![
        call("execute_bash", r#"{"command": "ls"}"#),
        call("execute_bash", r#"{"command": "ls"#),
    ];
    let turn = scaffold.read(&reply("", calls.clone(), Finish::Length));
    assert_eq!(turn.calls, [calls[0].clone()]);
    assert!(turn.problems[0].1.contains("length limit"), "{turn:?}");
    let turn = scaffold.read(&reply("", calls, Finish::ToolCalls));
    assert!(turn.problems[0].1.contains("JSON"), "{turn:?}");
    // What is wrong otherwise is told as it is.
    let whole = vec![call("python", "{}")];
    let turn = scaffold.read(&reply("", whole, Finish::Length));
    assert!(turn.problems[0].1.contains("no function"), "{turn:?}");
}

#[test]
fn a_text_call_that_the_stop_phrase_cut_is_whole_and_one_that_a_limit_cut_is_not() {
    let scaffold = Scaffold::load("codeact").unwrap().with_form(ToolForm::Xml);
    let text = "I look.\n\n<function=execute_bash>\n<parameter=command>ls -l</parameter>\n";
    let stopped = reply(text, Vec::new(), Finish::Stop);
    let turn = scaffold.read(&stopped);
    assert_eq!(
        (turn.thought.as_str(), turn.calls.len(), turn.problems.len()),
        ("I look.", 1, 0)
    );
    assert_eq!(turn.calls[0].arguments, r#"{"command":"ls -l"}"#);
    assert_eq!(
        turn,
        scaffold.read(&stopped),
        "the same text has the same ids"
    );
    assert_eq!(
        scaffold.said(&stopped).content,
        format!("{text}</function>")
    );
    let whole = reply(&format!("{text}</function>"), Vec::new(), Finish::Stop);
    assert_eq!(scaffold.said(&whole), whole.message);
    for cut in [
        text,
        "<function=str_replace_editor>\n<parameter=command>create</parameter>\n<parameter=path>/a</parameter>\n<parameter=file_text>half",
    ] {
        let turn = scaffold.read(&reply(cut, Vec::new(), Finish::Length));
        assert!(
            turn.calls.is_empty() && turn.problems[0].1.contains("length limit"),
            "{turn:?}"
        );
    }
    let turn = scaffold.read(&reply("only words", Vec::new(), Finish::Stop));
    assert_eq!(
        (turn.thought.as_str(), turn.calls.len(), turn.problems.len()),
        ("only words", 0, 0)
    );
}

#[test]
fn results_are_told_in_the_form_of_the_call() {
    let outcome = Outcome {
        text: "a.py".into(),
        exit: Some(0),
        error: false,
        submitted: false,
        dropped: 0,
        took: std::time::Duration::ZERO,
    };
    let call = call("execute_bash", "{}");
    let native = Scaffold::load("codeact").unwrap();
    let told = native.observe(&call, &outcome);
    assert_eq!(
        (
            told.role,
            told.content.as_str(),
            told.tool_call_id.as_deref()
        ),
        (Role::Tool, "OBSERVATION:\na.py", Some("c1"))
    );
    let xml = Scaffold::load("codeact").unwrap().with_form(ToolForm::Xml);
    let told = xml.observe(&call, &outcome);
    assert_eq!(
        (told.role, told.content.as_str()),
        (Role::User, "EXECUTION RESULT of [execute_bash]:\na.py")
    );
    assert_eq!(
        Scaffold::load("bash")
            .unwrap()
            .observe(&call, &outcome)
            .content,
        "a.py"
    );
    assert!(
        native
            .skipped(&call)
            .content
            .contains("did not let this call")
    );
}

#[test]
fn what_a_person_rewrote_reads_back_as_the_same_calls() {
    let arguments = r#"{"command":"insert","path":"/a b","insert_line":3,"new_str":"  x\n\ny"}"#;
    let edited = [call("str_replace_editor", arguments)];
    for form in [ToolForm::Native, ToolForm::Xml] {
        let scaffold = Scaffold::load("codeact").unwrap().with_form(form);
        let message = scaffold.rewrite("because", &edited);
        let turn = scaffold.read(&Reply {
            message,
            ..reply("", Vec::new(), Finish::Stop)
        });
        assert_eq!(
            (turn.thought.as_str(), turn.problems.len()),
            ("because", 0),
            "{turn:?}"
        );
        assert_eq!(turn.calls[0].arguments, arguments);
    }
}

#[test]
fn replies_without_a_call_are_nudged_until_the_limit() {
    let scaffold = Scaffold::load("codeact").unwrap();
    let limit = scaffold.limits().format_errors;
    assert!(
        !scaffold
            .nudge(1)
            .unwrap()
            .content
            .contains("nobody answers")
    );
    for consecutive in 2..limit {
        assert!(
            scaffold
                .nudge(consecutive)
                .unwrap()
                .content
                .contains("nobody answers")
        );
    }
    assert!(scaffold.nudge(limit).is_none());
}

fn load(files: &[(&str, &str)]) -> Result<Scaffold, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let place = folder.path().display().to_string();
    Scaffold::load(&place).map_err(|error| error.to_string().replace(&place, ""))
}

#[test]
fn a_folder_of_two_lines_changes_the_prompt_and_keeps_the_rest() {
    let mine = load(&[
        ("scaffold.toml", "extends = \"codeact\"\nname = \"mine\"\n"),
        ("system.md", "Be brief.\n"),
    ])
    .unwrap();
    let builtin = Scaffold::load("codeact").unwrap();
    assert_eq!(mine.name(), "mine");
    assert_eq!(mine.opening(&task()).unwrap()[0].content, "Be brief.");
    assert_eq!(
        mine.opening(&task()).unwrap()[1],
        builtin.opening(&task()).unwrap()[1]
    );
    assert_eq!(mine.tools(), builtin.tools());
    assert_ne!(mine.hash(), builtin.hash());
}

#[test]
fn a_slip_in_a_scaffold_is_told_with_its_place() {
    let own = "extends = \"codeact\"\n";
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[("scaffold.toml", "extends = \"codeact\"\nfrom = 1\n")],
            "/scaffold.toml:2:1: unknown field `from`",
        ),
        (
            &[(
                "scaffold.toml",
                "extends = \"codeact\"\n[limits]\nturns = \"x\"\n",
            )],
            "/scaffold.toml:3:9: invalid type",
        ),
        (
            &[(
                "scaffold.toml",
                "extends = \"codeact\"\n[limits]\nturns = 1\n",
            )],
            "/scaffold.toml:2:1: missing field `command_seconds`",
        ),
        (
            &[("scaffold.toml", "name = \"x\"\n")],
            "the key `prompts.system` is missing",
        ),
        (
            &[("scaffold.toml", "extends = \"other\"\n")],
            "names no builtin scaffold; there are codeact, bash",
        ),
        (
            &[(
                "scaffold.toml",
                "extends = \"codeact\"\n[prompts]\ntask = \"../x.md\"\n",
            )],
            "must be the name of a file beneath",
        ),
        (
            &[(
                "scaffold.toml",
                "extends = \"codeact\"\n[prompts]\ntask = \"other.md\"\n",
            )],
            "/other.md does not exist",
        ),
        (
            &[
                ("scaffold.toml", own),
                ("task.md", "one\ntwo {{ workdri }}\n"),
            ],
            "/task.md:2:8: undefined value",
        ),
        (
            &[("scaffold.toml", own), ("task.md", "one\n{% if %}\n")],
            "/task.md:2:",
        ),
        (
            &[(
                "scaffold.toml",
                "extends = \"codeact\"\n[[tools]]\nname = \"f\"\nacts = \"finish\"\ndescription = \"finish.md\"\n[tools.arguments]\nwhy = \"x\"\n",
            )],
            "`f` describes `why`",
        ),
        (
            &[("other.toml", "")],
            "/scaffold.toml: there is no such file",
        ),
    ];
    for (files, words) in cases {
        let told = load(files).unwrap_err();
        assert!(told.contains(words), "{told}\nlacks {words}");
    }
    let told = Scaffold::load("codeakt").unwrap_err().to_string();
    assert_eq!(
        told,
        "there is no scaffold `codeakt` (did you mean `codeact`?): name one of codeact, bash, gym, or a folder with a scaffold.toml"
    );
}

#[test]
fn long_results_keep_both_ends_and_the_footer() {
    let scaffold = Scaffold::load("codeact").unwrap();
    let command = Command {
        output: "é".repeat(40_000),
        unkept: 7,
        exit: 2,
        note: String::new(),
    };
    let (text, dropped) = scaffold.command_text(&command);
    assert!(text.ends_with("\n[Command finished with exit code 2]"));
    assert!(text.contains("é\n[... Observation truncated due to length ...]\né"));
    assert_eq!(
        text.chars().filter(|c| *c == 'é').count(),
        30_000 - "\n[Command finished with exit code 2]".len()
    );
    assert_eq!(
        dropped,
        2 * (10_000 + "\n[Command finished with exit code 2]".len() as u64) + 7
    );
}
