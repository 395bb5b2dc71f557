//! From what was said to tokens: what is learned, what is masked, and that training sees what inference will.

use std::path::Path;

use serde_json::json;

use crate::engine::template::ChatTemplate;
use crate::engine::tokenizer::Tokenizer;
use crate::train::lesson::{Lesson, Lessons};
use crate::train::rows::{Maker, Unfit, is_kept_back};
use crate::train::vocabulary::{END, SPECIAL, TEMPLATE, learn};

fn lesson(turns: &[(&str, &str, bool)]) -> Lesson {
    let turn = |(role, text, _): &(&str, &str, bool)| json!({"role": role, "content": text});
    Lesson {
        about: "a task".into(),
        messages: turns.iter().map(turn).collect(),
        learned: turns.iter().map(|(_, _, learned)| *learned).collect(),
    }
}

fn example() -> Lesson {
    lesson(&[
        ("system", "Repair it.\n\n", false),
        (
            "user",
            "total(3) gives 7, not 6\n1:def total(n):\n2:    return n + n + 1",
            false,
        ),
        ("assistant", "replace 2     return n + n", true),
        ("user", " ok\n", false),
        ("assistant", "test — twice", false),
        ("tool", "passed", false),
        ("assistant", "", true),
    ])
}

fn texts() -> Vec<String> {
    let line = "def total(n):\n    return n + n + 1\nreplace 2     return n + n\ntest passed\n";
    vec![line.repeat(30)]
}

pub(super) fn tokenizer(folder: &Path) -> Tokenizer {
    let path = folder.join("tokenizer.json");
    learn(&texts(), 400, &path).unwrap();
    Tokenizer::open(&path).unwrap()
}

#[test]
fn training_reads_byte_for_byte_what_inference_is_asked_with_and_learns_the_replies() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let template = ChatTemplate::new(TEMPLATE, "", END).unwrap();
    let maker = Maker {
        tokenizer: &tokenizer,
        template: &template,
        context_weight: 0.0,
        longest: 500,
    };
    let lesson = example();
    let row = maker.row(&lesson).unwrap().unwrap();
    let text = tokenizer.decode(&row.tokens);
    let whole = template
        .render(&lesson.messages, None::<&()>, false)
        .unwrap();
    assert_eq!(text, whole);
    assert_eq!(row.tokens, tokenizer.encode(&whole).unwrap());
    for (at, learned) in lesson.learned.iter().enumerate() {
        if lesson.messages[at]["role"] != "assistant" {
            continue;
        }
        let prompt = tokenizer
            .encode(&maker.asked(&lesson, at).unwrap())
            .unwrap();
        assert!(row.tokens.starts_with(&prompt), "turn {at}");
        // The first token of the reply, and with it the turn, counts or does not.
        assert_eq!(row.weights[prompt.len()] > 0.0, *learned, "turn {at}");
    }
    let learned: Vec<u32> = row
        .tokens
        .iter()
        .zip(&row.weights)
        .filter(|(_, weight)| **weight >= 1.0)
        .map(|(token, _)| *token)
        .collect();
    assert_eq!(
        tokenizer.decode(&learned),
        format!("replace 2     return n + n{END}{END}"),
        "the replies and their ends, and nothing else"
    );
    let reading = Maker {
        context_weight: 0.25,
        ..maker
    };
    let weighed = reading.row(&lesson).unwrap().unwrap();
    assert_eq!(weighed.tokens, row.tokens);
    let of = |weight: f32| -> String {
        let weighed = weighed.tokens.iter().zip(&weighed.weights);
        let alike: Vec<u32> = weighed
            .filter(|(_, found)| found.to_bits() == weight.to_bits())
            .map(|(token, _)| *token)
            .collect();
        tokenizer.decode(&alike)
    };
    assert_eq!(of(1.0), tokenizer.decode(&learned));
    assert_eq!(
        of(0.0),
        format!("test — twice{END}"),
        "what it said and should not have is not learned by reading either"
    );
    assert!(of(0.25).contains("total(3) gives 7"));
}

#[test]
fn what_does_not_fit_is_left_out_whole_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let template = ChatTemplate::new(TEMPLATE, "", END).unwrap();
    let length = |longest| {
        let maker = Maker {
            tokenizer: &tokenizer,
            template: &template,
            context_weight: 0.1,
            longest,
        };
        maker.row(&example()).unwrap()
    };
    let row = length(500).unwrap();
    assert!(length(row.tokens.len()).is_ok());
    let short = row.tokens.len() - 1;
    assert_eq!(length(short), Err(Unfit::TooLong(row.tokens.len())));
    // A template that drops what came before from the second turn on.
    let forgetful = "{% for m in messages[-2:] %}<|{{ m.role }}|>{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
    let forgetful = ChatTemplate::new(forgetful, "", END).unwrap();
    let maker = Maker {
        tokenizer: &tokenizer,
        template: &forgetful,
        context_weight: 0.0,
        longest: 500,
    };
    assert_eq!(maker.row(&example()).unwrap(), Err(Unfit::Rewritten));
    let mut lessons = Lessons {
        all: vec![example()],
        ..Lessons::default()
    };
    assert!(maker.rows(&mut lessons).unwrap().is_empty());
    assert_eq!(lessons.left_out.values().sum::<usize>(), 1);
}

#[test]
fn the_vocabulary_is_the_same_each_time_and_an_identifier_is_one_token_wherever_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("1"), folder.path().join("2"));
    learn(&texts(), 400, &one).unwrap();
    learn(&texts(), 400, &two).unwrap();
    assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    let tokenizer = Tokenizer::open(&one).unwrap();
    let total = tokenizer.encode("total").unwrap();
    assert_eq!(total.len(), 1);
    for around in [
        "(total)",
        " total ",
        "\n    total",
        "x = total + 12",
        "1:total,total",
    ] {
        let tokens = tokenizer.encode(around).unwrap();
        assert!(tokens.contains(&total[0]), "{around}");
        assert_eq!(tokenizer.decode(&tokens), around);
    }
    assert_eq!(
        tokenizer.encode("12").unwrap().len(),
        2,
        "digits stand alone"
    );
    for odd in ["\r\n\t é", "日本\u{301} a\u{0}b", "  \n\n\t\n x", "🦀"] {
        assert_eq!(tokenizer.decode(&tokenizer.encode(odd).unwrap()), odd);
    }
    for special in SPECIAL {
        assert_eq!(tokenizer.encode(special).unwrap().len(), 1);
    }
    assert!(learn(&texts(), 100, &one).is_err());
}

#[test]
fn conversations_of_a_file_are_read_with_their_weights_and_bad_lines_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("said.jsonl");
    let good = json!({"messages": [
        {"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0},
        {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"},
    ], "instance_id": "one"});
    let nothing = json!({"messages": [{"role": "user", "content": "a"}]});
    std::fs::write(&path, format!("{good}\n\n{nothing}\n")).unwrap();
    let lessons = Lessons::read(&path, &mut |_, _| true).unwrap();
    assert_eq!(lessons.all.len(), 1);
    assert_eq!(lessons.all[0].about, "one");
    assert_eq!(lessons.all[0].learned, [false, false, false, true]);
    assert_eq!(lessons.left_out.values().sum::<usize>(), 1);
    std::fs::write(&path, format!("{good}\n{{\"messages\": 3}}\n")).unwrap();
    let said = Lessons::read(&path, &mut |_, _| true)
        .unwrap_err()
        .to_string();
    assert!(said.contains("said.jsonl:2: no conversation"), "{said}");
    std::fs::write(&path, format!("{nothing}\n")).unwrap();
    let said = Lessons::read(&path, &mut |_, _| true)
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("nothing to learn from: 1 conversations without"),
        "{said}"
    );
    let said = Lessons::read(folder.path(), &mut |_, _| true).unwrap_err();
    assert!(said.to_string().contains("neither a store"), "{said}");
}

#[test]
fn the_same_tasks_are_kept_back_whatever_else_there_is() {
    let kept: Vec<String> = (0..5000)
        .map(|number| format!("task-{number}"))
        .filter(|name| is_kept_back(name, 50))
        .collect();
    assert!((60..140).contains(&kept.len()), "{}", kept.len());
    assert!(!is_kept_back(&kept[0], 0));
}
